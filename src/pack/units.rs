//! Units: what is packed together. A package, an installation of a language, a library with its links; the rest by
//! directory.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::base::bytes::size;
use crate::base::path::TreePath;
use crate::pack::measure::{Measurements, entry_overhead};
use crate::resolve::{Resolution, is_library_name};
use crate::tree::{EntryId, Kind, Place};

/// How many of the largest units are named.
const MAX_NAMES: usize = 5;

/// Entries that are packed together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    /// Its name: `pkg:Matrix`, `r`, `lib:libxml2.so.2.9.14`, `dir:bin`.
    pub name: String,
    /// Its entries, sorted by path.
    pub entries: Vec<UnitEntry>,
}

/// An entry and its size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnitEntry {
    /// The entry.
    pub id: EntryId,
    /// Where it is.
    pub path: TreePath,
    /// What it adds to a zip, headers included, in bytes.
    pub zipped: u64,
    /// Its length in bytes.
    pub unzipped: u64,
    /// The CRC-32 of its content; 0 for a directory, and for a file too large to be measured.
    pub crc32: u32,
    /// Whether it is executable, and whether it is a link: what a zip records of it besides its content.
    pub kind: (bool, bool),
}

impl UnitEntry {
    /// Adds everything that a zip records of the entry to a hash.
    pub(super) fn hash(&self, hash: &mut blake3::Hasher) {
        hash.update(self.path.as_bytes());
        hash.update(&[0, u8::from(self.kind.0), u8::from(self.kind.1)]);
        for number in [self.zipped, self.unzipped, u64::from(self.crc32)] {
            hash.update(&number.to_le_bytes());
        }
    }
}

impl Unit {
    /// What the unit adds to a zip, headers included, in bytes.
    pub fn zipped_bytes(&self) -> u64 {
        self.entries.iter().map(|entry| entry.zipped).sum()
    }

    /// The sum of its files' lengths in bytes.
    pub fn unzipped_bytes(&self) -> u64 {
        self.entries.iter().map(|entry| entry.unzipped).sum()
    }
}

/// The packed entries, found by their ids. There can be a million, so it only has where they are.
pub(crate) struct PackedEntries<'a> {
    units: &'a [Unit],
    /// By the position of the entry: one more than the position of its unit, or 0, and its position in the unit.
    at: Vec<(u32, u32)>,
}

impl<'a> PackedEntries<'a> {
    /// The entries of these units, in a tree of so many entries.
    pub(crate) fn new(units: &'a [Unit], entries: usize) -> Self {
        let mut at = vec![(0, 0); entries];
        for (number, unit) in (1..).zip(units) {
            for (position, entry) in (0..).zip(&unit.entries) {
                at[entry.id.index()] = (number, position);
            }
        }
        Self { units, at }
    }

    /// A packed entry.
    pub(crate) fn get(&self, id: EntryId) -> Option<&'a UnitEntry> {
        let (unit, position) = *self.at.get(id.index())?;
        self.units.get((unit as usize).checked_sub(1)?)?.entries.get(position as usize)
    }

    /// Every packed entry, by units.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &'a UnitEntry> + use<'a> {
        self.units.iter().flat_map(|unit| &unit.entries)
    }
}

/// Divides what is kept into units, sorted by name.
///
/// Directories are packed only when they are empty in the tree: unzipping creates the others, and those that pruning emptied
/// are not needed. A file too large to be measured counts with its own length.
pub fn units(resolution: &Resolution<'_>, kept: impl Fn(EntryId) -> bool, measurements: &Measurements) -> Vec<Unit> {
    let tree = &resolution.tree;
    let mut units: BTreeMap<Arc<str>, Vec<UnitEntry>> = BTreeMap::new();
    let mut names = UnitOf::new(resolution);
    for (id, entry) in tree.iter() {
        let is_directory = entry.is_directory();
        if !kept(id) || (is_directory && tree.below(&entry.path).next().is_some()) {
            continue;
        }
        let (compressed, unzipped, crc32) = match measurements.get(id) {
            Some(measured) => (measured.compressed, measured.bytes, measured.crc32),
            None => (entry.bytes(), entry.bytes(), 0),
        };
        units.entry(names.of(id)).or_default().push(UnitEntry {
            id,
            path: entry.path.clone(),
            zipped: entry_overhead(&entry.path, is_directory) + compressed,
            unzipped,
            crc32,
            kind: (entry.is_executable(), matches!(entry.kind, Kind::Link { .. })),
        });
    }
    units.into_iter().map(|(name, entries)| Unit { name: name.to_string(), entries }).collect()
}

/// The largest units, with their sizes.
pub(super) fn largest(units: &[Unit], of: fn(&Unit) -> u64) -> String {
    let mut sorted: Vec<&Unit> = units.iter().collect();
    sorted.sort_by(|a, b| of(b).cmp(&of(a)).then_with(|| a.name.cmp(&b.name)));
    let named: Vec<String> =
        sorted.iter().take(MAX_NAMES).map(|unit| format!("{} ({})", unit.name, size(of(unit)))).collect();
    named.join(", ")
}

/// The largest units unzipped, to be appended to a help.
pub(super) fn largest_unzipped(units: &[Unit]) -> String {
    format!("; the largest units: {}", largest(units, Unit::unzipped_bytes))
}

/// The names of the units that entries belong to, each made once for all entries of a package that follow each other.
pub(crate) struct UnitOf<'a> {
    resolution: &'a Resolution<'a>,
    last: Option<(usize, Arc<str>)>,
}

impl<'a> UnitOf<'a> {
    pub(crate) fn new(resolution: &'a Resolution<'a>) -> Self {
        Self { resolution, last: None }
    }

    /// The name of the unit of an entry, as [`unit_of`] returns it.
    pub(crate) fn of(&mut self, id: EntryId) -> Arc<str> {
        let Some(position) = self.resolution.packages.of_path(self.resolution.tree.path(id)) else {
            return without_package(self.resolution, id).into();
        };
        match &self.last {
            Some((last, name)) if *last == position => Arc::clone(name),
            _ => {
                let name: Arc<str> = self.resolution.packages.unit_name(position).into();
                self.last = Some((position, Arc::clone(&name)));
                name
            }
        }
    }
}

/// The name of the unit that an entry belongs to.
pub(crate) fn unit_of(resolution: &Resolution<'_>, id: EntryId) -> String {
    match resolution.packages.of_path(resolution.tree.path(id)) {
        Some(position) => resolution.packages.unit_name(position),
        None => without_package(resolution, id),
    }
}

/// The name of the unit of an entry that is not a package's.
fn without_package(resolution: &Resolution<'_>, id: EntryId) -> String {
    let (tree, packages) = (&resolution.tree, &resolution.packages);
    let path = tree.path(id);
    if let Some(installation) = packages.installation_of(path) {
        return installation.language.to_string();
    }
    // A link goes with the library it leads to, when that is beside it.
    let target = match &tree.entry(id).kind {
        Kind::Link { .. } => tree.follow(id),
        _ => Place::Nowhere,
    };
    let file = match target {
        Place::Inside(target) if tree.path(target).parent_bytes() == path.parent_bytes() => tree.path(target),
        _ => path,
    };
    if is_library_name(file.name()) {
        return format!("lib:{file}");
    }
    match file.as_bytes().iter().position(|b| *b == b'/') {
        Some(end) => format!("dir:{}", crate::base::path::printable(&file.as_bytes()[..end])),
        None => format!("file:{file}"),
    }
}
