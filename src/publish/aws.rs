//! Runs the user's own AWS CLI, version 1 or 2: it has the credentials, profiles and Regions, and layerfit has none.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::{Command as Process, Stdio};

use base64::prelude::{BASE64_STANDARD, Engine};
use serde_json::Value;

use super::command::Command;
use super::environment::Variables;
use super::plan::{Function, Version};
use super::problems;
use crate::base::bytes::hex;
use crate::base::error::{Error, Result};

/// The AWS CLI, and the options that are added to each command.
#[derive(Debug, Clone)]
pub struct Aws {
    program: String,
    options: Vec<String>,
    profile: Option<String>,
}

impl Aws {
    /// The CLI `program`, with the user's `--profile`, `--region` and `--endpoint-url`.
    pub fn new(program: &str, profile: Option<&str>, region: Option<&str>, endpoint: Option<&str>) -> Self {
        let given = [("--profile", profile), ("--region", region), ("--endpoint-url", endpoint)];
        let options = given.iter().filter_map(|(option, value)| Some([(*option).to_owned(), (*value)?.to_owned()]));
        Self { program: program.to_owned(), options: options.flatten().collect(), profile: profile.map(str::to_owned) }
    }

    /// A command for a shell, ready to paste, ending with these words.
    pub fn shell(&self, command: &Command, end: &[&str]) -> String {
        let end: Vec<String> = end.iter().map(|word| (*word).to_owned()).collect();
        command.shell(std::slice::from_ref(&self.program), &[self.options.as_slice(), end.as_slice()].concat())
    }

    /// Runs a command and returns its output, or null if there is none.
    ///
    /// # Errors
    /// When the CLI is not installed, or fails: with its message and a remedy.
    pub fn run(&self, words: &[String]) -> Result<Value> {
        self.answered(words, None, &problems::secrets())
    }

    /// Runs a command with this standard input, whose values are never shown.
    ///
    /// # Errors
    /// As for [`Aws::run`].
    pub fn run_with<'a>(&self, words: &[String], input: &str, values: impl Iterator<Item = &'a str>) -> Result<Value> {
        self.answered(words, Some(input), &problems::secrets_and(values))
    }

    fn answered(&self, words: &[String], input: Option<&str>, secrets: &[String]) -> Result<Value> {
        self.output(words, input, secrets)?.map_err(|message| {
            match problems::problem(words, &message, self.profile.as_deref()) {
                Ok(error) | Err(error) => error,
            }
        })
    }

    /// Runs a command; returns its output, or its message if it fails.
    fn output(
        &self,
        words: &[String],
        input: Option<&str>,
        secrets: &[String],
    ) -> Result<std::result::Result<Value, String>> {
        let mut process = Process::new(&self.program);
        process.args(words).args(&self.options).args(["--output", "json"]);
        // Unless told otherwise, version 2 shows output in a pager and prompts for missing parameters.
        process.env("AWS_PAGER", "").env("AWS_CLI_AUTO_PROMPT", "off");
        process.stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() });
        let mut child = process.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => Error::Usage {
                message: format!("{}: no such program", self.program),
                help: "install the AWS CLI (https://docs.aws.amazon.com/cli/latest/userguide/getting-started-install.html), \
                       or name it with --aws PATH"
                    .to_owned(),
            },
            _ => Error::io("run", &self.program)(error),
        })?;
        if let (Some(input), Some(mut stdin)) = (input, child.stdin.take()) {
            // At most 4 KB of names and values, and six times that as JSON: a pipe holds 64 KiB (pipe(7)). A CLI that ended without reading it has its own message.
            let _ = stdin.write_all(input.as_bytes());
        }
        let output = child.wait_with_output().map_err(Error::io("run", &self.program))?;
        let message = problems::redacted(&String::from_utf8_lossy(&output.stderr), secrets)?;
        if !output.status.success() {
            return Ok(Err(if message.trim().is_empty() { format!("{}", output.status) } else { message }));
        }
        let answer = String::from_utf8_lossy(&output.stdout);
        if answer.trim().is_empty() {
            return Ok(Ok(Value::Null));
        }
        let answer = serde_json::from_str(&answer);
        answer.map(Ok).map_err(|error| self.unexpected(words, &format!("its output is not JSON ({error})")))
    }

    fn unexpected(&self, words: &[String], message: &str) -> Error {
        Error::Aws {
            command: problems::name(words),
            said: message.to_owned(),
            help: format!("check that {} is the AWS CLI: {} --version", self.program, self.program),
        }
    }

    /// The newest version of a layer in AWS, if there is one.
    ///
    /// # Errors
    /// As for [`Aws::run`].
    pub fn newest(&self, name: &str) -> Result<Option<Version>> {
        let list = ["lambda", "list-layer-versions", "--layer-name", name].map(str::to_owned);
        let versions = match self.output(&list, None, &problems::secrets())? {
            Ok(answer) => answer,
            // AWS returns an empty list for a layer that does not exist; some compatible services return this error.
            Err(message) if message.contains("ResourceNotFound") => return Ok(None),
            Err(message) => return Err(problems::problem(&list, &message, self.profile.as_deref())?),
        };
        // The order of the list is not documented.
        let numbers = versions["LayerVersions"].as_array().into_iter().flatten().filter_map(|v| v["Version"].as_u64());
        let Some(version) = numbers.max() else { return Ok(None) };
        let number = version.to_string();
        let get = ["lambda", "get-layer-version", "--layer-name", name, "--version-number", &number].map(str::to_owned);
        self.version(&get, &self.run(&get)?).map(Some)
    }

    /// The layer version that an output describes.
    ///
    /// # Errors
    /// When it does not describe one.
    pub fn version(&self, words: &[String], answer: &Value) -> Result<Version> {
        let arn = answer["LayerVersionArn"].as_str();
        let sha256 = answer["Content"]["CodeSha256"].as_str().and_then(|text| BASE64_STANDARD.decode(text).ok());
        match (arn, answer["Version"].as_u64(), sha256) {
            (Some(arn), Some(version), Some(sha256)) => {
                Ok(Version { arn: arn.to_owned(), version, sha256: hex(&sha256) })
            }
            _ => Err(self.unexpected(words, "its output has no LayerVersionArn, Version or CodeSha256")),
        }
    }

    /// A function and its layers, after any update in progress has finished.
    ///
    /// # Errors
    /// As for [`Aws::run`].
    pub fn function(&self, name: &str) -> Result<Function> {
        let get = ["lambda", "get-function-configuration", "--function-name", name].map(str::to_owned);
        let mut answer = self.run(&get)?;
        if answer["LastUpdateStatus"] == "InProgress" {
            self.run(&["lambda", "wait", "function-updated", "--function-name", name].map(str::to_owned))?;
            answer = self.run(&get)?;
        }
        let Some(arn) = answer["FunctionArn"].as_str() else {
            return Err(self.unexpected(&get, "its output has no FunctionArn"));
        };
        let layers = answer["Layers"].as_array().into_iter().flatten();
        let length = |layer: &Value| Some((layer["Arn"].as_str()?.to_owned(), layer["CodeSize"].as_u64()?));
        Ok(Function {
            name: name.to_owned(),
            arn: arn.to_owned(),
            architecture: answer["Architectures"][0].as_str().map(str::to_owned),
            runtime: answer["Runtime"].as_str().map(str::to_owned),
            is_image: answer["PackageType"] == "Image",
            code_bytes: answer["CodeSize"].as_u64().unwrap_or_default(),
            layer_bytes: layers.clone().filter_map(length).collect(),
            layers: layers.filter_map(|layer| layer["Arn"].as_str()).map(str::to_owned).collect(),
            variables: variables(&answer["Environment"]),
            revision: answer["RevisionId"].as_str().map(str::to_owned),
        })
    }
}

/// The variables in the `Environment` of an answer, which is missing if there are none; the message of AWS if it could not
/// decrypt them.
fn variables(environment: &Value) -> std::result::Result<Variables, String> {
    if !environment["Error"].is_null() {
        let message = environment["Error"]["Message"].as_str().or(environment["Error"]["ErrorCode"].as_str());
        return Err(message.unwrap_or("AWS gives no reason").to_owned());
    }
    let variables = match &environment["Variables"] {
        Value::Null => BTreeMap::new(),
        Value::Object(variables) => {
            let text = |(name, value): (&String, &Value)| Some((name.clone(), value.as_str()?.to_owned()));
            variables.iter().map(text).collect::<Option<_>>().ok_or("a value is not a text")?
        }
        _ => return Err("they are not an object".to_owned()),
    };
    Ok(Variables(variables))
}
