//! The options that several commands share, in groups. A command flattens the groups that it heeds, and no others: an option
//! that a command would ignore is an error there.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Args;

use super::values::{
    AnswerFormat, Architecture, DiffFormat, LevelName, Network, ReportFormat, SortName, StrategyName, StripName, check,
    count, layers, threads,
};
use crate::base::finding::Code;

/// The headings that options are listed under.
pub(super) mod heading {
    /// What is read, and for which runtime.
    pub(crate) const INPUT: &str = "Input";
    /// What is left out of the layers.
    pub(crate) const PRUNING: &str = "Pruning";
    /// How small files become.
    pub(crate) const SIZE: &str = "Size";
    /// How content is divided.
    pub(crate) const LAYERS: &str = "Layers";
    /// What layers must stay within.
    pub(crate) const LIMITS: &str = "Limits";
    /// What `check` compares sizes with.
    pub(crate) const BUDGETS: &str = "Budgets and growth";
    /// How a function is run.
    pub(crate) const FUNCTION: &str = "Running the function";
    /// What is asked.
    pub(crate) const QUESTION: &str = "Question";
    /// How AWS is reached.
    pub(crate) const AWS: &str = "AWS";
    /// The template for AWS SAM, and its function.
    pub(crate) const TEMPLATE: &str = "AWS SAM template";
    /// What is printed or written, and how.
    pub(crate) const OUTPUT: &str = "Output";
}

/// The configuration file, and the runtime that the layers are for.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = heading::INPUT)]
pub(crate) struct Input {
    /// Configuration file [default: the nearest layerfit.toml]
    ///
    /// By default, layerfit.toml is searched for in the working directory and those above it. --config /dev/null ignores it.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Lambda runtime the layers are for [default: provided.al2023]
    ///
    /// A built-in profile (provided.al2023, provided.al2, provided, or host for this machine), or the path of a profile such
    /// as `layerfit runtime capture` writes. The default for packed layers is the runtime that they were packed for.
    #[arg(long, value_name = "NAME|FILE")]
    pub runtime: Option<String>,
}

/// The function's own environment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
#[command(next_help_heading = heading::FUNCTION)]
pub(crate) struct Variables {
    /// Set an environment variable of the function (repeatable)
    ///
    /// Without a value, the variable's current value is passed on.
    #[arg(long, value_name = "NAME[=VALUE]")]
    pub env: Vec<String>,
}

/// How a tree is read, and what is added to it.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = heading::INPUT)]
pub(crate) struct Content {
    /// Architecture of the function [default: that of most files]
    ///
    /// Files for another architecture are errors. Of an archive with images for several, that for this one is read.
    #[arg(long, value_enum)]
    pub arch: Option<Architecture>,
    /// Copy missing libraries and data from the build host
    ///
    /// Copies needed libraries that neither the tree nor the runtime has into lib/, with their dependencies, but never parts of
    /// glibc, and the data that they open, such as proj.db and a font, where layerfit knows of it (N101).
    /// --bundle=false overrides `bundle = true` in layerfit.toml.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", hide_possible_values = true)]
    pub bundle: Option<bool>,
    /// Root file system of the build host, for --bundle [default: /, or the tree's image]
    ///
    /// A directory, or an image archive (docker save).
    #[arg(long, value_name = "DIR|IMAGE")]
    pub sysroot: Option<PathBuf>,
}

/// Which prune rules are applied, and which findings are reported.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = heading::PRUNING)]
pub(crate) struct RuleChoice {
    /// Load additional prune rules from FILE (repeatable)
    #[arg(long, value_name = "FILE", help_heading = heading::INPUT)]
    pub rules: Vec<PathBuf>,
    /// Turn on prune rules, by code or name (repeatable)
    ///
    /// "extra" turns on every rule that is off by default. `layerfit rules` lists the rules. Repeat the option, or separate
    /// values with commas.
    #[arg(long, value_name = "CODE,...", value_delimiter = ',')]
    pub select: Vec<String>,
    /// Turn off prune rules, or hide the findings of checks (repeatable)
    ///
    /// "safe" turns off every rule that is on by default. `layerfit rules` lists rules and checks. Repeat the option, or
    /// separate values with commas.
    #[arg(long, value_name = "CODE,...", value_delimiter = ',')]
    pub ignore: Vec<String>,
}

/// Which findings are reported, where no prune rule is applied.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = heading::PRUNING)]
pub(crate) struct CheckChoice {
    /// Hide the findings of these checks (repeatable)
    ///
    /// Repeat the option, or separate codes with commas.
    #[arg(long, value_name = "CODE,...", value_delimiter = ',', value_parser = check)]
    pub ignore: Vec<Code>,
}

/// What is dropped or kept by name.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = heading::PRUNING)]
pub(crate) struct Targets {
    /// Drop packages, libraries, paths or units (repeatable)
    ///
    /// A target is a package (NAME or pkg:NAME), the name of a library, a path in the tree, or a unit such as dir:bin
    /// (`layerfit plan -v` lists them). It is dropped even if something needs it, together with the libraries that only it needs, and with --handler
    /// also with the packages. Repeat the option, or separate targets with commas.
    #[arg(long, value_name = "TARGET,...", value_delimiter = ',')]
    pub drop: Vec<String>,
    /// Also drop packages that only what --drop names needs
    ///
    /// As `apt autoremove` does: packages that nothing needed in the first place stay. --autoremove=false overrides
    /// `autoremove = true` in layerfit.toml.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", hide_possible_values = true)]
    pub autoremove: Option<bool>,
    /// Never drop these packages, libraries, paths or units (repeatable)
    ///
    /// Overrides rules, --drop and --handler. suggested:caret::train is every package that this function of a package calls,
    /// suggested:caret everything that the package calls or suggests. Repeat the option, or separate targets with commas.
    #[arg(long, value_name = "TARGET,...", value_delimiter = ',')]
    pub keep: Vec<String>,
    /// Keep only packages that these sources use (repeatable)
    ///
    /// The sources of the function, in R, Python, JavaScript or TypeScript: a script, or a directory of scripts. Packages that
    /// they use are kept with everything those depend on; other packages of the same language are dropped.
    #[arg(long, value_name = "FILE|DIR")]
    pub handler: Vec<PathBuf>,
}

/// Logs of runs of the function.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = heading::PRUNING)]
pub(crate) struct Traces {
    /// Never prune what a test run opened, given its log (repeatable)
    ///
    /// What it looked for in vain, and only the build host has, is reported (N107), also of zips. FILE is a log of
    /// `strace -f -e trace=file`, or of `layerfit invoke --trace`.
    #[arg(long, value_name = "FILE")]
    pub trace: Vec<PathBuf>,
}

/// How small files become in the layers.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = heading::SIZE)]
pub(crate) struct Size {
    /// Compression level [default: default]
    #[arg(long, value_enum)]
    pub level: Option<LevelName>,
    /// What to strip from ELF files [default: debug]
    #[arg(long, value_enum)]
    pub strip: Option<StripName>,
    /// Do not strip the files that match GLOB (repeatable)
    #[arg(long, value_name = "GLOB")]
    pub no_strip: Vec<String>,
    /// Store R's databases uncompressed: smaller zip, larger unzipped
    ///
    /// R's lazy-load databases (.rdb) compress better as a whole than record by record. R reads the same values from them.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", hide_possible_values = true)]
    pub repack_rdb: Option<bool>,
    /// Also report what pruned files, and files before they are rewritten, would take in zips
    ///
    /// They are compressed for that, which can take as long as all the rest.
    #[arg(long)]
    pub weigh_pruned: bool,
    /// Do not read or write the compression cache
    #[arg(long)]
    pub no_cache: bool,
    /// Share compressed contents with other machines: a directory, or s3://BUCKET/PREFIX
    ///
    /// What the cache of this machine does not have is taken from there if it is the content, and what had to be compressed is
    /// stored there. S3 takes credentials, Region and endpoint from the environment. --no-cache turns it off.
    #[arg(long, value_name = "URL", value_hint = clap::ValueHint::AnyPath)]
    pub shared_cache: Option<String>,
}

/// How content is divided into layers.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = heading::LAYERS)]
pub(crate) struct Layers {
    /// How to divide content into layers [default: fewest]
    #[arg(long, value_enum)]
    pub strategy: Option<StrategyName>,
    /// Leave this much free in each layer, such as 5% or 2MiB [default: 0]
    ///
    /// A package that grows then changes one layer, and no other. Layers leave less free if they would be more otherwise.
    #[arg(long, value_name = "SIZE", allow_hyphen_values = true)]
    pub slack: Option<crate::report::gate::Growth>,
    /// Keep the layers recorded in FILE, changing as few as possible
    ///
    /// `layerfit pack` writes the file. A layer that does not change keeps its sha256, and need not be published again.
    #[arg(long, value_name = "FILE")]
    pub lock: Option<PathBuf>,
}

/// What the layers must stay within.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = heading::LIMITS)]
pub(crate) struct Limits {
    /// Maximum size of each layer zip [default: 50MiB]
    ///
    /// The default is the limit for direct upload; layers that are uploaded through S3 can have 250MiB. For packed layers, the
    /// defaults of this and of the other limits are those that they were packed with. Sizes have a unit:
    /// B, KiB, MiB or GiB; KB, MB and GB mean the same, as in AWS's quotas. A number of bytes with six digits or more needs
    /// none.
    #[arg(long, value_name = "SIZE", allow_hyphen_values = true, value_parser = crate::base::bytes::parse_limit)]
    pub max_zipped: Option<u64>,
    /// Maximum unzipped size of function and layers [default: 250MiB]
    ///
    /// With a unit, such as 200MiB.
    #[arg(long, value_name = "SIZE", allow_hyphen_values = true, value_parser = crate::base::bytes::parse_limit)]
    pub max_unzipped: Option<u64>,
    /// Maximum number of layers [default: 5]
    #[arg(long, value_name = "N", value_parser = layers)]
    pub max_layers: Option<NonZeroUsize>,
    /// Unzipped size to reserve for the function's code [default: 0]
    ///
    /// With a unit, such as 3MiB. If the function's code is given (--code, --template-code, or [template] code in
    /// layerfit.toml) and larger, its own size counts.
    #[arg(long, value_name = "SIZE", allow_hyphen_values = true, value_parser = crate::base::bytes::parse)]
    pub function_size: Option<u64>,
}

impl Limits {
    /// Whether one of them is on the command line.
    pub(crate) fn is_given(&self) -> bool {
        let Self { max_zipped, max_unzipped, max_layers, function_size } = self;
        [max_zipped, max_unzipped, function_size].iter().any(|size| size.is_some()) || max_layers.is_some()
    }
}

/// The options that decide how a tree is packed.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct PlanOptions {
    /// The configuration file and the runtime.
    #[command(flatten)]
    pub input: Input,
    /// The function's own environment.
    #[command(flatten)]
    pub variables: Variables,
    /// How the tree is read.
    #[command(flatten)]
    pub content: Content,
    /// Rules and checks.
    #[command(flatten)]
    pub rules: RuleChoice,
    /// What is dropped or kept by name.
    #[command(flatten)]
    pub targets: Targets,
    /// Logs of runs.
    #[command(flatten)]
    pub traces: Traces,
    /// How small files become.
    #[command(flatten)]
    pub size: Size,
    /// How content is divided.
    #[command(flatten)]
    pub layers: Layers,
    /// What the layers must stay within.
    #[command(flatten)]
    pub limits: Limits,
    /// The function's code, if the command has an option of its own for it: it counts with the layers.
    #[arg(skip)]
    pub code: Option<PathBuf>,
    /// Where the function's code is if neither an option nor layerfit.toml names it.
    #[arg(skip)]
    pub default_code: Option<PathBuf>,
}

/// How much is printed, and how fast that is found.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = heading::OUTPUT)]
pub(crate) struct Output {
    /// Show all rows of the tables, and all findings
    #[arg(short, long, conflicts_with = "quiet")]
    pub verbose: bool,
    /// Print no table and no progress
    #[arg(short, long)]
    pub quiet: bool,
    /// Number of threads [default: one per core]
    #[arg(long, value_name = "N", value_parser = threads)]
    pub jobs: Option<NonZeroUsize>,
}

/// How a report is printed.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = heading::OUTPUT)]
pub(crate) struct ReportOutput {
    /// Output format
    #[arg(long, value_enum, default_value_t)]
    pub format: ReportFormat,
    /// What the list of units is sorted by [default: zipped]
    ///
    /// `analyze` lists packages instead. For the formats table and csv.
    #[arg(long, value_name = "KEY", value_enum)]
    pub sort: Option<SortName>,
    /// List the first N units [default: 5; all with -v and as csv]
    ///
    /// `analyze` lists packages instead. For the formats table and csv.
    #[arg(short = 'n', long, value_name = "N", value_parser = count)]
    pub top: Option<NonZeroUsize>,
    /// How much, and how fast.
    #[command(flatten)]
    pub output: Output,
}

/// How a diff is printed.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = heading::OUTPUT)]
pub(crate) struct DiffOutput {
    /// Output format
    #[arg(long, value_enum, default_value_t)]
    pub format: DiffFormat,
    /// How much, and how fast.
    #[command(flatten)]
    pub output: Output,
}

/// How an answer that is not a report is printed.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = heading::OUTPUT)]
pub(crate) struct AnswerOutput {
    /// Output format
    #[arg(long, value_enum, default_value_t)]
    pub format: AnswerFormat,
    /// How much, and how fast.
    #[command(flatten)]
    pub output: Output,
}

/// What `check` compares sizes with, besides the limits.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = heading::BUDGETS)]
pub(crate) struct GateOptions {
    /// Fail if the layers have grown since this baseline
    ///
    /// A baseline file, or the manifest.json of an earlier run, which counts as with --manifest.
    #[arg(long, value_name = "FILE")]
    pub baseline: Option<PathBuf>,
    /// Growth allowed since the baseline, such as 2% or 500KiB [default: 0]
    #[arg(long, value_name = "GROWTH", allow_hyphen_values = true)]
    pub max_growth: Option<crate::report::gate::Growth>,
    /// If the check passes, record current sizes in the baseline
    ///
    /// Recorded sizes only ever go down: growth that --max-growth allows does not raise them.
    #[arg(long)]
    pub update_baseline: bool,
    /// Fail if packing would not produce what FILE records
    ///
    /// FILE is the manifest.json of an earlier run. A tree is packed for what that was, and with its options, where nothing
    /// else is set.
    #[arg(long, value_name = "FILE")]
    pub manifest: Option<PathBuf>,
    /// Warn when less than this is left of a size limit [default: 0]
    ///
    /// With a unit, such as 3MiB.
    #[arg(long, value_name = "SIZE", allow_hyphen_values = true, value_parser = crate::base::bytes::parse)]
    pub headroom: Option<u64>,
}

/// How a function is run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
#[command(next_help_heading = heading::FUNCTION)]
pub(crate) struct FunctionOptions {
    /// Code of the function, mounted at /var/task
    ///
    /// A directory, or the zip that would be uploaded.
    #[arg(long, value_name = "DIR|ZIP")]
    pub code: Option<PathBuf>,
    /// File with an event as JSON, or several, one per line [default: one event, {}]
    ///
    /// "-" reads standard input. Several events are sent one after the other.
    #[arg(long, value_name = "FILE")]
    pub event: Option<PathBuf>,
    /// Timeout of an invocation in seconds [default: 3]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=900))]
    pub timeout: Option<u64>,
    /// Memory of the function in MB [default: 128]
    #[arg(long, value_name = "MB", value_parser = clap::value_parser!(u64).range(128..=10240))]
    pub memory: Option<u64>,
    /// System around the layers [default: that of this machine]
    ///
    /// The directory of an unpacked image, or an image archive (docker save), which is unpacked until the run ends.
    #[arg(long, value_name = "DIR|IMAGE")]
    pub rootfs: Option<PathBuf>,
    /// Network of the function [default: host]
    ///
    /// host is that of this machine, including abstract Unix sockets. With none, the function
    /// reaches nothing but the Runtime API and what it listens on itself.
    #[arg(long, value_name = "host|none")]
    pub network: Option<Network>,
}
