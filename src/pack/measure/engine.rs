//! The engine compresses contents into the spool. Identical contents are compressed once, those in the cache not at all, and
//! those that deflate does not make smaller are stored. Long contents are never in memory as a whole.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io::Write;
use std::sync::{Mutex, PoisonError};

use flate2::Compression;
use flate2::write::DeflateEncoder;
use libdeflater::{CompressionLvl, Compressor};

use super::cache::{Cache, Facts, Key, MIN_BYTES};
use super::measured::{Measured, Method};
use super::permits::{Permit, Permits};
use super::spool::Spool;
use crate::base::error::{Error, Result};
use crate::base::path::TreePath;

/// How many bytes can be in memory at once for file contents, what they are rewritten to and what they are compressed to,
/// regardless of the number of cores. A file that takes more is read when no other is in memory.
const BYTES_IN_FLIGHT: u64 = 128 << 20;

/// Content of at most this many bytes is compressed as a whole, by libdeflate. Longer content is streamed through zlib-rs,
/// which is slower.
pub(super) const WHOLE_BYTES: u64 = 64 << 20;

/// What a streamed content takes in memory, in bytes: the state of zlib, and buffers.
pub(super) const STREAM_BYTES: u64 = 1 << 20;

/// How many bytes are read at once of a content that is streamed.
const CHUNK_BYTES: usize = 256 << 10;

/// The highest level of zlib.
const ZLIB_LEVEL: i32 = 9;

/// Compresses contents.
pub(super) struct Engine {
    spool: Spool,
    permits: Permits,
    cache: Option<Cache>,
    /// The measurements of this run, without contents that are too short for the cache: compressing those twice is cheap.
    seen: Mutex<HashMap<Key, Measured>>,
}

/// Calls a function with each part of a content, in order.
pub(super) type Chunks<'a> = dyn Fn(&mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> + 'a;

/// A part of the spool for a content that is written bit by bit; without a spool, its bytes are only counted. What is over its
/// maximum is counted, and not written.
struct Section<'a> {
    spool: Option<&'a Spool>,
    start: u64,
    most: u64,
    written: u64,
}

impl Write for Section<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let end = self.written + bytes.len() as u64;
        if let Some(spool) = self.spool.filter(|_| end <= self.most) {
            spool.write_at(bytes, self.start + self.written)?;
        }
        self.written = end;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// What is needed of a content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Want {
    /// Its compressed bytes, to be packed.
    Bytes,
    /// Only their number.
    Length,
}

impl Engine {
    pub(super) fn new(cache: Option<Cache>) -> Result<Self> {
        Ok(Self { spool: Spool::new()?, permits: Permits::new(BYTES_IN_FLIGHT), cache, seen: Mutex::default() })
    }

    pub(super) fn spool(&self) -> &Spool {
        &self.spool
    }

    /// Waits until this many more bytes of content can be in memory.
    pub(super) fn acquire(&self, bytes: u64) -> Permit<'_> {
        self.permits.acquire(bytes)
    }

    /// Trims the cache at the end of a run.
    pub(super) fn finish(&self) {
        if let Some(cache) = &self.cache {
            cache.trim();
        }
    }

    /// Measures the content of a file at libdeflate's `level`.
    pub(super) fn measure(&self, path: &TreePath, content: &[u8], level: i32, want: Want) -> Result<Measured> {
        let length = content.len() as u64;
        if length > WHOLE_BYTES {
            let chunks = |each: &mut dyn FnMut(&[u8]) -> Result<()>| content.chunks(CHUNK_BYTES).try_for_each(each);
            return self.stream(path, &chunks, length, level, want);
        }
        if length < MIN_BYTES {
            let (facts, payload) = compress(content, level);
            return self.keep(facts, &payload, want);
        }
        let key = Key { content: *blake3::hash(content).as_bytes(), level };
        let seen = || self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(measured) = seen().get(&key).filter(|m| want == Want::Length || m.at.is_some()) {
            return Ok(measured.clone());
        }
        let cached = self.cache.as_ref().and_then(|cache| cache.get(key, content));
        let measured = if let Some((facts, payload)) = cached {
            self.keep(facts, &payload, want)?
        } else {
            let (facts, payload) = compress(content, level);
            if let Some(cache) = &self.cache {
                cache.put(key, facts, &payload);
            }
            self.keep(facts, &payload, want)?
        };
        seen().insert(key, measured.clone());
        Ok(measured)
    }

    /// Measures a content of `bytes` bytes that is not in memory. `chunks` calls a function with each part of it, and is called
    /// twice if deflate does not make it smaller. Such a content is not in the cache.
    pub(super) fn stream(
        &self,
        path: &TreePath,
        chunks: &Chunks<'_>,
        bytes: u64,
        level: i32,
        want: Want,
    ) -> Result<Measured> {
        let spool = (want == Want::Bytes).then_some(&self.spool);
        let at = spool.map(|spool| spool.reserve(bytes));
        let section = || Section { spool, start: at.unwrap_or(0), most: bytes, written: 0 };
        let level = Compression::new(level.clamp(0, ZLIB_LEVEL).unsigned_abs());
        let mut deflated = DeflateEncoder::new(section(), level);
        let mut crc32 = crc32fast::Hasher::new();
        chunks(&mut |chunk| {
            crc32.update(chunk);
            deflated.write_all(chunk).map_err(Spool::not_written)
        })?;
        let compressed = deflated.finish().map_err(Spool::not_written)?.written;
        let crc32 = crc32.finalize();
        if compressed < bytes {
            return Ok(Measured { bytes, compressed, crc32, method: Method::Deflated, at });
        }
        if want == Want::Bytes {
            let (mut stored, mut again) = (section(), crc32fast::Hasher::new());
            chunks(&mut |chunk| {
                again.update(chunk);
                stored.write_all(chunk).map_err(Spool::not_written)
            })?;
            if again.finalize() != crc32 {
                return Err(Error::Changed { path: path.to_string() });
            }
        }
        Ok(Measured { bytes, compressed: bytes, crc32, method: Method::Stored, at })
    }

    fn keep(&self, facts: Facts, payload: &[u8], want: Want) -> Result<Measured> {
        Ok(Measured {
            bytes: facts.bytes,
            compressed: facts.compressed,
            crc32: facts.crc32,
            method: facts.method,
            at: match want {
                Want::Bytes => Some(self.spool.append(payload)?),
                Want::Length => None,
            },
        })
    }
}

/// Compresses a content at libdeflate's `level`, or stores it.
pub(super) fn compress(content: &[u8], level: i32) -> (Facts, Cow<'_, [u8]>) {
    let mut compressor = Compressor::new(CompressionLvl::new(level).unwrap_or_default());
    let mut deflated = vec![0; compressor.deflate_compress_bound(content.len())];
    let length = compressor.deflate_compress(content, &mut deflated).unwrap_or(usize::MAX);
    let (method, payload) = if length < content.len() {
        deflated.truncate(length);
        (Method::Deflated, Cow::Owned(deflated))
    } else {
        (Method::Stored, Cow::Borrowed(content))
    };
    let crc32 = crc32fast::hash(content);
    (Facts { method, crc32, bytes: content.len() as u64, compressed: payload.len() as u64 }, payload)
}
