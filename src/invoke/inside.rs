//! The inside of the sandbox: `layerfit` again, as process 1 of the namespaces that `unshare` made for it.
//!
//! It assembles the file system that the function sees, drops the privileges that a function does not have, starts the
//! bootstrap, and waits. It reports on standard output, one line of JSON for each [`Message`]; the function's output goes to
//! standard error. When standard input ends, layerfit itself has ended: process 1 exits too, and the kernel kills every other
//! process in the sandbox.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::process::{Resource, Rlimit, WaitOptions};

use super::mounts;
use super::spec::{Message, Spec};

/// Where the bootstrap is searched for, in this order: "If that file isn't found … Lambda looks in the layers" (AWS Lambda
/// Developer Guide, custom runtimes). A directory of that name is skipped, as Lambda's emulator does.
pub(super) const BOOTSTRAPS: [&str; 2] = ["/var/task/bootstrap", "/opt/bootstrap"];

/// Maximum number of open files of a function (AWS Lambda quotas).
const MAX_OPEN_FILES: u64 = 1024;

/// Runs the inside of a sandbox: the hidden command `layerfit inside-the-sandbox SPEC`. Returns when the bootstrap has ended,
/// or could not be started.
pub fn run(spec: &str) {
    // A message that cannot be sent has no reader any more.
    let send = |message: &Message| {
        let mut line = serde_json::to_vec(message).unwrap_or_default();
        line.push(b'\n');
        let _ = std::io::stdout().write_all(&line).and_then(|()| std::io::stdout().flush());
    };
    let spec: Spec = match serde_json::from_str(spec) {
        Ok(spec) => spec,
        Err(error) => return send(&Message::NoRoot(format!("the description of the sandbox is invalid: {error}"))),
    };
    // This is still the host's /proc, which has this process's id outside.
    let id = std::fs::read_link("/proc/self").ok().and_then(|link| link.to_str()?.parse().ok());
    send(&Message::Begun(id.unwrap_or(0)));
    if let Err(why) = mounts::enter(&spec).and_then(|()| drop_privileges()) {
        return send(&Message::NoRoot(why));
    }
    std::thread::spawn(die_with_parent);
    send(&match start(&spec.environment, send) {
        Ok(message) | Err(message) => message,
    });
}

/// Exits when standard input ends.
#[expect(clippy::exit, reason = "process 1 must exit whatever its other thread waits for: that ends the sandbox")]
fn die_with_parent() {
    let mut buffer = [0; 64];
    while std::io::stdin().read(&mut buffer).is_ok_and(|length| length > 0) {}
    std::process::exit(0)
}

/// Drops every capability that waiting does not need, and sets Lambda's limit of open files.
fn drop_privileges() -> Result<(), String> {
    let describe = |what: &'static str| move |error: rustix::io::Errno| format!("{what}: {error}");
    // The function's user is not root: without ambient capabilities it has none after exec.
    rustix::thread::clear_ambient_capability_set().map_err(describe("capabilities cannot be dropped"))?;
    rustix::thread::set_no_new_privs(true).map_err(describe("privileges cannot be dropped"))?;
    let now = rustix::process::getrlimit(Resource::Nofile);
    let limit = now.maximum.map_or(MAX_OPEN_FILES, |maximum| maximum.min(MAX_OPEN_FILES));
    rustix::process::setrlimit(Resource::Nofile, Rlimit { current: Some(limit), maximum: Some(limit) })
        .map_err(describe("the limit of open files cannot be set"))
}

/// Starts the bootstrap and waits until it ends; also reaps every orphaned process. `Err` is why it does not start.
fn start(environment: &BTreeMap<String, String>, send: impl Fn(&Message)) -> Result<Message, Message> {
    let path = BOOTSTRAPS.into_iter().find(|path| Path::new(path).exists() && !Path::new(path).is_dir());
    let path = path.ok_or(Message::NoBootstrap)?;
    let cannot = |error: &std::io::Error| Message::CannotStart { path: path.to_owned(), why: go_error_message(error) };
    let log = || std::io::stderr().as_fd().try_clone_to_owned().map_err(|error| cannot(&error));
    let child = Command::new(path)
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
    let mut head = [0; 256];
    let length = std::fs::File::open(path).and_then(|mut file| file.read(&mut head)).ok()?;
    let line = head[..length].strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?;
    if line.ends_with(b"\r") {
        return Some("it has Windows line endings, so its interpreter's name ends with \\r: use LF".to_owned());
    }
    let shown = crate::base::path::printable(line.trim_ascii()).into_owned();
    (why == "no such file or directory").then(|| format!("its interpreter {shown} does not exist"))
}
