//! The sections of a report, in the order of the questions that they answer: does it fit, in how many layers of what size,
//! what did which rule prune, what is missing, which units are the largest. Terminal, Markdown and page share them.

use std::collections::BTreeMap;

use crate::base::bytes::{plural, size};
use crate::base::finding::{Code, Finding, Severity, Subject};
use crate::languages::{LanguageId, language};
use crate::pack::rewrite::Form;
use crate::report::{LayerState, PrunedByRule, Report};

/// How many rules a short report lists; the others are added up.
const RULES_SHOWN: usize = 5;
/// How many suggestions a short report lists.
const MAX_SAVINGS: usize = 4;
/// How many codes of errors a verdict names.
const CODES_SHOWN: usize = 5;
/// How many characters of a risk a short report has.
const RISK_SHOWN: usize = 70;
/// How many units of a layer a short report lists.
const UNITS_SHOWN: usize = 10;
/// How many of the largest units it lists.
const LARGEST_SHOWN: usize = 5;

/// Which part of a report or an answer a section is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SectionKind {
    /// The layers and their limits.
    Layers,
    /// Changes since the lock file.
    Changes,
    /// What each rule dropped.
    Pruned,
    /// The units, the largest first.
    Units,
    /// Further savings.
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
    let Some(layers) = &report.layers else {
        return match errors {
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
        (false, _) => {
            let limit = report.findings.iter().find(|finding| finding.code.is_limit());
            let why = limit.map_or_else(String::new, |finding| {
                format!(" {} ({}): {}.", finding.subject, finding.code, finding.brief())
            });
            format!("{outcome}: does not fit: {size}.{why}")
        }
    }
}

/// The architecture, in parentheses after the runtime; empty where it does not matter.
pub(in crate::report) fn architecture(report: &Report) -> String {
    report.architecture.as_ref().map(|architecture| format!(" ({architecture})")).unwrap_or_default()
}

/// What was in the tree, and what is kept.
pub(in crate::report) fn summary(report: &Report) -> String {
    let totals = &report.totals;
    let mut text = format!(
        "{} holds {} ({})",
        report.root,
        plural(totals.scanned.files, "file", "files"),
        size(totals.scanned.bytes),
    );
    let content = format!("{} and {}", packages(report), plural(report.objects.len(), "ELF file", "ELF files"));
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

/// The number of packages of each language, as text.
fn packages(report: &Report) -> String {
    let mut counts: BTreeMap<LanguageId, usize> = BTreeMap::new();
    for package in &report.packages {
        *counts.entry(package.language).or_default() += 1;
    }
    let count = |(id, count): (LanguageId, usize)| {
        let name = language(id).name();
        plural(count, &format!("{name} package"), &format!("{name} packages"))
    };
    let counts: Vec<String> = counts.into_iter().map(count).collect();
    if counts.is_empty() { "no packages".to_owned() } else { counts.join(", ") }
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
    let sections = [layers(report, detail), changes(report, detail)];
    let last = [
        pruned(report, detail),
        rewritten(report, detail),
        bundled(report),
        unused_libraries(report, detail),
        largest(report, detail),
        further_savings(report, detail),
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
        let more = all.len().saturating_sub(UNITS_SHOWN);
        if detail == Detail::Short && more > 0 {
            all.truncate(UNITS_SHOWN);
            all.push(format!("and {more} more (-v)"));
        }
        vec![change.layer.clone(), change.state.to_string(), all.join(" ")]
    });
    let publish = changes.iter().filter(|change| matches!(change.state, LayerState::Changed | LayerState::New)).count();
    Some(Section {
        kind: SectionKind::Changes,
        shares: Vec::new(),
        title: "Changes since the lock file".to_owned(),
        header: vec!["layer", "state", "units: + added, - removed, ~ changed"],
        numbers: vec![],
        rows: rows.collect(),
        note: Some(format!(
            "To publish: {}; the others are byte for byte the same.",
            plural(publish, "layer", "layers")
        )),
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

/// Libraries that were copied from the build host.
fn bundled(report: &Report) -> Option<Section> {
    let row =
        |bundled: &crate::plan::bundle::Bundled| vec![bundled.path.clone(), bundled.from.clone(), size(bundled.bytes)];
    (!report.bundled.is_empty()).then(|| Section {
        kind: SectionKind::Other,
        shares: Vec::new(),
        title: "Bundled".to_owned(),
        header: vec!["library", "copied from", "unzipped"],
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
            vec![
                unit.name.clone(),
                unit.layers.join(" "),
                unit.files.to_string(),
                size(unit.unzipped_bytes),
                size(unit.zipped_bytes),
                size(unit.retained_zipped_bytes),
            ]
        })
        .collect();
    (!rows.is_empty()).then(|| Section {
        kind: SectionKind::Units,
        shares: sorted.iter().take(rows.len()).map(|unit| Some((unit.zipped_bytes, sorted[0].zipped_bytes))).collect(),
        title: match detail {
            Detail::Short if rows.len() < units.len() => format!("The {} largest of {} units", rows.len(), units.len()),
            _ => plural(units.len(), "unit", "units"),
        },
        header: vec!["unit", "layer", "files", "unzipped", "zipped", "frees"],
        numbers: vec![2, 3, 4, 5],
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

fn further_savings(report: &Report, detail: Detail) -> Option<Section> {
    let shown = if detail == Detail::Full { usize::MAX } else { MAX_SAVINGS };
    let saved = |bytes: i64| {
        let shown = size(bytes.unsigned_abs());
        if bytes < 0 { format!("+{shown}") } else { format!("-{shown}") }
    };
    let steps = || report.suggestions.iter().take(shown);
    let layers = steps().any(|step| step.layers > 0);
    let rows: Vec<Vec<String>> = steps()
        .map(|step| {
            let saves = if step.layers > 0 { format!("-{}", step.layers) } else { String::new() };
            let mut row = vec![step.step.clone(), saved(step.unzipped_bytes), saved(step.zipped_bytes)];
            row.extend(layers.then_some(saves));
            row.push(match detail {
                Detail::Full => step.risk.clone(),
                Detail::Short => first_words(&step.risk, RISK_SHOWN),
            });
            row
        })
        .collect();
    let mut header = vec!["option", "unzipped", "zipped"];
    header.extend(layers.then_some("layers"));
    header.push("risk");
    (!rows.is_empty()).then(|| Section {
        kind: SectionKind::NextSteps,
        shares: Vec::new(),
        title: "Further savings (each on its own)".to_owned(),
        numbers: (1..header.len() - 1).collect(),
        header,
        rows,
        note: None,
    })
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
