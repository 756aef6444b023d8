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
    known: Mutex<HashMap<EntryId, blake3::Hash>>,
}

impl Hashes {
    /// Forgets all, as ids or contents are others now.
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
