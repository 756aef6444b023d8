//! Recorded sizes: what a baseline file has of layers, and how it is read.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::snapshot::Snapshot;
use crate::base::error::{Error, Result};
use crate::base::read;
use crate::base::size::Size;

/// The version of the file's format.
const SCHEMA: u32 = 1;

/// The only key that every baseline file has, and no manifest.
const MARK: &str = "\"layerfit_baseline\"";

/// The content of a baseline file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordedSizes {
    /// The version of the format; its name identifies the file.
    layerfit_baseline: u32,
    /// The sizes by the names of budgets: `total`, `layer:r`, `pkg:Matrix`, globs of paths.
    pub(crate) sizes: BTreeMap<String, Size>,
}

impl RecordedSizes {
    /// These sizes, by the names of budgets.
    pub(crate) fn new(sizes: BTreeMap<String, Size>) -> Self {
        Self { layerfit_baseline: SCHEMA, sizes }
    }

    /// The recorded sizes whose names begin with `prefix`, by the rest of their names.
    fn of<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a str, Size)> {
        self.sizes.iter().filter_map(move |(name, size)| Some((name.strip_prefix(prefix)?, *size)))
    }
}

/// One side of a comparison.
#[derive(Debug, Clone)]
pub enum Side {
    /// Layers with everything in them.
    Layers(Snapshot),
    /// A baseline file, which records sizes only.
    Baseline {
        /// Its path.
        path: String,
        /// What it records.
        recorded: RecordedSizes,
    },
}

impl Side {
    /// Reads a manifest that `pack` wrote, or a baseline file.
    ///
    /// # Errors
    /// When the file cannot be read, or is neither.
    pub fn load(path: &Path) -> Result<Self> {
        Self::of_text(path, &read::text(path, read::MAX_MANIFEST)?)
    }

    /// Reads a manifest that `pack` wrote.
    ///
    /// # Errors
    /// When the file cannot be read, or is not such a manifest.
    pub fn load_manifest(path: &Path) -> Result<Snapshot> {
        match Self::load(path)? {
            Side::Layers(snapshot) => Ok(snapshot),
            Side::Baseline { path, .. } => Err(Error::Data {
                file: path,
                message: "is a baseline, which records sizes, and no files".to_owned(),
                help: "give the manifest.json that `layerfit pack` wrote".to_owned(),
            }),
        }
    }

    /// The manifest or baseline that `text`, the content of the file `path`, is.
    ///
    /// # Errors
    /// When it is neither.
    pub(crate) fn of_text(path: &Path, text: &str) -> Result<Self> {
        let neither = |why: &dyn std::fmt::Display| Error::Data {
            file: path.display().to_string(),
            message: format!("is neither a manifest.json nor a baseline: {why}"),
            help: "give the manifest.json that `layerfit pack` wrote, or a file that `layerfit check --baseline FILE \
                   --update-baseline` wrote; a report as JSON does not list what is in the layers"
                .to_owned(),
        };
        match serde_json::from_str::<RecordedSizes>(text) {
            Ok(recorded) if recorded.layerfit_baseline == SCHEMA => {
                Ok(Self::Baseline { path: path.display().to_string(), recorded })
            }
            Ok(other) => Err(neither(&format!("its format is version {}", other.layerfit_baseline))),
            Err(error) if text.contains(MARK) => Err(neither(&error)),
            Err(_) => serde_json::from_str(text).map(Self::Layers).map_err(|error| neither(&error)),
        }
    }

    /// What it was read from.
    pub(super) fn root(&self) -> &str {
        match self {
            Side::Layers(snapshot) => &snapshot.root,
            Side::Baseline { path, .. } => path,
        }
    }

    /// The size of all layers together.
    pub(super) fn total(&self) -> Option<Size> {
        match self {
            Side::Layers(snapshot) => Some(snapshot.total()),
            Side::Baseline { recorded, .. } => recorded.sizes.get("total").copied(),
        }
    }

    /// The names and sizes of the layers, in their order; a baseline has them by name.
    pub(super) fn layers(&self) -> Vec<(&str, Size)> {
        match self {
            Side::Layers(snapshot) => snapshot.layer_sizes(),
            Side::Baseline { recorded, .. } => recorded.of("layer:").collect(),
        }
    }

    /// The size of each package, by its name.
    pub(super) fn packages(&self) -> BTreeMap<&str, Size> {
        match self {
            Side::Layers(snapshot) => snapshot.package_sizes(),
            Side::Baseline { recorded, .. } => recorded.of("pkg:").collect(),
        }
    }
}
