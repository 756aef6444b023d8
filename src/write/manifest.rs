//! The manifest: what is in each zip, for machines. The report's JSON, with the entries of every layer.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::measure::ENTRY_OVERHEAD;
use crate::path::printable;
use crate::scan::LayerEntry;

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
    /// Where it points, when it is a link.
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
        ENTRY_OVERHEAD + 2 * (self.path.len() as u64 + directory) + self.compressed
    }
}

/// What layerfit reads back of a manifest: the zips it wrote. Other fields are for other readers.
#[derive(Debug, Clone, Deserialize)]
pub struct Manifest {
    /// The form of the manifest.
    pub schema: u32,
    /// The layers, in the order to attach them.
    pub layers: Vec<ManifestLayer>,
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
}

impl Manifest {
    /// Reads a manifest.
    ///
    /// # Errors
    /// Says what is wrong when it is none, or names a zip outside its directory.
    pub fn parse(text: &str) -> Result<Self, String> {
        let manifest: Self = serde_json::from_str(text).map_err(|error| error.to_string())?;
        if manifest.schema != crate::report::SCHEMA {
            return Err(format!(
                "its schema is {}, and this layerfit reads {}",
                manifest.schema,
                crate::report::SCHEMA
            ));
        }
        match manifest.layers.iter().find(|layer| layer.zip.contains('/') || layer.zip.starts_with('.')) {
            Some(layer) => Err(format!("it names {:?}, which is no file beside it", layer.zip)),
            None => Ok(manifest),
        }
    }
}
