//! `layerfit check`: whether a tree, or finished layers, pass.

use std::path::PathBuf;

use clap::ColorChoice;

use super::args::{CheckArgs, GateOptions, PlanOptions};
use super::config::Config;
use super::exit::Exit;
use super::recorded::Recorded;
use super::work::{remark, with_configuration};
use super::{invoke, output, settings};
use crate::base::error::Result;
use crate::commands;
use crate::pack::output::PackedFor;

pub(super) fn run(arguments: &CheckArgs, color: ColorChoice) -> Result<Exit> {
    let CheckArgs { paths, options, gate, run, function, report: shown } = arguments;
    invoke::refuse_without_run(run.as_deref(), function)?;
    let layers = PackedFor::of(paths)?;
    let recorded = |config: &Config| match layers {
        Some(packed) => Ok(Some(Recorded::of_layers(packed))),
        None => compared_with(paths, gate, config),
    };
    let options = PlanOptions { code: function.code.clone(), ..options.clone() };
    let (mut report, (settings, host, recorded, unwritten)) =
        with_configuration(&options, recorded, shown.shown()?, |settings, config, progress| {
            remark("checked", settings, (&options, config), shown.output.quiet);
            let gate = settings::gate_of(gate, &settings::gate(config)?)?;
            let (report, recorded) = commands::check(paths, settings, &gate, progress)?;
            // What a function does with `--run` does not change the sizes that a baseline has.
            let unwritten = gate.baseline.clone().filter(|_| gate.update_baseline && !report.passed());
            let host = run.as_ref().map(|_| settings.host.root(settings.architecture, progress)).transpose()?;
            Ok((report, (settings.clone(), host, recorded, unwritten)))
        })?;
    if let Some((handler, host)) = run.as_ref().zip(host) {
        let function =
            invoke::function(paths, handler, function, settings.variables, (settings.runtime, settings.limits))?;
        let findings = function.findings(&host)?;
        report.add_findings(findings, &settings.severities);
    }
    let exit = output::report(&report, color, shown, &[])?;
    if let Some(recorded) = recorded.filter(|_| !shown.output.quiet) {
        output::message(recorded);
    }
    if let Some(path) = unwritten {
        output::message(format_args!(
            "{}: not written, as the check fails: fix the errors first, or turn them off with a reason ([[finding]])",
            path.display()
        ));
    }
    Ok(exit)
}

/// What the manifest records that layers are compared with, or that is their baseline.
fn compared_with(paths: &[PathBuf], gate: &GateOptions, config: &Config) -> Result<Option<Recorded>> {
    let baseline = gate.baseline.clone().or_else(|| config.baseline.as_ref().map(|path| config.path(path)));
    let mut files = gate.manifest.clone().into_iter().chain(baseline);
    let recorded = files.find_map(|file| Some((PackedFor::of_manifest(&file)?, file)));
    let is_tree = commands::is_tree(paths)?;
    Ok(recorded.map(|(packed, file)| {
        if is_tree { Recorded::of_tree(packed, file, "give them again") } else { Recorded::of_layers(packed) }
    }))
}
