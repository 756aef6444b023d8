//! Which packages the code of one loads without declaring them, in any function or condition.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use rayon::prelude::*;
use regex::bytes::Regex;

use super::loaded;
use super::needs::ID;
use super::packages::{Search, provider};
use super::source;
use crate::base::path::TreePath;
use crate::languages::{Calls, Package, Packages};
use crate::tree::{EntryId, Tree};

/// What could load a package: a name after `from`, `import` or `require`.
static CANDIDATES: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r#"(?:\bfrom|\bimport|require(?:\.resolve)?)[ \t\n]*\(?[ \t\n]*["'`]([^"'`\n./][^"'`\n]*)"#).ok()
});

/// Packages that find the addon of another one.
const FINDERS: &[&str] =
    &["bindings", "node-gyp-build", "node-pre-gyp", "@mapbox/node-pre-gyp", "node-gyp-build-optional-packages"];

/// Reads the code of the packages in a tree.
pub(super) struct Reader<'a> {
    packages: &'a Packages,
    tree: &'a Tree,
    /// The names of all packages.
    names: BTreeSet<&'a str>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(packages: &'a Packages, tree: &'a Tree) -> Self {
        let names = packages.of_language(ID).map(|package| package.name.as_str()).collect();
        Self { packages, tree, names }
    }

    /// What the code of a package loads of others in the tree that it does not declare, each with the files that do.
    pub(super) fn of_package(&self, package: &Package) -> Calls {
        let (packages, tree) = (self.packages, self.tree);
        let is_other = |name: &str| {
            self.names.contains(name)
                && name != package.name
                && !package.requires.iter().any(|required| required.package == name)
                && provider(packages, tree, package, name).is_some()
        };
        let mut calls = Calls::default();
        for id in package.entries(tree).filter(|id| is_code(packages, package, tree, *id)) {
            let Ok(text) = tree.read_text(id) else { continue };
            let names =
                CANDIDATES.iter().flat_map(|pattern| pattern.captures_iter(&text)).filter_map(|found| found.get(1));
            let mut names = names.filter_map(|name| std::str::from_utf8(name.as_bytes()).ok());
            if !names.any(|name| source::package_of(name).is_some_and(is_other)) {
                continue;
            }
            // Texts and comments in code can look like this.
            let name = String::from_utf8_lossy(tree.path(id).name()).into_owned();
            let Some(Ok(read)) = source::read(&name, &text, None) else { continue };
            let below = tree.path(id).below(&package.directory).unwrap_or_default();
            for name in
                read.follows.iter().filter_map(|follow| follow.otherwise.as_deref()).filter(|name| is_other(name))
            {
                let callers = calls.callers.entry(name.to_owned()).or_default();
                callers.insert(String::from_utf8_lossy(below).into_owned());
            }
        }
        calls
    }
}

/// The packages, by position, that the code of these packages loads, and that no package declares: what is loaded with each is
/// followed, with what they require. What a source does without, or loads in a function, is an option.
pub(super) fn undeclared(packages: &Packages, tree: &Tree, of: BTreeSet<usize>) -> BTreeSet<usize> {
    let names: BTreeSet<&str> = packages.of_language(ID).map(|package| package.name.as_str()).collect();
    let mut found = BTreeSet::new();
    let mut seen = of.clone();
    let mut queue: Vec<usize> = of.into_iter().collect();
    while let Some(position) = queue.pop() {
        let package = packages.get(position);
        let declared = package.requires.iter().filter_map(|it| provider(packages, tree, package, &it.package));
        queue.extend(declared.filter(|it| seen.insert(*it)));
        let is_declared = |name: &str| package.requires.iter().any(|required| required.package == name);
        let code: Vec<EntryId> = loaded::code(package, tree).into_iter().collect();
        let loaded = code.into_par_iter().flat_map_iter(|id| {
            let names = loaded_by(tree, id, &|name| names.contains(name) && name != package.name && !is_declared(name));
            names.into_iter().filter_map(|name| provider(packages, tree, package, &name)).collect::<Vec<_>>()
        });
        for other in loaded.collect::<BTreeSet<_>>() {
            found.insert(other);
            if seen.insert(other) {
                queue.push(other);
            }
        }
    }
    found
}

/// The packages, by position, that the code of a tree in no package loads, such as what functions share in a layer: in any function
/// or condition, as it is not known which of it is called.
pub(super) fn loaded_outside(packages: &Packages, tree: &Tree) -> BTreeSet<usize> {
    let search = Search::of(packages, tree);
    let is_installed = |path: &TreePath| path.ancestors().any(|above| above.name() == b"node_modules");
    let outside = tree.iter().filter(|(_, entry)| entry.is_file() && !is_installed(&entry.path));
    let code: Vec<EntryId> = outside
        .filter(|(_, entry)| {
            let name = std::str::from_utf8(entry.path.name()).unwrap_or_default();
            source::is_name(name)
                && packages.of_path(&entry.path).is_none()
                && entry.bytes() <= source::MAX_BYTES as u64
        })
        .map(|(id, _)| id)
        .collect();
    let loaded = code.into_par_iter().flat_map_iter(|id| {
        let path = tree.path(id);
        let text = tree.read_text(id).ok().filter(|text| CANDIDATES.iter().any(|pattern| pattern.is_match(text)));
        let name = String::from_utf8_lossy(path.name()).into_owned();
        let read = text.and_then(|text| source::read(&name, &text, None)?.ok()).unwrap_or_default();
        let names = read.follows.into_iter().filter_map(|follow| follow.otherwise);
        let found = names.filter_map(|name| packages.at(&search.find_from(&path.parent()?, &name)?));
        found.collect::<Vec<_>>()
    });
    loaded.collect()
}

/// Whether the code of a package tries to load a file of it, by its path or with a package that finds addons, and does without it.
pub(super) fn does_without(packages: &Packages, tree: &Tree, file: EntryId) -> bool {
    let path = tree.path(file);
    let Some(package) = packages.of_path(path).map(|position| packages.get(position)) else { return false };
    let name = String::from_utf8_lossy(path.name()).into_owned();
    let stem = name.split('.').next().unwrap_or(&name).to_owned();
    let mut tries = 0;
    for id in package.entries(tree).filter(|id| is_code(packages, package, tree, *id)) {
        let Ok(text) = tree.read_text(id) else { return false };
        let names_it = memchr::memmem::find(&text, stem.as_bytes()).is_some();
        let has_finder = FINDERS.iter().any(|finder| memchr::memmem::find(&text, finder.as_bytes()).is_some());
        if !names_it && !has_finder {
            continue;
        }
        let code = String::from_utf8_lossy(tree.path(id).name()).into_owned();
        let Some(Ok(read)) = source::read(&code, &text, None) else { return false };
        for follow in &read.follows {
            let is_finder = follow.otherwise.as_deref().is_some_and(|name| FINDERS.contains(&name));
            let last = |path: &String| path.rsplit('/').next().is_some_and(|last| last == name || last == stem);
            if is_finder || follow.otherwise.is_none() && follow.paths.iter().any(last) {
                if !follow.optional {
                    return false;
                }
                tries += 1;
            }
        }
    }
    tries > 0
}

/// The names, of those that are looked for, that a source loads by statements of their own and does not do without.
fn loaded_by(tree: &Tree, id: EntryId, is_sought: &dyn Fn(&str) -> bool) -> BTreeSet<String> {
    let Ok(text) = tree.read_text(id) else { return BTreeSet::new() };
    let candidates =
        CANDIDATES.iter().flat_map(|pattern| pattern.captures_iter(&text)).filter_map(|found| found.get(1));
    let mut candidates = candidates.filter_map(|name| std::str::from_utf8(name.as_bytes()).ok());
    if !candidates.any(|name| source::package_of(name).is_some_and(is_sought)) {
        return BTreeSet::new();
    }
    let name = String::from_utf8_lossy(tree.path(id).name()).into_owned();
    let Some(Ok(read)) = source::read(&name, &text, None) else { return BTreeSet::new() };
    let lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').collect();
    // What is in a function is indented.
    let is_at_start = |line: usize| {
        lines.get(line.saturating_sub(1)).is_some_and(|line| !line.starts_with(b" ") && !line.starts_with(b"\t"))
    };
    let certain = read.follows.iter().filter(|follow| !follow.optional && is_at_start(follow.line));
    certain.filter_map(|follow| follow.otherwise.clone()).filter(|name| is_sought(name)).collect()
}

/// Whether a file is a source of this package that a function can load, rather than a test.
fn is_code(packages: &Packages, package: &Package, tree: &Tree, id: EntryId) -> bool {
    let path = tree.path(id);
    let is_test = |above: &[u8]| matches!(above, b"test" | b"tests" | b"__tests__");
    std::str::from_utf8(path.name()).is_ok_and(|name| source::is_name(name) && !name.ends_with("ts"))
        && !path.ancestors().skip(1).any(|above| is_test(above.name()))
        && packages.of_path(path).is_some_and(|own| packages.get(own).entry == package.entry)
}
