//! What nothing in the tree needs: packages, each with those that only it needs, and libraries that nothing loads.

use super::{SCHEMA, ThingKind, Unneeded, Why};
use crate::plan::Plan;
use crate::plan::unneeded;
use crate::report::{Report, SizeIndex};
use crate::resolve::WhyUnloaded;

/// Answers what nothing in the tree needs, the largest first.
pub(crate) fn unneeded(plan: &Plan<'_>, report: &Report) -> Why {
    let mut sizes = SizeIndex::new(&plan.analysis, &plan.pruning, Some(plan));
    let found = unneeded::unneeded(&plan.analysis.resolution, &plan.pruning);
    let mut all: Vec<Unneeded> = found.iter().map(|found| of_package(plan, &mut sizes, found)).collect();
    all.extend(libraries(plan, &mut sizes));
    all.sort_by(|a, b| (b.freed.size.zipped_bytes, &a.name).cmp(&(a.freed.size.zipped_bytes, &b.name)));
    Why {
        schema: SCHEMA,
        layerfit: report.layerfit.clone(),
        root: report.root.clone(),
        runtime: report.runtime.clone(),
        targets: Vec::new(),
        things: Vec::new(),
        if_dropped: None,
        unneeded: Some(all),
    }
}

/// The same of one package; `None` if something in the tree needs it.
pub(crate) fn unneeded_package(plan: &Plan<'_>, sizes: &mut SizeIndex<'_>, package: usize) -> Option<Unneeded> {
    let found = unneeded::unneeded(&plan.analysis.resolution, &plan.pruning);
    found.iter().find(|found| found.package == package).map(|found| of_package(plan, sizes, found))
}

fn of_package(plan: &Plan<'_>, sizes: &mut SizeIndex<'_>, found: &unneeded::Unneeded) -> Unneeded {
    let resolution = &plan.analysis.resolution;
    let names = |positions: &[usize]| {
        let mut names: Vec<String> =
            positions.iter().map(|position| resolution.packages.unit_name(*position)).collect();
        names.sort();
        names
    };
    Unneeded {
        kind: ThingKind::Package,
        name: resolution.packages.unit_name(found.package),
        own: sizes.own(resolution.packages.get(found.package).entries(&resolution.tree)),
        freed: sizes.freed(found.entries(resolution)).1,
        with_it: names(&found.with_it),
        option_of: names(&found.option_of),
        why: None,
    }
}

fn libraries(plan: &Plan<'_>, sizes: &mut SizeIndex) -> Vec<Unneeded> {
    let tree = plan.analysis.tree();
    let unloaded = plan.analysis.resolution.unloaded(|id| plan.pruning.keeps(id));
    let of_each = unloaded.into_iter().filter(|library| tree.entry(library.entry).is_file()).map(|library| Unneeded {
        kind: ThingKind::Library,
        name: tree.path(library.entry).to_string(),
        own: sizes.own([library.entry]),
        freed: sizes.freed([library.entry]).1,
        with_it: Vec::new(),
        option_of: Vec::new(),
        why: Some(match library.why {
            WhyUnloaded::Shadowed(path) => format!("the loader finds {path} of the image first"),
            WhyUnloaded::Unreached => "nothing loads it".to_owned(),
        }),
    });
    of_each.collect()
}
