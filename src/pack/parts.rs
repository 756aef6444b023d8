//! Parts: what is not divided any further: a unit, or what a unit that no layer holds is divided into: its files, or if it has
//! many, its large files and groups of its small ones.

use std::collections::BTreeMap;

use super::bins::{Capacity, Item};
use super::lock::ItemKey;
use super::units::{Unit, UnitEntry};
use crate::tree::EntryId;

/// Of a unit with more files than this, small ones are not divided one by one: dividing would take longer than compressing
/// them, and the lock would list each.
const MANY_FILES: usize = 10_000;

/// How many small files a group has on average, at most.
const FILES_OF_GROUP: usize = 256;

/// What fits into a layer so many times is small, and groups are smaller than that on average.
const SMALL: u64 = 64;

/// What is not divided any further.
pub(super) struct Part {
    /// The position of its unit.
    pub(super) unit: usize,
    /// Its name in the lock, and the digest of everything that a zip records of it.
    pub(super) key: ItemKey,
    /// Its entries, sorted by path.
    pub(super) entries: Vec<EntryId>,
    /// Its size.
    pub(super) item: Item,
}

impl Part {
    /// A part of the unit at this position.
    pub(super) fn new<'a>(unit: usize, name: String, entries: impl IntoIterator<Item = &'a UnitEntry>) -> Self {
        let mut hash = blake3::Hasher::new();
        let mut item = Item { zipped: 0, unzipped: 0, pin: None };
        let entries = entries.into_iter().map(|entry| {
            entry.hash(&mut hash);
            item.zipped += entry.zipped;
            item.unzipped += entry.unzipped;
            entry.id
        });
        let entries = entries.collect();
        Self { unit, key: ItemKey { name, digest: hash.finalize().to_hex()[..32].to_owned() }, entries, item }
    }
}

/// What a unit that no layer holds is divided into; layers merge, so its files may come from several. `entries` are those of
/// its entries that a layer can hold.
pub(super) fn divided(number: usize, unit: &Unit, entries: &[&UnitEntry], capacity: Capacity) -> Vec<Part> {
    let alone = |entry: &UnitEntry| Part::new(number, format!("{} {}", unit.name, entry.path), [entry]);
    if entries.len() <= MANY_FILES {
        return entries.iter().map(|entry| alone(entry)).collect();
    }
    let is_small =
        |entry: &UnitEntry| entry.zipped <= capacity.zipped / SMALL && entry.unzipped <= capacity.unzipped / SMALL;
    let mut parts = Vec::new();
    let mut directories: BTreeMap<&[u8], Vec<&UnitEntry>> = BTreeMap::new();
    for entry in entries {
        if is_small(entry) {
            directories.entry(entry.path.parent_bytes().unwrap_or_default()).or_default().push(entry);
        } else {
            parts.push(alone(entry));
        }
    }
    for entries in directories.into_values() {
        let groups = groups(&entries, capacity);
        // By a hash of its name, a file stays in its group when others are added or removed.
        let mut grouped: BTreeMap<u64, Vec<&UnitEntry>> = BTreeMap::new();
        for entry in entries {
            let hash = blake3::hash(entry.path.name());
            let hash = hash.as_bytes().first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
            grouped.entry(hash & (groups - 1)).or_default().push(entry);
        }
        for (group, entries) in grouped {
            let Some(directory) = entries.first().and_then(|entry| entry.path.parent()) else { continue };
            let name = format!("{} {directory}/* {} of {groups}", unit.name, group + 1);
            let part = Part::new(number, name, entries.iter().copied());
            if capacity.holds(std::iter::once(&part.item)) {
                parts.push(part);
            } else {
                parts.extend(entries.into_iter().map(alone));
            }
        }
    }
    parts
}

/// How many groups the small files of a directory are divided into: a power of two, which seldom changes.
fn groups(entries: &[&UnitEntry], capacity: Capacity) -> u64 {
    let sum = |of: fn(&UnitEntry) -> u64| entries.iter().map(|entry| of(entry)).sum::<u64>();
    let by_count = (entries.len() / FILES_OF_GROUP) as u64;
    let by_size = |bytes: u64, most: u64| bytes / (most / SMALL).max(1);
    let by_zipped = by_size(sum(|entry| entry.zipped), capacity.zipped);
    let by_unzipped = by_size(sum(|entry| entry.unzipped), capacity.unzipped);
    by_count.max(by_zipped).max(by_unzipped).max(1).next_power_of_two()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::base::path::TreePath;

    const CAPACITY: Capacity = Capacity { zipped: 1_000_000, unzipped: 10_000_000 };

    fn unit(files: usize, bytes: u64) -> Unit {
        let names = (0..files).map(|number| format!("d/a/{number:06}")).chain(["d/large".to_owned()]);
        let entries = names.enumerate().map(|(at, name)| {
            let zipped = if name == "d/large" { CAPACITY.zipped / SMALL + 1 } else { bytes };
            let path = TreePath::new(name).expect("a path");
            UnitEntry { id: EntryId::at(at), path, zipped, unzipped: bytes, crc32: 0, kind: (false, false) }
        });
        Unit { name: "dir:d".to_owned(), entries: entries.collect() }
    }

    fn parts_of(unit: &Unit) -> Vec<Part> {
        divided(0, unit, &unit.entries.iter().collect::<Vec<_>>(), CAPACITY)
    }

    #[test]
    fn a_unit_of_many_files_is_divided_into_few_parts_that_have_each_file_once() {
        let unit = unit(MANY_FILES + 1, 100);
        let parts = parts_of(&unit);
        // The large file is alone.
        assert_eq!(parts.iter().filter(|part| part.key.name == "dir:d d/large").count(), 1);
        assert_eq!(parts.len(), 1 + 64, "{}", parts.len());
        let ids: Vec<EntryId> = parts.iter().flat_map(|part| part.entries.iter().copied()).collect();
        assert_eq!(ids.len(), unit.entries.len());
        assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len());
        assert_eq!(parts.iter().map(|part| part.item.zipped).sum::<u64>(), unit.zipped_bytes());
        assert!(parts.iter().all(|part| CAPACITY.holds(std::iter::once(&part.item))));
        // One file less changes the part that had it, and no other.
        let fewer = Unit { entries: unit.entries[1..].to_vec(), ..unit.clone() };
        let keys = |parts: Vec<Part>| -> BTreeSet<(String, String)> {
            parts.into_iter().map(|part| (part.key.name, part.key.digest)).collect()
        };
        assert_eq!(keys(parts_of(&fewer)).difference(&keys(parts)).count(), 1);
    }

    #[test]
    fn files_of_which_a_few_fill_a_layer_are_in_small_groups() {
        let unit = unit(MANY_FILES, CAPACITY.zipped / SMALL / 4);
        assert!(parts_of(&unit).iter().all(|part| part.item.zipped <= CAPACITY.zipped / 4));
    }

    #[test]
    fn a_unit_of_fewer_files_is_divided_into_its_files() {
        let unit = unit(MANY_FILES - 1, 100);
        assert_eq!(parts_of(&unit).len(), MANY_FILES);
    }
}
