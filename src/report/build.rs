//! Building the report from the analysis, and from the plan if there is one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::contents::Contents;
use super::costs;
use super::model::{
    Amount, Architecture, Count, ImageReport, LayerChangeReport, LayerReport, LayerState, LoadedBy, MovedReport,
    NeededReport, ObjectReport, PackageReport, Packing, PrunedByRule, RecompressedReport, Report, RewrittenReport,
    Totals, UnitReport, UnusedLibraryReport, WhyUnused,
};
use crate::base::size::Size;
use crate::container::Image;
use crate::languages::{Package, language};
use crate::pack::MovedUnit;
use crate::pack::measure::entry_overhead;
use crate::pack::output::{GivenOptions, SCHEMA};
use crate::pack::rewrite::Form;
use crate::plan::target::portable;
use crate::plan::{Analysis, Plan, Settings};
use crate::prune::{Decision, Pruning};
use crate::resolve::{FoundIn, LibraryLookup, Need, Node, Object, ProcessKind, WhyUnloaded};
use crate::tree::EntryId;

impl Report {
    /// The report of a tree that is not packed.
    pub(crate) fn of_analysis(
        root: &str,
        image: Option<&Arc<Image>>,
        settings: &Settings,
        analysis: &Analysis<'_>,
        pruning: &Pruning,
    ) -> Self {
        Self { image: image_report(image), ..report(root, settings, analysis, pruning, None) }
    }

    /// The report of a plan, with findings in the severities of the settings.
    pub(crate) fn of_plan(root: &str, image: Option<&Arc<Image>>, settings: &Settings, plan: &Plan<'_>) -> Self {
        let measured = Some(plan).filter(|plan| plan.is_measured());
        let mut report = report(root, settings, &plan.analysis, &plan.pruning, measured);
        if settings.contents {
            report.contents.add_what_if(plan, settings);
        }
        report.image = image_report(image);
        report.fits = plan.fits;
        let mut findings = plan.findings.clone();
        // What only layers have was not checked without them.
        findings.extend(settings.severities.unused(&findings, |code| plan.is_measured() && code.is_plan_check()));
        report.set_findings(findings, &settings.severities);
        report
    }
}

impl Report {
    /// Lists every file and dependency, for the page.
    pub(crate) fn list_contents(&mut self, plan: &Plan<'_>, settings: &Settings) {
        self.contents = Contents::new(&plan.analysis, &plan.pruning, Some(plan));
        self.contents.add_what_if(plan, settings);
    }
}

/// The report of a tree, and of its layers if there is a `plan`.
fn report(
    root: &str,
    settings: &Settings,
    analysis: &Analysis<'_>,
    pruning: &Pruning,
    plan: Option<&Plan<'_>>,
) -> Report {
    let sums = Sums::new(analysis, pruning, plan);
    let costs = costs::costs(analysis, pruning, plan);
    Report {
        schema: SCHEMA,
        layerfit: env!("CARGO_PKG_VERSION").to_owned(),
        root: root.to_owned(),
        image: None,
        runtime: settings.runtime.name.clone(),
        architecture: architecture(settings, analysis, pruning),
        limits: settings.limits,
        packed_for: settings.packed_for.clone(),
        options: options(settings, analysis),
        fits: true,
        totals: sums.totals,
        pruned: sums.pruned,
        objects: objects(analysis, pruning),
        bundled: analysis.bundled.clone(),
        rewritten: plan.map(rewritten).unwrap_or_default(),
        recompressed: plan
            .and_then(|plan| plan.measurements.recompressed())
            .map(|recompressed| RecompressedReport { files: recompressed.files, saved_bytes: recompressed.saved }),
        unused_libraries: unused_libraries(analysis, pruning, plan),
        packages: packages(analysis, pruning, plan.is_some(), &sums.packages, &costs.packages),
        units: plan.map(|plan| units(plan, &costs)),
        layers: plan.map(layers),
        packing: plan.map(|plan| Packing {
            layers: plan.layout.layers.len(),
            lower_bound: plan.layout.lower_bound,
            optimal: plan.layout.optimal,
        }),
        in_no_layer: plan.and_then(in_no_layer),
        directories: costs.directories,
        libraries: costs.libraries,
        changes: plan.and_then(changes),
        compared: None,
        suggestions: Vec::new(),
        findings: Vec::new(),
        ignored: 0,
        config: settings.config.as_ref().map(|path| path.display().to_string()),
        contents: if settings.contents { Contents::new(analysis, pruning, plan) } else { Contents::default() },
    }
}

/// The options of the command line, without paths on this machine.
fn options(settings: &Settings, analysis: &Analysis<'_>) -> GivenOptions {
    let portable = |targets: &[String]| targets.iter().map(|target| portable(analysis, target)).collect();
    let options = settings.options.clone();
    GivenOptions { drop: portable(&options.drop), keep: portable(&options.keep), ..options }
}

/// Which image the tree is from, if its archive says so.
fn image_report(image: Option<&Arc<Image>>) -> Option<ImageReport> {
    let about = image?.about.as_ref()?;
    Some(ImageReport {
        name: about.name.clone(),
        config: about.config.to_string(),
        platform: about.platform.to_string(),
        layers: about.layers,
    })
}

/// The architecture that is set, or that of most files.
fn architecture(settings: &Settings, analysis: &Analysis<'_>, pruning: &Pruning) -> Option<Architecture> {
    if let Some(name) = settings.architecture {
        return Some(Architecture { name: name.to_owned(), assumed: false });
    }
    let machine = analysis.resolution.machine(|id| pruning.keeps(id))?;
    let of_lambda = ["x86_64", "arm64"].into_iter().find(|name| machine.is_lambda(name));
    Some(Architecture { name: of_lambda.map_or_else(|| machine.name(), str::to_owned), assumed: true })
}

/// Sums over the entries of a tree.
struct Sums {
    totals: Totals,
    pruned: Vec<PrunedByRule>,
    /// The kept files of each package.
    packages: Vec<Amount>,
}

impl Sums {
    fn new(analysis: &Analysis<'_>, pruning: &Pruning, plan: Option<&Plan<'_>>) -> Self {
        let mut totals = Totals::default();
        let by_rule = |rule: &crate::prune::PruneRule| PrunedByRule {
            rule: rule.code.clone(),
            name: rule.name.clone(),
            files: 0,
            bytes: 0,
            zipped_bytes: plan.filter(|plan| plan.measurements.weighed()).map(|_| 0),
        };
        let mut pruned: Vec<PrunedByRule> = pruning.rules.iter().map(by_rule).collect();
        let mut packages = vec![Amount::default(); analysis.resolution.packages.all.len()];
        let bundled: BTreeSet<&str> = analysis.bundled.iter().map(|bundled| bundled.path.as_str()).collect();
        let mut copied = Count::default();
        for (id, entry) in analysis.tree().all().filter(|(_, entry)| !entry.is_directory()) {
            let measured = plan.and_then(|plan| plan.measurements.get(id));
            let zipped = measured.map_or(0, |measured| measured.zipped(&entry.path));
            // The packed form can be shorter or longer than that of the tree.
            let unzipped = measured.map_or(entry.bytes(), |measured| measured.bytes);
            // Paths of copied files are ASCII or those of the tree: their texts are as good as their bytes.
            let is_copied = !bundled.is_empty() && bundled.contains(entry.path.to_string().as_str());
            let count = if is_copied { &mut copied } else { &mut totals.scanned };
            count.files += 1;
            count.bytes += entry.bytes();
            match pruning.decision(id) {
                Decision::Drop(rule) => {
                    totals.pruned.files += 1;
                    totals.pruned.bytes += entry.bytes();
                    pruned[rule].files += 1;
                    pruned[rule].bytes += entry.bytes();
                    pruned[rule].zipped_bytes = pruned[rule].zipped_bytes.map(|sum| sum + zipped);
                }
                Decision::Keep => {
                    totals.kept.files += 1;
                    totals.kept.unzipped_bytes += unzipped;
                    if let Some(package) = analysis.resolution.packages.of_path(&entry.path) {
                        packages[package].files += 1;
                        packages[package].size.unzipped_bytes += unzipped;
                        packages[package].size.zipped_bytes += zipped;
                    }
                }
            }
        }
        totals.bundled = (copied.files > 0).then_some(copied);
        totals.kept.zipped_bytes = plan.map(|plan| plan.layout.zipped_bytes());
        pruned.sort_by(|a, b| a.rule.cmp(&b.rule));
        Self { totals, pruned, packages }
    }
}

fn objects(analysis: &Analysis<'_>, pruning: &Pruning) -> Vec<ObjectReport> {
    let elf = analysis.objects().iter().filter(|(id, _)| pruning.keeps(**id));
    elf.map(|(id, elf)| {
        let mut by_result: BTreeMap<(String, FoundIn, Option<String>), Vec<ProcessKind>> = BTreeMap::new();
        for (kind, edge) in analysis.resolution.loads.edges.get(id).into_iter().flat_map(BTreeMap::keys) {
            let path = match &edge.outcome {
                LibraryLookup::Found { opened, object: Object::Tree(_) } => Some(opened.clone()),
                LibraryLookup::Found { object: Object::Image(path), .. } => Some(path.clone()),
                LibraryLookup::Missing { .. } => None,
            };
            let found = analysis.resolution.found(&edge.outcome);
            let kinds = by_result.entry((edge.soname.clone(), found, path)).or_default();
            if !kinds.contains(kind) {
                kinds.push(*kind);
            }
        }
        let needed = by_result.into_iter().map(|((soname, found, path), kinds)| NeededReport {
            soname,
            found,
            path,
            process: match kinds.as_slice() {
                [kind] => LoadedBy::from(*kind),
                _ => LoadedBy::Any,
            },
        });
        let mut needed_versions = elf.needed_versions.clone();
        needed_versions.sort();
        let mut defined_versions = elf.defined_versions.clone();
        defined_versions.sort();
        ObjectReport {
            needed_versions,
            defined_versions,
            path: analysis.tree().path(*id).to_string(),
            soname: elf.soname.clone(),
            machine: elf.machine.name(),
            strippable_bytes: elf.strippable_bytes(),
            needed: needed.collect(),
        }
    })
    .collect()
}

fn rewritten(plan: &Plan<'_>) -> Vec<RewrittenReport> {
    let mut by_form: BTreeMap<Form, RewrittenReport> = BTreeMap::new();
    for (id, before) in plan.measurements.rewritten() {
        let path = plan.analysis.tree().path(id);
        let Some(now) = plan.measurements.get(id) else { continue };
        let form = by_form.entry(before.form).or_insert_with(|| RewrittenReport {
            form: before.form,
            paths: Vec::new(),
            bytes_before: 0,
            bytes: 0,
            zipped_bytes_before: Some(0),
            zipped_bytes: 0,
        });
        form.paths.push(path.to_string());
        form.bytes_before += before.bytes;
        form.bytes += now.bytes;
        let zipped = before.compressed.map(|compressed| entry_overhead(path, false) + compressed);
        form.zipped_bytes_before = form.zipped_bytes_before.zip(zipped).map(|(sum, zipped)| sum + zipped);
        form.zipped_bytes += now.zipped(path);
    }
    by_form.into_values().collect()
}

fn unused_libraries(analysis: &Analysis<'_>, pruning: &Pruning, plan: Option<&Plan<'_>>) -> Vec<UnusedLibraryReport> {
    let tree = analysis.tree();
    let unloaded = analysis.resolution.unloaded(|id| pruning.keeps(id));
    let of = |library: crate::resolve::Unloaded| {
        let entry = tree.entry(library.entry);
        let by = match library.why {
            WhyUnloaded::Shadowed(path) => Some(path),
            WhyUnloaded::Unreached => None,
        };
        let measured = plan.and_then(|plan| plan.measurements.get(library.entry));
        UnusedLibraryReport {
            path: entry.path.to_string(),
            why: if by.is_some() { WhyUnused::Shadowed } else { WhyUnused::Unreached },
            by,
            bytes: entry.bytes(),
            zipped_bytes: measured.map(|measured| measured.zipped(&entry.path)),
        }
    };
    unloaded.into_iter().map(of).collect()
}

fn packages(
    analysis: &Analysis<'_>,
    pruning: &Pruning,
    measured: bool,
    sums: &[Amount],
    freed: &[Amount],
) -> Vec<PackageReport> {
    let packages = &analysis.resolution.packages;
    let report = |((package, own), freed): ((&Package, &Amount), &Amount)| {
        let of = language(package.language);
        let is_kept = |name: &str| {
            let copies = of.provides(packages, analysis.tree(), package, name);
            copies.into_iter().any(|copy| pruning.keeps(packages.get(copy).entry))
        };
        let needs: Vec<String> = package.requires.iter().map(|required| required.package.clone()).collect();
        PackageReport {
            name: package.name.clone(),
            version: package.version.clone(),
            language: package.language,
            path: package.directory.to_string(),
            priority: package.priority.clone(),
            missing: needs.iter().filter(|name| !is_kept(name)).cloned().collect(),
            needs,
            kept: pruning.keeps(package.entry),
            cost: costs::cost(*own, *freed, measured),
        }
    };
    packages.all.iter().zip(sums).zip(freed).map(report).collect()
}

fn changes(plan: &Plan<'_>) -> Option<Vec<LayerChangeReport>> {
    let is_packed = |name: &str| plan.layout.layers.iter().any(|layer| layer.name == name);
    let of = |change: &crate::pack::LayerChange| LayerChangeReport {
        layer: change.layer.clone(),
        state: match (change.known, is_packed(&change.layer)) {
            (true, false) => LayerState::Removed,
            (false, _) => LayerState::New,
            (true, true) if change.is_unchanged() => LayerState::Unchanged,
            (true, true) => LayerState::Changed,
        },
        added: change.added.clone(),
        removed: change.removed.clone(),
        updated: change.updated.clone(),
        moved_in: moved(&change.moved_in),
        moved_out: moved(&change.moved_out),
    };
    plan.layout.changes.as_ref().map(|changes| changes.iter().map(of).collect())
}

fn moved(units: &[MovedUnit]) -> Vec<MovedReport> {
    let of = |moved: &MovedUnit| MovedReport { unit: moved.unit.clone(), layer: moved.layer.clone(), full: moved.full };
    units.iter().map(of).collect()
}

fn units(plan: &Plan<'_>, costs: &costs::Costs) -> Vec<UnitReport> {
    let (layers, tree) = (&plan.layout.layers, plan.analysis.tree());
    let needed_by = needed_by(plan);
    let freed = |unit: &crate::pack::Unit| costs.units.get(&unit.name).copied().unwrap_or_default();
    let of = |unit: &crate::pack::Unit| UnitReport {
        name: unit.name.clone(),
        layers: layers
            .iter()
            .filter(|layer| layer.units.contains(&unit.name))
            .map(|layer| layer.name.clone())
            .collect(),
        files: unit.entries.iter().filter(|entry| !tree.entry(entry.id).is_directory()).count(),
        unzipped_bytes: unit.unzipped_bytes(),
        zipped_bytes: unit.zipped_bytes(),
        needed_by: needed_by.get(unit.name.as_str()).into_iter().flatten().cloned().collect(),
        retained_unzipped_bytes: freed(unit).size.unzipped_bytes,
        retained_zipped_bytes: freed(unit).size.zipped_bytes,
    };
    plan.units.iter().map(of).collect()
}

/// The units that need something in each unit. A link does not need what it leads to: it is of use only with it.
fn needed_by<'a>(plan: &'a Plan<'_>) -> BTreeMap<&'a str, BTreeSet<String>> {
    let resolution = &plan.analysis.resolution;
    let mut units: Vec<Option<&str>> = vec![None; resolution.tree.entries().len()];
    for unit in &plan.units {
        unit.entries.iter().for_each(|entry| units[entry.id.index()] = Some(&unit.name));
    }
    let unit = |node: &Node| match node {
        Node::Entry(id) => units[id.index()],
        Node::Package(position) => units[resolution.packages.get(*position).entry.index()],
        Node::Runtime(_) | Node::Image(_) | Node::Missing(_) => None,
    };
    let mut needed_by: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for from in resolution.graph.nodes() {
        let by = match from {
            Node::Runtime(id) => Some(id.as_str()),
            _ => unit(from),
        };
        let Some(by) = by else { continue };
        for (to, _) in resolution.graph.needs(from).into_iter().filter(|(_, need)| *need != Need::LinksTo) {
            if let Some(needed) = unit(to).filter(|needed| *needed != by) {
                needed_by.entry(needed).or_default().insert(by.to_owned());
            }
        }
    }
    needed_by
}

/// What is packed in no layer, because it is too large for each.
fn in_no_layer(plan: &Plan<'_>) -> Option<Amount> {
    let placed: usize = plan.layout.layers.iter().map(|layer| layer.entries.len()).sum();
    if placed == plan.units.iter().map(|unit| unit.entries.len()).sum::<usize>() {
        return None;
    }
    let tree = plan.analysis.tree();
    let placed: BTreeSet<EntryId> = plan.layout.layers.iter().flat_map(|layer| &layer.entries).copied().collect();
    let left = plan.units.iter().flat_map(|unit| &unit.entries).filter(|entry| !placed.contains(&entry.id));
    let amount = left.map(|entry| Amount {
        files: usize::from(!tree.entry(entry.id).is_directory()),
        size: Size { zipped_bytes: entry.zipped, unzipped_bytes: entry.unzipped },
    });
    Some(amount.sum())
}

fn layers(plan: &Plan<'_>) -> Vec<LayerReport> {
    let tree = plan.analysis.tree();
    let of = |layer: &crate::pack::Layer| {
        let directories = layer.entries.iter().filter(|id| tree.entry(**id).is_directory()).count();
        LayerReport {
            name: layer.name.clone(),
            zip: format!("{}.zip", layer.name),
            sha256: None,
            files: layer.entries.len() - directories,
            directories,
            unzipped_bytes: layer.unzipped_bytes,
            zipped_bytes: layer.zipped_bytes,
            units: layer.units.clone(),
            entries: None,
        }
    };
    plan.layout.layers.iter().map(of).collect()
}
