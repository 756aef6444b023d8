//! Checks of Node.js beyond those of all languages: none yet.

use crate::base::finding::Finding;
use crate::languages::Packages;
use crate::tree::{EntryId, Tree};

/// Findings about the packages that satisfy `kept`.
pub(super) fn check(_: &Packages, _: &Tree, _: &dyn Fn(EntryId) -> bool) -> Vec<Finding> {
    Vec::new()
}
