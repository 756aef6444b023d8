//! `layerfit pack`: writes layers, and a template that has them.

use std::path::Path;

use clap::ColorChoice;

use super::args::PackArgs;
use super::exit::Exit;
use super::output;
use super::work::with_configuration;
use crate::base::error::{Error, Result};
use crate::base::list;
use crate::base::safe::one_line;
use crate::commands;
use crate::pack::output::{MANIFEST, REPORT};
use crate::publish::sam::Template;
use crate::report::{Report, wrapped};

pub(super) fn run(arguments: &PackArgs, color: ColorChoice) -> Result<Exit> {
    let PackArgs { root, options, output: directory, template, report: shown } = arguments;
    // Before the work, so that a file of the user's is known at once.
    let to = template.as_deref();
    let template = to.map(|path| Template::begin(path, root)).transpose()?;
    let (report, lock) = with_configuration(options, shown.shown()?, |settings, config, progress| {
        let report = commands::pack(root, directory, settings, progress)?;
        if let Some(template) = template.as_ref().filter(|_| report.fits) {
            // Only what the file has: a value of --env can be a secret.
            template.write(directory, &report, settings.architecture, &config.env)?;
        }
        Ok((report, settings.lock.clone()))
    })?;
    let others: Vec<&Path> = [lock.as_deref(), to].into_iter().flatten().collect();
    output::report(&report, color, shown, &written(directory, &report, &others)?)
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
    let zip = |name: &str| -> Result<String> {
        let path = directory.join(name);
        Ok(format!("{name} ({} bytes)", std::fs::metadata(&path).map_err(Error::io("read", &path))?.len()))
    };
    let zips = report.layers.iter().flatten().map(|layer| zip(&layer.zip));
    let mut named: Vec<String> = zips.collect::<Result<_>>()?;
    named.extend([MANIFEST, REPORT, "report.html"].map(str::to_owned));
    let mut text = format!("Written to {shown}: {}.", named.join(", "));
    if !others.is_empty() {
        let others: Vec<String> = others.iter().map(|path| one_line(&path.to_string_lossy())).collect();
        text += &format!(" Also {}.", list::with_last(&others, "and"));
    }
    let mut text = format!("\n{}", wrapped(&text, columns));
    text += &if report.passed() {
        let quoted = shlex::try_quote(&shown).map_or_else(|_| shown.clone(), std::borrow::Cow::into_owned);
        let run = format!("layerfit invoke {quoted} --code DIR --handler FILE.FUNCTION");
        format!("Next: {run}   # run a function\n      layerfit publish {quoted}, or layerfit check {quoted} in CI\n")
    } else {
        wrapped("Next: correct the errors, and pack again.", columns)
    };
    Ok(text.into_bytes())
}
