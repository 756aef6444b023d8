//! `layerfit analyze`: reads and resolves a tree, and prunes nothing.

use std::path::Path;

use crate::base::error::Result;
use crate::base::progress::Progress;
use crate::plan::{Analysis, Decider, Settings};
use crate::report::Report;
use crate::tree::TreeInput;

/// The content and dependencies of the tree at `root`, and what is missing.
///
/// # Errors
/// When the tree cannot be read.
pub fn analyze(root: &Path, settings: &Settings, progress: &dyn Progress) -> Result<Report> {
    let input = TreeInput::open(root, settings.architecture, progress)?;
    let (analysis, decisions) = Analysis::of_input(&input, Decider::KeepAll, settings, progress)?;
    let mut report =
        Report::of_analysis(&root.display().to_string(), input.image(), settings, &analysis, &decisions.pruning);
    report.set_findings(decisions.findings_of_everything(&analysis), &settings.severities);
    Ok(report)
}
