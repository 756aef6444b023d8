//! What a tree that is to be packed is read from: a directory, or a container image.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Tree, scan_directory, scan_image};
use crate::base::error::{Error, Result};
use crate::base::finding::Finding;
use crate::base::progress::Progress;
use crate::container::Image;

/// A directory that will be /opt, or an image that has it.
pub enum TreeInput {
    /// The directory at this path.
    Directory(PathBuf),
    /// An image, as it was read.
    Image(Arc<Image>),
}

impl TreeInput {
    /// What is at a path. Of several images, the one for `architecture` (Lambda's name) is read.
    ///
    /// # Errors
    /// When an image cannot be read, or the path is a file that is not an image. That a directory does not exist or cannot be
    /// read is found when it is scanned.
    pub fn open(path: &Path, architecture: Option<&str>, progress: &dyn Progress) -> Result<Self> {
        if Image::is_at(path)? {
            return Ok(Self::Image(Arc::new(Image::open(path, architecture, progress)?)));
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
            TreeInput::Image(image) => Some(image),
        }
    }

    /// The tree, and findings about its files.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn scan(&self) -> Result<(Tree, Vec<Finding>)> {
        match self {
            TreeInput::Directory(root) => scan_directory(root),
            TreeInput::Image(image) => scan_image(image),
        }
    }
}
