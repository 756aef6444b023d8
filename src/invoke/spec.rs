//! What the outside and the inside of a sandbox send each other.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// The user that a function runs as, in its own user namespace: Lambda's `sbx_user1051`.
pub(super) const USER: u32 = 993;

/// Its group.
pub(super) const GROUP: u32 = 990;

/// Description of a sandbox; all paths are the host's.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Spec {
    /// The directory that will be `/opt`.
    pub layers: PathBuf,
    /// The directory that will be `/var/task`; an empty one by default.
    pub code: Option<PathBuf>,
    /// The root file system around them; by default, this machine's.
    pub rootfs: Option<PathBuf>,
    /// Whether the function has a network of its own, with a loopback interface and nothing else.
    pub no_network: bool,
    /// What is started, with its arguments; by default, the bootstrap.
    pub command: Vec<String>,
    /// Other paths of the host, and where they are.
    pub mounts: Vec<(PathBuf, PathBuf)>,
    /// Directories that the function sees empty.
    pub hidden: Vec<PathBuf>,
    /// A file, and its content.
    pub file: Option<(PathBuf, String)>,
    /// The environment of the bootstrap, but for the address of the Runtime API.
    pub environment: BTreeMap<String, String>,
}

/// What the outside sends, after the spec and the end of its line, to learn the peak memory.
pub(super) const SAMPLE: u8 = b'm';

/// A message from the inside to the outside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Message {
    /// Process 1 runs and waits for its [`Spec`]; this is its id outside.
    Begun(i32),
    /// It has sent the socket on which the Runtime API listens, in the function's network.
    Listening,
    /// The file system cannot be assembled.
    NoRoot(String),
    /// There is no bootstrap.
    NoBootstrap,
    /// The kernel does not start the bootstrap.
    CannotStart {
        /// Its path.
        path: String,
        /// The kernel's error in Go's words, which Lambda prints.
        why: String,
    },
    /// The bootstrap runs.
    Started,
    /// The peak memory of the function's processes so far, in bytes: the reply to a [`SAMPLE`].
    Memory(u64),
    /// The bootstrap has ended with this exit code.
    Exited(i32),
    /// This signal has ended the bootstrap.
    Killed(i32),
}
