//! Runtime profiles: what a Lambda image has, from `rules/runtimes/*.toml`.

use std::collections::BTreeSet;
use std::path::Path;

use serde::Deserialize;

use super::from_toml;
use crate::error::{Error, Result};

/// The profiles that come with layerfit, by name.
pub const BUILT_IN: &[(&str, &str)] = &[
    ("provided.al2023", include_str!("../../rules/runtimes/provided.al2023.toml")),
    ("provided.al2", include_str!("../../rules/runtimes/provided.al2.toml")),
    ("provided", include_str!("../../rules/runtimes/provided.toml")),
    ("host", include_str!("../../rules/runtimes/host.toml")),
];

/// What an image has: libraries, the environment of its processes, commands. Every group names its source.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuntimeProfile {
    /// Its name: `provided.al2023`.
    pub name: String,
    /// Which image it is.
    pub what: String,
    /// The day the facts were collected.
    pub checked: String,
    /// How long AWS supports it.
    pub support: String,
    /// The environment of a process there.
    pub environment: Environment,
    /// Its libraries.
    pub libraries: Libraries,
    /// The highest symbol versions its libraries define.
    #[serde(default)]
    pub versions: Vec<VersionBound>,
    /// Versions of what matters, for messages.
    #[serde(default)]
    pub packages: Vec<PackageVersion>,
    /// Its commands.
    pub commands: Commands,
    /// Other files that programs look for.
    pub files: Files,
}

/// The environment of a process in the image.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Environment {
    /// PATH, in order.
    pub path: Vec<String>,
    /// `LD_LIBRARY_PATH`, in order.
    pub ld_library_path: Vec<String>,
    /// Where that is known from.
    pub source: String,
}

/// Where the names of the image's libraries come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LibrarySource {
    /// The profile lists them.
    List,
    /// They are read off this machine's file system.
    Filesystem,
}

/// The libraries of the image.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Libraries {
    /// Listed here, or read off this machine.
    pub from: LibrarySource,
    /// The loader's default directories, in its order.
    pub directories: Vec<String>,
    /// Program interpreters that exist.
    pub interpreters: Vec<String>,
    /// File names of libraries in the directories.
    pub sonames: BTreeSet<String>,
    /// Names in the list that are not guaranteed.
    pub uncertain: BTreeSet<String>,
    /// Why they are not.
    pub uncertain_why: String,
    /// Where that is known from.
    pub source: String,
}

/// The highest symbol version that a library of the image defines.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VersionBound {
    /// The library.
    pub soname: String,
    /// The family of versions: `GLIBC`.
    pub prefix: String,
    /// The highest: `2.34`.
    pub max: String,
    /// Where that is known from.
    pub source: String,
}

/// A package of the image.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PackageVersion {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Where that is known from.
    pub source: String,
}

/// The commands of the image.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Commands {
    /// Where they are.
    pub directories: Vec<String>,
    /// Their names.
    pub names: BTreeSet<String>,
    /// Whether a command that is not listed is known to be absent.
    #[serde(default = "complete")]
    pub complete: bool,
    /// Where that is known from.
    pub source: String,
}

fn complete() -> bool {
    true
}

/// Files that programs look for.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Files {
    /// Certificate bundles.
    pub ca_bundle: Vec<String>,
    /// Locales.
    pub locales: Vec<String>,
    /// Where that is known from.
    pub source: String,
}

impl RuntimeProfile {
    /// The profile called `name`, or the one in the file of that path.
    ///
    /// # Errors
    /// When there is neither, or the file is not a profile.
    pub fn load(name: &str) -> Result<Self> {
        if let Some((name, text)) = BUILT_IN.iter().find(|(built_in, _)| *built_in == name) {
            return from_toml(&format!("rules/runtimes/{name}.toml"), text);
        }
        let path = Path::new(name);
        if path.extension().is_some() && path.is_file() {
            let text = std::fs::read_to_string(path).map_err(Error::io("read", path))?;
            return from_toml(name, &text);
        }
        let names: Vec<&str> = BUILT_IN.iter().map(|(name, _)| *name).collect();
        Err(Error::Usage {
            message: format!("--runtime {name}: no such runtime, and no file of that name"),
            help: format!("one of {}, or the path of a profile", names.join(", ")),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_profile_is_read_and_is_what_its_file_is_called() {
        for (name, _) in BUILT_IN {
            let profile = RuntimeProfile::load(name).expect(name);
            assert_eq!(profile.name, *name);
            assert!(!profile.environment.ld_library_path.is_empty());
            match profile.libraries.from {
                LibrarySource::List => assert!(profile.libraries.sonames.contains("libc.so.6"), "{name}"),
                LibrarySource::Filesystem => assert!(profile.libraries.sonames.is_empty(), "{name}"),
            }
            assert!(profile.libraries.uncertain.is_subset(&profile.libraries.sonames), "{name}");
        }
    }

    #[test]
    fn what_every_lambda_image_lacks_is_in_no_profile() {
        for (name, _) in BUILT_IN {
            let profile = RuntimeProfile::load(name).expect(name);
            for soname in ["libtirpc.so.3", "libgfortran.so.5", "libquadmath.so.0"] {
                assert!(!profile.libraries.sonames.contains(soname), "{name}: {soname}");
            }
        }
    }

    #[test]
    fn an_unknown_runtime_names_those_there_are() {
        let error = RuntimeProfile::load("python3.12").expect_err("unknown").to_string();
        assert!(error.contains("provided.al2023"), "{error}");
    }
}
