//! The units of a plan, or the packages of an analysis, as comma-separated values (RFC 4180) for spreadsheets and scripts.

use csv::{Terminator, WriterBuilder};

use super::sections::Rows;
use crate::base::error::{Error, Result};
use crate::base::safe::{Form, one_line, safe};
use crate::report::Report;

/// What separates several names in one cell.
const SEPARATOR: &str = " ";

/// The rows that were asked for, by default all, with a header. All sizes are in bytes.
///
/// # Errors
/// When a row cannot be written, which no report leads to.
pub fn csv(report: &Report, rows: Rows) -> Result<Vec<u8>> {
    let shown = rows.top.unwrap_or(usize::MAX);
    let table: Vec<Vec<String>> = if report.units.is_some() {
        let header = ["unit", "layers", "files", "unzipped", "zipped", "frees_unzipped", "frees_zipped", "needed_by"];
        let of_units = rows.of_units(report).into_iter().take(shown).map(|unit| {
            let bytes =
                [unit.unzipped_bytes, unit.zipped_bytes, unit.retained_unzipped_bytes, unit.retained_zipped_bytes];
            let mut row = vec![unit.name.clone(), unit.layers.join(SEPARATOR), unit.files.to_string()];
            row.extend(bytes.map(|bytes| bytes.to_string()));
            row.push(unit.needed_by.join(SEPARATOR));
            row
        });
        std::iter::once(header.map(str::to_owned).to_vec()).chain(of_units).collect()
    } else {
        let header = ["package", "version", "language", "path", "unzipped", "frees_unzipped", "needs", "missing"];
        let of_packages = rows.of_packages(report).into_iter().take(shown).map(|package| {
            let mut row = vec![package.name.clone(), package.version.clone(), package.language.as_str().to_owned()];
            row.push(package.path.clone());
            row.extend([package.cost.unzipped_bytes, package.cost.retained_unzipped_bytes].map(|n| n.to_string()));
            row.extend([&package.needs, &package.missing].map(|names| names.join(SEPARATOR)));
            row
        });
        std::iter::once(header.map(str::to_owned).to_vec()).chain(of_packages).collect()
    };
    let mut writer = WriterBuilder::new().terminator(Terminator::Any(b'\n')).from_writer(Vec::new());
    for row in table {
        writer.write_record(row.iter().map(|cell| inert(cell))).map_err(Error::bug("write the rows"))?;
    }
    let text = writer.into_inner().map_err(Error::bug("write the rows"))?;
    Ok(safe(&text, Form::Text))
}

/// A cell that a spreadsheet does not execute: a formula begins with one of these.
fn inert(cell: &str) -> String {
    let cell = one_line(cell);
    if cell.starts_with(['=', '+', '-', '@']) { format!("'{cell}") } else { cell }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_is_a_formula() {
        assert_eq!(inert("=cmd|' /C calc'!A0"), "'=cmd|' /C calc'!A0");
        assert_eq!(inert("pkg:a=b"), "pkg:a=b");
    }
}
