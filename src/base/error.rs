//! Errors: what stops a run before it has a result. Each message names the path and the remedy; the exit code is 2.
//!
//! A problem with the *content* is not an error but a [`Finding`](crate::base::finding::Finding).

use std::borrow::Cow;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::bytes::size;
use super::safe::{joined_lines, one_line, printable};

/// The result of an operation that can stop a run.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a run stopped.
#[derive(Debug, Error)]
pub enum Error {
    /// The root to read does not exist.
    #[error("{}: no such file or directory\n  help: name an existing tree, such as /opt; check and diff also take zips, and the directory that `layerfit pack -o layers` writes", shown(.0))]
    RootMissing(PathBuf),
    /// The root to read is a file.
    #[error(
        "{}: neither a directory nor an image\n  \
         help: name the directory that will be /opt, or what `docker save` wrote; zips are for `layerfit check` and `layerfit diff`",
        shown(.0)
    )]
    NotATree(PathBuf),
    /// A system call failed.
    #[error("cannot {doing} {}: {source}\n  help: {}", shown(.path), remedy(doing, .source))]
    Io {
        /// The operation, as in "cannot read …".
        doing: &'static str,
        /// The path it was done on.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A file that layerfit writes whole or not at all cannot be written.
    #[error("cannot write {}: {source}\n  help: {}", shown(.path), remedy_of_file(.source))]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The result could not be printed.
    #[error(
        "cannot write to standard output: {0}\n  \
         help: write it to a file on a disk with free space; what the command did apart from that is done"
    )]
    Print(io::Error),
    /// A device, or something else that is not a regular file.
    #[error("{}: is not a regular file\n  help: name a file; what is not a zip can also come from a pipe", shown(.0))]
    NotAFile(PathBuf),
    /// A file is larger than any of its kind.
    #[error(
        "{}: is larger than {}, and is not read\n  help: check that it is the right file, or make it smaller",
        shown(.path), size(*.most)
    )]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The bound in bytes.
        most: u64,
    },
    /// Nothing wrote to a pipe.
    #[error(
        "{}: is a pipe to which nothing was written within a second\n  \
         help: start the program that writes to it first, or name a file", shown(.0)
    )]
    NoWriter(PathBuf),
    /// Nothing reads from a pipe.
    #[error(
        "{}: is a pipe or socket from which nothing reads\n  \
         help: start the program that reads from it first, or name a file", shown(.0)
    )]
    NoReader(PathBuf),
    /// A rule, runtime or limits file is not valid.
    #[error("{}: {message}\n  help: {help}", one_line(.file))]
    Data {
        /// The file, or the name of the built-in one.
        file: String,
        /// What is wrong.
        message: String,
        /// The remedy.
        help: String,
    },
    /// Something that cannot happen did: a bug.
    #[error("cannot {doing}: {message}\n  help: this is a bug in layerfit: please report it")]
    Bug {
        /// The operation, as in "cannot write …".
        doing: &'static str,
        /// What went wrong.
        message: String,
    },
    /// An argument is not valid.
    #[error("{message}\n  help: {help}")]
    Usage {
        /// What is wrong.
        message: String,
        /// The remedy.
        help: String,
    },
    /// The output directory contains a file that layerfit did not write.
    #[error(
        "{}: layerfit did not write this file, and a layer of that name would replace it\n  \
         help: move it away, or name another directory with -o", shown(.0)
    )]
    OutputTaken(PathBuf),
    /// Another layerfit is writing to the same directory.
    #[error("{}: another layerfit is writing there\n  help: wait for it, or name another directory with -o", shown(.0))]
    OutputBusy(PathBuf),
    /// The AWS CLI failed.
    #[error("{command}: {}\n  help: {help}", joined_lines(.said))]
    Aws {
        /// The command, without its arguments: `aws lambda publish-layer-version`.
        command: String,
        /// Its error output, without credentials.
        said: String,
        /// The remedy.
        help: String,
    },
    /// A file changed while it was read.
    #[error("{path}: changed while layerfit read it\n  help: run again while nothing writes to the tree")]
    Changed {
        /// The path in the tree.
        path: String,
    },
}

impl Error {
    /// A function for `map_err`: turns a failure that cannot happen into an error.
    pub fn bug<E: std::fmt::Display>(doing: &'static str) -> impl FnOnce(E) -> Error {
        move |error| Error::Bug { doing, message: format!("{error:#}") }
    }

    /// A function for `map_err`: turns the system's error about `path` into an error.
    pub fn io(doing: &'static str, path: impl AsRef<Path>) -> impl FnOnce(io::Error) -> Error {
        let path = path.as_ref().to_owned();
        move |source| Error::Io { doing, path, source }
    }

    /// A function for `map_err`: turns the system's error about a file that is to be written into an error.
    pub fn unwritable(path: impl AsRef<Path>) -> impl FnOnce(io::Error) -> Error {
        let path = path.as_ref().to_owned();
        move |source| Error::Unwritable { path, source }
    }
}

/// A path on one line.
fn shown(path: &Path) -> Cow<'_, str> {
    printable(path.as_os_str().as_bytes())
}

/// The remedy where a file of the user's choice cannot be written.
fn remedy_of_file(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied => "run as a user with permission, or name a file in another directory",
        io::ErrorKind::NotFound => "create the directory that it is to be in, or name another file",
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "free some space there, or name a file on another disk"
        }
        io::ErrorKind::ReadOnlyFilesystem => "name a file on a file system that can be written",
        io::ErrorKind::FileTooLarge => "raise the limit for the length of files (ulimit -f)",
        io::ErrorKind::NotADirectory => "part of the path is a file; name another file",
        io::ErrorKind::IsADirectory => "name a file, and not a directory",
        _ => "the system's message names the cause; or name another file",
    }
}

fn remedy(doing: &str, error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied if matches!(doing, "create" | "write" | "replace" | "remove" | "rename") => {
            "run as a user with permission, or write to another directory"
        }
        io::ErrorKind::PermissionDenied => "run as a user with permission, or change the permissions (chmod -R o+rX)",
        io::ErrorKind::NotFound => "check the path",
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "free some space, or point TMPDIR and -o to a disk with free space"
        }
        io::ErrorKind::ReadOnlyFilesystem => "name a directory on a writable file system with -o",
        io::ErrorKind::FileTooLarge => "raise the limit for the length of files (ulimit -f)",
        io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory => "part of the path is a file; name another path",
        _ => "the system's message names the cause",
    }
}
