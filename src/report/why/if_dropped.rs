//! What dropping things together would do: what it would free, what would be removed with them, what would break, and how
//! many layers there would be.

use std::collections::{BTreeMap, BTreeSet};

use super::{Breaks, GoesWith, IfDropped, SCHEMA, StartsWith, Why};
use crate::base::error::Result;
use crate::base::finding::{Category, Code, Finding, Severity};
use crate::base::subject::Subject;
use crate::languages::{RequiredFor, language};
use crate::pack;
use crate::pack::Unit;
use crate::plan::drop::autoremoved;
use crate::plan::target;
use crate::plan::{Plan, Settings};
use crate::prune::requested_rules;
use crate::report::{Report, SizeIndex};
use crate::resolve::{Need, Node};
use crate::tree::EntryId;

/// Answers for targets together. `now` and `then` are the findings of the tree with and without them.
///
/// # Errors
/// When one of them is not found.
pub(crate) fn if_dropped(
    plan: &Plan<'_>,
    report: &Report,
    targets: &[String],
    settings: &Settings,
    (now, then): (&[Finding], Vec<Finding>),
) -> Result<Why> {
    let analysis = &plan.analysis;
    let mut entries: BTreeSet<EntryId> = BTreeSet::new();
    for text in targets {
        let things = target::resolve_target(analysis, "--if-dropped", text)?;
        entries.extend(target::entries(analysis, &things));
    }
    entries.extend(autoremoved(analysis, &plan.pruning, settings, &entries));
    let mut sizes = SizeIndex::new(analysis, &plan.pruning, Some(plan));
    let (removal, freed) = sizes.freed(entries.iter().copied());
    let all: BTreeSet<EntryId> = removal.all().collect();

    let [_, nothing_else, _] = requested_rules();
    let held_back = |id: EntryId| plan.pruning.matching(id).next().map(|rule| rule.code.clone());
    let mut goes_with: Vec<(EntryId, String)> =
        removal.with_it.iter().map(|id| (*id, nothing_else.code.clone())).collect();
    goes_with.extend(removal.released.iter().filter_map(|id| Some((*id, held_back(*id)?))));
    goes_with.sort();
    let goes_with = goes_with.into_iter().map(|(id, rule)| {
        let path = analysis.tree().path(id).to_string();
        GoesWith { path, rule, size: sizes.own([id]).size }
    });
    let goes_with = goes_with.collect();

    let left: Vec<Unit> = plan.units.iter().filter_map(|unit| without(unit, &all)).collect();
    let (layout, does_not_fit) = pack::lay_out(&left, &settings.limits, &settings.layer_policy, None);
    let before: BTreeSet<Problem<'_>> = now.iter().map(problem).collect();
    let is_new = |finding: &Finding| finding.severity != Severity::Info && !before.contains(&problem(finding));
    let mut findings: Vec<Finding> = then.into_iter().filter(is_new).collect();
    findings.sort();
    findings.dedup();
    Ok(Why {
        schema: SCHEMA,
        layerfit: report.layerfit.clone(),
        root: report.root.clone(),
        runtime: report.runtime.clone(),
        targets: targets.to_vec(),
        things: Vec::new(),
        if_dropped: Some(IfDropped {
            own: sizes.own(entries),
            freed,
            goes_with,
            breaks: breaks(plan, &all),
            starts_with: starts_with(plan, &all),
            findings,
            layers: plan.layout.layers.len(),
            layers_then: layout.layers.len(),
            fits_then: !does_not_fit.iter().any(|finding| finding.severity == Severity::Error),
        }),
        unneeded: None,
    })
}

/// A unit without the removed entries; `None` when nothing of it is left.
fn without(unit: &Unit, removed: &BTreeSet<EntryId>) -> Option<Unit> {
    let entries: Vec<_> = unit.entries.iter().filter(|entry| !removed.contains(&entry.id)).cloned().collect();
    (!entries.is_empty()).then(|| Unit { name: unit.name.clone(), entries })
}

/// The kept packages that need what is removed, directly or through others. Another copy of a package is as good.
fn breaks(plan: &Plan<'_>, removed: &BTreeSet<EntryId>) -> Vec<Breaks> {
    let (analysis, pruning) = (&plan.analysis, &plan.pruning);
    let packages = &analysis.resolution.packages;
    let stays = |position: usize| {
        let entry = packages.get(position).entry;
        pruning.keeps(entry) && !removed.contains(&entry)
    };
    let mut loads: Vec<bool> = (0..packages.all.len()).map(stays).collect();
    let mut wants: Vec<Want> = Vec::new();
    for (position, package) in packages.all.iter().enumerate().filter(|(position, _)| loads[*position]) {
        let to_load = package.requires.iter().filter(|required| required.for_what != RequiredFor::Calls);
        let names: BTreeSet<&str> = to_load.map(|required| required.package.as_str()).collect();
        for name in names {
            let copies = language(package.language).provides(packages, analysis.tree(), package, name);
            if copies.iter().any(|copy| pruning.keeps(packages.get(*copy).entry)) {
                wants.push(Want {
                    package: position,
                    name,
                    left: copies.iter().filter(|copy| loads[**copy]).count(),
                    copies,
                });
            }
        }
    }
    let mut wanted_by: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (number, want) in wants.iter().enumerate() {
        for copy in &want.copies {
            wanted_by.entry(*copy).or_default().push(number);
        }
    }
    let mut found: BTreeMap<usize, Breaks> = BTreeMap::new();
    let mut directly = true;
    let mut lost: Vec<usize> = (0..wants.len()).filter(|number| wants[*number].left == 0).collect();
    while !lost.is_empty() {
        let mut broken: BTreeSet<usize> = BTreeSet::new();
        for Want { package, name, .. } in lost.iter().map(|number| &wants[*number]).filter(|want| loads[want.package]) {
            let breaks = || Breaks { name: packages.unit_name(*package), needs: Vec::new(), directly };
            found.entry(*package).or_insert_with(breaks).needs.push(format!("pkg:{name}"));
            broken.insert(*package);
        }
        lost.clear();
        for position in broken {
            loads[position] = false;
            for number in wanted_by.get(&position).into_iter().flatten() {
                wants[*number].left -= 1;
                if wants[*number].left == 0 {
                    lost.push(*number);
                }
            }
        }
        lost.sort_unstable();
        directly = false;
    }
    found.into_values().collect()
}

/// What a package needs to be loaded: one of the copies of another.
struct Want<'a> {
    package: usize,
    name: &'a str,
    copies: Vec<usize>,
    /// How many of the copies load.
    left: usize,
}

/// The removed packages that a language loads at startup.
fn starts_with(plan: &Plan<'_>, removed: &BTreeSet<EntryId>) -> Vec<StartsWith> {
    let resolution = &plan.analysis.resolution;
    let packages = &resolution.packages;
    let mut found = Vec::new();
    for id in packages.languages() {
        for (to, need) in resolution.graph.needs(&Node::Runtime(id)) {
            let (Node::Package(position), Need::Imports) = (to, need) else { continue };
            let package = packages.get(*position);
            let without = language(id).needs().without(&package.name);
            if let Some(without) = without.filter(|_| removed.contains(&package.entry)) {
                found.push(StartsWith { name: packages.unit_name(*position), without: without.to_owned() });
            }
        }
    }
    found
}

/// What makes findings report the same: check, cause and subject.
type Problem<'a> = (Code, Option<&'a str>, Option<&'a Subject>);

/// What a finding reports. Its message is not compared, as it can count what is dropped. Findings about libraries name the first of
/// several files with the same problem, so their subjects are not compared.
fn problem(finding: &Finding) -> Problem<'_> {
    let by_cause = finding.code.category() == Category::Libraries && finding.cause.is_some();
    (finding.code, finding.cause.as_deref(), (!by_cause).then_some(&finding.subject))
}
