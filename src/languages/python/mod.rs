//! Python: its distributions, the extension modules that an import loads, and the libraries that these bring.

mod checks;
mod markers;
mod modules;
mod names;
mod needs;
mod packages;
mod process;
mod source;

use std::collections::{BTreeMap, BTreeSet};

use crate::base::error::Result;
use crate::base::finding::Finding;
use crate::base::path::TreePath;
use crate::languages::{
    Arrangement, Calls, Followed, Found, Language, LanguageId, Needs, OwnCommand, Package, Packages, ProcessSpec,
    Roots, Source,
};
use crate::runtime::RuntimeProfile;
use crate::tree::{EntryId, Objects, Tree};

/// Python.
pub(super) struct Python;

impl Language for Python {
    fn id(&self) -> LanguageId {
        needs::ID
    }

    fn name(&self) -> &'static str {
        "Python"
    }

    fn purl_type(&self) -> &'static str {
        "pypi"
    }

    fn variables(&self, _: &Packages, _: &Tree) -> BTreeMap<String, BTreeSet<String>> {
        BTreeMap::new()
    }

    fn find(&self, tree: &Tree, _: &BTreeMap<String, String>) -> Found {
        packages::find(tree)
    }

    fn package_directory(&self, _: &TreePath) -> Option<TreePath> {
        // Which files are a distribution's is only in its RECORD.
        None
    }

    fn processes(
        &self,
        packages: &Packages,
        tree: &Tree,
        objects: &Objects,
        runtime: &RuntimeProfile,
    ) -> Vec<ProcessSpec> {
        process::processes(packages, tree, objects, runtime)
    }

    fn front_ends(&self, _: &Packages, _: &Tree) -> Vec<EntryId> {
        Vec::new()
    }

    fn commands(&self, _: &Packages, _: &Tree) -> Vec<OwnCommand> {
        Vec::new()
    }

    fn source_argument<'a>(&self, _: &str, _: &'a [Vec<String>]) -> &'a [String] {
        &[]
    }

    fn source(&self, _: &str, _: &[u8], _: Option<Followed>) -> Option<std::result::Result<Source, String>> {
        None
    }

    fn is_source_name(&self, name: &str) -> bool {
        source::is_name(name)
    }

    fn calls(&self, _: &Package, _: &Tree) -> std::result::Result<Calls, String> {
        Ok(Calls::default())
    }

    fn function(&self, package: &str, function: &str) -> String {
        format!("{package}.{function}")
    }

    fn load_fails(&self, package: &str) -> String {
        format!("{package} cannot be imported")
    }

    fn cannot_be_loaded(&self) -> Option<&'static str> {
        Some("cannot be imported")
    }

    fn help_for_musl(&self) -> &'static str {
        "install the manylinux wheel: pip install --only-binary=:all: --platform manylinux2014_x86_64 (or _aarch64) \
         --target python"
    }

    fn satisfies(&self, _: &str, _: &str) -> bool {
        true
    }

    fn check(
        &self,
        packages: &Packages,
        tree: &Tree,
        runtime: &RuntimeProfile,
        kept: &dyn Fn(EntryId) -> bool,
    ) -> Vec<Finding> {
        checks::check(packages, tree, runtime, kept)
    }

    fn needs(&self) -> &'static Needs {
        &needs::NEEDS
    }

    fn rules(&self) -> &'static [(&'static str, &'static str)] {
        &[]
    }

    fn example_roots(&self) -> Roots {
        Roots::default()
    }

    fn arrange(&self, _: &mut Tree, _: &Arrangement) -> Result<Vec<Finding>> {
        Ok(Vec::new())
    }
}
