//! The spool: compressed bytes in a temporary file without a name, so that nothing is left of it however the process ends. Each has
//! its hash before it, from when it was made, so that what became of the bytes afterwards can be told.

use std::fs::File;
use std::io;
use std::num::NonZeroU64;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::base::error::{Error, Result};

/// How many bytes a hash has.
const HASH_BYTES: u64 = blake3::OUT_LEN as u64;

/// How many bytes are read at once.
const CHUNK_BYTES: usize = 256 << 10;

/// Where bytes are in a spool. The first is at 1, so that an optional offset takes no more room.
pub(super) type Offset = NonZeroU64;

/// Bytes that were appended, in a temporary file.
pub(super) struct Spool {
    file: File,
    end: AtomicU64,
}

impl Spool {
    /// An empty spool in the system's temporary directory (TMPDIR).
    ///
    /// # Errors
    /// When the temporary file cannot be created.
    pub(super) fn new() -> Result<Self> {
        let file = tempfile::tempfile().map_err(Error::io("make a temporary file in", std::env::temp_dir()))?;
        Ok(Self { file, end: AtomicU64::new(1) })
    }

    /// Appends bytes with their hash and returns their offset. Several threads can append at once.
    ///
    /// # Errors
    /// When the temporary directory is full.
    pub(super) fn append(&self, hash: blake3::Hash, bytes: &[u8]) -> Result<Offset> {
        let at = self.reserve(bytes.len() as u64);
        self.write_hash(hash, at).and_then(|()| self.write_at(bytes, at, 0)).map_err(Self::not_written)?;
        Ok(at)
    }

    /// Reserves room for this many bytes and their hash, and returns its offset. What is not written of it takes no space on the
    /// disk.
    pub(super) fn reserve(&self, bytes: u64) -> Offset {
        Offset::new(self.end.fetch_add(HASH_BYTES + bytes, Ordering::Relaxed)).unwrap_or(Offset::MAX)
    }

    /// Writes bytes into reserved room, so many bytes after its beginning.
    pub(super) fn write_at(&self, bytes: &[u8], at: Offset, after: u64) -> io::Result<()> {
        self.file.write_all_at(bytes, at.get() + HASH_BYTES + after)
    }

    /// Writes the hash of bytes in reserved room.
    pub(super) fn write_hash(&self, hash: blake3::Hash, at: Offset) -> io::Result<()> {
        self.file.write_all_at(hash.as_bytes(), at.get())
    }

    /// Fills a buffer with bytes.
    pub(super) fn read_exact_at(&self, bytes: &mut [u8], at: Offset) -> io::Result<()> {
        self.file.read_exact_at(bytes, at.get() + HASH_BYTES)
    }

    /// The hash of bytes, from when they were made.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) fn hash(&self, at: Offset) -> Result<blake3::Hash> {
        let mut hash = [0; blake3::OUT_LEN];
        self.file.read_exact_at(&mut hash, at.get()).map_err(Self::not_read)?;
        Ok(blake3::Hash::from_bytes(hash))
    }

    /// Where the next bytes will be: 1 when there are none.
    #[cfg(test)]
    pub(super) fn end(&self) -> u64 {
        self.end.load(Ordering::Relaxed)
    }

    /// The error for bytes that could not be written.
    pub(super) fn not_written(error: io::Error) -> Error {
        Error::io("write to a temporary file in", std::env::temp_dir())(error)
    }

    fn not_read(error: io::Error) -> Error {
        Error::io("read a temporary file in", std::env::temp_dir())(error)
    }

    /// Reads `length` bytes from offset `at`, and calls `each` with one part of them after the other.
    ///
    /// # Errors
    /// When they cannot be read, or `each` fails.
    pub(super) fn read(&self, at: Offset, length: u64, each: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        let mut buffer = vec![0; usize::try_from(length).unwrap_or(usize::MAX).min(CHUNK_BYTES)];
        let (mut at, end) = (at.get() + HASH_BYTES, at.get() + HASH_BYTES + length);
        while at < end {
            let part = usize::try_from(end - at).unwrap_or(usize::MAX).min(buffer.len());
            self.file.read_exact_at(&mut buffer[..part], at).map_err(Self::not_read)?;
            each(&buffer[..part])?;
            at += part as u64;
        }
        Ok(())
    }
}
