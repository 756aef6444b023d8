//! The outside of the sandbox: starts one, and ends it.
//!
//! The namespaces (users, mounts, processes, System V, host name, control groups, and the network if it has none) are created by
//! `unshare` of util-linux, which every Linux distribution has, as a crate without unsafe code cannot create them itself; layerfit
//! does the rest inside (`inside.rs`). The function runs as user 993, as in Lambda (`sbx_user1051`), without capabilities. layerfit does not need root;
//! if root runs it, the function is nobody to this machine.
//!
//! What the inside is told goes through its standard input, a socket, and never into a command line, which any user of this
//! machine can read. Nothing else of layerfit's, nor of whoever started it, is inherited: neither descriptors nor environment.

use std::io;
use std::io::Write;
use std::mem::MaybeUninit;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags};
use rustix::process::{Pid, Signal};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStderr, ChildStdout, Command};

use super::spec::{GROUP, Message, SAMPLE, Spec, USER};
use crate::base::error::{Error, Result};
use crate::base::read;

/// The hidden command that runs the inside of a sandbox.
pub const INSIDE: &str = "inside-the-sandbox";

/// Options of `unshare`: capabilities for the inside, which drops them before it starts the function; process 1 ends when
/// `unshare` does.
const UNSHARE: &[&str] =
    &["--user", "--keep-caps", "--mount", "--pid", "--ipc", "--uts", "--cgroup", "--fork", "--kill-child"];

/// Makes the kernel stop a process only at the calls that are logged: R's start then takes 1.4 times as long as without strace,
/// and four times without this option (R 4.2.2, strace 6.1). strace has it since version 5.3.
const SECCOMP: &str = "--seccomp-bpf";

/// A user and group that own nothing (the kernel's overflow ids, which distributions call nobody and nogroup).
const NOBODY: u32 = 65_534;

/// Samples of the memory that process 1 takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Samples {
    /// The bootstrap has not been started.
    NotYet,
    /// None is on its way.
    Idle,
    /// One is on its way.
    Requested,
}

/// A running sandbox. When dropped, all of its processes are killed.
#[derive(Debug)]
pub(super) struct Sandbox {
    child: Child,
    spec: Vec<u8>,
    /// The standard input of process 1, which ends when this is closed.
    control: Option<UnixStream>,
    messages: Lines<BufReader<ChildStdout>>,
    samples: Samples,
    /// Process 1, by its id outside.
    pub first: Option<i32>,
    /// The socket for the Runtime API, once it was received.
    pub listener: Option<TcpListener>,
}

impl Sandbox {
    /// Starts one, and returns the output of the function in it; with `trace`, under strace, which appends the files that are
    /// opened to that log.
    ///
    /// # Errors
    /// When `unshare` or `strace` cannot be started.
    pub(super) fn start(spec: &Spec, trace: Option<&Path>) -> Result<(Self, ChildStderr)> {
        let own = std::env::current_exe().map_err(Error::io("find", "layerfit itself"))?;
        let mut text = serde_json::to_vec(spec).map_err(|error| Error::Usage {
            message: format!("cannot describe the sandbox: {error}"),
            help: "use paths that are UTF-8".to_owned(),
        })?;
        text.push(b'\n');
        let program = if trace.is_some() { "strace" } else { "unshare" };
        let (control, inside) = UnixStream::pair().map_err(|error| cannot_start(program, &error))?;
        let mut command = Command::new(program);
        if let Some(file) = trace {
            // strace would run a name that begins with `|` or `!` as a command.
            let file = std::path::absolute(file).map_err(Error::io("find", file))?;
            command.args(["-f", "-qq", "-e", "trace=file"]);
            if stops_only_where_it_logs() {
                command.arg(SECCOMP);
            }
            command.args(["-A", "-o"]).arg(file).arg("unshare");
        }
        command.args(UNSHARE);
        if spec.no_network {
            command.arg("--net");
        }
        command.arg("--").arg(own).arg(INSIDE);
        command.env_clear().envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
        command.stdin(Stdio::from(OwnedFd::from(inside))).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.kill_on_drop(true).spawn().map_err(|error| cannot_start(program, &error))?;
        let (Some(out), Some(log)) = (child.stdout.take(), child.stderr.take()) else {
            return Err(cannot_start(program, &io::Error::other("it has no output")));
        };
        let messages = BufReader::new(out).lines();
        let (control, samples) = (Some(control), Samples::NotYet);
        Ok((Self { child, spec: text, control, messages, samples, first: None, listener: None }, log))
    }

    /// The next message from the inside; `None` when it has ended. Cancel-safe: nothing is lost when the future is dropped.
    pub(super) async fn next(&mut self) -> Option<Message> {
        let line = self.messages.next_line().await.ok().flatten()?;
        let message = serde_json::from_str(&line).ok()?;
        match message {
            Message::Begun(first) => {
                self.first = Some(first).filter(|first| *first > 1);
                // If it has ended, there is no next message. If its user cannot be mapped, it reports that.
                let _ = map_user(first);
                let _ = self.control.as_mut()?.write_all(&std::mem::take(&mut self.spec));
            }
            Message::Started | Message::Memory(_) => self.samples = Samples::Idle,
            Message::Listening => self.listener = received(self.control.as_ref()?),
            _ => {}
        }
        Some(message)
    }

    /// Requests a sample of the memory, which is sent as a message. Only one at a time: a busy machine takes fewer samples, and
    /// never a queue of them.
    pub(super) fn request_sample(&mut self) {
        if let (Samples::Idle, Some(control)) = (self.samples, &mut self.control)
            && control.write_all(&[SAMPLE]).is_ok()
        {
            self.samples = Samples::Requested;
        }
    }

    /// Whether a sample is on its way.
    pub(super) fn is_sampled(&self) -> bool {
        self.samples == Samples::Requested
    }

    /// Kills every process in it.
    pub(super) fn kill(&mut self) {
        if let Some(first) = self.first.and_then(Pid::from_raw) {
            // It may have ended already.
            let _ = rustix::process::kill_process(first, Signal::KILL);
        }
        self.control = None;
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

/// Makes user and group 993 and 990 of a process's user namespace a user and group of this machine. Root's own would be allowed
/// what root's files allow their owner, even without capabilities: it is nobody instead, where root may map it, as it may not
/// in a container that has no such user. For anyone else, it is the user that runs layerfit: no other can be mapped.
fn map_user(process: i32) -> io::Result<()> {
    let write = |name: &str, text: &str| std::fs::write(format!("/proc/{process}/{name}"), text);
    let (user, group) = (rustix::process::geteuid(), rustix::process::getegid());
    let is_root = user.is_root();
    if !is_root || write("gid_map", &format!("{GROUP} {NOBODY} 1")).is_err() {
        // Without this, no group can be mapped (user_namespaces(7)).
        write("setgroups", "deny")?;
        write("gid_map", &format!("{GROUP} {} 1", group.as_raw()))?;
    }
    if !is_root || write("uid_map", &format!("{USER} {NOBODY} 1")).is_err() {
        write("uid_map", &format!("{USER} {} 1", user.as_raw()))?;
    }
    Ok(())
}

/// The socket that the inside has sent before its message.
fn received(control: &UnixStream) -> Option<TcpListener> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    let bytes = &mut [io::IoSliceMut::new(&mut byte)];
    rustix::net::recvmsg(control, bytes, &mut ancillary, RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT).ok()?;
    let mut sockets = ancillary.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
        _ => None,
    });
    sockets.next()?.next().map(TcpListener::from)
}

/// Whether strace is installed.
pub fn can_trace() -> bool {
    strace_accepts(&[])
}

/// Whether strace has the option [`SECCOMP`].
fn stops_only_where_it_logs() -> bool {
    strace_accepts(&[SECCOMP])
}

fn strace_accepts(options: &[&str]) -> bool {
    let mut command = std::process::Command::new("strace");
    command.args(options).arg("-V").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
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
