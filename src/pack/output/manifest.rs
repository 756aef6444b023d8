//! The manifest: the report's JSON with the entries of every layer.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::given::GivenOptions;
use crate::base::error::{Error, Result};
use crate::base::finding::{Code, Finding, Severity};
use crate::base::path::printable;
use crate::base::read;
use crate::base::subject::Subject;
use crate::container::Image;
use crate::pack::measure::ENTRY_OVERHEAD;
use crate::tree::LayerEntry;
use crate::tree::sha256_of;

/// The version of the JSON of manifests and reports. Adding fields does not change it; renaming or removing one does.
pub const SCHEMA: u32 = 1;

/// The manifest's name in an output directory.
pub const MANIFEST: &str = "manifest.json";

/// One entry of a layer's zip.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ManifestEntry {
    /// Its path, relative to `/opt`.
    pub path: String,
    /// Its length in bytes.
    pub size: u64,
    /// Its length in the zip in bytes, without headers.
    pub compressed: u64,
    /// Its CRC-32, in hexadecimal.
    pub crc32: String,
    /// Its type and permission bits, in octal.
    pub mode: String,
    /// The target of a link.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub link: Option<String>,
}

impl From<&LayerEntry> for ManifestEntry {
    fn from(entry: &LayerEntry) -> Self {
        Self {
            path: entry.path.to_string(),
            size: entry.bytes,
            compressed: entry.compressed,
            crc32: format!("{:08x}", entry.crc32),
            mode: format!("{:06o}", entry.mode),
            link: entry.link.as_deref().map(|target| printable(target).into_owned()),
        }
    }
}

impl ManifestEntry {
    /// What the entry adds to a zip that layerfit writes, in bytes: its headers, each with the name, and its content.
    pub fn zipped_bytes(&self) -> u64 {
        let directory = u64::from(self.mode.starts_with("04"));
        (ENTRY_OVERHEAD + 2 * (self.path.len() as u64 + directory)).saturating_add(self.compressed)
    }
}

/// What layerfit reads back of a manifest: the zips it wrote. Other fields are for other readers.
#[derive(Debug, Clone, Deserialize)]
pub struct Manifest {
    /// The form of the manifest.
    pub schema: u32,
    /// The runtime the layers were checked for.
    #[serde(default)]
    pub runtime: String,
    /// The architecture they were checked for.
    #[serde(default)]
    pub architecture: Option<ManifestArchitecture>,
    /// The limits they are within.
    #[serde(default)]
    pub limits: ManifestLimits,
    /// The options of the command line that shaped them.
    #[serde(default)]
    pub options: GivenOptions,
    /// The ELF files in them.
    #[serde(default)]
    pub objects: Vec<ManifestObject>,
    /// The layers, in the order to attach them.
    pub layers: Vec<ManifestLayer>,
    /// The findings about them.
    #[serde(default)]
    pub findings: Vec<ManifestFinding>,
}

/// What layerfit reads back of the architecture.
#[derive(Debug, Clone, Deserialize)]
pub struct ManifestArchitecture {
    /// Lambda's name for it, or the machine's.
    pub name: String,
    /// Whether it is only that of most files.
    #[serde(default)]
    pub assumed: bool,
}

/// What layerfit reads back of the limits; those that a manifest lacks are not known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ManifestLimits {
    /// The largest zip of one layer, in bytes.
    pub layer_zipped: Option<u64>,
    /// The largest sum of all files of the function and its layers, in bytes.
    pub total_unzipped: Option<u64>,
    /// Maximum number of layers.
    pub layers: Option<usize>,
    /// The bytes that were reserved for the function's own code.
    pub function_unzipped: Option<u64>,
}

/// What layerfit reads back of a finding.
#[derive(Debug, Clone, Deserialize)]
pub struct ManifestFinding {
    /// Its code.
    pub code: String,
    /// Its severity.
    pub severity: String,
}

/// What layerfit reads back of an ELF file.
#[derive(Debug, Clone, Deserialize)]
pub struct ManifestObject {
    /// The machine it runs on.
    pub machine: String,
}

/// What layerfit reads back of a layer.
#[derive(Debug, Clone, Deserialize)]
pub struct ManifestLayer {
    /// The layer's name.
    pub name: String,
    /// Its zip's name, in the directory of the manifest.
    pub zip: String,
    /// The sha256 of the zip, in hexadecimal.
    pub sha256: String,
    /// The length of the zip in bytes.
    pub zipped_bytes: u64,
    /// The sum of the lengths of its files in bytes; 0 where the manifest does not have it.
    #[serde(default)]
    pub unzipped_bytes: u64,
}

/// The paths in a manifest, which only few readers need: there can be a million.
#[derive(Debug, Deserialize)]
struct Listed {
    layers: Vec<ListedLayer>,
}

/// The paths in a layer.
#[derive(Debug, Deserialize)]
struct ListedLayer {
    #[serde(default)]
    entries: Vec<ListedEntry>,
}

/// A path.
#[derive(Debug, Deserialize)]
struct ListedEntry {
    path: String,
}

/// The architecture that most of these machines belong to, by Lambda's name for it; `None` when Lambda supports none of them.
pub(crate) fn architecture<'a>(machines: impl Iterator<Item = &'a str>) -> Option<&'static str> {
    let mut files: BTreeMap<&'static str, usize> = BTreeMap::new();
    for machine in machines {
        match machine {
            "x86-64" => *files.entry("x86_64").or_default() += 1,
            "aarch64" => *files.entry("arm64").or_default() += 1,
            _ => {}
        }
    }
    files.into_iter().max_by_key(|(name, count)| (*count, std::cmp::Reverse(*name))).map(|(name, _)| name)
}

impl Manifest {
    /// Reads the manifest of a directory that `pack` wrote.
    ///
    /// # Errors
    /// When it cannot be read, or is not a manifest.
    pub fn read(directory: &Path) -> Result<Self> {
        let path = directory.join(MANIFEST);
        if !directory.exists() {
            return Err(Error::Data {
                file: directory.display().to_string(),
                message: "no such directory".to_owned(),
                help: "name the directory that `layerfit pack` wrote; `layerfit pack -o layers` writes it".to_owned(),
            });
        }
        if !directory.is_dir() {
            return Err(Error::Data {
                file: directory.display().to_string(),
                message: "is not a directory".to_owned(),
                help: "name the directory that `layerfit pack` wrote, which has it".to_owned(),
            });
        }
        Self::read_there(&path)?.ok_or_else(|| Error::Data {
            file: directory.display().to_string(),
            message: format!("has no {MANIFEST}"),
            help: "name a directory that `layerfit pack` wrote".to_owned(),
        })
    }

    /// The paths of all entries that the manifest of a directory lists, in the order of the layers.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn paths(directory: &Path) -> Result<Vec<String>> {
        let path = directory.join(MANIFEST);
        let text = read::text(&path, read::MAX_MANIFEST)?;
        let listed: Listed = serde_json::from_str(&text).map_err(|error| Error::Data {
            file: path.display().to_string(),
            message: error.to_string(),
            help: "pack again".to_owned(),
        })?;
        Ok(listed.layers.into_iter().flat_map(|layer| layer.entries).map(|entry| entry.path).collect())
    }

    /// Reads a manifest at this path.
    ///
    /// # Errors
    /// When it cannot be read, or is not a manifest.
    pub(super) fn read_file(path: &Path) -> Result<Self> {
        Self::read_there(path)?.ok_or_else(|| Error::RootMissing(path.to_owned()))
    }

    /// Reads a manifest, if there is a file.
    fn read_there(path: &Path) -> Result<Option<Self>> {
        let Some(text) = read::text_if_there(path, read::MAX_MANIFEST)? else { return Ok(None) };
        let parsed = Self::parse(&text).map_err(|why| match path.parent().filter(|beside| Image::is_unpacked(beside)) {
            Some(_) => Error::Data {
                file: path.display().to_string(),
                message: "is of a container image that is in separate files".to_owned(),
                help: "name the archive that it was saved to, or copy it to an OCI layout (skopeo copy dir:DIR oci:IMAGE) and name that"
                    .to_owned(),
            },
            None => Error::Data {
                file: path.display().to_string(),
                message: why,
                help: "pack again, or name the zips, the lowest layer first".to_owned(),
            },
        });
        parsed.map(Some)
    }

    /// The codes of the errors that were found when the layers were packed, each once.
    pub fn errors(&self) -> BTreeSet<&str> {
        let error = Severity::Error.to_string();
        self.findings.iter().filter(|finding| finding.severity == error).map(|finding| finding.code.as_str()).collect()
    }

    /// Findings about zips of a directory that are not those of the manifest.
    ///
    /// # Errors
    /// When a zip cannot be read.
    pub fn mismatches(&self, directory: &Path) -> Result<Vec<Finding>> {
        let mut findings = Vec::new();
        for layer in &self.layers {
            let zip = directory.join(&layer.zip);
            let message = if !zip.is_file() {
                "is listed in the manifest, but not in the directory"
            } else if zip.metadata().is_ok_and(|zip| zip.len() != layer.zipped_bytes)
                || sha256_of(&zip)? != layer.sha256
            {
                "is not the zip that the manifest describes"
            } else {
                continue;
            };
            let help = "pack again: the manifest has to be of these layers";
            findings.push(Finding::error(Code::ManifestMismatch, Subject::layer(&layer.zip), message, help));
        }
        Ok(findings)
    }

    /// Reads a manifest.
    ///
    /// # Errors
    /// A message when it is not a manifest, or names a zip outside its directory.
    pub fn parse(text: &str) -> std::result::Result<Self, String> {
        let manifest: Self = serde_json::from_str(text).map_err(|error| error.to_string())?;
        if manifest.schema != SCHEMA {
            return Err(format!("its schema is {}; this layerfit reads schema {}", manifest.schema, SCHEMA));
        }
        match manifest.layers.iter().find(|layer| layer.zip.contains('/') || layer.zip.starts_with('.')) {
            Some(layer) => Err(format!("it names {:?}, which is not a file name in its directory", layer.zip)),
            None => Ok(manifest),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_architecture_is_that_of_most_files() {
        let of = |machines: &[&'static str]| architecture(machines.iter().copied());
        assert_eq!(of(&[]), None);
        assert_eq!(of(&["ppc64 (64 bit)"]), None);
        assert_eq!(of(&["x86-64"]), Some("x86_64"));
        assert_eq!(of(&["aarch64", "x86-64", "aarch64"]), Some("arm64"));
        assert_eq!(of(&["x86-64", "aarch64", "ppc64 (64 bit)", "x86-64"]), Some("x86_64"));
    }
}
