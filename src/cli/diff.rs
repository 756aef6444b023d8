//! `layerfit diff`: two sets of layers, compared.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use super::args::{DiffArgs, DiffFormat, PlanOptions};
use super::exit::Exit;
use super::work::{Shows, remark, with_configuration};
use super::{output, settings};
use crate::base::error::Result;
use crate::commands;
use crate::pack::output::{PackedFor, has_manifest};
use crate::plan::Settings;
use crate::report;

pub(super) fn run(arguments: &DiffArgs) -> Result<Exit> {
    let DiffArgs { old, new, input, answer } = arguments;
    // How a tree is packed is set by layerfit.toml only: the layers on the other side may already be packed.
    let options = PlanOptions { input: input.clone(), ..PlanOptions::default() };
    let (old, new) = (several(old), several(new));
    // A side that is not packed is compared as if it were, for the same as the other one.
    let recorded = (packed_for(&old)?, packed_for(&new)?);
    let or = |own: &Option<PackedFor>, other: &Option<PackedFor>| own.as_ref().or(other.as_ref()).cloned();
    let of_old = or(&recorded.0, &recorded.1).filter(|_| is_analyzed(&old));
    let of_new = or(&recorded.1, &recorded.0).filter(|_| is_analyzed(&new));
    let shown = (&answer.output, Shows::Summary);
    let diff = with_configuration(&options, of_old.as_ref(), shown, |settings, config, progress| {
        let of_new = settings::settings(&options, config, of_new.as_ref())?;
        let of_new = Settings { use_cache: settings.use_cache, ..of_new };
        remark("compared", settings, answer.output.quiet);
        if of_new.packed_for != settings.packed_for {
            remark("compared", &of_new, answer.output.quiet);
        }
        commands::diff((&old, settings), (&new, &of_new), progress)
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

/// What the layers of a side are packed for; `None` if that is not recorded.
fn packed_for(paths: &[PathBuf]) -> Result<Option<PackedFor>> {
    match paths {
        [file] if commands::is_json(file) => Ok(PackedFor::of_manifest(file)),
        paths => PackedFor::of(paths),
    }
}

/// Whether a side has to be analyzed, as everything that is compared is not already in a file of its own.
fn is_analyzed(paths: &[PathBuf]) -> bool {
    match paths {
        [path] => !commands::is_json(path) && !has_manifest(path).unwrap_or(false),
        _ => true,
    }
}
