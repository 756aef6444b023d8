//! Decides on the steps that publish the layers and attach them to a function, from what is in the directory and what AWS
//! has. It does no input or output.

use std::collections::BTreeMap;

use serde_json::json;

use super::command::{Command, Word};
use super::environment::{Change, Variables};
use crate::base::error::{Error, Result};
use crate::base::finding::{Code, Finding};
use crate::base::subject::Subject;

/// A layer to publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// Its name in AWS.
    pub name: String,
    /// The path of its zip, for the AWS CLI.
    pub file: String,
    /// The sha256 of the zip, in hexadecimal.
    pub sha256: String,
    /// The size of the zip in bytes.
    pub bytes: u64,
}

/// The newest version of a layer in AWS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// Its ARN, with the version.
    pub arn: String,
    /// Its number.
    pub version: u64,
    /// The sha256 of its zip, in hexadecimal.
    pub sha256: String,
}

/// A function to attach the layers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// As the user named it.
    pub name: String,
    /// Its ARN, which contains its account and Region.
    pub arn: String,
    /// Its architecture, by Lambda's name.
    pub architecture: Option<String>,
    /// Its runtime, by Lambda's name; a container image has none.
    pub runtime: Option<String>,
    /// Whether its code is a container image.
    pub is_image: bool,
    /// The length of the zip of its code, in bytes.
    pub code_bytes: u64,
    /// The ARNs of its layers, in order.
    pub layers: Vec<String>,
    /// The lengths of their zips in bytes, by ARN.
    pub layer_bytes: BTreeMap<String, u64>,
    /// Its environment variables, or the reason why AWS does not show them.
    pub variables: std::result::Result<Variables, String>,
    /// The id of this revision of the function: AWS refuses to update any other.
    pub revision: Option<String>,
}

/// How layers are published.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PublishOptions {
    /// Description of each published version.
    pub description: Option<String>,
    /// Licence: an SPDX identifier, a URL, or a text.
    pub license: Option<String>,
    /// Compatible runtimes, by Lambda's names.
    pub runtimes: Vec<String>,
    /// Compatible architecture, by Lambda's name.
    pub architecture: Option<String>,
    /// Bucket for zips too large for a direct upload.
    pub bucket: Option<String>,
    /// Prefix for keys in the bucket.
    pub bucket_prefix: String,
    /// Maximum size of a direct upload, in bytes.
    pub direct: u64,
}

/// A step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Upload the zip of a layer to the bucket.
    Upload(Command),
    /// Publish the layer with this index; the output has its ARN.
    Publish(usize, Command),
    /// Attach the layers to the function, change its environment, or both. The variables are given as standard input.
    Update(Command, Option<Change>),
    /// Wait until the function is updated.
    Wait(Command),
}

/// The steps that publish the layers; none for a layer whose newest version has the same content.
///
/// # Errors
/// When a zip is too large for a direct upload, and there is no bucket.
pub fn publishing(layers: &[(Layer, Option<Version>)], options: &PublishOptions) -> Result<Vec<Step>> {
    let mut steps = Vec::new();
    for (number, (layer, newest)) in layers.iter().enumerate() {
        if newest.as_ref().is_some_and(|newest| newest.sha256 == layer.sha256) {
            continue;
        }
        let command = Command::new(&["lambda", "publish-layer-version", "--layer-name", &layer.name]);
        let command = if layer.bytes <= options.direct {
            command.with(&["--zip-file", &format!("fileb://{}", layer.file)])
        } else {
            let Some(bucket) = &options.bucket else {
                return Err(Error::Usage {
                    message: format!(
                        "{}: {} bytes are more than the {} of a direct upload",
                        layer.file, layer.bytes, options.direct
                    ),
                    help: "name a bucket in the same Region for the upload: --s3-bucket BUCKET".to_owned(),
                });
            };
            // The key depends on the content: a zip from an interrupted run is replaced by the same bytes.
            let key = format!("{}{}-{}.zip", options.bucket_prefix, layer.name, layer.sha256);
            let upload = Command::new(&["s3", "cp", &layer.file, &format!("s3://{bucket}/{key}")]);
            steps.push(Step::Upload(upload.with(&["--only-show-errors"])));
            command.with(&["--content", &json!({ "S3Bucket": bucket, "S3Key": key }).to_string()])
        };
        steps.push(Step::Publish(number, described(command, options)));
    }
    Ok(steps)
}

/// The command, with the metadata of the version.
fn described(mut command: Command, options: &PublishOptions) -> Command {
    let mut in_json = serde_json::Map::new();
    for (option, field, text) in
        [("--description", "Description", &options.description), ("--license-info", "LicenseInfo", &options.license)]
    {
        match text {
            // The CLI would read these as options, or (version 1) as files and URLs to load.
            Some(text) if text.starts_with('-') || text.contains("://") => {
                in_json.insert(field.to_owned(), json!(text));
            }
            Some(text) => command = command.with(&[option, text]),
            None => {}
        }
    }
    if !in_json.is_empty() {
        command = command.with(&["--cli-input-json", &serde_json::Value::Object(in_json).to_string()]);
    }
    if !options.runtimes.is_empty() {
        let runtimes: Vec<&str> = options.runtimes.iter().map(String::as_str).collect();
        command = command.with(&["--compatible-runtimes"]).with(&runtimes);
    }
    if let Some(architecture) = &options.architecture {
        command = command.with(&["--compatible-architectures", architecture]);
    }
    // By default the CLI retries after a minute without a response, and there would be two versions.
    command.with(&["--cli-read-timeout", "600"])
}

/// The layers that the function gets, in order, or the finding that it cannot have them.
///
/// The function's layers that are ours are replaced one by one, in our order; other layers keep their places between them.
/// If we have more layers than before, the additional ones follow the last of ours, or come last if there were none: then
/// ours are on top, as they were checked. Ours are the layers in the function's own account and Region that have the name of
/// one of `layers`, or a name in `former`: layers that were published from the same directory before.
///
/// # Errors
/// When it would have more than `max` layers.
pub fn attached(
    function: &Function,
    layers: &[(Layer, Option<Version>)],
    former: &[String],
    max: usize,
) -> std::result::Result<Vec<Word>, Finding> {
    let is_ours = |arn: &str| {
        same_owner(arn, &function.arn)
            && name_in(arn)
                .is_some_and(|name| former.iter().any(|known| known == name) || layers.iter().any(|l| l.0.name == name))
    };
    let mut ours = layers.iter().enumerate().map(|(number, (layer, newest))| match newest {
        Some(newest) if newest.sha256 == layer.sha256 => Word::Text(newest.arn.clone()),
        _ => Word::Arn(number),
    });
    let last = function.layers.iter().rposition(|arn| is_ours(arn));
    let mut words = Vec::new();
    for (position, arn) in function.layers.iter().enumerate() {
        if !is_ours(arn) {
            words.push(Word::Text(arn.clone()));
            continue;
        }
        words.extend(ours.next());
        if Some(position) == last {
            words.extend(ours.by_ref());
        }
    }
    words.extend(ours);
    if words.len() <= max {
        return Ok(words);
    }
    let others: Vec<&str> = function.layers.iter().filter(|arn| !is_ours(arn)).map(String::as_str).collect();
    Err(Finding::error(
        Code::TooManyLayers,
        Subject::whole(&function.name),
        format!(
            "these are {} layers, it has {} other layers ({}), and a function can have {max}",
            layers.len(),
            others.len(),
            others.join(", ")
        ),
        "remove one of those from the function, or pack into fewer layers; nothing was published",
    ))
}

/// The finding that the architectures of function and layers differ; none if one of them is not known. AWS would attach the
/// layers, but nothing in them would run.
pub fn wrong_architecture(function: &Function, options: &PublishOptions) -> Option<Finding> {
    let (wanted, layers) = (function.architecture.as_deref()?, options.architecture.as_deref()?);
    (wanted != layers).then(|| {
        Finding::error(
            Code::WrongMachine,
            Subject::whole(&function.name),
            format!("the function is for {wanted}, and the layers are for {layers}"),
            "build the tree for that architecture, or change the function's; nothing was published",
        )
    })
}

/// The steps that attach these layers to the function and change its environment; none if it has all of that.
pub fn updating(function: &Function, words: Vec<Word>, change: Option<Change>) -> Vec<Step> {
    let has_layers = words.iter().eq(&function.layers.iter().cloned().map(Word::Text).collect::<Vec<_>>());
    if has_layers && change.is_none() {
        return Vec::new();
    }
    let mut update = Command::new(&["lambda", "update-function-configuration", "--function-name", &function.name]);
    if let Some(revision) = &function.revision {
        update = update.with(&["--revision-id", revision]);
    }
    if change.is_some() {
        // Not as a word: every user of the machine can read those of a command.
        update = update.with(&["--environment", "file:///dev/stdin"]);
    }
    if !has_layers {
        update = update.with(&["--layers"]);
        update.words.extend(words);
    }
    let wait = Command::new(&["lambda", "wait", "function-updated", "--function-name", &function.name]);
    vec![Step::Update(update, change), Step::Wait(wait)]
}

/// The name in a layer's ARN: `arn:aws:lambda:REGION:ACCOUNT:layer:NAME:VERSION`.
pub fn name_in(arn: &str) -> Option<&str> {
    arn.split(':').nth(6)
}

/// Whether two ARNs have the same account and Region.
fn same_owner(one: &str, other: &str) -> bool {
    let owner = |arn: &str| arn.split(':').skip(3).take(2).map(str::to_owned).collect::<Vec<_>>();
    owner(one) == owner(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWNER: &str = "arn:aws:lambda:eu-west-1:123456789012";

    fn layer(name: &str, published: bool) -> (Layer, Option<Version>) {
        let layer = Layer { name: name.to_owned(), file: format!("{name}.zip"), sha256: "aa".to_owned(), bytes: 10 };
        let newest = Version { arn: arn(name, 7), version: 7, sha256: if published { "aa" } else { "bb" }.to_owned() };
        (layer, Some(newest))
    }

    fn arn(name: &str, version: u64) -> String {
        format!("{OWNER}:layer:{name}:{version}")
    }

    fn function(layers: &[String]) -> Function {
        let arn = format!("{OWNER}:function:f");
        let variables = Ok(Variables::default());
        Function {
            name: "f".to_owned(),
            arn,
            architecture: None,
            runtime: None,
            is_image: false,
            code_bytes: 0,
            layers: layers.to_vec(),
            layer_bytes: BTreeMap::new(),
            variables,
            revision: None,
        }
    }

    /// The layers of a function afterwards, by short names; `+` marks versions to be published.
    fn after(before: &[&str], ours: &[(Layer, Option<Version>)], former: &[&str]) -> Vec<String> {
        let before: Vec<String> = before.iter().map(|name| arn(name, 1)).collect();
        let former: Vec<String> = former.iter().map(|name| (*name).to_owned()).collect();
        let words = attached(&function(&before), ours, &former, 5).expect("few enough");
        let short = |word: Word| match word {
            Word::Text(arn) => name_in(&arn).expect("a name").to_owned(),
            Word::Arn(number) => format!("+{}", ours[number].0.name),
        };
        words.into_iter().map(short).collect()
    }

    #[test]
    fn layers_of_others_keep_their_place_between_ours() {
        let ours = [layer("r", false), layer("lib", true)];
        assert_eq!(after(&["x", "r", "y", "lib", "z"], &ours, &[]), ["x", "+r", "y", "lib", "z"]);
        assert_eq!(after(&["x", "lib", "y", "r"], &ours, &[]), ["x", "+r", "y", "lib"]);
        assert_eq!(after(&["x", "r", "y"], &ours, &[]), ["x", "+r", "lib", "y"]);
        assert_eq!(after(&["x"], &ours, &[]), ["x", "+r", "lib"]);
        assert_eq!(after(&[], &ours, &[]), ["+r", "lib"]);
    }

    #[test]
    fn a_layer_that_was_ours_goes_and_that_of_another_account_stays() {
        let ours = [layer("r", true)];
        assert_eq!(after(&["r", "x", "lib"], &ours, &["lib"]), ["r", "x"]);
        assert_eq!(after(&["lib", "x"], &ours, &["lib"]), ["r", "x"]);
        let foreign = "arn:aws:lambda:eu-west-1:999999999999:layer:r:1".to_owned();
        let words = attached(&function(std::slice::from_ref(&foreign)), &ours, &[], 5).expect("few enough");
        assert_eq!(words, [Word::Text(foreign), Word::Text(arn("r", 7))]);
    }

    #[test]
    fn more_layers_than_a_function_can_have_are_refused() {
        let ours = [layer("r", true), layer("lib", true)];
        let others: Vec<String> = ["a", "b", "c", "d"].map(|name| arn(name, 1)).to_vec();
        let finding = attached(&function(&others), &ours, &[], 5).expect_err("too many");
        assert_eq!(finding.code, Code::TooManyLayers);
        assert!(finding.message.contains("it has 4 other layers"), "{}", finding.message);
    }

    #[test]
    fn a_function_that_has_the_layers_is_left_alone() {
        let ours = [layer("r", true)];
        let there = function(&[arn("r", 7)]);
        assert_eq!(updating(&there, attached(&there, &ours, &[], 5).expect("few enough"), None), []);
        let wanted = [("TZ".to_owned(), "UTC".to_owned())].into();
        let change = super::super::environment::change("f", &there.variables, &wanted, false).expect("no conflict");
        let steps = updating(&there, attached(&there, &ours, &[], 5).expect("few enough"), change);
        let [Step::Update(command, Some(_)), Step::Wait(_)] = &steps[..] else { panic!("{steps:?}") };
        let words = command.resolved(&[]);
        assert!(words.ends_with(&["--environment".to_owned(), "file:///dev/stdin".to_owned()]), "{words:?}");
    }

    #[test]
    fn only_what_changed_is_published_and_only_what_is_too_large_goes_through_the_bucket() {
        let mut ours = [layer("r", true), layer("lib", false), layer("big", false)];
        ours[2].0.bytes = 1000;
        let mut options = PublishOptions { direct: 100, ..PublishOptions::default() };
        assert!(publishing(&ours, &options).expect_err("too large").to_string().contains("--s3-bucket"));
        options.bucket = Some("b".to_owned());
        options.bucket_prefix = "p/".to_owned();
        let steps = publishing(&ours, &options).expect("steps");
        let [Step::Publish(1, _), Step::Upload(upload), Step::Publish(2, publish)] = &steps[..] else {
            panic!("{steps:?}")
        };
        assert_eq!(upload.resolved(&[])[..4], ["s3", "cp", "big.zip", "s3://b/p/big-aa.zip"]);
        assert!(publish.resolved(&[]).contains(&r#"{"S3Bucket":"b","S3Key":"p/big-aa.zip"}"#.to_owned()));
    }

    #[test]
    fn what_the_cli_would_read_as_a_file_is_given_as_json() {
        let options = PublishOptions {
            description: Some("R for all".to_owned()),
            license: Some("https://opensource.org/license/mit".to_owned()),
            direct: 100,
            ..PublishOptions::default()
        };
        let steps = publishing(&[layer("r", false)], &options).expect("steps");
        let Step::Publish(_, command) = &steps[0] else { panic!("{steps:?}") };
        let words = command.resolved(&[]);
        assert!(words.windows(2).any(|pair| pair == ["--description", "R for all"]), "{words:?}");
        let json = [r"--cli-input-json", r#"{"LicenseInfo":"https://opensource.org/license/mit"}"#];
        assert!(words.windows(2).any(|pair| pair == json), "{words:?}");
    }
}
