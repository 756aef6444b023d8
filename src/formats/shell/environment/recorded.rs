//! The commands that a script runs, each with the environment that it has.

use super::super::Run as Command;
use super::Environment;

/// The commands that a script runs, with their environments.
#[derive(Debug, Default)]
pub struct Recorded(pub(super) Vec<RecordedCommand>);

/// A command, as it was when it ran.
#[derive(Debug)]
pub(super) struct RecordedCommand {
    /// The line, from 1.
    pub(super) line: usize,
    /// The command with its arguments, after expansions.
    pub(super) words: String,
    /// The variables that it had.
    pub(super) environment: Environment,
}

impl Recorded {
    /// The environment with which a script runs a command; `None` if that is not known.
    pub fn of(&self, command: &Command) -> Option<&Environment> {
        let of_line = || self.0.iter().filter(|recorded| recorded.line == command.line);
        let named =
            of_line().find(|recorded| command.commands.iter().any(|name| recorded.words.contains(name.as_str())));
        named.or_else(|| of_line().next()).map(|recorded| &recorded.environment)
    }
}
