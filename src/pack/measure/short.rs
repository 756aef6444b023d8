//! Contents that are too short for a file of their own in the cache: what is known of many of them, and their compressed bytes,
//! together in a few files. Each has a signed list of contents, and after it their compressed bytes, whose hashes are in the list.
//! Without a key there are none: inflating such a content takes as long as compressing it.
//!
//! A file is written as a whole when a run has something to add. Nothing of it is removed: when it is full, nothing is added, until
//! it is as old as what the cache removes first, and is filled again.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use super::measured::Method;
use super::place::Check;
use super::record::{Facts, Key, Known};
use super::signed;
use super::signing::SigningKey;
use super::spool::{Offset, Spool};

/// Compressing shorter content is faster than hashing it and looking for it among many.
pub(super) const MIN_BYTES: u64 = 512;

/// By the first four bits of the hash of the content, so that a new content does not rewrite all of them.
const FILES: usize = 16;

const KIND: [u8; 4] = *b"LFS1";

/// How many contents a file has at most.
const MAX: usize = 1 << 12;

/// Content, level, method, CRC-32, length, compressed length, hash of the compressed bytes.
const RECORD: usize = 32 + 1 + 1 + 4 + 4 + 4 + 32;

const DEFLATED: u8 = 1;
const VERIFIED: u8 = 2;

/// The files of a cache.
pub(super) struct Short {
    key: SigningKey,
    files: [Shard; FILES],
}

/// One file.
struct Shard {
    path: PathBuf,
    read: OnceLock<(HashMap<Key, Record>, Option<File>)>,
    new: Mutex<BTreeMap<Key, Record>>,
}

/// What is known of a content.
#[derive(Clone, Copy)]
struct Record {
    known: Known,
    at: Place,
}

/// Where compressed bytes are.
#[derive(Clone, Copy)]
enum Place {
    /// At this offset of the file.
    File(u64),
    /// Of a content that this run compressed.
    Spool(Offset),
}

impl Short {
    /// Those in a directory of the cache.
    pub(super) fn new(directory: &Path, key: SigningKey) -> Self {
        let shard = |number: usize| Shard {
            path: directory.join(format!("short-{number:x}")),
            read: OnceLock::new(),
            new: Mutex::default(),
        };
        Self { key, files: std::array::from_fn(shard) }
    }

    fn shard(&self, key: Key) -> &Shard {
        &self.files[usize::from(key.content[0] >> 4)]
    }

    /// What is known of a content of this length.
    pub(super) fn known(&self, key: Key, bytes: u64) -> Option<Known> {
        let record = self.shard(key).record(key, &self.key)?;
        Some(record.known).filter(|known| known.facts.bytes == bytes)
    }

    /// The compressed bytes of a content of which this is known; `None` if they cannot be read, or are compared first and damaged.
    pub(super) fn payload(&self, key: Key, known: &Known, spool: &Spool, check: Check) -> Option<Vec<u8>> {
        let shard = self.shard(key);
        let record = shard.record(key, &self.key).filter(|record| record.known == *known)?;
        shard.payload(&record, &self.key, spool, check).ok()
    }

    /// Adds a content whose compressed bytes are in the spool, or were verified since they were added, if there is room.
    pub(super) fn add(&self, key: Key, known: Known, at: Offset) {
        let shard = self.shard(key);
        let before = &shard.read(&self.key).0;
        let mut new = shard.added();
        if before.len() + new.len() < MAX || before.contains_key(&key) {
            new.insert(key, Record { known, at: Place::Spool(at) });
        }
    }

    /// Writes the files to which something was added.
    pub(super) fn save(&self, spool: &Spool) {
        for shard in &self.files {
            let new = std::mem::take(&mut *shard.added());
            if !new.is_empty() {
                // Without it, the same is compressed again.
                let _ = shard.write(new, &self.key, spool);
            }
        }
    }
}

impl Shard {
    fn added(&self) -> MutexGuard<'_, BTreeMap<Key, Record>> {
        self.new.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self, key: &SigningKey) -> &(HashMap<Key, Record>, Option<File>) {
        self.read.get_or_init(|| {
            let Some((list, file)) = signed::read(&self.path, KIND, key, (MAX * RECORD) as u64) else {
                return (HashMap::new(), None);
            };
            let mut at = (8 + list.len() + blake3::OUT_LEN) as u64;
            let records = list.as_chunks::<RECORD>().0.iter().map_while(|record| {
                let (key, known) = parsed(record)?;
                let record = Record { known, at: Place::File(at) };
                at += stored_bytes(&known.facts);
                Some((key, record))
            });
            (records.collect(), Some(file))
        })
    }

    fn record(&self, key: Key, signing: &SigningKey) -> Option<Record> {
        let new = self.added().get(&key).copied();
        new.or_else(|| self.read(signing).0.get(&key).copied())
    }

    fn payload(&self, record: &Record, key: &SigningKey, spool: &Spool, check: Check) -> io::Result<Vec<u8>> {
        let Known { facts, hash, .. } = record.known;
        let damaged = || io::Error::from(io::ErrorKind::InvalidData);
        let mut payload = vec![0; usize::try_from(stored_bytes(&facts)).map_err(|_| damaged())?];
        match (record.at, &self.read(key).1) {
            (Place::File(at), Some(file)) => file.read_exact_at(&mut payload, at)?,
            (Place::File(_), None) => return Err(damaged()),
            (Place::Spool(at), _) => spool.read_exact_at(&mut payload, at)?,
        }
        let is_right = check == Check::Later || facts.method == Method::Stored || blake3::hash(&payload) == hash;
        if is_right { Ok(payload) } else { Err(damaged()) }
    }

    fn write(&self, new: BTreeMap<Key, Record>, key: &SigningKey, spool: &Spool) -> io::Result<()> {
        let mut all: BTreeMap<Key, Record> = self.read(key).0.iter().map(|(key, record)| (*key, *record)).collect();
        all.extend(new);
        // What is damaged goes.
        all.retain(|_, record| self.payload(record, key, spool, Check::First).is_ok());
        let list: Vec<u8> = all.iter().flat_map(|(key, record)| recorded(*key, &record.known)).collect();
        signed::write(&self.path, KIND, key, &list, |out| {
            all.values().try_for_each(|record| out.write_all(&self.payload(record, key, spool, Check::First)?))
        })
    }
}

/// How many bytes are kept of a content: none if it is stored.
fn stored_bytes(facts: &Facts) -> u64 {
    if facts.method == Method::Stored { 0 } else { facts.compressed }
}

fn recorded(key: Key, known: &Known) -> Vec<u8> {
    let Facts { method, crc32, bytes, compressed } = known.facts;
    let method = if method == Method::Deflated { DEFLATED } else { 0 };
    // They are shorter than the entries of the cache.
    let short = |length: u64| u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes();
    let mut out = Vec::with_capacity(RECORD);
    out.extend(key.content);
    out.push(u8::try_from(key.level).unwrap_or(u8::MAX));
    out.push(method | if known.verified { VERIFIED } else { 0 });
    out.extend(crc32.to_le_bytes());
    out.extend(short(bytes));
    out.extend(short(compressed));
    out.extend(known.hash.as_bytes());
    out
}

fn parsed(record: &[u8; RECORD]) -> Option<(Key, Known)> {
    let (content, rest) = record.split_first_chunk::<32>()?;
    let (&[level, method], rest) = rest.split_first_chunk::<2>()?;
    let (crc32, rest) = rest.split_first_chunk::<4>()?;
    let (bytes, rest) = rest.split_first_chunk::<4>()?;
    let (compressed, hash) = rest.split_first_chunk::<4>()?;
    let facts = Facts {
        method: if method & DEFLATED == 0 { Method::Stored } else { Method::Deflated },
        crc32: u32::from_le_bytes(*crc32),
        bytes: u64::from(u32::from_le_bytes(*bytes)),
        compressed: u64::from(u32::from_le_bytes(*compressed)),
    };
    let hash = blake3::Hash::from_slice(hash).ok()?;
    let key = Key { content: *content, level: i32::from(level) };
    Some((key, Known { facts, hash, verified: method & VERIFIED != 0 }))
}

#[cfg(test)]
mod tests {
    use super::super::deflate::compress;
    use super::*;

    struct Home(tempfile::TempDir);

    impl Home {
        fn short(&self, state: &str) -> Short {
            let cache = self.0.path().join("cache");
            std::fs::create_dir_all(&cache).expect("made");
            let key = SigningKey::at(&self.0.path().join(state), &cache).expect("a key");
            Short::new(&cache, key)
        }

        fn written(&self) -> Vec<PathBuf> {
            let listed = std::fs::read_dir(self.0.path().join("cache")).expect("there");
            let mut paths: Vec<PathBuf> = listed.map(|entry| entry.expect("listed").path()).collect();
            paths.sort();
            paths
        }
    }

    fn add(short: &Short, spool: &Spool, content: &[u8]) -> (Key, Known, Vec<u8>) {
        let (facts, payload) = compress(content, 6);
        let hash = blake3::hash(&payload);
        let (key, known) = (
            Key { content: *blake3::hash(content).as_bytes(), level: 6 },
            Known { facts, hash, verified: facts.bytes.is_multiple_of(2) },
        );
        short.add(key, known, spool.append(hash, &payload).expect("written"));
        let kept = if facts.method == Method::Stored { Vec::new() } else { payload.into_owned() };
        (key, known, kept)
    }

    fn contents() -> Vec<Vec<u8>> {
        let text = (0..40_u32).map(|n| format!("{n} the same again ").repeat(40 + n as usize).into_bytes());
        text.chain([blake3::hash(b"").as_bytes().to_vec()]).collect()
    }

    #[test]
    fn what_was_added_is_found_in_the_next_run_by_the_same_key_alone() {
        let home = Home(tempfile::tempdir().expect("a directory"));
        let spool = Spool::new().expect("made");
        let first = home.short("state");
        let all: Vec<_> = contents().iter().map(|content| add(&first, &spool, content)).collect();
        assert!(home.written().is_empty());
        first.save(&spool);
        let written = home.written();
        assert!((2..=FILES).contains(&written.len()));
        let (again, other) = (home.short("state"), home.short("other"));
        for (key, known, payload) in &all {
            assert_eq!(again.known(*key, known.facts.bytes), Some(*known));
            assert_eq!(again.payload(*key, known, &spool, Check::First).as_ref(), Some(payload));
            assert_eq!(again.known(*key, known.facts.bytes + 1), None);
            assert_eq!(again.known(Key { level: 12, ..*key }, known.facts.bytes), None);
            assert_eq!(again.payload(*key, &Known { verified: !known.verified, ..*known }, &spool, Check::First), None);
            assert_eq!(other.known(*key, known.facts.bytes), None);
        }
        // Another content is added to what is there, also by a run whose spool is another.
        let (fresh, spool) = (home.short("state"), Spool::new().expect("made"));
        let more = add(&fresh, &spool, &b"more ".repeat(200));
        fresh.save(&spool);
        let last = home.short("state");
        for (key, known, payload) in all.iter().chain([&more]) {
            assert_eq!(last.payload(*key, known, &spool, Check::First).as_ref(), Some(payload));
        }
    }

    #[test]
    fn what_is_damaged_is_not_there() {
        let home = Home(tempfile::tempdir().expect("a directory"));
        let spool = Spool::new().expect("made");
        let first = home.short("state");
        let (key, known, payload) = add(&first, &spool, &b"the same again ".repeat(100));
        first.save(&spool);
        let path = home.written().remove(0);
        let whole = std::fs::read(&path).expect("read");
        let listed = 8 + RECORD + blake3::OUT_LEN;
        assert_eq!(whole.len(), listed + payload.len());
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            std::fs::write(&path, damaged).expect("written");
            let short = home.short("state");
            assert_eq!(short.known(key, known.facts.bytes).is_some(), at >= listed, "byte {at}");
            assert_eq!(short.payload(key, &known, &spool, Check::First), None, "byte {at}");
            std::fs::write(&path, &whole[..at]).expect("written");
            assert_eq!(home.short("state").payload(key, &known, &spool, Check::First), None, "cut at {at}");
        }
        // The next run that adds something leaves it out.
        let mut damaged = whole;
        damaged[listed] ^= 1;
        std::fs::write(&path, damaged).expect("written");
        let second = home.short("state");
        assert!(second.known(key, known.facts.bytes).is_some());
        second.add(Key { level: 12, ..key }, known, spool.append(known.hash, &payload).expect("written"));
        second.save(&spool);
        let third = home.short("state");
        assert_eq!(third.known(key, known.facts.bytes), None);
        assert_eq!(third.payload(Key { level: 12, ..key }, &known, &spool, Check::First), Some(payload));
    }

    #[test]
    fn a_full_file_takes_nothing_more() {
        let home = Home(tempfile::tempdir().expect("a directory"));
        let spool = Spool::new().expect("made");
        let short = home.short("state");
        let (mut key, known, payload) = add(&short, &spool, &b"again ".repeat(100));
        let at = spool.append(known.hash, &payload).expect("written");
        let mut number = |at: usize| {
            key.content[8..16].copy_from_slice(&(at as u64).to_le_bytes());
            key
        };
        for n in 0..MAX + 10 {
            short.add(number(n), known, at);
        }
        short.save(&spool);
        let there = |short: &Short, n: usize, key: Key| short.known(key, known.facts.bytes).is_some() && n < MAX;
        let again = home.short("state");
        assert!(there(&again, 0, number(0)) && !there(&again, MAX + 9, number(MAX + 9)));
        again.add(number(MAX + 9), known, at);
        again.save(&spool);
        assert!(home.short("state").known(number(MAX + 9), known.facts.bytes).is_none());
    }
}
