//! The gate: what CI checks in addition to Lambda's limits. Budgets, growth since a baseline, free room, and whether a tree is
//! still packed to the files of a manifest.
//!
//! All checks work on a [`Snapshot`], which can be of a plan, of zips or of a manifest.

mod baseline;
mod budget;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use baseline::Baseline;
pub use baseline::Recorded;
pub use budget::{Budget, BudgetScope, Growth};

use crate::base::bytes::{plural, size, sizes_apart};
use crate::base::error::{Error, Result};
use crate::base::finding::{Code, Finding};
use crate::base::size::Size;
use crate::base::subject::Subject;
use crate::pack::output::ManifestEntry;
use crate::report::Compared;
use crate::report::diff::{Side, Snapshot};
use crate::runtime::Limits;

/// The settings of the gate.
#[derive(Debug, Clone, Default)]
pub struct Gate {
    /// Budgets, in the order of the file.
    pub budgets: Vec<Budget>,
    /// The manifest or baseline file from which growth is counted.
    pub baseline: Option<PathBuf>,
    /// By how much all layers together can grow since the baseline; `None` for not at all.
    pub max_growth: Option<Growth>,
    /// Whether to record the sizes of the layers in the baseline file, which only ratchets down.
    pub update_baseline: bool,
    /// The manifest whose files the layers must still have.
    pub manifest: Option<PathBuf>,
    /// How many bytes have to stay free, both unzipped and zipped.
    pub headroom: u64,
}

/// The result of the gate.
pub(crate) struct Checked {
    /// The findings.
    pub(crate) findings: Vec<Finding>,
    /// What was compared with a baseline or a budget; `None` if there is neither.
    pub(crate) compared: Option<Vec<Compared>>,
    /// What became of the baseline file; `None` if it was not to be written, or the check fails.
    pub(crate) recorded: Option<Recorded>,
}

impl Gate {
    /// Whether anything in it depends on the entries of the layers, and not only on the sizes of these.
    pub(crate) fn reads_entries(&self) -> bool {
        !self.budgets.is_empty() || self.baseline.is_some() || self.manifest.is_some()
    }

    /// Whether there is a baseline, where it has to be: known before the layers are, which can take long.
    ///
    /// # Errors
    /// When there is no file, and none would be written.
    pub(crate) fn require_baseline(&self) -> Result<()> {
        match &self.baseline {
            Some(path) if !self.update_baseline && matches!(path.try_exists(), Ok(false)) => Err(Error::Usage {
                message: format!("{}: no such baseline", path.display()),
                help: "create it with --update-baseline, or give the manifest.json of an earlier run".to_owned(),
            }),
            _ => Ok(()),
        }
    }

    /// The findings of the gate, and what was compared with a baseline or a budget, if there is one. The baseline is only
    /// written if `passed`, that is, all other checks passed.
    ///
    /// # Errors
    /// When baseline or manifest cannot be read, or the baseline cannot be written.
    pub(crate) fn check(&self, snapshot: &Snapshot, limits: &Limits, passed: bool) -> Result<Checked> {
        let baseline = match &self.baseline {
            Some(path) => Baseline::load(path, &self.budgets)?,
            None => None,
        };
        let mut findings = over_budget(&self.budgets, snapshot, baseline.as_ref());
        if let Some(baseline) = &baseline {
            let growth = self.max_growth.unwrap_or(Growth::Bytes(0));
            // A growth limit in a budget of the total overrides `max_growth`.
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
        let recorded = match &self.baseline {
            Some(path) if self.update_baseline && passed && !failed => {
                Some(Baseline::update(baseline.as_ref(), path, &self.budgets, snapshot)?)
            }
            _ => None,
        };
        let compared = (baseline.is_some() || !self.budgets.is_empty())
            .then(|| compared(&self.budgets, snapshot, baseline.as_ref()));
        Ok(Checked { findings, compared, recorded })
    }

    /// Findings if the layers fit, but leave less room than required.
    fn headroom(&self, snapshot: &Snapshot, limits: &Limits) -> Vec<Finding> {
        let mut findings = Vec::new();
        let unzipped = limits.layers_unzipped().checked_sub(snapshot.total().unzipped_bytes);
        // Layers that do not exist yet count as room too.
        let layers = &snapshot.layers;
        let free = layers.iter().map(|layer| limits.layer_zipped.saturating_sub(layer.zipped_bytes));
        let more = limits.layers.saturating_sub(layers.len()) as u64;
        let zipped = free.fold(limits.layer_zipped.saturating_mul(more), u64::saturating_add);
        let in_all = format!("zipped, in {} layers of at most {} each", limits.layers, size(limits.layer_zipped));
        for (left, what) in [(unzipped, "unzipped"), (Some(zipped), in_all.as_str())] {
            if let Some(left) = left.filter(|left| *left < self.headroom) {
                findings.push(Finding::warning(
                    Code::LittleHeadroom,
                    Subject::whole("layers"),
                    format!("{} are left {what}, less than the headroom of {}", size(left), size(self.headroom)),
                    "`layerfit plan` lists further savings",
                ));
            }
        }
        findings
    }
}

/// The sizes of all layers together, of each layer, of what has a budget, and of the packages that are not as in the baseline,
/// the largest change first.
fn compared(budgets: &[Budget], snapshot: &Snapshot, baseline: Option<&Baseline>) -> Vec<Compared> {
    let before = |name: &str| baseline.and_then(|baseline| baseline.recorded(name));
    let row = |name: String, now: Option<Size>| Compared {
        before: before(&name),
        name,
        now,
        budget_zipped: None,
        budget_unzipped: None,
    };
    let layers = snapshot.layers.iter().map(|layer| (format!("layer:{}", layer.name), layer.size()));
    let first = std::iter::once(("total".to_owned(), snapshot.total())).chain(layers);
    let mut rows: Vec<Compared> = first.map(|(name, now)| row(name, Some(now))).collect();
    for budget in budgets {
        for (subject, now) in budget.of.sizes(snapshot) {
            let name = subject.to_string();
            let position = rows.iter().position(|row| row.name == name).unwrap_or_else(|| {
                rows.push(row(name, Some(now)));
                rows.len() - 1
            });
            let least = |has: Option<u64>, budget: Option<u64>| has.into_iter().chain(budget).min();
            let of = &mut rows[position];
            of.budget_zipped = least(of.budget_zipped, budget.zipped);
            of.budget_unzipped = least(of.budget_unzipped, budget.unzipped);
        }
    }
    // A short report has the first rows only: after the total, what is over its budget, and then, of packages and files, what changed.
    let is_over = |of: &Compared| {
        let over = |bytes: fn(&Size) -> u64, budget: Option<u64>| {
            of.now.as_ref().zip(budget).is_some_and(|(now, budget)| bytes(now) > budget)
        };
        over(|now| now.zipped_bytes, of.budget_zipped) || over(|now| now.unzipped_bytes, of.budget_unzipped)
    };
    let is_layer = |of: &Compared| of.name.starts_with("layer:");
    rows[1..].sort_by_key(|of| (!is_over(of), !is_layer(of), baseline.is_some() && of.before == of.now));
    if let Some(baseline) = baseline {
        let packages = snapshot.package_sizes();
        let now = |name: &str| name.strip_prefix("pkg:").and_then(|name| packages.get(name).copied());
        let names = packages.keys().map(|name| format!("pkg:{name}"));
        let names: BTreeSet<String> = names.chain(baseline.names().map(str::to_owned)).collect();
        let listed = |name: &String| rows.iter().any(|row| row.name == *name);
        let gone_or_package = |name: &&String| name.starts_with("pkg:") || name.starts_with("layer:");
        let mut changed: Vec<Compared> = names
            .iter()
            .filter(gone_or_package)
            .filter(|name| !listed(name))
            .map(|name| row(name.clone(), now(name)))
            .filter(|row| row.now != row.before)
            .collect();
        let bytes = |size: Option<Size>| size.map_or(0, |size| size.zipped_bytes);
        changed.sort_by_key(|row| std::cmp::Reverse(bytes(row.now).abs_diff(bytes(row.before))));
        rows.extend(changed);
    }
    rows
}

/// Findings about what is over its budget, and about budgets that match nothing.
fn over_budget(budgets: &[Budget], snapshot: &Snapshot, baseline: Option<&Baseline>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for budget in budgets {
        let sizes = budget.of.sizes(snapshot);
        if sizes.is_empty() {
            findings.push(budget.of.unmatched(snapshot));
        }
        for (subject, of) in sizes {
            for (bytes, most, how) in
                [(of.zipped_bytes, budget.zipped, "zipped"), (of.unzipped_bytes, budget.unzipped, "unzipped")]
            {
                if let Some(most) = most.filter(|most| bytes > *most) {
                    let (shown, budget) = sizes_apart(bytes, most);
                    findings.push(Finding::error(
                        Code::OverBudget,
                        subject.clone(),
                        format!("{shown} {how} are {} over its budget of {budget}", size(bytes - most)),
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

/// A finding if the layers would have other entries than those of the manifest.
fn changed(path: &Path, snapshot: &Snapshot) -> Result<Vec<Finding>> {
    let manifest = Side::load_manifest(path)?;
    let by_path = |snapshot: &Snapshot| -> BTreeMap<String, ManifestEntry> {
        // The level of compression is not a difference in content.
        let entries = snapshot.entries().map(|(_, entry)| ManifestEntry { compressed: 0, ..entry.clone() });
        entries.map(|entry| (entry.path.clone(), entry)).collect()
    };
    let (then, now) = (by_path(&manifest), by_path(snapshot));
    let removed: Vec<&String> = then.keys().filter(|path| !now.contains_key(*path)).collect();
    let added: Vec<&String> = now.keys().filter(|path| !then.contains_key(*path)).collect();
    let changed: Vec<&String> =
        now.iter().filter(|(path, entry)| then.get(*path).is_some_and(|then| then != *entry)).map(|(p, _)| p).collect();
    let Some(first) = changed.first().or(added.first()).or(removed.first()) else { return Ok(Vec::new()) };
    Ok(vec![Finding::error(
        Code::ManifestMismatch,
        Subject::file(path.display()),
        format!(
            "the tree would be packed to different files: {} changed, {} added, {} removed, such as {first}",
            plural(changed.len(), "file", "files"),
            added.len(),
            removed.len()
        ),
        "pack again, and publish the changed layers",
    )])
}
