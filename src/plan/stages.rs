//! Stages: how a directory or an image becomes an [`Analysis`] with decisions: it is read and arranged, missing libraries are copied into
//! it from the build host until no more are found, what is to be dropped is hidden, and the rest is analyzed again.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::analysis::{Analysis, Scanned};
use super::bundle::{self, Bundler};
use super::decide::{Decider, Decisions};
use super::drop;
use super::host_paths;
use super::image_variables;
use super::settings::{BuildHost, Settings};
use crate::base::error::{Error, Result};
use crate::base::finding::Finding;
use crate::base::progress::Progress;
use crate::languages::handlers::Handlers;
use crate::languages::{ALL, CodeCalls};
use crate::pack::output::{MANIFEST, Manifest};
use crate::resolve::Resolution;
use crate::runtime::capture;
use crate::runtime::sysroot::Sysroot;
use crate::tree::{EntryId, ShortContents, Tree, TreeInput, layout_findings};

impl<'a> Analysis<'a> {
    /// A tree after arranging, bundling and dropping under these settings, with what is kept of it.
    ///
    /// # Errors
    /// When the tree, a handler or a library of the build host cannot be read, or a target of `--drop` or `--keep` is not
    /// found.
    pub(crate) fn of_input(
        input: &TreeInput,
        decider: Decider,
        settings: &'a Settings,
        progress: &dyn Progress,
    ) -> Result<(Self, Decisions)> {
        let (tree, scanned) = scan(input, decider, settings, progress)?;
        let host = build_host(input, settings, progress)?;
        let offered = if host.is_none() { offered_host(input, settings) } else { None };
        let bundled_from = host.clone().map(|(host, named)| Bundler::new(host, &named)).transpose()?;
        let (analysis, decisions) = Self::bundling(tree, &scanned, bundled_from, decider, settings, progress)?;
        // What is dropped is known too.
        let nothing_known = analysis.nothing_known();
        let (mut analysis, decisions) =
            analysis.without_dropped(decisions, scanned, host.map(|(host, _)| host), decider, settings, progress)?;
        analysis.findings.extend(nothing_known);
        analysis.offered_host = offered;
        Ok((analysis, decisions))
    }

    /// Copies into a tree what kept files need and the build host has, until nothing that the host has is missing.
    fn bundling(
        mut tree: Tree,
        scanned: &[Finding],
        mut bundler: Option<Bundler>,
        decider: Decider,
        settings: &'a Settings,
        progress: &dyn Progress,
    ) -> Result<(Self, Decisions)> {
        let handlers = match settings.handlers.as_slice() {
            [] => None,
            named => {
                let variables = &settings.runtime.environment.variables;
                Some(Arc::new(Handlers::read(named)?.with_own_libraries(variables)))
            }
        };
        let mut calls = CodeCalls::default();
        loop {
            let mut analysis = Self::new((tree, scanned.to_vec()), settings, progress);
            analysis.handlers.clone_from(&handlers);
            analysis.calls = std::mem::take(&mut calls);
            let decisions = decider.decide(&analysis, settings)?;
            if let Some(bundler) = &mut bundler {
                let removed = drop::removed(&mut analysis, &decisions.pruning, settings);
                let kept = |id| decisions.pruning.keeps(id) && !removed.contains(&id);
                let wanted = bundle::wanted(&analysis.resolution, kept);
                let missing = analysis.resolution.missing_data(kept);
                let named = analysis
                    .handlers
                    .iter()
                    .flat_map(|handlers| analysis.resolution.missing_charsets(&handlers.charsets));
                let (charsets, glibc) = (named.collect::<Vec<_>>(), analysis.resolution.image.glibc());
                let Resolution { tree: into, packages, .. } = &mut analysis.resolution;
                // Data is only looked for when the libraries that open it are there.
                if bundler.take(into, &wanted)?
                    || bundler.take_data(into, packages, &missing)?
                    || bundler.take_charsets(into, &charsets, glibc.as_deref())?
                {
                    // What was added has dependencies of its own.
                    calls = analysis.calls;
                    tree = analysis.resolution.tree;
                    continue;
                }
            }
            analysis.context.charsets_refused = bundler.as_ref().and_then(Bundler::charsets_refused);
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
        host: Option<Sysroot>,
        decider: Decider,
        settings: &'a Settings,
        progress: &dyn Progress,
    ) -> Result<(Self, Decisions)> {
        let (of_other_machines, refused) =
            (self.context.of_other_machines.clone(), self.context.charsets_refused.clone());
        let again = |tree, excluded| {
            let mut analysis = Self::new((tree, scanned), settings, progress);
            analysis.context.of_other_machines = of_other_machines;
            analysis.context.charsets_refused = refused;
            analysis.resolution.packages.excluded = excluded;
            analysis
        };
        let (mut analysis, decisions) = drop::apply(self, decisions, decider, settings, again)?;
        analysis.findings.extend(bundle::findings(&analysis.bundled));
        if let Some(host) = &host {
            let paths = host_paths::find(&analysis.resolution, host, |id| decisions.pruning.keeps(id));
            analysis.findings.extend(host_paths::finding(&paths, &settings.runtime.name));
            analysis.host_paths = paths;
        }
        let looked_for = analysis.looked_for(host, |id| decisions.pruning.keeps(id), settings, progress)?;
        analysis.findings.extend(looked_for);
        Ok((analysis, decisions))
    }

    /// Findings about what runs of the function looked for in vain and the build host has, whose root is `host` or else opened.
    pub(crate) fn looked_for(
        &self,
        host: Option<Sysroot>,
        kept: impl Fn(EntryId) -> bool,
        settings: &Settings,
        progress: &dyn Progress,
    ) -> Result<Vec<Finding>> {
        if settings.run.missing.is_empty() {
            return Ok(Vec::new());
        }
        let host = match host {
            Some(host) => host,
            None => settings.host.root(settings.architecture, progress)?,
        };
        Ok(host_paths::looked_for(&self.resolution, &settings.run, &host, kept))
    }
}

/// The root file system that missing libraries are copied from, and what the user named; `None` without `--bundle`.
fn build_host(input: &TreeInput, settings: &Settings, progress: &dyn Progress) -> Result<Option<(Sysroot, PathBuf)>> {
    Ok(match &settings.bundle_from {
        None => None,
        Some(BuildHost::Named(path)) => {
            Some((capture::named_root(path, settings.architecture, progress)?, path.clone()))
        }
        Some(BuildHost::OfTheTree) => Some(match input.image() {
            Some(image) if image.has_system() => (Sysroot::of_image(Arc::clone(image)), image.path.clone()),
            _ => (Sysroot::new("/"), PathBuf::from("/")),
        }),
    })
}

/// The root file system that missing libraries could be copied from, if that is known without reading another image, and what
/// the user named. This machine is only looked at with `--bundle`: without it, the report of a tree is the same on every machine.
fn offered_host(input: &TreeInput, settings: &Settings) -> Option<(Sysroot, PathBuf)> {
    match (&settings.host, input.image()) {
        (BuildHost::Named(path), _) => path.is_dir().then(|| (Sysroot::new(path), path.clone())),
        (BuildHost::OfTheTree, Some(image)) if image.has_system() => {
            Some((Sysroot::of_image(Arc::clone(image)), image.path.clone()))
        }
        (BuildHost::OfTheTree, _) => None,
    }
}

/// A tree as it will be in `/opt`.
fn scan(input: &TreeInput, decider: Decider, settings: &Settings, progress: &dyn Progress) -> Result<Scanned> {
    if let TreeInput::Directory(root) = input
        && is_packed(root)
    {
        return Err(Error::Usage {
            message: format!("{}: is a directory that pack wrote, not a tree", root.display()),
            help: "name the tree that was packed; `layerfit check` and `layerfit diff` take packed directories"
                .to_owned(),
        });
    }
    if let TreeInput::Directory(root) = input
        && is_system(root)
    {
        let opt = root.join("opt");
        return Err(Error::Usage {
            message: format!("{}: is the root of a whole system, not a tree", root.display()),
            help: format!(
                "name the directory in it that will be /opt, such as {}; --bundle --sysroot {} takes libraries from the rest",
                opt.display(),
                root.display()
            ),
        });
    }
    progress.stage("reading", 0);
    let verdicts = settings.verdicts();
    // What the rules keep is measured, and looked up in the cache by its hash.
    let is_looked_up = decider == Decider::Rules && verdicts.is_some();
    let short = if is_looked_up { ShortContents::Hashed } else { ShortContents::NotRead };
    let (mut tree, mut findings) = input.scan(short)?;
    tree.ask(verdicts);
    findings.extend(layout_findings(&tree));
    if let Some(about) = input.image().and_then(|image| image.about.as_ref()) {
        findings.extend(image_variables::finding(about, &settings.runtime.environment));
    }
    for language in ALL {
        findings.extend(language.arrange(&mut tree, &settings.arrangement)?);
    }
    Ok((tree, findings))
}

/// Whether a directory is the root of a system, or of an unpacked image: no layer has all of these.
fn is_system(root: &Path) -> bool {
    ["dev", "etc", "proc", "sys", "usr"].iter().all(|name| root.join(name).is_dir())
}

/// Whether a directory is one that `pack` wrote, with every zip that its manifest names.
fn is_packed(root: &Path) -> bool {
    let is_there = |manifest: &Manifest| manifest.layers.iter().all(|layer| root.join(&layer.zip).is_file());
    let has_layers = |manifest: &Manifest| !manifest.layers.is_empty() && is_there(manifest);
    root.join(MANIFEST).is_file() && Manifest::read(root).is_ok_and(|manifest| has_layers(&manifest))
}
