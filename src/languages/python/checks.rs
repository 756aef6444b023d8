//! Checks of Python: extension modules for a different CPython than the one that imports them.

use std::collections::{BTreeMap, BTreeSet};

use super::modules::{Module, modules};
use super::names::{Minor, Tag};
use crate::base::finding::{Code, Finding, Severity};
use crate::base::list;
use crate::base::subject::Subject;
use crate::languages::Packages;
use crate::runtime::RuntimeProfile;
use crate::tree::{EntryId, Objects, Tree};

/// How many names a message lists.
const MAX_NAMES: usize = 12;

/// A module that its CPython does not see.
struct Unseen<'a> {
    module: &'a Module,
    /// What it is for.
    built: String,
    /// The version that imports it.
    needed: Minor,
    severity: Severity,
}

/// Findings about the extension modules that satisfy `kept`.
pub(super) fn check(
    packages: &Packages,
    tree: &Tree,
    objects: &Objects,
    runtime: &RuntimeProfile,
    kept: &dyn Fn(EntryId) -> bool,
) -> Vec<Finding> {
    // Names without a tag say nothing about the version, so that no ELF file has to be read.
    let (modules, _) = modules(tree, &Objects::new(), runtime);
    let there: Vec<&Module> =
        modules.iter().filter(|module| module.searched && module.files.iter().any(|(id, _)| kept(*id))).collect();
    let most = most_common(&there);
    let unseen = there.iter().filter_map(|module| {
        let (needed, severity) = match module.minor {
            Some(minor) => (minor, Severity::Error),
            // Without a version in the path or of the runtime, what most modules are for is expected of all.
            None => (most?, Severity::Warning),
        };
        let mut glibc = module.files.iter().map(|(_, tag)| tag).filter(|tag| !tag.is_musl());
        let is_seen = glibc.clone().any(|tag| tag.fits(Some(needed)));
        let newest = glibc.by_ref().max_by_key(|tag| tag.minor).filter(|_| !is_seen && !module.has_code)?;
        let built = newest.built_for()?;
        Some(Unseen { module, built, needed, severity })
    });
    let mut by_package: BTreeMap<(Severity, Option<usize>, String, Minor), Vec<&Module>> = BTreeMap::new();
    for Unseen { module, built, needed, severity } in unseen {
        let package = packages.of_path(tree.path(module.files[0].0));
        by_package.entry((severity, package, built, needed)).or_default().push(module);
    }
    let finding = |((severity, package, built, needed), modules): (
        (Severity, Option<usize>, String, Minor),
        Vec<&Module>,
    )| {
        let files: Vec<String> = modules.iter().map(|module| tree.path(module.files[0].0).to_string()).collect();
        let package = package.map(|position| packages.get(position));
        let subject = package
            .map_or_else(|| Subject::from(tree.path(modules[0].files[0].0)), |package| Subject::package(&package.name));
        let who = package.map_or_else(
            || format!("{} cannot be imported", modules[0].name),
            |package| format!("{} {} cannot be imported", package.name, package.version),
        );
        let why = match (severity, runtime.python_minor()) {
            (Severity::Error, Some(minor)) if minor == needed => format!("{} has Python 3.{needed}", runtime.name),
            (Severity::Error, _) => format!("only Python 3.{needed} searches there"),
            _ => format!("most of the tree's are for CPython 3.{needed}"),
        };
        let message = format!(
            "{who}: {} for {built}, but {why}: {}",
            if modules.len() == 1 { "a module is" } else { "modules are" },
            list::some(&files, MAX_NAMES)
        );
        let help = format!(
            "install the wheel for the function's Python: pip install --only-binary=:all: --python-version 3.{needed} \
             --target python"
        );
        Finding::new(severity, Code::BuiltForAnotherR, subject, message, help)
    };
    let mut findings: Vec<Finding> = by_package.into_iter().map(finding).collect();
    findings.extend(there.iter().filter_map(|module| named_otherwise(packages, tree, objects, module)));
    findings
}

/// A module whose files have names that no import finds on glibc and on their machine, or that is another module.
fn named_otherwise(packages: &Packages, tree: &Tree, objects: &Objects, module: &Module) -> Option<Finding> {
    let &(first, _) = module.files.first().filter(|_| !module.has_code)?;
    // A module that needs musl itself is found to do so when it is loaded.
    let needs_musl = |id: &EntryId| {
        objects.get(id).is_none_or(|elf| elf.needed.iter().any(|needed| needed.starts_with("libc.musl")))
    };
    let why = if module.files.iter().all(|(_, tag)| tag.is_musl()) {
        if module.files.iter().any(|(id, _)| needs_musl(id)) {
            return None;
        }
        Some((Code::BuiltForAnotherR, "its name is that of a module for musl, which Python on glibc does not import"))
    } else if module.importable().all(|(id, tag)| is_for_other_machine(objects, *id, tag)) {
        let has_any = module.importable().next().is_some();
        has_any.then_some((
            Code::BuiltForAnotherR,
            "its name is that of a module for another machine than the one that it is compiled for, so no Python imports it",
        ))
    } else {
        let is_another = |id: &EntryId| {
            let Some(elf) = objects.get(id) else { return false };
            let own = format!("PyInit_{}", module.name);
            module.name.is_ascii()
                && !elf.symbols.defines(&own)
                && elf.symbols.defined().any(|it| it.starts_with("PyInit_"))
        };
        let all = module.importable().all(|(id, _)| is_another(id));
        all.then_some((
            Code::DamagedPackage,
            "it has the function of another module (PyInit_NAME), so that importing it by this name fails",
        ))
    };
    let why = why.map(|(code, why)| (code, why.to_owned()));
    let (code, why) = why.or_else(|| needs_other_python(tree, objects, module))?;
    let path = tree.path(first);
    let package = packages.of_path(path).map(|position| packages.get(position));
    let who = package.map_or_else(
        || format!("{} cannot be imported", module.name),
        |package| format!("{} {} cannot be imported", package.name, package.version),
    );
    let subject = package.map_or_else(|| Subject::from(path), |package| Subject::package(&package.name));
    let help = "install the wheel for Lambda again: pip install --only-binary=:all: --platform manylinux2014_x86_64 (or _aarch64) \
                --target python";
    Some(Finding::error(code, subject, format!("{who}: {path}: {why}"), help))
}

/// A module that needs the library of another CPython than the one that imports it.
fn needs_other_python(tree: &Tree, objects: &Objects, module: &Module) -> Option<(Code, String)> {
    let minor = module.minor?;
    let other = |id: &EntryId| {
        let mut versions = objects.get(id)?.needed.iter().filter(|needed| needed.starts_with("libpython3."));
        let is_other = |needed: &&String| {
            let version = needed.trim_start_matches("libpython3.").split('.').next().and_then(|it| it.parse().ok());
            version.is_some_and(|version: Minor| version != minor)
        };
        versions.find(is_other)
    };
    let needed = module.importable().map(|(id, _)| other(id)).collect::<Option<Vec<_>>>()?;
    let needed = *needed.first()?;
    let is_in_tree = tree.iter().any(|(_, entry)| entry.path.name() == needed.as_bytes());
    (!is_in_tree).then(|| {
        (
            Code::BuiltForAnotherR,
            format!("it needs {needed}, which is not in the tree, and Python 3.{minor} imports it"),
        )
    })
}

/// Whether a file is compiled for one of Lambda's machines and named for the other.
fn is_for_other_machine(objects: &Objects, id: EntryId, tag: &Tag) -> bool {
    let named = tag.platform.as_deref().and_then(|platform| platform.split_once('-')).map(|(machine, _)| machine);
    let other = match named {
        Some("x86_64") => "arm64",
        Some("aarch64") => "x86_64",
        _ => return false,
    };
    objects.get(&id).is_some_and(|elf| elf.machine.is_lambda(other))
}

/// The version that most modules are for that only one version sees.
fn most_common(modules: &[&Module]) -> Option<Minor> {
    let mut counts: BTreeMap<Minor, usize> = BTreeMap::new();
    for module in modules.iter().filter(|module| module.minor.is_none()) {
        let minors: BTreeSet<Minor> =
            module.files.iter().filter_map(|(_, tag)| tag.minor.filter(|_| tag.fits(None))).collect();
        for minor in minors {
            *counts.entry(minor).or_default() += 1;
        }
    }
    counts.into_iter().max_by_key(|(minor, count)| (*count, *minor)).map(|(minor, _)| minor)
}
