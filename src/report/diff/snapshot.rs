//! Snapshot: the sizes of layers and their files, from a plan, from zips, or from the manifest of an earlier run.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::base::size::Size;
use crate::pack::output::ManifestEntry;
use crate::report::Report;

/// The sizes of layers and their files.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Snapshot {
    /// What they were packed or read from.
    pub root: String,
    /// The layers, in the order to attach them.
    pub layers: Vec<SnapshotLayer>,
    /// The packages in them.
    pub packages: Vec<SnapshotPackage>,
    /// What each rule dropped.
    #[serde(default)]
    pub pruned: Vec<SnapshotRule>,
}

/// A layer.
#[derive(Debug, Clone, Deserialize)]
pub struct SnapshotLayer {
    /// Its name.
    pub name: String,
    /// The length of its zip in bytes.
    pub zipped_bytes: u64,
    /// The sum of its entries' lengths in bytes.
    pub unzipped_bytes: u64,
    /// What is in it.
    pub entries: Vec<ManifestEntry>,
}

/// A package.
#[derive(Debug, Clone, Deserialize)]
pub struct SnapshotPackage {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its directory.
    pub path: String,
    /// Whether it is kept.
    pub kept: bool,
}

/// What a rule dropped.
#[derive(Debug, Clone, Deserialize)]
pub struct SnapshotRule {
    /// Its code.
    pub rule: String,
    /// Its name.
    pub name: String,
    /// The sum of the lengths of what it dropped, in bytes.
    pub bytes: u64,
    /// What that would add to zips, in bytes, if it was weighed.
    #[serde(default)]
    pub zipped_bytes: Option<u64>,
}

impl Snapshot {
    /// The snapshot of a report whose layers have these entries.
    pub(crate) fn new(report: &Report, entries: Vec<Vec<ManifestEntry>>) -> Self {
        let layers = report.layers.iter().flatten().zip(entries).map(|(layer, entries)| SnapshotLayer {
            name: layer.name.clone(),
            zipped_bytes: layer.zipped_bytes,
            unzipped_bytes: layer.unzipped_bytes,
            entries,
        });
        let packages = report.packages.iter().map(|package| SnapshotPackage {
            name: package.name.clone(),
            version: package.version.clone(),
            path: package.path.clone(),
            kept: package.kept,
        });
        let pruned = report.pruned.iter().map(|rule| SnapshotRule {
            rule: rule.rule.clone(),
            name: rule.name.clone(),
            bytes: rule.bytes,
            zipped_bytes: rule.zipped_bytes,
        });
        Self {
            root: report.root.clone(),
            layers: layers.collect(),
            packages: packages.collect(),
            pruned: pruned.collect(),
        }
    }

    /// The size of all layers together.
    pub(crate) fn total(&self) -> Size {
        self.layers.iter().fold(Size::default(), |mut sum, layer| {
            sum += layer.size();
            sum
        })
    }

    /// The name and the size of each layer, in their order.
    pub(crate) fn layer_sizes(&self) -> Vec<(&str, Size)> {
        self.layers.iter().map(|layer| (layer.name.as_str(), layer.size())).collect()
    }

    /// Every entry, with its layer.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&str, &ManifestEntry)> {
        self.layers.iter().flat_map(|layer| layer.entries.iter().map(|entry| (layer.name.as_str(), entry)))
    }

    /// The size of each package, by its name; copies in several libraries are added up.
    pub(crate) fn package_sizes(&self) -> BTreeMap<&str, Size> {
        let owners = Owners::new(self);
        let mut sizes: BTreeMap<&str, Size> = BTreeMap::new();
        for (_, entry) in self.entries() {
            if let Some(package) = owners.of(&entry.path) {
                *sizes.entry(package).or_default() += size_of(entry);
            }
        }
        sizes
    }
}

impl SnapshotLayer {
    /// The size of its zip.
    pub(crate) fn size(&self) -> Size {
        Size { zipped_bytes: self.zipped_bytes, unzipped_bytes: self.unzipped_bytes }
    }
}

/// The size of an entry.
pub(crate) fn size_of(entry: &ManifestEntry) -> Size {
    Size { zipped_bytes: entry.zipped_bytes(), unzipped_bytes: entry.size }
}

/// The packages that paths belong to.
pub(crate) struct Owners<'a>(BTreeMap<&'a str, &'a str>);

impl<'a> Owners<'a> {
    pub(crate) fn new(snapshot: &'a Snapshot) -> Self {
        Self(snapshot.packages.iter().map(|package| (package.path.as_str(), package.name.as_str())).collect())
    }

    /// The package with the innermost directory that contains the path.
    pub(crate) fn of(&self, path: &str) -> Option<&'a str> {
        let above = std::iter::successors(Some(path), |path| Some(path.rsplit_once('/')?.0));
        above.skip(1).find_map(|directory| self.0.get(directory).copied())
    }
}
