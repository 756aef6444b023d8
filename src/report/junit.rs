//! The checks as JUnit XML: one test case a check that has something to say, and one for the verdict, so that a CI server
//! shows them among its tests.

use quick_junit::{NonSuccessKind, Report as Document, TestCase, TestCaseStatus, TestSuite, XmlString};

use super::Report;
use super::sections::verdict;
use crate::error::{Error, Result};
use crate::finding::{Code, Finding, Severity};
use crate::rules::check_pages;

/// The report as JUnit XML. An error is a failure; warnings and remarks are in the output of cases that pass.
///
/// # Errors
/// When the built-in pages are damaged, which a test rules out.
pub fn junit(report: &Report) -> Result<Vec<u8>> {
    let mut suite = TestSuite::new("layerfit");
    let mut fits = TestCase::new("fits", success());
    if !report.fits {
        fits.status = failure(&verdict(report), "F");
    }
    fits.set_classname("layerfit");
    suite.add_test_case(fits);
    for page in check_pages()? {
        let of_code: Vec<&Finding> = report.findings.iter().filter(|finding| finding.code == page.code).collect();
        if of_code.is_empty() {
            continue;
        }
        let errors: Vec<&Finding> = of_code.iter().copied().filter(|f| f.severity == Severity::Error).collect();
        let mut case = TestCase::new(format!("{} {}", page.code, page.name), success());
        case.set_classname(class(page.code));
        if errors.is_empty() {
            case.set_system_out(lines(&of_code));
        } else {
            let first = format!("{}: {}", errors[0].subject, errors[0].message);
            case.status = failure(&first, page.code.as_str());
            if let TestCaseStatus::NonSuccess { description, .. } = &mut case.status {
                *description = Some(XmlString::new(lines(&of_code)));
            }
        }
        suite.add_test_case(case);
    }
    let mut document = Document::new("layerfit");
    document.add_test_suite(suite);
    let mut text = document.to_string().map_err(|error| Error::Data {
        file: "report".to_owned(),
        message: error.to_string(),
        help: "report this".to_owned(),
    })?;
    if !text.ends_with('\n') {
        text.push('\n');
    }
    Ok(text.into_bytes())
}

fn success() -> TestCaseStatus {
    TestCaseStatus::success()
}

fn failure(message: &str, kind: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
    status.set_message(message).set_type(kind);
    status
}

/// What a code is about, by its letter.
fn class(code: Code) -> &'static str {
    match code.as_str().as_bytes().first() {
        Some(b'S') => "layerfit.scan",
        Some(b'L') => "layerfit.libraries",
        Some(b'C') => "layerfit.commands",
        Some(b'R') => "layerfit.packages",
        Some(b'P') => "layerfit.pruning",
        Some(b'F') => "layerfit.limits",
        Some(b'T') => "layerfit.forms",
        _ => "layerfit.zips",
    }
}

fn lines(findings: &[&Finding]) -> String {
    let lines = findings.iter().map(|f| format!("{} {}: {}\n  help: {}\n", f.severity, f.subject, f.message, f.help));
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_family_of_codes_has_a_class_of_its_own() {
        let classes = [
            Code::LinkLoop,
            Code::MissingLibrary,
            Code::CommandMissing,
            Code::MissingPackage,
            Code::RuleHeldBack,
            Code::LayerTooLarge,
            Code::NotStripped,
            Code::DamagedZip,
        ]
        .map(class);
        for (number, class) in classes.iter().enumerate() {
            assert!(class.starts_with("layerfit."), "{class}");
            assert!(!classes[..number].contains(class), "{class} is that of two families");
        }
    }
}
