//! `layerfit publish`: its arguments, with layerfit.toml behind them, and how what came of it is printed.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;

use super::args::{Architecture, PageFormat};
use super::config::{Config, NAME};
use super::exit::Exit;
use crate::base::error::{Error, Result};
use crate::publish;
use crate::publish::plan::How;
use crate::publish::{Aws, Outcome, Request};

/// The options of `publish`.
#[derive(Debug, Args)]
pub struct PublishArgs {
    /// A directory that pack wrote
    pub directory: PathBuf,
    /// What the names of all layers begin with, after which comes the name that the manifest has
    #[arg(long, value_name = "TEXT")]
    pub prefix: Option<String>,
    /// What is said of each version that is published
    #[arg(long, value_name = "TEXT")]
    pub description: Option<String>,
    /// The licence: an SPDX identifier, a URL or a text
    #[arg(long, value_name = "TEXT")]
    pub license_info: Option<String>,
    /// The runtimes that the layers are for, by Lambda's names [default: the manifest's]
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub compatible_runtimes: Vec<String>,
    /// The architecture that the layers are for [default: that of most files in them]
    #[arg(long, value_enum)]
    pub arch: Option<Architecture>,
    /// Send zips that are over the limit of a request (50 MB) through this bucket, in the same Region
    #[arg(long, value_name = "BUCKET")]
    pub s3_bucket: Option<String>,
    /// What the keys in the bucket begin with, such as layers/
    #[arg(long, value_name = "TEXT")]
    pub s3_prefix: Option<String>,
    /// Give this function the layers; those of others that it has keep their places
    #[arg(long, value_name = "NAME")]
    pub function: Option<String>,
    /// Print the commands that would change something, and run only those that read
    #[arg(long)]
    pub dry_run: bool,
    /// Where to record versions and ARNs [default: layers.json in the directory]
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// A profile of the AWS CLI
    #[arg(long, value_name = "NAME")]
    pub profile: Option<String>,
    /// The Region [default: as the AWS CLI has it]
    #[arg(long, value_name = "NAME")]
    pub region: Option<String>,
    /// Where to reach AWS, for something that speaks its language
    #[arg(long, value_name = "URL")]
    pub endpoint_url: Option<String>,
    /// The AWS CLI, version 1 or 2 [default: aws on the PATH]
    #[arg(long, value_name = "PROGRAM", default_value = "aws", hide_default_value = true)]
    pub aws: String,
    /// The settings [default: the nearest layerfit.toml, in the working directory or above it]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// How to print what was published
    #[arg(long, value_enum, default_value_t)]
    pub format: PageFormat,
    /// Print no table, and no messages but errors
    #[arg(short, long)]
    pub quiet: bool,
}

/// Publishes; prints what came of it.
pub(super) fn run(arguments: &PublishArgs) -> Result<Exit> {
    let working_directory = std::env::current_dir().map_err(Error::io("find", "the working directory"))?;
    let (config, file) = Config::find(arguments.config.as_deref(), &working_directory)?;
    let say = |text: &str| {
        if !arguments.quiet {
            let _ = writeln!(std::io::stderr(), "layerfit: {text}");
        }
    };
    if let Some(file) = file.filter(|_| arguments.config.is_none()) {
        say(&format!("settings from {}", file.display()));
    }
    let said = &config.publish;
    let or = |argument: &Option<String>, in_file: &Option<String>| argument.clone().or_else(|| in_file.clone());
    let (profile, region) = (or(&arguments.profile, &said.profile), or(&arguments.region, &said.region));
    let aws = Aws::new(&arguments.aws, profile.as_deref(), region.as_deref(), arguments.endpoint_url.as_deref());
    let request = request(arguments, &config)?;
    match publish::publish(&arguments.directory, &request, &aws, &say)? {
        Outcome::Done(published) => {
            super::print(&match arguments.format {
                PageFormat::Table if arguments.quiet => Vec::new(),
                PageFormat::Table => publish::table(&published),
                PageFormat::Json => publish::json(&published)?,
                PageFormat::Markdown => publish::markdown(&published),
            })?;
            Ok(Exit::Done)
        }
        Outcome::WouldDo(script) => {
            super::print(script.as_bytes())?;
            Ok(Exit::Done)
        }
        Outcome::Refused(findings) => {
            for finding in findings {
                let _ = writeln!(
                    std::io::stderr(),
                    "layerfit: {} {}: {}\n  help: {}",
                    finding.code,
                    finding.subject,
                    finding.message,
                    finding.help
                );
            }
            Ok(Exit::CheckFailed)
        }
    }
}

/// What the arguments ask for, and where they say nothing, the configuration file.
fn request(arguments: &PublishArgs, config: &Config) -> Result<Request> {
    let said = &config.publish;
    let or = |argument: &Option<String>, in_file: &Option<String>| argument.clone().or_else(|| in_file.clone());
    let bucket = or(&arguments.s3_bucket, &said.s3_bucket);
    let bucket_prefix = or(&arguments.s3_prefix, &said.s3_prefix).unwrap_or_default();
    if bucket.is_none() && !bucket_prefix.is_empty() {
        return Err(Error::Usage {
            message: format!("--s3-prefix {bucket_prefix}: there is no bucket"),
            help: format!("name it: --s3-bucket BUCKET, or s3-bucket in [publish] of {NAME}"),
        });
    }
    // A bucket's objects are named by URLs: the CLI would not read these as they are meant.
    let odd = |text: &String| text.is_empty() || text.contains(['/', '?', '#']) || text.contains(char::is_whitespace);
    if let Some(bucket) = bucket.iter().find(|bucket| odd(bucket)) {
        return Err(Error::Usage {
            message: format!("--s3-bucket {bucket:?}: is no bucket's name"),
            help: "give the name alone; what keys begin with is --s3-prefix".to_owned(),
        });
    }
    let runtimes = if arguments.compatible_runtimes.is_empty() {
        said.compatible_runtimes.clone()
    } else {
        arguments.compatible_runtimes.clone()
    };
    Ok(Request {
        prefix: or(&arguments.prefix, &said.prefix).unwrap_or_default(),
        names: said.names.clone(),
        how: How {
            description: or(&arguments.description, &said.description),
            license: or(&arguments.license_info, &said.license_info),
            runtimes,
            architecture: arguments.arch.or(config.arch).map(|architecture| architecture.name().to_owned()),
            bucket,
            bucket_prefix,
            direct: 0,
        },
        function: or(&arguments.function, &said.function),
        record: arguments.output.as_deref().map(Path::to_owned),
        dry_run: arguments.dry_run,
    })
}
