//! The report as Markdown, for report.md and pull requests.

use super::groups::{Group, always, groups};
use super::sections::{Detail, Rows, Section, SectionKind, architecture, findings, sections, summary, verdict};
use crate::base::bytes::plural;
use crate::base::finding::{Finding, Severity};
use crate::base::safe::{Form, one_line, printable, safe};
use crate::report::Report;

/// The report as Markdown: what a reviewer needs, with the rest folded. Names from the tree are data: they cannot become
/// markup.
pub fn markdown(report: &Report) -> Vec<u8> {
    let mut out = format!("# {}\n\n", verdict(report).trim_end_matches('.'));
    out += &format!("Runtime: {}{}. {}\n", code(&report.runtime), architecture(report), escape(&summary(report)));
    let (sections, last) = sections(report, Detail::Full, Rows::default());
    let is_short =
        |section: &&Section| matches!(section.kind, SectionKind::Layers | SectionKind::Compared | SectionKind::Changes);
    out += &sections.iter().filter(is_short).map(render).collect::<String>();
    let (shown, _) = findings(report, Detail::Full);
    let (infos, shown): (Vec<&Finding>, Vec<&Finding>) =
        shown.into_iter().partition(|finding| finding.severity == Severity::Info);
    // A list is as wide as the page; the columns of a table would be a few words wide.
    let items = |findings: &[&Finding]| -> String {
        let item = |finding: &&Finding| {
            let Finding { severity, code: check, message, help, .. } = finding;
            let (subject, message, help) = (code(finding.subject.as_str()), escape(message), escape(help));
            format!("- **{severity} {check}** {subject}: {message}<br>→ {help}\n")
        };
        findings.iter().map(item).collect()
    };
    if !shown.is_empty() {
        let item = |Group { severity, code, what, help, .. }: &Group| {
            let help = if help.is_empty() { String::new() } else { format!("<br>→ {}", escape(help)) };
            format!("- **{severity} {code}** {}{help}\n", escape(what))
        };
        let of_groups: String = groups(&shown, &always).iter().map(item).collect();
        out += &format!("\n## Findings\n\n{of_groups}");
        out += &details(&format!("each of {}", plural(shown.len(), "finding", "findings")), &items(&shown));
    }
    if report.ignored > 0 {
        out += &format!("\n{} ignored.\n", report.ignored);
    }
    if !infos.is_empty() {
        out += &details(&plural(infos.len(), "note", "notes"), &items(&infos));
    }
    out += &sections.iter().filter(|section| !is_short(section)).chain(&last).map(folded).collect::<String>();
    safe(out.as_bytes(), Form::Text)
}

/// A section that is folded.
pub(crate) fn folded(section: &Section) -> String {
    let open = render(section);
    // Its title is the summary.
    let (_, table) = open.trim_start().split_once('\n').unwrap_or_default();
    details(&escape(&section.title), table)
}

/// HTML that GitHub folds; after the empty line, the content is Markdown again.
fn details(summary: &str, inside: &str) -> String {
    format!("\n<details><summary>{summary}</summary>\n\n{}\n\n</details>\n", inside.trim_matches('\n'))
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

/// A name as code, in which only backticks have a meaning.
fn code(name: &str) -> String {
    format!("`{}`", one_line(name).replace('`', "'"))
}

/// Escapes every control character, and every character with a meaning in Markdown or HTML.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in printable(text.as_bytes()).chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '\\' | '|' | '`' | '*' | '_' | '[' | ']' | '~' => {
                out.push('\\');
                out.push(c);
            }
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
