//! The values of the page of a diff: what grew, what is new and what is gone, by layer, package, rule and file.

use std::cmp::Reverse;

use serde::Serialize;

use crate::base::bytes::size;
use crate::base::size::Size;
use crate::report::diff::{Change, Diff, FileChange, FileChangeKind, growth, most_first, signed, verdict};

/// How many files are listed, those that changed most.
const FILES_SHOWN: usize = 5000;

/// The values of the template.
#[derive(Serialize)]
pub(super) struct Page<'a> {
    layerfit: &'static str,
    old: &'a str,
    new: &'a str,
    verdict: String,
    /// What is not compared, if one side has only sizes.
    limits: Option<String>,
    /// `ok` if nothing grew, else `warning`.
    state: &'static str,
    /// New, gone and changed packages, in words.
    counts: Vec<String>,
    tables: Vec<Table<'a>>,
    moved: Vec<(&'a str, &'a str, &'a str, usize)>,
}

/// A table of changes.
#[derive(Serialize)]
struct Table<'a> {
    id: &'static str,
    title: &'static str,
    what: &'static str,
    /// Whether the bytes in zips are known.
    zipped: bool,
    rows: Vec<Row<'a>>,
    /// How many more there are.
    more: usize,
}

#[derive(Serialize)]
struct Row<'a> {
    name: &'a str,
    /// `new`, `gone`, or nothing.
    state: &'static str,
    versions: String,
    /// The bytes in zips and unzipped.
    sizes: [Growth; 2],
    /// Of what grew or shrank most, in thousandths; and whether it grew.
    share: u64,
    grew: bool,
}

/// A number of bytes now, and its change.
#[derive(Serialize)]
struct Growth {
    now: u64,
    now_text: String,
    change: i64,
    change_text: String,
}

impl Growth {
    fn new(before: Option<Size>, now: Option<Size>, part: fn(Size) -> u64) -> Self {
        let change = growth(before, now, part);
        Self {
            now: now.map_or(0, part),
            now_text: now.map_or(String::new(), |now| size(part(now))),
            change,
            change_text: if change == 0 { "=".to_owned() } else { signed(change) },
        }
    }
}

impl<'a> Page<'a> {
    pub(super) fn new(diff: &'a Diff) -> Self {
        let mut files: Vec<&FileChange> = diff.files.iter().collect();
        if files.len() > FILES_SHOWN {
            files.sort_by_key(|file| Reverse(file.zipped_growth().unsigned_abs()));
            files.truncate(FILES_SHOWN);
            files.sort_by(|a, b| most_first(a.zipped_growth(), b.zipped_growth()));
        }
        let files = files.into_iter().map(|file| {
            let changed = if file.which == FileChangeKind::Changed { "" } else { state(file.before, file.now) };
            row(&file.path, changed, String::new(), (file.before, file.now))
        });
        let tables = [
            table("layers", "Layers", "Layer", changes(&diff.layer_rows()), 0),
            table("packages", "Packages", "Package", changes(&diff.package_rows()), 0),
            table("files", "Files", "File", files.collect(), diff.files.len().saturating_sub(FILES_SHOWN)),
            table("rules", "Pruned by rules", "Rule", changes(&diff.rules.iter().collect::<Vec<_>>()), 0),
        ];
        let of = |is: fn(&Change) -> bool| diff.packages.iter().filter(|change| is(change)).count();
        let counts = [
            (of(|change| change.before.is_none()), "new"),
            (of(|change| change.now.is_none()), "gone"),
            (of(|change| change.versions.is_some()), "in another version"),
        ];
        let counts = counts.iter().filter(|(count, _)| *count > 0);
        Self {
            layerfit: env!("CARGO_PKG_VERSION"),
            old: &diff.old,
            new: &diff.new,
            verdict: verdict(diff),
            limits: diff.limits(),
            state: if diff.total.zipped_growth() > 0 { "warning" } else { "ok" },
            counts: counts.map(|(count, what)| format!("{count} {what}")).collect(),
            tables: tables.into_iter().filter(|table| !table.rows.is_empty()).collect(),
            moved: diff
                .moved
                .iter()
                .map(|moved| (moved.what.as_str(), moved.from.as_str(), moved.to.as_str(), moved.files))
                .collect(),
        }
    }
}

fn changes<'a>(changes: &[&'a Change]) -> Vec<Row<'a>> {
    let versions = |change: &Change| {
        change.versions.as_ref().map_or(String::new(), |(before, now)| format!("{before} \u{2192} {now}"))
    };
    let rows = changes.iter().map(|change| {
        row(&change.name, state(change.before, change.now), versions(change), (change.before, change.now))
    });
    rows.collect()
}

fn state(before: Option<Size>, now: Option<Size>) -> &'static str {
    match (before, now) {
        (None, _) => "new",
        (_, None) => "gone",
        _ => "",
    }
}

fn row<'a>(
    name: &'a str,
    state: &'static str,
    versions: String,
    (before, now): (Option<Size>, Option<Size>),
) -> Row<'a> {
    let sizes =
        [Growth::new(before, now, |size| size.zipped_bytes), Growth::new(before, now, |size| size.unzipped_bytes)];
    Row { name, state, versions, sizes, share: 0, grew: false }
}

/// A table with bars. What rules drop is only known in zips if it was weighed.
fn table<'a>(
    id: &'static str,
    title: &'static str,
    what: &'static str,
    mut rows: Vec<Row<'a>>,
    more: usize,
) -> Table<'a> {
    let zipped = rows.iter().any(|row| row.sizes[0].now > 0 || row.sizes[0].change != 0);
    let change = |row: &Row<'_>| row.sizes[usize::from(!zipped)].change;
    let most = rows.iter().map(|row| change(row).unsigned_abs()).max().unwrap_or(0).max(1);
    for row in &mut rows {
        let change = change(row);
        row.share = u64::try_from(u128::from(change.unsigned_abs()) * 1000 / u128::from(most)).unwrap_or(1000);
        row.grew = change > 0;
    }
    Table { id, title, what, zipped, rows, more }
}
