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

impl Capacity {
    /// Whether one bin holds all of these.
    pub(in crate::pack) fn holds<'a>(&self, items: impl Iterator<Item = &'a Item>) -> bool {
        let (mut zipped, mut unzipped) = (0_u64, 0_u64);
        for item in items {
            zipped = zipped.saturating_add(item.zipped);
            unzipped = unzipped.saturating_add(item.unzipped);
        }
        zipped <= self.zipped && unzipped <= self.unzipped
    }
}
