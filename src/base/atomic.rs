//! Atomic writes: a file is written completely or not at all.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::base::error::{Error, Result};

/// Replaces a file: writes a temporary file next to it, then renames that (rename(2)), so that a reader sees the old content
/// or the new content.
///
/// # Errors
/// When it cannot be written; the old file is then unchanged.
pub(crate) fn replace_file(path: &Path, content: &[u8]) -> Result<()> {
    let directory = path.parent().filter(|directory| !directory.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let write = || -> std::io::Result<()> {
        let mut file = tempfile::Builder::new()
            .prefix(".layerfit-")
            .permissions(std::fs::Permissions::from_mode(0o644))
            .tempfile_in(directory)?;
        file.write_all(content)?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        Ok(())
    };
    write().map_err(Error::io("write", path))
}
