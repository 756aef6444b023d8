//! The code of the packages in a tree: what that of each calls, read once for each package.

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;

use super::calls::Calls;
use super::id::LanguageId;
use super::packages::{Package, Packages};
use super::registry::language;
use crate::base::path::TreePath;
use crate::tree::Tree;

/// What the code of several packages calls, by their directories.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CodeCalls(BTreeMap<TreePath, Calls>);

impl CodeCalls {
    /// Reads the code of these packages, except that which was read before. Code that cannot be read calls nothing: checks
    /// of the package report it.
    pub fn read<'a>(&mut self, packages: &Packages, tree: &Tree, of: impl IntoIterator<Item = &'a Package>) {
        let unread: Vec<&Package> = of.into_iter().filter(|package| !self.0.contains_key(&package.directory)).collect();
        let languages: BTreeSet<LanguageId> = unread.iter().map(|package| package.language).collect();
        for id in languages {
            let calls = language(id).calls(packages, tree);
            let of_language = unread.par_iter().filter(|package| package.language == id);
            let read = of_language.map(|package| (package.directory.clone(), calls(package).unwrap_or_default()));
            self.0.extend(read.collect::<Vec<_>>());
        }
    }

    /// What the code of a package calls; `None` if it was not read.
    pub fn of(&self, package: &Package) -> Option<&Calls> {
        self.0.get(&package.directory)
    }

    /// The positions of the packages whose code calls another one, each with the functions that do.
    pub fn callers_of<'a>(
        &'a self,
        packages: &'a Packages,
        id: LanguageId,
        called: &'a str,
    ) -> impl Iterator<Item = (usize, &'a BTreeSet<String>)> {
        let others = packages.all.iter().enumerate();
        let others = others.filter(move |(_, other)| other.language == id && other.name != called);
        others.filter_map(move |(position, other)| Some((position, self.of(other)?.callers.get(called)?)))
    }
}
