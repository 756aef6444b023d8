//! Stages: how a directory becomes an [`Analysis`] with decisions: it is read and arranged, missing libraries are copied into
//! it from the build host until no more are found, what is to be dropped is hidden, and the rest is analyzed again.

use std::path::Path;
use std::sync::Arc;

use super::analysis::{Analysis, Scanned};
use super::bundle::{self, Bundler};
use super::decide::{Decider, Decisions};
use super::drop;
use super::host_paths;
use super::settings::Settings;
use crate::base::error::{Error, Result};
use crate::base::finding::Finding;
use crate::base::progress::Progress;
use crate::languages::ALL;
use crate::languages::handlers::Handlers;
use crate::pack::output::{MANIFEST, Manifest};
use crate::resolve::Resolution;
use crate::runtime::sysroot::Sysroot;
use crate::tree::{Tree, layout_findings, scan_directory};

impl<'a> Analysis<'a> {
    /// The tree at `root` after arranging, bundling and dropping under these settings, with what is kept of it.
    ///
    /// # Errors
    /// When the tree, a handler or a library of the build host cannot be read, or a target of `--drop` or `--keep` is not
    /// found.
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

    /// Copies into a tree what kept files need and the build host has, until nothing that the host has is missing.
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
                let kept = |id| decisions.pruning.keeps(id);
                let wanted = bundle::wanted(&analysis.resolution, kept);
                let missing = analysis.resolution.missing_data(kept);
                let Resolution { tree: into, packages, .. } = &mut analysis.resolution;
                // Data is only looked for when the libraries that open it are there.
                if bundler.take(into, &wanted)? || bundler.take_data(into, packages, &missing)? {
                    // What was added has dependencies of its own.
                    tree = analysis.resolution.tree;
                    continue;
                }
            }
            let (bundled, of_other_machines) = bundler.map(Bundler::into_copied).unwrap_or_default();
            analysis.bundled = bundled;
            analysis.context.of_other_machines = of_other_machines;
            return Ok((analysis, decisions));
        }
    }

    /// Removes what `--drop` names, what no handler uses and what only that needed, and analyzes the rest again.
    fn without_dropped(
        self,
        decisions: Decisions,
        scanned: Vec<Finding>,
        decider: Decider,
        settings: &'a Settings,
        progress: &dyn Progress,
    ) -> Result<(Self, Decisions)> {
        let of_other_machines = self.context.of_other_machines.clone();
        let again = |tree, excluded| {
            let mut analysis = Self::new((tree, scanned), settings, progress);
            analysis.context.of_other_machines = of_other_machines;
            analysis.resolution.packages.excluded = excluded;
            analysis
        };
        let (mut analysis, decisions) = drop::apply(self, decisions, decider, settings, again)?;
        analysis.findings.extend(bundle::findings(&analysis.bundled));
        if let Some(host) = &settings.bundle_from {
            let paths = host_paths::find(&analysis.resolution, &Sysroot::new(host), |id| decisions.pruning.keeps(id));
            analysis.findings.extend(host_paths::finding(&paths, &settings.runtime.name));
            analysis.host_paths = paths;
        }
        Ok((analysis, decisions))
    }
}

/// The tree at `root` as it will be in `/opt`.
fn scan(root: &Path, settings: &Settings, progress: &dyn Progress) -> Result<Scanned> {
    if is_packed(root) {
        return Err(Error::Usage {
            message: format!("{}: is a directory that pack wrote, not a tree", root.display()),
            help: "name the tree that was packed; `layerfit check` and `layerfit diff` take packed directories"
                .to_owned(),
        });
    }
    progress.stage("reading", 0);
    let (mut tree, mut findings) = scan_directory(root)?;
    findings.extend(layout_findings(&tree));
    for language in ALL {
        findings.extend(language.arrange(&mut tree, &settings.arrangement)?);
    }
    Ok((tree, findings))
}

/// Whether a directory is one that `pack` wrote, with every zip that its manifest names.
fn is_packed(root: &Path) -> bool {
    let is_there = |manifest: &Manifest| manifest.layers.iter().all(|layer| root.join(&layer.zip).is_file());
    let has_layers = |manifest: &Manifest| !manifest.layers.is_empty() && is_there(manifest);
    root.join(MANIFEST).is_file() && Manifest::read(root).is_ok_and(|manifest| has_layers(&manifest))
}
