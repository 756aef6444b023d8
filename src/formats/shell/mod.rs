//! Shell scripts: which commands they run, as far as static analysis can tell.
//!
//! The grammar is tree-sitter's for bash, which includes POSIX sh; it recovers from syntax errors. Variables are followed
//! where their values are literals (`SED=/bin/sed … ${SED}`); everything else that decides what is run is reported as
//! unresolved, with its line.

mod answers;
mod commands;
mod environment;
mod guards;
mod reader;
mod syntax;
#[cfg(test)]
mod tests;
mod values;
mod words;

use std::collections::{BTreeMap, BTreeSet};

pub use answers::{UncheckedAnswer, unchecked};
pub use environment::{Environment, Files, Recorded};

/// What a script runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Script {
    /// Commands by name or path, and files that are read into the script, in the order of their lines.
    pub runs: Vec<Run>,
    /// What could not be followed.
    pub unresolved: Vec<Unresolved>,
    /// The values that variables are assigned, as far as they are literals.
    pub variables: BTreeMap<String, BTreeSet<String>>,
    /// Functions that it defines.
    pub functions: BTreeSet<String>,
    /// Variables that are assigned more values than are followed.
    unknown: BTreeSet<String>,
    /// The bytes of scripts inside it that were read so far.
    nested_bytes: usize,
}

/// A command that a script runs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Run {
    /// The line, from 1.
    pub line: usize,
    /// The command's names or paths, sorted: several where a variable has one of several values.
    pub commands: Vec<String>,
    /// How it is run.
    pub kind: RunKind,
    /// Whether the script tests first whether the command exists (`command -v`).
    pub guarded: bool,
    /// The values that each of a command's arguments can have; none where they are not known.
    pub arguments: Vec<BTreeSet<String>>,
}

/// How a script runs something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RunKind {
    /// As a process: by name in PATH, or by path.
    Command,
    /// As a file that a shell reads: `. FILE`, `sh FILE`.
    Source,
}

/// Something that decides what is run and cannot be determined from the script.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unresolved {
    /// The line, from 1.
    pub line: usize,
    /// Its source text.
    pub what: String,
    /// Why it is unresolved.
    pub why: UnresolvedReason,
}

/// Why something is unresolved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum UnresolvedReason {
    /// It depends on values known only at run time.
    Value,
    /// It could not be parsed as shell: commands in it, and after it, may be missed.
    Syntax,
}

impl Script {
    /// Parses a script; `variables` have these values before it begins.
    ///
    /// # Errors
    /// When the text cannot be parsed at all.
    pub fn parse(text: &[u8], variables: &BTreeMap<String, BTreeSet<String>>) -> Result<Self, String> {
        let mut script = Self { variables: variables.clone(), ..Self::default() };
        script.read(text, 0, 0)?;
        let functions = script.functions.clone();
        script.runs.retain(|run| !run.commands.iter().any(|command| functions.contains(command)));
        script.runs.sort();
        script.runs.dedup();
        script.unresolved.sort();
        script.unresolved.dedup();
        Ok(script)
    }
}
