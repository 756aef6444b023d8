//! The command line: declares the arguments, turns them into settings once, runs the pipeline, prints the report.

mod args;
mod exit;
mod progress;
mod rules;
mod runtime;
mod settings;

use std::io::Write;

use clap::Parser;

pub use args::{Cli, Command};
pub use exit::Exit;

use crate::error::{Error, Result};
use crate::pipeline;
use crate::progress::Progress;
use crate::report::{self, Detail, Report};
use args::{Common, Format};

/// Parses the command line and does what it says. Results go to stdout, progress and errors to stderr.
pub fn run(arguments: impl IntoIterator<Item = std::ffi::OsString>) -> Exit {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            // clap writes help to stdout and errors to stderr, and knows its exit codes: 0 and 2.
            let _ = error.print();
            return if error.use_stderr() { Exit::Failed } else { Exit::Done };
        }
    };
    match dispatch(&cli.command) {
        Ok(exit) => exit,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "layerfit: {error}");
            Exit::Failed
        }
    }
}

fn dispatch(command: &Command) -> Result<Exit> {
    match command {
        Command::Analyze { root, common } => {
            with_report(common, |settings, progress| pipeline::analyze(root, settings, progress))
        }
        Command::Plan { root, common } => {
            with_report(common, |settings, progress| pipeline::plan(root, settings, progress))
        }
        Command::Pack { root, output, common } => {
            with_report(common, |settings, progress| pipeline::pack(root, output, settings, progress))
        }
        Command::Check { paths, common } => {
            with_report(common, |settings, progress| pipeline::check(paths, settings, progress))
        }
        Command::Runtime { command } => {
            print(&runtime::run(command)?)?;
            Ok(Exit::Done)
        }
        Command::Rules { code, rules, format } => {
            print(&rules::page(code.as_deref(), rules, *format)?)?;
            Ok(Exit::Done)
        }
    }
}

fn with_report(
    common: &Common,
    work: impl Fn(&pipeline::Settings, &dyn Progress) -> Result<Report> + Send + Sync,
) -> Result<Exit> {
    let settings = settings::settings(common)?;
    let progress = progress::bar(common.quiet);
    let mut pool = rayon::ThreadPoolBuilder::new();
    if let Some(jobs) = common.jobs {
        pool = pool.num_threads(jobs.into());
    }
    let pool = pool.build().map_err(|error| Error::Usage {
        message: format!("cannot start {} threads: {error}", common.jobs.map_or(0, std::num::NonZero::get)),
        help: "give a smaller number with --jobs".to_owned(),
    })?;
    let report = pool.install(|| work(&settings, progress.as_ref()));
    progress.done();
    let report = report?;
    print(&match common.format {
        Format::Table if common.quiet => Vec::new(),
        Format::Table => report::table(&report, if common.verbose { Detail::Full } else { Detail::Short }),
        Format::Json => report::json(&report)?,
        Format::Markdown => report::markdown(&report),
        Format::Html => report::html(&report)?,
    })?;
    Ok(if report.passed() { Exit::Done } else { Exit::CheckFailed })
}

fn print(bytes: &[u8]) -> Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        // Whoever reads has read enough (`layerfit analyze | head`).
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        result => result.map_err(Error::io("write to", "standard output")),
    }
}
