//! Where the compressed bytes of a content are, as a number that takes no more room than an offset: there can be a million.

use std::num::NonZeroU64;

use super::spool::Offset;

/// Whether a content can be read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// It is that of a file of the tree.
    Tree,
    /// It was made from others.
    Made,
}

/// When compressed bytes of the cache, and contents of the tree that are stored, are compared with their hashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// Before they are passed on: what is damaged is made again, and a file that changed is an error.
    First,
    /// By the caller, who reads them again where they were written.
    Later,
}

/// Where compressed bytes are. Except in the spool, by their position in a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// At this offset of the spool.
    Spool(Offset),
    /// In an entry of the cache.
    Entry(u64),
    /// With other short contents in the cache.
    Short(u64),
    /// In the tree: they are the content.
    Tree(u64),
}

/// Where the kind of the place begins; a spool of so many bytes fits on no disk.
const SHIFT: u32 = 60;

impl Place {
    /// The place as a number.
    pub(super) fn encode(self) -> NonZeroU64 {
        let (kind, number) = match self {
            Place::Spool(at) => return at,
            Place::Entry(number) => (1, number),
            Place::Short(number) => (2, number),
            Place::Tree(number) => (3, number),
        };
        NonZeroU64::MIN.saturating_add(kind << SHIFT | number << 1)
    }

    /// The place that a number stands for.
    pub(super) fn decode(at: NonZeroU64) -> Self {
        let number = (at.get() & ((1 << SHIFT) - 1)) >> 1;
        match at.get() >> SHIFT {
            1 => Place::Entry(number),
            2 => Place::Short(number),
            3 => Place::Tree(number),
            _ => Place::Spool(at),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_the_same_as_a_number() {
        let spool = NonZeroU64::new(1).expect("not 0");
        for place in [Place::Spool(spool), Place::Entry(0), Place::Entry(7), Place::Short(0), Place::Tree(1 << 40)] {
            assert_eq!(Place::decode(place.encode()), place);
        }
    }
}
