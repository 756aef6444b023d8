//! The graph: files, packages and what they need, with the languages and the commands as roots.
//!
//! A path in it answers "why is it kept"; whether something kept reaches a node answers "can it be dropped".

use std::collections::BTreeMap;

use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::EdgeRef;

use crate::languages::LanguageId;
use crate::tree::EntryId;

/// Something that needs or is needed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Node {
    /// An installed language: what its sessions need before any code of the function runs.
    Runtime(LanguageId),
    /// A file or link of the tree.
    Entry(EntryId),
    /// An installed package: its position in [`crate::languages::Packages::all`].
    Package(usize),
    /// A library of the image.
    Image(String),
    /// A missing library.
    Missing(String),
}

/// Why one thing needs another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// The loader maps the one with the other (`DT_NEEDED`).
    Loads,
    /// A package, or a session of a language, and a package that it requires; or code, and a file that it loads.
    Imports,
    /// A link and its target.
    LinksTo,
    /// A script, and its interpreter or what it runs.
    Runs,
    /// A library, program, package or language and the data that it opens, or a configuration file and what it names.
    Opens,
    /// A package and the files read to load it, or a language and the files that a session reads.
    Contains,
    /// A file, and a library that it needs and that the loader does not find where it is, or under its name.
    Lacks,
}

/// What needs what.
#[derive(Debug, Default)]
pub struct Graph {
    inner: DiGraph<Node, Need>,
    index: BTreeMap<Node, NodeIndex>,
}

impl Graph {
    /// Adds a node if it is new.
    pub fn node(&mut self, node: Node) -> NodeIndex {
        if let Some(index) = self.index.get(&node) {
            return *index;
        }
        let index = self.inner.add_node(node.clone());
        self.index.insert(node, index);
        index
    }

    /// Adds an edge: `from` needs `to`.
    pub fn add(&mut self, from: Node, need: Need, to: Node) {
        let (from, to) = (self.node(from), self.node(to));
        if from != to {
            self.inner.update_edge(from, to, need);
        }
    }

    /// Whether `node` needs something, or is needed.
    pub fn contains(&self, node: &Node) -> bool {
        self.index.contains_key(node)
    }

    /// What `node` needs directly, and why, sorted.
    pub fn needs(&self, node: &Node) -> Vec<(&Node, Need)> {
        let Some(index) = self.index.get(node) else { return Vec::new() };
        let mut needs: Vec<_> =
            self.inner.edges(*index).map(|edge| (&self.inner[edge.target()], *edge.weight())).collect();
        needs.sort_by(|a, b| a.0.cmp(b.0));
        needs
    }

    /// What needs `node` directly, and why, sorted.
    pub fn needed_by(&self, node: &Node) -> Vec<(&Node, Need)> {
        let Some(index) = self.index.get(node) else { return Vec::new() };
        let edges = self.inner.edges_directed(*index, petgraph::Direction::Incoming);
        let mut needed_by: Vec<_> = edges.map(|edge| (&self.inner[edge.source()], *edge.weight())).collect();
        needed_by.sort_by(|a, b| a.0.cmp(b.0));
        needed_by
    }

    /// Whether nothing but code that loads it needs a file.
    pub fn is_only_imported(&self, file: &Node) -> bool {
        let needed_by = self.needed_by(file);
        let is_by_code = |(from, need): &(&Node, Need)| matches!(from, Node::Entry(_)) && *need == Need::Imports;
        !needed_by.is_empty() && needed_by.iter().all(is_by_code)
    }

    /// Every node, sorted.
    pub fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.index.keys()
    }

    /// Everything that `start` reaches, `start` included, each with what it was first reached from (breadth first).
    pub fn reach(&self, start: impl IntoIterator<Item = Node>) -> BTreeMap<Node, Option<Node>> {
        self.reach_through(start, |_| true)
    }

    /// As [`Self::reach`], but only through the nodes that satisfy `passes`.
    pub fn reach_through(
        &self,
        start: impl IntoIterator<Item = Node>,
        passes: impl Fn(&Node) -> bool,
    ) -> BTreeMap<Node, Option<Node>> {
        let mut reached: BTreeMap<Node, Option<Node>> = start.into_iter().map(|node| (node, None)).collect();
        let mut queue: std::collections::VecDeque<Node> = reached.keys().cloned().collect();
        while let Some(node) = queue.pop_front() {
            for (next, _) in self.needs(&node) {
                if passes(next) && !reached.contains_key(next) {
                    reached.insert(next.clone(), Some(node.clone()));
                    queue.push_back(next.clone());
                }
            }
        }
        reached
    }
}
