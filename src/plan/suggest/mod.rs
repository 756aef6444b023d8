//! Suggestions: further ways to save bytes or to correct errors, each on its own with what it saves, what it risks, and how many
//! layers fewer there would be. Bytes are measured or added up where that takes no time; elsewhere they are marked as
//! estimated.

mod files;
mod forms;
mod libraries;
mod packages;
mod step;

use std::cmp::Reverse;

pub use step::{Figures, Setting, Suggestion};

use super::{Plan, Settings};
use crate::base::error::Result;
use crate::base::finding::Code;
use crate::base::progress::Progress;
use step::Steps;

/// Of a tree with more bytes unzipped, nothing is compressed in other forms: it is over twice as long as layers can be, and R's
/// databases in all their forms would take many times as long as the rest.
const MEASURED_BYTES: u64 = 1 << 29;

/// The steps that correct errors or save zipped bytes, or unzipped ones if those are all that is known. Those that correct
/// errors come first, then those that save a layer, then those that save most in zips; what needs more unzipped without saving
/// a layer comes last. If the tree has too much unzipped, only what is saved of that counts.
///
/// With `measuring`, files are also compressed in other forms to find exactly what those would save, which takes longer than to
/// pack; without, and of a tree far longer than layers can be, that is estimated.
///
/// # Errors
/// When a file cannot be read, or a rule cannot be compiled for this tree.
pub(crate) fn suggestions(
    plan: &Plan<'_>,
    settings: &Settings,
    measuring: bool,
    progress: &dyn Progress,
) -> Result<Vec<Suggestion>> {
    let steps = Steps::new(plan, settings);
    let mut found = steps.rules()?;
    found.extend(steps.libraries());
    found.extend(steps.handler());
    found.extend(steps.unneeded());
    found.extend(steps.not_opened());
    found.extend(steps.in_image());
    if plan.is_measured() {
        found.extend(steps.duplicates()?);
        let measured = measuring && steps.unzipped() <= MEASURED_BYTES;
        found.extend(if measured { steps.other_forms(progress)? } else { steps.estimated_forms() });
    }
    if plan.findings.iter().any(|finding| finding.code == Code::UnzippedTooLarge) {
        found.retain(|step| step.unzipped_bytes > 0 || step.corrects > 0);
        found.sort_by_cached_key(|step| (Reverse(step.corrects), Reverse(step.unzipped_bytes), step.name.clone()));
    } else {
        found.retain(|step| saved(step) > 0 || step.corrects > 0);
        let is_over = plan.findings.iter().any(|finding| finding.code == Code::TooManyLayers);
        found.sort_by_cached_key(|step| rank(step, is_over));
    }
    Ok(found)
}

/// The bytes that a step saves in zips, or unzipped if zips were not computed.
fn saved(step: &Suggestion) -> i64 {
    step.zipped_bytes.unwrap_or(step.unzipped_bytes)
}

/// What orders steps. What saves only zipped bytes, at the price of unzipped ones, comes last, unless the zips are over their limit.
fn rank(step: &Suggestion, is_over: bool) -> impl Ord + use<> {
    let grows = !is_over && step.layers == 0 && step.unzipped_bytes < 0;
    (Reverse(step.corrects), Reverse(step.layers), grows, Reverse(saved(step)), step.name.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn corrections_come_first_then_layers_then_bytes_and_what_only_grows_comes_last() {
        let step = |name: &str, corrects, layers, (zipped_bytes, unzipped_bytes)| Suggestion {
            forms: Vec::new(),
            name: name.to_owned(),
            step: String::new(),
            what: String::new(),
            risk: String::new(),
            files: 1,
            unzipped_bytes,
            zipped_bytes,
            layers,
            figures: Figures::Exact,
            corrects,
            setting: None,
        };
        let ordered = [
            step("corrects", 1, 0, (Some(-5), -5)),
            step("a layer, though it grows", 0, 1, (Some(9), -90)),
            step("a layer", 0, 1, (Some(8), 8)),
            step("most", 0, 0, (Some(70), 70)),
            step("less", 0, 0, (Some(60), 900)),
            step("equal", 0, 0, (Some(50), 50)),
            step("equal, and not compressed", 0, 0, (None, 50)),
            step("no change of what is unzipped", 0, 0, (Some(40), 0)),
            step("saves much and grows", 0, 0, (Some(1000), -1)),
        ];
        let names = |steps: &[Suggestion]| steps.iter().map(|step| step.name.clone()).collect::<Vec<_>>();
        let mut steps: Vec<Suggestion> = ordered.iter().rev().cloned().collect();
        steps.sort_by_cached_key(|step| rank(step, false));
        assert_eq!(names(&steps), names(&ordered));
        steps.sort_by_cached_key(|step| rank(step, true));
        let first: Vec<String> = names(&steps).into_iter().take(5).collect();
        assert_eq!(first[3..], ["saves much and grows", "most"], "where the zips are over their limit");
    }
}
