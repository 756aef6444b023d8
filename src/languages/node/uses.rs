//! What the sources of a function get by the names that they load.

use std::collections::BTreeSet;

use super::builtin::{is_builtin, lacks};
use super::calls::{loaded_outside, undeclared};
use super::image::{has_program, is_in_image};
use super::loaded::is_code;
use super::needs::ID;
use super::packages::Search;
use super::resolution::{Fault, Leads, Resolver, Way};
use super::source::{self, at_start};
use crate::base::path::TreePath;
use crate::languages::reading::is_in_layers;
use crate::languages::{Gets, Packages};
use crate::tree::Tree;

/// How many files of code in no package are followed.
const MAX_FILES: usize = 10_000;

/// What each of these names gets.
pub(super) fn gets(packages: &Packages, tree: &Tree, names: &BTreeSet<&str>) -> Vec<Gets> {
    let search = Search::of(packages, tree);
    let has_node = has_program(tree);
    let resolver = Resolver::new(packages, tree);
    let of = |name: &&str| {
        if let Some((why, since)) = lacks(name, packages.runtime_version(ID)) {
            let help = match since {
                Some(since) => format!("choose a runtime with Node.js {since} or newer"),
                None => "use a module that Node.js has".to_owned(),
            };
            return Gets::Missing { name: (*name).to_owned(), why, help };
        }
        if let Some(path) = name.strip_prefix(source::LOADED_FILE) {
            return of_code(packages, tree, &resolver, path);
        }
        if is_in_layers(name) {
            // A file of the layer, which can be in a package.
            let path = TreePath::from_mounted(name.as_bytes());
            let package = path.as_ref().and_then(|path| packages.of_path(path));
            return package.map_or(Gets::Other, |package| Gets::Packages([package].into()));
        }
        if let Some(name) = name.strip_prefix(source::IF_INSTALLED) {
            let package = search.find(name).and_then(|directory| packages.at(&directory));
            return package.map_or(Gets::Other, |package| Gets::Packages([package].into()));
        }
        match search.find(name) {
            Some(directory) => packages.at(&directory).map_or(Gets::Other, |package| Gets::Packages([package].into())),
            None if is_builtin(name) || is_in_image(packages, has_node, name) => Gets::Other,
            None => Gets::Nothing { name: (*name).to_owned(), install: (*name).to_owned() },
        }
    };
    names.iter().map(of).collect()
}

/// What loading a file of the layer by its path gets: a package, or code that functions share.
fn of_code(packages: &Packages, tree: &Tree, resolver: &Resolver<'_>, path: &str) -> Gets {
    let lacks = |why: String, help: String| Gets::Missing { name: path.to_owned(), why, help };
    let file = match resolver.at_path(path) {
        Leads::To(file) => file,
        Leads::Somewhere => return Gets::Other,
        Leads::Nowhere(_) => {
            return lacks(
                "which is not in the tree".to_owned(),
                "put it into the tree, or correct the path".to_owned(),
            );
        }
    };
    if let Some(package) = packages.of_path(tree.path(file)) {
        return Gets::Packages([package].into());
    }
    // What the code in no package loads for certain.
    let mut queue = vec![file];
    let mut seen = BTreeSet::from([file]);
    while let Some(file) = queue.pop().filter(|_| seen.len() < MAX_FILES) {
        let text = tree.read_text(file).ok().filter(|_| is_code(tree.path(file))).unwrap_or_default();
        for (is_import, specifier) in at_start::loads(&text) {
            match resolver.resolve(file, &specifier, if is_import { Way::Import } else { Way::Require }) {
                Leads::To(to) if packages.of_path(tree.path(to)).is_none() && seen.insert(to) => queue.push(to),
                // `import` in Lambda also searches NODE_PATH.
                Leads::Nowhere(Fault { absent: Some(absent), .. }) if resolver.is_nowhere(&absent) => {
                    let why = format!("whose {} loads {specifier}, which is not in the tree", tree.path(file));
                    return lacks(why, format!("install {absent} into the tree: npm install {absent}"));
                }
                _ => {}
            }
        }
    }
    Gets::Other
}

/// The packages that are loaded with what these names get, though no package declares that it requires them: npm puts all into
/// one directory, where any of them is found. Code of the tree that is in no package may be loaded too, with what that loads.
pub(super) fn loads(packages: &Packages, tree: &Tree, names: &BTreeSet<&str>) -> BTreeSet<usize> {
    let positions = gets(packages, tree, names).into_iter().filter_map(|got| match got {
        Gets::Packages(positions) => Some(positions),
        _ => None,
    });
    let outside = loaded_outside(packages, tree);
    let mut found = undeclared(packages, tree, positions.flatten().chain(outside.iter().copied()).collect());
    found.extend(outside);
    found
}
