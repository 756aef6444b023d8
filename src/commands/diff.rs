//! `layerfit diff`: compares two sets of layers, each a tree, a packed directory, a manifest or zips, file by file; or with what a
//! baseline records.

use std::path::{Path, PathBuf};

use super::inputs::{Wanted, load_layers};
use crate::base::error::{Error, Result};
use crate::base::finding::{Code, Finding};
use crate::base::progress::Progress;
use crate::pack::output::{MANIFEST, Manifest, has_manifest};
use crate::plan::Settings;
use crate::report::diff::{Diff, Side, Snapshot};

/// The differences between `old` and `new`: each is a tree, a directory that `pack` wrote, a manifest, a baseline, or
/// zips, each with the settings for what is to be analyzed of it.
///
/// # Errors
/// When one of them cannot be read.
pub fn diff(
    (old, of_old): (&[PathBuf], &Settings),
    (new, of_new): (&[PathBuf], &Settings),
    progress: &dyn Progress,
) -> Result<Diff> {
    Ok(Diff::new(&side(old, of_old, progress)?, &side(new, of_new, progress)?))
}

/// Whether a side is a manifest or a baseline.
pub fn is_json(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "json")
}

fn side(paths: &[PathBuf], settings: &Settings, progress: &dyn Progress) -> Result<Side> {
    match paths {
        [file] if is_json(file) => Side::load(file),
        // The manifest has more than the zips: packages and rules.
        [packed] if has_manifest(packed)? => {
            let mismatches = Manifest::read(packed)?.mismatches(packed)?;
            ensure_complete(&mismatches)?;
            let manifest = Side::load_manifest(&packed.join(MANIFEST))?;
            Ok(Side::Layers(Snapshot { root: packed.display().to_string(), ..manifest }))
        }
        _ => {
            let (report, entries) = load_layers(paths, settings, Wanted::EverySize, progress)?;
            ensure_complete(&report.findings)?;
            Ok(Side::Layers(Snapshot::new(&report, entries)))
        }
    }
}

/// Refuses layers that could not be read completely: files would look as if they had been removed.
fn ensure_complete(findings: &[Finding]) -> Result<()> {
    let broken = |finding: &&Finding| matches!(finding.code, Code::DamagedZip | Code::ManifestMismatch);
    match findings.iter().find(broken) {
        Some(finding) => Err(Error::Data {
            file: finding.subject.to_string(),
            message: finding.message.clone(),
            help: finding.help.clone(),
        }),
        None => Ok(()),
    }
}
