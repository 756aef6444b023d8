//! Any bytes as an archive of a container image: read, or refused with an error, and nothing is unpacked.
#![no_main]

use std::path::PathBuf;
use std::sync::OnceLock;

use layerfit::base::path::TreePath;
use layerfit::base::progress::Silent;
use layerfit::container::Image;
use layerfit::tree::scan_image;
use libfuzzer_sys::fuzz_target;

/// The file that the archive is put in: one for the process, in memory where the system has that.
fn file() -> &'static PathBuf {
    static FILE: OnceLock<PathBuf> = OnceLock::new();
    FILE.get_or_init(|| {
        let memory = PathBuf::from("/dev/shm");
        let directory = if memory.is_dir() { memory } else { std::env::temp_dir() };
        directory.join(format!("layerfit-fuzz-{}.tar", std::process::id()))
    })
}

fuzz_target!(|bytes: &[u8]| {
    std::fs::write(file(), bytes).expect("written");
    let Ok(image) = Image::open(file(), None, &Silent) else { return };
    let (tree, _) = scan_image(&image, &TreePath::default()).expect("what was read can be read again");
    for (id, entry) in tree.iter() {
        assert!(!entry.path.as_bytes().split(|b| *b == b'/').any(|part| part == b".."), "{}", entry.path);
        if entry.is_file() && entry.bytes() < 1 << 20 {
            assert_eq!(tree.read(id).expect("read").len() as u64, entry.bytes());
        }
    }
});
