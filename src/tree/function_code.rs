//! The function's own code: how much of the unzipped limit it takes, which it shares with its layers.

use std::path::Path;

use walkdir::WalkDir;

use super::zips;

/// The sum of the lengths of the files in a directory that will be `/var/task`, or of the entries of the zip that would be
/// uploaded, in bytes. A link has the length of its own target, as what it leads to can be another file that counts already.
/// Of a directory, only what `enters` accepts is counted, and what can be read. `None` if it is neither.
pub fn unzipped_size(code: &Path, enters: impl Fn(&Path) -> bool) -> Option<u64> {
    if !code.is_dir() {
        return zips::unzipped_size(code);
    }
    let entries = WalkDir::new(code).into_iter().filter_entry(|entry| entry.depth() == 0 || enters(entry.path()));
    let files = entries.filter_map(Result::ok).filter(|entry| !entry.file_type().is_dir());
    let lengths = files.filter_map(|entry| entry.metadata().ok()).map(|metadata| metadata.len());
    Some(lengths.fold(0, u64::saturating_add))
}
