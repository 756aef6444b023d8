//! What stops a run: layerfit could not do its work. Each message names the path and the remedy; exit code 2.
//!
//! What is wrong with the *content* is not an error but a [`Finding`](crate::base::finding::Finding).

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// The result of everything that can stop a run.
pub type Result<T> = std::result::Result<T, Error>;

/// Why layerfit could not do its work.
#[derive(Debug, Error)]
pub enum Error {
    /// The root to read is not there.
    #[error("{}: no such directory\n  help: name the tree to read, for example: layerfit analyze /opt", .0.display())]
    RootMissing(PathBuf),
    /// The root to read is a file.
    #[error("{}: neither a directory nor a zip\n  help: name the directory that will be /opt, or a layer's zip", .0.display())]
    NotATree(PathBuf),
    /// The operating system refused something.
    #[error("cannot {doing} {}: {source}\n  help: {}", .path.display(), remedy(.source))]
    Io {
        /// What was tried, as in "cannot read …".
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A rule, runtime or limits file is not as it must be.
    #[error("{file}: {message}\n  help: {help}")]
    Data {
        /// The file, or the name of the built-in one.
        file: String,
        /// What is wrong.
        message: String,
        /// The remedy.
        help: String,
    },
    /// Something that cannot happen did.
    #[error("cannot {doing}: {message}\n  help: this is a bug of layerfit: please report it")]
    Bug {
        /// What was tried, as in "cannot write …".
        doing: &'static str,
        /// What went wrong.
        message: String,
    },
    /// An argument makes no sense.
    #[error("{message}\n  help: {help}")]
    Usage {
        /// What is wrong.
        message: String,
        /// The remedy.
        help: String,
    },
    /// The output directory holds something that is not layerfit's.
    #[error(
        "{}: layerfit did not write this file, and a layer of that name would replace it\n  \
         help: move it away, or give another directory with -o", .0.display()
    )]
    OutputTaken(PathBuf),
    /// Another layerfit writes to the same place at this moment.
    #[error("{}: another layerfit is writing there\n  help: wait for it, or give another directory with -o", .0.display())]
    OutputBusy(PathBuf),
    /// The AWS CLI could not do what it was asked for.
    #[error("{command}: {said}\n  help: {help}")]
    Aws {
        /// The command, without its arguments: `aws lambda publish-layer-version`.
        command: String,
        /// What it said, without credentials.
        said: String,
        /// The remedy.
        help: String,
    },
    /// A file became another while it was read.
    #[error("{path}: changed while layerfit read it\n  help: run again when nothing writes to the tree")]
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

    /// A function for `map_err`: turns what the system said about `path` into an error.
    pub fn io(doing: &'static str, path: impl AsRef<Path>) -> impl FnOnce(io::Error) -> Error {
        let path = path.as_ref().to_owned();
        move |source| Error::Io { doing, path, source }
    }
}

fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied => "run as a user who may, or change the permissions (chmod -R o+rX)",
        io::ErrorKind::NotFound => "check the path",
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "free some space, or point TMPDIR and -o at a disk that has it; nothing was changed"
        }
        io::ErrorKind::ReadOnlyFilesystem => "give a directory on a file system that can be written, with -o",
        io::ErrorKind::NotADirectory => "a part of the path is a file; give another path",
        _ => "the system's message names the cause; run again with -v for more",
    }
}
