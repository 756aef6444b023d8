//! What the outside and the inside of a sandbox tell each other.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// What the sandbox is made of; all paths are the host's.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Spec {
    /// An empty directory, where the root is put together.
    pub root: PathBuf,
    /// What will be `/opt`.
    pub layers: PathBuf,
    /// What will be `/var/task`; an empty directory when not said.
    pub code: Option<PathBuf>,
    /// The system around them; this machine's when not said.
    pub rootfs: Option<PathBuf>,
    /// The environment of the bootstrap.
    pub environment: BTreeMap<String, String>,
}

/// What the inside tells the outside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Message {
    /// Process 1 runs; it has this number outside.
    Begun(i32),
    /// The file system cannot be put together.
    NoRoot(String),
    /// There is no bootstrap.
    NoBootstrap,
    /// The kernel does not start the bootstrap.
    CannotStart {
        /// Its path.
        path: String,
        /// What the kernel said, in Go's words, which Lambda prints.
        why: String,
    },
    /// The bootstrap runs.
    Started,
    /// The bootstrap has ended with this exit code.
    Exited(i32),
    /// A signal has ended the bootstrap.
    Killed(i32),
}
