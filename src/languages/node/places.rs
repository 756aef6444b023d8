//! Places: the files of a tree that are only used as parts of packages, and whether Lambda's Node.js looks where they are.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::needs::ID;
use super::packages::{Search, manifest};
use crate::base::path::TreePath;
use crate::languages::{Finds, Packages};
use crate::runtime::RuntimeProfile;
use crate::tree::Tree;

/// What package managers leave in `node_modules`, which is no package: links and packages beside it lead there.
const OF_MANAGERS: &[&str] = &[".bin", ".cache", ".modules.yaml", ".package-lock.json", ".pnpm", ".yarn-integrity"];

/// Endings of code that another language does not run.
const CODE: &[&str] = &[".js", ".cjs", ".mjs", ".ts", ".node"];

/// Which files the Node.js of an image finds.
pub(super) fn finds<'a>(packages: &'a Packages, tree: &'a Tree, runtime: &RuntimeProfile) -> Box<Finds<'a>> {
    let has_node = runtime.language.as_ref().is_some_and(|own| own.id == ID.as_str());
    let searched = Search::of(packages, tree).of_functions();
    let spilled = Spilled::of(tree);
    Box::new(move |id| {
        let path = tree.path(id);
        let library = library(path);
        let is_found = |library: &TreePath| has_node && searched.contains(library);
        match library {
            Some(library) => Some(is_found(&library)),
            None if spilled.has(path) => Some(false),
            // Code of the function's own is used by its path.
            None if !has_node && is_code(path) => Some(false),
            None => None,
        }
    })
}

/// The outermost directory on the way to a file that is searched for packages.
fn library(path: &TreePath) -> Option<TreePath> {
    let parts: Vec<&str> = path.as_str()?.split('/').collect();
    let at = parts.iter().position(|part| *part == "node_modules")?;
    let next = parts.get(at + 1).copied().unwrap_or_default();
    let is_deeper = next == "node_modules" || OF_MANAGERS.contains(&next);
    TreePath::new(parts[..=at + usize::from(is_deeper)].join("/"))
}

/// Code in the directory of a layer that is for Node.js.
fn is_code(path: &TreePath) -> bool {
    let text = path.as_bytes();
    text.starts_with(b"nodejs/") && CODE.iter().any(|ending| text.ends_with(ending.as_bytes()))
}

/// Packages at the root of a tree, that belong into `node_modules`: what a package manager leaves in that is beside them, or
/// one of them needs another, and looks for it there.
struct Spilled {
    packages: BTreeSet<TreePath>,
}

impl Spilled {
    fn of(tree: &Tree) -> Self {
        let mut found: BTreeMap<String, (TreePath, Value)> = BTreeMap::new();
        for (id, entry) in tree.iter().filter(|(_, entry)| entry.is_file() && entry.path.name() == b"package.json") {
            let directory = entry.path.parent().filter(|directory| !directory.is_root());
            let Some((directory, name)) = directory.and_then(|at| Some((at.clone(), at.as_str()?.to_owned()))) else {
                continue;
            };
            let is_near = !name.contains('/') || name.starts_with('@') && name.matches('/').count() == 1;
            if let Some(declared) = manifest(tree, id).filter(|declared| is_near && declared["name"] == *name) {
                found.insert(name, (directory, declared));
            }
        }
        let is_marked = OF_MANAGERS
            .iter()
            .filter_map(TreePath::new)
            .any(|path| tree.find(&path).is_some() || tree.below(&path).next().is_some());
        let needs_another = || {
            found.values().any(|(_, declared)| {
                declared["dependencies"].as_object().into_iter().flatten().any(|(name, _)| found.contains_key(name))
            })
        };
        let is_sure = !found.is_empty() && (is_marked || needs_another());
        let packages = found.into_values().map(|(directory, _)| directory).filter(|_| is_sure).collect();
        Self { packages }
    }

    fn has(&self, path: &TreePath) -> bool {
        let is_of_manager = || {
            let first = path.as_str().and_then(|path| path.split('/').next());
            first.is_some_and(|first| OF_MANAGERS.contains(&first))
        };
        !self.packages.is_empty() && (is_of_manager() || path.ancestors().any(|above| self.packages.contains(&above)))
    }
}
