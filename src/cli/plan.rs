//! `layerfit plan`: how a tree would be packed; or writes steps that it lists into layerfit.toml.

use clap::ColorChoice;

use super::args::PlanArgs;
use super::exit::Exit;
use super::work::{Shows, configuration_file, with_settings};
use super::{apply, output};
use crate::base::bytes::size;
use crate::base::error::Result;
use crate::commands;
use crate::report::{self, Report};

/// What becomes of a plan, in a few words after this one.
fn in_short(when: &str, report: &Report) -> String {
    let unzipped = size(report.totals.kept.unzipped_bytes);
    report::wrapped(&format!("{when}: {} {unzipped} unzipped.", report::verdict(report)), output::columns())
}

pub(super) fn run(arguments: &PlanArgs, color: ColorChoice) -> Result<Exit> {
    let PlanArgs { root, options, tree, apply: chosen, report: shown } = arguments;
    let shows = if *tree { Shows::Contents } else { shown.shown()?.1 };
    if !chosen.is_empty() {
        apply::can_apply(configuration_file(options.input.config.as_ref())?.as_deref())?;
    }
    let report =
        with_settings(options, (&shown.output, shows), |settings, progress| commands::plan(root, settings, progress))?;
    if !chosen.is_empty() {
        let file = configuration_file(options.input.config.as_ref())?;
        let (mut text, written) = apply::apply(&report, chosen, file.as_deref())?;
        if options.limits.is_given() {
            text.extend_from_slice(
                b"The limits that you gave are not written: give them again, or set them in layerfit.toml.\n",
            );
        }
        output::print(&text)?;
        // What was written is named, so that it is not announced again.
        let mut options = options.clone();
        options.input.config = Some(written);
        let output = (&shown.output, Shows::Summary);
        let now = with_settings(&options, output, |settings, progress| commands::plan(root, settings, progress))?;
        return output::done((in_short("Before", &report) + &in_short("Now", &now)).as_bytes());
    }
    // What is far too long to fit was not compressed, and is in no layer.
    if *tree && report.layers.is_some() {
        output::print(&report::tree(&report, output::detail(&shown.output)))?;
        return Ok(output::verdict(&report));
    }
    output::report(&report, color, shown, &[])
}
