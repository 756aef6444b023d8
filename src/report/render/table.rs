//! The report for a terminal, 80 columns wide.

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

use super::sections::{Alike, Detail, Section, alike, architecture, findings, sections, summary, verdict};
use crate::base::finding::{Finding, Severity};
use crate::base::safe::{MAX_SHOWN, cut, one_line, safe_styled};
use crate::report::{Colors, Report};

const COLUMNS: u16 = 80;

/// The report as text, with a line end.
pub fn table(report: &Report, detail: Detail, colors: Colors) -> Vec<u8> {
    let mut out = String::new();
    out += &format!("{}\n", verdict(report));
    out += &wrapped(&format!("Runtime: {}{}. {}", report.runtime, architecture(report), summary(report)));
    let (sections, last) = sections(report, detail);
    for section in sections {
        out += &render(&section);
    }
    out += &render_findings(report, detail, colors);
    for section in last {
        out += &render(&section);
    }
    safe_styled(out.as_bytes())
}

/// A section, with an empty line before it.
pub(crate) fn render(section: &Section) -> String {
    let mut table = plain();
    table.set_header(&section.header);
    for row in &section.rows {
        table.add_row(row.iter().map(|cell| one_line(cell)));
    }
    for number in &section.numbers {
        if let Some(column) = table.column_mut(*number) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let mut text = format!("\n{}\n{}\n", one_line(&section.title), trimmed(&table));
    if let Some(note) = &section.note {
        text += &wrapped(note);
    }
    text
}

fn render_findings(report: &Report, detail: Detail, colors: Colors) -> String {
    let (shown, note) = findings(report, detail);
    if shown.is_empty() && note.is_none() {
        return String::new();
    }
    let mut text = "\nFindings\n".to_owned();
    if shown.is_empty() {
        text += "  none\n";
    } else {
        let mut table = plain();
        let mut severities: Vec<Severity> = Vec::new();
        let mut row = |finding: &Finding, what: String| {
            severities.push(finding.severity);
            table.add_row([format!("{} {}", finding.severity, finding.code), what]);
        };
        for Alike { shown, more } in alike(&shown) {
            let (shown, counted) =
                if detail == Detail::Full { ([shown, more].concat(), 0) } else { (shown.to_vec(), more.len()) };
            for finding in &shown {
                let subject = cut(finding.subject.as_str(), MAX_SHOWN);
                row(finding, format!("{subject}: {}\nhelp: {}", finding.message, finding.help));
            }
            if let Some(last) = shown.last().filter(|_| counted > 0) {
                row(last, format!("and {counted} more; -v shows all"));
            }
        }
        text += &format!("{}\n", painted(&trimmed(&table), &severities, colors));
    }
    if let Some(note) = note {
        text += &wrapped(&format!("({note})"));
    }
    text
}

/// The table of findings with coloured severities. Colours are added afterwards, so that they do not change the layout: a
/// finding's first line begins with its severity, and that column is empty in its other lines.
fn painted(table: &str, severities: &[Severity], colors: Colors) -> String {
    let mut severities = severities.iter().copied().peekable();
    let lines = table.lines().map(|line| {
        let severity = severities.next_if(|severity| line.starts_with(&format!(" {severity} ")));
        let Some(severity) = severity else { return line.to_owned() };
        let word = severity.to_string();
        format!(" {}{}", colors.severity(severity, &word), &line[1 + word.len()..])
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn plain() -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic).set_width(COLUMNS);
    table
}

fn trimmed(table: &Table) -> String {
    table.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}

/// Text broken at spaces to fit the columns.
pub(crate) fn wrapped(text: &str) -> String {
    let mut table = plain();
    table.add_row([one_line(text)]);
    if let Some(column) = table.column_mut(0) {
        column.set_padding((0, 0));
    }
    format!("{}\n", trimmed(&table))
}
