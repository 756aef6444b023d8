//! Protect: what rules never drop: what `--keep` names, the packages that handlers use, and what a run of the function opened or tried to open.

use std::collections::BTreeSet;

use super::analysis::Analysis;
use super::settings::Settings;
use super::target;
use crate::base::path::TreePath;
use crate::prune::Protected;
use crate::tree::{EntryId, Place, Tree};

/// What rules never drop: what `--keep` names, and what a run opened.
pub(super) fn protected(analysis: &Analysis<'_>, settings: &Settings) -> Protected {
    Protected { pinned: pinned(analysis, settings), opened: opened(analysis.tree(), settings), used: used(analysis) }
}

/// The packages that handlers name, except where the code works without them.
fn used(analysis: &Analysis<'_>) -> BTreeSet<usize> {
    let packages = &analysis.resolution.packages;
    let handlers = analysis.handlers.iter().flat_map(|handlers| &handlers.packages);
    let named = handlers.filter(|(_, used)| !used.optional);
    named.flat_map(|((id, name), _)| packages.copies(*id, name)).collect()
}

/// The entries that runs opened, with every link on the way to them.
fn opened(tree: &Tree, settings: &Settings) -> BTreeSet<EntryId> {
    let mut entries = BTreeSet::new();
    // What it looked for in vain and the tree has was dropped from the layers that it ran from.
    let looked_for = settings.run.missing.iter().filter(|(_, to_open)| **to_open).map(|(path, _)| path);
    for path in settings.run.paths.iter().chain(looked_for) {
        let named = TreePath::from_mounted(path).and_then(|path| tree.find(&path));
        let mut next = named;
        // A link and each that it leads to; in a circle of links, all of them.
        while let Some(id) = next.filter(|id| entries.insert(*id)) {
            next = tree.next_hop(id);
        }
        if let Place::Inside(id) = tree.locate(path) {
            entries.insert(id);
        }
    }
    entries
}

/// What `--keep` names, as far as it is found: the rest can still be bundled, and `drop` checks at the end that all is found.
pub(super) fn pinned(analysis: &Analysis<'_>, settings: &Settings) -> BTreeSet<EntryId> {
    let targets: Vec<_> = settings.keep.iter().flat_map(|text| target::find(analysis, text)).collect();
    target::entries(analysis, &targets)
}
