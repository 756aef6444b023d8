//! Processes: everything that a function can start or load, run through the loader. R with each of its modules and
//! packages, each program, each plugin, what an ELF note says may be loaded, and at last each library that none of them
//! reached, for something may `dlopen()` it by a name that is written nowhere.

use std::collections::{BTreeMap, BTreeSet};

use super::loader::{Edge, Object, Outcome, Process, ProcessEnvironment, View};
use super::r::{RHome, RLayout};
use super::symbols::{Fault, faults};
use crate::formats::elf::Priority;
use crate::rules::{Plugins, RNeeds};
use crate::scan::EntryId;

/// Which kind of process loads something: the two search differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProcessKind {
    /// R, with what `etc/ldpaths` puts before LD_LIBRARY_PATH.
    R,
    /// Any other program, with the image's LD_LIBRARY_PATH.
    Plain,
}

/// How sure it is that something is loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reach {
    /// Nothing is known to load it.
    Nothing,
    /// Something that many functions never do loads it: a plugin, an R module that headless sessions leave alone.
    Optional,
    /// A program, R or a package needs it.
    Needed,
}

/// What the loader did in every process.
#[derive(Debug, Default)]
pub struct Loads {
    /// Every needed library of every ELF file of the tree, by the process that loads it, and how sure that is.
    pub edges: BTreeMap<EntryId, BTreeMap<(ProcessKind, Edge), Reach>>,
    /// Symbol versions and symbols that would not be found, and how sure it is that they are looked for.
    pub faults: BTreeMap<Fault, Reach>,
    /// Files that are loaded by a name or directory that no other file has as DT_NEEDED (programs, R's modules, the
    /// libraries of packages, plugins), and how sure that is.
    pub roots: BTreeMap<EntryId, Reach>,
}

impl Loads {
    fn record(&mut self, kind: ProcessKind, reach: Reach, edges: Vec<Edge>) {
        for edge in edges {
            if let Object::Tree(id) = edge.from {
                let known = self.edges.entry(id).or_default().entry((kind, edge)).or_insert(reach);
                *known = reach.max(*known);
            }
        }
    }

    fn fault(&mut self, reach: Reach, faults: Vec<Fault>) {
        for fault in faults {
            let known = self.faults.entry(fault).or_insert(reach);
            *known = reach.max(*known);
        }
    }
}

/// Runs the loader for every process that a function can have.
pub(super) fn run_all(view: &View<'_>, r: &RLayout, needs: &RNeeds, plugins: &Plugins) -> Loads {
    let mut loads = Loads::default();
    for home in &r.homes {
        run_r(view, r, home, needs, &mut loads);
    }
    let is_plugin = |id: EntryId| plugins.holds(view.tree.path(id));
    for (id, elf) in view.facts.elf.iter().filter(|(id, elf)| elf.is_program() && !is_plugin(**id)) {
        if !loads.roots.contains_key(id) {
            // A loader of another kind has search rules of its own; that the image lacks it is said.
            let ours = elf.interpreter.as_deref().is_none_or(|path| view.image.has_interpreter(path));
            run_plain(view, *id, if ours { Start::Program } else { Start::Foreign }, &mut loads);
        }
    }
    for id in view.facts.elf.keys().filter(|id| is_plugin(**id)) {
        if !loads.roots.contains_key(id) {
            run_plain(view, *id, Start::Plugin, &mut loads);
        }
    }

    // What nothing has loaded. First that which nothing asks for: it finds what it needs by its own search path, where
    // the library that is needed may have none.
    let mut loaded = Loaded::of(view, &loads);
    let unloaded: Vec<EntryId> = view.facts.elf.keys().copied().filter(|id| !loaded.files.contains(id)).collect();
    let elfs = unloaded.iter().filter_map(|id| view.facts.elf.get(id));
    let asked_for: BTreeSet<&str> = elfs.flat_map(|elf| &elf.needed).map(String::as_str).collect();
    let is_asked_for = |id: &EntryId| {
        let names = [view.facts.elf[id].soname.as_deref(), std::str::from_utf8(view.tree.path(*id).name()).ok()];
        names.into_iter().flatten().any(|name| asked_for.contains(name))
    };
    let (later, first): (Vec<EntryId>, Vec<EntryId>) = unloaded.iter().partition(|id| is_asked_for(id));
    for id in first.into_iter().chain(later) {
        if loaded.files.contains(&id) {
            continue;
        }
        let mut process = Process::new(view, environment(view, &[]));
        let mut edges = process.start(id);
        loaded.answer(&mut edges);
        loaded.add(&edges);
        loaded.files.insert(id);
        loads.record(ProcessKind::Plain, Reach::Nothing, edges);
        loads.fault(Reach::Nothing, faults(&process, 0, false));
    }
    loads
}

/// How a process outside of R begins.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Start {
    /// As a program that the image's loader starts.
    Program,
    /// As a program with an interpreter that the image does not have.
    Foreign,
    /// As a program that has loaded a plugin.
    Plugin,
}

fn run_plain(view: &View<'_>, id: EntryId, start: Start, loads: &mut Loads) {
    let reach = if start == Start::Plugin { Reach::Optional } else { Reach::Needed };
    loads.roots.insert(id, reach);
    let mut process = Process::new(view, environment(view, &[]));
    let mut edges = process.start(id);
    match start {
        Start::Program => {}
        Start::Foreign => edges.retain(|edge| matches!(edge.outcome, Outcome::Found { .. })),
        // Whoever loads it has loaded its own libraries before, and the loader takes those by their names.
        Start::Plugin => Loaded::of(view, loads).answer(&mut edges),
    }
    loads.record(ProcessKind::Plain, reach, edges);
    if start != Start::Foreign {
        // A plugin's symbols may be those of whoever loads it.
        loads.fault(reach, faults(&process, 0, start == Start::Program));
        follow_notes(view, &process, 0, ProcessKind::Plain, loads);
    }
}

/// What processes have loaded: the files of the tree, and the object that a name stands for.
struct Loaded {
    files: BTreeSet<EntryId>,
    names: BTreeMap<String, Outcome>,
}

impl Loaded {
    fn of(view: &View<'_>, loads: &Loads) -> Self {
        let mut loaded = Self { files: loads.roots.keys().copied().collect(), names: BTreeMap::new() };
        for id in loads.roots.keys() {
            let soname = view.facts.elf.get(id).and_then(|elf| elf.soname.clone());
            let opened = view.tree.path(*id).mounted();
            let outcome = Outcome::Found { object: Object::Tree(*id), opened };
            loaded.names.extend(soname.map(|soname| (soname, outcome)));
        }
        loaded.add(loads.edges.values().flat_map(BTreeMap::keys).map(|(_, edge)| edge));
        loaded
    }

    fn add<'e>(&mut self, edges: impl IntoIterator<Item = &'e Edge>) {
        for edge in edges {
            if let Outcome::Found { object, .. } = &edge.outcome {
                self.files.extend(match object {
                    Object::Tree(id) => Some(*id),
                    Object::Image(_) => None,
                });
                self.names.entry(edge.soname.clone()).or_insert_with(|| edge.outcome.clone());
            }
        }
    }

    /// Takes what some process has loaded under a name for what is missing under it.
    fn answer(&self, edges: &mut [Edge]) {
        for edge in edges {
            if let (Outcome::Missing { stopped: None, .. }, Some(found)) = (&edge.outcome, self.names.get(&edge.soname))
            {
                edge.outcome = found.clone();
            }
        }
    }
}

fn run_r(view: &View<'_>, r: &RLayout, home: &RHome, needs: &RNeeds, loads: &mut Loads) {
    let at = |below: &str| home.path.join(below).and_then(|path| view.tree.find(&path));
    let mut process = Process::new(view, environment(view, &home.ld_library_path));
    if let Some(program) = at("bin/exec/R") {
        loads.roots.insert(program, Reach::Needed);
        loads.record(ProcessKind::R, Reach::Needed, process.start(program));
        loads.fault(Reach::Needed, faults(&process, 0, true));
        follow_notes(view, &process, 0, ProcessKind::R, loads);
    }
    for library in r_loads(view, r, home) {
        let below_home = view.tree.path(library).below(&home.path);
        let optional = below_home.is_some_and(|below| needs.is_optional(below));
        let reach = if optional { Reach::Optional } else { Reach::Needed };
        loads.roots.insert(library, reach);
        // Each is tried in a fresh session: which packages a function loads first is not known.
        let mut session = process.clone();
        let before = session.objects().len();
        loads.record(ProcessKind::R, reach, session.dlopen(library));
        loads.fault(reach, faults(&session, before, true));
        follow_notes(view, &session, before, ProcessKind::R, loads);
    }
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

/// Loads what the notes of the objects from `first` on say that they may load.
fn follow_notes(view: &View<'_>, process: &Process<'_>, first: usize, kind: ProcessKind, loads: &mut Loads) {
    let objects = process.objects()[first..].iter();
    let in_tree = objects.filter_map(|object| match &object.object {
        Object::Tree(id) => Some(*id),
        Object::Image(_) => None,
    });
    for id in in_tree {
        for wanted in view.facts.elf.get(&id).into_iter().flat_map(|elf| &elf.dlopen) {
            let reach = match wanted.priority {
                Priority::Required => Reach::Needed,
                Priority::Recommended | Priority::Suggested => Reach::Optional,
            };
            let tried = wanted.soname.iter().map(|soname| {
                let mut process = process.clone();
                let (outcome, edges) = process.dlopen_by_name(soname, id);
                (Edge { from: Object::Tree(id), soname: soname.clone(), outcome }, edges)
            });
            let mut tried: Vec<_> = tried.collect();
            // One of the names is enough; when none is found, the first is the one that is missing.
            let found = tried.iter().position(|(edge, _)| matches!(edge.outcome, Outcome::Found { .. }));
            if tried.is_empty() || (found.is_none() && wanted.priority == Priority::Suggested) {
                continue;
            }
            let (edge, mut edges) = tried.swap_remove(found.unwrap_or(0));
            edges.push(edge);
            loads.record(kind, reach, edges);
        }
    }
}

/// The environment of a process in the image, with these directories before its LD_LIBRARY_PATH.
pub fn environment(view: &View<'_>, first: &[String]) -> ProcessEnvironment {
    let environment = &view.image.profile().environment;
    ProcessEnvironment {
        library_path: first.iter().chain(&environment.ld_library_path).cloned().collect(),
        working_directory: environment.working_directory.clone(),
    }
}
