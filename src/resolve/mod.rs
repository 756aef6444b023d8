//! Resolve: what needs what. Libraries as the loader in Lambda would find them, packages as R would, links and scripts
//! as the kernel would; all in one [`Graph`].

mod graph;
mod image;
mod loader;
mod r;

use std::collections::{BTreeMap, BTreeSet};

pub use graph::{Graph, Need, Node};
pub use image::{Image, ImageLibrary};
pub use loader::{Edge, Object, Outcome, Process, View};
pub use r::{Package, RHome, RLayout};

use crate::facts::Facts;
use crate::finding::{Code, Finding};
use crate::formats::elf::Elf;
use crate::formats::shebang::{self, Interpreter};
use crate::rules::{LibrarySource, RNeeds};
use crate::scan::{EntryId, Kind, Magic, Place, Tree};

/// Which kind of process loads something: the two search differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProcessKind {
    /// R, with what `etc/ldpaths` puts before LD_LIBRARY_PATH.
    R,
    /// Any other program, with the image's LD_LIBRARY_PATH.
    Plain,
}

/// What needs what in a tree.
pub struct Resolution {
    /// R's homes, libraries and packages.
    pub r: RLayout,
    /// Who needs whom.
    pub graph: Graph,
    /// Every needed library of every ELF file of the tree, by the process that loads it.
    pub loads: BTreeMap<EntryId, BTreeSet<(ProcessKind, Edge)>>,
}

/// Resolves every need in the tree.
///
/// Gives the graph and findings about where R is; findings about what is missing depend on what is kept and come from
/// [`Resolution::findings`].
pub fn resolve(tree: &Tree, facts: &Facts, image: &Image<'_>, needs: &RNeeds) -> (Resolution, Vec<Finding>) {
    let (r, findings) = RLayout::find(tree, facts);
    let view = View { tree, facts, image };
    let loads = load_everything(&view, &r);
    let mut graph = Graph::default();
    add_libraries(&mut graph, tree, &loads);
    add_packages(&mut graph, tree, &r, needs);
    add_links_and_scripts(&mut graph, tree);
    (Resolution { r, graph, loads }, findings)
}

/// Runs the loader for every process that a function can have: R with each of its modules and packages, each program,
/// and each library that none of them reached (something may `dlopen()` it).
fn load_everything(view: &View<'_>, r: &RLayout) -> BTreeMap<EntryId, BTreeSet<(ProcessKind, Edge)>> {
    let mut loads: BTreeMap<EntryId, BTreeSet<(ProcessKind, Edge)>> = BTreeMap::new();
    let mut loaded: BTreeSet<EntryId> = BTreeSet::new();
    let mut record = |kind: ProcessKind, root: EntryId, edges: Vec<Edge>| {
        loaded.insert(root);
        for edge in edges {
            if let Outcome::Found { object: Object::Tree(id), .. } = edge.outcome {
                loaded.insert(id);
            }
            if let Object::Tree(id) = edge.from {
                loads.entry(id).or_default().insert((kind, edge));
            }
        }
    };
    let environment = view.image.profile().environment.ld_library_path.clone();
    let mut in_r: BTreeSet<EntryId> = BTreeSet::new();

    for home in &r.homes {
        let at = |below: &str| home.path.join(below).and_then(|path| view.tree.find(&path));
        let library_path: Vec<String> = home.ld_library_path.iter().chain(&environment).cloned().collect();
        let mut process = Process::new(view, library_path);
        if let Some(program) = at("bin/exec/R") {
            in_r.insert(program);
            record(ProcessKind::R, program, process.start(program));
        }
        let caller = at("lib/libR.so");
        for library in r_loads(view, r, home) {
            // Each is tried in a fresh session: which packages a function loads first is not known.
            in_r.insert(library);
            record(ProcessKind::R, library, process.clone().dlopen(library, caller));
        }
    }
    for (id, elf) in &view.facts.elf {
        if elf.is_program() && !in_r.contains(id) {
            record(ProcessKind::Plain, *id, Process::new(view, environment.clone()).start(*id));
        }
    }
    let rest: Vec<EntryId> = view.facts.elf.keys().filter(|id| !loaded.contains(id)).copied().collect();
    for id in rest {
        let edges = Process::new(view, environment.clone()).start(id);
        for edge in edges {
            if let Object::Tree(from) = edge.from {
                loads.entry(from).or_default().insert((ProcessKind::Plain, edge));
            }
        }
    }
    loads
}

/// What R loads with `dyn.load()`: its modules, and every library in the `libs` directory of a package.
fn r_loads(view: &View<'_>, r: &RLayout, home: &RHome) -> Vec<EntryId> {
    let modules = home.path.join("modules").into_iter();
    let libs = r.packages.iter().filter_map(|package| package.directory.join("libs"));
    modules
        .chain(libs)
        .flat_map(|directory| view.tree.below(&directory).map(|(id, _)| id).collect::<Vec<_>>())
        .filter(|id| view.facts.elf.contains_key(id))
        .collect()
}

fn add_libraries(graph: &mut Graph, tree: &Tree, loads: &BTreeMap<EntryId, BTreeSet<(ProcessKind, Edge)>>) {
    for (from, edges) in loads {
        for (_, edge) in edges {
            let from = Node::Entry(*from);
            match &edge.outcome {
                Outcome::Found { object: Object::Tree(id), opened } => {
                    // The link that the name went through is needed as much as the file it leads to.
                    let opened =
                        crate::path::TreePath::from_mounted(opened.as_bytes()).and_then(|path| tree.find(&path));
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

fn add_links_and_scripts(graph: &mut Graph, tree: &Tree) {
    for (id, entry) in tree.iter() {
        match &entry.kind {
            Kind::Link { .. } => {
                if let Place::Inside(target) = tree.follow(id)
                    && !tree.entry(target).is_directory()
                {
                    graph.add(Node::Entry(id), Need::LinksTo, Node::Entry(target));
                }
            }
            Kind::File { magic: Magic::Script(line), .. } => {
                if let Some(Interpreter::Path(path)) = shebang::parse(line)
                    && let Place::Inside(interpreter) = tree.locate(path.as_bytes())
                {
                    graph.add(Node::Entry(id), Need::Runs, Node::Entry(interpreter));
                }
            }
            _ => {}
        }
    }
}

impl Resolution {
    /// What would not load, of the files and packages for which `kept` holds.
    pub fn findings(
        &self,
        tree: &Tree,
        facts: &Facts,
        image: &Image<'_>,
        kept: impl Fn(EntryId) -> bool,
    ) -> Vec<Finding> {
        let mut findings = self.r.findings(|package| kept(package.entry));
        findings.extend(self.missing_libraries(tree, image, &kept));
        findings.extend(self.uncertain_libraries(tree, image, &kept));
        for (id, elf) in facts.elf.iter().filter(|(id, _)| kept(**id)) {
            findings.extend(missing_interpreter(tree, image, *id, elf));
        }
        findings
    }

    /// Every edge of a kept file, by the needed name.
    fn by_soname<'a>(
        &'a self,
        kept: &'a impl Fn(EntryId) -> bool,
        wanted: impl Fn(&Outcome) -> bool + 'a,
    ) -> BTreeMap<&'a str, Vec<(EntryId, ProcessKind, &'a Edge)>> {
        let mut found: BTreeMap<&str, Vec<_>> = BTreeMap::new();
        for (id, edges) in self.loads.iter().filter(|(id, _)| kept(**id)) {
            for (kind, edge) in edges.iter().filter(|(_, edge)| wanted(&edge.outcome)) {
                found.entry(&edge.soname).or_default().push((*id, *kind, edge));
            }
        }
        found
    }

    fn missing_libraries(&self, tree: &Tree, image: &Image<'_>, kept: &impl Fn(EntryId) -> bool) -> Vec<Finding> {
        let missing = self.by_soname(kept, |outcome| matches!(outcome, Outcome::Missing { .. }));
        missing
            .into_iter()
            .map(|(soname, needers)| {
                let (first, kind, edge) = needers[0];
                let Outcome::Missing { searched, stopped } = &edge.outcome else { unreachable!("filtered above") };
                let process = if kind == ProcessKind::R { "for R " } else { "" };
                let looked = match stopped {
                    Some(why) => format!("the loader stops: {why}"),
                    None => format!("looked {process}in {}", searched.join(", ")),
                };
                let in_tree: Vec<String> = tree
                    .entries()
                    .iter()
                    .filter(|entry| entry.path.name() == soname.as_bytes() && !entry.is_directory())
                    .map(|entry| entry.path.to_string())
                    .collect();
                let help = if in_tree.is_empty() {
                    format!("copy {soname} and what it needs into lib/ from the machine that built the tree")
                } else {
                    format!(
                        "{} is not in a directory that is searched: move it to lib/, or link it there",
                        in_tree.join(", ")
                    )
                };
                Finding::error(
                    Code::MissingLibrary,
                    tree.path(first),
                    format!(
                        "needs {soname}{}, which neither the tree nor {} has ({looked})",
                        and_others(tree, &needers[1..]),
                        image.profile().name
                    ),
                    help,
                )
            })
            .collect()
    }

    fn uncertain_libraries(&self, tree: &Tree, image: &Image<'_>, kept: &impl Fn(EntryId) -> bool) -> Vec<Finding> {
        let uncertain = &image.profile().libraries.uncertain;
        let from_image =
            self.by_soname(kept, |outcome| matches!(outcome, Outcome::Found { object: Object::Image(_), .. }));
        from_image
            .into_iter()
            .filter(|(soname, _)| uncertain.contains(*soname))
            .map(|(soname, needers)| {
                let name = &image.profile().name;
                Finding::warning(
                    Code::UncertainLibrary,
                    tree.path(needers[0].0),
                    format!("needs {soname}{}, which {name} may not have", and_others(tree, &needers[1..])),
                    format!("put {soname} into lib/ to be sure; {}", image.profile().libraries.uncertain_why),
                )
            })
            .collect()
    }

    /// Where a needed library was found, in the words of the report: `layer`, `runtime`, `host` or `missing`.
    pub fn found(outcome: &Outcome, image: &Image<'_>) -> &'static str {
        match outcome {
            Outcome::Found { object: Object::Tree(_), .. } => "layer",
            Outcome::Found { object: Object::Image(_), .. } => match image.profile().libraries.from {
                LibrarySource::List => "runtime",
                LibrarySource::Filesystem => "host",
            },
            Outcome::Missing { .. } => "missing",
        }
    }
}

fn and_others(tree: &Tree, needers: &[(EntryId, ProcessKind, &Edge)]) -> String {
    let mut others: Vec<String> = needers.iter().map(|(id, _, _)| tree.path(*id).to_string()).collect();
    others.dedup();
    match others.as_slice() {
        [] => String::new(),
        [one] => format!(" (so does {one})"),
        [one, rest @ ..] => format!(" (so do {one} and {} more)", rest.len()),
    }
}

fn missing_interpreter(tree: &Tree, image: &Image<'_>, id: EntryId, elf: &Elf) -> Option<Finding> {
    let interpreter = elf.interpreter.as_deref()?;
    let there = image.has_interpreter(interpreter) || matches!(tree.locate(interpreter.as_bytes()), Place::Inside(_));
    (!there).then(|| {
        Finding::error(
            Code::MissingInterpreter,
            tree.path(id),
            format!("is started by {interpreter}, which {} does not have", image.profile().name),
            "build it for the image: a program for musl or another machine does not start there",
        )
    })
}
