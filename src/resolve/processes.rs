//! Processes: everything that a function can start or load, run through the loader. R with each of its modules and
//! packages, each program, each plugin, what an ELF note says may be loaded, and at last each library that none of them
//! reached, for something may `dlopen()` it by a name that is written nowhere.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Serialize;

use super::loader::{LibraryLookup, LoaderView, NeededLibrary, Object, Process, ProcessEnvironment};
use super::plugins::Plugins;
use super::symbols::{SymbolError, symbol_errors};
use crate::formats::elf::Priority;
use crate::languages::{ALL, LanguageId, Packages, ProcessSpec};
use crate::tree::EntryId;

/// Which kind of process loads something: the two search differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProcessKind {
    /// A language's, with what its start-up scripts put before LD_LIBRARY_PATH.
    Language(LanguageId),
    /// Any other program's, with the image's LD_LIBRARY_PATH.
    Plain,
}

/// How sure it is that something is loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Certainty {
    /// Nothing is known to load it.
    Unknown,
    /// Something that many functions never do loads it: a plugin, an R module that headless sessions leave alone.
    Optional,
    /// A program, a language or a package needs it.
    Required,
}

/// What the loader did in every process.
#[derive(Debug, Default)]
pub struct LoadedLibraries {
    /// Every needed library of every ELF file of the tree, by the process that loads it, and how sure that is.
    pub edges: BTreeMap<EntryId, BTreeMap<(ProcessKind, NeededLibrary), Certainty>>,
    /// Symbol versions and symbols that would not be found, and how sure it is that they are looked for.
    pub symbol_errors: BTreeMap<SymbolError, Certainty>,
    /// Files that are loaded by a name or directory that no other file has as DT_NEEDED (programs, R's modules, the
    /// libraries of packages, plugins), and how sure that is.
    pub roots: BTreeMap<EntryId, Certainty>,
}

impl LoadedLibraries {
    pub(super) fn record(&mut self, kind: ProcessKind, certainty: Certainty, edges: Vec<NeededLibrary>) {
        for edge in edges {
            if let Object::Tree(id) = edge.from {
                let known = self.edges.entry(id).or_default().entry((kind, edge)).or_insert(certainty);
                *known = certainty.max(*known);
            }
        }
    }

    pub(super) fn record_errors(&mut self, certainty: Certainty, errors: Vec<SymbolError>) {
        for error in errors {
            let known = self.symbol_errors.entry(error).or_insert(certainty);
            *known = certainty.max(*known);
        }
    }
}

/// Runs the loader for every process that a function can have.
pub(super) fn run_all(view: &LoaderView<'_>, packages: &Packages, plugins: &Plugins) -> LoadedLibraries {
    let mut loads = LoadedLibraries::default();
    for language in ALL {
        for spec in language.processes(packages, view.tree) {
            run_language(view, ProcessKind::Language(language.id()), &spec, &mut loads);
        }
    }
    let is_plugin = |id: EntryId| plugins.holds(view.tree.path(id));
    for (id, elf) in view.objects.iter().filter(|(id, elf)| elf.is_program() && !is_plugin(**id)) {
        if !loads.roots.contains_key(id) {
            // A loader of another kind has search rules of its own; that the image lacks it is said.
            let ours = elf.interpreter.as_deref().is_none_or(|path| view.image.has_interpreter(path));
            run_plain(view, *id, if ours { Start::Program } else { Start::UnknownInterpreter }, &mut loads);
        }
    }
    for id in view.objects.keys().filter(|id| is_plugin(**id)) {
        if !loads.roots.contains_key(id) {
            run_plain(view, *id, Start::Plugin, &mut loads);
        }
    }
    loads
}

/// How a process outside of R begins.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Start {
    /// As a program that the image's loader starts.
    Program,
    /// As a program with an interpreter that the image does not have.
    UnknownInterpreter,
    /// As a program that has loaded a plugin.
    Plugin,
}

fn run_plain(view: &LoaderView<'_>, id: EntryId, start: Start, loads: &mut LoadedLibraries) {
    let certainty = if start == Start::Plugin { Certainty::Optional } else { Certainty::Required };
    loads.roots.insert(id, certainty);
    let mut process = Process::new(view, environment(view, &[]));
    let mut edges = process.start(id);
    match start {
        Start::Program => {}
        Start::UnknownInterpreter => edges.retain(|edge| matches!(edge.outcome, LibraryLookup::Found { .. })),
        // Whoever loads it has loaded its own libraries before, and the loader takes those by their names.
        Start::Plugin => AnsweredNames::of(view, loads).answer(&mut edges),
    }
    loads.record(ProcessKind::Plain, certainty, edges);
    if start != Start::UnknownInterpreter {
        // A plugin's symbols may be those of whoever loads it.
        loads.record_errors(certainty, symbol_errors(&process, 0, start == Start::Program));
        follow_notes(view, &process, 0, ProcessKind::Plain, loads);
    }
}

/// What processes have loaded: files of the tree, and the object that each requested name resolved to.
pub(super) struct AnsweredNames {
    /// The loaded files of the tree.
    pub(super) files: BTreeSet<EntryId>,
    names: BTreeMap<String, LibraryLookup>,
}

impl AnsweredNames {
    pub(super) fn of(view: &LoaderView<'_>, loads: &LoadedLibraries) -> Self {
        let mut loaded = Self { files: loads.roots.keys().copied().collect(), names: BTreeMap::new() };
        for id in loads.roots.keys() {
            let soname = view.objects.get(id).and_then(|elf| elf.soname.clone());
            let opened = view.tree.path(*id).mounted();
            let outcome = LibraryLookup::Found { object: Object::Tree(*id), opened };
            loaded.names.extend(soname.map(|soname| (soname, outcome)));
        }
        loaded.add(loads.edges.values().flat_map(BTreeMap::keys).map(|(_, edge)| edge));
        loaded
    }

    pub(super) fn add<'e>(&mut self, edges: impl IntoIterator<Item = &'e NeededLibrary>) {
        for edge in edges {
            if let LibraryLookup::Found { object, .. } = &edge.outcome {
                self.files.extend(match object {
                    Object::Tree(id) => Some(*id),
                    Object::Image(_) => None,
                });
                self.names.entry(edge.soname.clone()).or_insert_with(|| edge.outcome.clone());
            }
        }
    }

    /// Resolves missing libraries to what another process has loaded under the same name.
    pub(super) fn answer(&self, edges: &mut [NeededLibrary]) {
        for edge in edges {
            if let (LibraryLookup::Missing { stopped: None, .. }, Some(found)) =
                (&edge.outcome, self.names.get(&edge.soname))
            {
                edge.outcome = found.clone();
            }
        }
    }
}

fn run_language(view: &LoaderView<'_>, kind: ProcessKind, spec: &ProcessSpec, loads: &mut LoadedLibraries) {
    let mut process = Process::new(view, environment(view, &spec.library_path));
    if let Some(program) = spec.program {
        loads.roots.insert(program, Certainty::Required);
        loads.record(kind, Certainty::Required, process.start(program));
        loads.record_errors(Certainty::Required, symbol_errors(&process, 0, true));
        follow_notes(view, &process, 0, kind, loads);
    }
    for library in spec.loads.iter().filter(|library| view.objects.contains_key(&library.entry)) {
        let certainty = if library.optional { Certainty::Optional } else { Certainty::Required };
        loads.roots.insert(library.entry, certainty);
        // Each is tried in a fresh session: which packages a function loads first is not known.
        let mut session = process.clone();
        let before = session.objects().len();
        loads.record(kind, certainty, session.dlopen(library.entry));
        loads.record_errors(certainty, symbol_errors(&session, before, true));
        follow_notes(view, &session, before, kind, loads);
    }
}

/// Loads what the notes of the objects from `first` on say that they may load.
fn follow_notes(
    view: &LoaderView<'_>,
    process: &Process<'_>,
    first: usize,
    kind: ProcessKind,
    loads: &mut LoadedLibraries,
) {
    let objects = process.objects()[first..].iter();
    let in_tree = objects.filter_map(|object| match &object.object {
        Object::Tree(id) => Some(*id),
        Object::Image(_) => None,
    });
    for id in in_tree {
        for wanted in view.objects.get(&id).into_iter().flat_map(|elf| &elf.dlopen) {
            let certainty = match wanted.priority {
                Priority::Required => Certainty::Required,
                Priority::Recommended | Priority::Suggested => Certainty::Optional,
            };
            let tried = wanted.soname.iter().map(|soname| {
                let mut process = process.clone();
                let (outcome, edges) = process.dlopen_by_name(soname, id);
                (NeededLibrary { from: Object::Tree(id), soname: soname.clone(), outcome }, edges)
            });
            let mut tried: Vec<_> = tried.collect();
            // One of the names is enough; when none is found, the first is the one that is missing.
            let found = tried.iter().position(|(edge, _)| matches!(edge.outcome, LibraryLookup::Found { .. }));
            if tried.is_empty() || (found.is_none() && wanted.priority == Priority::Suggested) {
                continue;
            }
            let (edge, mut edges) = tried.swap_remove(found.unwrap_or(0));
            edges.push(edge);
            loads.record(kind, certainty, edges);
        }
    }
}

/// The environment of a process in the image, with these directories before its LD_LIBRARY_PATH.
pub fn environment(view: &LoaderView<'_>, first: &[String]) -> ProcessEnvironment {
    let environment = &view.image.profile().environment;
    ProcessEnvironment {
        library_path: first.iter().chain(&environment.ld_library_path).cloned().collect(),
        working_directory: environment.working_directory.clone(),
    }
}
