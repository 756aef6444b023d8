//! The findings as SARIF 2.1.0, for code scanning
//! (<https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html>).

use std::fmt::Write;
use std::path::Path;

use serde_json::{Value, json};

use super::json::bytes;
use crate::base::check_pages::check_pages;
use crate::base::error::Result;
use crate::base::finding::{Finding, Severity};
use crate::base::subject::Subject;
use crate::report::Report;

/// The findings, and the page of every check, as SARIF.
///
/// # Errors
/// When the built-in pages are damaged, which a test rules out.
pub fn sarif(report: &Report) -> Result<Vec<u8>> {
    let pages = check_pages();
    let rules: Vec<Value> = pages
        .iter()
        .map(|page| {
            json!({
                "id": page.code,
                "name": page.name,
                "shortDescription": { "text": page.what },
                "fullDescription": { "text": page.why },
                "help": { "text": page.help },
                "defaultConfiguration": { "level": level(page.severity) },
            })
        })
        .collect();
    let results: Vec<Value> = report
        .findings
        .iter()
        .map(|finding| {
            json!({
                "ruleId": finding.code,
                "ruleIndex": pages.iter().position(|page| page.code == finding.code),
                "level": level(finding.severity),
                "message": { "text": format!("{}: {}\n{}", finding.subject, finding.message, finding.help) },
                "locations": [location(report, finding)],
                // The same alert in later runs, even if the message is reworded.
                "partialFingerprints": { "codeAndSubject/v1": fingerprint(finding) },
            })
        })
        .collect();
    bytes(&json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": { "name": "layerfit", "version": report.layerfit, "rules": rules } },
            // The place of the tree in Lambda.
            "originalUriBaseIds": { "OPT": { "uri": "file:///opt/" } },
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    }))
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "note",
    }
}

fn location(report: &Report, finding: &Finding) -> Value {
    let logical = json!([{ "fullyQualifiedName": finding.subject.as_str() }]);
    let artifact = match place(report, &finding.subject) {
        Place::InTree(path) => json!({ "uri": encoded(path), "uriBaseId": "OPT" }),
        Place::File(path) => json!({ "uri": encoded(path) }),
    };
    json!({ "physicalLocation": { "artifactLocation": artifact }, "logicalLocations": logical })
}

/// Where a finding is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place<'a> {
    /// At a path in the tree.
    InTree(&'a str),
    /// At a file outside the tree.
    File(&'a str),
}

/// The place of a finding's subject; for what is not a file, the configuration file.
pub(super) fn place<'a>(report: &'a Report, subject: &'a Subject) -> Place<'a> {
    of_subject(subject).unwrap_or_else(|| Place::File(report.config.as_deref().unwrap_or("layerfit.toml")))
}

/// The place of what is a file.
fn of_subject(subject: &Subject) -> Option<Place<'_>> {
    Some(match subject {
        Subject::Path(path) => Place::InTree(path),
        Subject::File(path) => Place::File(path),
        Subject::Layer(path) if Path::new(path).extension().is_some_and(|extension| extension == "zip") => {
            Place::File(path)
        }
        Subject::Entry { zip, .. } => Place::File(zip),
        Subject::Package(_)
        | Subject::Layer(_)
        | Subject::Unit(_)
        | Subject::Rule(_)
        | Subject::Setting(_)
        | Subject::Whole(_) => return None,
    })
}

fn fingerprint(finding: &Finding) -> String {
    blake3::hash(format!("{}\n{}", finding.code, finding.subject).as_bytes()).to_hex()[..32].to_owned()
}

/// A path as a URI reference (RFC 3986, 3.3).
fn encoded(path: &str) -> String {
    path.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~/+,@".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::path::TreePath;

    #[test]
    fn names_are_encoded_as_a_uri_wants_them() {
        assert_eq!(encoded("lib/a b%\u{e9}<.so"), "lib/a%20b%25%C3%A9%3C.so");
    }

    #[test]
    fn only_files_have_a_place_of_their_own() {
        let path = TreePath::new("lib/a.so").expect("a path");
        assert_eq!(of_subject(&Subject::from(&path)), Some(Place::InTree("lib/a.so")));
        assert_eq!(of_subject(&Subject::file("code/handler.R")), Some(Place::File("code/handler.R")));
        assert_eq!(of_subject(&Subject::layer("layers/r.zip")), Some(Place::File("layers/r.zip")));
        assert_eq!(of_subject(&Subject::entry("layers/r.zip", b"../x")), Some(Place::File("layers/r.zip")));
        for subject in [
            Subject::package("a"),
            Subject::layer("r"),
            Subject::unit("lib:lib/a.so"),
            Subject::rule("D101 help"),
            Subject::setting("L206"),
            Subject::whole("total"),
        ] {
            assert_eq!(of_subject(&subject), None, "{subject}");
        }
    }
}
