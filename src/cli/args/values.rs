//! The values that options accept: names, and parsers whose messages say what is wrong in words.

use std::num::NonZeroUsize;

use clap::ValueEnum;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::base::finding::Code;
use crate::publish::sam::Handler;

/// The network that a function has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Network {
    /// That of this machine.
    Host,
    /// Its own, with a loopback interface and nothing else.
    None,
}

/// The compression levels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum LevelName {
    /// Fastest, with larger zips: for a first look
    Fast,
    /// Fast; compresses harder only if that saves a layer
    #[default]
    Default,
    /// Slowest, with the smallest zips
    Max,
}

/// What is stripped from ELF files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum StripName {
    /// Nothing
    None,
    /// Debug data
    #[default]
    Debug,
    /// Debug data and symbol tables: everything not needed at run time
    All,
}

/// How content is divided into layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum StrategyName {
    /// As few layers as possible
    #[default]
    Fewest,
    /// Separate layers for R, packages and system libraries, or the layers named in layerfit.toml
    Kinds,
}

/// The architectures of Lambda functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize, JsonSchema)]
pub(crate) enum Architecture {
    /// 64-bit Intel and AMD
    #[serde(rename = "x86_64", alias = "x86-64", alias = "amd64")]
    #[value(name = "x86_64", alias = "x86-64", alias = "amd64")]
    X86,
    /// AWS Graviton
    #[serde(rename = "arm64", alias = "aarch64")]
    #[value(name = "arm64", alias = "aarch64")]
    Arm,
}

impl Architecture {
    /// Lambda's name for it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Architecture::X86 => "x86_64",
            Architecture::Arm => "arm64",
        }
    }
}

/// What the rows of units or packages are sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SortName {
    /// Zipped size, the largest first; of `analyze`, unzipped size
    Zipped,
    /// Unzipped size, the largest first
    Unzipped,
    /// What dropping it alone would free, the most first
    Frees,
    /// Number of files, the most first
    Files,
    /// Name
    Name,
}

/// The formats of a report: `analyze`, `plan`, `pack` and `check`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum ReportFormat {
    /// A table for a terminal
    #[default]
    Table,
    /// JSON, described by docs/report.schema.json
    Json,
    /// Comma-separated values: a row for each unit, or of `analyze` for each package
    Csv,
    /// Markdown, for a pull request
    Markdown,
    /// SARIF 2.1.0, for code scanning
    Sarif,
    /// JUnit XML, for CI servers
    Junit,
    /// A self-contained interactive page
    Html,
}

/// The formats of `why`, `rules` and `publish`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum AnswerFormat {
    /// A table for a terminal
    #[default]
    Table,
    /// JSON
    Json,
    /// Markdown, for a pull request
    Markdown,
}

/// The formats of `diff`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum DiffFormat {
    /// A table for a terminal
    #[default]
    Table,
    /// JSON
    Json,
    /// Markdown, for a pull request
    Markdown,
    /// A self-contained page
    Html,
}

/// The formats of `config`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum SettingsFormat {
    /// A table for a terminal
    #[default]
    Table,
    /// JSON
    Json,
}

/// A count that is at least 1.
pub(super) fn count(text: &str) -> Result<NonZeroUsize, String> {
    match text.parse::<usize>() {
        Ok(number) => NonZeroUsize::new(number).ok_or_else(|| "must be at least 1".to_owned()),
        Err(_) => Err("not a whole number".to_owned()),
    }
}

/// A maximum number of layers.
pub(super) fn layers(text: &str) -> Result<NonZeroUsize, String> {
    count(text).map_err(|problem| format!("{problem}; leave it out for Lambda's limit"))
}

/// The most threads: more than any machine has cores.
const MAX_THREADS: usize = 1024;

/// The number of threads.
pub(super) fn threads(text: &str) -> Result<NonZeroUsize, String> {
    let most = || format!("at most {MAX_THREADS}");
    let count = count(text).and_then(|count| if count.get() > MAX_THREADS { Err(most()) } else { Ok(count) });
    count.map_err(|problem| format!("{problem}; leave --jobs out for one thread per core"))
}

/// The code of a check, where prune rules are not applied.
pub(super) fn check(text: &str) -> Result<Code, String> {
    let code = Code::ALL.iter().find(|code| code.as_str().eq_ignore_ascii_case(text));
    code.copied().ok_or_else(|| "not the code of a check such as L201; `layerfit rules` lists them".to_owned())
}

/// A handler that Lambda accepts, as it is written.
pub(super) fn handler(text: &str) -> Result<String, String> {
    text.parse::<Handler>().map(|_| text.to_owned())
}
