//! Checks of packages of any language: requirements that are missing or too old, and duplicate packages.

use std::collections::BTreeMap;

use super::id::LanguageId;
use super::packages::{Package, Packages};
use super::registry::{ALL, language};
use crate::base::finding::{Code, Finding, Subject};
use crate::base::list;
use crate::tree::{EntryId, Tree};

/// The kept packages of each name.
type ByName<'a> = BTreeMap<(LanguageId, &'a str), Vec<&'a Package>>;

/// Findings about the installations and packages that satisfy `kept`: missing or too old requirements, duplicate packages,
/// and each language's own checks.
pub fn check(packages: &Packages, tree: &Tree, kept: &dyn Fn(EntryId) -> bool) -> Vec<Finding> {
    let mut findings = Vec::new();
    let there: Vec<&Package> = packages.all.iter().filter(|package| kept(package.entry)).collect();
    let mut by_name = ByName::new();
    for package in &there {
        by_name.entry((package.language, &package.name)).or_default().push(package);
    }
    for package in &there {
        findings.extend(requirements(packages, package, &by_name));
        findings.extend(runtime_requirements(packages, package));
    }
    findings.extend(by_name.iter().filter(|(_, copies)| copies.len() > 1).map(|((_, name), copies)| {
        let places: Vec<String> = copies.iter().map(|copy| format!("{} ({})", copy.library, copy.version)).collect();
        Finding::warning(
            Code::DuplicatePackage,
            Subject::package(name),
            format!(
                "installed in {}: the copy in the library that is searched first is used",
                list::with_last(&places, "and")
            ),
            "remove all but one copy",
        )
    }));
    for language in ALL {
        findings.extend(language.check(packages, tree, kept));
    }
    findings
}

fn requirements(packages: &Packages, package: &Package, by_name: &ByName<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let of = language(package.language);
    for required in &package.requires {
        match (by_name.get(&(package.language, required.package.as_str())), &required.constraint) {
            (None, _) => findings.push(missing(packages, package, &required.package)),
            (Some(copies), Some(constraint)) if !copies.iter().any(|copy| of.satisfies(&copy.version, constraint)) => {
                let there: Vec<&str> = copies.iter().map(|copy| copy.version.as_str()).collect();
                findings.push(Finding::error(
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

fn missing(packages: &Packages, package: &Package, required: &str) -> Finding {
    let name = &package.name;
    let excluded = packages.excluded.packages.contains_key(&(package.language, required.to_owned()));
    let why = match packages.copies(package.language, required).next() {
        Some(_) => "; a rule drops it",
        None if excluded => "; it was dropped by --drop",
        None => "",
    };
    let fails = language(package.language).load_fails(name);
    let help = if excluded {
        format!("{fails} without it: drop pkg:{name} too, or --keep pkg:{required}")
    } else {
        format!("install {required} into the tree: {fails} without it")
    };
    let message = format!("needs the package {required}, which is not in any library{why}");
    Finding::error(Code::MissingPackage, Subject::package(name), message, help).caused_by(required)
}

fn runtime_requirements(packages: &Packages, package: &Package) -> Vec<Finding> {
    let Some(installed) = packages.installations_of(package.language).next() else { return Vec::new() };
    let of = language(package.language);
    let unmet = package.requires_runtime.iter().filter(|constraint| !of.satisfies(&installed.version, constraint));
    let finding = |constraint: &String| {
        let name = of.name();
        Finding::error(
            Code::PackageTooOld,
            Subject::package(&package.name),
            format!("needs {name} ({constraint}), but the tree has {name} {}", installed.version),
            format!("install a version of the package for this {name}, or build a newer {name}"),
        )
    };
    unmet.map(finding).collect()
}
