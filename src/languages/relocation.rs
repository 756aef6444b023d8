//! Relocation: packages that are packed into another library than the one they are installed in.

use crate::base::path::TreePath;

/// Packages that move to another library.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relocation {
    /// Their names.
    pub packages: Vec<String>,
    /// The library that they move to.
    pub to: TreePath,
}

/// How the tree is to be arranged.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Arrangement {
    /// What moves where.
    pub relocations: Vec<Relocation>,
    /// More libraries that the language is to search.
    pub libraries: Vec<TreePath>,
}
