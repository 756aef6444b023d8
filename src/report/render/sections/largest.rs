//! The largest units, or the packages where none was compressed.

use std::collections::BTreeMap;

use super::rows::Rows;
use super::section::{Detail, MAX_NAMES, Section, SectionKind};
use crate::base::bytes::{plural, size};
use crate::base::list;
use crate::report::{PackageReport, Report, UnitReport};

/// How long the name of a unit is in it, for a table of 80 columns: the others take 49 with the space between them.
const MAX_NAME: usize = 31;

pub(super) fn largest(report: &Report, detail: Detail, rows: Rows) -> Option<Section> {
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
        kind: match detail {
            Detail::Full => SectionKind::AllOfUnits,
            Detail::Short => SectionKind::Units,
        },
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
pub(super) fn packages(report: &Report, detail: Detail, rows: Rows) -> Option<Section> {
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
        kind: match detail {
            Detail::Full => SectionKind::AllOfUnits,
            Detail::Short => SectionKind::Units,
        },
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
}
