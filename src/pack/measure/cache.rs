//! The cache: compressed bytes by the hash of the content and the level, so that unchanged content is not compressed again in
//! later runs. It only saves time: an entry that is damaged, cannot be read or written, or belongs to another user is treated as
//! missing. A directory that others can write to is not used.
//!
//! An entry is believed if it has the signature of this user's own layerfit (`signing.rs` tells what that is worth), or else if it
//! inflates to the content, which takes as long as everything else that is done with it; then it is signed. Of a signed entry,
//! lengths alone take reading its first bytes: a damaged payload is found when it is packed, and compressed again to the
//! same length. Whether a payload was inflated and compared with the content is recorded, and signed as well: one that was not, as
//! only its length was wanted, is when it is packed.
//!
//! Contents that are too short for a file of their own are together in a few files (`short.rs`), and so are verdicts on contents
//! (`verdicts.rs`).
//!
//! It has a size. When it is full, what took most work for each byte that it takes is kept, and what is less worth than all that
//! is not stored: a tree that is larger than the cache finds the same part of it in each run, and writes nothing. What no run
//! has used for a long time goes first.

use std::borrow::Cow;
use std::fs::{self, File, Metadata};
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use super::deflate::inflates_to;
use super::measured::Method;
use super::own;
use super::place::Check;
use super::record::{Facts, Key, Known, STALE, VERSION};
use super::short::Short;
use super::signing::SigningKey;
use super::verdicts::Kept;
use crate::base::verdicts::Verdicts;

/// Compressing shorter content is faster than opening a file.
pub(super) const MIN_BYTES: u64 = 16 << 10;

/// How many bytes the cache has after a run, at most.
const MAX_BYTES: u64 = 2 << 30;

/// What was used is not marked again for so long: that would write to the disk for each entry in each run.
const MARKED: Duration = Duration::from_secs(24 * 60 * 60);

/// What the names of unfinished files begin with.
const NEW: &[u8] = b".new-";

/// The file that has the least worth of what the full cache keeps, in the directory of the version.
const LEAST: &str = "least";

/// A number of 64 bits has no more digits.
const MAX_LEAST: u64 = 20;

const MAGIC: &[u8; 4] = b"LFC2";
/// Magic, method, CRC-32, raw length, compressed length, hash of the payload; then the signature of all of these.
const FACTS: usize = 4 + 1 + 4 + 8 + 8 + 32;
pub(super) const HEADER: usize = FACTS + blake3::OUT_LEN;
/// Where the hash of the payload is.
const PAYLOAD_HASH: std::ops::Range<usize> = FACTS - blake3::OUT_LEN..FACTS;
/// Where the method is.
const METHOD: usize = 4;
/// How the method is recorded (APPNOTE.TXT 4.4.5).
const STORED: u8 = 0;
const DEFLATED: u8 = 8;
/// Added to the method when the payload was inflated and compared with the content.
const VERIFIED: u8 = 0x80;
/// In place of a signature, where there is no key.
const UNSIGNED: blake3::Hash = blake3::Hash::from_bytes([0; blake3::OUT_LEN]);

/// A directory of compressed contents. Several runs can share it, because entries are renamed into place when complete.
pub struct Cache {
    directory: PathBuf,
    grew: AtomicBool,
    /// What is worth less is not stored, as the cache is full of what is worth more; 0 while it is not full.
    least: u64,
    /// The key of this user, if there can be one.
    key: Option<SigningKey>,
}

impl Cache {
    /// The cache in the user's cache directory (XDG Base Directory Specification), with entries that are signed by the user's
    /// key; `None` if it cannot be written, or is not trusted.
    pub fn of_the_user() -> Option<Self> {
        let base = cache_home()?;
        let cache = if own::others_write(&base) { None } else { Self::at(&base.join("layerfit")) }?;
        Some(Self { key: SigningKey::of_the_user(&base), ..cache })
    }

    /// The part of the path of the user's cache to which another user could have written, because of its owner or its mode:
    /// then that cache is not used.
    pub fn distrusted() -> Option<PathBuf> {
        let base = cache_home()?;
        if own::others_write(&base) {
            return Some(base);
        }
        let directory = base.join("layerfit");
        [directory.join(VERSION), directory].into_iter().find(|part| !own::is_own(part))
    }

    /// The cache in this directory, which is created if necessary, with entries that nothing signs; `None` if it cannot be created, or is not trusted.
    pub fn at(directory: &Path) -> Option<Self> {
        // Another version can compress differently, and output must depend on this version and the input alone.
        let versioned = directory.join(VERSION);
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&versioned).ok()?;
        let trusted = own::is_own(directory) && own::is_own(&versioned);
        let least = least_of(&versioned.join(LEAST)).unwrap_or(0);
        trusted.then_some(Self { directory: versioned, grew: AtomicBool::new(false), least, key: None })
    }

    /// The cache in this directory, with a key in another.
    #[cfg(test)]
    pub(in crate::pack) fn signing_at(directory: &Path, state: &Path) -> Self {
        let cache = Self::at(directory).expect("made");
        Self { key: Some(SigningKey::at(state, directory).expect("a key")), ..cache }
    }

    /// The contents that are too short for entries; `None` without a key, as all of them would have to be inflated.
    pub(super) fn short(&self) -> Option<Short> {
        Some(Short::new(&self.directory, self.key.clone()?))
    }

    /// The verdicts on contents; `None` without a key, as they would be worth nothing.
    pub fn verdicts(&self) -> Option<Arc<dyn Verdicts>> {
        Some(Arc::new(Kept::new(&self.directory, self.key.clone()?)))
    }

    fn path(&self, key: Key) -> PathBuf {
        self.directory.join(below_version(key))
    }

    /// What is known of the entry of a content of this length, if it is signed.
    pub(super) fn known(&self, key: Key, bytes: u64) -> Option<Known> {
        let (opened, metadata) = own::open(&self.path(key), File::options().read(true))?;
        let known = self.signed_in(key, &read_header(&opened)?).filter(|known| known.facts.bytes == bytes)?;
        if metadata.len() != HEADER as u64 + payload_length(known.facts)? {
            return None;
        }
        mark_used(&opened, &metadata);
        Some(known)
    }

    /// Reads the compressed bytes of an entry of which this is known. An entry can have been removed or replaced since then; whether it was
    /// damaged is only looked at if they are compared first.
    pub(super) fn payload(&self, key: Key, known: &Known, check: Check, payload: &mut Vec<u8>) -> Option<()> {
        let (opened, _) = own::open(&self.path(key), File::options().read(true))?;
        self.signed_in(key, &read_header(&opened)?).filter(|now| now == known)?;
        let length = payload_length(known.facts)?;
        payload.reserve(usize::try_from(length).ok()?);
        opened.take(length + 1).read_to_end(payload).ok()?;
        let is_whole = payload.len() as u64 == length;
        (is_whole && (check == Check::Later || blake3::hash(payload) == known.hash)).then_some(())
    }

    /// The entry of a content: what it records, and the compressed bytes, which are verified.
    pub(super) fn get<'a>(&self, key: Key, content: &'a [u8]) -> Option<(Facts, Cow<'a, [u8]>)> {
        let (opened, metadata) = own::open(&self.path(key), File::options().read(true))?;
        let header = read_header(&opened)?;
        let length = payload_length(facts_of(&header).filter(|facts| facts.bytes == content.len() as u64)?)?;
        let mut payload = Vec::with_capacity(usize::try_from(length).ok()?);
        (&opened).take(length + 1).read_to_end(&mut payload).ok()?;
        if self.signed_in(key, &header).is_some_and(|known| known.verified) {
            let found = undamaged(&header, payload, content)?;
            mark_used(&opened, &metadata);
            return Some(found);
        }
        let found = believed(&header, payload, content)?;
        if self.sign(key, &header, &metadata).is_none() {
            mark_used(&opened, &metadata);
        }
        Some(found)
    }

    /// What an entry records, if it has the signature of this user.
    fn signed_in(&self, key: Key, header: &[u8; HEADER]) -> Option<Known> {
        if !self.has_signed(key, header) {
            return None;
        }
        let facts = facts_of(header)?;
        let hash = blake3::Hash::from_slice(&header[PAYLOAD_HASH]).ok()?;
        Some(Known { facts, hash, verified: facts.method == Method::Stored || header[METHOD] & VERIFIED != 0 })
    }

    /// Whether the entry of this key has the signature of this user.
    fn has_signed(&self, key: Key, header: &[u8; HEADER]) -> bool {
        let (facts, signature) = header.split_at(FACTS);
        // Hashes are compared in constant time.
        self.key
            .as_ref()
            .is_some_and(|with| blake3::Hash::from_slice(signature).is_ok_and(|s| s == signed(with, key, facts)))
    }

    /// Signs an entry that was verified by content, in its place. Whatever is read of it while that is written is no signature,
    /// and the entry then verified again.
    fn sign(&self, key: Key, header: &[u8; HEADER], verified: &Metadata) -> Option<()> {
        let mut new = *header;
        new[METHOD] |= VERIFIED;
        let signature = signed(self.key.as_ref()?, key, &new[..FACTS]);
        new[FACTS..].copy_from_slice(signature.as_bytes());
        let (file, metadata) = own::open(&self.path(key), File::options().write(true))?;
        // Nothing else is written to: not what took its place, and no file that has another name.
        let is_same = (metadata.dev(), metadata.ino()) == (verified.dev(), verified.ino()) && metadata.nlink() == 1;
        is_same.then(|| file.write_all_at(&new, 0).ok())?
    }

    /// Stores a content's compressed bytes, or only that deflate does not make it shorter; `verified` is whether they were
    /// inflated and compared with it. If that fails, or the cache is full of what is worth more, there is no entry.
    pub(super) fn put(&self, key: Key, facts: Facts, payload: &[u8], verified: bool) {
        if worth(facts, key.level) < self.least {
            return;
        }
        let path = self.path(key);
        let write = || -> std::io::Result<()> {
            let directory = path.parent().unwrap_or(&self.directory);
            fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
            let mut file = tempfile::Builder::new().prefix(".new-").tempfile_in(directory)?;
            file.write_all(&self.header(key, facts, stored(facts, payload), verified))?;
            file.write_all(stored(facts, payload))?;
            file.persist(&path)?;
            Ok(())
        };
        if write().is_ok() {
            self.grew.store(true, Ordering::Relaxed);
        }
    }

    /// What precedes the payload in an entry of this cache.
    fn header(&self, key: Key, facts: Facts, payload: &[u8], verified: bool) -> Vec<u8> {
        let mut recorded = recorded(facts, payload);
        recorded[METHOD] |= if verified { VERIFIED } else { 0 };
        let signature = self.key.as_ref().map_or(UNSIGNED, |with| signed(with, key, &recorded));
        [&recorded, signature.as_bytes().as_slice()].concat()
    }

    /// Limits the cache to its size, and removes what killed runs left. Called at the end of a run.
    pub(super) fn trim(&self) {
        if self.grew.load(Ordering::Relaxed) {
            self.trim_to(MAX_BYTES);
        }
    }

    fn trim_to(&self, most: u64) {
        let entries: Vec<Stored> = files(&self.directory);
        let mut total: u64 = entries.iter().map(|entry| entry.bytes).sum();
        let mut least = 0;
        if total > most {
            let stale = SystemTime::now().checked_sub(STALE);
            let mut order: Vec<(bool, u64, Stored)> = entries
                .into_iter()
                .map(|entry| {
                    let worth = worth_of(&entry.path);
                    // What is stale, or no entry, goes first; then what is worth least. Names are hashes: the same go each time.
                    (worth.is_some() && stale.is_none_or(|stale| entry.used > stale), worth.unwrap_or(0), entry)
                })
                .collect();
            order.sort_by(|a, b| (a.0, a.1, &a.2.path).cmp(&(b.0, b.1, &b.2.path)));
            for (is_used, worth, entry) in order {
                if total <= most {
                    break;
                }
                // Another run may have removed it already.
                let _ = fs::remove_file(entry.path);
                total -= entry.bytes;
                if is_used {
                    // What is worth as much as the last that went could only take the place of the like.
                    least = worth + 1;
                }
            }
        }
        // Without room for what is worth less, nothing of it is stored; with room again, everything is.
        if least > self.least || (self.least > 0 && total <= most / 4 * 3) {
            let _ = fs::write(self.directory.join(LEAST), least.to_string());
        }
    }
}

/// The name of an entry in the directory of the version.
fn below_version(key: Key) -> String {
    let name = blake3::Hash::from_bytes(key.content).to_hex();
    format!("{}/{}-{}", &name[..2], &name[2..], key.level)
}

/// The name of an entry in a store that several versions share.
pub(super) fn relative(key: Key) -> String {
    format!("layerfit/{VERSION}/{}", below_version(key))
}

/// What an entry has of the compressed bytes: nothing if they are the content.
fn stored(facts: Facts, payload: &[u8]) -> &[u8] {
    if facts.method == Method::Stored { &[] } else { payload }
}

/// The facts of an entry as they are recorded.
fn recorded(facts: Facts, payload: &[u8]) -> Vec<u8> {
    let mut recorded = MAGIC.to_vec();
    recorded.push(if facts.method == Method::Deflated { DEFLATED } else { STORED });
    recorded.extend(facts.crc32.to_le_bytes());
    recorded.extend(facts.bytes.to_le_bytes());
    recorded.extend(facts.compressed.to_le_bytes());
    recorded.extend(blake3::hash(payload).as_bytes());
    recorded
}

/// The signature of what the entry of a key records.
fn signed(with: &SigningKey, key: Key, recorded: &[u8]) -> blake3::Hash {
    // What precedes the name of the version has a fixed length.
    with.sign(&[recorded, &key.content, &key.level.to_le_bytes(), VERSION.as_bytes()].concat())
}

/// An entry as a whole, without a signature.
pub(super) fn entry(facts: Facts, payload: &[u8]) -> Vec<u8> {
    let payload = stored(facts, payload);
    [&recorded(facts, payload), UNSIGNED.as_bytes().as_slice(), payload].concat()
}

fn read_header(mut file: &File) -> Option<[u8; HEADER]> {
    let mut header = [0; HEADER];
    file.read_exact(&mut header).ok()?;
    Some(header)
}

/// The length of the payload that an entry with these facts has; `None` if there is none.
fn payload_length(facts: Facts) -> Option<u64> {
    match facts.method {
        Method::Stored => (facts.compressed == facts.bytes).then_some(0),
        Method::Deflated => (facts.compressed < facts.bytes).then_some(facts.compressed),
    }
}

/// What an entry records, and the compressed bytes, if it is that of this content.
pub(super) fn believed<'a>(
    header: &[u8; HEADER],
    payload: Vec<u8>,
    content: &'a [u8],
) -> Option<(Facts, Cow<'a, [u8]>)> {
    // Anyone can compute these hashes: what counts is the content.
    let (facts, payload) = undamaged(header, payload, content)?;
    (facts.method == Method::Stored || inflates_to(&payload, content)).then_some((facts, payload))
}

/// The same of an entry that is known to be of this content, if nothing of it is damaged.
fn undamaged<'a>(header: &[u8; HEADER], payload: Vec<u8>, content: &'a [u8]) -> Option<(Facts, Cow<'a, [u8]>)> {
    let facts = facts_of(header).filter(|facts| facts.bytes == content.len() as u64)?;
    let is_whole = payload_length(facts)? == payload.len() as u64
        && blake3::hash(&payload).as_bytes()[..] == header[PAYLOAD_HASH]
        && crc32fast::hash(content) == facts.crc32;
    is_whole.then_some((facts, if facts.method == Method::Stored { content.into() } else { payload.into() }))
}

/// Marks an entry as used, so that it is not removed soon.
fn mark_used(file: &File, metadata: &Metadata) {
    let now = SystemTime::now();
    let is_marked = metadata.modified().is_ok_and(|at| now.duration_since(at).is_ok_and(|since| since < MARKED));
    if !is_marked {
        let _ = file.set_modified(now);
    }
}

/// How much an entry is worth; `None` if it is not one.
fn worth_of(path: &Path) -> Option<u64> {
    let level = path.file_name()?.to_str()?.rsplit_once('-')?.1.parse().ok()?;
    let mut header = [0; FACTS];
    File::open(path).ok()?.read_exact(&mut header).ok()?;
    facts_of(&header).map(|facts| worth(facts, level))
}

/// The least worth of what a full cache keeps, unless what it was full of is stale by now.
fn least_of(path: &Path) -> Option<u64> {
    let metadata = fs::symlink_metadata(path).ok().filter(|metadata| metadata.is_file() && own::only_own(metadata))?;
    let since = metadata.modified().ok()?.elapsed().unwrap_or_default();
    let mut text = String::new();
    File::open(path).ok()?.take(MAX_LEAST).read_to_string(&mut text).ok()?;
    if since > STALE { None } else { text.trim().parse().ok() }
}

/// How much work an entry saves for each byte that it takes, in thousandths of compressing a byte at level 1.
fn worth(facts: Facts, level: i32) -> u64 {
    let work = work(level);
    let payload = if facts.method == Method::Stored { 0 } else { facts.compressed };
    facts.bytes.saturating_mul(1000 * work) / (payload + HEADER as u64)
}

/// The work for a byte at a level, measured with libdeflate on an R tree; that at level 1 is 1.
pub(super) fn work(level: i32) -> u64 {
    match level {
        ..=3 => 1,
        4..=6 => 2,
        7..=8 => 4,
        9 => 5,
        _ => 20,
    }
}

/// What the first bytes of an entry record.
fn facts_of(header: &[u8]) -> Option<Facts> {
    let word = |at: usize| header.get(at..at + 8)?.try_into().map(u64::from_le_bytes).ok();
    header.starts_with(MAGIC).then_some(())?;
    Some(Facts {
        method: match *header.get(METHOD)? & !VERIFIED {
            STORED => Method::Stored,
            DEFLATED => Method::Deflated,
            _ => return None,
        },
        crc32: header.get(5..9)?.try_into().map(u32::from_le_bytes).ok()?,
        bytes: word(9)?,
        compressed: word(17)?,
    })
}

/// The directory for caches of the user (XDG Base Directory Specification).
fn cache_home() -> Option<PathBuf> {
    own::base("XDG_CACHE_HOME", ".cache")
}

/// A file of the cache.
struct Stored {
    used: SystemTime,
    bytes: u64,
    path: PathBuf,
}

/// Every file of the cache but what it records of itself.
fn files(directory: &Path) -> Vec<Stored> {
    let walk = walkdir::WalkDir::new(directory).into_iter().filter_map(Result::ok);
    // What is beside the directories of entries has a bound of its own, except what a killed run left.
    let is_counted = |entry: &walkdir::DirEntry| entry.depth() > 1 || entry.file_name().as_bytes().starts_with(NEW);
    walk.filter(is_counted)
        .filter_map(|entry| {
            let metadata = entry.metadata().ok().filter(std::fs::Metadata::is_file)?;
            Some(Stored { used: metadata.modified().ok()?, bytes: metadata.len(), path: entry.into_path() })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::super::deflate::compress;
    use super::*;

    const LEVEL: i32 = 6;

    fn key(content: &[u8]) -> Key {
        Key { content: *blake3::hash(content).as_bytes(), level: LEVEL }
    }

    fn put(cache: &Cache, content: &[u8]) -> Vec<u8> {
        let (facts, payload) = compress(content, LEVEL);
        cache.put(key(content), facts, &payload, true);
        payload.into_owned()
    }

    fn get(cache: &Cache, content: &[u8]) -> Option<Vec<u8>> {
        cache.get(key(content), content).map(|(_, payload)| payload.into_owned())
    }

    /// A content that deflate makes shorter, and one that it does not.
    fn contents() -> [Vec<u8>; 2] {
        [b"the same again ".repeat(5000), blake3::hash(b"").as_bytes().to_vec()]
    }

    #[test]
    fn what_was_put_is_found_and_nothing_else() {
        let home = tempfile::tempdir().expect("a directory");
        let cache = Cache::at(home.path()).expect("made");
        for content in contents() {
            let payload = put(&cache, &content);
            assert_eq!(get(&cache, &content), Some(payload));
            assert_eq!(cache.get(Key { level: 12, ..key(&content) }, &content), None);
            assert_eq!(get(&cache, &content[1..]), None);
        }
    }

    #[test]
    fn a_damaged_entry_is_none_at_whatever_byte() {
        let home = tempfile::tempdir().expect("a directory");
        let cache = Cache::at(home.path()).expect("made");
        for content in contents() {
            put(&cache, &content);
            let path = cache.path(key(&content));
            let whole = fs::read(&path).expect("read");
            for at in 0..whole.len() {
                let mut damaged = whole.clone();
                damaged[at] ^= 1;
                fs::write(&path, damaged).expect("written");
                // Without a key, there is nothing in place of the signature.
                assert_eq!(get(&cache, &content).is_some(), (FACTS..HEADER).contains(&at), "byte {at}");
                fs::write(&path, &whole[..at]).expect("written");
                assert_eq!(get(&cache, &content), None, "cut at {at}");
            }
            fs::write(&path, [&whole[..], b"more"].concat()).expect("written");
            assert_eq!(get(&cache, &content), None);
        }
    }

    #[test]
    fn a_pipe_in_place_of_an_entry_is_none_and_not_waited_for() {
        let home = tempfile::tempdir().expect("a directory");
        let cache = Cache::at(home.path()).expect("made");
        let [content, _] = contents();
        put(&cache, &content);
        let path = cache.path(key(&content));
        fs::remove_file(&path).expect("removed");
        rustix::fs::mkfifoat(rustix::fs::CWD, &path, rustix::fs::Mode::from_raw_mode(0o600)).expect("made");
        assert_eq!(get(&cache, &content), None);
    }

    #[test]
    fn a_forged_entry_with_right_hashes_is_none() {
        let home = tempfile::tempdir().expect("a directory");
        let cache = Cache::at(home.path()).expect("made");
        let [content, noise] = contents();
        let mut evil = content.clone();
        evil[70] ^= 1;
        let (own, (theirs, payload)) = (compress(&content, LEVEL).0, compress(&evil, LEVEL));
        // With the checksum of the payload's content, and of the true one.
        for facts in [theirs, Facts { crc32: own.crc32, ..theirs }] {
            cache.put(key(&content), facts, &payload, true);
            assert_eq!(get(&cache, &content), None);
        }
        // The right content, and a wrong checksum of it; more after it; too little of it.
        let right = compress(&content, LEVEL).1;
        cache.put(key(&content), Facts { crc32: !own.crc32, ..own }, &right, true);
        assert_eq!(get(&cache, &content), None);
        cache.put(key(&content), Facts { compressed: own.compressed + 1, ..own }, &[&right[..], b"x"].concat(), true);
        assert_eq!(get(&cache, &content), None);
        let short = compress(&content[..60_000], LEVEL).1;
        cache.put(key(&content), Facts { compressed: short.len() as u64, ..own }, &short, true);
        assert_eq!(get(&cache, &content), None);
        // Stored: there are no bytes but the content's, and a wrong checksum of it.
        let facts = compress(&noise, LEVEL).0;
        assert_eq!(facts.method, Method::Stored);
        cache.put(key(&noise), Facts { crc32: !facts.crc32, ..facts }, &noise, true);
        assert_eq!(get(&cache, &noise), None);
        cache.put(key(&noise), Facts { compressed: facts.bytes - 1, ..facts }, &noise, true);
        assert_eq!(get(&cache, &noise), None);
        put(&cache, &content);
        assert!(get(&cache, &content).is_some());
    }

    /// A cache with a key, and one in the same directory without.
    fn with_key(home: &Path, name: &str) -> [Cache; 2] {
        let cache = || Cache::at(&home.join("cache")).expect("made");
        let key = SigningKey::at(&home.join(name), &home.join("cache"));
        assert!(key.is_some());
        [Cache { key, ..cache() }, cache()]
    }

    fn facts(cache: &Cache, content: &[u8]) -> Option<Facts> {
        cache.known(key(content), content.len() as u64).map(|known| known.facts)
    }

    #[test]
    fn an_entry_with_this_users_signature_is_not_inflated() {
        let home = tempfile::tempdir().expect("a directory");
        fs::create_dir(home.path().join("cache")).expect("made");
        let [cache, without] = with_key(home.path(), "key");
        let [content, noise] = contents();
        // Compressed bytes that are no deflate stream: inflating them would fail.
        let own = compress(&content, LEVEL).0;
        let payload = vec![7; usize::try_from(own.compressed).expect("short")];
        cache.put(key(&content), own, &payload, true);
        assert_eq!(get(&cache, &content), Some(payload.clone()));
        assert_eq!(facts(&cache, &content), Some(own));
        assert_eq!((get(&without, &content), facts(&without, &content)), (None, None));
        // The signature of another is none.
        let [other, _] = with_key(home.path(), "other");
        assert_eq!((get(&other, &content), facts(&other, &content)), (None, None));
        // It is that of the content, the level and the length.
        let moved = Key { level: 12, ..key(&content) };
        fs::copy(cache.path(key(&content)), cache.path(moved)).expect("copied");
        assert_eq!((cache.get(moved, &content), cache.known(moved, own.bytes)), (None, None));
        assert_eq!(cache.known(key(&content), own.bytes + 1), None);
        let mut like = content.clone();
        like[0] ^= 1;
        fs::create_dir_all(cache.path(key(&like)).parent().expect("a directory")).expect("made");
        fs::copy(cache.path(key(&content)), cache.path(key(&like))).expect("copied");
        assert_eq!((get(&cache, &like), facts(&cache, &like)), (None, None));
        // Whatever was signed, what is packed has the content's checksum.
        cache.put(key(&content), Facts { crc32: !own.crc32, ..own }, &payload, true);
        assert_eq!(get(&cache, &content), None);
        put(&cache, &noise);
        assert_eq!((get(&cache, &noise), facts(&cache, &noise).map(|f| f.method)), (Some(noise), Some(Method::Stored)));
    }

    #[test]
    fn a_signed_entry_that_is_damaged_is_never_wrong() {
        let home = tempfile::tempdir().expect("a directory");
        fs::create_dir(home.path().join("cache")).expect("made");
        let [cache, _] = with_key(home.path(), "key");
        for content in contents() {
            let payload = put(&cache, &content);
            let path = cache.path(key(&content));
            let (whole, right) = (fs::read(&path).expect("read"), facts(&cache, &content));
            assert!(right.is_some());
            for at in 0..whole.len() {
                let mut damaged = whole.clone();
                damaged[at] ^= 1;
                fs::write(&path, &damaged).expect("written");
                // Lengths do not need the payload.
                assert_eq!(facts(&cache, &content), right.filter(|_| at >= HEADER), "byte {at}");
                let is_signature = (FACTS..HEADER).contains(&at);
                assert_eq!(get(&cache, &content), is_signature.then(|| payload.clone()), "byte {at}");
                // What only lacks the signature is verified, and has it again.
                assert_eq!(fs::read(&path).expect("read") == whole, is_signature, "byte {at}");
                fs::write(&path, &whole[..at]).expect("written");
                assert_eq!((get(&cache, &content), facts(&cache, &content)), (None, None), "cut at {at}");
            }
            fs::write(&path, [&whole[..], b"more"].concat()).expect("written");
            assert_eq!((get(&cache, &content), facts(&cache, &content)), (None, None));
        }
    }

    #[test]
    fn what_comes_from_elsewhere_is_verified_by_content_and_then_signed_in_its_place() {
        let home = tempfile::tempdir().expect("a directory");
        fs::create_dir(home.path().join("cache")).expect("made");
        let [mine, unsigned] = with_key(home.path(), "mine");
        let [theirs, _] = with_key(home.path(), "theirs");
        for content in contents() {
            for from in [&unsigned, &theirs] {
                let payload = put(from, &content);
                let path = mine.path(key(&content));
                assert_eq!(facts(&mine, &content), None);
                let inode = fs::metadata(&path).expect("there").ino();
                // Under another name it can be anybody's file, so nothing is written to it.
                let linked = home.path().join("linked");
                fs::hard_link(&path, &linked).expect("linked");
                assert_eq!(get(&mine, &content), Some(payload.clone()));
                assert_eq!(facts(&mine, &content), None);
                fs::remove_file(&linked).expect("removed");
                assert_eq!(get(&mine, &content), Some(payload.clone()));
                assert!(facts(&mine, &content).is_some());
                assert_eq!(fs::metadata(&path).expect("there").ino(), inode);
                assert_eq!(facts(&theirs, &content), None);
            }
        }
    }

    #[test]
    fn what_is_used_often_is_not_marked_each_time() {
        let home = tempfile::tempdir().expect("a directory");
        fs::create_dir(home.path().join("cache")).expect("made");
        let [cache, unsigned] = with_key(home.path(), "key");
        let [content, _] = contents();
        put(&cache, &content);
        let path = cache.path(key(&content));
        let modified = || fs::metadata(&path).expect("there").modified().expect("a time");
        let set = |at| File::open(&path).expect("there").set_modified(at).expect("set");
        let now = SystemTime::now();
        let uses: [&dyn Fn() -> bool; 3] =
            [&|| get(&cache, &content).is_some(), &|| facts(&cache, &content).is_some(), &|| {
                get(&unsigned, &content).is_some()
            }];
        for is_found in uses {
            let recent = now - MARKED / 2;
            set(recent);
            assert!(is_found() && modified() == recent);
            set(now - MARKED * 2);
            assert!(is_found() && modified() >= now);
            // A clock that was set back.
            set(now + MARKED * 2);
            assert!(is_found() && modified() < now + MARKED);
        }
    }

    #[test]
    fn what_others_can_write_is_not_believed() {
        let home = tempfile::tempdir().expect("a directory");
        let cache = Cache::at(home.path()).expect("made");
        let [content, _] = contents();
        put(&cache, &content);
        let path = cache.path(key(&content));
        let chmod = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("changed");
        for (mode, found) in [(0o620, false), (0o602, false), (0o644, true)] {
            chmod(&path, mode);
            assert_eq!(get(&cache, &content).is_some(), found, "{mode:o}");
        }
        let linked = home.path().join("linked");
        fs::rename(&path, &linked).expect("moved");
        std::os::unix::fs::symlink(&linked, &path).expect("linked");
        assert_eq!(get(&cache, &content), None);
        for part in [home.path(), &cache.directory] {
            for (mode, used) in [(0o770, false), (0o1777, false), (0o755, true)] {
                chmod(part, mode);
                assert_eq!(Cache::at(home.path()).is_some(), used, "{} {mode:o}", part.display());
            }
        }
        // Only root can give a file away.
        if std::os::unix::fs::chown(&linked, Some(65_534), None).is_ok() {
            fs::remove_file(&path).expect("removed");
            fs::rename(&linked, &path).expect("moved");
            assert_eq!(get(&cache, &content), None);
            std::os::unix::fs::chown(&cache.directory, Some(65_534), None).expect("given away");
            assert!(Cache::at(home.path()).is_none());
        }
    }

    /// Pairs of contents of which each is worth less than those before, as fewer of its bits are the same.
    fn worth_less_and_less() -> Vec<Vec<u8>> {
        let mut state = 1_u64;
        let mut next = move |mask: u8| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            state.to_be_bytes()[0] & mask
        };
        (2..14_u32).map(|bits| (0..20_000).map(|_| next((1 << (bits / 2)) - 1)).collect()).collect()
    }

    fn there(cache: &Cache, contents: &[Vec<u8>]) -> Vec<usize> {
        (0..contents.len()).filter(|at| get(cache, &contents[*at]).is_some()).collect()
    }

    fn bytes(cache: &Cache) -> u64 {
        files(&cache.directory).iter().map(|entry| entry.bytes).sum()
    }

    #[test]
    fn a_full_cache_keeps_what_saves_most_work_and_writes_nothing_in_vain() {
        let home = tempfile::tempdir().expect("a directory");
        let contents = worth_less_and_less();
        let cache = Cache::at(home.path()).expect("made");
        for content in &contents {
            drop(put(&cache, content));
        }
        let most = bytes(&cache) - 1;
        cache.trim_to(most);
        let kept = there(&cache, &contents);
        assert!(kept.len() == 11 && kept[..10] == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9], "{kept:?}");
        // The same again, in whatever order: what did not fit is not stored, and nothing else goes for it.
        for _ in 0..3 {
            let cache = Cache::at(home.path()).expect("made");
            contents.iter().rev().filter(|content| get(&cache, content).is_none()).for_each(|c| drop(put(&cache, c)));
            assert!(!cache.grew.load(Ordering::Relaxed));
            cache.trim_to(most);
            assert_eq!(there(&cache, &contents), kept);
        }
        // What deflate does not make shorter takes no more than its facts.
        let cache = Cache::at(home.path()).expect("made");
        let before = bytes(&cache);
        let mut noise = vec![0; 50_000];
        blake3::Hasher::new().finalize_xof().fill(&mut noise);
        put(&cache, &noise);
        assert_eq!(bytes(&cache) - before, HEADER as u64);
        assert_eq!(get(&cache, &noise), Some(noise));
        // With room again, everything is stored.
        cache.trim_to(u64::MAX);
        let cache = Cache::at(home.path()).expect("made");
        contents.iter().filter(|content| get(&cache, content).is_none()).for_each(|c| drop(put(&cache, c)));
        assert!(cache.grew.load(Ordering::Relaxed));
    }

    #[test]
    fn what_was_not_used_for_long_goes_first_and_its_worth_is_forgotten() {
        let home = tempfile::tempdir().expect("a directory");
        let contents = worth_less_and_less();
        let cache = Cache::at(home.path()).expect("made");
        for content in &contents {
            drop(put(&cache, content));
        }
        let long_ago = SystemTime::now() - STALE - STALE;
        let age = |path: &Path| File::open(path).expect("there").set_modified(long_ago).expect("set");
        age(&cache.path(key(&contents[0])));
        cache.trim_to(bytes(&cache) - 1);
        assert_eq!(there(&cache, &contents), (1..12).collect::<Vec<_>>());
        assert!(!cache.directory.join(LEAST).exists());
        cache.trim_to(bytes(&cache) - 1);
        let least = |cache: &Cache| cache.least;
        assert!(least(&Cache::at(home.path()).expect("made")) > 0);
        // What others could have written, or pointed elsewhere, is not believed.
        let path = cache.directory.join(LEAST);
        let chmod = |mode| fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("changed");
        chmod(0o666);
        assert_eq!(least(&Cache::at(home.path()).expect("made")), 0);
        chmod(0o600);
        let linked = home.path().join("linked");
        fs::rename(&path, &linked).expect("moved");
        std::os::unix::fs::symlink(&linked, &path).expect("linked");
        assert_eq!(least(&Cache::at(home.path()).expect("made")), 0);
        fs::rename(&linked, &path).expect("moved back");
        age(&path);
        assert_eq!(least(&Cache::at(home.path()).expect("made")), 0);
    }
}
