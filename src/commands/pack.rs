//! `layerfit pack`: plans, and writes zips, manifest and reports to an output directory that is replaced as a whole.

use std::path::Path;

use crate::base::error::{Error, Result};
use crate::base::progress::Progress;
use crate::pack::output::{MANIFEST, ManifestEntry, Output, write_layer};
use crate::plan::suggest::suggestions;
use crate::plan::{Plan, Settings};
use crate::report::{self, Report};

/// Packs `root` into the directory `output` if it fits; if it does not, nothing is written, and findings explain why.
///
/// # Errors
/// When the tree cannot be read or the output cannot be written. The directory is then unchanged.
pub fn pack(root: &Path, output: &Path, settings: &Settings, progress: &dyn Progress) -> Result<Report> {
    refuse_output_in_tree(root, output)?;
    // Before the work, so that a directory that cannot be written is reported at once.
    let out = Output::begin(output)?;
    let plan = Plan::new(root, settings, progress)?;
    let mut report = Report::of_plan(&root.display().to_string(), settings, &plan);
    report.suggestions = suggestions(&plan, settings, !report.fits, progress)?;
    if !report.fits {
        return Ok(report);
    }
    progress.stage("writing", 0);
    let mut entries: Vec<Vec<ManifestEntry>> = Vec::new();
    for (layer, shown) in plan.layout.layers.iter().zip(report.layers.iter_mut().flatten()) {
        let path = out.path(&shown.zip);
        let (sha256, written) = write_layer(&path, plan.analysis.tree(), layer, &plan.measurements)?;
        shown.sha256 = Some(sha256);
        entries.push(written);
    }
    out.write(MANIFEST, &report::manifest(&report, entries)?)?;
    out.write("report.md", &report::markdown(&report))?;
    out.write("report.html", &report::html(&report)?)?;
    out.commit()?;
    if let Some(path) = &settings.lock {
        plan.layout.lock.store(path)?;
    }
    progress.done();
    Ok(report)
}

/// An output directory inside the tree would be packed by the next run.
fn refuse_output_in_tree(root: &Path, output: &Path) -> Result<()> {
    let root = std::fs::canonicalize(root).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => Error::RootMissing(root.to_owned()),
        _ => Error::io("read", root)(error),
    })?;
    let absolute = std::path::absolute(output).map_err(Error::io("find", output))?;
    // The directory need not exist yet, so the nearest existing ancestor is compared.
    let above = absolute.ancestors().find_map(|path| Some((std::fs::canonicalize(path).ok()?, path)));
    let inside = above.is_some_and(|(real, _)| real.starts_with(&root) || root.starts_with(&real) && absolute.exists());
    if inside {
        return Err(Error::Usage {
            message: format!("-o {}: is inside the tree to be packed, or contains it", output.display()),
            help: "give a directory outside the tree, such as -o layers".to_owned(),
        });
    }
    Ok(())
}
