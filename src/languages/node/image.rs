//! Where Node.js itself is: in the tree, or in the image with the packages that this has.

use super::needs::{ID, NEEDS};
use crate::languages::Packages;
use crate::tree::Tree;

/// Whether a tree has a Node.js of its own.
pub(super) fn has_program(tree: &Tree) -> bool {
    tree.iter().any(|(_, entry)| {
        entry.path.name() == b"node"
            && !entry.is_directory()
            && entry.path.parent().is_some_and(|parent| parent.name() == b"bin")
    })
}

/// Whether the image has a package. One that only starts a bootstrap has none; but where the tree has no Node.js either, the
/// function is for a managed runtime.
pub(super) fn is_in_image(packages: &Packages, has_node: bool, name: &str) -> bool {
    let is_listed = |listed: &str| listed == name || listed.ends_with('/') && name.starts_with(listed);
    match &packages.runtime {
        Some(runtime) if runtime.id == ID.as_str() => runtime.packages.keys().any(|listed| is_listed(listed)),
        Some(_) => false,
        None => !has_node && NEEDS.standard.base.iter().any(|listed| is_listed(listed)),
    }
}
