//! Where files that a program opens can be: in the tree at `/opt`, in the image, or nowhere.

use crate::base::path::TreePath;
use crate::formats::foreign::is_lfs_pointer;
use crate::runtime::Image;
use crate::tree::{EntryId, HEAD_BYTES, Place, Tree};

/// The longest pointer of Git LFS, in bytes (its specification: "less than 1024").
const MAX_POINTER: u64 = 1024;

/// Whether a file is there for a running function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Presence {
    /// It is.
    There,
    /// It is not.
    Absent,
    /// The image's files are not known.
    Unknown,
}

/// What a running function sees of files.
pub(super) trait Files {
    /// Whether a file is at this absolute path.
    fn presence(&self, path: &str) -> Presence;

    /// Whether the file at this absolute path has nothing of its content: it is empty, or a Git LFS pointer.
    fn is_hollow(&self, _path: &str) -> bool {
        false
    }

    /// The files below a directory, relative to it, sorted.
    fn below(&self, directory: &str) -> Vec<String>;
}

/// A tree at `/opt`, with the image around it.
pub(super) struct Mounted<'a> {
    pub(super) tree: &'a Tree,
    pub(super) image: &'a Image<'a>,
}

impl Mounted<'_> {
    /// The file of the tree that an absolute path leads to, with every link on the way to it; the file is the last.
    pub(super) fn entries(&self, path: &str) -> Vec<EntryId> {
        let Place::Inside(id) = self.place(path) else { return Vec::new() };
        let mut entries = Vec::new();
        let mut next = TreePath::from_mounted(path.as_bytes()).and_then(|path| self.tree.find(&path));
        while let Some(link) = next.filter(|link| *link != id && !entries.contains(link)) {
            entries.push(link);
            next = self.tree.next_hop(link);
        }
        entries.push(id);
        entries
    }

    fn place(&self, path: &str) -> Place {
        match TreePath::from_mounted(path.as_bytes()) {
            Some(_) => self.tree.locate(path.as_bytes()),
            None => Place::Outside(path.as_bytes().to_vec()),
        }
    }

    /// Whether a directory is there.
    pub(super) fn has_directory(&self, path: &str) -> Presence {
        match self.place(path) {
            Place::Inside(id) if self.tree.entry(id).is_directory() => Presence::There,
            Place::Root => Presence::There,
            Place::Inside(_) | Place::Nowhere | Place::Loop => Presence::Absent,
            Place::Outside(outside) => match self.image.has_data_directory(&String::from_utf8_lossy(&outside)) {
                true => Presence::There,
                false if self.image.knows_directories() => Presence::Absent,
                false => Presence::Unknown,
            },
        }
    }
}

impl Files for Mounted<'_> {
    fn presence(&self, path: &str) -> Presence {
        match self.place(path) {
            Place::Inside(id) if self.tree.entry(id).is_file() => Presence::There,
            Place::Inside(_) | Place::Root | Place::Nowhere | Place::Loop => Presence::Absent,
            Place::Outside(outside) => match self.image.has_data(&String::from_utf8_lossy(&outside)) {
                Some(true) => Presence::There,
                Some(false) => Presence::Absent,
                None => Presence::Unknown,
            },
        }
    }

    fn is_hollow(&self, path: &str) -> bool {
        let Place::Inside(id) = self.place(path) else { return false };
        let entry = self.tree.entry(id);
        entry.is_file()
            && (entry.bytes() == 0
                || entry.bytes() <= MAX_POINTER
                    && self.tree.read_head(id, HEAD_BYTES).is_ok_and(|head| is_lfs_pointer(&head)))
    }

    fn below(&self, directory: &str) -> Vec<String> {
        let in_tree = |directory: &TreePath| {
            let files = self.tree.below(directory).filter(|(_, entry)| !entry.is_directory());
            let below = files.filter_map(|(_, entry)| std::str::from_utf8(entry.path.below(directory)?).ok());
            below.map(str::to_owned).collect()
        };
        match self.place(directory) {
            Place::Inside(id) if self.tree.entry(id).is_directory() => in_tree(self.tree.path(id)),
            Place::Root => in_tree(&TreePath::default()),
            Place::Outside(outside) => self.image.data_below(&String::from_utf8_lossy(&outside)),
            Place::Inside(_) | Place::Nowhere | Place::Loop => Vec::new(),
        }
    }
}
