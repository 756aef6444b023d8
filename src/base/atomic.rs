//! Atomic writes: a file is written completely or not at all, and no link at its name is followed.
//!
//! The new content is in a temporary file beside it meanwhile, whose name has its own inode: what a killed run left is told by
//! that, which no copy of it has, and removed by the next run that writes there.

use std::ffi::{OsStr, OsString};
use std::fs::{File, Metadata, Permissions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::fs::RenameFlags;
use rustix::io::Errno;
use rustix::process::geteuid;

use crate::base::directory::{Directory, Status};
use crate::base::error::{Error, Result};
use crate::base::interrupt::undisturbed;

/// The mode of a new file, before the umask.
const MODE: u32 = 0o644;

/// How the names of temporary files begin.
const PREFIX: &str = ".layerfit-";

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
        let new = Temporary::written(path, content, MODE)?;
        if let Some(old) = old {
            // Only root can give a file away.
            let _ = std::os::unix::fs::fchown(&new.file, Some(old.uid()), Some(old.gid()));
            let mode = Permissions::from_mode(old.mode() & 0o7777);
            new.file.set_permissions(mode).map_err(Error::io("write", path))?;
        }
        new.becomes(RenameFlags::empty()).map_err(|error| Error::io("write", path)(error.into()))
    })
}

/// Writes a file that did not exist before.
///
/// # Errors
/// When there is something of that name, with this `help`; or when it cannot be written.
pub(crate) fn create_file(path: &Path, content: &[u8], mode: u32, help: &str) -> Result<()> {
    undisturbed(|| {
        Temporary::written(path, content, mode)?.becomes(RenameFlags::NOREPLACE).map_err(|error| match error {
            Errno::EXIST => {
                Error::Usage { message: format!("{}: already exists", path.display()), help: help.to_owned() }
            }
            _ => Error::io("write", path)(error.into()),
        })
    })
}

/// A temporary file. Dropped before it has its final name, it is removed.
struct Temporary<'a> {
    directory: Directory,
    /// Locked until it has its final name.
    file: File,
    name: OsString,
    /// Its final name.
    to: &'a OsStr,
}

impl<'a> Temporary<'a> {
    /// One beside `path` with this content, on the disk.
    fn written(path: &'a Path, content: &[u8], mode: u32) -> Result<Self> {
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let to = path.file_name().ok_or_else(|| Error::io("write", path)(ErrorKind::IsADirectory.into()))?;
        let directory = Directory::open(parent)?;
        sweep(&directory);
        let (file, name) = created(&directory, mode)?;
        let mut new = Self { directory, file, name, to };
        let write = new.name_by_inode().and_then(|()| new.file.write_all(content)).and_then(|()| new.file.sync_all());
        write.map_err(Error::io("write", path))?;
        Ok(new)
    }

    /// Locks it, and gives it the name that shows whose it is.
    fn name_by_inode(&mut self) -> std::io::Result<()> {
        // A file system without locks has no other run that could take it for what a killed one left.
        let _ = self.file.try_lock();
        let metadata = self.file.metadata()?;
        let name = name_of((metadata.dev(), metadata.ino()));
        match self.directory.rename(&self.name, &self.directory, &name, RenameFlags::NOREPLACE) {
            Ok(()) => self.name = name,
            // Something has that name, or the file system has no such flag: a killed run would leave it.
            Err(Errno::EXIST | Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// Gives it its final name.
    fn becomes(self, flags: RenameFlags) -> rustix::io::Result<()> {
        match self.directory.rename(&self.name, &self.directory, self.to, flags) {
            // A file system without the flag; when it is dropped, the other name is removed.
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) if !flags.is_empty() => {
                self.directory.hard_link(&self.name, &self.directory, self.to)
            }
            renamed => renamed,
        }
    }
}

impl Drop for Temporary<'_> {
    fn drop(&mut self) {
        // Once renamed, there is nothing of that name.
        let _ = self.directory.remove_file(&self.name);
    }
}

/// A new, empty file.
fn created(directory: &Directory, mode: u32) -> Result<(File, OsString)> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    loop {
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = OsString::from(format!("{PREFIX}new-{}-{number}", std::process::id()));
        if directory.status(&name)?.is_none() {
            return Ok((directory.create(&name, mode)?, name));
        }
    }
}

/// The name of the temporary file that has this inode.
fn name_of((device, inode): (u64, u64)) -> OsString {
    format!("{PREFIX}{device:x}-{inode:x}").into()
}

/// Removes the temporary files that killed runs left: those of this user whose name has their own inode, and that no run has
/// locked. What cannot be removed stays.
fn sweep(directory: &Directory) {
    for name in directory.names().unwrap_or_default() {
        if !name.to_str().is_some_and(|name| name.starts_with(PREFIX)) {
            continue;
        }
        let left =
            |status: &Status| status.is_file() && status.owner == geteuid().as_raw() && name_of(status.inode) == *name;
        if directory.status(&name).is_ok_and(|status| status.as_ref().is_some_and(left))
            && directory.file(&name).is_ok_and(|file| file.try_lock().is_ok())
        {
            let _ = directory.remove_file(&name);
        }
    }
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

    #[test]
    fn only_what_a_killed_run_left_is_removed() {
        let home = tempfile::tempdir().expect("a directory");
        let path = |name: &str| home.path().join(name);
        let directory = Directory::open(home.path()).expect("opened");
        // As a killed run leaves it: under its name, and not locked.
        let leave = || {
            let target = path("target");
            let new = Temporary::written(&target, b"half", MODE).expect("written");
            new.file.unlock().expect("unlocked");
            let left = path(new.name.to_str().expect("UTF-8"));
            std::mem::forget(new);
            left
        };
        let left = leave();
        fs::copy(&left, path(".layerfit-copy")).expect("copied");
        let other = name_of((1, 2));
        fs::write(home.path().join(&other), "of somebody else, or a copy").expect("written");
        let target = path("in-use");
        let in_use = Temporary::written(&target, b"of a run", MODE).expect("written");
        assert!(!left.exists(), "it is removed by the next run");
        replace_file(&path("new"), b"one").expect("written");
        let names = directory.names().expect("listed");
        assert!(names.contains(&".layerfit-copy".into()) && names.contains(&other), "{names:?}");
        assert!(names.contains(&in_use.name), "a run in progress is left alone: {names:?}");
        drop(in_use);
        assert_eq!(directory.names().expect("listed").len(), 3, "{names:?}");
    }
}
