//! `layerfit diff`: two sets of layers, compared.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use super::args::{DiffArgs, DiffFormat, PlanOptions};
use super::exit::Exit;
use super::output;
use super::work::{Shows, with_settings};
use crate::base::error::Result;
use crate::commands;
use crate::report;

pub(super) fn run(arguments: &DiffArgs) -> Result<Exit> {
    let DiffArgs { old, new, input, answer } = arguments;
    // How a tree is packed is set by layerfit.toml only: the layers on the other side may already be packed.
    let options = PlanOptions { input: input.clone(), ..PlanOptions::default() };
    let (old, new) = (several(old), several(new));
    let diff = with_settings(&options, (&answer.output, Shows::Summary), |settings, progress| {
        commands::diff(&old, &new, settings, progress)
    })?;
    let (detail, columns) = (output::detail(&answer.output), output::columns());
    output::done(&match answer.format {
        DiffFormat::Table if answer.output.quiet => Vec::new(),
        DiffFormat::Table => report::diff::table(&diff, detail, columns),
        DiffFormat::Json => report::diff::json(&diff)?,
        DiffFormat::Markdown => report::diff::markdown(&diff),
        DiffFormat::Html => {
            output::write(&report::diff_html(&diff)?)?;
            return Ok(Exit::Done);
        }
    })
}

/// Paths that are separated by commas.
fn several(paths: &OsStr) -> Vec<PathBuf> {
    paths.as_bytes().split(|byte| *byte == b',').map(|path| PathBuf::from(OsStr::from_bytes(path))).collect()
}
