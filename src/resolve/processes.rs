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
    /// Files that are loaded by a name or directory that no other file has as DT_NEEDED: programs, R's modules, the
    /// libraries of packages, plugins.
    pub roots: BTreeSet<EntryId>,
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
    let plain = environment(view, &[]);
    for home in &r.homes {
        run_r(view, r, home, needs, &mut loads);
    }
    for (id, elf) in &view.facts.elf {
        let plugin = plugins.holds(view.tree.path(*id));
        if loads.roots.contains(id) || !(elf.is_program() || plugin) {
            continue;
        }
        loads.roots.insert(*id);
        let reach = if plugin { Reach::Optional } else { Reach::Needed };
        let mut process = Process::new(view, plain.clone());
        loads.record(ProcessKind::Plain, reach, process.start(*id));
        // A plugin's symbols may be those of whoever loads it.
        loads.fault(reach, faults(&process, 0, !plugin));
        follow_notes(view, &process, 0, ProcessKind::Plain, &mut loads);
    }
    let mut loaded = loads.roots.clone();
    loaded.extend(loads.edges.values().flat_map(BTreeMap::keys).filter_map(|(_, edge)| match edge.outcome {
        Outcome::Found { object: Object::Tree(id), .. } => Some(id),
        _ => None,
    }));
    for id in view.facts.elf.keys().filter(|id| !loaded.contains(id)) {
        let mut process = Process::new(view, plain.clone());
        loads.record(ProcessKind::Plain, Reach::Nothing, process.start(*id));
        loads.fault(Reach::Nothing, faults(&process, 0, false));
    }
    loads
}

fn run_r(view: &View<'_>, r: &RLayout, home: &RHome, needs: &RNeeds, loads: &mut Loads) {
    let at = |below: &str| home.path.join(below).and_then(|path| view.tree.find(&path));
    let mut process = Process::new(view, environment(view, &home.ld_library_path));
    if let Some(program) = at("bin/exec/R") {
        loads.roots.insert(program);
        loads.record(ProcessKind::R, Reach::Needed, process.start(program));
        loads.fault(Reach::Needed, faults(&process, 0, true));
        follow_notes(view, &process, 0, ProcessKind::R, loads);
    }
    for library in r_loads(view, r, home) {
        let below_home = view.tree.path(library).below(&home.path);
        let optional = below_home.is_some_and(|below| needs.is_optional(below));
        let reach = if optional { Reach::Optional } else { Reach::Needed };
        loads.roots.insert(library);
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
