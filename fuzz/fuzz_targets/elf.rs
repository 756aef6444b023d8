//! Any bytes as an ELF file: read, or refused with a reason.
#![no_main]

use layerfit::formats::elf::Elf;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    match Elf::parse(bytes) {
        Ok(elf) => {
            let defined = elf.symbols.defined().count() + elf.symbols.undefined().len();
            assert!(defined <= bytes.len(), "more symbols than bytes");
            assert!(elf.sections.iter().all(|section| section.bytes <= bytes.len() as u64));
        }
        Err(why) => assert!(!why.is_empty()),
    }
});
