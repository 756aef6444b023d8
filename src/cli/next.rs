//! What to do after `pack`: the commands that read the layers, each with the options that it needs as they are. What the
//! manifest records is not repeated, unless layerfit.toml sets something else, which would count instead.

use std::path::Path;

use super::args::{Architecture, PlanOptions};
use super::config::Config;
use crate::base::finding::Code;
use crate::base::safe::one_line;
use crate::publish::sam::Template;
use crate::report::Report;
use crate::runtime::{Limits, RuntimeProfile};

/// Directories of a function: what begins with one of them is a path, and not a secret.
const DIRECTORIES: [&str; 8] = ["/opt", "/var", "/tmp", "/usr", "/etc", "/bin", "/lib", "/lib64"];

/// The commands that come next, for layers in `directory`.
pub(super) fn commands(
    directory: &Path,
    report: &Report,
    (options, config): (&PlanOptions, &Config),
    template: Option<&Template>,
) -> String {
    let layers = quoted(directory);
    let repeated = Repeated::new(options, config);
    let with = |command: &str, lists: &[&[String]]| {
        let words = lists.iter().copied().flatten();
        words.fold(format!("layerfit {command}"), |line, word| format!("{line} {word}"))
    };
    let function = match template {
        None => "--code DIR --handler FILE.FUNCTION".to_owned(),
        Some(template) => {
            format!("--code {} --handler {}", quoted(&template.code()), quoted(Path::new(template.handler())))
        }
    };
    let invoke =
        with(&format!("invoke {layers} {function}"), &[&repeated.config, &repeated.runtime, &repeated.variables]);
    let mut lines = match template {
        None => vec![format!("{invoke}   # run a function")],
        Some(template) => vec![
            invoke,
            format!("sam deploy --guided --capabilities CAPABILITY_IAM --template-file {}", quoted(template.path())),
        ],
    };
    if template.is_none() {
        let direct = Limits::built_in().layer_zipped;
        let through_s3 = report.layers.iter().flatten().any(|layer| layer.zipped_bytes > direct)
            && config.publish.s3_bucket.is_none();
        let bucket = if through_s3 { vec!["--s3-bucket BUCKET".to_owned()] } else { Vec::new() };
        lines.push(with(&format!("publish {layers}"), &[&repeated.config, &repeated.architecture, &bucket]));
        let check = [
            repeated.config,
            repeated.runtime,
            repeated.architecture,
            repeated.limits,
            repeated.variables,
            repeated.ignored,
        ];
        lines.push(with(&format!("check {layers}"), &[&check.concat()]) + "   # in CI");
    }
    format!("Next: {}\n", lines.join("\n      "))
}

/// The options of a run that its manifest does not record, or that layerfit.toml would override in the next one.
struct Repeated {
    config: Vec<String>,
    runtime: Vec<String>,
    architecture: Vec<String>,
    limits: Vec<String>,
    variables: Vec<String>,
    ignored: Vec<String>,
}

impl Repeated {
    fn new(options: &PlanOptions, config: &Config) -> Self {
        let PlanOptions { input, variables, content, rules, limits, .. } = options;
        // A profile in a file is recorded by its name, which does not lead to the file.
        let runtime =
            input.runtime.iter().filter(|name| config.runtime.is_some() || !RuntimeProfile::is_built_in(name));
        let architecture = content.arch.filter(|_| config.arch.is_some()).map(Architecture::name);
        let bytes = |given: Option<u64>, is_set: bool| given.filter(|_| is_set).map(|bytes| format!("{bytes}B"));
        let limits = [
            ("--max-zipped", bytes(limits.max_zipped, config.max_zipped.is_some())),
            ("--max-unzipped", bytes(limits.max_unzipped, config.max_unzipped.is_some())),
            (
                "--max-layers",
                limits.max_layers.filter(|_| config.max_layers.is_some()).map(|layers| layers.to_string()),
            ),
            ("--function-size", bytes(limits.function_size, config.function_size.is_some())),
        ];
        let is_check = |name: &&String| Code::ALL.iter().any(|code| code.as_str() == name.as_str());
        Self {
            config: input.config.iter().map(|path| format!("--config {}", quoted(path))).collect(),
            runtime: runtime.map(|name| format!("--runtime {}", quoted(Path::new(name)))).collect(),
            architecture: architecture.iter().map(|name| format!("--arch {name}")).collect(),
            limits: limits.into_iter().filter_map(|(option, value)| Some(format!("{option} {}", value?))).collect(),
            variables: variables.env.iter().map(|given| format!("--env {}", shown(given))).collect(),
            ignored: rules.ignore.iter().filter(is_check).map(|code| format!("--ignore {code}")).collect(),
        }
    }
}

/// A variable as it was given, if its value is a list of paths in a function. Any other can be a secret, which is not printed.
fn shown(given: &str) -> String {
    let Some((name, value)) = given.split_once('=') else { return quoted(Path::new(given)) };
    let is_path = |text: &str| {
        DIRECTORIES.iter().any(|directory| {
            text.strip_prefix(directory).is_some_and(|below| below.is_empty() || below.starts_with('/'))
        })
    };
    let is_printed = value.split(':').filter(|element| !element.is_empty()).all(is_path);
    format!("{name}={}", if is_printed { quoted(Path::new(value)) } else { "VALUE".to_owned() })
}

/// A path as a word of a command line.
pub(super) fn quoted(path: &Path) -> String {
    let shown = one_line(&path.to_string_lossy());
    shlex::try_quote(&shown).map_or_else(|_| shown.clone(), std::borrow::Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_in_a_function_are_printed() {
        for (given, text) in [
            ("PROJ_DATA=/opt/share/proj", "PROJ_DATA=/opt/share/proj"),
            ("LD_LIBRARY_PATH=/opt/lib::/var/task", "LD_LIBRARY_PATH=/opt/lib::/var/task"),
            ("EMPTY=", "EMPTY=''"),
            ("TOKEN=/opted/secret", "TOKEN=VALUE"),
            ("TOKEN=/opt/lib:secret", "TOKEN=VALUE"),
            ("TOKEN=secret", "TOKEN=VALUE"),
            ("HOME", "HOME"),
            ("A=/opt/a b", "A='/opt/a b'"),
        ] {
            assert_eq!(shown(given), text);
        }
    }
}
