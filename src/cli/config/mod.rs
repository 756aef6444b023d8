//! `layerfit.toml`: settings for every run, including those without a command-line option. The file is searched for in the
//! working directory and those above it; paths in it are relative to its directory.
//!
//! A key with a corresponding option has the option's name.

mod place;
mod problems;

pub(super) use place::of as place_of;

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::process::geteuid;
use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Deserializer};
use serde_json::json;
use toml::de::{DeTable, DeValue};

use super::args::{Architecture, LevelName, StrategyName, StripName};
use crate::base::error::{Error, Result};
use crate::base::finding::{Code, Severity};
use crate::base::read;
use crate::publish::sam::{Handler, Trigger};
use crate::report::gate::Growth;

/// The file's name.
pub(super) const NAME: &str = "layerfit.toml";

/// The runtime where neither the file nor an option names one.
pub(super) const RUNTIME: &str = "provided.al2023";

/// The content of layerfit.toml; a key that is not set leaves the option's default.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(title = "layerfit.toml")]
pub(super) struct Config {
    /// Lambda runtime the layers are for: a built-in profile, or the path of one.
    #[schemars(example = &"provided.al2023")]
    pub runtime: Option<String>,
    /// Environment variables of the function. `publish --function` sets them.
    #[schemars(example = json!({"TZ": "UTC", "PROJ_DATA": "/opt/share/proj"}))]
    pub env: BTreeMap<String, String>,
    /// Architecture of the function; files for another are errors.
    #[schemars(example = &"arm64")]
    pub arch: Option<Architecture>,
    /// Files with additional prune rules.
    #[schemars(example = ["our-rules.toml"])]
    pub rules: Vec<PathBuf>,
    /// Prune rules to turn on, by code or name; "extra" is all that are off by default.
    #[schemars(example = ["datasets", "D105"])]
    pub select: Vec<String>,
    /// Prune rules to turn off, and checks whose findings are hidden.
    #[schemars(example = ["help", "L206"])]
    pub ignore: Vec<String>,
    /// Targets to drop: packages, libraries, paths or units.
    #[schemars(example = ["pkg:mgcv", "lib/libX11.so.6"])]
    pub drop: Vec<String>,
    /// Also drop packages that only dropped packages need.
    #[schemars(example = true)]
    pub autoremove: Option<bool>,
    /// Targets that are never dropped.
    #[schemars(example = ["suggested:caret::train", "share/templates"])]
    pub keep: Vec<String>,
    /// Sources of the function, in R, Python, JavaScript or TypeScript, or directories with them: packages of the same language that
    /// they do not use are dropped.
    #[schemars(example = ["handler.R"])]
    pub handler: Vec<PathBuf>,
    /// Logs of test runs; what they opened is never pruned.
    #[schemars(example = ["opened.log"])]
    pub trace: Vec<PathBuf>,
    /// Copy libraries that neither the tree nor the runtime has from the build host.
    #[schemars(example = true)]
    pub bundle: Option<bool>,
    /// Root file system of the build host, for `bundle`: a directory or an image archive. By default, that of the image that the
    /// tree is from, or else of this machine.
    #[schemars(example = &"my-r.tar")]
    pub sysroot: Option<PathBuf>,
    /// Compression level.
    #[schemars(example = &"max")]
    pub level: Option<LevelName>,
    /// Compressed contents that several machines share: a directory, or `s3://BUCKET/PREFIX`.
    #[schemars(example = &"s3://team-builds/cache")]
    pub shared_cache: Option<String>,
    /// What to strip from ELF files.
    #[schemars(example = &"all")]
    pub strip: Option<StripName>,
    /// Globs of files that are not stripped.
    #[schemars(example = ["lib/libjvm.so"])]
    pub no_strip: Vec<String>,
    /// Store R's lazy-load databases uncompressed, so that they compress better in the zip.
    #[schemars(example = true)]
    pub repack_rdb: Option<bool>,
    /// How to divide content into layers.
    #[schemars(example = &"kinds")]
    pub strategy: Option<StrategyName>,
    /// Room that each layer leaves free, if that needs no more layers.
    #[schemars(example = &"5%")]
    pub slack: Option<GrowthText>,
    /// File that records which unit is in which layer.
    #[schemars(example = &"layerfit.lock")]
    pub lock: Option<PathBuf>,
    /// Maximum size of each layer zip.
    #[schemars(example = &"250MiB")]
    pub max_zipped: Option<LimitBytes>,
    /// Maximum unzipped size of function and layers together.
    #[schemars(example = &"200MiB")]
    pub max_unzipped: Option<LimitBytes>,
    /// Maximum number of layers.
    #[schemars(example = 4)]
    #[serde(deserialize_with = "at_least_one")]
    pub max_layers: Option<NonZeroUsize>,
    /// Unzipped size to reserve for the function's own code. If `template.code` is larger, its own size counts.
    #[schemars(example = &"3MiB")]
    pub function_size: Option<Bytes>,
    /// Size that must stay free of the limits; less is a warning. Unzipped, the limit is that of function and layers together;
    /// zipped, that of one layer for each layer that a function can have.
    #[schemars(example = &"5MiB")]
    pub headroom: Option<Bytes>,
    /// Baseline that `check` compares with: a manifest, or a file that `check --update-baseline` writes.
    #[schemars(example = &"layerfit.baseline.json")]
    pub baseline: Option<PathBuf>,
    /// Growth of all layers together that is allowed since the baseline; if it is not set, none is.
    #[schemars(example = &"2%")]
    pub max_growth: Option<GrowthText>,
    /// Libraries that R_LIBS_USER is set to, relative to the tree.
    #[schemars(example = ["local/lib/R/site-library"])]
    pub r_libs_user: Vec<String>,
    /// Named layers, and what they hold.
    #[schemars(
        example = json!([{"name": "runtime", "holds": ["r", "lib:*"]}, {"name": "packages", "holds": ["pkg:*"]}])
    )]
    pub layer: Vec<LayerConfig>,
    /// Packages that move to another library.
    #[schemars(example = json!([{"packages": ["survival", "Matrix"], "to": "local/lib/R/site-library"}]))]
    pub relocate: Vec<RelocateConfig>,
    /// Severities of findings, by code and subject.
    #[schemars(
        example = json!([{"code": "L201", "subject": "R/library/nlme/**", "severity": "off", "reason": "nothing loads nlme"}])
    )]
    pub finding: Vec<FindingConfig>,
    /// Sizes and growth that `check` allows.
    #[schemars(example = json!([{"of": "pkg:*", "zipped": "5MiB", "growth": "10%"}]))]
    pub budget: Vec<BudgetConfig>,
    /// Options of `publish`.
    #[schemars(example = json!({"prefix": "my-r-", "license-info": "MIT", "function": "my-function"}))]
    pub publish: PublishConfig,
    /// The function in the template of `pack --template`.
    #[schemars(example = json!({"code": "hello", "handler": "hello.handler", "trigger": "s3:.rds"}))]
    pub template: TemplateConfig,
    /// The file that this was read from.
    #[serde(skip)]
    source: Source,
}

/// The file of a configuration.
#[derive(Debug, Clone, Default)]
struct Source {
    /// Its path as messages show it.
    shown: String,
    /// The directory that it lies in.
    directory: PathBuf,
    /// Its content.
    text: String,
}

/// Reads a count that is at least 1.
fn at_least_one<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Option<NonZeroUsize>, D::Error> {
    let number = usize::deserialize(deserializer)?;
    NonZeroUsize::new(number)
        .map(Some)
        .ok_or_else(|| serde::de::Error::custom("must be at least 1; leave it out for Lambda's limit"))
}

/// The severity of some findings.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct FindingConfig {
    /// The check's code.
    pub code: Code,
    /// Glob of their subjects; all of them when it is not set.
    pub subject: Option<String>,
    /// Their severity.
    pub severity: SeverityName,
    /// The reason, which is required when they are turned off.
    #[serde(default)]
    pub reason: String,
}

/// The severity of findings; `off` hides them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum SeverityName {
    Error,
    Warning,
    Info,
    Off,
}

impl SeverityName {
    pub(super) fn severity(self) -> Option<Severity> {
        match self {
            SeverityName::Error => Some(Severity::Error),
            SeverityName::Warning => Some(Severity::Warning),
            SeverityName::Info => Some(Severity::Info),
            SeverityName::Off => None,
        }
    }
}

/// The size and growth that something is allowed.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct BudgetConfig {
    /// `total`, `layer:GLOB`, `pkg:GLOB`, or a glob of paths; a name that no file has is that of a package. What has no wildcard has to
    /// be in the layers.
    pub of: String,
    /// Maximum size in zips.
    pub zipped: Option<Bytes>,
    /// Maximum unzipped size.
    pub unzipped: Option<Bytes>,
    /// Growth allowed since the baseline.
    pub growth: Option<GrowthText>,
}

/// A growth: `"2%"`, `"500KiB"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String")]
pub(super) struct GrowthText(pub Growth);

impl TryFrom<String> for GrowthText {
    type Error = String;

    fn try_from(text: String) -> std::result::Result<Self, String> {
        text.parse().map(Self)
    }
}

/// A named layer.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct LayerConfig {
    /// Name of the layer, and of its zip.
    pub name: String,
    /// Globs of unit names or paths, names of packages or libraries.
    pub holds: Vec<String>,
}

/// Packages that are packed into a library different from the one they are installed in.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RelocateConfig {
    /// Names of the packages.
    pub packages: Vec<String>,
    /// The library, relative to the tree.
    pub to: String,
}

/// Options of `layerfit publish`.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct PublishConfig {
    /// Prefix for the names of the layers in AWS.
    pub prefix: Option<String>,
    /// Names of the layers in AWS, by their names in the manifest.
    pub names: BTreeMap<String, String>,
    /// Description of each published version.
    pub description: Option<String>,
    /// Licence: an SPDX identifier, a URL or a text.
    pub license_info: Option<String>,
    /// Compatible runtimes, by Lambda's names.
    pub compatible_runtimes: Vec<String>,
    /// Bucket for zips too large for a direct upload.
    pub s3_bucket: Option<String>,
    /// Prefix for keys in the bucket.
    pub s3_prefix: Option<String>,
    /// Function to attach the layers to.
    pub function: Option<String>,
    /// Profile of the AWS CLI.
    pub profile: Option<String>,
    /// AWS Region.
    pub region: Option<String>,
}

/// The function in the template of `layerfit pack --template`.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct TemplateConfig {
    /// Directory or zip of its code; by default, `function` beside the template.
    pub code: Option<PathBuf>,
    /// Its handler.
    pub handler: Option<HandlerText>,
    /// What triggers it: `none`, `s3` for each object that is created in a bucket of its own, or `s3:SUFFIX` for those whose
    /// keys end with it.
    pub trigger: Option<TriggerText>,
}

/// A handler: `"hello.handler"`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String")]
pub(super) struct HandlerText(pub Handler);

impl TryFrom<String> for HandlerText {
    type Error = String;

    fn try_from(text: String) -> std::result::Result<Self, String> {
        text.parse().map(Self)
    }
}

/// A trigger: `"none"`, `"s3"`, `"s3:.rds"`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String")]
pub(super) struct TriggerText(pub Trigger);

impl TryFrom<String> for TriggerText {
    type Error = String;

    fn try_from(text: String) -> std::result::Result<Self, String> {
        text.parse().map(Self)
    }
}

/// A size: `"50MiB"`, `52428800`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "NumberOrText")]
#[schemars(with = "NumberOrText")]
pub(super) struct Bytes(pub u64);

/// A size that layers must stay within, written as a size is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "Bytes")]
#[schemars(with = "NumberOrText")]
pub(super) struct LimitBytes(pub u64);

impl TryFrom<Bytes> for LimitBytes {
    type Error = String;

    fn try_from(size: Bytes) -> std::result::Result<Self, String> {
        crate::base::bytes::limit(size.0).map(Self)
    }
}

/// A size with a unit (B, KiB, MiB, GiB; KB, MB and GB mean the same), or a number of bytes with at least six digits:
/// `"50MiB"`, `52428800`.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
enum NumberOrText {
    Number(u64),
    #[schemars(skip)]
    Negative(i64),
    #[schemars(skip)]
    Fraction(f64),
    Text(String),
}

impl TryFrom<NumberOrText> for Bytes {
    type Error = String;

    fn try_from(value: NumberOrText) -> std::result::Result<Self, String> {
        match value {
            NumberOrText::Number(bytes) => crate::base::bytes::without_unit(bytes).map(Self),
            NumberOrText::Negative(number) => Err(format!("{number} is not a size: it is negative")),
            NumberOrText::Fraction(number) => Err(crate::base::bytes::fraction(number)),
            NumberOrText::Text(text) => crate::base::bytes::parse(&text).map(Self),
        }
    }
}

impl Config {
    /// The file at `named`, or else the nearest one in `start` and above; the defaults when there is none.
    ///
    /// # Errors
    /// When the file cannot be read, or is not as it must be.
    pub(super) fn find(named: Option<&Path>, start: &Path) -> Result<(Self, Option<PathBuf>)> {
        let found =
            start.ancestors().map(|directory| directory.join(NAME)).find(|path| path.exists() && !path.is_dir());
        if let (None, Some(found)) = (named, &found) {
            only_trusted(found, start)?;
        }
        let Some(path) = named.map(Path::to_owned).or(found) else { return Ok((Self::default(), None)) };
        let text = read::text(&path, read::MAX_TEXT)?;
        let shown = path.strip_prefix(start).unwrap_or(&path).display().to_string();
        let mut config: Self = problems::read(&shown, &text).map_err(|problems| Error::Usage {
            message: problems.join("\n  "),
            help: "fix it, or ignore the file with --config /dev/null".to_owned(),
        })?;
        let directory = path.parent().map(Path::to_owned).unwrap_or_default();
        config.source = Source { shown, directory, text };
        Ok((config, Some(path)))
    }

    /// A path of the file, from the directory that it lies in.
    pub(super) fn path(&self, path: &Path) -> PathBuf {
        self.source.directory.join(path)
    }

    /// The content of the file; empty when there is none.
    pub(super) fn text(&self) -> &str {
        &self.source.text
    }

    /// Where a key stands, or one element of its list: `layerfit.toml:3`.
    pub(super) fn place(&self, key: &str, element: usize) -> String {
        let (document, _) = DeTable::parse_recoverable(&self.source.text);
        let written = document.get_ref().iter().find(|(name, _)| name.get_ref() == key);
        self.line_of(written.map(|(name, value)| match value.get_ref() {
            DeValue::Array(array) => array.get(element).map_or(name.span().start, |element| element.span().start),
            _ => name.span().start,
        }))
    }

    /// Where a key of a table stands, whose keys are the user's.
    pub(super) fn place_in(&self, table: &str, key: &str) -> String {
        let (document, _) = DeTable::parse_recoverable(&self.source.text);
        let found = document.get_ref().iter().find(|(name, _)| name.get_ref() == table);
        let keys = found.and_then(|(_, value)| value.get_ref().as_table());
        let written = keys.and_then(|keys| keys.iter().find(|(name, _)| name.get_ref() == key));
        self.line_of(written.map(|(name, _)| name.span().start))
    }

    /// The file, with the line of a byte if it is known.
    fn line_of(&self, at: Option<usize>) -> String {
        let Source { shown, text, .. } = &self.source;
        match at {
            Some(at) => format!("{shown}:{}", place::of(text, at).0),
            None => shown.clone(),
        }
    }
}

/// Refuses a file that was found, and not named, if it belongs neither to this user, nor to root, nor to the owner of the
/// working directory, as those of a checkout do: anyone could put one above a directory in `/tmp`, and it decides what fails.
fn only_trusted(found: &Path, start: &Path) -> Result<()> {
    let owner = |path: &Path| std::fs::metadata(path).map(|metadata| metadata.uid());
    let Ok(owned_by) = owner(found) else { return Ok(()) };
    if owned_by == 0 || owned_by == geteuid().as_raw() || owner(start).is_ok_and(|user| user == owned_by) {
        return Ok(());
    }
    Err(Error::Usage {
        message: format!("{}: belongs to another user, who is not the owner of this directory", found.display()),
        help: "name it with --config if you trust it, or ignore it with --config /dev/null".to_owned(),
    })
}

/// The JSON Schema of layerfit.toml, generated from the types; `docs/layerfit.schema.json` is a copy.
///
/// # Errors
/// When it cannot be written as JSON, which cannot be.
pub fn schema() -> Result<Vec<u8>> {
    crate::report::as_json(&json_schema())
}

/// The same, to be read.
pub(super) fn json_schema() -> Schema {
    schemars::schema_for!(Config)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::cli::args::Cli;

    /// Keys that no option sets.
    const KEYS_ALONE: [&str; 7] = ["budget", "finding", "layer", "publish", "r-libs-user", "relocate", "template"];

    #[test]
    fn a_key_has_the_name_of_its_option() {
        let schema = schemars::schema_for!(Config).to_value();
        let command = Cli::command();
        let check = command.find_subcommand("check").expect("check");
        let options: Vec<&str> = check.get_arguments().filter_map(clap::Arg::get_long).collect();
        for key in schema["properties"].as_object().expect("keys").keys() {
            assert_eq!(options.contains(&key.as_str()), !KEYS_ALONE.contains(&key.as_str()), "{key}");
        }
    }

    #[test]
    fn a_place_is_that_of_a_key_or_of_an_element() {
        let text = "runtime = \"x\"\nselect = [\n  \"a\",\n  \"b\",\n]\n[[layer]]\nname = \"x\"\nholds = []\n";
        let mut config: Config = problems::read("f", text).expect("read");
        config.source = Source { shown: "f".to_owned(), directory: PathBuf::new(), text: text.to_owned() };
        assert_eq!(config.place("runtime", 0), "f:1");
        assert_eq!(config.place("select", 1), "f:4");
        assert_eq!(config.place("layer", 0), "f:6");
        assert_eq!(config.place("drop", 0), "f");
    }
}
