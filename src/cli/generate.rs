//! `layerfit completions` and `layerfit man`, generated from the declared arguments like the help.

use std::path::Path;

use clap::CommandFactory;
use clap::builder::{PossibleValue, PossibleValuesParser};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use super::args::{Cli, CompletionsArgs, ManArgs};
use super::exit::Exit;
use super::{output, reference};
use crate::base::atomic::replace_file;
use crate::base::check_pages::check_pages;
use crate::base::error::{Error, Result};
use crate::prune::{PruneRule, PruneRules, requested_rules};

/// Prints the completion script of a shell.
pub(super) fn completions(arguments: &CompletionsArgs) -> Result<Exit> {
    let mut text = Vec::new();
    clap_complete::generate(arguments.shell, &mut with_codes(Cli::command())?, "layerfit", &mut text);
    // A script, without a word of others.
    output::write(&text)?;
    Ok(Exit::Done)
}

/// The command line with the codes and names of rules and checks as values, which would make the help too long.
///
/// # Errors
/// When a built-in rule is not valid, which a test excludes.
fn with_codes(command: clap::Command) -> Result<clap::Command> {
    let rules = PruneRules::load(&[])?;
    let rule = |(rule, _): (&PruneRule, _)| (rule.code.clone(), rule.name.clone());
    let rules: Vec<(String, String)> = rules.iter().map(rule).collect();
    let checks = check_pages().iter().map(|page| (page.code.to_string(), page.name.clone()));
    let asked = requested_rules().iter().map(|rule| (rule.code.clone(), rule.name.clone()));
    let all = rules.iter().cloned().chain(asked).chain(checks);
    // clap has values that live as long as the program, which ends once they are printed.
    let value = |value: String, help: String| PossibleValue::new(&*value.leak()).help(help);
    let codes: Vec<PossibleValue> = all.map(|(code, name)| value(code, name)).collect();
    let names = rules.into_iter().map(|(code, name)| value(name, code));
    let names: Vec<PossibleValue> = names.chain([PossibleValue::new("extra")]).collect();
    let selects = |command: &clap::Command| command.get_arguments().any(|argument| argument.get_id() == "select");
    let commands: Vec<String> =
        command.get_subcommands().filter(|one| selects(one)).map(|one| one.get_name().to_owned()).collect();
    let command = command.mut_subcommand("rules", |rules| {
        rules.mut_arg("code", |code| code.value_parser(PossibleValuesParser::new(codes)))
    });
    Ok(commands.into_iter().fold(command, |command, name| {
        command.mut_subcommand(name, |one| {
            one.mut_arg("select", |select| select.value_parser(PossibleValuesParser::new(names.clone())))
        })
    }))
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
    let (name, text) = reference::page(SOURCE)?;
    // Where man(1) looks for pages of this section.
    let beside = directory.with_file_name("man5");
    let formats = if directory.file_name().is_some_and(|name| name == "man1") { beside.as_path() } else { directory };
    std::fs::create_dir_all(formats).map_err(Error::io("create", formats))?;
    replace_file(&formats.join(&name), &text)?;
    written += &format!("{}\n", formats.join(name).display());
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

/// The program and its version, as manual pages have them.
const SOURCE: &str = concat!("layerfit ", env!("CARGO_PKG_VERSION"));

/// A command's man page in section 1, and the name of its file.
fn page(command: &clap::Command) -> Result<(String, Vec<u8>)> {
    // A page has no date, so that it is the same whenever it is generated; roff would read what follows an empty one as the date.
    let man = Man::new(command.clone()).date(" ").source(SOURCE).manual("layerfit's manual");
    let name = man.get_filename();
    let mut text = Vec::new();
    let rendered = [
        man.render_title(&mut text),
        man.render_name_section(&mut text),
        man.render_synopsis_section(&mut text),
        man.render_description_section(&mut text),
        man.render_options_section(&mut text),
        if command.has_subcommands() { man.render_subcommands_section(&mut text) } else { Ok(()) },
        sections(command).to_writer(&mut text),
        // Only the program has one.
        if command.get_version().is_some() { man.render_version_section(&mut text) } else { Ok(()) },
    ];
    rendered.into_iter().collect::<std::io::Result<()>>().map_err(Error::io("write", &name))?;
    Ok((name, text))
}

/// The sections after the options: what the end of the help has, and what the command reads besides its arguments.
fn sections(command: &clap::Command) -> Roff {
    let mut roff = Roff::new();
    let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let mut has_exit_codes = false;
    for block in help.split("\n\n") {
        let (title, rest) = block.split_once(':').unwrap_or((block, ""));
        let lines = rest.lines().filter(|line| !line.is_empty()).map(|line| line.strip_prefix("  ").unwrap_or(line));
        match title {
            "Examples" => {
                roff.control("SH", ["EXAMPLES"]);
                reference::code(&mut roff, lines);
            }
            "Exit codes" if rest.starts_with('\n') => {
                has_exit_codes = true;
                roff.control("SH", ["EXIT STATUS"]);
                reference::code(&mut roff, lines);
            }
            "Exit codes" => {
                has_exit_codes = true;
                roff.control("SH", ["EXIT STATUS"]);
                for code in rest.split_whitespace().collect::<Vec<_>>().join(" ").split(';') {
                    let (code, meaning) = code.trim().split_once(' ').unwrap_or((code, ""));
                    described(&mut roff, code, meaning.trim_end_matches('.'));
                }
            }
            "" => {}
            title => {
                roff.control("SH", ["NOTES"]);
                roff.text([roman(format!("{title}:"))]);
                reference::code(&mut roff, lines);
            }
        }
    }
    if !has_exit_codes {
        roff.control("SH", ["EXIT STATUS"]);
        described(&mut roff, "0", "done");
        described(&mut roff, "2", "layerfit could not do its work");
    }
    let has = |option: &str| command.get_arguments().any(|argument| argument.get_id() == option);
    let mut files = Vec::new();
    if has("config") {
        files.push((
            "layerfit.toml",
            "settings: the nearest one in the working directory and those above it; see layerfit.toml(5)",
        ));
    }
    if has("no_cache") {
        files.push((
            "~/.cache/layerfit",
            "compressed contents, to be taken from there the next time; --no-cache does without",
        ));
        files.push((
            "~/.local/state/layerfit/cache-key",
            "the key of the user that signs them; without it, they are verified by content, which takes longer",
        ));
    }
    listed(&mut roff, "FILES", &files);
    let mut variables = vec![
        (
            "NO_COLOR, CLICOLOR_FORCE",
            "no colours, or colours where the output is not a terminal; --color overrides both",
        ),
        ("COLUMNS", "the width of the output, from 80 to 160"),
    ];
    if has("no_cache") {
        variables.push(("XDG_CACHE_HOME", "the directory of the cache, in place of ~/.cache"));
        variables.push(("XDG_STATE_HOME", "the directory of the cache's key, in place of ~/.local/state"));
    }
    if has("bundle") || has("rootfs") {
        variables.push(("TMPDIR", "where temporary files are written, of which nothing is left"));
    }
    if has("baseline") {
        let actions = "in GitHub Actions, findings become annotations, and the report goes to the summary of the job";
        variables.push(("GITHUB_ACTIONS, GITHUB_STEP_SUMMARY", actions));
    }
    if has("aws") {
        variables.push(("AWS_*", "those of the AWS CLI, which layerfit runs"));
    }
    listed(&mut roff, "ENVIRONMENT", &variables);
    roff.control("SH", ["SEE ALSO"]);
    let mut others = vec!["layerfit.toml(5)".to_owned()];
    if command.get_display_name().is_some_and(|name| name != "layerfit") {
        others.insert(0, "layerfit(1)".to_owned());
    }
    roff.text([roman(others.join(", "))]);
    roff
}

/// A section with a list of names; nothing if the list is empty.
fn listed(roff: &mut Roff, title: &str, names: &[(&str, &str)]) {
    if names.is_empty() {
        return;
    }
    roff.control("SH", [title]);
    for (name, meaning) in names {
        described(roff, name, meaning);
    }
}

/// A name and what it means.
fn described(roff: &mut Roff, name: &str, meaning: &str) {
    roff.control("TP", []);
    roff.text([bold(name)]);
    roff.text([roman(meaning)]);
}
