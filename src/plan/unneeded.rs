//! Unneeded: packages that nothing in the tree needs, each with the packages that only it needs. The function's own code may
//! use them, which is not known without `--handler`.
//!
//! As what an object retains in a heap profiler: what is reachable from a package and from nothing else. Cycles of packages are
//! retained as a whole.

use std::collections::{BTreeMap, BTreeSet};

use crate::languages::{Package, language};
use crate::prune::Pruning;
use crate::resolve::{Need, Node, Resolution};
use crate::tree::EntryId;

/// A package that nothing in the tree needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unneeded {
    /// Its position in [`crate::languages::Packages::all`].
    pub(crate) package: usize,
    /// The packages that only it needs, directly or through others, sorted.
    pub(crate) with_it: Vec<usize>,
    /// The kept packages that can use it when it is installed, except those that every installation of their language has.
    pub(crate) option_of: Vec<usize>,
}

impl Unneeded {
    /// The packages that it retains: itself first.
    pub(crate) fn packages(&self) -> impl Iterator<Item = usize> {
        std::iter::once(self.package).chain(self.with_it.iter().copied())
    }

    /// Every entry of these packages.
    pub(crate) fn entries(&self, resolution: &Resolution<'_>) -> Vec<EntryId> {
        self.packages().flat_map(|position| resolution.packages.get(position).entries(&resolution.tree)).collect()
    }
}

/// What needs a package: another package, by its position, or anything else (`None`).
type Holder = Option<usize>;

/// The packages that nothing kept needs, sorted by name. Packages that come with every installation of their language are
/// left alone, and so are those that `--keep` or a run pins.
pub(crate) fn unneeded(resolution: &Resolution<'_>, pruning: &Pruning) -> Vec<Unneeded> {
    let packages = &resolution.packages;
    let can_go = can_go(resolution, pruning);
    let held_by = holders(resolution, pruning);
    let needs = needs(&held_by);
    let mut found: Vec<Unneeded> = Vec::new();
    let mut in_cycle: BTreeSet<usize> = BTreeSet::new();
    for package in (0..packages.all.len()).filter(|position| can_go[*position]) {
        if in_cycle.contains(&package) || held_by[package].contains(&None) {
            continue;
        }
        let set = retained(&BTreeSet::from([package]), &needs, &held_by, &can_go);
        if !held_by[package].iter().flatten().all(|holder| set.contains(holder)) {
            continue;
        }
        if !held_by[package].is_empty() {
            in_cycle.extend(&set);
        }
        let name = &packages.get(package).name;
        let of_language = packages.get(package).language;
        let option_of = packages.all.iter().enumerate().filter(|(position, other)| {
            let kept = pruning.keeps(other.entry) && !set.contains(position) && !is_standard(other);
            kept && other.language == of_language && other.suggests.contains(name)
        });
        let option_of = option_of.map(|(position, _)| position).collect();
        let with_it = set.into_iter().filter(|position| *position != package).collect();
        found.push(Unneeded { package, with_it, option_of });
    }
    found
}

/// The packages that only these need, directly or through others; not these themselves. What comes with every installation of a
/// language stays, and so does what `--keep` or a run pins.
pub(crate) fn needed_only_by(
    resolution: &Resolution<'_>,
    pruning: &Pruning,
    packages: &BTreeSet<usize>,
) -> BTreeSet<usize> {
    let held_by = holders(resolution, pruning);
    let retained = retained(packages, &needs(&held_by), &held_by, &can_go(resolution, pruning));
    retained.difference(packages).copied().collect()
}

/// Packages, and those that only they need, by trial deletion: everything that they reach, without what something else holds.
fn retained(
    packages: &BTreeSet<usize>,
    needs: &BTreeMap<usize, Vec<usize>>,
    held_by: &[BTreeSet<Holder>],
    can_go: &[bool],
) -> BTreeSet<usize> {
    let mut set = packages.clone();
    let mut queue: Vec<usize> = packages.iter().copied().collect();
    while let Some(from) = queue.pop() {
        for to in needs.get(&from).into_iter().flatten() {
            if can_go[*to] && set.insert(*to) {
                queue.push(*to);
            }
        }
    }
    loop {
        let is_held = |position: &usize| {
            let mut holders = held_by[*position].iter();
            !packages.contains(position) && holders.any(|holder| holder.is_none_or(|holder| !set.contains(&holder)))
        };
        let held: Vec<usize> = set.iter().copied().filter(is_held).collect();
        if held.is_empty() {
            return set;
        }
        for position in &held {
            set.remove(position);
        }
    }
}

/// Whether each package can be dropped without being named.
fn can_go(resolution: &Resolution<'_>, pruning: &Pruning) -> Vec<bool> {
    let packages = &resolution.packages;
    let can_go = |position: usize| {
        let package = packages.get(position);
        let mut entries = package.entries(&resolution.tree);
        pruning.keeps(package.entry) && !is_standard(package) && !entries.any(|id| pruning.is_pinned(id))
    };
    (0..packages.all.len()).map(can_go).collect()
}

/// What each package needs, given what needs each.
fn needs(held_by: &[BTreeSet<Holder>]) -> BTreeMap<usize, Vec<usize>> {
    let mut needs: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (needed, holders) in held_by.iter().enumerate() {
        for holder in holders.iter().flatten() {
            needs.entry(*holder).or_default().push(needed);
        }
    }
    needs
}

/// What needs each package, or a file of it. A link to a file of a package does not need it: it is removed with the file.
fn holders(resolution: &Resolution<'_>, pruning: &Pruning) -> Vec<BTreeSet<Holder>> {
    let (tree, packages) = (&resolution.tree, &resolution.packages);
    let of_entry = |id: &EntryId| packages.of_path(tree.path(*id));
    let mut held_by: Vec<BTreeSet<Holder>> = vec![BTreeSet::new(); packages.all.len()];
    for from in resolution.graph.nodes() {
        let holder: Holder = match from {
            Node::Runtime(_) => None,
            Node::Package(position) if pruning.keeps(packages.get(*position).entry) => Some(*position),
            Node::Entry(id) if !tree.is_hidden(*id) && pruning.keeps(*id) => of_entry(id),
            _ => continue,
        };
        for (to, need) in resolution.graph.needs(from) {
            let needed = match to {
                Node::Package(position) => Some(*position),
                Node::Entry(id) if need != Need::LinksTo => of_entry(id),
                _ => None,
            };
            if let Some(needed) = needed.filter(|needed| holder != Some(*needed)) {
                held_by[needed].insert(holder);
            }
        }
    }
    held_by
}

/// Whether a package is one that every installation of its language has.
fn is_standard(package: &Package) -> bool {
    language(package.language).needs().standard.base.contains(&package.name)
}
