//! Output: zips, a manifest and reports in an output directory that is replaced as a whole or not at all.

mod directory;
mod manifest;
mod zip;

pub use directory::Output;
pub(crate) use manifest::architecture;
pub use manifest::{MANIFEST, Manifest, ManifestEntry, ManifestLayer, SCHEMA};
pub(crate) use zip::layer_entries;
pub use zip::write_layer;
