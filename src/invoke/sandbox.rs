//! The outside of the sandbox: starts one, and ends it.
//!
//! The namespaces (users, mounts, processes) are created by `unshare` of util-linux, which every Linux distribution has, as a
//! crate without unsafe code cannot create them itself; layerfit does the rest inside (`inside.rs`). The function runs as user
//! 993, as in Lambda (`sbx_user1051`), without capabilities; layerfit does not need root. The network is this machine's.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use rustix::process::{Pid, Signal};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};

use super::spec::{Message, Spec};
use crate::base::error::{Error, Result};
use crate::base::read;

/// The hidden command that runs the inside of a sandbox.
pub const INSIDE: &str = "inside-the-sandbox";

/// Options of `unshare`: user and group 993 and 990, as in Lambda; capabilities for the inside, which drops them before it
/// starts the function; process 1 ends when `unshare` does.
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

/// A running sandbox. When dropped, all of its processes are killed.
#[derive(Debug)]
pub(super) struct Sandbox {
    child: Child,
    /// Process 1 ends when this is closed.
    alive: Option<ChildStdin>,
    messages: Lines<BufReader<ChildStdout>>,
    /// Process 1, by its id outside.
    pub first: Option<i32>,
}

impl Sandbox {
    /// Starts one, and returns the output of the function in it; with `trace`, under strace, which appends the files that are
    /// opened to that log.
    ///
    /// # Errors
    /// When `unshare` or `strace` cannot be started.
    pub(super) fn start(spec: &Spec, trace: Option<&Path>) -> Result<(Self, ChildStderr)> {
        let own = std::env::current_exe().map_err(Error::io("find", "layerfit itself"))?;
        let spec = serde_json::to_string(spec).map_err(|error| Error::Usage {
            message: format!("cannot describe the sandbox: {error}"),
            help: "use paths that are UTF-8".to_owned(),
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
        Ok((Self { alive: child.stdin.take(), messages: BufReader::new(out).lines(), first: None, child }, log))
    }

    /// The next message from the inside; `None` when it has ended. Cancel-safe: nothing is lost when the future is dropped.
    pub(super) async fn next(&mut self) -> Option<Message> {
        let line = self.messages.next_line().await.ok().flatten()?;
        let message = serde_json::from_str(&line).ok()?;
        if let Message::Begun(first) = message {
            self.first = Some(first).filter(|first| *first > 1);
        }
        Some(message)
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
        (_, io::ErrorKind::NotFound) => "install it (package util-linux): it creates the sandbox",
        _ => "see the message",
    };
    Error::Usage { message: format!("cannot start {program}: {error}"), help: help.to_owned() }
}

/// The error for a sandbox that cannot be created, from the output of `unshare`, with a remedy.
pub(super) fn impossible(why: &str) -> Error {
    let why = why.trim();
    let setting = |path: &str, refuses: &str| {
        read::kernel(path).is_ok_and(|value| value.trim() == refuses).then(|| PathBuf::from(path))
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
        "allow user namespaces; start a container with --security-opt seccomp=unconfined or, if that is not enough, with \
         --privileged"
    };
    Error::Usage { message: format!("cannot create a sandbox: {why}"), help: help.to_owned() }
}
