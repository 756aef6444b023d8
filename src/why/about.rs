//! About one thing: kept or dropped, by what, for whom, and at what cost.

use std::collections::{BTreeMap, BTreeSet};

use super::ways::{Root, Way, Ways};
use super::{About, DroppedBy, NeededBy, SCHEMA, StepTo, WayTo, Why};
use crate::error::Result;
use crate::pipeline::{Analyzed, Planned};
use crate::prune::Decision;
use crate::report::{Report, Scales};
use crate::resolve::{Node, Object, Outcome, ProcessKind, Reach, Resolution, WhyUnloaded};
use crate::scan::{EntryId, Kind};
use crate::target::{self, Thing};

/// How many ways are listed at most.
const MOST_WAYS: usize = 50;

/// Answers for everything that `target` stands for; with `all`, with every way to it.
///
/// # Errors
/// When nothing is called that.
pub(crate) fn about(planned: &Planned<'_>, report: &Report, target: &str, all: bool) -> Result<Why> {
    let analyzed = &planned.analyzed;
    let things = target::find_or_say(analyzed, "why", target)?;
    let mut answers = Answers {
        planned,
        ways: Ways::new(analyzed, &planned.pruning),
        scales: Scales::new(analyzed, &planned.pruning, Some(planned)),
        most_ways: if all { MOST_WAYS } else { 1 },
    };
    Ok(Why {
        schema: SCHEMA,
        layerfit: report.layerfit.clone(),
        root: report.root.clone(),
        runtime: report.runtime.clone(),
        targets: vec![target.to_owned()],
        things: things.iter().map(|thing| answers.about(thing)).collect(),
        if_dropped: None,
    })
}

struct Answers<'a> {
    planned: &'a Planned<'a>,
    ways: Ways<'a>,
    scales: Scales,
    most_ways: usize,
}

impl Answers<'_> {
    fn about(&mut self, thing: &Thing) -> About {
        let (analyzed, pruning) = (&self.planned.analyzed, &self.planned.pruning);
        let tree = &analyzed.tree;
        let entries = target::entries(analyzed, std::slice::from_ref(thing));
        let files = || entries.iter().copied().filter(|id| !tree.entry(*id).is_directory());
        let kept: BTreeSet<EntryId> = files().filter(|id| !tree.is_hidden(*id) && pruning.keeps(*id)).collect();
        let (ways, more_ways) = self.ways_to(thing, &kept);
        let dropped_by = self.dropped_by(files());
        let state = match thing {
            Thing::Elsewhere(name) if self.is_missing(name) => "missing",
            Thing::Elsewhere(_) => "runtime",
            Thing::Package(position) if !pruning.keeps(analyzed.resolution.r.packages[*position].entry) => "dropped",
            _ if kept.is_empty() && !dropped_by.is_empty() => "dropped",
            _ if dropped_by.is_empty() => "kept",
            _ => "partly",
        };
        let held_back = kept.iter().flat_map(|id| pruning.matching(*id)).map(|rule| rule.code.clone());
        let held_back: BTreeSet<String> = held_back.collect();
        let (gone, freed) = self.scales.freed(entries.iter().copied());
        let goes_with = gone.with_it.iter().chain(&gone.released).map(|id| tree.path(*id).to_string());
        let mut goes_with: Vec<String> = goes_with.collect();
        goes_with.sort();
        let mut about = About {
            kind: kind(analyzed, thing).to_owned(),
            name: target::name(analyzed, thing),
            state: state.to_owned(),
            answer: String::new(),
            held_back: held_back.into_iter().collect(),
            ways: ways.iter().map(|way| self.show(way)).collect(),
            more_ways,
            needed_by: self.needed_by(thing),
            imported_by: self.imported_by(thing),
            own: self.scales.own(entries.iter().copied()).into(),
            freed: freed.into(),
            goes_with,
            dropped_by,
        };
        about.answer = self.answer(thing, &about, (files().count(), kept.len()));
        about
    }

    fn ways_to(&self, thing: &Thing, kept: &BTreeSet<EntryId>) -> (Vec<Way>, bool) {
        let targets: BTreeSet<Node> = match thing {
            Thing::Package(_) if kept.is_empty() => BTreeSet::new(),
            Thing::Package(position) => [Node::Package(*position)].into(),
            Thing::Unit(_) | Thing::Directory(_) | Thing::Entry(_) => kept.iter().copied().map(Node::Entry).collect(),
            Thing::Library(id) => kept.iter().filter(|kept| *kept == id).copied().map(Node::Entry).collect(),
            Thing::Elsewhere(name) => {
                let edges = self.planned.analyzed.resolution.loads.edges.values().flat_map(BTreeMap::keys);
                let of_name = edges.filter(|(_, edge)| edge.soname == *name);
                let node = |outcome: &Outcome| match outcome {
                    Outcome::Missing { .. } => Some(Node::Missing(name.clone())),
                    Outcome::Found { object: Object::Image(path), .. } => Some(Node::Image(path.clone())),
                    Outcome::Found { .. } => None,
                };
                of_name.filter_map(|(_, edge)| node(&edge.outcome)).collect()
            }
        };
        // Of many files most are only there: what something needs says more of them.
        let many = matches!(thing, Thing::Unit(_) | Thing::Directory(_));
        let needed = if many { self.ways.shortest(&targets, true) } else { None };
        match self.most_ways {
            1 => (needed.or_else(|| self.ways.shortest(&targets, false)).into_iter().collect(), false),
            most => self.ways.all(&targets, most),
        }
    }

    fn show(&self, way: &Way) -> WayTo {
        let analyzed = &self.planned.analyzed;
        let name = |node: &Node| match node {
            Node::R => "R".to_owned(),
            Node::Entry(id) => analyzed.tree.path(*id).to_string(),
            Node::Package(position) => target::package_name(analyzed, *position),
            Node::Image(name) | Node::Missing(name) => name.clone(),
        };
        let steps = way.steps.iter().map(|(node, how)| StepTo { how: (*how).to_owned(), name: name(node) });
        let first_line = || match (way.steps.first(), &analyzed.handlers) {
            (Some((Node::Package(position), _)), Some(handlers)) => {
                let package = analyzed.resolution.r.packages[*position].name();
                Some(handlers.packages.get(package)?.places.first()?.to_string())
            }
            _ => None,
        };
        let place = if way.root == Root::Handler { first_line() } else { None };
        WayTo { root: place.unwrap_or_else(|| way.root.name().to_owned()), steps: steps.collect() }
    }

    fn dropped_by(&self, files: impl Iterator<Item = EntryId>) -> Vec<DroppedBy> {
        let pruning = &self.planned.pruning;
        let mut by_rule: BTreeMap<usize, usize> = BTreeMap::new();
        for id in files {
            if let Decision::Drop(rule) = pruning.decision(id) {
                *by_rule.entry(rule).or_default() += 1;
            }
        }
        let of = |(rule, files): (usize, usize)| {
            let rule = &pruning.rules[rule];
            DroppedBy {
                rule: rule.code.clone(),
                name: rule.name.clone(),
                files,
                what: rule.what.clone(),
                why_safe: rule.why_safe.clone(),
                breaks: rule.breaks.clone(),
            }
        };
        let mut dropped_by: Vec<DroppedBy> = by_rule.into_iter().map(of).collect();
        dropped_by.sort_by(|a, b| a.rule.cmp(&b.rule));
        dropped_by
    }

    /// What needs a library, of what is kept.
    fn needed_by(&self, thing: &Thing) -> Vec<NeededBy> {
        let (analyzed, pruning) = (&self.planned.analyzed, &self.planned.pruning);
        let tree = &analyzed.tree;
        let name_of = |id: EntryId| String::from_utf8_lossy(tree.path(id).name()).into_owned();
        let (file, names): (Option<EntryId>, BTreeSet<String>) = match thing {
            Thing::Library(id) => {
                let names = target::entries(analyzed, std::slice::from_ref(thing)).into_iter().map(name_of);
                (Some(*id), names.collect())
            }
            Thing::Entry(id) if analyzed.facts.elf.contains_key(id) || tree.is_hidden(*id) => {
                (Some(*id), [name_of(*id)].into())
            }
            Thing::Elsewhere(name) => (None, [name.clone()].into()),
            Thing::Entry(_) | Thing::Package(_) | Thing::Unit(_) | Thing::Directory(_) => return Vec::new(),
        };
        let mut needed_by = Vec::new();
        for (from, edges) in analyzed.resolution.loads.edges.iter().filter(|(id, _)| pruning.keeps(**id)) {
            for ((process, edge), reach) in edges {
                let (object, path, searched, stopped) = match &edge.outcome {
                    Outcome::Found { object, opened } => (Some(object), Some(opened), Vec::new(), None),
                    Outcome::Missing { searched, stopped } => (None, None, searched.clone(), stopped.clone()),
                };
                let is_it = file.is_some_and(|file| object == Some(&Object::Tree(file)));
                if !is_it && !names.contains(&edge.soname) {
                    continue;
                }
                needed_by.push(NeededBy {
                    file: tree.path(*from).to_string(),
                    soname: edge.soname.clone(),
                    process: if *process == ProcessKind::R { "R" } else { "other" }.to_owned(),
                    reach: match reach {
                        Reach::Needed => "needed",
                        Reach::Optional => "optional",
                        Reach::Nothing => "nothing",
                    }
                    .to_owned(),
                    found: Resolution::found(&edge.outcome, &analyzed.image).to_owned(),
                    path: path.cloned(),
                    searched,
                    stopped,
                });
            }
        }
        needed_by.sort();
        needed_by.dedup();
        needed_by
    }

    fn imported_by(&self, thing: &Thing) -> Vec<String> {
        let (analyzed, pruning) = (&self.planned.analyzed, &self.planned.pruning);
        let Thing::Package(position) = thing else { return Vec::new() };
        let importers = analyzed.resolution.graph.needed_by(&Node::Package(*position));
        let kept = |position: &usize| pruning.keeps(analyzed.resolution.r.packages[*position].entry);
        let packages = importers.into_iter().filter_map(|(from, _)| match from {
            Node::Package(position) if kept(position) => Some(target::package_name(analyzed, *position)),
            _ => None,
        });
        packages.collect()
    }

    fn is_missing(&self, name: &str) -> bool {
        let edges = self.planned.analyzed.resolution.loads.edges.values().flat_map(BTreeMap::keys);
        let mut of_name = edges.filter(|(_, edge)| edge.soname == name);
        of_name.any(|(_, edge)| matches!(edge.outcome, Outcome::Missing { .. }))
    }

    /// The answer in one sentence.
    fn answer(&self, thing: &Thing, about: &About, (files, kept): (usize, usize)) -> String {
        let (analyzed, name) = (&self.planned.analyzed, &about.name);
        let image = &analyzed.image.profile().name;
        let rules = || {
            let rules = about.dropped_by.iter().map(|rule| format!("{} ({})", rule.rule, rule.name));
            rules.collect::<Vec<_>>().join(", ")
        };
        let whole = matches!(thing, Thing::Package(_) | Thing::Unit(_) | Thing::Directory(_));
        match (about.state.as_str(), about.ways.first()) {
            ("missing", Some(_)) => format!("{name} is missing: neither the tree nor {image} has it."),
            ("missing", None) => format!("{name} is missing, and nothing that is kept needs it."),
            ("runtime", Some(_)) => format!("{name} is not in the tree: {image} has it."),
            ("runtime", None) => {
                format!("{name} is not in the tree: {image} has it, and nothing that is kept needs it.")
            }
            ("dropped", _) => match self.why_unloaded(thing) {
                Some(why) => format!("{name} is dropped by {}: {why}.", rules()),
                None => format!("{name} is dropped by {}.", rules()),
            },
            (_, _) if kept == 0 => format!("{name} holds no file."),
            ("partly", _) => {
                format!("{name} is kept, {kept} of its {files} files; the others are dropped by {}.", rules())
            }
            _ if whole => format!("{name} is kept, all of its {files} files."),
            (_, Some(way)) if way.root == "in the tree" && way.steps.len() == 1 => match self.why_unloaded(thing) {
                Some(why) => format!("{name} is kept, for no rule drops it; {why}."),
                None => format!("{name} is kept, for it is in the tree and no rule drops it."),
            },
            (_, Some(way)) => {
                let how = way.steps.last().map(|step| step.how.as_str()).unwrap_or_default();
                let before = way.steps.iter().rev().nth(1).map_or(way.root.as_str(), |step| step.name.as_str());
                format!("{name} is kept: {before} {how} it.")
            }
            (_, None) => format!("{name} is kept."),
        }
    }

    /// Why nothing loads a library, when nothing does.
    fn why_unloaded(&self, thing: &Thing) -> Option<String> {
        let (analyzed, pruning) = (&self.planned.analyzed, &self.planned.pruning);
        let (Thing::Library(id) | Thing::Entry(id)) = thing else { return None };
        if !analyzed.resolution.is_library(*id) {
            return None;
        }
        // Asked as if it were kept: that nothing loads it can be what dropped it.
        let kept = |other: EntryId| pruning.keeps(other) || other == *id;
        let unloaded = analyzed.resolution.unloaded(&analyzed.tree, &analyzed.facts, kept);
        unloaded.into_iter().find(|library| library.entry == *id).map(|library| match library.why {
            WhyUnloaded::Shadowed(path) => format!("nothing loads it, because {path} of the image comes first"),
            WhyUnloaded::Unreached => "nothing that is kept asks for it".to_owned(),
        })
    }
}

fn kind(analyzed: &Analyzed<'_>, thing: &Thing) -> &'static str {
    match thing {
        Thing::Package(_) => "package",
        Thing::Unit(_) => "unit",
        Thing::Directory(_) => "directory",
        Thing::Library(_) | Thing::Elsewhere(_) => "library",
        Thing::Entry(id) if matches!(analyzed.tree.entry(*id).kind, Kind::Link { .. }) => "link",
        Thing::Entry(_) => "file",
    }
}
