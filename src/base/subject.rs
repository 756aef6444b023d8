//! What a finding is about: a path in the tree, a package, a layer, a setting. Names are made safe to print here.

use std::cmp::Ordering;
use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;

use super::path::TreePath;
use super::safe::{one_line, printable};

/// What a finding is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(into = "SubjectText")]
pub enum Subject {
    /// A path in the tree.
    Path(String),
    /// An installed package: `pkg:Matrix`.
    Package(String),
    /// A layer, by its name or by the path of its zip.
    Layer(String),
    /// An entry of a layer's zip.
    Entry {
        /// The path of the zip.
        zip: String,
        /// The zip and the name of the entry: `r.zip: ../bin/x`.
        shown: String,
    },
    /// A unit of the report: `lib:…`, `dir:…`.
    Unit(String),
    /// A prune rule or a check.
    Rule(String),
    /// A setting of the command line or of `layerfit.toml`.
    Setting(String),
    /// A file outside the tree, such as a handler, as it was named.
    File(String),
    /// A whole: `total`, `layers`, `libraries`.
    Whole(String),
}

/// A subject in JSON.
#[derive(Serialize, JsonSchema)]
pub(super) struct SubjectText {
    /// The kind of subject.
    about: About,
    /// Its name: a path in the tree, `pkg:NAME`, a layer, a rule, a setting.
    subject: String,
}

/// The kinds of subjects.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum About {
    Path,
    Package,
    Layer,
    Entry,
    Unit,
    Rule,
    Setting,
    File,
    Whole,
}

impl From<Subject> for SubjectText {
    fn from(subject: Subject) -> Self {
        Self { about: subject.about(), subject: subject.to_string() }
    }
}

impl Subject {
    /// A package, by its name.
    pub fn package(name: impl fmt::Display) -> Self {
        Self::Package(format!("pkg:{name}"))
    }

    /// A unit of the report by its name: a package or another unit.
    pub fn unit(name: impl Into<String>) -> Self {
        let name = name.into();
        if name.starts_with("pkg:") { Self::Package(name) } else { Self::Unit(name) }
    }

    /// A layer.
    pub fn layer(name: impl fmt::Display) -> Self {
        Self::Layer(name.to_string())
    }

    /// A rule or a check.
    pub fn rule(name: impl fmt::Display) -> Self {
        Self::Rule(name.to_string())
    }

    /// A setting.
    pub fn setting(name: impl fmt::Display) -> Self {
        Self::Setting(name.to_string())
    }

    /// A file outside the tree.
    pub fn file(name: impl fmt::Display) -> Self {
        Self::File(name.to_string())
    }

    /// A whole, such as `total`.
    pub fn whole(name: impl fmt::Display) -> Self {
        Self::Whole(name.to_string())
    }

    /// An entry of a zip, by its name in the zip.
    pub fn entry(zip: impl fmt::Display, name: &[u8]) -> Self {
        let zip = zip.to_string();
        let shown = format!("{zip}: {}", printable(name));
        Self::Entry { zip, shown }
    }

    /// The subject with a name that is safe to print. One of a path is never cut.
    pub(super) fn shown(self) -> Self {
        match self {
            Self::Path(path) => Self::Path(printable(path.as_bytes()).into_owned()),
            Self::Entry { zip, shown } => Self::Entry {
                zip: printable(zip.as_bytes()).into_owned(),
                shown: printable(shown.as_bytes()).into_owned(),
            },
            Self::Package(name) => Self::Package(one_line(&name)),
            Self::Layer(name) => Self::Layer(one_line(&name)),
            Self::Unit(name) => Self::Unit(one_line(&name)),
            Self::Rule(name) => Self::Rule(one_line(&name)),
            Self::Setting(name) => Self::Setting(one_line(&name)),
            Self::File(name) => Self::File(one_line(&name)),
            Self::Whole(name) => Self::Whole(one_line(&name)),
        }
    }

    /// Its name.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Entry { shown: name, .. }
            | Self::Path(name)
            | Self::Package(name)
            | Self::Layer(name)
            | Self::Unit(name)
            | Self::Rule(name)
            | Self::Setting(name)
            | Self::File(name)
            | Self::Whole(name) => name,
        }
    }

    /// The path in the tree; `None` for any other subject.
    pub fn path(&self) -> Option<&str> {
        match self {
            Self::Path(path) => Some(path),
            _ => None,
        }
    }

    fn about(&self) -> About {
        match self {
            Self::Path(_) => About::Path,
            Self::Package(_) => About::Package,
            Self::Layer(_) => About::Layer,
            Self::Entry { .. } => About::Entry,
            Self::Unit(_) => About::Unit,
            Self::Rule(_) => About::Rule,
            Self::Setting(_) => About::Setting,
            Self::File(_) => About::File,
            Self::Whole(_) => About::Whole,
        }
    }
}

/// By name, then by kind: the order in which reports list findings.
impl Ord for Subject {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.as_str(), self.about()).cmp(&(other.as_str(), other.about()))
    }
}

impl PartialOrd for Subject {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl From<&TreePath> for Subject {
    fn from(path: &TreePath) -> Self {
        Self::Path(path.to_string())
    }
}
