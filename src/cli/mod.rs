//! The command line: declares the arguments, turns them into settings once, runs the command, prints the result.
//!
//! Each command has a file; they share `args`, `config`, `settings`, `work` and `output`.

mod analyze;
mod apply;
mod args;
mod check;
mod color;
mod config;
mod diff;
mod env;
mod exit;
mod generate;
mod init;
mod invoke;
mod next;
mod output;
mod pack;
mod plan;
mod progress;
mod publish;
mod recorded;
mod reference;
mod rules;
mod runtime;
mod settings;
mod sources;
mod toml_text;
mod why;
mod work;

use clap::{ArgMatches, CommandFactory, FromArgMatches};

pub use config::schema as config_schema;
pub use exit::Exit;
pub use reference::markdown as config_reference;

use crate::base::error::Result;
use args::{Cli, Command};

/// Parses the command line and runs the command. Results go to stdout, progress and errors to stderr.
pub fn run(arguments: impl IntoIterator<Item = std::ffi::OsString>) -> Exit {
    let arguments: Vec<_> = arguments.into_iter().collect();
    let color = color::requested(&arguments);
    let matches = Cli::command().color(color).try_get_matches_from(arguments);
    let parsed = matches.and_then(|matches| Ok((Cli::from_arg_matches(&matches)?, matches)));
    let (cli, matches) = match parsed {
        Ok(parsed) => parsed,
        Err(error) => {
            // Help is not an error: the exit codes are 0 and 2.
            let printed = output::arguments(&error, color);
            if let Err(error) = &printed {
                output::error(error, color);
            }
            return if error.use_stderr() || printed.is_err() { Exit::Failed } else { Exit::Done };
        }
    };
    // What layerfit starts itself with has nothing to clean up, and must be a single thread. If this fails, signals end the run
    // without cleaning up, and the next run does.
    if !matches!(cli.command, Command::Inside | Command::Remover(_)) {
        let _ = crate::base::interrupt::handle(progress::clear);
    }
    dispatch(&cli, &matches).unwrap_or_else(|error| {
        output::error(&error, color);
        Exit::Failed
    })
}

fn dispatch(cli: &Cli, matches: &ArgMatches) -> Result<Exit> {
    match &cli.command {
        Command::Analyze(arguments) => analyze::run(arguments, cli.color),
        Command::Plan(arguments) => plan::run(arguments, cli.color),
        Command::Pack(arguments) => pack::run(arguments, cli.color),
        Command::Check(arguments) => check::run(arguments, cli.color),
        Command::Invoke(arguments) => invoke::run(arguments),
        Command::Inside => invoke::inside(),
        Command::Remover(arguments) => invoke::remover(arguments),
        Command::Init(arguments) => init::run(arguments),
        Command::Why(arguments) => why::run(arguments),
        Command::Diff(arguments) => diff::run(arguments),
        Command::Publish(arguments) => publish::run(arguments),
        Command::Runtime(arguments) => runtime::run(arguments),
        Command::Rules(arguments) => rules::run(arguments),
        Command::Config(arguments) => sources::run(arguments, matches),
        Command::Completions(arguments) => generate::completions(arguments),
        Command::Man(arguments) => generate::manual(arguments),
    }
}
