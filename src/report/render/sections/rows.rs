//! Which rows tables have, and in which order.

use std::cmp::Reverse;

use super::section::Detail;
use crate::base::bytes::plural;
use crate::report::contents::is_own;
use crate::report::{PackageReport, Report, UnitReport};

/// How many of the largest units or packages it lists.
const LARGEST_SHOWN: usize = 5;

/// What the largest units, or the packages of an analysis, are sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sort {
    /// Zipped bytes; of an analysis, which compresses nothing, unzipped bytes.
    #[default]
    Zipped,
    /// Unzipped bytes.
    Unzipped,
    /// The bytes that dropping it alone would free.
    Frees,
    /// The number of files.
    Files,
    /// The name.
    Name,
}

/// Which rows tables have: what is asked for of the units or packages, and how tight the others are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rows {
    /// How many units or packages there are at most; by default, that is up to the detail.
    pub(in crate::report::render) top: Option<usize>,
    /// Their order; by default, the largest are first.
    pub(super) sort: Option<Sort>,
    /// How tight a short report is.
    pub(super) tight: usize,
}

impl Rows {
    /// The first `top` units or packages, in this order.
    pub fn new(top: Option<usize>, sort: Option<Sort>) -> Self {
        Self { top, sort, tight: 0 }
    }

    /// Whether the user chose them.
    pub(in crate::report::render) fn is_chosen(self) -> bool {
        self.top.is_some() || self.sort.is_some()
    }

    /// The same, with tables that are so tight.
    pub(in crate::report::render) fn tight(self, tight: usize) -> Self {
        Self { tight, ..self }
    }

    pub(super) fn shown(self, detail: Detail) -> usize {
        self.top.unwrap_or(if detail == Detail::Full { usize::MAX } else { LARGEST_SHOWN })
    }

    /// The title of these many rows of all.
    pub(super) fn title(self, shown: usize, all: usize, one: &str, many: &str) -> String {
        match self.sort.unwrap_or_default() {
            _ if shown >= all => plural(all, one, many),
            Sort::Zipped | Sort::Unzipped => format!("The {shown} largest of {all} {many}"),
            Sort::Frees => format!("The {shown} of {all} {many} that free the most"),
            Sort::Files => format!("The {shown} of {all} {many} with the most files"),
            Sort::Name => format!("The first {shown} of {all} {many}"),
        }
    }

    /// The units in this order.
    pub(in crate::report::render) fn of_units(self, report: &Report) -> Vec<&UnitReport> {
        let mut sorted: Vec<_> = report.units.iter().flatten().collect();
        sorted.sort_by_cached_key(|unit| {
            let bytes = match self.sort.unwrap_or_default() {
                Sort::Zipped => unit.zipped_bytes,
                Sort::Unzipped => unit.unzipped_bytes,
                Sort::Frees => unit.retained_zipped_bytes,
                Sort::Files => unit.files as u64,
                Sort::Name => 0,
            };
            (Reverse(bytes), unit.name.clone())
        });
        sorted
    }

    /// The packages in this order, without those that are a part of their language.
    pub(in crate::report::render) fn of_packages(self, report: &Report) -> Vec<&PackageReport> {
        let packages = report.packages.iter();
        let mut sorted: Vec<_> = packages.filter(|package| !is_own(package.priority.as_deref())).collect();
        sorted.sort_by_cached_key(|package| {
            let bytes = match self.sort.unwrap_or_default() {
                Sort::Zipped | Sort::Unzipped => package.cost.unzipped_bytes,
                Sort::Frees => package.cost.retained_unzipped_bytes,
                Sort::Files | Sort::Name => 0,
            };
            (Reverse(bytes), package.name.clone())
        });
        sorted
    }
}
