//! The engine compresses contents into the spool. Identical contents are compressed once, those in the cache not at all, and
//! those that deflate does not make smaller are stored. Long contents are never in memory as a whole.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::HashMap;
use std::io::Write;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use flate2::Compression;
use flate2::write::DeflateEncoder;
use libdeflater::{CompressionLvl, Compressor};

use super::cache::{Cache, Facts, Key, MIN_BYTES};
use super::measured::{Measured, Method};
use super::permits::{Permit, Permits};
use super::shared::SharedCache;
use super::spool::{Offset, Spool};
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

/// How much of a streamed content is tried before it is deflated: a part of this many bytes…
const SAMPLE_BYTES: usize = 16 << 10;
/// … in each part of this many bytes.
const SAMPLE_EVERY: usize = 1 << 20;

/// libdeflate's level for these.
const SAMPLE_LEVEL: i32 = 1;

/// The highest level of zlib.
const ZLIB_LEVEL: i32 = 9;

/// Compresses contents.
pub(super) struct Engine {
    spool: Spool,
    permits: Permits,
    cache: Option<Cache>,
    shared: Option<Arc<SharedCache>>,
    /// The measurements of this run, without contents that are too short for the cache: compressing those twice is cheap.
    seen: Mutex<HashMap<Key, Measured>>,
    compressed: AtomicU64,
}

/// Calls a function with one part of a content after the other, until it breaks off.
pub(super) type Chunks<'a> = dyn Fn(&mut dyn FnMut(&[u8]) -> Result<ControlFlow<()>>) -> Result<()> + 'a;

/// Looks at the first `SAMPLE_BYTES` of each `SAMPLE_EVERY` bytes of a content.
struct Samples {
    compressor: Compressor,
    sample: Vec<u8>,
    deflated: Vec<u8>,
    at: usize,
    shorter: bool,
}

impl Samples {
    fn new() -> Self {
        let mut compressor = Compressor::new(CompressionLvl::new(SAMPLE_LEVEL).unwrap_or_default());
        let deflated = vec![0; compressor.deflate_compress_bound(SAMPLE_BYTES)];
        Self { compressor, sample: Vec::with_capacity(SAMPLE_BYTES), deflated, at: 0, shorter: false }
    }

    /// Takes the next part of the content; whether a sample so far became shorter by a hundredth.
    fn become_shorter(&mut self, mut chunk: &[u8]) -> bool {
        while !self.shorter && !chunk.is_empty() {
            let until = if self.at < SAMPLE_BYTES { SAMPLE_BYTES } else { SAMPLE_EVERY };
            let (part, rest) = chunk.split_at(chunk.len().min(until - self.at));
            if until == SAMPLE_BYTES {
                self.sample.extend(part);
            }
            self.at = (self.at + part.len()) % SAMPLE_EVERY;
            if self.sample.len() == SAMPLE_BYTES {
                let length = self.compressor.deflate_compress(&self.sample, &mut self.deflated).unwrap_or(usize::MAX);
                self.shorter = length < SAMPLE_BYTES / 100 * 99;
                self.sample.clear();
            }
            chunk = rest;
        }
        self.shorter
    }
}

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
pub enum Want {
    /// Its compressed bytes, to be packed.
    Bytes,
    /// Only their number.
    Length,
}

impl Engine {
    pub(super) fn new(cache: Option<Cache>) -> Result<Self> {
        Ok(Self {
            spool: Spool::new()?,
            permits: Permits::new(BYTES_IN_FLIGHT),
            cache,
            shared: None,
            seen: Mutex::default(),
            compressed: AtomicU64::new(0),
        })
    }

    /// The same with a cache that several machines share, if any.
    pub(super) fn sharing(self, shared: Option<Arc<SharedCache>>) -> Self {
        Self { shared, ..self }
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

    /// How many bytes of contents were compressed.
    pub(super) fn compressed_bytes(&self) -> u64 {
        self.compressed.load(Ordering::Relaxed)
    }

    /// Measures the content of a file at libdeflate's `level`.
    pub(super) fn measure(&self, path: &TreePath, content: &[u8], level: i32, want: Want) -> Result<Measured> {
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
        let compress = || {
            self.compressed.fetch_add(length, Ordering::Relaxed);
            compress(content, level)
        };
        if length < MIN_BYTES {
            let (facts, payload) = compress();
            return self.keep(facts, &payload, want);
        }
        let key = Key { content: *blake3::hash(content).as_bytes(), level };
        let seen = || self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(measured) = seen().get(&key).filter(|m| want == Want::Length || m.at.is_some()) {
            return Ok(measured.clone());
        }
        let signed = match (want, &self.cache) {
            (Want::Length, Some(cache)) => cache.facts(key, length).map(|facts| (facts, Cow::default())),
            _ => None,
        };
        let cached = signed.or_else(|| self.cache.as_ref()?.get(key, content));
        let cached = cached.or_else(|| self.of_others(key, content));
        let measured = if let Some((facts, payload)) = cached {
            self.keep(facts, &payload, want)?
        } else {
            let (facts, payload) = compress();
            if let Some(cache) = &self.cache {
                cache.put(key, facts, &payload);
            }
            if let Some(shared) = &self.shared {
                shared.put(key, facts, &payload);
            }
            self.keep(facts, &payload, want)?
        };
        seen().insert(key, measured.clone());
        Ok(measured)
    }

    /// Measures a content of `bytes` bytes that is not in memory. `chunks` calls a function with one part of it after the other;
    /// it is called again if the content is not stored at once. Such a content is not in the cache.
    ///
    /// A content is stored when no sample of it becomes shorter, or when deflate does not make it shorter.
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
        let section = || Section { spool, start: at.map_or(0, Offset::get), most: bytes, written: 0 };
        let store = |samples: &mut Option<Samples>| -> Result<u32> {
            let (mut stored, mut crc32) = (section(), crc32fast::Hasher::new());
            chunks(&mut |chunk| {
                if samples.as_mut().is_some_and(|samples| samples.become_shorter(chunk)) {
                    return Ok(ControlFlow::Break(()));
                }
                crc32.update(chunk);
                stored.write_all(chunk).map_err(Spool::not_written)?;
                Ok(ControlFlow::Continue(()))
            })?;
            Ok(crc32.finalize())
        };
        let mut samples = Some(Samples::new());
        let crc32 = store(&mut samples)?;
        if samples.is_some_and(|samples| !samples.shorter) {
            return Ok(Measured { bytes, compressed: bytes, crc32, method: Method::Stored, at });
        }

        self.compressed.fetch_add(bytes, Ordering::Relaxed);
        let level = Compression::new(level.clamp(0, ZLIB_LEVEL).unsigned_abs());
        let mut deflated = DeflateEncoder::new(section(), level);
        let mut crc32 = crc32fast::Hasher::new();
        chunks(&mut |chunk| {
            crc32.update(chunk);
            deflated.write_all(chunk).map_err(Spool::not_written)?;
            Ok(ControlFlow::Continue(()))
        })?;
        let compressed = deflated.finish().map_err(Spool::not_written)?.written;
        let crc32 = crc32.finalize();
        if compressed < bytes {
            return Ok(Measured { bytes, compressed, crc32, method: Method::Deflated, at });
        }
        if want == Want::Bytes && store(&mut None)? != crc32 {
            return Err(Error::Changed { path: path.to_string() });
        }
        Ok(Measured { bytes, compressed: bytes, crc32, method: Method::Stored, at })
    }

    /// What another machine compressed, which is then in the cache of this one.
    fn of_others<'a>(&self, key: Key, content: &'a [u8]) -> Option<(Facts, Cow<'a, [u8]>)> {
        let (facts, payload) = self.shared.as_ref()?.get(key, content)?;
        if let Some(cache) = &self.cache {
            cache.put(key, facts, &payload);
        }
        Some((facts, payload))
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

/// Calls `work` with the compressor of this thread: to make one takes longer than to compress a short content.
fn with_compressor<T>(level: i32, work: impl FnOnce(&mut Compressor) -> T) -> T {
    thread_local! {
        static COMPRESSOR: RefCell<Option<(i32, Compressor)>> = const { RefCell::new(None) };
    }
    COMPRESSOR.with_borrow_mut(|kept| match kept {
        Some((of, compressor)) if *of == level => work(compressor),
        _ => {
            let compressor = Compressor::new(CompressionLvl::new(level).unwrap_or_default());
            work(&mut kept.insert((level, compressor)).1)
        }
    })
}

/// Compresses a content at libdeflate's `level`, or stores it.
pub(super) fn compress(content: &[u8], level: i32) -> (Facts, Cow<'_, [u8]>) {
    let (mut deflated, length) = with_compressor(level, |compressor| {
        let mut deflated = vec![0; compressor.deflate_compress_bound(content.len())];
        let length = compressor.deflate_compress(content, &mut deflated).unwrap_or(usize::MAX);
        (deflated, length)
    });
    let (method, payload) = if length < content.len() {
        deflated.truncate(length);
        (Method::Deflated, Cow::Owned(deflated))
    } else {
        (Method::Stored, Cow::Borrowed(content))
    };
    let crc32 = crc32fast::hash(content);
    (Facts { method, crc32, bytes: content.len() as u64, compressed: payload.len() as u64 }, payload)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::io::Read;

    use super::*;

    fn noise(length: usize) -> Vec<u8> {
        let mut state = 1_u64;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()[4]
        };
        (0..length).map(|_| next()).collect()
    }

    fn stream(engine: &Engine, content: &[u8], want: Want) -> (Measured, usize) {
        let passes = Cell::new(0);
        let chunks = |each: &mut dyn FnMut(&[u8]) -> Result<ControlFlow<()>>| {
            passes.set(passes.get() + 1);
            for chunk in content.chunks(10_007) {
                if each(chunk)?.is_break() {
                    break;
                }
            }
            Ok(())
        };
        let path = TreePath::new(b"a").expect("a path");
        let measured = engine.stream(&path, &chunks, content.len() as u64, 6, want).expect("measured");
        (measured, passes.get())
    }

    #[test]
    fn a_streamed_content_is_what_it_was_however_it_is_kept() {
        let engine = Engine::new(None).expect("made");
        let (text, random) = (b"the same again ".repeat(100_000), noise(3_000_000));
        let late = [&random[..], &text[..]].concat();
        // Only between the samples, where nothing is looked at.
        let mut unseen = random.clone();
        unseen[100_000..200_000].fill(0);
        let cases = [
            (&text, Method::Deflated, 2),
            (&random, Method::Stored, 1),
            (&late, Method::Deflated, 2),
            (&unseen, Method::Stored, 1),
        ];
        for (content, method, passes) in cases {
            let (measured, seen) = stream(&engine, content, Want::Bytes);
            assert_eq!((measured.method, seen), (method, passes));
            assert_eq!((measured.bytes, measured.crc32), (content.len() as u64, crc32fast::hash(content)));
            let mut kept = Vec::new();
            let at = measured.at.expect("kept");
            engine
                .spool()
                .read(at, measured.compressed, &mut |part| {
                    kept.extend(part);
                    Ok(())
                })
                .expect("read");
            let mut again = Vec::new();
            match method {
                Method::Stored => again = kept,
                Method::Deflated => {
                    flate2::read::DeflateDecoder::new(&kept[..]).read_to_end(&mut again).expect("inflated");
                }
            }
            assert!(again == *content);
            let length = stream(&engine, content, Want::Length).0;
            assert_eq!(length, Measured { at: None, ..measured });
        }
    }

    #[test]
    fn a_content_that_changes_between_two_readings_is_an_error() {
        let engine = Engine::new(None).expect("made");
        let path = TreePath::new(b"a").expect("a path");
        // The first reading ends with a sample that becomes shorter; deflate does not make the second shorter.
        let contents = [vec![0; SAMPLE_BYTES], noise(40_000), vec![1; 40_000]];
        let pass = Cell::new(0);
        let chunks = |each: &mut dyn FnMut(&[u8]) -> Result<ControlFlow<()>>| {
            pass.set(pass.get() + 1);
            each(&contents[pass.get() - 1]).map(drop)
        };
        let error = engine.stream(&path, &chunks, 40_000, 6, Want::Bytes).expect_err("changed");
        assert!(error.to_string().contains("changed while layerfit read it"), "{error}");
    }
}
