//! `layerfit analyze`: what is in a tree, and what is missing.

use clap::ColorChoice;

use super::args::{AnalyzeArgs, PlanOptions, RuleChoice};
use super::exit::Exit;
use super::output;
use super::work::with_settings;
use crate::base::error::Result;
use crate::commands;

pub(super) fn run(arguments: &AnalyzeArgs, color: ColorChoice) -> Result<Exit> {
    let AnalyzeArgs { root, input, variables, content, checks, targets, report: shown } = arguments;
    let ignore = checks.ignore.iter().map(ToString::to_string).collect();
    let options = PlanOptions {
        input: input.clone(),
        variables: variables.clone(),
        content: content.clone(),
        rules: RuleChoice { ignore, ..RuleChoice::default() },
        targets: targets.clone(),
        ..PlanOptions::default()
    };
    let report =
        with_settings(&options, shown.shown()?, |settings, progress| commands::analyze(root, settings, progress))?;
    output::report(&report, color, shown, &[])
}
