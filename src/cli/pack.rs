//! `layerfit pack`: writes layers, and a template that has them.

use std::path::{Path, PathBuf};

use clap::ColorChoice;

use super::args::{PackArgs, ReportFormat};
use super::exit::Exit;
use super::output;
use super::work::with_configuration;
use crate::base::error::{Error, Result};
use crate::base::safe::one_line;
use crate::commands;
use crate::pack::output::MANIFEST;
use crate::publish::sam::Template;
use crate::report::{Report, wrapped};

pub(super) fn run(arguments: &PackArgs, color: ColorChoice) -> Result<Exit> {
    let PackArgs { root, options, output: directory, template, report: shown } = arguments;
    // Before the work, so that a file of the user's is known at once.
    let to = template.as_deref();
    let template = to.map(|path| Template::begin(path, root)).transpose()?;
    let (report, lock) = with_configuration(options, shown.shown(), |settings, config, progress| {
        let report = commands::pack(root, directory, settings, progress)?;
        if let Some(template) = template.as_ref().filter(|_| report.fits) {
            // Only what the file has: a value of --env can be a secret.
            template.write(directory, &report, settings.architecture, &config.env)?;
        }
        Ok((report, settings.lock.clone()))
    })?;
    let exit = output::report(&report, color, shown)?;
    if shown.format == ReportFormat::Table && !shown.output.quiet {
        let others: Vec<&Path> = [lock.as_deref(), to].into_iter().flatten().collect();
        output::print(&written(directory, &report, &others)?)?;
    }
    Ok(exit)
}

/// What was written, and what to do next.
///
/// # Errors
/// When a file that was just written is gone.
fn written(directory: &Path, report: &Report, others: &[&Path]) -> Result<Vec<u8>> {
    let columns = output::columns();
    let shown = one_line(&directory.to_string_lossy());
    if !report.fits {
        return Ok(format!(
            "\n{}",
            wrapped(&format!("Nothing is written to {shown}: the layers do not fit."), columns)
        )
        .into_bytes());
    }
    let zips = report.layers.iter().flatten().map(|layer| layer.zip.as_str());
    let files: Vec<PathBuf> =
        zips.chain([MANIFEST, "report.md", "report.html"]).map(|name| directory.join(name)).collect();
    let mut named = Vec::new();
    for path in files.iter().map(PathBuf::as_path).chain(others.iter().copied()) {
        let bytes = std::fs::metadata(path).map_err(Error::io("read", path))?.len();
        named.push(format!("{} ({bytes} bytes)", path.display()));
    }
    let mut text = format!("\n{}", wrapped(&format!("Written: {}.", named.join(", ")), columns));
    text += &if report.passed() {
        let quoted = shlex::try_quote(&shown).map_or_else(|_| shown.clone(), std::borrow::Cow::into_owned);
        format!(
            "Next: layerfit invoke {quoted} --code DIR --handler FILE.FUNCTION   # run a function\n      \
             layerfit publish {quoted}\n      layerfit check {quoted}   # in CI\n"
        )
    } else {
        wrapped("Next: correct the errors, and pack again.", columns)
    };
    Ok(text.into_bytes())
}
