//! What the cache records of compressed contents, in whatever file.

use std::time::Duration;

use super::measured::Method;

/// The version that wrote it. Another can compress differently, and output must depend on this version and the input alone.
pub(super) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What was not used for so long is removed first when the cache is full.
pub(super) const STALE: Duration = Duration::from_secs(14 * 24 * 60 * 60);

/// What an entry records of its payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) method: Method,
    pub(super) crc32: u32,
    pub(super) bytes: u64,
    pub(super) compressed: u64,
}

/// What is known of compressed bytes in the cache without reading them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) facts: Facts,
    /// The hash of the compressed bytes, which are the content if it is stored.
    pub(super) hash: blake3::Hash,
    /// Whether they were inflated and compared with the content.
    pub(super) verified: bool,
}

/// The hash of a content, and the level it was compressed at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Key {
    pub(super) content: [u8; 32],
    pub(super) level: i32,
}
