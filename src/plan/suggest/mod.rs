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

/// The steps that correct errors or save zipped bytes. Those that correct errors come first, then those that save a layer,
/// then those that save most in zips; what needs more unzipped without saving a layer comes last. If the tree has too much unzipped,
/// only what is saved of that counts.
///
/// With `measuring`, files are also compressed in other forms to find exactly what those would save, which takes longer than to
/// pack; without, that is estimated.
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
    found.extend(steps.duplicates()?);
    found.extend(if measuring { steps.other_forms(progress)? } else { steps.estimated_forms() });
    let is_over = plan.findings.iter().any(|finding| finding.code == Code::UnzippedTooLarge);
    let saved = |step: &Suggestion| if is_over { step.unzipped_bytes } else { step.zipped_bytes };
    found.retain(|step| saved(step) > 0 || step.corrects > 0);
    found.sort_by_cached_key(|step| {
        let grows = step.layers == 0 && step.unzipped_bytes < 0;
        let layers = if is_over { 0 } else { step.layers };
        (Reverse(step.corrects), Reverse(layers), grows, Reverse(saved(step)), step.name.clone())
    });
    Ok(found)
}
