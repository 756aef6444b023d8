//! Processes: everything that a function can start or load, run through the loader: each language with its modules and
//! packages, each program, each plugin, and what ELF notes list for `dlopen()`. What none of them loads is left to
//! `orphans.rs`.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Serialize;

use super::commands::LibraryPaths;
use super::loader::{LibraryLookup, LoaderView, NeededLibrary, Object, Process, ProcessEnvironment};
use super::plugins::Plugins;
use super::preloads::Preloads;
use super::symbols::{Binding, SymbolError, symbol_errors};
use crate::formats::elf::{Elf, Priority, Type};
use crate::languages::{ALL, LanguageId, Packages, ProcessSpec};
use crate::runtime::GlibcNames;
use crate::tree::{EntryId, Kind, Magic, Place};

/// The kind of a process: the search path depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProcessKind {
    /// A language's, with the LD_LIBRARY_PATH that its start-up scripts give it.
    Language(LanguageId),
    /// Any other program's, with the image's LD_LIBRARY_PATH.
    Plain,
}

/// How certain it is that something is loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Certainty {
    /// Nothing in the tree is known to load it.
    Unknown,
    /// It is loaded only in uses that many functions never have: a plugin, a module that a language loads on
    /// demand.
    Optional,
    /// A program, a language or a package loads it.
    Required,
}

/// Whether `--bundle` copies a library that is needed like this: everything that a program or a package loads, and what a
/// plugin needs; but not what only the optional modules of a language need.
pub fn is_bundled_for(kind: ProcessKind, certainty: Certainty) -> bool {
    match kind {
        ProcessKind::Plain => certainty > Certainty::Unknown,
        ProcessKind::Language(_) => certainty == Certainty::Required,
    }
}

/// What the loader loads in every process.
#[derive(Debug, Default)]
pub struct LoadedLibraries {
    /// The needed libraries of every ELF file of the tree, by kind of process, with the certainty.
    pub edges: BTreeMap<EntryId, BTreeMap<(ProcessKind, NeededLibrary), Certainty>>,
    /// Symbol versions and symbols that are not found, with the certainty that they are looked up.
    pub symbol_errors: BTreeMap<SymbolError, Certainty>,
    /// Files that need a library which may be found where a search path leads that is not known, each with its name.
    pub perhaps: BTreeSet<(EntryId, String)>,
    /// Files that are loaded other than by DT_NEEDED (programs, modules of languages, the libraries of packages,
    /// plugins), with the
    /// certainty.
    pub roots: BTreeMap<EntryId, Certainty>,
    /// Files that something loads as a library or module and that are not ELF files.
    pub not_elf: BTreeSet<EntryId>,
    /// Libraries of languages that are only loaded by what needs them, and are not tried by themselves.
    pub dependencies: BTreeSet<EntryId>,
    /// Those of `dependencies` that no code loads by their paths.
    pub linked: BTreeSet<EntryId>,
    /// ELF files that no process loads, as they are for another system.
    pub never: BTreeSet<EntryId>,
    /// Files that are the same module for several machines.
    pub variants: Vec<Vec<EntryId>>,
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

    /// Takes out what is missing, but may be found in directories that are not known: what the tree has in some directory. With
    /// `anywhere`, all that is missing.
    fn set_aside(&mut self, view: &LoaderView<'_>, edges: &mut Vec<NeededLibrary>, anywhere: bool) {
        let has = |soname: &str| {
            view.tree.iter().any(|(_, entry)| !entry.is_directory() && entry.path.name() == soname.as_bytes())
        };
        edges.retain(|edge| {
            let set_aside = is_missing(edge) && (anywhere || has(&edge.soname));
            if let (true, Object::Tree(id)) = (set_aside, &edge.from) {
                self.perhaps.insert((*id, edge.soname.clone()));
            }
            !set_aside
        });
    }

    pub(super) fn record_errors(&mut self, certainty: Certainty, errors: Vec<SymbolError>) {
        for error in errors {
            let known = self.symbol_errors.entry(error).or_insert(certainty);
            *known = certainty.max(*known);
        }
    }
}

/// Runs the loader for every process that a function can have.
pub(super) fn load_processes(
    view: &LoaderView<'_>,
    packages: &Packages,
    plugins: &Plugins,
    library_paths: &LibraryPaths,
) -> LoadedLibraries {
    let mut loads = LoadedLibraries::default();
    let preloads = Preloads::new(view, packages);
    let mut inherited: BTreeMap<EntryId, Vec<(ProcessEnvironment, bool)>> = BTreeMap::new();
    for language in ALL {
        for spec in language.processes(packages, view.tree, view.objects, view.image.profile()) {
            // Where a program of another layer searches is not known, beside what every process does.
            let kind = if spec.elsewhere { ProcessKind::Plain } else { ProcessKind::Language(language.id()) };
            run_language(view, kind, &spec, (&preloads, &library_paths.wrapped), &mut loads);
            for id in spec.starts.iter().filter(|id| view.objects.get(id).is_some_and(|elf| elf.is_program())) {
                let environment = environment(view, spec.library_path.as_deref());
                inherited.entry(*id).or_default().push((environment, !spec.has_other_directories));
            }
        }
    }
    let of_languages: BTreeSet<EntryId> = loads.dependencies.union(&loads.never).copied().collect();
    let is_plugin = |id: EntryId| of_languages.contains(&id) || plugins.contains(view.tree, view.tree.path(id));
    // glibc's libraries can be run to tell their versions, which no function does.
    let is_of_glibc = |elf: &Elf| elf.soname.as_deref().is_some_and(|soname| GlibcNames::built_in().has(soname));
    let is_program = |id: EntryId, elf: &Elf| elf.is_program() && !is_of_glibc(elf) && !is_plugin(id);
    for (id, elf) in view.objects.iter().filter(|(id, elf)| is_program(**id, elf)) {
        if !loads.roots.contains_key(id) {
            // A different loader has its own search rules; that the image lacks it has a finding of its own.
            let ours = elf.interpreter.as_deref().is_none_or(|path| view.image.has_interpreter(path));
            let start = if ours { Start::Program } else { Start::UnknownInterpreter };
            let inherited = inherited.remove(id).unwrap_or_default();
            run_plain(view, *id, start, library_paths.programs.get(id), inherited, &mut loads);
        }
    }
    let is_run = |id: &EntryId| !of_languages.contains(id) && is_plugin(*id) && !loads.roots.contains_key(id);
    let mut run: Vec<EntryId> = view.objects.keys().copied().filter(is_run).collect();
    // What is loaded first answers to its name for the others.
    run.sort_by_key(|id| !plugins.is_first(view.tree.path(*id)));
    for id in run {
        if !loads.roots.contains_key(&id) {
            run_plain(view, id, Start::Plugin, None, Vec::new(), &mut loads);
        }
    }
    loads
}

fn is_missing(edge: &NeededLibrary) -> bool {
    matches!(edge.outcome, LibraryLookup::Missing { .. })
}

/// How a process that is not a language's starts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Start {
    /// As a program with an interpreter that the image has.
    Program,
    /// As a program with an interpreter that the image does not have, or a library path that is not known.
    UnknownInterpreter,
    /// As a program that has loaded a plugin.
    Plugin,
}

/// Runs the loader for a program that scripts start with these values of LD_LIBRARY_PATH, or a language with its environment.
fn run_plain(
    view: &LoaderView<'_>,
    id: EntryId,
    start: Start,
    library_paths: Option<&BTreeSet<Option<String>>>,
    inherited: Vec<(ProcessEnvironment, bool)>,
    loads: &mut LoadedLibraries,
) {
    let certainty = if start == Start::Plugin { Certainty::Optional } else { Certainty::Required };
    loads.roots.insert(id, certainty);
    let known = library_paths.into_iter().flatten().flatten();
    let mut environments: Vec<ProcessEnvironment> = known.map(|value| with_library_path(view, value)).collect();
    let is_known =
        library_paths.is_none_or(|values| !values.contains(&None)) && inherited.iter().all(|(_, known)| *known);
    if environments.is_empty() {
        environments.push(environment(view, None));
    }
    environments.extend(inherited.into_iter().map(|(environment, _)| environment));
    let run = |environment: ProcessEnvironment| {
        let mut process = Process::new(view, environment);
        let edges = process.start(id);
        (process, edges)
    };
    // Of several ways to start it, the one in which it works is meant.
    let runs = environments.into_iter().map(run);
    let Some((process, mut edges)) = runs.min_by_key(|(_, edges)| edges.iter().filter(|edge| is_missing(edge)).count())
    else {
        return;
    };
    let start = if !is_known && edges.iter().any(is_missing) { Start::UnknownInterpreter } else { start };
    match start {
        Start::Program => {}
        Start::UnknownInterpreter => loads.set_aside(view, &mut edges, true),
        // The program that loads it has already loaded its own libraries, which answer to their names.
        Start::Plugin => AnsweredNames::of(view, loads).answer(&mut edges),
    }
    loads.record(ProcessKind::Plain, certainty, edges);
    if start != Start::UnknownInterpreter {
        // A plugin's undefined symbols may be defined by the program that loads it.
        let binding = if start == Start::Program { Binding::Lazy } else { Binding::Unknown };
        loads.record_errors(certainty, symbol_errors(&process, 0, binding));
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

/// Whether an entry is a regular file that does not begin like an ELF file.
fn is_not_elf(view: &LoaderView<'_>, id: EntryId) -> bool {
    matches!(&view.tree.entry(id).kind, Kind::File { magic, .. } if *magic != Magic::Elf)
}

fn run_language(
    view: &LoaderView<'_>,
    kind: ProcessKind,
    spec: &ProcessSpec,
    (preloads, wrapped): (&Preloads<'_>, &BTreeSet<String>),
    loads: &mut LoadedLibraries,
) {
    let mut process = Process::new(view, environment(view, spec.library_path.as_deref()));
    // A wrapper starts the runtime of the image.
    let wrapped = wrapped.iter().filter(|_| spec.program.is_none());
    let wrapped: Vec<Process<'_>> = wrapped.map(|value| Process::new(view, with_library_path(view, value))).collect();
    if let Some(program) = spec.program {
        if let Place::Inside(file) = view.tree.follow(program)
            && matches!(view.tree.entry(file).kind, Kind::File { magic: Magic::Other, .. })
        {
            loads.not_elf.insert(file);
        }
        loads.roots.insert(program, Certainty::Required);
        let mut edges = process.start(program);
        if spec.has_other_directories {
            loads.set_aside(view, &mut edges, false);
        }
        loads.record(kind, Certainty::Required, edges);
        loads.record_errors(Certainty::Required, symbol_errors(&process, 0, Binding::Lazy));
        follow_notes(view, &process, 0, kind, loads);
    }
    loads.dependencies.extend(&spec.dependencies);
    loads.linked.extend(&spec.linked);
    loads.never.extend(&spec.never);
    loads.variants.extend(spec.variants.iter().cloned());
    let before = process.objects().len();
    let binding = match (spec.program, spec.answered) {
        (_, Some(_)) => spec.defines.map_or(Binding::Unknown, |prefixes| Binding::Except { prefixes, lazy: spec.lazy }),
        (Some(_), None) => Binding::AtLoad,
        // A program that is not in the tree may define symbols for what it loads.
        (None, None) => Binding::Lazy,
    };
    let is_answered = |edge: &NeededLibrary| {
        let missing = matches!(edge.outcome, LibraryLookup::Missing { .. });
        spec.program.is_none() && missing && spec.answered.is_some_and(|prefix| edge.soname.starts_with(prefix))
    };
    for library in &spec.loads {
        let Place::Inside(file) = view.tree.follow(library.entry) else { continue };
        // The loader takes neither object files nor programs at a fixed address.
        let is_shared = || view.objects.get(&file).is_none_or(|elf| elf.kind == Type::Shared);
        if library.module && (is_not_elf(view, file) || !is_shared()) {
            loads.not_elf.insert(file);
        }
        if !is_shared() || view.objects.get(&file).is_none_or(|elf| library.optional && elf.is_program()) {
            continue;
        }
        let is_certain = !library.optional && !spec.elsewhere;
        let certainty = if is_certain { Certainty::Required } else { Certainty::Optional };
        let known = loads.roots.entry(file).or_insert(certainty);
        *known = certainty.max(*known);
        // Each is loaded in a fresh session: the order in which a function loads packages is not known.
        // Of several ways to start it, the one in which it works is meant.
        let ways = [&process].into_iter().chain(&wrapped);
        let mut best: Option<(usize, _)> = None;
        for way in ways {
            let (session, mut edges, errors) = preloads.load(way, library.entry, binding, &loads.linked);
            edges.retain(|edge| !is_answered(edge));
            let missing = edges.iter().filter(|edge| is_missing(edge)).count();
            if best.as_ref().is_none_or(|(least, _)| missing < *least) {
                best = Some((missing, (session, edges, errors)));
            }
            if missing == 0 {
                break;
            }
        }
        let Some((_, (session, mut edges, errors))) = best else { continue };
        if spec.has_other_directories {
            loads.set_aside(view, &mut edges, false);
        }
        loads.record(kind, certainty, edges);
        loads.record_errors(certainty, errors);
        follow_notes(view, &session, before, kind, loads);
    }
}

/// Loads what the notes of the objects from `first` on list for `dlopen()`.
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
            // One of the names is enough; when none is found, the first is reported missing.
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

/// The environment of a process in the image, with these directories as its LD_LIBRARY_PATH if it has another than the image's.
pub fn environment(view: &LoaderView<'_>, library_path: Option<&[String]>) -> ProcessEnvironment {
    let environment = &view.image.profile().environment;
    ProcessEnvironment {
        library_path: library_path.unwrap_or(&environment.ld_library_path).to_vec(),
        working_directory: environment.working_directory.clone(),
    }
}

/// The environment of a process in the image with this value of LD_LIBRARY_PATH.
fn with_library_path(view: &LoaderView<'_>, value: &str) -> ProcessEnvironment {
    let mut environment = view.image.profile().environment.clone();
    environment.set("LD_LIBRARY_PATH", value);
    ProcessEnvironment { library_path: environment.ld_library_path, working_directory: environment.working_directory }
}
