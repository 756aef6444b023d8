//! If things were dropped together: what would be free, what would go with them and break, and how many layers would do.

use std::collections::{BTreeMap, BTreeSet};

use super::{Breaks, GoesWith, IfDropped, SCHEMA, StartsWith, Why};
use crate::error::Result;
use crate::finding::{Finding, Severity};
use crate::pack::{self, Unit};
use crate::pipeline::{Planned, Settings};
use crate::report::{Report, Scales};
use crate::resolve::{Need, Node};
use crate::rules::{RNeeds, asked_rules};
use crate::scan::EntryId;
use crate::target;

/// Answers for targets together. `now` and `then` are what the checks say of the tree with and without them.
///
/// # Errors
/// When one of them is not there.
pub(crate) fn if_dropped(
    planned: &Planned<'_>,
    report: &Report,
    targets: &[String],
    settings: &Settings,
    (now, then): (&[Finding], Vec<Finding>),
) -> Result<Why> {
    let analyzed = &planned.analyzed;
    let mut entries: BTreeSet<EntryId> = BTreeSet::new();
    for text in targets {
        let things = target::find_or_say(analyzed, "--if-dropped", text)?;
        entries.extend(target::entries(analyzed, &things));
    }
    let mut scales = Scales::new(analyzed, &planned.pruning, Some(planned));
    let (gone, freed) = scales.freed(entries.iter().copied());
    let all: BTreeSet<EntryId> = gone.all().collect();

    let [_, nothing_else, _] = asked_rules()?;
    let held_back = |id: EntryId| planned.pruning.matching(id).next().map(|rule| rule.code.clone());
    let mut goes_with: Vec<(EntryId, String)> =
        gone.with_it.iter().map(|id| (*id, nothing_else.code.clone())).collect();
    goes_with.extend(gone.released.iter().filter_map(|id| Some((*id, held_back(*id)?))));
    goes_with.sort();
    let goes_with = goes_with.into_iter().map(|(id, rule)| {
        let weight = scales.own([id]);
        let path = analyzed.tree.path(id).to_string();
        GoesWith { path, rule, unzipped_bytes: weight.unzipped, zipped_bytes: weight.zipped }
    });
    let goes_with = goes_with.collect();

    let left: Vec<Unit> = planned.units.iter().filter_map(|unit| without(unit, &all)).collect();
    let (plan, does_not_fit) = pack::plan(&left, &settings.limits, &settings.wishes, None);
    let mut findings: Vec<Finding> = then.into_iter().filter(|finding| is_new(finding, now)).collect();
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
            own: scales.own(entries).into(),
            freed: freed.into(),
            goes_with,
            breaks: breaks(planned, &all),
            r_starts_with: r_starts_with(planned, &all)?,
            findings,
            layers: planned.plan.layers.len(),
            layers_then: plan.layers.len(),
            fits_then: !does_not_fit.iter().any(|finding| finding.severity == Severity::Error),
        }),
    })
}

/// A unit without what goes; `None` when nothing of it is left.
fn without(unit: &Unit, gone: &BTreeSet<EntryId>) -> Option<Unit> {
    let entries: Vec<_> = unit.entries.iter().filter(|entry| !gone.contains(&entry.id)).cloned().collect();
    (!entries.is_empty()).then(|| Unit { name: unit.name.clone(), entries })
}

/// The kept packages that need what goes, directly or through others. A package of which another copy stays is no loss.
fn breaks(planned: &Planned<'_>, gone: &BTreeSet<EntryId>) -> Vec<Breaks> {
    let (analyzed, pruning) = (&planned.analyzed, &planned.pruning);
    let packages = &analyzed.resolution.r.packages;
    let stays = |position: usize| {
        let entry = packages[position].entry;
        pruning.keeps(entry) && !gone.contains(&entry)
    };
    let mut loads: Vec<bool> = (0..packages.len()).map(stays).collect();
    let mut found: BTreeMap<usize, Breaks> = BTreeMap::new();
    let mut directly = true;
    loop {
        let mut broken: Vec<usize> = Vec::new();
        for (position, package) in packages.iter().enumerate().filter(|(position, _)| loads[*position]) {
            let was_there =
                |name: &&str| analyzed.resolution.r.find_package(name).any(|p| pruning.keeps(packages[p].entry));
            let is_lost = |name: &&str| !analyzed.resolution.r.find_package(name).any(|p| loads[p]);
            let needs = package.description.needs().map(|need| need.package.as_str());
            let lost: BTreeSet<&str> = needs.filter(was_there).filter(is_lost).collect();
            if !lost.is_empty() {
                broken.push(position);
                let needs = lost.into_iter().map(|name| format!("pkg:{name}")).collect();
                found.insert(position, Breaks { name: target::package_name(analyzed, position), needs, directly });
            }
        }
        if broken.is_empty() {
            return found.into_values().collect();
        }
        for position in broken {
            loads[position] = false;
        }
        directly = false;
    }
}

fn r_starts_with(planned: &Planned<'_>, gone: &BTreeSet<EntryId>) -> Result<Vec<StartsWith>> {
    let (analyzed, needs) = (&planned.analyzed, RNeeds::built_in()?);
    let packages = &analyzed.resolution.r.packages;
    let imports = analyzed.resolution.graph.needs(&Node::R).into_iter().filter(|(_, need)| *need == Need::Imports);
    let lost = imports.filter_map(|(to, _)| match to {
        Node::Package(position) if gone.contains(&packages[*position].entry) => {
            let without = needs.without(packages[*position].name())?.to_owned();
            Some(StartsWith { name: target::package_name(analyzed, *position), without })
        }
        _ => None,
    });
    Ok(lost.collect())
}

/// Whether a finding says something that none of the others does. What is behind a comma or bracket names others that have
/// the same trouble, and is not compared; nor is the file of a library, for the first of several is named.
fn is_new(finding: &Finding, others: &[Finding]) -> bool {
    let head = |finding: &Finding| finding.message.split([',', '(', ';']).next().unwrap_or_default().to_owned();
    let by_library = |finding: &Finding| finding.code.as_str().starts_with('L');
    let same = |other: &Finding| {
        other.code == finding.code
            && head(other) == head(finding)
            && (by_library(finding) || other.subject == finding.subject)
    };
    finding.severity != Severity::Info && !others.iter().any(same)
}
