//! Node.js's packages: directories below `node_modules` with a package.json, which `require()` finds by walking up from the
//! package that requires one.

use rayon::prelude::*;
use serde_json::Value;

use super::needs::ID;
use crate::base::path::TreePath;
use crate::languages::{Found, Package, Packages, RequiredFor, Requirement};
use crate::tree::{EntryId, Place, Tree};

/// Names that need not be there: types are for the compiler, and the SDK is in the images of the managed runtimes.
const NOT_MISSED: &[&str] = &["@types/", "@aws-sdk/"];

/// The packages of a tree.
pub(super) fn find(tree: &Tree) -> Found {
    let declared: Vec<EntryId> = tree
        .iter()
        .filter(|(_, entry)| {
            entry.is_file() && directory(&entry.path).is_some_and(|directory| is_installed(&directory))
        })
        .map(|(id, _)| id)
        .collect();
    Found { packages: declared.into_par_iter().filter_map(|id| read(tree, id)).collect(), ..Found::default() }
}

/// The directory of the package that a file declares, by its path.
pub(super) fn directory(path: &TreePath) -> Option<TreePath> {
    let directory = path.parent().filter(|_| path.name() == b"package.json")?;
    let above = directory.parent()?;
    let in_scope = above.name().starts_with(b"@") && above.parent().is_some_and(|over| over.name() == b"node_modules");
    (above.name() == b"node_modules" || in_scope).then_some(directory)
}

/// Whether a package was installed there, rather than being a part of another package, such as its tests.
fn is_installed(directory: &TreePath) -> bool {
    let mut parts = directory.as_bytes().split(|byte| *byte == b'/').skip_while(|part| *part != b"node_modules");
    loop {
        match (parts.next(), parts.next()) {
            (None, _) => return true,
            (Some(b"node_modules"), Some(name)) => {
                // A scope, or a store such as `.pnpm`, has one more directory.
                if name.starts_with(b"@") || name.starts_with(b".") {
                    parts.next();
                }
            }
            _ => return false,
        }
    }
}

fn read(tree: &Tree, entry: EntryId) -> Option<Package> {
    let directory = directory(tree.path(entry))?;
    let declared: Value = serde_json::from_slice(&tree.read_text(entry).ok()?).ok()?;
    let above = directory.parent()?;
    // `require()` finds a package by its directory, whatever its package.json calls it.
    let own = String::from_utf8_lossy(directory.name()).into_owned();
    let (library, name) = match above.name() {
        scope if scope.starts_with(b"@") => (above.parent()?, format!("{}/{own}", String::from_utf8_lossy(scope))),
        _ => (above, own),
    };
    let names = |key: &str| declared[key].as_object().into_iter().flatten().map(|(name, _)| name).collect::<Vec<_>>();
    let optional = names("optionalDependencies");
    let requires = names("dependencies").into_iter().filter(|name| !optional.contains(name)).map(|name| Requirement {
        package: name.clone(),
        constraint: None,
        for_what: RequiredFor::Declared,
    });
    let is_needed = |required: &Requirement| {
        find_from(tree, &directory, &required.package).is_some()
            || !NOT_MISSED.iter().any(|prefix| required.package.starts_with(prefix))
    };
    Some(Package {
        language: ID,
        name,
        version: declared["version"].as_str()?.to_owned(),
        entry,
        requires: requires.filter(is_needed).collect(),
        suggests: optional.into_iter().cloned().collect(),
        directory,
        others: Vec::new(),
        library,
        requires_runtime: Vec::new(),
        built: None,
        priority: None,
    })
}

/// The package that `require(name)` finds in a package.
pub(super) fn provider(packages: &Packages, tree: &Tree, from: &Package, name: &str) -> Option<usize> {
    packages.at(&find_from(tree, &from.directory, name)?)
}

/// The directory that `require(name)` finds from a directory: in the `node_modules` of it and of those above it, then in those
/// of NODE_PATH.
fn find_from(tree: &Tree, directory: &TreePath, name: &str) -> Option<TreePath> {
    let above = directory.ancestors().filter(|above| above.name() != b"node_modules");
    let searched = above.filter_map(|above| above.join("node_modules")).chain(TreePath::new("nodejs/node_modules"));
    searched.filter_map(|searched| searched.join(name)).find_map(|path| match tree.locate(path.mounted().as_bytes()) {
        Place::Inside(found) if tree.entry(found).is_directory() => Some(tree.path(found).clone()),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_installed_in_node_modules_of_the_tree_of_packages_or_of_a_store() {
        let is = |path: &str| is_installed(&TreePath::new(path).expect("a path"));
        assert!(is("nodejs/node_modules/a") && is("nodejs/node_modules/@s/a/node_modules/b"));
        assert!(is("node_modules/.pnpm/a@1.0/node_modules/a"));
        assert!(!is("node_modules/a/test/node_modules/b"));
    }
}
