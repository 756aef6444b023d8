//! The shared cache: what the compression cache has, in a place that several machines share: a directory, or an object store.
//!
//! It is asked for what the cache of this machine does not have, and gets what had to be compressed. An entry has no signature, and
//! is believed if it inflates to the content that was asked for, whoever wrote it; in the cache of this machine it is then signed. So whoever can write to the store can
//! at most choose another deflate stream of the same content, and never what a zip contains. After the first failure it is not used
//! any more in this run, which goes on without it.

use std::borrow::Cow;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::cache::{self, HEADER};
#[cfg(feature = "shared-cache")]
use super::objects::Objects;
use super::record::{Facts, Key};
use crate::base::error::{Error, Result};

/// What is as fast to compress as to ask for: bytes of content, times the work for each at its level. A request to an object store
/// in the same region takes some milliseconds.
const MIN_WORK: u64 = 256 << 10;

/// What URLs of object stores begin with.
const S3: &str = "s3://";
/// What URLs of directories begin with.
const FILE: &str = "file://";

/// A store that several machines share.
#[derive(Debug)]
pub struct SharedCache {
    name: String,
    store: Store,
    problem: Mutex<Option<String>>,
}

#[derive(Debug)]
enum Store {
    Directory(PathBuf),
    #[cfg(feature = "shared-cache")]
    Objects(Objects),
    #[cfg(not(feature = "shared-cache"))]
    None,
}

impl SharedCache {
    /// The store at a URL: `s3://BUCKET/PREFIX`, `file:///DIRECTORY`, or the path of a directory.
    ///
    /// # Errors
    /// When the URL is of another kind. A store that this program was built without is one that fails.
    pub fn open(url: &str) -> Result<Self> {
        let usage = |message: String, help: &str| Error::Usage { message, help: help.to_owned() };
        let store = if let Some(place) = url.strip_prefix(S3) {
            Self::objects(place, url)?
        } else if let Some(path) = url.strip_prefix(FILE).or_else(|| (!url.contains("://")).then_some(url)) {
            if path.is_empty() {
                return Err(usage(
                    "the shared cache has no name".to_owned(),
                    "name a directory, or s3://BUCKET/PREFIX",
                ));
            }
            Store::Directory(PathBuf::from(path))
        } else {
            let message = format!("{url}: is not the URL of a shared cache");
            return Err(usage(message, "name a directory, file:///DIRECTORY, or s3://BUCKET/PREFIX"));
        };
        #[cfg(feature = "shared-cache")]
        let problem = None;
        #[cfg(not(feature = "shared-cache"))]
        let problem = matches!(store, Store::None)
            .then(|| "this program was built without object stores; the one of a release has them".to_owned());
        Ok(Self { name: url.to_owned(), store, problem: Mutex::new(problem) })
    }

    #[cfg(feature = "shared-cache")]
    fn objects(place: &str, url: &str) -> Result<Store> {
        let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
        Objects::s3(bucket, prefix).map(Store::Objects).map_err(|why| Error::Usage {
            message: format!("{url}: {why}"),
            help: "name an existing bucket: s3://BUCKET/PREFIX".to_owned(),
        })
    }

    #[cfg(not(feature = "shared-cache"))]
    #[expect(clippy::unnecessary_wraps, reason = "with the feature, a bucket's name can be wrong")]
    fn objects(_: &str, _: &str) -> Result<Store> {
        Ok(Store::None)
    }

    /// The name that it was given.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Why it was not used any more, if it failed.
    pub fn problem(&self) -> Option<String> {
        self.problem.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn is_of_use(&self, bytes: u64, level: i32) -> bool {
        bytes.saturating_mul(cache::work(level)) >= MIN_WORK && self.problem().is_none()
    }

    fn failed(&self, why: String) {
        self.problem.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(why);
    }

    /// The entry of a content, as [`cache::Cache::get`] returns it.
    pub(super) fn get<'a>(&self, key: Key, content: &'a [u8]) -> Option<(Facts, Cow<'a, [u8]>)> {
        if !self.is_of_use(content.len() as u64, key.level) {
            return None;
        }
        // An entry has no more bytes than this, so no more are read.
        let most = HEADER as u64 + content.len() as u64;
        let found = match &self.store {
            Store::Directory(directory) => read(&directory.join(cache::relative(key)), most),
            #[cfg(feature = "shared-cache")]
            Store::Objects(objects) => objects.get(&cache::relative(key), most),
            #[cfg(not(feature = "shared-cache"))]
            Store::None => Ok(None),
        };
        let mut entry = found.map_err(|why| self.failed(why)).ok()??;
        let payload = (entry.len() >= HEADER).then(|| entry.split_off(HEADER))?;
        cache::believed(entry.as_slice().try_into().ok()?, payload, content)
    }

    /// Stores the entry of a content.
    pub(super) fn put(&self, key: Key, facts: Facts, payload: &[u8]) {
        if !self.is_of_use(facts.bytes, key.level) {
            return;
        }
        let entry = cache::entry(facts, payload);
        let stored = match &self.store {
            Store::Directory(directory) => write(&directory.join(cache::relative(key)), &entry),
            #[cfg(feature = "shared-cache")]
            Store::Objects(objects) => objects.put(&cache::relative(key), entry),
            #[cfg(not(feature = "shared-cache"))]
            Store::None => Ok(()),
        };
        stored.unwrap_or_else(|why| self.failed(why));
    }
}

/// The bytes of a file; `None` if there is none, or it is too long.
fn read(path: &Path, most: u64) -> std::result::Result<Option<Vec<u8>>, String> {
    let failed = |error: std::io::Error| format!("cannot read {}: {error}", path.display());
    let metadata = match fs::metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        metadata => metadata.map_err(failed)?,
    };
    if !metadata.is_file() || metadata.len() > most {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(most).read_to_end(&mut bytes)).map_err(failed)?;
    Ok(Some(bytes))
}

/// Writes a file that others can read, as a whole.
fn write(path: &Path, bytes: &[u8]) -> std::result::Result<(), String> {
    let write = || -> std::io::Result<()> {
        let directory = path.parent().unwrap_or(path);
        fs::create_dir_all(directory)?;
        let mode = fs::Permissions::from_mode(0o644);
        let mut file = tempfile::Builder::new().prefix(".new-").permissions(mode).tempfile_in(directory)?;
        file.write_all(bytes)?;
        file.persist(path)?;
        Ok(())
    };
    write().map_err(|error| format!("cannot write {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::{Cache, Check, Level, Measurements, Options, Want};
    use super::*;
    use crate::base::progress::Silent;
    use crate::pack::rewrite::Transforms;

    /// The lengths and compressed bytes of a tree, and how many bytes a machine with an empty cache had to compress for it.
    fn on_another_machine(tree: &Path, store: &str) -> (Vec<Vec<u8>>, u64, Option<String>) {
        let (tree, _) = crate::tree::scan_directory(tree).expect("scanned");
        let home = tempfile::tempdir().expect("a directory");
        let transforms = Transforms::default();
        let shared = Arc::new(SharedCache::open(store).expect("opened"));
        let options = Options {
            longest: 1 << 30,
            unzipped: 1 << 30,
            level: Level::Default,
            transforms: &transforms,
            cache: Cache::at(home.path()),
            shared: Some(Arc::clone(&shared)),
            want: Want::Bytes,
            weigh: false,
        };
        let (measured, _) = Measurements::take(&tree, |_| true, options, &Silent).expect("measured");
        let bytes = |id| {
            let mut bytes = Vec::new();
            let each = &mut |part: &[u8]| {
                bytes.extend(part);
                Ok(())
            };
            measured.compressed(&tree, id, Check::First, each).expect("read");
            bytes
        };
        let all = tree.iter().map(|(id, _)| bytes(id)).collect();
        (all, measured.compressed_bytes(), shared.problem())
    }

    fn files(directory: &Path) -> Vec<PathBuf> {
        let walk = walkdir::WalkDir::new(directory).sort_by_file_name().into_iter().filter_map(std::result::Result::ok);
        walk.filter(|entry| entry.file_type().is_file()).map(walkdir::DirEntry::into_path).collect()
    }

    fn tree() -> tempfile::TempDir {
        let tree = tempfile::tempdir().expect("a directory");
        for name in ["a", "b", "c"] {
            fs::write(tree.path().join(name), format!("{name} again ").repeat(50_000)).expect("written");
        }
        tree
    }

    #[test]
    fn a_second_machine_compresses_nothing_that_the_first_did_and_has_the_same_bytes() {
        let (tree, store) = (tree(), tempfile::tempdir().expect("a directory"));
        let url = format!("file://{}", store.path().display());
        let first = on_another_machine(tree.path(), &url);
        assert_eq!((first.1, first.2), (3 * 400_000, None));
        let second = on_another_machine(tree.path(), &url);
        assert_eq!((second.1, second.2), (0, None));
        assert!(second.0 == first.0);
        assert_eq!(files(store.path()).len(), 3);
        // What is as fast to compress is not asked for.
        fs::write(tree.path().join("short"), "short ".repeat(4000)).expect("written");
        assert_eq!(on_another_machine(tree.path(), &url).1, 24_000);
        assert_eq!(files(store.path()).len(), 3);
    }

    #[test]
    fn what_is_not_the_content_is_not_believed_and_is_replaced() {
        let (tree, store) = (tree(), tempfile::tempdir().expect("a directory"));
        let url = store.path().display().to_string();
        let (bytes, ..) = on_another_machine(tree.path(), &url);
        let entries = files(store.path());
        let good: Vec<Vec<u8>> = entries.iter().map(|path| fs::read(path).expect("read")).collect();
        // One in the place of another, with hashes that are right; a part of one; none; more than any has.
        let forged = [good[1].clone(), good[0][..HEADER + 5].to_vec(), Vec::new(), vec![0; 1 << 20]];
        for content in forged {
            fs::write(&entries[0], content).expect("written");
            let (again, compressed, problem) = on_another_machine(tree.path(), &url);
            assert!(again == bytes);
            assert_eq!((compressed, problem), (400_000, None));
            assert!(fs::read(&entries[0]).expect("read") == good[0]);
        }
    }

    #[test]
    fn a_store_that_fails_is_not_used_and_the_work_is_done() {
        let (tree, home) = (tree(), tempfile::tempdir().expect("a directory"));
        let file = home.path().join("file");
        fs::write(&file, "").expect("written");
        let (bytes, compressed, problem) = on_another_machine(tree.path(), &file.join("store").display().to_string());
        assert_eq!((bytes.len(), compressed), (3, 3 * 400_000));
        assert!(problem.expect("failed").starts_with("cannot read "));
        for url in ["gopher://x", "", "file://"] {
            assert!(SharedCache::open(url).is_err(), "{url}");
        }
    }
}
