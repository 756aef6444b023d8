//! Items and bins as callers describe them.

/// Something to be packed that cannot be divided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Item {
    /// The bytes it adds to a zip.
    pub zipped: u64,
    /// The bytes it occupies once unzipped.
    pub unzipped: u64,
    /// The number of the bin it has to go into, from 0; `None` if any bin will do.
    pub pin: Option<usize>,
}

/// The most that the items of one bin may add up to, in each of the two dimensions. All bins have the same capacity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capacity {
    /// Zipped bytes.
    pub zipped: u64,
    /// Unzipped bytes.
    pub unzipped: u64,
}
