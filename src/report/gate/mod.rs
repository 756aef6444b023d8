//! The gate: what CI holds layers to besides Lambda's own limits. Budgets, growth since a baseline, room that is to stay
//! free, and whether a tree is still the one a manifest was made of.
//!
//! Everything is asked of a [`Snapshot`], which a plan, zips and manifests all give. [`Diff`] compares two.

mod baseline;
mod budget;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use baseline::Baseline;
pub use budget::{Budget, BudgetScope, Growth};

use crate::base::bytes::{plural, size};
use crate::base::error::{Error, Result};
use crate::base::finding::{Code, Finding, Subject};
use crate::pack::output::ManifestEntry;
use crate::report::diff::Snapshot;
use crate::runtime::Limits;

/// What layers are held to.
#[derive(Debug, Clone, Default)]
pub struct Gate {
    /// Budgets, in the order of the file.
    pub budgets: Vec<Budget>,
    /// A manifest or a baseline file: growth is counted from it.
    pub baseline: Option<PathBuf>,
    /// How much the whole may grow; nothing, when there is a baseline and no word of it.
    pub max_growth: Option<Growth>,
    /// Write what the layers weigh into the baseline file, which only shrinks.
    pub update_baseline: bool,
    /// The manifest that the tree must still be packed to.
    pub manifest: Option<PathBuf>,
    /// How many bytes are to stay free, unzipped in all and zipped in the layers.
    pub headroom: u64,
}

impl Gate {
    /// What is wrong with layers that weigh this. `passed` says whether all else is right: only then is a baseline written.
    ///
    /// # Errors
    /// When baseline or manifest cannot be read, or the baseline cannot be written.
    pub(crate) fn findings(&self, snapshot: &Snapshot, limits: &Limits, passed: bool) -> Result<Vec<Finding>> {
        let baseline = match &self.baseline {
            Some(path) => Baseline::load(path, &self.budgets)?,
            None => None,
        };
        if let (Some(path), None, false) = (&self.baseline, &baseline, self.update_baseline) {
            return Err(Error::Usage {
                message: format!("{}: no such baseline", path.display()),
                help: "--update-baseline writes it; or give the manifest.json of an earlier run".to_owned(),
            });
        }
        let mut findings = over_budget(&self.budgets, snapshot, baseline.as_ref());
        if let Some(baseline) = &baseline {
            let growth = self.max_growth.unwrap_or(Growth::Bytes(0));
            // A budget of the total has its own word on growth.
            if !self.budgets.iter().any(|budget| matches!(budget.of, BudgetScope::Total) && budget.growth.is_some()) {
                findings.extend(baseline.grown(&Subject::whole("total"), snapshot.total(), growth, snapshot));
            }
            findings.extend(baseline.slack(snapshot).filter(|_| !self.update_baseline));
        }
        findings.extend(self.headroom(snapshot, limits));
        if let Some(path) = &self.manifest {
            findings.extend(changed(path, snapshot)?);
        }
        let failed = findings.iter().any(|finding| finding.severity == crate::base::finding::Severity::Error);
        if let (Some(path), true, true) = (&self.baseline, self.update_baseline, passed && !failed) {
            Baseline::update(baseline.as_ref(), path, &self.budgets, snapshot)?;
        }
        Ok(findings)
    }

    /// A finding when the layers fit, but with less room left than there is to be.
    fn headroom(&self, snapshot: &Snapshot, limits: &Limits) -> Vec<Finding> {
        let mut findings = Vec::new();
        let unzipped = limits.layers_unzipped().checked_sub(snapshot.total().unzipped_bytes);
        // Layers that are not there yet are room too.
        let layers = &snapshot.layers;
        let free = layers.iter().map(|layer| limits.layer_zipped.saturating_sub(layer.zipped_bytes));
        let more = limits.layers.saturating_sub(layers.len()) as u64;
        let zipped = free.fold(limits.layer_zipped.saturating_mul(more), u64::saturating_add);
        for (left, what) in [(unzipped, "unzipped"), (Some(zipped), "zipped in all layers a function can have")] {
            if let Some(left) = left.filter(|left| *left < self.headroom) {
                findings.push(Finding::warning(
                    Code::LittleHeadroom,
                    Subject::whole("layers"),
                    format!("{} are left {what}, less than the headroom of {}", size(left), size(self.headroom)),
                    "`layerfit plan` shows next steps that save room, before it is needed",
                ));
            }
        }
        findings
    }
}

/// What is over its budget, and budgets of nothing.
fn over_budget(budgets: &[Budget], snapshot: &Snapshot, baseline: Option<&Baseline>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for budget in budgets {
        let sizes = budget.of.sizes(snapshot);
        if sizes.is_empty() {
            findings.push(Finding::warning(
                Code::UnmatchedBudget,
                Subject::setting(&budget.of),
                "there is a budget for this, and nothing in the layers matches it",
                "remove it from layerfit.toml, or correct it: `layerfit plan -v` lists layers and packages",
            ));
        }
        for (subject, of) in sizes {
            for (bytes, most, how) in
                [(of.zipped_bytes, budget.zipped, "zipped"), (of.unzipped_bytes, budget.unzipped, "unzipped")]
            {
                if let Some(most) = most.filter(|most| bytes > *most) {
                    findings.push(Finding::error(
                        Code::OverBudget,
                        subject.clone(),
                        format!("{} {how} are {} over its budget of {}", size(bytes), size(bytes - most), size(most)),
                        "`layerfit plan --tree` shows what takes up the space; or raise the budget in layerfit.toml",
                    ));
                }
            }
            if let (Some(growth), Some(baseline)) = (budget.growth, baseline) {
                findings.extend(baseline.grown(&subject, of, growth, snapshot));
            }
        }
    }
    findings
}

/// A finding when the layers would have other entries than the manifest's.
fn changed(path: &Path, snapshot: &Snapshot) -> Result<Vec<Finding>> {
    let manifest = Snapshot::load(path)?;
    let told_apart = |snapshot: &Snapshot| -> BTreeMap<String, ManifestEntry> {
        // How hard a content is compressed does not change it.
        let entries = snapshot.entries().map(|(_, entry)| ManifestEntry { compressed: 0, ..entry.clone() });
        entries.map(|entry| (entry.path.clone(), entry)).collect()
    };
    let (then, now) = (told_apart(&manifest), told_apart(snapshot));
    let gone: Vec<&String> = then.keys().filter(|path| !now.contains_key(*path)).collect();
    let new: Vec<&String> = now.keys().filter(|path| !then.contains_key(*path)).collect();
    let other: Vec<&String> =
        now.iter().filter(|(path, entry)| then.get(*path).is_some_and(|then| then != *entry)).map(|(p, _)| p).collect();
    let Some(first) = other.first().or(new.first()).or(gone.first()) else { return Ok(Vec::new()) };
    Ok(vec![Finding::error(
        Code::ManifestMismatch,
        Subject::file(path.display()),
        format!(
            "the tree is not what these layers were packed from: {} changed, {} new, {} gone, such as {first}",
            plural(other.len(), "file", "files"),
            new.len(),
            gone.len()
        ),
        "pack again, and publish what has changed",
    )])
}
