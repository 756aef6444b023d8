//! Checks of R: packages built for a different R, libraries that R does not search, an R configured for a different path,
//! an R without a bootstrap.

use std::collections::{BTreeMap, BTreeSet};

use super::homes;
use super::libpaths::{self, Searched};
use super::needs::{ID, NEEDS};
use super::start::{self, Start};
use super::version::Version;
use crate::base::bytes::plural;
use crate::base::finding::{Code, Finding, Severity};
use crate::base::list;
use crate::base::path::{TreePath, printable};
use crate::base::subject::Subject;
use crate::languages::{Installation, Package, Packages};
use crate::tree::{EntryId, Kind, Place, Tree};

/// How many names a message lists.
const MAX_NAMES: usize = 12;

/// Findings about R and its packages that satisfy `kept`.
pub(super) fn check(packages: &Packages, tree: &Tree, kept: &dyn Fn(EntryId) -> bool) -> Vec<Finding> {
    let mut findings = super::damaged::check(packages, tree, kept);
    findings.extend(super::exports::check(packages, tree, kept));
    findings.extend(does_not_start(packages, tree, kept));
    findings.extend(several(packages, tree, kept));
    findings.extend(base_packages_elsewhere(packages, tree, kept));
    if let Some(home) = packages.installations_of(ID).next() {
        let there = packages.of_language(ID).filter(|package| kept(package.entry));
        findings.extend(built_for_another_r(there, home));
        let start = Start::of(tree, &packages.variables, &[]);
        findings.extend(wrong_home(packages, tree, &start, kept));
        let homes = packages.installations_of(ID);
        let searched: Vec<Searched> = homes.map(|home| libpaths::searched(tree, home, &start)).collect();
        findings.extend(not_searched(packages, tree, kept, &searched));
        findings.extend(libraries_outside(&searched));
        findings.extend(no_bootstrap(home, tree, kept));
        findings.extend(not_attached(packages, tree, kept));
    }
    findings
}

/// Warnings about packages that R_DEFAULT_PACKAGES names and R does not find: it starts without them.
fn not_attached(packages: &Packages, tree: &Tree, kept: &dyn Fn(EntryId) -> bool) -> Vec<Finding> {
    let is_there = |name: &str| packages.copies(ID, name).any(|position| kept(packages.get(position).entry));
    let names = start::default_packages(tree, &packages.variables).into_iter().filter(|name| !is_there(name));
    let finding = |name: String| {
        Finding::warning(
            Code::MissingPackage,
            Subject::whole("R_DEFAULT_PACKAGES"),
            format!("names {name}, which is not in the tree: R starts without it, with a warning"),
            format!("install {name} into the tree, or take it out of R_DEFAULT_PACKAGES"),
        )
        .caused_by(name)
    };
    names.map(finding).collect()
}

/// A warning about every R of the tree but one: a function starts one of them, and each has all of R's own packages. A directory
/// in which R was built is the one that is not needed.
fn several(packages: &Packages, tree: &Tree, kept: &dyn Fn(EntryId) -> bool) -> Vec<Finding> {
    let is_kept = |home: &&Installation| homes::program(tree, &home.path).is_some_and(kept);
    let (built, installed): (Vec<&Installation>, Vec<&Installation>) =
        packages.installations_of(ID).filter(is_kept).partition(|home| homes::is_build_directory(tree, &home.path));
    let Some((first, others)) = installed.split_first() else { return Vec::new() };
    let built = built.into_iter().map(|home| {
        let message = format!(
            "R was built in this directory (it has config.status), and {} has the R that was installed: no function needs it",
            first.path
        );
        Finding::warning(Code::DuplicatePackage, &home.path, message, format!("drop it: --drop {}", home.path))
    });
    let several = (!others.is_empty()).then(|| {
        let places: Vec<String> = installed.iter().map(|home| format!("{} ({})", home.path, home.version)).collect();
        let message = format!(
            "the tree has {} installations of R, each with packages of its own: {}",
            installed.len(),
            list::with_last(&places, "and")
        );
        Finding::warning(Code::DuplicatePackage, Subject::whole("R"), message, "drop those that no function starts")
    });
    built.chain(several).collect()
}

/// An error about each R for the packages without which it stops, where its own library does not have them: R looks for its base
/// packages nowhere else (`find.package` and `loadNamespace` with `.Library`). Those that `--drop` names have findings of their
/// own.
fn does_not_start(packages: &Packages, tree: &Tree, kept: &dyn Fn(EntryId) -> bool) -> Vec<Finding> {
    let homes = tree.iter().filter(|(id, _)| kept(*id)).filter_map(|(id, _)| homes::home_of_program(tree, id));
    homes
        .filter_map(|home| {
            let there = own_packages(packages, tree, kept, &home);
            let is_missing = |name: &&str| {
                !there.contains(*name) && !packages.excluded.packages.contains_key(&(ID, (*name).to_owned()))
            };
            let missing: Vec<&str> =
                NEEDS.start_packages().filter(|name| NEEDS.stops_without(name)).filter(is_missing).collect();
            if missing.is_empty() {
                return None;
            }
            let them = if missing.len() == 1 { "package" } else { "packages" };
            let why: Vec<&str> = missing.iter().filter_map(|name| NEEDS.without(name)).collect();
            let elsewhere = packages.of_language(ID).find(|package| package.name == missing[0] && kept(package.entry));
            let has_them = elsewhere.map_or_else(
                || format!("copy the {them} into the tree from library/ of the R that it was taken from"),
                |package| format!("copy {} to library/ in R's home", package.directory),
            );
            Some(Finding::error(
                Code::MissingPackage,
                &home,
                format!(
                    "R does not start, because its own library does not have the {them} {}: {}",
                    list::with_last(&missing, "and"),
                    why.join("; ")
                ),
                has_them,
            ))
        })
        .collect()
}

/// The kept packages in the own library of R in `home`, by name.
fn own_packages<'a>(
    packages: &'a Packages,
    tree: &Tree,
    kept: &dyn Fn(EntryId) -> bool,
    home: &TreePath,
) -> BTreeSet<&'a str> {
    let Some(library) = homes::own_library(tree, home) else { return BTreeSet::new() };
    let is_there = |package: &&Package| {
        let named = || library.join(&package.name).and_then(|path| homes::directory(tree, &path));
        kept(package.entry) && (package.library == library || named().as_ref() == Some(&package.directory))
    };
    packages.of_language(ID).filter(is_there).map(|package| package.name.as_str()).collect()
}

/// Errors about R's base packages in other libraries, if R's own does not have them: it finds them only there. Those without
/// which it does not even start have an error of their own.
fn base_packages_elsewhere(packages: &Packages, tree: &Tree, kept: &dyn Fn(EntryId) -> bool) -> Vec<Finding> {
    let homes: Vec<&Installation> = packages.installations_of(ID).collect();
    let Some(first) = homes.first() else { return Vec::new() };
    let own: BTreeSet<&str> = homes.iter().flat_map(|home| own_packages(packages, tree, kept, &home.path)).collect();
    let mut by_library: BTreeMap<&TreePath, Vec<&str>> = BTreeMap::new();
    for package in packages.of_language(ID).filter(|package| kept(package.entry)) {
        let name = package.name.as_str();
        if homes::is_base_package(name) && !own.contains(name) && !NEEDS.stops_without(name) {
            by_library.entry(&package.library).or_default().push(name);
        }
    }
    let finding = |(library, names): (&TreePath, Vec<&str>)| {
        let (are, them) = if names.len() == 1 { ("is", "it") } else { ("are", "them") };
        Finding::error(
            Code::MissingPackage,
            library,
            format!(
                "{} {are} here, but R finds its base packages only in its own library: library({}) fails",
                list::with_last(&names, "and"),
                names[0]
            ),
            format!("move {them} to {}/library", first.path),
        )
    };
    by_library.into_iter().map(finding).collect()
}

/// `library()` stops at a package built before R 3.0.0 or for another platform, and warns about one built under a newer R
/// (`testRversion` in R's src/library/base/R/library.R). Packages built under an older minor version are common: Debian
/// has them, and they load.
///
/// Packages with the same difference are one finding.
fn built_for_another_r<'a>(packages: impl Iterator<Item = &'a Package>, home: &Installation) -> Vec<Finding> {
    let mut by_difference: BTreeMap<(Severity, Vec<u64>, String), Vec<&Package>> = BTreeMap::new();
    for package in packages {
        let Some(built) = &package.built else { continue };
        if let Some((severity, minor)) = severity_of_version(&built.version, &home.version) {
            by_difference.entry((severity, minor, String::new())).or_default().push(package);
        }
        if !built.platform.is_empty() && !home.platform.is_empty() && built.platform != home.platform {
            by_difference.entry((Severity::Error, Vec::new(), built.platform.clone())).or_default().push(package);
        }
    }
    let finding = |((severity, _, platform), packages): ((Severity, Vec<u64>, String), Vec<&Package>)| {
        let mut versions: Vec<&str> =
            packages.iter().filter_map(|package| Some(package.built.as_ref()?.version.as_str())).collect();
        versions.sort_unstable();
        versions.dedup();
        let (built, has) = match platform.as_str() {
            "" => (format!("under R {}", list::some(&versions, MAX_NAMES)), format!("the tree has R {}", home.version)),
            platform => (format!("for {platform}"), format!("R in the tree is for {}", home.platform)),
        };
        let (subject, message) = match packages.as_slice() {
            [one] => (Subject::package(&one.name), format!("was built {built}, but {has}")),
            several => {
                let names: Vec<&str> = several.iter().map(|package| package.name.as_str()).collect();
                let names = list::some(&names, MAX_NAMES);
                let message = format!("{} packages were built {built}, but {has}: {names}", several.len());
                (Subject::whole("packages"), message)
            }
        };
        let help = if packages.len() == 1 {
            "reinstall the package with the R in the tree"
        } else {
            "reinstall the packages with the R in the tree"
        };
        Finding::new(severity, Code::BuiltForAnotherR, subject, message, help)
    };
    by_difference.into_iter().map(finding).collect()
}

/// How R takes a package that was built under another version, and that version up to its minor number.
fn severity_of_version(built: &str, home: &str) -> Option<(Severity, Vec<u64>)> {
    let (built, home) = (built.parse::<Version>().ok()?, home.parse::<Version>().ok()?);
    let numbers = |version: &Version, count: usize| version.numbers().iter().take(count).copied().collect::<Vec<_>>();
    let minor = numbers(&built, 2);
    let severity = if numbers(&built, 1) < vec![3] {
        Severity::Error
    } else if minor > numbers(&home, 2) || numbers(&built, 1) != numbers(&home, 1) {
        Severity::Warning
    } else if minor != numbers(&home, 2) {
        Severity::Info
    } else {
        return None;
    };
    Some((severity, minor))
}

/// Warnings about libraries that R does not search; remarks where what it searches is not known.
fn not_searched(
    packages: &Packages,
    tree: &Tree,
    kept: &dyn Fn(EntryId) -> bool,
    searched: &[Searched],
) -> Vec<Finding> {
    // A library can consist of links to packages in a directory that is not searched itself, such as renv's cache.
    let is_searched = |library: &TreePath| searched.iter().any(|searched| searched.has(library));
    let links = tree.iter().filter(|(_, entry)| {
        matches!(entry.kind, Kind::Link { .. }) && entry.path.parent().is_some_and(|parent| is_searched(&parent))
    });
    let linked: BTreeSet<&TreePath> = links
        .filter_map(|(id, _)| match tree.follow(id) {
            Place::Inside(directory) => Some(tree.path(directory)),
            _ => None,
        })
        .collect();
    let unknown = searched.iter().find_map(Searched::unknown);
    // Where a library consists of links, that is the one to search, and not the directories that the packages are in.
    let mut of_links: BTreeMap<&TreePath, TreePath> = BTreeMap::new();
    for (id, entry) in tree.iter().filter(|(_, entry)| matches!(entry.kind, Kind::Link { .. })) {
        if let (Place::Inside(directory), Some(parent)) = (tree.follow(id), entry.path.parent())
            && tree.path(directory).name() == entry.path.name()
            && !parent.is_root()
        {
            of_links.entry(tree.path(directory)).or_insert(parent);
        }
    }
    let mut unsearched: BTreeMap<&TreePath, Vec<&str>> = BTreeMap::new();
    for package in packages.of_language(ID).filter(|package| kept(package.entry)) {
        if !is_searched(&package.library) && !linked.contains(&package.directory) {
            let library = of_links.get(&package.directory).unwrap_or(&package.library);
            unsearched.entry(library).or_default().push(&package.name);
        }
    }
    unsearched
        .into_iter()
        .map(|(library, names)| {
            let packages = match names.as_slice() {
                [first, others @ ..] if !others.is_empty() => {
                    format!("{first} and {}", plural(others.len(), "more package", "more packages"))
                }
                names => names.concat(),
            };
            let (severity, message) = match unknown {
                Some(unknown) => (
                    Severity::Info,
                    format!("contains {packages}; whether R searches it (.libPaths()) is not known, because {unknown}"),
                ),
                None => (
                    Severity::Warning,
                    format!("contains {packages}, but is not on R's library search path (.libPaths())"),
                ),
            };
            Finding::new(
                severity,
                Code::LibraryNotSearched,
                library,
                message,
                format!(
                    "pack it with r-libs-user = [\"{library}\"] in layerfit.toml, which sets R_LIBS_USER in etc/Renviron, or set \
                     R_LIBS={} for the function",
                    library.mounted()
                ),
            )
        })
        .collect()
}

/// Errors about libraries that R searches and that a link leads out of the tree: their packages are not in a layer.
fn libraries_outside(searched: &[Searched]) -> Vec<Finding> {
    let outside: BTreeMap<&TreePath, &Vec<u8>> = searched.iter().flat_map(Searched::outside).collect();
    let finding = |(library, end): (&TreePath, &Vec<u8>)| {
        let message = format!(
            "R searches this library, but a link leads it to {}, outside of /opt: none of its packages will be in a layer",
            printable(end)
        );
        Finding::error(Code::DamagedPackage, library, message, "copy the library's directory into the tree")
    };
    outside.into_iter().map(finding).collect()
}

/// A finding about R without a bootstrap: without one, an invocation fails. A function can provide its own.
fn no_bootstrap(home: &Installation, tree: &Tree, kept: &dyn Fn(EntryId) -> bool) -> Option<Finding> {
    let bootstrap = TreePath::new("bootstrap").and_then(|path| tree.find(&path)).filter(|id| kept(*id));
    bootstrap.is_none().then(|| {
        Finding::info(
            Code::NoBootstrap,
            &home.path,
            "the tree has R but no bootstrap to start it: each function must provide its own",
            "layerfit init --bootstrap DIR writes one into the tree or into a function's code",
        )
    })
}

/// An error about a script that runs R's program without `bin/R`, which sets R_HOME, and does not set it itself.
fn wrong_home(packages: &Packages, tree: &Tree, start: &Start, kept: &dyn Fn(EntryId) -> bool) -> Option<Finding> {
    let script = start.by.filter(|script| kept(*script))?;
    let named = start::wrong_home(tree, start, packages.installations_of(ID))?;
    let home = packages.installations_of(ID).next()?.path.mounted();
    let message = match named.as_str() {
        "" => "runs bin/exec/R without R_HOME: R stops with \"R home directory is not defined\"".to_owned(),
        named => format!(
            "runs bin/exec/R with R_HOME={}, which is not R's home: R does not start",
            printable(named.as_bytes())
        ),
    };
    let help = format!("set R_HOME={home} in it and export it, or run {home}/bin/R, which sets it");
    Some(Finding::error(Code::HomeElsewhere, tree.path(script), message, help))
}
