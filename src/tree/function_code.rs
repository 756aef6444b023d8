//! The function's own code: how much of the unzipped limit it takes, which it shares with its layers, and the files with which it
//! starts.

use std::collections::BTreeMap;
use std::path::Path;

use walkdir::WalkDir;

use super::zips;
use crate::base::read;

/// A longer file is not one with which a function starts.
const MAX_START_FILE: u64 = 1 << 20;

/// How many of these files are read at most.
const MAX_START_FILES: usize = 64;

/// The bootstrap of a function's code, and the sources beside it that it can start a runtime with (`runtime.R`, `.Rprofile`), by their
/// names. Empty where the code has no bootstrap, or is neither a directory nor a zip that can be read.
pub fn start_files(code: &Path) -> BTreeMap<String, String> {
    let is_wanted = |name: &str| {
        let is_source = || Path::new(name).extension().is_some_and(|extension| extension.eq_ignore_ascii_case("r"));
        let is_profile = || name.to_ascii_lowercase().contains("rprofile");
        !name.contains('/') && (name == "bootstrap" || is_source() || is_profile())
    };
    let files = if code.is_dir() {
        let entries = code.read_dir().into_iter().flatten().flatten().map(|entry| entry.path());
        let named = entries.filter_map(|path| Some((path.file_name()?.to_str()?.to_owned(), path)));
        let mut named: Vec<_> = named.filter(|(name, path)| is_wanted(name) && path.is_file()).collect();
        named.sort();
        named.truncate(MAX_START_FILES);
        let text = |path: &Path| read::text_if_there(path, MAX_START_FILE).ok().flatten();
        named.into_iter().filter_map(|(name, path)| Some((name, text(&path)?))).collect()
    } else {
        zips::texts(code, is_wanted, (MAX_START_FILES, MAX_START_FILE))
    };
    if files.contains_key("bootstrap") { files } else { BTreeMap::new() }
}

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
