//! Retention: what keeps what in the layers, and so what is removed when something is dropped.
//!
//! Most files are kept unconditionally. Three kinds are kept only while something kept needs them: libraries that are only
//! loaded as a dependency, data that only libraries and programs open, and files that match a rule but were kept by the guard. What needs them is in the graph. When
//! something is dropped, only what is reachable from it can lose its last holder. The algorithm is trial deletion (Bacon
//! and Rajan, "Concurrent Cycle Collection in Reference Counted Systems", 2001): everything reachable is a suspect, and
//! suspects that something outside still holds are cleared, with what they hold in turn. So cycles of libraries are handled,
//! and the cost is proportional to the reachable part. What a file that stays holds is not a suspect, and nor is what is only
//! reachable through it: so packages do not lead to all packages that they need. For one library the result is what it dominates in
//! the graph.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::Pruning;
use crate::languages::ALL;
use crate::resolve::{Node, Resolution};
use crate::tree::{EntryId, Kind, Place, Tree};

/// What is removed when something is dropped; each list is sorted by path.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Removal {
    /// What was to be dropped, with the links that lead to it.
    pub dropped: Vec<EntryId>,
    /// Libraries and data that nothing kept needs any more, with the links to them, and links to directories of which nothing
    /// is left.
    pub with_it: Vec<EntryId>,
    /// Files that match a rule, and were only kept because something needed them that is removed now.
    pub released: Vec<EntryId>,
}

impl Removal {
    /// Everything that is removed.
    pub fn all(&self) -> impl Iterator<Item = EntryId> {
        self.dropped.iter().chain(&self.with_it).chain(&self.released).copied()
    }
}

/// How long something is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum KeepWhile {
    /// As long as it is not dropped.
    Always,
    /// As long as anything that holds it is kept.
    AnyHolder,
    /// As long as everything that holds it is kept.
    AllHolders,
}

/// The state of a node while a removal is worked out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// It is not affected.
    Untouched,
    /// It is dropped, or removed because of that.
    Removed,
    /// It is reachable from what is removed, so it could lose its last holder.
    Suspect,
    /// Something that is not removed holds it.
    Cleared,
}

/// A link to a directory, the positions of the entries in that directory, and how many of them are packed.
struct Folder {
    link: usize,
    below: Range<usize>,
    packed: usize,
}

/// The neighbours of each node, all in one list: most nodes have none, and there can be a million.
#[derive(Default)]
struct Neighbours {
    /// Where in `all` the neighbours of each node start; one more at the end.
    starts: Vec<u32>,
    all: Vec<u32>,
}

impl Neighbours {
    /// Those of so many nodes by these edges, which are sorted.
    fn new(nodes: usize, edges: &[(u32, u32)]) -> Self {
        let starts = (0..=nodes).map(|node| edges.partition_point(|(from, _)| (*from as usize) < node));
        Self { starts: starts.map(narrow).collect(), all: edges.iter().map(|(_, to)| *to).collect() }
    }

    fn of(&self, node: usize) -> impl Iterator<Item = usize> + use<'_> {
        self.all[self.starts[node] as usize..self.starts[node + 1] as usize].iter().map(|to| *to as usize)
    }

    fn count(&self, node: usize) -> usize {
        (self.starts[node + 1] - self.starts[node]) as usize
    }

    fn nth(&self, node: usize, position: usize) -> usize {
        self.all[self.starts[node] as usize + position] as usize
    }
}

#[expect(clippy::cast_possible_truncation, reason = "nodes are entries, whose ids are as wide, and few others")]
fn narrow(node: usize) -> u32 {
    node as u32
}

/// What keeps what. Nodes are the entries of the tree, by position; after them the packages, the languages, and one node for
/// each rule and package whose drop the guard reverted as a whole.
pub struct Retention {
    ids: Vec<EntryId>,
    /// The entries that are in layers.
    packed: Vec<bool>,
    /// The entries that `--keep` names, which are never removed.
    pinned: Vec<bool>,
    /// The entries that match a rule and are kept by the guard.
    guarded: Vec<bool>,
    /// The libraries that are only loaded as a dependency, and the links to them; and the data that only libraries and programs
    /// open.
    libraries: Vec<bool>,
    keep: Vec<KeepWhile>,
    keeps: Neighbours,
    held_by: Neighbours,
    /// Whether a node holds what it needs: it is kept unconditionally, or something alive holds it.
    alive: Vec<bool>,
    /// The package whose DESCRIPTION an entry is.
    describes: BTreeMap<usize, usize>,
    /// The links that point to an entry, directly or through other links.
    links: BTreeMap<usize, Vec<usize>>,
    folders: Vec<Folder>,
    state: Vec<State>,
    touched: Vec<usize>,
}

impl Retention {
    /// What keeps what in a tree that is pruned like this.
    pub fn new(resolution: &Resolution<'_>, pruning: &Pruning) -> Self {
        let tree = &resolution.tree;
        let entries = tree.entries().len();
        let is_empty = |id: EntryId| tree.below(tree.path(id)).next().is_none();
        let kept = |id: EntryId| !tree.is_hidden(id) && pruning.keeps(id);
        let of_each = |holds: &dyn Fn(EntryId) -> bool| tree.all().map(|(id, _)| holds(id)).collect::<Vec<bool>>();
        let mut retention = Self {
            ids: tree.all().map(|(id, _)| id).collect(),
            packed: of_each(&|id| kept(id) && (!tree.entry(id).is_directory() || is_empty(id))),
            pinned: of_each(&|id| pruning.is_pinned(id)),
            guarded: of_each(&|id| kept(id) && pruning.matching(id).next().is_some()),
            libraries: of_each(&|id| resolution.is_library(id) || resolution.is_data(id)),
            keep: vec![KeepWhile::Always; entries + resolution.packages.all.len() + ALL.len()],
            keeps: Neighbours::default(),
            held_by: Neighbours::default(),
            alive: Vec::new(),
            describes: BTreeMap::new(),
            links: BTreeMap::new(),
            folders: Vec::new(),
            state: Vec::new(),
            touched: Vec::new(),
        };
        retention.add_links(tree);
        retention.add_needs(resolution, pruning);
        retention.find_alive();
        // A library that nothing needs is kept all the same, so it holds what it needs, and so is data. A link to one holds
        // nothing.
        let only_held = |id: EntryId| resolution.is_library(id) || resolution.is_data(id);
        for (id, _) in tree.iter().filter(|(id, entry)| entry.is_file() && only_held(*id)) {
            let at = id.index();
            if retention.packed[at] && !retention.guarded[at] && !retention.alive[at] {
                retention.keep[at] = KeepWhile::Always;
            }
        }
        retention.find_alive();
        retention.state = vec![State::Untouched; retention.keep.len()];
        retention
    }

    fn add_links(&mut self, tree: &Tree) {
        for (id, entry) in tree.iter().filter(|(id, _)| self.packed[id.index()]) {
            if !matches!(entry.kind, Kind::Link { .. }) {
                continue;
            }
            let target = match tree.follow(id) {
                Place::Inside(target) => Some(target),
                _ => None,
            };
            for to in tree.next_hop(id).into_iter().chain(target).filter(|to| self.packed[to.index()]) {
                let links = self.links.entry(to.index()).or_default();
                if !links.contains(&id.index()) {
                    links.push(id.index());
                }
            }
            let Some(directory) = target.filter(|target| tree.entry(*target).is_directory()) else { continue };
            let below: Vec<usize> = tree.below(tree.path(directory)).map(|(id, _)| id.index()).collect();
            let packed = below.iter().filter(|at| self.packed[**at]).count();
            if let (Some(first), Some(last), 1..) = (below.first(), below.last(), packed) {
                self.folders.push(Folder { link: id.index(), below: *first..*last + 1, packed });
            }
        }
    }

    fn add_needs(&mut self, resolution: &Resolution<'_>, pruning: &Pruning) {
        let entries = self.ids.len();
        let packages = &resolution.packages.all;
        let languages = entries + packages.len();
        let wholes_from = languages + ALL.len();
        let mut edges: Vec<(usize, usize)> = Vec::new();
        for (position, package) in packages.iter().enumerate().filter(|(_, p)| self.packed[p.entry.index()]) {
            self.keep[entries + position] = KeepWhile::AnyHolder;
            self.describes.insert(package.entry.index(), entries + position);
            edges.push((package.entry.index(), entries + position));
        }
        // The files of a package that the guard kept from a rule are kept or removed as a whole.
        let mut wholes: BTreeMap<(usize, usize), usize> = BTreeMap::new();
        let mut parts_of: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for at in (0..entries).filter(|at| self.packed[*at] && !self.pinned[*at]) {
            let id = self.ids[at];
            if self.guarded[at] {
                let Some(package) = resolution.packages.of_path(resolution.tree.path(id)) else {
                    self.keep[at] = KeepWhile::AnyHolder;
                    continue;
                };
                self.keep[at] = KeepWhile::AllHolders;
                for rule in pruning.matches.of(at) {
                    let next = wholes_from + wholes.len();
                    let whole = *wholes.entry((*rule, package)).or_insert(next);
                    parts_of.entry(at).or_default().push(whole);
                    edges.push((whole, at));
                }
            } else if self.libraries[at] {
                self.keep[at] = KeepWhile::AnyHolder;
            }
        }
        self.keep.resize(wholes_from + wholes.len(), KeepWhile::AnyHolder);

        let position = |node: &Node| match node {
            Node::Runtime(id) => ALL.iter().position(|language| language.id() == *id).map(|at| languages + at),
            Node::Entry(id) => Some(id.index()).filter(|at| self.packed[*at]),
            Node::Package(p) => Some(entries + p).filter(|_| self.packed[packages[*p].entry.index()]),
            Node::Image(_) | Node::Missing(_) => None,
        };
        for from in resolution.graph.nodes() {
            let Some(at) = position(from) else { continue };
            for to in resolution.graph.needs(from).into_iter().filter_map(|(to, _)| position(to)) {
                match self.keep[to] {
                    KeepWhile::Always => {}
                    KeepWhile::AnyHolder => edges.push((at, to)),
                    KeepWhile::AllHolders => edges.extend(parts_of[&to].iter().map(|whole| (at, *whole))),
                }
            }
        }
        self.connect(edges);
    }

    /// Sets what keeps what.
    fn connect(&mut self, edges: Vec<(usize, usize)>) {
        let mut edges: Vec<(u32, u32)> = edges.into_iter().map(|(from, to)| (narrow(from), narrow(to))).collect();
        edges.sort_unstable();
        edges.dedup();
        self.keeps = Neighbours::new(self.keep.len(), &edges);
        for (from, to) in &mut edges {
            std::mem::swap(from, to);
        }
        edges.sort_unstable();
        self.held_by = Neighbours::new(self.keep.len(), &edges);
    }

    /// Finds what is alive, starting from what is kept unconditionally.
    fn find_alive(&mut self) {
        let entries = self.ids.len();
        let unconditional = |at: usize| self.keep[at] == KeepWhile::Always && (at >= entries || self.packed[at]);
        let mut alive: Vec<bool> = (0..self.keep.len()).map(unconditional).collect();
        let mut queue: Vec<usize> = (0..alive.len()).filter(|at| alive[*at]).collect();
        while let Some(from) = queue.pop() {
            for to in self.keeps.of(from) {
                if !alive[to] && self.is_held(to, |by| alive[by]) {
                    alive[to] = true;
                    queue.push(to);
                }
            }
        }
        self.alive = alive;
    }

    fn is_held(&self, at: usize, by: impl Fn(usize) -> bool) -> bool {
        let mut held_by = self.held_by.of(at);
        match self.keep[at] {
            KeepWhile::Always => true,
            KeepWhile::AnyHolder => held_by.any(by),
            KeepWhile::AllHolders => held_by.all(by),
        }
    }

    /// What is removed when these entries are dropped together. What is not packed, or is pinned, is not removed.
    pub fn drop(&mut self, entries: impl IntoIterator<Item = EntryId>) -> Removal {
        let mut dropped: Vec<usize> = Vec::new();
        for id in entries {
            self.remove(id.index(), &mut dropped);
        }
        let lost = self.lost();
        let (released, libraries): (BTreeSet<usize>, BTreeSet<usize>) =
            lost.into_iter().partition(|at| self.guarded[*at]);
        let mut others = Vec::new();
        for at in libraries.iter().chain(&released) {
            self.remove(*at, &mut others);
        }
        self.remove_links_to_nothing(&dropped, &mut others);
        let with_it = others.into_iter().filter(|at| !released.contains(at)).collect();
        for at in self.touched.drain(..) {
            self.state[at] = State::Untouched;
        }
        let ids = |mut positions: Vec<usize>| {
            positions.sort_unstable();
            positions.into_iter().map(|at| self.ids[at]).collect()
        };
        Removal { dropped: ids(dropped), with_it: ids(with_it), released: ids(released.into_iter().collect()) }
    }

    fn set(&mut self, at: usize, state: State) {
        if self.state[at] == State::Untouched {
            self.touched.push(at);
        }
        self.state[at] = state;
    }

    /// Removes an entry and every link that would dangle without it.
    fn remove(&mut self, at: usize, removed: &mut Vec<usize>) {
        // Most entries have no links to them, and there can be a million.
        let (mut next, mut queue) = (Some(at), Vec::new());
        while let Some(at) = next.take().or_else(|| queue.pop()) {
            if !self.packed[at] || self.pinned[at] || self.state[at] == State::Removed {
                continue;
            }
            self.set(at, State::Removed);
            removed.push(at);
            if let Some(package) = self.describes.get(&at) {
                self.set(*package, State::Removed);
            }
            queue.extend(self.links.get(&at).into_iter().flatten());
        }
    }

    /// Whether something that is kept until it is dropped, and is not dropped, holds a node for certain.
    fn is_held_by_what_stays(&self, at: usize) -> bool {
        let stays =
            |by: usize| self.keep[by] == KeepWhile::Always && self.alive[by] && self.state[by] != State::Removed;
        self.keep[at] == KeepWhile::AnyHolder && self.held_by.of(at).any(stays)
    }

    /// The entries that nothing holds any more without what is removed.
    fn lost(&mut self) -> Vec<usize> {
        let mut next = 0;
        while let Some(from) = self.touched.get(next).copied() {
            next += 1;
            for position in 0..self.keeps.count(from) {
                let to = self.keeps.nth(from, position);
                let can_be_lost = self.alive[to] && self.keep[to] != KeepWhile::Always;
                if can_be_lost && self.state[to] == State::Untouched && !self.is_held_by_what_stays(to) {
                    self.set(to, State::Suspect);
                }
            }
        }
        let suspects: Vec<usize> =
            self.touched.iter().copied().filter(|at| self.state[*at] == State::Suspect).collect();
        let mut queue = suspects.clone();
        while let Some(at) = queue.pop() {
            let stays = |by: usize| match self.state[by] {
                State::Untouched => self.alive[by],
                State::Cleared => true,
                State::Removed | State::Suspect => false,
            };
            if self.state[at] == State::Suspect && self.is_held(at, stays) {
                self.state[at] = State::Cleared;
                queue.extend(self.keeps.of(at));
            }
        }
        let entries = self.ids.len();
        let is_lost = |at: &usize| {
            let removable = *at < entries && (self.libraries[*at] || self.guarded[*at]);
            removable && self.state[*at] == State::Suspect
        };
        suspects.into_iter().filter(is_lost).collect()
    }

    /// Removes the links to directories of which nothing is left, and the links to those.
    fn remove_links_to_nothing(&mut self, dropped: &[usize], others: &mut Vec<usize>) {
        loop {
            if self.folders.is_empty() {
                return;
            }
            let before = others.len();
            let mut removed: Vec<usize> = dropped.iter().chain(&*others).copied().collect();
            removed.sort_unstable();
            for number in 0..self.folders.len() {
                let Folder { link, below, packed } = &self.folders[number];
                let first = removed.partition_point(|at| *at < below.start);
                let end = removed.partition_point(|at| *at < below.end);
                if end - first == *packed {
                    self.remove(*link, others);
                }
            }
            if others.len() == before {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use petgraph::algo::dominators::simple_fast;
    use petgraph::graph::DiGraph;

    use super::*;

    /// Libraries that need each other, and a few programs that need some of them.
    fn world(ids: &[EntryId], programs: usize, edges: &[(usize, usize)]) -> Retention {
        let nodes = ids.len();
        let mut retention = Retention {
            ids: ids.to_vec(),
            packed: vec![true; nodes],
            pinned: vec![false; nodes],
            guarded: vec![false; nodes],
            libraries: (0..nodes).map(|at| at >= programs).collect(),
            keep: (0..nodes).map(|at| if at < programs { KeepWhile::Always } else { KeepWhile::AnyHolder }).collect(),
            keeps: Neighbours::default(),
            held_by: Neighbours::default(),
            alive: Vec::new(),
            describes: BTreeMap::new(),
            links: BTreeMap::new(),
            folders: Vec::new(),
            state: vec![State::Untouched; nodes],
            touched: Vec::new(),
        };
        retention.connect(edges.to_vec());
        retention.find_alive();
        retention
    }

    fn ids<const NODES: usize>() -> Vec<EntryId> {
        let directory = tempfile::tempdir().expect("a directory");
        for name in 10..10 + NODES {
            std::fs::write(directory.path().join(name.to_string()), "").expect("written");
        }
        let (tree, _) = crate::tree::scan_directory(directory.path()).expect("read");
        tree.iter().map(|(id, _)| id).collect()
    }

    #[test]
    fn what_a_file_holds_is_not_looked_beyond() {
        const NODES: usize = 40;
        // Each program holds a library, and each library all that follow it, as package.json does its package.
        let (ids, programs) = (ids::<NODES>(), NODES / 2);
        let own = (0..programs).map(|at| (at, programs + at));
        let next = (programs..NODES).flat_map(|from| (from + 1..NODES).map(move |to| (from, to)));
        let mut retention = world(&ids, programs, &own.chain(next).collect::<Vec<_>>());
        retention.remove(0, &mut Vec::new());
        assert_eq!(retention.lost(), [programs]);
        assert_eq!(retention.touched, [0, programs]);
    }

    #[test]
    fn what_is_removed_with_a_library_is_what_it_dominates() {
        const NODES: usize = 40;
        let ids = ids::<NODES>();
        let mut state = 1_u64;
        let mut random = move |below: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            usize::try_from(state >> 33).expect("31 bits") % below
        };
        for round in 0..200 {
            let programs = 1 + random(6);
            // From a few edges, where much hangs on one, to many, with circles.
            let count = NODES + random(NODES * 2);
            let edges: BTreeSet<(usize, usize)> = (0..count)
                .map(|_| (random(NODES), programs + random(NODES - programs)))
                .filter(|(from, to)| from != to)
                .collect();
            let edges: Vec<(usize, usize)> = edges.into_iter().collect();
            let mut graph = DiGraph::<(), ()>::new();
            let nodes: Vec<_> = (0..=NODES).map(|_| graph.add_node(())).collect();
            for program in 0..programs {
                graph.add_edge(nodes[NODES], nodes[program], ());
            }
            for (from, to) in &edges {
                graph.add_edge(nodes[*from], nodes[*to], ());
            }
            let dominators = simple_fast(&graph, nodes[NODES]);
            let mut retention = world(&ids, programs, &edges);
            for at in 0..NODES {
                let dominated: Vec<EntryId> = (0..NODES)
                    .filter(|other| *other != at)
                    .filter(|other| {
                        dominators.dominators(nodes[*other]).is_some_and(|mut above| above.any(|n| n == nodes[at]))
                    })
                    .map(|other| ids[other])
                    .collect();
                let removal = retention.drop([ids[at]]);
                assert_eq!((removal.dropped, removal.with_it), (vec![ids[at]], dominated), "round {round}, node {at}");
            }
        }
    }
}
