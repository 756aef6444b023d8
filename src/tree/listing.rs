//! Listing: the names in the directories near the root of a tree, without what archivers and file managers add to it.

use std::collections::{BTreeMap, BTreeSet};

use super::{Entry, Kind, Magic, Place, Tree};
use crate::base::path::TreePath;

/// How deep directories are listed: `python/.venv/lib/python3.12/site-packages/requests` has six names.
const MAX_DEPTH: usize = 7;

/// The names in one directory.
#[derive(Debug, Default)]
pub(super) struct Names<'a> {
    /// The directories.
    pub(super) directories: BTreeSet<&'a str>,
    /// The files and links.
    pub(super) files: Files<'a>,
}

/// The names of the files and links of a directory, in order: there can be a million.
#[derive(Debug, Default)]
pub(super) struct Files<'a>(Vec<&'a str>);

impl<'a> Files<'a> {
    pub(super) fn contains(&self, name: &str) -> bool {
        self.0.binary_search(&name).is_ok()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn iter(&self) -> std::slice::Iter<'_, &'a str> {
        self.0.iter()
    }
}

/// The directories near the root, by their paths; the root's is empty.
pub(super) struct Listing<'a> {
    directories: BTreeMap<&'a str, Names<'a>>,
    has_file: bool,
    tree: &'a Tree,
}

impl<'a> Listing<'a> {
    /// The names of all entries.
    pub(super) fn of(tree: &'a Tree) -> Self {
        Self::of_entries(tree, |_| true)
    }

    /// The names of the entries that satisfy `of`.
    pub(super) fn of_entries(tree: &'a Tree, of: impl Fn(&Entry) -> bool) -> Self {
        let mut directories = BTreeMap::<&str, Names<'_>>::from([("", Names::default())]);
        // The entries are in order, so most files follow one of the same directory, which is searched once for all of them.
        let (mut directory, mut files, mut has_file) = ("", Vec::new(), false);
        for entry in tree.iter().map(|(_, entry)| entry).filter(|entry| is_content(entry) && of(entry)) {
            has_file |= !entry.is_directory();
            let Some(path) = entry.path.as_str() else { continue };
            if entry.is_directory() {
                add_directory(&mut directories, path);
                continue;
            }
            let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
            if parent != directory {
                add_files(&mut directories, directory, &mut files);
                add_directory(&mut directories, parent);
                directory = parent;
            }
            files.push(name);
        }
        add_files(&mut directories, directory, &mut files);
        Self { directories, has_file, tree }
    }

    /// The names in a directory; `None` if there is no such directory near the root.
    pub(super) fn names(&self, directory: &str) -> Option<&Names<'a>> {
        self.directories.get(directory)
    }

    pub(super) fn has_directory(&self, path: &str) -> bool {
        self.directories.contains_key(path)
    }

    /// Whether something of this name is in a directory.
    pub(super) fn has(&self, directory: &str, name: &str) -> bool {
        self.names(directory).is_some_and(|names| names.directories.contains(name) || names.files.contains(name))
    }

    /// The paths of the directories near the root.
    pub(super) fn paths(&self) -> impl Iterator<Item = &'a str> + '_ {
        self.directories.keys().copied()
    }

    /// The file at a path, links followed, if it is a program or library.
    pub(super) fn is_elf(&self, path: &str) -> bool {
        let found = TreePath::new(path.as_bytes()).and_then(|path| self.tree.find(&path));
        let Some(Place::Inside(id)) = found.map(|id| self.tree.follow(id)) else { return false };
        matches!(self.tree.entry(id).kind, Kind::File { magic: Magic::Elf, .. })
    }

    /// Whether the file at a path is an executable script or program.
    pub(super) fn is_program(&self, path: &str) -> bool {
        let found = TreePath::new(path.as_bytes()).and_then(|path| self.tree.find(&path));
        found.map(|id| self.tree.entry(id)).is_some_and(|entry| {
            let starts = matches!(entry.kind, Kind::File { magic: Magic::Elf | Magic::Script(_), .. });
            starts && entry.is_executable()
        })
    }

    /// Whether there is a symbolic link at a path.
    pub(super) fn is_link(&self, path: &str) -> bool {
        let found = TreePath::new(path.as_bytes()).and_then(|path| self.tree.find(&path));
        found.is_some_and(|id| matches!(self.tree.entry(id).kind, Kind::Link { .. }))
    }

    /// Whether a directory has programs or libraries directly in it.
    pub(super) fn has_objects(&self, directory: &str) -> bool {
        let files = self.names(directory).into_iter().flat_map(|names| names.files.iter());
        files.map(|name| join(directory, name)).any(|path| self.is_program(&path) || self.is_elf(&path))
    }

    /// Whether a directory has modules of Python directly in it.
    pub(super) fn has_python_modules(&self, directory: &str) -> bool {
        self.names(directory).is_some_and(|names| names.files.iter().any(|name| extension(name) == "py"))
    }

    /// Whether there is a file, other than those of macOS.
    pub(super) fn has_file(&self) -> bool {
        self.has_file
    }

    /// Whether the tree has entries, and no file among them but those of macOS.
    pub(super) fn has_no_file(&self) -> bool {
        !self.tree.entries().is_empty() && !self.has_file
    }

    /// Whether a directory has a package of Python in it, or what describes one.
    pub(super) fn has_python_packages(&self, directory: &str) -> bool {
        let Some(names) = self.names(directory) else { return false };
        names.directories.iter().any(|name| is_python_metadata(name) || self.has(&join(directory, name), "__init__.py"))
    }
}

/// Adds a directory and those above it.
fn add_directory<'a>(directories: &mut BTreeMap<&'a str, Names<'a>>, path: &'a str) {
    let mut start = 0;
    for _ in 0..MAX_DEPTH {
        let Some(rest) = path.get(start..).filter(|rest| !rest.is_empty()) else { return };
        let above = directories.entry(path[..start].trim_end_matches('/')).or_default();
        let Some((name, _)) = rest.split_once('/') else {
            above.directories.insert(rest);
            directories.entry(path).or_default();
            return;
        };
        above.directories.insert(name);
        start += name.len() + 1;
    }
}

/// Adds files to those of a directory, if it is near the root.
fn add_files<'a>(directories: &mut BTreeMap<&'a str, Names<'a>>, path: &'a str, files: &mut Vec<&'a str>) {
    let is_near = path.is_empty() || path.matches('/').count() + 1 < MAX_DEPTH;
    if is_near && let Some(names) = directories.get_mut(path) {
        names.files.0.append(files);
    }
    files.clear();
}

/// Whether a directory's name is that of the metadata of a Python package.
pub(super) fn is_python_metadata(name: &str) -> bool {
    name.ends_with(".dist-info") || name.ends_with(".egg-info")
}

/// Whether an entry is content, and not what the archiver or file manager of macOS adds.
pub(crate) fn is_content(entry: &Entry) -> bool {
    let path = entry.path.as_bytes();
    path != b"__MACOSX" && !path.starts_with(b"__MACOSX/") && entry.path.name() != b".DS_Store"
}

/// What follows the last dot of a name.
pub(super) fn extension(name: &str) -> &str {
    name.rsplit_once('.').map_or("", |(_, extension)| extension)
}

/// The path of a name in a directory.
pub(super) fn join(directory: &str, name: &str) -> String {
    if directory.is_empty() { name.to_owned() } else { format!("{directory}/{name}") }
}
