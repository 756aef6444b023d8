//! The outside of the sandbox: starts one, and ends it.
//!
//! The namespaces (users, mounts, processes) are made by `unshare` of util-linux, which every Linux has, as a crate without
//! unsafe code cannot make them itself; layerfit does the rest inside (`inside.rs`). The function is user 993, as in Lambda
//! (`sbx_user1051`), and has no capabilities; who runs layerfit need not be root. The network is this machine's.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use rustix::process::{Pid, Signal};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};

use super::spec::{Message, Spec};
use crate::base::error::{Error, Result};

/// The hidden command that is the inside of a sandbox.
pub const INSIDE: &str = "inside-the-sandbox";

/// What a sandbox is made with: user and group 993 and 990, as Lambda has them; capabilities for the inside, which gives
/// them up before it starts the function; process 1 ends when `unshare` does.
const UNSHARE: &[&str] = &[
    "--user",
    "--map-user=993",
    "--map-group=990",
    "--keep-caps",
    "--mount",
    "--pid",
    "--ipc",
    "--fork",
    "--kill-child",
    "--",
];

/// A sandbox that runs. Dropped, it ends with all of its processes.
#[derive(Debug)]
pub(super) struct Sandbox {
    child: Child,
    /// Process 1 ends when this is closed.
    alive: Option<ChildStdin>,
    said: Lines<BufReader<ChildStdout>>,
    /// Process 1, by its number outside.
    pub first: Option<i32>,
}

impl Sandbox {
    /// Starts one, and gives what the function in it writes; with `trace`, under strace, which adds what is opened to that
    /// file.
    ///
    /// # Errors
    /// When `unshare` or `strace` cannot be started.
    pub(super) fn start(spec: &Spec, trace: Option<&Path>) -> Result<(Self, ChildStderr)> {
        let own = std::env::current_exe().map_err(Error::io("find", "layerfit itself"))?;
        let spec = serde_json::to_string(spec).map_err(|error| Error::Usage {
            message: format!("the sandbox cannot be described: {error}"),
            help: "give paths that are UTF-8".to_owned(),
        })?;
        let mut command = match trace {
            Some(file) => {
                let mut strace = Command::new("strace");
                strace.args(["-f", "-qq", "-e", "trace=file", "-A", "-o"]).arg(file).arg("unshare");
                strace
            }
            None => Command::new("unshare"),
        };
        command.args(UNSHARE).arg(own).arg(INSIDE).arg(spec);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let program = if trace.is_some() { "strace" } else { "unshare" };
        let mut child = command.spawn().map_err(|error| cannot_start(program, &error))?;
        let (Some(out), Some(log)) = (child.stdout.take(), child.stderr.take()) else {
            return Err(cannot_start(program, &io::Error::other("it has no output")));
        };
        Ok((Self { alive: child.stdin.take(), said: BufReader::new(out).lines(), first: None, child }, log))
    }

    /// What the inside says next; `None` when it has ended. Nothing is lost when this is dropped before it is done.
    pub(super) async fn next(&mut self) -> Option<Message> {
        let line = self.said.next_line().await.ok().flatten()?;
        let said = serde_json::from_str(&line).ok()?;
        if let Message::Begun(first) = said {
            self.first = Some(first).filter(|first| *first > 1);
        }
        Some(said)
    }

    /// Kills every process in it.
    pub(super) fn kill(&mut self) {
        if let Some(first) = self.first.and_then(Pid::from_raw) {
            // It may have ended already.
            let _ = rustix::process::kill_process(first, Signal::KILL);
        }
        self.alive = None;
    }

    /// Waits until everything in it has ended.
    pub(super) async fn ended(&mut self) {
        let _ = self.child.wait().await;
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.kill();
    }
}

fn cannot_start(program: &str, error: &io::Error) -> Error {
    let help = match (program, error.kind()) {
        ("strace", io::ErrorKind::NotFound) => "install strace (package strace), or leave --trace out",
        (_, io::ErrorKind::NotFound) => "install it (package util-linux): it makes the sandbox",
        _ => "see the message",
    };
    Error::Usage { message: format!("cannot start {program}: {error}"), help: help.to_owned() }
}

/// Why there is no sandbox, from what `unshare` wrote, and what to do about it.
pub(super) fn impossible(why: &str) -> Error {
    let why = why.trim();
    let setting = |path: &str, refuses: &str| {
        std::fs::read_to_string(path).is_ok_and(|value| value.trim() == refuses).then(|| PathBuf::from(path))
    };
    let help = if why.contains("unrecognized option") {
        "update util-linux to 2.36 or newer"
    } else if setting("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1").is_some() {
        "allow user namespaces: sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"
    } else if setting("/proc/sys/kernel/unprivileged_userns_clone", "0").is_some() {
        "allow user namespaces: sudo sysctl -w kernel.unprivileged_userns_clone=1"
    } else if setting("/proc/sys/user/max_user_namespaces", "0").is_some() {
        "allow user namespaces: sudo sysctl -w user.max_user_namespaces=10000"
    } else {
        "allow user namespaces here; in a container, start it with --security-opt seccomp=unconfined, and where that is \
         not enough, --privileged"
    };
    Error::Usage { message: format!("no sandbox can be made here: {why}"), help: help.to_owned() }
}
