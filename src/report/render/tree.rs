//! What takes up the space, as a tree for a terminal of 80 columns: layers, kinds, units and directories, each with its size
//! in zips and what dropping it alone would free.

use std::collections::BTreeMap;

use super::bars::bar;
use crate::base::bytes::size;
use crate::base::safe::{Form, printable, safe};
use crate::report::{Detail, DirectoryReport, Kind, Report, UnitReport};

/// The widths of names and bars, in columns.
const NAME: usize = 38;
/// The width of a size, in columns.
const SIZE: usize = 11;
const BAR: usize = 16;
/// How many units of a kind and directories of a unit a short view lists; the others are added up.
const UNITS_SHOWN: usize = 8;
const DIRECTORIES_SHOWN: usize = 3;
/// A line, and those below it.
struct Branch {
    name: String,
    zipped: u64,
    frees: Option<u64>,
    below: Vec<Branch>,
}

/// What takes up the space in the layers of a plan, the largest first, as text with a line end.
pub fn tree(report: &Report, detail: Detail) -> Vec<u8> {
    let units = report.units.as_deref().unwrap_or_default();
    let mut directories: BTreeMap<&str, Vec<&DirectoryReport>> = BTreeMap::new();
    for directory in &report.directories {
        if let Some(unit) = &directory.unit {
            directories.entry(unit).or_default().push(directory);
        }
    }
    // As on the page: a language's own packages belong to it.
    let kinds: BTreeMap<&str, Kind> =
        report.contents.groups.iter().map(|group| (group.unit.as_str(), group.kind)).collect();
    let kind_of = |unit: &UnitReport| kinds.get(unit.name.as_str()).copied().unwrap_or(Kind::Rest);
    let layers: Vec<Branch> = report
        .layers
        .iter()
        .flatten()
        .map(|layer| {
            // A unit that no layer holds whole is shown in the first of its layers.
            let here = |unit: &&UnitReport| unit.layers.first() == Some(&layer.name);
            let units: Vec<&UnitReport> = units.iter().filter(here).collect();
            let mut by_kind: BTreeMap<Kind, Vec<&UnitReport>> = BTreeMap::new();
            units.into_iter().for_each(|unit| by_kind.entry(kind_of(unit)).or_default().push(unit));
            let kinds = by_kind.into_iter().map(|(kind, units)| under(kind, &units, &directories, detail));
            let below = sorted(kinds.collect());
            Branch { name: layer.name.clone(), zipped: layer.zipped_bytes, frees: None, below }
        })
        .collect();
    let total = layers.iter().map(|layer| layer.zipped).sum();
    let mut out = format!("{:<NAME$}{:>SIZE$}{:>SIZE$}\n", "", "zipped", "frees");
    for layer in sorted(layers) {
        draw(&layer, ("", ""), total, &mut out);
    }
    out += "\nfrees: zipped bytes freed by dropping it alone, with libraries that nothing else\n";
    out += "needs; `layerfit why --if-dropped A,B` shows it for several together.\n";
    safe(out.as_bytes(), Form::Text)
}

/// The branch of a kind with its units.
fn under(
    kind: Kind,
    units: &[&UnitReport],
    directories: &BTreeMap<&str, Vec<&DirectoryReport>>,
    detail: Detail,
) -> Branch {
    let branches = units.iter().map(|unit| {
        let split = if unit.layers.len() > 1 { format!(" (in {} layers)", unit.layers.len()) } else { String::new() };
        let below = directories.get(unit.name.as_str()).map(|all| below(unit, all)).unwrap_or_default();
        Branch {
            name: format!("{}{split}", unit.name.strip_prefix("lib:").unwrap_or(&unit.name)),
            zipped: unit.zipped_bytes,
            frees: Some(unit.retained_zipped_bytes),
            below: shown(below, DIRECTORIES_SHOWN, detail),
        }
    });
    let branches: Vec<Branch> = branches.collect();
    let zipped = branches.iter().map(|branch| branch.zipped).sum();
    let name = format!("{} ({})", kind.label(), branches.len());
    Branch { name, zipped, frees: None, below: shown(branches, UNITS_SHOWN, detail) }
}

/// The topmost directories that belong to a unit; for a unit that is a directory, those in it.
fn below(unit: &UnitReport, all: &[&DirectoryReport]) -> Vec<Branch> {
    let is_in = |path: &str, directory: &str| path.strip_prefix(directory).is_some_and(|rest| rest.starts_with('/'));
    let whole = all.iter().find(|directory| directory.files == unit.files).map(|directory| directory.path.as_str());
    let inside: Vec<&&DirectoryReport> =
        all.iter().filter(|directory| whole.is_none_or(|whole| is_in(&directory.path, whole))).collect();
    let topmost = inside.iter().filter(|directory| !inside.iter().any(|other| is_in(&directory.path, &other.path)));
    let branch = |directory: &&&&DirectoryReport| Branch {
        name: match whole {
            Some(whole) => directory.path[whole.len() + 1..].to_owned(),
            None => directory.path.clone(),
        },
        zipped: directory.cost.zipped_bytes.unwrap_or_default(),
        frees: directory.cost.retained_zipped_bytes,
        below: Vec::new(),
    };
    topmost.map(|directory| branch(&directory)).collect()
}

fn sorted(mut branches: Vec<Branch>) -> Vec<Branch> {
    branches.sort_by(|a, b| b.zipped.cmp(&a.zipped).then_with(|| a.name.cmp(&b.name)));
    branches
}

/// The largest branches, and one for all others.
fn shown(branches: Vec<Branch>, most: usize, detail: Detail) -> Vec<Branch> {
    let mut branches = sorted(branches);
    if detail == Detail::Full || branches.len() <= most + 1 {
        return branches;
    }
    let others = branches.split_off(most);
    let zipped = others.iter().map(|branch| branch.zipped).sum();
    branches.push(Branch { name: format!("{} others (-v)", others.len()), zipped, frees: None, below: Vec::new() });
    branches
}

/// Draws a branch and those below it; `first` is the prefix of its own line, `next` that of theirs.
fn draw(branch: &Branch, (first, next): (&str, &str), total: u64, out: &mut String) {
    let line = format!(
        "{}{:>SIZE$}{:>SIZE$} {}",
        cut(&format!("{first}{}", branch.name)),
        size(branch.zipped),
        branch.frees.map(size).unwrap_or_default(),
        bar(branch.zipped, total, BAR)
    );
    *out += line.trim_end();
    out.push('\n');
    for (number, below) in branch.below.iter().enumerate() {
        let last = number + 1 == branch.below.len();
        let (here, after) = if last { ("└ ", "  ") } else { ("├ ", "│ ") };
        draw(below, (&format!("{next}{here}"), &format!("{next}{after}")), total, out);
    }
}

/// A name padded to its width; a long one is cut in the middle.
fn cut(name: &str) -> String {
    let name = printable(name.as_bytes());
    let letters: Vec<char> = name.chars().collect();
    if letters.len() <= NAME {
        return format!("{name:<NAME$}");
    }
    let begin = NAME / 2;
    let end = letters.len() - (NAME - begin - 1);
    letters[..begin].iter().chain(&['…']).chain(&letters[end..]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_keeps_both_ends() {
        let long = cut("lib/a-library-with-a-very-long-name-indeed.so.12.3.4");
        assert_eq!(long.chars().count(), NAME);
        assert!(long.starts_with("lib/a-library") && long.ends_with(".so.12.3.4"), "{long}");
        assert_eq!(cut("short").len(), NAME);
    }
}
