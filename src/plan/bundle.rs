//! Bundle: copies libraries that only the build host has into the tree's `lib/`, with their own dependencies, and the data that
//! is needed and known of (`rules/data/`) to a directory of its own.
//!
//! Never a part of glibc, which has to be of the same build as the image's loader (`rules/glibc.toml`).

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use schemars::JsonSchema;
use serde::Serialize;

use crate::base::error::{Error, Result};
use crate::base::finding::{Code, Finding};
use crate::base::list;
use crate::base::part::Content;
use crate::base::path::TreePath;
use crate::base::subject::Subject;
use crate::formats::elf::{Elf, Machine, Type};
use crate::languages::Packages;
use crate::resolve::{
    LibraryLookup, MissingCharset, MissingData, Node, Object, Resolution, is_bundled_for, remedy_for_part,
};
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
    /// Where it was copied from, with every link resolved; `layerfit` for a configuration that layerfit wrote.
    pub from: String,
    /// A file or package that needs it.
    pub needed_by: String,
    /// Its length in bytes.
    pub bytes: u64,
    /// The paths in it that were changed, because what they name was copied too.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub changed: Vec<ChangedPath>,
}

/// A path that a copied configuration names, and the one that it was changed to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub struct ChangedPath {
    /// On the build host.
    pub from: String,
    /// Below `/opt`.
    pub to: String,
}

/// The directory of the tree for modules for character sets, and the list of them that glibc reads there.
const CHARSETS: (&str, &str) = ("lib/gconv", "gconv-modules");

/// Where a configuration comes from that is written and not copied.
const WRITTEN: &str = "layerfit";

/// A configuration of the build host that is longer is copied as it is.
const MAX_CONFIGURATION: u64 = 1 << 20;

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
    /// The releases of glibc of the host and the image, where no module for a character set was copied as they differ.
    other_glibc: Option<(String, String)>,
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
            other_glibc: None,
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
            self.copied.push(Bundled { path: path.to_string(), from, needed_by, bytes, changed: Vec::new() });
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
        let mut files = NewFiles { tree, added: Vec::new() };
        for data in missing {
            if !self.data_taken.insert(data.name()) {
                continue;
            }
            let needed_by = match &data.user {
                Node::Entry(id) => files.tree.path(*id).to_string(),
                Node::Package(position) => format!("pkg:{}", packages.get(*position).name),
                _ => data.name().to_owned(),
            };
            if let Some((name, text)) = data.written()
                && let Some(path) = files.free(data.to(), name)
            {
                let bytes = text.len() as u64;
                let (from, needed_by) = (WRITTEN.to_owned(), needed_by.clone());
                self.copied.push(Bundled { path: path.to_string(), from, needed_by, bytes, changed: Vec::new() });
                files.added.push((path, Content::Bytes(text.as_bytes().to_vec())));
            }
            for (inside, below) in self.data_of(data) {
                let (Some(path), Some(file)) = (files.free(data.to(), &below), self.root.locate(&inside)) else {
                    continue;
                };
                self.copy(&mut files, path, (&inside, file), &needed_by, data.to_for_named())?;
            }
        }
        let added = files.added;
        let any = !added.is_empty();
        tree.add_files(added)?;
        Ok(any)
    }

    /// Adds the modules for character sets that the host has, with a list of them; `glibc` is the image's release, which has to
    /// be that of the host, as the modules use what is private to one. Returns whether anything was added.
    ///
    /// # Errors
    /// When a file of the host cannot be read.
    pub(super) fn take_charsets(
        &mut self,
        tree: &mut Tree,
        missing: &[MissingCharset],
        glibc: Option<&str>,
    ) -> Result<bool> {
        let nowhere = missing.iter().filter(|charset| charset.elsewhere.is_none());
        let there = nowhere.filter_map(|charset| {
            let directory = capture::charset_directory(&self.root, &format!("{}.so", charset.module))?;
            Some((charset, directory))
        });
        let there: Vec<(&MissingCharset, &str)> = there.collect();
        let (Some((first, _)), Some(image)) = (there.first(), glibc) else { return Ok(false) };
        match capture::glibc(&self.root, &self.loaders) {
            Some(host) if host == image => {}
            host => {
                self.other_glibc = host.map(|host| (host, image.to_owned()));
                return Ok(false);
            }
        }
        let mut files = NewFiles { tree, added: Vec::new() };
        // Without the list, the modules are not found.
        let Some(list) = files.free(CHARSETS.0, CHARSETS.1) else { return Ok(false) };
        let charsets: Vec<&MissingCharset> = there.iter().map(|(charset, _)| *charset).collect();
        let (text, needed_by) = (MissingCharset::list(&charsets), first.place.to_string());
        let (path, from, bytes) = (list.to_string(), WRITTEN.to_owned(), text.len() as u64);
        self.copied.push(Bundled { path, from, needed_by, bytes, changed: Vec::new() });
        files.added.push((list, Content::Bytes(text.into_bytes())));
        for (charset, directory) in there {
            let mut names = vec![format!("{}.so", charset.module)];
            while let Some(name) = names.pop() {
                let inside = format!("{directory}/{name}");
                let (Some(path), Some(file)) = (files.free(CHARSETS.0, &name), self.root.locate(&inside)) else {
                    continue;
                };
                // The tables that several modules share are beside them.
                let elf = self.root.read(&inside).ok().and_then(|bytes| Elf::parse(&bytes).ok());
                let needed = elf.map(|elf| elf.needed).unwrap_or_default();
                names.extend(needed.into_iter().filter(|name| self.root.is_file(&format!("{directory}/{name}"))));
                self.copy(&mut files, path, (&inside, file), &charset.place.to_string(), None)?;
            }
        }
        let added = files.added;
        tree.add_files(added)?;
        Ok(true)
    }

    /// Why no module for a character set was copied, although the host has it.
    pub(super) fn charsets_refused(&self) -> Option<String> {
        let (host, image) = self.other_glibc.as_ref()?;
        Some(format!("the build host's is of glibc {host}, and the image has glibc {image}"))
    }

    /// Copies a file of the host, with the files that it names to `named`, whose new paths it gets.
    fn copy(
        &mut self,
        files: &mut NewFiles<'_>,
        path: TreePath,
        (inside, file): (&str, Located),
        needed_by: &str,
        named: Option<&str>,
    ) -> Result<()> {
        let Located { shown: from, mut content } = file;
        let mut changed = Vec::new();
        if let Some(named) = named
            && content.bytes()? <= MAX_CONFIGURATION
            && let Some(mut text) = self.root.read(inside).ok().and_then(|bytes| String::from_utf8(bytes).ok())
        {
            // From the end, so that the places before it stay valid.
            for (range, name) in MissingData::names_in(&path, &text).into_iter().rev() {
                let last = name.rsplit('/').next().unwrap_or(&name);
                let target = TreePath::new(named).and_then(|directory| directory.join(last));
                let located = self.root.locate(&name).filter(|_| !name.starts_with("/opt/"));
                let (Some(target), Some(source)) = (target, located) else { continue };
                if files.is_free(&target) {
                    self.copy(files, target.clone(), (&name, source), &path.to_string(), None)?;
                }
                text.replace_range(range, &target.mounted());
                changed.push(ChangedPath { from: name, to: target.mounted() });
            }
            changed.sort();
            changed.dedup();
            if !changed.is_empty() {
                content = Content::Bytes(text.into_bytes());
            }
        }
        let (bytes, needed_by) = (content.bytes()?, needed_by.to_owned());
        self.copied.push(Bundled { path: path.to_string(), from, needed_by, bytes, changed });
        files.added.push((path, content));
        Ok(())
    }

    /// The files of the host that meet a need: their paths in the host, and below the directory that they are copied to.
    fn data_of(&self, data: &MissingData) -> Vec<(String, String)> {
        for place in &data.places {
            let directory = match data.is_file() {
                false => place.as_str(),
                true if self.root.is_file(place) => place.rsplit_once('/').map_or("", |(directory, _)| directory),
                true => continue,
            };
            let below = self.root.walk(directory, MAX_DATA_FILES);
            if !data.is_met_by(&below) {
                continue;
            }
            let above = (0..data.above()).try_fold(directory, |path, _| Some(path.rsplit_once('/')?.0));
            let (directory, below) = match above {
                Some(above) if above != directory => (above, self.root.walk(above, MAX_DATA_FILES)),
                _ => (directory, below),
            };
            let found = data.pick(&below);
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

/// A tree, and the files that will be added to it.
struct NewFiles<'a> {
    tree: &'a Tree,
    added: Vec<(TreePath, Content)>,
}

impl NewFiles<'_> {
    /// The path below a directory of the tree, if nothing is there.
    fn free(&self, directory: &str, below: &str) -> Option<TreePath> {
        TreePath::new(directory)?.join(below).filter(|path| self.is_free(path))
    }

    /// Whether nothing is at a path. A file below a link could not be unzipped.
    fn is_free(&self, path: &TreePath) -> bool {
        let mut above = path.ancestors().skip(1).filter_map(|directory| self.tree.find(&directory));
        self.tree.find(path).is_none()
            && above.all(|id| self.tree.entry(id).is_directory())
            && !self.added.iter().any(|(other, _)| other == path)
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
            // A name with a slash is a path, so the file cannot be put into a searched directory. A library that does nothing
            // without other files is not copied alone, and one of a language's own installation not from another.
            let of_language = || resolution.remedy_of_language(&edge.soname, &[*id]).is_some();
            if edge.soname.contains('/') || remedy_for_part(&edge.soname).is_some() || of_language() {
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
    copied.iter().map(|Bundled { path, from, needed_by, changed, .. }| {
        let changes: Vec<String> = changed.iter().map(|path| format!("{} as {}", path.from, path.to)).collect();
        let message = match (from.as_str(), changes.as_slice()) {
            (WRITTEN, _) => {
                format!("written for {needed_by}: the build host's names what a layer does not have")
            }
            (_, []) => format!("copied from {from} for {needed_by}"),
            (_, changes) => format!("copied from {from} for {needed_by}, with {}", list::with_last(changes, "and")),
        };
        let help = "nothing to do; copy it into the tree if layers are also packed on other machines";
        Finding::info(Code::Bundled, Subject::Path(path.clone()), message, help)
    })
}
