//! Protect: what no rule may drop: what `--keep` names, and what a run of the function opened.

use std::collections::BTreeSet;

use super::analysis::Analysis;
use super::settings::Settings;
use super::target;
use crate::base::path::TreePath;
use crate::prune::Protected;
use crate::tree::{EntryId, Place, Tree};

/// What no rule may drop: what `--keep` names, and what a run opened.
pub(super) fn protected(analysis: &Analysis<'_>, settings: &Settings) -> Protected {
    Protected { pinned: pinned(analysis, settings), opened: opened(analysis.tree(), settings) }
}

/// The entries that runs opened, with every link on the way to them.
fn opened(tree: &Tree, settings: &Settings) -> BTreeSet<EntryId> {
    let mut entries = BTreeSet::new();
    for path in &settings.opened {
        let named = TreePath::from_mounted(path).and_then(|path| tree.find(&path));
        let mut next = named;
        // A link and each that it leads to; a circle opens nothing.
        while let Some(id) = next.filter(|id| entries.insert(*id)) {
            next = tree.next_hop(id);
        }
        if let Place::Inside(id) = tree.locate(path) {
            entries.insert(id);
        }
    }
    entries
}

/// What `--keep` names and is there. What is not there yet may be bundled; at the end `drop` wants all of it.
pub(super) fn pinned(analysis: &Analysis<'_>, settings: &Settings) -> BTreeSet<EntryId> {
    let targets: Vec<_> = settings.keep.iter().flat_map(|text| target::find(analysis, text)).collect();
    target::entries(analysis, &targets)
}
