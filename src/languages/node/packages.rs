//! Node.js's packages: directories below `node_modules` with a package.json.

use crate::base::path::TreePath;
use crate::languages::Found;
use crate::tree::Tree;

/// The packages of a tree.
pub(super) fn find(_: &Tree) -> Found {
    Found::default()
}

/// The directory of the package that a file declares, by its path.
pub(super) fn directory(path: &TreePath) -> Option<TreePath> {
    let directory = path.parent().filter(|_| path.name() == b"package.json")?;
    let above = directory.parent()?;
    let in_scope = above.name().starts_with(b"@") && above.parent().is_some_and(|over| over.name() == b"node_modules");
    (above.name() == b"node_modules" || in_scope).then_some(directory)
}
