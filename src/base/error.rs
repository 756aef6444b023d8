//! Errors: what stops a run before it has a result. Each message names the path and the remedy; the exit code is 2.
//!
//! A problem with the *content* is not an error but a [`Finding`](crate::base::finding::Finding).

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// The result of an operation that can stop a run.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a run stopped.
#[derive(Debug, Error)]
pub enum Error {
    /// The root to read does not exist.
    #[error("{}: no such directory\n  help: name an existing tree, such as /opt", .0.display())]
    RootMissing(PathBuf),
    /// The root to read is a file.
    #[error("{}: neither a directory nor a zip\n  help: name the directory that will be /opt, or a layer's zip", .0.display())]
    NotATree(PathBuf),
    /// A system call failed.
    #[error("cannot {doing} {}: {source}\n  help: {}", .path.display(), remedy(.source))]
    Io {
        /// The operation, as in "cannot read …".
        doing: &'static str,
        /// The path it was done on.
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
    /// A rule, runtime or limits file is not valid.
    #[error("{file}: {message}\n  help: {help}")]
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
         help: move it away, or name another directory with -o", .0.display()
    )]
    OutputTaken(PathBuf),
    /// Another layerfit is writing to the same directory.
    #[error("{}: another layerfit is writing there\n  help: wait for it, or name another directory with -o", .0.display())]
    OutputBusy(PathBuf),
    /// The AWS CLI failed.
    #[error("{command}: {said}\n  help: {help}")]
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
}

fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
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
