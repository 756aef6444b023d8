//! The sections of a report, in the order of the questions that they answer: does it fit, in how many layers of what size,
//! what did which rule prune, what is missing, which units are the largest. Terminal, Markdown and page share them.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use crate::base::bytes::{plural, rough_size, size};
use crate::base::finding::{Code, Finding, Severity, Subject};
use crate::base::list;
use crate::base::size::Size;
use crate::pack::rewrite::Form;
use crate::plan::suggest::{Figures, Suggestion};
use crate::report::{Compared, ImageReport, LayerState, PrunedByRule, Report};

/// How many rules a short report lists; the others are added up.
const RULES_SHOWN: usize = 5;
/// How many next steps a short report lists.
const MAX_STEPS: usize = 4;
/// How many sizes a short report compares with the baseline.
const COMPARED_SHOWN: usize = 8;
/// The heading of changed units where some moved.
const MOVED: &str = "units: + added, - removed, ~ changed, → ← moved";
/// How many codes of errors a verdict names.
const CODES_SHOWN: usize = 5;
/// How many units of a layer a short report lists.
const UNITS_SHOWN: usize = 10;
/// How many of the largest units it lists.
const LARGEST_SHOWN: usize = 5;

/// Which part of a report or an answer a section is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SectionKind {
    /// The layers and their limits.
    Layers,
    /// Sizes compared with the baseline and budgets.
    Compared,
    /// Changes since the lock file.
    Changes,
    /// What each rule dropped.
    Pruned,
    /// The units, the largest first.
    Units,
    /// What could be done next.
    NextSteps,
    /// Anything else.
    Other,
}

/// A heading with a table and a note below it.
pub(crate) struct Section {
    pub(crate) kind: SectionKind,
    pub(crate) title: String,
    pub(crate) header: Vec<&'static str>,
    /// Columns of numbers, aligned to the right.
    pub(crate) numbers: Vec<usize>,
    /// What a terminal with room for it draws after each row as a bar: a part of a whole; empty if there are no bars.
    pub(crate) shares: Vec<Option<(u64, u64)>>,
    pub(crate) rows: Vec<Vec<String>>,
    pub(crate) note: Option<String>,
}

/// The used share of a limit, rounded up: more than 100 % is over the limit.
pub(in crate::report) fn percent(part: u64, whole: u64) -> String {
    match whole {
        0 => "-".to_owned(),
        whole => format!("{}%", (u128::from(part) * 100).div_ceil(u128::from(whole))),
    }
}

/// `PASS` or `FAIL`, the word that a verdict begins with.
pub(in crate::report) fn outcome(report: &Report) -> &'static str {
    if report.passed() { "PASS" } else { "FAIL" }
}

/// The verdict in one line: whether it passes, and why not.
pub(in crate::report) fn verdict(report: &Report) -> String {
    let outcome = outcome(report);
    let errors = report.errors();
    let reasons = || {
        let errors: Vec<&Finding> =
            report.findings.iter().filter(|finding| finding.severity == Severity::Error).collect();
        let of_code = |alike: &[&Finding]| match alike.len() {
            1 => alike[0].code.to_string(),
            count => format!("{} ({count})", alike[0].code),
        };
        let mut codes: Vec<String> = errors.chunk_by(|a, b| a.code == b.code).map(of_code).collect();
        if codes.len() > CODES_SHOWN {
            codes.truncate(CODES_SHOWN - 1);
            codes.push("others".to_owned());
        }
        codes.join(", ")
    };
    let counted = || format!("{}: {}", plural(errors, "error", "errors"), reasons());
    let why = || {
        let limit = report.findings.iter().find(|finding| finding.code.is_limit());
        limit.map_or_else(String::new, |finding| {
            format!(" {} ({}): {}.", finding.subject, finding.code, finding.brief())
        })
    };
    let Some(layers) = &report.layers else {
        return match errors {
            _ if !report.fits => format!("{outcome}: does not fit, however small its zips would be.{}", why()),
            0 => format!("{outcome}: no errors."),
            _ => format!("{outcome}: {}.", counted()),
        };
    };
    let is_unread =
        |finding: &Finding| finding.code == Code::DamagedZip && matches!(finding.subject, Subject::Layer(_));
    if report.findings.iter().any(is_unread) {
        return format!("{outcome}: cannot be unzipped, {}.", counted());
    }
    let zipped: u64 = layers.iter().map(|layer| layer.zipped_bytes).sum();
    let size = format!("{}, {} zipped", plural(layers.len(), "layer", "layers"), size(zipped));
    match (report.fits, errors) {
        (true, 0) => format!("{outcome}: fits in {size}."),
        (true, _) => format!("{outcome}: fits in {size}, but has {}.", counted()),
        (false, _) => format!("{outcome}: does not fit: {size}.{}", why()),
    }
}

/// The architecture, in parentheses after the runtime; empty where it does not matter.
pub(in crate::report) fn architecture(report: &Report) -> String {
    report.architecture.as_ref().map(|architecture| format!(" ({architecture})")).unwrap_or_default()
}

/// What was read: as named on the command line, and which image that is.
pub(in crate::report) fn root(report: &Report) -> String {
    match &report.image {
        None => report.root.clone(),
        Some(ImageReport { name, config, platform, layers }) => {
            let name = name.as_ref().map_or_else(|| "an image".to_owned(), |name| format!("image {name}"));
            // As many digits as Docker shows.
            let config = config.get(..19).unwrap_or(config);
            format!("{} ({name}, {platform}, {config}, {})", report.root, plural(*layers, "layer", "layers"))
        }
    }
}

/// What was in the tree, and what is kept.
pub(in crate::report) fn summary(report: &Report) -> String {
    let totals = &report.totals;
    let mut text = format!(
        "{} holds {} ({})",
        root(report),
        plural(totals.scanned.files, "file", "files"),
        size(totals.scanned.bytes),
    );
    let content = format!("{} and {}", report.package_counts(), plural(report.objects.len(), "ELF file", "ELF files"));
    if totals.pruned.files > 0 {
        text += &format!(
            ". Rules drop {} ({}); {} are kept ({}{}), with {content}.",
            totals.pruned.files,
            size(totals.pruned.bytes),
            totals.kept.files,
            size(totals.kept.unzipped_bytes),
            if report.rewritten.is_empty() { "" } else { " after rewriting" },
        );
    } else {
        text += &format!(", {content}.");
    }
    text
}

/// How much to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// The most important rows.
    Short,
    /// Every rule, every unit, every note.
    Full,
}

/// Every section that is not empty, without the findings: those before and those after the findings.
pub(in crate::report) fn sections(report: &Report, detail: Detail) -> (Vec<Section>, Vec<Section>) {
    let sections = [layers(report, detail), compared(report, detail), changes(report, detail)];
    let last = [
        pruned(report, detail),
        rewritten(report, detail),
        bundled(report),
        unused_libraries(report, detail),
        largest(report, detail),
        next_steps(report, detail),
    ];
    (sections.into_iter().flatten().collect(), last.into_iter().flatten().collect())
}

/// The findings, the most severe first; a short report only counts the notes.
pub(in crate::report) fn findings(report: &Report, detail: Detail) -> (Vec<&Finding>, Option<String>) {
    let (shown, infos): (Vec<&Finding>, Vec<&Finding>) =
        report.findings.iter().partition(|finding| detail == Detail::Full || finding.severity != Severity::Info);
    let mut notes = Vec::new();
    if !infos.is_empty() {
        notes.push(format!(
            "{} with -v",
            plural(infos.len(), "more finding of level info", "more findings of level info")
        ));
    }
    if report.ignored > 0 {
        notes.push(format!("{} ignored", report.ignored));
    }
    (shown, (!notes.is_empty()).then(|| notes.join("; ")))
}

fn layers(report: &Report, detail: Detail) -> Option<Section> {
    let layers = report.layers.as_ref()?;
    let limits = &report.limits;
    let mut rows: Vec<Vec<String>> = layers
        .iter()
        .map(|layer| {
            vec![
                layer.name.clone(),
                size(layer.zipped_bytes),
                percent(layer.zipped_bytes, limits.layer_zipped),
                size(layer.unzipped_bytes),
                percent(layer.unzipped_bytes, limits.layers_unzipped()),
                layer.files.to_string(),
            ]
        })
        .collect();
    let unzipped: u64 = layers.iter().map(|layer| layer.unzipped_bytes).sum();
    // Of one layer, a short report has no sum.
    if detail == Detail::Full || layers.len() != 1 {
        rows.push(vec![
            "all".to_owned(),
            size(layers.iter().map(|layer| layer.zipped_bytes).sum()),
            String::new(),
            size(unzipped),
            percent(unzipped, limits.layers_unzipped()),
            layers.iter().map(|layer| layer.files).sum::<usize>().to_string(),
        ]);
    }
    let left = limits.layers_unzipped().saturating_sub(unzipped);
    let mut note = format!(
        "Limits: {} zipped per layer, {} layers, {} unzipped in total. {} unzipped is left for the function's code.",
        size(limits.layer_zipped),
        limits.layers,
        size(limits.layers_unzipped()),
        size(left)
    );
    if let Some(packing) = &report.packing {
        if packing.optimal {
            note += &format!(" {} is the minimum.", plural(packing.layers, "layer", "layers"));
        } else {
            let bound = plural(packing.lower_bound, "layer", "layers");
            note += &format!(" Lower bound: {bound}; whether fewer than {} are enough is not proven.", packing.layers);
        }
    }
    Some(Section {
        kind: SectionKind::Layers,
        shares: layers.iter().map(|layer| Some((layer.zipped_bytes, limits.layer_zipped))).chain([None]).collect(),
        title: "Layers".to_owned(),
        header: vec!["layer", "zipped", "% of limit", "unzipped", "% of limit", "files"],
        numbers: vec![1, 2, 3, 4, 5],
        rows,
        note: Some(note),
    })
}

/// Sizes compared with the baseline and with budgets.
fn compared(report: &Report, detail: Detail) -> Option<Section> {
    let all = report.compared.as_ref()?;
    let shown = if detail == Detail::Full { all.len() } else { all.len().min(COMPARED_SHOWN) };
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

fn pruned(report: &Report, detail: Detail) -> Option<Section> {
    let mut rules: Vec<_> = report.pruned.iter().filter(|rule| rule.files > 0).collect();
    // What was not weighed has no zipped bytes, and is not in the table.
    let weighed = rules.first()?.zipped_bytes.is_some();
    let bytes = |rule: &PrunedByRule| rule.zipped_bytes.unwrap_or(rule.bytes);
    rules.sort_by(|a, b| bytes(b).cmp(&bytes(a)).then_with(|| a.rule.cmp(&b.rule)));
    let shown = if detail == Detail::Full || rules.len() <= RULES_SHOWN { rules.len() } else { RULES_SHOWN - 1 };
    let row = |rule: &str, name: &str, files: usize, of: &[&PrunedByRule]| {
        let mut row = vec![rule.to_owned(), name.to_owned(), files.to_string()];
        row.push(size(of.iter().map(|rule| rule.bytes).sum()));
        row.extend(weighed.then(|| size(of.iter().filter_map(|rule| rule.zipped_bytes).sum())));
        row
    };
    let files = |rules: &[&PrunedByRule]| rules.iter().map(|rule| rule.files).sum::<usize>();
    let mut rows: Vec<Vec<String>> =
        rules[..shown].iter().map(|rule| row(&rule.rule, &rule.name, rule.files, &[*rule])).collect();
    let largest = bytes(rules[0]);
    let shares = rules[..shown].iter().map(|rule| Some((bytes(rule), largest))).collect();
    let others = &rules[shown..];
    if !others.is_empty() {
        rows.push(row(&format!("+{}", others.len()), "others (-v)", files(others), others));
    }
    rows.push(row("all", "", report.totals.pruned.files, &rules));
    let header = ["rule", "name", "files", "unzipped", "zipped"];
    Some(Section {
        kind: SectionKind::Pruned,
        shares,
        title: "Pruned".to_owned(),
        header: header[..4 + usize::from(weighed)].to_vec(),
        numbers: (2..4 + usize::from(weighed)).collect(),
        rows,
        note: (detail == Detail::Full)
            .then(|| "`layerfit rules CODE` explains why a rule is safe and what it breaks.".to_owned()),
    })
}

/// Changes since the lock file: which layers have to be published, and why.
fn changes(report: &Report, detail: Detail) -> Option<Section> {
    let changes = report.changes.as_ref()?;
    let rows = changes.iter().map(|change| {
        let signed =
            |sign: &str, units: &[String]| units.iter().map(|unit| format!("{sign}{unit}")).collect::<Vec<_>>();
        let mut all = [signed("+", &change.added), signed("-", &change.removed), signed("~", &change.updated)].concat();
        all.extend(change.moved_out.iter().map(|moved| format!("{}→{}", moved.unit, moved.layer)));
        all.extend(change.moved_in.iter().map(|moved| format!("{}←{}", moved.unit, moved.layer)));
        let more = all.len().saturating_sub(UNITS_SHOWN);
        if detail == Detail::Short && more > 0 {
            all.truncate(UNITS_SHOWN);
            all.push(format!("and {more} more (-v)"));
        }
        vec![change.layer.clone(), change.state.to_string(), all.join(" ")]
    });
    let publish = changes.iter().filter(|change| matches!(change.state, LayerState::Changed | LayerState::New)).count();
    let mut note =
        format!("To publish: {}; the others are byte for byte the same.", plural(publish, "layer", "layers"));
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

/// What is packed in another form than that of the tree, and what that saves.
fn rewritten(report: &Report, detail: Detail) -> Option<Section> {
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
fn bundled(report: &Report) -> Option<Section> {
    let row =
        |bundled: &crate::plan::bundle::Bundled| vec![bundled.path.clone(), bundled.from.clone(), size(bundled.bytes)];
    (!report.bundled.is_empty()).then(|| Section {
        kind: SectionKind::Other,
        shares: Vec::new(),
        title: "Bundled".to_owned(),
        header: vec!["file", "copied from", "unzipped"],
        numbers: vec![2],
        rows: report.bundled.iter().map(row).collect(),
        note: None,
    })
}

/// Libraries that nothing loads; for a short report, the finding that counts them is enough.
fn unused_libraries(report: &Report, detail: Detail) -> Option<Section> {
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

fn largest(report: &Report, detail: Detail) -> Option<Section> {
    let units = report.units.as_ref()?;
    let mut sorted: Vec<_> = units.iter().collect();
    sorted.sort_by(|a, b| b.zipped_bytes.cmp(&a.zipped_bytes).then_with(|| a.name.cmp(&b.name)));
    let rows: Vec<Vec<String>> = sorted
        .iter()
        .take(if detail == Detail::Full { usize::MAX } else { LARGEST_SHOWN })
        .map(|unit| {
            let mut row = vec![unit.name.clone(), unit.layers.join(" ")];
            row.extend((detail == Detail::Full).then(|| unit.files.to_string()));
            row.extend([unit.unzipped_bytes, unit.zipped_bytes, unit.retained_zipped_bytes].map(size));
            row.push(match unit.needed_by.as_slice() {
                [] => "nothing".to_owned(),
                [one] => one.clone(),
                many => format!("{} units", many.len()),
            });
            row
        })
        .collect();
    (!rows.is_empty()).then(|| Section {
        kind: SectionKind::Units,
        shares: sorted.iter().take(rows.len()).map(|unit| Some((unit.zipped_bytes, sorted[0].zipped_bytes))).collect(),
        title: match detail {
            Detail::Short if rows.len() < units.len() => format!("The {} largest of {} units", rows.len(), units.len()),
            _ => plural(units.len(), "unit", "units"),
        },
        header: match detail {
            Detail::Full => vec!["unit", "layer", "files", "unzipped", "zipped", "frees", "needed by"],
            Detail::Short => vec!["unit", "layer", "unzipped", "zipped", "frees", "needed by"],
        },
        numbers: match detail {
            Detail::Full => vec![2, 3, 4, 5],
            Detail::Short => vec![2, 3, 4],
        },
        rows,
        note: Some(match detail {
            Detail::Full => "A unit is packed as a whole: a package, a language's own files, a library with its links, or a directory. frees: zipped bytes freed by dropping it alone, with what only it needs. `layerfit plan --tree` shows more.",
            Detail::Short => "frees: zipped bytes freed by dropping it alone, with what only it needs.",
        }.to_owned()),
    })
}

/// A text that is cut between words, if it is longer than `most` characters.
pub(super) fn first_words(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut length = 0;
    for word in text.split(' ') {
        length += word.chars().count() + 1;
        // Room for " …"; but the first word is shown, however long it is.
        if length + 1 > most && !out.is_empty() {
            break;
        }
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(word);
    }
    format!("{} …", out.trim_end_matches([',', ';', ':']))
}

/// What could be done next: each step with what it saves, the option that takes it, and what it risks. A short report has for each
/// one sentence besides.
fn next_steps(report: &Report, detail: Detail) -> Option<Section> {
    let shown = if detail == Detail::Full { usize::MAX } else { MAX_STEPS };
    let steps = || report.suggestions.iter().take(shown);
    let layers = steps().any(|step| step.layers > 0);
    let zipped = steps().any(|step| step.zipped_bytes.is_some());
    let rows: Vec<Vec<String>> = steps()
        .map(|step| {
            let saves = if step.layers > 0 { saved_layers(step) } else { String::new() };
            let mut row = vec![step.name.clone(), saved(step.unzipped_bytes, step)];
            row.extend(step.zipped_bytes.map(|bytes| saved(bytes, step)));
            row.extend(layers.then_some(saves));
            row.push(step.step.clone());
            let risk = format!("risk: {}", step.risk);
            match detail {
                Detail::Full => row.extend([step.what.clone(), step.risk.clone()]),
                Detail::Short if step.corrects > 0 => row.push(step.what.clone()),
                Detail::Short => row.push(risk),
            }
            row
        })
        .collect();
    let mut header = vec!["step", "unzipped"];
    header.extend(zipped.then_some("zipped"));
    header.extend(layers.then_some("layers"));
    header.push("option");
    let numbers = (1..header.len() - 1).collect();
    header.extend(match detail {
        Detail::Full => ["what it does", "risk"].as_slice(),
        Detail::Short => &["risk"],
    });
    let mut notes = Vec::new();
    let more = report.suggestions.len().saturating_sub(rows.len());
    if more > 0 {
        notes.push(format!("{more} more with -v."));
    }
    if steps().any(|step| step.figures == Figures::Estimated) {
        notes.push("~: estimated.".to_owned());
    }
    notes.push("`plan --apply STEP` writes it to layerfit.toml.".to_owned());
    (!rows.is_empty()).then(|| Section {
        kind: SectionKind::NextSteps,
        shares: Vec::new(),
        title: "Next steps (each on its own)".to_owned(),
        numbers,
        header,
        rows,
        note: Some(notes.join(" ")),
    })
}

/// Saved bytes, with how they are known.
pub(in crate::report) fn saved(bytes: i64, step: &Suggestion) -> String {
    let sign = if bytes < 0 { "+" } else { "-" };
    let bytes = bytes.unsigned_abs();
    match step.figures {
        Figures::Exact => format!("{sign}{}", size(bytes)),
        Figures::Estimated => format!("~{sign}{}", rough_size(bytes)),
        Figures::AtMost => format!("up to {sign}{}", size(bytes)),
    }
}

pub(in crate::report) fn saved_layers(step: &Suggestion) -> String {
    match step.figures {
        Figures::Exact => format!("-{}", step.layers),
        Figures::Estimated => format!("~-{}", step.layers),
        Figures::AtMost => format!("up to -{}", step.layers),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_between_words() {
        assert_eq!(first_words("one two three", 13), "one two three");
        assert_eq!(first_words("one two, three", 13), "one two …");
        assert_eq!(first_words("compression-commands", 5), "compression-commands …");
    }

    #[test]
    fn one_byte_over_is_not_a_hundred_percent() {
        assert_eq!(percent(100, 100), "100%");
        assert_eq!(percent(101, 100), "101%");
        assert_eq!(percent(52_428_801, 52_428_800), "101%");
        assert_eq!(percent(0, 0), "-");
    }
}
