//! Any bytes as a layer's zip: read, or refused with findings, and nothing is unpacked.
#![no_main]

use std::path::PathBuf;
use std::sync::OnceLock;

use layerfit::languages::package_directory;
use layerfit::tree::scan_zips;
use libfuzzer_sys::fuzz_target;

/// The file that the zip is put in: one for the process, in memory where the system has that.
fn file() -> &'static PathBuf {
    static FILE: OnceLock<PathBuf> = OnceLock::new();
    FILE.get_or_init(|| {
        let memory = PathBuf::from("/dev/shm");
        let directory = if memory.is_dir() { memory } else { std::env::temp_dir() };
        directory.join(format!("layerfit-fuzz-{}.zip", std::process::id()))
    })
}

fuzz_target!(|bytes: &[u8]| {
    std::fs::write(file(), bytes).expect("written");
    let (tree, layers, findings) = scan_zips(std::slice::from_ref(file()), 262_144_000, package_directory).expect("the file can be read");
    assert_eq!(layers.len(), 1);
    for (id, entry) in tree.iter() {
        assert!(!entry.path.as_bytes().split(|b| *b == b'/').any(|part| part == b".."), "{}", entry.path);
        // A content that was compared with what the zip says is read again, the same.
        if entry.is_file() && entry.bytes() < 1 << 20 {
            match tree.read(id) {
                Ok(content) => assert_eq!(content.len() as u64, entry.bytes()),
                Err(_) => assert!(!findings.is_empty()),
            }
        }
    }
});
