//! Recompression, only as far as needed: when a few bytes less would save a layer, files are compressed harder until they do,
//! those first that save most for the work.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use rayon::prelude::*;

use super::Measurements;
use super::engine::Want;
use super::measured::{Level, Measured, Recompressed};
use crate::base::error::Result;
use crate::base::progress::Progress;
use crate::pack::rewrite::strip::{Stripped, strip};
use crate::pack::rewrite::{Form, Transforms};
use crate::tree::{EntryId, Kind, Magic, Tree};

/// How many bytes of content are compressed harder before checking whether that is enough.
const BATCH_BYTES: u64 = 8 << 20;

/// The measurements of files before they were compressed harder.
#[derive(Debug, Default)]
pub struct Undo(Vec<(EntryId, Measured)>);

/// Files by kind. Those of one kind gain alike, so what was tried of a kind predicts what is left of it. Gains are counted in
/// bytes, not in seconds, so that the same input gives the same bytes everywhere.
#[derive(Default)]
struct Kinds(BTreeMap<Vec<u8>, KindOfFile>);

#[derive(Default)]
struct KindOfFile {
    /// The files that were not tried yet with their lengths in bytes; the largest in a zip last.
    left: Vec<(EntryId, u64)>,
    /// What was tried.
    tried: Option<Gain>,
}

/// How many bytes were saved, of how many bytes of content.
#[derive(Clone, Copy, Default)]
struct Gain {
    saved: u64,
    of: u64,
}

impl KindOfFile {
    /// Bytes saved for each million bytes of content; a kind that was not tried yet comes before all others.
    fn rate(&self) -> u128 {
        self.tried.map_or(u128::MAX, |gain| u128::from(gain.saved) * 1_000_000 / u128::from(gain.of.max(1)))
    }
}

impl Kinds {
    /// The kind to continue with: that which saves most per byte; `None` when no files are left.
    fn best(&self) -> Option<Vec<u8>> {
        let next = self.0.iter().filter(|(_, kind)| !kind.left.is_empty());
        next.max_by_key(|(name, kind)| (kind.rate(), Reverse(*name))).map(|(name, _)| name.clone())
    }

    /// The most that can be expected to be saved in the files that are left: half as much again as their kinds have saved so
    /// far. `None` while a kind was not tried.
    fn best_case(&self) -> Option<u128> {
        let mut sum = 0;
        for kind in self.0.values().filter(|kind| !kind.left.is_empty()) {
            let Gain { saved, of } = kind.tried?;
            let left: u64 = kind.left.iter().map(|(_, bytes)| bytes).sum();
            sum += u128::from(left) * u128::from(saved) * 3 / 2 / u128::from(of.max(1));
        }
        Some(sum)
    }

    /// Takes the next files of a kind, the largest first, and returns them with the sum of their lengths.
    fn take_batch(&mut self, kind: &[u8]) -> (Vec<EntryId>, u64) {
        let (mut batch, mut bytes) = (Vec::new(), 0);
        let Some(kind) = self.0.get_mut(kind) else { return (batch, bytes) };
        while bytes < BATCH_BYTES {
            let Some((id, length)) = kind.left.pop() else { break };
            bytes += length;
            batch.push(id);
        }
        (batch, bytes)
    }

    /// Records what a batch saved.
    fn record(&mut self, kind: &[u8], saved: u64, of: u64) {
        if let Some(kind) = self.0.get_mut(kind) {
            let gain = kind.tried.get_or_insert_default();
            gain.saved += saved;
            gain.of += of;
        }
    }
}

impl Measurements {
    /// Compresses files harder until `wanted` bytes are saved, or no files are left or the rest is not expected to suffice.
    /// Returns the previous measurements, for [`Measurements::undo`].
    ///
    /// # Errors
    /// When a file cannot be read, or the temporary file cannot be written.
    pub fn compress_harder(
        &mut self,
        tree: &Tree,
        kept: impl Fn(EntryId) -> bool,
        transforms: &Transforms,
        wanted: u64,
        progress: &dyn Progress,
    ) -> Result<Undo> {
        let mut undo = Undo::default();
        let mut kinds = self.kinds(tree, kept);
        let mut recompressed = Recompressed::default();
        progress.stage("compressing harder", wanted);
        while recompressed.saved < wanted {
            let Some(kind) = kinds.best() else { break };
            let missing = wanted - recompressed.saved;
            if kinds.best_case().is_some_and(|best_case| best_case < u128::from(missing)) {
                break;
            }
            let (batch, bytes) = kinds.take_batch(&kind);
            let mut saved = 0;
            for (id, measured) in self.compress_batch(tree, transforms, &batch)? {
                let old = self.files[&id].compressed;
                if measured.compressed < old && saved < missing {
                    saved += old - measured.compressed;
                    recompressed.files += 1;
                    undo.0.extend(self.files.insert(id, measured).map(|old| (id, old)));
                }
            }
            kinds.record(&kind, saved, bytes);
            recompressed.saved += saved;
            progress.advance(saved);
        }
        progress.done();
        self.recompressed = Some(recompressed);
        self.engine.finish();
        Ok(undo)
    }

    /// The files that can gain from harder compression.
    fn kinds(&self, tree: &Tree, kept: impl Fn(EntryId) -> bool) -> Kinds {
        let mut kinds = Kinds::default();
        for (id, measured) in self.files.iter().filter(|(id, m)| kept(**id) && m.compressed < m.bytes) {
            // Content that is compressed already, as in R's databases, gains nothing. Databases in another form were made from
            // two files, and are compressed as hard as pays off.
            let repacked = self.rewritten.get(id).is_some_and(|rewritten| rewritten.form != Form::Stripped);
            if !repacked && measured.compressed * 100 < measured.bytes * 97 && tree.entry(*id).is_file() {
                kinds.0.entry(kind(tree, *id)).or_default().left.push((*id, measured.bytes));
            }
        }
        for kind in kinds.0.values_mut() {
            // Batches are taken from the end.
            kind.left.sort_by_key(|(id, _)| (self.files[id].compressed, Reverse(*id)));
        }
        kinds
    }

    /// Restores the measurements from before [`Measurements::compress_harder`], when it saved no layer.
    pub fn undo(&mut self, undo: Undo) {
        self.files.extend(undo.0);
        self.recompressed = None;
    }

    /// What compressing harder saved, when it saved a layer.
    pub fn recompressed(&self) -> Option<Recompressed> {
        self.recompressed
    }

    fn compress_batch(
        &self,
        tree: &Tree,
        transforms: &Transforms,
        batch: &[EntryId],
    ) -> Result<Vec<(EntryId, Measured)>> {
        batch
            .par_iter()
            .map(|id| {
                let mut content = tree.read(*id)?;
                let _permit = self.engine.acquire(content.len() as u64);
                if self.rewritten.contains_key(id)
                    && let Stripped::Smaller(stripped) = strip(&content, transforms.strip)
                {
                    content = stripped;
                }
                Ok((*id, self.engine.measure(&content, Level::Max.number(), Want::Bytes)?))
            })
            .collect()
    }
}

/// The kind of a file: ELF, or its extension.
fn kind(tree: &Tree, id: EntryId) -> Vec<u8> {
    let entry = tree.entry(id);
    if matches!(entry.kind, Kind::File { magic: Magic::Elf, .. }) {
        return b"\x7fELF".to_vec();
    }
    let name = entry.path.name();
    name.iter().rposition(|b| *b == b'.').map(|dot| name[dot..].to_vec()).unwrap_or_default()
}
