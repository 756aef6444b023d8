//! The report for a terminal, as wide as it is within bounds.

use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, Table, presets};

use super::bars::bar;
use super::colors::Screen;
use super::groups::{Group, groups, one_by_one};
use super::sections::{
    Detail, Rows, Section, SectionKind, TIGHTEST, architecture, findings, outcome, sections, summary, verdict,
};
use super::shorter;
use crate::base::bytes::plural;
use crate::base::finding::Severity;
use crate::base::list;
use crate::base::safe::{one_line, safe_styled};
use crate::base::wrap;
use crate::report::{Colors, Report};

/// How many lines a short report has: about one screen.
pub const LINES: usize = 60;
/// How many lines of these the findings have at least, and errors at most, if there are so many: what is only for orientation
/// gives way to them.
const LINES_OF_FINDINGS: usize = 10;
const LINES_OF_ERRORS: usize = 24;
/// How many lines a short report has for what is wrong, and for the remedy if one of its forms is so short.
const WHAT_LINES: usize = 2;
const HELP_LINES: usize = 1;
/// The width of a bar, and of one on a narrow screen, which only the table of the layers has.
const BAR: usize = 16;
const NARROW_BAR: usize = 10;
/// How many columns a screen has that is not narrow.
const COLUMNS_FOR_BARS: u16 = 100;
/// How wide the risks of next steps are at least, beside options.
const RISK: usize = 36;
/// How wide they are at least beside names: where that leaves no room for a name, it has a line of its own.
const LEAST_RISK: usize = 20;

/// The report as text, with a line end. A short one has at most the lines of the screen.
pub fn table(report: &Report, (detail, rows): (Detail, Rows), screen: Screen) -> Vec<u8> {
    let Screen { colors, columns, lines } = screen;
    let (verdict, outcome) = (wrapped(&verdict(report), columns), outcome(report));
    let mut out = verdict.replacen(outcome, &colors.verdict(report.passed(), outcome), 1);
    out += &wrapped(&format!("Runtime: {}{}. {}", report.runtime, architecture(report), summary(report)), columns);
    let all = blocks_of_findings(report, detail, screen);
    let (mut above, mut below) = (String::new(), String::new());
    let mut room = usize::MAX;
    for tight in 0..=TIGHTEST {
        let (first, mut last) = sections(report, detail, rows.tight(tight));
        above = together(&first, screen);
        below = together(&last, screen);
        if detail == Detail::Full {
            break;
        }
        let left = |below: &str| lines.saturating_sub(count(&out) + count(&above) + count(below));
        // With the heading, and the line for the others.
        let lines = |all: &[Block]| all.iter().map(|block| count(&block.text)).sum::<usize>() + 3;
        let errors = all.partition_point(|block| block.severity == Severity::Error);
        let least = lines(&all).min(LINES_OF_FINDINGS.max(lines(&all[..errors]).min(LINES_OF_ERRORS)));
        for kind in [SectionKind::Units, SectionKind::Pruned, SectionKind::Other] {
            // Rows that were asked for are shown.
            if left(&below) < least && !(kind == SectionKind::Units && rows.is_chosen()) {
                last.retain(|section| section.kind != kind);
                below = together(&last, screen);
            }
        }
        room = left(&below);
        if room >= least {
            break;
        }
    }
    out += &above;
    out += &render_findings(report, &all, (detail, room), screen);
    out += &below;
    safe_styled(out.as_bytes())
}

/// How many lines a text has.
fn count(text: &str) -> usize {
    text.matches('\n').count()
}

/// Sections below each other, with an empty line before each that has a table, and before the first that has none.
fn together(sections: &[Section], screen: Screen) -> String {
    let mut out = String::new();
    let mut after_line = false;
    for section in sections {
        let is_line = section.rows.is_empty();
        if is_line && !after_line {
            out.push('\n');
        }
        out += &in_color(section, screen);
        after_line = is_line;
    }
    out
}

/// A section, with an empty line before it.
pub(crate) fn render(section: &Section, columns: u16) -> String {
    in_color(section, Screen { colors: Colors::None, columns, lines: LINES })
}

fn in_color(section: &Section, Screen { colors, columns, .. }: Screen) -> String {
    let title = colors.heading(&one_line(&section.title));
    if let ([], Some(note)) = (section.rows.as_slice(), &section.note) {
        let text = wrapped(&format!("{}: {note}", section.title), columns);
        return text.replacen(&one_line(&section.title), &title, 1);
    }
    if section.kind == SectionKind::NextSteps {
        let is_short = section.rows.iter().all(|row| row.len() == section.numbers.len() + 3);
        let rows = if is_short { short_steps(section, columns) } else { steps(section, columns) };
        return format!("\n{title}\n{rows}");
    }
    let mut table = plain(columns);
    let width = if columns < COLUMNS_FOR_BARS { NARROW_BAR } else { BAR };
    let has_bars = !section.shares.is_empty()
        && (columns >= COLUMNS_FOR_BARS || section.kind == SectionKind::Layers)
        && natural_width(section) + width + 2 <= usize::from(columns);
    table.set_header(section.header.iter().copied().chain(has_bars.then_some("")));
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
    let lines = match section.kind {
        // Names are copied, so they are not broken.
        SectionKind::AllOfUnits if natural_width(section) > usize::from(columns) => {
            table.set_content_arrangement(ContentArrangement::Disabled);
            trimmed(&table)
        }
        SectionKind::Units => long_names_above(&mut table, section, columns),
        _ => trimmed(&table),
    };
    let mut text = format!("\n{title}\n{lines}\n");
    if let Some(note) = &section.note {
        text += &wrapped(note, columns);
    }
    text
}

/// A table, where names in the first column for which there is no room have a line of their own above the rest of the row.
fn long_names_above(table: &mut Table, section: &Section, columns: u16) -> String {
    const LEAST: usize = 12;
    let names: Vec<String> = section.rows.iter().filter_map(|row| row.first()).map(|name| one_line(name)).collect();
    let longest = names.iter().map(|name| width(name)).chain([section.header[0].len()]).max().unwrap_or(0);
    let others = natural_width(section).saturating_sub(longest);
    let room = usize::from(columns).saturating_sub(others);
    if longest <= room || room < LEAST { trimmed(table) } else { names_above(table, &names, room) }
}

/// A table with these names in its first column, of which those that are longer than `room` have a line of their own.
fn names_above(table: &mut Table, names: &[String], room: usize) -> String {
    /// What stands for a name in its row, which can be several lines.
    const MARK: &str = " \u{b7}";
    let long: Vec<&String> = names.iter().filter(|name| width(name) > room).collect();
    for (row, _) in table.row_iter_mut().zip(names).filter(|(_, name)| width(name) > room) {
        let cells = row.cell_iter().skip(1).map(comfy_table::Cell::content);
        *row = std::iter::once(MARK.trim().to_owned()).chain(cells).collect::<Vec<_>>().into();
    }
    let text = trimmed(table);
    let mut long = long.into_iter();
    let mut out = Vec::new();
    for line in text.lines() {
        match line.strip_prefix(MARK) {
            Some(rest) => {
                out.extend(long.next().map(|name| format!(" {name}")));
                out.push(format!("  {rest}"));
            }
            None => out.push(line.to_owned()),
        }
    }
    out.join("\n")
}

fn width(text: &str) -> usize {
    text.chars().count()
}

/// The number of columns of a table whose cells are not broken.
fn natural_width(section: &Section) -> usize {
    let longest = |column: usize| {
        let cells = section.rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain([section.header[column].len()]).max().unwrap_or(0) + 2
    };
    (0..section.header.len()).map(longest).sum()
}

/// The next steps of a short report, one below the other: their names, which `--apply` takes, what they save, and their risks. The
/// options, which are copied and so are not broken, are where there is room for them; else `-v` has them.
fn short_steps(section: &Section, columns: u16) -> String {
    let option = 1 + section.numbers.len();
    let header: Vec<String> = section.header.iter().map(|&cell| cell.to_owned()).collect();
    let longest = |column: usize| {
        let cells = section.rows.iter().chain([&header]).filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0) + 2
    };
    let has_options = (0..=option).map(longest).sum::<usize>() + RISK + 2 <= usize::from(columns);
    // Where content is not compressed, there is only one.
    let both = section.header.get(2).is_some_and(|title| title.ends_with("zipped"));
    let shown = |row: &[String]| -> Vec<String> {
        // The first of the sizes is the one that matters; where the other grows much, the risk names it.
        let keeps = |at: &usize| has_options || (*at != option && !(both && *at == 2));
        (0..row.len()).filter(keeps).map(|at| one_line(&row[at])).collect()
    };
    let mut table = plain(columns);
    table.set_header(shown(&header));
    for row in &section.rows {
        table.add_row(shown(row));
    }
    let left_out = usize::from(both && !has_options);
    let numbers = section.numbers.len() - left_out;
    // Only risks are broken: names and options are copied.
    let last = section.header.len() - 1 - left_out - usize::from(!has_options);
    for (at, column) in table.column_iter_mut().enumerate().filter(|(at, _)| *at < last) {
        column.set_constraint(ColumnConstraint::ContentWidth);
        if (1..=numbers).contains(&at) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let note = section.note.as_ref().map(|note| wrapped(note, columns)).unwrap_or_default();
    let names: Vec<String> = section.rows.iter().filter_map(|row| row.first()).map(|name| one_line(name)).collect();
    let numbers = (1..=section.numbers.len() + 1).filter(|at| has_options || (*at != option && !(both && *at == 2)));
    let others = numbers.map(longest).sum::<usize>() + LEAST_RISK;
    let lines = match usize::from(columns).checked_sub(others + 2) {
        Some(room) if longest(0) > room + 2 => names_above(&mut table, &names, room),
        _ => trimmed(&table),
    };
    format!("{lines}\n{note}")
}

/// The next steps in full: each with its option, what it does and its risk below it. Options are copied, so they are never broken.
fn steps(section: &Section, columns: u16) -> String {
    const INDENT: &str = "   ";
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
    let mut text = line(&header);
    for row in &cells {
        text += &line(row);
        let Some((option, words)) = row[1 + numbers.len()..].split_first() else { continue };
        text += &format!("{INDENT}{option}\n");
        for (part, label) in words.iter().zip(["", "risk: "]) {
            text += &joined(&wrap::lines(&format!("{INDENT}{label}{part}"), columns.into(), INDENT));
        }
    }
    if let Some(note) = &section.note {
        text += &wrapped(note, columns);
    }
    text
}

/// Findings that are one problem, as lines.
struct Block {
    severity: Severity,
    text: String,
    /// How many findings they are.
    findings: usize,
    /// Whether all of it is there that is in the full report.
    complete: bool,
}

/// The findings, the most severe first. Each begins at the left, and what belongs to it is indented.
fn blocks_of_findings(report: &Report, detail: Detail, Screen { colors, columns, .. }: Screen) -> Vec<Block> {
    let (mut shown, _) = findings(report, detail);
    // Whatever else is wrong, what does not fit is not packed.
    shown.sort_by_key(|finding| (finding.severity, !finding.code.is_limit()));
    let first = |severity: Severity, what: &str| wrap::lines(&format!(" {severity} {what}"), columns.into(), "   ");
    let remedy = |help: &str| wrap::lines(&format!("   → {help}"), columns.into(), "     ");
    let groups = match detail {
        Detail::Full => one_by_one(&shown),
        Detail::Short => {
            groups(&shown, &|severity, code, what| first(severity, &format!("{code}  {what}")).len() <= WHAT_LINES)
        }
    };
    let of_group = |Group { severity, code, what, help, findings }: Group| {
        let shown = match detail {
            Detail::Full => help.clone(),
            Detail::Short => shorter::that_fits(&help, |help| remedy(help).len() <= HELP_LINES),
        };
        let lines = first(severity, &format!("{code}  {}", one_line(&what)));
        let word = severity.to_string();
        let mut text = joined(&lines).replacen(&word, &colors.severity(severity, &word), 1);
        if !shown.is_empty() {
            text += &joined(&remedy(&one_line(&shown)));
        }
        Block { severity, text, findings, complete: detail == Detail::Full || (findings == 1 && shown == help) }
    };
    groups.into_iter().map(of_group).collect()
}

/// The findings for which there is room, and how many more there are.
fn render_findings(report: &Report, blocks: &[Block], (detail, room): (Detail, usize), screen: Screen) -> String {
    let (_, infos) = findings(report, detail);
    if blocks.is_empty() && infos == 0 && report.ignored == 0 {
        return String::new();
    }
    let mut text = format!("\n{}\n", screen.colors.heading("Findings"));
    if blocks.is_empty() {
        text += "  none\n";
    }
    // The last line is for what is left out.
    let room = room.saturating_sub(count(&text) + 1);
    let mut used = 0;
    let fits = |block: &&Block| {
        used += count(&block.text);
        used <= room
    };
    // However little room there is, the worst is named.
    let shown = blocks.iter().take_while(fits).count().max(1).min(blocks.len());
    text += &blocks[..shown].iter().map(|block| block.text.as_str()).collect::<String>();
    let more_of = |severity: Severity, one: &str, many: &str| {
        let left = blocks[shown..].iter().filter(|block| block.severity == severity);
        let count: usize = left.map(|block| block.findings).sum();
        (count > 0).then(|| plural(count, one, many))
    };
    let more = [
        more_of(Severity::Error, "more error", "more errors"),
        more_of(Severity::Warning, "more warning", "more warnings"),
        (infos > 0).then(|| format!("{infos} of level info")),
    ];
    let more: Vec<String> = more.into_iter().flatten().collect();
    let complete = blocks[..shown].iter().all(|block| block.complete);
    let mut notes = match (more.as_slice(), complete) {
        ([], true) => Vec::new(),
        ([], false) => vec!["-v shows them in full".to_owned()],
        (more, true) => vec![format!("-v shows {}", list::with_last(more, "and"))],
        (more, false) => vec![format!("-v shows them in full, with {}", list::with_last(more, "and"))],
    };
    if report.ignored > 0 {
        notes.push(format!("{} ignored", report.ignored));
    }
    if !notes.is_empty() {
        text += &wrapped(&format!("({})", notes.join("; ")), screen.columns);
    }
    text
}

/// Lines, each with its end.
fn joined(lines: &[String]) -> String {
    lines.iter().map(|line| format!("{}\n", line.trim_end())).collect()
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
    joined(&wrap::lines(&one_line(text), columns.into(), ""))
}
