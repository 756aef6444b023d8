//! What a tree that is to be packed is read from: a directory, or a container image.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{ShortContents, Tree, scan_directory_and, scan_image};
use crate::base::error::{Error, Result};
use crate::base::finding::Finding;
use crate::base::path::TreePath;
use crate::base::progress::Progress;
use crate::container::Image;

/// A directory that will be /opt, or an image that has it.
pub enum TreeInput {
    /// The directory at this path.
    Directory(PathBuf),
    /// An image, and the directory of it that will be /opt.
    Image(Arc<Image>, TreePath),
}

impl TreeInput {
    /// What is at a path. Of several images, the one for `architecture` (Lambda's name) is read.
    ///
    /// # Errors
    /// When an image cannot be read or has no /opt, or the path is a file that is not an image. That a directory does not exist or cannot be
    /// read is found when it is scanned.
    pub fn open(path: &Path, architecture: Option<&str>, progress: &dyn Progress) -> Result<Self> {
        if Image::is_at(path)? {
            let image = Image::open(path, architecture, progress)?;
            let tree = image.tree()?;
            return Ok(Self::Image(Arc::new(image), tree));
        }
        if path.is_file() {
            return Err(Error::NotATree(path.to_owned()));
        }
        Ok(Self::Directory(path.to_owned()))
    }

    /// The image, if it is one.
    pub fn image(&self) -> Option<&Arc<Image>> {
        match self {
            TreeInput::Directory(_) => None,
            TreeInput::Image(image, _) => Some(image),
        }
    }

    /// The tree, and findings about its files. `short` is what is done with short contents of a directory.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn scan(&self, short: ShortContents) -> Result<(Tree, Vec<Finding>)> {
        match self {
            TreeInput::Directory(root) => scan_directory_and(root, short),
            TreeInput::Image(image, tree) => scan_image(image, tree),
        }
    }
}
