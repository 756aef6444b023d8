//! The engine compresses contents into the spool. Identical contents are compressed once, those in the cache not at all, and
//! those that deflate does not make smaller are stored.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use libdeflater::{CompressionLvl, Compressor};

use super::cache::{Cache, Facts, Key, MIN_BYTES};
use super::measured::{Measured, Method};
use super::permits::{Permit, Permits};
use super::spool::Spool;
use crate::base::error::Result;

/// How many bytes of file content can be in memory at once, regardless of the number of cores; a larger file is read when no
/// other is in memory.
const BYTES_IN_FLIGHT: u64 = 64 << 20;

/// Compresses contents.
pub(super) struct Engine {
    spool: Spool,
    permits: Permits,
    cache: Option<Cache>,
    /// The measurements of this run, without contents that are too short for the cache: compressing those twice is cheap.
    seen: Mutex<HashMap<Key, Measured>>,
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

    /// Measures a content at libdeflate's `level`.
    pub(super) fn measure(&self, content: &[u8], level: i32, want: Want) -> Result<Measured> {
        if (content.len() as u64) < MIN_BYTES {
            let (facts, payload) = compress(content, level);
            return self.keep(facts, &payload, want);
        }
        let key = Key { content: *blake3::hash(content).as_bytes(), level };
        let seen = || self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(measured) = seen().get(&key).filter(|m| want == Want::Length || m.at.is_some()) {
            return Ok(measured.clone());
        }
        let measured = if let Some(measured) = self.cached(key, content.len() as u64, want)? {
            measured
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

    fn cached(&self, key: Key, bytes: u64, want: Want) -> Result<Option<Measured>> {
        let Some(cache) = &self.cache else { return Ok(None) };
        let mut payload = Vec::new();
        let found = cache.get(key, bytes, (want == Want::Bytes).then_some(&mut payload));
        let Some(facts) = found else { return Ok(None) };
        cache.used(key);
        self.keep(facts, &payload, want).map(Some)
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

fn compress(content: &[u8], level: i32) -> (Facts, Vec<u8>) {
    let mut compressor = Compressor::new(CompressionLvl::new(level).unwrap_or_default());
    let mut deflated = vec![0; compressor.deflate_compress_bound(content.len())];
    let length = compressor.deflate_compress(content, &mut deflated).unwrap_or(usize::MAX);
    let method = if length < content.len() { Method::Deflated } else { Method::Stored };
    if method == Method::Deflated {
        deflated.truncate(length);
    } else {
        deflated = content.to_vec();
    }
    let crc32 = crc32fast::hash(content);
    (Facts { method, crc32, bytes: content.len() as u64, compressed: deflated.len() as u64 }, deflated)
}
