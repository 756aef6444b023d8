//! Libraries in the function's own code: directories with packages that are installed there, which code can add to those that are
//! searched, as `.libPaths("/var/task/library")` does. What these packages require can be in the tree.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::id::LanguageId;
use super::registry::ALL;

/// How many packages of a library are read.
const MAX_PACKAGES: usize = 2_000;

/// A package that another one requires, with the file that says so and its line, from 1.
pub(super) type Required = (String, String, usize);

/// A directory of the function's own code with installed packages of a language.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OwnLibrary {
    /// The language.
    pub(super) language: LanguageId,
    /// Its path in Lambda, such as `/var/task/library`.
    pub(super) path: String,
    /// Its packages, each with what it requires.
    pub(super) packages: BTreeMap<String, Vec<Required>>,
}

/// Whether a directory is an installed package of some language, whose files are no code of the function.
pub(super) fn is_installed(directory: &Path) -> bool {
    ALL.iter().any(|language| language.installed_in_code(directory).is_some())
}

/// The libraries that a directory below the function's code is.
pub(super) fn read(root: &Path, directory: &Path) -> Vec<OwnLibrary> {
    let Ok(below) = directory.strip_prefix(root) else { return Vec::new() };
    let path = match below.to_string_lossy() {
        here if here.is_empty() => "/var/task".to_owned(),
        below => format!("/var/task/{below}"),
    };
    let mut names: Vec<String> = std::fs::read_dir(directory)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .take(MAX_PACKAGES)
        .collect();
    names.sort();
    let of_language = |language: &&'static dyn super::language::Language| {
        let package = |name: &String| {
            let installed = directory.join(name);
            let required = language.installed_in_code(&installed)?;
            let file = installed.join(required.file).display().to_string();
            let required = required.packages.into_iter().map(|(name, line)| (name, file.clone(), line)).collect();
            Some((name.clone(), required))
        };
        let packages: BTreeMap<String, Vec<Required>> = names.iter().filter_map(package).collect();
        (!packages.is_empty()).then(|| OwnLibrary { language: language.id(), path: path.clone(), packages })
    };
    ALL.iter().filter_map(of_language).collect()
}

impl OwnLibrary {
    /// Whether it is one of these directories: those that code adds, relative to the function's working directory or not, and those
    /// in the values of variables; or whether a script of the function names it.
    pub(super) fn is_searched(
        &self,
        added: &BTreeSet<String>,
        variables: &BTreeMap<String, String>,
        scripts: &[String],
    ) -> bool {
        let is_it = |path: &str| {
            let path = path.trim_end_matches('/').trim_start_matches("./");
            path == self.path || format!("/var/task/{path}") == self.path || path == "." && self.path == "/var/task"
        };
        let below = self.path.strip_prefix("/var/task").filter(|below| !below.is_empty()).unwrap_or(&self.path);
        added.iter().any(|path| is_it(path))
            || variables.values().flat_map(|value| value.split(':')).any(is_it)
            || scripts.iter().any(|text| text.contains(below))
    }
}
