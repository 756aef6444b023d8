//! Output: zips, a manifest and reports in an output directory that is replaced as a whole or not at all.

mod carry;
mod directory;
mod given;
mod layer;
mod manifest;
mod packed_for;
mod read_back;
mod zip;

pub use carry::REPORT;
pub use directory::Output;
pub use given::{GivenOption, GivenOptions};
pub use layer::write_layer;
pub(crate) use manifest::architecture;
pub use manifest::{MANIFEST, Manifest, ManifestEntry, ManifestFinding, ManifestLayer, ManifestLimits, SCHEMA};
pub use packed_for::{Now, PackedFor, has_manifest};
pub use zip::Written;
pub(crate) use zip::layer_entries;
