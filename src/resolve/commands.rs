//! Commands: what starts scripts, and what the scripts on the way to an invocation run. Each is in the tree, in the image,
//! or nowhere.

use std::collections::{BTreeMap, BTreeSet};

use super::findings::some;
use super::image::Image;
use super::r::{RHome, RLayout};
use crate::finding::{Code, Finding, Severity};
use crate::formats::rdb;
use crate::formats::shebang::{self, Interpreter};
use crate::formats::shell::{How, Script, Unfollowed, Why};
use crate::path::{TreePath, printable};
use crate::rules::{RNeeds, RuntimeProfile};
use crate::scan::{EntryId, Kind, Magic, Place, Tree};

/// A script longer than this is not read: no start-up script comes near, and what it costs to read one made to be slow
/// grows with the square of its length.
const MAX_SCRIPT_BYTES: u64 = 64 << 10;

/// What became of a command.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum CommandOutcome {
    /// It is in the tree.
    Tree(EntryId),
    /// It is in the tree, and nobody may execute it.
    NotExecutable(EntryId),
    /// It is in the image, at this path.
    Image(String),
    /// It is nowhere.
    Missing,
}

impl CommandOutcome {
    /// Whether it cannot be run.
    pub fn is_failure(&self) -> bool {
        matches!(self, CommandOutcome::NotExecutable(_) | CommandOutcome::Missing)
    }
}

/// A command that a script runs, or the interpreter that its first line names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct CommandUse {
    /// The script.
    pub script: EntryId,
    /// The line, from 1; the first is the one that names the interpreter.
    pub line: usize,
    /// Its name or path.
    pub command: String,
    /// What became of it.
    pub outcome: CommandOutcome,
    /// Whether it is the interpreter.
    pub interpreter: bool,
    /// Whether the script asks first if it is there.
    pub guarded: bool,
}

/// What scripts run.
#[derive(Debug, Default)]
pub struct Commands {
    /// Every command, sorted.
    pub uses: Vec<CommandUse>,
    /// What could not be followed, by script.
    pub unfollowed: Vec<(EntryId, Unfollowed)>,
    /// The scripts on the way to an invocation; true for what the bootstrap itself is or reads.
    pub on_the_way: BTreeMap<EntryId, bool>,
    /// The `which` that R runs and nobody has, with R's base package.
    which: Option<(EntryId, String)>,
    /// What Lambda starts itself and the kernel would refuse, with the reason and the remedy.
    refused: Vec<(EntryId, &'static str, &'static str)>,
    /// Whether a script reads a file that cannot be followed, which may define functions.
    unread: bool,
}

/// Follows the scripts of a tree: every one to its interpreter, and those on the way to an invocation (the bootstrap, R's
/// front ends, what they run and read) to their commands.
pub(super) fn follow(tree: &Tree, image: &Image<'_>, r: &RLayout, needs: &RNeeds) -> Commands {
    let mut commands = Commands::default();
    let scripts = tree.iter().filter(|(_, entry)| entry.is_executable());
    for (id, line) in scripts.filter_map(|(id, entry)| Some((id, script_line(&entry.kind)?))) {
        let (command, outcome) = match shebang::parse(line) {
            // What reads the line takes a carriage return for a part of the last word, and fails.
            _ if line.ends_with(b"\r") => {
                let line = line.trim_ascii_start();
                (String::from_utf8_lossy(line).into_owned(), CommandOutcome::Missing)
            }
            None => continue,
            Some(Interpreter::Path(path)) => {
                let Some(outcome) = command_at(tree, image, &path) else { continue };
                (path, outcome)
            }
            Some(Interpreter::Command(name)) => {
                let outcome = in_path(tree, image, &name, None);
                (name, outcome)
            }
        };
        commands.uses.push(CommandUse { script: id, line: 1, command, outcome, interpreter: true, guarded: false });
    }

    let mut functions = BTreeSet::new();
    let mut queued = BTreeSet::new();
    // Variables that Lambda sets, and whatever the scripts set on the way.
    let path = image.profile().environment.path.join(":");
    let set = |name: &str, value: &str| (name.to_owned(), BTreeSet::from([value.to_owned()]));
    let variables: BTreeMap<_, _> =
        [set("LAMBDA_TASK_ROOT", "/var/task"), set("LAMBDA_RUNTIME_DIR", "/var/runtime"), set("PATH", &path)].into();
    let mut queue: Vec<_> = starts(tree, r).into_iter().map(|(id, own)| (id, own, variables.clone())).rev().collect();
    while let Some((id, bootstrap, variables)) = queue.pop() {
        let known = commands.on_the_way.get(&id).copied();
        if known == Some(true) || (known == Some(false) && !bootstrap) || is_left_alone(tree, r, needs, id) {
            continue;
        }
        commands.on_the_way.insert(id, bootstrap);
        // A program, or a script in another language.
        let other = match &tree.entry(id).kind {
            Kind::File { magic: Magic::Script(_), .. } => !is_shell_script(tree, id),
            Kind::File { magic: Magic::Other, .. } => false,
            _ => true,
        };
        if other {
            continue;
        }
        let text = if tree.entry(id).bytes() <= MAX_SCRIPT_BYTES { tree.read(id).ok() } else { None };
        let text = text.filter(|text| !text.contains(&0));
        let Some(script) = text.and_then(|text| Script::parse(&text, &variables).ok()) else {
            let what = "the whole script".to_owned();
            commands.unfollowed.push((id, Unfollowed { line: 1, what, why: Why::Syntax }));
            continue;
        };
        functions.extend(script.functions.iter().cloned());
        commands.unfollowed.extend(script.unfollowed.iter().map(|unfollowed| (id, unfollowed.clone())));
        for run in &script.runs {
            let outcome = |command: &String| match (command.contains('/'), run.how) {
                (true, How::Command) => command_at(tree, image, command),
                (true, How::Source) => at_path(tree, image, command),
                // A script may put directories before those of PATH: every value that it gives it counts.
                (false, How::Command) => Some(in_path(tree, image, command, script.variables.get("PATH"))),
                // A name that a shell reads is looked for in the function's own directory.
                (false, How::Source) => None,
            };
            let mut outcomes: Vec<_> = run.commands.iter().map(|command| (command.clone(), outcome(command))).collect();
            // Of several values that a variable can have, one that is there is enough: the others are for other machines.
            let fails = |outcome: &Option<CommandOutcome>| outcome.as_ref().is_some_and(CommandOutcome::is_failure);
            if !outcomes.iter().all(|(_, outcome)| fails(outcome)) {
                outcomes.retain(|(_, outcome)| !fails(outcome));
            }
            for (command, outcome) in outcomes {
                let Some(outcome) = outcome else {
                    // A file of the function's own: it may define whatever is run.
                    if run.how == How::Source {
                        commands.unread = true;
                        let what = format!("reads {command}");
                        commands.unfollowed.push((id, Unfollowed { line: run.line, what, why: Why::Value }));
                    }
                    continue;
                };
                if let CommandOutcome::Tree(next) = outcome
                    && queued.insert((next, bootstrap && run.how == How::Source))
                    && (run.how == How::Source || is_shell_script(tree, next))
                {
                    // What the bootstrap runs is its own process; what it reads is part of it.
                    queue.push((next, bootstrap && run.how == How::Source, script.variables.clone()));
                }
                let (line, guarded) = (run.line, run.guarded);
                commands.uses.push(CommandUse { script: id, line, command, outcome, interpreter: false, guarded });
            }
        }
    }
    commands.uses.retain(|used| !(used.outcome == CommandOutcome::Missing && functions.contains(&used.command)));
    commands.uses.sort();
    commands.uses.dedup();
    commands.unfollowed.sort();
    commands.unfollowed.dedup();
    let started = started_by_lambda(tree).into_iter();
    commands.refused = started.filter_map(|id| refusal(tree, id).map(|(why, help)| (id, why, help))).collect();
    commands.which = r.homes.iter().find_map(|home| missing_which(tree, image, home));
    commands
}

/// What Lambda starts itself: the bootstrap, and every file in `extensions/`
/// (<https://docs.aws.amazon.com/lambda/latest/dg/runtimes-extensions-api.html>).
fn started_by_lambda(tree: &Tree) -> Vec<EntryId> {
    let in_extensions = |path: &TreePath| path.parent().is_some_and(|parent| parent.as_bytes() == b"extensions");
    let started = |path: &TreePath| path.as_bytes() == b"bootstrap" || in_extensions(path);
    let entries = tree.iter().filter(|(_, entry)| started(&entry.path));
    // A link out of the tree, or to nothing, has a finding of its own.
    let inside = entries.filter_map(|(id, _)| match tree.follow(id) {
        Place::Inside(file) => Some((id, file)),
        _ => None,
    });
    let of_use = inside.filter(|(id, file)| !(in_extensions(tree.path(*id)) && tree.entry(*file).is_directory()));
    of_use.map(|(_, file)| file).collect()
}

/// Why the kernel would not start this (execve(2)), and what to do about it.
fn refusal(tree: &Tree, id: EntryId) -> Option<(&'static str, &'static str)> {
    const FIRST_LINE: &str = "let its first line be #!/bin/sh, or the interpreter that it needs";
    let entry = tree.entry(id);
    match &entry.kind {
        Kind::Directory | Kind::Link { .. } => Some(("is a directory", "put a program or a script there")),
        Kind::File { bytes: 0, .. } => Some(("is empty", "write it again")),
        Kind::File { .. } if !entry.is_executable() => Some(("is not executable", "chmod +x")),
        Kind::File { magic: Magic::Script(line), .. } if line.trim_ascii().is_empty() => {
            Some(("has #! and no interpreter in its first line", FIRST_LINE))
        }
        Kind::File { magic: Magic::Other, .. } => {
            Some(if tree.read(id).is_ok_and(|text| text.starts_with(b"\xef\xbb\xbf#!")) {
                ("begins with a byte order mark, which hides its #!", "save it as UTF-8 without a byte order mark")
            } else {
                ("begins with neither #! nor an ELF header", FIRST_LINE)
            })
        }
        Kind::File { .. } => None,
    }
}

/// Where an invocation begins: what Lambda starts, and R's front ends where they are scripts. True for the former.
fn starts(tree: &Tree, r: &RLayout) -> Vec<(EntryId, bool)> {
    let find = |path: Option<TreePath>| tree.find(&path?);
    let mut starts: Vec<(EntryId, bool)> = started_by_lambda(tree).into_iter().map(|id| (id, true)).collect();
    for home in &r.homes {
        starts
            .extend(["bin/R", "bin/Rscript"].into_iter().filter_map(|name| Some((find(home.path.join(name))?, false))));
    }
    let named = tree.iter().filter(|(_, entry)| matches!(entry.path.name(), b"R" | b"Rscript"));
    starts.extend(named.map(|(id, _)| (id, false)));
    let real = starts.into_iter().filter_map(|(id, started)| match tree.follow(id) {
        Place::Inside(file) if started || is_shell_script(tree, file) => Some((file, started)),
        _ => None,
    });
    real.collect()
}

fn script_line(kind: &Kind) -> Option<&[u8]> {
    match kind {
        Kind::File { magic: Magic::Script(line), .. } => Some(line),
        _ => None,
    }
}

fn is_shell_script(tree: &Tree, id: EntryId) -> bool {
    let interpreter = script_line(&tree.entry(id).kind).and_then(shebang::parse);
    let name = match &interpreter {
        Some(Interpreter::Path(path)) => path.rsplit('/').next().unwrap_or(path),
        Some(Interpreter::Command(name)) => name,
        None => return false,
    };
    // With a carriage return it does not start, which is said; what it runs is worth knowing all the same.
    matches!(name.trim_end_matches('\r'), "sh" | "bash" | "dash" | "ash" | "ksh")
}

fn is_left_alone(tree: &Tree, r: &RLayout, needs: &RNeeds, id: EntryId) -> bool {
    r.homes.iter().any(|home| tree.path(id).below(&home.path).is_some_and(|below| needs.is_left_alone(below)))
}

/// A command by its path, to be executed; `None` when nothing is known of it.
fn command_at(tree: &Tree, image: &Image<'_>, path: &str) -> Option<CommandOutcome> {
    let outcome = at_path(tree, image, path)?;
    Some(match outcome {
        CommandOutcome::Tree(id) if !tree.entry(id).is_executable() => CommandOutcome::NotExecutable(id),
        other => other,
    })
}

/// A file by its path; `None` when it lies where nothing is known of, in the function's own code for instance.
fn at_path(tree: &Tree, image: &Image<'_>, path: &str) -> Option<CommandOutcome> {
    let place = match TreePath::from_mounted(path.as_bytes()) {
        Some(_) => tree.locate(path.as_bytes()),
        None if path.starts_with('/') => Place::Outside(path.as_bytes().to_vec()),
        None => return None,
    };
    match place {
        Place::Inside(id) if tree.entry(id).is_file() => Some(CommandOutcome::Tree(id)),
        Place::Outside(outside) => {
            let outside = String::from_utf8_lossy(&outside).into_owned();
            if image.has_command(&outside) {
                return Some(CommandOutcome::Image(outside));
            }
            image.knows_commands_beside(&outside).then_some(CommandOutcome::Missing)
        }
        _ => Some(CommandOutcome::Missing),
    }
}

/// A command by its name, as the shell looks for it in PATH: one of these, or the image's.
fn in_path(tree: &Tree, image: &Image<'_>, name: &str, paths: Option<&BTreeSet<String>>) -> CommandOutcome {
    let own = paths.into_iter().flatten().flat_map(|path| path.split(':'));
    let directories = own.chain(image.profile().environment.path.iter().map(String::as_str));
    let path =
        directories.filter(|directory| directory.starts_with('/')).map(|directory| format!("{directory}/{name}"));
    let mut found = path.filter_map(|path| command_at(tree, image, &path));
    found.find(|outcome| !outcome.is_failure()).unwrap_or(CommandOutcome::Missing)
}

/// The `which` that R has compiled in, when nobody has it. `Sys.which()` runs it, and utils calls that when it is loaded
/// (`.onLoad` and `.osVersion` in R's src/library/utils/R): without it utils, and so stats, are not attached.
fn missing_which(tree: &Tree, image: &Image<'_>, home: &RHome) -> Option<(EntryId, String)> {
    // A profile that puts another function in its place is taken at its word.
    let profiles =
        ["etc/Rprofile.site", "library/base/R/Rprofile"].into_iter().filter_map(|below| home.path.join(below));
    let replaced = profiles.filter_map(|path| tree.read(tree.find(&path)?).ok());
    if replaced.into_iter().any(|text| text.windows(9).any(|window| window == b"Sys.which")) {
        return None;
    }
    let base = tree.find(&home.path.join("library/base/R/base.rdb")?)?;
    let database = tree.read(base).ok()?;
    let which = rdb::records(&database)
        .find_map(|record| rdb::strings(&record, b"/which").find(|path| path.starts_with('/')).map(str::to_owned))?;
    (at_path(tree, image, &which) == Some(CommandOutcome::Missing)).then_some((base, which))
}

impl Commands {
    /// What is missing, of the scripts for which `kept` holds.
    pub(super) fn findings(&self, tree: &Tree, image: &Image<'_>, kept: &impl Fn(EntryId) -> bool) -> Vec<Finding> {
        let mut lines: BTreeMap<(EntryId, &str, &CommandOutcome, bool, bool), Vec<usize>> = BTreeMap::new();
        for used in self.uses.iter().filter(|used| used.outcome.is_failure() && kept(used.script)) {
            let key = (used.script, used.command.as_str(), &used.outcome, used.interpreter, used.guarded);
            lines.entry(key).or_default().push(used.line);
        }
        let mut findings: Vec<Finding> = lines
            .into_iter()
            .map(|((script, command, outcome, interpreter, guarded), lines)| {
                let on_the_way = self.on_the_way.get(&script);
                if interpreter {
                    return missing_interpreter(tree, image, script, (command, outcome), on_the_way.is_some());
                }
                let may_be_function = self.unread && !command.contains('/');
                let severity = match (guarded, on_the_way == Some(&true) && !may_be_function) {
                    (true, _) => Severity::Info,
                    (false, true) => Severity::Error,
                    (false, false) => Severity::Warning,
                };
                missing_command(tree, image, (script, &lines), (command, outcome), (severity, guarded))
            })
            .collect();
        for (id, why, help) in self.refused.iter().filter(|(id, ..)| kept(*id)) {
            let message = format!("{why}: Lambda cannot start it");
            findings.push(Finding::error(Code::DoesNotStart, tree.path(*id), message, *help));
        }
        if let Some((base, which)) = self.which.as_ref().filter(|(base, _)| kept(*base)) {
            findings.push(Finding::error(
                Code::WhichMissing,
                tree.path(*base),
                format!(
                    "Sys.which() runs {which}, which neither the tree nor {} has: R cannot load utils, nor attach stats",
                    image.profile().name
                ),
                "configure R with WHICH=/opt/bin/which and put a which there, or replace Sys.which in etc/Rprofile.site: \
                 layerfit rules C103 has the lines",
            ));
        }
        findings.extend(self.not_followed(tree, kept));
        findings
    }

    fn not_followed(&self, tree: &Tree, kept: &impl Fn(EntryId) -> bool) -> Vec<Finding> {
        let mut parts: BTreeMap<(EntryId, Why), Vec<String>> = BTreeMap::new();
        for (script, part) in self.unfollowed.iter().filter(|(script, _)| kept(*script)) {
            let shown = format!("line {}: {}", part.line, printable(part.what.as_bytes()));
            parts.entry((*script, part.why)).or_default().push(shown);
        }
        let finding = |((script, why), parts): ((EntryId, Why), Vec<String>)| {
            let (message, help) = match why {
                Why::Value => (
                    format!("what is run here depends on values that only a run has: {}", some(&parts)),
                    "check these lines by hand",
                ),
                Why::Syntax => (
                    format!("cannot be read as shell here, and what is run after it may be missed: {}", some(&parts)),
                    "check it with bash -n, and these lines by hand",
                ),
            };
            if why == Why::Syntax && self.on_the_way.get(&script) == Some(&true) {
                Finding::warning(Code::NotFollowed, tree.path(script), message, help)
            } else {
                Finding::info(Code::NotFollowed, tree.path(script), message, help)
            }
        };
        parts.into_iter().map(finding).collect()
    }
}

/// Why a command cannot be run, in words.
fn fault(tree: &Tree, image: &Image<'_>, outcome: &CommandOutcome) -> String {
    match outcome {
        CommandOutcome::NotExecutable(id) => format!("is not executable ({})", tree.path(*id)),
        _ => format!("neither the tree nor {} has", image.profile().name),
    }
}

fn missing_interpreter(
    tree: &Tree,
    image: &Image<'_>,
    script: EntryId,
    (command, outcome): (&str, &CommandOutcome),
    on_the_way: bool,
) -> Finding {
    let shown = printable(command.as_bytes());
    let help = match outcome {
        _ if command.ends_with('\r') => {
            "save it with Unix line ends: the carriage return is taken for a part of the last word".to_owned()
        }
        CommandOutcome::NotExecutable(id) => format!("chmod +x {}", tree.path(*id)),
        _ => format!("put {shown} into the tree, or drop the script{}", runtimes_with(image, command)),
    };
    // PATH has bin/; what lies elsewhere is run by whoever knows it.
    let in_bin = tree.path(script).parent().is_some_and(|parent| parent.as_bytes() == b"bin");
    Finding {
        severity: match (on_the_way, in_bin) {
            (true, _) => Severity::Error,
            (false, true) => Severity::Warning,
            (false, false) => Severity::Info,
        },
        code: Code::ScriptInterpreterMissing,
        subject: tree.path(script).to_string(),
        message: format!("is run by {shown}, which {}", fault(tree, image, outcome)),
        help,
    }
}

fn missing_command(
    tree: &Tree,
    image: &Image<'_>,
    (script, lines): (EntryId, &[usize]),
    (command, outcome): (&str, &CommandOutcome),
    (severity, guarded): (Severity, bool),
) -> Finding {
    let shown = printable(command.as_bytes());
    let lines: Vec<String> = lines.iter().map(ToString::to_string).collect();
    let line = if lines.len() == 1 { "line" } else { "lines" };
    let asks = if guarded { ", but asks first or goes on without" } else { "" };
    let help = match outcome {
        CommandOutcome::NotExecutable(id) => format!("chmod +x {}", tree.path(*id)),
        _ if command.contains('/') => {
            format!("put it there, or write the script without{}", runtimes_with(image, command))
        }
        _ => format!("put it into bin/, or write the script without{}", runtimes_with(image, command)),
    };
    Finding {
        severity,
        code: Code::CommandMissing,
        subject: tree.path(script).to_string(),
        message: format!("runs {shown} ({line} {}), which {}{asks}", some(&lines), fault(tree, image, outcome)),
        help,
    }
}

/// The built-in runtimes, but for this one, that have a command at its path, or a command of its name, in words.
fn runtimes_with(image: &Image<'_>, command: &str) -> String {
    let with = RuntimeProfile::others(&image.profile().name, |profile| {
        let commands = &profile.commands;
        if command.contains('/') { commands.has(command) } else { commands.names.contains(command) }
    });
    match with.as_slice() {
        [] => String::new(),
        [one] => format!(" ({one} has it)"),
        several => format!(" ({} have it)", several.join(" and ")),
    }
}
