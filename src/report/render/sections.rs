//! The sections of a report, in the order of the questions that they answer: does it fit, in how many layers of what size,
//! what did which rule prune, what is missing, which units are the largest. Terminal, Markdown and page share them.

use std::cmp::{Ordering, Reverse};
use std::collections::{BTreeMap, BTreeSet};

use super::shorter;
use crate::base::bytes::{plural, rough_size, size};
use crate::base::finding::{Code, Finding, Severity, Subject};
use crate::base::list;
use crate::base::size::Size;
use crate::pack::rewrite::Form;
use crate::plan::suggest::{Figures, Setting, Suggestion};
use crate::report::contents::is_own;
use crate::report::{Compared, ImageReport, LayerReport, LayerState, PackageReport, PrunedByRule, Report, UnitReport};

/// How many rules a short report names.
const RULES_SHOWN: usize = 3;
/// How many layers a short report lists; the others are added up.
const LAYERS_SHOWN: usize = 8;
/// How many bundled files a short report names.
const BUNDLED_SHOWN: usize = 5;
/// How many next steps a short report lists, by how tight it is.
const STEPS_SHOWN: [usize; TIGHTEST + 1] = [5, 3, 2];
/// How many sizes a short report compares with the baseline.
const COMPARED_SHOWN: [usize; TIGHTEST + 1] = [6, 4, 3];
/// How many units of a layer it lists.
const UNITS_SHOWN: [usize; TIGHTEST + 1] = [6, 3, 1];
/// How tight a report can be.
pub(super) const TIGHTEST: usize = 2;
/// The heading of changed units where some moved.
const MOVED: &str = "units: + added, - removed, ~ changed, → ← moved";
/// How many codes of errors a verdict names.
const CODES_SHOWN: usize = 5;
/// How many of the largest units or packages it lists.
const LARGEST_SHOWN: usize = 5;
/// How long the name of a unit is in it, for a table of 80 columns.
const MAX_NAME: usize = 34;
/// How many names a cell has.
const MAX_NAMES: usize = 4;

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

/// What the largest units, or the packages of an analysis, are sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sort {
    /// Zipped bytes; of an analysis, which compresses nothing, unzipped bytes.
    #[default]
    Zipped,
    /// Unzipped bytes.
    Unzipped,
    /// The bytes that dropping it alone would free.
    Frees,
    /// The number of files.
    Files,
    /// The name.
    Name,
}

/// Which rows tables have: what is asked for of the units or packages, and how tight the others are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rows {
    /// How many units or packages there are at most; by default, that is up to the detail.
    pub(super) top: Option<usize>,
    /// Their order; by default, the largest are first.
    sort: Option<Sort>,
    /// How tight a short report is.
    tight: usize,
}

impl Rows {
    /// The first `top` units or packages, in this order.
    pub fn new(top: Option<usize>, sort: Option<Sort>) -> Self {
        Self { top, sort, tight: 0 }
    }

    /// Whether the user chose them.
    pub(super) fn is_chosen(self) -> bool {
        self.top.is_some() || self.sort.is_some()
    }

    /// The same, with tables that are so tight.
    pub(super) fn tight(self, tight: usize) -> Self {
        Self { tight, ..self }
    }

    fn shown(self, detail: Detail) -> usize {
        self.top.unwrap_or(if detail == Detail::Full { usize::MAX } else { LARGEST_SHOWN })
    }

    /// The title of these many rows of all.
    fn title(self, shown: usize, all: usize, one: &str, many: &str) -> String {
        match self.sort.unwrap_or_default() {
            _ if shown >= all => plural(all, one, many),
            Sort::Zipped | Sort::Unzipped => format!("The {shown} largest of {all} {many}"),
            Sort::Frees => format!("The {shown} of {all} {many} that free most"),
            Sort::Files => format!("The {shown} of {all} {many} with most files"),
            Sort::Name => format!("The first {shown} of {all} {many}"),
        }
    }

    /// The units in this order.
    pub(super) fn of_units(self, report: &Report) -> Vec<&UnitReport> {
        let mut sorted: Vec<_> = report.units.iter().flatten().collect();
        sorted.sort_by_cached_key(|unit| {
            let bytes = match self.sort.unwrap_or_default() {
                Sort::Zipped => unit.zipped_bytes,
                Sort::Unzipped => unit.unzipped_bytes,
                Sort::Frees => unit.retained_zipped_bytes,
                Sort::Files => unit.files as u64,
                Sort::Name => 0,
            };
            (Reverse(bytes), unit.name.clone())
        });
        sorted
    }

    /// The packages in this order, without those that are a part of their language.
    pub(super) fn of_packages(self, report: &Report) -> Vec<&PackageReport> {
        let packages = report.packages.iter();
        let mut sorted: Vec<_> = packages.filter(|package| !is_own(package.priority.as_deref())).collect();
        sorted.sort_by_cached_key(|package| {
            let bytes = match self.sort.unwrap_or_default() {
                Sort::Zipped | Sort::Unzipped => package.cost.unzipped_bytes,
                Sort::Frees => package.cost.retained_unzipped_bytes,
                Sort::Files | Sort::Name => 0,
            };
            (Reverse(bytes), package.name.clone())
        });
        sorted
    }
}

/// Every section that is not empty, without the findings: those before and those after the findings.
pub(in crate::report) fn sections(report: &Report, detail: Detail, rows: Rows) -> (Vec<Section>, Vec<Section>) {
    let sections = [layers(report, detail), compared(report, detail, rows), changes(report, detail, rows)];
    let last = [
        pruned(report, detail),
        rewritten(report, detail),
        bundled(report, detail),
        unused_libraries(report, detail),
        largest(report, detail, rows),
        packages(report, detail, rows),
        next_steps(report, detail, rows),
    ];
    (sections.into_iter().flatten().collect(), last.into_iter().flatten().collect())
}

/// The findings, the most severe first, and how many of level info a short report only counts.
pub(in crate::report) fn findings(report: &Report, detail: Detail) -> (Vec<&Finding>, usize) {
    let (shown, infos): (Vec<&Finding>, Vec<&Finding>) =
        report.findings.iter().partition(|finding| detail == Detail::Full || finding.severity != Severity::Info);
    (shown, infos.len())
}

fn layers(report: &Report, detail: Detail) -> Option<Section> {
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
    let unzipped = sum(layers, |layer| layer.unzipped_bytes);
    // Of one layer, a short report has no sum.
    if detail == Detail::Full || layers.len() != 1 {
        rows.push(added("all".to_owned(), layers));
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
fn compared(report: &Report, detail: Detail, rows: Rows) -> Option<Section> {
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

fn pruned(report: &Report, detail: Detail) -> Option<Section> {
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

/// Changes since the lock file: which layers have to be published, and why.
fn changes(report: &Report, detail: Detail, rows: Rows) -> Option<Section> {
    let changes = report.changes.as_ref()?;
    let rows = changes.iter().map(|change| {
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
fn bundled(report: &Report, detail: Detail) -> Option<Section> {
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

fn largest(report: &Report, detail: Detail, rows: Rows) -> Option<Section> {
    let sorted = rows.of_units(report);
    let largest = sorted.iter().map(|unit| unit.zipped_bytes).max()?;
    let shown = &sorted[..sorted.len().min(rows.shown(detail))];
    let row = |unit: &&UnitReport| {
        let mut row = match detail {
            Detail::Full => vec![unit.name.clone(), unit.layers.join(" "), unit.files.to_string()],
            Detail::Short => vec![last_of_path(&unit.name)],
        };
        row.extend([unit.unzipped_bytes, unit.zipped_bytes, unit.retained_zipped_bytes].map(size));
        row.push(match (unit.needed_by.as_slice(), detail) {
            ([], _) => "nothing".to_owned(),
            ([one], Detail::Full) => one.clone(),
            (many, _) => plural(many.len(), "unit", "units"),
        });
        row
    };
    Some(Section {
        kind: SectionKind::Units,
        shares: shown.iter().map(|unit| Some((unit.zipped_bytes, largest))).collect(),
        title: rows.title(shown.len(), sorted.len(), "unit", "units"),
        header: match detail {
            Detail::Full => vec!["unit", "layer", "files", "unzipped", "zipped", "frees", "needed by"],
            Detail::Short => vec!["unit", "unzipped", "zipped", "frees", "needed by"],
        },
        numbers: match detail {
            Detail::Full => vec![2, 3, 4, 5],
            Detail::Short => vec![1, 2, 3],
        },
        rows: shown.iter().map(row).collect(),
        note: Some(match detail {
            Detail::Full => "A unit is packed as a whole: a package, a language's own files, a library with its links, or a directory. frees: zipped bytes freed by dropping it alone, with what only it needs. `layerfit plan --tree` shows more.",
            Detail::Short => "frees: zipped bytes freed by dropping it alone, with what only it needs.",
        }.to_owned()),
    })
}

/// The packages of an analysis, which has no units.
fn packages(report: &Report, detail: Detail, rows: Rows) -> Option<Section> {
    if report.units.is_some() {
        return None;
    }
    let sorted = rows.of_packages(report);
    let shown = &sorted[..sorted.len().min(rows.shown(detail))];
    let mut needed_by: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for package in &report.packages {
        for needed in &package.needs {
            needed_by.entry(needed).or_default().push(&package.name);
        }
    }
    let names = |names: &[&str]| match (names, detail) {
        ([], _) => "nothing".to_owned(),
        (names, Detail::Full) => list::some(names, MAX_NAMES),
        (many, Detail::Short) => plural(many.len(), "package", "packages"),
    };
    let row = |package: &&PackageReport| {
        let needs: Vec<&str> = package.needs.iter().map(String::as_str).collect();
        let by = needed_by.get(package.name.as_str()).map(Vec::as_slice).unwrap_or_default();
        vec![
            package.name.clone(),
            package.version.clone(),
            size(package.cost.unzipped_bytes),
            size(package.cost.retained_unzipped_bytes),
            names(&needs),
            names(by),
        ]
    };
    let largest = sorted.iter().map(|package| package.cost.unzipped_bytes).max()?;
    Some(Section {
        kind: SectionKind::Units,
        shares: shown.iter().map(|package| Some((package.cost.unzipped_bytes, largest))).collect(),
        title: rows.title(shown.len(), sorted.len(), "package", "packages"),
        header: vec!["package", "version", "unzipped", "frees", "needs", "needed by"],
        numbers: vec![2, 3],
        rows: shown.iter().map(row).collect(),
        note: Some(match detail {
            Detail::Full => "frees: bytes freed by dropping it alone, with libraries that nothing else needs. `layerfit why NAME` explains one.".to_owned(),
            Detail::Short => "frees: bytes freed by dropping it alone, with libraries that only it needs.".to_owned(),
        }),
    })
}

/// The end of a long name, from a `/` on, so that a table need not break it.
fn last_of_path(name: &str) -> String {
    let too_long = name.chars().count().saturating_sub(MAX_NAME);
    if too_long == 0 {
        return name.to_owned();
    }
    let scheme = name.find(':').map_or(0, |colon| colon + 1);
    let ends = name.match_indices('/').map(|(at, _)| at).filter(|at| *at > scheme);
    let shorter = ends.map(|at| format!("{}…{}", &name[..scheme], &name[at..]));
    let mut shorter: Vec<String> = shorter.collect();
    let fits = shorter.iter().position(|name| name.chars().count() <= MAX_NAME);
    match fits.or(shorter.len().checked_sub(1)) {
        Some(at) => shorter.swap_remove(at),
        None => name.to_owned(),
    }
}

/// What could be done next: each step with what it saves, the option that takes it, and what it risks. A short report has for each
/// one sentence besides.
fn next_steps(report: &Report, detail: Detail, rows: Rows) -> Option<Section> {
    let shown = if detail == Detail::Full { usize::MAX } else { STEPS_SHOWN[rows.tight] };
    let steps = || report.suggestions.iter().take(shown);
    let layers = steps().any(|step| step.layers > 0);
    let zipped = steps().any(|step| step.zipped_bytes.is_some());
    // A short report has the size that matters first, and may have no room for the other.
    let unzipped_first =
        detail == Detail::Full || report.findings.iter().any(|finding| finding.code == Code::UnzippedTooLarge);
    let rows: Vec<Vec<String>> = steps()
        .map(|step| {
            let saves = if step.layers > 0 { saved_layers(step) } else { String::new() };
            let mut sizes = vec![saved(step.unzipped_bytes, step)];
            sizes.extend(step.zipped_bytes.map(|bytes| saved(bytes, step)));
            if !unzipped_first {
                sizes.reverse();
            }
            let mut row = [&[step.name.clone()][..], &sizes].concat();
            row.extend(layers.then_some(saves));
            row.push(step.step.clone());
            match detail {
                Detail::Full => row.extend([step.what.clone(), step.risk.clone()]),
                Detail::Short => row.push(risk_in_short(step)),
            }
            row
        })
        .collect();
    let mut header = vec!["step", "unzipped"];
    header.extend(zipped.then_some("zipped"));
    if !unzipped_first {
        header[1..].reverse();
    }
    header.extend(layers.then_some("layers"));
    header.push("option");
    let numbers = (1..header.len() - 1).collect();
    header.extend(match detail {
        Detail::Full => ["what it does", "risk"].as_slice(),
        Detail::Short => &["risk"],
    });
    let mut notes = Vec::new();
    let more = report.suggestions.len().saturating_sub(rows.len());
    match detail {
        Detail::Short if more > 0 => notes.push(format!("-v: what each does, and {more} more.")),
        Detail::Short => notes.push("-v: what each does.".to_owned()),
        Detail::Full if steps().any(|step| step.figures == Figures::Estimated) => {
            notes.push("~: estimated.".to_owned());
        }
        Detail::Full => {}
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

/// The risk of a step in its first words; of one that corrects findings, what it corrects.
fn risk_in_short(step: &Suggestion) -> String {
    let shortest = |text: &str| shorter::forms(text).pop().unwrap_or_default();
    match &step.setting {
        _ if step.corrects > 0 => step.what.clone(),
        // What its name does not tell is what is to be named.
        Some(Setting::Paths(_)) => format!("{}: {}", step.step, shortest(&step.risk)),
        _ => shortest(&step.risk),
    }
}

/// Saved bytes, with how they are known.
pub(in crate::report) fn saved(bytes: i64, step: &Suggestion) -> String {
    let sign = if bytes < 0 { "+" } else { "-" };
    let bytes = bytes.unsigned_abs();
    match step.figures {
        Figures::Exact => format!("{sign}{}", size(bytes)),
        Figures::Estimated => format!("~{sign}{}", rough_size(bytes)),
        Figures::AtMost => format!("up to {sign}{}", size(bytes)),
        Figures::Unknown => "unknown".to_owned(),
    }
}

pub(in crate::report) fn saved_layers(step: &Suggestion) -> String {
    match step.figures {
        Figures::Exact => format!("-{}", step.layers),
        Figures::Estimated => format!("~-{}", step.layers),
        Figures::AtMost => format!("up to -{}", step.layers),
        Figures::Unknown => "unknown".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_name_keeps_the_end_of_its_path() {
        assert_eq!(last_of_path("lib:lib/libcrypto.so.3"), "lib:lib/libcrypto.so.3");
        let long = "lib:usr/lib/x86_64-linux-gnu/blas/libblas.so.3.11.0";
        assert_eq!(last_of_path(long), "lib:…/blas/libblas.so.3.11.0");
        let longer = "dir:share/a-directory-with-a-name-that-no-table-has-room-for";
        assert_eq!(last_of_path(longer), "dir:…/a-directory-with-a-name-that-no-table-has-room-for");
        let name = "pkg:a-package-with-a-name-that-no-table-has-room-for";
        assert_eq!(last_of_path(name), name);
    }

    #[test]
    fn one_byte_over_is_not_a_hundred_percent() {
        assert_eq!(percent(100, 100), "100%");
        assert_eq!(percent(101, 100), "101%");
        assert_eq!(percent(52_428_801, 52_428_800), "101%");
        assert_eq!(percent(0, 0), "-");
    }
}
