//! `layerfit pack`: plans, and writes zips, manifest and reports to an output directory that is replaced as a whole.

use std::path::Path;

use super::outside::{refuse_in_tree, refuse_output_in_tree};
use crate::base::error::Result;
use crate::base::progress::Progress;
use crate::pack::output::{MANIFEST, ManifestEntry, Output, REPORT, write_layer};
use crate::plan::suggest::suggestions;
use crate::plan::{Plan, Settings};
use crate::report::{self, Report};
use crate::tree::TreeInput;

/// Packs `root` into the directory `output` if it fits; if it does not, nothing is written, and findings explain why.
///
/// # Errors
/// When the tree cannot be read or the output cannot be written. The directory is then unchanged.
pub fn pack(root: &Path, output: &Path, settings: &Settings, progress: &dyn Progress) -> Result<Report> {
    refuse_output_in_tree(root, output)?;
    if let Some(lock) = &settings.lock {
        refuse_in_tree(root, lock, "--lock")?;
    }
    // Before the work, so that a directory that cannot be written is reported at once.
    let out = Output::begin(output)?;
    let input = TreeInput::open(root, settings.architecture, progress)?;
    let plan = Plan::to_pack(&input, settings, progress)?;
    let mut report = Report::of_plan(&root.display().to_string(), input.image(), settings, &plan);
    report.suggestions = suggestions(&plan, settings, !report.fits, progress)?;
    if !report.fits {
        return Ok(report);
    }
    progress.stage("writing", 0);
    let mut entries: Vec<Vec<ManifestEntry>> = Vec::new();
    for (layer, shown) in plan.layout.layers.iter().zip(report.layers.iter_mut().flatten()) {
        let (file, path) = out.create(&shown.zip)?;
        let written = write_layer((&file, &path), plan.analysis.tree(), layer, &plan.measurements)?;
        shown.sha256 = Some(written.sha256);
        entries.push(written.entries);
    }
    out.write(MANIFEST, &report::manifest(&report, entries)?)?;
    out.write(REPORT, &report::markdown(&report))?;
    report.list_contents(&plan, settings);
    out.write("report.html", &report::html(&report)?)?;
    out.commit()?;
    if let Some(path) = &settings.lock {
        plan.layout.lock.store(path)?;
    }
    Ok(report)
}
