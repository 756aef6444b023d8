//! Scan: reads a directory, or layer zips merged as Lambda merges them, into one [`Tree`].
//!
//! Responsible for what is there (files, directories, links, modes, hard links) and for findings about what no layer
//! can hold or what would not be the same in Lambda. Links are kept as links. Contents are not interpreted, only their
//! first bytes are looked at, to know ELF files and scripts from the rest.

mod directory;
mod links;
mod objects;
mod zips;

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::path::PathBuf;

pub use directory::scan_directory;
pub use links::{Place, link_findings};
pub use objects::{Objects, read_objects, unreadable};
use zips::Archive;
pub use zips::{LayerEntry, LayerZip, PackageDirectory, scan_zips};
pub(crate) use zips::{hex, sha256_of};

use crate::base::error::{Error, Result};
use crate::base::path::TreePath;

/// The index of an entry in its tree: entries are sorted by path, so ids are too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryId(u32);

impl EntryId {
    /// The position in [`Tree::entries`].
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// What an entry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A directory.
    Directory,
    /// A regular file.
    File {
        /// Its length in bytes (not the disk blocks it takes).
        bytes: u64,
        /// What its first bytes say it is.
        magic: Magic,
        /// Device and inode, when the file has more than one name.
        hard: Option<(u64, u64)>,
    },
    /// A symbolic link, kept as one.
    Link {
        /// Where it points, as written in it.
        target: Vec<u8>,
    },
}

/// What the first bytes of a file say it is. Names are not believed: `libm.so` may be a linker script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Magic {
    /// `\x7fELF` (elf(5)).
    Elf,
    /// `#!`: a script, with the rest of its first line.
    Script(Vec<u8>),
    /// Anything else.
    Other,
}

/// How many first bytes of a file are looked at: Linux reads as many to find a script's interpreter
/// (`BINPRM_BUF_SIZE`, execve(2)).
pub(crate) const HEAD_BYTES: usize = 256;

impl Magic {
    fn of(head: &[u8]) -> Self {
        if head.starts_with(b"\x7fELF") {
            Magic::Elf
        } else if let Some(rest) = head.strip_prefix(b"#!") {
            Magic::Script(rest.split(|b| *b == b'\n').next().unwrap_or_default().to_vec())
        } else {
            Magic::Other
        }
    }
}

/// One file, directory or link of a tree.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Where it is.
    pub path: TreePath,
    /// What it is.
    pub kind: Kind,
    /// Its permission bits (the low twelve of `st_mode`).
    pub mode: u32,
    origin: Origin,
}

#[derive(Debug, Clone, Copy)]
enum Origin {
    Directory,
    /// A content beside the source, by its position in [`Tree::overlays`].
    Overlay(usize),
    Zip {
        archive: usize,
        index: usize,
    },
}

impl Entry {
    /// Length in bytes of a regular file or of a link's target; 0 for a directory.
    pub fn bytes(&self) -> u64 {
        match &self.kind {
            Kind::Directory => 0,
            Kind::File { bytes, .. } => *bytes,
            Kind::Link { target } => target.len() as u64,
        }
    }

    /// Whether it is a regular file.
    pub fn is_file(&self) -> bool {
        matches!(self.kind, Kind::File { .. })
    }

    /// Whether it is a directory.
    pub fn is_directory(&self) -> bool {
        matches!(self.kind, Kind::Directory)
    }

    /// Whether anybody may execute it (for directories: enter it).
    pub fn is_executable(&self) -> bool {
        self.mode & 0o111 != 0
    }
}

/// A runtime as it will be at `/opt`: entries sorted by path, and a way to read their contents.
pub struct Tree {
    entries: Vec<Entry>,
    source: Source,
    /// Contents that do not lie in the source at the entry's own path.
    overlays: Vec<Overlay>,
    /// Which entries are taken for absent, by position; empty when none is.
    hidden: Vec<bool>,
}

enum Overlay {
    /// A file that was added from elsewhere, or moved.
    File(PathBuf),
    /// A content that takes the place of the file's own.
    Bytes(Vec<u8>),
}

enum Source {
    Directory(PathBuf),
    Zips(Vec<Archive>),
}

impl Tree {
    fn new(mut entries: Vec<Entry>, source: Source) -> Self {
        entries.sort_by(|a, b| a.path.cmp(&b.path));
        Self { entries, source, overlays: Vec::new(), hidden: Vec::new() }
    }

    /// Adds files from elsewhere, each at a path that is free, with the directories above it. Ids are other ones after
    /// that, and nothing is hidden any more.
    ///
    /// # Errors
    /// When one of the files cannot be read.
    pub(crate) fn add_files(&mut self, files: Vec<(TreePath, PathBuf)>) -> Result<()> {
        for (path, file) in files {
            let mut head = Vec::with_capacity(HEAD_BYTES);
            let opened = File::open(&file).map_err(Error::io("read", &file))?;
            let bytes = opened.metadata().map_err(Error::io("read", &file))?.len();
            opened.take(HEAD_BYTES as u64).read_to_end(&mut head).map_err(Error::io("read", &file))?;
            let kind = Kind::File { bytes, magic: Magic::of(&head), hard: None };
            self.entries.push(Entry { path, kind, mode: 0o644, origin: Origin::Overlay(self.overlays.len()) });
            self.overlays.push(Overlay::File(file));
        }
        self.put_in_order();
        Ok(())
    }

    /// Moves a directory with everything below it to a place where nothing is. Ids are other ones after that. What is in
    /// the source stays where it is.
    pub(crate) fn move_directory(&mut self, from: &TreePath, to: &TreePath) {
        let root = self.root().map(std::path::Path::to_owned);
        for entry in &mut self.entries {
            let Some(path) = entry.path.below(from).and_then(|below| to.join(below)) else { continue };
            if let (Some(root), Origin::Directory, true) = (&root, entry.origin, entry.is_file()) {
                entry.origin = Origin::Overlay(self.overlays.len());
                self.overlays.push(Overlay::File(root.join(entry.path.as_path())));
            }
            entry.path = path;
        }
        self.put_in_order();
    }

    /// Gives a file another content. What is in the source stays as it is.
    pub(crate) fn replace(&mut self, id: EntryId, content: Vec<u8>) {
        let position = self.overlays.len();
        let entry = &mut self.entries[id.index()];
        entry.kind = Kind::File { bytes: content.len() as u64, magic: Magic::of(&content), hard: None };
        entry.origin = Origin::Overlay(position);
        self.overlays.push(Overlay::Bytes(content));
    }

    fn put_in_order(&mut self) {
        self.entries.extend(implied_directories(&self.entries));
        self.entries.sort_by(|a, b| a.path.cmp(&b.path));
        self.hidden = Vec::new();
    }

    /// Takes entries for absent from now on, and with them the directories of which nothing is left. They keep their ids,
    /// and can be read: only looking for them, and walking the tree, passes over them.
    pub(crate) fn hide(&mut self, ids: impl IntoIterator<Item = EntryId>) {
        let mut hidden = std::mem::take(&mut self.hidden);
        hidden.resize(self.entries.len(), false);
        for id in ids {
            hidden[id.index()] = true;
        }
        // What is below a directory comes after it: backwards, each is decided before the one that holds it.
        let mut left: BTreeSet<TreePath> = BTreeSet::new();
        let mut had: BTreeSet<TreePath> = BTreeSet::new();
        for (entry, hidden) in self.entries.iter().zip(&mut hidden).rev() {
            *hidden |= entry.is_directory() && had.contains(&entry.path) && !left.contains(&entry.path);
            let Some(parent) = entry.path.parent() else { continue };
            if !*hidden {
                left.insert(parent.clone());
            }
            had.insert(parent);
        }
        self.hidden = hidden;
    }

    /// Whether an entry is taken for absent.
    pub fn is_hidden(&self, id: EntryId) -> bool {
        self.hidden.get(id.index()).is_some_and(|hidden| *hidden)
    }

    /// Every entry, the hidden ones too, sorted by path. The root itself is not among them.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Every id with its entry, the hidden ones too, sorted by path.
    pub fn all(&self) -> impl Iterator<Item = (EntryId, &Entry)> {
        self.entries.iter().enumerate().map(|(i, entry)| (id_of(i), entry))
    }

    /// Every id with its entry, sorted by path.
    pub fn iter(&self) -> impl Iterator<Item = (EntryId, &Entry)> {
        self.all().filter(|(id, _)| !self.is_hidden(*id))
    }

    /// The entry of an id.
    pub fn entry(&self, id: EntryId) -> &Entry {
        &self.entries[id.index()]
    }

    /// The path of an id.
    pub fn path(&self, id: EntryId) -> &TreePath {
        &self.entry(id).path
    }

    /// The entry at exactly this path; links are not followed.
    pub fn find(&self, path: &TreePath) -> Option<EntryId> {
        self.find_even_hidden(path).filter(|id| !self.is_hidden(*id))
    }

    /// The entry at exactly this path, even when it is taken for absent.
    pub fn find_even_hidden(&self, path: &TreePath) -> Option<EntryId> {
        self.entries.binary_search_by(|entry| entry.path.cmp(path)).ok().map(id_of)
    }

    /// Everything below a directory, at any depth, sorted by path.
    pub fn below(&self, directory: &TreePath) -> impl Iterator<Item = (EntryId, &Entry)> {
        let prefix = if directory.is_root() { Vec::new() } else { [directory.as_bytes(), b"/"].concat() };
        let start = self.entries.partition_point(|entry| entry.path.as_bytes() < prefix.as_slice());
        self.entries[start..]
            .iter()
            .enumerate()
            .take_while(move |(_, entry)| entry.path.as_bytes().starts_with(&prefix))
            .map(move |(i, entry)| (id_of(start + i), entry))
            .filter(|(id, _)| !self.is_hidden(*id))
    }

    /// The whole content of a regular file.
    ///
    /// # Errors
    /// When the file cannot be read, or is no longer as long as it was when the tree was scanned.
    pub fn read(&self, id: EntryId) -> Result<Vec<u8>> {
        let entry = self.entry(id);
        let expected = entry.bytes();
        // One byte more than expected shows a file that grew.
        let mut content = Vec::new();
        let mut read = |path: &std::path::Path| {
            let file = File::open(path).map_err(Error::io("read", path))?;
            content.reserve(usize::try_from(expected).unwrap_or(usize::MAX).min(1 << 30));
            file.take(expected + 1).read_to_end(&mut content).map_err(Error::io("read", path))
        };
        match (&self.source, entry.origin) {
            (Source::Directory(root), Origin::Directory) => {
                read(&root.join(entry.path.as_path()))?;
            }
            (_, Origin::Overlay(position)) => match &self.overlays[position] {
                Overlay::File(path) => {
                    read(path)?;
                }
                Overlay::Bytes(bytes) => content.extend_from_slice(bytes),
            },
            (Source::Zips(archives), Origin::Zip { archive, index }) => {
                let archive = &archives[archive];
                content = archive.read(index).map_err(Error::io("read an entry of", archive.path()))?;
            }
            _ => unreachable!("a tree and its entries come from one source"),
        }
        if content.len() as u64 != expected {
            return Err(Error::Changed { path: entry.path.to_string() });
        }
        Ok(content)
    }

    /// The directory the tree was read from; `None` when it came from zips.
    pub fn root(&self) -> Option<&std::path::Path> {
        match &self.source {
            Source::Directory(root) => Some(root),
            Source::Zips(_) => None,
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a tree of four thousand million entries fits no layer and no memory"
)]
fn id_of(index: usize) -> EntryId {
    EntryId(index as u32)
}

/// The directories that entries lie in, where they are not listed: unzipping makes them.
fn implied_directories(entries: &[Entry]) -> Vec<Entry> {
    let listed: BTreeSet<&TreePath> = entries.iter().map(|entry| &entry.path).collect();
    let mut implied = BTreeSet::new();
    for entry in entries {
        for directory in entry.path.ancestors().skip(1) {
            if directory.is_root() || listed.contains(&directory) || !implied.insert(directory) {
                break;
            }
        }
    }
    implied
        .into_iter()
        .map(|path| Entry { path, kind: Kind::Directory, mode: 0o755, origin: Origin::Directory })
        .collect()
}
