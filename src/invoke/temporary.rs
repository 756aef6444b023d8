//! Directories that are removed when the run ends, even by a signal.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::base::error::{Error, Result};
use crate::base::interrupt::HalfWritten;

/// A directory that is removed when it is dropped, or when a signal ends the process.
#[derive(Debug)]
pub(super) struct Temporary {
    directory: TempDir,
    _until_then: HalfWritten,
}

impl Temporary {
    /// Creates one in TMPDIR.
    ///
    /// # Errors
    /// When it cannot be created.
    pub(super) fn new() -> Result<Self> {
        let (until_then, directory) = HalfWritten::make(|| {
            let directory = tempfile::Builder::new().prefix("layerfit-").tempdir();
            let directory = directory.map_err(Error::io("create a directory in", std::env::temp_dir()))?;
            Ok((directory.path().to_owned(), directory))
        })?;
        Ok(Self { directory, _until_then: until_then })
    }

    pub(super) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Creates a directory in it.
    ///
    /// # Errors
    /// When it cannot be created.
    pub(super) fn empty(&self, name: &str) -> Result<PathBuf> {
        let path = self.path().join(name);
        std::fs::create_dir(&path).map_err(Error::io("create", &path))?;
        Ok(path)
    }
}
