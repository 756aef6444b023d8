//! The processes of Python: an interpreter, which may be in the tree, and the extension modules that it imports.
//!
//! What a wheel brings beside its modules (`NAME.libs/`, as auditwheel packs it, or `pkg/libx.so`) is loaded by a module that
//! needs it, whose RPATH leads to it. Such a library is not tried by itself, as nothing loads it like that. The exception is
//! a distribution without modules that has one library: its code loads that with ctypes.

use std::collections::{BTreeMap, BTreeSet};

use super::damaged::{declared, install_again};
use super::modules::{Module, modules};
use super::names::{Minor, is_searched};
use super::needs::ID;
use super::uses::has_interpreter;
use crate::base::list;
use crate::base::path::TreePath;
use crate::formats::elf::Type;
use crate::languages::{Dlopen, Packages, ProcessSpec};
use crate::runtime::RuntimeProfile;
use crate::tree::{EntryId, Objects, Tree};

/// How the soname of the interpreter's library begins.
const LIBPYTHON: &str = "libpython";

/// How many distributions a remedy names.
const MAX_NAMES: usize = 4;

/// How the names of its symbols begin (PEP 7: "Public functions use the Py prefix, private ones _Py").
const SYMBOLS: &[&str] = &["Py", "_Py"];

/// A process for each interpreter of the tree, and one for an interpreter outside of it.
pub(super) fn processes(
    packages: &Packages,
    tree: &Tree,
    objects: &Objects,
    runtime: &RuntimeProfile,
) -> Vec<ProcessSpec> {
    let (modules, foreign) = modules(tree, objects, runtime);
    let interpreters = interpreters(tree, objects);
    let mut by_program: BTreeMap<Option<EntryId>, ProcessSpec> = BTreeMap::new();
    let of_modules: BTreeSet<EntryId> = modules.iter().flat_map(|module| &module.files).map(|(id, _)| *id).collect();
    for module in &modules {
        let program = interpreter_of(tree, &interpreters, module);
        add(by_program.entry(program).or_default(), module);
    }
    let dependencies: Vec<EntryId> = objects
        .iter()
        .filter(|(id, elf)| {
            let path = tree.path(**id);
            elf.kind == Type::Shared
                && !of_modules.contains(id)
                && (is_searched(path) || packages.of_path(path).is_some_and(|at| packages.get(at).language == ID))
                && is_library(path.name())
        })
        .map(|(id, _)| *id)
        .collect();
    let loaded_by_code = loaded_by_code(packages, tree, objects, &of_modules, &dependencies);
    let other = by_program.entry(interpreters.first().map(|(_, program)| *program)).or_default();
    other.loads.extend(loaded_by_code.iter().map(|entry| Dlopen { entry: *entry, optional: false, module: true }));
    other.linked = dependencies.iter().copied().filter(|id| is_packed_by_auditwheel(tree, *id)).collect();
    other.dependencies = dependencies.into_iter().filter(|id| !loaded_by_code.contains(id)).collect();
    other.never.extend(foreign);
    by_program
        .into_iter()
        .map(|(program, spec)| ProcessSpec { program, answered: Some(LIBPYTHON), defines: Some(SYMBOLS), ..spec })
        .filter(|spec| spec.program.is_none() || !spec.loads.is_empty())
        .collect()
}

/// What to do about a library that comes only with a distribution or the interpreter of the tree.
pub(super) fn remedy_for_own_library(
    packages: &Packages,
    tree: &Tree,
    soname: &str,
    needed_by: &[&TreePath],
) -> Option<String> {
    let of_wheel = needed_by.iter().find_map(|path| remedy_for_part_of_wheel(packages, tree, soname, path));
    of_wheel.or_else(|| remedy_for_interpreter(packages, tree, soname, needed_by))
}

/// What to do about a library that the distribution of a file brings itself, by its RECORD: nothing else has one of that name, or
/// the same one.
fn remedy_for_part_of_wheel(packages: &Packages, tree: &Tree, soname: &str, needed_by: &TreePath) -> Option<String> {
    let package = packages.get(packages.of_path(needed_by)?);
    if package.language != ID {
        return None;
    }
    let record = declared(tree, package, "RECORD");
    let listed = record.lines().filter_map(|line| line.split(',').next());
    let mut listed = listed.filter(|path| path.rsplit('/').next() == Some(soname));
    let lost = listed.find(|path| package.library.join(path).is_some_and(|path| tree.find(&path).is_none()))?;
    Some(format!(
        "it is a part of {}, whose RECORD lists {lost}; install that again: {}",
        package.name,
        install_again(package)
    ))
}

/// What to do about an interpreter's library that only modules need, in a tree that has an interpreter without it: a second one would
/// be loaded beside the interpreter.
fn remedy_for_interpreter(packages: &Packages, tree: &Tree, soname: &str, needed_by: &[&TreePath]) -> Option<String> {
    if !soname.starts_with(LIBPYTHON) || !has_interpreter(tree) {
        return None;
    }
    let names: Option<BTreeSet<&str>> =
        needed_by.iter().map(|path| Some(packages.get(packages.of_path(path)?).name.as_str())).collect();
    let names: Vec<&str> = names?.into_iter().collect();
    Some(format!(
        "install {} again with the Python of the tree, which has no {soname}: another Python's would not do",
        list::some(&names, MAX_NAMES)
    ))
}

/// Adds a module to the process that imports it.
fn add(spec: &mut ProcessSpec, module: &Module) {
    let importable: BTreeSet<EntryId> = module.importable().map(|(id, _)| *id).collect();
    let (imported, others): (Vec<_>, Vec<_>) = module.files.iter().partition(|(id, _)| importable.contains(id));
    let dlopen = |id| Dlopen { entry: id, optional: !module.searched, module: true };
    spec.loads.extend(imported.iter().map(|(id, _)| dlopen(*id)));
    if imported.is_empty() && !module.has_code {
        // Only files that the function's Python does not see. What that means for one for musl shows when it is loaded; one
        // for another version has a finding of its own.
        let (musl, versions): (Vec<_>, Vec<_>) = others.into_iter().partition(|(_, tag)| tag.is_musl());
        spec.loads.extend(musl.iter().map(|(id, _)| dlopen(*id)));
        spec.loads.extend(versions.iter().map(|(id, _)| Dlopen { optional: true, ..dlopen(*id) }));
    } else {
        spec.never.extend(others.iter().map(|(id, _)| *id));
    }
    if module.files.len() > 1 {
        spec.variants.push(module.files.iter().map(|(id, _)| *id).collect());
    }
}

/// The interpreters of a tree, with their versions: `bin/python3.12` beside `lib/python3.12`.
fn interpreters(tree: &Tree, objects: &Objects) -> Vec<(Minor, EntryId)> {
    let programs = objects.iter().filter(|(_, elf)| elf.is_program());
    let found = programs.filter_map(|(id, _)| {
        let path = tree.path(*id);
        let minor = std::str::from_utf8(path.name()).ok()?.strip_prefix("python3.")?.parse().ok()?;
        let library = path.parent()?.parent()?.join(format!("lib/python3.{minor}"))?;
        tree.find(&library).map(|_| (minor, *id))
    });
    found.collect()
}

/// The interpreter of the tree that imports a module: that of the directory that it is in, or else of its version.
fn interpreter_of(tree: &Tree, interpreters: &[(Minor, EntryId)], module: &Module) -> Option<EntryId> {
    let of_directory = interpreters.iter().find(|(minor, program)| {
        let prefix = tree.path(*program).parent().and_then(|bin| bin.parent());
        let library = prefix.and_then(|prefix| prefix.join(format!("lib/python3.{minor}")));
        library.is_some_and(|library| module.directory.below(&library).is_some())
    });
    let of_version = || interpreters.iter().find(|(minor, _)| module.minor.is_none_or(|own| own == *minor));
    of_directory.or_else(of_version).map(|(_, program)| *program)
}

/// Whether a name is a shared library's.
fn is_library(name: &[u8]) -> bool {
    name.ends_with(b".so") || name.windows(4).any(|window| window == b".so.")
}

/// The libraries that the code of distributions loads with ctypes, as far as that is certain: the only library of one without
/// extension modules, except those that auditwheel packed for it.
fn loaded_by_code(
    packages: &Packages,
    tree: &Tree,
    objects: &Objects,
    modules: &BTreeSet<EntryId>,
    libraries: &[EntryId],
) -> BTreeSet<EntryId> {
    let of_package = |id: &EntryId| packages.of_path(tree.path(*id));
    let with_modules: BTreeSet<usize> = modules.iter().filter_map(of_package).collect();
    let mut by_package: BTreeMap<usize, Vec<EntryId>> = BTreeMap::new();
    for id in libraries {
        if let Some(package) = of_package(id).filter(|package| !with_modules.contains(package)) {
            by_package.entry(package).or_default().push(*id);
        }
    }
    let only = by_package.into_values().filter_map(|libraries| {
        let needed: BTreeSet<&String> = libraries.iter().flat_map(|id| &objects[id].needed).collect();
        let is_needed = |id: &EntryId| {
            let name = String::from_utf8_lossy(tree.path(*id).name()).into_owned();
            objects[id].soname.as_ref().is_some_and(|soname| needed.contains(soname)) || needed.contains(&name)
        };
        let mut own = libraries.iter().copied().filter(|id| !is_packed_by_auditwheel(tree, *id) && !is_needed(id));
        own.next().filter(|_| own.next().is_none())
    });
    only.collect()
}

fn is_packed_by_auditwheel(tree: &Tree, id: EntryId) -> bool {
    tree.path(id).parent().is_some_and(|directory| directory.name().ends_with(b".libs"))
}
