//! Verdicts: what was found to be true of contents, by their hashes, so that no later run has to find it again. What it is, and in
//! which version of its check, is a part of the verdict; a verdict that is not there is found again.

use std::fmt;

/// That a check found nothing wrong with some contents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Verdict(pub [u8; blake3::OUT_LEN]);

impl Verdict {
    /// The verdict of a check, whose name has the version of what it does, on contents with these hashes.
    pub fn new(check: &'static str, contents: &[blake3::Hash]) -> Self {
        let mut hash = blake3::Hasher::new_derive_key(check);
        for content in contents {
            hash.update(content.as_bytes());
        }
        Self(*hash.finalize().as_bytes())
    }
}

/// Where verdicts are kept.
pub trait Verdicts: fmt::Debug + Send + Sync {
    /// Whether there is this verdict.
    fn has(&self, verdict: Verdict) -> bool;

    /// Adds a verdict.
    fn add(&self, verdict: Verdict);

    /// Keeps what was added for later runs, as far as that is possible.
    fn save(&self);
}
