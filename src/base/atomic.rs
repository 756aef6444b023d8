//! Atomic writes: a file is written completely or not at all, and no link at its name is followed.

use std::fs::{Metadata, Permissions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use tempfile::NamedTempFile;

use crate::base::error::{Error, Result};
use crate::base::interrupt::undisturbed;

/// The mode of a new file, before the umask.
const MODE: u32 = 0o644;

/// Replaces a file: writes a temporary file next to it, then renames that (rename(2)), so that a reader sees the old content
/// or the new content. The mode stays, and the owner and group as far as the system allows it.
///
/// # Errors
/// When it is a link, a device or anything else but a file, or it cannot be written; the old file is then unchanged.
pub(crate) fn replace_file(path: &Path, content: &[u8]) -> Result<()> {
    let old = match std::fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_file() => Some(metadata),
        Ok(metadata) => return Err(not_a_file(path, &metadata)),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => return Err(Error::io("write", path)(error)),
    };
    undisturbed(|| {
        let file = written(path, content, MODE)?;
        if let Some(old) = old {
            // Only root can give a file away.
            let _ = std::os::unix::fs::fchown(file.as_file(), Some(old.uid()), Some(old.gid()));
            let mode = Permissions::from_mode(old.mode() & 0o7777);
            file.as_file().set_permissions(mode).map_err(Error::io("write", path))?;
        }
        file.persist(path).map(drop).map_err(|error| Error::io("write", path)(error.error))
    })
}

/// Writes a file that did not exist before.
///
/// # Errors
/// When there is something of that name, with this `help`; or when it cannot be written.
pub(crate) fn create_file(path: &Path, content: &[u8], mode: u32, help: &str) -> Result<()> {
    undisturbed(|| {
        written(path, content, mode)?.persist_noclobber(path).map(drop).map_err(|error| match error.error.kind() {
            ErrorKind::AlreadyExists => {
                Error::Usage { message: format!("{}: already exists", path.display()), help: help.to_owned() }
            }
            _ => Error::io("write", path)(error.error),
        })
    })
}

/// A temporary file beside `path` with this content, on the disk.
fn written(path: &Path, content: &[u8], mode: u32) -> Result<NamedTempFile> {
    let directory = path.parent().filter(|directory| !directory.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new()
        .prefix(".layerfit-")
        .permissions(Permissions::from_mode(mode))
        .tempfile_in(directory)
        .map_err(Error::io("write to", directory))?;
    let write = file.write_all(content).and_then(|()| file.as_file().sync_all());
    write.map_err(Error::io("write", path))?;
    Ok(file)
}

fn not_a_file(path: &Path, metadata: &Metadata) -> Error {
    let (what, help) = if metadata.is_symlink() {
        ("is a symbolic link, which is not followed", "name its target, or remove the link")
    } else {
        ("exists and is not a regular file", "name another file")
    };
    Error::Usage { message: format!("{}: {what}", path.display()), help: help.to_owned() }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_file_keeps_its_mode_and_nothing_is_written_through_a_link_or_over_anything_else() {
        let home = tempfile::tempdir().expect("a directory");
        let path = |name: &str| home.path().join(name);
        replace_file(&path("new"), b"one").expect("written");
        fs::set_permissions(path("new"), Permissions::from_mode(0o600)).expect("changed");
        replace_file(&path("new"), b"two").expect("written");
        assert_eq!(fs::read(path("new")).expect("read"), b"two");
        assert_eq!(fs::metadata(path("new")).expect("there").mode() & 0o7777, 0o600);

        symlink("new", path("link")).expect("linked");
        symlink("missing", path("dangling")).expect("linked");
        for (name, remedy) in [("link", "name its target"), ("dangling", "name its target"), ("", "name another file")]
        {
            let error = replace_file(&path(name), b"three").expect_err("refused").to_string();
            assert!(error.contains(remedy), "{error}");
            assert!(create_file(&path(name), b"three", 0o644, "remove it").is_err());
        }
        let device = replace_file(Path::new("/dev/null"), b"three").expect_err("refused").to_string();
        assert!(device.contains("not a regular file"), "{device}");
        assert_eq!(fs::read(path("new")).expect("read"), b"two");
        assert!(!path("missing").exists());
        create_file(&path("made"), b"four", 0o755, "remove it").expect("written");
        let error = create_file(&path("made"), b"five", 0o644, "remove it").expect_err("there").to_string();
        assert!(error.contains("already exists") && error.contains("help: remove it"), "{error}");
        let mut names: Vec<_> =
            fs::read_dir(home.path()).expect("listed").map(|e| e.expect("there").file_name()).collect();
        names.sort();
        assert_eq!(names, ["dangling", "link", "made", "new"]);
    }
}
