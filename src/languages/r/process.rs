//! The processes of R: `bin/exec/R` with the directories that `etc/ldpaths` prepends to LD_LIBRARY_PATH, what it loads with
//! `dyn.load()`, and the scripts that start it.

use super::homes;
use super::needs::{ID, NEEDS};
use crate::base::path::TreePath;
use crate::languages::{Dlopen, Installation, Packages, ProcessSpec};
use crate::tree::{EntryId, Tree};

/// How the names of R's own libraries begin, which its program has loaded.
const OWN_LIBRARIES: &str = "libR";

/// A process for each home. Packages without R are for a layer beside one that has it, and are loaded by that one.
pub(super) fn processes(packages: &Packages, tree: &Tree) -> Vec<ProcessSpec> {
    let spec = |home: &Installation| ProcessSpec {
        program: homes::program(tree, &home.path),
        library_path: Some(home.library_path.clone()),
        has_other_directories: !home.library_path_is_known,
        starts: starts(packages, tree, home),
        loads: loads(packages, tree, Some(home)),
        ..ProcessSpec::default()
    };
    let mut specs: Vec<ProcessSpec> = packages.installations_of(ID).map(spec).collect();
    if specs.is_empty() {
        let loads = loads(packages, tree, None);
        let answered = Some(OWN_LIBRARIES);
        specs.extend((!loads.is_empty()).then(|| ProcessSpec {
            loads,
            answered,
            elsewhere: true,
            ..ProcessSpec::default()
        }));
    }
    specs
}

/// The files of packages and of R's own `bin`: what is a program there is started by R code or by `R CMD`, which both pass R's
/// LD_LIBRARY_PATH on (`R CMD Rserve` runs `Rserve/libs/Rserve`, which needs libR.so).
fn starts(packages: &Packages, tree: &Tree, home: &Installation) -> Vec<EntryId> {
    // make runs programs from everywhere in it.
    let own = if homes::is_build_directory(tree, &home.path) {
        Some(home.path.clone())
    } else {
        home.path.join("bin").map(|bin| homes::directory(tree, &bin).unwrap_or(bin))
    };
    let directories = packages.of_language(ID).map(|package| package.directory.clone()).chain(own);
    directories.flat_map(|directory| tree.below(&directory).map(|(id, _)| id).collect::<Vec<_>>()).collect()
}

/// What R loads with `dyn.load()`: its modules, every library in the `libs` directory of a package, and other libraries that
/// a package has, which its own code loads (`lib/liblantern.so` of torch).
fn loads(packages: &Packages, tree: &Tree, home: Option<&Installation>) -> Vec<Dlopen> {
    let modules = home.and_then(|home| homes::directory(tree, &home.path.join("modules")?)).into_iter();
    let libs = packages.of_language(ID).filter_map(|package| package.directory.join("libs"));
    let files = modules.chain(libs).flat_map(|directory| tree.below(&directory).map(|(id, _)| id).collect::<Vec<_>>());
    let with_package = files.map(|entry| {
        let below_home = home.and_then(|home| tree.path(entry).below(&home.path));
        let optional = below_home.is_some_and(|below| NEEDS.is_optional(below));
        Dlopen { entry, optional, module: !optional && tree.path(entry).name().ends_with(b".so") }
    });
    let others = packages.of_language(ID).flat_map(|package| {
        let libs = package.directory.join("libs");
        let below = tree.below(&package.directory);
        below.filter(move |(_, entry)| {
            let in_libs = libs.as_ref().is_some_and(|libs| entry.path.below(libs).is_some());
            entry.is_file() && !in_libs && is_library(entry.path.name())
        })
    });
    with_package.chain(others.map(|(entry, _)| Dlopen { entry, optional: true, module: false })).collect()
}

/// Whether a name is a shared library's: `liblantern.so`, `libtbb.so.2`.
fn is_library(name: &[u8]) -> bool {
    name.ends_with(b".so") || name.windows(4).any(|window| window == b".so.")
}

/// `bin/R` and `bin/Rscript` of each home, and every other file called R or Rscript.
pub(super) fn front_ends(packages: &Packages, tree: &Tree) -> Vec<EntryId> {
    let find = |path: Option<TreePath>| tree.find(&path?);
    let homes = packages.installations_of(ID);
    let in_homes =
        homes.flat_map(|home| ["bin/R", "bin/Rscript"].into_iter().filter_map(|name| find(home.path.join(name))));
    let named = tree.iter().filter(|(_, entry)| matches!(entry.path.name(), b"R" | b"Rscript")).map(|(id, _)| id);
    in_homes.chain(named).collect()
}
