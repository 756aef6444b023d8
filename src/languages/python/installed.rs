//! Checks of how distributions were installed: for another system or a newer Python, with their code elsewhere, where nothing
//! searches, or in the place of a module of the standard library.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::damaged::{self, declared};
use super::imports::directories_of_lambda;
use super::names::{Minor, minor_of_directory, module};
use super::needs::ID;
use super::standard::is_standard;
use crate::base::finding::{Code, Finding, Severity};
use crate::base::list;
use crate::base::path::TreePath;
use crate::base::subject::Subject;
use crate::languages::{Package, Packages};
use crate::runtime::RuntimeProfile;
use crate::tree::{EntryId, Tree};

/// How many names a message lists.
const MAX_NAMES: usize = 6;

/// Findings about the distributions that satisfy `kept`.
pub(super) fn check(
    packages: &Packages,
    tree: &Tree,
    runtime: &RuntimeProfile,
    kept: &dyn Fn(EntryId) -> bool,
) -> Vec<Finding> {
    let all: Vec<&Package> = packages.of_language(ID).filter(|package| kept(package.entry)).collect();
    let there: Vec<&Package> = all.iter().copied().filter(|package| is_searched(&package.library, runtime)).collect();
    let minor = runtime.python_minor();
    let mut findings = Vec::new();
    let (broken, damaged) = damaged::check(packages, tree, &there, kept);
    for package in there.iter().filter(|package| !broken.contains(&package.entry)) {
        findings.extend(for_another_system(tree, package));
        findings.extend(minor.and_then(|minor| for_newer(tree, package, runtime, minor)));
        findings.extend(elsewhere(tree, package));
    }
    findings.extend(damaged);
    if let Some(minor) = minor {
        let plain = modules_not_searched(packages, tree, runtime, minor, kept);
        findings.extend(not_searched(&all, &plain, runtime, minor));
        findings.extend(hidden(packages, tree, runtime, minor, kept));
    }
    findings
}

/// The version that the extension modules of a tree are for, by their names, if it is one.
pub(super) fn built_for(tree: &Tree) -> Option<String> {
    let tags = tree.iter().filter_map(|(_, entry)| {
        let (_, tag) = module(entry.path.name())?;
        tag.minor.filter(|_| tag.fits(None))
    });
    let directories = tree.iter().filter_map(|(_, entry)| minor_of_directory(&entry.path));
    let minors: BTreeSet<Minor> = tags.chain(directories).collect();
    minors.first().filter(|_| minors.len() == 1).map(|minor| format!("3.{minor}"))
}

/// The tags of the wheel that was installed: its Python, its ABI and its platform.
fn tags(tree: &Tree, package: &Package) -> Vec<[String; 3]> {
    let text = declared(tree, package, "WHEEL");
    let tags = text.lines().filter_map(|line| line.strip_prefix("Tag:"));
    let parts = tags.filter_map(|tag| {
        let mut parts = tag.trim().splitn(3, '-').map(str::to_owned);
        Some([parts.next()?, parts.next()?, parts.next()?])
    });
    parts.collect()
}

/// A distribution whose extension modules are all for another system than Linux.
fn for_another_system(tree: &Tree, package: &Package) -> Option<Finding> {
    let mut foreign: BTreeMap<&'static str, Vec<String>> = BTreeMap::new();
    for id in package.entries(tree).filter(|id| !tree.entry(*id).is_directory()) {
        let path = tree.path(id);
        let Some((name, system)) = foreign_module(path.name()) else {
            if module(path.name()).is_some_and(|(_, tag)| tag.tagged) {
                return None;
            }
            continue;
        };
        let code = path.parent().and_then(|directory| directory.join(format!("{name}.py")));
        if code.is_none_or(|code| tree.find(&code).is_none()) {
            foreign.entry(system).or_default().push(path.to_string());
        }
    }
    let (system, files) = foreign.first_key_value()?;
    let tags = tags(tree, package);
    let help = format!(
        "install it for Linux: pip install --only-binary=:all: --platform manylinux2014_x86_64 (or _aarch64) --target python {}",
        package.name
    );
    let message = format!("for {system}, and a function runs on Linux: {}", list::some(files, MAX_NAMES));
    let name = Subject::package(&package.name);
    let is_pure = tags.iter().any(|[_, _, platform]| platform == "any");
    Some(if is_pure {
        // Code that works without them.
        Finding::warning(Code::DamagedPackage, name, format!("its only extension modules are {message}"), help)
    } else {
        let who = format!("{} {} cannot be imported", package.name, package.version);
        Finding::error(Code::DamagedPackage, name, format!("{who}: its extension modules are {message}"), help)
    })
}

/// The module in the name of a file that only macOS or Windows imports, and the system.
pub(super) fn foreign_module(file_name: &[u8]) -> Option<(&str, &'static str)> {
    if let Some((name, tag)) = module(file_name) {
        let is_darwin = tag.platform.as_deref().is_some_and(|platform| platform.contains("darwin"));
        return is_darwin.then_some((name, "macOS"));
    }
    let (name, rest) = std::str::from_utf8(file_name).ok()?.split_once('.')?;
    (rest.rsplit('.').next() == Some("pyd")).then_some((name, "Windows"))
}

/// A wheel whose extension modules are for the stable ABI of a newer Python: their names do not have its version.
fn for_newer(tree: &Tree, package: &Package, runtime: &RuntimeProfile, minor: Minor) -> Option<Finding> {
    let least = |[python, abi, _]: &[String; 3]| {
        (abi == "abi3").then(|| python.strip_prefix("cp3")?.parse::<Minor>().ok()).flatten()
    };
    let tags = tags(tree, package);
    let least = tags.iter().map(least).collect::<Option<Vec<_>>>()?.into_iter().min().filter(|least| *least > minor)?;
    let has_module = package.entries(tree).any(|id| tree.path(id).name().ends_with(b".abi3.so"));
    has_module.then(|| {
        Finding::error(
            Code::BuiltForAnotherR,
            Subject::package(&package.name),
            format!(
                "{} {} cannot be imported: its wheel is for CPython 3.{least} and newer, but {} has Python 3.{minor}",
                package.name, package.version, runtime.name
            ),
            format!(
                "install the wheel for the function's Python: pip install --only-binary=:all: --python-version 3.{minor} \
                 --target python {}",
                package.name
            ),
        )
    })
}

/// A distribution that was installed with `--editable`: its code is where it was written.
fn elsewhere(tree: &Tree, package: &Package) -> Option<Finding> {
    let declared: Value = serde_json::from_str(&declared(tree, package, "direct_url.json")).ok()?;
    let source = declared["url"].as_str().filter(|_| declared["dir_info"]["editable"] == Value::Bool(true))?;
    let directory = source.strip_prefix("file://").unwrap_or(source);
    // Where the function has the code too, it is found.
    let is_there = TreePath::from_mounted(directory.as_bytes()).is_some_and(|path| tree.find(&path).is_some());
    (!is_there).then(|| {
        Finding::error(
            Code::DamagedPackage,
            Subject::package(&package.name),
            format!(
                "{} {} cannot be imported: it was installed with --editable, so its code is still in {directory}",
                package.name, package.version
            ),
            format!("install it into the tree: pip install --target python {directory}"),
        )
    })
}

/// The directories of the tree that the runtime searches: those of PYTHONPATH if it is set, and otherwise Lambda's own.
pub(super) fn searched(runtime: &RuntimeProfile, minor: Minor) -> Vec<TreePath> {
    let set = runtime.environment.elements("PYTHONPATH");
    if set.is_empty() {
        return directories_of_lambda(&format!("3.{minor}")).collect();
    }
    set.into_iter().filter_map(|place| TreePath::from_mounted(place.as_bytes())).collect()
}

/// Whether the runtime can search a library: it does not search that of another version, unless PYTHONPATH names it.
pub(super) fn is_searched(library: &TreePath, runtime: &RuntimeProfile) -> bool {
    let Some(minor) = runtime.python_minor() else { return true };
    other_version(library, minor).is_none() || searched(runtime, minor).contains(library)
}

/// The other version that a directory of Lambda's layout is for.
fn other_version(library: &TreePath, minor: Minor) -> Option<Minor> {
    let version = library.below(&TreePath::new("python/lib")?)?.strip_suffix(b"/site-packages")?;
    let version: Minor = std::str::from_utf8(version).ok()?.strip_prefix("python3.")?.parse().ok()?;
    (version != minor).then_some(version)
}

/// The libraries of other versions with modules in no distribution that no searched directory has, and these modules.
fn modules_not_searched(
    packages: &Packages,
    tree: &Tree,
    runtime: &RuntimeProfile,
    minor: Minor,
    kept: &dyn Fn(EntryId) -> bool,
) -> BTreeMap<TreePath, Vec<String>> {
    let mut found: BTreeMap<TreePath, BTreeSet<String>> = BTreeMap::new();
    let Some(lib) = TreePath::new("python/lib") else { return BTreeMap::new() };
    let searched = searched(runtime, minor);
    for (id, entry) in tree.below(&lib).filter(|(id, entry)| !entry.is_directory() && kept(*id)) {
        let Some(library) = entry.path.ancestors().find(|above| above.name() == b"site-packages") else { continue };
        if other_version(&library, minor).is_none() || searched.contains(&library) {
            continue;
        }
        let below = entry.path.below(&library).and_then(|below| std::str::from_utf8(below).ok()).unwrap_or_default();
        let (first, is_package) = match below.split_once('/') {
            Some((first, "__init__.py")) => (first, true),
            Some(_) => continue,
            None => (below, false),
        };
        let name = if is_package { Some(first) } else { module_name(first) };
        let Some(name) = name.filter(|_| packages.of_path(tree.path(id)).is_none()) else { continue };
        let is_there = |directory: &TreePath| {
            let package = directory.join(name).is_some_and(|path| tree.find(&path).is_some());
            package || directory.join(format!("{name}.py")).is_some_and(|path| tree.find(&path).is_some())
        };
        if !searched.iter().any(is_there) {
            found.entry(library).or_default().insert(name.to_owned());
        }
    }
    found.into_iter().map(|(library, names)| (library, names.into_iter().collect())).collect()
}

/// The name of the module in that of a file that Python imports.
fn module_name(file_name: &str) -> Option<&str> {
    let extension = module(file_name.as_bytes()).filter(|(_, tag)| tag.tagged).map(|(name, _)| name);
    extension.or_else(|| file_name.strip_suffix(".py"))
}

/// Libraries with distributions or modules that the runtime does not search, and that are nowhere else.
fn not_searched(
    there: &[&Package],
    plain: &BTreeMap<TreePath, Vec<String>>,
    runtime: &RuntimeProfile,
    minor: Minor,
) -> Vec<Finding> {
    let searched = searched(runtime, minor);
    let is_searched = |library: &TreePath| searched.contains(library);
    // Of these, S110 tells.
    let is_told = |library: &TreePath| {
        let is_named = library.name() == b"site-packages" || library.name() == b"dist-packages";
        library.is_root() || is_named && !library.as_bytes().starts_with(b"python/lib/")
    };
    let found: BTreeSet<&str> =
        there.iter().filter(|package| is_searched(&package.library)).map(|package| package.name.as_str()).collect();
    let mut libraries: BTreeMap<&TreePath, Vec<&str>> = BTreeMap::new();
    for package in there.iter().filter(|package| !found.contains(package.name.as_str())) {
        if !is_searched(&package.library) && !is_told(&package.library) {
            libraries.entry(&package.library).or_default().push(&package.name);
        }
    }
    for (library, names) in plain {
        libraries.entry(library).or_default().extend(names.iter().map(String::as_str));
    }
    let finding = |(library, names): (&TreePath, Vec<&str>)| {
        let other = minor_of_directory(&library.join("x").unwrap_or_else(|| library.clone()));
        let other = other
            .filter(|_| library.as_bytes().starts_with(b"python/lib/"))
            .map(|other| format!("python3.{other}"))
            .filter(|name| RuntimeProfile::is_built_in(name))
            .map(|name| format!("; or choose --runtime {name}, which does"));
        Finding::warning(
            Code::LibraryNotSearched,
            Subject::from(library),
            format!("{} does not search it: {} cannot be imported", runtime.name, list::some(&names, MAX_NAMES)),
            format!(
                "move it to python/, or add /opt/{library} to the function's sys.path{}",
                other.unwrap_or_default()
            ),
        )
    };
    libraries.into_iter().map(finding).collect()
}

/// The modules that Lambda's runtime imports when it starts, after it has put the layers before the standard library: found with
/// awslambdaric 4.2.2 and simplejson on CPython 3.11, with each module in turn hidden by one that fails. `abc`, `codecs`, `io`,
/// `os`, `stat` and `site` are not among them: the interpreter has its own ones by then.
const IMPORTED_AT_START: &[&str] = &[
    "collections",
    "contextlib",
    "copyreg",
    "decimal",
    "enum",
    "functools",
    "importlib",
    "json",
    "keyword",
    "linecache",
    "logging",
    "math",
    "numbers",
    "operator",
    "re",
    "reprlib",
    "string",
    "textwrap",
    "threading",
    "token",
    "tokenize",
    "traceback",
    "types",
    "warnings",
    "weakref",
];

/// Modules directly in a directory that is searched before the standard library, and called like one of its modules.
fn hidden(
    packages: &Packages,
    tree: &Tree,
    runtime: &RuntimeProfile,
    minor: Minor,
    kept: &dyn Fn(EntryId) -> bool,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    for directory in searched(runtime, minor) {
        for (id, entry) in tree.below(&directory) {
            let below = entry.path.below(&directory).and_then(|below| std::str::from_utf8(below).ok());
            let name = below.and_then(|below| below.strip_suffix("/__init__.py").or_else(|| below.strip_suffix(".py")));
            // Packages leave their tests as `test`, which nothing of the standard library imports.
            let Some(name) = name.filter(|name| !name.contains('/') && *name != "test") else { continue };
            if !kept(id) || !is_standard(name, Some(minor)) {
                continue;
            }
            let of = packages.of_path(&entry.path).map(|position| packages.get(position));
            let of = of.map(|package| format!(" of {} {}", package.name, package.version)).unwrap_or_default();
            // The interpreter itself imports this one before all others, and then only searches PYTHONPATH.
            let is_first = name == "encodings" && !runtime.environment.elements("PYTHONPATH").is_empty();
            let is_needed = is_first || IMPORTED_AT_START.contains(&name);
            findings.push(Finding::new(
                if is_needed { Severity::Error } else { Severity::Warning },
                Code::HidesStandardModule,
                Subject::from(&entry.path),
                format!(
                    "the module {name}{of} is found before that of Python 3.{minor} itself, as {} searches the layers first{}",
                    runtime.name,
                    if is_needed { ", and the runtime imports it when it starts" } else { "" }
                ),
                format!("remove it: Python 3.{minor} has {name}"),
            ));
        }
    }
    findings
}
