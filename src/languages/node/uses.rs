//! What the sources of a function get by the names that they load.

use std::collections::BTreeSet;

use super::builtin::is_builtin;
use super::calls::undeclared;
use super::image::{has_program, is_in_image};
use super::packages::Search;
use super::source;
use crate::base::path::TreePath;
use crate::languages::reading::is_in_layers;
use crate::languages::{Gets, Packages};
use crate::tree::Tree;

/// What each of these names gets.
pub(super) fn gets(packages: &Packages, tree: &Tree, names: &BTreeSet<&str>) -> Vec<Gets> {
    let search = Search::of(packages, tree);
    let has_node = has_program(tree);
    let of = |name: &&str| {
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

/// The packages that are loaded with what these names get, though no package declares that it requires them: npm puts all into
/// one directory, where any of them is found.
pub(super) fn loads(packages: &Packages, tree: &Tree, names: &BTreeSet<&str>) -> BTreeSet<usize> {
    let positions = gets(packages, tree, names).into_iter().filter_map(|got| match got {
        Gets::Packages(positions) => Some(positions),
        _ => None,
    });
    undeclared(packages, tree, positions.flatten().collect())
}
