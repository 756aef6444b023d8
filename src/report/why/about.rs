//! About one thing: whether it is kept, what needs it, which rule drops it, and what dropping it would free.

use std::collections::{BTreeMap, BTreeSet};

use super::paths::{DependencyPath, Paths, Root};
use super::unneeded::unneeded_package;
use super::{About, DroppedBy, InImage, NeededBy, Path, SCHEMA, Step, ThingKind, ThingState, Why};
use crate::base::error::Result;
use crate::languages::{CodeCalls, language};
use crate::plan::target;
use crate::plan::target::Target;
use crate::plan::{Analysis, Plan, Settings, in_image};
use crate::prune::Decision;
use crate::report::{LoadedBy, Report, SizeIndex};
use crate::resolve::{LibraryLookup, Node, Object, WhyUnloaded};
use crate::tree::{EntryId, Kind};

/// How many paths are listed at most.
const MAX_PATHS: usize = 50;

/// Answers for everything that `target` stands for; with `all`, with every path to it.
///
/// # Errors
/// When nothing has that name.
pub(crate) fn about(plan: &Plan<'_>, report: &Report, settings: &Settings, (target, all): (&str, bool)) -> Result<Why> {
    let analysis = &plan.analysis;
    let things = target::resolve_target(analysis, "why", target)?;
    let mut calls = analysis.calls.clone();
    if things.iter().any(|thing| matches!(thing, Target::Package(_) | Target::Directory(_))) {
        let packages = analysis.resolution.packages.all.iter();
        calls.read(
            &analysis.resolution.packages,
            analysis.tree(),
            packages.filter(|package| plan.pruning.keeps(package.entry)),
        );
    }
    let mut answers = Answers {
        plan,
        calls,
        paths: Paths::new(analysis, &plan.pruning),
        sizes: SizeIndex::new(analysis, &plan.pruning, Some(plan)),
        keep: &settings.keep,
        max_paths: if all { MAX_PATHS } else { 1 },
    };
    Ok(Why {
        schema: SCHEMA,
        layerfit: report.layerfit.clone(),
        root: report.root.clone(),
        runtime: report.runtime.clone(),
        targets: vec![target.to_owned()],
        things: things.iter().map(|thing| answers.about(thing)).collect(),
        if_dropped: None,
        unneeded: None,
    })
}

struct Answers<'a> {
    plan: &'a Plan<'a>,
    /// What the code of kept packages calls, if one of the things is a package.
    calls: CodeCalls,
    paths: Paths<'a>,
    sizes: SizeIndex<'a>,
    /// The targets of `--keep`.
    keep: &'a [String],
    max_paths: usize,
}

impl Answers<'_> {
    fn about(&mut self, thing: &Target) -> About {
        let (analysis, pruning) = (&self.plan.analysis, &self.plan.pruning);
        let (tree, packages) = (analysis.tree(), &analysis.resolution.packages);
        let entries = target::entries(analysis, std::slice::from_ref(thing));
        let files = || entries.iter().copied().filter(|id| !tree.entry(*id).is_directory());
        let kept: BTreeSet<EntryId> = files().filter(|id| !tree.is_hidden(*id) && pruning.keeps(*id)).collect();
        let (paths, truncated) = self.paths_to(thing, &kept);
        let dropped_by = self.dropped_by(files());
        let state = match thing {
            Target::Elsewhere(name) if self.is_missing(name) => ThingState::Missing,
            Target::Elsewhere(_) => ThingState::Runtime,
            Target::Package(position) if !pruning.keeps(packages.get(*position).entry) => ThingState::Dropped,
            _ if kept.is_empty() && !dropped_by.is_empty() => ThingState::Dropped,
            _ if dropped_by.is_empty() => ThingState::Kept,
            _ => ThingState::Partly,
        };
        let held_back = kept.iter().flat_map(|id| pruning.matching(*id)).map(|rule| rule.code.clone());
        let held_back: BTreeSet<String> = held_back.collect();
        let (removal, freed) = self.sizes.freed(entries.iter().copied());
        let goes_with = removal.with_it.iter().chain(&removal.released).map(|id| tree.path(*id).to_string());
        let mut goes_with: Vec<String> = goes_with.collect();
        goes_with.sort();
        let mut about = About {
            kind: kind(analysis, thing),
            name: target::name(analysis, thing),
            state,
            answer: String::new(),
            kept_by: self.kept_by(&kept),
            held_back: held_back.into_iter().collect(),
            paths: paths.iter().map(|path| self.show(path)).collect(),
            truncated,
            needed_by: self.needed_by(thing),
            in_image: self.in_image(thing),
            host_paths: match thing {
                Target::Library(id) | Target::Entry(id) => analysis.host_paths.get(id).cloned().unwrap_or_default(),
                _ => Vec::new(),
            },
            imported_by: self.imported_by(thing),
            unneeded: match thing {
                Target::Package(position) => unneeded_package(self.plan, &mut self.sizes, *position),
                _ => None,
            },
            called_by: self.called_by(thing),
            own: self.sizes.own(entries.iter().copied()),
            freed,
            goes_with,
            dropped_by,
        };
        about.answer = self.answer(thing, &about, (files().count(), kept.len()));
        about
    }

    /// The targets of `--keep` that have any of these entries.
    fn kept_by(&self, kept: &BTreeSet<EntryId>) -> Vec<String> {
        let analysis = &self.plan.analysis;
        let has = |text: &&String| {
            let entries = target::entries(analysis, &target::find(analysis, text));
            entries.iter().any(|id| kept.contains(id) && !analysis.tree().entry(*id).is_directory())
        };
        self.keep.iter().filter(has).cloned().collect()
    }

    fn paths_to(&self, thing: &Target, kept: &BTreeSet<EntryId>) -> (Vec<DependencyPath>, bool) {
        let targets: BTreeSet<Node> = match thing {
            Target::Package(_) if kept.is_empty() => BTreeSet::new(),
            Target::Package(position) => [Node::Package(*position)].into(),
            Target::Unit(_) | Target::Directory(_) | Target::Entry(_) => {
                kept.iter().copied().map(Node::Entry).collect()
            }
            Target::Library(id) => kept.iter().filter(|kept| *kept == id).copied().map(Node::Entry).collect(),
            Target::Elsewhere(name) => {
                let edges = self.plan.analysis.resolution.loads.edges.values().flat_map(BTreeMap::keys);
                let of_name = edges.filter(|(_, edge)| edge.soname == *name);
                let node = |outcome: &LibraryLookup| match outcome {
                    LibraryLookup::Missing { .. } => Some(Node::Missing(name.clone())),
                    LibraryLookup::Found { object: Object::Image(path), .. } => Some(Node::Image(path.clone())),
                    LibraryLookup::Found { .. } => None,
                };
                of_name.filter_map(|(_, edge)| node(&edge.outcome)).collect()
            }
        };
        // Most of many files are kept unconditionally, so a path to one that something needs explains more.
        let many = matches!(thing, Target::Unit(_) | Target::Directory(_));
        let needed = if many { self.paths.shortest(&targets, true) } else { None };
        match self.max_paths {
            1 => (needed.or_else(|| self.paths.shortest(&targets, false)).into_iter().collect(), false),
            most => self.paths.all(&targets, most),
        }
    }

    fn show(&self, path: &DependencyPath) -> Path {
        let analysis = &self.plan.analysis;
        let name = |node: &Node| match node {
            Node::Runtime(id) => language(*id).name().to_owned(),
            Node::Entry(id) => analysis.tree().path(*id).to_string(),
            Node::Package(position) => analysis.resolution.packages.unit_name(*position),
            Node::Image(name) | Node::Missing(name) => name.clone(),
        };
        let steps = path.steps.iter().map(|(node, how)| Step { how: (*how).to_owned(), name: name(node) });
        let first_line = || match (path.steps.first(), &analysis.handlers) {
            (Some((Node::Package(position), _)), Some(_)) => {
                let used = analysis.used_packages().get(position)?;
                Some(used.places.first()?.to_string())
            }
            _ => None,
        };
        let place = if path.root == Root::Handler { first_line() } else { None };
        Path { root: place.unwrap_or_else(|| path.root.name()), steps: steps.collect() }
    }

    fn dropped_by(&self, files: impl Iterator<Item = EntryId>) -> Vec<DroppedBy> {
        let pruning = &self.plan.pruning;
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

    /// The kept files that need a library.
    fn needed_by(&self, thing: &Target) -> Vec<NeededBy> {
        let (analysis, pruning) = (&self.plan.analysis, &self.plan.pruning);
        let tree = analysis.tree();
        let name_of = |id: EntryId| String::from_utf8_lossy(tree.path(id).name()).into_owned();
        let (file, names): (Option<EntryId>, BTreeSet<String>) = match thing {
            Target::Library(id) => {
                let names = target::entries(analysis, std::slice::from_ref(thing)).into_iter().map(name_of);
                (Some(*id), names.collect())
            }
            Target::Entry(id) if analysis.objects().contains_key(id) || tree.is_hidden(*id) => {
                (Some(*id), [name_of(*id)].into())
            }
            Target::Elsewhere(name) => (None, [name.clone()].into()),
            Target::Entry(_) | Target::Package(_) | Target::Unit(_) | Target::Directory(_) => return Vec::new(),
        };
        let mut needed_by = Vec::new();
        for (from, edges) in analysis.resolution.loads.edges.iter().filter(|(id, _)| pruning.keeps(**id)) {
            for ((process, edge), certainty) in edges {
                let (object, path, searched, stopped) = match &edge.outcome {
                    LibraryLookup::Found { object, opened } => (Some(object), Some(opened), Vec::new(), None),
                    LibraryLookup::Missing { searched, stopped } => (None, None, searched.clone(), stopped.clone()),
                };
                let is_it = file.is_some_and(|file| object == Some(&Object::Tree(file)));
                if !is_it && !names.contains(&edge.soname) {
                    continue;
                }
                needed_by.push(NeededBy {
                    file: tree.path(*from).to_string(),
                    soname: edge.soname.clone(),
                    process: LoadedBy::from(*process),
                    certainty: *certainty,
                    found: analysis.resolution.found(&edge.outcome),
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

    /// The library of the image that has the name of one of the tree.
    fn in_image(&self, thing: &Target) -> Option<InImage> {
        let (analysis, pruning) = (&self.plan.analysis, &self.plan.pruning);
        let (Target::Library(id) | Target::Entry(id)) = thing else { return None };
        let elf = analysis.objects().get(id)?;
        let tree = analysis.tree();
        let own = target::entries(analysis, std::slice::from_ref(thing)).into_iter();
        let names = own.map(|id| String::from_utf8_lossy(tree.path(id).name()).into_owned());
        // By its soname, where it has one: other names of files are links for the link editor.
        let names: BTreeSet<String> = elf.soname.clone().into_iter().chain(names).collect();
        let mut found = names.iter().filter(|name| elf.soname.as_ref().is_none_or(|soname| soname == *name));
        let (soname, path, defines) = found.find_map(|name| {
            let (path, defines) = in_image(&analysis.resolution, name, elf.machine)?;
            Some((name, path, defines))
        })?;
        let needed =
            analysis.objects().iter().filter(|(id, _)| pruning.keeps(**id)).flat_map(|(_, elf)| &elf.needed_versions);
        let needed = needed.filter(|version| version.soname == *soname && !version.weak);
        let needed: BTreeSet<&String> = needed.map(|needed| &needed.version).collect();
        let lacks = defines
            .filter(|_| !needed.is_empty())
            .map(|defines| needed.into_iter().filter(|version| !defines.contains(version)).cloned().collect());
        Some(InImage { soname: soname.clone(), path, lacks })
    }

    fn imported_by(&self, thing: &Target) -> Vec<String> {
        let (analysis, pruning) = (&self.plan.analysis, &self.plan.pruning);
        let Target::Package(position) = thing else { return Vec::new() };
        let importers = analysis.resolution.graph.needed_by(&Node::Package(*position));
        let kept = |position: &usize| pruning.keeps(analysis.resolution.packages.get(*position).entry);
        let packages = importers.into_iter().filter_map(|(from, _)| match from {
            Node::Package(position) if kept(position) => Some(analysis.resolution.packages.unit_name(*position)),
            _ => None,
        });
        packages.collect()
    }

    fn called_by(&self, thing: &Target) -> Vec<String> {
        let packages = &self.plan.analysis.resolution.packages;
        let (id, name) = match thing {
            Target::Package(position) => (packages.get(*position).language, packages.get(*position).name.clone()),
            // A package that --handler or --drop dropped is known by its directory.
            Target::Directory(directory) => {
                let directory = self.plan.analysis.tree().path(*directory);
                let mut excluded = packages.excluded.packages.iter();
                let Some(((id, name), _)) = excluded.find(|(_, path)| *path == directory) else { return Vec::new() };
                (*id, name.clone())
            }
            Target::Unit(_) | Target::Entry(_) | Target::Library(_) | Target::Elsewhere(_) => return Vec::new(),
        };
        let callers = self.calls.callers_of(packages, id, &name);
        let callers = callers.filter(|(caller, _)| self.plan.pruning.keeps(packages.get(*caller).entry));
        let called_by: BTreeSet<String> = callers
            .flat_map(|(caller, functions)| {
                functions.iter().map(move |function| language(id).function(&packages.get(caller).name, function))
            })
            .collect();
        called_by.into_iter().collect()
    }

    fn is_missing(&self, name: &str) -> bool {
        let edges = self.plan.analysis.resolution.loads.edges.values().flat_map(BTreeMap::keys);
        let mut of_name = edges.filter(|(_, edge)| edge.soname == name);
        of_name.any(|(_, edge)| matches!(edge.outcome, LibraryLookup::Missing { .. }))
    }

    /// The answer in one sentence.
    fn answer(&self, thing: &Target, about: &About, (files, kept): (usize, usize)) -> String {
        let (analysis, name) = (&self.plan.analysis, &about.name);
        let image = &analysis.resolution.image.profile().name;
        let rules = || {
            let rules = about.dropped_by.iter().map(|rule| format!("{} ({})", rule.rule, rule.name));
            rules.collect::<Vec<_>>().join(", ")
        };
        let whole = matches!(thing, Target::Package(_) | Target::Unit(_) | Target::Directory(_));
        match (about.state, about.paths.first()) {
            (ThingState::Missing, Some(_)) => format!("{name} is missing: it is neither in the tree nor in {image}."),
            (ThingState::Missing, None) => format!("{name} is missing, but nothing kept needs it."),
            (ThingState::Runtime, Some(_)) => format!("{name} is not in the tree, but in {image}."),
            (ThingState::Runtime, None) => {
                format!("{name} is not in the tree, but in {image}; nothing kept needs it.")
            }
            (ThingState::Dropped, _) => match self.why_unloaded(thing) {
                Some(why) => format!("{name} is dropped by {}: {why}.", rules()),
                None => format!("{name} is dropped by {}.", rules()),
            },
            (_, _) if kept == 0 => format!("{name} has no files."),
            (ThingState::Partly, _) => {
                format!("{kept} of the {files} files of {name} are kept; the others are dropped by {}.", rules())
            }
            _ if whole => format!("All {files} files of {name} are kept."),
            (_, Some(path))
                if path.root == Root::InTree.name() && path.steps.len() == 1 && !about.kept_by.is_empty() =>
            {
                format!("{name} is kept by --keep {}.", about.kept_by.join(","))
            }
            (_, Some(path)) if path.root == Root::InTree.name() && path.steps.len() == 1 => {
                match self.why_unloaded(thing) {
                    Some(why) => format!("{name} is kept: no rule drops it; {why}."),
                    None => format!("{name} is kept: no rule drops it."),
                }
            }
            (_, Some(path)) => {
                let how = path.steps.last().map(|step| step.how.as_str()).unwrap_or_default();
                let before = path.steps.iter().rev().nth(1).map_or(path.root.as_str(), |step| step.name.as_str());
                format!("{name} is kept: {before} {how} it.")
            }
            (_, None) => format!("{name} is kept."),
        }
    }

    /// Why nothing loads a library, if nothing does.
    fn why_unloaded(&self, thing: &Target) -> Option<String> {
        let (analysis, pruning) = (&self.plan.analysis, &self.plan.pruning);
        let (Target::Library(id) | Target::Entry(id)) = thing else { return None };
        if !analysis.resolution.is_library(*id) {
            return None;
        }
        // As if it were kept, because it can be dropped for the reason that nothing loads it.
        let kept = |other: EntryId| pruning.keeps(other) || other == *id;
        let unloaded = analysis.resolution.unloaded(kept);
        unloaded.into_iter().find(|library| library.entry == *id).map(|library| match library.why {
            WhyUnloaded::Shadowed(path) => {
                format!("nothing loads it, because the loader finds {path} of the image first")
            }
            WhyUnloaded::Unreached => "nothing kept needs it".to_owned(),
        })
    }
}

fn kind(analysis: &Analysis<'_>, thing: &Target) -> ThingKind {
    match thing {
        Target::Package(_) => ThingKind::Package,
        Target::Unit(_) => ThingKind::Unit,
        Target::Directory(_) => ThingKind::Directory,
        Target::Library(_) | Target::Elsewhere(_) => ThingKind::Library,
        Target::Entry(id) if matches!(analysis.tree().entry(*id).kind, Kind::Link { .. }) => ThingKind::Link,
        Target::Entry(_) => ThingKind::File,
    }
}
