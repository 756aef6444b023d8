//! Checks of how packages were installed: for other platforms only, or where the runtime does not search.

use std::collections::BTreeMap;

use super::needs::ID;
use super::packages::Search;
use super::platform::platform;
use crate::base::finding::{Code, Finding, Subject};
use crate::base::list;
use crate::languages::{Package, Packages};
use crate::runtime::RuntimeProfile;
use crate::tree::{EntryId, Tree};

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
        format!("install it for Linux: npm install --os=linux --libc=glibc --cpu=x64 (or arm64) {}", package.name),
    ))
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
