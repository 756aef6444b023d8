//! Which distributions the code of one imports without declaring them, in any function or condition, or finds by their entry
//! points.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use regex::bytes::Regex;

use super::imports::Modules;
use super::names::normalized;
use super::needs::ID;
use super::source;
use crate::languages::{Calls, Package, Packages};
use crate::tree::{EntryId, Tree};

/// What could import a module: a statement, or a call with its name.
static CANDIDATES: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r#"(?m)^[ \t]*(?:from[ \t]+(\w+)|import[ \t]+([^\n]+))|(?:import_module|__import__|import_optional_dependency)\([ \t\n]*["'](\w+)"#,
    )
    .ok()
});

/// Reads the code of the distributions in a tree.
pub(super) struct Reader<'a> {
    packages: &'a Packages,
    tree: &'a Tree,
    modules: Modules<'a>,
    /// The distributions that plug into another one, by its name, each with a group of its entry points: the first part of
    /// `aa.plugins` is a name.
    plugins: BTreeMap<String, Vec<(&'a Package, String)>>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(packages: &'a Packages, tree: &'a Tree) -> Self {
        Self { packages, tree, modules: Modules::new(packages, tree), plugins: plugins(packages, tree) }
    }

    /// What the code of a distribution imports of others in the tree that it does not declare, each with the modules that do; and
    /// what plugs into it.
    pub(super) fn of_package(&self, package: &Package) -> Calls {
        let Self { packages, tree, modules, plugins } = self;
        let own = packages.at(&package.directory);
        let declared = |name: &str| package.requires.iter().any(|required| required.package == name);
        // The distributions, besides this one and what it declares, that a module is in.
        let others = |name: &str| -> BTreeSet<String> {
            let found = modules.find(name).into_iter().flat_map(|found| found.files);
            let positions = found.filter_map(|file| packages.of_path(tree.path(file))).filter(|at| Some(*at) != own);
            positions.map(|at| packages.get(at).name.clone()).filter(|name| !declared(name)).collect()
        };
        let mut calls = Calls::default();
        let plugins = plugins.get(&package.name).into_iter().flatten();
        for (other, group) in plugins.filter(|(other, _)| other.entry != package.entry) {
            calls.callers.entry(other.name.clone()).or_default().insert(group.clone());
        }
        for id in package.entries(tree).filter(|id| is_code(tree, *id)) {
            let Ok(text) = tree.read_text(id) else { continue };
            if !candidates(&text).iter().any(|name| !others(name).is_empty()) {
                continue;
            }
            // Texts in code can look like imports.
            let Ok(read) = source::parse(&text) else { continue };
            let Some(module) = modules.name(id) else { continue };
            for name in read.follows.iter().filter_map(|follow| follow.otherwise.as_deref()) {
                for other in others(name) {
                    calls.callers.entry(other).or_default().insert(module.clone());
                }
            }
        }
        calls
    }
}

/// The distributions that plug into others, by the names of these.
fn plugins<'a>(packages: &'a Packages, tree: &Tree) -> BTreeMap<String, Vec<(&'a Package, String)>> {
    let mut plugins: BTreeMap<String, Vec<(&Package, String)>> = BTreeMap::new();
    for other in packages.of_language(ID) {
        let beside = tree.path(other.entry).parent().and_then(|info| info.join("entry_points.txt"));
        let Some(text) = beside.and_then(|path| tree.read_text(tree.find(&path)?).ok()) else { continue };
        for line in String::from_utf8_lossy(&text).lines() {
            let group = line.trim().strip_prefix('[').and_then(|line| line.strip_suffix(']'));
            let Some(group) = group else { continue };
            let first = group.split('.').next().unwrap_or(group);
            plugins.entry(normalized(first)).or_default().push((other, group.to_owned()));
        }
    }
    plugins
}

/// Whether a file is a source that a function can run, rather than a test.
fn is_code(tree: &Tree, id: EntryId) -> bool {
    let path = tree.path(id);
    path.name().ends_with(b".py")
        && !path.ancestors().skip(1).any(|above| matches!(above.name(), b"tests" | b"test" | b"testing"))
}

/// The first parts of the names of modules that a source may import.
fn candidates(text: &[u8]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for statement in CANDIDATES.iter().flat_map(|pattern| pattern.captures_iter(text)) {
        for group in statement.iter().skip(1).flatten() {
            let names = String::from_utf8_lossy(group.as_bytes()).into_owned();
            let first =
                |name: &str| name.trim().split(|c: char| !(c.is_alphanumeric() || c == '_')).next().map(str::to_owned);
            found.extend(names.split(',').filter_map(first).filter(|name| !name.is_empty()));
        }
    }
    found
}
