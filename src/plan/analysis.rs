//! Analysis: a tree with what needs what in it, what was taken into it from the build host, and what the function's own
//! sources use.

use std::sync::Arc;

use super::bundle::Bundled;
use super::settings::Settings;
use crate::base::finding::Finding;
use crate::base::progress::Progress;
use crate::languages::handlers::Handlers;
use crate::prune::Pruning;
use crate::resolve::{FindingContext, Resolution, resolve};
use crate::tree::{Objects, Tree};

/// A tree, what is known of it, and what was found on the way.
pub(crate) struct Analysis<'a> {
    /// The tree, and what needs what in it.
    pub(crate) resolution: Resolution<'a>,
    /// The libraries that were taken into the tree from the build host.
    pub(crate) bundled: Vec<Bundled>,
    /// What the function's sources use, when there are any.
    pub(crate) handlers: Option<Arc<Handlers>>,
    context: FindingContext,
    /// What is wrong whatever is kept.
    pub(crate) findings: Vec<Finding>,
}

/// A tree as it was read, with the findings of that.
pub(crate) type Scanned = (Tree, Vec<Finding>);

impl<'a> Analysis<'a> {
    /// Resolves every need in a tree.
    pub(crate) fn new((tree, mut findings): Scanned, settings: &'a Settings, progress: &dyn Progress) -> Self {
        progress.stage("resolving", 0);
        let (resolution, found) = resolve(tree, &settings.runtime);
        findings.extend(found);
        progress.done();
        let context = FindingContext { architecture: settings.architecture, bundled: settings.bundle_from.is_some() };
        Self { resolution, bundled: Vec::new(), handlers: None, context, findings }
    }

    /// The tree.
    pub(crate) fn tree(&self) -> &Tree {
        &self.resolution.tree
    }

    /// Its ELF files.
    pub(crate) fn objects(&self) -> &Objects {
        &self.resolution.objects
    }

    /// What would not load, of what is kept; and what there is to report about the function's sources.
    pub(crate) fn resolution_findings(&self, pruning: &Pruning) -> Vec<Finding> {
        let mut findings = self.resolution.findings(self.context, |id| pruning.keeps(id));
        if let Some(handlers) = &self.handlers {
            findings.extend(handlers.findings(&self.resolution.packages));
        }
        findings
    }
}
