//! The baseline: what the layers weighed when somebody was content with them. It is a manifest of an earlier run, or a
//! small file of its own that is committed and only ever shrinks.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::budget::{Budget, BudgetScope, Growth};
use crate::base::bytes::size;
use crate::base::error::{Error, Result};
use crate::base::finding::{Code, Finding, Subject};
use crate::base::size::Size;
use crate::report::diff::Snapshot;

/// The form of the file.
const SCHEMA: u32 = 1;

/// How many of the things that grew are named.
const NAMED: usize = 3;

/// What the layers weighed.
#[derive(Debug, Clone)]
pub(super) struct Baseline {
    path: PathBuf,
    sizes: Sizes,
    /// Whether it is a file of its own, which is written again.
    ratchet: bool,
}

/// The file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sizes {
    /// Says what the file is to those who open it.
    layerfit_baseline: u32,
    /// By the names that budgets have: `total`, `layer:r`, `pkg:Matrix`, globs of paths.
    weights: BTreeMap<String, Size>,
}

impl Baseline {
    /// Reads a manifest, or a baseline file; `None` when there is no file yet.
    ///
    /// # Errors
    /// When the file cannot be read, or is neither.
    pub(super) fn load(path: &Path, budgets: &[Budget]) -> Result<Option<Self>> {
        let text = match std::fs::read_to_string(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            read => read.map_err(Error::io("read", path))?,
        };
        let (sizes, ratchet) = match serde_json::from_str::<Sizes>(&text) {
            Ok(sizes) if sizes.layerfit_baseline == SCHEMA => (sizes, true),
            as_baseline => match serde_json::from_str::<Snapshot>(&text) {
                Ok(snapshot) => (Sizes::new(&snapshot, budgets), false),
                Err(as_manifest) => {
                    let why = as_baseline.err().filter(|_| text.contains("layerfit_baseline")).unwrap_or(as_manifest);
                    return Err(Error::Data {
                        file: path.display().to_string(),
                        message: format!("is neither a manifest.json nor a baseline: {why}"),
                        help: "give the manifest.json of a run, or make a baseline with --update-baseline".to_owned(),
                    });
                }
            },
        };
        Ok(Some(Self { path: path.to_owned(), sizes, ratchet }))
    }

    /// A finding when something weighs more than it may.
    pub(super) fn grown(&self, subject: &Subject, now: Size, growth: Growth, snapshot: &Snapshot) -> Vec<Finding> {
        let Some(before) = self.sizes.weights.get(subject.as_str()) else { return Vec::new() };
        let mut findings = Vec::new();
        for (before, now, how) in
            [(before.zipped_bytes, now.zipped_bytes, "zipped"), (before.unzipped_bytes, now.unzipped_bytes, "unzipped")]
        {
            if now > growth.limit(before) {
                let most = self.most_grown(subject, snapshot);
                findings.push(Finding::error(
                    Code::Grew,
                    subject.clone(),
                    format!(
                        "{} {how} are {} more than in {} ({}); allowed: +{growth}{most}",
                        size(now),
                        size(now - before),
                        self.path.display(),
                        size(before),
                    ),
                    "`layerfit diff` shows what grew; if it is intended, regenerate the baseline: remove the file and run with \
                     --update-baseline",
                ));
            }
        }
        findings
    }

    /// The packages that grew most, in words.
    fn most_grown(&self, subject: &Subject, snapshot: &Snapshot) -> String {
        if *subject != Subject::whole("total") {
            return String::new();
        }
        let grown = snapshot.package_sizes().into_iter().filter_map(|(name, now)| {
            let before = self.sizes.weights.get(&format!("pkg:{name}")).copied().unwrap_or_default();
            Some((now.zipped_bytes.checked_sub(before.zipped_bytes).filter(|more| *more > 0)?, name))
        });
        let mut grown: Vec<(u64, &str)> = grown.collect();
        grown.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(b.1)));
        let named: Vec<String> =
            grown.iter().take(NAMED).map(|(more, name)| format!("{name} +{}", size(*more))).collect();
        if named.is_empty() { String::new() } else { format!("; largest increases: {}", named.join(", ")) }
    }

    /// A note when the layers weigh less than they did, so that what was gained can be held.
    pub(super) fn slack(&self, snapshot: &Snapshot) -> Option<Finding> {
        let before = self.sizes.weights.get("total")?.zipped_bytes;
        let less = before.checked_sub(snapshot.total().zipped_bytes).filter(|less| *less > 0)?;
        self.ratchet.then(|| {
            Finding::info(
                Code::CanShrink,
                Subject::file(self.path.display()),
                format!("the layers are {} zipped smaller than it records", size(less)),
                "--update-baseline records the smaller sizes",
            )
        })
    }

    /// Writes what the layers weigh to `path`, and nothing more than is there: the file only shrinks. What is gone from the
    /// layers goes, and what is new comes in.
    ///
    /// # Errors
    /// When the file is a manifest, or cannot be written; what was there is then as it was.
    pub(super) fn update(old: Option<&Self>, path: &Path, budgets: &[Budget], snapshot: &Snapshot) -> Result<()> {
        if old.is_some_and(|old| !old.ratchet) {
            return Err(Error::Usage {
                message: format!("{}: is a manifest, and --update-baseline would write over it", path.display()),
                help: "give a file of its own, such as --baseline layerfit.baseline.json".to_owned(),
            });
        }
        let mut new = Sizes::new(snapshot, budgets);
        for (name, weight) in &mut new.weights {
            if let Some(before) = old.and_then(|old| old.sizes.weights.get(name)) {
                weight.zipped_bytes = weight.zipped_bytes.min(before.zipped_bytes);
                weight.unzipped_bytes = weight.unzipped_bytes.min(before.unzipped_bytes);
            }
        }
        if old.is_some_and(|old| old.sizes == new) {
            return Ok(());
        }
        let bytes = crate::report::as_json(&new)?;
        crate::base::atomic::replace_file(path, &bytes)
    }
}

impl Sizes {
    fn new(snapshot: &Snapshot, budgets: &[Budget]) -> Self {
        let mut weights = BTreeMap::from([("total".to_owned(), snapshot.total())]);
        weights.extend(snapshot.layers.iter().map(|layer| (format!("layer:{}", layer.name), layer.size())));
        weights.extend(snapshot.package_sizes().into_iter().map(|(name, weight)| (format!("pkg:{name}"), weight)));
        let paths = budgets.iter().filter(|budget| matches!(budget.of, BudgetScope::Paths(_)));
        weights.extend(paths.flat_map(|budget| {
            budget.of.sizes(snapshot).into_iter().map(|(subject, size)| (subject.to_string(), size))
        }));
        Self { layerfit_baseline: SCHEMA, weights }
    }
}
