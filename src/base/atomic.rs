//! Files that are written whole or not at all.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::base::error::{Error, Result};

/// Writes a file in the place of what is there: beside it first, then by renaming (rename(2)), so that whoever reads sees the
/// old one or the new one.
///
/// # Errors
/// When it cannot be written; what was there is then as it was.
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
