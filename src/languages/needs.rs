//! What a language needs at run time, which no rule may drop: its `rules/languages/ID/needs.toml`.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use globset::GlobSet;
use serde::Deserialize;

use crate::base::toml::{built_in, built_in_globs};

/// What a language needs to start, and to load a package.
#[derive(Debug)]
pub struct Needs {
    start: Vec<StartPackage>,
    /// The names of the packages that come with the language.
    pub standard: StandardPackages,
    session: GlobSet,
    package: GlobSet,
    optional: GlobSet,
    left_alone: GlobSet,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NeedsFile {
    start: Vec<StartPackage>,
    home: Vec<Requirement>,
    package: Vec<Requirement>,
    optional: Vec<Requirement>,
    left_alone: Vec<Requirement>,
    names: StandardPackages,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "source is required, for people who read the file")]
struct StartPackage {
    package: String,
    /// Whether the language does not even start without it.
    #[serde(default)]
    stops: bool,
    why: String,
    source: String,
}

/// Files that are needed, and why.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "why and source are required, for people who read the file")]
struct Requirement {
    #[serde(rename = "match")]
    glob: String,
    why: String,
    source: String,
}

/// The packages that come with a language.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StandardPackages {
    /// Those that every installation has.
    pub base: Vec<String>,
    /// Those that its distribution recommends.
    pub recommended: Vec<String>,
    /// The source of the lists.
    pub source: String,
}

impl Needs {
    /// The embedded file of this name, with this text.
    pub(super) fn built_in(file: &str, text: &str) -> Self {
        let file: NeedsFile = built_in(file, text);
        let globs = |requirements: &[Requirement]| built_in_globs(requirements.iter().map(|needed| &needed.glob));
        Self {
            session: globs(&file.home),
            package: globs(&file.package),
            optional: globs(&file.optional),
            left_alone: globs(&file.left_alone),
            start: file.start,
            standard: file.names,
        }
    }

    /// The packages without which the language does not start, or starts with its default session broken.
    pub fn start_packages(&self) -> impl Iterator<Item = &str> {
        self.start.iter().map(|start| start.package.as_str())
    }

    /// What happens without a package that the language starts with; `None` for any other.
    pub fn without(&self, package: &str) -> Option<&str> {
        self.start.iter().find(|start| start.package == package).map(|start| start.why.as_str())
    }

    /// Whether the language does not even start without this package.
    pub fn stops_without(&self, package: &str) -> bool {
        self.start.iter().any(|start| start.package == package && start.stops)
    }

    /// Whether a session needs this file; the path is relative to the installation.
    pub fn session_needs(&self, below_installation: &[u8]) -> bool {
        self.session.is_match(OsStr::from_bytes(below_installation))
    }

    /// Whether a package cannot be loaded without this file; the path is relative to the package's directory.
    pub fn package_needs(&self, below_package: &[u8]) -> bool {
        self.package.is_match(OsStr::from_bytes(below_package))
    }

    /// Whether no invocation runs this script; the path is relative to the installation.
    pub fn is_left_alone(&self, below_installation: &[u8]) -> bool {
        self.left_alone.is_match(OsStr::from_bytes(below_installation))
    }

    /// Whether this library is only loaded on demand; the path is relative to the installation.
    pub fn is_optional(&self, below_installation: &[u8]) -> bool {
        self.optional.is_match(OsStr::from_bytes(below_installation))
    }
}
