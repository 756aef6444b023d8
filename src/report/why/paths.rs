//! Dependency paths from a root to something that is kept. Roots are languages, handlers, Lambda (which starts the bootstrap
//! and the extensions), being installed (for packages), and being in the tree (for files that are not libraries).

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::languages::{LanguageId, language};
use crate::plan::Analysis;
use crate::prune::Pruning;
use crate::resolve::{Need, Node};
use crate::tree::{EntryId, Kind};

/// How many unfinished paths are extended before the search for more stops. It bounds the time; the shortest are found first.
const MAX_TRIED: usize = 50_000;

/// Where a path begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Root {
    Runtime(LanguageId),
    Handler,
    Lambda,
    Installed,
    InTree,
}

/// The root of packages that are kept because they are installed.
pub(super) const INSTALLED: &str = "installed";
/// The root of files that are kept because no rule drops them.
pub(super) const IN_TREE: &str = "in the tree";

impl Root {
    pub(super) fn name(self) -> String {
        match self {
            Root::Runtime(id) => language(id).name().to_owned(),
            Root::Handler => "handler".to_owned(),
            Root::Lambda => "Lambda".to_owned(),
            Root::Installed => INSTALLED.to_owned(),
            Root::InTree => IN_TREE.to_owned(),
        }
    }
}

/// A step: a node, and how the one before leads to it.
pub(super) type Step = (Node, &'static str);

/// A path from a root.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct DependencyPath {
    pub(super) root: Root,
    pub(super) steps: Vec<Step>,
}

/// What can be before something on a path.
enum Before {
    Root(Root),
    Node(Node),
}

/// The dependency paths through what is kept.
pub(super) struct Paths<'a> {
    analysis: &'a Analysis<'a>,
    pruning: &'a Pruning,
    unloaded: BTreeSet<EntryId>,
}

impl<'a> Paths<'a> {
    pub(super) fn new(analysis: &'a Analysis<'a>, pruning: &'a Pruning) -> Self {
        let kept = |id| pruning.keeps(id);
        let unloaded = analysis.resolution.unloaded(kept);
        Self { analysis, pruning, unloaded: unloaded.into_iter().map(|library| library.entry).collect() }
    }

    /// Whether a library is kept although nothing loads it.
    pub(super) fn is_unloaded(&self, id: EntryId) -> bool {
        self.unloaded.contains(&id)
    }

    /// The shortest path to one of these; of several, the one with the first root. With `needed`, only a path on which
    /// something needs the target counts.
    pub(super) fn shortest(&self, targets: &BTreeSet<Node>, needed: bool) -> Option<DependencyPath> {
        let start = |node: &Node| (node.clone(), Vec::new());
        let mut level: BTreeMap<Node, Vec<Step>> = targets.iter().map(start).collect();
        let mut seen = targets.clone();
        while !level.is_empty() {
            let mut ends: Vec<DependencyPath> = Vec::new();
            let mut next: BTreeMap<Node, Vec<Step>> = BTreeMap::new();
            for (node, after) in &level {
                let by_place = !(needed && targets.contains(node));
                for (before, how) in self.before(node, by_place) {
                    let steps = [(node.clone(), how)].into_iter().chain(after.iter().cloned()).collect();
                    match before {
                        Before::Root(root) => ends.push(DependencyPath { root, steps }),
                        Before::Node(before) if seen.contains(&before) => {}
                        Before::Node(before) => {
                            next.entry(before).or_insert(steps);
                        }
                    }
                }
            }
            if let Some(path) = ends.into_iter().min() {
                return Some(path);
            }
            seen.extend(next.keys().cloned());
            level = next;
        }
        None
    }

    /// Every simple path to one of these, the shortest first, and whether there are more than `most`. Paths lead to a package
    /// on the way by its shortest path only: what else imports that package does not explain the target.
    pub(super) fn all(&self, targets: &BTreeSet<Node>, most: usize) -> (Vec<DependencyPath>, bool) {
        let mut found: Vec<DependencyPath> = Vec::new();
        let mut queue: VecDeque<(Node, Vec<Step>)> = targets.iter().map(|node| (node.clone(), Vec::new())).collect();
        let mut to_package: BTreeMap<Node, Option<DependencyPath>> = BTreeMap::new();
        let mut left = MAX_TRIED;
        while let Some((node, after)) = queue.pop_front() {
            for (before, how) in self.before(&node, true) {
                let steps: Vec<Step> = [(node.clone(), how)].into_iter().chain(after.iter().cloned()).collect();
                let is_on_path = |node: &Node| targets.contains(node) || steps.iter().any(|(step, _)| step == node);
                match before {
                    Before::Root(root) => found.push(DependencyPath { root, steps }),
                    Before::Node(before) if is_on_path(&before) => {}
                    Before::Node(before @ Node::Package(_)) => {
                        let only = BTreeSet::from([before.clone()]);
                        let path = to_package.entry(before).or_insert_with(|| self.shortest(&only, false));
                        if let Some(path) =
                            path.as_ref().filter(|path| !path.steps.iter().any(|(step, _)| is_on_path(step)))
                        {
                            found.push(DependencyPath {
                                root: path.root,
                                steps: path.steps.iter().cloned().chain(steps).collect(),
                            });
                        }
                    }
                    Before::Node(before) => {
                        let Some(fewer) = left.checked_sub(1) else { return (shortest_of(found, most), true) };
                        left = fewer;
                        queue.push_back((before, steps));
                    }
                }
            }
        }
        let more = found.len() > most;
        (shortest_of(found, most), more)
    }

    /// What leads to something directly, and how; with `by_place`, also what keeps it without needing it.
    fn before(&self, node: &Node, by_place: bool) -> Vec<(Before, &'static str)> {
        let resolution = &self.analysis.resolution;
        let kept = |node: &Node| match node {
            Node::Runtime(_) => true,
            Node::Entry(id) => self.pruning.keeps(*id),
            Node::Package(position) => self.pruning.keeps(resolution.packages.get(*position).entry),
            Node::Image(_) | Node::Missing(_) => false,
        };
        let mut before = Vec::new();
        for (from, need) in resolution.graph.needed_by(node).into_iter().filter(|(from, _)| kept(from)) {
            match from {
                Node::Runtime(id) => before.push((Before::Root(Root::Runtime(*id)), how(need))),
                // A link that nothing opens does not keep its library.
                Node::Entry(id) if need == Need::LinksTo && self.is_unloaded(*id) => {}
                _ => before.push((Before::Node(from.clone()), how(need))),
            }
        }
        match node {
            Node::Package(position) => {
                before.extend(self.because_it_is_called(*position));
                before.extend(self.because_it_is_used(*position));
            }
            Node::Entry(id) if by_place => before.extend(self.because_of_its_place(*id)),
            Node::Entry(_) | Node::Runtime(_) | Node::Image(_) | Node::Missing(_) => {}
        }
        before
    }

    /// The kept packages whose code calls a package, if handlers decide what is kept.
    fn because_it_is_called(&self, position: usize) -> Vec<(Before, &'static str)> {
        let packages = &self.analysis.resolution.packages;
        let called = packages.get(position);
        let callers = self.analysis.calls.callers_of(packages, called.language, &called.name);
        let callers = callers.filter(|(caller, _)| self.pruning.keeps(packages.get(*caller).entry));
        callers.map(|(caller, _)| (Before::Node(Node::Package(caller)), "calls")).collect()
    }

    /// What keeps a package that no other needs: a handler that uses it, or without handlers that it is installed.
    fn because_it_is_used(&self, position: usize) -> Option<(Before, &'static str)> {
        let package = self.analysis.resolution.packages.get(position);
        match &self.analysis.handlers {
            Some(_) if self.analysis.used_packages().contains_key(&position) => {
                Some((Before::Root(Root::Handler), "uses"))
            }
            Some(_) if !self.pruning.is_pinned(package.entry) => None,
            _ => Some((Before::Root(Root::Installed), "is")),
        }
    }

    /// What keeps a file that nothing has to need.
    fn because_of_its_place(&self, id: EntryId) -> Option<(Before, &'static str)> {
        let (tree, resolution) = (self.analysis.tree(), &self.analysis.resolution);
        let path = tree.path(id);
        if let Some(position) = resolution.packages.of_path(path) {
            let package = resolution.packages.get(position);
            let needed = resolution.graph.needs(&Node::Package(position)).iter().any(|(to, _)| **to == Node::Entry(id));
            return match (self.pruning.keeps(package.entry), needed) {
                (true, false) => Some((Before::Node(Node::Package(position)), "has")),
                (true, true) => None,
                (false, _) => Some((Before::Root(Root::InTree), "is")),
            };
        }
        if resolution.is_data(id) {
            let mut users = resolution.graph.needed_by(&Node::Entry(id)).into_iter();
            let opened = users.any(|(from, need)| {
                need == Need::Opens && matches!(from, Node::Entry(user) if self.pruning.keeps(*user))
            });
            return (!opened).then_some((Before::Root(Root::InTree), "is"));
        }
        if resolution.is_library(id) {
            return self.is_unloaded(id).then_some((Before::Root(Root::InTree), "is"));
        }
        if let Some(installation) = resolution.packages.installation_of(path) {
            let runtime = Node::Runtime(installation.language);
            let needed = resolution.graph.needs(&runtime).iter().any(|(to, _)| **to == Node::Entry(id));
            return (!needed).then_some((Before::Root(Root::Runtime(installation.language)), "has"));
        }
        let extension = path.parent().is_some_and(|parent| parent.as_bytes() == b"extensions");
        let file = !matches!(tree.entry(id).kind, Kind::Directory);
        if file && (extension || path.as_bytes() == b"bootstrap") {
            return Some((Before::Root(Root::Lambda), "starts"));
        }
        Some((Before::Root(Root::InTree), "is"))
    }
}

/// The shortest of these, in an order that does not depend on how they were found.
fn shortest_of(mut paths: Vec<DependencyPath>, most: usize) -> Vec<DependencyPath> {
    paths.sort_by(|a, b| (a.steps.len(), a).cmp(&(b.steps.len(), b)));
    paths.truncate(most);
    paths
}

fn how(need: Need) -> &'static str {
    match need {
        Need::Loads => "loads",
        Need::Imports => "imports",
        Need::LinksTo => "leads to",
        Need::Runs => "runs",
        Need::Contains => "reads",
        Need::Opens => "opens",
        Need::Lacks => "does not find",
    }
}
