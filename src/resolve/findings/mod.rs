//! Findings about libraries, symbol versions, symbols, machines and what is opened besides libraries.

mod glibc;
mod libraries;
mod machines;
mod remedies;
mod versions;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;

use crate::base::finding::{Finding, Severity};
use crate::base::list;
use crate::languages::{self, language};
use crate::resolve::Resolution;
use crate::resolve::data::{DataContext, MissingData};
use crate::resolve::graph::Node;
use crate::resolve::loader::{LibraryLookup, Object};
use crate::resolve::processes::Certainty;
use crate::resolve::unloaded::{Unloaded, WhyUnloaded};
use crate::runtime::LibrarySource;
use crate::tree::{EntryId, Tree};

/// How many names a message lists.
const MAX_NAMES: usize = 12;

/// Where a needed library is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum FoundIn {
    /// In the tree, and so in a layer.
    Layer,
    /// In the image, according to its profile.
    Runtime,
    /// On this machine, for `--runtime host`.
    Host,
    /// Nowhere.
    Missing,
}

impl fmt::Display for FoundIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            FoundIn::Layer => "layer",
            FoundIn::Runtime => "runtime",
            FoundIn::Host => "host",
            FoundIn::Missing => "missing",
        })
    }
}

/// How many packages a message names.
const MAX_PACKAGES: usize = 4;

/// Settings that the findings depend on.
#[derive(Debug, Clone, Default)]
pub struct FindingContext {
    /// The function's architecture, by Lambda's name; when not given, that of most files.
    pub architecture: Option<&'static str>,
    /// Whether libraries were already bundled from the build host, which then lacks the missing ones too.
    pub bundled: bool,
    /// Whether these are finished layers, to which nothing can be added but by packing the tree again.
    pub finished: bool,
    /// The missing libraries that the build host has for another machine only, with that machine.
    pub of_other_machines: BTreeMap<String, String>,
    /// Why no module for a character set was copied from the build host, although it has that.
    pub charsets_refused: Option<String>,
}

impl Resolution<'_> {
    /// Findings about the files and packages that satisfy `kept`.
    pub fn findings(&self, context: &FindingContext, kept: impl Fn(EntryId) -> bool) -> Vec<Finding> {
        let mut findings = languages::check(&self.packages, &self.tree, &self.objects, self.image.profile(), &kept);
        findings.extend(self.command_findings(&kept));
        findings.extend(self.unloaded_finding(&kept));
        let (of_machines, wrong) = self.machines(context.architecture, &kept);
        findings.extend(of_machines);
        // What a file for another machine lacks does not matter: it would not be loaded with it either.
        let kept = |id| kept(id) && !wrong.contains(&id);
        findings.extend(self.missing_libraries(context, &kept));
        findings.extend(self.uncertain_libraries(&kept));
        findings.extend(self.version_findings(&kept));
        findings.extend(self.undefined_symbols(&kept));
        findings.extend(self.parts_of_glibc(&kept));
        findings.extend(self.not_elf(&kept));
        findings.extend(self.data_findings(&kept));
        let kept_objects = self.objects.iter().filter(|(id, _)| kept(**id));
        findings.extend(kept_objects.filter_map(|(id, elf)| self.missing_interpreter(*id, elf)));
        findings
    }

    /// Findings about what is opened besides libraries, by what is kept and, if it is a library, loaded.
    fn data_findings(&self, kept: &impl Fn(EntryId) -> bool) -> Vec<Finding> {
        let mut unreached = BTreeSet::new();
        let mut shadowed = BTreeMap::new();
        for Unloaded { entry, why } in self.unloaded(kept) {
            match why {
                WhyUnloaded::Unreached => {
                    unreached.insert(entry);
                }
                // Its dependents load it as soon as a script or a setting puts its directory first.
                WhyUnloaded::Shadowed(by) => {
                    shadowed.insert(entry, by);
                }
            }
        }
        let active = |id: EntryId| kept(id) && !unreached.contains(&id);
        let context = DataContext {
            tree: &self.tree,
            image: &self.image,
            packages: &self.packages,
            objects: &self.objects,
            shadowed: &shadowed,
        };
        self.data.findings(context, kept, &active)
    }

    /// The data that something kept and loaded opens, that is nowhere, and that can be copied from the build host.
    pub fn missing_data(&self, kept: impl Fn(EntryId) -> bool) -> Vec<MissingData> {
        let unloaded: BTreeSet<EntryId> = self.unloaded(&kept).into_iter().map(|library| library.entry).collect();
        self.data.missing(&|user| match user {
            Node::Entry(id) => kept(*id) && !unloaded.contains(id),
            Node::Package(position) => kept(self.packages.get(*position).entry),
            _ => true,
        })
    }

    /// What happens when a file cannot be loaded, in the terms of the package that contains it.
    fn load_fails(&self, file: EntryId) -> String {
        match self.packages.of_path(self.tree.path(file)).map(|position| self.packages.get(position)) {
            Some(package) => language(package.language).load_fails(&package.name),
            None => "loading it fails".to_owned(),
        }
    }

    /// The packages that cannot be loaded as these files cannot, as a clause; empty where their languages do not name them.
    fn cannot_load(&self, files: &[EntryId]) -> String {
        let packages = files.iter().filter_map(|file| self.packages.of_path(self.tree.path(*file)));
        let packages: BTreeSet<usize> = packages.collect();
        let mut by_failure: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for package in packages.into_iter().map(|position| self.packages.get(position)) {
            if let Some(fails) = language(package.language).cannot_be_loaded() {
                by_failure.entry(fails).or_default().push(format!("{} {}", package.name, package.version));
            }
        }
        let part = |(fails, names): (&str, Vec<String>)| match names.len() {
            0..=MAX_PACKAGES => format!("{} {fails}", list::with_last(&names, "and")),
            _ => format!("{} {fails}", list::some(&names, MAX_PACKAGES)),
        };
        by_failure.into_iter().map(part).collect::<Vec<_>>().join(", ")
    }

    /// Who loads a file, unless that is certain.
    fn how_sure(&self, certainty: Certainty, file: EntryId) -> String {
        let path = self.tree.path(file);
        let package = self.packages.of_path(path).map(|position| self.packages.get(position));
        // A library that a package loads by itself, beside those that are loaded with it.
        let extra = package.filter(|package| {
            let below = path.below(&package.directory).unwrap_or_default();
            !language(package.language).needs().package_needs(below)
        });
        let elsewhere = package.filter(|package| {
            let of = language(package.language);
            of.managed().is_none() && self.packages.installations_of(package.language).next().is_none()
        });
        match (certainty, extra, elsewhere) {
            (Certainty::Required, ..) => String::new(),
            (Certainty::Optional, Some(package), _) => format!("; the package {} loads it by itself", package.name),
            (Certainty::Optional, None, Some(package)) => {
                let name = language(package.language).name();
                format!("; {name}, which is not in the tree, loads it, and may find it in another layer")
            }
            (Certainty::Optional, None, None) => "; few functions load it".to_owned(),
            (Certainty::Unknown, ..) => "; nothing in the tree loads it".to_owned(),
        }
    }

    /// Where a needed library was found.
    pub fn found(&self, outcome: &LibraryLookup) -> FoundIn {
        match outcome {
            LibraryLookup::Found { object: Object::Tree(_), .. } => FoundIn::Layer,
            LibraryLookup::Found { object: Object::Image(_), .. } => match self.image.profile().libraries.from {
                LibrarySource::List => FoundIn::Runtime,
                LibrarySource::Filesystem => FoundIn::Host,
            },
            LibraryLookup::Missing { .. } => FoundIn::Missing,
        }
    }
}

/// A consequence as the beginning of a message; empty if there is none.
fn before(consequence: &str) -> String {
    if consequence.is_empty() { String::new() } else { format!("{consequence}: ") }
}

/// A consequence as the end of a message; empty if there is none.
fn after(consequence: &str) -> String {
    if consequence.is_empty() { String::new() } else { format!(": {consequence}") }
}

fn severity(certainty: Certainty) -> Severity {
    match certainty {
        Certainty::Required => Severity::Error,
        Certainty::Optional | Certainty::Unknown => Severity::Warning,
    }
}

/// The other needers in parentheses; empty when there is none.
fn and_others(tree: &Tree, first: EntryId, needers: &[EntryId]) -> String {
    others_in_words(tree, first, needers).map(|others| format!(" ({others})")).unwrap_or_default()
}

/// The other needers: `lib/x.so needs it too`.
pub(super) fn others_in_words(tree: &Tree, first: EntryId, needers: &[EntryId]) -> Option<String> {
    let mut others: Vec<EntryId> = needers.iter().copied().filter(|id| *id != first).collect();
    others.sort();
    others.dedup();
    match others.as_slice() {
        [] => None,
        [one] => Some(format!("{} needs it too", tree.path(*one))),
        [one, rest @ ..] => Some(format!("{} and {} more need it too", tree.path(*one), rest.len())),
    }
}

/// The first names of a list.
pub(super) fn some(names: &[String]) -> String {
    list::some(names, MAX_NAMES)
}
