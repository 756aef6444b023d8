//! The inside of the sandbox: `layerfit` again, as process 1 of the namespaces that `unshare` made for it.
//!
//! It reads the [`Spec`] from standard input, listens for the Runtime API and sends that socket out, as only a process in here
//! can listen in the function's network. It assembles the file system that the function sees, drops the privileges that a
//! function does not have, starts the bootstrap, and waits; for each byte on standard input, it measures the memory. It reports
//! on standard output, one line of JSON for each [`Message`]; the function's output goes to standard error. When standard input
//! ends, layerfit itself has ended: process 1 exits too, and the kernel kills every other process in the sandbox.

use std::collections::BTreeMap;
use std::io::{IoSlice, Read, Write};
use std::mem::MaybeUninit;
use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags};
use rustix::process::{DumpableBehavior, Gid, Resource, Rlimit, Signal, Uid, WaitOptions};
use rustix::thread::{CapabilitySet, CapabilitySets};

use super::memory::Meter;
use super::mounts::Sources;
use super::network;
use super::spec::{GROUP, Message, SAMPLE, Spec, USER};
use super::system_calls;
use crate::base::read;

/// Where the bootstrap is searched for, in this order: "If that file isn't found … Lambda looks in the layers" (AWS Lambda
/// Developer Guide, custom runtimes). A directory of that name is skipped, as Lambda's emulator does.
pub(super) const BOOTSTRAPS: [&str; 2] = ["/var/task/bootstrap", "/opt/bootstrap"];

/// Maximum number of open files of a function (AWS Lambda quotas).
const MAX_OPEN_FILES: u64 = 1024;

/// Maximum number of processes and threads of a function (AWS Lambda quotas).
const MAX_PROCESSES: u64 = 1024;

/// Threads of process 1, which count too.
const OWN_THREADS: u64 = 2;

/// Runs the inside of a sandbox: the hidden command `layerfit inside-the-sandbox`. Returns when the bootstrap has ended, or
/// could not be started.
pub fn run() {
    // A session of its own, so that a signal to the function's process group (`kill 0`) does not reach layerfit and whoever
    // started it, and so that it has no terminal. It cannot fail for a process that was just forked.
    let _ = rustix::process::setsid();
    // This is still the host's /proc, which has this process's id outside.
    send(&Message::Begun(own_id()));
    let mut line = String::new();
    // An unfinished line is refused as JSON.
    let _ = std::io::stdin().read_line(&mut line);
    send(&match prepare(&line) {
        Err(why) => Message::NoRoot(why),
        Ok((command, environment)) => {
            std::thread::spawn(serve_requests);
            match start(&command, &environment) {
                Ok(message) | Err(message) => message,
            }
        }
    });
}

/// Makes the sandbox that the text describes; returns the command to start and its environment.
fn prepare(spec: &str) -> Result<(Vec<String>, BTreeMap<String, String>), String> {
    let spec: Spec =
        serde_json::from_str(spec).map_err(|error| format!("the description of the sandbox is invalid: {error}"))?;
    let mut environment = spec.environment.clone();
    if spec.no_network {
        network::start_loopback().map_err(|error| format!("the loopback interface cannot be started: {error}"))?;
    }
    // A name that resolves in any network, instead of this machine's.
    rustix::system::sethostname(b"localhost").map_err(|error| format!("the host name cannot be set: {error}"))?;
    environment.insert("AWS_LAMBDA_RUNTIME_API".to_owned(), listen()?);
    let sources = Sources::open(&spec)?;
    become_the_user()?;
    sources.enter()?;
    drop_privileges()?;
    Ok((spec.command, environment))
}

/// Sends a message out. One that cannot be sent has no reader any more.
fn send(message: &Message) {
    let mut line = serde_json::to_vec(message).unwrap_or_default();
    line.push(b'\n');
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(&line).and_then(|()| out.flush());
}

/// The id of this process in the /proc that is mounted; 0 if there is none.
fn own_id() -> i32 {
    std::fs::read_link("/proc/self").ok().and_then(|link| link.to_str()?.parse().ok()).unwrap_or(0)
}

/// Listens on a free port of the loopback interface, sends the socket out, and returns its address.
fn listen() -> Result<String, String> {
    let cannot = |error: std::io::Error| format!("cannot listen for the Runtime API: {error}");
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(cannot)?;
    let address = listener.local_addr().map_err(cannot)?;
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    let descriptors = [listener.as_fd()];
    ancillary.push(SendAncillaryMessage::ScmRights(&descriptors));
    rustix::net::sendmsg(std::io::stdin(), &[IoSlice::new(b"s")], &mut ancillary, SendFlags::empty())
        .map_err(|error| cannot(error.into()))?;
    send(&Message::Listening);
    Ok(address.to_string())
}

/// Measures the memory whenever that is requested on standard input, and exits when that ends.
#[expect(clippy::exit, reason = "process 1 must exit whatever its other thread waits for: that ends the sandbox")]
fn serve_requests() {
    let mut meter = Meter::new(own_id());
    let mut byte = [0];
    while std::io::stdin().lock().read(&mut byte).is_ok_and(|length| length > 0) {
        if byte == [SAMPLE] {
            send(&Message::Memory(meter.sample()));
        }
    }
    std::process::exit(0)
}

/// Becomes the function's user and group. Process 1 is one thread here, so that this changes all of it.
fn become_the_user() -> Result<(), String> {
    let cannot = |error: rustix::io::Errno| format!("cannot become the user {USER}: {error}");
    match rustix::thread::set_thread_groups(&[]) {
        // Someone who is not root cannot give up groups in a user namespace (user_namespaces(7)).
        Ok(()) | Err(rustix::io::Errno::PERM) => {}
        Err(error) => return Err(cannot(error)),
    }
    let group = Gid::from_raw(GROUP);
    rustix::thread::set_thread_res_gid(group, group, group).map_err(cannot)?;
    let user = Uid::from_raw(USER);
    rustix::thread::set_thread_res_uid(user, user, user).map_err(cannot)?;
    // A change of the user has switched this off.
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL)).map_err(cannot)
}

/// Drops every capability that process 1 does not need, so that the function has none, and sets Lambda's limits.
fn drop_privileges() -> Result<(), String> {
    let describe = |what: &'static str| move |error: rustix::io::Errno| format!("{what}: {error}");
    let capabilities = describe("capabilities cannot be dropped");
    for capability in CapabilitySet::all() {
        match rustix::thread::remove_capability_from_bounding_set(capability) {
            // This kernel does not know it.
            Ok(()) | Err(rustix::io::Errno::INVAL) => {}
            Err(error) => return Err(capabilities(error)),
        }
    }
    rustix::thread::clear_ambient_capability_set().map_err(capabilities)?;
    // It has to read the memory of processes that hide it. The function's user is not root: it has none of these after exec.
    let kept = CapabilitySet::SYS_PTRACE;
    let sets = CapabilitySets { effective: kept, permitted: kept, inheritable: CapabilitySet::empty() };
    rustix::thread::set_capabilities(None, sets).map_err(capabilities)?;
    rustix::thread::set_no_new_privs(true).map_err(describe("privileges cannot be dropped"))?;
    // The function runs as the same user, and must not see or stop process 1.
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .map_err(describe("process 1 cannot be protected"))?;
    // Lambda keeps no core dumps, and `memory.rs` relies on that.
    limit(Resource::Core, 0)?;
    limit(Resource::Nofile, MAX_OPEN_FILES)?;
    // Before Linux 5.14, the processes that the same user has outside would count too.
    if kernel_is_at_least(5, 14) {
        limit(Resource::Nproc, MAX_PROCESSES + OWN_THREADS)?;
    }
    system_calls::restrict().map_err(|error| format!("system calls cannot be restricted: {error}"))
}

/// Sets a limit, or leaves a lower one that it has.
fn limit(resource: Resource, value: u64) -> Result<(), String> {
    let value = rustix::process::getrlimit(resource).maximum.map_or(value, |maximum| maximum.min(value));
    rustix::process::setrlimit(resource, Rlimit { current: Some(value), maximum: Some(value) })
        .map_err(|error| format!("the limit {resource:?} cannot be set: {error}"))
}

/// Whether this is that version of Linux, or a newer one.
fn kernel_is_at_least(major: u32, minor: u32) -> bool {
    let system = rustix::system::uname();
    let release = system.release().to_string_lossy();
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(|number| number.parse::<u32>().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) >= (major, minor)
}

/// Starts this command, or else the bootstrap, and waits until it ends; also reaps every orphaned process. `Err` is why it does
/// not start.
fn start(command: &[String], environment: &BTreeMap<String, String>) -> Result<Message, Message> {
    let bootstrap = || BOOTSTRAPS.into_iter().find(|path| Path::new(path).exists() && !Path::new(path).is_dir());
    let path = command.first().map(String::as_str).or_else(bootstrap).ok_or(Message::NoBootstrap)?;
    let cannot = |error: &std::io::Error| Message::CannotStart { path: path.to_owned(), why: go_error_message(error) };
    let log = || std::io::stderr().as_fd().try_clone_to_owned().map_err(|error| cannot(&error));
    let child = Command::new(path)
        .args(command.iter().skip(1))
        .env_clear()
        .envs(environment)
        .current_dir("/var/task")
        .stdin(Stdio::null())
        .stdout(log()?)
        .stderr(log()?)
        .spawn()
        .map_err(|error| cannot(&error))?;
    send(&Message::Started);
    let bootstrap = i32::try_from(child.id()).unwrap_or(0);
    loop {
        match rustix::process::wait(WaitOptions::empty()) {
            Ok(Some((ended, status))) if ended.as_raw_nonzero().get() == bootstrap => {
                return Ok(match (status.exit_status(), status.terminating_signal()) {
                    (_, Some(signal)) => Message::Killed(signal),
                    (code, None) => Message::Exited(code.unwrap_or(0)),
                });
            }
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(cannot(&error.into())),
        }
    }
}

/// An error as Go prints it, the language that Lambda is written in: "permission denied".
fn go_error_message(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_lowercase()
}

/// Why the kernel did not start an existing file, where its error does not tell: most often the missing file is not the one
/// that it names. `path` is the bootstrap as the host sees it.
pub(super) fn root_cause(path: &Path, why: &str) -> Option<String> {
    let mode = std::fs::metadata(path).ok()?.permissions().mode();
    if mode & 0o001 == 0 {
        return Some(format!("it is not executable by everyone (mode {:04o}): chmod 755", mode & 0o7777));
    }
    let head = read::up_to(path, 256).ok()?;
    let line = head.strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?;
    if line.ends_with(b"\r") {
        return Some("it has Windows line endings, so its interpreter's name ends with \\r: use LF".to_owned());
    }
    let shown = crate::base::path::printable(line.trim_ascii()).into_owned();
    (why == "no such file or directory").then(|| format!("its interpreter {shown} does not exist"))
}
