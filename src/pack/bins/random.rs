//! Pseudo-random numbers that are the same in every run.

/// A linear congruential generator with the constants of Knuth's MMIX (The Art of Computer Programming, volume 2, 3.3.4).
pub(in crate::pack) struct Random(pub(in crate::pack) u64);

impl Random {
    /// The next number, below `limit`; 0 for a limit of 0.
    pub(in crate::pack) fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit.max(1)
    }
}
