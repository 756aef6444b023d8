//! Only as hard as needed: when a few bytes less would save a layer, files are compressed harder until they do, those first
//! that give the most for the work.

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

/// How much content is compressed harder before it is asked again whether that is enough.
const BATCH_BYTES: u64 = 8 << 20;

/// Files as they were before they were compressed harder.
#[derive(Debug, Default)]
pub struct Undo(Vec<(EntryId, Measured)>);

impl Measurements {
    /// Compresses files harder until they have `wanted` bytes fewer, or there are none left. Gives what they were before, for
    /// [`Measurements::undo`].
    ///
    /// Files of one kind gain alike, so the next batch is of the kind that has gained most for each byte so far; that is
    /// counted in bytes, never in seconds, so that the same input gives the same bytes everywhere.
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
        let mut kinds: BTreeMap<Vec<u8>, Vec<EntryId>> = BTreeMap::new();
        for (id, measured) in self.files.iter().filter(|(id, m)| kept(**id) && m.compressed < m.bytes) {
            // What is compressed already, in R's databases for instance, gains nothing; databases of another form were
            // made from two files, and are as small as that makes them.
            let rewritten = self.rewritten.get(id).is_some_and(|rewritten| rewritten.form != Form::Stripped);
            if !rewritten && measured.compressed * 100 < measured.bytes * 97 && tree.entry(*id).is_file() {
                kinds.entry(kind(tree, *id)).or_default().push(*id);
            }
        }
        for files in kinds.values_mut() {
            // The largest last: they are taken from the end.
            files.sort_by_key(|id| (self.files[id].compressed, std::cmp::Reverse(*id)));
        }
        let mut gains: BTreeMap<Vec<u8>, (u64, u64)> = BTreeMap::new();
        let mut recompressed = Recompressed::default();
        progress.stage("compressing harder", wanted);
        while recompressed.saved < wanted {
            // A kind that was not tried yet comes before all others.
            let rate = |kind: &Vec<u8>| {
                gains
                    .get(kind)
                    .map_or(u128::MAX, |(saved, of)| u128::from(*saved) * 1_000_000 / u128::from((*of).max(1)))
            };
            let next = kinds.iter().filter(|(_, files)| !files.is_empty()).map(|(kind, _)| kind);
            let Some(kind) = next.clone().max_by_key(|kind| (rate(kind), std::cmp::Reverse((*kind).clone()))).cloned()
            else {
                break;
            };
            // When every kind was tried, what is left can be judged by it: half as much again is no more to be hoped for.
            if next.clone().all(|kind| gains.contains_key(kind)) {
                let best_case: u128 = next
                    .map(|kind| {
                        let left: u64 = kinds[kind].iter().map(|id| self.files[id].bytes).sum();
                        let (saved, of) = gains[kind];
                        u128::from(left) * u128::from(saved) * 3 / 2 / u128::from(of.max(1))
                    })
                    .sum();
                if u128::from(recompressed.saved) + best_case < u128::from(wanted) {
                    break;
                }
            }
            let files = kinds.entry(kind.clone()).or_default();
            let (mut batch, mut bytes) = (Vec::new(), 0);
            while bytes < BATCH_BYTES {
                let Some(id) = files.pop() else { break };
                bytes += self.files[&id].bytes;
                batch.push(id);
            }
            let mut saved = 0;
            for (id, measured) in self.compress_batch(tree, transforms, &batch)? {
                let old = self.files[&id].compressed;
                if measured.compressed < old && recompressed.saved + saved < wanted {
                    saved += old - measured.compressed;
                    recompressed.files += 1;
                    undo.0.extend(self.files.insert(id, measured).map(|old| (id, old)));
                }
            }
            let (total, of) = gains.entry(kind).or_default();
            *total += saved;
            *of += bytes;
            recompressed.saved += saved;
            progress.advance(saved);
        }
        progress.done();
        self.recompressed = Some(recompressed);
        self.engine.finish();
        Ok(undo)
    }

    /// Takes back what compressing harder did, when it saved no layer.
    pub fn undo(&mut self, undo: Undo) {
        self.files.extend(undo.0);
        self.recompressed = None;
    }

    /// What compressing harder came to, when it saved a layer.
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
                let _held = self.engine.acquire(content.len() as u64);
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

/// Files of one kind gain alike: ELF files, and those of one ending.
fn kind(tree: &Tree, id: EntryId) -> Vec<u8> {
    let entry = tree.entry(id);
    if matches!(entry.kind, Kind::File { magic: Magic::Elf, .. }) {
        return b"\x7fELF".to_vec();
    }
    let name = entry.path.name();
    name.iter().rposition(|b| *b == b'.').map(|dot| name[dot..].to_vec()).unwrap_or_default()
}
