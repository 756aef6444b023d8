//! The command line: declares the arguments, turns them into settings once, runs the pipeline, prints the report.

mod args;
mod color;
mod config;
mod exit;
mod generate;
mod init;
mod invoke;
mod progress;
mod publish;
mod rules;
mod runtime;
mod settings;
mod why;

use std::ffi::OsStr;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use clap::{ArgMatches, ColorChoice, CommandFactory, FromArgMatches};

pub use args::{Cli, Command};
pub use config::schema as config_schema;
pub use exit::Exit;

use crate::base::error::{Error, Result};
use crate::base::finding::Severity;
use crate::base::progress::Progress;
use crate::commands;
use crate::plan::Settings;
use crate::publish::sam::Template;
use crate::report;
use crate::report::{Detail, Report};
use args::{Common, Format};

/// Parses the command line and does what it says. Results go to stdout, progress and errors to stderr.
pub fn run(arguments: impl IntoIterator<Item = std::ffi::OsString>) -> Exit {
    let arguments: Vec<_> = arguments.into_iter().collect();
    let color = color::asked(&arguments);
    let matches = Cli::command().color(color).try_get_matches_from(arguments);
    let parsed = matches.and_then(|matches| Ok((Cli::from_arg_matches(&matches)?, matches)));
    let (cli, matches) = match parsed {
        Ok(parsed) => parsed,
        Err(error) => {
            // clap writes help to stdout and errors to stderr, and knows its exit codes: 0 and 2.
            let _ = error.print();
            return if error.use_stderr() { Exit::Failed } else { Exit::Done };
        }
    };
    // Without it, signals end the run as they do any other, and the next one clears away what stays.
    let _ = crate::base::interrupt::handle(progress::clear);
    match dispatch(&cli, &matches) {
        Ok(exit) => exit,
        Err(error) => {
            let mut out = std::io::stderr();
            let name = color::of(color, &out).severity(Severity::Error, "layerfit:");
            let _ = writeln!(out, "{name} {error}");
            Exit::Failed
        }
    }
}

fn dispatch(cli: &Cli, matches: &ArgMatches) -> Result<Exit> {
    match &cli.command {
        Command::Analyze { root, common } => {
            with_report(cli.color, common, |settings, progress| commands::analyze(root, settings, progress))
        }
        Command::Plan { root, tree: true, common } => {
            let report = with_settings(common, |settings, progress| commands::plan(root, settings, progress))?;
            done(&report::tree(&report, if common.verbose { Detail::Full } else { Detail::Short }))?;
            Ok(exit(&report))
        }
        Command::Plan { root, tree: false, common } => {
            with_report(cli.color, common, |settings, progress| commands::plan(root, settings, progress))
        }
        Command::Pack { root, output, template, common } => {
            // Before the work, so that a file of the user's is known at once.
            let template = template.as_deref().map(|path| Template::begin(path, root)).transpose()?;
            with_report(cli.color, common, |settings, progress| {
                let report = commands::pack(root, output, settings, progress)?;
                if let Some(template) = template.as_ref().filter(|_| report.fits) {
                    template.write(output, &report, settings.architecture)?;
                }
                Ok(report)
            })
        }
        Command::Check { paths, run, function, gate, common } => {
            invoke::refuse_without_run(run.as_deref(), function)?;
            let (mut report, settings) = with_settings(common, |settings, progress| {
                let gate = settings::gate_of(gate, &settings::gate_default())?;
                let report = commands::check(paths, settings, &gate, progress)?;
                Ok((report, settings.clone()))
            })?;
            if let Some(handler) = run {
                let function = invoke::function(paths, handler, function, settings.runtime)?;
                report.add_findings(function.findings()?, &settings.severities);
            }
            show(&report, cli.color, common)
        }
        Command::Diff { old, new, common } => {
            let (old, new) = (several(old), several(new));
            let diff = with_settings(common, |settings, progress| commands::diff(&old, &new, settings, progress))?;
            done(&in_three_formats(
                "diff",
                common,
                |detail| report::diff::table(&diff, detail),
                || report::diff::json(&diff),
                || report::diff::markdown(&diff),
            )?)
        }
        Command::Invoke { paths, handler, function, runtime, repeat, listen, trace } => {
            let runtime = crate::runtime::RuntimeProfile::load(runtime)?;
            let mut run = invoke::function(paths, handler, function, runtime)?;
            run.function.trace.clone_from(trace);
            match listen {
                Some(address) => run.listen(*address),
                None => run.invoke(repeat.get()),
            }
        }
        Command::Inside { spec } => {
            crate::invoke::run_inside(spec);
            Ok(Exit::Done)
        }
        Command::Init { bootstrap: Some(directory), .. } => done(&init::bootstrap(directory)?),
        Command::Init { root, bootstrap: None } => {
            let settings = settings::settings(&Common::default(), &config::Config::default())?;
            let progress = progress::bar(false);
            let report = commands::plan(root, &settings, progress.as_ref());
            progress.done();
            done(&init::write(&report?)?)
        }
        Command::Why { target, root, all, if_dropped, common } => {
            let (question, root) = why::question(target.as_deref(), root.as_deref(), *all, if_dropped)?;
            let answer =
                with_settings(common, |settings, progress| commands::why(&root, &question, settings, progress))?;
            done(&why::show(&answer, common)?)
        }
        Command::Publish { arguments } => publish::run(arguments),
        Command::Runtime { command } => done(&runtime::run(command)?),
        Command::Rules { code, rules, format } => done(&rules::page(code.as_deref(), rules, *format)?),
        Command::Config { schema: true, .. } => done(&config::schema()?),
        Command::Config { schema: false, common } => {
            let given = matches.subcommand().map(|(_, given)| given);
            done(&config::sources(common, given)?)
        }
        Command::Completions { shell } => done(&generate::completions(*shell)),
        Command::Man { directory } => done(&generate::manual(directory.as_deref())?),
    }
}

/// Prints what a command answers, which is all that it does.
fn done(answer: &[u8]) -> Result<Exit> {
    print(answer)?;
    Ok(Exit::Done)
}

/// Does work with the settings and as many threads as the arguments ask for.
fn with_settings<T: Send>(
    common: &Common,
    work: impl Fn(&Settings, &dyn Progress) -> Result<T> + Send + Sync,
) -> Result<T> {
    let working_directory = std::env::current_dir().map_err(Error::io("find", "the working directory"))?;
    let (config, file) = config::Config::find(common.config.as_deref(), &working_directory)?;
    if let Some(file) = file.filter(|_| !common.quiet && common.config.is_none()) {
        let _ = writeln!(std::io::stderr(), "layerfit: settings from {}", file.display());
    }
    let settings = settings::settings(common, &config)?;
    let progress = progress::bar(common.quiet);
    let mut pool = rayon::ThreadPoolBuilder::new();
    if let Some(jobs) = common.jobs {
        pool = pool.num_threads(jobs.into());
    }
    let pool = pool.build().map_err(|error| Error::Usage {
        message: format!("cannot start {} threads: {error}", common.jobs.map_or(0, std::num::NonZero::get)),
        help: "give a smaller number with --jobs".to_owned(),
    })?;
    let done = pool.install(|| work(&settings, progress.as_ref()));
    progress.done();
    done
}

fn with_report(
    color: ColorChoice,
    common: &Common,
    work: impl Fn(&Settings, &dyn Progress) -> Result<Report> + Send + Sync,
) -> Result<Exit> {
    show(&with_settings(common, work)?, color, common)
}

/// Prints a report as the arguments want it.
fn show(report: &Report, color: ColorChoice, common: &Common) -> Result<Exit> {
    print(&match common.format {
        Format::Table if common.quiet => Vec::new(),
        Format::Table => {
            let detail = if common.verbose { Detail::Full } else { Detail::Short };
            report::table(report, detail, color::of(color, &std::io::stdout()))
        }
        Format::Json => report::json(report)?,
        Format::Markdown => report::markdown(report),
        Format::Sarif => report::sarif(report)?,
        Format::Junit => report::junit(report)?,
        Format::Html => report::html(report)?,
    })?;
    on_github(report)?;
    Ok(exit(report))
}

/// Paths with a ',' between them.
fn several(paths: &OsStr) -> Vec<PathBuf> {
    paths.as_bytes().split(|byte| *byte == b',').map(|path| PathBuf::from(OsStr::from_bytes(path))).collect()
}

/// What a command answers that gives no report, as the arguments want it.
fn in_three_formats(
    command: &str,
    common: &Common,
    table: impl Fn(Detail) -> Vec<u8>,
    json: impl Fn() -> Result<Vec<u8>>,
    markdown: impl Fn() -> Vec<u8>,
) -> Result<Vec<u8>> {
    match common.format {
        Format::Table if common.quiet => Ok(Vec::new()),
        Format::Table => Ok(table(if common.verbose { Detail::Full } else { Detail::Short })),
        Format::Json => json(),
        Format::Markdown => Ok(markdown()),
        Format::Sarif | Format::Junit | Format::Html => Err(Error::Usage {
            message: format!("{command} answers in --format table, json or markdown"),
            help: "the others are for reports: layerfit plan, pack or check".to_owned(),
        }),
    }
}

fn exit(report: &Report) -> Exit {
    if report.passed() { Exit::Done } else { Exit::CheckFailed }
}

/// In a step of GitHub Actions, the findings become annotations and the report the step's summary. Annotations go to
/// stderr, which the runner reads as well: stdout is the report's.
fn on_github(report: &Report) -> Result<()> {
    if std::env::var_os("GITHUB_ACTIONS").is_none_or(|value| value != "true") {
        return Ok(());
    }
    let _ = std::io::stderr().write_all(&report::annotations(report));
    let Some(summary) = std::env::var_os("GITHUB_STEP_SUMMARY").filter(|path| !path.is_empty()) else { return Ok(()) };
    let path = std::path::Path::new(&summary);
    let mut file =
        std::fs::OpenOptions::new().append(true).create(true).open(path).map_err(Error::io("write", path))?;
    file.write_all(&report::markdown(report)).map_err(Error::io("write", path))
}

fn print(bytes: &[u8]) -> Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        // Whoever reads has read enough (`layerfit analyze | head`).
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        result => result.map_err(Error::io("write to", "standard output")),
    }
}
