//! Known contents: reading files with their hashes, and what is known by these.

use std::ops::ControlFlow;
use std::sync::Arc;

use super::{EntryId, Origin, Tree};
use crate::base::buffers::Buffer;
use crate::base::error::Result;
use crate::base::verdicts::{Verdict, Verdicts};

impl Tree {
    /// Asks these verdicts from now on, and hashes contents for them.
    pub(crate) fn ask(&mut self, verdicts: Option<Arc<dyn Verdicts>>) {
        self.hashes.verdicts = verdicts;
    }

    /// Keeps the verdicts of this run.
    pub(crate) fn save_verdicts(&self) {
        if let Some(verdicts) = &self.hashes.verdicts {
            verdicts.save();
        }
    }

    /// The hash of a content that was read as a whole in this run, if it was hashed. The file can have changed since then.
    pub(crate) fn known_hash(&self, id: EntryId) -> Option<blake3::Hash> {
        self.hashes.get(id).or_else(|| match self.entry(id).origin {
            Origin::Directory { hash } => self.hashes.short(hash?),
            _ => None,
        })
    }

    /// The whole content of a regular file, and its hash if anything is known by hashes.
    ///
    /// # Errors
    /// As for [`Tree::read`].
    pub(crate) fn read_and_hash(&self, id: EntryId) -> Result<(Buffer<'_>, Option<blake3::Hash>)> {
        let content = self.read_in_buffer(id)?;
        let hash = self.hashes.verdicts.is_some().then(|| blake3::hash(&content));
        if let Some(hash) = hash {
            self.hashes.insert(id, hash);
        }
        Ok((content, hash))
    }

    /// Reads a regular file in parts, as `Tree::read_in_chunks` does. It is read to its end and hashed if anything is known by
    /// hashes, also after `each` broke off.
    ///
    /// # Errors
    /// When the file cannot be read, or is no longer as long as it was when the tree was scanned, or `each` fails.
    pub(crate) fn read_in_chunks_and_hash(
        &self,
        id: EntryId,
        each: &mut dyn FnMut(&[u8]) -> Result<ControlFlow<()>>,
    ) -> Result<()> {
        if self.hashes.verdicts.is_none() {
            return self.read_in_chunks(id, each);
        }
        let (mut hash, mut state) = (blake3::Hasher::new(), ControlFlow::Continue(()));
        self.read_in_chunks(id, &mut |chunk| {
            hash.update(chunk);
            if state.is_continue() {
                state = each(chunk)?;
            }
            Ok(ControlFlow::Continue(()))
        })?;
        self.hashes.insert(id, hash.finalize());
        Ok(())
    }

    /// Whether a check finds nothing wrong with contents, now or in an earlier run, whose verdict was kept. `check` names the
    /// version of what it does, and `hashes` are those of the very bytes that it examines.
    pub(crate) fn passes(
        &self,
        check: &'static str,
        hashes: &[Option<blake3::Hash>],
        run: impl FnOnce() -> bool,
    ) -> bool {
        let all: Option<Vec<blake3::Hash>> = hashes.iter().copied().collect();
        let (Some(verdicts), Some(hashes)) = (&self.hashes.verdicts, all) else { return run() };
        let verdict = Verdict::new(check, &hashes);
        if verdicts.has(verdict) {
            return true;
        }
        let passes = run();
        if passes {
            verdicts.add(verdict);
        }
        passes
    }
}
