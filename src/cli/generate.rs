//! `layerfit completions` and `layerfit man`, generated from the declared arguments like the help.

use std::path::Path;

use clap::CommandFactory;
use clap_mangen::Man;

use super::args::{Cli, CompletionsArgs, ManArgs};
use super::exit::Exit;
use super::output;
use crate::base::atomic::replace_file;
use crate::base::error::{Error, Result};

/// Prints the completion script of a shell.
pub(super) fn completions(arguments: &CompletionsArgs) -> Result<Exit> {
    let mut text = Vec::new();
    clap_complete::generate(arguments.shell, &mut Cli::command(), "layerfit", &mut text);
    // A script, without a word of others.
    output::write(&text)?;
    Ok(Exit::Done)
}

/// Prints the man page of layerfit; or with a directory, writes all pages and prints their paths.
pub(super) fn manual(arguments: &ManArgs) -> Result<Exit> {
    output::done(&pages(arguments.directory.as_deref())?)
}

/// The man page of layerfit; or with a directory, the paths of the pages written into it.
///
/// # Errors
/// When a page cannot be written.
fn pages(directory: Option<&Path>) -> Result<Vec<u8>> {
    // `help` needs no page of its own.
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    let Some(directory) = directory else { return page(&command).map(|(_, text)| text) };
    std::fs::create_dir_all(directory).map_err(Error::io("create", directory))?;
    let mut written = String::new();
    let mut commands = vec![&command];
    while let Some(command) = commands.pop() {
        let (name, text) = page(command)?;
        let path = directory.join(name);
        replace_file(&path, &text)?;
        written += &format!("{}\n", path.display());
        let below: Vec<_> = command.get_subcommands().filter(|command| !command.is_hide_set()).collect();
        commands.extend(below.into_iter().rev());
    }
    Ok(written.into_bytes())
}

/// A command's man page in section 1, and the name of its file.
fn page(command: &clap::Command) -> Result<(String, Vec<u8>)> {
    // A page has no date, so that it is the same whenever it is generated; roff would read what follows an empty one as the date.
    let source = concat!("layerfit ", env!("CARGO_PKG_VERSION"));
    let man = Man::new(command.clone()).date(" ").source(source).manual("layerfit's manual");
    let name = man.get_filename();
    let mut text = Vec::new();
    man.render(&mut text).map_err(Error::io("write", &name))?;
    Ok((name, text))
}
