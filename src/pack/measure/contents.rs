//! Contents: measures a content of a tree, or one that was made of it.

use super::engine::{Engine, WHOLE_BYTES};
use super::measured::{Measured, Want};
use super::place::Source;
use super::stream::STREAM_BYTES;
use crate::base::error::Result;
use crate::tree::{EntryId, Tree};

/// The contents of a tree, measured at one level.
#[derive(Clone, Copy)]
pub(super) struct Contents<'a> {
    pub(super) tree: &'a Tree,
    pub(super) engine: &'a Engine,
    /// libdeflate's level.
    pub(super) level: i32,
}

impl Contents<'_> {
    /// Measures what is made of a file, or a link.
    pub(super) fn made(self, id: EntryId, content: &[u8], want: Want) -> Result<Measured> {
        self.engine.measure(self.tree.path(id), content, self.level, want, Source::Made)
    }

    /// Measures a file whose content this is.
    pub(super) fn of_file(self, id: EntryId, content: &[u8], want: Want) -> Result<Measured> {
        self.engine.measure(self.tree.path(id), content, self.level, want, Source::Tree)
    }

    /// Measures a file in the form it has in the tree, when there is room for it in memory.
    pub(super) fn unchanged(self, id: EntryId, want: Want) -> Result<Measured> {
        let Self { tree, engine, level } = self;
        let (path, bytes) = (tree.path(id), tree.entry(id).bytes());
        if bytes > WHOLE_BYTES {
            let _permit = engine.acquire(STREAM_BYTES);
            return engine.stream(path, &|each| tree.read_in_chunks(id, each), bytes, level, want);
        }
        // What was hashed before in this run need not be read again, if that is all that is needed.
        if let Some(measured) = tree.known_hash(id).and_then(|hash| engine.known(hash, level, bytes, want)) {
            return Ok(measured);
        }
        let _permit = engine.acquire(2 * bytes);
        self.of_file(id, &tree.read_in_buffer(id)?, want)
    }
}
