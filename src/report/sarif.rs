//! The findings as SARIF 2.1.0, for code scanning
//! (<https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html>).

use std::fmt::Write;

use serde_json::{Value, json};

use super::Report;
use super::json::bytes;
use crate::error::Result;
use crate::finding::{Code, Finding, Severity};
use crate::rules::check_pages;

/// The findings, and the page of every check, as SARIF.
///
/// # Errors
/// When the built-in pages are damaged, which a test rules out.
pub fn sarif(report: &Report) -> Result<Vec<u8>> {
    let pages = check_pages()?;
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
                "locations": [location(finding)],
                // The same finding in the next run is the same alert, whatever its words are then.
                "partialFingerprints": { "codeAndSubject/v1": fingerprint(finding) },
            })
        })
        .collect();
    bytes(&json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": { "name": "layerfit", "version": report.layerfit, "rules": rules } },
            // Where the tree will be in Lambda.
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

fn location(finding: &Finding) -> Value {
    let logical = json!([{ "fullyQualifiedName": finding.subject }]);
    // What is about no file is about what is configured.
    let artifact = match path(finding) {
        Some(path) => json!({ "uri": encoded(path), "uriBaseId": "OPT" }),
        None => json!({ "uri": "layerfit.toml" }),
    };
    json!({ "physicalLocation": { "artifactLocation": artifact }, "logicalLocations": logical })
}

/// The path in the tree that a finding is about, when it is about one.
pub(super) fn path(finding: &Finding) -> Option<&str> {
    let about_no_file = matches!(
        finding.code,
        Code::EmptyTree
            | Code::UnloadedLibraries
            | Code::WrongMachine
            | Code::RuleMatchedNothing
            | Code::NotInItsLayer
            | Code::LayerTooLarge
            | Code::UnzippedTooLarge
            | Code::TooManyLayers
            | Code::TooManyEntries
    );
    (!about_no_file && !finding.subject.starts_with("pkg:")).then_some(finding.subject.as_str())
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

    #[test]
    fn names_are_encoded_as_a_uri_wants_them() {
        assert_eq!(encoded("lib/a b%\u{e9}<.so"), "lib/a%20b%25%C3%A9%3C.so");
    }

    #[test]
    fn what_is_about_no_file_points_to_the_configuration() {
        let finding = |code, subject: &str| Finding::error(code, subject, "m", "h");
        assert_eq!(path(&finding(Code::MissingLibrary, "lib/a.so")), Some("lib/a.so"));
        assert_eq!(path(&finding(Code::MissingPackage, "pkg:a")), None);
        assert_eq!(path(&finding(Code::TooManyLayers, "layers")), None);
    }
}
