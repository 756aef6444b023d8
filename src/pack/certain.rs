//! Certain: whether a tree cannot fit however its files are compressed, which is known from their lengths. Compressing a tree that
//! is far too long would only delay that answer, for hours if it has sparse files.

use super::units::{Unit, largest_unzipped};
use super::verdict::unzipped_too_large;
use crate::base::finding::Finding;
use crate::pack::measure::least_bytes;
use crate::pack::rewrite::Transforms;
use crate::runtime::Limits;
use crate::tree::{EntryId, Objects, Tree};

/// How many bytes are compressed although the layers cannot fit, so that a tree that is not far from fitting has all figures:
/// about twice what Lambda allows, which takes seconds.
const COMPRESSED_ALL_THE_SAME: u64 = 512 << 20;

/// Whether so much is kept that [`does_not_fit`] can have an answer.
pub(crate) fn is_far_too_long(tree: &Tree, kept: impl Fn(EntryId) -> bool) -> bool {
    let bytes = tree.iter().filter(|(id, _)| kept(*id)).map(|(_, entry)| entry.bytes());
    bytes.fold(0, u64::saturating_add) > COMPRESSED_ALL_THE_SAME
}

/// The finding that layers of these units exceed the unzipped limit in every form that their files can be packed in, if that is
/// certain, and if there is too much to compress to know more.
pub(crate) fn does_not_fit(
    (tree, objects): (&Tree, &Objects),
    units: &[Unit],
    transforms: &Transforms,
    limits: &Limits,
) -> Option<Finding> {
    let (mut now, mut least, mut to_compress) = (0_u64, 0_u64, 0_u64);
    for entry in units.iter().flat_map(|unit| &unit.entries) {
        now = now.saturating_add(entry.unzipped);
        least = least.saturating_add(least_bytes(tree, objects, entry.id, transforms));
        if entry.unzipped <= limits.longest_file() {
            to_compress = to_compress.saturating_add(entry.unzipped);
        }
    }
    if to_compress <= COMPRESSED_ALL_THE_SAME {
        return None;
    }
    let mut found = unzipped_too_large(least, limits, &largest_unzipped(units))?;
    if least < now {
        found.message.insert_str(0, "at least ");
    }
    found.help += ". Layers and sizes in zips are not computed, as they would not change this";
    Some(found)
}
