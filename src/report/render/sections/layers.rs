//! The layers: their sizes beside the limits, what changed since the baseline and the lock file, and budgets.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use super::rows::Rows;
use super::section::{Detail, Section, SectionKind, TIGHTEST};
use super::verdict::percent;
use crate::base::bytes::{plural, size};
use crate::base::list;
use crate::base::size::Size;
use crate::report::{Amount, Compared, LayerReport, LayerState, Report};

/// How many layers a short report lists; the others are added up.
const LAYERS_SHOWN: usize = 8;

/// How many sizes a short report compares with the baseline.
const COMPARED_SHOWN: [usize; TIGHTEST + 1] = [6, 4, 3];

/// How many units of a layer it lists.
const UNITS_SHOWN: [usize; TIGHTEST + 1] = [6, 3, 1];

/// The heading of changed units where some moved.
const MOVED: &str = "units: + added, - removed, ~ changed, → ← moved";

pub(super) fn layers(report: &Report, detail: Detail) -> Option<Section> {
    let layers = report.layers.as_ref()?;
    let limits = &report.limits;
    let shown = if detail == Detail::Full || layers.len() <= LAYERS_SHOWN { layers.len() } else { LAYERS_SHOWN - 1 };
    let sum = |layers: &[LayerReport], part: fn(&LayerReport) -> u64| layers.iter().map(part).sum::<u64>();
    let added = |name: String, layers: &[LayerReport]| {
        let unzipped = sum(layers, |layer| layer.unzipped_bytes);
        vec![
            name,
            size(sum(layers, |layer| layer.zipped_bytes)),
            String::new(),
            size(unzipped),
            percent(unzipped, limits.layers_unzipped()),
            layers.iter().map(|layer| layer.files).sum::<usize>().to_string(),
        ]
    };
    let mut rows: Vec<Vec<String>> = layers[..shown]
        .iter()
        .map(|layer| {
            let mut row = added(layer.name.clone(), std::slice::from_ref(layer));
            row[2] = percent(layer.zipped_bytes, limits.layer_zipped);
            row
        })
        .collect();
    if shown < layers.len() {
        rows.push(added(format!("+{} (-v)", layers.len() - shown), &layers[shown..]));
    }
    let outside = report.in_no_layer.unwrap_or_default();
    let unzipped = sum(layers, |layer| layer.unzipped_bytes).saturating_add(outside.size.unzipped_bytes);
    if let Some(Amount { files, size: Size { zipped_bytes, unzipped_bytes } }) = report.in_no_layer {
        let percent = percent(unzipped_bytes, limits.layers_unzipped());
        rows.push(vec![
            "in no layer".to_owned(),
            size(zipped_bytes),
            String::new(),
            size(unzipped_bytes),
            percent,
            files.to_string(),
        ]);
    }
    // Of one layer, a short report has no sum.
    if detail == Detail::Full || layers.len() != 1 || report.in_no_layer.is_some() {
        let zipped = sum(layers, |layer| layer.zipped_bytes).saturating_add(outside.size.zipped_bytes);
        let files = layers.iter().map(|layer| layer.files).sum::<usize>() + outside.files;
        rows.push(vec![
            "all".to_owned(),
            size(zipped),
            String::new(),
            size(unzipped),
            percent(unzipped, limits.layers_unzipped()),
            files.to_string(),
        ]);
    }
    let left = limits.layers_unzipped().saturating_sub(unzipped);
    let mut note = format!(
        "Limits: {} zipped per layer, {}, {} unzipped in total. ",
        size(limits.layer_zipped),
        plural(limits.layers, "layer", "layers"),
        size(limits.layers_unzipped()),
    );
    note += &match (left, limits.measured_code()) {
        (0, Some(code)) => format!("The function's code has {} unzipped; nothing is left.", size(code)),
        (left, Some(code)) => format!("The function's code has {} unzipped; {} is left.", size(code), size(left)),
        (0, None) => "Nothing is left for the function's code.".to_owned(),
        (left, None) => format!("{} unzipped is left for the function's code.", size(left)),
    };
    if let Some(packing) = &report.packing {
        if packing.optimal {
            let minimum = match packing.layers {
                0 => String::new(),
                1 => " 1 layer is the minimum.".to_owned(),
                more => format!(" {more} layers are the minimum."),
            };
            note += &minimum;
        } else {
            let bound = plural(packing.lower_bound, "layer", "layers");
            note += &format!(" Lower bound: {bound}; whether fewer than {} are enough is not proven.", packing.layers);
        }
    }
    let directories: usize = layers.iter().map(|layer| layer.directories).sum();
    if detail == Detail::Full && directories > 0 {
        let more = plural(directories, "directory has an entry", "directories have entries");
        note += &format!(" Files include links; {more}, too.");
    }
    Some(Section {
        kind: SectionKind::Layers,
        shares: layers[..shown].iter().map(|layer| Some((layer.zipped_bytes, limits.layer_zipped))).collect(),
        title: "Layers".to_owned(),
        header: vec!["layer", "zipped", "% of limit", "unzipped", "% of limit", "files"],
        numbers: vec![1, 2, 3, 4, 5],
        rows,
        note: Some(note),
    })
}

/// Sizes compared with the baseline and with budgets.
pub(super) fn compared(report: &Report, detail: Detail, rows: Rows) -> Option<Section> {
    let all = report.compared.as_ref()?;
    let shown = if detail == Detail::Full { all.len() } else { all.len().min(COMPARED_SHOWN[rows.tight]) };
    let budgets = all.iter().any(|of| of.budget_zipped.is_some() || of.budget_unzipped.is_some());
    let baseline = all.iter().any(|of| of.before.is_some());
    let change = |of: &Compared, part: fn(&Size) -> u64| match (&of.before, &of.now) {
        (None, _) => "new".to_owned(),
        (_, None) => "gone".to_owned(),
        (Some(before), Some(now)) => match part(now).cmp(&part(before)) {
            Ordering::Equal => "=".to_owned(),
            Ordering::Greater => format!("+{}", size(part(now) - part(before))),
            Ordering::Less => format!("-{}", size(part(before) - part(now))),
        },
    };
    let rows = all[..shown].iter().map(|of| {
        let is = |part: fn(&Size) -> u64| of.now.as_ref().map(|now| size(part(now))).unwrap_or_default();
        let mut row = vec![of.name.clone()];
        let parts: [fn(&Size) -> u64; 2] = [|of| of.zipped_bytes, |of| of.unzipped_bytes];
        for part in parts {
            row.push(is(part));
            row.extend(baseline.then(|| change(of, part)));
        }
        row.extend(budgets.then(|| {
            let zipped = of.budget_zipped.map(|bytes| format!("{} zipped", size(bytes)));
            let unzipped = of.budget_unzipped.map(|bytes| format!("{} unzipped", size(bytes)));
            zipped.into_iter().chain(unzipped).collect::<Vec<_>>().join(", ")
        }));
        row
    });
    let mut header = vec!["what", "zipped"];
    header.extend(baseline.then_some("change"));
    header.push("unzipped");
    header.extend(baseline.then_some("change"));
    let numbers = (1..header.len()).collect();
    header.extend(budgets.then_some("budget"));
    Some(Section {
        kind: SectionKind::Compared,
        shares: Vec::new(),
        title: if baseline { "Change since the baseline" } else { "Budgets" }.to_owned(),
        header,
        numbers,
        rows: rows.collect(),
        note: (shown < all.len()).then(|| format!("{} more with -v.", all.len() - shown)),
    })
}

/// Changes since the lock file: which layers have to be published, and why.
pub(super) fn changes(report: &Report, detail: Detail, rows: Rows) -> Option<Section> {
    let changes = report.changes.as_ref()?;
    let mut shown: Vec<_> = changes.iter().collect();
    if detail == Detail::Short && shown.len() > LAYERS_SHOWN + 1 {
        // What has to be published comes first.
        shown.sort_by_key(|change| change.state == LayerState::Unchanged);
        shown.truncate(LAYERS_SHOWN);
    }
    let not_shown = changes.len() - shown.len();
    let rows = shown.into_iter().map(|change| {
        let signed =
            |sign: &str, units: &[String]| units.iter().map(|unit| format!("{sign}{unit}")).collect::<Vec<_>>();
        let mut all = [signed("+", &change.added), signed("-", &change.removed), signed("~", &change.updated)].concat();
        all.extend(change.moved_out.iter().map(|moved| format!("{}→{}", moved.unit, moved.layer)));
        all.extend(change.moved_in.iter().map(|moved| format!("{}←{}", moved.unit, moved.layer)));
        let shown = UNITS_SHOWN[rows.tight];
        let more = all.len().saturating_sub(shown);
        if detail == Detail::Short && more > 0 {
            all.truncate(shown);
            all.push(format!("and {more} more (-v)"));
        }
        vec![change.layer.clone(), change.state.to_string(), all.join(" ")]
    });
    let publish = changes.iter().filter(|change| matches!(change.state, LayerState::Changed | LayerState::New)).count();
    let mut note = format!("Changed: {}", plural(publish, "layer", "layers"));
    let is_same = changes.iter().any(|change| change.state == LayerState::Unchanged);
    note += if is_same { "; the others are byte for byte the same." } else { "." };
    if not_shown > 0 {
        note += &format!(" {not_shown} more with -v.");
    }
    let moved = changes.iter().any(|change| !change.moved_in.is_empty());
    let full: BTreeSet<&str> = changes
        .iter()
        .flat_map(|change| &change.moved_in)
        .filter(|moved| moved.full)
        .map(|moved| moved.layer.as_str())
        .collect();
    if !full.is_empty() {
        let full: Vec<&str> = full.into_iter().collect();
        note += &format!(" Units moved because there is no room for them in {}.", list::with_last(&full, "and"));
    }
    if changes.iter().any(|change| change.state == LayerState::Removed) {
        note += " The other layers keep their names, and so their ARNs.";
    }
    Some(Section {
        kind: SectionKind::Changes,
        shares: Vec::new(),
        title: "Changes since the lock file".to_owned(),
        header: vec!["layer", "state", if moved { MOVED } else { "units: + added, - removed, ~ changed" }],
        numbers: vec![],
        rows: rows.collect(),
        note: Some(note),
    })
}
