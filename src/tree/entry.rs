//! An entry of a tree: its path, what it is, and where its content is.

use crate::base::path::TreePath;

/// The index of an entry in its tree: entries are sorted by path, so ids are too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryId(pub(super) u32);

impl EntryId {
    /// The position in [`Tree::entries`](super::Tree::entries).
    pub fn index(self) -> usize {
        self.0 as usize
    }

    /// The id at a position of a tree that a test does without.
    #[cfg(test)]
    pub(crate) fn at(position: usize) -> Self {
        id_of(position)
    }
}

/// What an entry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A directory.
    Directory,
    /// A regular file.
    File {
        /// Its length in bytes (not the disk blocks it occupies).
        bytes: u64,
        /// The type that its first bytes show.
        magic: Magic,
        /// Device and inode, when it has more than one hard link.
        hard: Option<Box<(u64, u64)>>,
    },
    /// A symbolic link.
    Link {
        /// Its target, as stored in the link.
        target: Box<[u8]>,
    },
}

/// A file's type by its first bytes. Names are not trusted: `libm.so` may be a linker script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Magic {
    /// `\x7fELF` (elf(5)).
    Elf,
    /// `#!`: a script, with the rest of its first line.
    Script(Box<[u8]>),
    /// Anything else.
    Other,
}

/// How many bytes at the start of a file are examined: Linux reads as many to find a script's interpreter
/// (`BINPRM_BUF_SIZE`, execve(2)).
pub(crate) const HEAD_BYTES: usize = 256;

impl Magic {
    pub(super) fn of(head: &[u8]) -> Self {
        if head.starts_with(b"\x7fELF") {
            Magic::Elf
        } else if let Some(rest) = head.strip_prefix(b"#!") {
            Magic::Script(rest.split(|b| *b == b'\n').next().unwrap_or_default().into())
        } else {
            Magic::Other
        }
    }
}

/// One file, directory or link of a tree. There can be a million, so it is small: a test holds its size.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Where it is.
    pub path: TreePath,
    /// What it is.
    pub kind: Kind,
    /// Its permission bits (the low twelve of `st_mode`).
    pub mode: u32,
    pub(super) origin: Origin,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Origin {
    /// At its own path in the directory that the tree was read from.
    Directory {
        /// The position of the hash of the content, if it was hashed when the tree was read.
        hash: Option<u32>,
    },
    /// Content that replaces or adds to the source, by its position in [`Tree::overlays`].
    Overlay(u32),
    Zip {
        archive: u32,
        index: u32,
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

    /// Whether any user may execute it (for directories: enter it).
    pub fn is_executable(&self) -> bool {
        self.mode & 0o111 != 0
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a tree of four billion entries does not fit in any layer, or in memory"
)]
pub(super) fn narrow(index: usize) -> u32 {
    index as u32
}

pub(super) fn id_of(index: usize) -> EntryId {
    EntryId(narrow(index))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_of_a_million_is_small() {
        assert!(size_of::<Entry>() <= 72, "{}", size_of::<Entry>());
    }
}
