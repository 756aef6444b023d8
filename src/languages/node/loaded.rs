//! The files that rules take for tests, declarations, documents and sources of addons, and that code loads all the same: a
//! package whose main file requires one of its tests, or reads its README.md, needs it.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use rayon::prelude::*;
use regex::bytes::Regex;
use serde_json::Value;

use super::exports::{self, WAYS};
use super::needs::ID;
use super::packages::manifest;
use super::source::{self, targets};
use crate::base::path::TreePath;
use crate::languages::{Package, Packages, conflicts};
use crate::tree::{EntryId, Place, Tree};

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

/// What may be before an expression in a statement of its own.
const BINDS: &str = r"(?:const|let|var)[ \t]+[^=;()\n]+=[ \t]*|(?:module\.)?exports(?:\.\w+)?[ \t]*=[ \t]*";

/// A package that finds the addon of another one, which a statement of its own requires.
static ADDON: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let packages = "bindings|node-gyp-build|(?:@mapbox/)?node-pre-gyp";
    Regex::new(&format!(
        r#"(?m)^(?:(?:const|let|var)[ \t]+(?P<name>\w+)[ \t]*=[ \t]*|{BINDS})?require\([ \t]*["'](?P<by>{packages})["'][ \t]*\)(?P<called>\(?)"#
    ))
    .ok()
});

/// A path that is required by a statement of its own.
static REQUIRED: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(&format!(
        r#"(?m)^(?:(?:{BINDS})?require\([ \t]*|(?:import|export)[ \t]+(?:[^;"'()\n]*\bfrom[ \t]*)?)["'](\.{{1,2}}/[^"'\n]+)["']"#
    ))
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
    let packages: Vec<&Package> = packages.of_language(ID).collect();
    packages.into_par_iter().flat_map_iter(|package| of_package(package, tree)).collect()
}

fn of_package(package: &Package, tree: &Tree) -> Vec<(EntryId, EntryId)> {
    let own: Vec<(EntryId, &TreePath, Option<Kind>)> = tree
        .below(&package.directory)
        .filter(|(_, entry)| !entry.is_directory())
        .filter_map(|(id, entry)| {
            let below = std::str::from_utf8(entry.path.below(&package.directory)?).ok()?;
            // What is installed in the package is another one.
            (!below.split('/').any(|part| part == "node_modules")).then(|| (id, &entry.path, kind(below)))
        })
        .collect();
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

/// Why a package cannot be loaded.
pub(super) struct Broken {
    /// The file.
    pub(super) what: String,
    /// What is wrong with it.
    pub(super) why: String,
    /// The way of loading the package that fails, if it is one of two.
    pub(super) way: Option<&'static str>,
}

/// The first file without which loading a package fails for certain, with what is wrong: its main file, or one that this requires
/// by a statement of its own, not in a function or condition.
pub(super) fn broken(tree: &Tree, package: &Package) -> Option<Broken> {
    let declared = manifest(tree, package.entry)?;
    let mains: Vec<(&'static str, EntryId)> = if let Some(own) = exports::of_package(&declared) {
        let main = |(way, conditions): &(&'static str, &[&str])| {
            let targets = exports::targets(own, conditions);
            // Which of several is loaded is not known.
            let [target] = targets.as_slice() else { return None };
            Some((*way, exports::file(tree, package, target)?))
        };
        WAYS.iter().filter_map(main).collect()
    } else {
        let named = declared["main"].as_str().filter(|main| !main.is_empty());
        let main = named.into_iter().chain(["index"]).find_map(|main| module(tree, &package.directory, main));
        main.into_iter().map(|main| ("require()", main)).collect()
    };
    let own = exports::of_package(&declared);
    let is_open = own.is_some_and(|own| WAYS.iter().any(|(_, conditions)| exports::targets(own, conditions).len() > 1));
    let of = |(way, main): &(&'static str, EntryId)| {
        let (what, why) = breaks(tree, package, *main)?;
        Some(Broken { what, why, way: Some(*way) })
    };
    let is_same = mains.iter().all(|(_, main)| *main == mains[0].1);
    let mut found: Vec<Broken> = mains.iter().take(if is_same { 1 } else { mains.len() }).filter_map(of).collect();
    let fails_always = !is_open && (is_same || found.len() == mains.len());
    found.truncate(1);
    found.pop().map(|first| Broken { way: first.way.filter(|_| !fails_always), ..first })
}

/// The first file without which loading a file of a package fails.
fn breaks(tree: &Tree, package: &Package, main: EntryId) -> Option<(String, String)> {
    // What has another ending is not loaded as code.
    let mut queue: Vec<EntryId> = Some(main).filter(|id| is_code(tree.path(*id))).into_iter().collect();
    let mut seen: BTreeSet<EntryId> = queue.iter().copied().collect();
    while let Some(id) = queue.pop() {
        let path = tree.path(id);
        let (Some(directory), Ok(text)) = (path.parent(), tree.read_text(id)) else { continue };
        if text.starts_with(b"version https://git-lfs.github.com/spec/") {
            return Some((path.to_string(), "is a pointer of Git LFS in place of the file".to_owned()));
        }
        if let Some(line) = conflicts::line_of_marker(&text, is_in_text) {
            return Some((path.to_string(), conflicts::describe(line)));
        }
        if let Some(by) = addon_by_package(tree, package, path, &text) {
            return Some((path.to_string(), format!("loads an addon with {by}, and the package has no .node file")));
        }
        let required = REQUIRED.iter().flat_map(|pattern| pattern.captures_iter(&text));
        for required in required.filter_map(|found| found.get(1)) {
            let required = String::from_utf8_lossy(required.as_bytes()).into_owned();
            match module_of_code(tree, &directory, &required) {
                Some(to) if is_code(tree.path(to)) && seen.insert(to) => queue.push(to),
                // What is above the tree is the function's.
                None if directory.join(&required).is_some() && is_certain(path, &text, &required) => {
                    return Some((path.to_string(), format!("requires {required}, which is not in the tree")));
                }
                _ => {}
            }
        }
    }
    None
}

/// Whether what is before a place in a source ends inside a comment or a template, by what begins these.
fn is_in_text(before: &[u8]) -> bool {
    let last = |mark: &[u8]| before.windows(mark.len()).rposition(|window| window == mark);
    let in_comment = last(b"/*").is_some_and(|start| last(b"*/").is_none_or(|end| end < start));
    in_comment || memchr::memchr_iter(b'`', before).count() % 2 == 1
}

/// The package by which a source loads the addon of its own package when it is loaded itself, if there is no addon.
fn addon_by_package(tree: &Tree, package: &Package, path: &TreePath, text: &[u8]) -> Option<String> {
    let by = ADDON.iter().flat_map(|pattern| pattern.captures_iter(text)).find_map(|found| {
        let by = String::from_utf8_lossy(found.name("by")?.as_bytes()).into_owned();
        let bound = found.name("name").map(|name| String::from_utf8_lossy(name.as_bytes()).into_owned());
        // It is called at once, or by the name that it is bound to.
        let is_called = found.name("called").is_some_and(|called| !called.is_empty())
            || bound.is_some_and(|name| {
                let call = format!(r"(?m)^(?:{BINDS})?{}(?:\.find)?\(", regex::escape(&name));
                Regex::new(&call).is_ok_and(|call| call.is_match(text))
            });
        is_called.then_some(by)
    })?;
    // What the build host's rules leave out is in the tree.
    let has_addon = tree
        .all()
        .any(|(_, entry)| entry.path.name().ends_with(b".node") && entry.path.below(&package.directory).is_some());
    (!has_addon && requires(path, text, &by)).then_some(by)
}

/// Whether the code of a source requires a package, and does not do without it.
fn requires(path: &TreePath, text: &[u8], name: &str) -> bool {
    let Some(Ok(source)) = source::read(&String::from_utf8_lossy(path.name()), text, None) else { return false };
    source.follows.iter().any(|follow| !follow.optional && follow.otherwise.as_deref() == Some(name))
}

/// Whether the code of a source requires a path, and does not do without it. Comments and texts can look as if they did.
fn is_certain(path: &TreePath, text: &[u8], required: &str) -> bool {
    let name = String::from_utf8_lossy(path.name());
    let Some(Ok(source)) = source::read(&name, text, None) else { return false };
    let required = required.trim_start_matches("./").trim_end_matches('/');
    let is_it = |path: &String| path.trim_start_matches("./").trim_end_matches('/') == required;
    source.dynamic.is_empty() && source.follows.iter().any(|follow| !follow.optional && follow.paths.iter().any(is_it))
}

/// The file or directory that code gets by a path.
fn module_of_code(tree: &Tree, directory: &TreePath, path: &str) -> Option<EntryId> {
    let nodes = [".node", "/index.node"].map(|ending| format!("{}{ending}", path.trim_end_matches('/')));
    let file = module(tree, directory, path);
    let other = || {
        // Links lead elsewhere, and a directory's package.json too.
        let places = nodes.iter().map(String::as_str).chain([path]).filter_map(|path| directory.join(path));
        let mut found = places.filter_map(|place| match tree.locate(place.mounted().as_bytes()) {
            Place::Inside(found) => Some(found),
            _ => None,
        });
        found.next()
    };
    file.or_else(other)
}

/// The file that a path leads to when it is loaded.
fn module(tree: &Tree, directory: &TreePath, path: &str) -> Option<EntryId> {
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
fn is_code(path: &TreePath) -> bool {
    let name = path.name();
    !name.contains(&b'.') || [&b".js"[..], b".cjs", b".mjs"].iter().any(|ending| name.ends_with(ending))
}
