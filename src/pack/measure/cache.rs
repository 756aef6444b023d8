//! The cache: compressed bytes by the hash of the content and the level, so that unchanged content is not compressed again in
//! later runs. It only saves time: an entry that is damaged, cannot be read or written, or belongs to another user is treated as
//! missing, and so is one that inflates to anything but the content. A directory that others can write to is not used.
//!
//! It has a size. When it is full, what took most work for each byte that it takes is kept, and what is less worth than all that
//! is not stored: a tree that is larger than the cache finds the same part of it in each run, and writes nothing. What no run
//! has used for a long time goes first.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use flate2::{Decompress, FlushDecompress, Status};
use rustix::process::geteuid;

use super::measured::Method;

/// Compressing shorter content is faster than opening a file.
pub(super) const MIN_BYTES: u64 = 16 << 10;

/// How many bytes the cache has after a run, at most.
const MAX_BYTES: u64 = 2 << 30;

/// What was not used for so long is removed first when the cache is full.
const STALE: Duration = Duration::from_secs(14 * 24 * 60 * 60);

/// The file that has the least worth of what the full cache keeps, in the directory of the version.
const LEAST: &str = "least";

/// A number of 64 bits has no more digits.
const MAX_LEAST: u64 = 20;

const VERSION: &str = env!("CARGO_PKG_VERSION");

const MAGIC: &[u8; 4] = b"LFC1";
/// Magic, method, CRC-32, raw length, compressed length, hash of the payload; then the hash of all of these.
const FACTS: usize = 4 + 1 + 4 + 8 + 8 + 32;
pub(super) const HEADER: usize = FACTS + 32;

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
    /// What is worth less is not stored, as the cache is full of what is worth more; 0 while it is not full.
    least: u64,
}

impl Cache {
    /// The cache in the user's cache directory (XDG Base Directory Specification); `None` if it cannot be written, or is not
    /// trusted.
    pub fn of_the_user() -> Option<Self> {
        let base = cache_home()?;
        if others_write(&base) { None } else { Self::at(&base.join("layerfit")) }
    }

    /// The part of the path of the user's cache to which another user could have written, because of its owner or its mode:
    /// then that cache is not used.
    pub fn distrusted() -> Option<PathBuf> {
        let base = cache_home()?;
        if others_write(&base) {
            return Some(base);
        }
        let directory = base.join("layerfit");
        [directory.join(VERSION), directory].into_iter().find(|part| !is_own(part))
    }

    /// The cache in this directory, which is created if necessary; `None` if it cannot be created, or is not trusted.
    pub fn at(directory: &Path) -> Option<Self> {
        // Another version can compress differently, and output must depend on this version and the input alone.
        let versioned = directory.join(VERSION);
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&versioned).ok()?;
        let trusted = is_own(directory) && is_own(&versioned);
        let least = least_of(&versioned.join(LEAST)).unwrap_or(0);
        trusted.then_some(Self { directory: versioned, grew: AtomicBool::new(false), least })
    }

    fn path(&self, key: Key) -> PathBuf {
        self.directory.join(below_version(key))
    }

    /// The entry of a content: what it records, and the compressed bytes.
    pub(super) fn get(&self, key: Key, content: &[u8]) -> Option<(Facts, Vec<u8>)> {
        // A link is not followed, and a FIFO not waited for.
        let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
        let flags = i32::try_from(flags.bits()).ok()?;
        let opened = File::options().read(true).custom_flags(flags).open(self.path(key)).ok()?;
        if !opened.metadata().is_ok_and(|metadata| metadata.is_file() && only_own(&metadata)) {
            return None;
        }
        let (mut file, mut header) = (&opened, [0; HEADER]);
        file.read_exact(&mut header).ok()?;
        let length = payload_length(&header, content)?;
        let mut payload = Vec::with_capacity(usize::try_from(length).ok()?);
        file.take(length + 1).read_to_end(&mut payload).ok()?;
        let found = believed(&header, payload, content)?;
        // Used now, so that it is not removed soon.
        let _ = opened.set_modified(SystemTime::now());
        Some(found)
    }

    /// Stores a content's compressed bytes, or only that deflate does not make it shorter. If that fails, or the cache is full of
    /// what is worth more, there is no entry.
    pub(super) fn put(&self, key: Key, facts: Facts, payload: &[u8]) {
        if worth(facts, key.level) < self.least {
            return;
        }
        let path = self.path(key);
        let write = || -> std::io::Result<()> {
            let directory = path.parent().unwrap_or(&self.directory);
            fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
            let mut file = tempfile::Builder::new().prefix(".new-").tempfile_in(directory)?;
            file.write_all(&header(facts, stored(facts, payload)))?;
            file.write_all(stored(facts, payload))?;
            file.persist(&path)?;
            Ok(())
        };
        if write().is_ok() {
            self.grew.store(true, Ordering::Relaxed);
        }
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

/// What precedes the payload in an entry.
fn header(facts: Facts, payload: &[u8]) -> Vec<u8> {
    let mut header = MAGIC.to_vec();
    header.push(if facts.method == Method::Deflated { 8 } else { 0 });
    header.extend(facts.crc32.to_le_bytes());
    header.extend(facts.bytes.to_le_bytes());
    header.extend(facts.compressed.to_le_bytes());
    header.extend(blake3::hash(payload).as_bytes());
    let hash = *blake3::hash(&header).as_bytes();
    header.extend(hash);
    header
}

/// An entry as a whole.
pub(super) fn entry(facts: Facts, payload: &[u8]) -> Vec<u8> {
    let payload = stored(facts, payload);
    [header(facts, payload).as_slice(), payload].concat()
}

/// The length of the payload after this header; `None` if that is damaged, or of another content.
fn payload_length(header: &[u8; HEADER], content: &[u8]) -> Option<u64> {
    let (facts, checksum) = header.split_at(FACTS);
    if blake3::hash(facts).as_bytes() != checksum {
        return None;
    }
    let found = facts_of(facts)?;
    if found.bytes != content.len() as u64 || found.compressed > found.bytes {
        return None;
    }
    match found.method {
        Method::Stored => (found.compressed == found.bytes).then_some(0),
        Method::Deflated => Some(found.compressed),
    }
}

/// What an entry records, and the compressed bytes, if it is that of this content.
pub(super) fn believed(header: &[u8; HEADER], mut payload: Vec<u8>, content: &[u8]) -> Option<(Facts, Vec<u8>)> {
    if payload_length(header, content)? != payload.len() as u64 || blake3::hash(&payload).as_bytes() != &header[25..57]
    {
        return None;
    }
    let found = facts_of(header)?;
    // Anyone can compute these hashes: what counts is the content.
    match found.method {
        Method::Stored => payload.extend_from_slice(content),
        Method::Deflated if inflates_to(&payload, content) => {}
        Method::Deflated => return None,
    }
    (crc32fast::hash(content) == found.crc32).then_some((found, payload))
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
    let metadata = fs::symlink_metadata(path).ok().filter(|metadata| metadata.is_file() && only_own(metadata))?;
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
        method: if header.get(4) == Some(&8) { Method::Deflated } else { Method::Stored },
        crc32: header.get(5..9)?.try_into().map(u32::from_le_bytes).ok()?,
        bytes: word(9)?,
        compressed: word(17)?,
    })
}

/// The directory for caches of the user (XDG Base Directory Specification).
fn cache_home() -> Option<PathBuf> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")))
}

/// Whether any user can replace what is in this directory.
fn others_write(directory: &Path) -> bool {
    // With the sticky bit, only its owner can.
    fs::metadata(directory).is_ok_and(|metadata| metadata.mode() & 0o1002 == 0o002)
}

/// Whether only this user can write to what is at this path, if there is anything.
fn is_own(path: &Path) -> bool {
    fs::metadata(path).map_or(true, |metadata| only_own(&metadata))
}

/// Whether only this user could have written it.
fn only_own(metadata: &fs::Metadata) -> bool {
    metadata.uid() == geteuid().as_raw() && metadata.mode() & 0o022 == 0
}

/// Whether a deflated payload is this content.
fn inflates_to(payload: &[u8], content: &[u8]) -> bool {
    let (mut inflate, mut buffer) = (Decompress::new(false), vec![0; 64 << 10]);
    let (mut payload, mut content) = (payload, content);
    loop {
        let (read, written) = (inflate.total_in(), inflate.total_out());
        let Ok(status) = inflate.decompress(payload, &mut buffer, FlushDecompress::None) else { return false };
        let count = |now: u64, before: u64| usize::try_from(now - before).unwrap_or(usize::MAX);
        let (read, written) = (count(inflate.total_in(), read), count(inflate.total_out(), written));
        let (Some(rest), Some(part)) = (payload.get(read..), buffer.get(..written)) else { return false };
        let Some(left) = content.strip_prefix(part) else { return false };
        (payload, content) = (rest, left);
        if status == Status::StreamEnd {
            return payload.is_empty() && content.is_empty();
        }
        if read == 0 && written == 0 {
            return false;
        }
    }
}

/// A file of the cache.
struct Stored {
    used: SystemTime,
    bytes: u64,
    path: PathBuf,
}

/// Every file of the cache but what it records of itself.
fn files(directory: &Path) -> Vec<Stored> {
    let walk = walkdir::WalkDir::new(directory).min_depth(2).into_iter().filter_map(Result::ok);
    walk.filter_map(|entry| {
        let metadata = entry.metadata().ok().filter(std::fs::Metadata::is_file)?;
        Some(Stored { used: metadata.modified().ok()?, bytes: metadata.len(), path: entry.into_path() })
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::super::engine::compress;
    use super::*;

    const LEVEL: i32 = 6;

    fn key(content: &[u8]) -> Key {
        Key { content: *blake3::hash(content).as_bytes(), level: LEVEL }
    }

    fn put(cache: &Cache, content: &[u8]) -> Vec<u8> {
        let (facts, payload) = compress(content, LEVEL);
        cache.put(key(content), facts, &payload);
        payload.into_owned()
    }

    fn get(cache: &Cache, content: &[u8]) -> Option<Vec<u8>> {
        cache.get(key(content), content).map(|(_, payload)| payload)
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
                assert_eq!(get(&cache, &content), None, "byte {at}");
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
            cache.put(key(&content), facts, &payload);
            assert_eq!(get(&cache, &content), None);
        }
        // The right content, and a wrong checksum of it; more after it; too little of it.
        let right = compress(&content, LEVEL).1;
        cache.put(key(&content), Facts { crc32: !own.crc32, ..own }, &right);
        assert_eq!(get(&cache, &content), None);
        cache.put(key(&content), Facts { compressed: own.compressed + 1, ..own }, &[&right[..], b"x"].concat());
        assert_eq!(get(&cache, &content), None);
        let short = compress(&content[..60_000], LEVEL).1;
        cache.put(key(&content), Facts { compressed: short.len() as u64, ..own }, &short);
        assert_eq!(get(&cache, &content), None);
        // Stored: there are no bytes but the content's, and a wrong checksum of it.
        let facts = compress(&noise, LEVEL).0;
        assert_eq!(facts.method, Method::Stored);
        cache.put(key(&noise), Facts { crc32: !facts.crc32, ..facts }, &noise);
        assert_eq!(get(&cache, &noise), None);
        cache.put(key(&noise), Facts { compressed: facts.bytes - 1, ..facts }, &noise);
        assert_eq!(get(&cache, &noise), None);
        put(&cache, &content);
        assert!(get(&cache, &content).is_some());
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
