//! Findings as workflow commands, which GitHub Actions turns into annotations
//! (<https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands>).

use super::sarif::{Place, place};
use crate::base::finding::Severity;
use crate::base::safe::{Form, safe};
use crate::report::Report;

/// How many annotations of one kind GitHub shows for a step.
const MAX_OF_A_KIND: usize = 10;

/// A workflow command for each error and warning, errors first; notes are in the summary.
pub fn annotations(report: &Report) -> Vec<u8> {
    let mut out = String::new();
    for (severity, command) in [(Severity::Error, "error"), (Severity::Warning, "warning")] {
        let findings = report.findings.iter().filter(|finding| finding.severity == severity);
        for finding in findings.take(MAX_OF_A_KIND) {
            let file = match place(report, &finding.subject) {
                Place::InTree(path) => format!("opt/{path}"),
                Place::File(path) => path.to_owned(),
            };
            out += &format!(
                "::{command} file={},title={}::{}\n",
                property(&file),
                property(&format!("{} {}", finding.code, finding.subject)),
                data(&format!("{}\n{}", finding.message, finding.help)),
            );
        }
    }
    out.into_bytes()
}

/// Text after the last `::`, as GitHub's own toolkit escapes it.
fn data(text: &str) -> String {
    let text = String::from_utf8_lossy(&safe(text.as_bytes(), Form::Text)).into_owned();
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// Text before the last `::`.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_become_a_command() {
        assert_eq!(property("a\n::error::x,y"), "a%0A%3A\\%3Aerror%3A%3Ax%2Cy");
        assert_eq!(data("100 %\r\n::x"), "100 %25\\r%0A:\\:x");
    }
}
