//! Stages: how a directory becomes an [`Analysis`] with decisions: it is read and arranged, libraries of the build host are
//! taken into it until nothing more is missing, what is to be dropped is hidden, and what is left is looked at again.

use std::path::Path;
use std::sync::Arc;

use super::analysis::{Analysis, Scanned};
use super::bundle::{self, Bundler};
use super::decide::{Decider, Decisions};
use super::drop;
use super::settings::Settings;
use crate::base::error::Result;
use crate::base::finding::Finding;
use crate::base::progress::Progress;
use crate::languages::ALL;
use crate::languages::handlers::Handlers;
use crate::tree::{Tree, scan_directory};

impl<'a> Analysis<'a> {
    /// The tree at `root`, as the settings arrange it, bundle into it and drop from it, with what is kept of it.
    ///
    /// # Errors
    /// When the tree, a handler or a library of the build host cannot be read, or a target of `--drop` or `--keep` is not
    /// there.
    pub(crate) fn of_directory(
        root: &Path,
        decider: Decider,
        settings: &'a Settings,
        progress: &dyn Progress,
    ) -> Result<(Self, Decisions)> {
        let (tree, scanned) = scan(root, settings, progress)?;
        let (analysis, decisions) = Self::bundling(tree, &scanned, decider, settings, progress)?;
        analysis.without_dropped(decisions, scanned, decider, settings, progress)
    }

    /// Takes into a tree what is needed of the build host by what is kept, until nothing is missing that the host has.
    fn bundling(
        mut tree: Tree,
        scanned: &[Finding],
        decider: Decider,
        settings: &'a Settings,
        progress: &dyn Progress,
    ) -> Result<(Self, Decisions)> {
        let mut bundler = settings.bundle_from.as_deref().map(Bundler::new).transpose()?;
        let handlers = match settings.handlers.as_slice() {
            [] => None,
            named => Some(Arc::new(Handlers::read(named)?)),
        };
        loop {
            let mut analysis = Self::new((tree, scanned.to_vec()), settings, progress);
            analysis.handlers.clone_from(&handlers);
            let decisions = decider.decide(&analysis, settings)?;
            if let Some(bundler) = &mut bundler {
                let wanted = bundle::wanted(&analysis.resolution, |id| decisions.pruning.keeps(id));
                if bundler.take(&mut analysis.resolution.tree, &wanted)? {
                    // What was added has needs of its own.
                    tree = analysis.resolution.tree;
                    continue;
                }
            }
            analysis.bundled = bundler.map(Bundler::into_taken).unwrap_or_default();
            return Ok((analysis, decisions));
        }
    }

    /// Leaves out what `--drop` names, what no handler uses and what only that needed, and looks at the tree again.
    fn without_dropped(
        self,
        decisions: Decisions,
        scanned: Vec<Finding>,
        decider: Decider,
        settings: &'a Settings,
        progress: &dyn Progress,
    ) -> Result<(Self, Decisions)> {
        let again = |tree, excluded| {
            let mut analysis = Self::new((tree, scanned), settings, progress);
            analysis.resolution.packages.excluded = excluded;
            analysis
        };
        let (mut analysis, decisions) = drop::apply(self, decisions, decider, settings, again)?;
        analysis.findings.extend(bundle::findings(&analysis.bundled));
        Ok((analysis, decisions))
    }
}

/// The tree at `root` as it will be at `/opt`.
fn scan(root: &Path, settings: &Settings, progress: &dyn Progress) -> Result<Scanned> {
    progress.stage("reading", 0);
    let (mut tree, mut findings) = scan_directory(root)?;
    for language in ALL {
        findings.extend(language.arrange(&mut tree, &settings.arrangement)?);
    }
    Ok((tree, findings))
}
