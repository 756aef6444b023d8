//! The checks as JUnit XML: one test case for each check with findings, and one for the verdict, so that a CI server lists
//! them among its tests.

use quick_junit::{NonSuccessKind, Report as Document, TestCase, TestCaseStatus, TestSuite, XmlString};

use super::sections::verdict;
use crate::base::check_pages::check_pages;
use crate::base::error::{Error, Result};
use crate::base::finding::{Finding, Severity};
use crate::base::safe::{Form, safe};
use crate::report::Report;

/// The report as JUnit XML. Errors are failures; warnings and notes are in the output of test cases that pass.
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
    for page in check_pages() {
        let of_code: Vec<&Finding> = report.findings.iter().filter(|finding| finding.code == page.code).collect();
        if of_code.is_empty() {
            continue;
        }
        let errors: Vec<&Finding> = of_code.iter().copied().filter(|f| f.severity == Severity::Error).collect();
        let mut case = TestCase::new(format!("{} {}", page.code, page.name), success());
        case.set_classname(format!("layerfit.{}", page.code.category().as_str()));
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
    let mut text = document.to_string().map_err(Error::bug("write JUnit XML"))?;
    if !text.ends_with('\n') {
        text.push('\n');
    }
    Ok(safe(text.as_bytes(), Form::Markup))
}

fn success() -> TestCaseStatus {
    TestCaseStatus::success()
}

fn failure(message: &str, kind: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
    status.set_message(message).set_type(kind);
    status
}

fn lines(findings: &[&Finding]) -> String {
    let lines = findings.iter().map(|f| format!("{} {}: {}\n  help: {}\n", f.severity, f.subject, f.message, f.help));
    lines.collect()
}
