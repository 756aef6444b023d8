//! Objects: the ELF files of a tree, each parsed once, in parallel.

use std::collections::BTreeMap;
use std::sync::Arc;

use rayon::prelude::*;

use super::{EntryId, Kind, Magic, Tree};
use crate::base::bytes::size;
use crate::base::error::Error;
use crate::base::finding::{Code, Finding};
use crate::base::path::TreePath;
use crate::formats::elf::Elf;

/// A larger ELF file is not read: it is over Lambda's unzipped limit for a function with all its layers (`total_unzipped` in
/// `rules/limits.toml`), and it would be in memory as a whole.
const MAX_ELF_BYTES: u64 = 262_144_000;

/// Files longer than this are read one at a time, to bound memory use.
const LARGE_BYTES: u64 = 1 << 25;

/// Every ELF file that the loader would accept.
pub type Objects = BTreeMap<EntryId, Arc<Elf>>;

/// Reads every ELF file.
///
/// Returns them, and findings about files that are damaged or cannot be read.
pub fn read_objects(tree: &Tree) -> (Objects, Vec<Finding>) {
    let is_elf = |kind: &Kind| matches!(kind, Kind::File { magic: Magic::Elf, .. });
    let wanted = tree.iter().filter(|(_, entry)| is_elf(&entry.kind)).map(|(id, _)| id);
    let (large, small): (Vec<EntryId>, Vec<EntryId>) = wanted.partition(|id| tree.entry(*id).bytes() > LARGE_BYTES);
    let read = |id: &EntryId| (*id, read_one(tree, *id));
    let mut all: Vec<_> = small.par_iter().map(read).collect();
    all.extend(large.iter().map(read));

    let mut objects = Objects::new();
    let mut findings = Vec::new();
    for (id, result) in all {
        match result {
            Ok(elf) => objects.extend(elf.map(|elf| (id, Arc::new(elf)))),
            Err(finding) => findings.push(finding),
        }
    }
    (objects, findings)
}

/// Parses one ELF file; `None` when it only contains debug data, which is never loaded.
fn read_one(tree: &Tree, id: EntryId) -> Result<Option<Elf>, Finding> {
    let entry = tree.entry(id);
    if entry.bytes() > MAX_ELF_BYTES {
        let message =
            format!("this ELF file of {} is larger than any layer can be, and is not read", size(entry.bytes()));
        return Err(Finding::error(Code::DamagedElf, &entry.path, message, "drop it, or strip it"));
    }
    let (bytes, _) = tree.read_and_hash(id).map_err(|error| unreadable(&entry.path, &error))?;
    if Elf::is_debug_companion(&bytes) {
        return Ok(None);
    }
    Elf::parse(&bytes).map(Some).map_err(|why| {
        let help = "rebuild it or copy it again: the loader would reject it or crash";
        Finding::error(Code::DamagedElf, &entry.path, format!("damaged ELF file: {why}"), help)
    })
}

/// A file that cannot be read.
pub fn unreadable(path: &TreePath, error: &Error) -> Finding {
    if let Error::TooLarge { most, .. } = error {
        let message = format!("is larger than {}, and is not read", size(*most));
        return Finding::error(Code::Unreadable, path, message, "replace it by the right file, or drop it");
    }
    Finding::error(
        Code::Unreadable,
        path,
        error.to_string().lines().next().unwrap_or_default(),
        "run again while nothing writes to the tree, as a user with permission to read it",
    )
}
