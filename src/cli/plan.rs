//! `layerfit plan`: how a tree would be packed.

use clap::ColorChoice;

use super::args::PlanArgs;
use super::exit::Exit;
use super::output;
use super::work::with_settings;
use crate::base::error::Result;
use crate::commands;
use crate::report;

pub(super) fn run(arguments: &PlanArgs, color: ColorChoice) -> Result<Exit> {
    let PlanArgs { root, options, tree, report: shown } = arguments;
    let report = with_settings(options, shown.shown(), |settings, progress| commands::plan(root, settings, progress))?;
    if *tree {
        output::print(&report::tree(&report, output::detail(&shown.output)))?;
        return Ok(output::verdict(&report));
    }
    output::report(&report, color, shown)
}
