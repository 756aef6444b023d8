//! The report of a tree: its values read off what was analyzed, pruned, measured and packed.

use std::collections::BTreeMap;

use super::contents::Contents;
use super::costs::{self, Weight};
use super::model::{
    HardenedReport, LayerChangeReport, LayerReport, NeededReport, ObjectReport, PackageReport, Packing, PrunedByRule,
    Report, RewrittenReport, SCHEMA, Totals, UnitReport, UnloadedReport,
};
use crate::pipeline::{Analyzed, Planned, Settings};
use crate::prune::{Decision, Pruning};
use crate::resolve::{Object, Outcome, ProcessKind, Resolution, WhyUnloaded};
use crate::transform::Form;

/// The report of a tree; with `planned`, of its layers too.
pub(crate) fn of_tree(
    root: &str,
    settings: &Settings,
    analyzed: &Analyzed<'_>,
    pruning: &Pruning,
    planned: Option<&Planned<'_>>,
) -> Report {
    let weights = Weights::new(analyzed, pruning, planned);
    let costs = costs::costs(analyzed, pruning, planned);
    Report {
        schema: SCHEMA,
        layerfit: env!("CARGO_PKG_VERSION").to_owned(),
        root: root.to_owned(),
        runtime: settings.runtime.name.clone(),
        limits: settings.limits,
        fits: true,
        totals: weights.totals,
        pruned: weights.pruned,
        objects: objects(analyzed, pruning),
        bundled: analyzed.bundled.clone(),
        rewritten: planned.map(rewritten).unwrap_or_default(),
        hardened: planned
            .and_then(|planned| planned.measurements.hardened())
            .map(|hardened| HardenedReport { files: hardened.files, saved_bytes: hardened.saved }),
        unloaded: unloaded(analyzed, pruning, planned),
        packages: packages(analyzed, pruning, planned.is_some(), &weights.packages, &costs.packages),
        units: planned.map(|planned| units(planned, &costs)),
        layers: planned.map(layers),
        packing: planned.map(|planned| Packing {
            layers: planned.plan.layers.len(),
            lower_bound: planned.plan.lower_bound,
            optimal: planned.plan.optimal,
        }),
        directories: costs.directories,
        libraries: costs.libraries,
        changes: planned.and_then(changes),
        suggestions: Vec::new(),
        findings: Vec::new(),
        ignored: 0,
        contents: Contents::new(analyzed, pruning, planned),
    }
}

/// Sums over the entries of a tree.
struct Weights {
    totals: Totals,
    pruned: Vec<PrunedByRule>,
    /// The kept files of each package.
    packages: Vec<Weight>,
}

impl Weights {
    fn new(analyzed: &Analyzed<'_>, pruning: &Pruning, planned: Option<&Planned<'_>>) -> Self {
        let mut totals = Totals::default();
        let by_rule = |rule: &crate::rules::PruneRule| PrunedByRule {
            rule: rule.code.clone(),
            name: rule.name.clone(),
            files: 0,
            bytes: 0,
            zipped_bytes: 0,
        };
        let mut pruned: Vec<PrunedByRule> = pruning.rules.iter().map(by_rule).collect();
        let mut packages = vec![Weight::default(); analyzed.resolution.r.packages.len()];
        for (id, entry) in analyzed.tree.all().filter(|(_, entry)| !entry.is_directory()) {
            let measured = planned.and_then(|planned| planned.measurements.get(id));
            let zipped = measured.map_or(0, |measured| measured.zipped(&entry.path));
            // What is packed can be shorter or longer than what is in the tree.
            let unzipped = measured.map_or(entry.bytes(), |measured| measured.bytes);
            totals.scanned.files += 1;
            totals.scanned.bytes += entry.bytes();
            match pruning.decision(id) {
                Decision::Drop(rule) => {
                    totals.pruned.files += 1;
                    totals.pruned.bytes += entry.bytes();
                    pruned[rule].files += 1;
                    pruned[rule].bytes += entry.bytes();
                    pruned[rule].zipped_bytes += zipped;
                }
                Decision::Keep => {
                    totals.kept.files += 1;
                    totals.kept.unzipped_bytes += unzipped;
                    if let Some(package) = analyzed.resolution.r.package_of(&entry.path) {
                        packages[package].files += 1;
                        packages[package].unzipped += unzipped;
                        packages[package].zipped += zipped;
                    }
                }
            }
        }
        totals.kept.zipped_bytes = planned.map(|planned| planned.plan.zipped_bytes());
        pruned.sort_by(|a, b| a.rule.cmp(&b.rule));
        Self { totals, pruned, packages }
    }
}

fn objects(analyzed: &Analyzed<'_>, pruning: &Pruning) -> Vec<ObjectReport> {
    let elf = analyzed.facts.elf.iter().filter(|(id, _)| pruning.keeps(**id));
    elf.map(|(id, elf)| {
        let mut by_answer: BTreeMap<(String, String, Option<String>), Vec<ProcessKind>> = BTreeMap::new();
        for (kind, edge) in analyzed.resolution.loads.edges.get(id).into_iter().flat_map(BTreeMap::keys) {
            let path = match &edge.outcome {
                Outcome::Found { opened, object: Object::Tree(_) } => Some(opened.clone()),
                Outcome::Found { object: Object::Image(path), .. } => Some(path.clone()),
                Outcome::Missing { .. } => None,
            };
            let found = Resolution::found(&edge.outcome, &analyzed.image).to_owned();
            let kinds = by_answer.entry((edge.soname.clone(), found, path)).or_default();
            if !kinds.contains(kind) {
                kinds.push(*kind);
            }
        }
        let needed = by_answer.into_iter().map(|((soname, found, path), kinds)| NeededReport {
            soname,
            found,
            path,
            process: match kinds.as_slice() {
                [ProcessKind::R] => "R",
                [ProcessKind::Plain] => "other",
                _ => "any",
            }
            .to_owned(),
        });
        let mut needed_versions = elf.needed_versions.clone();
        needed_versions.sort();
        let mut defined_versions = elf.defined_versions.clone();
        defined_versions.sort();
        ObjectReport {
            needed_versions,
            defined_versions,
            path: analyzed.tree.path(*id).to_string(),
            soname: elf.soname.clone(),
            machine: elf.machine.name(),
            strippable_bytes: elf.strippable_bytes(),
            needed: needed.collect(),
        }
    })
    .collect()
}

fn rewritten(planned: &Planned<'_>) -> Vec<RewrittenReport> {
    let mut by_form: BTreeMap<Form, RewrittenReport> = BTreeMap::new();
    for (id, before) in planned.measurements.rewritten() {
        let path = planned.analyzed.tree.path(id);
        let Some(now) = planned.measurements.get(id) else { continue };
        let form = by_form.entry(before.form).or_insert_with(|| RewrittenReport {
            form: before.form,
            paths: Vec::new(),
            bytes_before: 0,
            bytes: 0,
            zipped_bytes_before: 0,
            zipped_bytes: 0,
        });
        form.paths.push(path.to_string());
        form.bytes_before += before.bytes;
        form.bytes += now.bytes;
        form.zipped_bytes_before += crate::measure::entry_overhead(path, false) + before.compressed;
        form.zipped_bytes += now.zipped(path);
    }
    by_form.into_values().collect()
}

fn unloaded(analyzed: &Analyzed<'_>, pruning: &Pruning, planned: Option<&Planned<'_>>) -> Vec<UnloadedReport> {
    let tree = &analyzed.tree;
    let unloaded = analyzed.resolution.unloaded(tree, &analyzed.facts, |id| pruning.keeps(id));
    let of = |library: crate::resolve::Unloaded| {
        let entry = tree.entry(library.entry);
        let by = match library.why {
            WhyUnloaded::Shadowed(path) => Some(path),
            WhyUnloaded::Unreached => None,
        };
        let measured = planned.and_then(|planned| planned.measurements.get(library.entry));
        UnloadedReport {
            path: entry.path.to_string(),
            why: if by.is_some() { "shadowed" } else { "unreached" }.to_owned(),
            by,
            bytes: entry.bytes(),
            zipped_bytes: measured.map(|measured| measured.zipped(&entry.path)),
        }
    };
    unloaded.into_iter().map(of).collect()
}

fn packages(
    analyzed: &Analyzed<'_>,
    pruning: &Pruning,
    measured: bool,
    weights: &[Weight],
    freed: &[Weight],
) -> Vec<PackageReport> {
    let r = &analyzed.resolution.r;
    let there = |name: &str| r.find_package(name).any(|copy| pruning.keeps(r.packages[copy].entry));
    r.packages
        .iter()
        .zip(weights)
        .zip(freed)
        .map(|((package, own), freed)| {
            let needs: Vec<String> = package.description.needs().map(|need| need.package.clone()).collect();
            PackageReport {
                name: package.name().to_owned(),
                version: package.description.version.to_string(),
                path: package.directory.to_string(),
                priority: package.description.priority.clone(),
                missing: needs.iter().filter(|name| !there(name)).cloned().collect(),
                needs,
                reached: pruning.keeps(package.entry),
                cost: costs::cost(*own, *freed, measured),
            }
        })
        .collect()
}

fn changes(planned: &Planned<'_>) -> Option<Vec<LayerChangeReport>> {
    let there = |name: &str| planned.plan.layers.iter().any(|layer| layer.name == name);
    let of = |change: &crate::pack::LayerChange| LayerChangeReport {
        layer: change.layer.clone(),
        state: match (change.known, there(&change.layer)) {
            (true, false) => "gone",
            (false, _) => "new",
            (true, true) if change.is_unchanged() => "unchanged",
            (true, true) => "changed",
        }
        .to_owned(),
        added: change.added.clone(),
        removed: change.removed.clone(),
        updated: change.updated.clone(),
    };
    planned.plan.changes.as_ref().map(|changes| changes.iter().map(of).collect())
}

fn units(planned: &Planned<'_>, costs: &costs::Costs) -> Vec<UnitReport> {
    let layers = &planned.plan.layers;
    let freed = |unit: &crate::pack::Unit| costs.units.get(&unit.name).copied().unwrap_or_default();
    let of = |unit: &crate::pack::Unit| UnitReport {
        name: unit.name.clone(),
        layers: layers
            .iter()
            .filter(|layer| layer.units.contains(&unit.name))
            .map(|layer| layer.name.clone())
            .collect(),
        files: unit.entries.len(),
        unzipped_bytes: unit.unzipped_bytes(),
        zipped_bytes: unit.zipped_bytes(),
        retained_unzipped_bytes: freed(unit).unzipped,
        retained_zipped_bytes: freed(unit).zipped,
    };
    planned.units.iter().map(of).collect()
}

fn layers(planned: &Planned<'_>) -> Vec<LayerReport> {
    let of = |layer: &crate::pack::Layer| LayerReport {
        name: layer.name.clone(),
        zip: format!("{}.zip", layer.name),
        sha256: None,
        files: layer.entries.len(),
        unzipped_bytes: layer.unzipped_bytes,
        zipped_bytes: layer.zipped_bytes,
        units: layer.units.clone(),
        entries: None,
    };
    planned.plan.layers.iter().map(of).collect()
}
