//! Shell scripts: which commands they run, as far as reading can tell.
//!
//! The grammar is tree-sitter's of bash, which holds POSIX sh; it reads on after what it does not understand. Values of
//! variables are followed where they are written out (`SED=/bin/sed … ${SED}`); everything else that decides what is run
//! is said to be unresolved, with its line.

mod commands;
mod guards;
mod reader;
mod syntax;
#[cfg(test)]
mod tests;
mod values;
mod words;

use std::collections::{BTreeMap, BTreeSet};

/// What a script runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Script {
    /// Commands by name or path, and files that are read into the script, in the order of their lines.
    pub runs: Vec<Run>,
    /// What could not be followed.
    pub unresolved: Vec<Unresolved>,
    /// The values that variables are given, as far as they are written out.
    pub variables: BTreeMap<String, BTreeSet<String>>,
    /// Functions that it defines.
    pub functions: BTreeSet<String>,
    /// Variables that are given more values than are followed.
    unknown: BTreeSet<String>,
    /// RunKind many bytes of scripts inside it were read.
    nested_bytes: usize,
}

/// A command that a script runs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Run {
    /// The line, from 1.
    pub line: usize,
    /// The command's name or path; every one that it can be, sorted, where a variable has one of several values.
    pub commands: Vec<String>,
    /// RunKind it is run.
    pub kind: RunKind,
    /// Whether the script asks first if the command is there (`command -v`).
    pub guarded: bool,
}

/// RunKind a script runs something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RunKind {
    /// As a process: by name in PATH, or by path.
    Command,
    /// As a file that a shell reads: `. FILE`, `sh FILE`.
    Source,
}

/// Something that decides what is run and cannot be read off the script.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unresolved {
    /// The line, from 1.
    pub line: usize,
    /// What is written there.
    pub what: String,
    /// UnresolvedReason it could not be.
    pub why: UnresolvedReason,
}

/// UnresolvedReason something could not be followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum UnresolvedReason {
    /// It depends on values that only a run has.
    Value,
    /// It could not be read as shell: commands in it, and after it, may be missed.
    Syntax,
}

impl Script {
    /// Reads a script; `variables` have these values before it begins.
    ///
    /// # Errors
    /// When the text cannot be read at all.
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
