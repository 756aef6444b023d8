//! `layerfit check`: checks a tree, a packed directory or layer zips against the limits and the gate, and for what would not
//! load.

use std::path::PathBuf;

use super::inputs::{Wanted, load_layers};
use super::outside::refuse_in_tree;
use crate::base::error::Result;
use crate::base::finding::Code;
use crate::base::progress::Progress;
use crate::pack::output::MANIFEST;
use crate::plan::Settings;
use crate::report::Report;
use crate::report::diff::Snapshot;
use crate::report::gate::{Checked, Gate, Recorded};

/// Checks whether a tree, a directory that `pack` wrote, or layer zips (lowest first) fit, would load, and pass the gate. Also
/// returns what became of the baseline file.
///
/// # Errors
/// When they cannot be read, or are a mixture of directories and zips; or when a baseline cannot be read or written.
pub fn check(
    paths: &[PathBuf],
    settings: &Settings,
    gate: &Gate,
    progress: &dyn Progress,
) -> Result<(Report, Option<Recorded>)> {
    if let (true, Some(baseline)) = (gate.update_baseline, &gate.baseline) {
        for directory in paths.iter().filter(|path| path.is_dir() && !path.join(MANIFEST).is_file()) {
            refuse_in_tree(directory, baseline, "--baseline")?;
        }
    }
    gate.require_baseline()?;
    let wanted = if gate.reads_entries() { Wanted::Entries } else { Wanted::Report };
    let (mut report, entries) = load_layers(paths, settings, wanted, progress)?;
    if report.layers.is_none() {
        // They cannot fit, and there are no sizes to compare.
        return Ok((report, None));
    }
    let snapshot = Snapshot::new(&report, entries);
    let Checked { findings, compared, recorded } = gate.check(&snapshot, &settings.limits, report.passed())?;
    report.compared = compared;
    let unused = settings.severities.unused(&findings, Code::is_gate_only);
    report.add_findings(findings.into_iter().chain(unused).collect(), &settings.severities);
    Ok((report, recorded))
}
