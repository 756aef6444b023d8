//! Data: what libraries, programs, packages and languages open besides libraries, from `rules/data/`: where they look for it,
//! whether it is there, and what configuration files name.

mod catalogue;
mod charsets;
mod lookup;
mod opened;
mod references;
mod uses;
mod variables;
mod words;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

pub use charsets::MissingCharset;
pub(super) use charsets::findings as charset_findings;
use globset::GlobSet;
use lookup::Environment;
use opened::Mounted;
use references::NamedFile;
use uses::{BadSetting, DataUse, Search};
use variables::PointsNowhere;
use words::Words;

use super::graph::{Graph, Need, Node};
use super::processes::LoadedLibraries;
use crate::base::finding::Finding;
use crate::base::globs;
use crate::base::path::TreePath;
use crate::formats::elf::Elf;
use crate::languages::handlers::Place;
use crate::languages::{ALL, Packages};
use crate::runtime::Image;
use crate::tree::{EntryId, Objects, Tree};

/// What is opened besides libraries.
#[derive(Default)]
pub(super) struct Data {
    uses: Vec<DataUse>,
    named: Vec<NamedFile>,
    bad_settings: Vec<BadSetting>,
    points_nowhere: Vec<PointsNowhere>,
    /// The directories that are searched for the C library's character sets before its own.
    charset_directories: Vec<String>,
    /// The files that only libraries and programs open.
    files: BTreeSet<EntryId>,
}

/// Data that is nowhere, and that `--bundle` can copy from the build host.
pub struct MissingData {
    /// What opens it.
    pub user: Node,
    /// Where it is looked for outside the tree: absolute paths.
    pub places: Vec<String>,
    need: &'static catalogue::CompiledNeed,
    bundle: &'static catalogue::Bundle,
    value: Option<String>,
}

impl MissingData {
    /// The name of the need, which is unique.
    pub fn name(&self) -> &'static str {
        &self.need.need.name
    }

    /// The directory of the tree to copy it to.
    pub fn to(&self) -> &'static str {
        &self.bundle.to
    }

    /// The directory of the tree for files that a copied configuration names.
    pub fn to_for_named(&self) -> Option<&'static str> {
        self.bundle.named.as_deref()
    }

    /// A configuration to write instead of copying the host's: its name, and its text.
    pub fn written(&self) -> Option<(&'static str, &'static str)> {
        self.bundle.write.as_ref().map(|written| (written.name.as_str(), written.text.as_str()))
    }

    /// Whether a place is the file itself, and not the directory of the files.
    pub fn is_file(&self) -> bool {
        self.need.need.files.is_empty()
    }

    /// How many directories above a place the files that are copied begin.
    pub fn above(&self) -> usize {
        self.bundle.above
    }

    /// Whether a directory with these files meets the need.
    pub fn is_met_by(&self, below: &[String]) -> bool {
        let value = self.value.as_deref().unwrap_or_default();
        self.need.files.iter().all(|file| match file {
            catalogue::Pattern::Name(name) => below.contains(&name.replace("{value}", value)),
            catalogue::Pattern::Glob(_, glob) => below.iter().any(|path| glob.is_match(path)),
        })
    }

    /// Which of the files below a directory of the host are copied: those that are needed, and no more.
    pub fn pick(&self, below: &[String]) -> Vec<String> {
        let value = self.value.as_deref().unwrap_or_default();
        let mut globs = self.bundle.files.iter().map(|glob| globs::set([&glob.replace("{value}", value)]).ok());
        let matching = |globs: &GlobSet| below.iter().filter(|path| globs.is_match(path)).cloned().collect();
        let mut matches = globs.by_ref().flatten().map(|glob| matching(&glob));
        if self.bundle.first {
            return matches.find(|found: &Vec<String>| !found.is_empty()).unwrap_or_default();
        }
        let all: BTreeSet<String> = matches.flatten().collect();
        all.into_iter().collect()
    }

    /// The absolute paths that a configuration names, and where each is in its text.
    pub fn names_in(path: &TreePath, text: &str) -> Vec<(Range<usize>, String)> {
        references::absolute_names(path, text)
    }
}

/// What findings about data refer to.
#[derive(Clone, Copy)]
pub(super) struct DataContext<'a> {
    pub(super) tree: &'a Tree,
    pub(super) image: &'a Image<'a>,
    pub(super) packages: &'a Packages,
    pub(super) objects: &'a Objects,
    /// The libraries of which the image has its own that is found first, with its path.
    pub(super) shadowed: &'a BTreeMap<EntryId, String>,
}

/// What a tree opens besides libraries; `assigned` are the values that startup scripts assign to variables.
pub(super) fn find(
    tree: &Tree,
    image: &Image<'_>,
    objects: &Objects,
    packages: &Packages,
    loads: &LoadedLibraries,
    assigned: &Environment,
) -> Data {
    let mounted = Mounted { tree, image };
    let environment = environment(tree, image, packages, assigned);
    let search = Search { mounted: &mounted, objects, packages, edges: &loads.edges, environment: &environment };
    let uses = search.uses();
    let by_files = uses::opened(&uses).filter(|(user, _)| matches!(user, Node::Entry(_)));
    let files = by_files.map(|(_, id)| id).filter(|id| packages.of_path(tree.path(*id)).is_none());
    let files = files.filter(|id| !objects.contains_key(id)).collect();
    let charset_directories = environment.get("GCONV_PATH").into_iter().flatten().flat_map(|value| value.split(':'));
    let charset_directories = charset_directories.map(|directory| directory.trim_end_matches('/').to_owned()).collect();
    let (bad_settings, named) = (search.bad_settings(), references::named_files(&mounted, objects));
    let points_nowhere = variables::find(&mounted, &environment, &uses);
    Data { uses, named, bad_settings, points_nowhere, charset_directories, files }
}

/// The variables of a function's processes: the image's and the function's own, and what startup scripts and languages assign to
/// them.
fn environment(tree: &Tree, image: &Image<'_>, packages: &Packages, assigned: &Environment) -> Environment {
    let mut environment: Environment = BTreeMap::new();
    for (name, value) in &image.profile().environment.variables {
        environment.insert(name.clone(), [value.clone()].into());
    }
    environment.extend(assigned.iter().map(|(name, values)| (name.clone(), values.clone())));
    for language in ALL {
        let assigned = language.variables(packages, tree, &environment);
        environment.extend(assigned);
    }
    environment
}

/// Whether a need of the catalogue looks at this compiled-in path.
pub(super) fn is_known_place(path: &str) -> bool {
    catalogue::Catalogue::built_in().needs.iter().any(|need| need.compiled.as_ref().is_some_and(|p| p.is_match(path)))
}

/// What to do when this library is missing, if it does nothing without other files, so that it cannot be copied alone.
pub fn remedy_for_part(soname: &str) -> Option<&'static str> {
    let parts = &catalogue::Catalogue::built_in().parts;
    parts.iter().find(|part| part.library == soname).map(|part| part.remedy.as_str())
}

impl Data {
    /// Adds what is opened, and what configuration names, to the graph.
    pub(super) fn add_to(&self, graph: &mut Graph) {
        for (user, id) in uses::opened(&self.uses) {
            graph.add(user.clone(), Need::Opens, Node::Entry(id));
        }
        for (by, id) in words::named_entries(&self.named) {
            graph.add(Node::Entry(by), Need::Opens, Node::Entry(id));
        }
    }

    /// The character sets among these, by the places that name them, whose modules are not where they are looked for.
    pub(super) fn missing_charsets(
        &self,
        tree: &Tree,
        image: &Image<'_>,
        named: &BTreeMap<String, Place>,
    ) -> Vec<MissingCharset> {
        charsets::missing(self, tree, image, named)
    }

    /// Whether a file is data of libraries or programs, which nothing else is known to open.
    pub(super) fn has(&self, id: EntryId) -> bool {
        self.files.contains(&id)
    }

    /// The data that kept, active users open, that is nowhere, and that can be copied.
    pub(super) fn missing(&self, active: &dyn Fn(&Node) -> bool) -> Vec<MissingData> {
        let missing =
            self.uses.iter().filter(|one| matches!(one.outcome, lookup::Outcome::Missing(_)) && active(&one.user));
        // A file is never replaced by the build host's.
        let nowhere = missing.filter(|one| one.elsewhere.is_empty() && !one.is_hollow);
        nowhere
            .filter_map(|one| {
                let bundle = one.need.need.bundle.as_ref()?;
                let value = one.value.as_ref().map(|(_, value)| value.clone());
                Some(MissingData { user: one.user.clone(), places: one.places.clone(), need: one.need, bundle, value })
            })
            .collect()
    }

    /// Findings about what active users open; `active` files are kept, and loaded if they are libraries.
    pub(super) fn findings(
        &self,
        DataContext { tree, image, packages, objects, shadowed }: DataContext<'_>,
        kept: &dyn Fn(EntryId) -> bool,
        active: &dyn Fn(EntryId) -> bool,
    ) -> Vec<Finding> {
        let words = Words { tree, packages, image: &image.profile().name, shadowed };
        let is_active = |node: &Node| match node {
            Node::Entry(id) => active(*id),
            Node::Package(position) => kept(packages.get(*position).entry),
            Node::Runtime(_) | Node::Image(_) | Node::Missing(_) => true,
        };
        let mut findings = words.unmet(&self.uses, &is_active);
        let named = |(id, elf): (&EntryId, &std::sync::Arc<Elf>), one: &NamedFile| {
            let by = &one.reference.by;
            let name = String::from_utf8_lossy(tree.path(*id).name());
            by.is_match(&*name)
                || by.is_match(tree.path(*id).as_path())
                || elf.soname.as_ref().is_some_and(|soname| by.is_match(soname))
        };
        let is_read = |one: &NamedFile| {
            kept(one.by)
                && (one.reference.reference.by.is_empty()
                    || objects.iter().any(|(id, elf)| active(*id) && named((id, elf), one)))
        };
        findings.extend(words.dangling(&self.named, &is_read));
        findings.extend(words.breaking(&self.bad_settings, &is_active));
        findings.extend(self.points_nowhere.iter().map(|one| one.finding(tree, &image.profile().name)));
        findings
    }
}
