//! What opens which data: the users of each need of the catalogue in a tree, and what they find.

use std::collections::{BTreeMap, BTreeSet};

use super::catalogue::{Catalogue, CompiledNeed, CompiledSetting};
use super::lookup::{Environment, Outcome, User, look_up, places, value};
use super::opened::{Files, Mounted};
use crate::base::path::MOUNT;
use crate::formats::elf::Elf;
use crate::languages::{Package, Packages, language};
use crate::resolve::graph::Node;
use crate::resolve::loader::{LibraryLookup, NeededLibrary, Object};
use crate::resolve::processes::{Certainty, ProcessKind};
use crate::tree::{EntryId, Objects, Place};

/// What each ELF file of the tree loads.
pub(super) type Edges = BTreeMap<EntryId, BTreeMap<(ProcessKind, NeededLibrary), Certainty>>;

/// One user of data, and what it finds.
pub(super) struct DataUse {
    /// A file, a package or a language.
    pub(super) user: Node,
    pub(super) need: &'static CompiledNeed,
    /// The variable that selects the data, and its value.
    pub(super) value: Option<(String, String)>,
    pub(super) outcome: Outcome,
    /// The files of the tree that it opens; when it is not found, those that it would if it looked there.
    pub(super) entries: BTreeSet<EntryId>,
    /// Where the data is although it is not looked for there: absolute paths, in the tree or the image.
    pub(super) elsewhere: Vec<String>,
    /// Whether it is where it is looked for, without its content.
    pub(super) is_hollow: bool,
    /// When it is nowhere: the places outside the tree where it was looked for.
    pub(super) places: Vec<String>,
}

impl DataUse {
    /// Whether it is reported that the data is missing: what works without it only is where the data is and is not found.
    pub(super) fn is_reported(&self) -> bool {
        !(self.need.need.optional && self.elsewhere.is_empty())
    }
}

/// A variable that has a value which a package does not understand, or that it needs and that is not set.
pub(super) struct BadSetting {
    pub(super) package: usize,
    pub(super) setting: &'static CompiledSetting,
    /// `None` if the variable is not set.
    pub(super) value: Option<String>,
}

/// The parts of a tree that users are searched in.
#[derive(Clone, Copy)]
pub(super) struct Search<'a> {
    pub(super) mounted: &'a Mounted<'a>,
    pub(super) objects: &'a Objects,
    pub(super) packages: &'a Packages,
    pub(super) edges: &'a Edges,
    pub(super) environment: &'a Environment,
}

impl Search<'_> {
    /// Every user of every need.
    pub(super) fn uses(self) -> Vec<DataUse> {
        let mut uses = Vec::new();
        for need in &Catalogue::built_in().needs {
            let value = value(need, self.environment);
            let is_set = |name: &String| self.environment.get(name).is_some_and(|values| !values.is_empty());
            if (!need.need.value_of.is_empty() && value.is_none()) || need.need.unless_set.iter().any(is_set) {
                continue;
            }
            for (node, user) in self.users(need) {
                uses.push(self.one(need, node, user, value.clone()));
            }
        }
        uses
    }

    /// The packages that do not understand a value of the environment.
    pub(super) fn bad_settings(self) -> Vec<BadSetting> {
        let mut bad = Vec::new();
        for setting in &Catalogue::built_in().settings {
            let values = self.environment.get(&setting.setting.variable).filter(|values| !values.is_empty());
            // A script that assigns another value mends it.
            let value = match values {
                Some(values) if values.iter().all(|value| setting.is_bad(Some(value))) => values.first().cloned(),
                None if setting.is_bad(None) => None,
                _ => continue,
            };
            let packages = self.packages_named(&setting.setting.packages);
            bad.extend(packages.map(|package| BadSetting { package, setting, value: value.clone() }));
        }
        bad
    }

    fn one(self, need: &'static CompiledNeed, node: Node, mut user: User, value: Option<(String, String)>) -> DataUse {
        let Mounted { tree, image } = *self.mounted;
        user.listed = self.listed(need, &user);
        let text = value.as_ref().map(|(_, value)| value.as_str());
        let mut outcome = look_up(need, &user, text, self.environment, self.mounted);
        let has_content = |path: &String| !(need.need.not_empty && self.mounted.is_hollow(path));
        if user.in_wheel && !matches!(outcome, Outcome::Found(_)) {
            let in_wheels = tree.iter().filter(|(_, entry)| need.in_wheels.is_match(entry.path.as_path()));
            let in_wheels: Vec<String> = in_wheels.map(|(_, entry)| entry.path.mounted()).filter(has_content).collect();
            outcome = if in_wheels.is_empty() { outcome } else { Outcome::Found(in_wheels) };
        }
        let mut elsewhere = Vec::new();
        let mut opened: Vec<String> = Vec::new();
        let mut outside = Vec::new();
        match &outcome {
            Outcome::Found(files) => opened.clone_from(files),
            Outcome::Missing(_) => {
                let there = tree
                    .iter()
                    .filter(|(_, entry)| !entry.is_directory() && need.elsewhere.is_match(entry.path.as_path()));
                let there = there.filter(|(id, _)| matches!(tree.follow(*id), Place::Inside(_)));
                elsewhere.extend(there.map(|(_, entry)| entry.path.mounted()).filter(has_content));
                opened.clone_from(&elsewhere);
                // A variable that names a directory of the tree hides where the build host has it.
                let ours = need.need.variables.iter().map(|variable| &variable.name);
                let mut environment = self.environment.clone();
                ours.for_each(|name| drop(environment.remove(name)));
                outside = places(need, &user, self.environment);
                outside.extend(places(need, &user, &environment));
                outside.retain(|place| !place.starts_with("/opt/"));
                if need.need.or_ca_bundle {
                    let bundles = image.profile().files.ca_bundle.iter();
                    elsewhere.extend(bundles.take(1).cloned());
                }
            }
            Outcome::Unknown => {}
        }
        let entries = opened.iter().flat_map(|path| self.mounted.entries(path)).collect();
        let is_hollow = matches!(&outcome, Outcome::Missing(looked) if !looked.iter().all(has_content));
        DataUse { user: node, need, value, outcome, entries, elsewhere, is_hollow, places: outside }
    }

    /// The places that the file of another need lists.
    fn listed(self, need: &CompiledNeed, user: &User) -> Vec<String> {
        let (Some(name), Some(pattern)) = (&need.need.listed_in, &need.listed) else { return Vec::new() };
        let Some(other) = Catalogue::built_in().needs.iter().find(|other| other.need.name == *name) else {
            return Vec::new();
        };
        let Outcome::Found(files) = look_up(other, user, None, self.environment, self.mounted) else {
            return Vec::new();
        };
        let file = files.first().and_then(|file| self.mounted.entries(file).pop());
        let Some(text) = file.and_then(|id| super::references::text(self.mounted.tree, id)) else { return Vec::new() };
        pattern.captures_iter(&text).filter_map(|found| Some(found.get(1)?.as_str().to_owned())).collect()
    }

    fn users(self, need: &CompiledNeed) -> Vec<(Node, User)> {
        let tree = self.mounted.tree;
        let mut users = Vec::new();
        for (id, elf) in self.objects {
            let path = tree.path(*id);
            let name = String::from_utf8_lossy(path.name());
            let original = without_hash(&name).filter(|_| !need.need.in_wheels.is_empty());
            let in_wheel = original.is_some_and(|original| need.by.is_match(original));
            let soname = elf.soname.as_deref().filter(|soname| need.by.is_match(soname));
            if need.need.by.is_empty()
                || (soname.is_none() && !in_wheel && !need.by.is_match(&*name) && !need.by.is_match(path.as_path()))
            {
                continue;
            }
            let package = self.packages.of_path(path).map(|position| self.packages.get(position));
            if need.need.versions.is_some() && !package.is_some_and(|package| is_version(need, package)) {
                continue;
            }
            let is_called = |name: &String| {
                self.objects.values().any(|other| other.symbols.undefined().iter().any(|symbol| symbol.name == *name))
            };
            if !need.need.when_called.is_empty() && !need.need.when_called.iter().any(is_called) {
                continue;
            }
            if need.need.built_in_with.iter().any(|symbol| elf.symbols.defines(symbol)) {
                continue;
            }
            let Some(compiled) = self.compiled_for(need, *id) else { continue };
            let directory = path.parent().unwrap_or_default().mounted();
            users.push((Node::Entry(*id), User { directory, compiled, listed: Vec::new(), in_wheel }));
        }
        let user =
            |node, directory, compiled| (node, User { directory, compiled, listed: Vec::new(), in_wheel: false });
        for position in self.packages_named(&need.need.packages) {
            let package = self.packages.get(position);
            if !is_version(need, package) {
                continue;
            }
            let has_pattern = need.compiled.is_some();
            let in_code = has_pattern.then(|| language(package.language).paths_in_code(package, tree));
            let compiled = in_code.unwrap_or_default().into_iter().collect();
            users.push(user(Node::Package(position), package.directory.mounted(), compiled));
        }
        if need.need.languages {
            let installed = self.packages.languages();
            if let Some(through) = need.need.programs.as_ref().filter(|_| installed.is_empty()) {
                let programs = self.objects.iter().filter(|(_, elf)| elf.interpreter.is_some());
                let calls =
                    |elf: &Elf| elf.symbols.undefined().iter().any(|symbol| through.calling.contains(&symbol.name));
                let callers = programs.filter(|(_, elf)| calls(elf));
                users.extend(callers.map(|(id, _)| user(Node::Entry(*id), MOUNT.to_owned(), Vec::new())));
                if through.image && users.is_empty() {
                    let image = self.mounted.image.profile().name.clone();
                    users.push(user(Node::Image(image), MOUNT.to_owned(), Vec::new()));
                }
            }
            users.extend(installed.into_iter().map(|id| user(Node::Runtime(id), MOUNT.to_owned(), Vec::new())));
        }
        users
    }

    /// The paths compiled into a file, or into what it loads of the libraries that the need is met through; `None` when those
    /// are the image's, which finds its own data.
    fn compiled_for(&self, need: &CompiledNeed, id: EntryId) -> Option<Vec<String>> {
        let paths = |id: EntryId| self.objects.get(&id).map(|elf| elf.paths.clone()).unwrap_or_default();
        if need.need.through.is_empty() {
            return Some(paths(id));
        }
        let loaded = self.edges.get(&id).into_iter().flat_map(BTreeMap::keys);
        let through = loaded.filter(|(_, edge)| need.through.is_match(&edge.soname));
        let in_tree = through.filter_map(|(_, edge)| match &edge.outcome {
            LibraryLookup::Found { object: Object::Tree(id), .. } => Some(*id),
            _ => None,
        });
        let found: BTreeSet<EntryId> = in_tree.collect();
        (!found.is_empty()).then(|| found.into_iter().flat_map(paths).collect())
    }

    /// The installed packages among these, as `cran/curl`.
    fn packages_named<'a>(&'a self, names: &'a [String]) -> impl Iterator<Item = usize> + 'a {
        let all = self.packages.all.iter().enumerate();
        all.filter(move |(_, package)| {
            let kind = language(package.language).purl_type();
            names
                .iter()
                .any(|name| name.strip_prefix(kind).and_then(|rest| rest.strip_prefix('/')) == Some(&package.name))
        })
        .map(|(position, _)| position)
    }
}

/// The name that a library has outside of a wheel: auditwheel's copies have eight digits of a hash in theirs, before its first dot
/// (`copylib` in repair.py): `libproj-9f3b1c2d.so.25`.
fn without_hash(name: &str) -> Option<String> {
    let (base, rest) = name.split_once('.')?;
    let (original, hash) = base.rsplit_once('-')?;
    let is_hash = hash.len() == 8 && hash.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    is_hash.then(|| format!("{original}.{rest}"))
}

/// Whether this version of a package opens it.
fn is_version(need: &CompiledNeed, package: &Package) -> bool {
    let constraint = need.need.versions.as_deref();
    constraint.is_none_or(|constraint| language(package.language).satisfies(&package.version, constraint))
}

/// Every entry that one of these opens.
pub(super) fn opened(uses: &[DataUse]) -> impl Iterator<Item = (&Node, EntryId)> {
    uses.iter().flat_map(|one| one.entries.iter().map(move |id| (&one.user, *id)))
}

/// A place in words: below the root of the tree, its path there.
pub(super) fn shown(path: &str) -> &str {
    path.strip_prefix(MOUNT).and_then(|path| path.strip_prefix('/')).unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::without_hash;

    #[test]
    fn copies_in_wheels_have_the_name_of_their_library() {
        let name = |name: &str| without_hash(name).unwrap_or_default();
        assert_eq!(name("libproj-9f3b1c2d.so.25.9.4.0"), "libproj.so.25.9.4.0");
        assert_eq!(name("libMagickCore-6-0123abcd.Q16.so.6"), "libMagickCore-6.Q16.so.6");
        for other in
            ["libproj.so.25", "libgdk_pixbuf-2.0.so.0", "libfoo-20230102a.so", "libproj-9f3b1c2d", "libx-ABCDEF01.so"]
        {
            assert_eq!(without_hash(other), None, "{other}");
        }
    }
}
