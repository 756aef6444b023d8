//! Publish: the layers of a directory that `pack` wrote go to AWS by the user's own AWS CLI, those whose content changed.
//!
//! First AWS is asked what it has, then [`plan`] says what is to be done, and only then is anything changed; `--dry-run` prints
//! the same steps instead. A run that ended early can be run again: a version with the right content is not published twice.

mod aws;
mod command;
pub mod plan;
mod problems;
mod record;
pub mod sam;
mod show;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::{Path, PathBuf};

pub use aws::Aws;
pub use command::{Command, Word, variable};
pub use record::{Published, PublishedFunction, PublishedLayer, RECORD, SCHEMA, schema};
pub use show::{json, markdown, table};

use crate::base::error::{Error, Result};
use crate::base::finding::Finding;
use crate::pack::output::{Manifest, architecture};
use crate::runtime::{Limits, RuntimeProfile};
use plan::{Function, How, Layer, Step, Version};

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Request {
    /// What the names of all layers begin with.
    pub prefix: String,
    /// Names for layers, by those in the manifest.
    pub names: BTreeMap<String, String>,
    /// How they are published. Runtimes and architecture that are not said are the manifest's.
    pub how: How,
    /// The function that is to have them.
    pub function: Option<String>,
    /// Where to record what was published; `layers.json` in the directory when not said.
    pub record: Option<PathBuf>,
    /// Whether what would change something is printed and not done.
    pub dry_run: bool,
}

/// What became of it.
#[derive(Debug)]
pub enum Outcome {
    /// AWS has the layers.
    Done(Published),
    /// What would be done, for a shell.
    WouldDo(String),
    /// Nothing was changed, and this is why.
    Refused(Vec<Finding>),
}

/// Publishes the layers in `directory`. What is done is said on the way, a line each.
///
/// # Errors
/// When the directory cannot be read, a name is none that AWS takes, or the AWS CLI fails.
pub fn publish(directory: &Path, request: &Request, aws: &Aws, say: &dyn Fn(&str)) -> Result<Outcome> {
    let manifest = Manifest::read(directory)?;
    let mismatches = manifest.mismatches(directory)?;
    if !mismatches.is_empty() {
        return Ok(Outcome::Refused(mismatches));
    }
    let layers = layers(directory, &manifest, request, say)?;
    let record = request.record.clone().unwrap_or_else(|| directory.join(RECORD));
    let _lock = if request.dry_run { None } else { Some(alone(directory, &record)?) };
    let former = former(&record, &layers)?;
    let how = how(&manifest, &request.how)?;

    let known = layers.into_iter().map(|layer| aws.newest(&layer.name).map(|newest| (layer, newest)));
    let known: Vec<(Layer, Option<Version>)> = known.collect::<Result<_>>()?;
    let function = request.function.as_deref().map(|name| aws.function(name)).transpose()?;
    let mut steps = plan::publishing(&known, &how)?;
    if let Some(function) = &function {
        if let Some(finding) = plan::wrong_architecture(function, &how) {
            return Ok(Outcome::Refused(vec![finding]));
        }
        match plan::attached(function, &known, &former, Limits::built_in().layers) {
            Ok(words) => steps.extend(plan::updating(function, words)),
            Err(finding) => return Ok(Outcome::Refused(vec![finding])),
        }
    }
    if request.dry_run {
        return Ok(Outcome::WouldDo(show::script(&known, &steps, function.is_some(), aws)));
    }
    let done = carry_out(&steps, known, function, aws, say)?;
    let done = Published { retired: former, ..done };
    done.store(&record)?;
    Ok(Outcome::Done(done))
}

/// Before anything is published: the record can be written where it is to be, and no other run publishes this directory, which
/// would not see in time what this one publishes. Both are so as long as what is given is held.
fn alone(directory: &Path, record: &Path) -> Result<File> {
    let place = record.parent().filter(|place| !place.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !place.is_dir() || record.is_dir() {
        return Err(Error::Usage {
            message: format!("{}: no record can be written there", record.display()),
            help: "name a file in a directory that there is, with -o".to_owned(),
        });
    }
    let lock = File::open(directory).map_err(Error::io("open", directory))?;
    if lock.try_lock().is_err() {
        return Err(Error::Usage {
            message: format!("{}: another layerfit publishes it", directory.display()),
            help: "wait for it, and run this again; what is published is not published again".to_owned(),
        });
    }
    Ok(lock)
}

/// The layers of the manifest, by the names they are to have in AWS.
fn layers(directory: &Path, manifest: &Manifest, request: &Request, say: &dyn Fn(&str)) -> Result<Vec<Layer>> {
    for known in request.names.keys().filter(|name| !manifest.layers.iter().any(|layer| layer.name == **name)) {
        say(&format!("names: there is no layer {known} in {}", directory.display()));
    }
    let mut taken = BTreeSet::new();
    let mut layers = Vec::new();
    for layer in &manifest.layers {
        let name = format!("{}{}", request.prefix, request.names.get(&layer.name).unwrap_or(&layer.name));
        let takes = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        let problem = if name.is_empty() || name.len() > 140 || !name.chars().all(takes) {
            "AWS takes letters, digits, '-' and '_', 140 of them at most"
        } else if !taken.insert(name.clone()) {
            "two layers would have this name"
        } else {
            let file = file(directory, &layer.zip)?;
            layers.push(Layer { name, file, sha256: layer.sha256.clone(), bytes: layer.zipped_bytes });
            continue;
        };
        return Err(Error::Usage {
            message: format!("layer {} would be called {name:?}: {problem}", layer.name),
            help: "give it another name: --prefix, or names in [publish] of layerfit.toml".to_owned(),
        });
    }
    Ok(layers)
}

/// A zip as the AWS CLI has to be told of it: it replaces `~` and `$NAME` in paths.
fn file(directory: &Path, zip: &str) -> Result<String> {
    let path = directory.join(zip);
    let usable = path.to_str().filter(|text| !text.contains('$') && !text.contains('%'));
    let Some(text) = usable else {
        return Err(Error::Usage {
            message: format!("{}: the AWS CLI would take a part of this path for a variable", path.display()),
            help: "move the directory to a path of UTF-8 text without $ and %, or name it from within".to_owned(),
        });
    };
    Ok(if text.starts_with(['~', '-']) { format!("./{text}") } else { text.to_owned() })
}

/// The names of layers that the record has and the directory has not any more.
fn former(record: &Path, layers: &[Layer]) -> Result<Vec<String>> {
    let Some(record) = Published::load(record)? else { return Ok(Vec::new()) };
    let known = record.layers.into_iter().map(|layer| layer.name).chain(record.retired);
    let former: BTreeSet<String> = known.filter(|name| !layers.iter().any(|layer| layer.name == *name)).collect();
    Ok(former.into_iter().collect())
}

/// How to publish, with what the manifest says where the request does not.
fn how(manifest: &Manifest, asked: &How) -> Result<How> {
    let mut how = asked.clone();
    how.direct = Limits::built_in().layer_zipped;
    if how.runtimes.is_empty() && RuntimeProfile::is_lambda(&manifest.runtime) {
        how.runtimes.push(manifest.runtime.clone());
    }
    let machines = manifest.objects.iter().map(|object| object.machine.as_str());
    how.architecture = how.architecture.or_else(|| architecture(machines).map(str::to_owned));
    for (what, text, most) in [("description", &how.description, 256), ("licence", &how.license, 512)] {
        if let Some(length) = text.as_ref().map(|text| text.chars().count()).filter(|length| *length > most) {
            return Err(Error::Usage {
                message: format!("the {what} has {length} characters, and AWS takes {most}"),
                help: "shorten it".to_owned(),
            });
        }
    }
    Ok(how)
}

/// Does what is to be done, step by step.
fn carry_out(
    steps: &[Step],
    known: Vec<(Layer, Option<Version>)>,
    function: Option<Function>,
    aws: &Aws,
    say: &dyn Fn(&str),
) -> Result<Published> {
    let mut arns: Vec<Option<String>> = vec![None; known.len()];
    let mut published: Vec<Option<Version>> = vec![None; known.len()];
    let mut attached =
        function.map(|function| PublishedFunction { name: function.name, layers: function.layers, updated: false });
    for step in steps {
        match step {
            Step::Upload(command) => {
                let words = command.resolved(&arns);
                aws.run(&words)?;
                say(&format!("sent {} to {}", words[2], words[3]));
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
                        help: "the zip changed while it was sent: pack again, and publish when nothing writes to it"
                            .to_owned(),
                    });
                }
                say(&format!("published {}", version.arn));
                arns[*number] = Some(version.arn.clone());
                published[*number] = Some(version);
            }
            Step::Update(command) => {
                let words = command.resolved(&arns);
                let answer = aws.run(&words)?;
                if let Some(attached) = &mut attached {
                    let layers = answer["Layers"].as_array().into_iter().flatten();
                    attached.layers = layers.filter_map(|layer| layer["Arn"].as_str()).map(str::to_owned).collect();
                    attached.updated = true;
                    say(&format!("updated {}", attached.name));
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
