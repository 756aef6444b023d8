//! What the sources of a function get by the names that they use: packages, or those that the classes of saved objects are of.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};

use super::namespace;
use super::needs::{ID, NEEDS};
use super::source::objects::{CLASSES, is_of_base};
use crate::base::path::TreePath;
use crate::languages::{Gets, Packages};
use crate::tree::Tree;

/// The packages that register S3 methods for each class, by position, each with whether `predict()` is among them.
type Methods = BTreeMap<String, BTreeMap<usize, bool>>;

/// What each of these names gets.
pub(super) fn gets(packages: &Packages, tree: &Tree, names: &BTreeSet<&str>) -> Vec<Gets> {
    let methods: OnceCell<Methods> = OnceCell::new();
    let of = |name: &&str| {
        if let Some(classes) = name.strip_prefix(CLASSES) {
            return of_classes(packages, classes, methods.get_or_init(|| read_methods(packages, tree)));
        }
        if name.starts_with("/opt/") {
            // A file of the layer, which can be in a package.
            let path = TreePath::from_mounted(name.as_bytes());
            let package = path.as_ref().and_then(|path| packages.of_path(path));
            return package.map_or(Gets::Other, |package| Gets::Packages([package].into()));
        }
        let copies: BTreeSet<usize> = packages.copies(ID, name).collect();
        if copies.is_empty() {
            Gets::Nothing { name: (*name).to_owned(), install: (*name).to_owned() }
        } else {
            Gets::Packages(copies)
        }
    };
    names.iter().map(of).collect()
}

fn read_methods(packages: &Packages, tree: &Tree) -> Methods {
    let mut methods = Methods::new();
    for (position, package) in packages.all.iter().enumerate().filter(|(_, package)| package.language == ID) {
        let path = package.directory.join("Meta/nsInfo.rds");
        let file = path.and_then(|path| tree.find(&path)).and_then(|id| tree.read(id).ok());
        for (generic, class) in file.map(|file| namespace::methods_of_info(&file)).unwrap_or_default() {
            *methods.entry(class).or_default().entry(position).or_default() |= generic == "predict";
        }
    }
    methods
}

/// The packages that the classes of a file's objects are of. An object inside of a model can have a class that no package
/// registers methods for; a file of which nothing else is known is not certain.
fn of_classes(packages: &Packages, classes: &str, methods: &Methods) -> Gets {
    let is_base = |position: &usize| NEEDS.standard.base.iter().any(|name| *name == packages.get(*position).name);
    let mut found = BTreeSet::new();
    let mut unknown = None;
    for object in classes.split('|') {
        let of_object: BTreeSet<usize> =
            object.split('/').flat_map(|class| of_class(packages, class, methods)).collect();
        if of_object.is_empty() && !object.split('/').any(is_of_base) {
            unknown.get_or_insert(object);
        }
        found.extend(of_object);
    }
    match unknown.filter(|_| found.iter().all(is_base)) {
        Some(object) => Gets::Unknown {
            what: format!("an object of the class {}", object.replace('/', ", ")),
            why: "the package that it is of is not certain",
        },
        None if found.is_empty() => Gets::Other,
        None => Gets::Packages(found),
    }
}

/// The package that is called like a class, or else those with a method of `predict()` for it, or else the only one with any.
fn of_class(packages: &Packages, class: &str, methods: &Methods) -> BTreeSet<usize> {
    let named: BTreeSet<usize> = packages.copies(ID, class).collect();
    if !named.is_empty() {
        return named;
    }
    let Some(registered) = methods.get(class) else { return BTreeSet::new() };
    let predicts: BTreeSet<usize> = registered.iter().filter(|(_, predicts)| **predicts).map(|(it, _)| *it).collect();
    let of_one = |positions: BTreeSet<usize>| {
        let names: BTreeSet<&str> = positions.iter().map(|position| packages.get(*position).name.as_str()).collect();
        if names.len() == 1 { positions } else { BTreeSet::new() }
    };
    if predicts.is_empty() { of_one(registered.keys().copied().collect()) } else { predicts }
}
