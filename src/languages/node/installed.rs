//! Checks of how packages were installed: for other platforms only, in part, in zips of Yarn, or where the runtime does not
//! search.

use std::collections::BTreeMap;

use super::broken::{Broken, broken};
use super::exports::{self, WAYS};
use super::image::has_program;
use super::needs::ID;
use super::packages::{Search, directory, is_installed, manifest};
use super::platform::platform;
use super::source::json;
use crate::base::finding::{Code, Finding, Severity};
use crate::base::list;
use crate::base::path::TreePath;
use crate::base::subject::Subject;
use crate::languages::{Package, Packages};
use crate::runtime::RuntimeProfile;
use crate::tree::{Entry, EntryId, Tree};

/// How many names a message lists.
const MAX_NAMES: usize = 6;

/// Findings about the packages that satisfy `kept`.
pub(super) fn check(
    packages: &Packages,
    tree: &Tree,
    runtime: &RuntimeProfile,
    kept: &dyn Fn(EntryId) -> bool,
) -> Vec<Finding> {
    let search = Search::of(packages, tree);
    let there: Vec<&Package> = packages.of_language(ID).filter(|package| kept(package.entry)).collect();
    let mut findings: Vec<Finding> =
        there.iter().filter_map(|package| for_other_platforms(tree, &search, package)).collect();
    findings.extend(there.iter().filter_map(|package| without_main(tree, package)));
    let broken = broken(packages, tree, &there);
    findings.extend(broken.into_iter().map(|(package, broken)| breaks_when_loaded(packages, package, broken)));
    findings.extend(without_manifest(tree, kept));
    if !has_program(tree) {
        findings.extend(plug_and_play(tree, kept));
    }
    if let Some(version) = packages.runtime_version(ID) {
        findings.extend(not_searched(&there, &search, runtime, version));
    }
    findings
}

/// A package that has a package for each platform, of which the tree only has some for others.
fn for_other_platforms(tree: &Tree, search: &Search<'_>, package: &Package) -> Option<Finding> {
    let platforms = |name: &&str| platform(&format!("{name}/")).is_named;
    let is_ours = |name: &str| {
        let platform = platform(&format!("{name}/"));
        !platform.other_system && !platform.musl
    };
    let required = package.requires.iter().map(|required| required.package.as_str());
    let named: Vec<&str> = required.chain(package.suggests.iter().map(String::as_str)).filter(platforms).collect();
    let (there, absent): (Vec<&str>, Vec<&str>) =
        named.into_iter().partition(|name| search.find_from(&package.directory, name).is_some());
    let wanted: Vec<&str> = absent.into_iter().filter(|name| is_ours(name) && is_for_lambda(name)).collect();
    let others: Vec<&str> = there.iter().copied().filter(|name| !is_ours(name)).collect();
    let has_own = package.entries(tree).any(|id| {
        let path = tree.path(id);
        let below = path.below(&package.directory).map(String::from_utf8_lossy).unwrap_or_default();
        path.name().ends_with(b".node") && is_ours(&below)
    });
    if wanted.is_empty() || others.is_empty() || others.len() < there.len() || has_own {
        return None;
    }
    Some(Finding::error(
        Code::DamagedPackage,
        Subject::package(&package.name),
        format!(
            "{} {} cannot be loaded: the tree only has its part for {}, not {}",
            package.name,
            package.version,
            list::some(&others, MAX_NAMES),
            list::with_last(&wanted, "or")
        ),
        for_linux(&package.name),
    ))
}

fn for_linux(package: &str) -> String {
    format!("install it for Linux: npm install --os=linux --libc=glibc --cpu=x64 (or arm64) {package}")
}

/// A package whose main file is not in the tree, or the one that `import` or `require()` gets of several.
fn without_main(tree: &Tree, package: &Package) -> Option<Finding> {
    let declared = manifest(tree, package.entry)?;
    let (way, missing) = if let Some(own) = exports::of_package(&declared) {
        let missing = |(way, conditions): &(&'static str, &[&str])| {
            let code = exports::targets(own, conditions);
            let is_gone = !code.iter().any(|target| exports::file(tree, package, target).is_some());
            Some((*way, code.first().filter(|_| is_gone)?.to_string()))
        };
        let ways = WAYS.iter().filter(|(_, conditions)| !exports::targets(own, conditions).is_empty());
        let (count, missing) = (ways.clone().count(), ways.filter_map(missing).collect::<Vec<_>>());
        let (way, target) = missing.first()?.clone();
        (Some(way).filter(|_| missing.len() < count), target)
    } else {
        let main = declared["main"].as_str().map(|main| main.trim_end_matches('/')).filter(|main| !main.is_empty())?;
        // Without the one that is named, Node.js takes index.js.
        if is_module(tree, package, main) || is_module(tree, package, "index") {
            return None;
        }
        (None, main.to_owned())
    };
    Some(Finding::warning(
        Code::DamagedPackage,
        Subject::package(&package.name),
        format!(
            "{} {} cannot be loaded{}: its package.json names {missing}, which is not in the tree",
            package.name,
            package.version,
            by(way)
        ),
        format!("install it again: npm install {}", package.name),
    ))
}

/// How a package cannot be loaded, if that is one of two ways.
fn by(way: Option<&str>) -> String {
    way.map(|way| format!(" by {way}")).unwrap_or_default()
}

/// A package whose package.json is not JSON.
fn without_manifest(tree: &Tree, kept: &dyn Fn(EntryId) -> bool) -> Vec<Finding> {
    let manifests = tree.iter().filter(|(id, entry)| {
        entry.is_file() && kept(*id) && directory(&entry.path).is_some_and(|directory| is_installed(&directory))
    });
    let broken = manifests.filter(|(id, _)| tree.read_text(*id).is_ok_and(|text| json(&text).is_none()));
    let finding = |(_, entry): (EntryId, &Entry)| {
        let name = entry.path.parent().map(|directory| String::from_utf8_lossy(directory.name()).into_owned());
        Finding::error(
            Code::DamagedPackage,
            Subject::from(&entry.path),
            "is not JSON: Node.js cannot load the package (ERR_INVALID_PACKAGE_CONFIG)",
            format!("install it again: npm install {}", name.unwrap_or_default()),
        )
    };
    broken.map(finding).collect()
}

/// A package whose main file, or what that loads, is not in the tree or is not code.
fn breaks_when_loaded(packages: &Packages, package: &Package, broken: Broken) -> Finding {
    let Broken { what, why, fault, way, for_others, .. } = broken;
    let severity = if way.is_none() { Severity::Error } else { Severity::Warning };
    let message = format!("{} {} cannot be loaded{}: {what} {why}", package.name, package.version, by(way));
    let subject = Subject::package(&package.name);
    let name = &package.name;
    let absent = fault.as_ref().and_then(|fault| fault.absent.as_ref());
    if let Some(absent) = absent {
        let is_excluded = packages.excluded.packages.contains_key(&(ID, absent.clone()));
        let (dropped, help) = if is_excluded {
            ("; it was dropped by --drop", format!("drop pkg:{name} too, or --keep pkg:{absent}"))
        } else {
            ("", format!("install {absent} into the tree: npm install {absent}"))
        };
        let message = format!("{message}{dropped}");
        return Finding::new(severity, Code::MissingPackage, subject, message, help).caused_by(absent);
    }
    if fault.as_ref().is_some_and(|fault| fault.of_node) {
        let help = format!("install a version of {name} for this Node.js, or choose a runtime with a newer one");
        return Finding::new(severity, Code::MissingPackage, subject, message, help);
    }
    let help = match fault.and_then(|fault| fault.of).filter(|of| of != name) {
        Some(of) => format!("install the version of {of} that {name} is written for: npm install {name}"),
        None if for_others => for_linux(name),
        None => format!("install it again: npm install {name}"),
    };
    Finding::new(severity, Code::DamagedPackage, subject, message, help)
}

fn place(package: &Package, path: &str) -> Option<TreePath> {
    package.directory.join(path.strip_prefix("./").unwrap_or(path))
}

/// Whether `require()` of a path in a package finds a file.
fn is_module(tree: &Tree, package: &Package, path: &str) -> bool {
    let endings = ["", ".js", ".json", ".node", "/index.js", "/index.json", "/index.node", "/package.json"];
    endings.iter().any(|ending| {
        let file = place(package, &format!("{path}{ending}")).and_then(|path| tree.find(&path));
        file.is_some_and(|file| !tree.entry(file).is_directory())
    })
}

/// Projects of Yarn whose packages are in zips, which only its own loader reads.
fn plug_and_play(tree: &Tree, kept: &dyn Fn(EntryId) -> bool) -> Vec<Finding> {
    let loaders = tree.iter().filter(|(id, entry)| matches!(entry.path.name(), b".pnp.cjs" | b".pnp.js") && kept(*id));
    let findings = loaders.filter_map(|(_, entry)| {
        let directory = entry.path.parent()?;
        let modules = directory.join("node_modules")?;
        // What Yarn leaves there is a cache.
        let is_package = |path: &TreePath| path.below(&modules).is_some_and(|below| !below.starts_with(b"."));
        let has_packages = tree.below(&modules).any(|(_, entry)| is_package(&entry.path));
        (!has_packages).then(|| {
            Finding::error(
                Code::DamagedPackage,
                Subject::from(&entry.path),
                format!(
                    "Yarn keeps the packages in zips (Plug'n'Play), which Node.js does not read in Lambda: none of \
                     {directory} can be loaded"
                ),
                "install them into node_modules: yarn config set nodeLinker node-modules, then yarn install",
            )
        })
    });
    findings.collect()
}

/// Whether the name of a package names Linux on a machine that Lambda has.
fn is_for_lambda(name: &str) -> bool {
    let words: Vec<&str> = name.split(['/', '-', '_', '.', '@']).collect();
    words.contains(&"linux") && words.iter().any(|word| matches!(*word, "x64" | "arm64" | "x86_64" | "aarch64"))
}

/// Packages for another version of Node.js, which the runtime does not find anywhere else.
fn not_searched(there: &[&Package], search: &Search<'_>, runtime: &RuntimeProfile, version: &str) -> Vec<Finding> {
    let mut directories: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for package in there {
        let text = package.directory.to_string();
        let other = text.strip_prefix("nodejs/node").and_then(|rest| rest.split_once("/node_modules/"));
        let Some((other, _)) = other.filter(|(other, _)| *other != version && other.parse::<u32>().is_ok()) else {
            continue;
        };
        if search.find(&package.name).is_none() {
            directories.entry(other.to_owned()).or_default().push(&package.name);
        }
    }
    let finding = |(other, names): (String, Vec<&str>)| {
        let name = format!("nodejs{other}.x");
        let choose = if RuntimeProfile::is_built_in(&name) {
            format!(", or choose --runtime {name}, which does")
        } else {
            String::new()
        };
        Finding::warning(
            Code::LibraryNotSearched,
            Subject::Path(format!("nodejs/node{other}/node_modules")),
            format!("{} does not search it: {} cannot be loaded", runtime.name, list::some(&names, MAX_NAMES)),
            format!("move it to nodejs/node_modules{choose}"),
        )
    };
    directories.into_iter().map(finding).collect()
}
