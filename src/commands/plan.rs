//! `layerfit plan`: reads, resolves, prunes, measures and divides a tree, and writes nothing.

use std::path::Path;

use crate::base::error::Result;
use crate::base::progress::Progress;
use crate::plan::suggest::suggestions;
use crate::plan::{Plan, Settings};
use crate::report::Report;
use crate::tree::TreeInput;

/// How the tree at `root` would be packed.
///
/// # Errors
/// When the tree cannot be read.
pub fn plan(root: &Path, settings: &Settings, progress: &dyn Progress) -> Result<Report> {
    let input = TreeInput::open(root, settings.architecture, progress)?;
    let plan = Plan::new(&input, settings, progress)?;
    let mut report = Report::of_plan(&root.display().to_string(), input.image(), settings, &plan);
    report.suggestions = suggestions(&plan, settings, true, progress)?;
    Ok(report)
}
