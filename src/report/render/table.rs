//! The report for a terminal, as wide as it is within bounds.

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

use super::bars::bar;
use super::colors::Screen;
use super::groups::{Group, groups, one_by_one};
use super::sections::{
    Detail, Section, SectionKind, architecture, findings, first_words, outcome, sections, summary, verdict,
};
use crate::base::finding::Severity;
use crate::base::safe::{one_line, safe_styled};
use crate::report::{Colors, Report};

/// How many lines a remedy has in a short report.
const HELP_LINES: usize = 1;
/// The width of a bar, and of one on a narrow screen, which only the table of the layers has.
const BAR: usize = 16;
const NARROW_BAR: usize = 10;
/// How many columns a screen has that is not narrow.
const COLUMNS_FOR_BARS: u16 = 100;

/// The report as text, with a line end.
pub fn table(report: &Report, detail: Detail, screen: Screen) -> Vec<u8> {
    let Screen { colors, columns } = screen;
    let (verdict, outcome) = (wrapped(&verdict(report), columns), outcome(report));
    let mut out = verdict.replacen(outcome, &colors.verdict(report.passed(), outcome), 1);
    out += &wrapped(&format!("Runtime: {}{}. {}", report.runtime, architecture(report), summary(report)), columns);
    let (sections, last) = sections(report, detail);
    for section in sections {
        out += &in_color(&section, screen);
    }
    out += &render_findings(report, detail, screen);
    for section in last {
        out += &in_color(&section, screen);
    }
    safe_styled(out.as_bytes())
}

/// A section, with an empty line before it.
pub(crate) fn render(section: &Section, columns: u16) -> String {
    in_color(section, Screen { colors: Colors::None, columns })
}

fn in_color(section: &Section, Screen { colors, columns }: Screen) -> String {
    let title = colors.heading(&one_line(&section.title));
    if let ([], Some(note)) = (section.rows.as_slice(), &section.note) {
        let text = wrapped(&format!("{}: {note}", section.title), columns);
        return text.replacen(&one_line(&section.title), &title, 1);
    }
    if section.kind == SectionKind::NextSteps {
        return format!("\n{title}\n{}", steps(section, columns));
    }
    let mut table = plain(columns);
    let has_bars = !section.shares.is_empty() && (section.kind == SectionKind::Layers || columns >= COLUMNS_FOR_BARS);
    table.set_header(section.header.iter().copied().chain(has_bars.then_some("")));
    // Beside large numbers, a longer one would not fit into a line of 80 columns.
    let width = if columns < COLUMNS_FOR_BARS { NARROW_BAR } else { BAR };
    let drawn = |share: Option<(u64, u64)>| match (share, section.kind) {
        (None, _) => String::new(),
        (Some((part, whole)), SectionKind::Layers) => {
            // What is free is drawn too.
            let full = bar(part, whole, width);
            format!("{full}{}", "░".repeat(width - full.chars().count()))
        }
        (Some((part, whole)), _) => bar(part, whole, width),
    };
    for (number, row) in section.rows.iter().enumerate() {
        let bar = has_bars.then(|| drawn(section.shares.get(number).copied().flatten()));
        table.add_row(row.iter().map(|cell| one_line(cell)).chain(bar));
    }
    for number in &section.numbers {
        if let Some(column) = table.column_mut(*number) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let mut text = format!("\n{title}\n{}\n", trimmed(&table));
    if let Some(note) = &section.note {
        text += &wrapped(note, columns);
    }
    text
}

/// The next steps: each with its option and its risk below it. Options are copied, so they are never broken.
fn steps(section: &Section, columns: u16) -> String {
    const INDENT: &str = "   ";
    let room = columns.saturating_sub(u16::try_from(INDENT.len()).unwrap_or(0));
    let header: Vec<String> = section.header.iter().map(|&cell| cell.to_owned()).collect();
    let cells: Vec<Vec<String>> =
        section.rows.iter().map(|row| row.iter().map(|cell| one_line(cell)).collect()).collect();
    let longest = |column: usize| {
        let all = cells.iter().chain([&header]);
        all.filter_map(|row| Some(row.get(column)?.chars().count())).max().unwrap_or(0)
    };
    let name = longest(0);
    let numbers: Vec<usize> = section.numbers.iter().map(|number| longest(*number)).collect();
    let line = |row: &[String]| {
        let shown = numbers.iter().zip(&section.numbers).map(|(width, number)| format!("  {:>width$}", row[*number]));
        let line = format!(" {:<name$}{}", row[0], shown.collect::<String>());
        format!("{}\n", line.trim_end())
    };
    let indented = |text: &str| text.lines().map(|line| format!("{INDENT}{line}\n")).collect::<String>();
    let mut text = line(&header);
    for row in &cells {
        text += &line(row);
        let Some((option, sentences)) = row[1 + numbers.len()..].split_first() else { continue };
        match sentences {
            // An option that is as long as a line has its own.
            [only] if option.chars().count() + 2 < usize::from(room) => {
                text += &indented(&wrapped(&format!("{option} ({only})"), room));
            }
            _ => {
                text += &indented(option);
                text += &sentences.iter().map(|sentence| indented(&wrapped(sentence, room))).collect::<String>();
            }
        }
    }
    if let Some(note) = &section.note {
        text += &wrapped(note, columns);
    }
    text
}

fn render_findings(report: &Report, detail: Detail, Screen { colors, columns }: Screen) -> String {
    let (shown, note) = findings(report, detail);
    if shown.is_empty() && note.is_none() {
        return String::new();
    }
    let mut text = format!("\n{}\n", colors.heading("Findings"));
    if shown.is_empty() {
        text += "  none\n";
    } else {
        let mut table = plain(columns);
        let mut severities: Vec<Severity> = Vec::new();
        let groups = if detail == Detail::Full { one_by_one(&shown) } else { groups(&shown) };
        // Beside severity and code.
        let room = HELP_LINES * usize::from(columns.saturating_sub(19));
        for Group { severity, code, what, help } in groups {
            severities.push(severity);
            let what = match (help.as_str(), detail) {
                ("", _) => format!("{what}; -v shows all"),
                (_, Detail::Full) => format!("{what}\n→ {help}"),
                (_, Detail::Short) => format!("{what}\n→ {}", first_words(&help, room)),
            };
            table.add_row([format!("{severity} {code}"), what]);
        }
        text += &format!("{}\n", painted(&trimmed(&table), &severities, colors));
    }
    if let Some(note) = note {
        text += &wrapped(&format!("({note})"), columns);
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

fn plain(columns: u16) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic).set_width(columns);
    table
}

fn trimmed(table: &Table) -> String {
    table.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}

/// Text broken at spaces to fit the columns.
pub(crate) fn wrapped(text: &str, columns: u16) -> String {
    let mut table = plain(columns);
    table.add_row([one_line(text)]);
    if let Some(column) = table.column_mut(0) {
        column.set_padding((0, 0));
    }
    format!("{}\n", trimmed(&table))
}
