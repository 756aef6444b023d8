//! Atomic writes: a file is written completely or not at all, several together or none, and no link at a name is followed.
//!
//! The new content is in a temporary file beside it meanwhile, whose name has its own inode: what a killed run left is told by
//! that, which no copy of it has, and removed by the next run that writes there.

use std::ffi::{OsStr, OsString};
use std::fs::{File, Permissions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
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
    undisturbed(|| Replacement::written(path, content)?.new.becomes(RenameFlags::empty()).map_err(unwritable(path)))
}

/// Tries whether a file can be replaced, without changing it: what is known before long work need not be told after it.
///
/// # Errors
/// As for [`replace_file`].
pub(crate) fn can_replace(path: &Path) -> Result<()> {
    undisturbed(|| Replacement::written(path, b"").map(drop))
}

/// Tries whether a file can be created, without doing it.
///
/// # Errors
/// As for [`create_file`].
pub(crate) fn can_create(path: &Path, help: &str) -> Result<()> {
    match std::fs::symlink_metadata(path) {
        Ok(_) => Err(already_exists(path, help)),
        Err(_) => can_replace(path),
    }
}

/// Writes a file that did not exist before.
///
/// # Errors
/// When there is something of that name, with this `help`; or when it cannot be written.
pub(crate) fn create_file(path: &Path, content: &[u8], mode: u32, help: &str) -> Result<()> {
    undisturbed(|| {
        Temporary::written(path, content, mode)?.becomes(RenameFlags::NOREPLACE).map_err(|error| match error {
            Errno::EXIST => already_exists(path, help),
            _ => unwritable(path)(error),
        })
    })
}

/// The new content of a file, written beside it and not in its place yet: several files can so be replaced together, once all
/// that can fail for want of space or permission has been done. Dropped, it leaves nothing behind.
#[derive(Debug)]
pub(crate) struct Replacement {
    new: Temporary,
    /// The file, as messages name it.
    path: PathBuf,
    /// What the file is now, if there is one.
    old: Option<Status>,
    /// The name of a hard link to the old version, where the file system has these.
    kept: Option<OsString>,
}

impl Replacement {
    /// Writes the new content of the file at `path`.
    ///
    /// # Errors
    /// As for [`replace_file`].
    pub(crate) fn written(path: &Path, content: &[u8]) -> Result<Self> {
        let (parent, name) = split(path)?;
        Self::written_in(Directory::open(parent).map_err(of_file(path))?, name, path, content)
    }

    /// Writes the new content of the file of this name in an open directory; `path` is only for messages.
    ///
    /// # Errors
    /// As for [`replace_file`].
    pub(crate) fn written_in(directory: Directory, name: &OsStr, path: &Path, content: &[u8]) -> Result<Self> {
        let old = directory.status(name).map_err(of_file(path))?;
        if let Some(status) = old.filter(|status| !status.is_file()) {
            return Err(not_a_file(path, status));
        }
        if old.is_some() && directory.is_mount_point(name) {
            return Err(Error::Usage {
                message: format!("{}: is a mount point, which cannot be replaced", path.display()),
                help: "mount the directory that it is in instead, or name another file".to_owned(),
            });
        }
        let new = Temporary::written_in(directory, name, content, MODE).map_err(of_file(path))?;
        if let Some(old) = old {
            // Only root can give a file away.
            let _ = std::os::unix::fs::fchown(&new.file, Some(old.owner), Some(old.group));
            new.file.set_permissions(Permissions::from_mode(old.mode)).map_err(Error::unwritable(path))?;
        }
        Ok(Self { new, path: path.to_owned(), old, kept: None })
    }

    /// Puts the new content in the place of the old one, which [`Self::undo`] restores as long as this is not dropped.
    ///
    /// # Errors
    /// When the system refuses. The old content is then there.
    pub(crate) fn put(&mut self) -> Result<()> {
        let Temporary { directory, to, .. } = &self.new;
        if let Some(old) = &self.old {
            // Named as a temporary file is, so that the next run removes it if this one is killed.
            let name = name_of(old.inode);
            self.kept = directory.hard_link(to, directory, &name).is_ok().then_some(name);
        }
        self.new.becomes(RenameFlags::empty()).map_err(unwritable(&self.path))
    }

    /// Restores what was there before [`Self::put`]. On a file system without hard links, the new content stays.
    pub(crate) fn undo(&mut self) {
        let Temporary { directory, to, .. } = &self.new;
        // What cannot be undone cannot be handled either: the error that this follows is reported.
        match (&self.old, self.kept.take()) {
            (None, _) => drop(directory.remove_file(to)),
            (Some(_), Some(kept)) => drop(directory.rename(&kept, directory, to, RenameFlags::empty())),
            (Some(_), None) => {}
        }
    }
}

impl Drop for Replacement {
    fn drop(&mut self) {
        if let Some(kept) = &self.kept {
            let _ = self.new.directory.remove_file(kept);
        }
    }
}

/// Puts all of these in place, or none.
///
/// # Errors
/// As for [`Replacement::put`].
pub(crate) fn put_all(replacements: &mut [Replacement]) -> Result<()> {
    for at in 0..replacements.len() {
        if let Err(error) = replacements[at].put() {
            replacements[..at].iter_mut().for_each(Replacement::undo);
            return Err(error);
        }
    }
    Ok(())
}

/// The directory of a file, and its name there.
fn split(path: &Path) -> Result<(&Path, &OsStr)> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = path.file_name().ok_or_else(|| Error::unwritable(path)(ErrorKind::IsADirectory.into()))?;
    Ok((parent, name))
}

/// A function for `map_err`: the error about the file at `path`, for one about a temporary file beside it or its directory.
fn of_file(path: &Path) -> impl FnOnce(Error) -> Error {
    let path = path.to_owned();
    move |error| match error {
        Error::Io { source, .. } => Error::Unwritable { path, source },
        other => other,
    }
}

/// As [`Error::unwritable`], for what a call of the system returned.
fn unwritable(path: &Path) -> impl FnOnce(Errno) -> Error {
    let failed = Error::unwritable(path);
    move |error| failed(error.into())
}

fn already_exists(path: &Path, help: &str) -> Error {
    Error::Usage { message: format!("{}: already exists", path.display()), help: help.to_owned() }
}

/// A temporary file. Dropped before it has its final name, it is removed.
#[derive(Debug)]
struct Temporary {
    directory: Directory,
    /// Locked until it has its final name.
    file: File,
    name: OsString,
    /// Its final name.
    to: OsString,
}

impl Temporary {
    /// One beside `path` with this content, on the disk.
    fn written(path: &Path, content: &[u8], mode: u32) -> Result<Self> {
        let (parent, name) = split(path)?;
        let directory = Directory::open(parent).map_err(of_file(path))?;
        Self::written_in(directory, name, content, mode).map_err(of_file(path))
    }

    /// One in a directory with this content, on the disk, whose final name is `to`.
    fn written_in(directory: Directory, to: &OsStr, content: &[u8], mode: u32) -> Result<Self> {
        sweep(&directory);
        let (file, name) = created(&directory, mode)?;
        let mut new = Self { directory, file, name, to: to.to_owned() };
        let write = new.name_by_inode().and_then(|()| new.file.write_all(content)).and_then(|()| new.file.sync_all());
        write.map_err(Error::io("write", new.directory.path(to)))?;
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
    fn becomes(&self, flags: RenameFlags) -> rustix::io::Result<()> {
        match self.directory.rename(&self.name, &self.directory, &self.to, flags) {
            // A file system without the flag; when it is dropped, the other name is removed.
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) if !flags.is_empty() => {
                self.directory.hard_link(&self.name, &self.directory, &self.to)
            }
            renamed => renamed,
        }
    }
}

impl Drop for Temporary {
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

fn not_a_file(path: &Path, status: Status) -> Error {
    let (what, help) = if status.is_link() {
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
    fn of_several_files_all_are_replaced_or_none() {
        let home = tempfile::tempdir().expect("a directory");
        let path = |name: &str| home.path().join(name);
        fs::write(path("old"), "old").expect("written");
        let inode = fs::metadata(path("old")).expect("there").ino();
        let written = |names: &[&str]| -> Vec<Replacement> {
            names.iter().map(|name| Replacement::written(&path(name), b"new").expect("written")).collect()
        };
        let mut replacements = written(&["old", "made", "taken"]);
        // What was free when its content was written is not any more.
        fs::create_dir(path("taken")).expect("made");
        let error = put_all(&mut replacements).expect_err("refused").to_string();
        assert!(error.contains("taken: ") && error.contains("help: name a file"), "{error}");
        drop(replacements);
        assert_eq!(fs::read(path("old")).expect("read"), b"old");
        assert_eq!(fs::metadata(path("old")).expect("there").ino(), inode);
        let names = || Directory::open(home.path()).expect("opened").names().expect("listed");
        assert_eq!(names(), ["old", "taken"]);

        let mut replacements = written(&["old", "made"]);
        put_all(&mut replacements).expect("replaced");
        drop(replacements);
        assert_eq!(
            (fs::read(path("old")).expect("read"), fs::read(path("made")).expect("read")),
            (b"new".to_vec(), b"new".to_vec())
        );
        assert_eq!(names(), ["made", "old", "taken"]);

        // What only is tried changes nothing.
        can_replace(&path("old")).expect("can be");
        can_create(&path("other"), "").expect("can be");
        assert!(can_create(&path("old"), "remove it").is_err() && can_replace(&path("nowhere/x")).is_err());
        assert_eq!(names(), ["made", "old", "taken"]);
        assert_eq!(fs::read(path("old")).expect("read"), b"new");
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
