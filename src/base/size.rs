//! Sizes: the bytes of something, unzipped and zipped.

use std::iter::Sum;
use std::ops::{Add, AddAssign};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Bytes unzipped and zipped.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Size {
    /// In zips, headers included, in bytes.
    pub zipped_bytes: u64,
    /// The sum of the files' lengths in bytes.
    pub unzipped_bytes: u64,
}

impl Add for Size {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            // A manifest or a baseline can have any numbers.
            zipped_bytes: self.zipped_bytes.saturating_add(other.zipped_bytes),
            unzipped_bytes: self.unzipped_bytes.saturating_add(other.unzipped_bytes),
        }
    }
}

impl AddAssign for Size {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sum for Size {
    fn sum<I: Iterator<Item = Self>>(sizes: I) -> Self {
        sizes.fold(Self::default(), Add::add)
    }
}
