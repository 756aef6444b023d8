//! Publishes layers in a directory that `pack` wrote, if their content changed, using the user's own AWS CLI.
//!
//! First AWS is queried, then [`plan`] decides on the steps, and only then is anything changed; `--dry-run` prints the same
//! steps instead. A run that ended early can be repeated: a version with the right content is not published twice.

mod aws;
mod command;
pub mod environment;
mod fits;
pub mod plan;
mod problems;
mod record;
pub mod sam;
mod show;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::{Path, PathBuf};

pub use aws::Aws;
use command::quoted;
pub use command::{Command, Word, variable};
pub use record::{Published, PublishedFunction, PublishedLayer, RECORD, SCHEMA, schema};
pub use show::{json, markdown, table};

use crate::base::atomic::can_replace;
use crate::base::error::{Error, Result};
use crate::base::finding::Finding;
use crate::pack::output::{Manifest, PackedFor, REPORT, architecture};
use crate::runtime::{Limits, RuntimeProfile};
use plan::{Function, Layer, PublishOptions, Step, Version};

/// What to publish, and how.
#[derive(Debug, Clone)]
pub struct Request {
    /// Prefix for the names of all layers.
    pub prefix: String,
    /// Names of the layers in AWS, by their names in the manifest.
    pub names: BTreeMap<String, String>,
    /// How they are published. Runtimes and architecture default to those of the manifest.
    pub options: PublishOptions,
    /// The function to attach them to.
    pub function: Option<String>,
    /// Variables that the function gets.
    pub variables: BTreeMap<String, String>,
    /// Whether they replace those that have other values.
    pub replace_variables: bool,
    /// Where to record what was published; by default, `layers.json` in the directory.
    pub record: Option<PathBuf>,
    /// Whether to print the commands that would change something instead of running them.
    pub dry_run: bool,
}

/// The outcome.
#[derive(Debug)]
pub enum Outcome {
    /// AWS has the layers.
    Done(Published),
    /// What would be done, as a shell script.
    WouldDo(String),
    /// Nothing was changed, for these reasons.
    Refused(Vec<Finding>),
}

/// Publishes the layers in `directory`. `say` gets one line for each change.
///
/// # Errors
/// When the directory cannot be read, AWS would not accept a name, or the AWS CLI fails.
pub fn publish(directory: &Path, request: &Request, aws: &Aws, say: &dyn Fn(&str)) -> Result<Outcome> {
    let manifest = Manifest::read(directory)?;
    let mismatches = manifest.mismatches(directory)?;
    if !mismatches.is_empty() {
        return Ok(Outcome::Refused(mismatches));
    }
    let errors: Vec<&str> = manifest.errors().into_iter().collect();
    if !errors.is_empty() {
        say(&format!(
            "warning: these layers were packed although there are errors ({}): a function can fail with them; {} has them",
            errors.join(", "),
            directory.join(REPORT).display()
        ));
    }
    if manifest.runtime == RuntimeProfile::HOST {
        say(&format!(
            "warning: these layers were packed and checked for {}, which is this machine and not what Lambda runs them in. Name the function's runtime: \
             `layerfit check --runtime provided.al2023 {}` shows what fails there, and `layerfit pack --runtime provided.al2023` packs for it",
            RuntimeProfile::HOST,
            quoted(&directory.to_string_lossy())
        ));
    }
    let layers = layers(directory, &manifest, request, say)?;
    let record = request.record.clone().unwrap_or_else(|| directory.join(RECORD));
    let _lock = if request.dry_run { None } else { Some(lock(directory, &record)?) };
    let former = former(&record, &layers)?;
    let options = publish_options(&manifest, &request.options)?;
    if let Some(name) = request.function.as_ref().filter(|name| name.starts_with('-') || name.contains("://")) {
        return Err(Error::Usage {
            message: format!("function {name:?}: the AWS CLI would read that as an option or a file"),
            help: "give the function's name or ARN, with --function or in [publish] of layerfit.toml".to_owned(),
        });
    }

    if request.function.is_some() {
        environment::check(&request.variables)?;
    }

    let known = layers.into_iter().map(|layer| aws.newest(&layer.name).map(|newest| (layer, newest)));
    let known: Vec<(Layer, Option<Version>)> = known.collect::<Result<_>>()?;
    let function = request.function.as_deref().map(|name| aws.function(name)).transpose()?;
    if let Some(function) = &function {
        fits::require_zip(function)?;
    }
    let mut steps = plan::publishing(&known, &options)?;
    if let Some(function) = &function {
        if let Some(finding) = plan::wrong_architecture(function, &options) {
            return Ok(Outcome::Refused(vec![finding]));
        }
        match checked_runtime(directory, &manifest, function, &request.options.runtimes)? {
            Ok(warning) => warning.iter().for_each(|warning| say(&format!("warning: {warning}"))),
            Err(finding) => return Ok(Outcome::Refused(vec![finding])),
        }
        match plan::attached(function, &known, &former, Limits::built_in().layers) {
            Ok(words) => {
                let unzipped = manifest.layers.iter().fold(0u64, |sum, layer| sum.saturating_add(layer.unzipped_bytes));
                let limit = Limits::built_in().total_unzipped;
                if let Some(warning) = fits::too_large(function, &words, &known, unzipped, limit) {
                    say(&format!("warning: {warning}"));
                }
                let (wanted, replace) = (&request.variables, request.replace_variables);
                let change = environment::change(&function.name, &function.variables, wanted, replace)?;
                steps.extend(plan::updating(function, words, change));
            }
            Err(finding) => return Ok(Outcome::Refused(vec![finding])),
        }
    }
    if request.dry_run {
        return Ok(Outcome::WouldDo(show::script(&known, &steps, function.as_ref(), aws)));
    }
    let done = carry_out(&steps, known, function, aws, say)?;
    let done = Published { retired: former, ..done };
    done.store(&record).map_err(|error| match error {
        Error::Unwritable { path, source } => Error::Usage {
            message: format!("cannot write {}: {source}: what AWS has now is not recorded", path.display()),
            help:
                "make room, or name another file with -o, and run this again: what is published is not published again"
                    .to_owned(),
        },
        other => other,
    })?;
    Ok(Outcome::Done(done))
}

/// A warning if the function may not be able to use the layers in its runtime, or the finding that it cannot. Nothing is said of
/// runtimes that the user named as compatible.
///
/// # Errors
/// When the manifest cannot be read.
fn checked_runtime(
    directory: &Path,
    manifest: &Manifest,
    function: &Function,
    named: &[String],
) -> Result<std::result::Result<Option<String>, Finding>> {
    let packed = PackedFor::from(manifest).runtime.filter(|name| RuntimeProfile::is_lambda(name));
    let (Some(packed), Some(runtime)) = (packed, &function.runtime) else { return Ok(Ok(None)) };
    if packed == *runtime || named.contains(runtime) {
        return Ok(Ok(None));
    }
    let paths = Manifest::paths(directory)?;
    let contents = fits::Contents::of(&paths, !manifest.objects.is_empty(), &packed, runtime);
    Ok(fits::check(function, &packed, contents))
}

/// Checks before anything is published that the record can be written, and locks the directory until the returned file is
/// dropped: a second run would not see in time what this one publishes.
fn lock(directory: &Path, record: &Path) -> Result<File> {
    let place = record.parent().filter(|place| !place.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !place.is_dir() || record.is_dir() {
        return Err(Error::Usage {
            message: format!("{}: the record cannot be written there", record.display()),
            help: "name a file in an existing directory with -o".to_owned(),
        });
    }
    can_replace(record)?;
    let lock = File::open(directory).map_err(Error::io("open", directory))?;
    if lock.try_lock().is_err() {
        return Err(Error::Usage {
            message: format!("{}: another run of layerfit is publishing it", directory.display()),
            help: "wait for it, then run this again; what is published is not published again".to_owned(),
        });
    }
    Ok(lock)
}

/// The layers of the manifest, with their names in AWS.
fn layers(directory: &Path, manifest: &Manifest, request: &Request, say: &dyn Fn(&str)) -> Result<Vec<Layer>> {
    for known in request.names.keys().filter(|name| !manifest.layers.iter().any(|layer| layer.name == **name)) {
        say(&format!("names: no layer {known} in {}", directory.display()));
    }
    let mut used = BTreeSet::new();
    let mut layers = Vec::new();
    for layer in &manifest.layers {
        let name = format!("{}{}", request.prefix, request.names.get(&layer.name).unwrap_or(&layer.name));
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        let problem = if name.starts_with('-') {
            "the AWS CLI would read that as an option"
        } else if name.is_empty() || name.len() > 140 || !name.chars().all(allowed) {
            "AWS allows letters, digits, '-' and '_', at most 140"
        } else if !used.insert(name.clone()) {
            "two layers would have this name"
        } else {
            let file = file(directory, &layer.zip)?;
            layers.push(Layer { name, file, sha256: layer.sha256.clone(), bytes: layer.zipped_bytes });
            continue;
        };
        return Err(Error::Usage {
            message: format!("layer {} would be called {name:?}: {problem}", layer.name),
            help: "change the name with --prefix, or with names in [publish] of layerfit.toml".to_owned(),
        });
    }
    Ok(layers)
}

/// The path of a zip for the AWS CLI, which replaces `~` and `$NAME` in paths.
fn file(directory: &Path, zip: &str) -> Result<String> {
    let path = directory.join(zip);
    let usable = path.to_str().filter(|text| !text.contains('$') && !text.contains('%'));
    let Some(text) = usable else {
        return Err(Error::Usage {
            message: format!("{}: the AWS CLI would replace a part of this path", path.display()),
            help: "move the directory to a UTF-8 path without $ and %, or use a relative path without them".to_owned(),
        });
    };
    Ok(if text.starts_with(['~', '-']) { format!("./{text}") } else { text.to_owned() })
}

/// The names of layers that are in the record but no longer in the directory.
fn former(record: &Path, layers: &[Layer]) -> Result<Vec<String>> {
    let Some(record) = Published::load(record)? else { return Ok(Vec::new()) };
    let known = record.layers.into_iter().map(|layer| layer.name).chain(record.retired);
    let former: BTreeSet<String> = known.filter(|name| !layers.iter().any(|layer| layer.name == *name)).collect();
    Ok(former.into_iter().collect())
}

/// The options of the request, with defaults from the manifest.
fn publish_options(manifest: &Manifest, requested: &PublishOptions) -> Result<PublishOptions> {
    let mut options = requested.clone();
    options.direct = Limits::built_in().layer_zipped;
    let packed_for = PackedFor::from(manifest);
    if options.runtimes.is_empty() {
        options.runtimes.extend(packed_for.runtime.filter(|name| RuntimeProfile::is_lambda(name)));
    }
    options.architecture = options.architecture.or_else(|| packed_for.architecture.map(str::to_owned));
    let machines = manifest.objects.iter().map(|object| object.machine.as_str());
    options.architecture = options.architecture.or_else(|| architecture(machines).map(str::to_owned));
    // Given to the AWS CLI as they are, which reads `-x` as an option, and `file://x` as a file to load.
    let is_runtime = |name: &String| {
        name.starts_with(|c: char| c.is_ascii_alphanumeric())
            && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'))
    };
    if let Some(name) = options.runtimes.iter().find(|name| !is_runtime(name)) {
        return Err(Error::Usage {
            message: format!("compatible runtime {name:?}: not the name of a runtime"),
            help: "give names such as provided.al2023, with --compatible-runtimes or in [publish] of layerfit.toml"
                .to_owned(),
        });
    }
    for (what, text, max) in [("description", &options.description, 256), ("licence", &options.license, 512)] {
        if let Some(length) = text.as_ref().map(|text| text.chars().count()).filter(|length| *length > max) {
            return Err(Error::Usage {
                message: format!("the {what} has {length} characters, and AWS allows {max}"),
                help: "shorten it".to_owned(),
            });
        }
    }
    Ok(options)
}

/// Carries out the steps in order.
fn carry_out(
    steps: &[Step],
    known: Vec<(Layer, Option<Version>)>,
    function: Option<Function>,
    aws: &Aws,
    say: &dyn Fn(&str),
) -> Result<Published> {
    let mut arns: Vec<Option<String>> = vec![None; known.len()];
    let mut published: Vec<Option<Version>> = vec![None; known.len()];
    let mut attached = function.map(|function| PublishedFunction {
        name: function.name,
        layers: function.layers,
        updated: false,
        variables_added: Vec::new(),
        variables_replaced: Vec::new(),
    });
    for step in steps {
        match step {
            Step::Upload(command) => {
                let words = command.resolved(&arns);
                aws.run(&words)?;
                say(&format!("uploaded {} to {}", words[2], words[3]));
            }
            Step::Publish(number, command) => {
                let words = command.resolved(&arns);
                let version = aws.version(&words, &aws.run(&words)?)?;
                let layer = &known[*number].0;
                if version.sha256 != layer.sha256 {
                    return Err(Error::Aws {
                        command: problems::name(&words),
                        said: format!(
                            "{} has the sha256 {}, and {} has {}",
                            version.arn, version.sha256, layer.file, layer.sha256
                        ),
                        help: "the zip changed while it was being uploaded: pack again, and publish when nothing writes to it"
                            .to_owned(),
                    });
                }
                say(&format!("published {}", version.arn));
                arns[*number] = Some(version.arn.clone());
                published[*number] = Some(version);
            }
            Step::Update(command, change) => {
                let words = command.resolved(&arns);
                let answer = match change {
                    Some(change) => aws.run_with(&words, &change.input(), change.values())?,
                    None => aws.run(&words)?,
                };
                if let Some(attached) = &mut attached {
                    let layers = answer["Layers"].as_array().into_iter().flatten();
                    attached.layers = layers.filter_map(|layer| layer["Arn"].as_str()).map(str::to_owned).collect();
                    attached.updated = true;
                    let mut said = format!("updated {}", attached.name);
                    if let Some(change) = change {
                        attached.variables_added.clone_from(&change.added);
                        attached.variables_replaced.clone_from(&change.replaced);
                        let (added, replaced) = (&change.added, &change.replaced);
                        said += &format!(": {}", environment::summary(added, replaced, environment::PAST));
                    }
                    say(&said);
                }
            }
            Step::Wait(command) => {
                aws.run(&command.resolved(&arns))?;
            }
        }
    }
    let layers = known.into_iter().zip(published).filter_map(|((layer, newest), published)| {
        let new = published.is_some();
        let version = published.or(newest)?;
        let Version { arn, version, sha256 } = version;
        Some(PublishedLayer { name: layer.name, arn, version, sha256, published: new })
    });
    Ok(Published { schema: SCHEMA, layers: layers.collect(), retired: Vec::new(), function: attached })
}
