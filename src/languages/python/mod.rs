//! Python: its distributions, the modules that an import finds, and the libraries that extension modules bring.

mod bound;
mod broken;
mod bytecode;
mod calls;
mod checks;
mod damaged;
mod imports;
mod installed;
mod loaded;
mod managed;
mod markers;
mod modules;
mod names;
mod needs;
mod packages;
mod places;
mod preloads;
mod process;
mod services;
mod source;
mod standard;
mod uses;
mod versions;

use std::collections::BTreeSet;
use std::path::Path;

use crate::base::finding::{Finding, Severity};
use crate::base::path::TreePath;
use crate::base::subject::Subject;
use crate::languages::{
    CallsOf, Finds, Followed, Found, Gets, Language, LanguageId, LoadedBefore, ManagedRuntime, Needs, Packages,
    ProcessSpec, Source,
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

    fn find(&self, tree: &Tree, runtime: &RuntimeProfile) -> Found {
        packages::find(tree, runtime)
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

    fn loaded_before<'a>(&self, packages: &'a Packages, tree: &'a Tree, objects: &'a Objects) -> Box<LoadedBefore<'a>> {
        let preloads = preloads::Preloads::new(packages, tree, objects);
        Box::new(move |module| preloads.before(module))
    }

    fn is_in_tree(&self, tree: &Tree) -> bool {
        uses::has_interpreter(tree)
    }

    fn built_for(&self, tree: &Tree) -> Option<String> {
        installed::built_for(tree)
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
        "a .py file"
    }

    fn kind_of_use(&self) -> &'static str {
        "module"
    }

    fn gets(&self, packages: &Packages, tree: &Tree, names: &BTreeSet<&str>) -> Vec<Gets> {
        uses::gets(packages, tree, names)
    }

    fn loads_undeclared(&self, packages: &Packages, tree: &Tree, names: &BTreeSet<&str>) -> BTreeSet<usize> {
        uses::loads(packages, tree, names)
    }

    fn unnamed_data(&self, packages: &Packages, tree: &Tree, named: &BTreeSet<String>) -> BTreeSet<EntryId> {
        services::unnamed(packages, tree, named)
    }

    fn is_never_used(&self, packages: &Packages, tree: &Tree, id: EntryId) -> bool {
        bytecode::is_never_used(packages, tree, id)
    }

    fn is_searched(&self, library: &TreePath, runtime: &RuntimeProfile) -> bool {
        installed::is_searched(library, runtime)
    }

    fn loaded_files(&self, packages: &Packages, tree: &Tree) -> Vec<(EntryId, EntryId)> {
        loaded::files(packages, tree)
    }

    fn calls<'a>(&self, packages: &'a Packages, tree: &'a Tree) -> Box<CallsOf<'a>> {
        let reader = calls::Reader::new(packages, tree);
        Box::new(move |package| Ok(reader.of_package(package)))
    }

    fn function(&self, _: &str, module: &str) -> String {
        module.to_owned()
    }

    fn load_fails(&self, package: &str) -> String {
        format!("{package} cannot be imported")
    }

    fn cannot_be_loaded(&self) -> Option<&'static str> {
        Some("cannot be imported")
    }

    fn remedy_for_own_library(
        &self,
        packages: &Packages,
        tree: &Tree,
        soname: &str,
        needed_by: &[&TreePath],
    ) -> Option<String> {
        process::remedy_for_own_library(packages, tree, soname, needed_by)
    }

    fn help_for_musl(&self) -> &'static str {
        "install the manylinux wheel: pip install --only-binary=:all: --platform manylinux2014_x86_64 (or _aarch64) \
         --target python"
    }

    fn satisfies(&self, version: &str, constraint: &str) -> bool {
        versions::satisfies(version, constraint)
    }

    fn runtime_satisfies(&self, version: &str, constraint: &str) -> bool {
        versions::python_satisfies(version, constraint)
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
        let told = findings.iter().filter(|finding| finding.severity == Severity::Error);
        let told: BTreeSet<String> = told.map(|finding| finding.subject.to_string()).collect();
        let is_told = |name: &str| told.contains(&Subject::package(name).to_string());
        findings.extend(broken::check(packages, tree, objects, runtime, kept, &is_told));
        findings
    }

    fn needs(&self) -> &'static Needs {
        &needs::NEEDS
    }

    fn rules(&self) -> &'static [(&'static str, &'static str)] {
        &[("rules/languages/python/development.toml", include_str!("../../../rules/languages/python/development.toml"))]
    }
}
