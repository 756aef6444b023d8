//! A diff as tables for a terminal, as Markdown and as JSON, and its JSON Schema. Each format is returned as bytes.

use super::{Change, Diff, FileChangeKind};
use crate::base::bytes::{plural, size};
use crate::base::error::Result;
use crate::base::safe::{Form, safe};
use crate::report::{
    Detail, Section, SectionKind, as_json, markdown_section, markdown_text, schema_of, table_section, wrapped,
};

/// How many rows of each table a short diff has.
const ROWS_SHOWN: usize = 10;

/// The diff for a terminal.
pub fn table(diff: &Diff, detail: Detail, columns: u16) -> Vec<u8> {
    let mut out = wrapped(&verdict(diff), columns);
    out += &diff.limits().map(|text| wrapped(&text, columns)).unwrap_or_default();
    out += &sections(diff, detail).iter().map(|section| table_section(section, columns)).collect::<String>();
    safe(out.as_bytes(), Form::Text)
}

/// The diff as Markdown, for a pull request: everything except the layers is folded. Names from trees are data.
pub fn markdown(diff: &Diff) -> Vec<u8> {
    let mut out = format!("# {}\n", markdown_text(verdict(diff).trim_end_matches('.')));
    out += &diff.limits().map(|text| format!("\n{}\n", markdown_text(&text))).unwrap_or_default();
    for (number, section) in sections(diff, Detail::Full).iter().enumerate() {
        if number == 0 {
            out += &markdown_section(section);
        } else {
            out += &crate::report::folded(section);
        }
    }
    safe(out.as_bytes(), Form::Text)
}

/// The diff as JSON, with a line end.
///
/// # Errors
/// When a value cannot be written as JSON, which no diff contains.
pub fn json(diff: &Diff) -> Result<Vec<u8>> {
    as_json(diff)
}

/// The JSON Schema of the diff, generated from the types; `docs/diff.schema.json` is a copy.
///
/// # Errors
/// As for [`fn@json`].
pub fn schema() -> Result<Vec<u8>> {
    as_json(&schema_of::<Diff>())
}

/// What changed in all, in one line.
pub(in crate::report) fn verdict(diff: &Diff) -> String {
    if diff.is_empty() {
        let what = if diff.sizes_only.is_empty() { "content" } else { "sizes" };
        return format!("{} and {} have the same {what}.", diff.old, diff.new);
    }
    let zipped = diff.total.now.unwrap_or_default().zipped_bytes;
    let unzipped = diff.total.unzipped_growth();
    let change = match diff.total.zipped_growth() {
        0 => "No change zipped".to_owned(),
        growth => format!(
            "{} zipped ({})",
            signed(growth),
            signed_percent(growth, diff.total.before.unwrap_or_default().zipped_bytes)
        ),
    };
    let unzipped = match unzipped {
        0 => "no change unzipped".to_owned(),
        growth => format!("{} unzipped", signed(growth)),
    };
    format!("{change}, {unzipped}; now {} zipped.", size(zipped))
}

fn sections(diff: &Diff, detail: Detail) -> Vec<Section> {
    let all = [
        changes("Layers", "layer", &diff.layer_rows(), detail),
        changes("Packages", "package", &diff.package_rows(), detail),
        files(diff, detail),
        changes("Pruned by rules", "rule", &diff.rules.iter().collect::<Vec<_>>(), detail),
        moved(diff, detail),
    ];
    all.into_iter().flatten().collect()
}

fn changes(title: &str, what: &'static str, changes: &[&Change], detail: Detail) -> Option<Section> {
    // What rules drop is only known in zips if it was weighed.
    let sizes = || changes.iter().flat_map(|change| [change.before, change.now]).flatten();
    let weighed = sizes().any(|size| size.zipped_bytes > 0) || sizes().all(|size| size.unzipped_bytes == 0);
    let of_zips = if weighed { 0 } else { 2 };
    let row = |change: &&Change| {
        let name = match (&change.versions, change.before, change.now) {
            (Some((before, now)), ..) => format!("{} {before} → {now}", change.name),
            (None, None, _) => format!("{} (new)", change.name),
            (None, _, None) => format!("{} (removed)", change.name),
            (None, ..) => change.name.clone(),
        };
        let now = change.now.unwrap_or_default();
        let zipped = [signed(change.zipped_growth()), size(now.zipped_bytes)];
        let unzipped = [signed(change.unzipped_growth()), size(now.unzipped_bytes)];
        [name].into_iter().chain(zipped.into_iter().skip(of_zips)).chain(unzipped).collect::<Vec<_>>()
    };
    let growth = |change: &&Change| if weighed { change.zipped_growth() } else { change.unzipped_growth() };
    let (rows, note) = cut(changes.iter().map(row).collect(), detail, changes, |change| growth(change).unsigned_abs());
    (!rows.is_empty()).then(|| Section {
        kind: SectionKind::Other,
        shares: Vec::new(),
        title: title.to_owned(),
        header: [what].into_iter().chain(["zipped", "now", "unzipped", "now"].into_iter().skip(of_zips)).collect(),
        numbers: (1..5 - of_zips).collect(),
        rows,
        note,
    })
}

fn files(diff: &Diff, detail: Detail) -> Option<Section> {
    let row = |file: &super::FileChange| {
        let which = match file.which {
            FileChangeKind::New => "new",
            FileChangeKind::Removed => "removed",
            FileChangeKind::Changed => "changed",
        };
        vec![file.path.clone(), which.to_owned(), signed(file.zipped_growth()), signed(file.unzipped_growth())]
    };
    let rows = diff.files.iter().map(row).collect();
    let (rows, note) = cut(rows, detail, &diff.files, |file| file.zipped_growth().unsigned_abs());
    (!rows.is_empty()).then(|| Section {
        kind: SectionKind::Other,
        shares: Vec::new(),
        title: plural(diff.files.len(), "file", "files"),
        header: vec!["file", "state", "zipped", "unzipped"],
        numbers: vec![2, 3],
        rows,
        note,
    })
}

fn moved(diff: &Diff, detail: Detail) -> Option<Section> {
    let row =
        |moved: &super::Moved| vec![moved.what.clone(), moved.from.clone(), moved.to.clone(), moved.files.to_string()];
    let (rows, note) = cut(diff.moved.iter().map(row).collect(), detail, &diff.moved, |moved| moved.files as u64);
    (!rows.is_empty()).then(|| Section {
        kind: SectionKind::Other,
        shares: Vec::new(),
        title: "Moved".to_owned(),
        header: vec!["what", "from", "to", "files"],
        numbers: vec![3],
        rows,
        note,
    })
}

/// The rows to show: all, or those that changed most, in their order.
fn cut<T>(
    rows: Vec<Vec<String>>,
    detail: Detail,
    things: &[T],
    change: impl Fn(&T) -> u64,
) -> (Vec<Vec<String>>, Option<String>) {
    if detail == Detail::Full || rows.len() <= ROWS_SHOWN {
        return (rows, None);
    }
    let mut most: Vec<usize> = (0..things.len()).collect();
    most.sort_by_key(|at| (std::cmp::Reverse(change(&things[*at])), *at));
    most.truncate(ROWS_SHOWN);
    let more = rows.len() - ROWS_SHOWN;
    let shown = rows.into_iter().enumerate().filter(|(at, _)| most.contains(at)).map(|(_, row)| row);
    (shown.collect(), Some(format!("{more} more that changed less (-v)")))
}

/// A change of a number of bytes, with its sign.
pub(in crate::report) fn signed(bytes: i64) -> String {
    let sign = if bytes < 0 { "-" } else { "+" };
    format!("{sign}{}", size(bytes.unsigned_abs()))
}

/// A change in percent, with its sign and two decimals, rounded away from zero so that growth never shows as 0.
fn signed_percent(part: i64, whole: u64) -> String {
    if whole == 0 {
        return "new".to_owned();
    }
    format!("{}{}", if part < 0 { "-" } else { "+" }, percent(part.unsigned_abs(), whole))
}

/// A part of a whole, which is not 0, in percent with two decimals, rounded up.
pub(in crate::report) fn percent(part: u64, whole: u64) -> String {
    let hundredths = (u128::from(part) * 10_000).div_ceil(u128::from(whole.max(1)));
    format!("{}.{:02}%", hundredths / 100, hundredths % 100)
}
