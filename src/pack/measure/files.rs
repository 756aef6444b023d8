//! Files: what was measured of each entry of a tree, by its position: a map would take more than what is in it.

use super::measured::Measured;
use crate::tree::{EntryId, Tree};

/// What was measured of each entry.
pub(super) struct Files(Vec<Option<Measured>>);

impl Files {
    /// Nothing yet of a tree.
    pub(super) fn of(tree: &Tree) -> Self {
        Self(vec![None; tree.entries().len()])
    }

    pub(super) fn get(&self, id: EntryId) -> Option<&Measured> {
        self.0.get(id.index())?.as_ref()
    }

    /// Replaces what was measured of an entry, and returns it.
    pub(super) fn insert(&mut self, id: EntryId, measured: Measured) -> Option<Measured> {
        self.0.get_mut(id.index())?.replace(measured)
    }

    /// What was measured, in the order of the entries.
    pub(super) fn iter<'a>(&'a self, tree: &'a Tree) -> impl Iterator<Item = (EntryId, &'a Measured)> {
        tree.all().zip(&self.0).filter_map(|((id, _), measured)| Some((id, measured.as_ref()?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_measured_of_one_of_a_million_files_is_small() {
        assert!(size_of::<Option<Measured>>() <= 32, "{}", size_of::<Option<Measured>>());
    }
}
