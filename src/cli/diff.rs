//! `layerfit diff`: two sets of layers, compared.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use super::args::{DiffArgs, DiffFormat, PlanOptions};
use super::exit::Exit;
use super::recorded::Recorded;
use super::work::{Shows, remark, with_configuration};
use super::{output, settings};
use crate::base::error::Result;
use crate::commands;
use crate::pack::output::{MANIFEST, PackedFor, has_manifest};
use crate::plan::Settings;
use crate::report;

pub(super) fn run(arguments: &DiffArgs) -> Result<Exit> {
    let DiffArgs { old, new, input, answer } = arguments;
    // How a tree is packed is set by layerfit.toml, or as the layers on the other side were packed, and not by options.
    let options = PlanOptions { input: input.clone(), ..PlanOptions::default() };
    let (old, new) = (several(old), several(new));
    // A side that is not packed is compared as if it were, for the same as the other one.
    let (of_old, of_new) = (recorded(&old, &new)?, recorded(&new, &old)?);
    let shown = (&answer.output, Shows::Summary);
    let diff = with_configuration(
        &options,
        |_| Ok(of_old),
        shown,
        |settings, config, progress| {
            let quiet = answer.output.quiet;
            let packed = of_new.as_ref().map(|recorded| &recorded.packed);
            let new_settings = settings::settings(&options, config, packed)?;
            let new_settings = Settings { use_cache: settings.use_cache, ..new_settings };
            if let Some(recorded) = of_new.as_ref().filter(|_| !quiet) {
                recorded.messages(&options, config).iter().for_each(output::message);
            }
            let of_new = new_settings;
            remark("compared", settings, (&options, config), quiet);
            if of_new.packed_for != settings.packed_for {
                remark("compared", &of_new, (&options, config), quiet);
            }
            commands::diff((&old, settings), (&new, &of_new), progress)
        },
    )?;
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

/// What is recorded for a side that has to be analyzed: what it is packed for itself, or what the other side is.
fn recorded(side: &[PathBuf], other: &[PathBuf]) -> Result<Option<Recorded>> {
    if !is_analyzed(side) {
        return Ok(None);
    }
    if let Some(packed) = packed_for(side)? {
        return Ok(Some(Recorded::of_layers(packed)));
    }
    let (packed, is_tree) = (packed_for(other)?, commands::is_tree(side)?);
    Ok(packed.map(|packed| match manifest(other) {
        Some(file) if is_tree => Recorded::of_tree(packed, file, "set them in layerfit.toml"),
        _ => Recorded::of_layers(packed),
    }))
}

/// The manifest of the layers of a side.
fn manifest(paths: &[PathBuf]) -> Option<PathBuf> {
    match paths {
        [file] if commands::is_json(file) => Some(file.clone()),
        [directory] if directory.is_dir() => Some(directory.join(MANIFEST)),
        [zip, ..] => Some(zip.parent()?.join(MANIFEST)),
        [] => None,
    }
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
