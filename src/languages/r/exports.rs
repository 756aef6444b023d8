//! What namespaces import from each other by name: `loadNamespace()` stops where the other one does not export it
//! (`importIntoEnv` in R's src/library/base/R/namespace.R), as after one of both was installed again in another version.

use std::collections::BTreeMap;

use rayon::prelude::*;

use super::damaged::namespace_of;
use super::namespace::Namespace;
use super::needs::ID;
use crate::base::finding::{Code, Finding};
use crate::base::list;
use crate::base::subject::Subject;
use crate::languages::{Package, Packages};
use crate::tree::{EntryId, Tree};

/// How many names a message lists.
const MAX_NAMES: usize = 6;

/// The package whose exports are more than its namespace declares: R makes them when it is built.
const OF_THEIR_OWN: &str = "methods";

/// Errors about packages that satisfy `kept` and import what no kept copy of another package exports.
pub(super) fn check(packages: &Packages, tree: &Tree, kept: &dyn Fn(EntryId) -> bool) -> Vec<Finding> {
    let there: Vec<&Package> = packages.of_language(ID).filter(|package| kept(package.entry)).collect();
    let read: Vec<Namespace> = there.par_iter().map(|package| namespace_of(tree, package)).collect();
    let mut by_name: BTreeMap<&str, Vec<(&Package, &Namespace)>> = BTreeMap::new();
    for (package, namespace) in there.iter().zip(&read) {
        by_name.entry(&package.name).or_default().push((package, namespace));
    }
    let mut findings = Vec::new();
    for (package, namespace) in there.iter().zip(&read) {
        for (from, names) in namespace.imported.iter().filter(|(from, _)| *from != OF_THEIR_OWN) {
            let Some(copies) = by_name.get(from.as_str()) else { continue };
            // Which copy is found first is not known.
            let missing: Vec<&str> = names
                .iter()
                .filter(|name| copies.iter().all(|(_, copy)| copy.certainly_lacks(name)))
                .map(|name| name.strip_prefix(Namespace::CLASS).unwrap_or(name))
                .collect();
            if missing.is_empty() {
                continue;
            }
            let name = &package.name;
            let version = &copies[0].0.version;
            let message = format!(
                "library({name}) fails: it imports {} from {from}, but {from} {version} does not export {}",
                list::some(&missing, MAX_NAMES),
                if missing.len() == 1 { "it" } else { "them" }
            );
            let help = format!(
                "install {from} in the version with which {name} was installed, or install {name} again beside {from} {version}"
            );
            findings.push(Finding::error(Code::PackageTooOld, Subject::package(name), message, help));
        }
    }
    findings
}
