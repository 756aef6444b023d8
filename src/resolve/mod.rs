//! Resolve: dependencies. Libraries as the loader in Lambda would find them, packages as their languages would, links and
//! scripts as the kernel would; all in one [`Graph`].

mod commands;
mod data;
mod findings;
mod graph;
mod loader;
mod named;
mod orphans;
mod plugins;
mod preloads;
mod processes;
mod symbols;
mod tokens;
mod unloaded;

use std::collections::{BTreeMap, BTreeSet};

pub use commands::{CommandOutcome, CommandUse, Commands, Role};
pub use data::{MissingCharset, MissingData, remedy_for_part};
pub use findings::{FindingContext, FoundIn};
pub use graph::{Graph, Need, Node};
pub use loader::{LibraryLookup, LoaderView, NeededLibrary, Object, Process, ProcessEnvironment};
pub use plugins::Plugins;
pub use processes::{Certainty, LoadedLibraries, ProcessKind, environment, is_bundled_for};
pub(crate) use symbols::unsatisfied;
pub use symbols::{SymbolError, VersionError};
pub use unloaded::{Unloaded, WhyUnloaded, is_library_name};

use crate::base::finding::Finding;
use crate::base::path::TreePath;
use crate::languages::handlers::Place as PlaceInSource;
use crate::languages::{self, ALL, Packages, language};
use crate::runtime::{Image, RuntimeProfile};
use crate::tree::{EntryId, Kind, Objects, Place, Tree, read_objects};

/// A tree, and the dependencies in it.
pub struct Resolution<'a> {
    /// The tree.
    pub tree: Tree,
    /// Its ELF files.
    pub objects: Objects,
    /// The image that its functions run in.
    pub image: Image<'a>,
    /// The languages and packages installed in it.
    pub packages: Packages,
    /// What needs what.
    pub graph: Graph,
    /// What the loader loads in every process.
    pub loads: LoadedLibraries,
    /// What scripts run.
    pub commands: Commands,
    /// The libraries of the tree that are only loaded as a dependency.
    libraries: BTreeSet<EntryId>,
    /// What is opened besides libraries.
    data: data::Data,
}

/// Resolves every need in a tree, for functions in the image of `profile`.
///
/// Returns the resolution and the findings that do not depend on what is kept; those that do are returned by
/// [`Resolution::findings`].
pub fn resolve(tree: Tree, profile: &RuntimeProfile) -> (Resolution<'_>, Vec<Finding>) {
    let (objects, mut findings) = read_objects(&tree);
    let image = Image::new(profile);
    let (packages, found) = languages::find(&tree, profile);
    findings.extend(found);
    let view = LoaderView::new(&tree, &objects, &image);
    let commands = commands::follow(&view, &packages);
    let mut loads = processes::load_processes(&view, &packages, Plugins::built_in(), &commands.library_paths);
    orphans::load_orphans(&view, &mut loads);
    let mut graph = Graph::default();
    add_libraries(&mut graph, &tree, &loads.edges);
    add_packages(&mut graph, &tree, &packages);
    add_code(&mut graph, &tree, &packages);
    add_sessions(&mut graph, &tree, &packages);
    add_links_and_commands(&mut graph, &tree, &commands);
    let libraries = unloaded::libraries(&view, &packages, &loads);
    add_lacking(&mut graph, (&tree, &objects), &loads, &libraries);
    drop(view);
    let data = data::find(&tree, &image, &objects, &packages, &loads, &commands.variables);
    data.add_to(&mut graph);
    (Resolution { tree, objects, image, packages, graph, loads, commands, libraries, data }, findings)
}

impl Resolution<'_> {
    /// Whether an entry is data that only libraries and programs are known to open.
    pub fn is_data(&self, id: EntryId) -> bool {
        self.data.has(id)
    }

    /// Whether a compiled-in path is a place where data is looked for that is known of, and so reported if it is missing.
    pub fn is_known_place(&self, path: &str) -> bool {
        data::is_known_place(path)
    }

    /// The character sets among those that sources name for which the C library needs a module that is not where it looks.
    pub(crate) fn missing_charsets(&self, named: &BTreeMap<String, PlaceInSource>) -> Vec<MissingCharset> {
        self.data.missing_charsets(&self.tree, &self.image, named)
    }

    /// Findings about these character sets; `refused` is the reason why `--bundle` copied no module for them.
    pub(crate) fn charset_findings(
        &self,
        named: &BTreeMap<String, PlaceInSource>,
        refused: Option<&str>,
    ) -> Vec<Finding> {
        data::charset_findings(&self.missing_charsets(named), &self.image.profile().name, refused)
    }

    /// The remedy for a missing library that comes only with a language's own installation, for these files, which need it.
    pub(crate) fn remedy_of_language(&self, soname: &str, needed_by: &[EntryId]) -> Option<String> {
        let paths: Vec<&TreePath> = needed_by.iter().map(|id| self.tree.path(*id)).collect();
        ALL.iter().find_map(|language| language.remedy_for_own_library(&self.packages, &self.tree, soname, &paths))
    }

    /// The nodes from which everything that is kept is reached: the entries that satisfy `kept`, their packages, and the
    /// languages. What neither needs anything nor is needed is left out.
    pub(crate) fn roots(&self, kept: impl Fn(EntryId) -> bool) -> Vec<Node> {
        let entries = self.tree.iter().filter(|(id, _)| kept(*id)).map(|(id, _)| Node::Entry(id));
        let packages = self.packages.all.iter().enumerate();
        let packages = packages.filter(|(_, package)| kept(package.entry)).map(|(position, _)| Node::Package(position));
        let languages = self.packages.languages().into_iter().map(Node::Runtime);
        entries.chain(packages).chain(languages).filter(|node| self.graph.contains(node)).collect()
    }
}

fn add_libraries(
    graph: &mut Graph,
    tree: &Tree,
    edges: &BTreeMap<EntryId, BTreeMap<(ProcessKind, NeededLibrary), Certainty>>,
) {
    for (from, edges) in edges {
        for (_, edge) in edges.keys() {
            let from = Node::Entry(*from);
            match &edge.outcome {
                LibraryLookup::Found { object: Object::Tree(id), opened } => {
                    // The link by which the library was opened is needed as well as its target.
                    let opened = TreePath::from_mounted(opened.as_bytes()).and_then(|path| tree.find(&path));
                    if let Some(opened) = opened {
                        graph.add(from.clone(), Need::Loads, Node::Entry(opened));
                    }
                    graph.add(from, Need::Loads, Node::Entry(*id));
                }
                LibraryLookup::Found { object: Object::Image(path), .. } => {
                    graph.add(from, Need::Loads, Node::Image(path.clone()));
                }
                LibraryLookup::Missing { .. } => graph.add(from, Need::Loads, Node::Missing(edge.soname.clone())),
            }
        }
    }
}

/// What lacks a library, and the libraries of the tree that have its name or soname: they are needed, although not found.
fn add_lacking(
    graph: &mut Graph,
    (tree, objects): (&Tree, &Objects),
    loads: &LoadedLibraries,
    libraries: &BTreeSet<EntryId>,
) {
    let mut by_name: BTreeMap<&str, BTreeSet<EntryId>> = BTreeMap::new();
    for id in libraries {
        let own = std::str::from_utf8(tree.path(*id).name()).ok();
        let soname = objects.get(id).and_then(|elf| elf.soname.as_deref());
        for name in own.into_iter().chain(soname) {
            by_name.entry(name).or_default().insert(*id);
        }
    }
    let needed = loads.edges.iter().flat_map(|(from, edges)| edges.keys().map(move |(_, edge)| (*from, edge)));
    let missing = needed.filter(|(_, edge)| matches!(edge.outcome, LibraryLookup::Missing { .. }));
    let missing = missing.map(|(from, edge)| (from, edge.soname.as_str()));
    for (from, soname) in missing.chain(loads.perhaps.iter().map(|(from, soname)| (*from, soname.as_str()))) {
        for id in by_name.get(soname).into_iter().flatten() {
            graph.add(Node::Entry(from), Need::Lacks, Node::Entry(*id));
        }
    }
}

fn add_packages(graph: &mut Graph, tree: &Tree, packages: &Packages) {
    for (position, package) in packages.all.iter().enumerate() {
        let node = Node::Package(position);
        let needs = language(package.language).needs();
        graph.add(node.clone(), Need::Contains, Node::Entry(package.entry));
        for required in &package.requires {
            for copy in language(package.language).provides(packages, tree, package, &required.package) {
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
}

/// Code that loads what rules take for something that no function needs.
fn add_code(graph: &mut Graph, tree: &Tree, packages: &Packages) {
    for language in ALL {
        for (from, to) in language.loaded_files(packages, tree) {
            graph.add(Node::Entry(from), Need::Imports, Node::Entry(to));
        }
        for (from, package) in language.loaded_packages(packages, tree) {
            graph.add(Node::Entry(from), Need::Imports, Node::Package(package));
        }
    }
    for (script, to) in named::files(tree, packages) {
        graph.add(Node::Entry(script), Need::Imports, Node::Entry(to));
    }
}

fn add_sessions(graph: &mut Graph, tree: &Tree, packages: &Packages) {
    for installation in &packages.installations {
        let node = Node::Runtime(installation.language);
        let needs = language(installation.language).needs();
        for (id, entry) in tree.below(&installation.path) {
            let below = entry.path.below(&installation.path).unwrap_or_default();
            if !entry.is_directory() && needs.session_needs(below) {
                graph.add(node.clone(), Need::Contains, Node::Entry(id));
            }
        }
        for name in needs.start_packages() {
            for copy in packages.copies(installation.language, name) {
                graph.add(node.clone(), Need::Imports, Node::Package(copy));
            }
        }
    }
}

fn add_links_and_commands(graph: &mut Graph, tree: &Tree, commands: &Commands) {
    for (id, _) in tree.iter().filter(|(_, entry)| matches!(entry.kind, Kind::Link { .. })) {
        if let Place::Inside(target) = tree.follow(id)
            && !tree.entry(target).is_directory()
        {
            // Intermediate links are needed as well as the target.
            let hops = tree.next_hop(id).into_iter().chain([target]);
            hops.for_each(|to| graph.add(Node::Entry(id), Need::LinksTo, Node::Entry(to)));
        }
    }
    for used in &commands.uses {
        if let CommandOutcome::Tree(command) = used.outcome {
            graph.add(Node::Entry(used.script), Need::Runs, Node::Entry(command));
        }
    }
}
