//! `layerfit publish`: its options, with layerfit.toml for those not given, and how the outcome is printed.

use std::path::Path;

use super::args::{AnswerFormat, PublishArgs, Variables};
use super::config::{Config, NAME};
use super::exit::Exit;
use super::work::configuration;
use super::{env, output};
use crate::base::error::{Error, Result};
use crate::publish;
use crate::publish::plan::PublishOptions;
use crate::publish::{Aws, Outcome, Request};

pub(super) fn run(arguments: &PublishArgs) -> Result<Exit> {
    if arguments.dry_run && arguments.format != AnswerFormat::Table {
        return Err(Error::Usage {
            message: "--format has no effect with --dry-run, which prints a shell script".to_owned(),
            help: "leave one of them out: without --dry-run, the layers are published".to_owned(),
        });
    }
    let config = configuration(arguments.config.as_ref(), arguments.quiet)?;
    let say = |text: &str| {
        if !arguments.quiet {
            output::message(text);
        }
    };
    let file = &config.publish;
    let (profile, region) = (
        arguments.profile.clone().or_else(|| file.profile.clone()),
        arguments.region.clone().or_else(|| file.region.clone()).or_else(region_of_environment),
    );
    let aws = Aws::new(&arguments.aws, profile.as_deref(), region.as_deref(), arguments.endpoint_url.as_deref());
    let request = request(arguments, &config)?;
    match publish::publish(&arguments.directory, &request, &aws, &say)? {
        Outcome::Done(published) => output::done(&match arguments.format {
            AnswerFormat::Table if arguments.quiet => Vec::new(),
            AnswerFormat::Table => publish::table(&published, output::columns()),
            AnswerFormat::Json => publish::json(&published)?,
            AnswerFormat::Markdown => publish::markdown(&published),
        }),
        Outcome::WouldDo(script) => output::done(script.as_bytes()),
        Outcome::Refused(findings) => {
            for finding in &findings {
                output::finding(finding, None);
            }
            Ok(Exit::CheckFailed)
        }
    }
}

/// The Region that only version 2 of the AWS CLI takes from the environment: version 1 knows only AWS_DEFAULT_REGION. Where that is
/// set too, which of them counts is left to the CLI.
fn region_of_environment() -> Option<String> {
    let value = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    value("AWS_REGION").filter(|_| value("AWS_DEFAULT_REGION").is_none())
}

/// The request of the options; where an option is not given, of the configuration file.
fn request(arguments: &PublishArgs, config: &Config) -> Result<Request> {
    let file = &config.publish;
    let bucket = arguments.s3_bucket.clone().or_else(|| file.s3_bucket.clone());
    let bucket_prefix = arguments.s3_prefix.clone().or_else(|| file.s3_prefix.clone()).unwrap_or_default();
    if bucket.is_none() && !bucket_prefix.is_empty() {
        return Err(Error::Usage {
            message: format!("--s3-prefix {bucket_prefix} has no effect without a bucket"),
            help: format!("name it: --s3-bucket BUCKET, or s3-bucket in [publish] of {NAME}"),
        });
    }
    // The bucket becomes a part of s3:// URLs, which the AWS CLI would misread with these.
    let odd = |text: &String| text.is_empty() || text.contains(['/', '?', '#']) || text.contains(char::is_whitespace);
    if let Some(bucket) = bucket.iter().find(|bucket| odd(bucket)) {
        return Err(Error::Usage {
            message: format!("--s3-bucket {bucket:?}: not the name of a bucket"),
            help: "give the name only; the prefix for keys is --s3-prefix".to_owned(),
        });
    }
    let runtimes = if arguments.compatible_runtimes.is_empty() {
        file.compatible_runtimes.clone()
    } else {
        arguments.compatible_runtimes.clone()
    };
    Ok(Request {
        prefix: arguments.prefix.clone().or_else(|| file.prefix.clone()).unwrap_or_default(),
        names: file.names.clone(),
        options: PublishOptions {
            description: arguments.description.clone().or_else(|| file.description.clone()),
            license: arguments.license_info.clone().or_else(|| file.license_info.clone()),
            runtimes,
            architecture: arguments.arch.or(config.arch).map(|architecture| architecture.name().to_owned()),
            bucket,
            bucket_prefix,
            direct: 0,
        },
        function: arguments.function.clone().or_else(|| file.function.clone()),
        // Only what the file has, as in the template: values of --env can be secrets, and --dry-run prints these.
        variables: env::variables(&Variables::default(), config)?,
        replace_variables: arguments.replace_env,
        record: arguments.output.as_deref().map(Path::to_owned),
        dry_run: arguments.dry_run,
    })
}
