//! What packed layers are for: the runtime, the architecture and the limits that their manifest records. Where nobody sets
//! others, these hold for every command that reads the layers again, and for a tree that is compared with them. Such a tree is
//! also shaped with the options that shaped the layers.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Serialize;

use super::given::GivenOptions;
use super::manifest::{MANIFEST, Manifest, ManifestLimits};
use crate::base::bytes::size;
use crate::base::error::Result;
use crate::base::list;
use crate::container::Image;
use crate::runtime::Limits;

/// The largest limits that a manifest sets, in bytes and layers: far more than Lambda allows, and small enough to calculate with.
const MOST: (u64, usize) = (1 << 40, 1 << 16);

/// What packed layers are for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct PackedFor {
    /// The runtime, by the name of its profile.
    pub runtime: Option<String>,
    /// The architecture that was set, by Lambda's name; `None` where it is that of most files.
    pub architecture: Option<&'static str>,
    /// The limits that they were packed within.
    pub limits: ManifestLimits,
    /// The options of the command line that shaped them, where a tree is compared with them.
    #[serde(skip_serializing_if = "GivenOptions::is_empty")]
    pub options: GivenOptions,
}

/// What layers are checked, run or compared for.
#[derive(Debug, Clone, Copy)]
pub struct Now<'a> {
    /// The name of the runtime's profile.
    pub runtime: &'a str,
    /// The architecture, by Lambda's name, if it is set.
    pub architecture: Option<&'a str>,
    /// The limits, where they count.
    pub limits: Option<&'a Limits>,
    /// The options that are set to something else than what is recorded: as they were, and as they are.
    pub options: &'a [(String, String)],
}

impl From<&Manifest> for PackedFor {
    fn from(manifest: &Manifest) -> Self {
        let set = manifest.architecture.as_ref().filter(|architecture| !architecture.assumed);
        let of_lambda = |name: &str| ["x86_64", "arm64"].into_iter().find(|known| *known == name);
        let ManifestLimits { layer_zipped, total_unzipped, layers, function_unzipped } = manifest.limits;
        let bytes = |limit: Option<u64>| limit.filter(|limit| (1..=MOST.0).contains(limit));
        Self {
            runtime: Some(manifest.runtime.clone()).filter(|name| !name.is_empty()),
            architecture: set.and_then(|architecture| of_lambda(&architecture.name)),
            limits: ManifestLimits {
                layer_zipped: bytes(layer_zipped),
                total_unzipped: bytes(total_unzipped),
                layers: layers.filter(|layers| (1..=MOST.1).contains(layers)),
                function_unzipped: function_unzipped.filter(|bytes| *bytes <= MOST.0),
            },
            options: manifest.options.clone(),
        }
    }
}

impl PackedFor {
    /// What the layers are for that these paths name: a directory that `pack` wrote, or zips of one. `None` for anything else.
    ///
    /// # Errors
    /// When the manifest of a directory cannot be read.
    pub fn of(paths: &[PathBuf]) -> Result<Option<Self>> {
        match paths {
            [directory] if directory.is_dir() => {
                let is_packed = has_manifest(directory)? && !Image::is_unpacked(directory);
                let manifest = is_packed.then(|| Manifest::read(directory)).transpose()?;
                Ok(manifest.as_ref().map(Self::from))
            }
            zips => Ok(Self::of_zips(zips)),
        }
    }

    /// What the layers are for of which this is a copy of the manifest; `None` if it is another file.
    pub fn of_manifest(file: &Path) -> Option<Self> {
        Manifest::read_file(file).ok().as_ref().map(Self::from)
    }

    /// What zips are for, if all of them lie beside the manifest that lists them. A file of that name that is not a manifest is
    /// another program's.
    fn of_zips(zips: &[PathBuf]) -> Option<Self> {
        let directory = zips.first()?.parent()?;
        let manifest = Manifest::read_file(&directory.join(MANIFEST)).ok()?;
        let is_listed = |zip: &PathBuf| {
            let name = zip.file_name().filter(|_| zip.parent() == Some(directory));
            name.is_some_and(|name| manifest.layers.iter().any(|layer| name == layer.zip.as_str()))
        };
        zips.iter().all(is_listed).then(|| Self::from(&manifest))
    }

    /// The same for finished layers, which nothing shapes any more.
    #[must_use]
    pub fn of_finished_layers(self) -> Self {
        Self { options: GivenOptions::default(), ..self }
    }

    /// A remark if the layers are now `done` (checked, run …) for something else than they are packed for.
    pub fn remark(&self, done: &str, now: Now<'_>) -> Option<String> {
        let (mut was, mut is) = (Vec::new(), Vec::new());
        let mut differs = |recorded: Option<String>, now: String| {
            if let Some(recorded) = recorded.filter(|recorded| *recorded != now) {
                was.push(recorded);
                is.push(now);
            }
        };
        differs(self.runtime.as_ref().map(|name| format!("for {name}")), format!("for {}", now.runtime));
        if let Some(set) = now.architecture {
            differs(self.architecture.map(|name| format!("for {name}")), format!("for {set}"));
        }
        if let Some(limits) = now.limits {
            let recorded = self.limits;
            for (name, recorded, now) in [
                ("max-zipped", recorded.layer_zipped, limits.layer_zipped),
                ("max-unzipped", recorded.total_unzipped, limits.total_unzipped),
                ("function-size", recorded.function_unzipped, limits.function_unzipped),
            ] {
                // Sizes that differ can look the same when they are rounded.
                let text = |bytes: u64| match recorded.map(size) {
                    Some(rounded) if recorded != Some(now) && rounded == size(now) => format!("{bytes} B"),
                    _ => size(bytes),
                };
                let text = |bytes: u64| format!("with {name} {}", text(bytes));
                differs(recorded.map(text), text(now));
            }
            let text = |layers: usize| format!("with max-layers {layers}");
            differs(recorded.layers.map(text), text(limits.layers));
        }
        for (recorded, now) in now.options {
            differs(Some(format!("with {recorded}")), format!("with {now}"));
        }
        let all = |what: &[String]| list::with_last(what, "and");
        (!was.is_empty()).then(|| format!("packed {}, {done} {}", all(&was), all(&is)))
    }
}

/// Whether a directory has a manifest, and is not an unpacked image, which has a file of the same name.
///
/// # Errors
/// When the directory cannot be read.
pub fn has_manifest(directory: &Path) -> Result<bool> {
    Ok(directory.join(MANIFEST).is_file() && !Image::is_at(directory)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed_for(fields: &str) -> PackedFor {
        let text = format!(r#"{{"schema": 1, "layers": []{fields}}}"#);
        PackedFor::from(&Manifest::parse(&text).expect("a manifest"))
    }

    #[test]
    fn a_manifest_without_these_fields_sets_nothing() {
        let limits = ManifestLimits::default();
        let none = PackedFor { runtime: None, architecture: None, limits, options: GivenOptions::default() };
        assert_eq!(packed_for(""), none);
        assert_eq!(packed_for(r#", "architecture": null, "limits": {"other": 1}"#), none);
        let (architecture, limits) = (Some("arm64"), Limits::built_in());
        let now = Now { runtime: "provided.al2", architecture, limits: Some(&limits), options: &[] };
        assert_eq!(none.remark("checked", now), None);
    }

    #[test]
    fn limits_that_cannot_be_are_not_taken() {
        let limits = packed_for(
            r#", "limits": {"layer_zipped": 0, "total_unzipped": 18446744073709551615, "layers": 0, "function_unzipped": 0}"#,
        );
        assert_eq!(limits.limits, ManifestLimits { function_unzipped: Some(0), ..ManifestLimits::default() });
    }

    #[test]
    fn only_an_architecture_that_was_set_is_recorded() {
        let of = |assumed: bool, name: &str| {
            packed_for(&format!(r#", "architecture": {{"name": "{name}", "assumed": {assumed}}}"#)).architecture
        };
        assert_eq!((of(false, "arm64"), of(true, "arm64"), of(false, "mips")), (Some("arm64"), None, None));
    }

    #[test]
    fn one_remark_has_all_that_differs() {
        let built_in = Limits::built_in();
        let packed = packed_for(
            r#", "runtime": "python3.11", "architecture": {"name": "arm64", "assumed": false},
               "limits": {"layer_zipped": 262144000, "total_unzipped": 262144000, "layers": 3, "function_unzipped": 1}"#,
        );
        let limits = Limits { layer_zipped: 262_144_000, layers: 3, function_unzipped: 1, ..built_in };
        let same = Now { runtime: "python3.11", architecture: Some("arm64"), limits: Some(&limits), options: &[] };
        assert_eq!(packed.remark("checked", same), None);
        let other = Now { runtime: "provided.al2023", ..same };
        let remark = packed.remark("checked", other);
        assert_eq!(remark.as_deref(), Some("packed for python3.11, checked for provided.al2023"));
        let other = Now { runtime: "host", architecture: Some("x86_64"), limits: Some(&built_in), options: &[] };
        assert_eq!(
            packed.remark("checked", other).as_deref(),
            Some(
                "packed for python3.11, for arm64, with max-zipped 250.00 MiB, with function-size 1 B and with max-layers 3, \
                 checked for host, for x86_64, with max-zipped 50.00 MiB, with function-size 0 B and with max-layers 5"
            )
        );
        // A byte more is another limit, however it is rounded.
        let more = Limits { total_unzipped: built_in.total_unzipped + 1, ..limits };
        let remark = packed.remark("checked", Now { limits: Some(&more), ..same });
        assert_eq!(
            remark.as_deref(),
            Some("packed with max-unzipped 262144000 B, checked with max-unzipped 262144001 B")
        );
    }
}
