//! The report as JSON, the manifest (the same with every entry of every layer), and the JSON Schema of both.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};
use serde::Serialize;

use crate::base::error::{Error, Result};
use crate::base::safe::{Form, safe};
use crate::pack::output::ManifestEntry;
use crate::report::Report;

/// The report as JSON, with a line end.
///
/// # Errors
/// When a value cannot be written as JSON, which no report contains.
pub fn json(report: &Report) -> Result<Vec<u8>> {
    bytes(report)
}

/// The manifest: the report with `entries` (one list per layer, in their order) in each layer.
///
/// # Errors
/// As for [`fn@json`].
pub fn manifest(report: &Report, entries: Vec<Vec<ManifestEntry>>) -> Result<Vec<u8>> {
    let mut manifest = report.clone();
    for (layer, entries) in manifest.layers.iter_mut().flatten().zip(entries) {
        layer.entries = Some(entries);
    }
    bytes(&manifest)
}

/// The JSON Schema of report and manifest, generated from the types; `docs/report.schema.json` is a copy.
///
/// # Errors
/// As for [`fn@json`].
pub fn schema() -> Result<Vec<u8>> {
    bytes(&schema_of::<Report>())
}

/// The JSON Schema of what is written of a type: a field that can be left out is not required.
pub(crate) fn schema_of<T: JsonSchema>() -> Schema {
    SchemaSettings::default().for_serialize().into_generator().into_root_schema_for::<T>()
}

/// A value as JSON, with a line end.
pub(crate) fn bytes(value: &impl Serialize) -> Result<Vec<u8>> {
    let mut bytes = serde_json::to_vec_pretty(value).map_err(Error::bug("write JSON"))?;
    bytes.push(b'\n');
    Ok(safe(&bytes, Form::Json))
}
