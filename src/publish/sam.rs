//! A template for AWS SAM: a layer version for each layer, and a function that uses them all, with what triggers it
//! (<https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/>).

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use minijinja::value::Serde;
use minijinja::{Environment, UndefinedBehavior, context};
use serde::Serialize;

use crate::base::bytes::plural;
use crate::base::directory::real;
use crate::base::error::{Error, Result};
use crate::base::read;
use crate::pack::output::architecture;
use crate::report::{LayerReport, Report};
use crate::runtime::RuntimeProfile;

/// The first line of a template. A file that begins otherwise is the user's.
const MARKER: &str =
    "# Written by `layerfit pack --template`, which overwrites it on the next run. Copy this file to change it.";
const TEMPLATE: &str = include_str!("sam.yaml");
/// The runtime of the function if that of the layers is not one of Lambda's.
const RUNTIME: &str = "provided.al2023";
/// The directory of the function's code if none is named, beside the template.
const CODE: &str = "function";
/// The handler of the function whose code is there.
const HANDLER: &str = "test.handler";
/// The most characters that a handler can have, according to the reference of `CreateFunction`.
const MAX_HANDLER: usize = 128;

/// The function of a template.
#[derive(Debug, Clone, Default)]
pub struct Function {
    /// The directory or zip of its code; by default, `function` beside the template.
    pub code: Option<PathBuf>,
    /// Its handler.
    pub handler: Option<Handler>,
    /// What triggers it.
    pub trigger: Trigger,
}

/// A handler as Lambda accepts it: `hello.handler`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handler(String);

impl FromStr for Handler {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        if text.is_empty() || text.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(
                "not a handler such as hello.handler: a file without its ending, a dot, and a function".to_owned()
            );
        }
        if text.chars().count() > MAX_HANDLER {
            return Err(format!("longer than the {MAX_HANDLER} characters that a handler can have"));
        }
        Ok(Self(text.to_owned()))
    }
}

/// What triggers the function of a template.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Trigger {
    /// Nothing: it is invoked by its name.
    #[default]
    None,
    /// Objects that are created in a bucket of its own.
    Bucket {
        /// What their keys end with; any end if it is empty.
        suffix: String,
    },
}

impl FromStr for Trigger {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        match text.split_once(':').unwrap_or((text, "")) {
            ("none", "") => Ok(Self::None),
            // S3 has no filter for an empty suffix.
            ("s3", "") if text.ends_with(':') => Err("the suffix is empty; s3 alone is for all objects".to_owned()),
            ("s3", suffix) => Ok(Self::Bucket { suffix: suffix.to_owned() }),
            _ => Err("not a trigger: use none, s3, or s3:SUFFIX for objects with keys such as *SUFFIX".to_owned()),
        }
    }
}

/// A template to write.
#[derive(Debug)]
pub struct Template {
    path: PathBuf,
    function: Function,
}

#[derive(Serialize)]
struct TemplateLayer {
    resource: String,
    name: String,
    description: String,
    content: String,
}

impl Template {
    /// Checks, before anything is packed, that a template for the tree `root` with this function can be written to `path`.
    ///
    /// # Errors
    /// When there is a file that layerfit did not write or cannot read, when `path` is in the tree, where the next run would
    /// pack it, or when the function's code is not there or has no handler.
    pub fn begin(path: &Path, root: &Path, function: Function) -> Result<Self> {
        if let Some(code) = &function.code {
            if !code.exists() {
                return Err(Error::Usage {
                    message: format!("the function's code {}: no such directory or zip", code.display()),
                    help: "name the directory of the function's code with --template-code".to_owned(),
                });
            }
            if function.handler.is_none() {
                return Err(Error::Usage {
                    message: format!("the function whose code is {} has no handler", code.display()),
                    help: "name it, such as --template-handler hello.handler for the function `handler` in hello.R"
                        .to_owned(),
                });
            }
        }
        if let (Ok(root), Ok(directory)) = (root.canonicalize(), directory(path).canonicalize())
            && directory.starts_with(&root)
        {
            return Err(Error::Usage {
                message: format!("--template {}: is in the tree to be packed", path.display()),
                help: "name a file outside the tree, such as one beside the output directory".to_owned(),
            });
        }
        match read::up_to(path, MARKER.len() as u64) {
            Ok(bytes) if bytes.starts_with(MARKER.as_bytes()) => {}
            Ok(_) => {
                return Err(Error::Usage {
                    message: format!("{}: layerfit did not write this file", path.display()),
                    help: "move it away, or name another file with --template".to_owned(),
                });
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let directory = directory(path);
                if !directory.is_dir() {
                    return Err(Error::Usage {
                        message: format!("--template {}: no such directory: {}", path.display(), directory.display()),
                        help: "create the directory, or name another file".to_owned(),
                    });
                }
            }
            Err(error) => return Err(Error::io("read", path)(error)),
        }
        Ok(Self { path: path.to_owned(), function })
    }

    /// Where it is written.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The directory or zip of the function's code, which the user may still have to make.
    pub fn code(&self) -> PathBuf {
        self.function.code.clone().unwrap_or_else(|| Self::default_code(&self.path))
    }

    /// Where the code of a function is that is not named, for a template at `path`.
    pub fn default_code(path: &Path) -> PathBuf {
        directory(path).join(CODE).components().collect()
    }

    /// The function's handler.
    pub fn handler(&self) -> &str {
        self.function.handler.as_ref().map_or(HANDLER, |handler| &handler.0)
    }

    /// The content of the template for layers in the directory `output`, which need not exist yet. The function gets the
    /// architecture `requested`, or that of most files, and these environment variables.
    ///
    /// # Errors
    /// When there is no working directory, or it cannot be rendered, which would be a bug.
    pub fn content(
        &self,
        output: &Path,
        report: &Report,
        requested: Option<&str>,
        variables: &BTreeMap<String, String>,
    ) -> Result<Vec<u8>> {
        // Resolved: paths with ".." or links could not be related by their names alone.
        let from = real(directory(&self.path))?;
        let relative = |path: &Path| -> Result<String> {
            let path = real(path)?;
            // There is always a relative path between two absolute ones.
            let path = pathdiff::diff_paths(&path, &from).unwrap_or(path);
            Ok(if path.as_os_str().is_empty() { ".".to_owned() } else { path.to_string_lossy().into_owned() })
        };
        let code = self.function.code.as_deref().map_or_else(|| Ok(CODE.to_owned()), relative)?;
        Ok(self.text(report, (&relative(output)?, &code), requested, variables)?.into_bytes())
    }

    /// The template, with the layers in the directory `content` and the function's code in `code`, which are relative to the
    /// template's directory.
    fn text(
        &self,
        report: &Report,
        (content, code): (&str, &str),
        requested: Option<&str>,
        variables: &BTreeMap<String, String>,
    ) -> Result<String> {
        let mut taken: BTreeSet<String> = ["Function", "Bucket", "BucketName"].map(str::to_owned).into();
        let of_layer = |layer: &LayerReport| TemplateLayer {
            resource: resource(&layer.name, &mut taken),
            name: layer_name(&layer.name),
            description: format!("{} of {}", layer.name, report.root)
                .chars()
                .filter(|c| !c.is_control())
                .take(256)
                .collect(),
            content: Path::new(content).join(&layer.zip).to_string_lossy().into_owned(),
        };
        let layers: Vec<TemplateLayer> = report.layers.iter().flatten().map(of_layer).collect();
        let runtime = Some(report.runtime.as_str()).filter(|name| RuntimeProfile::is_lambda(name));
        let of_most = architecture(report.objects.iter().map(|object| object.machine.as_str()));
        let suffix = match &self.function.trigger {
            Trigger::None => None,
            Trigger::Bucket { suffix } => Some(suffix),
        };
        let render = || {
            let mut environment = Environment::new();
            environment.set_undefined_behavior(UndefinedBehavior::Strict);
            // The extension of the name makes minijinja write every value as JSON.
            environment.add_template("sam.yaml", TEMPLATE)?;
            environment.get_template("sam.yaml")?.render(context! {
                marker => MARKER,
                description => format!("{} in {}", report.root, plural(layers.len(), "layer", "layers")),
                runtime => runtime.unwrap_or(RUNTIME),
                runtimes => runtime.map(str::to_owned).into_iter().collect::<Vec<String>>(),
                architecture => requested.or(of_most).map(str::to_owned),
                layers => Serde(&layers),
                variables => variables,
                code => code,
                handler => self.handler(),
                bootstrap => runtime.unwrap_or(RUNTIME).starts_with("provided"),
                bucket => suffix.is_some(),
                suffix => suffix,
            })
        };
        render().map(|text| text + "\n").map_err(Error::bug("render the template"))
    }
}

/// The directory that a file is in.
fn directory(file: &Path) -> &Path {
    file.parent().filter(|directory| !directory.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A unique name for a layer's resource: CloudFormation allows letters and digits.
fn resource(layer: &str, taken: &mut BTreeSet<String>) -> String {
    let words = layer.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let mut name: String = words.map(|word| word[..1].to_ascii_uppercase() + &word[1..]).collect();
    if !name.starts_with("Layer") {
        name.insert_str(0, "Layer");
    }
    name.truncate(200);
    let numbers = (2_usize..).map(|number| format!("{name}x{number}"));
    let free = std::iter::once(name.clone()).chain(numbers).find(|name| !taken.contains(name)).unwrap_or(name);
    taken.insert(free.clone());
    free
}

/// A layer's name with the characters that Lambda allows: letters, digits, hyphens and underscores.
fn layer_name(layer: &str) -> String {
    layer.chars().map(|c| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_') { c } else { '-' }).take(60).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resources_are_alphanumeric_and_each_has_its_own_name() {
        let mut taken = BTreeSet::new();
        let names = ["layer-1", "r", "my-own.lib", "my_own-lib", "myOwn lib", "ä", "ö"];
        let names = names.map(|name| resource(name, &mut taken));
        assert_eq!(
            names,
            ["Layer1", "LayerR", "LayerMyOwnLib", "LayerMyOwnLibx2", "LayerMyOwnLibx3", "Layer", "Layerx2"]
        );
    }
}
