//! What dropping each thing alone would free, beside what it has itself: packages, units, directories, libraries.
//!
//! Freed is what goes with it too, and not what others still need; in zips to the byte, as long as there are as many of them
//! and the same files are compressed harder.

use std::collections::BTreeMap;

use super::{Cost, DirectoryReport, LibraryReport};
use crate::pack::unit_of;
use crate::pipeline::{Analyzed, Planned};
use crate::prune::{Holds, Pruning};
use crate::scan::{EntryId, Kind, Place};

/// Files and bytes of what is in layers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Weight {
    /// How many files, links and empty directories.
    pub(crate) files: usize,
    /// The sum of their lengths in bytes.
    pub(crate) unzipped: u64,
    /// What they add to zips in bytes, headers included; 0 when nothing was measured.
    pub(crate) zipped: u64,
}

/// What each entry weighs in the layers, and what goes when some are dropped.
pub(crate) struct Scales {
    entries: Vec<Weight>,
    holds: Holds,
}

impl Scales {
    pub(crate) fn new(analyzed: &Analyzed<'_>, pruning: &Pruning, planned: Option<&Planned<'_>>) -> Self {
        let tree = &analyzed.tree;
        let mut entries = vec![Weight::default(); tree.entries().len()];
        match planned {
            Some(planned) => {
                for entry in planned.units.iter().flat_map(|unit| &unit.entries) {
                    entries[entry.id.index()] = Weight { files: 1, unzipped: entry.unzipped, zipped: entry.zipped };
                }
            }
            None => {
                for (id, entry) in tree.iter().filter(|(id, entry)| !entry.is_directory() && pruning.keeps(*id)) {
                    entries[id.index()] = Weight { files: 1, unzipped: entry.bytes(), zipped: 0 };
                }
            }
        }
        Self { entries, holds: Holds::new(tree, &analyzed.resolution, pruning) }
    }

    /// What entries have together.
    pub(crate) fn own(&self, entries: impl IntoIterator<Item = EntryId>) -> Weight {
        entries.into_iter().fold(Weight::default(), |sum, id| {
            let entry = self.entries[id.index()];
            Weight {
                files: sum.files + entry.files,
                unzipped: sum.unzipped + entry.unzipped,
                zipped: sum.zipped + entry.zipped,
            }
        })
    }

    /// What goes when these entries are dropped, and what that weighs.
    pub(crate) fn freed(&mut self, entries: impl IntoIterator<Item = EntryId>) -> (crate::prune::Gone, Weight) {
        let gone = self.holds.drop(entries);
        let weight = self.own(gone.all());
        (gone, weight)
    }
}

/// What a thing has and frees, in the report's words; `measured` says whether zipped bytes are known.
pub(super) fn cost(own: Weight, freed: Weight, measured: bool) -> Cost {
    Cost {
        unzipped_bytes: own.unzipped,
        zipped_bytes: measured.then_some(own.zipped),
        retained_unzipped_bytes: freed.unzipped,
        retained_zipped_bytes: measured.then_some(freed.zipped),
    }
}

/// What things weigh and free.
pub(super) struct Costs {
    /// What dropping each package frees, in the order of the packages.
    pub(super) packages: Vec<Weight>,
    /// What dropping each unit frees, by its name.
    pub(super) units: BTreeMap<String, Weight>,
    pub(super) directories: Vec<DirectoryReport>,
    pub(super) libraries: Vec<LibraryReport>,
}

pub(super) fn costs(analyzed: &Analyzed<'_>, pruning: &Pruning, planned: Option<&Planned<'_>>) -> Costs {
    let (tree, r) = (&analyzed.tree, &analyzed.resolution.r);
    let mut scales = Scales::new(analyzed, pruning, planned);
    let below = |directory: &crate::path::TreePath| tree.below(directory).map(|(id, _)| id).collect::<Vec<_>>();
    let packages = r.packages.iter().map(|package| scales.freed(below(&package.directory)).1).collect();
    let units = planned.map(|planned| {
        let of =
            |unit: &crate::pack::Unit| (unit.name.clone(), scales.freed(unit.entries.iter().map(|entry| entry.id)).1);
        planned.units.iter().map(of).collect()
    });
    let units = units.unwrap_or_default();

    let kept = tree.iter().filter(|(id, _)| scales.entries[id.index()].files > 0).map(|(id, _)| id);
    let unit_of_each: BTreeMap<EntryId, String> = kept.map(|id| (id, unit_of(tree, r, id))).collect();
    let mut directories = Vec::new();
    for (id, entry) in tree.iter().filter(|(_, entry)| entry.is_directory()) {
        let mut entries = below(&entry.path);
        entries.push(id);
        let own = scales.own(entries.iter().copied());
        if own.files == 0 {
            continue;
        }
        let mut units = entries.iter().filter_map(|id| unit_of_each.get(id));
        let first = units.next();
        let unit = first.filter(|first| units.all(|unit| unit == *first)).cloned();
        let freed = scales.freed(entries).1;
        directories.push(DirectoryReport {
            path: entry.path.to_string(),
            unit,
            files: own.files,
            cost: cost(own, freed, planned.is_some()),
        });
    }

    let mut links: BTreeMap<EntryId, Vec<EntryId>> = BTreeMap::new();
    for (id, entry) in tree.iter().filter(|(id, _)| analyzed.resolution.is_library(*id) && pruning.keeps(*id)) {
        match (&entry.kind, tree.follow(id)) {
            (Kind::Link { .. }, Place::Inside(file)) => links.entry(file).or_default().push(id),
            _ => {
                links.entry(id).or_default();
            }
        }
    }
    let libraries = links.into_iter().filter(|(file, _)| pruning.keeps(*file)).map(|(file, links)| {
        let all = || links.iter().copied().chain([file]);
        let (own, freed) = (scales.own(all()), scales.freed(all()).1);
        LibraryReport {
            path: tree.path(file).to_string(),
            links: links.iter().map(|link| tree.path(*link).to_string()).collect(),
            cost: cost(own, freed, planned.is_some()),
        }
    });
    let libraries = libraries.collect();
    Costs { packages, units, directories, libraries }
}
