//! Whose files these are: whether only this user could have written what is in the directories of the user.

use std::fs::{self, File, Metadata};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use rustix::process::geteuid;

/// A base directory of the user (XDG Base Directory Specification): the value of a variable, or else a directory of the home.
pub(super) fn base(variable: &str, below_home: &str) -> Option<PathBuf> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    absolute(variable).or_else(|| Some(absolute("HOME")?.join(below_home)))
}

/// Whether any user can replace what is in this directory.
pub(super) fn others_write(directory: &Path) -> bool {
    // With the sticky bit, only its owner can.
    fs::metadata(directory).is_ok_and(|metadata| metadata.mode() & 0o1002 == 0o002)
}

/// Whether only this user can write to what is at this path, if there is anything.
pub(super) fn is_own(path: &Path) -> bool {
    fs::metadata(path).map_or(true, |metadata| only_own(&metadata))
}

/// Whether only this user could have written it.
pub(super) fn only_own(metadata: &Metadata) -> bool {
    metadata.uid() == geteuid().as_raw() && metadata.mode() & 0o022 == 0
}

/// Opens a regular file that only this user could have written. A link is not followed, and a FIFO not waited for.
pub(super) fn open(path: &Path, options: &mut fs::OpenOptions) -> Option<(File, Metadata)> {
    let flags = i32::try_from((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits()).ok()?;
    let file = options.custom_flags(flags).open(path).ok()?;
    let metadata = file.metadata().ok().filter(|metadata| metadata.is_file() && only_own(metadata))?;
    Some((file, metadata))
}
