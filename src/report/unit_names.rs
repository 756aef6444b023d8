//! The names of the units of entries: a tree can have a million entries, and few units.

use std::collections::HashMap;
use std::sync::Arc;

use crate::pack::UnitOf;
use crate::plan::Analysis;
use crate::tree::EntryId;

/// The name of the unit of each entry, each name once.
pub(super) struct UnitNames {
    names: Vec<String>,
    /// One more than the position of the name, by the position of the entry; 0 for none.
    of: Vec<u32>,
}

impl UnitNames {
    /// Those of the entries that are wanted.
    pub(super) fn new(analysis: &Analysis<'_>, wanted: impl Fn(EntryId) -> bool) -> Self {
        let mut numbers: HashMap<Arc<str>, u32> = HashMap::new();
        let mut names = Vec::new();
        let mut unit = UnitOf::new(&analysis.resolution);
        let mut number = |id: EntryId| {
            *numbers.entry(unit.of(id)).or_insert_with_key(|name| {
                names.push(name.to_string());
                // No tree has as many units as ids have values.
                u32::try_from(names.len()).unwrap_or_default()
            })
        };
        let tree = analysis.tree();
        let of = tree.all().map(|(id, _)| if wanted(id) { number(id) } else { 0 }).collect();
        Self { names, of }
    }

    /// The name of the unit of this number.
    pub(super) fn name(&self, number: usize) -> &str {
        &self.names[number]
    }

    /// The name of an entry's unit; empty for one that was not wanted.
    pub(super) fn of(&self, id: EntryId) -> &str {
        self.number(id).map_or("", |unit| self.name(unit))
    }

    /// The number of an entry's unit; `None` for one that was not wanted.
    pub(super) fn number(&self, id: EntryId) -> Option<usize> {
        (self.of[id.index()] as usize).checked_sub(1)
    }
}
