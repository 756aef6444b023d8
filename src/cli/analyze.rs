//! `layerfit analyze`: what is in a tree, and what is missing.

use clap::ColorChoice;

use super::args::{AnalyzeArgs, PlanOptions, RuleChoice, SortName};
use super::exit::Exit;
use super::output;
use super::work::with_settings;
use crate::base::error::{Error, Result};
use crate::commands;

pub(super) fn run(arguments: &AnalyzeArgs, color: ColorChoice) -> Result<Exit> {
    if arguments.report.sort == Some(SortName::Files) {
        return Err(Error::Usage {
            message: "--sort files has no effect here, where packages are listed".to_owned(),
            help: "sort by unzipped, frees or name; `layerfit plan --sort files` sorts units".to_owned(),
        });
    }
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
