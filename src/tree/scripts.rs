//! The files of a tree as a shell script finds them, by the paths that they have in a function.

use super::{Place, Tree};
use crate::formats::shell::Files;

/// A longer file is not read into a script.
const MAX_SOURCED_BYTES: u64 = 64 << 10;

impl Files for Tree {
    /// What the image has is not known here.
    fn exists(&self, path: &str) -> Option<bool> {
        match self.located(path)? {
            Place::Inside(_) | Place::Root => Some(true),
            Place::Nowhere | Place::Loop => Some(false),
            Place::Outside(_) => None,
        }
    }

    fn real(&self, path: &str) -> Option<String> {
        match self.located(path)? {
            Place::Inside(id) => Some(self.path(id).mounted()),
            _ => None,
        }
    }

    fn content(&self, path: &str) -> Option<Vec<u8>> {
        match self.located(path)? {
            Place::Inside(id) if self.entry(id).is_file() && self.entry(id).bytes() <= MAX_SOURCED_BYTES => {
                self.read(id).ok()
            }
            _ => None,
        }
    }
}

impl Tree {
    fn located(&self, path: &str) -> Option<Place> {
        path.starts_with('/').then(|| self.locate(path.as_bytes()))
    }
}
