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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::progress::Silent;
    use crate::pack::measure::Options;

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
                only: None,
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
        assert_eq!(length(&measured, "dropped.aa"), length(&soft, "dropped.aa"));
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
                only: None,
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
