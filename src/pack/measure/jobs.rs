//! Jobs: what is measured at once, a file or a database with its index, and in which order.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::databases::DATABASE_BYTES;
use crate::base::path::TreePath;
use crate::tree::{EntryId, Tree};

/// A file, or a database with its index, to measure.
#[derive(Clone, Copy)]
pub(super) enum Job {
    File(EntryId),
    Database { database: EntryId, index: EntryId },
}

impl Job {
    /// The file; for a database with its index, the database.
    pub(super) fn entry(&self) -> EntryId {
        match self {
            Job::File(id) | Job::Database { database: id, .. } => *id,
        }
    }

    /// How many bytes of content it has.
    pub(super) fn bytes(&self, tree: &Tree) -> u64 {
        match self {
            Job::File(id) => tree.entry(*id).bytes(),
            Job::Database { database, index } => tree.entry(*database).bytes() + tree.entry(*index).bytes(),
        }
    }
}

/// All jobs, the largest first, so that no core is still busy with a large file when the others are done.
pub(super) fn jobs(tree: &Tree, kept: &impl Fn(EntryId) -> bool, longest: u64, repack: bool) -> Vec<Job> {
    let wanted = |id: EntryId| !tree.entry(id).is_directory() && tree.entry(id).bytes() <= longest;
    let mut indexes: BTreeMap<EntryId, EntryId> = BTreeMap::new();
    if repack {
        for (index, entry) in tree.iter().filter(|(id, entry)| entry.is_file() && wanted(*id) && kept(*id)) {
            let Some(stem) = entry.path.as_bytes().strip_suffix(b".rdx") else { continue };
            let database = TreePath::new([stem, b".rdb"].concat()).and_then(|path| tree.find(&path));
            let short = |id: EntryId| tree.entry(id).bytes() <= DATABASE_BYTES;
            let both = database.filter(|id| short(*id) && short(index));
            if let Some(database) = both.filter(|id| tree.entry(*id).is_file() && wanted(*id) && kept(*id)) {
                indexes.insert(database, index);
            }
        }
    }
    let with_database: BTreeSet<EntryId> = indexes.values().copied().collect();
    let mut jobs: Vec<Job> = tree
        .all()
        .map(|(id, _)| id)
        .filter(|id| wanted(*id) && !with_database.contains(id))
        .map(|id| match indexes.get(&id) {
            Some(index) => Job::Database { database: id, index: *index },
            None => Job::File(id),
        })
        .collect();
    // The sort keeps the order of the tree among equals.
    jobs.sort_by_key(|job| Reverse(job.bytes(tree)));
    jobs
}
