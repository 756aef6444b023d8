//! Any bytes as the index of a lazy-load database: refused, or read and written anew as one that reads back the same.
#![no_main]

use layerfit::languages::r::rdx::{Compression, Index};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    match Index::parse(bytes) {
        Ok(index) => {
            let records = index.records();
            let open = Index::parse(&index.with(&records, Compression::Open)).expect("an index");
            assert_eq!((open.records(), open.compression()), (records, Compression::Open));
        }
        Err(why) => assert!(!why.is_empty()),
    }
});
