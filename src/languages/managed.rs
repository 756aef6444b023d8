//! How Lambda's managed runtimes run functions in a language: what `layerfit invoke` needs to do the same with an interpreter of
//! this machine or of an image.

use std::collections::BTreeMap;

use serde::Deserialize;

/// How functions in a language run without a bootstrap of their own.
#[derive(Debug, Clone, Copy)]
pub struct ManagedRuntime {
    /// The name of the runtime of a version: `python3.12`, `nodejs22.x`.
    pub name: fn(&str) -> String,
    /// The directory in a layer where it looks for packages of any version.
    pub place: &'static str,
    /// The runtime client, which the interpreter runs: the name of its file, and its content.
    pub client: (&'static str, &'static str),
    /// The names of interpreters of a version, the most specific first.
    pub programs: fn(&str) -> Vec<String>,
    /// The arguments with which an interpreter prints an [`Interpreter`] as JSON.
    pub describe: &'static [&'static str],
    /// The variable in which a function can set options of the interpreter itself.
    pub options_variable: Option<&'static str>,
    /// The variables that the runtime sets for a version, unless the function does.
    pub variables: fn(&str) -> Vec<(&'static str, String)>,
    /// How to install an interpreter of a version.
    pub install: fn(&str) -> String,
}

/// What an interpreter of this machine says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Interpreter {
    /// Its version, as far as profiles have it: `3.12`, `22`.
    pub version: String,
    /// Where it is installed.
    pub prefix: String,
    /// The program, relative to the prefix.
    pub program: String,
    /// What it needs below the prefix: paths of this machine by the relative paths where it expects them.
    pub parts: BTreeMap<String, String>,
    /// The directories where it finds packages that Lambda does not have.
    pub hidden: Vec<String>,
    /// The options that the runtime starts it with.
    pub options: Vec<String>,
}
