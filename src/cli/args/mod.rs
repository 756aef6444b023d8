//! The command line, declared: the commands, and the options of each.

mod examples;
mod options;
mod values;

use std::ffi::OsString;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{ArgAction, Args, ColorChoice, Parser, Subcommand};
use clap_complete::Shell;

use options::heading;
use values::{count, handler};

use crate::publish::sam::{Handler, Trigger};

pub(super) use options::{
    AnswerOutput, CheckChoice, Content, DiffOutput, FunctionOptions, GateOptions, Input, Layers,
    Limits as LimitOptions, Output, PlanOptions, ReportOutput, RuleChoice, Targets, Variables,
};
pub(super) use values::{
    AnswerFormat, Architecture, DiffFormat, LevelName, Network, ReportFormat, SettingsFormat, SortName, StrategyName,
    StripName,
};

/// Pack a runtime built under /opt into AWS Lambda layers that fit and load
#[derive(Debug, Parser)]
#[command(
    name = "layerfit",
    version,
    after_help = examples::LAYERFIT,
    max_term_width = 100,
    disable_help_flag = true,
    disable_version_flag = true
)]
pub(super) struct Cli {
    /// When to use colours; auto: on a terminal, unless NO_COLOR is set
    #[arg(
        long,
        global = true,
        value_name = "WHEN",
        value_enum,
        default_value_t,
        hide_possible_values = true,
        display_order = 900,
        help_heading = heading::OUTPUT
    )]
    pub(super) color: ColorChoice,
    /// Print help; -h prints a summary
    #[arg(short, long, global = true, action = ArgAction::Help, display_order = 901, help_heading = heading::OUTPUT)]
    help: Option<bool>,
    /// Print the version
    #[arg(short = 'V', long, action = ArgAction::Version, display_order = 902, help_heading = heading::OUTPUT)]
    version: Option<bool>,
    /// The command.
    #[command(subcommand)]
    pub(super) command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Check a tree as it is: its packages, and what is missing
    ///
    /// With `--format json`, every package and library is listed with its dependencies.
    #[command(after_help = examples::ANALYZE)]
    Analyze(Box<AnalyzeArgs>),
    /// Show how a tree would be pruned and packed, without writing anything
    #[command(after_help = examples::PLAN)]
    Plan(Box<PlanArgs>),
    /// Write the layer zips, manifest.json, report.md and report.html
    #[command(after_help = examples::PACK)]
    Pack(Box<PackArgs>),
    /// Check a tree, an image, a packed directory or layer zips; exit with 1 on failure
    ///
    /// The options for pruning, size and layers, and --bundle, only apply to a tree. Packed layers are checked for the runtime,
    /// the architecture and the limits that they were packed with, unless an option or layerfit.toml sets others.
    #[command(after_help = examples::CHECK)]
    Check(Box<CheckArgs>),
    /// Run a function from its layers on this machine, as Lambda would
    #[command(after_help = examples::INVOKE)]
    Invoke(Box<InvokeArgs>),
    /// The inside of a sandbox, which layerfit starts.
    #[command(name = crate::invoke::INSIDE, hide = true)]
    Inside,
    /// Removes a directory that a run has made, which layerfit starts in case that it is killed.
    #[command(name = crate::invoke::REMOVER, hide = true)]
    Remover(RemoverArgs),
    /// Write a commented layerfit.toml for a tree, or an R bootstrap
    #[command(after_help = examples::INIT)]
    Init(InitArgs),
    /// Explain why something is packed or dropped, and what dropping it would free and break
    #[command(after_help = examples::WHY)]
    Why(Box<WhyArgs>),
    /// Compare two sets of layers: what grew, what moved
    #[command(after_help = examples::DIFF)]
    Diff(DiffArgs),
    /// Publish changed layers using the AWS CLI, and attach them to a function
    #[command(after_help = examples::PUBLISH)]
    Publish(Box<PublishArgs>),
    /// Show or capture runtime profiles
    #[command(after_help = examples::RUNTIME)]
    Runtime(RuntimeArgs),
    /// List the prune rules and the checks, or explain one of them
    #[command(after_help = examples::RULES)]
    Rules(RulesArgs),
    /// Show every setting and whether it comes from the command line, layerfit.toml or a default
    #[command(after_help = examples::CONFIG)]
    Config(Box<ConfigArgs>),
    /// Print a shell completion script
    #[command(after_help = examples::COMPLETIONS)]
    Completions(CompletionsArgs),
    /// Print the man page of layerfit, or write those of all commands and of layerfit.toml
    #[command(after_help = examples::MAN)]
    Man(ManArgs),
}

/// The arguments of `analyze`.
#[derive(Debug, Args)]
pub(super) struct AnalyzeArgs {
    /// Tree: the directory that will be /opt, or an image that has it (docker save)
    #[arg(default_value = "/opt")]
    pub(super) root: PathBuf,
    #[command(flatten)]
    pub(super) input: Input,
    #[command(flatten)]
    pub(super) variables: Variables,
    #[command(flatten)]
    pub(super) content: Content,
    #[command(flatten)]
    pub(super) checks: CheckChoice,
    #[command(flatten)]
    pub(super) targets: Targets,
    #[command(flatten)]
    pub(super) report: ReportOutput,
}

/// The arguments of `plan`.
#[derive(Debug, Args)]
pub(super) struct PlanArgs {
    /// Tree: the directory that will be /opt, or an image that has it (docker save)
    #[arg(default_value = "/opt")]
    pub(super) root: PathBuf,
    #[command(flatten)]
    pub(super) options: PlanOptions,
    /// Show what takes up space, layer by layer
    ///
    /// Also shows what dropping each item alone would free.
    #[arg(long, conflicts_with_all = ["quiet", "format", "sort", "top"], help_heading = heading::OUTPUT)]
    pub(super) tree: bool,
    /// Write next steps into layerfit.toml, by their names in the report (repeatable)
    ///
    /// Comments and everything else in the file stay; without a file, one is created in the working directory. The step
    /// `handler` needs the directory of the function's code: handler=DIR. Repeat the option, or separate names with commas.
    #[arg(
        long,
        value_name = "STEP,...",
        value_delimiter = ',',
        conflicts_with_all = ["quiet", "format", "tree"],
        help_heading = heading::OUTPUT
    )]
    pub(super) apply: Vec<String>,
    #[command(flatten)]
    pub(super) report: ReportOutput,
}

/// The arguments of `pack`.
#[derive(Debug, Args)]
pub(super) struct PackArgs {
    /// Tree: the directory that will be /opt, or an image that has it (docker save)
    #[arg(default_value = "/opt")]
    pub(super) root: PathBuf,
    #[command(flatten)]
    pub(super) options: PlanOptions,
    /// Directory to write, created or replaced as a whole
    #[arg(short, long, value_name = "DIR", help_heading = heading::OUTPUT)]
    pub(super) output: PathBuf,
    /// Also write an AWS SAM template
    ///
    /// It contains the layers, and a function that uses them.
    #[arg(long, value_name = "FILE", help_heading = heading::TEMPLATE)]
    pub(super) template: Option<PathBuf>,
    /// Code of the template's function [default: function/ beside the template]
    ///
    /// A directory, or the zip that would be uploaded.
    #[arg(long, value_name = "DIR|ZIP", requires = "template", help_heading = heading::TEMPLATE)]
    pub(super) template_code: Option<PathBuf>,
    /// Handler of the template's function [default: test.handler]
    #[arg(long, value_name = "HANDLER", requires = "template", help_heading = heading::TEMPLATE)]
    pub(super) template_handler: Option<Handler>,
    /// What triggers the template's function: none, s3 or s3:SUFFIX [default: none]
    ///
    /// With s3, the template has a bucket, whose name is a parameter (BucketName), and the function is invoked for each object
    /// that is created in it, and may read it. s3:.rds restricts that to objects whose keys end with .rds.
    #[arg(long, value_name = "TRIGGER", requires = "template", help_heading = heading::TEMPLATE)]
    pub(super) template_trigger: Option<Trigger>,
    #[command(flatten)]
    pub(super) report: ReportOutput,
}

/// The arguments of `check`.
#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    /// A tree, an image, a directory that pack wrote, or layer zips, the lowest layer first
    #[arg(required = true)]
    pub(super) paths: Vec<PathBuf>,
    #[command(flatten)]
    pub(super) options: PlanOptions,
    #[command(flatten)]
    pub(super) gate: GateOptions,
    /// Also run the function, with this handler: file.function
    ///
    /// Runs it from the layers, as `layerfit invoke` does. A failure is a finding and, if strace is installed, so is what it
    /// looked for in vain and only the build host has (N107).
    #[arg(long, value_name = "HANDLER", value_parser = handler, help_heading = heading::FUNCTION)]
    pub(super) run: Option<String>,
    #[command(flatten)]
    pub(super) function: FunctionOptions,
    #[command(flatten)]
    pub(super) report: ReportOutput,
}

/// The arguments of `invoke`.
#[derive(Debug, Args)]
pub(super) struct InvokeArgs {
    /// A tree, an image, a directory that pack wrote, or layer zips, the lowest layer first
    #[arg(required = true)]
    pub(super) paths: Vec<PathBuf>,
    /// Lambda runtime that runs the function [default: provided.al2023]
    ///
    /// A built-in profile, such as python3.13 or nodejs22.x, or the path of a profile file. In a managed runtime for
    /// Python or Node.js, the function is run by the interpreter of that version in PATH, or by the image of --rootfs; in any
    /// other, by its bootstrap. The default for packed layers is the runtime that they were packed for.
    #[arg(long, value_name = "NAME|FILE", help_heading = heading::INPUT)]
    pub(super) runtime: Option<String>,
    /// Configuration file, for its `runtime` and `[env]` [default: the nearest layerfit.toml]
    #[arg(long, value_name = "FILE", help_heading = heading::INPUT)]
    pub(super) config: Option<PathBuf>,
    /// Handler of the function, such as file.function
    #[arg(long, value_parser = handler, help_heading = heading::FUNCTION)]
    pub(super) handler: String,
    #[command(flatten)]
    pub(super) variables: Variables,
    #[command(flatten)]
    pub(super) function: FunctionOptions,
    /// Send the events N times
    #[arg(
        long,
        value_name = "N",
        default_value = "1",
        value_parser = count,
        conflicts_with = "listen",
        help_heading = heading::FUNCTION
    )]
    pub(super) repeat: NonZeroUsize,
    /// Serve events on this address until Ctrl-C
    ///
    /// To send one: `aws lambda invoke --endpoint-url http://ADDR:PORT --function-name function
    /// OUTFILE`.
    #[arg(long, value_name = "ADDR:PORT", conflicts_with = "event", help_heading = heading::FUNCTION)]
    pub(super) listen: Option<std::net::SocketAddr>,
    /// Record in FILE which files the function opens (needs strace)
    ///
    /// Pass FILE to plan or pack with --trace.
    #[arg(long, value_name = "FILE", help_heading = heading::OUTPUT)]
    pub(super) trace: Option<PathBuf>,
}

/// The argument that layerfit starts itself with.
#[derive(Debug, Args)]
pub(super) struct RemoverArgs {
    /// The directory
    pub(super) directory: PathBuf,
}

/// The arguments of `init`.
#[derive(Debug, Args)]
pub(super) struct InitArgs {
    /// Tree: the directory that will be /opt, or an image that has it (docker save)
    #[arg(default_value = "/opt", conflicts_with = "bootstrap")]
    pub(super) root: PathBuf,
    /// Write the R bootstrap to DIR instead
    ///
    /// Writes the Lambda custom runtime client for R, bootstrap and runtime.R. DIR is the tree, or the directory of the
    /// function's code.
    #[arg(long, value_name = "DIR", help_heading = heading::OUTPUT)]
    pub(super) bootstrap: Option<PathBuf>,
}

/// The arguments of `why`.
#[derive(Debug, Args)]
pub(super) struct WhyArgs {
    /// Package, library, path or unit to explain [default: list what nothing needs]
    ///
    /// A package is NAME or pkg:NAME, a library its name such as libgfortran.so.5, a path one in the tree. With --if-dropped,
    /// and to list what nothing needs, the first argument is the tree.
    pub(super) target: Option<String>,
    /// Tree: the directory that will be /opt, or an image that has it [default: /opt]
    pub(super) root: Option<PathBuf>,
    /// Preview dropping these targets together (repeatable)
    ///
    /// Shows what would be dropped with them, what that would free, and what would break. Repeat the option, or separate
    /// targets with commas.
    #[arg(long, value_name = "TARGET,...", value_delimiter = ',', help_heading = heading::QUESTION)]
    pub(super) if_dropped: Vec<String>,
    /// Show every dependency path, not only the shortest
    #[arg(long, conflicts_with = "if_dropped", help_heading = heading::QUESTION)]
    pub(super) all: bool,
    #[command(flatten)]
    pub(super) options: PlanOptions,
    #[command(flatten)]
    pub(super) answer: AnswerOutput,
}

/// The arguments of `diff`. What is compared decides how it was packed; a tree is packed as layerfit.toml and the other side
/// say.
#[derive(Debug, Args)]
pub(super) struct DiffArgs {
    /// Tree, image, packed directory, manifest.json, baseline, or zips separated by commas, the lowest layer first
    ///
    /// A baseline is what `layerfit check --update-baseline` wrote. It records the sizes of layers and packages, and no files. A
    /// tree is packed with the options that the other side was packed with, where layerfit.toml sets nothing else.
    pub(super) old: OsString,
    /// The same, for the newer set of layers
    pub(super) new: OsString,
    #[command(flatten)]
    pub(super) input: Input,
    #[command(flatten)]
    pub(super) answer: DiffOutput,
}

/// The arguments of `publish`.
#[derive(Debug, Args)]
pub(super) struct PublishArgs {
    /// Directory that pack wrote
    pub(super) directory: PathBuf,
    /// Configuration file [default: the nearest layerfit.toml]
    #[arg(long, value_name = "FILE", help_heading = heading::INPUT)]
    pub(super) config: Option<PathBuf>,
    /// Prefix for the names of the layers in AWS
    #[arg(long, value_name = "TEXT", help_heading = heading::LAYERS)]
    pub(super) prefix: Option<String>,
    /// Description of each published version
    #[arg(long, value_name = "TEXT", help_heading = heading::LAYERS)]
    pub(super) description: Option<String>,
    /// Licence: an SPDX identifier, a URL or a text
    #[arg(long, value_name = "TEXT", help_heading = heading::LAYERS)]
    pub(super) license_info: Option<String>,
    /// Compatible runtimes, by Lambda's names [default: the manifest's] (repeatable)
    ///
    /// Names the runtimes in which the layers work: --function then may run any of them. Otherwise, a function that runs another than
    /// the layers were packed for is refused where it cannot use them, and warned of where that is not known. Repeat the option, or separate names with commas.
    #[arg(long, value_name = "NAME,...", value_delimiter = ',', help_heading = heading::LAYERS)]
    pub(super) compatible_runtimes: Vec<String>,
    /// Compatible architecture [default: that of the packed layers]
    #[arg(long, value_enum, help_heading = heading::LAYERS)]
    pub(super) arch: Option<Architecture>,
    /// Attach the layers to this function
    ///
    /// Layers of the function that are not yours keep their places.
    #[arg(long, value_name = "NAME", help_heading = heading::LAYERS)]
    pub(super) function: Option<String>,
    /// Replace variables of the function that differ from [env]
    ///
    /// With --function, the variables of [env] in layerfit.toml are set in the function's environment, and its other variables
    /// stay. Without this option, one that the function has with another value is an error.
    #[arg(long, help_heading = heading::LAYERS)]
    pub(super) replace_env: bool,
    /// Bucket for zips too large for a direct upload (50 MB)
    ///
    /// In the Region of the layers.
    #[arg(long, value_name = "BUCKET", help_heading = heading::AWS)]
    pub(super) s3_bucket: Option<String>,
    /// Prefix for keys in the bucket, such as layers/
    #[arg(long, value_name = "TEXT", help_heading = heading::AWS)]
    pub(super) s3_prefix: Option<String>,
    /// Profile of the AWS CLI
    #[arg(long, value_name = "NAME", help_heading = heading::AWS)]
    pub(super) profile: Option<String>,
    /// AWS Region [default: that of the AWS CLI]
    #[arg(long, value_name = "NAME", help_heading = heading::AWS)]
    pub(super) region: Option<String>,
    /// Endpoint of AWS-compatible services such as LocalStack
    #[arg(long, value_name = "URL", help_heading = heading::AWS)]
    pub(super) endpoint_url: Option<String>,
    /// AWS CLI program, version 1 or 2 [default: aws]
    #[arg(long, value_name = "PROGRAM", default_value = "aws", hide_default_value = true, help_heading = heading::AWS)]
    pub(super) aws: String,
    /// Print the commands that would change something, without running them
    #[arg(long, help_heading = heading::OUTPUT)]
    pub(super) dry_run: bool,
    /// File to record versions and ARNs in [default: layers.json in the directory]
    #[arg(short, long, value_name = "FILE", help_heading = heading::OUTPUT)]
    pub(super) output: Option<PathBuf>,
    /// Output format
    #[arg(long, value_enum, default_value_t, help_heading = heading::OUTPUT)]
    pub(super) format: AnswerFormat,
    /// Print no table, and no messages except errors
    #[arg(short, long, help_heading = heading::OUTPUT)]
    pub(super) quiet: bool,
}

/// The arguments of `runtime`.
#[derive(Debug, Args)]
pub(super) struct RuntimeArgs {
    #[command(subcommand)]
    pub(super) command: RuntimeCommand,
}

/// What can be done with runtime profiles.
#[derive(Debug, Subcommand)]
pub(super) enum RuntimeCommand {
    /// Write a profile of a root file system
    ///
    /// Records its loader, its libraries with their symbol versions, and its commands.
    #[command(after_help = examples::CAPTURE)]
    Capture {
        /// Root file system: an image archive, an unpacked image, or / for this machine
        ///
        /// An image archive is what `docker save` or `skopeo copy` wrote. Of an image of Lambda's, the environment is read too.
        #[arg(long, value_name = "DIR|IMAGE", help_heading = heading::INPUT)]
        sysroot: PathBuf,
        /// Which image to read, if there are several [possible values: x86_64, arm64]
        #[arg(long, value_enum, hide_possible_values = true, help_heading = heading::INPUT)]
        arch: Option<Architecture>,
        /// Name of the profile
        name: String,
        /// File to write, "-" for standard output [default: NAME.toml]
        #[arg(short, long, value_name = "FILE", help_heading = heading::OUTPUT)]
        output: Option<PathBuf>,
    },
    /// Print a profile
    #[command(after_help = examples::SHOW)]
    Show {
        /// Built-in profile (provided.al2023, provided.al2, provided or host), or a profile's path
        name: String,
    },
}

/// The arguments of `rules`.
#[derive(Debug, Args)]
pub(super) struct RulesArgs {
    /// Code or name of the rule or check to explain, such as D101 or L201
    pub(super) code: Option<String>,
    /// Load additional prune rules from FILE (repeatable)
    #[arg(long, value_name = "FILE", help_heading = heading::INPUT)]
    pub(super) rules: Vec<PathBuf>,
    /// Output format
    #[arg(long, value_enum, default_value_t, help_heading = heading::OUTPUT)]
    pub(super) format: AnswerFormat,
}

/// The arguments of `config`: the settings of a run, and no run.
#[derive(Debug, Args)]
pub(super) struct ConfigArgs {
    #[command(flatten)]
    pub(super) options: PlanOptions,
    /// Print the JSON Schema of layerfit.toml, for editors
    #[arg(long, conflicts_with = "format", help_heading = heading::OUTPUT)]
    pub(super) schema: bool,
    /// Output format
    #[arg(long, value_enum, default_value_t, help_heading = heading::OUTPUT)]
    pub(super) format: SettingsFormat,
}

/// The argument of `completions`.
#[derive(Debug, Args)]
pub(super) struct CompletionsArgs {
    /// Shell
    pub(super) shell: Shell,
}

/// The argument of `man`.
#[derive(Debug, Args)]
pub(super) struct ManArgs {
    /// Directory for the pages, such as ~/.local/share/man/man1; existing pages are replaced
    ///
    /// The page of layerfit.toml, of section 5, is written to man5 beside a directory that is called man1.
    #[arg(value_name = "DIR")]
    pub(super) directory: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use clap::CommandFactory;

    use super::*;

    /// What every command has, which is declared once.
    const GLOBAL: [&str; 2] = ["color", "help"];

    const INPUT: [&str; 2] = ["config", "runtime"];
    const CONTENT: [&str; 3] = ["arch", "bundle", "sysroot"];
    const PRUNING: [&str; 8] = ["rules", "select", "ignore", "drop", "autoremove", "keep", "handler", "trace"];
    const SIZE: [&str; 7] = ["level", "strip", "no_strip", "repack_rdb", "weigh_pruned", "no_cache", "shared_cache"];
    const LAYERS: [&str; 3] = ["strategy", "lock", "slack"];
    const LIMITS: [&str; 4] = ["max_zipped", "max_unzipped", "max_layers", "function_size"];
    const OUTPUT: [&str; 4] = ["format", "verbose", "quiet", "jobs"];
    const ROWS: [&str; 2] = ["sort", "top"];
    const FUNCTION: [&str; 6] = ["code", "event", "timeout", "memory", "rootfs", "network"];

    fn plan_options() -> Vec<&'static str> {
        [&INPUT[..], &["env"], &CONTENT, &PRUNING, &SIZE, &LAYERS, &LIMITS].concat()
    }

    /// The options of each command. One that stands here and is ignored by the command is a mistake of this table.
    fn expected() -> BTreeMap<&'static str, Vec<&'static str>> {
        let plan = plan_options();
        let gate = ["baseline", "max_growth", "update_baseline", "manifest", "headroom"];
        BTreeMap::from([
            ("layerfit", vec!["version"]),
            (
                "analyze",
                [&INPUT[..], &["env"], &CONTENT, &["ignore", "drop", "autoremove", "keep", "handler"], &ROWS, &OUTPUT]
                    .concat(),
            ),
            ("plan", [&plan, &["tree", "apply"][..], &ROWS, &OUTPUT].concat()),
            (
                "pack",
                [
                    &plan,
                    &["output", "template", "template_code", "template_handler", "template_trigger"][..],
                    &ROWS,
                    &OUTPUT,
                ]
                .concat(),
            ),
            ("check", [&plan, &gate[..], &["run"], &FUNCTION, &ROWS, &OUTPUT].concat()),
            (
                "invoke",
                [&["config", "runtime", "handler", "env"][..], &FUNCTION, &["repeat", "listen", "trace"]].concat(),
            ),
            ("init", vec!["bootstrap"]),
            ("why", [&plan, &["if_dropped", "all"][..], &OUTPUT].concat()),
            ("diff", [&INPUT[..], &OUTPUT].concat()),
            (
                "publish",
                [
                    &[
                        "config",
                        "prefix",
                        "description",
                        "license_info",
                        "compatible_runtimes",
                        "arch",
                        "function",
                        "replace_env",
                    ][..],
                    &["s3_bucket", "s3_prefix", "profile", "region", "endpoint_url", "aws"],
                    &["dry_run", "output", "format", "quiet"],
                ]
                .concat(),
            ),
            ("runtime", vec![]),
            ("runtime capture", vec!["sysroot", "arch", "output"]),
            ("runtime show", vec![]),
            ("rules", vec!["rules", "format"]),
            ("config", [&plan, &["schema", "format"][..]].concat()),
            ("completions", vec![]),
            ("man", vec![]),
        ])
    }

    /// Every command that a user sees, by its words.
    fn commands() -> Vec<(String, clap::Command)> {
        let mut root = Cli::command().disable_help_subcommand(true);
        root.build();
        let mut found = Vec::new();
        let mut open = vec![(String::new(), root)];
        while let Some((words, command)) = open.pop() {
            let below = command.get_subcommands().filter(|command| !command.is_hide_set());
            open.extend(below.map(|below| (format!("{words} {}", below.get_name()), below.clone())));
            let words = if words.is_empty() { "layerfit" } else { words.trim() };
            found.push((words.to_owned(), command));
        }
        found
    }

    fn options(command: &clap::Command) -> impl Iterator<Item = &clap::Arg> {
        command.get_arguments().filter(|argument| !argument.is_positional())
    }

    #[test]
    fn each_command_has_the_options_that_it_heeds() {
        let mut expected = expected();
        for (words, command) in commands() {
            let mut wanted = expected.remove(words.as_str()).unwrap_or_else(|| panic!("{words} is not listed"));
            wanted.extend(GLOBAL);
            wanted.sort_unstable();
            let mut found: Vec<&str> = options(&command).map(|option| option.get_id().as_str()).collect();
            found.sort_unstable();
            assert_eq!(found, wanted, "{words}");
        }
        assert!(expected.is_empty(), "{expected:?}");
    }

    #[test]
    fn every_option_has_a_heading_and_every_command_an_example() {
        for (words, mut command) in commands() {
            for option in options(&command) {
                assert!(option.get_help_heading().is_some(), "{words} --{} has no heading", option.get_id());
            }
            let help = command.render_help().to_string();
            let examples = help.split_once("Examples:\n").unwrap_or_else(|| panic!("no example: {help}")).1;
            assert!(examples.contains(&format!("layerfit {words}").replace("layerfit layerfit", "layerfit")), "{help}");
        }
    }

    #[test]
    fn help_fits_80_columns() {
        for (words, command) in commands() {
            let mut command = command.term_width(80);
            for help in [command.render_help(), command.render_long_help()] {
                for line in help.to_string().lines() {
                    assert!(line.chars().count() <= 80, "{words}: {line}");
                }
            }
        }
    }

    #[test]
    fn every_example_is_accepted() {
        for (_, mut command) in commands() {
            let help = command.render_help().to_string();
            let examples = help.split_once("Examples:\n").map_or("", |(_, examples)| examples);
            for line in examples.lines().take_while(|line| line.starts_with("  layerfit ")) {
                let line = line.split(['#', '|', '>']).next().unwrap_or_default();
                assert!(Cli::try_parse_from(line.split_whitespace()).is_ok(), "{line}");
            }
        }
    }

    #[test]
    fn what_a_command_does_not_heed_is_refused() {
        for line in [
            "layerfit analyze --lock layerfit.lock",
            "layerfit analyze --max-layers 3",
            "layerfit analyze --ignore D101",
            "layerfit diff a b --drop pkg:x",
            "layerfit diff a b --format sarif",
            "layerfit why x --format html",
            "layerfit config --format markdown",
            "layerfit config -v",
        ] {
            assert!(Cli::try_parse_from(line.split(' ')).is_err(), "{line}");
        }
    }

    #[test]
    fn a_count_of_zero_is_refused_in_words() {
        for line in
            ["layerfit plan --jobs 0", "layerfit plan --max-layers 0", "layerfit invoke x --handler f.f --repeat 0"]
        {
            let error = Cli::try_parse_from(line.split(' ')).expect_err(line).to_string();
            assert!(error.contains("must be at least 1"), "{error}");
        }
    }
}
