//! Checks of packages of any language: requirements that are missing or too old, and duplicate packages.

use std::collections::{BTreeMap, BTreeSet};

use super::id::LanguageId;
use super::language::Language;
use super::packages::{Package, Packages, RequiredFor, Requirement};
use super::registry::{ALL, language};
use crate::base::bytes::plural;
use crate::base::finding::{Code, Finding, Severity};
use crate::base::list;
use crate::base::subject::Subject;
use crate::runtime::{LibrarySource, RuntimeProfile};
use crate::tree::{EntryId, Objects, Tree};

/// How many functions a finding lists.
const MAX_FUNCTIONS: usize = 4;

/// The kept packages of each name.
type ByName<'a> = BTreeMap<(LanguageId, &'a str), Vec<&'a Package>>;

/// Findings about the installations and packages that satisfy `kept`: missing or too old requirements, duplicate packages,
/// and each language's own checks.
pub fn check(
    packages: &Packages,
    tree: &Tree,
    objects: &Objects,
    runtime: &RuntimeProfile,
    kept: &dyn Fn(EntryId) -> bool,
) -> Vec<Finding> {
    let there: Vec<&Package> = packages.all.iter().filter(|package| kept(package.entry)).collect();
    let is_searched = |package: &Package| is_searched(package, runtime);
    let by_name = by_name(&there, runtime);
    let mut findings = Vec::new();
    let elsewhere = in_another_layer(packages, tree);
    for package in there.iter().filter(|package| is_searched(package)) {
        findings.extend(requirements(packages, package, &by_name, tree, &elsewhere, &|copy| kept(copy.entry)));
        findings.extend(runtime_requirements(packages, package));
    }
    let of_one = by_name.iter().filter(|((id, _), _)| language(*id).uses_one_copy());
    findings.extend(of_one.filter_map(|((_, name), copies)| duplicates(packages, name, copies)));
    for language in ALL {
        findings.extend(language.check(packages, tree, objects, runtime, kept));
        let count = there.iter().filter(|package| package.language == language.id()).count();
        findings.extend(not_there(*language, count, tree, runtime));
    }
    without_consequences(&mut findings);
    findings
}

/// Leaves out warnings that a package lacks another one where an error tells that it cannot be loaded without it.
fn without_consequences(findings: &mut Vec<Finding>) {
    let of = |finding: &Finding| (finding.subject.clone(), finding.cause.clone());
    let is_missing = |finding: &&Finding| finding.code == Code::MissingPackage && finding.cause.is_some();
    let errors = findings.iter().filter(is_missing).filter(|finding| finding.severity == Severity::Error);
    let errors: BTreeSet<_> = errors.map(of).collect();
    findings.retain(|finding| {
        finding.severity == Severity::Error || !is_missing(&finding) || !errors.contains(&of(finding))
    });
}

/// Findings about what the packages that satisfy `kept` require of other packages: those of [`check`] that depend on which
/// packages are there, and not on their files.
pub fn missing_requirements(
    packages: &Packages,
    tree: &Tree,
    runtime: &RuntimeProfile,
    kept: &dyn Fn(EntryId) -> bool,
) -> Vec<Finding> {
    let there: Vec<&Package> = packages.all.iter().filter(|package| kept(package.entry)).collect();
    let by_name = by_name(&there, runtime);
    let elsewhere = in_another_layer(packages, tree);
    let of = |package: &&Package| requirements(packages, package, &by_name, tree, &elsewhere, &|copy| kept(copy.entry));
    there.iter().filter(|package| is_searched(package, runtime)).flat_map(of).collect()
}

/// The languages of packages in a tree that are not there themselves: what comes with them is in the layer that has them, or in
/// the image.
fn in_another_layer(packages: &Packages, tree: &Tree) -> BTreeSet<LanguageId> {
    let of_packages: BTreeSet<LanguageId> = packages.all.iter().map(|package| package.language).collect();
    let is_there = |id: &LanguageId| packages.installations_of(*id).next().is_some() || language(*id).is_in_tree(tree);
    of_packages.into_iter().filter(|id| !is_there(id)).collect()
}

/// A warning about a package of which one installation of the language could use several copies. Copies in different
/// installations are not duplicates: each uses its own.
fn duplicates(packages: &Packages, name: &str, copies: &[&Package]) -> Option<Finding> {
    let of = |copy: &Package| {
        let installations =
            packages.installations_of(copy.language).filter(|one| copy.library.below(&one.path).is_some());
        // An installation can be below another.
        installations.map(|one| &one.path).max_by_key(|path| path.as_bytes().len())
    };
    let shared = copies.iter().filter(|copy| of(copy).is_none()).count();
    let is_duplicate = |copy: &Package| {
        let beside = of(copy).map(|home| copies.iter().filter(|other| of(other) == Some(home)).count());
        // What is in no installation is for each of them.
        beside.unwrap_or(copies.len() - shared) + shared > 1
    };
    let copies: Vec<&&Package> = copies.iter().filter(|copy| is_duplicate(copy)).collect();
    if copies.len() < 2 {
        return None;
    }
    let places: Vec<String> = copies.iter().map(|copy| format!("{} ({})", copy.library, copy.version)).collect();
    Some(Finding::warning(
        Code::DuplicatePackage,
        Subject::package(name),
        format!(
            "installed in {}: the copy in the library that is searched first is used",
            list::with_last(&places, "and")
        ),
        "remove all but one copy",
    ))
}

/// Whether the runtime searches the library of a package.
fn is_searched(package: &Package, runtime: &RuntimeProfile) -> bool {
    language(package.language).is_searched(&package.library, runtime)
}

/// These packages by their languages and names: of several copies those that the runtime could use.
fn by_name<'a>(packages: &[&'a Package], runtime: &RuntimeProfile) -> ByName<'a> {
    let mut by_name = ByName::new();
    for package in packages {
        by_name.entry((package.language, &package.name)).or_default().push(package);
    }
    // What another version of the language has in a directory of its own is not a copy that this one could use.
    for copies in by_name.values_mut().filter(|copies| copies.iter().any(|copy| is_searched(copy, runtime))) {
        copies.retain(|copy| is_searched(copy, runtime));
    }
    by_name
}

/// Packages of a language that neither the tree nor the image has: their runtime was not named.
fn not_there(language: &dyn Language, count: usize, tree: &Tree, runtime: &RuntimeProfile) -> Option<Finding> {
    let managed = language.managed().filter(|_| count > 0)?;
    let is_there = runtime.language.as_ref().is_some_and(|own| own.id == language.id().as_str())
        // This machine has what it has.
        || runtime.libraries.from == LibrarySource::Filesystem
        || language.is_in_tree(tree);
    if is_there {
        return None;
    }
    let name = language.name();
    let built_for = language.built_for(tree).map(|version| (managed.name)(&version));
    let runtimes = built_for.filter(|name| RuntimeProfile::is_built_in(name)).unwrap_or_else(|| {
        let names: Vec<String> = RuntimeProfile::of_language(language.id().as_str()).map(str::to_owned).collect();
        list::with_last(&names, "or")
    });
    let packages = plural(count, "package", "packages");
    Some(Finding::warning(
        Code::LanguageNotThere,
        Subject::whole(name),
        format!(
            "the tree has {packages} for {name}, but neither it nor {} has {name}: which version they must fit is not known",
            runtime.name
        ),
        format!("name the function's runtime: --runtime {runtimes}"),
    ))
}

/// Whether a package comes with its language, or with the images that run it.
fn is_standard(language: &dyn Language, package: &str) -> bool {
    language.needs().standard.base.iter().any(|name| name == package)
}

fn requirements(
    packages: &Packages,
    package: &Package,
    by_name: &ByName<'_>,
    tree: &Tree,
    elsewhere: &BTreeSet<LanguageId>,
    is_there: &dyn Fn(&Package) -> bool,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    let is_excluded = |name: &str| packages.excluded.packages.contains_key(&(package.language, name.to_owned()));
    let of = language(package.language);
    for required in &package.requires {
        let name = required.package.as_str();
        let copies = if of.uses_one_copy() {
            by_name.get(&(package.language, name)).cloned()
        } else {
            let found = of.provides(packages, tree, package, name).into_iter().map(|at| packages.get(at));
            let found: Vec<&Package> = found.filter(|copy| is_there(copy)).collect();
            Some(found).filter(|found| !found.is_empty())
        };
        match (copies, &required.constraint) {
            // What the language's own images have is not missing.
            (None, _) if required.for_what == RequiredFor::Declared && is_standard(of, name) => {}
            // Nor is what comes with a language that is in another layer, unless it was in this one.
            (None, _)
                if elsewhere.contains(&package.language)
                    && is_standard(of, name)
                    && !is_excluded(name)
                    && packages.copies(package.language, name).next().is_none() => {}
            (None, _) => findings.push(missing(packages, package, required, tree)),
            (Some(copies), Some(constraint)) if !copies.iter().any(|copy| of.satisfies(&copy.version, constraint)) => {
                let there: Vec<&str> = copies.iter().map(|copy| copy.version.as_str()).collect();
                findings.push(Finding::new(
                    severity(required.for_what),
                    Code::PackageTooOld,
                    Subject::package(&package.name),
                    format!(
                        "needs {} ({constraint}), but the tree has {}",
                        required.package,
                        list::with_last(&there, "and")
                    ),
                    format!("install a version of {} that satisfies the requirement", required.package),
                ));
            }
            (Some(_), _) => {}
        }
    }
    findings
}

/// A package that cannot be loaded is an error; one of which some functions fail is a warning.
fn severity(for_what: RequiredFor) -> Severity {
    match for_what {
        RequiredFor::Loading => Severity::Error,
        RequiredFor::Declared | RequiredFor::Calls => Severity::Warning,
    }
}

fn missing(packages: &Packages, package: &Package, requirement: &Requirement, tree: &Tree) -> Finding {
    let (name, required) = (&package.name, requirement.package.as_str());
    let excluded = packages.excluded.packages.contains_key(&(package.language, required.to_owned()));
    let why = match packages.copies(package.language, required).next() {
        Some(_) => "; a rule drops it",
        None if excluded => "; it was dropped by --drop",
        None => "",
    };
    let of = language(package.language);
    if requirement.for_what == RequiredFor::Declared {
        let message = format!("declares that it needs the package {required}, which is not in the tree{why}");
        let help = if excluded {
            format!("drop pkg:{name} too, or --keep pkg:{required}")
        } else {
            format!("install {required} into the tree, unless another layer or the function has it")
        };
        let severity = severity(requirement.for_what);
        return Finding::new(severity, Code::MissingPackage, Subject::package(name), message, help).caused_by(required);
    }
    let (fails, whole) = match requirement.for_what {
        RequiredFor::Loading | RequiredFor::Declared => (of.load_fails(name), true),
        RequiredFor::Calls => {
            match of.calls(packages, tree)(package).ok().and_then(|mut calls| calls.callers.remove(required)) {
                Some(callers) => (some_functions_fail(of, name, &callers), false),
                None => (format!("functions of {name} that call {required} fail"), false),
            }
        }
    };
    let help = if excluded {
        let drop = if whole { format!("drop pkg:{name} too, or ") } else { String::new() };
        format!("{fails} without it: {drop}--keep pkg:{required}")
    } else {
        format!("install {required} into the tree: {fails} without it")
    };
    let needs = if whole { "needs" } else { "loads, but some of its functions need" };
    let message = format!("{needs} the package {required}, which is not in any library{why}");
    let severity = severity(requirement.for_what);
    Finding::new(severity, Code::MissingPackage, Subject::package(name), message, help).caused_by(required)
}

/// The functions of a package that fail without another.
fn some_functions_fail(language: &dyn Language, package: &str, functions: &BTreeSet<String>) -> String {
    let functions: Vec<String> = functions.iter().map(|function| language.function(package, function)).collect();
    let verb = if functions.len() == 1 { "fails" } else { "fail" };
    format!("{} {verb}", list::some(&functions, MAX_FUNCTIONS))
}

fn runtime_requirements(packages: &Packages, package: &Package) -> Vec<Finding> {
    let of = language(package.language);
    let name = of.name();
    let installed = packages.installations_of(package.language).next().map(|installed| installed.version.as_str());
    let (version, place, otherwise) = match (installed, packages.runtime_version(package.language)) {
        (Some(version), _) => (version, "the tree", format!("build a newer {name}")),
        (None, Some(version)) => (version, "the image", "choose another --runtime".to_owned()),
        (None, None) => return Vec::new(),
    };
    let unmet = package.requires_runtime.iter().filter(|constraint| !of.runtime_satisfies(version, constraint));
    let finding = |constraint: &String| {
        Finding::new(
            if of.enforces_runtime() { Severity::Error } else { Severity::Warning },
            Code::PackageTooOld,
            Subject::package(&package.name),
            format!("needs {name} ({constraint}), but {place} has {name} {version}"),
            format!("install a version of the package for this {name}, or {otherwise}"),
        )
    };
    unmet.map(finding).collect()
}
