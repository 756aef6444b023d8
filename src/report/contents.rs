//! Contents: every file with its layer or the rule that dropped it, and every dependency, for the page. The JSON has the
//! manifest and the objects instead.

use std::collections::{BTreeMap, BTreeSet};

use super::unit_names::UnitNames;
use super::what_if::WhatIf;
use crate::base::path::{TreePath, printable};
use crate::languages::{LanguageId, language};
use crate::pack::measure::entry_overhead;
use crate::plan::{Analysis, Plan, Settings};
use crate::prune::PruneRule;
use crate::prune::{Decision, Pruning};
use crate::resolve::{Need, Node};
use crate::tree::{Entry, EntryId};

/// Every file and dependency of a tree.
#[derive(Debug, Clone, Default)]
pub struct Contents {
    /// Whether the files' lengths in zips are known, as they are with a plan.
    pub measured: bool,
    /// Whether those of pruned files are, too.
    pub weighed: bool,
    /// The groups that files belong to, sorted by name.
    pub groups: Vec<Group>,
    /// Every file and link, and every directory that is packed, sorted by path.
    pub files: Vec<ContentFile>,
    /// Their ids in the tree.
    pub ids: Vec<EntryId>,
    /// The rules that were on, in the order of their codes.
    pub rules: Vec<PruneRule>,
    /// What needs something or is needed, sorted.
    pub things: Vec<Thing>,
    /// The dependencies: the position of what needs, how, and the position of what is needed; sorted.
    pub needs: Vec<(usize, Need, usize)>,
    /// What a plan with other options would keep; `None` without a plan.
    pub what_if: Option<WhatIf>,
}

/// What needs something or is needed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Thing {
    /// The file at this position.
    File(usize),
    /// Anything else: `r`, a unit's name for a package, `/opt/PATH` for a directory, the path of a library of the image,
    /// `missing:SONAME` for a missing library.
    Named(String),
}

/// A group of files: those of a unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// The unit's name: `pkg:Matrix`.
    pub unit: String,
    /// Its name on the page.
    pub label: String,
    /// The directory that contains all of it; empty if there is none.
    pub base: String,
    /// Its kind.
    pub kind: Kind,
}

/// The kinds of groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A language's home, and the packages that it always has.
    Runtime(LanguageId),
    /// A package.
    Package(LanguageId),
    /// A library outside of languages and packages.
    Library,
    /// Anything else.
    Rest,
}

/// Whether a package with this priority is a part of its language, and not counted among its packages.
pub(super) fn is_own(priority: Option<&str>) -> bool {
    priority == Some("base")
}

impl Kind {
    /// Its name on the page.
    pub fn label(self) -> String {
        match self {
            Kind::Runtime(id) => format!("{} itself", language(id).name()),
            Kind::Package(id) => format!("{} packages", language(id).name()),
            Kind::Library => "System libraries".to_owned(),
            Kind::Rest => "Everything else".to_owned(),
        }
    }

    /// The number of its colour on the page.
    pub fn colour(self) -> usize {
        match self {
            Kind::Runtime(_) => 0,
            Kind::Package(_) => 1,
            Kind::Library => 2,
            Kind::Rest => 3,
        }
    }
}

/// A file, a link, or a directory that is packed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContentFile {
    /// The position of its group.
    pub group: usize,
    /// Its path; a directory's ends in '/'.
    pub path: String,
    /// Where it was packed, or what dropped it.
    pub place: ContentPlace,
    /// What it adds to a zip in bytes, headers included; 0 when that was not measured.
    pub zipped_bytes: u64,
    /// Its length in bytes: in the layer if it is packed, otherwise in the tree.
    pub unzipped_bytes: u64,
}

/// Where a file was packed, or what dropped it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ContentPlace {
    /// It is in the layer at this position.
    Layer(usize),
    /// It is kept, but in no layer: there is no plan, or no layer can hold it.
    NoLayer,
    /// The rule at this position dropped it.
    Dropped(usize),
}

impl Contents {
    /// The contents of an analyzed tree; with `plan`, also the layer of each file, what it adds to a zip, and what a plan with
    /// other settings would keep.
    pub(crate) fn new(
        analysis: &Analysis<'_>,
        pruning: &Pruning,
        plan: Option<&Plan<'_>>,
        settings: &Settings,
    ) -> Self {
        let tree = analysis.tree();
        let mut layer_of: BTreeMap<EntryId, usize> = BTreeMap::new();
        for (position, layer) in plan.iter().flat_map(|plan| &plan.layout.layers).enumerate() {
            layer_of.extend(layer.entries.iter().map(|id| (*id, position)));
        }
        let units = UnitNames::new(analysis, |_| true);
        let shown = |id: EntryId, entry: &Entry| !entry.is_directory() || layer_of.contains_key(&id);

        // The report lists the rules by code.
        let code = |rule: &usize| &pruning.rules[*rule].code;
        let mut by_code: Vec<usize> = (0..pruning.rules.len()).collect();
        by_code.sort_by(|a, b| code(a).cmp(code(b)));
        let mut rank = vec![0; by_code.len()];
        for (position, rule) in by_code.iter().enumerate() {
            rank[*rule] = position;
        }
        let rules: Vec<PruneRule> = by_code.iter().map(|rule| pruning.rules[*rule].clone()).collect();

        let mut groups: BTreeMap<&str, Group> = BTreeMap::new();
        for (id, _) in tree.all().filter(|(id, entry)| shown(*id, entry)) {
            let unit = units.of(id);
            groups.entry(unit).or_insert_with(|| group(analysis, id, unit));
        }
        let position: BTreeMap<&str, usize> = groups.keys().enumerate().map(|(i, unit)| (*unit, i)).collect();
        let ids: Vec<EntryId> = tree.all().filter(|(id, entry)| shown(*id, entry)).map(|(id, _)| id).collect();
        let files = ids.iter().map(|id| (*id, tree.entry(*id))).map(|(id, entry)| {
            let unit = units.of(id);
            let measured = plan.and_then(|plan| plan.measurements.get(id));
            let (compressed, bytes) = measured.map_or((entry.bytes(), entry.bytes()), |m| (m.compressed, m.bytes));
            let path = entry.path.to_string() + if entry.is_directory() { "/" } else { "" };
            ContentFile {
                group: position[unit],
                path,
                place: match (pruning.decision(id), layer_of.get(&id)) {
                    (Decision::Drop(rule), _) => ContentPlace::Dropped(rank[rule]),
                    (Decision::Keep, Some(layer)) => ContentPlace::Layer(*layer),
                    (Decision::Keep, None) => ContentPlace::NoLayer,
                },
                zipped_bytes: match pruning.decision(id) {
                    // It was not weighed.
                    Decision::Drop(_) if measured.is_none() => 0,
                    _ => plan.map_or(0, |_| entry_overhead(&entry.path, entry.is_directory()) + compressed),
                },
                unzipped_bytes: bytes,
            }
        });
        let files = files.collect();
        let (things, needs) = needs(analysis, &units, &ids);
        let groups = groups.into_values().collect();
        let weighed = plan.is_some_and(|plan| plan.measurements.weighed());
        let what_if = plan.and_then(|plan| WhatIf::new(analysis, plan, settings, (&rules, &ids)));
        Self { measured: plan.is_some(), weighed, groups, files, ids, rules, things, needs, what_if }
    }
}

/// The group of an entry whose unit has this name.
fn group(analysis: &Analysis<'_>, id: EntryId, unit: &str) -> Group {
    let (tree, packages) = (analysis.tree(), &analysis.resolution.packages);
    let text = |path: &TreePath| path.to_string();
    let last = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
    let installation = packages.installation_of(tree.path(id));
    let (kind, label, base) = if let Some(position) = packages.of_path(tree.path(id)) {
        let package = packages.get(position);
        let kind = if is_own(package.priority.as_deref()) {
            Kind::Runtime(package.language)
        } else {
            Kind::Package(package.language)
        };
        (kind, package.name.clone(), text(&package.directory))
    } else if let Some(installation) = installation.filter(|found| found.language.as_str() == unit) {
        let id = installation.language;
        let only = packages.installations_of(id).count() == 1;
        let base = if only { text(&installation.path) } else { String::new() };
        (Kind::Runtime(id), format!("{}'s home", language(id).name()), base)
    } else if let Some(path) = unit.strip_prefix("lib:") {
        (Kind::Library, last(path), String::new())
    } else if let Some(directory) = unit.strip_prefix("dir:") {
        (Kind::Rest, format!("{directory}/"), directory.to_owned())
    } else {
        let path = unit.strip_prefix("file:").unwrap_or(unit);
        (Kind::Rest, path.to_owned(), String::new())
    };
    Group { unit: unit.to_owned(), label, base, kind }
}

/// Every edge of the graph, between what is shown under these ids and anything else.
fn needs(analysis: &Analysis<'_>, units: &UnitNames, ids: &[EntryId]) -> (Vec<Thing>, Vec<(usize, Need, usize)>) {
    let (tree, resolution) = (analysis.tree(), &analysis.resolution);
    let thing = |node: &Node| match node {
        Node::Runtime(id) => Thing::Named(id.to_string()),
        Node::Entry(id) => match ids.binary_search(id) {
            Ok(position) => Thing::File(position),
            Err(_) => Thing::Named(tree.path(*id).mounted()),
        },
        Node::Package(position) => Thing::Named(units.of(resolution.packages.get(*position).entry).to_owned()),
        Node::Image(path) => Thing::Named(printable(path.as_bytes()).into_owned()),
        Node::Missing(soname) => Thing::Named(format!("missing:{}", printable(soname.as_bytes()))),
    };
    let packages = (0..resolution.packages.all.len()).map(Node::Package);
    let runtimes = resolution.packages.languages().into_iter().map(Node::Runtime);
    let from = runtimes.chain(packages).chain(tree.iter().map(|(id, _)| Node::Entry(id)));
    let mut edges: Vec<(Thing, Need, Thing)> = Vec::new();
    for node in from {
        edges.extend(resolution.graph.needs(&node).into_iter().map(|(to, need)| (thing(&node), need, thing(to))));
    }
    let things: BTreeSet<&Thing> = edges.iter().flat_map(|(from, _, to)| [from, to]).collect();
    let position: BTreeMap<&Thing, usize> = things.iter().enumerate().map(|(i, thing)| (*thing, i)).collect();
    let mut needs: Vec<(usize, Need, usize)> =
        edges.iter().map(|(from, need, to)| (position[from], *need, position[to])).collect();
    needs.sort_by_key(|(from, need, to)| (*from, *to, *need as u8));
    needs.dedup();
    (things.into_iter().cloned().collect(), needs)
}
