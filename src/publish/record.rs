//! `layers.json`: which version of which layer AWS has, for scripts and for the next run.

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::base::atomic::replace_file;
use crate::base::error::{Error, Result};
use crate::report::as_json;

/// The form of the record. Fields are added, not renamed; the number counts up when that promise is broken.
pub const SCHEMA: u32 = 1;

/// The record's name in the directory of the layers. `pack` carries it along, as every file that it did not write.
pub const RECORD: &str = "layers.json";

/// What a run came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Published {
    /// The form of this document.
    pub schema: u32,
    /// The layers, in the order to attach them.
    pub layers: Vec<PublishedLayer>,
    /// Names of layers that were published from this directory before and are not in it any more. They are still in AWS.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub retired: Vec<String>,
    /// The function that has them, when one was named; what is printed says it, and layers.json does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub function: Option<PublishedFunction>,
}

/// A layer in AWS.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PublishedLayer {
    /// Its name there.
    pub name: String,
    /// The ARN of the version with this content.
    pub arn: String,
    /// The number of that version.
    pub version: u64,
    /// The sha256 of its zip in hexadecimal, as in manifest.json; AWS shows the same in base64.
    pub sha256: String,
    /// Whether this run published it; otherwise the newest version had this content already.
    pub published: bool,
}

/// A function that has the layers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PublishedFunction {
    /// As it was named.
    pub name: String,
    /// The ARNs of all its layers, in order.
    pub layers: Vec<String>,
    /// Whether this run changed them.
    pub updated: bool,
}

impl Published {
    /// What the last run recorded; nothing when there is no such file.
    ///
    /// # Errors
    /// When the file cannot be read, or is not layerfit's: it would be overwritten.
    pub fn load(path: &Path) -> Result<Option<Self>> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::io("read", path)(error)),
        };
        let read: std::result::Result<Self, _> = serde_json::from_str(&text);
        let problem = match read {
            Ok(record) if record.schema == SCHEMA => return Ok(Some(record)),
            Ok(record) => format!("its schema is {}, and this layerfit reads {SCHEMA}", record.schema),
            Err(error) => format!("is no record of published layers: {error}"),
        };
        Err(Error::Data {
            file: path.display().to_string(),
            message: problem,
            help: "move it away, or write the record elsewhere with -o".to_owned(),
        })
    }

    /// Writes the record, whole or not at all.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn store(&self, path: &Path) -> Result<()> {
        replace_file(path, &as_json(&Self { function: None, ..self.clone() })?)
    }
}

/// The JSON Schema of the record and of what is printed, generated from the types; `docs/layers.schema.json` is a copy.
///
/// # Errors
/// When it cannot be written as JSON, which a test rules out.
pub fn schema() -> Result<Vec<u8>> {
    as_json(&schemars::schema_for!(Published))
}
