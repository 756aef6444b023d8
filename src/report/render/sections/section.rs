//! A section of a report, and how much of it is shown.

/// How tight a report can be.
pub(in crate::report::render) const TIGHTEST: usize = 2;

/// How many names a cell has.
pub(super) const MAX_NAMES: usize = 4;

/// Which part of a report or an answer a section is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SectionKind {
    /// The layers and their limits.
    Layers,
    /// Sizes compared with the baseline and budgets.
    Compared,
    /// Changes since the lock file.
    Changes,
    /// What each rule dropped.
    Pruned,
    /// The largest units, in short.
    Units,
    /// The units with everything that is known of them.
    AllOfUnits,
    /// What could be done next.
    NextSteps,
    /// Anything else.
    Other,
}

/// A heading with a table and a note below it.
pub(crate) struct Section {
    pub(crate) kind: SectionKind,
    pub(crate) title: String,
    pub(crate) header: Vec<&'static str>,
    /// Columns of numbers, aligned to the right.
    pub(crate) numbers: Vec<usize>,
    /// What a terminal with room for it draws after each row as a bar: a part of a whole; empty if there are no bars.
    pub(crate) shares: Vec<Option<(u64, u64)>>,
    pub(crate) rows: Vec<Vec<String>>,
    pub(crate) note: Option<String>,
}

/// How much to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// The most important rows.
    Short,
    /// Every rule, every unit, every note.
    Full,
}
