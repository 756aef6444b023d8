//! Contents outside the tree. Parts of open files: contents that lie one after the other in a file, such as those of an uncompressed archive. They are
//! read by position, so that several threads can read at once.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;

use super::error::{Error, Result};

/// A part of an open file.
#[derive(Debug, Clone)]
pub struct Part {
    file: Arc<File>,
    offset: u64,
    bytes: u64,
}

impl Part {
    /// `bytes` bytes of a file from `offset` on. The file can be shorter by the time they are read.
    pub fn new(file: Arc<File>, offset: u64, bytes: u64) -> Self {
        Self { file, offset, bytes }
    }

    /// Its length in bytes.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The part of this part from `offset` on, of at most `bytes` bytes.
    pub fn within(&self, offset: u64, bytes: u64) -> Self {
        let offset = offset.min(self.bytes);
        Self { file: Arc::clone(&self.file), offset: self.offset + offset, bytes: bytes.min(self.bytes - offset) }
    }

    /// Reads it from the beginning.
    pub fn reader(&self) -> PartReader {
        PartReader { part: self.clone(), at: 0 }
    }

    /// Its first bytes, at most `most`.
    ///
    /// # Errors
    /// When they cannot be read, or the file has become shorter.
    pub fn head(&self, most: u64) -> io::Result<Vec<u8>> {
        let mut head = vec![0; usize::try_from(self.bytes.min(most)).unwrap_or(usize::MAX)];
        self.file.read_exact_at(&mut head, self.offset)?;
        Ok(head)
    }
}

/// The content of a file outside the tree.
#[derive(Debug, Clone)]
pub enum Content {
    /// The file at a path.
    Path(PathBuf),
    /// A part of a file.
    Part(Part),
    /// These bytes, which no file has.
    Bytes(Vec<u8>),
}

impl Content {
    /// Its length in bytes.
    ///
    /// # Errors
    /// When the file cannot be looked up.
    pub fn bytes(&self) -> Result<u64> {
        match self {
            Content::Path(path) => Ok(std::fs::metadata(path).map_err(Error::io("read", path))?.len()),
            Content::Part(part) => Ok(part.bytes()),
            Content::Bytes(bytes) => Ok(bytes.len() as u64),
        }
    }
}

/// Reads a part of a file.
#[derive(Debug)]
pub struct PartReader {
    part: Part,
    /// How many bytes have been read.
    at: u64,
}

impl Read for PartReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.part.bytes - self.at).unwrap_or(usize::MAX);
        let length = buffer.len().min(left);
        let read = self.part.file.read_at(&mut buffer[..length], self.part.offset + self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

impl io::Seek for PartReader {
    fn seek(&mut self, to: io::SeekFrom) -> io::Result<u64> {
        let at = match to {
            io::SeekFrom::Start(at) => Some(at),
            io::SeekFrom::Current(by) => self.at.checked_add_signed(by),
            io::SeekFrom::End(by) => self.part.bytes.checked_add_signed(by),
        };
        // Nothing follows the end.
        self.at = at.filter(|at| *at <= self.part.bytes).ok_or(io::ErrorKind::UnexpectedEof)?;
        Ok(self.at)
    }
}
