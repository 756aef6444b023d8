//! The inside of the sandbox: `layerfit` again, as process 1 of the namespaces that `unshare` made for it.
//!
//! It puts the file system together as a function sees it, gives up what it may do beyond a function, starts the
//! bootstrap, and waits. What comes of it goes to standard output, a line of JSON each ([`Message`]); what the function
//! writes goes to standard error. When standard input ends, layerfit itself has ended: process 1 does so too, and the
//! kernel kills every other process in the sandbox.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::process::{Resource, Rlimit, WaitOptions};

use super::mounts;
use super::spec::{Message, Spec};

/// Where a bootstrap is looked for, in this order: "If that file isn't found … Lambda looks in the layers" (AWS Lambda
/// Developer Guide, custom runtimes). A directory of that name is passed over, as by Lambda's emulator.
pub(super) const BOOTSTRAPS: [&str; 2] = ["/var/task/bootstrap", "/opt/bootstrap"];

/// How many files a function may have open (AWS Lambda quotas).
const OPEN_FILES: u64 = 1024;

/// Runs the inside of a sandbox, as the hidden command `layerfit inside-the-sandbox SPEC` does. Returns when the bootstrap
/// has ended, or could not be started.
pub fn run(spec: &str) {
    // A failure to tell means that nobody listens any more.
    let tell = |said: &Message| {
        let mut line = serde_json::to_vec(said).unwrap_or_default();
        line.push(b'\n');
        let _ = std::io::stdout().write_all(&line).and_then(|()| std::io::stdout().flush());
    };
    let spec: Spec = match serde_json::from_str(spec) {
        Ok(spec) => spec,
        Err(error) => return tell(&Message::NoRoot(format!("the sandbox's description is damaged: {error}"))),
    };
    // The host's /proc still shows: it knows this process by its number outside.
    let number = std::fs::read_link("/proc/self").ok().and_then(|link| link.to_str()?.parse().ok());
    tell(&Message::Begun(number.unwrap_or(0)));
    if let Err(why) = mounts::enter(&spec).and_then(|()| give_up()) {
        return tell(&Message::NoRoot(why));
    }
    std::thread::spawn(die_with_parent);
    tell(&match start(&spec.environment, tell) {
        Ok(said) | Err(said) => said,
    });
}

/// Ends when standard input does.
#[expect(clippy::exit, reason = "process 1 is to end whatever its other thread waits for: that ends the sandbox")]
fn die_with_parent() {
    let mut buffer = [0; 64];
    while std::io::stdin().read(&mut buffer).is_ok_and(|length| length > 0) {}
    std::process::exit(0)
}

/// Gives up every capability that is not needed for waiting, and sets Lambda's limit of open files.
fn give_up() -> Result<(), String> {
    let in_words = |what: &'static str| move |error: rustix::io::Errno| format!("{what}: {error}");
    // The function is no root: without ambient capabilities it has none once it is executed.
    rustix::thread::clear_ambient_capability_set().map_err(in_words("capabilities cannot be given up"))?;
    rustix::thread::set_no_new_privs(true).map_err(in_words("privileges cannot be given up"))?;
    let now = rustix::process::getrlimit(Resource::Nofile);
    let most = now.maximum.map_or(OPEN_FILES, |maximum| maximum.min(OPEN_FILES));
    rustix::process::setrlimit(Resource::Nofile, Rlimit { current: Some(most), maximum: Some(most) })
        .map_err(in_words("the limit of open files cannot be set"))
}

/// Starts the bootstrap and waits for its end, and for that of every process which lost its parent. `Err` is why it does
/// not start.
fn start(environment: &BTreeMap<String, String>, tell: impl Fn(&Message)) -> Result<Message, Message> {
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
    tell(&Message::Started);
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

/// An error as Go prints it, which Lambda is written in: "permission denied".
fn go_error_message(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_lowercase()
}

/// Why the kernel would not start a file that is there, beyond what its error says: most often something else is missing
/// than the file that is named. `path` is the bootstrap as the host sees it.
pub(super) fn root_cause(path: &Path, why: &str) -> Option<String> {
    let mode = std::fs::metadata(path).ok()?.permissions().mode();
    if mode & 0o001 == 0 {
        return Some(format!("it is not executable by all (mode {:04o}): chmod 755", mode & 0o7777));
    }
    let mut head = [0; 256];
    let length = std::fs::File::open(path).and_then(|mut file| file.read(&mut head)).ok()?;
    let line = head[..length].strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?;
    if line.ends_with(b"\r") {
        return Some("its lines end as in Windows, so that its interpreter's name ends with \\r: use LF".to_owned());
    }
    let shown = crate::base::path::printable(line.trim_ascii()).into_owned();
    (why == "no such file or directory").then(|| format!("its interpreter {shown} is not there"))
}
