//! `layerfit why`: answers a question about a plan.

use std::path::Path;

use crate::base::error::Result;
use crate::base::progress::Progress;
use crate::plan::{Analysis, Decider, Plan, Settings};
use crate::report::Report;
use crate::report::why::{self, Question, Why};
use crate::tree::TreeInput;

/// Why something in `root` is kept or dropped, what dropping things would do, or what nothing needs.
///
/// # Errors
/// When the tree cannot be read, or a target is not found.
pub fn why(root: &Path, question: &Question, settings: &Settings, progress: &dyn Progress) -> Result<Why> {
    let input = TreeInput::open(root, settings.architecture, progress)?;
    // What breaks is found by analyzing the tree without the targets, before the plan: only one of the two is in memory.
    let then = match question {
        Question::About { .. } | Question::Unneeded => Vec::new(),
        Question::IfDropped(targets) => {
            let mut dropping = settings.clone();
            dropping.drop.extend(targets.iter().cloned());
            let (analysis, decisions) = Analysis::of_input(&input, Decider::Rules, &dropping, progress)?;
            settings.severities.apply(decisions.all_findings(&analysis)).0
        }
    };
    let plan = Plan::with_every_size(&input, settings, progress)?;
    let report = Report::of_plan(&root.display().to_string(), input.image(), settings, &plan);
    match question {
        Question::About { target, all } => why::about(&plan, &report, settings, (target, *all)),
        Question::IfDropped(targets) => why::if_dropped(&plan, &report, targets, settings, (&report.findings, then)),
        Question::Unneeded => Ok(why::unneeded(&plan, &report)),
    }
}
