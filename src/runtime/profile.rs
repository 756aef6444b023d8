//! Runtime profiles: what a Lambda image has.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use crate::base::error::{Error, Result};
use crate::base::toml::{built_in, from_toml};

/// The contents of an image: libraries, the environment of its processes, commands. Every group names its source.
#[derive(Debug, Clone, Deserialize, Serialize)]
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
    /// Whether it is deprecated; it is then not suggested.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub closed: bool,
    /// The language that it runs functions in, and its version; none for an image that only starts a bootstrap.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<LanguageVersion>,
    /// The environment of a process there.
    pub environment: Environment,
    /// Its dynamic loaders, one for each machine; none when they are read from this machine.
    #[serde(default)]
    pub loader: Vec<LoaderFacts>,
    /// Its libraries.
    pub libraries: Libraries,
    /// The highest symbol versions its libraries define.
    #[serde(default)]
    pub versions: Vec<VersionBound>,
    /// Versions of relevant packages, for messages.
    #[serde(default)]
    pub packages: Vec<PackageVersion>,
    /// Its commands.
    pub commands: Commands,
    /// Other files that programs need.
    pub files: Files,
}

/// A language of an image.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct LanguageVersion {
    /// Its identifier: `python`.
    pub id: String,
    /// Its version: `3.12`.
    pub version: String,
    /// The packages of the language that the image has, with their versions; empty where that is not known. A name that ends
    /// in `/` is all of a scope.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub packages: BTreeMap<String, String>,
    /// The source of these facts.
    pub source: String,
}

/// The environment of a process in the image.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Environment {
    /// PATH, in order.
    pub path: Vec<String>,
    /// `LD_LIBRARY_PATH`, in order.
    pub ld_library_path: Vec<String>,
    /// The working directory, which an empty element of a search path denotes.
    pub working_directory: String,
    /// Other variables that Lambda sets and programs heed, and those that the function sets.
    #[serde(default)]
    pub variables: BTreeMap<String, String>,
    /// The bootstrap of the function's code and the sources beside it, by their names in `/var/task`; empty where it has none, or it is
    /// not known.
    #[serde(skip)]
    pub code: BTreeMap<String, String>,
    /// The source of these facts.
    pub source: String,
}

impl Environment {
    /// The elements of a variable's value, which colons separate; none when it is not set.
    pub fn elements(&self, name: &str) -> Vec<&str> {
        match name {
            "PATH" => self.path.iter().map(String::as_str).collect(),
            "LD_LIBRARY_PATH" => self.ld_library_path.iter().map(String::as_str).collect(),
            _ => self.variables.get(name).into_iter().flat_map(|value| value.split(':')).collect(),
        }
    }

    /// Sets a variable of the function, which replaces the image's value.
    pub fn set(&mut self, name: &str, value: &str) {
        // An empty LD_LIBRARY_PATH lists nothing, whereas an empty element of it is the working directory (ld.so(8)).
        let elements = || value.split(':').filter(|_| !value.is_empty()).map(str::to_owned).collect();
        match name {
            "PATH" => self.path = elements(),
            // The loader also accepts semicolons.
            "LD_LIBRARY_PATH" => {
                self.ld_library_path =
                    value.split([':', ';']).filter(|_| !value.is_empty()).map(str::to_owned).collect();
            }
            _ => {
                self.variables.insert(name.to_owned(), value.to_owned());
            }
        }
    }
}

impl RuntimeProfile {
    /// The version of the image's CPython after `3.`.
    pub fn python_minor(&self) -> Option<u32> {
        let python = self.language.as_ref().filter(|language| language.id == "python")?;
        python.version.strip_prefix("3.")?.parse().ok()
    }
}

/// A dynamic loader: its compiled-in directories, and those for the processor.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct LoaderFacts {
    /// The machine whose libraries it loads: `x86-64`.
    pub machine: String,
    /// Its own path.
    pub interpreter: String,
    /// The directories it searches last, in order.
    pub directories: Vec<String>,
    /// The value of `$LIB`.
    pub lib: String,
    /// The value of `$PLATFORM`.
    pub platform: String,
    /// Subdirectories that it searches before each directory, in order.
    pub subdirectories: Vec<String>,
    /// The source of these facts.
    pub source: String,
}

/// Where the names of the image's libraries come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LibrarySource {
    /// The profile lists them.
    List,
    /// They are read from this machine's file system.
    Filesystem,
}

/// The libraries of the image.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Libraries {
    /// Listed here, or read from this machine.
    pub from: LibrarySource,
    /// The directories that contain them.
    pub directories: Vec<String>,
    /// File names of libraries; each is in every directory.
    pub sonames: BTreeSet<String>,
    /// File names of libraries that are only in one directory, by that.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub only_in: BTreeMap<String, BTreeSet<String>>,
    /// The paths of libraries that the image has for one machine only, by that: `x86-64`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub only_for: BTreeMap<String, BTreeSet<String>>,
    /// Libraries by their paths, each with the symbol versions it defines: what `layerfit runtime capture` reads.
    #[serde(default)]
    pub defines: BTreeMap<String, Vec<String>>,
    /// Names in the list that are not guaranteed.
    pub uncertain: BTreeSet<String>,
    /// Why they are not.
    pub uncertain_why: String,
    /// The source of these facts.
    pub source: String,
}

impl Libraries {
    /// Whether a library for this machine is at this path.
    pub fn has_for(&self, path: &str, machine: &str) -> bool {
        self.has(path) || self.only_for.get(machine).is_some_and(|paths| paths.contains(path))
    }

    /// Whether a library is at this path, whatever the machine.
    pub fn has(&self, path: &str) -> bool {
        let Some((directory, name)) = path.rsplit_once('/') else { return false };
        let in_all = self.directories.iter().any(|known| known == directory) && self.sonames.contains(name);
        let in_this = self.only_in.get(directory).is_some_and(|names| names.contains(name));
        in_all || in_this || self.defines.contains_key(path)
    }

    /// Whether a directory contains libraries.
    pub fn has_directory(&self, directory: &str) -> bool {
        self.directories.iter().any(|known| known == directory) || self.only_in.contains_key(directory)
    }

    /// The names of every library.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let captured = self.defines.keys().filter_map(|path| path.rsplit('/').next());
        let names = self.sonames.iter().chain(self.only_in.values().flatten());
        names.map(String::as_str).chain(captured)
    }
}

/// The highest symbol version that a library of the image defines.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct VersionBound {
    /// The library.
    pub soname: String,
    /// The family of versions: `GLIBC`.
    pub prefix: String,
    /// The highest: `2.34`.
    pub max: String,
    /// The source of these facts.
    pub source: String,
}

/// A package of the image.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PackageVersion {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The source of these facts.
    pub source: String,
}

/// The commands of the image.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Commands {
    /// Where they are.
    pub directories: Vec<String>,
    /// Their names.
    pub names: BTreeSet<String>,
    /// Whether a command that is not listed is known to be absent.
    #[serde(default = "complete")]
    pub complete: bool,
    /// The source of these facts.
    pub source: String,
}

fn complete() -> bool {
    true
}

/// The data and configuration that programs open: what the image has of it, each by its absolute path.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Files {
    /// Certificate bundles.
    pub ca_bundle: Vec<String>,
    /// Locales: their directories in /usr/lib/locale, or their names in its locale-archive; `*` for all that glibc has.
    pub locales: Vec<String>,
    /// Directories with the whole time zone database.
    #[serde(default)]
    pub zoneinfo: Vec<String>,
    /// The C library's modules for character sets; `*` instead of a name for all that glibc has.
    #[serde(default)]
    pub gconv: Vec<String>,
    /// Descriptions of terminals.
    #[serde(default)]
    pub terminfo: Vec<String>,
    /// Fonts, or one of them.
    #[serde(default)]
    pub fonts: Vec<String>,
    /// libmagic's databases.
    #[serde(default)]
    pub magic: Vec<String>,
    /// Configuration files.
    #[serde(default)]
    pub configuration: Vec<String>,
    /// Whether any other data is known to be absent.
    #[serde(default)]
    pub complete: bool,
    /// The source of these facts.
    pub source: String,
}

/// The directory of glibc's locales (compiled into it).
pub(super) const LOCALES: &str = "/usr/lib/locale";

impl Files {
    /// Whether a file is listed, or in a directory that is listed as a whole.
    pub fn has(&self, path: &str) -> bool {
        self.listed().any(|listed| listed == path)
            || self.zoneinfo.iter().any(|directory| is_below(path, directory).is_some_and(is_zone))
            || is_below(path, LOCALES).is_some_and(|below| {
                let name = below.split('/').next().unwrap_or(below);
                self.locales.iter().any(|locale| locale == "*" || locale == name)
            })
    }

    /// Whether the C library's modules include this file, by its name; `None` if none is listed, or not all of them are.
    pub fn has_charset_module(&self, name: &str) -> Option<bool> {
        let mut names = self.gconv.iter().filter_map(|path| path.rsplit('/').next());
        if names.any(|listed| listed == name || listed == "*") {
            return Some(true);
        }
        (self.complete && !self.gconv.is_empty()).then_some(false)
    }

    /// The listed files below a directory, relative to it.
    pub fn below<'a>(&'a self, directory: &'a str) -> impl Iterator<Item = &'a str> {
        self.listed().filter_map(move |path| is_below(path, directory))
    }

    fn listed(&self) -> impl Iterator<Item = &str> {
        let groups = [&self.ca_bundle, &self.gconv, &self.terminfo, &self.fonts, &self.magic, &self.configuration];
        groups.into_iter().flatten().map(String::as_str)
    }
}

/// Whether the time zone database has this file. Only zones whose names have an area can be told from something else.
fn is_zone(name: &str) -> bool {
    static AREAS: LazyLock<BTreeMap<String, BTreeSet<String>>> =
        LazyLock::new(|| built_in("rules/zones.toml", include_str!("../../rules/zones.toml")));
    let Some((area, zone)) = name.split_once('/') else { return true };
    AREAS.get(area).is_none_or(|zones| zones.contains(zone))
}

/// The rest of a path below a directory.
fn is_below<'a>(path: &'a str, directory: &str) -> Option<&'a str> {
    path.strip_prefix(directory)?.strip_prefix('/')
}

impl Commands {
    /// Whether a command or script is at this absolute path.
    pub fn has(&self, path: &str) -> bool {
        let Some((directory, name)) = path.rsplit_once('/') else { return false };
        self.directories.iter().any(|known| known == directory) && self.names.contains(name)
    }
}

impl RuntimeProfile {
    /// The release of the image's glibc, such as `2.34`: the highest version that its C library is known to define.
    pub fn glibc(&self) -> Option<&str> {
        let mut bounds = self.versions.iter().filter(|bound| bound.soname == "libc.so.6" && bound.prefix == "GLIBC");
        bounds.next().map(|bound| bound.max.as_str()).or_else(|| {
            let (_, defines) = self.libraries.defines.iter().find(|(path, _)| path.ends_with("/libc.so.6"))?;
            let releases = defines.iter().filter_map(|version| version.strip_prefix("GLIBC_"));
            let minor = |release: &str| release.strip_prefix("2.").and_then(|minor| minor.parse::<u32>().ok());
            releases.filter(|release| minor(release).is_some()).max_by_key(|release| minor(release))
        })
    }

    /// Parses a profile; `file` names it in messages.
    ///
    /// # Errors
    /// When the text is not a profile.
    pub fn parse(file: &str, text: &str) -> Result<Self> {
        from_toml(file, text)
    }

    /// The profile as TOML that parses to the same profile.
    ///
    /// # Errors
    /// When it cannot be written as TOML, which does not happen for a valid profile.
    pub fn to_toml(&self) -> Result<String> {
        toml::to_string_pretty(self).map_err(Error::bug("write the profile as TOML"))
    }
}
