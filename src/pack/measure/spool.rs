//! The spool: compressed bytes in a temporary file without a name, so that nothing is left of it however the process ends.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::base::error::{Error, Result};

/// Bytes that were appended, in a temporary file.
pub struct Spool {
    file: File,
    end: AtomicU64,
}

impl Spool {
    /// An empty spool in the system's temporary directory (TMPDIR).
    ///
    /// # Errors
    /// When the temporary file cannot be created.
    pub fn new() -> Result<Self> {
        let file = tempfile::tempfile().map_err(Error::io("make a temporary file in", std::env::temp_dir()))?;
        Ok(Self { file, end: AtomicU64::new(0) })
    }

    /// Appends bytes and returns their offset. Several threads can append at once.
    ///
    /// # Errors
    /// When the temporary directory is full.
    pub fn append(&self, bytes: &[u8]) -> Result<u64> {
        let at = self.end.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        self.file.write_all_at(bytes, at).map_err(Error::io("write to a temporary file in", std::env::temp_dir()))?;
        Ok(at)
    }

    /// Adds `length` bytes from offset `at` to `out`.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn read(&self, at: u64, length: u64, out: &mut Vec<u8>) -> Result<()> {
        let start = out.len();
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        out.resize(start + length, 0);
        self.file
            .read_exact_at(&mut out[start..], at)
            .map_err(Error::io("read a temporary file in", std::env::temp_dir()))
    }
}
