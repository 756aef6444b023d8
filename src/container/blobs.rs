//! Where an image's files are: in an archive, or in a directory with an image layout. They are found by name, read with a
//! bound, and never extracted.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::base::error::{Error, Result};
use crate::base::part::Part;
use crate::base::path::TreePath;
use crate::base::read;
use crate::formats::tar::{MemberKind, Members};

/// The most files of an archive that are remembered: an image has one for each layer, and a few more.
const MAX_FILES: usize = 10_000;

/// How many links to a file are followed.
const MAX_LINKS: usize = 8;

/// The files that an image is made of.
pub(super) enum Blobs {
    /// The files of an archive.
    Archive(BTreeMap<TreePath, Blob>),
    /// A directory.
    Directory(PathBuf),
}

/// A file of an archive.
pub(super) enum Blob {
    Content(Part),
    /// Another name for this one: older versions of Docker and Skopeo write a layer that occurs twice once.
    Link(TreePath),
}

impl Blobs {
    /// The first files of an archive.
    ///
    /// # Errors
    /// When it is not an archive.
    pub(super) fn of_archive(archive: &Part) -> std::io::Result<Self> {
        let mut files = BTreeMap::new();
        let mut reader = tar::Archive::new(archive.reader());
        let mut members = Members::seeking(&mut reader)?;
        while let Some((member, _)) = members.next()? {
            if files.len() >= MAX_FILES {
                break;
            }
            let Some(path) = TreePath::new(&member.name) else { continue };
            let blob = match member.kind {
                MemberKind::File => Blob::Content(archive.within(member.position, member.bytes)),
                MemberKind::HardLink(target) => match TreePath::new(target) {
                    Some(target) => Blob::Link(target),
                    None => continue,
                },
                MemberKind::Link(target) => match path.parent().unwrap_or_default().join(target) {
                    Some(target) => Blob::Link(target),
                    None => continue,
                },
                MemberKind::Directory | MemberKind::Special(_) => continue,
            };
            files.insert(path, blob);
        }
        Ok(Self::Archive(files))
    }

    /// The file at a path; `None` if there is none.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub(super) fn open(&self, path: &str) -> Result<Option<Part>> {
        match self {
            Blobs::Archive(files) => {
                let mut at = TreePath::new(path).unwrap_or_default();
                for _ in 0..MAX_LINKS {
                    match files.get(&at) {
                        Some(Blob::Content(part)) => return Ok(Some(part.clone())),
                        Some(Blob::Link(target)) => at = target.clone(),
                        None => return Ok(None),
                    }
                }
                Ok(None)
            }
            Blobs::Directory(directory) => match whole(&directory.join(path)) {
                Ok(part) => Ok(Some(part)),
                Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(error),
            },
        }
    }
}

/// A file as a whole.
///
/// # Errors
/// When it cannot be opened, or is not a regular file.
pub(super) fn whole(path: &Path) -> Result<Part> {
    let file = read::regular(path)?;
    let bytes = file.metadata().map_err(Error::io("read", path))?.len();
    Ok(Part::new(Arc::new(file), 0, bytes))
}
