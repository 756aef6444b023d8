//! `layerfit.toml`: what the command line would say every time, and what it cannot say. Looked for in the working directory
//! and those above it; paths in it are relative to where it lies.

mod problems;
mod sources;

pub(super) use sources::sources;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Deserialize;

use super::args::{Architecture, LevelName, StrategyName, StripName};
use crate::base::error::{Error, Result};
use crate::base::finding::{Code, Severity};
use crate::report::gate::Growth;

/// The file's name.
pub(super) const NAME: &str = "layerfit.toml";

/// What layerfit.toml says; what it does not say is as the command line or the default has it.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(title = "layerfit.toml")]
pub(super) struct Config {
    /// A built-in runtime, or the path of a profile.
    pub runtime: Option<String>,
    /// The function's architecture; files for another are an error.
    pub arch: Option<Architecture>,
    /// Files with more prune rules.
    pub rules: Vec<PathBuf>,
    /// Prune rules to turn on, by code or name; "extra" is all that are off.
    pub select: Vec<String>,
    /// Prune rules to turn off, and checks whose findings are left out.
    pub ignore: Vec<String>,
    /// Targets to drop: packages, libraries, paths or units.
    pub drop: Vec<String>,
    /// Targets that are never dropped.
    pub keep: Vec<String>,
    /// The function's own sources.
    pub handler: Vec<PathBuf>,
    /// Logs of its runs.
    pub trace: Vec<PathBuf>,
    /// Take libraries that neither the tree nor the image has from the build host.
    pub bundle: Option<bool>,
    /// The build host's root, for `bundle`.
    pub sysroot: Option<PathBuf>,
    /// How hard to compress.
    pub level: Option<LevelName>,
    /// What to remove from ELF files.
    pub strip: Option<StripName>,
    /// Globs of files that are not stripped.
    pub no_strip: Vec<String>,
    /// Pack R's lazy-load databases with open records.
    pub repack_rdb: Option<bool>,
    /// Which layers are best.
    pub strategy: Option<StrategyName>,
    /// Remembers which unit is in which layer.
    pub lock: Option<PathBuf>,
    /// Lambda's limits, where others count.
    pub limits: LimitsConfig,
    /// Libraries that R_LIBS_USER is to name, relative to the tree.
    pub r_libs_user: Vec<String>,
    /// Layers with names, and what they hold.
    pub layer: Vec<LayerConfig>,
    /// Packages that move to another library.
    pub relocate: Vec<RelocateConfig>,
    /// How bad findings are, by code and subject.
    pub finding: Vec<FindingConfig>,
    /// How much things may weigh, and grow.
    pub budget: Vec<BudgetConfig>,
    /// A manifest, or a file that `check --update-baseline` writes.
    pub baseline: Option<PathBuf>,
    /// How much all layers may grow since the baseline.
    pub max_growth: Option<GrowthText>,
    /// What `publish` takes.
    pub publish: PublishConfig,
    /// The directory that the file lies in.
    #[serde(skip)]
    directory: PathBuf,
}

/// Limits other than Lambda's own.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct LimitsConfig {
    /// The most a layer's zip may have.
    pub layer_zipped: Option<Bytes>,
    /// The most function and layers may have unzipped.
    pub total_unzipped: Option<Bytes>,
    /// The most layers.
    pub layers: Option<std::num::NonZeroUsize>,
    /// Room to keep for the function's own code, unzipped.
    pub function_size: Option<Bytes>,
    /// Room that is to stay free, unzipped in all and zipped in the layers.
    pub headroom: Option<Bytes>,
}

/// How bad some findings are.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct FindingConfig {
    /// The check's code.
    pub code: Code,
    /// A glob of what they are about; all of them when there is none.
    pub subject: Option<String>,
    /// How bad they are here.
    pub severity: SeverityName,
    /// Why; what is turned off must say so.
    #[serde(default)]
    pub reason: String,
}

/// How bad a finding is, or that it is left out.
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

/// How much something may weigh.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct BudgetConfig {
    /// `total`, `layer:GLOB`, `pkg:GLOB`, or a glob of paths.
    pub of: String,
    /// The most it may have in zips.
    pub zipped: Option<Bytes>,
    /// The most it may have unzipped.
    pub unzipped: Option<Bytes>,
    /// How much it may grow since the baseline.
    pub growth: Option<GrowthText>,
}

/// A growth as text: `"2%"`, `"500KB"`.
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

/// A layer with a name.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct LayerConfig {
    /// The layer's name, and that of its zip.
    pub name: String,
    /// Globs of unit names.
    pub holds: Vec<String>,
}

/// Packages that are packed into another library than they are installed in.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RelocateConfig {
    /// The packages, by name.
    pub packages: Vec<String>,
    /// The library, relative to the tree.
    pub to: String,
}

/// What `layerfit publish` would be told on its command line.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct PublishConfig {
    pub prefix: Option<String>,
    /// Names in AWS, by those of the manifest.
    pub names: BTreeMap<String, String>,
    pub description: Option<String>,
    pub license_info: Option<String>,
    pub compatible_runtimes: Vec<String>,
    pub s3_bucket: Option<String>,
    pub s3_prefix: Option<String>,
    pub function: Option<String>,
    pub profile: Option<String>,
    pub region: Option<String>,
}

/// A number of bytes, as a number or as text: `52428800`, `"50MB"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "NumberOrText")]
#[schemars(with = "NumberOrText")]
pub(super) struct Bytes(pub u64);

/// As it is written: `52428800`, or with a unit, `"50MB"`.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
enum NumberOrText {
    Number(u64),
    Text(String),
}

impl TryFrom<NumberOrText> for Bytes {
    type Error = String;

    fn try_from(value: NumberOrText) -> std::result::Result<Self, String> {
        match value {
            NumberOrText::Number(bytes) => Ok(Self(bytes)),
            NumberOrText::Text(text) => crate::base::bytes::parse(&text).map(Self),
        }
    }
}

impl Config {
    /// The file that `named` names, or else the nearest one in `start` and above; the defaults when there is none.
    ///
    /// # Errors
    /// When the file cannot be read, or is not as it must be.
    pub(super) fn find(named: Option<&Path>, start: &Path) -> Result<(Self, Option<PathBuf>)> {
        let found = start.ancestors().map(|directory| directory.join(NAME)).find(|path| path.is_file());
        let Some(path) = named.map(Path::to_owned).or(found) else { return Ok((Self::default(), None)) };
        let text = std::fs::read_to_string(&path).map_err(Error::io("read", &path))?;
        let mut config: Self = problems::read(&text).map_err(|problems| Error::Data {
            file: path.display().to_string(),
            message: problems,
            help: "correct it, or leave it aside with --config /dev/null".to_owned(),
        })?;
        config.directory = path.parent().map(Path::to_owned).unwrap_or_default();
        Ok((config, Some(path)))
    }

    /// A path of the file, from where it lies.
    pub(super) fn path(&self, path: &Path) -> PathBuf {
        self.directory.join(path)
    }
}

/// The JSON Schema of layerfit.toml, generated from the types; `docs/layerfit.schema.json` is a copy.
///
/// # Errors
/// When it cannot be written as JSON, which cannot be.
pub fn schema() -> Result<Vec<u8>> {
    crate::report::as_json(&schemars::schema_for!(Config))
}
