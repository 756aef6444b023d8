//! Places: the files of a tree that are only used as parts of distributions and modules, and whether Lambda's Python looks where
//! they are.

use std::collections::BTreeSet;

use super::imports::directories_of_lambda;
use super::installed::searched;
use super::names::module;
use super::needs::ID;
use crate::base::path::TreePath;
use crate::formats::shebang::{self, Interpreter};
use crate::languages::{Finds, Packages};
use crate::runtime::RuntimeProfile;
use crate::tree::{Entry, EntryId, Kind, Magic, Tree};

/// Endings of the names of directories beside modules that belong to these.
const BESIDE_MODULES: &[&str] = &[".dist-info", ".egg-info", ".libs", ".data"];

/// Which files the Python of an image finds.
pub(super) fn finds<'a>(packages: &'a Packages, tree: &'a Tree, runtime: &RuntimeProfile) -> Box<Finds<'a>> {
    let searched: BTreeSet<TreePath> = match runtime.python_minor() {
        // What a variable replaces in one version of the runtime, it adds to in another.
        Some(minor) => directories_of_lambda(&format!("3.{minor}")).chain(searched(runtime, minor)).collect(),
        None => BTreeSet::new(),
    };
    Box::new(move |id| {
        let place = place(packages, tree, id, !searched.is_empty())?;
        Some(searched.contains(&place))
    })
}

/// The directory that has to be searched for a file to be found; `None` for one that can be used otherwise.
fn place(packages: &Packages, tree: &Tree, id: EntryId, has_python: bool) -> Option<TreePath> {
    let entry = tree.entry(id);
    let package = packages.of_path(&entry.path).map(|position| packages.get(position));
    if let Some(package) = package.filter(|package| package.language == ID) {
        let is_found = !(is_command(entry) || has_python && is_namespace(&package.library));
        return is_found.then(|| package.library.clone());
    }
    let mut above = entry.path.ancestors().skip(1);
    let has = |directory: &TreePath, name: &str| directory.join(name).is_some_and(|path| tree.find(&path).is_some());
    let is_elf = matches!(&entry.kind, Kind::File { magic: Magic::Elf, .. });
    if let Some(environment) = above.find(|directory| !directory.is_root() && has(directory, "pyvenv.cfg")) {
        // The interpreter of a virtual environment is a link to one that is not in Lambda.
        let is_program = is_elf && entry.path.parent().is_some_and(|parent| parent.name() == b"bin");
        return (!is_program).then_some(environment);
    }
    let library = entry.path.ancestors().skip(1).filter(is_library).last();
    let in_package = |library: &TreePath| library.ancestors().skip(1).any(|above| has(&above, "__init__.py"));
    if let Some(library) = library.filter(|library| !in_package(library)) {
        return Some(library);
    }
    let first = entry.path.as_str()?.split('/').next()?;
    let base = if first.eq_ignore_ascii_case("python") { TreePath::new(first)? } else { TreePath::default() };
    let below = std::str::from_utf8(entry.path.below(&base)?).ok()?;
    let is_code = match below.split_once('/') {
        None => is_module(entry, below),
        Some((directory, _)) => {
            directory == "__pycache__"
                || BESIDE_MODULES.iter().any(|ending| directory.ends_with(ending))
                || base.join(directory).is_some_and(|directory| has(&directory, "__init__.py"))
                // In the directory for Python, modules need no `__init__`.
                || !base.is_root() && is_module(entry, below)
        }
    };
    is_code.then_some(base)
}

/// Whether a directory is called as those where distributions are installed.
fn is_library(directory: &TreePath) -> bool {
    matches!(directory.name(), b"site-packages" | b"dist-packages")
}

/// Whether Python can import what is in a directory by its path below one that is searched: `vendor.requests` in `python/vendor`.
fn is_namespace(library: &TreePath) -> bool {
    let below = TreePath::new("python").and_then(|python| library.below(&python).map(<[u8]>::to_vec));
    below.is_some_and(|below| {
        let is_name = |part: &[u8]| {
            part.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_') && !part[0].is_ascii_digit()
        };
        !below.is_empty()
            && below != b"python"
            && below.split(|byte| *byte == b'/').all(|part| !part.is_empty() && is_name(part))
    })
}

/// Whether a file is a module, and not a script that is run by its path.
fn is_module(entry: &Entry, below: &str) -> bool {
    let name = below.rsplit('/').next().unwrap_or(below);
    let is_extension = || module(name.as_bytes()).is_some_and(|(_, tag)| tag.tagged);
    let is_script = matches!(&entry.kind, Kind::File { magic: Magic::Script(_), .. });
    let ending = name.rsplit_once('.').map(|(_, ending)| ending);
    !is_script && (ending.is_some_and(|ending| ["py", "pyc"].contains(&ending)) || is_extension())
}

/// Whether a file is a program of a distribution that a function can run by its name: one that is not in Python.
fn is_command(entry: &Entry) -> bool {
    let is_in_bin = entry.path.parent().is_some_and(|parent| parent.as_bytes() == b"bin");
    let is_program = match &entry.kind {
        Kind::File { magic: Magic::Script(line), .. } => match shebang::parse(line) {
            Some(Interpreter::Path(program) | Interpreter::Command(program)) => {
                !program.rsplit('/').next().is_some_and(|name| name.starts_with("python"))
            }
            None => true,
        },
        Kind::File { magic: Magic::Elf, .. } | Kind::Link { .. } => true,
        _ => false,
    };
    is_in_bin && is_program
}
