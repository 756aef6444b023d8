//! Directories by handle: names are looked up in the very directory that was opened, whatever its path leads to by now, and
//! links in it are not followed.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, RenameFlags, StatxAttributes, StatxFlags, XattrFlags};
use rustix::io::Errno;

use crate::base::error::{Error, Result};

/// The longest list of extended attributes, and the longest value, in bytes (`XATTR_LIST_MAX`, `XATTR_SIZE_MAX`).
const MAX_ATTRIBUTES: usize = 65_536;

const OPEN: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// An open directory.
#[derive(Debug)]
pub(crate) struct Directory {
    fd: OwnedFd,
    /// For messages.
    path: PathBuf,
}

/// What is at a name, from lstat(2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Status {
    /// Device and inode, which no other file has at the same time.
    pub(crate) inode: (u64, u64),
    /// How many hard links it has.
    pub(crate) links: u64,
    pub(crate) kind: FileType,
    /// The permission bits, with those for set-user-ID, set-group-ID and sticky.
    pub(crate) mode: u32,
    pub(crate) owner: u32,
    pub(crate) group: u32,
    pub(crate) bytes: u64,
    /// When the content was changed last: seconds and nanoseconds.
    pub(crate) modified: (i64, u64),
}

impl Status {
    pub(crate) fn is_directory(&self) -> bool {
        self.kind == FileType::Directory
    }

    pub(crate) fn is_file(&self) -> bool {
        self.kind == FileType::RegularFile
    }

    pub(crate) fn is_link(&self) -> bool {
        self.kind == FileType::Symlink
    }
}

/// The absolute path without links of what need not be there: they are followed as far as it is.
///
/// # Errors
/// When there is no working directory.
pub(crate) fn real(path: &Path) -> Result<PathBuf> {
    let absolute = std::path::absolute(path).map_err(Error::io("find", path))?;
    let there = absolute.ancestors().find_map(|above| Some((above, above.canonicalize().ok()?)));
    let rest = there.as_ref().and_then(|(above, _)| absolute.strip_prefix(above).ok());
    Ok(match (&there, rest) {
        // Joined with nothing, a path would end with a slash.
        (Some((_, real)), Some(rest)) if rest.as_os_str().is_empty() => real.clone(),
        (Some((_, real)), Some(rest)) => real.join(rest),
        _ => absolute,
    })
}

/// What stat(2) tells.
#[expect(
    clippy::cast_sign_loss,
    clippy::useless_conversion,
    clippy::unnecessary_cast,
    reason = "the types of the fields depend on the architecture"
)]
pub(crate) fn status(stat: &rustix::fs::Stat) -> Status {
    Status {
        inode: (stat.st_dev.into(), stat.st_ino.into()),
        links: stat.st_nlink.into(),
        kind: FileType::from_raw_mode(stat.st_mode),
        mode: stat.st_mode & 0o7777,
        owner: stat.st_uid,
        group: stat.st_gid,
        bytes: stat.st_size as u64,
        modified: (stat.st_mtime.into(), stat.st_mtime_nsec as u64),
    }
}

impl Directory {
    /// Opens a directory that the user named, whose path can have links.
    ///
    /// # Errors
    /// When it does not exist, or is not a directory.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let fd = rustix::fs::openat(CWD, path, OPEN, Mode::empty());
        Ok(Self { fd: fd.map_err(|error| Error::io("open", path)(error.into()))?, path: path.to_owned() })
    }

    /// Opens the directory of this name, if it is not a link.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) fn open_in(&self, name: impl AsRef<OsStr>) -> Result<Self> {
        let path = self.path(&name);
        let fd = rustix::fs::openat(&self.fd, name.as_ref(), OPEN | OFlags::NOFOLLOW, Mode::empty());
        Ok(Self { fd: fd.map_err(|error| Error::io("open", &path)(error.into()))?, path })
    }

    /// Opens it once more.
    ///
    /// # Errors
    /// When the system refuses.
    pub(crate) fn again(&self) -> Result<Self> {
        let fd = rustix::io::dup(&self.fd).map_err(self.failed("open", ""))?;
        Ok(Self { fd, path: self.path.clone() })
    }

    /// The path of a name in it, for messages.
    pub(crate) fn path(&self, name: impl AsRef<OsStr>) -> PathBuf {
        self.path.join(name.as_ref())
    }

    /// The error for what failed with a name in it.
    pub(crate) fn failed<N: AsRef<OsStr>>(&self, doing: &'static str, name: N) -> impl FnOnce(Errno) -> Error + use<N> {
        let path = self.path(name);
        move |error| Error::io(doing, path)(error.into())
    }

    /// Its own status.
    ///
    /// # Errors
    /// When the system does not tell it.
    pub(crate) fn own_status(&self) -> Result<Status> {
        rustix::fs::fstat(&self.fd).map(|stat| status(&stat)).map_err(self.failed("read", ""))
    }

    /// What is at a name; `None` if there is nothing.
    ///
    /// # Errors
    /// When the system does not tell it.
    pub(crate) fn status(&self, name: impl AsRef<OsStr>) -> Result<Option<Status>> {
        match rustix::fs::statat(&self.fd, name.as_ref(), AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(status(&stat))),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(self.failed("read", name)(error)),
        }
    }

    /// When what is at a name was changed last: its content, and anything about it, links to it included. Seconds and nanoseconds.
    /// The second is set by the system alone, so nobody can set it back (inode(7)).
    ///
    /// # Errors
    /// When the system does not tell it.
    #[expect(clippy::useless_conversion, reason = "the types of the fields depend on the architecture")]
    pub(crate) fn changed(&self, name: impl AsRef<OsStr>) -> Result<[(i64, u64); 2]> {
        let stat = rustix::fs::statat(&self.fd, name.as_ref(), AtFlags::SYMLINK_NOFOLLOW);
        let stat = stat.map_err(|error| self.failed("read", name)(error))?;
        Ok([status(&stat).modified, (stat.st_ctime.into(), stat.st_ctime_nsec.into())])
    }

    /// Whether a file system is mounted at a name.
    pub(crate) fn is_mount_point(&self, name: impl AsRef<OsStr>) -> bool {
        let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT;
        let known = rustix::fs::statx(&self.fd, name.as_ref(), flags, StatxFlags::empty());
        known.is_ok_and(|known| known.stx_attributes.contains(StatxAttributes::MOUNT_ROOT))
    }

    /// The names in it, sorted.
    ///
    /// # Errors
    /// When it cannot be listed.
    pub(crate) fn names(&self) -> Result<Vec<OsString>> {
        let listing = || -> rustix::io::Result<Vec<OsString>> {
            let names = Dir::read_from(&self.fd)?.map(|entry| Ok(entry?.file_name().to_bytes().to_vec()));
            names.map(|name| name.map(OsString::from_vec)).collect()
        };
        let mut names = listing().map_err(self.failed("list", ""))?;
        names.retain(|name| name != "." && name != "..");
        names.sort();
        Ok(names)
    }

    /// Makes a directory that did not exist, and opens it. The process's umask is taken off `mode`.
    ///
    /// # Errors
    /// When there is something of that name.
    pub(crate) fn make(&self, name: impl AsRef<OsStr>, mode: u32) -> Result<Self> {
        rustix::fs::mkdirat(&self.fd, name.as_ref(), Mode::from_raw_mode(mode))
            .map_err(self.failed("create", &name))?;
        self.open_in(name)
    }

    /// Creates a file that did not exist, for writing. The process's umask is taken off `mode`.
    ///
    /// # Errors
    /// When there is something of that name, or it cannot be created.
    pub(crate) fn create(&self, name: impl AsRef<OsStr>, mode: u32) -> Result<File> {
        // For reading too, to look at what was written.
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(&self.fd, name.as_ref(), flags, Mode::from_raw_mode(mode));
        fd.map(File::from).map_err(self.failed("write", name))
    }

    /// Opens a regular file for reading, if it is not a link.
    ///
    /// # Errors
    /// When it cannot be opened, or is something else.
    pub(crate) fn file(&self, name: impl AsRef<OsStr>) -> Result<File> {
        // A FIFO would be waited for.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let fd =
            rustix::fs::openat(&self.fd, name.as_ref(), flags, Mode::empty()).map_err(self.failed("read", &name))?;
        let stat = rustix::fs::fstat(&fd).map_err(self.failed("read", &name))?;
        if !status(&stat).is_file() {
            return Err(self.failed("read", name)(Errno::INVAL));
        }
        Ok(fd.into())
    }

    /// Makes a symbolic link.
    ///
    /// # Errors
    /// When there is something of that name.
    pub(crate) fn make_link(&self, name: impl AsRef<OsStr>, target: impl AsRef<OsStr>) -> Result<()> {
        rustix::fs::symlinkat(target.as_ref(), &self.fd, name.as_ref()).map_err(self.failed("create", name))
    }

    /// The target of a symbolic link; `None` if there is none of that name.
    pub(crate) fn link_target(&self, name: impl AsRef<OsStr>) -> Option<OsString> {
        let target = rustix::fs::readlinkat(&self.fd, name.as_ref(), Vec::new()).ok()?;
        Some(OsStr::from_bytes(target.to_bytes()).to_owned())
    }

    /// Links a file of this directory into another one, under this name.
    pub(crate) fn hard_link(&self, name: &OsStr, other: &Self, to: &OsStr) -> rustix::io::Result<()> {
        rustix::fs::linkat(&self.fd, name, &other.fd, to, AtFlags::empty())
    }

    /// Renames within this directory, or into another one.
    pub(crate) fn rename(
        &self,
        name: impl AsRef<OsStr>,
        other: &Self,
        to: impl AsRef<OsStr>,
        flags: RenameFlags,
    ) -> rustix::io::Result<()> {
        rustix::fs::renameat_with(&self.fd, name.as_ref(), &other.fd, to.as_ref(), flags)
    }

    /// Gives it an owner, a group and a mode.
    pub(crate) fn belong_to(&self, owner: u32, group: u32, mode: u32) -> rustix::io::Result<()> {
        let own = rustix::fs::fstat(&self.fd)?;
        let changed = |new: u32, old: u32| (new != old).then_some(new);
        let owner = changed(owner, own.st_uid).map(rustix::fs::Uid::from_raw);
        let group = changed(group, own.st_gid).map(rustix::fs::Gid::from_raw);
        if owner.is_some() || group.is_some() {
            rustix::fs::fchown(&self.fd, owner, group)?;
        }
        rustix::fs::fchmod(&self.fd, Mode::from_raw_mode(mode))
    }

    /// Gives it the extended attributes of another directory: its access control lists, which the mode alone does not show,
    /// and what users have set. Those that only the system can set are left out.
    pub(crate) fn take_attributes(&self, from: &Self) -> rustix::io::Result<()> {
        for inherited in ["system.posix_acl_access", "system.posix_acl_default"] {
            // There may be none.
            let _ = rustix::fs::fremovexattr(&self.fd, inherited);
        }
        let mut names = vec![0; MAX_ATTRIBUTES];
        let length = match rustix::fs::flistxattr(&from.fd, &mut names) {
            Ok(length) => length,
            // A file system without them.
            Err(Errno::OPNOTSUPP) => return Ok(()),
            Err(error) => return Err(error),
        };
        for name in names[..length].split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
            let mut value = vec![0; MAX_ATTRIBUTES];
            let length = match rustix::fs::fgetxattr(&from.fd, name, &mut value) {
                Ok(length) => length,
                // Removed meanwhile.
                Err(Errno::NODATA) => continue,
                Err(error) => return Err(error),
            };
            match rustix::fs::fsetxattr(&self.fd, name, &value[..length], XattrFlags::empty()) {
                Err(error) if name.starts_with(b"system.posix_acl") => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    /// Removes a file or link.
    pub(crate) fn remove_file(&self, name: impl AsRef<OsStr>) -> rustix::io::Result<()> {
        rustix::fs::unlinkat(&self.fd, name.as_ref(), AtFlags::empty())
    }

    /// Removes a directory, if it is empty.
    pub(crate) fn remove_empty(&self, name: impl AsRef<OsStr>) -> rustix::io::Result<()> {
        rustix::fs::unlinkat(&self.fd, name.as_ref(), AtFlags::REMOVEDIR)
    }

    /// Removes whatever is at a name; a directory with everything in it.
    ///
    /// # Errors
    /// When something cannot be removed.
    pub(crate) fn remove_all(&self, name: &OsStr) -> Result<()> {
        let Some(status) = self.status(name)? else { return Ok(()) };
        if !status.is_directory() {
            return self.remove_file(name).map_err(self.failed("remove", name));
        }
        let inside = self.open_in(name)?;
        for name in inside.names()? {
            inside.remove_all(&name)?;
        }
        self.remove_empty(name).map_err(self.failed("remove", name))
    }

    /// Writes its entries to the disk.
    ///
    /// # Errors
    /// When that fails.
    pub(crate) fn sync(&self) -> Result<()> {
        rustix::fs::fsync(&self.fd).map_err(self.failed("sync", ""))
    }

    /// Locks it for this process until it is closed; `false` if another one has locked it.
    ///
    /// # Errors
    /// When the file system has no locks.
    pub(crate) fn lock(&self) -> Result<bool> {
        match rustix::fs::flock(&self.fd, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(true),
            Err(Errno::WOULDBLOCK) => Ok(false),
            Err(error) => Err(self.failed("lock", "")(error)),
        }
    }
}
