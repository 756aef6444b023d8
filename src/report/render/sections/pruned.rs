//! What was left out, changed or added: what rules dropped, rewritten files, bundled libraries, and libraries that nothing loads.

use super::section::{Detail, Section, SectionKind};
use crate::base::bytes::{plural, size};
use crate::base::list;
use crate::pack::rewrite::Form;
use crate::report::{PrunedByRule, Report};

/// How many rules a short report names.
const RULES_SHOWN: usize = 3;

/// How many bundled files a short report names.
const BUNDLED_SHOWN: usize = 5;

pub(super) fn pruned(report: &Report, detail: Detail) -> Option<Section> {
    let mut rules: Vec<_> = report.pruned.iter().filter(|rule| rule.files > 0).collect();
    // What was not weighed has no zipped bytes, and is not in the table.
    let weighed = rules.first()?.zipped_bytes.is_some();
    let bytes = |rule: &PrunedByRule| rule.zipped_bytes.unwrap_or(rule.bytes);
    rules.sort_by(|a, b| bytes(b).cmp(&bytes(a)).then_with(|| a.rule.cmp(&b.rule)));
    if detail == Detail::Short {
        return Some(pruned_in_short(&rules, weighed));
    }
    let row = |rule: &str, name: &str, files: usize, of: &[&PrunedByRule]| {
        let mut row = vec![rule.to_owned(), name.to_owned(), files.to_string()];
        row.push(size(of.iter().map(|rule| rule.bytes).sum()));
        row.extend(weighed.then(|| size(of.iter().filter_map(|rule| rule.zipped_bytes).sum())));
        row
    };
    let mut rows: Vec<Vec<String>> =
        rules.iter().map(|rule| row(&rule.rule, &rule.name, rule.files, &[*rule])).collect();
    let largest = bytes(rules[0]);
    rows.push(row("all", "", report.totals.pruned.files, &rules));
    let header = ["rule", "name", "files", "unzipped", "zipped"];
    let mut note = "`layerfit rules CODE` explains why a rule is safe and what it breaks.".to_owned();
    if !weighed {
        note += " --weigh-pruned adds zipped sizes.";
    }
    Some(Section {
        kind: SectionKind::Pruned,
        shares: rules.iter().map(|rule| Some((bytes(rule), largest))).collect(),
        title: "Pruned".to_owned(),
        header: header[..4 + usize::from(weighed)].to_vec(),
        numbers: (2..4 + usize::from(weighed)).collect(),
        rows,
        note: Some(note),
    })
}

/// The same in one sentence: the rules that drop most.
fn pruned_in_short(rules: &[&PrunedByRule], weighed: bool) -> Section {
    let named = rules.iter().map(|rule| {
        let zipped = rule.zipped_bytes.map(|bytes| format!(" ({} zipped)", size(bytes))).unwrap_or_default();
        format!("{} {} {}{zipped}", rule.rule, rule.name, size(rule.bytes))
    });
    let named: Vec<String> = named.collect();
    // One more is not longer than how many more there are.
    let shown = if named.len() == RULES_SHOWN + 1 { named.len() } else { RULES_SHOWN };
    let left = named.len() - shown.min(named.len());
    let others = if left > 0 { format!(", and {left} more rules (-v)") } else { String::new() };
    let weigh = if weighed { "" } else { " --weigh-pruned: zipped sizes." };
    Section {
        kind: SectionKind::Pruned,
        shares: Vec::new(),
        title: "Pruned".to_owned(),
        header: Vec::new(),
        numbers: Vec::new(),
        rows: Vec::new(),
        note: Some(format!("{}{others}.{weigh}", named[..named.len() - left].join(", "))),
    }
}

/// What is packed in another form than that of the tree, and what that saves.
pub(super) fn rewritten(report: &Report, detail: Detail) -> Option<Section> {
    let change = |before: u64, now: u64| {
        let sign = if now > before { "+" } else { "-" };
        format!("{sign}{}", size(before.abs_diff(now)))
    };
    let name = |form: Form| match form {
        Form::AsItIs => "unchanged",
        Form::Stripped => "ELF files stripped (--strip)",
        Form::Open => "R databases uncompressed (--repack-rdb)",
        Form::Xz => "R databases with xz (--repack-rdb)",
    };
    let rows = report.rewritten.iter().map(|form| {
        vec![
            name(form.form).to_owned(),
            form.paths.len().to_string(),
            change(form.bytes_before, form.bytes),
            form.zipped_bytes_before.map(|before| change(before, form.zipped_bytes)).unwrap_or_default(),
        ]
    });
    let note = report.recompressed.map(|recompressed| {
        format!(
            "{} compressed harder to save a layer: {} saved.",
            plural(recompressed.files, "file is", "files are"),
            size(recompressed.saved_bytes)
        )
    });
    let rows: Vec<Vec<String>> = rows.collect();
    // One line for each is enough.
    let (rows, note) = match detail {
        Detail::Full => (rows, note),
        Detail::Short => {
            let lines = rows.iter().map(|row| match row.as_slice() {
                [what, files, unzipped, zipped] => {
                    let (what, _) = what.split_once(" (").unwrap_or((what, ""));
                    let zipped = if zipped.is_empty() { String::new() } else { format!(", {zipped} zipped") };
                    format!("{what} ({files}): {unzipped} unzipped{zipped}.")
                }
                _ => String::new(),
            });
            let all: Vec<String> = lines.chain(note).collect();
            (Vec::new(), (!all.is_empty()).then(|| all.join(" ")))
        }
    };
    (!rows.is_empty() || note.is_some()).then(|| Section {
        kind: SectionKind::Other,
        shares: Vec::new(),
        title: "Rewritten".to_owned(),
        header: vec!["what", "files", "unzipped", "zipped"],
        numbers: vec![1, 2, 3],
        rows,
        note,
    })
}

/// Libraries and data that were copied from the build host.
pub(super) fn bundled(report: &Report, detail: Detail) -> Option<Section> {
    let all = &report.bundled;
    let row =
        |bundled: &crate::plan::bundle::Bundled| vec![bundled.path.clone(), bundled.from.clone(), size(bundled.bytes)];
    let paths: Vec<&str> = all.iter().map(|bundled| bundled.path.as_str()).collect();
    let (rows, note) = match detail {
        Detail::Full => (all.iter().map(row).collect(), None),
        Detail::Short => {
            let bytes = size(all.iter().map(|bundled| bundled.bytes).sum());
            let files = plural(all.len(), "file", "files");
            let note = format!("{files} ({bytes}) from the build host: {} (-v).", list::some(&paths, BUNDLED_SHOWN));
            (Vec::new(), Some(note))
        }
    };
    (!all.is_empty()).then(|| Section {
        kind: SectionKind::Other,
        shares: Vec::new(),
        title: "Bundled".to_owned(),
        header: vec!["file", "copied from", "unzipped"],
        numbers: vec![2],
        rows,
        note,
    })
}

/// Libraries that nothing loads; for a short report, the finding that counts them is enough.
pub(super) fn unused_libraries(report: &Report, detail: Detail) -> Option<Section> {
    if detail == Detail::Short || report.unused_libraries.is_empty() {
        return None;
    }
    // An analysis compresses nothing.
    let measured = report.unused_libraries.iter().any(|library| library.zipped_bytes.is_some());
    let rows = report.unused_libraries.iter().map(|library| {
        [
            library.path.clone(),
            library.by.as_ref().map_or("not needed by anything".to_owned(), |by| format!("shadowed by {by}")),
            size(library.bytes),
        ]
        .into_iter()
        .chain(measured.then(|| library.zipped_bytes.map(size).unwrap_or_default()))
        .collect()
    });
    let mut header = vec!["library", "why", "unzipped"];
    header.extend(measured.then_some("zipped"));
    Some(Section {
        kind: SectionKind::Other, shares: Vec::new(),
        title: "Unloaded libraries".to_owned(),
        numbers: (2..header.len()).collect(),
        header,
        rows: rows.collect(),
        note: Some(
            "`layerfit plan --select unloaded-libraries` drops them; `layerfit rules D901` explains what that can break.".to_owned(),
        ),
    })
}
