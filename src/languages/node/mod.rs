//! Node.js: the packages that `require()` finds, and the libraries that addons bring.

mod broken;
mod builtin;
mod calls;
mod checks;
mod exports;
mod image;
mod installed;
mod loaded;
mod managed;
mod needs;
mod packages;
mod places;
mod platform;
mod process;
mod resolution;
mod source;
mod uses;
mod versions;

use std::collections::BTreeSet;
use std::path::Path;

use crate::base::finding::Finding;
use crate::base::path::TreePath;
use crate::languages::{
    CallsOf, Finds, Followed, Found, Gets, Language, LanguageId, ManagedRuntime, Needs, Package, Packages, ProcessSpec,
    Source,
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

    fn find(&self, tree: &Tree, runtime: &RuntimeProfile) -> Found {
        packages::find(tree, runtime)
    }

    fn package_directory(&self, path: &TreePath) -> Option<TreePath> {
        packages::directory(path)
    }

    fn processes(&self, _: &Packages, tree: &Tree, objects: &Objects, _: &RuntimeProfile) -> Vec<ProcessSpec> {
        process::processes(tree, objects)
    }

    fn is_in_tree(&self, tree: &Tree) -> bool {
        image::has_program(tree)
    }

    fn managed(&self) -> Option<&'static ManagedRuntime> {
        Some(&managed::RUNTIME)
    }

    fn finds<'a>(&self, packages: &'a Packages, tree: &'a Tree, runtime: &RuntimeProfile) -> Box<Finds<'a>> {
        places::finds(packages, tree, runtime)
    }

    fn source(
        &self,
        name: &str,
        bytes: &[u8],
        followed: Option<Followed>,
    ) -> Option<std::result::Result<Source, String>> {
        source::read(name, bytes, followed)
    }

    fn is_source_name(&self, name: &str) -> bool {
        source::is_listed(name)
    }

    fn is_beside_code(&self, path: &Path) -> bool {
        source::is_beside_code(path)
    }

    fn example_sources(&self) -> &'static str {
        "a .js, .mjs, .cjs or .ts file"
    }

    fn gets(&self, packages: &Packages, tree: &Tree, names: &BTreeSet<&str>) -> Vec<Gets> {
        uses::gets(packages, tree, names)
    }

    fn loads_undeclared(&self, packages: &Packages, tree: &Tree, names: &BTreeSet<&str>) -> BTreeSet<usize> {
        uses::loads(packages, tree, names)
    }

    fn does_without(&self, packages: &Packages, tree: &Tree, file: EntryId) -> bool {
        calls::does_without(packages, tree, file)
    }

    fn loaded_files(&self, packages: &Packages, tree: &Tree) -> Vec<(EntryId, EntryId)> {
        loaded::files(packages, tree)
    }

    fn calls<'a>(&self, packages: &'a Packages, tree: &'a Tree) -> Box<CallsOf<'a>> {
        let reader = calls::Reader::new(packages, tree);
        Box::new(move |package| Ok(reader.of_package(package)))
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

    fn satisfies(&self, version: &str, range: &str) -> bool {
        versions::satisfies(version, range)
    }

    fn runtime_satisfies(&self, version: &str, range: &str) -> bool {
        versions::node_satisfies(version, range)
    }

    fn enforces_runtime(&self) -> bool {
        // npm only warns of `engines`.
        false
    }

    fn check(
        &self,
        packages: &Packages,
        tree: &Tree,
        objects: &Objects,
        runtime: &RuntimeProfile,
        kept: &dyn Fn(EntryId) -> bool,
    ) -> Vec<Finding> {
        let mut findings = checks::check(packages, tree, objects, runtime, kept);
        findings.extend(installed::check(packages, tree, runtime, kept));
        findings
    }

    fn needs(&self) -> &'static Needs {
        &needs::NEEDS
    }

    fn rules(&self) -> &'static [(&'static str, &'static str)] {
        &[("rules/languages/node/development.toml", include_str!("../../../rules/languages/node/development.toml"))]
    }
}
