//! What if: what the page needs to work out by itself what a plan with other options would keep: which rules match which files,
//! what leads to what, and what belongs to which package. With the dependencies it is all that `prune` decides from, so the
//! page comes to the same bytes as `layerfit plan` with `--drop`, `--select` and `--ignore`.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::languages::language;
use crate::pack::Strategy;
use crate::pack::measure::{Level, Undo, entry_overhead};
use crate::plan::{Plan, Settings, protected};
use crate::prune::{CompiledRule, Condition, PruneRule};
use crate::tree::{EntryId, Kind, Place};

/// What `--keep` names or a run opened: no rule and no option drops it.
pub(super) const PINNED: u8 = 1;
/// A library that is only loaded as a dependency, or a link to one.
pub(super) const LIBRARY: u8 = 2;
/// Data that only libraries and programs open.
pub(super) const DATA: u8 = 4;

/// What is known of the files, which are numbered as in [`super::Contents::files`].
#[derive(Debug, Clone, Default)]
pub struct WhatIf {
    /// The rules that can be turned on or off, on first: those of the contents without what was requested, then those that are
    /// off and match something.
    pub rules: Vec<RuleState>,
    /// The different sets of rules that match a file, by positions in `rules`; the first is empty.
    pub sets: Vec<Vec<usize>>,
    /// The set of each file.
    pub set_of: Vec<usize>,
    /// What each file is besides: the sum of `PINNED`, `LIBRARY` and `DATA`.
    pub flags: Vec<u8>,
    /// Each link and what it leads to, directly and in the end.
    pub links: Vec<(usize, usize)>,
    /// Each link to a directory, and what is below that.
    pub folders: Vec<(usize, Range<usize>)>,
    /// The packages.
    pub packages: Vec<PackageFiles>,
    /// The languages that are installed, by their ids.
    pub languages: Vec<String>,
    /// The files that were compressed harder to save a layer, each with what it adds to a zip otherwise.
    pub harder: Vec<(usize, u64)>,
    /// What the page cannot work out to the byte.
    pub reservations: Reservations,
}

/// A rule that can be turned on or off.
#[derive(Debug, Clone)]
pub struct RuleState {
    /// The rule.
    pub rule: PruneRule,
    /// Whether it is on.
    pub on: bool,
    /// Whether it only drops libraries that nothing loads.
    pub unloaded: bool,
}

/// The files of a package.
#[derive(Debug, Clone)]
pub struct PackageFiles {
    /// Its unit: `pkg:Matrix`.
    pub unit: String,
    /// The file that declares it.
    pub entry: usize,
    /// What `--drop` with its name drops.
    pub files: Vec<Range<usize>>,
    /// Whether every installation of its language has it.
    pub standard: bool,
    /// Whether a handler uses it.
    pub used: bool,
}

/// What the page cannot work out to the byte.
#[expect(clippy::struct_excessive_bools, reason = "each is a reason of its own")]
#[derive(Debug, Clone, Copy, Default)]
pub struct Reservations {
    /// Layers are not only as few as possible: groups of units have layers of their own, or a lock file keeps them as they were.
    pub layers: bool,
    /// How databases are stored depends on how much room there is.
    pub forms: bool,
    /// More is dropped with a package that a handler uses: what only that needs.
    pub handlers: bool,
    /// Files are compressed harder where that saves a layer.
    pub harder: bool,
}

impl WhatIf {
    /// Of a plan, whose shown files have these ids, sorted; `None` if its rules cannot be compiled, which planning rules out.
    pub(super) fn new(plan: &Plan<'_>, settings: &Settings, (on, files): (&[PruneRule], &[EntryId])) -> Option<Self> {
        let analysis = &plan.analysis;
        let (tree, resolution) = (analysis.tree(), &analysis.resolution);
        let mut number = vec![None; tree.entries().len()];
        for (position, id) in files.iter().enumerate() {
            number[id.index()] = Some(position);
        }
        let number = |id: EntryId| number[id.index()];
        // Files are sorted by path, as entries are.
        let range = |ids: &mut dyn Iterator<Item = EntryId>| {
            let mut shown = ids.filter_map(number);
            let first = shown.next()?;
            Some(first..shown.last().unwrap_or(first) + 1)
        };

        let protected = protected(analysis, settings);
        let compiled: Vec<(&CompiledRule, bool)> = analysis.compiled_rules(&settings.rules).ok()?.all().collect();
        let all = plan.matches(settings).ok()?;
        let mut rules = Rules::new(&compiled, on);
        let set_of = files.iter().map(|id| rules.set(all.of(id.index()))).collect();
        let Rules { states, sets, .. } = rules;

        let flags = files.iter().map(|id| {
            let library = if resolution.is_library(*id) { LIBRARY } else { 0 };
            let data = if resolution.is_data(*id) { DATA } else { 0 };
            library + data + if plan.pruning.is_pinned(*id) { PINNED } else { 0 }
        });
        let mut links = Vec::new();
        let mut folders = Vec::new();
        let is_link = |id: EntryId| matches!(tree.entry(id).kind, Kind::Link { .. });
        for (link, id) in files.iter().enumerate().filter(|(_, id)| is_link(**id) && !tree.is_hidden(**id)) {
            let target = match tree.follow(*id) {
                Place::Inside(target) => Some(target),
                _ => None,
            };
            let mut leads_to: Vec<usize> = tree.next_hop(*id).into_iter().chain(target).filter_map(number).collect();
            leads_to.dedup();
            links.extend(leads_to.into_iter().map(|to| (link, to)));
            if let Some(directory) = target.filter(|target| tree.entry(*target).is_directory()) {
                let below = range(&mut tree.below(tree.path(directory)).map(|(id, _)| id));
                folders.extend(below.map(|below| (link, below)));
            }
        }
        let packages = resolution.packages.all.iter().enumerate().filter_map(|(position, package)| {
            let places = package.places().filter_map(|place| range(&mut tree.below(place).map(|(id, _)| id)));
            let alone = package.others.iter().filter_map(|path| number(tree.find(path)?)).map(|at| at..at + 1);
            Some(PackageFiles {
                unit: resolution.packages.unit_name(position),
                entry: number(package.entry)?,
                files: places.chain(alone).collect(),
                standard: language(package.language).needs().standard.base.contains(&package.name),
                used: protected.used.contains(&position),
            })
        });
        let packages = packages.collect();
        let policy = &settings.layer_policy;
        Some(Self {
            rules: states,
            sets,
            set_of,
            flags: flags.collect(),
            links,
            folders,
            packages,
            harder: plan
                .before_harder
                .iter()
                .flat_map(Undo::compressed)
                .filter_map(|(id, compressed)| Some((number(id)?, entry_overhead(tree.path(id), false) + compressed)))
                .collect(),
            languages: resolution.packages.languages().iter().map(ToString::to_string).collect(),
            reservations: Reservations {
                layers: settings.lock.is_some() || policy.strategy != Strategy::Fewest,
                forms: settings.transforms.repack,
                handlers: !settings.handlers.is_empty(),
                harder: settings.level == Level::Default,
            },
        })
    }
}

/// The rules by their numbers on the page, and the sets of them that match something.
struct Rules<'a> {
    compiled: &'a [(&'a CompiledRule, bool)],
    states: Vec<RuleState>,
    /// The number of each compiled rule.
    numbers: Vec<Option<usize>>,
    sets: Vec<Vec<usize>>,
    known: BTreeMap<Vec<usize>, usize>,
}

impl<'a> Rules<'a> {
    /// `on` are those that are on, in the order of the report.
    fn new(compiled: &'a [(&'a CompiledRule, bool)], on: &[PruneRule]) -> Self {
        let number = |rule: &PruneRule| on.iter().position(|on| on.code == rule.code);
        let numbers = compiled.iter().map(|(compiled, _)| number(&compiled.rule)).collect();
        let state = |rule: &PruneRule| RuleState { rule: rule.clone(), on: true, unloaded: is_unloaded(rule) };
        Self {
            compiled,
            states: on.iter().map(state).collect(),
            numbers,
            sets: vec![Vec::new()],
            known: BTreeMap::from([(Vec::new(), 0)]),
        }
    }

    /// The number of the set of these compiled rules.
    fn set(&mut self, matching: &[usize]) -> usize {
        if let Some(set) = self.known.get(matching) {
            return *set;
        }
        let mut numbers = Vec::new();
        for position in matching {
            let (compiled, on) = self.compiled[*position];
            let number = self.numbers[*position].unwrap_or_else(|| {
                let rule = compiled.rule.clone();
                self.states.push(RuleState { unloaded: is_unloaded(&rule), rule, on });
                self.states.len() - 1
            });
            self.numbers[*position] = Some(number);
            numbers.push(number);
        }
        self.sets.push(numbers);
        self.known.insert(matching.to_vec(), self.sets.len() - 1);
        self.sets.len() - 1
    }
}

fn is_unloaded(rule: &PruneRule) -> bool {
    rule.only == Some(Condition::Unloaded)
}
