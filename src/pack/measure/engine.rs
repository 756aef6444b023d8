//! The engine compresses contents into the spool. Identical contents are compressed once, those in the cache not at all, and
//! those that deflate does not make smaller are stored. Long contents are never in memory as a whole.
//!
//! Compressed bytes that are to be packed are inflated by zlib-rs when they are made (libdeflate makes them), and compared with the
//! content; so are those that come from elsewhere. Their hash is kept from that moment on, and what is in a zip is compared with it.
//! Bytes that are in the cache with this user's signature, which says that this was done, are packed from there.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::cache::{Cache, MIN_BYTES};
use super::deflate::{compress, inflates_to, not_the_content};
use super::measured::{Measured, Method, Want};
use super::permits::{Permit, Permits};
use super::place::{Check, Place, Source};
use super::record::{Facts, Key, Known};
use super::shared::SharedCache;
use super::short::{self, Short};
use super::spool::{Offset, Spool};
use super::stream::{self, Chunks};
use crate::base::buffers::{Buffer, Buffers};
use crate::base::error::{Error, Result};
use crate::base::path::TreePath;

/// How many bytes can be in memory at once for file contents, what they are rewritten to and what they are compressed to,
/// regardless of the number of cores. A file that takes more is read when no other is in memory.
const BYTES_IN_FLIGHT: u64 = 128 << 20;

/// Content of at most this many bytes is compressed as a whole, by libdeflate. Longer content is streamed through zlib-rs,
/// which is slower.
pub(super) const WHOLE_BYTES: u64 = 64 << 20;

/// How many bytes are read at once of a content that is streamed.
const CHUNK_BYTES: usize = 256 << 10;

/// Compresses contents.
pub(super) struct Engine {
    spool: Spool,
    permits: Permits,
    cache: Option<Cache>,
    /// What the cache has of contents that are too short for entries.
    short: Option<Short>,
    /// What is packed from elsewhere than the spool.
    elsewhere: Mutex<Vec<(Key, Known)>>,
    shared: Option<Arc<SharedCache>>,
    /// The measurements of this run, without contents that are too short for entries of the cache: compressing those twice is cheap.
    seen: Mutex<HashMap<Key, Measured>>,
    compressed: AtomicU64,
    buffers: Buffers,
}

impl Engine {
    pub(super) fn new(cache: Option<Cache>) -> Result<Self> {
        Ok(Self {
            spool: Spool::new()?,
            permits: Permits::new(BYTES_IN_FLIGHT),
            short: cache.as_ref().and_then(Cache::short),
            elsewhere: Mutex::default(),
            cache,
            shared: None,
            seen: Mutex::default(),
            compressed: AtomicU64::new(0),
            buffers: Buffers::default(),
        })
    }

    /// The same with a cache that several machines share, if any.
    pub(super) fn sharing(self, shared: Option<Arc<SharedCache>>) -> Self {
        Self { shared, ..self }
    }

    #[cfg(test)]
    pub(super) fn spool(&self) -> &Spool {
        &self.spool
    }

    /// Waits until this many more bytes of content can be in memory.
    pub(super) fn acquire(&self, bytes: u64) -> Permit<'_> {
        self.permits.acquire(bytes)
    }

    /// Keeps what this run has of short contents, and trims the cache, at the end of a run.
    pub(super) fn finish(&self) {
        if let Some(short) = &self.short {
            short.save(&self.spool);
        }
        if let Some(cache) = &self.cache {
            cache.trim();
        }
    }

    /// How many bytes of contents were compressed.
    pub(super) fn compressed_bytes(&self) -> u64 {
        self.compressed.load(Ordering::Relaxed)
    }

    /// What is known of a content of `bytes` bytes, in this run or by the signature of this user, without reading it. If its bytes
    /// are to be packed, they can be read again, or are in the cache.
    pub(super) fn known(&self, content: blake3::Hash, level: i32, bytes: u64, want: Want) -> Option<Measured> {
        if !(short::MIN_BYTES..=WHOLE_BYTES).contains(&bytes) {
            return None;
        }
        let key = Key { content: *content.as_bytes(), level };
        if bytes < MIN_BYTES {
            let known = self.short.as_ref()?.known(key, bytes)?;
            return self.packed_from_elsewhere(key, known, want, Place::Short);
        }
        if let Some(measured) = self.seen(key, want) {
            return Some(measured);
        }
        let measured = self.packed_from_elsewhere(key, self.cache.as_ref()?.known(key, bytes)?, want, Place::Entry)?;
        self.add_seen(key, &measured);
        Some(measured)
    }

    /// The measurement of a content that is packed from elsewhere than the spool, if its bytes were verified.
    fn packed_from_elsewhere(&self, key: Key, known: Known, want: Want, place: fn(u64) -> Place) -> Option<Measured> {
        let Facts { method, crc32, bytes, compressed } = known.facts;
        let place = if method == Method::Stored { Place::Tree } else { place };
        let at = match want {
            Want::Length => None,
            Want::Bytes if !known.verified => return None,
            Want::Bytes => {
                let mut elsewhere = self.elsewhere.lock().unwrap_or_else(PoisonError::into_inner);
                elsewhere.push((key, known));
                Some(place(elsewhere.len() as u64 - 1).encode())
            }
        };
        Some(Measured { bytes, compressed, crc32, method, at })
    }

    fn seen(&self, key: Key, want: Want) -> Option<Measured> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.get(&key).filter(|measured| want == Want::Length || measured.at.is_some()).cloned()
    }

    fn add_seen(&self, key: Key, measured: &Measured) {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).insert(key, measured.clone());
    }

    /// Measures the content of a file at libdeflate's `level`. `source` is whether it can be read again when it is packed.
    pub(super) fn measure(
        &self,
        path: &TreePath,
        content: &[u8],
        level: i32,
        want: Want,
        source: Source,
    ) -> Result<Measured> {
        let length = content.len() as u64;
        if length > WHOLE_BYTES {
            let chunks = |each: &mut dyn FnMut(&[u8]) -> Result<ControlFlow<()>>| {
                for chunk in content.chunks(CHUNK_BYTES) {
                    if each(chunk)?.is_break() {
                        break;
                    }
                }
                Ok(())
            };
            return self.stream(path, &chunks, length, level, want);
        }
        if length < short::MIN_BYTES || (length < MIN_BYTES && self.short.is_none()) {
            let (facts, payload) = self.compress(path, content, level, want)?;
            return Ok(self.keep(facts, &payload, want)?.0);
        }
        let hash = blake3::hash(content);
        let key = Key { content: *hash.as_bytes(), level };
        if want == Want::Length || source == Source::Tree {
            if let Some(measured) = self.known(hash, level, length, want) {
                return Ok(measured);
            }
        } else if let Some(measured) = self.seen(key, want).filter(|measured| !is_in_tree(measured)) {
            return Ok(measured);
        }
        if length < MIN_BYTES {
            return self.measure_short(path, content, key, want);
        }
        let cached = self.cache.as_ref().and_then(|cache| cache.get(key, content));
        let cached = cached.or_else(|| self.of_others(key, content));
        let measured = if let Some((facts, payload)) = cached {
            self.keep(facts, &payload, want)?.0
        } else {
            let (facts, payload) = self.compress(path, content, level, want)?;
            if let Some(cache) = &self.cache {
                cache.put(key, facts, &payload, want == Want::Bytes);
            }
            if let Some(shared) = &self.shared {
                shared.put(key, facts, &payload);
            }
            self.keep(facts, &payload, want)?.0
        };
        self.add_seen(key, &measured);
        Ok(measured)
    }

    /// The same of a content that is too short for an entry of the cache.
    fn measure_short(&self, path: &TreePath, content: &[u8], key: Key, want: Want) -> Result<Measured> {
        let Some(short) = &self.short else {
            let (facts, payload) = self.compress(path, content, key.level, want)?;
            return Ok(self.keep(facts, &payload, want)?.0);
        };
        let known = short.known(key, content.len() as u64);
        let known = known.filter(|known| known.facts.method == Method::Deflated);
        let payload = known.and_then(|known| short.payload(key, &known, &self.spool, Check::First));
        let of_cache = known.zip(payload).filter(|(known, payload)| known.verified || inflates_to(payload, content));
        let is_new = !of_cache.as_ref().is_some_and(|(known, _)| known.verified);
        let (facts, payload) = match of_cache {
            Some((known, payload)) => (known.facts, Cow::Owned(payload)),
            None => self.compress(path, content, key.level, want)?,
        };
        let (measured, kept) = self.keep(facts, &payload, Want::Bytes)?;
        if let Some((hash, at)) = kept.filter(|_| is_new) {
            let verified = want == Want::Bytes || facts.method == Method::Stored;
            short.add(key, Known { facts, hash, verified }, at);
        }
        Ok(if want == Want::Bytes { measured } else { Measured { at: None, ..measured } })
    }

    /// Compresses a content; if its bytes are to be packed, they are inflated again and compared with it.
    fn compress<'a>(
        &self,
        path: &TreePath,
        content: &'a [u8],
        level: i32,
        want: Want,
    ) -> Result<(Facts, Cow<'a, [u8]>)> {
        self.compressed.fetch_add(content.len() as u64, Ordering::Relaxed);
        let (facts, payload) = compress(content, level);
        if want == Want::Bytes && facts.method == Method::Deflated && !inflates_to(&payload, content) {
            return Err(not_the_content(path));
        }
        Ok((facts, payload))
    }

    /// Calls `each` with one part of the compressed bytes of a content after the other, and returns their hash from when they were
    /// made and verified: with none if only their number was wanted. `check` is when they are compared with that hash, and `read`
    /// reads the content again.
    ///
    /// # Errors
    /// When they are not there any more and the content is another by now, or `each` fails.
    pub(super) fn bytes<'a>(
        &self,
        path: &TreePath,
        (measured, check): (&Measured, Check),
        read: &dyn Fn() -> Result<Buffer<'a>>,
        each: &mut dyn FnMut(&[u8]) -> Result<()>,
    ) -> Result<blake3::Hash> {
        let Some(at) = measured.at else { return Ok(blake3::hash(&[])) };
        let place = Place::decode(at);
        if let Place::Spool(at) = place {
            self.spool.read(at, measured.compressed, each)?;
            return self.spool.hash(at);
        }
        let changed = || Error::Changed { path: path.to_string() };
        let elsewhere = |at: u64| {
            let elsewhere = self.elsewhere.lock().unwrap_or_else(PoisonError::into_inner);
            usize::try_from(at).ok().and_then(|at| elsewhere.get(at).copied()).ok_or_else(changed)
        };
        let (key, known, payload) = match place {
            Place::Entry(at) => {
                let (key, known) = elsewhere(at)?;
                let mut payload = self.buffers.take(usize::try_from(measured.compressed).unwrap_or(usize::MAX));
                let read = self.cache.as_ref().and_then(|cache| cache.payload(key, &known, check, &mut payload));
                if read.is_some() {
                    each(&payload)?;
                    return Ok(known.hash);
                }
                (key, known, None)
            }
            Place::Short(at) => {
                let (key, known) = elsewhere(at)?;
                (key, known, self.short.as_ref().and_then(|short| short.payload(key, &known, &self.spool, check)))
            }
            Place::Tree(at) => {
                let (key, known) = elsewhere(at)?;
                (key, known, None)
            }
            Place::Spool(_) => return Err(changed()),
        };
        if let Some(payload) = payload {
            each(&payload)?;
            return Ok(known.hash);
        }
        let content = read()?;
        if check == Check::Later && matches!(place, Place::Tree(_)) {
            each(&content)?;
            return Ok(blake3::Hash::from_bytes(key.content));
        }
        let hash = blake3::hash(&content);
        if *hash.as_bytes() != key.content {
            return Err(changed());
        }
        if measured.method == Method::Stored {
            each(&content)?;
            return Ok(hash);
        }
        // An entry can go at any time, as other runs trim the cache.
        let (facts, payload) = self.compress(path, &content, key.level, Want::Bytes)?;
        if facts != known.facts {
            return Err(gone(path));
        }
        let hash = blake3::hash(&payload);
        each(&payload)?;
        Ok(hash)
    }

    /// Measures a content of `bytes` bytes that is not in memory. `chunks` calls a function with one part of it after the other;
    /// it is called again if the content is not stored at once. Such a content is not in the cache.
    pub(super) fn stream(
        &self,
        path: &TreePath,
        chunks: &Chunks<'_>,
        bytes: u64,
        level: i32,
        want: Want,
    ) -> Result<Measured> {
        let (measured, deflated) = stream::measure(&self.spool, (path, chunks, bytes), level, want)?;
        if deflated {
            self.compressed.fetch_add(bytes, Ordering::Relaxed);
        }
        Ok(measured)
    }

    /// What another machine compressed, which is then in the cache of this one.
    fn of_others<'a>(&self, key: Key, content: &'a [u8]) -> Option<(Facts, Cow<'a, [u8]>)> {
        let (facts, payload) = self.shared.as_ref()?.get(key, content)?;
        if let Some(cache) = &self.cache {
            cache.put(key, facts, &payload, true);
        }
        Some((facts, payload))
    }

    /// The measurement of a content whose compressed bytes are in memory, and in the spool then if they are wanted: where, and their
    /// hash.
    fn keep(&self, facts: Facts, payload: &[u8], want: Want) -> Result<(Measured, Option<(blake3::Hash, Offset)>)> {
        let kept = match want {
            Want::Bytes => {
                let hash = blake3::hash(payload);
                Some((hash, self.spool.append(hash, payload)?))
            }
            Want::Length => None,
        };
        let Facts { method, crc32, bytes, compressed } = facts;
        let at = kept.map(|(_, at)| Place::Spool(at).encode());
        Ok((Measured { bytes, compressed, crc32, method, at }, kept))
    }
}

/// Whether what is packed is the content as it is in the tree.
fn is_in_tree(measured: &Measured) -> bool {
    measured.at.is_some_and(|at| !matches!(Place::decode(at), Place::Spool(_)))
}

fn gone(path: &TreePath) -> Error {
    Error::Data {
        file: path.to_string(),
        message: "its compressed bytes are no longer in the cache, and they were made by another program".to_owned(),
        help: "pack again".to_owned(),
    }
}
