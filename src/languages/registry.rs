//! The list of languages, and queries to all of them.

use super::id::LanguageId;
use super::language::Language;
use super::node::Node;
use super::packages::{Packages, Roots};
use super::python::Python;
use super::r::R;
use crate::base::finding::Finding;
use crate::base::path::TreePath;
use crate::runtime::RuntimeProfile;
use crate::tree::Tree;

/// Every language, sorted by identifier.
pub static ALL: &[&dyn Language] = &[&Node, &Python, &R];

/// The language with this identifier.
pub fn language(id: LanguageId) -> &'static dyn Language {
    // Only a language creates its identifier, and ALL contains every language.
    ALL.iter().copied().find(|language| language.id() == id).unwrap_or(&R)
}

/// What is installed in a tree, and findings about it that do not depend on what is kept.
pub fn find(tree: &Tree, runtime: &RuntimeProfile) -> (Packages, Vec<Finding>) {
    let (mut installations, mut packages, mut roots, mut findings) =
        (Vec::new(), Vec::new(), Roots::default(), Vec::new());
    for language in ALL {
        let found = language.find(tree, runtime);
        installations.extend(found.installations);
        packages.extend(found.packages);
        roots = roots.with(&found.roots);
        findings.extend(found.findings);
    }
    let mut packages = Packages::new(installations, packages, roots);
    packages.variables.clone_from(&runtime.environment.variables);
    packages.code.clone_from(&runtime.environment.code);
    packages.runtime.clone_from(&runtime.language);
    (packages, findings)
}

/// The directory of the package that a file at this path declares in any language, by the path alone.
pub fn package_directory(path: &TreePath) -> Option<TreePath> {
    ALL.iter().find_map(|language| language.package_directory(path))
}
