//! Rules: knowledge kept as data. Prune rules, runtime profiles, limits, what R needs, and the pages of the checks.
//!
//! The files in `rules/` are embedded in the binary; `--rules FILE` adds prune rules and `--runtime FILE` gives another
//! profile. Nothing here looks at a tree.

mod checks;
mod glibc;
mod limits;
mod plugins;
mod prune;
mod r;
mod runtime;

pub use checks::{CheckPage, check_pages};
pub use glibc::GlibcNames;
pub use limits::Limits;
pub use plugins::Plugins;
pub use prune::{Level, Only, PruneRule, PruneRules, Roots, asked_rules};
pub use r::{RNeeds, Requirement};
pub use runtime::{Commands, Environment, Files, Libraries, LibrarySource, LoaderFacts, RuntimeProfile, VersionBound};

use serde::de::DeserializeOwned;

use crate::error::{Error, Result};

/// Reads one TOML file; what is wrong is said with its line and column.
fn from_toml<T: DeserializeOwned>(file: &str, text: &str) -> Result<T> {
    toml::from_str(text).map_err(|error| Error::Data {
        file: file.to_owned(),
        message: error.to_string().trim_end().to_owned(),
        help: "correct the file; the built-in files in rules/ show the form".to_owned(),
    })
}
