//! The page's bars and tables: the report's values for the template, with the text to show and the number to sort by.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::base::bytes::{plural, size};
use crate::base::check_pages::check_pages;
use crate::base::finding::{Code, Severity};
use crate::base::list;
use crate::base::size::Size;
use crate::formats::symbol_version;
use crate::languages::language;
use crate::plan::suggest::{Figures, Suggestion};
use crate::report::Kind;
use crate::report::Report;
use crate::report::contents::Contents;
use crate::report::model::LoadedBy;
use crate::report::render::sections::{
    Detail, Rows, SectionKind, percent, saved, saved_layers, sections, summary, verdict,
};
use crate::resolve::FoundIn;

/// How many rows a table of packages, units or libraries has, the largest: a tree can have 100,000 units, which the map and the
/// search have all.
const ROWS_SHOWN: usize = 2000;

/// The values of the template.
#[expect(clippy::struct_excessive_bools, reason = "the template asks about each by itself")]
#[derive(Serialize)]
pub(super) struct Page<'a> {
    report: &'a Report,
    verdict: String,
    /// `ok`, `warning` or `error`.
    state: &'static str,
    summary: String,
    measured: bool,
    weighed: bool,
    counts: Vec<SeverityCount>,
    steps: Vec<StepRow<'a>>,
    steps_save_layers: bool,
    steps_estimated: bool,
    bars: Vec<Bar>,
    /// What each colour of the map stands for.
    legend: [String; 4],
    packages: Vec<PackageRow>,
    more_packages: usize,
    units: Vec<UnitRow>,
    more_units: usize,
    libraries: Vec<LibraryRow>,
    more_libraries: usize,
    rules: Vec<RuleRow<'a>>,
    findings: Vec<FindingRow<'a>>,
    codes: Vec<CodeRow>,
    sections: Vec<PlainTable>,
}

/// The number of findings of a severity.
#[derive(Serialize)]
struct SeverityCount {
    severity: String,
    count: usize,
    text: String,
}

/// A value with a limit.
#[derive(Serialize)]
struct Bar {
    name: String,
    value: String,
    limit: String,
    percent: String,
    /// The position of the value and of the limit, of 1000.
    filled: u64,
    limit_at: u64,
    over: bool,
    detail: String,
}

/// A next step.
#[derive(Serialize)]
struct StepRow<'a> {
    /// Its name for `--apply`; empty if it cannot be applied.
    name: &'a str,
    option: &'a str,
    /// The first names of an option with many.
    short: Option<String>,
    what: &'a str,
    risk: &'a str,
    zipped: String,
    unzipped: String,
    layers: String,
}

/// A number of bytes, to show and to sort by.
#[derive(Serialize)]
struct Bytes {
    bytes: u64,
    text: String,
}

impl Bytes {
    fn new(bytes: u64) -> Self {
        Self { bytes, text: size(bytes) }
    }
}

#[derive(Serialize)]
struct PackageRow {
    name: String,
    unit: String,
    version: String,
    library: String,
    priority: String,
    kept: bool,
    layers: Vec<String>,
    zipped: Option<Bytes>,
    unzipped: Bytes,
    /// What dropping it alone would free, in zips if that is known.
    frees: Bytes,
    needs: Vec<String>,
    missing: Vec<String>,
    needed_by: Vec<String>,
}

#[derive(Serialize)]
struct UnitRow {
    name: String,
    layers: Vec<String>,
    files: usize,
    zipped: Bytes,
    unzipped: Bytes,
    /// What dropping it alone would free, in zips if that is known.
    frees: Bytes,
}

#[derive(Serialize)]
struct LibraryRow {
    soname: String,
    found: String,
    /// Its path to show, and its name in the script.
    path: String,
    thing: String,
    process: String,
    versions: Vec<String>,
    needed_by: Vec<String>,
}

#[derive(Serialize)]
struct RuleRow<'a> {
    code: &'a str,
    name: &'a str,
    files: usize,
    unzipped: Bytes,
    zipped: Option<Bytes>,
    what: &'a str,
    why_safe: &'a str,
    breaks: &'a str,
}

#[derive(Serialize)]
struct FindingRow<'a> {
    severity: String,
    code: &'static str,
    subject: &'a str,
    message: &'a str,
    help: &'a str,
}

/// The page of a check that found something.
#[derive(Serialize)]
struct CodeRow {
    code: &'static str,
    name: &'static str,
    what: &'static str,
    why: &'static str,
    help: &'static str,
    count: usize,
}

/// A section that the page shares with the other formats.
#[derive(Serialize)]
struct PlainTable {
    title: String,
    header: Vec<&'static str>,
    /// Each cell, and whether it is a number.
    rows: Vec<Vec<(String, bool)>>,
    note: Option<String>,
}

impl<'a> Page<'a> {
    pub(super) fn new(report: &'a Report) -> Self {
        let count = |severity| report.findings.iter().filter(|finding| finding.severity == severity).count();
        let counts = [
            (Severity::Error, "error", "errors"),
            (Severity::Warning, "warning", "warnings"),
            (Severity::Info, "note", "notes"),
        ];
        let counts = counts.map(|(severity, one, many)| SeverityCount {
            severity: severity.to_string(),
            count: count(severity),
            text: plural(count(severity), one, many),
        });
        let state = match (report.passed(), count(Severity::Warning)) {
            (false, _) => "error",
            (true, 1..) => "warning",
            (true, 0) => "ok",
        };
        let (sections, last) = sections(report, Detail::Full, Rows::default());
        let (packages, more_packages) = cut(packages(report));
        let (units, more_units) = cut(units(report));
        let (libraries, more_libraries) = cut(libraries(report));
        Self {
            report,
            verdict: verdict(report),
            state,
            summary: summary(report),
            measured: report.contents.measured,
            weighed: report.contents.weighed,
            counts: counts.into(),
            steps: steps(report),
            steps_save_layers: report.suggestions.iter().any(|step| step.layers > 0),
            steps_estimated: report.suggestions.iter().any(|step| step.figures == Figures::Estimated),
            bars: bars(report),
            legend: legend(report),
            packages,
            more_packages,
            units,
            more_units,
            libraries,
            more_libraries,
            rules: rules(report),
            findings: findings(report),
            codes: codes(report),
            // The page shows these in its own form.
            sections: sections
                .into_iter()
                .chain(last)
                .filter(|section| {
                    use SectionKind::{AllOfUnits, Layers, NextSteps, Pruned, Units};
                    !matches!(section.kind, AllOfUnits | Layers | NextSteps | Pruned | Units)
                })
                .map(|section| PlainTable {
                    rows: section
                        .rows
                        .into_iter()
                        .map(|row| {
                            row.into_iter().enumerate().map(|(i, c)| (c, section.numbers.contains(&i))).collect()
                        })
                        .collect(),
                    title: section.title,
                    header: section.header,
                    note: section.note,
                })
                .collect(),
        }
    }
}

/// The first rows, and how many more there are.
fn cut<T>(mut rows: Vec<T>) -> (Vec<T>, usize) {
    let more = rows.len().saturating_sub(ROWS_SHOWN);
    rows.truncate(ROWS_SHOWN);
    (rows, more)
}

/// The meaning of each colour of the map in this tree.
fn legend(report: &Report) -> [String; 4] {
    let kinds: BTreeSet<Kind> = report.contents.groups.iter().map(|group| group.kind).collect();
    let defaults = ["Runtimes", "Packages", "System libraries", "Everything else"];
    std::array::from_fn(|colour| {
        let labels = kinds.iter().filter(|kind| kind.colour() == colour).map(|kind| kind.label());
        let labels: Vec<String> = labels.collect();
        if labels.is_empty() { defaults[colour].to_owned() } else { labels.join(", ") }
    })
}

fn bars(report: &Report) -> Vec<Bar> {
    let Some(layers) = &report.layers else { return Vec::new() };
    let limits = &report.limits;
    let bar = |name: &str, value: u64, limit: u64, text: fn(u64) -> String, detail: String| {
        let whole = value.max(limit).max(1);
        let of_thousand = |part: u64| u64::try_from(u128::from(part) * 1000 / u128::from(whole)).unwrap_or(1000);
        Bar {
            name: name.to_owned(),
            value: text(value),
            limit: text(limit),
            percent: percent(value, limit),
            filled: of_thousand(value),
            limit_at: of_thousand(limit),
            over: value > limit,
            detail,
        }
    };
    let mut bars: Vec<Bar> = layers
        .iter()
        .map(|layer| {
            let detail = format!("{}, {} unzipped", plural(layer.files, "file", "files"), size(layer.unzipped_bytes));
            bar(&format!("{}, zipped", layer.name), layer.zipped_bytes, limits.layer_zipped, size, detail)
        })
        .collect();
    let outside = report.in_no_layer.unwrap_or_default();
    if report.in_no_layer.is_some() {
        let Size { zipped_bytes, unzipped_bytes } = outside.size;
        let detail = format!("{}, {} unzipped", plural(outside.files, "file", "files"), size(unzipped_bytes));
        bars.push(bar("In no layer, zipped", zipped_bytes, limits.layer_zipped, size, detail));
    }
    let of_layers: u64 = layers.iter().map(|layer| layer.unzipped_bytes).sum();
    let unzipped = of_layers.saturating_add(outside.size.unzipped_bytes);
    let left = match (limits.layers_unzipped().saturating_sub(unzipped), limits.measured_code()) {
        (left, Some(code)) => format!("{} left beside the function's code of {}", size(left), size(code)),
        (0, None) => "no room left for the function".to_owned(),
        (left, None) => format!("{} left for the function", size(left)),
    };
    let all =
        if report.in_no_layer.is_some() { "Layers and what is in none, unzipped" } else { "All layers, unzipped" };
    bars.push(bar(all, unzipped, limits.layers_unzipped(), size, left));
    let bound = report.packing.map_or(String::new(), |packing| {
        let proof = if packing.optimal { "the minimum" } else { "not proven to be the minimum" };
        format!("{proof}; lower bound {}", packing.lower_bound)
    });
    let number = |number: u64| number.to_string();
    bars.push(bar("Number of layers", layers.len() as u64, limits.layers as u64, number, bound));
    bars
}

/// How many names an option shows of more.
const SHOWN_NAMES: usize = 3;

/// An option with the first of its names, if it has many: a package of npm can bring dozens that only it needs.
fn shortened(option: &str) -> Option<String> {
    let names: Vec<&str> = option.split(',').collect();
    let more = names.len().checked_sub(SHOWN_NAMES).filter(|more| *more > 1)?;
    Some(format!("{} and {more} more", names[..SHOWN_NAMES].join(", ")))
}

fn steps(report: &Report) -> Vec<StepRow<'_>> {
    fn row(step: &Suggestion) -> StepRow<'_> {
        StepRow {
            name: if step.setting.is_some() { &step.name } else { "" },
            option: &step.step,
            short: shortened(&step.step),
            what: &step.what,
            risk: &step.risk,
            zipped: step.zipped_bytes.map_or_else(String::new, |bytes| saved(bytes, step)),
            unzipped: saved(step.unzipped_bytes, step),
            layers: if step.layers > 0 { saved_layers(step) } else { String::new() },
        }
    }
    report.suggestions.iter().map(row).collect()
}

fn packages(report: &Report) -> Vec<PackageRow> {
    let mut needed_by: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for package in report.packages.iter().filter(|package| package.kept) {
        for need in &package.needs {
            needed_by.entry(need).or_default().push(package.name.clone());
        }
    }
    let mut layers_of: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for unit in report.units.iter().flatten() {
        layers_of.entry(&unit.name).or_default().extend(unit.layers.iter().cloned());
    }
    let rows = report.packages.iter().map(|package| {
        let unit = unit_of(&report.contents, &package.name, &package.path);
        PackageRow {
            name: package.name.clone(),
            layers: layers_of.get(unit.as_str()).cloned().unwrap_or_default(),
            unit,
            version: package.version.clone(),
            library: package.path.rsplit_once('/').map_or("", |(library, _)| library).to_owned(),
            priority: package.priority.clone().unwrap_or_default(),
            kept: package.kept,
            zipped: package.cost.zipped_bytes.map(Bytes::new),
            unzipped: Bytes::new(package.cost.unzipped_bytes),
            frees: Bytes::new(package.cost.retained_zipped_bytes.unwrap_or(package.cost.retained_unzipped_bytes)),
            needs: package.needs.clone(),
            missing: package.missing.clone(),
            needed_by: needed_by.get(package.name.as_str()).cloned().unwrap_or_default(),
        }
    });
    let mut rows: Vec<PackageRow> = rows.collect();
    let size = |row: &PackageRow| row.zipped.as_ref().unwrap_or(&row.unzipped).bytes;
    rows.sort_by(|a, b| size(b).cmp(&size(a)).then_with(|| (&a.name, &a.library).cmp(&(&b.name, &b.library))));
    rows
}

/// The unit of a package in this directory.
fn unit_of(contents: &Contents, name: &str, directory: &str) -> String {
    let group = contents.groups.iter().find(|group| group.base == directory && group.unit.starts_with("pkg:"));
    group.map_or_else(|| format!("pkg:{name}"), |group| group.unit.clone())
}

fn units(report: &Report) -> Vec<UnitRow> {
    let mut units: Vec<_> = report.units.iter().flatten().collect();
    units.sort_by(|a, b| b.zipped_bytes.cmp(&a.zipped_bytes).then_with(|| a.name.cmp(&b.name)));
    let row = |unit: &super::super::UnitReport| UnitRow {
        name: unit.name.clone(),
        layers: unit.layers.clone(),
        files: unit.files,
        zipped: Bytes::new(unit.zipped_bytes),
        unzipped: Bytes::new(unit.unzipped_bytes),
        frees: Bytes::new(unit.retained_zipped_bytes),
    };
    units.into_iter().map(row).collect()
}

/// Each needed library, once for each place where it is found; missing ones first.
fn libraries(report: &Report) -> Vec<LibraryRow> {
    #[derive(Default)]
    struct Users {
        processes: BTreeSet<LoadedBy>,
        versions: BTreeSet<String>,
        needed_by: BTreeSet<String>,
    }
    let mut rows: BTreeMap<(bool, &str, FoundIn, &str), Users> = BTreeMap::new();
    for object in &report.objects {
        for need in &object.needed {
            let key = (need.found != FoundIn::Missing, need.soname.as_str(), need.found);
            let users = rows.entry((key.0, key.1, key.2, need.path.as_deref().unwrap_or_default())).or_default();
            users.processes.insert(need.process);
            users.needed_by.insert(object.path.clone());
            let versions = object.needed_versions.iter().filter(|version| version.soname == need.soname);
            users.versions.extend(versions.map(|version| version.version.clone()));
        }
    }
    let row = |((_, soname, found, path), users): ((bool, &str, FoundIn, &str), Users)| {
        let mut versions: Vec<String> = users.versions.into_iter().collect();
        // The latest first, because it is the one that matters.
        versions.sort_by_cached_key(|version| std::cmp::Reverse(symbol_version::key(version)));
        LibraryRow {
            soname: soname.to_owned(),
            found: found.to_string(),
            path: path.to_owned(),
            thing: if path.is_empty() { format!("missing:{soname}") } else { path.to_owned() },
            process: loaded_by(&users.processes),
            versions,
            needed_by: users.needed_by.into_iter().collect(),
        }
    };
    rows.into_iter().map(row).collect()
}

/// Which processes load a library: languages by name, and whether others do.
fn loaded_by(processes: &BTreeSet<LoadedBy>) -> String {
    let mut names: Vec<&str> = processes
        .iter()
        .filter_map(|process| match process {
            LoadedBy::Language(id) => Some(language(*id).name()),
            LoadedBy::Other | LoadedBy::Any => None,
        })
        .collect();
    if names.len() < processes.len() {
        // Any process is one of a language too.
        names.push(if names.is_empty() && !processes.contains(&LoadedBy::Any) { "other programs" } else { "others" });
    }
    match names.as_slice() {
        ["others"] => "any program".to_owned(),
        _ => list::with_last(&names, "and"),
    }
}

fn rules(report: &Report) -> Vec<RuleRow<'_>> {
    let mut rules: Vec<_> =
        report.pruned.iter().zip(&report.contents.rules).filter(|(pruned, _)| pruned.files > 0).collect();
    rules.sort_by(|(a, _), (b, _)| b.zipped_bytes.cmp(&a.zipped_bytes).then_with(|| a.rule.cmp(&b.rule)));
    rules
        .into_iter()
        .map(|(pruned, rule)| RuleRow {
            code: &rule.code,
            name: &rule.name,
            files: pruned.files,
            unzipped: Bytes::new(pruned.bytes),
            zipped: pruned.zipped_bytes.map(Bytes::new),
            what: &rule.what,
            why_safe: &rule.why_safe,
            breaks: &rule.breaks,
        })
        .collect()
}

fn findings(report: &Report) -> Vec<FindingRow<'_>> {
    let rows = report.findings.iter().map(|finding| FindingRow {
        severity: finding.severity.to_string(),
        code: finding.code.as_str(),
        subject: finding.subject.as_str(),
        message: &finding.message,
        help: &finding.help,
    });
    rows.collect()
}

/// The pages of the checks that found something, in the order of the catalogue.
fn codes(report: &Report) -> Vec<CodeRow> {
    let mut counts: BTreeMap<Code, usize> = BTreeMap::new();
    for finding in &report.findings {
        *counts.entry(finding.code).or_default() += 1;
    }
    let pages = check_pages().iter().filter_map(|page| {
        Some(CodeRow {
            count: *counts.get(&page.code)?,
            code: page.code.as_str(),
            name: &page.name,
            what: &page.what,
            why: &page.why,
            help: &page.help,
        })
    });
    pages.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_option_with_many_names_shows_the_first_of_them() {
        assert_eq!(shortened("--drop pkg:a,pkg:b,pkg:c,pkg:d"), None);
        assert_eq!(
            shortened("--drop pkg:a,pkg:b,pkg:c,pkg:d,pkg:e").as_deref(),
            Some("--drop pkg:a, pkg:b, pkg:c and 2 more")
        );
    }
}
