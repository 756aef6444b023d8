//! Bundle: copies libraries that only the build host has into the tree's `lib/`, with their own dependencies, and the data that
//! is needed and known of (`rules/data/`) to a directory of its own.
//!
//! Never a part of glibc, which has to be of the same build as the image's loader (`rules/glibc.toml`).

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use schemars::JsonSchema;
use serde::Serialize;

use crate::base::error::{Error, Result};
use crate::base::finding::{Code, Finding, Subject};
use crate::base::part::Content;
use crate::base::path::TreePath;
use crate::formats::elf::{Elf, Machine, Type};
use crate::languages::Packages;
use crate::resolve::{LibraryLookup, MissingData, Node, Object, Resolution, is_bundled_for};
use crate::runtime::capture;
use crate::runtime::sysroot::{Located, Sysroot};
use crate::runtime::{GlibcNames, LoaderFacts};
use crate::tree::{EntryId, Place, Tree};

/// How many files of a directory of the host are looked at.
const MAX_DATA_FILES: usize = 10_000;

/// A library or a data file that was copied from the build host.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub struct Bundled {
    /// Where it is in the tree.
    pub path: String,
    /// Where it was copied from, with every link resolved.
    pub from: String,
    /// A file or package that needs it.
    pub needed_by: String,
    /// Its length in bytes.
    pub bytes: u64,
}

/// The build host's libraries.
pub struct Bundler {
    root: Sysroot,
    loaders: Vec<LoaderFacts>,
    cache: BTreeMap<String, Vec<(i32, String)>>,
    glibc: &'static GlibcNames,
    copied: Vec<Bundled>,
    /// The directory of the build host that each copied library is from, by its path in the tree.
    origins: BTreeMap<TreePath, String>,
    /// The libraries that the host has for another machine only, with that machine.
    of_other_machines: BTreeMap<String, String>,
    /// The needs for data that were looked for on the host.
    data_taken: BTreeSet<&'static str>,
}

/// A missing library, its machine, a file that needs it, and the directories that the file itself lists, unexpanded.
pub(super) struct Wanted {
    pub(super) soname: String,
    pub(super) machine: Machine,
    pub(super) needed_by: EntryId,
    listed: Vec<String>,
}

impl Bundler {
    /// The libraries of a root file system; `named` is what the user named.
    ///
    /// # Errors
    /// When the root has no loader.
    pub fn new(root: Sysroot, named: &Path) -> Result<Self> {
        let loaders = capture::loaders_of(&root, named)?;
        let cache = capture::loader_cache(&root);
        Ok(Self {
            root,
            loaders,
            cache,
            glibc: GlibcNames::built_in(),
            copied: Vec::new(),
            origins: BTreeMap::new(),
            of_other_machines: BTreeMap::new(),
            data_taken: BTreeSet::new(),
        })
    }

    /// Adds what is wanted and the host has to the tree; returns whether anything was added. The tree has to be resolved
    /// again then, because what was added has dependencies of its own.
    ///
    /// # Errors
    /// When `lib` in the tree is not a directory, or a library of the host cannot be read.
    pub(super) fn take(&mut self, tree: &mut Tree, wanted: &[Wanted]) -> Result<bool> {
        // Where /opt/lib really is: it can be a link to lib64, and a file below a link could not be unzipped.
        let directory = match tree.locate(b"/opt/lib") {
            Place::Inside(id) if tree.entry(id).is_directory() => tree.path(id).clone(),
            Place::Nowhere if tree.find(&lib()).is_none() => lib(),
            _ => {
                return Err(Error::Usage {
                    message: "--bundle: lib in the tree is a file, or a link that leads out of the tree".to_owned(),
                    help: "make it a directory: libraries of the build host are put there".to_owned(),
                });
            }
        };
        let mut added: Vec<(TreePath, Content)> = Vec::new();
        for wanted in wanted {
            let Some(path) = directory.join(&wanted.soname) else { continue };
            // Only one machine's library can have the name; another finding reports that two are needed.
            let taken = tree.find(&path).is_some() || added.iter().any(|(other, _)| *other == path);
            if self.glibc.has(&wanted.soname) || taken {
                continue;
            }
            let listed = self.listed(tree.path(wanted.needed_by), wanted);
            let Some(inside) = self.find(&wanted.soname, wanted.machine, &listed) else { continue };
            let Some(file) = self.root.locate(&inside) else { continue };
            let needed_by = tree.path(wanted.needed_by).to_string();
            let Located { shown: from, content } = file;
            let bytes = content.bytes()?;
            if let Some((directory, _)) = inside.rsplit_once('/') {
                self.origins.insert(path.clone(), directory.to_owned());
            }
            self.copied.push(Bundled { path: path.to_string(), from, needed_by, bytes });
            added.push((path, content));
        }
        let any = !added.is_empty();
        tree.add_files(added)?;
        Ok(any)
    }

    /// Adds missing data that the host has, each need at most once; returns whether anything was added.
    ///
    /// # Errors
    /// When a file of the host cannot be read.
    pub(super) fn take_data(&mut self, tree: &mut Tree, packages: &Packages, missing: &[MissingData]) -> Result<bool> {
        let mut added: Vec<(TreePath, Content)> = Vec::new();
        for data in missing {
            if !self.data_taken.insert(data.name()) {
                continue;
            }
            let needed_by = match &data.user {
                Node::Entry(id) => tree.path(*id).to_string(),
                Node::Package(position) => format!("pkg:{}", packages.get(*position).name),
                _ => data.name().to_owned(),
            };
            for (inside, below) in self.data_of(data) {
                let path = TreePath::new(data.to).and_then(|to| to.join(&below));
                // A file below a link could not be unzipped.
                let is_free = |path: &TreePath| {
                    let mut above = path.ancestors().skip(1).filter_map(|directory| tree.find(&directory));
                    tree.find(path).is_none() && above.all(|id| tree.entry(id).is_directory())
                };
                let (Some(path), Some(file)) = (path.filter(is_free), self.root.locate(&inside)) else { continue };
                let Located { shown: from, content } = file;
                let (bytes, needed_by) = (content.bytes()?, needed_by.clone());
                self.copied.push(Bundled { path: path.to_string(), from, needed_by, bytes });
                added.push((path, content));
            }
        }
        let any = !added.is_empty();
        tree.add_files(added)?;
        Ok(any)
    }

    /// The files of the host that meet a need: their paths in the host, and below the directory that they are copied to.
    fn data_of(&self, data: &MissingData) -> Vec<(String, String)> {
        for place in &data.places {
            let directory = match data.is_file() {
                false => place.as_str(),
                true if self.root.is_file(place) => place.rsplit_once('/').map_or("", |(directory, _)| directory),
                true => continue,
            };
            let found = data.pick(self.root.walk(directory, MAX_DATA_FILES));
            if !found.is_empty() {
                return found.into_iter().map(|below| (format!("{directory}/{below}"), below)).collect();
            }
        }
        Vec::new()
    }

    /// The copied files, sorted by path, and the libraries that the host has for another machine only, with that machine.
    pub fn into_copied(mut self) -> (Vec<Bundled>, BTreeMap<String, String>) {
        self.copied.sort();
        (self.copied, self.of_other_machines)
    }

    /// The library of the host that is wanted, as [`Self::take`] would copy it: its length in bytes, and
    /// what is in it. `None` if the host has none, or it is a part of glibc.
    pub(super) fn look_up(&mut self, soname: &str, machine: Machine, listed: &[String]) -> Option<(u64, Elf)> {
        if self.glibc.has(soname) {
            return None;
        }
        let path = self.find(soname, machine, listed)?;
        let bytes = self.root.read(&path).ok()?;
        let elf = Elf::parse(&bytes).ok()?;
        Some((bytes.len() as u64, elf))
    }

    /// The directories of the host that a file lists (RPATH or RUNPATH). `$ORIGIN` of a library that was copied is the directory
    /// it was copied from; in a file of the tree, it is a place that was searched already.
    pub(super) fn listed(&self, path: &TreePath, wanted: &Wanted) -> Vec<String> {
        let origin = self.origins.get(path);
        let expand = |listed: &String| {
            let expanded = match origin {
                Some(origin) => listed.replace("${ORIGIN}", origin).replace("$ORIGIN", origin),
                None => listed.clone(),
            };
            (expanded.starts_with('/') && !expanded.contains('$')).then_some(expanded)
        };
        wanted.listed.iter().filter_map(expand).collect()
    }

    /// Where the host's loader would find a library: in the directories that its dependent lists, in the cache, or in the
    /// loader's own directories.
    fn find(&mut self, soname: &str, machine: Machine, listed: &[String]) -> Option<String> {
        let flags = capture::cache_flags(machine);
        let cached = self.cache.get(soname).into_iter().flatten();
        // Builds for newer processors could not run on every one that Lambda uses.
        let cached: Vec<&String> =
            cached.filter(|(_, path)| !path.contains("/glibc-hwcaps/")).map(|(_, path)| path).collect();
        let ours = |path: &&String| {
            self.cache.get(soname).into_iter().flatten().any(|(of, p)| p == *path && Some(*of) == flags)
        };
        let (first, others): (Vec<&String>, Vec<&String>) = cached.into_iter().partition(ours);
        let directories = self.loaders.iter().filter(|loader| loader.machine == machine.name());
        let directories = directories.flat_map(|loader| &loader.directories);
        let all = self.loaders.iter().flat_map(|loader| &loader.directories);
        let at = |directory: &String| format!("{directory}/{soname}");
        let candidates = listed.iter().map(at).chain(first.into_iter().cloned()).chain(directories.map(at));
        // The rest are only looked at to report that they are for another machine.
        let rest = others.into_iter().cloned().chain(all.map(at));
        let candidates = candidates.map(|path| (path, true)).chain(rest.map(|path| (path, false)));
        let mut other_machine = None;
        for (path, searched) in candidates {
            let Some(elf) = self.root.read(&path).ok().and_then(|bytes| Elf::parse(&bytes).ok()) else { continue };
            match elf.kind {
                Type::Shared if elf.machine == machine && searched => return Some(path),
                Type::Shared if elf.machine != machine => {
                    other_machine.get_or_insert(elf.machine.name());
                }
                _ => {}
            }
        }
        self.of_other_machines.extend(other_machine.map(|other| (soname.to_owned(), other)));
        None
    }
}

/// The directory of the tree that every process searches.
fn lib() -> TreePath {
    TreePath::new("lib").unwrap_or_default()
}

/// Each library that is missing and that something kept loads: a program, a language, a package, or a plugin such as an
/// extension module or an addon. Modules that a language itself only loads on demand do not count: most functions never do.
pub(super) fn wanted(resolution: &Resolution<'_>, kept: impl Fn(EntryId) -> bool) -> Vec<Wanted> {
    let mut wanted: BTreeMap<(String, String), Wanted> = BTreeMap::new();
    for (id, edges) in resolution.loads.edges.iter().filter(|(id, _)| kept(**id)) {
        for ((_, edge), _) in edges.iter().filter(|((kind, _), certainty)| is_bundled_for(*kind, **certainty)) {
            let missing = matches!(&edge.outcome, LibraryLookup::Missing { stopped: None, .. });
            let Some(elf) = resolution.objects.get(id).filter(|_| missing && edge.from == Object::Tree(*id)) else {
                continue;
            };
            // A name with a slash is a path, so the file cannot be put into a searched directory.
            if edge.soname.contains('/') {
                continue;
            }
            let key = (edge.soname.clone(), elf.machine.name());
            let listed = elf.runpath.iter().chain(&elf.rpath).flat_map(|list| list.split(':')).map(str::to_owned);
            let new =
                Wanted { soname: edge.soname.clone(), machine: elf.machine, needed_by: *id, listed: listed.collect() };
            wanted.entry(key).or_insert(new);
        }
    }
    wanted.into_values().collect()
}

/// A note about each copied file.
pub fn findings(copied: &[Bundled]) -> impl Iterator<Item = Finding> {
    copied.iter().map(|bundled| {
        Finding::info(
            Code::Bundled,
            Subject::Path(bundled.path.clone()),
            format!("copied from {} for {}", bundled.from, bundled.needed_by),
            "nothing to do; copy it into the tree if layers are also packed on other machines",
        )
    })
}
