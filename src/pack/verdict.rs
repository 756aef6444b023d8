//! The verdict: whether layers are within Lambda's limits. One function answers it for planned layers and for finished zips,
//! so that `check` agrees with `pack`, however the layers came about.

use crate::base::bytes::{size, sizes_apart};
use crate::base::finding::{Code, Finding};
use crate::base::subject::Subject;
use crate::runtime::Limits;

/// Maximum number of entries of a zip without the zip64 extension (APPNOTE.TXT 4.4.21: 65,535 means "see zip64").
const MAX_ENTRIES: usize = 65_534;

/// A layer as the limits see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LayerSize {
    /// The layer.
    pub subject: Subject,
    /// How many entries its zip has.
    pub entries: usize,
    /// The length of its zip in bytes.
    pub zipped_bytes: u64,
}

/// A finding for each limit that the layers, with these unzipped bytes in all, exceed: none means that they fit. A plan can
/// name its largest units, which are appended to the help, and explain why it has so many layers.
pub(crate) fn over_limits(
    layers: &[LayerSize],
    unzipped: u64,
    limits: &Limits,
    largest: &str,
    too_many: impl FnOnce() -> Finding,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    for layer in layers.iter().filter(|layer| layer.zipped_bytes > limits.layer_zipped) {
        let (shown, limit) = sizes_apart(layer.zipped_bytes, limits.layer_zipped);
        findings.push(Finding::error(
            Code::LayerTooLarge,
            layer.subject.clone(),
            format!(
                "{shown} zipped are {} over the limit of {limit} for a layer",
                size(layer.zipped_bytes - limits.layer_zipped)
            ),
            format!("prune more, and pack again with `layerfit pack`{}", or_through_s3(layer.zipped_bytes, limits)),
        ));
    }
    if layers.len() > limits.layers {
        findings.push(too_many());
    }
    for layer in layers.iter().filter(|layer| layer.entries > MAX_ENTRIES) {
        findings.push(Finding::error(
            Code::TooManyEntries,
            layer.subject.clone(),
            format!("has {} entries; a zip without zip64 can have {MAX_ENTRIES}", layer.entries),
            "prune, or put small files into one archive that the function unpacks to /tmp at startup",
        ));
    }
    findings.extend(unzipped_too_large(unzipped, limits, largest));
    findings.extend(over_lambdas_limits(layers.len(), unzipped, limits));
    findings
}

/// Findings where limits that were set higher than Lambda's let through what no function can have.
fn over_lambdas_limits(layers: usize, unzipped: u64, limits: &Limits) -> Vec<Finding> {
    let lambda = Limits::built_in();
    let finding = |what: String, option: &str| {
        let help = format!("no function can have them: leave out {option}, and prune until the layers fit");
        Finding::warning(Code::OverLambdasLimit, Subject::whole("layers"), what, help)
    };
    let is_between = |value, set, own| (own < value && value <= set).then_some(value);
    let layers = is_between(layers as u64, limits.layers as u64, lambda.layers as u64).map(|layers| {
        let set = format!(
            "{layers} layers are within the limit of {}, and more than Lambda's {}",
            limits.layers, lambda.layers
        );
        finding(set, "--max-layers")
    });
    let unzipped = is_between(unzipped, limits.layers_unzipped(), lambda.total_unzipped).map(|unzipped| {
        let set = size(limits.layers_unzipped());
        let (unzipped, own) = sizes_apart(unzipped, lambda.total_unzipped);
        finding(
            format!("{unzipped} unzipped are within the limit of {set}, and more than Lambda's {own}"),
            "--max-unzipped",
        )
    });
    layers.into_iter().chain(unzipped).collect()
}

/// The other way out of a limit for direct upload: a zip of this length can be uploaded through S3, where only the unzipped
/// size counts. Empty where that is not so.
pub(crate) fn or_through_s3(zipped: u64, limits: &Limits) -> String {
    let direct = Limits::built_in();
    if limits.layer_zipped == direct.layer_zipped && zipped <= direct.total_unzipped {
        "; or upload the layer through S3, where this limit does not apply: --max-zipped 250MiB".to_owned()
    } else {
        String::new()
    }
}

/// A finding if there are too many unzipped bytes; `largest` is appended to its help.
pub(crate) fn unzipped_too_large(unzipped: u64, limits: &Limits, largest: &str) -> Option<Finding> {
    let over = unzipped.saturating_add(limits.function()).saturating_sub(limits.total_unzipped);
    if over == 0 {
        return None;
    }
    let (code, function) = match (limits.measured_code(), limits.function_unzipped) {
        (Some(code), _) => (format!(" and {} of the function's code", size(code)), String::new()),
        (None, 0) => (String::new(), String::new()),
        (None, function) => (String::new(), format!(", less {} for the function", size(function))),
    };
    let (shown, limit) = sizes_apart(unzipped, limits.total_unzipped);
    let smaller = if code.is_empty() { "" } else { ", or make the function's code smaller" };
    Some(Finding::error(
        Code::UnzippedTooLarge,
        Subject::whole("layers"),
        format!("{shown} unzipped{code} are {} over the limit of {limit}{function}", size(over)),
        format!("prune more{smaller}; additional layers do not help{largest}"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits =
        Limits { layer_zipped: 1000, total_unzipped: 10_000, layers: 2, function_unzipped: 0, code_unzipped: None };

    fn codes(layers: &[(usize, u64)], unzipped: u64) -> Vec<Code> {
        let layers: Vec<LayerSize> = layers
            .iter()
            .map(|(entries, zipped_bytes)| LayerSize {
                subject: Subject::layer("l"),
                entries: *entries,
                zipped_bytes: *zipped_bytes,
            })
            .collect();
        let too_many = || Finding::error(Code::TooManyLayers, Subject::whole("layers"), "", "");
        over_limits(&layers, unzipped, &LIMITS, "", too_many).into_iter().map(|finding| finding.code).collect()
    }

    #[test]
    fn each_limit_holds_to_the_byte() {
        assert_eq!(codes(&[(MAX_ENTRIES, 1000), (1, 1000)], 10_000), []);
        assert_eq!(codes(&[(1, 1001)], 1), [Code::LayerTooLarge]);
        assert_eq!(codes(&[(MAX_ENTRIES + 1, 1)], 1), [Code::TooManyEntries]);
        assert_eq!(codes(&[(1, 1), (1, 1), (1, 1)], 1), [Code::TooManyLayers]);
        assert_eq!(codes(&[], 10_001), [Code::UnzippedTooLarge]);
    }

    #[test]
    fn s3_is_named_where_it_helps() {
        let direct = Limits::built_in();
        assert!(or_through_s3(direct.layer_zipped + 1, &direct).contains("--max-zipped 250MiB"));
        assert_eq!(or_through_s3(direct.total_unzipped + 1, &direct), "");
        assert_eq!(or_through_s3(2000, &LIMITS), "");
    }

    #[test]
    fn what_is_over_the_unzipped_limit_is_told_with_what_the_function_has_of_it() {
        assert_eq!(unzipped_too_large(10_000, &LIMITS, "; x"), None);
        let finding = unzipped_too_large(10_001, &LIMITS, "; x").expect("over");
        assert!(finding.message.contains("1 B over") && !finding.message.contains("less"), "{}", finding.message);
        assert!(finding.help.ends_with("; x"), "{}", finding.help);
        let limits = Limits { function_unzipped: 1, ..LIMITS };
        let finding = unzipped_too_large(10_001, &limits, "").expect("over");
        assert!(finding.message.contains("2 B over") && finding.message.contains("1 B for"), "{}", finding.message);
        let limits = Limits { code_unzipped: Some(2), ..limits };
        assert_eq!(unzipped_too_large(9_998, &limits, ""), None);
        let finding = unzipped_too_large(9_999, &limits, "").expect("over");
        assert!(
            finding.message.contains(" unzipped and 2 B of the function's code are 1 B over"),
            "{}",
            finding.message
        );
        let limits = Limits { code_unzipped: Some(10_005), ..limits };
        let finding = unzipped_too_large(0, &limits, "").expect("the code alone");
        assert!(finding.message.contains("5 B over"), "{}", finding.message);
    }
}
