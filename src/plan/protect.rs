//! Protect: what rules never drop: what `--keep` names, the packages that handlers use, and what a run of the function opened or tried to open.

use std::collections::BTreeSet;

use super::analysis::Analysis;
use super::settings::Settings;
use super::target;
use crate::base::path::TreePath;
use crate::languages::{LanguageId, language};
use crate::prune::Protected;
use crate::tree::{EntryId, Place, Tree};

/// What rules never drop: what `--keep` names, and what a run opened.
pub(crate) fn protected(analysis: &Analysis<'_>, settings: &Settings) -> Protected {
    Protected {
        pinned: pinned(analysis, settings),
        opened: opened(analysis.tree(), settings),
        used: used(analysis),
        unnamed: unnamed(analysis),
    }
}

/// Data of packages for something that the handlers do not name; none without handlers.
fn unnamed(analysis: &Analysis<'_>) -> BTreeSet<EntryId> {
    let packages = &analysis.resolution.packages;
    let named = analysis.handlers.iter().flat_map(|handlers| &handlers.data);
    let of = |(id, named): (&LanguageId, &Option<BTreeSet<String>>)| {
        Some(language(*id).unnamed_data(packages, analysis.tree(), named.as_ref()?))
    };
    named.filter_map(of).flatten().collect()
}

/// The packages that handlers use, except where the code works without them.
fn used(analysis: &Analysis<'_>) -> BTreeSet<usize> {
    let named = analysis.used_packages().iter().filter(|(_, used)| !used.optional);
    named.map(|(position, _)| *position).collect()
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
