//! Analysis: a tree with the dependencies in it, what was copied into it from the build host, and what the function's own
//! sources use.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use super::bundle::Bundled;
use super::settings::Settings;
use crate::base::error::Result;
use crate::base::finding::{Code, Finding};
use crate::base::list;
use crate::base::progress::Progress;
use crate::base::subject::Subject;
use crate::languages::handlers::{Handlers, Used};
use crate::languages::{ALL, CodeCalls, options, raise_unreached};
use crate::prune::{CompiledRules, PruneRules, Pruning};
use crate::resolve::{FindingContext, Resolution, resolve};
use crate::runtime::sysroot::Sysroot;
use crate::tree::{self, EntryId, Objects, Tree};

/// A tree, what is known of it, and the findings of analyzing it.
pub(crate) struct Analysis<'a> {
    /// The tree, and the dependencies in it.
    pub(crate) resolution: Resolution<'a>,
    /// The libraries that were copied into the tree from the build host.
    pub(crate) bundled: Vec<Bundled>,
    /// Paths compiled into kept files that only the build host has; empty without `--bundle`.
    pub(crate) host_paths: BTreeMap<EntryId, Vec<String>>,
    /// What the function's sources use, when there are any.
    pub(crate) handlers: Option<Arc<Handlers>>,
    /// What the code of the packages that handlers use calls.
    pub(crate) calls: CodeCalls,
    /// The root file system of the machine that built the tree, and its name, if nothing was copied from it.
    pub(super) offered_host: Option<(Sysroot, PathBuf)>,
    pub(super) context: FindingContext,
    rules: OnceLock<CompiledRules>,
    used: OnceLock<BTreeMap<usize, Used>>,
    /// Findings that do not depend on what is kept.
    pub(crate) findings: Vec<Finding>,
}

/// A tree as it was read, with the findings of reading it.
pub(crate) type Scanned = (Tree, Vec<Finding>);

impl<'a> Analysis<'a> {
    /// Resolves every dependency in a tree.
    pub(crate) fn new((tree, mut findings): Scanned, settings: &'a Settings, progress: &dyn Progress) -> Self {
        progress.stage("resolving", 0);
        let (resolution, found) = resolve(tree, &settings.runtime);
        findings.extend(found);
        let context = FindingContext {
            architecture: settings.architecture,
            bundled: settings.bundle_from.is_some(),
            finished: false,
            of_other_machines: BTreeMap::new(),
            charsets_refused: None,
        };
        Self {
            resolution,
            bundled: Vec::new(),
            host_paths: BTreeMap::new(),
            handlers: None,
            calls: CodeCalls::default(),
            offered_host: None,
            context,
            rules: OnceLock::new(),
            used: OnceLock::new(),
            findings,
        }
    }

    /// The same, of finished layers: remedies are about packing them again.
    pub(crate) fn of_finished_layers(mut self) -> Self {
        self.context.finished = true;
        self
    }

    /// The tree.
    pub(crate) fn tree(&self) -> &Tree {
        &self.resolution.tree
    }

    /// Its ELF files.
    pub(crate) fn objects(&self) -> &Objects {
        &self.resolution.objects
    }

    /// The packages that the function's sources use, by position.
    pub(crate) fn used_packages(&self) -> &BTreeMap<usize, Used> {
        let used = |handlers: &Arc<Handlers>| handlers.used_packages(&self.resolution.packages, self.tree());
        self.used.get_or_init(|| self.handlers.as_ref().map(used).unwrap_or_default())
    }

    /// The rules, compiled for this tree the first time they are needed. They are the same in each call.
    ///
    /// # Errors
    /// When a rule cannot be compiled for this tree.
    pub(crate) fn compiled_rules(&self, rules: &PruneRules) -> Result<&CompiledRules> {
        if let Some(compiled) = self.rules.get() {
            return Ok(compiled);
        }
        let compiled = rules.compile(&self.resolution.packages.roots())?;
        Ok(self.rules.get_or_init(|| compiled))
    }

    /// A finding if nothing in the tree is known: it may be another directory than the one that was meant. What is in the wrong
    /// place has a finding that says more.
    pub(super) fn nothing_known(&self) -> Option<Finding> {
        let Resolution { tree, packages, objects, .. } = &self.resolution;
        let is_explained = |finding: &Finding| {
            use Code::{EmptyTree, NestedRoot, NotSearched, OnlyArchives, Whiteout};
            matches!(finding.code, EmptyTree | NestedRoot | NotSearched | OnlyArchives | Whiteout)
        };
        let is_known = !objects.is_empty()
            || !packages.all.is_empty()
            || !packages.installations.is_empty()
            || tree::is_searched(tree)
            || self.findings.iter().any(is_explained);
        let languages: Vec<&str> = ALL.iter().map(|language| language.name()).collect();
        (!is_known).then(|| {
            Finding::info(
                Code::NothingKnown,
                Subject::whole("tree"),
                format!(
                    "nothing in it is known: neither {} nor a package of theirs, no ELF file, and nothing where Lambda looks by \
                     itself (bin, python, nodejs …)",
                    list::with_last(&languages, "or")
                ),
                "check that it is the directory that will be /opt, and not one above or below; for a layer of data, there is \
                 nothing to do",
            )
        })
    }

    /// Makes findings errors where they tell why the runtime finds nothing of what is kept.
    pub(crate) fn raise_unreached(&self, pruning: &Pruning, findings: &mut Vec<Finding>) {
        let Resolution { packages, tree, image, .. } = &self.resolution;
        let named = self.handlers.iter().flat_map(|handlers| handlers.uses.keys());
        let named = named.map(|(_, name)| name.as_str()).filter(|name| name.starts_with("/opt")).collect();
        raise_unreached(packages, tree, image.profile(), &named, &|id| pruning.keeps(id), findings);
    }

    /// Findings about kept files that would not load, and about the function's sources.
    pub(crate) fn resolution_findings(&self, pruning: &Pruning) -> Vec<Finding> {
        let mut findings = self.resolution.findings(&self.context, |id| pruning.keeps(id));
        if let Some(handlers) = &self.handlers {
            let packages = &self.resolution.packages;
            findings.extend(handlers.findings(packages, self.tree()));
            let refused = self.context.charsets_refused.as_deref();
            findings.extend(self.resolution.charset_findings(&handlers.charsets, refused));
            let used = self.used_packages();
            handlers.raise_called(used, packages, &self.calls, &mut findings);
            findings.extend(options::findings(handlers, used, packages, &self.calls, &|id| pruning.keeps(id)));
            handlers.raise_not_searched(packages, &mut findings);
        }
        findings
    }
}
