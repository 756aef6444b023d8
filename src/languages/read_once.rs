//! What is read of files, once for each, by several threads.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::tree::EntryId;

/// What was read of each file so far.
pub(super) struct ReadOnce<T>(Mutex<HashMap<EntryId, Arc<T>>>);

impl<T> Default for ReadOnce<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> ReadOnce<T> {
    /// What `read` returned for this file, or returns now. The file is not locked while it is read: two threads that come at
    /// the same time read it twice.
    pub(super) fn get(&self, id: EntryId, read: impl FnOnce() -> T) -> Arc<T> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&id).cloned();
        known.unwrap_or_else(|| {
            let read = Arc::new(read());
            self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(id, Arc::clone(&read));
            read
        })
    }
}
