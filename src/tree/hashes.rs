//! Hashes: those of contents that were read as a whole, for what is found by the hash of a content: verdicts of earlier runs, and
//! compressed bytes. They are those of the contents as they were read, once in this run.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::entry::EntryId;
use crate::base::verdicts::Verdicts;

/// The hashes of contents of a tree, and the verdicts on them.
#[derive(Default)]
pub(super) struct Hashes {
    pub(super) verdicts: Option<Arc<dyn Verdicts>>,
    /// Those of short contents that were hashed when the tree was read; entries have their positions.
    short: Vec<blake3::Hash>,
    known: Mutex<HashMap<EntryId, blake3::Hash>>,
}

impl Hashes {
    /// These hashes of short contents, by their positions.
    pub(super) fn of_short(short: Vec<blake3::Hash>) -> Self {
        Self { short, ..Self::default() }
    }

    /// The hash of a short content at a position.
    pub(super) fn short(&self, position: u32) -> Option<blake3::Hash> {
        self.short.get(position as usize).copied()
    }

    /// Forgets those by id, as ids or contents are others now. An entry keeps the position of its hash as long as it has its content.
    pub(super) fn forget(&mut self) {
        self.known.get_mut().unwrap_or_else(PoisonError::into_inner).clear();
    }

    pub(super) fn insert(&self, id: EntryId, hash: blake3::Hash) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(id, hash);
    }

    pub(super) fn get(&self, id: EntryId) -> Option<blake3::Hash> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&id).copied()
    }
}
