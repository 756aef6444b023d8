//! `layerfit diff`: compares two sets of layers, each a tree, a packed directory, a manifest or zips, file by file.

use std::path::{Path, PathBuf};

use super::inputs::{Wanted, load_layers};
use crate::base::error::{Error, Result};
use crate::base::finding::{Code, Finding};
use crate::base::progress::Progress;
use crate::pack::output::{MANIFEST, Manifest};
use crate::plan::Settings;
use crate::report::diff::{Diff, Snapshot};

/// The differences between `old` and `new`: each is a tree, a directory that `pack` wrote, a manifest, or a zip.
///
/// # Errors
/// When one of them cannot be read.
pub fn diff(old: &[PathBuf], new: &[PathBuf], settings: &Settings, progress: &dyn Progress) -> Result<Diff> {
    Ok(Diff::new(&snapshot(old, settings, progress)?, &snapshot(new, settings, progress)?))
}

fn snapshot(paths: &[PathBuf], settings: &Settings, progress: &dyn Progress) -> Result<Snapshot> {
    let is_json = |path: &Path| path.extension().is_some_and(|extension| extension == "json");
    match paths {
        [manifest] if is_json(manifest) => Snapshot::load(manifest),
        // The manifest has more than the zips: packages and rules.
        [packed] if packed.join(MANIFEST).is_file() => {
            let mismatches = Manifest::read(packed)?.mismatches(packed)?;
            ensure_complete(&mismatches)?;
            Ok(Snapshot { root: packed.display().to_string(), ..Snapshot::load(&packed.join(MANIFEST))? })
        }
        _ => {
            let (report, entries) = load_layers(paths, settings, Wanted::EverySize, progress)?;
            ensure_complete(&report.findings)?;
            Ok(Snapshot::new(&report, entries))
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
