//! Plan: settings → analysis → plan. A tree is read, resolved, pruned, measured and divided into layers; `--drop`, `--keep`
//! and `--bundle` change what is in it, targets name what is in it, and suggestions are further ways to save bytes. It knows
//! no output format: commands make reports from plans.

mod analysis;
pub mod bundle;
mod bundle_offer;
mod decide;
pub(crate) mod drop;
mod handler_code;
mod host_paths;
mod image_variables;
mod protect;
mod settings;
mod stages;
pub mod suggest;
pub(crate) mod target;
pub(crate) mod unneeded;
mod used;

pub(crate) use analysis::Analysis;
pub(crate) use bundle_offer::in_image;
pub(crate) use decide::Decider;
use decide::Decisions;
pub(crate) use protect::protected;
pub use settings::{BuildHost, Settings};

use std::sync::OnceLock;

use crate::base::error::Result;
use crate::base::finding::{Finding, Severity};
use crate::base::progress::Progress;
use crate::pack::measure::{Level, Measurements, Undo, Want};
use crate::pack::{self, Layout, Lock, Unit};
use crate::prune::{self, Matches, Pruning};
use crate::tree::TreeInput;

/// A tree with what is kept of it, measured and divided into layers.
pub(crate) struct Plan<'a> {
    /// The tree, and what is known of it.
    pub(crate) analysis: Analysis<'a>,
    /// What is kept.
    pub(crate) pruning: Pruning,
    /// The lengths and compressed bytes of each kept file.
    pub(crate) measurements: Measurements,
    /// The files that were compressed harder to save a layer, as they were before; `None` if none was.
    pub(crate) before_harder: Option<Undo>,
    /// The units that layers are made of.
    pub(crate) units: Vec<Unit>,
    /// What is in which layer.
    pub(crate) layout: Layout,
    /// Whether the layers are within the limits.
    pub(crate) fits: bool,
    /// All findings.
    pub(crate) findings: Vec<Finding>,
    /// The rules that match each entry, on or off.
    matches: OnceLock<Matches>,
}

impl<'a> Plan<'a> {
    /// How a tree is packed under these settings. Nothing is written. Of a tree that is far too long to fit however it is
    /// compressed, nothing is compressed: it has no layers, and sizes in zips are not known.
    ///
    /// # Errors
    /// When the tree or a file that the settings name cannot be read, or a target is not found.
    pub(crate) fn new(input: &TreeInput, settings: &'a Settings, progress: &dyn Progress) -> Result<Self> {
        Self::of(input, settings, Want::Length, progress)
    }

    /// The same with the compressed bytes, to be packed.
    ///
    /// # Errors
    /// As for [`Plan::new`].
    pub(crate) fn to_pack(input: &TreeInput, settings: &'a Settings, progress: &dyn Progress) -> Result<Self> {
        Self::of(input, settings, Want::Bytes, progress)
    }

    fn of(input: &TreeInput, settings: &'a Settings, want: Want, progress: &dyn Progress) -> Result<Self> {
        let (analysis, decisions) = Analysis::of_input(input, Decider::Rules, settings, progress)?;
        if !pack::is_far_too_long(analysis.tree(), |id| decisions.pruning.keeps(id)) {
            return Self::measured(input, (analysis, decisions), settings, want, progress);
        }
        let unmeasured = Measurements::none(analysis.tree())?;
        let units = pack::units(&analysis.resolution, |id| decisions.pruning.keeps(id), &unmeasured);
        let read = (analysis.tree(), analysis.objects());
        match pack::certainly_does_not_fit(read, &units, &settings.transforms, &settings.limits) {
            None => {
                // Of a million files they take much memory.
                drop((unmeasured, units));
                Self::measured(input, (analysis, decisions), settings, want, progress)
            }
            Some(finding) => {
                let mut findings = decisions.all_findings(&analysis);
                findings.push(finding);
                let (pruning, layout) = (decisions.pruning, Layout::none());
                let before_harder = None;
                let measurements = unmeasured;
                let matches = OnceLock::new();
                Ok(Self {
                    analysis,
                    pruning,
                    measurements,
                    before_harder,
                    units,
                    layout,
                    fits: false,
                    findings,
                    matches,
                })
            }
        }
    }

    /// The same with everything compressed, however long that takes.
    ///
    /// # Errors
    /// As for [`Plan::new`].
    pub(crate) fn with_every_size(input: &TreeInput, settings: &'a Settings, progress: &dyn Progress) -> Result<Self> {
        let read = Analysis::of_input(input, Decider::Rules, settings, progress)?;
        Self::measured(input, read, settings, Want::Length, progress)
    }

    fn measured(
        input: &TreeInput,
        (analysis, decisions): (Analysis<'a>, Decisions),
        settings: &'a Settings,
        want: Want,
        progress: &dyn Progress,
    ) -> Result<Self> {
        let mut findings = decisions.all_findings(&analysis);
        analysis.tree().save_verdicts();
        let pruning = decisions.pruning;
        let keeps = |id| pruning.keeps(id);
        let options = settings.measure_options(&settings.transforms, want);
        let (mut measurements, transformed) = Measurements::take(analysis.tree(), keeps, options, progress)?;
        findings.extend(transformed);
        let (tree, objects) = (analysis.tree(), analysis.objects());
        findings.extend(settings.transforms.unmatched(objects.keys().map(|id| tree.path(*id))));

        let lock = settings.lock.as_deref().map(Lock::load).transpose()?.flatten();
        let divide = |measurements: &Measurements| {
            let units = pack::units(&analysis.resolution, keeps, measurements);
            let (layout, does_not_fit) = pack::lay_out(&units, &settings.limits, &settings.layer_policy, lock.as_ref());
            (units, layout, does_not_fit)
        };
        let mut divided = divide(&measurements);
        let mut before_harder = None;
        let wanted = pack::saves_a_layer(&divided.1, &divided.2, &settings.limits);
        if let Some(wanted) = wanted.filter(|_| settings.level == Level::Default) {
            let undo = measurements.compress_harder(analysis.tree(), keeps, &settings.transforms, wanted, progress)?;
            let harder = divide(&measurements);
            if harder.1.layers.len() < divided.1.layers.len() {
                divided = harder;
                before_harder = Some(undo);
            } else {
                // It saved no layer, and a layer with other compressed bytes would have to be published again.
                measurements.undo(undo);
            }
        }
        let (units, layout, does_not_fit) = divided;
        let fits = !does_not_fit.iter().any(|finding| finding.severity == Severity::Error);
        findings.extend(does_not_fit);
        if fits {
            findings.extend(handler_code::findings(input, settings, layout.unzipped_bytes()));
        }
        let matches = OnceLock::new();
        Ok(Self { analysis, pruning, measurements, before_harder, units, layout, fits, findings, matches })
    }

    /// The rules that match each entry, whether they are on or off, by their positions; found when they are first asked for.
    ///
    /// # Errors
    /// When a rule cannot be compiled for this tree.
    pub(crate) fn matches(&self, settings: &Settings) -> Result<&Matches> {
        if let Some(found) = self.matches.get() {
            return Ok(found);
        }
        let rules = self.analysis.compiled_rules(&settings.rules)?.all().map(|(rule, _)| rule).collect();
        let found = prune::matches(&self.analysis.resolution, rules, &protected(&self.analysis, settings));
        Ok(self.matches.get_or_init(|| found))
    }

    /// Whether layers and sizes in zips are known.
    pub(crate) fn is_measured(&self) -> bool {
        self.measurements.are_taken()
    }
}
