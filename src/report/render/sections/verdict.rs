//! The verdict and the summary: whether everything fits and would load, and what was read.

use crate::base::bytes::{plural, size};
use crate::base::finding::{Code, Finding, Severity};
use crate::base::subject::Subject;
use crate::report::{ImageReport, Report};

/// How many codes of errors a verdict names.
const CODES_SHOWN: usize = 5;

/// The used share of a limit, rounded up: more than 100 % is over the limit.
pub(in crate::report) fn percent(part: u64, whole: u64) -> String {
    match whole {
        0 => "-".to_owned(),
        whole => format!("{}%", (u128::from(part) * 100).div_ceil(u128::from(whole))),
    }
}

/// `PASS` or `FAIL`, the word that a verdict begins with.
pub(in crate::report) fn outcome(report: &Report) -> &'static str {
    if report.passed() { "PASS" } else { "FAIL" }
}

/// The verdict in one line: whether it passes, and why not.
pub(in crate::report) fn verdict(report: &Report) -> String {
    let outcome = outcome(report);
    let errors = report.errors();
    let reasons = || {
        let errors: Vec<&Finding> =
            report.findings.iter().filter(|finding| finding.severity == Severity::Error).collect();
        let of_code = |alike: &[&Finding]| match alike.len() {
            1 => alike[0].code.to_string(),
            count => format!("{} ({count})", alike[0].code),
        };
        let mut codes: Vec<String> = errors.chunk_by(|a, b| a.code == b.code).map(of_code).collect();
        if codes.len() > CODES_SHOWN {
            codes.truncate(CODES_SHOWN - 1);
            codes.push("others".to_owned());
        }
        codes.join(", ")
    };
    let counted = || format!("{}: {}", plural(errors, "error", "errors"), reasons());
    let why = || {
        let limit = report.findings.iter().find(|finding| finding.code.is_limit());
        limit.map_or_else(String::new, |finding| {
            format!(" {} ({}): {}.", finding.subject, finding.code, finding.brief())
        })
    };
    let Some(layers) = &report.layers else {
        return match errors {
            _ if !report.fits => format!("{outcome}: does not fit, however small its zips would be.{}", why()),
            0 => format!("{outcome}: no errors."),
            _ => format!("{outcome}: {}.", counted()),
        };
    };
    let is_unread =
        |finding: &Finding| finding.code == Code::DamagedZip && matches!(finding.subject, Subject::Layer(_));
    if report.findings.iter().any(is_unread) {
        return format!("{outcome}: cannot be unzipped, {}.", counted());
    }
    let zipped: u64 = layers.iter().map(|layer| layer.zipped_bytes).sum();
    let mut size = format!("{}, {} zipped", plural(layers.len(), "layer", "layers"), size(zipped));
    if let Some(outside) = &report.in_no_layer {
        size += &format!(", and {} in no layer", plural(outside.files, "file", "files"));
    }
    match (report.fits, errors) {
        (true, 0) => format!("{outcome}: fits in {size}."),
        (true, _) => format!("{outcome}: fits in {size}, but has {}.", counted()),
        (false, _) => format!("{outcome}: does not fit: {size}.{}", why()),
    }
}

/// The architecture, in parentheses after the runtime; empty where it does not matter.
pub(in crate::report) fn architecture(report: &Report) -> String {
    report.architecture.as_ref().map(|architecture| format!(" ({architecture})")).unwrap_or_default()
}

/// What was read: as named on the command line, and which image that is.
fn root(report: &Report) -> String {
    match &report.image {
        None => report.root.clone(),
        Some(ImageReport { name, config, platform, layers }) => {
            let name = name.as_ref().map_or_else(|| "an image".to_owned(), |name| format!("image {name}"));
            // As many digits as Docker shows.
            let config = config.get(..19).unwrap_or(config);
            format!("{} ({name}, {platform}, {config}, {})", report.root, plural(*layers, "layer", "layers"))
        }
    }
}

/// What was in the tree, and what is kept.
pub(in crate::report) fn summary(report: &Report) -> String {
    let totals = &report.totals;
    // Of layers that cannot be read, none is named.
    let holder = if report.root.is_empty() { "What could be read".to_owned() } else { root(report) };
    let mut text =
        format!("{holder} holds {} ({})", plural(totals.scanned.files, "file", "files"), size(totals.scanned.bytes));
    if let Some(bundled) = &totals.bundled {
        text += &format!("; --bundle adds {} ({})", bundled.files, size(bundled.bytes));
    }
    let content = format!("{} and {}", report.package_counts(), plural(report.objects.len(), "ELF file", "ELF files"));
    if totals.pruned.files > 0 {
        text += &format!(
            ". Rules drop {} ({}); {} are kept ({}{}), with {content}.",
            totals.pruned.files,
            size(totals.pruned.bytes),
            totals.kept.files,
            size(totals.kept.unzipped_bytes),
            if report.rewritten.is_empty() { "" } else { " after rewriting" },
        );
    } else {
        text += &format!(", {content}.");
    }
    if report.findings.iter().any(|finding| finding.code == Code::NothingKnown) {
        text += " Nothing in it is known (S113): is it what will be /opt?";
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_byte_over_is_not_a_hundred_percent() {
        assert_eq!(percent(100, 100), "100%");
        assert_eq!(percent(101, 100), "101%");
        assert_eq!(percent(52_428_801, 52_428_800), "101%");
        assert_eq!(percent(0, 0), "-");
    }
}
