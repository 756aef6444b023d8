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
    pub(super) files: BTreeSet<&'a str>,
}

/// The directories near the root, by their paths; the root's is empty.
pub(super) struct Listing<'a> {
    directories: BTreeMap<&'a str, Names<'a>>,
    tree: &'a Tree,
}

impl<'a> Listing<'a> {
    pub(super) fn of(tree: &'a Tree) -> Self {
        let mut directories = BTreeMap::<&str, Names<'_>>::from([("", Names::default())]);
        for entry in tree.iter().map(|(_, entry)| entry).filter(|entry| is_content(entry)) {
            let Ok(path) = std::str::from_utf8(entry.path.as_bytes()) else { continue };
            let mut start = 0;
            for _ in 0..MAX_DEPTH {
                let names = directories.entry(path[..start].trim_end_matches('/')).or_default();
                let Some(length) = path[start..].find('/') else {
                    if entry.is_directory() {
                        names.directories.insert(&path[start..]);
                        directories.entry(path).or_default();
                    } else {
                        names.files.insert(&path[start..]);
                    }
                    break;
                };
                names.directories.insert(&path[start..start + length]);
                start += length + 1;
            }
        }
        Self { directories, tree }
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

    /// Whether a directory has a package of Python in it, or what describes one.
    pub(super) fn has_python_packages(&self, directory: &str) -> bool {
        let Some(names) = self.names(directory) else { return false };
        names.directories.iter().any(|name| is_python_metadata(name) || self.has(&join(directory, name), "__init__.py"))
    }
}

/// Whether a directory's name is that of the metadata of a Python package.
pub(super) fn is_python_metadata(name: &str) -> bool {
    name.ends_with(".dist-info") || name.ends_with(".egg-info")
}

/// Whether an entry is content, and not what the archiver or file manager of macOS adds.
pub(super) fn is_content(entry: &Entry) -> bool {
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
