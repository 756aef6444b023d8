//! Measure: the exact raw and compressed length of every file, in the form in which it will be packed. Each content is
//! deflated once, in parallel, and its compressed bytes are kept (in a temporary file, so memory stays bounded, or in the cache, where
//! they are already) until they go into a zip.

mod cache;
mod engine;
pub(crate) mod estimate;
mod files;
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
mod verdicts;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rayon::prelude::*;

use crate::base::bytes::size;
use crate::base::error::Result;
use crate::base::finding::{Code, Finding};
use crate::base::path::TreePath;
use crate::base::progress::Progress;
use crate::languages::r::rdx::Compression;
use crate::languages::r::repack::{TOO_LARGE, repack};
use crate::pack::rewrite::strip::{Stripped, strip};
use crate::pack::rewrite::{Form, Transforms};
use crate::tree::{EntryId, Kind, Magic, Objects, Tree};
pub use cache::Cache;
pub use engine::Want;
use engine::{Engine, STREAM_BYTES, WHOLE_BYTES};
use files::Files;
pub use measured::{ENTRY_OVERHEAD, Level, Measured, Method, Recompressed, Rewritten, ZIP_OVERHEAD, entry_overhead};
pub use place::Check;
use place::Source;
pub use recompress::Undo;
pub use shared::SharedCache;

/// The lowest of libdeflate's levels for open databases. On an R tree, level 8 makes them 7 % smaller than level 6, and level
/// 9 one percent smaller still; other files only gain half a percent.
const OPEN_LEVEL: i32 = 8;

/// Databases of more bytes stay as they are, as both forms are in memory while one is made from the other. R's own
/// are much shorter.
const DATABASE_BYTES: u64 = 32 << 20;

/// A database that would have more bytes with open records stays as it is.
const OPEN_BYTES: u64 = 64 << 20;

/// What compressing with xz takes in memory, in bytes, besides contents: preset 6 takes 94 MiB of address space (xz(1)), and less
/// is touched for short records.
const XZ_BYTES: u64 = 64 << 20;

/// ELF files of more bytes are not stripped, as both forms are in memory then.
const STRIP_BYTES: u64 = 96 << 20;

/// An R database and its index, and the forms they can be packed in.
struct Database {
    rdb: EntryId,
    rdx: EntryId,
    /// The first is that of the tree.
    forms: Vec<(Form, [Measured; 2])>,
    chosen: usize,
}

impl Database {
    fn job(&self) -> Job {
        Job::Database { database: self.rdb, index: self.rdx }
    }

    fn zipped(&self, form: usize) -> u64 {
        self.forms[form].1.iter().map(|measured| measured.compressed).sum()
    }

    fn unzipped(&self, form: usize) -> u64 {
        self.forms[form].1.iter().map(|measured| measured.bytes).sum()
    }
}

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

/// A file, or a database with its index, to measure.
#[derive(Clone, Copy)]
enum Job {
    File(EntryId),
    Database { database: EntryId, index: EntryId },
}

/// The results of all jobs.
struct Gathered {
    files: Files,
    rewritten: BTreeMap<EntryId, Rewritten>,
    databases: Vec<Database>,
    /// By the file that they are about.
    findings: BTreeMap<EntryId, Finding>,
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
            tree,
            engine: &engine,
            level: options.level.number(),
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
            tree,
            engine: &self.engine,
            level: other.level.number(),
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

impl Job {
    /// The file; for a database with its index, the database.
    fn entry(&self) -> EntryId {
        match self {
            Job::File(id) | Job::Database { database: id, .. } => *id,
        }
    }

    /// How many bytes of content it has.
    fn bytes(&self, tree: &Tree) -> u64 {
        match self {
            Job::File(id) => tree.entry(*id).bytes(),
            Job::Database { database, index } => tree.entry(*database).bytes() + tree.entry(*index).bytes(),
        }
    }
}

/// All jobs, the largest first, so that no core is still busy with a large file when the others are done.
fn jobs(tree: &Tree, kept: &impl Fn(EntryId) -> bool, longest: u64, repack: bool) -> Vec<Job> {
    let wanted = |id: EntryId| !tree.entry(id).is_directory() && tree.entry(id).bytes() <= longest;
    let mut indexes: BTreeMap<EntryId, EntryId> = BTreeMap::new();
    if repack {
        for (index, entry) in tree.iter().filter(|(id, entry)| entry.is_file() && wanted(*id) && kept(*id)) {
            let Some(stem) = entry.path.as_bytes().strip_suffix(b".rdx") else { continue };
            let database = TreePath::new([stem, b".rdb"].concat()).and_then(|path| tree.find(&path));
            let short = |id: EntryId| tree.entry(id).bytes() <= DATABASE_BYTES;
            let both = database.filter(|id| short(*id) && short(index));
            if let Some(database) = both.filter(|id| tree.entry(*id).is_file() && wanted(*id) && kept(*id)) {
                indexes.insert(database, index);
            }
        }
    }
    let with_database: std::collections::BTreeSet<EntryId> = indexes.values().copied().collect();
    let mut jobs: Vec<Job> = tree
        .all()
        .map(|(id, _)| id)
        .filter(|id| wanted(*id) && !with_database.contains(id))
        .map(|id| match indexes.get(&id) {
            Some(index) => Job::Database { database: id, index: *index },
            None => Job::File(id),
        })
        .collect();
    // The sort keeps the order of the tree among equals.
    jobs.sort_by_key(|job| std::cmp::Reverse(job.bytes(tree)));
    jobs
}

/// What every job needs.
struct Work<'a> {
    tree: &'a Tree,
    engine: &'a Engine,
    level: i32,
    transforms: &'a Transforms,
    /// What is needed of the contents that are packed.
    want: Want,
    weigh: bool,
    xz: bool,
}

/// The results of all jobs, on all cores.
struct Results(Mutex<Gathered>);

impl Results {
    fn lock(&self) -> MutexGuard<'_, Gathered> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn found(&self, id: EntryId, finding: Finding) {
        self.lock().findings.insert(id, finding);
    }

    fn done(&self, id: EntryId, measured: Measured) {
        self.lock().files.insert(id, measured);
    }
}

impl Work<'_> {
    /// Does all jobs; the databases are in the form that is the smallest zipped, within `unzipped` bytes for what is kept.
    fn measure_all(
        &self,
        jobs: Vec<Job>,
        kept: &(impl Fn(EntryId) -> bool + Sync),
        unzipped: u64,
        progress: &dyn Progress,
    ) -> Result<Gathered> {
        let tree = self.tree;
        progress.stage("compressing", jobs.iter().map(|job| job.bytes(tree)).sum());
        let results = Results(Mutex::new(Gathered {
            files: Files::of(tree),
            rewritten: BTreeMap::new(),
            databases: Vec::new(),
            findings: BTreeMap::new(),
        }));
        // Short blocks in order: splitting by halves would start with the smallest files as well.
        jobs.into_par_iter().by_uniform_blocks(64).try_for_each(|job| -> Result<()> {
            match job {
                Job::File(id) => self.file(id, kept(id), &results)?,
                Job::Database { database, index } => self.database(database, index, &results)?,
            }
            progress.advance(job.bytes(tree));
            Ok(())
        })?;
        let mut gathered = results.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        let others: u64 = gathered.files.iter(tree).filter(|(id, _)| kept(*id)).map(|(_, file)| file.bytes).sum();
        self.choose_forms(&mut gathered.databases, unzipped.saturating_sub(others))?;
        for database in std::mem::take(&mut gathered.databases) {
            let (form, measured) = database.forms[database.chosen].clone();
            for ((id, new), old) in [database.rdb, database.rdx].into_iter().zip(measured).zip(&database.forms[0].1) {
                if database.chosen > 0 {
                    let compressed = Some(old.compressed);
                    gathered.rewritten.insert(id, Rewritten { form, bytes: old.bytes, compressed });
                }
                gathered.files.insert(id, new);
            }
        }
        self.engine.finish();
        Ok(gathered)
    }

    fn file(&self, id: EntryId, kept: bool, results: &Results) -> Result<()> {
        let entry = self.tree.entry(id);
        let want = if kept { self.want } else { Want::Length };
        if let Kind::Link { target } = &entry.kind {
            results.done(id, self.measure(id, target, want)?);
            return Ok(());
        }
        let is_elf = matches!(entry.kind, Kind::File { magic: Magic::Elf, .. });
        let strips = kept && is_elf && self.transforms.strips(&entry.path);
        if !strips || entry.bytes() > STRIP_BYTES {
            if strips {
                results.found(id, not_stripped(&entry.path, &format!("it is longer than {}", size(STRIP_BYTES))));
            }
            results.done(id, self.unchanged(id, self.level, want)?);
            return Ok(());
        }
        let _permit = self.engine.acquire(2 * entry.bytes());
        let content = self.tree.read_in_buffer(id)?;
        let measured = match strip(&content, self.transforms.strip) {
            Stripped::Smaller(stripped) => {
                let before = self.weigh.then(|| self.measure(id, &content, Want::Length)).transpose()?;
                let compressed = before.map(|before| before.compressed);
                let form = Rewritten { form: Form::Stripped, bytes: content.len() as u64, compressed };
                drop(content);
                results.lock().rewritten.insert(id, form);
                self.measure(id, &stripped, want)?
            }
            Stripped::Nothing => self.measure_file(id, &content, want)?,
            Stripped::LeftAlone(why) => {
                results.found(id, not_stripped(&entry.path, &why));
                self.measure_file(id, &content, want)?
            }
        };
        results.done(id, measured);
        Ok(())
    }

    /// Measures a file in the form it has in the tree.
    fn unchanged(&self, id: EntryId, level: i32, want: Want) -> Result<Measured> {
        unchanged(self.engine, self.tree, id, level, want)
    }

    fn database(&self, database: EntryId, index: EntryId, results: &Results) -> Result<()> {
        let length = self.tree.entry(database).bytes() + self.tree.entry(index).bytes();
        // Open, a database is about three times as long. One that is longer waits for room of its own.
        let most = (4 * length).min(OPEN_BYTES);
        let mut permit = self.engine.acquire(2 * most.max(length));
        let (content, map) = (self.tree.read(database)?, self.tree.read(index)?);
        let as_it_is = [self.measure(database, &content, self.want)?, self.measure(index, &map, self.want)?];
        let mut open = repack(&content, &map, Compression::Open, most);
        drop(content);
        if most < OPEN_BYTES && open.as_ref().is_err_and(|why| why == TOO_LARGE) {
            drop(permit);
            permit = self.engine.acquire(2 * OPEN_BYTES);
            open = repack(&self.tree.read(database)?, &map, Compression::Open, OPEN_BYTES);
        }
        let mut forms = vec![(Form::AsItIs, as_it_is)];
        match open {
            Ok(Some(open)) => {
                let level = self.level.max(OPEN_LEVEL);
                let path = self.tree.path(database);
                let measured = [
                    self.engine.measure(path, &open.database, level, self.want, Source::Made)?,
                    self.measure(index, &open.index, self.want)?,
                ];
                forms.push((Form::Open, measured));
            }
            Ok(None) => {}
            Err(why) => {
                let finding = Finding::info(
                    Code::NotRepacked,
                    self.tree.path(database),
                    format!("is packed unchanged: {why}"),
                    "install the package again if R cannot read it either",
                );
                results.found(database, finding);
            }
        }
        drop(permit);
        results.lock().databases.push(Database { rdb: database, rdx: index, forms, chosen: 0 });
        Ok(())
    }

    /// Chooses the form of each database: the smallest zipped, within `room` bytes unzipped for all.
    ///
    /// That is a multiple-choice knapsack. It is solved greedily by marginal price: while the forms exceed the room, the
    /// change of form that costs the fewest zipped bytes for each unzipped byte saved is made.
    fn choose_forms(&self, databases: &mut [Database], room: u64) -> Result<()> {
        // In the order of the jobs, which does not depend on which was done first.
        databases.sort_by_key(|database| (std::cmp::Reverse(database.job().bytes(self.tree)), database.rdb));
        for database in &mut *databases {
            let forms = 0..database.forms.len();
            database.chosen = forms.min_by_key(|form| database.zipped(*form)).unwrap_or(0);
        }
        let total = |databases: &[Database]| databases.iter().map(|d| d.unzipped(d.chosen)).sum::<u64>();
        if total(databases) <= room {
            return Ok(());
        }
        // The xz forms are slow to make, and only needed now.
        let with_xz: &mut [Database] = if self.xz { &mut *databases } else { &mut [] };
        with_xz.par_iter_mut().try_for_each(|database| -> Result<()> {
            let (rdb, rdx) = (database.rdb, database.rdx);
            let length = self.tree.entry(rdb).bytes() + self.tree.entry(rdx).bytes();
            let _permit = self.engine.acquire(3 * length + XZ_BYTES);
            let (content, map) = (self.tree.read(rdb)?, self.tree.read(rdx)?);
            // With xz it is shorter than with anything else that R has.
            if let Ok(Some(xz)) = repack(&content, &map, Compression::Xz, 2 * length) {
                let measured = [self.measure(rdb, &xz.database, self.want)?, self.measure(rdx, &xz.index, self.want)?];
                database.forms.push((Form::Xz, measured));
            }
            Ok(())
        })?;
        while total(databases) > room {
            let mut best: Option<(u128, usize, usize)> = None;
            for (position, database) in databases.iter().enumerate() {
                for form in 0..database.forms.len() {
                    let saved = database.unzipped(database.chosen).saturating_sub(database.unzipped(form));
                    let cost = database.zipped(form).saturating_sub(database.zipped(database.chosen));
                    if saved > 0 {
                        // Zipped bytes for each million of unzipped bytes.
                        let price = u128::from(cost) * 1_000_000 / u128::from(saved);
                        best = best.min(Some((price, position, form))).or(Some((price, position, form)));
                    }
                }
            }
            let Some((_, position, form)) = best else { break };
            databases[position].chosen = form;
        }
        Ok(())
    }

    /// Measures what is made of a file, or a link.
    fn measure(&self, id: EntryId, content: &[u8], want: Want) -> Result<Measured> {
        self.engine.measure(self.tree.path(id), content, self.level, want, Source::Made)
    }

    /// Measures a file whose content this is.
    fn measure_file(&self, id: EntryId, content: &[u8], want: Want) -> Result<Measured> {
        self.engine.measure(self.tree.path(id), content, self.level, want, Source::Tree)
    }
}

/// The finding about an ELF file that is not stripped.
fn not_stripped(path: &TreePath, why: &str) -> Finding {
    Finding::info(
        Code::NotStripped,
        path,
        format!("is packed with its debug data: {why}"),
        "strip it when it is built, before other tools change it",
    )
}

/// The fewest bytes that an entry can have in any form that these transforms give it. A stripped file keeps everything up to the
/// end of its last segment; of a database, anything can be left out that its index does not name.
pub(crate) fn least_bytes(tree: &Tree, objects: &Objects, id: EntryId, transforms: &Transforms) -> u64 {
    let entry = tree.entry(id);
    let bytes = entry.bytes();
    let Kind::File { magic, .. } = &entry.kind else { return bytes };
    let name = entry.path.name();
    if transforms.repack && bytes <= DATABASE_BYTES && (name.ends_with(b".rdb") || name.ends_with(b".rdx")) {
        return 0;
    }
    if *magic == Magic::Elf && bytes <= STRIP_BYTES && transforms.strips(&entry.path) {
        return objects.get(&id).map_or(0, |elf| elf.segments_end.min(bytes));
    }
    bytes
}

/// Measures a file in the form it has in the tree, when there is room for it in memory.
fn unchanged(engine: &Engine, tree: &Tree, id: EntryId, level: i32, want: Want) -> Result<Measured> {
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
    engine.measure(path, &tree.read_in_buffer(id)?, level, want, Source::Tree)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::progress::Silent;
    use crate::pack::rewrite::strip::StripMode;
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

    #[test]
    fn the_fewest_bytes_of_a_file_are_those_that_no_form_of_it_can_be_without() {
        let home = tempfile::tempdir().expect("a directory");
        let program = std::env::current_exe().expect("a path");
        std::fs::copy(program, home.path().join("program")).expect("copied");
        for name in ["a.rdb", "a.rdx", "text"] {
            std::fs::write(home.path().join(name), "twelve bytes").expect("written");
        }
        std::fs::write(home.path().join("damaged"), b"\x7fELF twelve").expect("written");
        let (tree, _) = crate::tree::scan_directory(home.path()).expect("read");
        let (objects, _) = crate::tree::read_objects(&tree);
        let least = |strip, repack| {
            let transforms = Transforms::new(strip, &[], repack).expect("no globs");
            let of = |(id, _)| least_bytes(&tree, &objects, id, &transforms);
            tree.iter().map(of).collect::<Vec<u64>>()
        };
        let whole = tree.iter().map(|(_, entry)| entry.bytes()).collect::<Vec<u64>>();
        let [rdb, rdx, damaged, program, text] = whole[..] else { panic!("{whole:?}") };
        assert_eq!(least(StripMode::None, false), whole);
        assert_eq!(least(StripMode::None, true), [0, 0, damaged, program, text]);
        let stripped = least(StripMode::Debug, false);
        // A program longer than is stripped stays as it is.
        let kept = objects.values().next().expect("a program").segments_end;
        let expected = if program > STRIP_BYTES { program } else { kept };
        assert_eq!(stripped, [rdb, rdx, 0, expected, text]);
    }
}
