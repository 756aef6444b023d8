//! The files that rules take for tests, declarations, documents and sources of addons, and that code loads all the same: a
//! package whose main file requires one of its tests, or reads its README.md, needs it, and so does one that another package loads by
//! a path in it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use rayon::prelude::*;
use regex::bytes::Regex;
use serde_json::Value;

use super::needs::ID;
use super::packages::manifest;
use super::resolution::{Leads, Resolver, Way};
use super::source::{self, targets};
use crate::base::path::TreePath;
use crate::languages::{Package, Packages};
use crate::tree::{EntryId, Tree};

/// What may follow the path of a module where it is loaded.
const ENDINGS: &[&str] = &["", ".js", ".json", ".cjs", ".mjs", "/index.js", "/index.json"];

/// A path relative to the source that has it.
static RELATIVE: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r#"["'`](\.{1,2}/[^"'`\n]+)["'`]"#).ok());

/// What is joined with the directory of the source that has it: `__dirname + "/a"`, `join(__dirname, "a", "b")`.
static JOINED: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let directory = r"(?:__dirname|import\.meta\.dirname)";
    Regex::new(&format!(
        r#"{directory}[ \t\n]*[,+]((?:[ \t\n]*[,+]?[ \t\n]*["'`][^"'`\n]+["'`])+)|\$\{{{directory}\}}/([^"'`\n]+)"#
    ))
    .ok()
});

/// One part of what is joined.
static PART: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r#"["'`]([^"'`\n]+)["'`]"#).ok());

/// What is loaded by a path in a package, or by a name that begins with `#`.
static IN_PACKAGE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r#"(?-u)(?:\bfrom|\bimport|require(?:\.resolve)?)[ \t\n]*\(?[ \t\n]*["'`](#[^"'`\n]+|[^"'`\n./#][^"'`\n]*/[^"'`\n]+)["'`]"#,
    )
    .ok()
});

/// What a file is for, by its path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Tests, and sources of addons, which few packages have.
    Rare,
    /// Declarations, documents and source maps, which most have.
    Common,
}

/// The files that rules may match, each with the code, or the package.json, that loads it.
pub(super) fn files(packages: &Packages, tree: &Tree) -> Vec<(EntryId, EntryId)> {
    let of_language: Vec<&Package> = packages.of_language(ID).collect();
    let named = named_by_packages(packages, tree, &of_language);
    let none = Vec::new();
    let of = |package: &Package| of_package(package, tree, named.get(&package.entry).unwrap_or(&none));
    of_language.into_par_iter().flat_map_iter(of).collect()
}

/// The code that rules may match and that packages load by its path in another package, or by a name that begins with `#`, each with
/// what loads it, by the package.json of the package that has it.
fn named_by_packages(
    packages: &Packages,
    tree: &Tree,
    of_language: &[&Package],
) -> BTreeMap<EntryId, Vec<(EntryId, EntryId)>> {
    let is_loaded_by_path = |package: &&&Package| {
        files_of(package, tree).any(|(_, path, kind)| {
            let is_module = |ending: &&[u8]| path.name().ends_with(ending);
            kind == Some(Kind::Rare) && [&b".js"[..], b".cjs", b".mjs", b".json", b".node"].iter().any(is_module)
        })
    };
    let with: Vec<&&Package> = of_language.par_iter().filter(is_loaded_by_path).collect();
    let with: BTreeSet<&str> = with.into_iter().map(|package| package.name.as_str()).collect();
    let resolver = Resolver::new(packages, tree);
    let of = |package: &&Package| {
        let required = package.requires.iter().map(|required| required.package.as_str());
        let names = required.chain(package.suggests.iter().map(String::as_str)).chain([package.name.as_str()]);
        let names: BTreeSet<&str> = names.filter(|name| with.contains(name)).collect();
        let code = files_of(package, tree).filter(|(_, path, kind)| kind.is_none() && is_code(path));
        let code: Vec<EntryId> = code.map(|(id, ..)| id).filter(|_| !names.is_empty()).collect();
        code.into_iter().flat_map(|id| paths_of(&resolver, tree, id, &names)).collect::<Vec<_>>()
    };
    let mut found: BTreeMap<EntryId, Vec<(EntryId, EntryId)>> = BTreeMap::new();
    for (from, to) in of_language.par_iter().flat_map_iter(of).collect::<Vec<_>>() {
        if let Some(owner) = packages.of_path(tree.path(to)) {
            found.entry(packages.get(owner).entry).or_default().push((from, to));
        }
    }
    found
}

/// What a source loads by paths in these packages, or by names that begin with `#`.
fn paths_of(resolver: &Resolver<'_>, tree: &Tree, id: EntryId, names: &BTreeSet<&str>) -> Vec<(EntryId, EntryId)> {
    let Ok(text) = tree.read_text(id) else { return Vec::new() };
    let mut found = Vec::new();
    for specifier in IN_PACKAGE.iter().flat_map(|pattern| pattern.captures_iter(&text)).filter_map(|found| found.get(1))
    {
        let Ok(specifier) = std::str::from_utf8(specifier.as_bytes()) else { continue };
        if specifier.starts_with('#') || source::package_of(specifier).is_some_and(|name| names.contains(name)) {
            let ways = [Way::Require, Way::Import].map(|way| resolver.resolve(id, specifier, way));
            found.extend(ways.into_iter().filter_map(|leads| match leads {
                Leads::To(to) if to != id => Some((id, to)),
                _ => None,
            }));
        }
    }
    found
}

/// The files of a package, each with what it is for. What is installed in the package is another one.
fn files_of<'a>(
    package: &'a Package,
    tree: &'a Tree,
) -> impl Iterator<Item = (EntryId, &'a TreePath, Option<Kind>)> + 'a {
    tree.below(&package.directory).filter(|(_, entry)| !entry.is_directory()).filter_map(|(id, entry)| {
        let below = std::str::from_utf8(entry.path.below(&package.directory)?).ok()?;
        (!below.split('/').any(|part| part == "node_modules")).then(|| (id, &entry.path, kind(below)))
    })
}

fn of_package(package: &Package, tree: &Tree, named_by: &[(EntryId, EntryId)]) -> Vec<(EntryId, EntryId)> {
    let own: Vec<(EntryId, &TreePath, Option<Kind>)> = files_of(package, tree).collect();
    if own.iter().all(|(_, _, kind)| kind.is_none()) {
        return Vec::new();
    }
    let candidates: BTreeSet<EntryId> = own.iter().filter(|(_, _, kind)| kind.is_some()).map(|(id, ..)| *id).collect();
    let named = named_in_manifest(package, tree);
    let mut queue: BTreeSet<EntryId> = named.iter().copied().filter(|id| is_code(tree.path(*id))).collect();
    // Most packages have documents. Of one that only has such files, the code that is loaded first is read.
    if own.iter().any(|(_, _, kind)| *kind == Some(Kind::Rare)) {
        queue.extend(
            own.iter()
                .filter(|(_, path, kind)| kind.is_none() && is_code(path) && path.name().contains(&b'.'))
                .map(|(id, ..)| *id),
        );
    }
    let mut found: Vec<(EntryId, EntryId)> =
        named.iter().filter(|id| candidates.contains(id)).map(|id| (package.entry, *id)).collect();
    let named_by = named_by.iter().filter(|(_, to)| candidates.contains(to));
    found.extend(named_by.clone());
    queue.extend(named_by.map(|(_, to)| *to).filter(|to| is_code(tree.path(*to))));
    let mut seen: BTreeSet<EntryId> = queue.iter().copied().collect();
    while let Some(from) = queue.pop_last() {
        for to in loads(tree, from).into_iter().filter(|to| candidates.contains(to) && *to != from) {
            found.push((from, to));
            if is_code(tree.path(to)) && seen.insert(to) {
                queue.insert(to);
            }
        }
    }
    found
}

/// The files of a package that its package.json names: what it is loaded by, and its programs.
fn named_in_manifest(package: &Package, tree: &Tree) -> BTreeSet<EntryId> {
    let declared = manifest(tree, package.entry).unwrap_or_default();
    let mut paths: Vec<&str> = vec!["index"];
    paths.extend(declared["main"].as_str());
    paths.extend(targets(&declared["bin"]));
    for key in ["exports", "imports"] {
        paths.extend(targets(&declared[key]));
        // Their tables of paths.
        let tables = declared[key].as_object().into_iter().flat_map(serde_json::Map::values);
        paths.extend(tables.filter(|value| !matches!(value, Value::String(_))).flat_map(targets));
    }
    // What ends in types is for compilers.
    paths.retain(|path| !path.ends_with(".d.ts") && !path.ends_with(".d.mts") && !path.ends_with(".d.cts"));
    paths.into_iter().filter_map(|path| module(tree, &package.directory, path)).collect()
}

/// The files that a source names by paths relative to its own.
fn loads(tree: &Tree, id: EntryId) -> BTreeSet<EntryId> {
    let (Some(directory), Ok(text)) = (tree.path(id).parent(), tree.read_text(id)) else { return BTreeSet::new() };
    let text_of = |found: regex::bytes::Match<'_>| String::from_utf8_lossy(found.as_bytes()).into_owned();
    let mut paths: BTreeSet<String> = BTreeSet::new();
    let relative = RELATIVE.iter().flat_map(|pattern| pattern.captures_iter(&text));
    paths.extend(relative.filter_map(|found| found.get(1)).map(text_of));
    for found in JOINED.iter().flat_map(|pattern| pattern.captures_iter(&text)) {
        let parts = found.get(1).map(|parts| parts.as_bytes()).unwrap_or_default();
        let parts = PART.iter().flat_map(|pattern| pattern.captures_iter(parts)).filter_map(|part| part.get(1));
        let joined = parts.map(text_of).collect::<Vec<_>>().join("/");
        paths.insert(joined);
        paths.extend(found.get(2).map(text_of));
    }
    paths.iter().filter_map(|path| module(tree, &directory, path.trim_start_matches('/'))).collect()
}

/// The code of a package that is loaded with it: what its package.json names, and what that names by relative paths.
pub(super) fn code(package: &Package, tree: &Tree) -> BTreeSet<EntryId> {
    let is_own = |id: &EntryId| {
        let below = tree.path(*id).below(&package.directory);
        is_code(tree.path(*id))
            && below.is_some_and(|below| !below.split(|byte| *byte == b'/').any(|part| part == b"node_modules"))
    };
    let mut queue: Vec<EntryId> = named_in_manifest(package, tree).into_iter().filter(is_own).collect();
    let mut seen: BTreeSet<EntryId> = queue.iter().copied().collect();
    while let Some(id) = queue.pop() {
        queue.extend(loads(tree, id).into_iter().filter(is_own).filter(|to| seen.insert(*to)));
    }
    seen
}

/// The file that a path leads to when it is loaded.
pub(super) fn module(tree: &Tree, directory: &TreePath, path: &str) -> Option<EntryId> {
    let path = path.split(['?', '#']).next().unwrap_or(path).trim_end_matches('/');
    ENDINGS.iter().find_map(|ending| {
        let found = tree.find(&directory.join(format!("{path}{ending}"))?)?;
        (!tree.entry(found).is_directory()).then_some(found)
    })
}

/// What a file of a package is for, if it looks as if no function needed it.
fn kind(below: &str) -> Option<Kind> {
    let (directories, name) = below.rsplit_once('/').unwrap_or(("", below));
    let mut above = directories.split('/');
    let is_in = |names: &[&str]| directories.split('/').any(|directory| names.contains(&directory));
    let ends = |endings: &[&str]| {
        endings.iter().any(|ending| name.strip_suffix(ending).is_some_and(|name| name.ends_with('.')))
    };
    let is_test = ["test", "spec"].iter().any(|word| {
        let code = ["js", "mjs", "cjs", "jsx", "ts", "tsx"];
        code.iter().any(|ending| name.ends_with(&format!(".{word}.{ending}")))
    });
    let is_source = ends(&["c", "cc", "cpp", "cxx", "h", "hh", "hpp", "hxx", "inc"]);
    if is_test
        || is_in(&["__tests__"])
        || matches!(above.next(), Some("test" | "tests"))
        || is_source && is_in(&["src", "deps", "vendor", "include"])
    {
        return Some(Kind::Rare);
    }
    ends(&["md", "markdown", "d.ts", "d.mts", "d.cts", "js.map", "mjs.map", "css.map"]).then_some(Kind::Common)
}

/// Whether Node.js loads a file as code: programs can have names without an ending.
pub(super) fn is_code(path: &TreePath) -> bool {
    let name = path.name();
    !name.contains(&b'.') || [&b".js"[..], b".cjs", b".mjs"].iter().any(|ending| name.ends_with(ending))
}
