//! The tree: a directory, the /opt of a container image, or layer zips merged as Lambda merges them, read into one [`Tree`].
//!
//! Responsible for the list of files, directories and links with their modes, and for findings about what a layer cannot
//! contain or what would differ in Lambda. Links are kept as links. Contents are not interpreted: only the first bytes are
//! examined, to recognize ELF files and scripts.

mod directory;
mod each_zip;
mod entry;
mod files;
mod function_code;
mod hashes;
mod image;
mod input;
mod known;
mod layout;
mod links;
mod listing;
mod nesting;
mod objects;
mod packed;
mod scripts;
mod searched;
mod within;
mod zips;

use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::io::Read;
use std::ops::ControlFlow;
use std::path::PathBuf;

pub use directory::{ShortContents, scan_directory, scan_directory_and};
pub(crate) use entry::HEAD_BYTES;
pub use entry::{Entry, EntryId, Kind, Magic};
use entry::{Origin, id_of, narrow};
pub use function_code::{start_files, unzipped_size};
use hashes::Hashes;
pub use image::scan_image;
pub use input::TreeInput;
pub use layout::{layout_findings, layout_findings_of_zips};
pub use links::{Place, link_findings};
pub(crate) use listing::is_content;
pub use objects::{Objects, read_objects, unreadable};
use rayon::prelude::*;
pub(crate) use scripts::SourcedFiles;
pub use searched::is_searched;
pub(crate) use within::is_about_packages;
use zips::Archive;
pub use zips::{LayerEntry, LayerZip, PackageDirectory, scan_zips};
pub(crate) use zips::{sha256, sha256_of};

use crate::base::buffers::{Buffer, Buffers};
use crate::base::error::{Error, Result};
use crate::base::part::{Content, Part};
use crate::base::path::TreePath;
use crate::base::read::{MAX_TEXT, still_regular};

/// A longer file is not read as a whole, in bytes: what is packed of one is read in parts. What a zip has is bounded when it is
/// opened.
const MAX_WHOLE: u64 = 256 << 20;

/// How many bytes of a long file are read at once.
const CHUNK_BYTES: usize = 256 << 10;

/// A runtime as it will be at `/opt`: entries sorted by path, and a way to read their contents.
pub struct Tree {
    entries: Vec<Entry>,
    source: Source,
    /// Contents that are not in the source at the entry's own path.
    overlays: Vec<Overlay>,
    /// Which entries are hidden, by position; empty when none is.
    hidden: Vec<bool>,
    hashes: Hashes,
    buffers: Buffers,
}

enum Overlay {
    /// A file that was added from outside the tree, or moved.
    File(PathBuf),
    /// A file of an image.
    Part(Part),
    /// Content that replaces the file's own.
    Bytes(Vec<u8>),
}

enum Source {
    Directory(PathBuf),
    /// An image: the contents of its files are the first overlays.
    Image,
    Zips(Vec<Archive>),
}

impl Tree {
    fn new(mut entries: Vec<Entry>, source: Source) -> Self {
        // No two have the same path.
        entries.par_sort_unstable_by(|a, b| a.path.cmp(&b.path));
        entries.shrink_to_fit();
        Self {
            entries,
            source,
            overlays: Vec::new(),
            hidden: Vec::new(),
            hashes: Hashes::default(),
            buffers: Buffers::default(),
        }
    }

    /// Adds files from outside the tree, each at an unused path, with its parent directories. This invalidates all ids and
    /// unhides all entries.
    ///
    /// # Errors
    /// When one of the files cannot be read.
    pub(crate) fn add_files(&mut self, files: Vec<(TreePath, Content)>) -> Result<()> {
        for (path, content) in files {
            let (bytes, head, overlay) = match content {
                Content::Path(file) => {
                    let mut head = Vec::with_capacity(HEAD_BYTES);
                    let opened = still_regular(&file).map_err(Error::io("read", &file))?;
                    let bytes = opened.metadata().map_err(Error::io("read", &file))?.len();
                    opened.take(HEAD_BYTES as u64).read_to_end(&mut head).map_err(Error::io("read", &file))?;
                    (bytes, head, Overlay::File(file))
                }
                Content::Part(part) => (part.bytes(), part_head(&part, &path, HEAD_BYTES)?, Overlay::Part(part)),
                Content::Bytes(bytes) => {
                    let head = bytes[..bytes.len().min(HEAD_BYTES)].to_vec();
                    (bytes.len() as u64, head, Overlay::Bytes(bytes))
                }
            };
            let kind = Kind::File { bytes, magic: Magic::of(&head), hard: None };
            self.entries.push(Entry { path, kind, mode: 0o644, origin: Origin::Overlay(narrow(self.overlays.len())) });
            self.overlays.push(overlay);
        }
        self.put_in_order();
        Ok(())
    }

    /// Moves a directory with everything below it to an unused path. This invalidates all ids. The source on disk is not
    /// changed.
    pub(crate) fn move_directory(&mut self, from: &TreePath, to: &TreePath) {
        let root = self.root().map(std::path::Path::to_owned);
        for entry in &mut self.entries {
            let Some(path) = entry.path.below(from).and_then(|below| to.join(below)) else { continue };
            if let (Some(root), Origin::Directory { .. }, true) = (&root, entry.origin, entry.is_file()) {
                entry.origin = Origin::Overlay(narrow(self.overlays.len()));
                self.overlays.push(Overlay::File(root.join(entry.path.as_path())));
            }
            entry.path = path;
        }
        self.put_in_order();
    }

    /// Replaces the content of a file. The source on disk is not changed.
    pub(crate) fn replace(&mut self, id: EntryId, content: Vec<u8>) {
        let position = narrow(self.overlays.len());
        let entry = &mut self.entries[id.index()];
        entry.kind = Kind::File { bytes: content.len() as u64, magic: Magic::of(&content), hard: None };
        entry.origin = Origin::Overlay(position);
        self.overlays.push(Overlay::Bytes(content));
        self.hashes.forget();
    }

    fn put_in_order(&mut self) {
        self.entries.extend(implied_directories(&self.entries));
        self.entries.sort_by(|a, b| a.path.cmp(&b.path));
        self.hidden = Vec::new();
        self.hashes.forget();
    }

    /// Hides entries, and the directories that are then empty. They keep their ids and can be read: only searching and
    /// walking the tree skip them.
    pub(crate) fn hide(&mut self, ids: impl IntoIterator<Item = EntryId>) {
        let mut hidden = std::mem::take(&mut self.hidden);
        hidden.resize(self.entries.len(), false);
        for id in ids {
            hidden[id.index()] = true;
        }
        // A directory precedes its content: in reverse order, the content is decided before its directory. Directories that
        // have content, and whether any of it is left.
        let mut left: HashMap<&[u8], bool> = HashMap::new();
        for (entry, hidden) in self.entries.iter().zip(&mut hidden).rev() {
            *hidden |= entry.is_directory() && left.get(entry.path.as_bytes()) == Some(&false);
            let Some(parent) = entry.path.parent_bytes() else { continue };
            *left.entry(parent).or_default() |= !*hidden;
        }
        self.hidden = hidden;
    }

    /// Whether an entry is hidden.
    pub fn is_hidden(&self, id: EntryId) -> bool {
        self.hidden.get(id.index()).is_some_and(|hidden| *hidden)
    }

    /// Every entry, including hidden ones, sorted by path. The root itself is not among them.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Every id with its entry, including hidden ones, sorted by path.
    pub fn all(&self) -> impl Iterator<Item = (EntryId, &Entry)> {
        self.entries.iter().enumerate().map(|(i, entry)| (id_of(i), entry))
    }

    /// Every id that is not hidden with its entry, sorted by path.
    pub fn iter(&self) -> impl Iterator<Item = (EntryId, &Entry)> {
        self.all().filter(|(id, _)| !self.is_hidden(*id))
    }

    /// The id of the entry at a position of [`Tree::entries`].
    pub(crate) fn id_at(&self, position: usize) -> EntryId {
        debug_assert!(position < self.entries.len());
        id_of(position)
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

    /// The entry at exactly this path, even when it is hidden.
    pub fn find_even_hidden(&self, path: &TreePath) -> Option<EntryId> {
        self.find_bytes(path.as_bytes())
    }

    /// The entry whose path has exactly these bytes, even when it is hidden.
    fn find_bytes(&self, path: &[u8]) -> Option<EntryId> {
        self.entries.binary_search_by(|entry| entry.path.as_bytes().cmp(path)).ok().map(id_of)
    }

    /// Every entry below a directory, at any depth, sorted by path.
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

    /// The whole content of a file that people or package tools write: settings, descriptions, scripts.
    ///
    /// # Errors
    /// As for [`Tree::read`], and when it is larger than any such file.
    pub fn read_text(&self, id: EntryId) -> Result<Vec<u8>> {
        let entry = self.entry(id);
        if entry.bytes() > MAX_TEXT {
            return Err(Error::TooLarge { path: entry.path.as_path().to_owned(), most: MAX_TEXT });
        }
        self.read(id)
    }

    /// The whole content of a regular file.
    ///
    /// # Errors
    /// When the file cannot be read, or is no longer as long as it was when the tree was scanned.
    pub fn read(&self, id: EntryId) -> Result<Vec<u8>> {
        let mut content = Vec::new();
        self.read_into(&mut content, id)?;
        Ok(content)
    }

    /// The same in memory that is used again, for what is read of every file.
    ///
    /// # Errors
    /// As for [`Tree::read`].
    pub(crate) fn read_in_buffer(&self, id: EntryId) -> Result<Buffer<'_>> {
        let mut content = self.buffers.take(usize::try_from(self.entry(id).bytes()).unwrap_or(usize::MAX));
        self.read_into(&mut content, id)?;
        Ok(content)
    }

    fn read_into(&self, content: &mut Vec<u8>, id: EntryId) -> Result<()> {
        let entry = self.entry(id);
        let expected = entry.bytes();
        if expected > MAX_WHOLE && !matches!(entry.origin, Origin::Zip { .. }) {
            return Err(Error::TooLarge { path: entry.path.as_path().to_owned(), most: MAX_WHOLE });
        }
        // Reading one byte more than expected detects a file that grew.
        let mut read = |path: &std::path::Path| {
            let file = open(path, entry)?;
            content.reserve(usize::try_from(expected).unwrap_or(usize::MAX).min(1 << 30));
            file.take(expected + 1).read_to_end(content).map_err(Error::io("read", path))
        };
        match (&self.source, entry.origin) {
            (Source::Directory(root), Origin::Directory { .. }) => {
                read(&root.join(entry.path.as_path()))?;
            }
            (_, Origin::Overlay(position)) => match &self.overlays[position as usize] {
                Overlay::File(path) => {
                    read(path)?;
                }
                Overlay::Part(part) => *content = part_head(part, &entry.path, usize::MAX)?,
                Overlay::Bytes(bytes) => content.extend_from_slice(bytes),
            },
            (Source::Zips(archives), Origin::Zip { archive, index }) => {
                let archive = &archives[archive as usize];
                *content = archive.read(index as usize).map_err(Error::io("read an entry of", archive.path()))?;
            }
            _ => unreachable!("a tree and its entries come from one source"),
        }
        if content.len() as u64 != expected {
            return Err(Error::Changed { path: entry.path.to_string() });
        }
        Ok(())
    }

    /// The first bytes of a regular file, at most `length` of them.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn read_head(&self, id: EntryId, length: usize) -> Result<Vec<u8>> {
        let entry = self.entry(id);
        let path = match (&self.source, entry.origin) {
            (Source::Directory(root), Origin::Directory { .. }) => root.join(entry.path.as_path()),
            (_, Origin::Overlay(position)) => match &self.overlays[position as usize] {
                Overlay::File(path) => path.clone(),
                Overlay::Part(part) => return part_head(part, &entry.path, length),
                Overlay::Bytes(bytes) => return Ok(bytes[..length.min(bytes.len())].to_vec()),
            },
            _ => {
                let mut content = self.read(id)?;
                content.truncate(length);
                return Ok(content);
            }
        };
        let mut head = Vec::new();
        let file = open(&path, entry)?;
        file.take(length as u64).read_to_end(&mut head).map_err(Error::io("read", &path))?;
        Ok(head)
    }

    /// Reads a regular file that is too long to be in memory as a whole: calls `each` with one part of it after the other, until
    /// it breaks off.
    ///
    /// # Errors
    /// When the file cannot be read, or is no longer as long as it was when the tree was scanned, or `each` fails.
    pub(crate) fn read_in_chunks(
        &self,
        id: EntryId,
        each: &mut dyn FnMut(&[u8]) -> Result<ControlFlow<()>>,
    ) -> Result<()> {
        let entry = self.entry(id);
        let path = match (&self.source, entry.origin) {
            (Source::Directory(root), Origin::Directory { .. }) => root.join(entry.path.as_path()),
            (_, Origin::Overlay(position)) => match &self.overlays[position as usize] {
                Overlay::File(path) => path.clone(),
                Overlay::Part(part) => return self.in_chunks(id, part.reader(), entry.path.as_path(), each),
                Overlay::Bytes(bytes) => return each(bytes).map(drop),
            },
            (Source::Zips(archives), Origin::Zip { archive, index }) => {
                let archive = &archives[archive as usize];
                let path = archive.path();
                return archive
                    .with_content(index as usize, |content| self.in_chunks(id, content, path, each))
                    .map_err(Error::io("read an entry of", path))?;
            }
            _ => return each(&self.read(id)?).map(drop),
        };
        let file = open(&path, entry)?;
        self.in_chunks(id, file, &path, each)
    }

    fn in_chunks(
        &self,
        id: EntryId,
        mut file: impl Read,
        path: &std::path::Path,
        each: &mut dyn FnMut(&[u8]) -> Result<ControlFlow<()>>,
    ) -> Result<()> {
        let entry = self.entry(id);
        let mut buffer = vec![0; CHUNK_BYTES];
        let mut left = entry.bytes();
        loop {
            let read = file.read(&mut buffer).map_err(Error::io("read", path))?;
            match left.checked_sub(read as u64) {
                Some(after) if read > 0 => left = after,
                Some(0) => return Ok(()),
                _ => return Err(Error::Changed { path: entry.path.to_string() }),
            }
            if each(&buffer[..read])?.is_break() {
                return Ok(());
            }
        }
    }

    /// The directory the tree was read from; `None` when it came from an image or from zips.
    pub fn root(&self) -> Option<&std::path::Path> {
        match &self.source {
            Source::Directory(root) => Some(root),
            Source::Image | Source::Zips(_) => None,
        }
    }
}

/// Opens the file of an entry, at its path outside.
fn open(path: &std::path::Path, entry: &Entry) -> Result<File> {
    still_regular(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::InvalidInput => Error::Changed { path: entry.path.to_string() },
        _ => Error::io("read", path)(error),
    })
}

/// The first bytes of a part of a file that has the content of `path`.
fn part_head(part: &Part, path: &TreePath, most: usize) -> Result<Vec<u8>> {
    part.head(most as u64).map_err(|error| match error.kind() {
        std::io::ErrorKind::UnexpectedEof => Error::Changed { path: path.to_string() },
        _ => Error::io("read", path.as_path())(error),
    })
}

/// The parent directories that are not listed themselves: extraction creates them.
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
        .map(|path| Entry { path, kind: Kind::Directory, mode: 0o755, origin: Origin::Directory { hash: None } })
        .collect()
}
