//! The report as Markdown, for report.md and pull requests.

use super::Report;
use super::sections::{Detail, Section, findings, sections, summary, verdict};

/// The report as Markdown. Names from the tree are data: they cannot become markup.
pub fn markdown(report: &Report) -> Vec<u8> {
    let mut out = format!("# {}\n\n", verdict(report).trim_end_matches('.'));
    out += &format!("For `{}`. {}\n", report.runtime, escape(&summary(report)));
    let (sections, last) = sections(report, Detail::Full);
    for section in &sections {
        out += &render(section);
    }
    let (shown, note) = findings(report, Detail::Full);
    if !shown.is_empty() {
        out += "\n## Findings\n\n| | code | subject | what | help |\n| --- | --- | --- | --- | --- |\n";
        for finding in shown {
            let cells = [
                finding.severity.to_string(),
                finding.code.to_string(),
                escape(&finding.subject),
                escape(&finding.message),
                escape(&finding.help),
            ];
            out += &format!("| {} |\n", cells.join(" | "));
        }
    }
    if let Some(note) = note {
        out += &format!("\n{note}.\n");
    }
    out += &last.iter().map(render).collect::<String>();
    out.into_bytes()
}

/// A section, with an empty line before it.
pub(crate) fn render(section: &Section) -> String {
    let mut out = format!("\n## {}\n\n| {} |\n", escape(&section.title), section.header.join(" | "));
    let rule = (0..section.header.len()).map(|column| if section.numbers.contains(&column) { "---:" } else { "---" });
    out += &format!("| {} |\n", rule.collect::<Vec<_>>().join(" | "));
    for row in &section.rows {
        out += &format!("| {} |\n", row.iter().map(|cell| escape(cell)).collect::<Vec<_>>().join(" | "));
    }
    if let Some(note) = &section.note {
        out += &format!("\n{}\n", escape(note));
    }
    out
}

/// Keeps every character that Markdown or HTML gives a meaning from having it.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '\\' | '|' | '`' | '*' | '_' | '[' | ']' | '~' => {
                out.push('\\');
                out.push(c);
            }
            '\n' | '\r' => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_become_markup() {
        assert_eq!(escape("<script>|`x`"), "&lt;script&gt;\\|\\`x\\`");
    }
}
