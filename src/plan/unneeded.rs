//! Unneeded: packages that nothing in the tree needs, each with the packages that only it needs. The function's own code may
//! use them, which is not known without `--handler`.
//!
//! As what an object retains in a heap profiler: what is reachable from a package and from nothing else. Cycles of packages are
//! retained as a whole.

use std::collections::{BTreeMap, BTreeSet};

use petgraph::algo::tarjan_scc;
use petgraph::graph::{DiGraph, NodeIndex};

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
    for package in unheld(&held_by, &can_go) {
        let set = retained(&BTreeSet::from([package]), &needs, &held_by, &can_go);
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

/// The packages that nothing needs, or only what they need themselves: of such a cycle, the first. Sorted.
fn unheld(held_by: &[BTreeSet<Holder>], can_go: &[bool]) -> Vec<usize> {
    let mut graph = DiGraph::<(), ()>::new();
    let nodes: Vec<NodeIndex> = held_by.iter().map(|_| graph.add_node(())).collect();
    for (needed, holders) in held_by.iter().enumerate() {
        for holder in holders.iter().flatten() {
            graph.add_edge(nodes[*holder], nodes[needed], ());
        }
    }
    let is_unheld = |cycle: &BTreeSet<usize>| {
        let inside = |holder: &Holder| holder.is_some_and(|holder| cycle.contains(&holder));
        cycle.iter().all(|package| can_go[*package] && held_by[*package].iter().all(inside))
    };
    let cycles = tarjan_scc(&graph).into_iter().map(|cycle| cycle.into_iter().map(NodeIndex::index).collect());
    let mut found: Vec<usize> = cycles.filter(is_unheld).filter_map(|cycle| cycle.first().copied()).collect();
    found.sort_unstable();
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
    let is_held = |position: usize, set: &BTreeSet<usize>| {
        let mut holders = held_by[position].iter();
        !packages.contains(&position) && holders.any(|holder| holder.is_none_or(|holder| !set.contains(&holder)))
    };
    let mut left: Vec<usize> = set.iter().copied().filter(|position| is_held(*position, &set)).collect();
    while let Some(position) = left.pop() {
        // What it needs is held as well now, by something that is not in the set.
        if set.remove(&position) {
            let needed = needs.get(&position).into_iter().flatten().copied();
            left.extend(needed.filter(|needed| set.contains(needed) && is_held(*needed, &set)));
        }
    }
    set
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_unheld_is_held_by_what_it_retains_alone() {
        let mut state = 1_u64;
        let mut random = move |below: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            usize::try_from(state >> 33).expect("31 bits") % below
        };
        let mut cycles = 0;
        for round in 0..500 {
            let count = 1 + random(12);
            let mut held_by: Vec<BTreeSet<Holder>> = vec![BTreeSet::new(); count];
            for _ in 0..random(2 * count) {
                let (holder, needed) = (random(count), random(count));
                if holder != needed {
                    held_by[needed].insert(Some(holder));
                }
            }
            if round % 3 == 0 {
                held_by[random(count)].insert(None);
            }
            let can_go: Vec<bool> = (0..count).map(|_| random(8) > 0).collect();
            let needs = needs(&held_by);
            let mut expected: Vec<usize> = Vec::new();
            let mut known: BTreeSet<usize> = BTreeSet::new();
            for package in (0..count).filter(|package| can_go[*package]) {
                let set = retained(&BTreeSet::from([package]), &needs, &held_by, &can_go);
                if !known.contains(&package) && held_by[package].iter().all(|by| by.is_some_and(|by| set.contains(&by)))
                {
                    cycles += usize::from(!held_by[package].is_empty());
                    expected.push(package);
                    known.extend(set);
                }
            }
            assert_eq!(unheld(&held_by, &can_go), expected, "round {round}: {held_by:?} {can_go:?}");
        }
        assert!(cycles > 10, "{cycles}");
    }
}
