//! Measure: the exact raw and compressed length of every file, in the form in which it will be packed. Each content is
//! deflated once, in parallel, and its compressed bytes are kept (in a temporary file, so memory stays bounded, or in the cache, where
//! they are already) until they go into a zip.

mod cache;
mod contents;
mod databases;
mod deflate;
mod engine;
pub(crate) mod estimate;
mod files;
mod jobs;
mod least;
mod measured;
#[cfg(feature = "shared-cache")]
mod objects;
mod own;
mod permits;
mod place;
mod recompress;
mod record;
mod shared;
mod short;
mod signed;
mod signing;
mod spool;
mod stream;
mod verdicts;
mod work;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::base::error::Result;
use crate::base::finding::Finding;
use crate::base::progress::Progress;
use crate::pack::rewrite::Transforms;
use crate::tree::{EntryId, Tree};
pub use cache::Cache;
use contents::Contents;
use engine::Engine;
use files::Files;
use jobs::jobs;
pub(crate) use least::least_bytes;
pub use measured::{
    ENTRY_OVERHEAD, Level, Measured, Method, Recompressed, Rewritten, Want, ZIP_OVERHEAD, entry_overhead,
};
pub use place::Check;
pub use recompress::Undo;
pub use shared::SharedCache;
use work::{Gathered, Work};

/// The lengths and compressed bytes of the files of a tree.
pub struct Measurements {
    files: Files,
    rewritten: BTreeMap<EntryId, Rewritten>,
    engine: Engine,
    /// What is kept of the contents.
    want: Want,
    taken: bool,
    weighed: bool,
    recompressed: Option<Recompressed>,
}

/// How to measure.
pub struct Options<'a> {
    /// Files longer than this many bytes fit into no layer and are not measured.
    pub longest: u64,
    /// How many bytes the layers can have unzipped, which limits the forms of databases.
    pub unzipped: u64,
    /// How hard to compress.
    pub level: Level,
    /// What is packed in another form.
    pub transforms: &'a Transforms,
    /// The compression cache, if any.
    pub cache: Option<Cache>,
    /// The cache that several machines share, if any.
    pub shared: Option<Arc<SharedCache>>,
    /// What is needed of the contents that are packed: without their bytes, nothing is written to the disk.
    pub want: Want,
    /// Whether what is not packed is compressed as well, to tell what it would take in zips: files that are not kept, and the
    /// forms that rewritten files have in the tree. That can take as long as all the rest.
    pub weigh: bool,
}

/// Other forms of what was measured, of which only the lengths are wanted.
pub struct OtherForms<'a> {
    /// The files.
    pub files: &'a (dyn Fn(EntryId) -> bool + Sync),
    /// How many bytes these files can have unzipped.
    pub unzipped: u64,
    /// How hard to compress.
    pub level: Level,
    /// The other forms.
    pub transforms: &'a Transforms,
    /// Whether databases are also compressed with xz, which is slow, if the others are too long unzipped.
    pub xz: bool,
}

impl Measurements {
    /// Reads, transforms and deflates every regular file and link of the tree that satisfies `kept`, on all cores of the current
    /// rayon pool. The others are only measured if they are to be weighed, as they are in the tree.
    ///
    /// Returns the measurements, and findings about files that could not be transformed.
    ///
    /// # Errors
    /// When a file cannot be read or has changed since the scan, or the temporary file cannot be written.
    pub fn take(
        tree: &Tree,
        kept: impl Fn(EntryId) -> bool + Sync,
        options: Options<'_>,
        progress: &dyn Progress,
    ) -> Result<(Self, Vec<Finding>)> {
        let engine = Engine::new(options.cache)?.sharing(options.shared);
        let mut jobs = jobs(tree, &kept, options.longest, options.transforms.repack);
        jobs.retain(|job| options.weigh || kept(job.entry()));
        let work = Work {
            contents: Contents { tree, engine: &engine, level: options.level.number() },
            transforms: options.transforms,
            want: options.want,
            weigh: options.weigh,
            xz: true,
        };
        let measured = work.measure_all(jobs, &kept, options.unzipped, progress)?;
        let Gathered { files, rewritten, findings, .. } = measured;
        let (want, weighed) = (options.want, options.weigh);
        Ok((
            Self { files, rewritten, engine, want, taken: true, weighed, recompressed: None },
            findings.into_values().collect(),
        ))
    }

    /// The measurements of files in other forms. What these have in common with the others is not compressed again.
    ///
    /// # Errors
    /// As for [`Measurements::take`].
    pub fn in_other_forms(
        &self,
        tree: &Tree,
        other: &OtherForms<'_>,
        progress: &dyn Progress,
    ) -> Result<Vec<(EntryId, Measured)>> {
        let mut jobs = jobs(tree, &other.files, u64::MAX, other.transforms.repack);
        jobs.retain(|job| (other.files)(job.entry()) && self.get(job.entry()).is_some());
        if jobs.is_empty() {
            return Ok(Vec::new());
        }
        let work = Work {
            contents: Contents { tree, engine: &self.engine, level: other.level.number() },
            transforms: other.transforms,
            want: Want::Length,
            weigh: false,
            xz: other.xz,
        };
        let measured = work.measure_all(jobs, &|id| (other.files)(id), other.unzipped, progress)?;
        Ok(measured.files.iter(tree).map(|(id, measured)| (id, measured.clone())).collect())
    }

    /// No measurements: of what cannot fit, however it is compressed.
    ///
    /// # Errors
    /// When the temporary file cannot be created.
    pub(crate) fn none(tree: &Tree) -> Result<Self> {
        let (files, engine) = (Files::of(tree), Engine::new(None)?);
        let (rewritten, want) = (BTreeMap::new(), Want::Length);
        Ok(Self { files, rewritten, engine, want, taken: false, weighed: false, recompressed: None })
    }

    /// Whether anything was measured.
    pub(crate) fn are_taken(&self) -> bool {
        self.taken
    }

    /// Whether what is not packed was compressed as well.
    pub fn weighed(&self) -> bool {
        self.weighed
    }

    /// How many bytes of contents were compressed so far: those that are the same, or in the cache, are not.
    pub fn compressed_bytes(&self) -> u64 {
        self.engine.compressed_bytes()
    }

    /// The measurements of a file or link; `None` for a directory or a file too large for any layer.
    pub fn get(&self, id: EntryId) -> Option<&Measured> {
        self.files.get(id)
    }

    /// What is packed in another form than it has in the tree.
    pub fn rewritten(&self) -> impl Iterator<Item = (EntryId, &Rewritten)> {
        self.rewritten.iter().map(|(id, rewritten)| (*id, rewritten))
    }

    /// Calls `each` with one part of the compressed bytes of a file after the other: with none if only their number was wanted.
    /// Returns their hash, from when they were made and it was verified that they inflate to the content; `check` is when they are
    /// compared with it.
    ///
    /// # Errors
    /// When they cannot be read, or are not there any more and the file has changed, or `each` fails.
    pub fn compressed(
        &self,
        tree: &Tree,
        id: EntryId,
        check: Check,
        each: &mut dyn FnMut(&[u8]) -> Result<()>,
    ) -> Result<blake3::Hash> {
        match self.get(id) {
            Some(measured) => self.engine.bytes(tree.path(id), (measured, check), &|| tree.read_in_buffer(id), each),
            None => Ok(blake3::hash(&[])),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::engine::WHOLE_BYTES;
    use super::*;
    use crate::base::progress::Silent;
    use crate::tree::ShortContents;

    #[test]
    fn other_forms_compress_nothing_again() {
        let home = tempfile::tempdir().expect("a directory");
        for name in ["a", "b", "c"] {
            std::fs::write(home.path().join(name), format!("{name} again ").repeat(5000)).expect("written");
        }
        let (tree, _) = crate::tree::scan_directory(home.path()).expect("read");
        let kept = |id: EntryId| tree.path(id).name() != b"c";
        let transforms = Transforms::default();
        let take = |weigh| {
            let options = Options {
                longest: 1 << 30,
                unzipped: 1 << 30,
                level: Level::Default,
                transforms: &transforms,
                cache: None,
                shared: None,
                want: Want::Bytes,
                weigh,
            };
            Measurements::take(&tree, kept, options, &Silent).expect("measured").0
        };
        let one = 8 * 5000;
        let measured = take(false);
        assert_eq!(measured.compressed_bytes(), 2 * one);
        let other = OtherForms {
            files: &|_| true,
            unzipped: 1 << 30,
            level: Level::Default,
            transforms: &transforms,
            xz: true,
        };
        let others = measured.in_other_forms(&tree, &other, &Silent).expect("measured");
        assert_eq!(measured.compressed_bytes(), 2 * one);
        // What is not packed has no other form.
        assert_eq!(others.len(), 2);
        assert!(others.iter().all(|(id, other)| measured.get(*id) == Some(other)));
        assert_eq!(take(true).compressed_bytes(), 3 * one);
    }

    #[test]
    fn lengths_alone_are_those_of_the_bytes_and_nothing_is_written_for_them() {
        let (home, cache) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
        for (name, content) in
            [("short", "a ".repeat(50)), ("long", "again ".repeat(9000)), ("stored", "abc".to_owned())]
        {
            std::fs::write(home.path().join(name), content).expect("written");
        }
        // One that is streamed.
        let streamed = std::fs::File::create(home.path().join("streamed")).expect("made");
        streamed.set_len(WHOLE_BYTES + 1).expect("no block is taken");
        let (tree, _) = crate::tree::scan_directory(home.path()).expect("read");
        let transforms = Transforms::default();
        let take = |want| {
            let options = Options {
                longest: 1 << 30,
                unzipped: 1 << 30,
                level: Level::Default,
                transforms: &transforms,
                cache: Cache::at(cache.path()),
                shared: None,
                want,
                weigh: false,
            };
            let mut measured = Measurements::take(&tree, |_| true, options, &Silent).expect("measured").0;
            measured.compress_harder(&tree, |_| true, &transforms, 1, &Silent).expect("measured");
            let facts = tree.iter().map(|(id, _)| {
                let Measured { bytes, compressed, crc32, method, .. } = *measured.get(id).expect("measured");
                (bytes, compressed, crc32, method)
            });
            (facts.collect::<Vec<_>>(), measured.engine.spool().end())
        };
        // Without a cache, and with one.
        for _ in 0..2 {
            let ((lengths, written), (bytes, packed)) = (take(Want::Length), take(Want::Bytes));
            assert_eq!(lengths, bytes);
            assert!(written == 1 && packed > 1, "{written} {packed}");
        }
    }

    /// What is packed of each file of a tree, with its hash; and how many bytes the temporary file has.
    fn packed(tree: &Tree, measured: &Measurements) -> (Vec<(Vec<u8>, blake3::Hash)>, u64) {
        let of = |id| {
            let mut bytes = Vec::new();
            let each = &mut |part: &[u8]| {
                bytes.extend(part);
                Ok(())
            };
            let hash = measured.compressed(tree, id, Check::First, each).expect("read");
            (bytes, hash)
        };
        (tree.iter().map(|(id, _)| of(id)).collect(), measured.engine.spool().end())
    }

    #[test]
    fn what_the_cache_has_is_packed_from_there_and_made_again_if_it_goes_before() {
        let home = tempfile::tempdir().expect("a directory");
        let (root, caches, state) = (home.path().join("opt"), home.path().join("cache"), home.path().join("state"));
        std::fs::create_dir(&root).expect("made");
        let noise: Vec<u8> = (0..700_u32).flat_map(|n| *blake3::hash(&n.to_le_bytes()).as_bytes()).collect();
        let contents: [(&str, &[u8]); 6] = [
            ("tiny", b"abc"),
            ("short", &b"again ".repeat(900)),
            ("noise-short", &noise[..3000]),
            ("long", &b"again ".repeat(9000)),
            ("noise-long", &noise),
            ("again", &b"again ".repeat(9000)),
        ];
        for (name, content) in contents {
            std::fs::write(root.join(name), content).expect("written");
        }
        std::os::unix::fs::symlink("long", root.join("link")).expect("linked");
        let (tree, _) = crate::tree::scan_directory(&root).expect("read");
        let transforms = Transforms::default();
        let take = |cache, want| {
            let options = Options {
                longest: 1 << 30,
                unzipped: 1 << 30,
                level: Level::Default,
                transforms: &transforms,
                cache,
                shared: None,
                want,
                weigh: false,
            };
            Measurements::take(&tree, |_| true, options, &Silent).expect("measured").0
        };
        let cache = || Some(Cache::signing_at(&caches, &state));
        let (right, all) = packed(&tree, &take(None, Want::Bytes));
        assert!(right.iter().all(|(bytes, hash)| blake3::hash(bytes) == *hash));
        // What was only measured was not inflated, and is when it is packed.
        let each = 3 + 4 + 5400 + 3000 + 54_000 + noise.len() as u64;
        // Two threads may compress one content at the same time.
        let compressed = take(cache(), Want::Length).compressed_bytes();
        assert!([each, each + 54_000].contains(&compressed), "{compressed}, {each} of each content");
        assert_eq!(take(cache(), Want::Length).compressed_bytes(), 3 + 4);
        let unverified = take(cache(), Want::Bytes);
        assert_eq!((packed(&tree, &unverified).0, unverified.compressed_bytes()), (right.clone(), 3 + 4));
        // Then it is packed from the cache, or from the tree if it is stored.
        let verified = take(cache(), Want::Bytes);
        let (bytes, spooled) = packed(&tree, &verified);
        assert!(bytes == right && spooled < 100 && all > 20_000, "{spooled} {all}");
        assert_eq!(verified.compressed_bytes(), 3 + 4);
        // Damaged or removed since it was measured.
        for damage in [0, 1] {
            let measured = take(cache(), Want::Bytes);
            for entry in walkdir::WalkDir::new(&caches).into_iter().map(|entry| entry.expect("listed").into_path()) {
                if entry.is_file() && damage == 0 {
                    let mut bytes = std::fs::read(&entry).expect("read");
                    bytes.iter_mut().rev().take(20).for_each(|byte| *byte ^= 1);
                    std::fs::write(&entry, bytes).expect("written");
                } else if entry.is_file() {
                    std::fs::remove_file(&entry).expect("removed");
                }
            }
            assert_eq!(packed(&tree, &measured).0, right);
            assert_eq!(packed(&tree, &take(cache(), Want::Bytes)).0, right);
        }
        // A file that is another by then is not packed.
        let measured = take(cache(), Want::Bytes);
        std::fs::write(root.join("noise-long"), [&noise[1..], b"x"].concat()).expect("written");
        let id = tree.iter().find(|(_, entry)| entry.path.name() == b"noise-long").expect("there").0;
        let error = measured.compressed(&tree, id, Check::First, &mut |_| Ok(())).expect_err("changed").to_string();
        assert!(error.contains("noise-long"), "{error}");
    }

    #[test]
    fn what_was_hashed_when_the_tree_was_read_is_not_opened_again_if_it_is_known() {
        let home = tempfile::tempdir().expect("a directory");
        let (root, caches, state) = (home.path().join("opt"), home.path().join("cache"), home.path().join("state"));
        std::fs::create_dir(&root).expect("made");
        for name in ["a", "b"] {
            std::fs::write(root.join(name), name.repeat(700)).expect("written");
            std::fs::write(root.join(format!("{name}-long")), name.repeat(50_000)).expect("written");
        }
        let transforms = Transforms::default();
        let take = |tree: &Tree| {
            let options = Options {
                longest: 1 << 30,
                unzipped: 1 << 30,
                level: Level::Default,
                transforms: &transforms,
                cache: Some(Cache::signing_at(&caches, &state)),
                shared: None,
                want: Want::Bytes,
                weigh: false,
            };
            Measurements::take(tree, |_| true, options, &Silent)
        };
        let scan = |short| crate::tree::scan_directory_and(&root, short).expect("read").0;
        let (hashed, not_read) = (scan(ShortContents::Hashed), scan(ShortContents::NotRead));
        let right = packed(&not_read, &take(&not_read).expect("measured").0).0;
        std::fs::remove_dir_all(&root).expect("removed");
        assert_eq!(packed(&hashed, &take(&hashed).expect("measured").0).0, right);
        assert!(take(&not_read).is_err());
    }
}
