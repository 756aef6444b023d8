//! Progress: what the stages report while they work. The command line draws it; tests are silent.

/// Receives how far a stage has come.
pub trait Progress: Sync {
    /// A stage begins; `total` is the bytes it will work through, 0 when that is not known.
    fn stage(&self, name: &'static str, total: u64);
    /// `bytes` more are done.
    fn advance(&self, bytes: u64);
    /// The work is over. Only what called the command knows that, as any stage can be followed by another.
    fn done(&self);
}

/// Discards progress.
pub struct Silent;

impl Progress for Silent {
    fn stage(&self, _: &'static str, _: u64) {}
    fn advance(&self, _: u64) {}
    fn done(&self) {}
}
