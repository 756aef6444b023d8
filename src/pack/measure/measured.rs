//! A file as a zip entry: its method, lengths and CRC-32, and the bytes of its headers.

use super::spool::Offset;
use crate::base::path::TreePath;
use crate::pack::rewrite::Form;

/// How hard to compress.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Level {
    /// Fastest.
    Fast,
    /// As small as `zip -9` in a tenth of its time; harder where that saves a layer.
    #[default]
    Default,
    /// Smallest, and slowest.
    Max,
}

impl Level {
    /// libdeflate's level. Measured on an R tree of 196 MB with 2 cores: 6 takes 2.0 s for 98.86 MB, 9 takes 4.7 s for 98.50,
    /// 12 takes 21.4 s for 96.96; zopfli takes hundreds of seconds for another percent.
    pub(crate) fn number(self) -> i32 {
        match self {
            Level::Fast => 3,
            Level::Default => 6,
            Level::Max => 12,
        }
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

/// How an entry's bytes are stored in a zip (APPNOTE.TXT 4.4.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Uncompressed (0): deflate would not make them smaller, as far as was tried.
    Stored,
    /// Deflated (8).
    Deflated,
}

/// The content of a zip entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Measured {
    /// The content's length in bytes.
    pub bytes: u64,
    /// Its length in the zip, in bytes, without headers.
    pub compressed: u64,
    /// Its CRC-32.
    pub crc32: u32,
    /// How it is stored.
    pub method: Method,
    /// Where its compressed bytes are in the spool, when they are to be packed.
    pub(super) at: Option<Offset>,
}

impl Measured {
    /// What it adds to a zip as the file at this path, in bytes, headers included.
    pub fn zipped(&self, path: &TreePath) -> u64 {
        entry_overhead(path, false) + self.compressed
    }
}

/// How a file is packed that has another form in the tree, and its size in that form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rewritten {
    /// The form.
    pub form: Form,
    /// The length in the tree, in bytes.
    pub bytes: u64,
    /// What that length would be in a zip, in bytes, without headers, if it was measured.
    pub compressed: Option<u64>,
}

/// What compressing harder saved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Recompressed {
    /// How many files.
    pub files: usize,
    /// How many bytes smaller they are in zips.
    pub saved: u64,
}

/// Header bytes of an entry without its name: local header (30) and central header (46) (APPNOTE.TXT 4.3.7 and 4.3.12).
/// layerfit writes no extra fields, comments or data descriptors.
pub const ENTRY_OVERHEAD: u64 = 30 + 46;

/// Header bytes of an entry besides its compressed content: both headers have the name.
pub fn entry_overhead(path: &TreePath, is_directory: bool) -> u64 {
    ENTRY_OVERHEAD + 2 * (path.as_bytes().len() as u64 + u64::from(is_directory))
}

/// Bytes of a zip besides its entries: the end of central directory record (APPNOTE.TXT 4.3.16).
pub const ZIP_OVERHEAD: u64 = 22;
