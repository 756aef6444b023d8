//! Recompression, only as far as needed: when a few bytes less would save a layer, files are compressed harder until they do,
//! those first that save most for the work.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use rayon::prelude::*;

use super::Measurements;
use super::contents::Contents;
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

impl Undo {
    /// The files, each with its length in the zip before, in bytes, without headers.
    pub fn compressed(&self) -> impl Iterator<Item = (EntryId, u64)> + use<'_> {
        self.0.iter().map(|(id, measured)| (*id, measured.compressed))
    }
}

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
                let Some(old) = self.files.get(id).map(|old| old.compressed) else { continue };
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
        self.recompressed = Some(recompressed);
        self.engine.finish();
        Ok(undo)
    }

    /// The files that can gain from harder compression.
    fn kinds(&self, tree: &Tree, kept: impl Fn(EntryId) -> bool) -> Kinds {
        let mut kinds = Kinds::default();
        for (id, measured) in self.files.iter(tree).filter(|(id, m)| kept(*id) && m.compressed < m.bytes) {
            // Content that is compressed already, as in R's databases, gains nothing. Databases in another form were made from
            // two files, and are compressed as hard as pays off.
            let repacked = self.rewritten.get(&id).is_some_and(|rewritten| rewritten.form != Form::Stripped);
            if !repacked && measured.compressed * 100 < measured.bytes * 97 && tree.entry(id).is_file() {
                kinds.0.entry(kind(tree, id)).or_default().left.push((id, measured.bytes));
            }
        }
        for kind in kinds.0.values_mut() {
            // Batches are taken from the end.
            kind.left.sort_by_key(|(id, _)| (self.files.get(*id).map(|file| file.compressed), Reverse(*id)));
        }
        kinds
    }

    /// Restores the measurements from before [`Measurements::compress_harder`], when it saved no layer.
    pub fn undo(&mut self, undo: Undo) {
        for (id, measured) in undo.0 {
            self.files.insert(id, measured);
        }
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
        let contents = Contents { tree, engine: &self.engine, level: Level::Max.number() };
        batch
            .par_iter()
            .map(|id| {
                if !self.rewritten.contains_key(id) {
                    return Ok((*id, contents.unchanged(*id, self.want)?));
                }
                let _permit = self.engine.acquire(2 * tree.entry(*id).bytes());
                let mut content = tree.read(*id)?;
                if let Stripped::Smaller(stripped) = strip(&content, transforms.strip) {
                    content = stripped;
                }
                Ok((*id, contents.made(*id, &content, self.want)?))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::progress::Silent;
    use crate::pack::measure::{Options, Want};

    #[test]
    fn files_are_of_one_kind_by_their_ending_and_elf_files_whatever_theirs_is() {
        let home = tempfile::tempdir().expect("a directory");
        for (name, content) in
            [("a.txt", "text"), ("a.b.txt", "text"), ("none", "text"), ("x.so", "\x7fELF"), ("y.1", "\x7fELF")]
        {
            std::fs::write(home.path().join(name), content).expect("written");
        }
        let (tree, _) = crate::tree::scan_directory(home.path()).expect("read");
        let kinds: Vec<Vec<u8>> = tree.iter().map(|(id, _)| kind(&tree, id)).collect();
        let expected: [&[u8]; 5] = [b".txt", b".txt", b"", b"\x7fELF", b"\x7fELF"];
        assert_eq!(kinds, expected);
    }

    /// Text of so many words, which a higher level makes smaller.
    fn text(seed: u64, words: u64) -> String {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            state >> 33
        };
        (0..words).map(|_| format!("{} {} ", next() % 700, ["alpha", "beta", "gamma"][(next() % 3) as usize])).collect()
    }

    #[test]
    fn files_are_compressed_harder_one_after_the_other_until_it_is_enough_and_back_again() {
        let home = tempfile::tempdir().expect("a directory");
        let names = ["1.aa", "2.aa", "3.aa", "1.bb", "2.bb"];
        for (number, name) in names.iter().enumerate() {
            let words = 3000 + 1000 * (number as u64 % 3);
            std::fs::write(home.path().join(name), text(number as u64 + 1, words)).expect("written");
        }
        // Nothing is tried of what deflate makes hardly any smaller, and of what is not kept.
        let random: Vec<u8> = text(9, 4000).bytes().flat_map(|b| [b.wrapping_mul(97), b ^ 0x5a]).collect();
        std::fs::write(home.path().join("9.aa"), &random[..100]).expect("written");
        std::fs::write(home.path().join("dropped.aa"), text(7, 9000)).expect("written");
        let (tree, _) = crate::tree::scan_directory(home.path()).expect("read");
        let kept = |id: EntryId| tree.path(id).name() != b"dropped.aa";
        let transforms = Transforms::default();
        let take = |level| {
            let options = Options {
                longest: 1 << 30,
                unzipped: 1 << 30,
                level,
                transforms: &transforms,
                cache: None,
                shared: None,
                want: Want::Bytes,
                weigh: false,
            };
            Measurements::take(&tree, kept, options, &Silent).expect("measured").0
        };
        let (soft, hard) = (take(Level::Default), take(Level::Max));
        let id = |name: &str| tree.iter().find(|(_, entry)| entry.path.name() == name.as_bytes()).expect("there").0;
        let length = |measured: &Measurements, name: &str| measured.get(id(name)).expect("measured").compressed;
        let gain = |name: &str| length(&soft, name) - length(&hard, name);
        // The largest of the first kind comes first.
        let order = ["3.aa", "2.aa", "1.aa", "2.bb", "1.bb"];
        assert!(order.iter().all(|name| gain(name) > 1));
        let mut before = 0;
        for (number, name) in order.iter().enumerate() {
            for wanted in [before + 1, before + gain(name)] {
                let mut measured = take(Level::Default);
                let undo = measured.compress_harder(&tree, kept, &transforms, wanted, &Silent).expect("measured");
                let saved = before + gain(name);
                assert_eq!(
                    measured.recompressed(),
                    Some(Recompressed { files: number + 1, saved }),
                    "{wanted} by {name}"
                );
                for (position, other) in order.iter().enumerate() {
                    let from = if position <= number { &hard } else { &soft };
                    assert_eq!(length(&measured, other), length(from, other), "{wanted}: {other}");
                }
                measured.undo(undo);
                assert_eq!(measured.recompressed(), None);
                assert!(names.iter().all(|name| length(&measured, name) == length(&soft, name)));
            }
            before += gain(name);
        }
        // More than there is: all of it, and no endless search.
        let mut measured = take(Level::Default);
        measured.compress_harder(&tree, kept, &transforms, u64::MAX, &Silent).expect("measured");
        let recompressed = measured.recompressed().expect("tried");
        assert!(recompressed.files >= 5 && recompressed.saved >= before, "{recompressed:?}");
        assert_eq!(measured.get(id("dropped.aa")), None);
    }

    #[test]
    fn the_kind_that_gained_most_goes_on_and_the_search_ends_where_nothing_is_to_be_hoped_for() {
        let home = tempfile::tempdir().expect("a directory");
        let words = text(1, 130_000).into_bytes();
        // Digits gain next to nothing, and their kind comes first by name.
        let mut state = 1_u64;
        let digits = std::iter::repeat_with(|| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            b"0123456789abcdef"[(state >> 60) as usize]
        });
        let digits: Vec<u8> = digits.take(words.len()).collect();
        let batch = usize::try_from(BATCH_BYTES).expect("fits");
        for (ending, block) in [("z", &words), ("a", &digits)] {
            let large: Vec<u8> = block.iter().copied().cycle().take(batch).collect();
            std::fs::write(home.path().join(format!("1.{ending}")), large).expect("written");
            std::fs::write(home.path().join(format!("2.{ending}")), &block[5..500_000]).expect("written");
        }
        let (tree, _) = crate::tree::scan_directory(home.path()).expect("read");
        let transforms = Transforms::default();
        let recompress = |wanted: u64| {
            let options = Options {
                longest: 1 << 30,
                unzipped: 1 << 30,
                level: Level::Default,
                transforms: &transforms,
                cache: crate::pack::measure::Cache::at(&home.path().join("cache")),
                shared: None,
                want: Want::Bytes,
                weigh: false,
            };
            let (mut measured, _) = Measurements::take(&tree, |_| true, options, &Silent).expect("measured");
            let lengths = |measured: &Measurements| -> BTreeMap<Vec<u8>, u64> {
                let length = |id| measured.get(id).expect("measured").compressed;
                tree.iter().map(|(id, entry)| (entry.path.name().to_vec(), length(id))).collect()
            };
            let before = lengths(&measured);
            measured.compress_harder(&tree, |_| true, &transforms, wanted, &Silent).expect("measured");
            let after = lengths(&measured);
            let gain = |name: &[u8]| before[name] - after[name];
            ([gain(b"1.a"), gain(b"2.a"), gain(b"1.z"), gain(b"2.z")], measured.recompressed().expect("tried"))
        };
        // The large file of each kind is one batch. Then the small ones are judged by them.
        let ([digits_gain, 0, words_gain, 0], tried) = recompress(u64::MAX) else { panic!("both small ones are left") };
        assert!(words_gain > 5 * digits_gain, "{words_gain} {digits_gain}");
        assert_eq!(tried.saved, digits_gain + words_gain);
        let hope = |gain: u64| 499_995 * gain * 3 / 2 / BATCH_BYTES;
        let most = tried.saved + hope(digits_gain) + hope(words_gain);
        assert_eq!(recompress(most + 1).1, tried);
        let ([_, digits_again, _, words_again], more) = recompress(most);
        assert!(words_again > 0, "{more:?}");
        assert_eq!(more.saved, tried.saved + digits_again + words_again);
        // One byte more than the large ones gave: the small file of the better kind is enough.
        let ([_, 0, _, words_again], enough) = recompress(tried.saved + 1) else { panic!("the digits are left") };
        assert_eq!((enough.files, enough.saved), (tried.files + 1, tried.saved + words_again));
    }
}
