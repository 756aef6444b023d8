//! `layerfit pack`: plans, and writes zips, manifest and reports to an output directory that is replaced as a whole, together with
//! lock and template.

use std::path::Path;

use super::outside::{refuse_in_tree, refuse_output_in_tree};
use crate::base::directory::real;
use crate::base::error::{Error, Result};
use crate::base::progress::Progress;
use crate::pack::output::{MANIFEST, ManifestEntry, Output, REPORT, write_layer};
use crate::plan::suggest::suggestions;
use crate::plan::{Plan, Settings};
use crate::report::{self, Report};
use crate::tree::TreeInput;

/// Another file that is written with the layers.
#[derive(Clone, Copy)]
pub struct Other<'a> {
    /// Its path.
    pub path: &'a Path,
    /// Its content for these layers.
    pub content: &'a dyn Fn(&Report) -> Result<Vec<u8>>,
}

/// Packs `root` into the directory `output` if it fits, and writes the lock of the settings and `other` with it; if it does not
/// fit, nothing is written, and findings explain why.
///
/// # Errors
/// When the tree cannot be read or something cannot be written. The directory and the other files are then unchanged.
pub fn pack(
    root: &Path,
    output: &Path,
    settings: &Settings,
    other: Option<Other<'_>>,
    progress: &dyn Progress,
) -> Result<Report> {
    refuse_output_in_tree(root, output)?;
    if let Some(lock) = &settings.lock {
        refuse_in_tree(root, lock, "--lock")?;
    }
    // Before the work, so that what cannot be written is reported at once.
    let out = Output::begin(output)?;
    let lock = settings.lock.as_deref();
    for path in lock.into_iter().chain(other.map(|other| other.path)) {
        out.try_other(path)?;
    }
    if let Some((lock, other)) = lock.zip(other)
        && real(lock)? == real(other.path)?
    {
        return Err(Error::Usage {
            message: format!("{}: cannot be the lock and the template at once", lock.display()),
            help: "name different files with --lock and --template".to_owned(),
        });
    }
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
    let mut others: Vec<(&Path, Vec<u8>)> = Vec::new();
    if let Some(path) = lock {
        others.push((path, plan.layout.lock.content()?));
    }
    if let Some(other) = other {
        others.push((other.path, (other.content)(&report)?));
    }
    out.commit(&others)?;
    Ok(report)
}
