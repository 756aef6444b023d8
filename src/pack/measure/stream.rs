//! Streams: a content that is too long to be in memory as a whole is read in parts and written to the spool, deflated by zlib-rs or as
//! it is. Samples tell beforehand whether deflating is worth its time.

use std::io::Write;
use std::ops::ControlFlow;

use flate2::Compression;
use flate2::write::{DeflateDecoder, DeflateEncoder};
use libdeflater::{CompressionLvl, Compressor};

use super::deflate::not_the_content;
use super::measured::{Measured, Method, Want};
use super::place::Place;
use super::spool::{Offset, Spool};
use crate::base::error::{Error, Result};
use crate::base::path::TreePath;

/// What a streamed content takes in memory, in bytes: the state of zlib, and buffers.
pub(super) const STREAM_BYTES: u64 = 1 << 20;

/// How much of a streamed content is tried before it is deflated: a part of this many bytes…
const SAMPLE_BYTES: usize = 16 << 10;
/// … in each part of this many bytes.
const SAMPLE_EVERY: usize = 1 << 20;

/// libdeflate's level for these.
const SAMPLE_LEVEL: i32 = 1;

/// The highest level of zlib.
const ZLIB_LEVEL: i32 = 9;

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
    spool: Option<(&'a Spool, Offset)>,
    most: u64,
    written: u64,
    hash: blake3::Hasher,
}

impl Section<'_> {
    /// Ends the section with the hash of what was written.
    fn finish(self) -> std::io::Result<u64> {
        if let Some((spool, at)) = self.spool {
            spool.write_hash(self.hash.finalize(), at)?;
        }
        Ok(self.written)
    }
}

impl Write for Section<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let end = self.written + bytes.len() as u64;
        if let Some((spool, at)) = self.spool.filter(|_| end <= self.most) {
            spool.write_at(bytes, at, self.written)?;
            self.hash.update(bytes);
        }
        self.written = end;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The length and CRC-32 of what is written.
#[derive(Default)]
struct Sum {
    bytes: u64,
    crc32: crc32fast::Hasher,
}

impl Write for Sum {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.bytes += bytes.len() as u64;
        self.crc32.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Measures a content of `bytes` bytes that is not in memory. `chunks` calls a function with one part of it after the other;
/// it is called again if the content is not stored at once. Such a content is not in the cache.
///
/// A content is stored when no sample of it becomes shorter, or when deflate does not make it shorter. Returned is also whether
/// deflate was tried.
///
/// # Errors
/// When the content cannot be read, has changed between two readings, or cannot be written to the spool.
pub(super) fn measure(
    spool: &Spool,
    (path, chunks, bytes): (&TreePath, &Chunks<'_>, u64),
    level: i32,
    want: Want,
) -> Result<(Measured, bool)> {
    let spool = (want == Want::Bytes).then(|| (spool, spool.reserve(bytes)));
    let at = spool.map(|(_, at)| Place::Spool(at).encode());
    let section = || Section { spool, most: bytes, written: 0, hash: blake3::Hasher::new() };
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
        stored.finish().map_err(Spool::not_written)?;
        Ok(crc32.finalize())
    };
    let mut samples = Some(Samples::new());
    let crc32 = store(&mut samples)?;
    if samples.is_some_and(|samples| !samples.shorter) {
        return Ok((Measured { bytes, compressed: bytes, crc32, method: Method::Stored, at }, false));
    }

    let level = Compression::new(level.clamp(0, ZLIB_LEVEL).unsigned_abs());
    let mut deflated = DeflateEncoder::new(section(), level);
    let mut crc32 = crc32fast::Hasher::new();
    chunks(&mut |chunk| {
        crc32.update(chunk);
        deflated.write_all(chunk).map_err(Spool::not_written)?;
        Ok(ControlFlow::Continue(()))
    })?;
    let compressed = deflated.finish().and_then(Section::finish).map_err(Spool::not_written)?;
    let crc32 = crc32.finalize();
    if compressed < bytes {
        let measured = Measured { bytes, compressed, crc32, method: Method::Deflated, at };
        return match spool {
            Some((spool, at)) if !inflates_from(spool, at, &measured)? => Err(not_the_content(path)),
            _ => Ok((measured, true)),
        };
    }
    if want == Want::Bytes && store(&mut None)? != crc32 {
        return Err(Error::Changed { path: path.to_string() });
    }
    Ok((Measured { bytes, compressed: bytes, crc32, method: Method::Stored, at }, true))
}

/// Whether what the spool has at this place inflates to a content of the length and CRC-32 that was compressed.
fn inflates_from(spool: &Spool, at: Offset, measured: &Measured) -> Result<bool> {
    let mut inflated = DeflateDecoder::new(Sum::default());
    let mut is_stream = true;
    spool.read(at, measured.compressed, &mut |part| {
        is_stream = is_stream && inflated.write_all(part).is_ok();
        Ok(())
    })?;
    let Ok(sum) = inflated.finish() else { return Ok(false) };
    Ok(is_stream && (sum.bytes, sum.crc32.finalize()) == (measured.bytes, measured.crc32))
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

    fn stream(spool: &Spool, content: &[u8], want: Want) -> (Measured, usize) {
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
        let (measured, _) = measure(spool, (&path, &chunks, content.len() as u64), 6, want).expect("measured");
        (measured, passes.get())
    }

    #[test]
    fn a_streamed_content_is_what_it_was_however_it_is_kept() {
        let spool = Spool::new().expect("made");
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
            let (measured, seen) = stream(&spool, content, Want::Bytes);
            assert_eq!((measured.method, seen), (method, passes));
            assert_eq!((measured.bytes, measured.crc32), (content.len() as u64, crc32fast::hash(content)));
            let mut kept = Vec::new();
            let at = measured.at.expect("kept");
            spool
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
            let length = stream(&spool, content, Want::Length).0;
            assert_eq!(length, Measured { at: None, ..measured });
        }
    }

    #[test]
    fn a_content_that_changes_between_two_readings_is_an_error() {
        let spool = Spool::new().expect("made");
        let path = TreePath::new(b"a").expect("a path");
        // The first reading ends with a sample that becomes shorter; deflate does not make the second shorter.
        let contents = [vec![0; SAMPLE_BYTES], noise(40_000), vec![1; 40_000]];
        let pass = Cell::new(0);
        let chunks = |each: &mut dyn FnMut(&[u8]) -> Result<ControlFlow<()>>| {
            pass.set(pass.get() + 1);
            each(&contents[pass.get() - 1]).map(drop)
        };
        let error = measure(&spool, (&path, &chunks, 40_000), 6, Want::Bytes).map(drop).expect_err("changed");
        assert!(error.to_string().contains("changed while layerfit read it"), "{error}");
    }
}
