//! The sections of a report, in the order of the questions that they answer: does it fit, in how many layers of what size,
//! what did which rule prune, what is missing, which units are the largest. Terminal, Markdown and page share them.

mod largest;
mod layers;
mod pruned;
mod rows;
mod section;
mod steps;
mod verdict;

use crate::base::finding::{Finding, Severity};
use crate::report::Report;

pub use rows::{Rows, Sort};
pub use section::Detail;
pub(super) use section::TIGHTEST;
pub(crate) use section::{Section, SectionKind};
pub(in crate::report) use steps::{saved, saved_layers};
pub(in crate::report) use verdict::{architecture, outcome, percent, summary, verdict};

use largest::{largest, packages};
use layers::{changes, compared, layers};
use pruned::{bundled, pruned, rewritten, unused_libraries};
use steps::next_steps;

/// Every section that is not empty, without the findings: those before and those after the findings.
pub(in crate::report) fn sections(report: &Report, detail: Detail, rows: Rows) -> (Vec<Section>, Vec<Section>) {
    let sections = [layers(report, detail), compared(report, detail, rows), changes(report, detail, rows)];
    let last = [
        pruned(report, detail),
        rewritten(report, detail),
        bundled(report, detail),
        unused_libraries(report, detail),
        largest(report, detail, rows),
        packages(report, detail, rows),
        next_steps(report, detail, rows),
    ];
    (sections.into_iter().flatten().collect(), last.into_iter().flatten().collect())
}

/// The findings, the most severe first, and how many of level info a short report only counts.
pub(in crate::report) fn findings(report: &Report, detail: Detail) -> (Vec<&Finding>, usize) {
    let (shown, infos): (Vec<&Finding>, Vec<&Finding>) =
        report.findings.iter().partition(|finding| detail == Detail::Full || finding.severity != Severity::Info);
    (shown, infos.len())
}
