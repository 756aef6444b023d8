//! Decide: what is kept of a tree, and all findings about that.

use super::analysis::Analysis;
use super::protect::{pinned, protected};
use super::settings::Settings;
use crate::base::error::Result;
use crate::base::finding::Finding;
use crate::base::path::TreePath;
use crate::prune::{Pruning, prune};
use crate::tree::EntryId;

/// What is kept of an analyzed tree, and the findings of deciding it.
pub(crate) struct Decisions {
    /// What is kept.
    pub(crate) pruning: Pruning,
    /// The findings of deciding it.
    pub(crate) findings: Vec<Finding>,
}

/// How it is decided what is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decider {
    /// Everything is kept.
    KeepAll,
    /// The rules and the guard decide.
    Rules,
}

impl Decider {
    /// Decides what is kept.
    ///
    /// # Errors
    /// When a rule cannot be compiled for this tree.
    pub(super) fn decide(self, analysis: &Analysis<'_>, settings: &Settings) -> Result<Decisions> {
        match self {
            Decider::KeepAll => {
                let pruning = Pruning::none(analysis.tree(), pinned(analysis, settings));
                Ok(Decisions { pruning, findings: Vec::new() })
            }
            Decider::Rules => {
                let protected = protected(analysis, settings);
                let (pruning, findings) =
                    prune(&analysis.resolution, analysis.compiled_rules(&settings.rules)?, &protected);
                Ok(Decisions { pruning, findings })
            }
        }
    }
}

impl Decisions {
    /// All findings about what is kept.
    pub(crate) fn all_findings(&self, analysis: &Analysis<'_>) -> Vec<Finding> {
        let entry = |finding: &Finding| -> Option<EntryId> {
            analysis.tree().find_even_hidden(&TreePath::new(finding.subject.path()?)?)
        };
        // A problem of a dropped file does not matter.
        let dropped = |finding: &&Finding| entry(finding).is_some_and(|id| !self.pruning.keeps(id));
        let mut findings: Vec<Finding> =
            analysis.findings.iter().filter(|finding| !dropped(finding)).cloned().collect();
        findings.extend(self.findings.iter().cloned());
        findings.extend(self.pruning.idle_rules());
        findings.extend(analysis.resolution_findings(&self.pruning));
        analysis.raise_unreached(&self.pruning, &mut findings);
        findings
    }

    /// All findings, when nothing is dropped except on request.
    pub(crate) fn findings_of_everything(&self, analysis: &Analysis<'_>) -> Vec<Finding> {
        let mut findings = analysis.findings.clone();
        findings.extend(self.findings.iter().cloned());
        findings.extend(self.pruning.idle_rules());
        findings.extend(analysis.resolution_findings(&self.pruning));
        analysis.raise_unreached(&self.pruning, &mut findings);
        findings
    }
}
