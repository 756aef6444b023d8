//! The arguments, declared.

use std::ffi::OsString;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Args, ColorChoice, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use schemars::JsonSchema;
use serde::Deserialize;

use super::publish::PublishArgs;
use crate::report::gate::Growth;

/// Packs a runtime built under /opt into AWS Lambda layers that fit and load.
#[derive(Debug, Parser)]
#[command(name = "layerfit", version, about, after_help = EXIT_CODES, max_term_width = 100)]
pub struct Cli {
    /// Whether to use colours; auto does on a terminal, unless NO_COLOR is set
    #[arg(long, global = true, value_name = "WHEN", value_enum, default_value_t, display_order = 900)]
    pub color: ColorChoice,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const EXIT_CODES: &str = "Exit codes: 0 done, nothing wrong; 1 a check failed or the content does not fit; \
                          2 layerfit could not do its work.";

const INVOKE: &str = "Exit codes: 0 every event was answered; 1 the function failed, timed out or needed too much memory; \
                      2 layerfit could not do its work.";

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// What is in the tree, what needs what, what is missing
    Analyze {
        /// The directory that will be /opt
        #[arg(default_value = "/opt")]
        root: PathBuf,
        /// What all of these commands take
        #[command(flatten)]
        common: Common,
    },
    /// How it would be pruned and packed; writes nothing
    Plan {
        /// The directory that will be /opt
        #[arg(default_value = "/opt")]
        root: PathBuf,
        /// Show what takes the room, layer by layer, and what dropping each thing alone would free
        #[arg(long, conflicts_with_all = ["quiet", "format"])]
        tree: bool,
        /// What all of these commands take
        #[command(flatten)]
        common: Common,
    },
    /// Write the layers' zips, manifest.json, report.md and report.html
    Pack {
        /// The directory that will be /opt
        #[arg(default_value = "/opt")]
        root: PathBuf,
        /// Where to write: a directory that is made, or replaced whole
        #[arg(short, long, value_name = "DIR")]
        output: PathBuf,
        /// Write a template for AWS SAM as well: the layers, and an example function that has them
        #[arg(long, value_name = "FILE")]
        template: Option<PathBuf>,
        /// What all of these commands take
        #[command(flatten)]
        common: Common,
    },
    /// Pass or fail: a tree, a directory that pack wrote, or layer zips in merge order
    Check {
        /// A directory, or zips, the lowest layer first
        #[arg(required = true)]
        paths: Vec<PathBuf>,
        /// What layers are held to besides the limits
        #[command(flatten)]
        gate: GateArgs,
        /// Run the function with this handler from the layers too, as `layerfit invoke` does
        #[arg(long, value_name = "HANDLER", help_heading = "Running the function")]
        run: Option<String>,
        /// How it is run
        #[command(flatten)]
        function: FunctionOptions,
        /// What all of these commands take
        #[command(flatten)]
        common: Common,
    },
    /// Run a function from its layers here, the way Lambda would: the response to stdout, the log to stderr
    #[command(after_help = INVOKE)]
    Invoke {
        /// A directory that pack wrote, layer zips, the lowest first, or a directory that will be /opt
        #[arg(required = true)]
        paths: Vec<PathBuf>,
        /// The handler: file.function
        #[arg(long)]
        handler: String,
        /// How it is run
        #[command(flatten)]
        function: FunctionOptions,
        /// The image whose environment the function has [default: provided.al2023]
        #[arg(long, value_name = "NAME|FILE", default_value = "provided.al2023", hide_default_value = true)]
        runtime: String,
        /// Send the events so many times
        #[arg(long, value_name = "N", default_value = "1", conflicts_with = "listen")]
        repeat: NonZeroUsize,
        /// Serve events from `aws lambda invoke --endpoint-url http://ADDR:PORT` until Ctrl-C
        #[arg(long, value_name = "ADDR:PORT", conflicts_with = "event")]
        listen: Option<std::net::SocketAddr>,
        /// Write what the function opens, for --trace of plan and pack; needs strace
        #[arg(long, value_name = "FILE")]
        trace: Option<PathBuf>,
    },
    /// The inside of a sandbox; layerfit starts itself so
    #[command(name = crate::invoke::INSIDE, hide = true)]
    Inside {
        /// What the sandbox is made of, as JSON
        spec: String,
    },
    /// Write a commented layerfit.toml for a tree; or with --bootstrap, what answers Lambda's events in R
    Init {
        /// The directory that will be /opt
        #[arg(default_value = "/opt", conflicts_with = "bootstrap")]
        root: PathBuf,
        /// Write bootstrap and runtime.R into this directory: the function's own, or the tree
        #[arg(long, value_name = "DIR")]
        bootstrap: Option<PathBuf>,
    },
    /// Why something is there, or not; and what dropping things would free and break
    Why {
        /// A path in the tree, a library's name, pkg:NAME, or a unit of the report; the directory with --if-dropped
        #[arg(required_unless_present = "if_dropped")]
        target: Option<String>,
        /// The directory that will be /opt [default: /opt]
        root: Option<PathBuf>,
        /// Every way to it, and not only the shortest
        #[arg(long, conflicts_with = "if_dropped")]
        all: bool,
        /// What would go, and break, if these were dropped together
        #[arg(long, value_name = "TARGET", value_delimiter = ',')]
        if_dropped: Vec<String>,
        /// What all of these commands take
        #[command(flatten)]
        common: Common,
    },
    /// What is other in one set of layers than in another: what grew, what moved
    Diff {
        /// A tree, a directory that pack wrote, a manifest.json, or zips with a ',' between them, the lowest layer first
        old: OsString,
        /// The same, for what it has become
        new: OsString,
        /// What all of these commands take
        #[command(flatten)]
        common: Common,
    },
    /// Publish the layers whose content changed, by the AWS CLI; and give them to a function
    Publish {
        /// What it takes
        #[command(flatten)]
        arguments: Box<PublishArgs>,
    },
    /// Profiles of images
    Runtime {
        /// What to do with them
        #[command(subcommand)]
        command: RuntimeCommand,
    },
    /// The prune rules and the checks; with CODE, its page
    Rules {
        /// A code such as D101 or L201, or a rule's name
        code: Option<String>,
        /// More prune rules
        #[arg(long, value_name = "FILE")]
        rules: Vec<PathBuf>,
        /// How to print it
        #[arg(long, value_enum, default_value_t)]
        format: PageFormat,
    },
    /// Every setting, and where its value comes from: the command line, layerfit.toml or the default
    Config {
        /// Print the JSON Schema of layerfit.toml, for editors
        #[arg(long, conflicts_with = "format")]
        schema: bool,
        /// What all of these commands take
        #[command(flatten)]
        common: Common,
    },
    /// Print what makes a shell complete layerfit's arguments
    #[command(after_help = COMPLETIONS)]
    Completions {
        /// The shell
        shell: Shell,
    },
    /// The manual: print layerfit's page, or write it and one for each command into a directory
    Man {
        /// Where to write them, such as ~/.local/share/man/man1; pages that are there already are replaced
        #[arg(value_name = "DIR")]
        directory: Option<PathBuf>,
    },
}

/// Where each shell looks for completions of a user's own, as their manuals say.
const COMPLETIONS: &str = "Where each shell looks for it:\n  \
    bash        ~/.local/share/bash-completion/completions/layerfit\n  \
    zsh         _layerfit in a directory of fpath, before compinit runs\n  \
    fish        ~/.config/fish/completions/layerfit.fish\n  \
    elvish      ~/.config/elvish/lib/layerfit.elv; `use layerfit` in rc.elv\n  \
    powershell  the end of the file $PROFILE";

/// What can be done with profiles of images.
#[derive(Debug, Subcommand)]
pub enum RuntimeCommand {
    /// Read a profile off a root file system: its loader, libraries with their symbol versions, commands
    Capture {
        /// The root: an unpacked image, or / for this machine
        #[arg(long, value_name = "DIR")]
        sysroot: PathBuf,
        /// What to call it
        name: String,
        /// Where to write it; "-" prints it [default: NAME.toml]
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Print a profile
    Show {
        /// A built-in profile, or the path of one
        name: String,
    },
}

/// What `check` holds layers to besides the limits.
#[derive(Debug, Default, Args)]
pub struct GateArgs {
    /// The manifest.json of an earlier run, or a baseline file: fail when the layers have grown since
    #[arg(long, value_name = "FILE", help_heading = "Budgets and growth")]
    pub baseline: Option<PathBuf>,
    /// How much all layers may grow since the baseline: 2%, 500KB [default: nothing]
    #[arg(long, value_name = "GROWTH", help_heading = "Budgets and growth")]
    pub max_growth: Option<Growth>,
    /// When all is right, write what the layers weigh to the baseline file; it only shrinks
    #[arg(long, help_heading = "Budgets and growth")]
    pub update_baseline: bool,
    /// Fail when the tree would be packed to other files than this manifest.json lists
    #[arg(long, value_name = "FILE", help_heading = "Budgets and growth")]
    pub manifest: Option<PathBuf>,
    /// Warn when less than this is left, unzipped in all or zipped in the layers [default: 0]
    #[arg(long, value_name = "BYTES", value_parser = crate::base::bytes::parse, help_heading = "Budgets and growth")]
    pub headroom: Option<u64>,
}

/// How a function is run.
#[derive(Debug, Default, PartialEq, Eq, Args)]
pub struct FunctionOptions {
    /// The function's own code, to be at /var/task: a directory, or the zip that would be uploaded
    #[arg(long, value_name = "DIR|ZIP", help_heading = "Running the function")]
    pub code: Option<PathBuf>,
    /// The event as JSON, or several, one in each line; "-" reads stdin [default: {}]
    #[arg(long, value_name = "FILE", help_heading = "Running the function")]
    pub event: Option<PathBuf>,
    /// How many seconds an invocation may take [default: 3]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=900), help_heading = "Running the function")]
    pub timeout: Option<u64>,
    /// How many MB of memory its processes may have [default: 128]
    #[arg(long, value_name = "MB", value_parser = clap::value_parser!(u64).range(128..=10240), help_heading = "Running the function")]
    pub memory: Option<u64>,
    /// A variable of its environment, with its value or, without one, as it is here
    #[arg(long, value_name = "NAME[=VALUE]", help_heading = "Running the function")]
    pub env: Vec<String>,
    /// The system around the layers: the directory of an unpacked image [default: this machine's own]
    #[arg(long, value_name = "DIR", help_heading = "Running the function")]
    pub rootfs: Option<PathBuf>,
}

/// The options of every command that reads a tree.
#[derive(Debug, Default, Args)]
pub struct Common {
    /// The settings [default: the nearest layerfit.toml, in the working directory or above it]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The image the layers are for: provided.al2023, provided.al2, provided, host, or a profile's path
    /// [default: provided.al2023]
    #[arg(long, value_name = "NAME|FILE")]
    pub runtime: Option<String>,
    /// The function's architecture; files for another are an error [default: the one of most files]
    #[arg(long, value_enum)]
    pub arch: Option<Architecture>,
    /// How to print the report
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
    /// More prune rules
    #[arg(long, value_name = "FILE")]
    pub rules: Vec<PathBuf>,
    /// Take libraries that neither the tree nor the image has from the build host into lib/
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub bundle: Option<bool>,
    /// The build host's root, for --bundle [default: /]
    #[arg(long, value_name = "DIR")]
    pub sysroot: Option<PathBuf>,
    /// How hard to compress [default: default]
    #[arg(long, value_enum)]
    pub level: Option<LevelName>,
    /// Neither look up what was compressed in earlier runs nor remember this one's
    #[arg(long)]
    pub no_cache: bool,
    /// What to remove from ELF files in the layers [default: debug]
    #[arg(long, value_enum)]
    pub strip: Option<StripName>,
    /// Do not strip these files
    #[arg(long, value_name = "GLOB")]
    pub no_strip: Vec<String>,
    /// Pack R's lazy-load databases with open records: fewer bytes zipped, more unzipped
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub repack_rdb: Option<bool>,
    /// Which layers are best [default: fewest]
    #[arg(long, value_enum)]
    pub strategy: Option<StrategyName>,
    /// Divide the layers so that as few as possible are other than this file remembers; pack writes it
    #[arg(long, value_name = "FILE")]
    pub lock: Option<PathBuf>,
    /// Turn on a prune rule, by code or name; "extra" turns on all that are off
    #[arg(long, value_name = "CODE", value_delimiter = ',')]
    pub select: Vec<String>,
    /// Turn off a prune rule ("safe" turns off all that are on), or leave out the findings of a check
    #[arg(long, value_name = "CODE", value_delimiter = ',')]
    pub ignore: Vec<String>,
    /// Drop a package (pkg:NAME), library, path or unit, and what only that needed, whatever else needs it
    #[arg(long, value_name = "TARGET", value_delimiter = ',')]
    pub drop: Vec<String>,
    /// Never drop this: no rule does, and it does not go with what is dropped
    #[arg(long, value_name = "TARGET", value_delimiter = ',')]
    pub keep: Vec<String>,
    /// Keep only the packages that these sources of the function use, and what they need: a script, or a directory of them
    #[arg(long, value_name = "FILE|DIR")]
    pub handler: Vec<PathBuf>,
    /// Keep what a run opened, whatever a rule takes it for: a log of strace -f -e trace=file
    #[arg(long, value_name = "FILE")]
    pub trace: Vec<PathBuf>,
    /// The most a layer's zip may have [default: 50MB, the limit for direct upload]
    #[arg(long, value_name = "BYTES", value_parser = crate::base::bytes::parse)]
    pub max_zipped: Option<u64>,
    /// The most function and layers may have unzipped [default: 250MB]
    #[arg(long, value_name = "BYTES", value_parser = crate::base::bytes::parse)]
    pub max_unzipped: Option<u64>,
    /// The most layers [default: 5]
    #[arg(long, value_name = "N")]
    pub max_layers: Option<NonZeroUsize>,
    /// Room to keep for the function's own code, unzipped [default: 0]
    #[arg(long, value_name = "BYTES", value_parser = crate::base::bytes::parse)]
    pub function_size: Option<u64>,
    /// How many threads [default: one a core]
    #[arg(long, value_name = "N")]
    pub jobs: Option<NonZeroUsize>,
    /// Show every rule, unit and remark
    #[arg(short, long, conflicts_with = "quiet")]
    pub verbose: bool,
    /// Print no table and no progress
    #[arg(short, long)]
    pub quiet: bool,
}

/// How hard to compress.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LevelName {
    /// For a quick look
    Fast,
    /// Harder only where that saves a layer
    #[default]
    Default,
    /// As small as it gets
    Max,
}

/// What to remove from ELF files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum StripName {
    /// Nothing
    None,
    /// Debug data
    #[default]
    Debug,
    /// Debug data and symbol tables: all that is not loaded
    All,
}

/// Which layers are best.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum StrategyName {
    /// As few as can be
    #[default]
    Fewest,
    /// Each kind in layers of its own: R, packages, system libraries, or the layers that layerfit.toml names
    Kinds,
}

/// The architectures that a function can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize, JsonSchema)]
pub enum Architecture {
    /// Intel and AMD, 64 bit
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
    pub fn name(self) -> &'static str {
        match self {
            Architecture::X86 => "x86_64",
            Architecture::Arm => "arm64",
        }
    }
}

/// How a report is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Format {
    /// For a terminal, 80 columns wide
    #[default]
    Table,
    /// For programs
    Json,
    /// For a pull request
    Markdown,
    /// For code scanning: SARIF 2.1.0
    Sarif,
    /// For CI servers: JUnit XML
    Junit,
    /// A page to look into; needs no network
    Html,
}

/// How a page or an answer is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum PageFormat {
    /// For a terminal, 80 columns wide
    #[default]
    Table,
    /// For programs
    Json,
    /// For a pull request
    Markdown,
}
