//! R: its homes and packages, the processes that load their libraries, the sources of handlers, and R's databases.

pub mod calls;
mod checks;
mod commands;
mod damaged;
mod deparse;
pub mod description;
mod environment;
mod exports;
mod homes;
mod hooks;
pub mod ldpaths;
mod libpaths;
pub mod namespace;
mod needs;
mod own_libraries;
mod packages;
mod process;
pub mod rdb;
pub mod rdx;
mod relocate;
mod renviron;
pub mod repack;
mod scripts;
pub mod serialize;
pub mod source;
mod start;
mod uses;
pub mod version;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use self::start::Start;
use crate::base::error::Result;
use crate::base::finding::Finding;
use crate::base::path::TreePath;
use crate::base::read;
use crate::languages::{
    Arrangement, CallsOf, Followed, Found, Gets, Language, LanguageId, Needs, OwnCommand, OwnRequirements, Package,
    Packages, ProcessSpec, Roots, Source,
};
use crate::runtime::RuntimeProfile;
use crate::tree::{EntryId, Objects, Tree};

/// R.
pub struct R;

impl Language for R {
    fn id(&self) -> LanguageId {
        needs::ID
    }

    fn name(&self) -> &'static str {
        "R"
    }

    fn purl_type(&self) -> &'static str {
        "cran"
    }

    fn find(&self, tree: &Tree, runtime: &RuntimeProfile) -> Found {
        packages::find(tree, &runtime.environment)
    }

    fn package_directory(&self, path: &TreePath) -> Option<TreePath> {
        path.parent().filter(|directory| path.name() == b"DESCRIPTION" && !directory.is_root())
    }

    fn processes(&self, packages: &Packages, tree: &Tree, _: &Objects, _: &RuntimeProfile) -> Vec<ProcessSpec> {
        process::processes(packages, tree)
    }

    fn unread_variables(&self) -> &'static [&'static str] {
        // `bin/R` sets them; rules drop both directories.
        &["R_DOC_DIR", "R_INCLUDE_DIR"]
    }

    fn is_runtime_client(&self, source: &[u8]) -> bool {
        source.starts_with(b"# runtime.R: Lambda's runtime client for R.")
    }

    fn front_ends(&self, packages: &Packages, tree: &Tree) -> Vec<EntryId> {
        process::front_ends(packages, tree)
    }

    fn commands(&self, packages: &Packages, tree: &Tree) -> Vec<OwnCommand> {
        commands::commands(packages, tree)
    }

    fn variables(
        &self,
        packages: &Packages,
        tree: &Tree,
        started_with: &BTreeMap<String, BTreeSet<String>>,
    ) -> BTreeMap<String, BTreeSet<String>> {
        let start = Start::of(tree, &packages.variables, &[]);
        let ours = packages.installations_of(self.id());
        ours.flat_map(|installation| environment::variables(tree, &installation.path, &start, started_with)).collect()
    }

    fn is_in_tree(&self, tree: &Tree) -> bool {
        homes::is_in_tree(tree)
    }

    fn source_argument<'a>(&self, command: &str, arguments: &'a [Vec<String>]) -> &'a [String] {
        commands::source_argument(command, arguments)
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
        source::Kind::of(name, b"").is_some()
    }

    fn installed_in_code(&self, directory: &Path) -> Option<OwnRequirements> {
        directory.join("Meta/package.rds").is_file().then_some(())?;
        let text = read::bytes(&directory.join("DESCRIPTION"), read::MAX_TEXT).ok()?;
        let named = description::named(&text).ok()?;
        let required = named.into_iter().filter(|named| matches!(named.field, "Depends" | "Imports"));
        let packages = required.map(|named| (named.package, named.line)).collect();
        Some(OwnRequirements { file: "DESCRIPTION", packages })
    }

    fn started_packages(&self, packages: &Packages, tree: &Tree) -> Vec<String> {
        start::default_packages(tree, &packages.variables)
    }

    fn example_sources(&self) -> &'static str {
        "an .R, .Rmd or .qmd file"
    }

    fn loaded_files(&self, packages: &Packages, tree: &Tree) -> Vec<(EntryId, EntryId)> {
        let uses = scripts::uses(packages, tree).into_iter();
        uses.filter_map(|(from, used)| if let scripts::Use::File(to) = used { Some((from, to)) } else { None })
            .collect()
    }

    fn loaded_packages(&self, packages: &Packages, tree: &Tree) -> Vec<(EntryId, usize)> {
        let uses = scripts::uses(packages, tree).into_iter();
        uses.filter_map(|(from, used)| if let scripts::Use::Package(to) = used { Some((from, to)) } else { None })
            .collect()
    }

    fn calls<'a>(&self, _: &'a Packages, tree: &'a Tree) -> Box<CallsOf<'a>> {
        Box::new(move |package| calls::of_package(package, tree))
    }

    fn paths_in_code(&self, package: &Package, tree: &Tree) -> BTreeSet<String> {
        calls::paths(package, tree).unwrap_or_default()
    }

    fn gets(&self, packages: &Packages, tree: &Tree, names: &BTreeSet<&str>) -> Vec<Gets> {
        uses::gets(packages, tree, names)
    }

    fn is_used_if_called(&self, package: &Package, called: &str) -> bool {
        // One that every installation has, or a recommended one that the package does not declare as an option.
        let standard = &needs::NEEDS.standard;
        let has = |names: &[String]| names.iter().any(|name| name == called);
        has(&standard.base) || has(&standard.recommended) && !package.suggests.iter().any(|name| name == called)
    }

    fn function(&self, package: &str, function: &str) -> String {
        format!("{package}::{function}")
    }

    fn load_fails(&self, package: &str) -> String {
        format!("library({package}) fails")
    }

    fn remedy_for_own_library(
        &self,
        packages: &Packages,
        tree: &Tree,
        soname: &str,
        needed_by: &[&TreePath],
    ) -> Option<String> {
        own_libraries::remedy(packages, tree, soname, needed_by)
    }

    fn help_for_musl(&self) -> &'static str {
        "build R and its packages on a distribution with glibc"
    }

    fn satisfies(&self, version: &str, constraint: &str) -> bool {
        version::satisfies(version, constraint)
    }

    fn check(
        &self,
        packages: &Packages,
        tree: &Tree,
        _: &Objects,
        _: &RuntimeProfile,
        kept: &dyn Fn(EntryId) -> bool,
    ) -> Vec<Finding> {
        checks::check(packages, tree, kept)
    }

    fn needs(&self) -> &'static Needs {
        &needs::NEEDS
    }

    fn rules(&self) -> &'static [(&'static str, &'static str)] {
        &[
            ("rules/languages/r/docs.toml", include_str!("../../../rules/languages/r/docs.toml")),
            ("rules/languages/r/translations.toml", include_str!("../../../rules/languages/r/translations.toml")),
            ("rules/languages/r/tcltk.toml", include_str!("../../../rules/languages/r/tcltk.toml")),
            ("rules/languages/r/build.toml", include_str!("../../../rules/languages/r/build.toml")),
        ]
    }

    fn example_roots(&self) -> Roots {
        packages::example_roots()
    }

    fn arrange(&self, tree: &mut Tree, arrangement: &Arrangement) -> Result<Vec<Finding>> {
        relocate::arrange(tree, arrangement)
    }
}
