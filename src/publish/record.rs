//! `layers.json`: which version of which layer AWS has, for scripts and for the next run.

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::base::atomic::replace_file;
use crate::base::error::{Error, Result};
use crate::base::read;
use crate::report::{as_json, schema_of};

/// The version of the record's format. It changes when a field is renamed or removed, but not when one is added.
pub const SCHEMA: u32 = 1;

/// The record's name in the directory of the layers. `pack` keeps it, like every file that it did not write.
pub const RECORD: &str = "layers.json";

/// The result of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Published {
    /// The version of this format.
    pub schema: u32,
    /// The layers, in the order to attach them.
    pub layers: Vec<PublishedLayer>,
    /// Names of layers that were published from this directory before but are no longer in it. They are still in AWS.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub retired: Vec<String>,
    /// The function that they are attached to, if one was named. It is printed, but not recorded in layers.json.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub function: Option<PublishedFunction>,
}

/// A layer in AWS.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PublishedLayer {
    /// Its name in AWS.
    pub name: String,
    /// The ARN of the version with this content.
    pub arn: String,
    /// The number of that version.
    pub version: u64,
    /// The sha256 of its zip in hexadecimal, as in manifest.json; AWS shows the same in base64.
    pub sha256: String,
    /// Whether this run published it; if not, the newest version already had this content.
    pub published: bool,
}

/// A function that the layers are attached to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PublishedFunction {
    /// As the user named it.
    pub name: String,
    /// The ARNs of all its layers, in order.
    pub layers: Vec<String>,
    /// Whether this run changed them, or its environment.
    pub updated: bool,
    /// Names of the environment variables that this run set and the function did not have.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub variables_added: Vec<String>,
    /// Names of the environment variables that this run set and that had other values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub variables_replaced: Vec<String>,
}

impl Published {
    /// The record of the last run, if there is one.
    ///
    /// # Errors
    /// When the file cannot be read, or layerfit did not write it and would overwrite it.
    pub fn load(path: &Path) -> Result<Option<Self>> {
        let Some(text) = read::text_if_there(path, read::MAX_TEXT)? else { return Ok(None) };
        let read: std::result::Result<Self, _> = serde_json::from_str(&text);
        let problem = match read {
            Ok(record) if record.schema == SCHEMA => return Ok(Some(record)),
            Ok(record) => format!("its format version is {}, and this layerfit reads {SCHEMA}", record.schema),
            Err(error) => format!("is not a record of published layers: {error}"),
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
    as_json(&schema_of::<Published>())
}
