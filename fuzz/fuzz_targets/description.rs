//! Any bytes as a DESCRIPTION: read, or refused with a reason.
#![no_main]

use layerfit::languages::r::description::Description;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    match Description::parse(bytes) {
        Ok(description) => {
            // Versions compare with themselves as equal, whatever they are.
            assert_eq!(description.version, description.version.to_string().parse().expect("a version reads back"));
            let lists = [&description.depends, &description.imports, &description.linking_to, &description.suggests];
            assert!(lists.iter().map(|list| list.len()).sum::<usize>() <= bytes.len());
        }
        Err(why) => assert!(!why.is_empty()),
    }
});
