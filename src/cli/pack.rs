//! `layerfit pack`: writes layers, and a template that has them.

use clap::ColorChoice;

use super::args::PackArgs;
use super::exit::Exit;
use super::output;
use super::work::with_configuration;
use crate::base::error::Result;
use crate::commands;
use crate::publish::sam::Template;

pub(super) fn run(arguments: &PackArgs, color: ColorChoice) -> Result<Exit> {
    let PackArgs { root, options, output: directory, template, report: shown } = arguments;
    // Before the work, so that a file of the user's is known at once.
    let template = template.as_deref().map(|path| Template::begin(path, root)).transpose()?;
    let report = with_configuration(options, shown.shown(), |settings, config, progress| {
        let report = commands::pack(root, directory, settings, progress)?;
        if let Some(template) = template.as_ref().filter(|_| report.fits) {
            // Only what the file has: a value of --env can be a secret.
            template.write(directory, &report, settings.architecture, &config.env)?;
        }
        Ok(report)
    })?;
    output::report(&report, color, shown)
}
