//! Node.js: the addons that `require()` loads, and the libraries that they bring.

mod checks;
mod needs;
mod packages;
mod platform;
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

/// Node.js.
pub(super) struct Node;

impl Language for Node {
    fn id(&self) -> LanguageId {
        needs::ID
    }

    fn name(&self) -> &'static str {
        "Node.js"
    }

    fn purl_type(&self) -> &'static str {
        "npm"
    }

    fn variables(&self, _: &Packages, _: &Tree) -> BTreeMap<String, BTreeSet<String>> {
        BTreeMap::new()
    }

    fn find(&self, tree: &Tree, _: &BTreeMap<String, String>) -> Found {
        packages::find(tree)
    }

    fn package_directory(&self, path: &TreePath) -> Option<TreePath> {
        packages::directory(path)
    }

    fn processes(&self, _: &Packages, tree: &Tree, objects: &Objects, _: &RuntimeProfile) -> Vec<ProcessSpec> {
        process::processes(tree, objects)
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

    fn provides(&self, packages: &Packages, tree: &Tree, from: &Package, name: &str) -> Vec<usize> {
        packages::provider(packages, tree, from, name).into_iter().collect()
    }

    fn uses_one_copy(&self) -> bool {
        false
    }

    fn function(&self, package: &str, function: &str) -> String {
        format!("{function} of {package}")
    }

    fn load_fails(&self, package: &str) -> String {
        format!("require(\"{package}\") fails")
    }

    fn cannot_be_loaded(&self) -> Option<&'static str> {
        Some("cannot be loaded")
    }

    fn help_for_musl(&self) -> &'static str {
        "install it for glibc: npm install --os=linux --libc=glibc --cpu=x64 (or arm64)"
    }

    fn satisfies(&self, _: &str, _: &str) -> bool {
        true
    }

    fn check(
        &self,
        packages: &Packages,
        tree: &Tree,
        _: &RuntimeProfile,
        kept: &dyn Fn(EntryId) -> bool,
    ) -> Vec<Finding> {
        checks::check(packages, tree, kept)
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
