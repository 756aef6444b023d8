//! Compiled modules in `__pycache__` that no process of a function uses, although they are where Python looks for them.
//!
//! A compiled module begins with the version of its format, flags, and what it is compared with (PEP 552): the time and length of
//! its source, as pip and compileall write it, or a hash of the source. Files of a layer have the time of its zip.

use super::names::{Minor, minor_of_directory};
use super::needs::ID;
use crate::base::path::TreePath;
use crate::languages::Packages;
use crate::tree::{EntryId, Place, Tree};

/// The length of what a compiled module begins with, in bytes.
const HEADER_BYTES: usize = 16;

/// The time that files of a layer have, in seconds of Unix time: zips have 1980-01-01 00:00, and Lambda unzips them in UTC.
const LAYER_TIME: u32 = 315_532_800;

/// The first version of CPython that has flags in compiled modules.
const FIRST_WITH_FLAGS: Minor = 7;

/// Whether a file is a compiled module in a `__pycache__` that is not used in a layer: its source is not there, the time and
/// length in it are not those that the source has in a layer, or it is for another CPython than the one that searches there.
pub(super) fn is_never_used(packages: &Packages, tree: &Tree, id: EntryId) -> bool {
    let path = tree.path(id);
    let Some((stem, minor)) = compiled(path.name()).filter(|(_, minor)| *minor >= FIRST_WITH_FLAGS) else {
        return false;
    };
    let cache = path.parent().filter(|parent| parent.name() == b"__pycache__");
    let Some(source) = cache.and_then(|cache| cache.parent()?.join(format!("{stem}.py"))) else { return false };
    let Some([_, flags, time, length]) = header(tree, id) else { return false };
    let Some(source) = tree.find(&source) else { return true };
    let source_bytes = match tree.follow(source) {
        Place::Inside(file) if tree.entry(file).is_file() => tree.entry(file).bytes(),
        // What a link that leaves the tree leads to in the function is not known.
        _ => return false,
    };
    let is_for_another = || searching(packages, path).is_some_and(|searching| searching != minor);
    match flags {
        // Only the lower 32 bits of the length are compared.
        0 => time != LAYER_TIME || u64::from(length) != source_bytes & u64::from(u32::MAX) || is_for_another(),
        0b01 | 0b11 => is_for_another(),
        _ => false,
    }
}

/// The name of the module and the version of CPython in the name of a compiled one: `x.cpython-312.pyc`, `x.cpython-312.opt-1.pyc`.
fn compiled(file_name: &[u8]) -> Option<(&str, Minor)> {
    let name = std::str::from_utf8(file_name).ok()?.strip_suffix(".pyc")?;
    let name = name.rsplit_once(".opt-").map_or(name, |(name, _)| name);
    let (stem, tag) = name.rsplit_once('.')?;
    Some((stem, tag.strip_prefix("cpython-3")?.parse().ok()?))
}

/// The four numbers that a compiled module begins with; `None` if the file is not one.
fn header(tree: &Tree, id: EntryId) -> Option<[u32; 4]> {
    let Place::Inside(file) = tree.follow(id) else { return None };
    let head = tree.entry(file).is_file().then(|| tree.read_head(file, HEADER_BYTES).ok()).flatten()?;
    let mut numbers = [0; 4];
    for (number, bytes) in numbers.iter_mut().zip(head.chunks_exact(4)) {
        *number = u32::from_le_bytes(bytes.try_into().ok()?);
    }
    // The number of the format ends with a line break, so that a file that was converted as a text is not taken for one.
    (head.len() == HEADER_BYTES && head.get(2..4) == Some(b"\r\n")).then_some(numbers)
}

/// The version of CPython that searches the directory of a file, if it is known.
fn searching(packages: &Packages, path: &TreePath) -> Option<Minor> {
    let of_runtime = || packages.runtime_version(ID)?.strip_prefix("3.")?.parse().ok();
    minor_of_directory(path).or_else(of_runtime)
}
