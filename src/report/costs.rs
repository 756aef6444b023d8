//! Costs: the size of each package, unit, directory and library, and what dropping it alone would free.
//!
//! That includes what nothing else needs; it is exact in zips as long as their number and the files that are compressed
//! harder stay the same.

use std::collections::BTreeMap;

use super::unit_names::UnitNames;
use super::{Amount, Cost, DirectoryReport, LibraryReport};
use crate::base::size::Size;
use crate::pack::PackedEntries;
use crate::plan::{Analysis, Plan};
use crate::prune::{Pruning, Retention};
use crate::tree::{Entry, EntryId, Kind, Place, Tree};

/// The size of each packed entry, and what is removed when some are dropped.
pub(crate) struct SizeIndex<'a> {
    tree: &'a Tree,
    entries: Entries<'a>,
    retention: Retention,
}

/// The entries that have a size.
enum Entries<'a> {
    /// Those of a plan.
    Packed(PackedEntries<'a>),
    /// Those that are kept without a plan, by position.
    Kept(Vec<bool>),
}

impl<'a> SizeIndex<'a> {
    pub(crate) fn new(analysis: &'a Analysis<'_>, pruning: &Pruning, plan: Option<&'a Plan<'_>>) -> Self {
        let tree = analysis.tree();
        let entries = if let Some(plan) = plan {
            Entries::Packed(PackedEntries::new(&plan.units, tree.entries().len()))
        } else {
            let kept =
                |(id, entry): (EntryId, &Entry)| !tree.is_hidden(id) && !entry.is_directory() && pruning.keeps(id);
            Entries::Kept(tree.all().map(kept).collect())
        };
        Self { tree, entries, retention: Retention::new(&analysis.resolution, pruning) }
    }

    /// The size of a packed entry; `None` for another.
    fn size(&self, id: EntryId) -> Option<Size> {
        match &self.entries {
            Entries::Packed(packed) => {
                packed.get(id).map(|entry| Size { zipped_bytes: entry.zipped, unzipped_bytes: entry.unzipped })
            }
            Entries::Kept(kept) => {
                let size = Size { zipped_bytes: 0, unzipped_bytes: self.tree.entry(id).bytes() };
                kept[id.index()].then_some(size)
            }
        }
    }

    /// The size of entries together.
    pub(crate) fn own(&self, entries: impl IntoIterator<Item = EntryId>) -> Amount {
        let sizes = entries.into_iter().filter_map(|id| Some((id, self.size(id)?)));
        let amount = |(id, size)| Amount { files: usize::from(!self.tree.entry(id).is_directory()), size };
        sizes.map(amount).sum()
    }

    /// What is removed when these entries are dropped, and its size.
    pub(crate) fn freed(&mut self, entries: impl IntoIterator<Item = EntryId>) -> (crate::prune::Removal, Amount) {
        let removal = self.retention.drop(entries);
        let amount = self.own(removal.all());
        (removal, amount)
    }
}

/// Both amounts as values of the report; without `measured`, zipped bytes are unknown.
pub(super) fn cost(own: Amount, freed: Amount, measured: bool) -> Cost {
    Cost {
        unzipped_bytes: own.size.unzipped_bytes,
        zipped_bytes: measured.then_some(own.size.zipped_bytes),
        retained_unzipped_bytes: freed.size.unzipped_bytes,
        retained_zipped_bytes: measured.then_some(freed.size.zipped_bytes),
    }
}

/// The costs of everything in a tree.
pub(super) struct Costs {
    /// What dropping each package frees, in the order of the packages.
    pub(super) packages: Vec<Amount>,
    /// What dropping each unit frees, by its name.
    pub(super) units: BTreeMap<String, Amount>,
    pub(super) directories: Vec<DirectoryReport>,
    pub(super) libraries: Vec<LibraryReport>,
}

pub(super) fn costs(analysis: &Analysis<'_>, pruning: &Pruning, plan: Option<&Plan<'_>>) -> Costs {
    let tree = analysis.tree();
    let mut index = SizeIndex::new(analysis, pruning, plan);
    let below = |directory: &crate::base::path::TreePath| tree.below(directory).map(|(id, _)| id).collect::<Vec<_>>();
    let packages = &analysis.resolution.packages.all;
    let packages = packages.iter().map(|package| index.freed(package.entries(tree)).1).collect();
    let units = plan.map(|plan| {
        let of =
            |unit: &crate::pack::Unit| (unit.name.clone(), index.freed(unit.entries.iter().map(|entry| entry.id)).1);
        plan.units.iter().map(of).collect()
    });
    let units = units.unwrap_or_default();

    let unit_of_each = UnitNames::new(analysis, |id| !tree.is_hidden(id) && index.size(id).is_some());
    let mut directories = Vec::new();
    for (id, entry) in tree.iter().filter(|(_, entry)| entry.is_directory()) {
        let mut entries = below(&entry.path);
        entries.push(id);
        let own = index.own(entries.iter().copied());
        if own == Amount::default() && entries.iter().all(|id| index.size(*id).is_none()) {
            continue;
        }
        let mut units = entries.iter().filter_map(|id| unit_of_each.number(*id));
        let first = units.next();
        let unit =
            first.filter(|first| units.all(|unit| unit == *first)).map(|unit| unit_of_each.name(unit).to_owned());
        let freed = index.freed(entries).1;
        directories.push(DirectoryReport {
            path: entry.path.to_string(),
            unit,
            files: own.files,
            cost: cost(own, freed, plan.is_some()),
        });
    }

    let mut links: BTreeMap<EntryId, Vec<EntryId>> = BTreeMap::new();
    for (id, entry) in tree.iter().filter(|(id, _)| analysis.resolution.is_library(*id) && pruning.keeps(*id)) {
        match (&entry.kind, tree.follow(id)) {
            (Kind::Link { .. }, Place::Inside(file)) => links.entry(file).or_default().push(id),
            _ => {
                links.entry(id).or_default();
            }
        }
    }
    let libraries = links.into_iter().filter(|(file, _)| pruning.keeps(*file)).map(|(file, links)| {
        let all = || links.iter().copied().chain([file]);
        let (own, freed) = (index.own(all()), index.freed(all()).1);
        LibraryReport {
            path: tree.path(file).to_string(),
            links: links.iter().map(|link| tree.path(*link).to_string()).collect(),
            cost: cost(own, freed, plan.is_some()),
        }
    });
    let libraries = libraries.collect();
    Costs { packages, units, directories, libraries }
}
