//! One step: what it is called, what it saves, and how it is written into layerfit.toml.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, OnceLock};

use schemars::JsonSchema;
use serde::Serialize;

use crate::base::finding::Severity;
use crate::base::size::Size;
use crate::languages;
use crate::pack::measure::ZIP_OVERHEAD;
use crate::pack::{self, PackedEntries, Unit};
use crate::plan::{Plan, Settings};
use crate::prune::Retention;
use crate::resolve::Node;
use crate::tree::EntryId;

/// A further step that would save bytes, or correct errors.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Suggestion {
    /// Its name, the same in every run: `plan --apply NAME` writes it into layerfit.toml.
    pub name: String,
    /// What to do: an option of the command line, or a change to the tree.
    pub step: String,
    /// What it does.
    pub what: String,
    /// What could stop working.
    pub risk: String,
    /// How many files it drops or changes.
    pub files: usize,
    /// How many bytes it saves unzipped; negative when it adds some.
    pub unzipped_bytes: i64,
    /// How many bytes it saves in zips; negative when it adds some. Null if sizes in zips were not computed.
    pub zipped_bytes: Option<i64>,
    /// How many layers it saves.
    pub layers: usize,
    /// How the bytes and layers are known.
    pub figures: Figures,
    /// How many errors and warnings it corrects; with unknown figures, at most.
    pub corrects: usize,
    /// The bytes that files would have with an option that changes their form and drops none.
    #[serde(skip)]
    pub forms: Vec<(EntryId, Size)>,
    /// What it is in layerfit.toml; `None` if it is a change to the tree.
    #[serde(skip)]
    pub setting: Option<Setting>,
}

/// How numbers are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Figures {
    /// They are measured or added up.
    Exact,
    /// They are estimated from known lengths.
    Estimated,
    /// They are the most that is possible.
    AtMost,
    /// They are not known, and 0.
    Unknown,
}

/// A setting in layerfit.toml.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Setting {
    /// A key that is set to `true`.
    On(&'static str),
    /// A key that is set to a text.
    Text(&'static str, String),
    /// A key with a list, and what is added to it.
    Add(&'static str, Vec<String>),
    /// A key with a list of paths that only the user knows.
    Paths(&'static str),
}

/// A step in words.
pub(super) struct Draft {
    pub(super) name: String,
    pub(super) step: String,
    pub(super) what: String,
    pub(super) risk: String,
    pub(super) setting: Option<Setting>,
}

/// The zipped and unzipped bytes that entries would have; `None` when they would be dropped.
pub(super) type Change = BTreeMap<EntryId, Option<(u64, u64)>>;

/// What steps are worked out from.
pub(super) struct Steps<'a> {
    pub(super) plan: &'a Plan<'a>,
    pub(super) settings: &'a Settings,
    /// The packed entries.
    pub(super) now: PackedEntries<'a>,
    /// What keeps what, once it is needed.
    pub(super) retention: OnceLock<Mutex<Retention>>,
    /// The bytes of all packed entries that a layer can hold: zipped with headers, and unzipped.
    held: (u64, u64),
}

impl<'a> Steps<'a> {
    pub(super) fn new(plan: &'a Plan<'a>, settings: &'a Settings) -> Self {
        let now = PackedEntries::new(&plan.units, plan.analysis.tree().entries().len());
        let mut steps = Self { plan, settings, now, retention: OnceLock::new(), held: (0, 0) };
        let sizes = steps.now.iter().map(|entry| steps.held((entry.zipped, entry.unzipped)));
        steps.held = sizes.fold((0, 0), |sum, size| (sum.0 + size.0, sum.1 + size.1));
        steps
    }

    /// How many bytes a layer can hold: zipped without its own, and unzipped.
    fn room(&self) -> (u64, u64) {
        let limits = &self.settings.limits;
        (limits.layer_zipped.saturating_sub(ZIP_OVERHEAD), limits.layers_unzipped())
    }

    /// The bytes of an entry; none if it fits into no layer.
    fn held(&self, size: (u64, u64)) -> (u64, u64) {
        let room = self.room();
        if size.0 <= room.0 && size.1 <= room.1 { size } else { (0, 0) }
    }

    /// Whether one layer less could hold what is left after a change, if it could be divided at will.
    fn could_save_a_layer(&self, change: &Change) -> bool {
        let mut left = self.held;
        for (id, then) in change {
            let (before, after) = (self.held(self.size(*id)), self.held(then.unwrap_or((0, 0))));
            left = (left.0 + after.0 - before.0, left.1 + after.1 - before.1);
        }
        let (room, fewer) = (self.room(), self.plan.layout.layers.len().saturating_sub(1) as u64);
        left.0 <= room.0.saturating_mul(fewer) && left.1 <= room.1.saturating_mul(fewer)
    }

    /// The bytes of a packed entry: zipped with headers, and unzipped.
    pub(super) fn size(&self, id: EntryId) -> (u64, u64) {
        self.now.get(id).map_or((0, 0), |entry| (entry.zipped, entry.unzipped))
    }

    /// The bytes of the packed entries that are `wanted`.
    pub(super) fn sizes(&self, wanted: impl Fn(EntryId) -> bool) -> BTreeMap<EntryId, (u64, u64)> {
        let entries = self.now.iter().filter(|entry| wanted(entry.id));
        entries.map(|entry| (entry.id, (entry.zipped, entry.unzipped))).collect()
    }

    /// A step with what this change saves, exactly.
    pub(super) fn step(&self, draft: Draft, change: &Change) -> Suggestion {
        let (mut zipped, mut unzipped) = (0, 0);
        for (id, then) in change {
            let (before, after) = (self.size(*id), then.unwrap_or((0, 0)));
            zipped += signed(before.0) - signed(after.0);
            unzipped += signed(before.1) - signed(after.1);
        }
        let Draft { name, step, what, risk, setting } = draft;
        let form = |(id, then): (&EntryId, &Option<(u64, u64)>)| {
            let (zipped_bytes, unzipped_bytes) = (*then)?;
            Some((*id, Size { zipped_bytes, unzipped_bytes }))
        };
        let forms = if setting.is_some() { change.iter().filter_map(form).collect() } else { Vec::new() };
        Suggestion {
            name,
            step,
            what,
            risk,
            files: change.len(),
            unzipped_bytes: unzipped,
            zipped_bytes: self.plan.is_measured().then_some(zipped),
            layers: self.layers_saved(change),
            figures: Figures::Exact,
            corrects: 0,
            forms,
            setting,
        }
    }

    /// How many layers a change saves.
    fn layers_saved(&self, change: &Change) -> usize {
        let now = self.plan.layout.layers.len();
        if now < 2 || change.is_empty() || !self.could_save_a_layer(change) {
            return 0;
        }
        let units = self.plan.units.iter().filter_map(|unit| {
            let entries = unit.entries.iter().filter_map(|entry| match change.get(&entry.id) {
                None => Some(entry.clone()),
                Some(None) => None,
                Some(Some((zipped, unzipped))) => {
                    Some(pack::UnitEntry { zipped: *zipped, unzipped: *unzipped, ..entry.clone() })
                }
            });
            let entries: Vec<_> = entries.collect();
            (!entries.is_empty()).then(|| Unit { name: unit.name.clone(), entries })
        });
        let units: Vec<Unit> = units.collect();
        let then = pack::lay_out(&units, &self.settings.limits, &self.settings.layer_policy, None).0;
        now.saturating_sub(then.layers.len())
    }

    /// What is needed of these units if they are dropped: by what is kept or a session, as in the guard, or because a check
    /// would report an error that names the package.
    pub(super) fn needed_without(&self, dropped: &[&Unit]) -> BTreeSet<EntryId> {
        let resolution = &self.plan.analysis.resolution;
        let (tree, packages) = (&resolution.tree, &resolution.packages);
        let gone: BTreeSet<EntryId> = dropped.iter().flat_map(|unit| &unit.entries).map(|entry| entry.id).collect();
        let directories: BTreeSet<&str> = dropped.iter().map(|unit| unit.name.as_str()).collect();
        let is_dropped = |position: usize| directories.contains(packages.unit_name(position).as_str());
        let stays = |id: EntryId| {
            let of_dropped = packages.of_path(tree.path(id)).is_some_and(is_dropped);
            self.plan.pruning.keeps(id) && !gone.contains(&id) && !of_dropped
        };
        let reached = resolution.graph.reach(resolution.roots(|id| stays(id) && !tree.entry(id).is_directory()));
        let findings = languages::missing_requirements(packages, tree, resolution.image.profile(), &stays);
        let errors = findings.iter().filter(|finding| finding.severity == Severity::Error);
        let missing: BTreeSet<&str> = errors.filter_map(|finding| finding.cause.as_deref()).collect();
        let is_needed = |position: &usize| {
            reached.contains_key(&Node::Package(*position)) || missing.contains(packages.get(*position).name.as_str())
        };
        let by_packages = (0..packages.all.len()).filter(is_needed).map(|position| packages.unit_name(position));
        let needed: BTreeSet<String> = by_packages.collect();
        let of_needed = dropped.iter().filter(|unit| needed.contains(&unit.name)).flat_map(|unit| &unit.entries);
        let by_kept = reached.keys().filter_map(|node| match node {
            Node::Entry(id) => Some(*id),
            _ => None,
        });
        by_kept.chain(of_needed.map(|entry| entry.id)).filter(|id| gone.contains(id)).collect()
    }
}

/// A number of bytes that can be subtracted from.
pub(super) fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

/// Whether a name can be a part of an option that people copy into a shell.
pub(super) fn is_plain(name: &str) -> bool {
    name.chars().all(|c| c.is_ascii_alphanumeric() || "._-+@:/".contains(c))
}
