//! The cache: compressed bytes by the hash of the content and the level, so that unchanged content is not compressed again in
//! later runs. It only saves time: an entry that is damaged, or cannot be read or written, is treated as missing.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use super::measured::Method;

/// Compressing shorter content is faster than opening a file.
pub(super) const MIN_BYTES: u64 = 16 << 10;

/// When the cache is larger than this many bytes, the least recently used entries are removed until 3/4 of it are left.
const MAX_BYTES: u64 = 2 << 30;

const MAGIC: &[u8; 4] = b"LFC1";
/// Magic, method, CRC-32, raw length, compressed length, hash of the payload; then the hash of all of these.
const FACTS: usize = 4 + 1 + 4 + 8 + 8 + 32;
const HEADER: usize = FACTS + 32;

/// What an entry records of its payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) method: Method,
    pub(super) crc32: u32,
    pub(super) bytes: u64,
    pub(super) compressed: u64,
}

/// The hash of a content, and the level it was compressed at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) content: [u8; 32],
    pub(super) level: i32,
}

/// A directory of compressed contents. Several runs can share it, because entries are renamed into place when complete.
pub struct Cache {
    directory: PathBuf,
    grew: AtomicBool,
}

impl Cache {
    /// The cache in the user's cache directory (XDG Base Directory Specification); `None` if it cannot be written.
    pub fn of_the_user() -> Option<Self> {
        let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let base = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")))?;
        Self::at(&base.join("layerfit"))
    }

    /// The cache in this directory, which is created if necessary; `None` if it cannot be created.
    pub fn at(directory: &Path) -> Option<Self> {
        // Another version can compress differently, and output must depend on this version and the input alone.
        let directory = directory.join(env!("CARGO_PKG_VERSION"));
        fs::create_dir_all(&directory).ok()?;
        Some(Self { directory, grew: AtomicBool::new(false) })
    }

    fn path(&self, key: Key) -> PathBuf {
        let name = blake3::Hash::from_bytes(key.content).to_hex();
        self.directory.join(&name[..2]).join(format!("{}-{}", &name[2..], key.level))
    }

    /// The entry of a content of `bytes` bytes; with `payload`, its compressed bytes too.
    pub(super) fn get(&self, key: Key, bytes: u64, payload: Option<&mut Vec<u8>>) -> Option<Facts> {
        let mut file = File::open(self.path(key)).ok()?;
        let mut header = [0; HEADER];
        file.read_exact(&mut header).ok()?;
        let (facts, checksum) = header.split_at(FACTS);
        if blake3::hash(facts).as_bytes() != checksum || !facts.starts_with(MAGIC) {
            return None;
        }
        let word = |at: usize| facts[at..at + 8].try_into().map(u64::from_le_bytes).ok();
        let found = Facts {
            method: if facts[4] == 8 { Method::Deflated } else { Method::Stored },
            crc32: facts[5..9].try_into().map(u32::from_le_bytes).ok()?,
            bytes: word(9)?,
            compressed: word(17)?,
        };
        if found.bytes != bytes {
            return None;
        }
        if let Some(payload) = payload {
            payload.clear();
            file.take(found.compressed + 1).read_to_end(payload).ok()?;
            if payload.len() as u64 != found.compressed || blake3::hash(payload).as_bytes() != &facts[25..57] {
                return None;
            }
        }
        Some(found)
    }

    /// Stores a content's compressed bytes; if that fails, there is no entry.
    pub(super) fn put(&self, key: Key, facts: Facts, payload: &[u8]) {
        let mut entry = MAGIC.to_vec();
        entry.push(if facts.method == Method::Deflated { 8 } else { 0 });
        entry.extend(facts.crc32.to_le_bytes());
        entry.extend(facts.bytes.to_le_bytes());
        entry.extend(facts.compressed.to_le_bytes());
        entry.extend(blake3::hash(payload).as_bytes());
        let hash = *blake3::hash(&entry).as_bytes();
        entry.extend(hash);
        let path = self.path(key);
        let write = || -> std::io::Result<()> {
            let directory = path.parent().unwrap_or(&self.directory);
            fs::create_dir_all(directory)?;
            let mut file = tempfile::Builder::new().prefix(".new-").tempfile_in(directory)?;
            file.write_all(&entry)?;
            file.write_all(payload)?;
            file.persist(&path)?;
            Ok(())
        };
        if write().is_ok() {
            self.grew.store(true, Ordering::Relaxed);
        }
    }

    /// Marks an entry as used now, so that it is not removed soon.
    pub(super) fn used(&self, key: Key) {
        if let Ok(file) = File::open(self.path(key)) {
            let _ = file.set_modified(SystemTime::now());
        }
    }

    /// Limits the cache to its size, and removes what killed runs left. Called at the end of a run.
    pub(super) fn trim(&self) {
        if self.grew.load(Ordering::Relaxed) {
            self.trim_to(MAX_BYTES);
        }
    }

    fn trim_to(&self, most: u64) {
        let mut entries: Vec<(SystemTime, u64, PathBuf)> = files(&self.directory);
        let mut total: u64 = entries.iter().map(|(_, bytes, _)| bytes).sum();
        if total <= most {
            return;
        }
        entries.sort();
        for (_, bytes, path) in entries {
            if total <= most / 4 * 3 {
                break;
            }
            // Another run may have removed it already.
            let _ = fs::remove_file(path);
            total -= bytes;
        }
    }
}

/// Every file of the cache with its time of last use and length.
fn files(directory: &Path) -> Vec<(SystemTime, u64, PathBuf)> {
    let walk = walkdir::WalkDir::new(directory).min_depth(1).into_iter().filter_map(Result::ok);
    walk.filter_map(|entry| {
        let metadata = entry.metadata().ok().filter(std::fs::Metadata::is_file)?;
        Some((metadata.modified().ok()?, metadata.len(), entry.into_path()))
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> Key {
        Key { content: [byte; 32], level: 6 }
    }

    fn facts(payload: &[u8]) -> Facts {
        Facts { method: Method::Deflated, crc32: 7, bytes: 100_000, compressed: payload.len() as u64 }
    }

    #[test]
    fn what_was_put_is_found_and_nothing_else() {
        let home = tempfile::tempdir().expect("a directory");
        let cache = Cache::at(home.path()).expect("made");
        cache.put(key(1), facts(b"payload"), b"payload");
        let mut payload = Vec::new();
        assert_eq!(cache.get(key(1), 100_000, Some(&mut payload)), Some(facts(b"payload")));
        assert_eq!(payload, b"payload");
        assert_eq!(cache.get(key(1), 100_000, None), Some(facts(b"payload")));
        assert_eq!(cache.get(key(1), 99_999, None), None);
        assert_eq!(cache.get(key(2), 100_000, None), None);
        assert_eq!(cache.get(Key { level: 12, ..key(1) }, 100_000, None), None);
    }

    #[test]
    fn a_damaged_entry_is_none_at_whatever_byte() {
        let home = tempfile::tempdir().expect("a directory");
        let cache = Cache::at(home.path()).expect("made");
        cache.put(key(1), facts(b"payload"), b"payload");
        let path = cache.path(key(1));
        let whole = fs::read(&path).expect("read");
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            fs::write(&path, damaged).expect("written");
            assert_eq!(cache.get(key(1), 100_000, Some(&mut Vec::new())), None, "byte {at}");
            fs::write(&path, &whole[..at]).expect("written");
            assert_eq!(cache.get(key(1), 100_000, Some(&mut Vec::new())), None, "cut at {at}");
        }
        fs::write(&path, [&whole[..], b"more"].concat()).expect("written");
        assert_eq!(cache.get(key(1), 100_000, Some(&mut Vec::new())), None);
    }

    #[test]
    fn the_least_recently_used_go_first() {
        let home = tempfile::tempdir().expect("a directory");
        let cache = Cache::at(home.path()).expect("made");
        for byte in 1..=4 {
            cache.put(key(byte), facts(&[byte; 1000]), &[byte; 1000]);
            let time = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(u64::from(byte));
            File::open(cache.path(key(byte))).expect("there").set_modified(time).expect("set");
        }
        cache.used(key(1));
        cache.trim_to(4000);
        let there: Vec<u8> = (1..=4).filter(|byte| cache.get(key(*byte), 100_000, None).is_some()).collect();
        assert_eq!(there, [1, 4]);
    }
}
