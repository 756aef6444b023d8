//! Checks of Python: extension modules for a different CPython than the one that imports them.

use std::collections::{BTreeMap, BTreeSet};

use super::modules::{Module, modules};
use super::names::Minor;
use crate::base::finding::{Code, Finding, Severity, Subject};
use crate::base::list;
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
    by_package.into_iter().map(finding).collect()
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
