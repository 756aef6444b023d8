//! Relocation: packages that are packed into a different library than they are installed in.

use crate::base::path::TreePath;

/// Packages that are moved to another library.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relocation {
    /// Their names.
    pub packages: Vec<String>,
    /// The library that they are moved to.
    pub to: TreePath,
}

/// The requested changes to libraries.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Arrangement {
    /// The packages that are moved.
    pub relocations: Vec<Relocation>,
    /// Additional libraries that the language should search.
    pub libraries: Vec<TreePath>,
}
