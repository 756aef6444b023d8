//! Resolve: what needs what. Libraries as the loader in Lambda would find them, packages as R would, links and scripts
//! as the kernel would; all in one [`Graph`].

mod commands;
mod findings;
mod graph;
mod image;
mod loader;
mod processes;
mod r;
mod symbols;
mod tokens;
mod unloaded;

use std::collections::{BTreeMap, BTreeSet};

pub use commands::{CommandOutcome, CommandUse, Commands};
pub use findings::Asked;
pub use graph::{Graph, Need, Node};
pub use image::Image;
pub use loader::{Edge, Object, Outcome, Process, ProcessEnvironment, View};
pub use processes::{Loads, ProcessKind, Reach, environment};
pub use r::{LeftOut, Package, RHome, RLayout};
pub use symbols::{Fault, VersionFault};
pub use unloaded::{Unloaded, WhyUnloaded, is_library_name};

use crate::facts::Facts;
use crate::finding::Finding;
use crate::path::TreePath;
use crate::rules::{Plugins, RNeeds};
use crate::scan::{EntryId, Kind, Place, Tree};

/// What needs what in a tree.
pub struct Resolution {
    /// R's homes, libraries and packages.
    pub r: RLayout,
    /// Who needs whom.
    pub graph: Graph,
    /// What the loader did in every process.
    pub loads: Loads,
    /// What scripts run.
    pub commands: Commands,
    /// The libraries of the tree that are there to be needed: every one that nothing loads by a name of its own.
    libraries: BTreeSet<EntryId>,
}

/// Resolves every need in the tree.
///
/// Gives the graph and findings about where R is; findings about what is missing depend on what is kept and come from
/// [`Resolution::findings`].
pub fn resolve(
    tree: &Tree,
    facts: &Facts,
    image: &Image<'_>,
    needs: &RNeeds,
    plugins: &Plugins,
) -> (Resolution, Vec<Finding>) {
    let (r, findings) = RLayout::find(tree, facts);
    let loads = processes::run_all(&View::new(tree, facts, image), &r, needs, plugins);
    let mut graph = Graph::default();
    add_libraries(&mut graph, tree, &loads.edges);
    add_packages(&mut graph, tree, &r, needs);
    let commands = commands::follow(tree, image, &r, needs);
    add_links_and_commands(&mut graph, tree, &commands);
    let libraries = unloaded::libraries(tree, facts, &r, &loads);
    (Resolution { r, graph, loads, commands, libraries }, findings)
}

fn add_libraries(graph: &mut Graph, tree: &Tree, edges: &BTreeMap<EntryId, BTreeMap<(ProcessKind, Edge), Reach>>) {
    for (from, edges) in edges {
        for (_, edge) in edges.keys() {
            let from = Node::Entry(*from);
            match &edge.outcome {
                Outcome::Found { object: Object::Tree(id), opened } => {
                    // The link that the name went through is needed as much as the file it leads to.
                    let opened = TreePath::from_mounted(opened.as_bytes()).and_then(|path| tree.find(&path));
                    if let Some(opened) = opened {
                        graph.add(from.clone(), Need::Loads, Node::Entry(opened));
                    }
                    graph.add(from, Need::Loads, Node::Entry(*id));
                }
                Outcome::Found { object: Object::Image(path), .. } => {
                    graph.add(from, Need::Loads, Node::Image(path.clone()));
                }
                Outcome::Missing { .. } => graph.add(from, Need::Loads, Node::Missing(edge.soname.clone())),
            }
        }
    }
}

fn add_packages(graph: &mut Graph, tree: &Tree, r: &RLayout, needs: &RNeeds) {
    for (position, package) in r.packages.iter().enumerate() {
        let node = Node::Package(position);
        graph.add(node.clone(), Need::Contains, Node::Entry(package.entry));
        for need in package.description.needs() {
            for copy in r.find_package(&need.package) {
                graph.add(node.clone(), Need::Imports, Node::Package(copy));
            }
        }
        for (id, entry) in tree.below(&package.directory) {
            let below = entry.path.below(&package.directory).unwrap_or_default();
            if !entry.is_directory() && needs.package_needs(below) {
                graph.add(node.clone(), Need::Contains, Node::Entry(id));
            }
        }
    }
    for home in &r.homes {
        for (id, entry) in tree.below(&home.path) {
            let below = entry.path.below(&home.path).unwrap_or_default();
            if !entry.is_directory() && needs.session_needs(below) {
                graph.add(Node::R, Need::Contains, Node::Entry(id));
            }
        }
        for name in needs.start_packages() {
            for copy in r.find_package(name) {
                graph.add(Node::R, Need::Imports, Node::Package(copy));
            }
        }
    }
}

fn add_links_and_commands(graph: &mut Graph, tree: &Tree, commands: &Commands) {
    for (id, _) in tree.iter().filter(|(_, entry)| matches!(entry.kind, Kind::Link { .. })) {
        if let Place::Inside(target) = tree.follow(id)
            && !tree.entry(target).is_directory()
        {
            // The links on the way are needed as much as what they lead to.
            let on_the_way = tree.next_hop(id).into_iter().chain([target]);
            on_the_way.for_each(|to| graph.add(Node::Entry(id), Need::LinksTo, Node::Entry(to)));
        }
    }
    for used in &commands.uses {
        if let CommandOutcome::Tree(command) = used.outcome {
            graph.add(Node::Entry(used.script), Need::Runs, Node::Entry(command));
        }
    }
}
