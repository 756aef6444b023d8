//! R's homes and installed packages in a tree, and the dependencies between packages.

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;

use super::calls;
use super::description::{Dependency, Description};
use super::homes::{self, home_elsewhere, homes};
use super::namespace;
use super::needs::ID;
use super::start::Start;
use crate::base::finding::{Code, Finding, Severity};
use crate::base::path::TreePath;
use crate::languages::{Built, Found, Installation, Package, RequiredFor, Requirement, Roots};
use crate::runtime::Environment;
use crate::tree::{EntryId, Kind, Tree, unreadable};

/// R's homes, libraries and packages.
pub(super) fn find(tree: &Tree, environment: &Environment) -> Found {
    let mut found = Found::default();
    let (descriptions, damaged) = read_descriptions(tree);
    found.findings.extend(damaged);
    let mut inner = Vec::new();
    for (entry, description) in &descriptions {
        let Some(directory) = tree.path(*entry).parent() else { continue };
        let Some(library) = directory.parent() else { continue };
        // A package inside another (in its tests or templates) is data of the outer one.
        let inside = directory.ancestors().skip(1).filter_map(|above| above.join("DESCRIPTION"));
        if inside.filter_map(|path| tree.find(&path)).any(|id| descriptions.contains_key(&id)) {
            continue;
        }
        inner.push((description, *entry, directory, library));
    }
    found.packages = inner
        .into_par_iter()
        .map(|(description, entry, directory, library)| package(tree, description, entry, directory, library))
        .collect();
    let start = Start::of(tree, &environment.variables, &environment.ld_library_path);
    let homes = homes(tree);
    let directories: Vec<&TreePath> = homes.iter().map(|home| &home.path).collect();
    for home in &homes {
        let Some(base) = found.packages.iter().find(|package| package.directory == home.base) else { continue };
        let path = home.path.clone();
        let beside = found.packages.iter().filter(|package| package.library == base.library);
        let platform = beside.filter_map(|package| package.built.as_ref()).map(|built| &built.platform);
        let platform = platform.filter(|platform| !platform.is_empty()).min().cloned().unwrap_or_default();
        let script = homes::inside(tree, &path, "bin/R").and_then(|id| tree.read_text(id).ok());
        let script = script.map(|script| String::from_utf8_lossy(&script).into_owned());
        let environment = start.of_front_end(&platform);
        let front_end = script.as_ref().map(|script| homes::start(script, &environment, tree)).unwrap_or_default();
        let (library_path, library_path_is_known) =
            start.library_path(tree, &path, (script.as_deref(), &front_end.arch), environment);
        if let Some(started) = front_end.home.filter(|_| !homes::is_in_build_directory(tree, &directories, &path)) {
            let finding = home_elsewhere(tree, &path, &started);
            // The script is not run where the bootstrap runs R's program itself.
            found.findings.extend(finding.map(|mut finding| {
                if start.direct {
                    finding.severity = Severity::Warning;
                }
                finding
            }));
        }
        found.installations.push(Installation {
            language: ID,
            library_path,
            library_path_is_known,
            version: base.version.clone(),
            platform,
            path,
        });
    }
    let homes = found.installations.iter().map(|home| home.path.clone());
    found.roots.add(HOME, homes);
    let libraries: BTreeSet<TreePath> = found.packages.iter().map(|package| package.library.clone()).collect();
    found.roots.add(LIBRARY, libraries);
    found
}

/// The placeholder for R's homes in the globs of rules.
const HOME: &str = "{r_home}";

/// The placeholder for every R library in the globs of rules.
const LIBRARY: &str = "{library}";

/// The directories that the placeholders expand to in the examples of rules.
pub(super) fn example_roots() -> Roots {
    let paths = |paths: &[&str]| paths.iter().filter_map(TreePath::new).collect::<Vec<_>>();
    let mut roots = Roots::default();
    roots.add(HOME, paths(&["R/lib64/R"]));
    roots.add(LIBRARY, paths(&["R/lib64/R/library", "local/lib/R/site-library"]));
    roots
}

fn package(tree: &Tree, description: &Description, entry: EntryId, directory: TreePath, library: TreePath) -> Package {
    Package {
        language: ID,
        name: description.package.clone(),
        version: description.version.to_string(),
        entry,
        requires: requirements(
            description,
            namespace_imports(tree, &directory),
            &calls::fails_to_load_without(&description.package, &directory, tree),
        ),
        suggests: description.suggests.iter().map(|dependency| dependency.package.clone()).collect(),
        requires_runtime: description.r.iter().map(ToString::to_string).collect(),
        built: description
            .built
            .as_ref()
            .map(|built| Built { version: built.r.to_string(), platform: built.platform.clone() }),
        priority: description.priority.clone(),
        directory,
        others: Vec::new(),
        library,
    }
}

/// What a package requires. `library()` loads what Depends names, and `loadNamespace()` what the NAMESPACE imports from,
/// whether or not DESCRIPTION names it: packages may import from R's base packages without. What only the field Imports
/// names is loaded when a function calls it. LinkingTo is needed only to compile.
/// `loads` is what the package itself certainly uses when it is loaded, and fails without.
fn requirements(
    description: &Description,
    imports: Option<BTreeSet<String>>,
    loads: &BTreeSet<String>,
) -> Vec<Requirement> {
    let constraint = |dependency: &Dependency| dependency.constraint.as_ref().map(ToString::to_string);
    let mut requirements: Vec<Requirement> = Vec::new();
    let mut known = BTreeSet::new();
    let mut add = |package: &str, constraint: Option<String>, for_what: RequiredFor, attached: bool| {
        if known.insert((package.to_owned(), constraint.clone())) {
            requirements.push(Requirement { package: package.to_owned(), constraint, for_what, attached });
        }
    };
    for dependency in &description.depends {
        add(&dependency.package, constraint(dependency), RequiredFor::Loading, true);
    }
    for dependency in &description.imports {
        let is_imported = imports.as_ref().is_none_or(|imports| imports.contains(&dependency.package));
        let is_loaded = is_imported || loads.contains(&dependency.package);
        let for_what = if is_loaded { RequiredFor::Loading } else { RequiredFor::Calls };
        add(&dependency.package, constraint(dependency), for_what, false);
    }
    let declared = description.depends.iter().chain(&description.imports).map(|dependency| &dependency.package);
    let named: BTreeSet<&String> = declared.chain([&description.package]).collect();
    for package in imports.unwrap_or_default().union(loads).filter(|package| !named.contains(package)) {
        add(package, None, RequiredFor::Loading, false);
    }
    requirements
}

/// The packages that a package's namespace imports from, by what R wrote when it installed the package or else by its
/// NAMESPACE; `None` if neither can be read.
fn namespace_imports(tree: &Tree, directory: &TreePath) -> Option<BTreeSet<String>> {
    let read = |below: &str| tree.read_text(tree.find(&directory.join(below)?)?).ok();
    let info = read("Meta/nsInfo.rds").and_then(|info| namespace::of_info(&info).ok());
    let namespace = info.or_else(|| namespace::of_text(&read("NAMESPACE")?).ok());
    namespace.map(|namespace| namespace.imports)
}

/// The DESCRIPTION of every installed package, and findings about those that cannot be read.
fn read_descriptions(tree: &Tree) -> (BTreeMap<EntryId, Description>, Vec<Finding>) {
    let files = tree.iter().filter(|(_, entry)| matches!(entry.kind, Kind::File { .. }));
    let wanted: Vec<EntryId> =
        files.filter(|(_, entry)| entry.path.name() == b"DESCRIPTION").map(|(id, _)| id).collect();
    let read: Vec<(EntryId, Option<Description>, Vec<Finding>)> = wanted
        .par_iter()
        .map(|id| {
            let (description, findings) = read_description(tree, *id);
            (*id, description, findings)
        })
        .collect();
    let mut descriptions = BTreeMap::new();
    let mut findings = Vec::new();
    for (id, description, found) in read {
        descriptions.extend(description.map(|description| (id, description)));
        findings.extend(found);
    }
    (descriptions, findings)
}

fn read_description(tree: &Tree, id: EntryId) -> (Option<Description>, Vec<Finding>) {
    let path = tree.path(id);
    let bytes = match tree.read_text(id) {
        Ok(bytes) => bytes,
        Err(error) => return (None, vec![unreadable(path, &error)]),
    };
    if !describes_installed_package(tree, path, &bytes) {
        return (None, Vec::new());
    }
    match Description::parse(&bytes) {
        Ok(description) => {
            let notes = description.notes.iter().map(|note| {
                let help = "declare the encoding in the file: Encoding: latin1";
                Finding::warning(Code::DamagedPackage, path, note.clone(), help)
            });
            let notes = notes.collect();
            (Some(description), notes)
        }
        Err(why) => {
            let help = "reinstall the package with R CMD INSTALL";
            let finding = |severity, message| vec![Finding::new(severity, Code::DamagedPackage, path, message, help)];
            match recorded(tree, path) {
                Some(description) => {
                    let message =
                        format!("{why}; library() reads Meta/package.rds instead, what reads this file itself fails");
                    (Some(description), finding(Severity::Warning, message))
                }
                None => (None, finding(Severity::Error, format!("library() would reject the package: {why}"))),
            }
        }
    }
}

/// What R recorded of a DESCRIPTION when it installed the package, which it reads instead of the file (`find.package()`,
/// `packageDescription()`).
fn recorded(tree: &Tree, path: &TreePath) -> Option<Description> {
    let info = tree.find(&path.parent()?.join("Meta/package.rds")?)?;
    Description::of_info(&tree.read(info).ok()?).ok()
}

/// Whether a DESCRIPTION is an installed package's: it has `Meta/package.rds` or a Built field; others (R's translations, packages inside
/// a package's tests) do not.
fn describes_installed_package(tree: &Tree, path: &TreePath, bytes: &[u8]) -> bool {
    let meta = path.parent().and_then(|directory| directory.join("Meta/package.rds"));
    meta.is_some_and(|meta| tree.find(&meta).is_some())
        || bytes.split(|b| *b == b'\n').any(|line| line.starts_with(b"Built:"))
}
