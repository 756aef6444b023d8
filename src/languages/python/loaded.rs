//! The files that rules take for tests and for sources of extension modules, and that code loads all the same: a package that
//! imports one of its tests, or reads a source in C when it is imported, needs it.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use rayon::prelude::*;
use regex::bytes::Regex;

use super::imports::Modules;
use super::uses::{absolute, imported, when_called};
use crate::base::path::TreePath;
use crate::formats::shebang;
use crate::languages::Packages;
use crate::tree::{EntryId, Kind, Magic, Tree};

/// A longer script is not read.
const MAX_SCRIPT_BYTES: u64 = 64 << 10;

/// The endings of what a compiler reads.
const SOURCES: &[&str] = &["pyx", "pxd", "pxi", "pyx.in", "h", "hh", "hpp", "hxx", "c", "cc", "cpp", "cxx", "f", "f90"];

/// A module that is imported by a text, in any function.
static BY_NAME: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r#"\b(?:import_module|__import__)\([ \t\n]*["']([\w.]+)["']"#).ok());

/// The module of an entry point.
static ENTRY_POINT: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"(?m)^[^\[#=\n]+=[ \t]*([\w.]+)").ok());

/// A module that a command line runs.
static RUN: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"\bpython[\d.]*[ \t]+(?:-[A-Za-z]+[ \t]+)*?-m[ \t]*([\w.]+)").ok());

/// The name of a source for a compiler, with the directories that are joined with it.
static SOURCE_NAME: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let endings = SOURCES.join("|").replace('.', r"\.");
    Regex::new(&format!(r#"(?:["'][\w./-]+["'][ \t\n]*\)?[ \t\n]*[,/][ \t\n]*)*["'][^"'\n]*[\w-]\.(?:{endings})["']"#))
        .ok()
});

/// One part of such a path.
static PART: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r#"["']([^"'\n]+)["']"#).ok());

/// The files that rules may match, each with the code that loads it: what a module imports, also in functions,
/// modules that it imports by name, the modules of entry points, and the sources that it names by their paths.
pub(super) fn files(packages: &Packages, tree: &Tree) -> Vec<(EntryId, EntryId)> {
    let candidates: BTreeSet<EntryId> = tree
        .iter()
        .filter(|(_, entry)| !entry.is_directory() && (is_test(&entry.path) || is_source(&entry.path)))
        .map(|(id, _)| id)
        .collect();
    if candidates.is_empty() {
        return Vec::new();
    }
    let modules = Modules::new(packages, tree);
    let units: BTreeSet<TreePath> = candidates.iter().filter_map(|id| modules.unit(tree.path(*id))).collect();
    let reader = Reader { tree, modules: &modules, candidates: &candidates };
    let code = modules.sources().filter(|id| {
        let path = tree.path(*id);
        !is_beside_code(path) && modules.unit(path).is_some_and(|unit| units.contains(&unit))
    });
    // Code in directories of tests only counts if other code imports it.
    let mut round: BTreeSet<EntryId> = code.collect();
    let mut seen = round.clone();
    let mut found: Vec<(EntryId, EntryId)> = reader.entry_points();
    found.extend(reader.run_by_scripts());
    round.extend(found.iter().map(|(_, to)| *to).filter(|to| seen.insert(*to)));
    while !round.is_empty() {
        let read: Vec<(EntryId, BTreeSet<EntryId>)> = round.par_iter().map(|id| (*id, reader.loads(*id))).collect();
        round.clear();
        for (from, to) in read.into_iter().flat_map(|(from, all)| all.into_iter().map(move |to| (from, to))) {
            if candidates.contains(&to) && from != to {
                found.push((from, to));
            }
            if (candidates.contains(&to) || is_beside_code(tree.path(to))) && seen.insert(to) {
                round.insert(to);
            }
        }
    }
    found
}

struct Reader<'a> {
    tree: &'a Tree,
    modules: &'a Modules<'a>,
    candidates: &'a BTreeSet<EntryId>,
}

impl Reader<'_> {
    /// The files that a source loads.
    fn loads(&self, id: EntryId) -> BTreeSet<EntryId> {
        let path = self.tree.path(id);
        if !path.name().ends_with(b".py") {
            return BTreeSet::new();
        }
        let Ok(text) = self.tree.read_text(id) else { return BTreeSet::new() };
        let name = self.modules.name(id).unwrap_or_default();
        let is_package = path.name() == b"__init__.py";
        let mut names = imported(&when_called(&text), &name, is_package);
        for found in BY_NAME.iter().flat_map(|pattern| pattern.captures_iter(&text)).filter_map(|found| found.get(1)) {
            let named = String::from_utf8_lossy(found.as_bytes());
            let module = named.trim_start_matches('.');
            names.extend(absolute(&name, is_package, named.len() - module.len(), module));
        }
        let mut files: BTreeSet<EntryId> =
            names.iter().filter_map(|name| self.modules.find(name)).flat_map(|found| found.files).collect();
        files.extend(self.sources(path, &text));
        files
    }

    /// The sources for a compiler that a module names, by paths relative to its own directory or to where modules are searched.
    fn sources(&self, path: &TreePath, text: &[u8]) -> BTreeSet<EntryId> {
        let mut files = BTreeSet::new();
        // A script that builds the package names what it is built from.
        if path.name() == b"setup.py" {
            return files;
        }
        let bases: Vec<TreePath> = path.parent().into_iter().chain(self.modules.directory(path)).collect();
        for found in SOURCE_NAME.iter().flat_map(|pattern| pattern.find_iter(text)) {
            let parts = PART.iter().flat_map(|pattern| pattern.captures_iter(found.as_bytes()));
            let parts: Vec<String> = parts
                .filter_map(|part| part.get(1))
                .map(|part| String::from_utf8_lossy(part.as_bytes()).into_owned())
                .collect();
            // What is before the path in a call may be the name of a package.
            for first in 0..parts.len() {
                let named = parts.get(first..).unwrap_or_default().join("/");
                let places = bases.iter().filter_map(|base| base.join(named.trim_start_matches('/')));
                files.extend(
                    places.filter_map(|place| self.tree.find(&place)).filter(|id| self.candidates.contains(id)),
                );
            }
        }
        files
    }

    /// The modules that shell scripts run.
    fn run_by_scripts(&self) -> Vec<(EntryId, EntryId)> {
        let is_shell = |kind: &Kind| match kind {
            Kind::File { magic: Magic::Script(line), .. } => shebang::parse(line).is_some_and(|it| it.is_shell()),
            _ => false,
        };
        let scripts = self.tree.iter().filter(|(_, entry)| is_shell(&entry.kind) && entry.bytes() <= MAX_SCRIPT_BYTES);
        let mut found = Vec::new();
        for (script, _) in scripts {
            let Ok(text) = self.tree.read_text(script) else { continue };
            let names = RUN.iter().flat_map(|pattern| pattern.captures_iter(&text));
            for name in names.filter_map(|name| std::str::from_utf8(name.get(1)?.as_bytes()).ok()) {
                let files = self.modules.find(name).into_iter().flat_map(|found| found.files);
                found.extend(files.filter(|file| self.candidates.contains(file)).map(|file| (script, file)));
            }
        }
        found
    }

    /// The modules of the entry points of distributions.
    fn entry_points(&self) -> Vec<(EntryId, EntryId)> {
        let lists = self.tree.iter().filter(|(_, entry)| entry.path.name() == b"entry_points.txt" && entry.is_file());
        let mut found = Vec::new();
        for (id, _) in lists {
            let Ok(text) = self.tree.read_text(id) else { continue };
            let names = ENTRY_POINT.iter().flat_map(|pattern| pattern.captures_iter(&text));
            for name in names.filter_map(|name| std::str::from_utf8(name.get(1)?.as_bytes()).ok()) {
                let files = self.modules.find(name).into_iter().flat_map(|found| found.files);
                found.extend(files.filter(|file| self.candidates.contains(file)).map(|file| (id, file)));
            }
        }
        found
    }
}

/// Whether a file is a test by its name and directory.
fn is_test(path: &TreePath) -> bool {
    let name = path.name();
    name.ends_with(b".py")
        && (name.starts_with(b"test_") || name.ends_with(b"_test.py") || name == b"conftest.py")
        && is_beside_code(path)
}

/// Whether a file is what a compiler reads.
fn is_source(path: &TreePath) -> bool {
    let Ok(name) = std::str::from_utf8(path.name()) else { return false };
    SOURCES.iter().any(|ending| name.strip_suffix(ending).is_some_and(|name| name.ends_with('.')))
}

/// Whether a file is in a directory of tests.
fn is_beside_code(path: &TreePath) -> bool {
    path.ancestors().skip(1).any(|above| above.name() == b"tests")
}
