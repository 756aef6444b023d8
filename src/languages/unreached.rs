//! Unreached: layers in which a managed runtime finds nothing, since all that they have is packages and modules where it does not
//! look. What is elsewhere in a layer can be used by its path, and is then no reason to tell.

use std::collections::BTreeSet;

use super::language::{Finds, Language};
use super::packages::Packages;
use super::registry::ALL;
use crate::base::finding::{Code, Finding, Severity};
use crate::base::path::TreePath;
use crate::base::subject::Subject;
use crate::runtime::{LibrarySource, RuntimeProfile};
use crate::tree::{EntryId, Tree, is_about_packages, is_content};

/// The variables that name where packages are searched: each language heeds its own.
const SEARCH_PATHS: &[&str] = &["PYTHONPATH", "NODE_PATH"];

/// Endings of files that are the better examples of what is not found.
const CODE: &[&str] = &[".py", ".js", ".cjs", ".mjs", ".so", ".node"];

/// Makes the findings about packages that the named runtime does not find errors, if it finds nothing else in the layers either, and
/// adds one if there is none. `named` are the absolute paths that the function's sources name. Nothing is certain of an image
/// that has no language, or of a tree that has the program that runs its packages.
pub(crate) fn raise_unreached(
    packages: &Packages,
    tree: &Tree,
    runtime: &RuntimeProfile,
    named: &BTreeSet<&str>,
    kept: &dyn Fn(EntryId) -> bool,
    findings: &mut Vec<Finding>,
) {
    leave_out_those_of_variables(runtime, findings);
    let is_known = runtime.language.is_some() && runtime.libraries.from == LibrarySource::List;
    if !is_known || findings.iter().any(|finding| finding.of_another_tree && finding.severity == Severity::Error) {
        return;
    }
    let named = named_places(runtime, named);
    let Some(lost) = lost(packages, tree, runtime, &named, kept) else { return };
    let is_told = findings.iter().any(is_about_places);
    for finding in findings.iter_mut().filter(|finding| is_about_places(finding)) {
        finding.severity = Severity::Error;
        finding.message = format!("{}; {} finds nothing else in the layers", finding.message, runtime.name);
    }
    // What packages are installed from has a finding where it is certain that they are not there.
    if let (Lost::Code(first), false) = (lost, is_told) {
        findings.push(nothing_found(packages, tree, runtime, first));
    }
}

/// Whether a finding says that packages are not where their runtime looks, or that their runtime is another.
fn is_about_places(finding: &Finding) -> bool {
    matches!(finding.code, Code::NotSearched | Code::LibraryNotSearched | Code::LanguageNotThere)
        && finding.severity != Severity::Info
}

/// Leaves out findings about the layout of a tree where a variable of the function names the directory.
fn leave_out_those_of_variables(runtime: &RuntimeProfile, findings: &mut Vec<Finding>) {
    let searched = SEARCH_PATHS.iter().flat_map(|name| runtime.environment.elements(name));
    let searched: BTreeSet<TreePath> = searched.filter_map(|place| TreePath::from_mounted(place.as_bytes())).collect();
    let is_named = |finding: &Finding| {
        let path = finding.subject.path().and_then(TreePath::new);
        path.is_some_and(|path| {
            searched.contains(&path) || path.parent().is_some_and(|parent| searched.contains(&parent))
        })
    };
    findings.retain(|finding| finding.code != Code::NotSearched || !is_named(finding));
}

/// The places in the tree that the function's variables and its sources name.
fn named_places(runtime: &RuntimeProfile, in_sources: &BTreeSet<&str>) -> Vec<TreePath> {
    let variables = &runtime.environment.variables;
    let of_variables = variables.iter().filter(|(name, _)| !SEARCH_PATHS.contains(&name.as_str()));
    let of_variables = of_variables.flat_map(|(_, value)| value.split([':', ',', ';', ' ']));
    let searched = ["PATH", "LD_LIBRARY_PATH"].iter().flat_map(|name| runtime.environment.elements(name));
    // These are searched for programs and libraries, which are not taken for packages.
    let searched = searched.filter(|place| !matches!(*place, "/opt/bin" | "/opt/lib"));
    let all = of_variables.chain(searched).chain(in_sources.iter().copied());
    all.filter_map(|place| TreePath::from_mounted(place.trim_end_matches('/').as_bytes())).collect()
}

/// A tree of which a function in the runtime can use no file.
enum Lost {
    /// It has parts of packages or modules: the one that is the best example.
    Code(EntryId),
    /// It has only what packages are installed from.
    Lists,
}

/// Whether a function in the runtime can use no file of a tree.
fn lost(
    packages: &Packages,
    tree: &Tree,
    runtime: &RuntimeProfile,
    named: &[TreePath],
    kept: &dyn Fn(EntryId) -> bool,
) -> Option<Lost> {
    let managed = ALL.iter().filter(|language| language.managed().is_some());
    // A program in the tree runs the packages of its language, wherever they are.
    let managed = managed.filter(|language| is_of(**language, runtime) || !language.is_in_tree(tree));
    let finds: Vec<Box<Finds<'_>>> = managed.map(|language| language.finds(packages, tree, runtime)).collect();
    let mut first: Option<(EntryId, bool)> = None;
    let mut is_empty = true;
    for (id, entry) in tree.iter().filter(|(id, entry)| !entry.is_directory() && is_content(entry) && kept(*id)) {
        is_empty = false;
        let is_named = |place: &TreePath| entry.path.below(place).is_some() || place.below(&entry.path).is_some();
        if named.iter().any(|place| entry.path == *place || is_named(place)) {
            return None;
        }
        let found: Vec<bool> = finds.iter().filter_map(|finds| finds(id)).collect();
        match found.as_slice() {
            [] if is_about_packages(&entry.path) => {}
            [] => return None,
            found if found.contains(&true) => return None,
            _ => {
                let is_code = CODE.iter().any(|ending| entry.path.name().ends_with(ending.as_bytes()));
                if first.is_none_or(|(_, was_code)| is_code && !was_code) {
                    first = Some((id, is_code));
                }
            }
        }
    }
    (!is_empty).then_some(first.map_or(Lost::Lists, |(id, _)| Lost::Code(id)))
}

fn is_of(language: &dyn Language, runtime: &RuntimeProfile) -> bool {
    runtime.language.as_ref().is_some_and(|own| own.id == language.id().as_str())
}

/// The finding where no other one tells.
fn nothing_found(packages: &Packages, tree: &Tree, runtime: &RuntimeProfile, first: EntryId) -> Finding {
    let of = |language: &&&dyn Language| {
        is_of(**language, runtime) && language.finds(packages, tree, runtime)(first).is_some()
    };
    let place = ALL.iter().find(of).and_then(|language| language.managed()).map(|managed| managed.place);
    let help = match place {
        Some(place) => format!("move it to {place}/"),
        None => "name the function's runtime with --runtime, or build the layers for it".to_owned(),
    };
    let name = &runtime.name;
    let message =
        format!("{name} does not look there for packages and modules; {name} finds nothing else in the layers");
    Finding::error(Code::NotSearched, Subject::from(tree.path(first)), message, help)
}
