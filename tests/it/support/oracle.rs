//! The real dynamic loader as the oracle: a tree is bound over /opt in a private mount namespace, ld.so prints what it
//! takes for each needed library (LD_TRACE_LOADED_OBJECTS, ld.so(8)), and that is held against what layerfit's loader says.

#![allow(dead_code, reason = "the tests and examples/loader_truth.rs each use a part of it")]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use layerfit::resolve::{LibraryLookup, NeededLibrary, ProcessEnvironment};

/// What a loader took for the names that were asked for: the path it opened, or none.
pub(crate) type Answers = BTreeMap<String, Option<String>>;

/// What ld.so printed, and what it complained of.
#[derive(Debug)]
pub(crate) struct Trace {
    pub(crate) answers: Answers,
    pub(crate) errors: String,
}

/// A command that sees `tree` at /opt; none where this machine allows no mounts.
pub(crate) fn command_in(tree: &Path) -> Option<Command> {
    let mut space = vec!["--mount"];
    if !rustix::process::geteuid().is_root() {
        space.extend(["--user", "--map-root-user"]);
    }
    let allowed = Command::new("unshare").args(&space).arg("true").status().is_ok_and(|status| status.success());
    if !allowed || !Path::new("/opt").is_dir() {
        eprintln!("skipped: unshare {} is not allowed here, or there is no /opt", space.join(" "));
        return None;
    }
    let mut command = Command::new("unshare");
    command.args(&space).args(["sh", "-c", "mount --bind \"$1\" /opt && shift && exec \"$@\"", "sh"]).arg(tree);
    Some(command)
}

/// What ld.so says of the program or library at `path`, with the tree at /opt already.
///
/// A program is started by the kernel, as it will be; a library is given to the loader. `symbols` has it look for every
/// symbol too, as `ldd -r` does.
pub(crate) fn trace(
    mut command: Command,
    path: &str,
    program: bool,
    environment: &ProcessEnvironment,
    symbols: bool,
) -> Trace {
    let mut arguments = vec![
        "env".to_owned(),
        "-i".to_owned(),
        "-C".to_owned(),
        environment.working_directory.clone(),
        "LD_TRACE_LOADED_OBJECTS=1".to_owned(),
        format!("LD_LIBRARY_PATH={}", environment.library_path.join(":")),
    ];
    if symbols {
        arguments.extend(["LD_WARN=yes".to_owned(), "LD_BIND_NOW=1".to_owned()]);
    }
    if !program {
        arguments.push(INTERPRETER.to_owned());
    }
    arguments.push(path.to_owned());
    let output = command.args(arguments).output().expect("the loader runs");
    let text = String::from_utf8_lossy(&output.stdout);
    let mut answers = Answers::new();
    for line in text.lines().map(str::trim) {
        if let Some((name, rest)) = line.split_once(" => ") {
            let file = rest.rsplit_once(" (").map_or(rest, |(file, _)| file);
            answers.insert(name.to_owned(), (file != "not found").then(|| file.to_owned()));
        } else if let Some((file, _)) = line.split_once(" (").filter(|(file, _)| !file.starts_with("linux-vdso.so")) {
            answers.insert(file.to_owned(), Some(file.to_owned()));
        }
    }
    // Complaints about symbols are on stdout, the others on stderr.
    let complaints = text.lines().filter(|line| line.contains("undefined symbol"));
    let errors = complaints.chain(String::from_utf8_lossy(&output.stderr).lines()).map(|l| format!("{l}\n")).collect();
    Trace { answers, errors }
}

/// The loader of this machine.
pub(crate) const INTERPRETER: &str =
    if cfg!(target_arch = "aarch64") { "/lib/ld-linux-aarch64.so.1" } else { "/lib64/ld-linux-x86-64.so.2" };

/// What layerfit's loader says, in the same form.
pub(crate) fn answers(edges: &[NeededLibrary]) -> Answers {
    let answer = |outcome: &LibraryLookup| match outcome {
        LibraryLookup::Found { opened, .. } => Some(opened.clone()),
        LibraryLookup::Missing { .. } => None,
    };
    edges.iter().map(|edge| (edge.soname.clone(), answer(&edge.outcome))).collect()
}

/// Every difference, in words.
///
/// ld.so prints each object once, under the name that was asked for first, and with the path it opened; layerfit says for
/// each name which object it is. So every name that ld.so prints has the same path, and every path that layerfit names is
/// one that ld.so printed.
pub(crate) fn differences(real: &Answers, ours: &Answers) -> Vec<String> {
    let mut differences = Vec::new();
    for (name, path) in real.iter().filter(|(name, path)| Some(*name) != path.as_ref()) {
        if ours.get(name) != Some(path) {
            differences.push(format!("{name}: ld.so {path:?}, layerfit {:?}", ours.get(name)));
        }
    }
    for (name, path) in ours {
        if !real.contains_key(name) && (path.is_none() || !real.values().any(|printed| printed == path)) {
            differences.push(format!("{name}: ld.so does not name it, layerfit says {path:?}"));
        }
    }
    differences
}
