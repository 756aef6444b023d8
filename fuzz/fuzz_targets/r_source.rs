//! Any bytes as an R source of any kind (the first byte says which): read, or refused with a reason.
#![no_main]

use layerfit::languages::r::source::{Kind, Source};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((first, bytes)) = bytes.split_first() else { return };
    let kind = match first {
        b'm' => Kind::Document,
        b'w' => Kind::Sweave,
        b'd' => Kind::Description,
        b'l' => Kind::Lock,
        _ => Kind::Script,
    };
    match Source::parse(kind, bytes) {
        Ok(source) => {
            // Every place is in the file, and every name can be a package's.
            let lines = bytes.iter().filter(|b| matches!(b, b'\n' | b'\r')).count() + 1;
            assert!(source.uses.iter().all(|one| (1..=lines).contains(&one.line) && one.package.len() >= 2));
            assert!(source.follows.iter().all(|one| (1..=lines).contains(&one.line) && !one.path.is_empty()));
            assert!(source.dynamic.iter().all(|one| (1..=lines).contains(&one.line) && one.what.chars().count() <= 60));
            assert!(source.uses.is_sorted() && source.follows.is_sorted() && source.dynamic.is_sorted());
        }
        Err(why) => assert!(!why.is_empty()),
    }
});
