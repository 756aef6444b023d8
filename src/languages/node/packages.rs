//! Node.js's packages: directories below `node_modules` with a package.json, which `require()` finds by walking up from the
//! package that requires one.

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;
use serde_json::Value;

use super::needs::ID;
use super::source::json;
use super::versions;
use crate::base::path::TreePath;
use crate::languages::{Found, Package, Packages, RequiredFor, Requirement};
use crate::runtime::RuntimeProfile;
use crate::tree::{EntryId, Kind, Place, Tree};

/// Names that need not be there: types are for the compiler, and the SDK is in the images of the managed runtimes.
const NOT_MISSED: &[&str] = &["@types/", "@aws-sdk/"];

/// How many names a package.json may list under a key: a real one has some hundred.
const MAX_LISTED: usize = 5_000;

/// A package: its package.json, and where `require()` finds it, which can be a link to its directory.
struct Installed {
    manifest: EntryId,
    directory: TreePath,
    at: TreePath,
}

/// The packages of a tree.
pub(super) fn find(tree: &Tree, runtime: &RuntimeProfile) -> Found {
    let mut linked: BTreeSet<TreePath> = BTreeSet::new();
    let mut installed: Vec<Installed> = Vec::new();
    for (id, entry) in tree.iter() {
        if entry.is_file()
            && let Some(directory) = directory(&entry.path).filter(is_installed)
        {
            installed.push(Installed { manifest: id, at: directory.clone(), directory });
        } else if matches!(entry.kind, Kind::Link { .. })
            && let Some(found) = linked_package(tree, &entry.path)
            && linked.insert(found.directory.clone())
        {
            installed.push(found);
        }
    }
    Found {
        packages: installed.into_par_iter().filter_map(|one| read(tree, runtime, one)).collect(),
        ..Found::default()
    }
}

/// A package of a workspace, which `node_modules` has a link to.
fn linked_package(tree: &Tree, link: &TreePath) -> Option<Installed> {
    let at = directory(&link.join("package.json")?).filter(is_installed)?;
    let Place::Inside(found) = tree.locate(link.mounted().as_bytes()) else { return None };
    let real = tree.path(found).clone();
    let path = real.join("package.json")?;
    // A store such as `.pnpm` has its packages in a `node_modules` of their own.
    let is_known = directory(&path).is_some_and(|directory| is_installed(&directory));
    let manifest = tree.find(&path).filter(|_| !is_known)?;
    Some(Installed { manifest, directory: real, at })
}

/// The directory of the package that a file declares, by its path.
pub(super) fn directory(path: &TreePath) -> Option<TreePath> {
    let directory = path.parent().filter(|_| path.name() == b"package.json")?;
    let above = directory.parent()?;
    let in_scope = above.name().starts_with(b"@") && above.parent().is_some_and(|over| over.name() == b"node_modules");
    (above.name() == b"node_modules" || in_scope).then_some(directory)
}

/// Whether a package was installed there, rather than being a part of another package, such as its tests.
pub(super) fn is_installed(directory: &TreePath) -> bool {
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

/// What a package.json declares; `None` if it cannot be read.
pub(super) fn manifest(tree: &Tree, id: EntryId) -> Option<Value> {
    json(&tree.read_text(id).ok()?)
}

fn read(tree: &Tree, runtime: &RuntimeProfile, installed: Installed) -> Option<Package> {
    let Installed { manifest: entry, directory, at } = installed;
    let declared = manifest(tree, entry)?;
    let above = at.parent()?;
    // `require()` finds a package by its directory, whatever its package.json calls it.
    let own = String::from_utf8_lossy(at.name()).into_owned();
    let (library, name) = match above.name() {
        scope if scope.starts_with(b"@") => (above.parent()?, format!("{}/{own}", String::from_utf8_lossy(scope))),
        _ => (above, own),
    };
    let search = Search::new(tree, runtime);
    let requires = requirements(&declared, |name| {
        search.find_from(&directory, name).is_some_and(|found| fits_platform(tree, &found))
    });
    let required: BTreeSet<&str> = requires.iter().map(|required| required.package.as_str()).collect();
    let suggests = [OPTIONAL, PEER].iter().flat_map(|key| ranges(&declared, key)).map(|(name, _)| name.clone());
    let suggests: BTreeSet<String> = suggests.filter(|name| !required.contains(name.as_str())).collect();
    let engine = declared["engines"]["node"].as_str().and_then(versions::range);
    Some(Package {
        language: ID,
        name,
        version: declared["version"].as_str()?.to_owned(),
        entry,
        requires,
        suggests: suggests.into_iter().collect(),
        others: Some(at).filter(|at| *at != directory).into_iter().collect(),
        directory,
        library,
        requires_runtime: engine.into_iter().collect(),
        built: None,
        priority: None,
    })
}

const OPTIONAL: &str = "optionalDependencies";
const PEER: &str = "peerDependencies";

/// The packages that a package.json lists under a key, with their versions as written.
fn ranges<'a>(declared: &'a Value, key: &str) -> impl Iterator<Item = (&'a String, &'a Value)> {
    declared[key].as_object().into_iter().flatten().take(MAX_LISTED)
}

/// What a package requires. npm installs optional packages where they fit the platform, and an optional peer is only there
/// because somebody wants it: both are required if they are there.
fn requirements(declared: &Value, is_there: impl Fn(&str) -> bool) -> Vec<Requirement> {
    let optional: BTreeSet<&String> = ranges(declared, OPTIONAL).map(|(name, _)| name).collect();
    let is_optional_peer = |name: &str| declared["peerDependenciesMeta"][name]["optional"] == Value::Bool(true);
    let mut required: BTreeMap<&String, &Value> = BTreeMap::new();
    for (name, range) in ["dependencies", OPTIONAL, PEER].iter().flat_map(|key| ranges(declared, key)) {
        let may_be_absent = optional.contains(name)
            || is_optional_peer(name) && declared["dependencies"].get(name).is_none()
            || NOT_MISSED.iter().any(|prefix| name.starts_with(prefix));
        if !may_be_absent || is_there(name) {
            required.entry(name).or_insert(range);
        }
    }
    let requirement = |(name, range): (&String, &Value)| Requirement {
        package: name.clone(),
        constraint: range.as_str().and_then(versions::range),
        for_what: RequiredFor::Declared,
        attached: false,
    };
    required.into_iter().map(requirement).collect()
}

/// Whether a package is for Lambda's platform, as far as its package.json says: Linux with glibc. Both machines fit.
fn fits_platform(tree: &Tree, directory: &TreePath) -> bool {
    let file = directory.join("package.json").and_then(|path| tree.find(&path));
    let declared = file.and_then(|id| manifest(tree, id)).unwrap_or_default();
    let fits = |key: &str, own: &str| {
        let listed: Vec<&str> = match &declared[key] {
            Value::String(one) => vec![one],
            Value::Array(many) => many.iter().filter_map(Value::as_str).collect(),
            _ => return true,
        };
        let excluded = listed.iter().any(|one| one.strip_prefix('!') == Some(own));
        let mut allowed = listed.iter().filter(|one| !one.starts_with('!')).peekable();
        !excluded && (allowed.peek().is_none() || allowed.any(|one| *one == own || *one == "any"))
    };
    fits("os", "linux") && fits("libc", "glibc")
}

/// The package that `require(name)` finds in a package.
pub(super) fn provider(packages: &Packages, tree: &Tree, from: &Package, name: &str) -> Option<usize> {
    packages.at(&Search::of(packages, tree).find_from(&from.directory, name)?)
}

/// Where packages are searched.
pub(super) struct Search<'a> {
    tree: &'a Tree,
    /// The directories of NODE_PATH in the tree.
    node_path: Vec<TreePath>,
}

impl<'a> Search<'a> {
    /// The directories of an image.
    fn new(tree: &'a Tree, runtime: &RuntimeProfile) -> Self {
        let version = runtime.language.as_ref().filter(|language| language.id == ID.as_str());
        Self::with(tree, version.map(|language| language.version.as_str()), &runtime.environment.variables)
    }

    /// Those of the image that these packages are for.
    pub(super) fn of(packages: &Packages, tree: &'a Tree) -> Self {
        Self::with(tree, packages.runtime_version(ID), &packages.variables)
    }

    fn with(tree: &'a Tree, version: Option<&str>, variables: &BTreeMap<String, String>) -> Self {
        let of_version = version.map(|version| format!("nodejs/node{version}/node_modules"));
        let managed = of_version.into_iter().chain(["nodejs/node_modules".to_owned()]).filter_map(TreePath::new);
        let set = variables.get("NODE_PATH").map(String::as_str).unwrap_or_default();
        let set: Vec<TreePath> =
            set.split(':').filter_map(|directory| TreePath::from_mounted(directory.as_bytes())).collect();
        // What a function sets replaces the value of the runtime (Lambda Developer Guide, "Defined runtime environment variables").
        let is_replaced = version.is_some() && variables.contains_key("NODE_PATH");
        Self { tree, node_path: managed.filter(|_| !is_replaced).chain(set).collect() }
    }

    /// The directory that `require(name)` finds from a directory: in the `node_modules` of it and of those above it, then in
    /// those of NODE_PATH.
    pub(super) fn find_from(&self, directory: &TreePath, name: &str) -> Option<TreePath> {
        self.searched(directory, true).find_map(|searched| self.inside(&searched, name))
    }

    /// The directories that are searched for a package from a directory, in their order; `import` does not take those of NODE_PATH.
    pub(super) fn searched(&self, directory: &TreePath, with_node_path: bool) -> impl Iterator<Item = TreePath> {
        let above = directory.ancestors().filter(|above| above.name() != b"node_modules");
        let above: Vec<TreePath> = above.filter_map(|above| above.join("node_modules")).collect();
        above.into_iter().chain(self.node_path.iter().filter(move |_| with_node_path).cloned())
    }

    /// The directories of the tree that are searched for a function, whose own code is not there.
    pub(super) fn of_functions(&self) -> BTreeSet<TreePath> {
        self.node_path.iter().cloned().collect()
    }

    /// The directory that a function finds, whose own code is not in the tree.
    pub(super) fn find(&self, name: &str) -> Option<TreePath> {
        self.node_path.iter().find_map(|searched| self.inside(searched, name))
    }

    fn inside(&self, searched: &TreePath, name: &str) -> Option<TreePath> {
        let path = searched.join(name)?;
        match self.tree.locate(path.mounted().as_bytes()) {
            Place::Inside(found) if self.tree.entry(found).is_directory() => Some(self.tree.path(found).clone()),
            _ => None,
        }
    }
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
