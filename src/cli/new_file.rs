//! Files that are written only where there is none.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::base::error::{Error, Result};

/// Writes a file that did not exist before, as a whole or not at all.
///
/// # Errors
/// When it exists, with this `help`; or when it cannot be written.
pub(super) fn write_new(file: &Path, bytes: &[u8], mode: u32, help: &str) -> Result<()> {
    let directory = file.parent().filter(|directory| !directory.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut temporary = tempfile::Builder::new()
        .prefix(".layerfit-")
        .permissions(PermissionsExt::from_mode(mode))
        .tempfile_in(directory)
        .map_err(Error::io("write to", directory))?;
    temporary.write_all(bytes).map_err(Error::io("write", file))?;
    temporary.as_file().sync_all().map_err(Error::io("write", file))?;
    temporary.persist_noclobber(file).map_err(|error| match error.error.kind() {
        std::io::ErrorKind::AlreadyExists => {
            Error::Usage { message: format!("{}: already exists", file.display()), help: help.to_owned() }
        }
        _ => Error::io("write", file)(error.error),
    })?;
    Ok(())
}
