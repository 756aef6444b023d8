//! The files of a tree as a shell script finds them, by the paths that they have in a function.

use std::cell::RefCell;

use super::{EntryId, Place, Tree};
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

/// The files of a tree, with those that a script reads into itself.
pub(crate) struct SourcedFiles<'t> {
    tree: &'t Tree,
    /// Each with the path by which it was read.
    read: RefCell<Vec<(String, EntryId)>>,
}

impl<'t> SourcedFiles<'t> {
    /// None is read yet.
    pub(crate) fn of(tree: &'t Tree) -> Self {
        Self { tree, read: RefCell::default() }
    }

    /// Those that were read, each with the path by which it was.
    pub(crate) fn read(self) -> Vec<(String, EntryId)> {
        self.read.into_inner()
    }
}

impl Files for SourcedFiles<'_> {
    fn exists(&self, path: &str) -> Option<bool> {
        self.tree.exists(path)
    }

    fn real(&self, path: &str) -> Option<String> {
        self.tree.real(path)
    }

    fn content(&self, path: &str) -> Option<Vec<u8>> {
        let content = self.tree.content(path)?;
        if let Place::Inside(id) = self.tree.locate(path.as_bytes()) {
            self.read.borrow_mut().push((path.to_owned(), id));
        }
        Some(content)
    }
}

impl Tree {
    fn located(&self, path: &str) -> Option<Place> {
        path.starts_with('/').then(|| self.locate(path.as_bytes()))
    }
}
