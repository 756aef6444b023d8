//! Preloads: libraries that a package brings and loads before other libraries need them.
//!
//! A package can load a library of its own by path when it is loaded, as RcppParallel does with its TBB
//! (`dyn.load(..., local = FALSE)` in `.onLoad`). The loader then finds it by its soname for everything that is loaded later:
//! the package's own library, and those of packages that require it. No search path leads there, so what is missing in a
//! session of its own is looked for in the package and in those that it requires, and in what code loads by paths first.

use std::collections::{BTreeMap, BTreeSet};

use super::loader::{LibraryLookup, LoaderView, NeededLibrary, Process};
use super::symbols::{Binding, SymbolError, symbol_errors};
use crate::formats::elf::Type;
use crate::languages::{ALL, LoadedBefore, Packages, language};
use crate::tree::EntryId;

/// How often a library is loaded again with more loaded before it.
const MAX_ROUNDS: usize = 8;

/// The libraries that packages bring.
pub(super) struct Preloads<'a> {
    view: &'a LoaderView<'a>,
    packages: &'a Packages,
    /// For each package, its libraries that answer to a soname.
    libraries: BTreeMap<usize, Vec<EntryId>>,
    /// What the code of each language loads by paths first.
    by_code: Vec<Box<LoadedBefore<'a>>>,
}

impl<'a> Preloads<'a> {
    /// Those of a tree.
    pub(super) fn new(view: &'a LoaderView<'a>, packages: &'a Packages) -> Self {
        let mut libraries: BTreeMap<usize, Vec<EntryId>> = BTreeMap::new();
        for (id, _) in view.objects.iter().filter(|(_, elf)| elf.kind == Type::Shared && elf.soname.is_some()) {
            if let Some(package) = packages.of_path(view.tree.path(*id)) {
                libraries.entry(package).or_default().push(*id);
            }
        }
        let by_code = ALL.iter().map(|language| language.loaded_before(packages, view.tree, view.objects)).collect();
        Self { view, packages, libraries, by_code }
    }

    /// Loads a library into a session of `process` that has loaded what its package and those that it requires bring, as
    /// far as the library needs it; what is `linked` is not loaded first. Returns the session, the needed libraries of all that was loaded, and the errors.
    pub(super) fn load<'p>(
        &self,
        process: &Process<'p>,
        library: EntryId,
        binding: Binding,
        linked: &BTreeSet<EntryId>,
    ) -> (Process<'p>, Vec<NeededLibrary>, Vec<SymbolError>) {
        let started = process.objects().len();
        let load = |first: &[EntryId]| {
            let mut session = process.clone();
            let edges = first.iter().chain([&library]).flat_map(|id| session.dlopen(*id)).collect::<Vec<_>>();
            let errors = symbol_errors(&session, started, binding);
            (session, edges, errors)
        };
        let mut first = Vec::new();
        let mut loaded = load(&first);
        let fails = |edges: &[NeededLibrary], errors: &[SymbolError]| {
            edges.iter().any(|edge| matches!(edge.outcome, LibraryLookup::Missing { .. }))
                || errors.iter().any(|error| matches!(error, SymbolError::Undefined { .. }))
        };
        if !fails(&loaded.1, &loaded.2) {
            return loaded;
        }
        let mut brought = self.brought(library);
        brought.retain(|id| !linked.contains(id));
        // Code is only read where a library of the tree would be of use.
        let all: Vec<EntryId> = self.view.objects.keys().copied().collect();
        if !self.wanted(&all, &loaded.1, &loaded.2).is_empty() {
            brought.extend(self.by_code.iter().flat_map(|before| before(library)).filter(|id| *id != library));
        }
        for _ in 0..MAX_ROUNDS {
            let more = self.wanted(&brought, &loaded.1, &loaded.2);
            let more: Vec<EntryId> = more.into_iter().filter(|id| *id != library && !first.contains(id)).collect();
            if more.is_empty() {
                break;
            }
            // What these need in turn has to be loaded before them.
            first.splice(0..0, more);
            loaded = load(&first);
        }
        loaded
    }

    /// The libraries of the package that contains a file, and of every package that it requires.
    fn brought(&self, file: EntryId) -> Vec<EntryId> {
        let Some(own) = self.packages.of_path(self.view.tree.path(file)) else { return Vec::new() };
        let (mut closure, mut queue) = (BTreeSet::from([own]), vec![own]);
        while let Some(next) = queue.pop() {
            let package = self.packages.get(next);
            for required in &package.requires {
                let of = language(package.language);
                let copies = of.provides(self.packages, self.view.tree, package, &required.package);
                queue.extend(copies.into_iter().filter(|copy| closure.insert(*copy)));
            }
        }
        closure.iter().filter_map(|package| self.libraries.get(package)).flatten().copied().collect()
    }

    /// Those that answer to a missing name or define an undefined symbol.
    fn wanted(&self, brought: &[EntryId], edges: &[NeededLibrary], errors: &[SymbolError]) -> BTreeSet<EntryId> {
        let missing = edges.iter().filter(|edge| matches!(edge.outcome, LibraryLookup::Missing { stopped: None, .. }));
        let sonames: BTreeSet<&str> = missing.map(|edge| edge.soname.as_str()).collect();
        let symbols: Vec<&String> = errors
            .iter()
            .filter_map(|error| match error {
                SymbolError::Undefined { symbols, .. } => Some(symbols),
                SymbolError::Version { .. } => None,
            })
            .flatten()
            .collect();
        let answers = |id: &&EntryId| {
            let Some(elf) = self.view.objects.get(id) else { return false };
            elf.soname.as_deref().is_some_and(|soname| sonames.contains(soname))
                || symbols.iter().any(|symbol| elf.symbols.defines(symbol))
        };
        brought.iter().filter(answers).copied().collect()
    }
}
