//! Commands: the interpreters of scripts, and the commands run by startup scripts, which run before or during an
//! invocation. Each is in the tree, in the image, or missing.

mod findings;
mod library_paths;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

pub(super) use library_paths::LibraryPaths;

use super::loader::LoaderView;
use crate::base::path::{TreePath, printable};
use crate::formats::elf::{Elf, Type};
use crate::formats::shebang::{self, Interpreter};
use crate::formats::shell::{Run, RunKind, Script, UncheckedAnswer, Unresolved, UnresolvedReason, unchecked};
use crate::languages::{ALL, Executed, Installation, OwnCommand, Packages, language};
use crate::runtime::Image;
use crate::tree::{EntryId, Kind, Magic, Place, Tree};

/// A longer script is not read: startup scripts are much shorter, and the cost of parsing a crafted one grows with the
/// square of its length.
const MAX_SCRIPT_BYTES: u64 = 64 << 10;

/// The result of looking up a command.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum CommandOutcome {
    /// It is in the tree.
    Tree(EntryId),
    /// It is in the tree, but not executable.
    NotExecutable(EntryId),
    /// It is a directory, in the tree or in the image.
    Directory,
    /// It is in the image, at this path.
    Image(String),
    /// It is missing.
    Missing,
}

impl CommandOutcome {
    /// The file of the tree, if it is one.
    pub(super) fn in_tree(&self) -> Option<EntryId> {
        match self {
            CommandOutcome::Tree(id) => Some(*id),
            _ => None,
        }
    }

    /// Whether it cannot be run.
    pub fn is_failure(&self) -> bool {
        matches!(self, CommandOutcome::NotExecutable(_) | CommandOutcome::Directory | CommandOutcome::Missing)
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
    /// The result of looking it up.
    pub outcome: CommandOutcome,
    /// Whether it is the interpreter.
    pub interpreter: bool,
    /// Whether the script tests first whether it exists.
    pub guarded: bool,
}

/// The role of a script in an invocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// It runs in a process of its own, or starts a language.
    Run,
    /// Lambda starts it, or a script that Lambda starts sources it: a failure there ends the invocation.
    Bootstrap,
}

/// A file that Lambda starts itself but the kernel would reject (execve(2)).
#[derive(Debug)]
struct Refused {
    file: EntryId,
    /// Why, after the path of the file.
    why: String,
    help: &'static str,
    /// Whether nothing else can be at the path that the kernel looks at.
    certain: bool,
}

/// A script to be followed.
struct Visit {
    script: EntryId,
    role: Role,
    /// The values that each variable can have when it begins.
    variables: BTreeMap<String, BTreeSet<String>>,
    /// The value of LD_LIBRARY_PATH when it begins, if that is known.
    library_path: Option<String>,
}

/// What scripts run.
#[derive(Debug, Default)]
pub struct Commands {
    /// Every command, sorted.
    pub uses: Vec<CommandUse>,
    /// What could not be followed, by script.
    pub unresolved: Vec<(EntryId, Unresolved)>,
    /// The startup scripts: those that run before or during an invocation.
    pub startup_scripts: BTreeMap<EntryId, Role>,
    /// The missing commands that languages execute themselves.
    own_missing: Vec<OwnCommand>,
    /// The values that each variable has in the startup scripts that run a file: to replace a path compiled into it.
    run_with: BTreeMap<EntryId, Vec<BTreeMap<String, BTreeSet<String>>>>,
    /// What Lambda starts itself but the kernel would reject.
    refused: Vec<Refused>,
    /// The bootstraps that send a response whether or not the function's code failed.
    unchecked: Vec<(EntryId, UncheckedAnswer)>,
    /// Whether a script sources a file that cannot be followed, which may define functions.
    unread: bool,
    /// The values that startup scripts assign to variables, as far as they are literals.
    pub(super) variables: BTreeMap<String, BTreeSet<String>>,
    /// The values of LD_LIBRARY_PATH with which scripts run programs.
    pub(super) library_paths: LibraryPaths,
}

/// Follows the scripts of a tree: all of them to their interpreters, and startup scripts (the bootstrap, the scripts that start
/// languages, and what they run and source) to their commands.
pub(super) fn follow(view: &LoaderView<'_>, packages: &Packages) -> Commands {
    let (tree, image) = (view.tree, view.image);
    let mut commands = Commands { uses: interpreters(tree, image), ..Commands::default() };
    let functions = commands.follow_all(view, packages);
    let startup = &commands.startup_scripts;
    commands.library_paths.add_others(view, packages, |id| startup.contains_key(&id));
    commands.uses.retain(|used| !(used.outcome == CommandOutcome::Missing && functions.contains(&used.command)));
    commands.uses.sort();
    commands.uses.dedup();
    commands.unresolved.sort();
    commands.unresolved.dedup();
    commands.refused =
        started_by_lambda(tree).into_iter().filter_map(|(id, place)| refusal(view, id, &place)).collect();
    let own = ALL.iter().flat_map(|language| language.commands(packages, tree));
    commands.own_missing = own.filter(|own| commands.misses(tree, image, own)).collect();
    commands
}

/// The interpreter of every executable script.
fn interpreters(tree: &Tree, image: &Image<'_>) -> Vec<CommandUse> {
    let scripts = tree.iter().filter(|(_, entry)| entry.is_executable());
    let scripts = scripts.filter_map(|(id, entry)| Some((id, script_line(&entry.kind)?)));
    let interpreter = |(script, line): (EntryId, &[u8])| {
        let (command, outcome) = match shebang::parse(line) {
            // The kernel or env treats a carriage return as part of the last word, and fails.
            _ if line.ends_with(b"\r") => {
                let line = line.trim_ascii_start();
                (String::from_utf8_lossy(line).into_owned(), CommandOutcome::Missing)
            }
            None => return None,
            Some(Interpreter::Path(path)) => {
                let outcome = command_at(tree, image, &path)?;
                (path, outcome)
            }
            Some(Interpreter::Command(name)) => {
                let outcome = in_path(tree, image, &name, None);
                (name, outcome)
            }
        };
        Some(CommandUse { script, line: 1, command, outcome, interpreter: true, guarded: false })
    };
    scripts.filter_map(interpreter).collect()
}

/// The variables that Lambda and the function's configuration set.
fn lambda_variables(image: &Image<'_>) -> BTreeMap<String, BTreeSet<String>> {
    let path = image.profile().environment.path.join(":");
    let set = |name: &str, value: &str| (name.to_owned(), BTreeSet::from([value.to_owned()]));
    let others = image.profile().environment.variables.iter().map(|(name, value)| set(name, value));
    let lambda = [set("LAMBDA_TASK_ROOT", "/var/task"), set("LAMBDA_RUNTIME_DIR", "/var/runtime"), set("PATH", &path)];
    others.chain(lambda).collect()
}

/// Whether an entry is, or may be, a shell script.
fn may_be_shell(tree: &Tree, id: EntryId) -> bool {
    match &tree.entry(id).kind {
        Kind::File { magic: Magic::Script(_), .. } => is_shell_script(tree, id),
        Kind::File { magic: Magic::Other, .. } => true,
        _ => false,
    }
}

impl Commands {
    /// Whether a command that a language itself executes is missing in some way in which it is started.
    fn misses(&self, tree: &Tree, image: &Image<'_>, own: &OwnCommand) -> bool {
        if own.executed == Executed::Always {
            return at_path(tree, image, &own.path) == Some(CommandOutcome::Missing);
        }
        let is_there = |path: &str| {
            let found = at_path(tree, image, path);
            is_of_function(path) || matches!(found, Some(CommandOutcome::Tree(_) | CommandOutcome::Image(_)))
        };
        if is_there(&own.path) {
            return false;
        }
        let (Executed::Unless { variable, below }, Some(starts)) = (own.executed, self.run_with.get(&own.by)) else {
            return true;
        };
        starts.iter().any(|variables| match variables.get(variable) {
            // Set to what is only known at run time.
            Some(values) if values.is_empty() => false,
            Some(values) => !values.iter().any(|home| is_there(&format!("{home}/{below}"))),
            None => true,
        })
    }

    /// Whether a file is the interpreter of a startup script.
    fn interprets(&self, file: EntryId) -> bool {
        let of_startup =
            self.uses.iter().filter(|used| used.interpreter && self.startup_scripts.contains_key(&used.script));
        of_startup.into_iter().any(|used| used.outcome == CommandOutcome::Tree(file))
    }

    /// Follows the startup scripts. Returns the names of the functions that they define.
    fn follow_all(&mut self, view: &LoaderView<'_>, packages: &Packages) -> BTreeSet<String> {
        let (tree, image) = (view.tree, view.image);
        let mut functions = BTreeSet::new();
        let mut queued = BTreeSet::new();
        let variables = lambda_variables(image);
        // A script knows its own path as $0.
        let start = |script: EntryId, mut variables: BTreeMap<String, BTreeSet<String>>| {
            variables.insert("0".to_owned(), BTreeSet::from([tree.path(script).mounted()]));
            variables
        };
        let library_path = Some(image.profile().environment.ld_library_path.join(":"));
        let visit = |(script, role)| Visit {
            script,
            role,
            variables: start(script, variables.clone()),
            library_path: library_path.clone(),
        };
        let mut queue: Vec<Visit> = starts(tree, image, packages).into_iter().map(visit).rev().collect();
        while let Some(Visit { script: id, role, variables, library_path }) = queue.pop() {
            if self.startup_scripts.get(&id).is_some_and(|known| *known >= role)
                || is_left_alone(packages, tree.path(id))
            {
                continue;
            }
            self.startup_scripts.insert(id, role);
            if !may_be_shell(tree, id) {
                continue;
            }
            let text = if tree.entry(id).bytes() <= MAX_SCRIPT_BYTES { tree.read(id).ok() } else { None };
            let text = text.filter(|text| !text.contains(&0));
            let Some(script) = text.as_ref().and_then(|text| Script::parse(text, &variables).ok()) else {
                let what = "the whole script".to_owned();
                self.unresolved.push((id, Unresolved { line: 1, what, why: UnresolvedReason::Syntax }));
                continue;
            };
            if role == Role::Bootstrap && tree.path(id).name() == b"bootstrap" {
                let answer = tree.read(id).ok().and_then(|text| unchecked(&text));
                self.unchecked.extend(answer.map(|answer| (id, answer)));
            }
            functions.extend(script.functions.iter().cloned());
            for (name, values) in script.variables.iter().filter(|(name, values)| variables.get(*name) != Some(*values))
            {
                self.variables.entry(name.clone()).or_default().extend(values.iter().cloned());
            }
            self.unresolved.extend(script.unresolved.iter().map(|unresolved| (id, unresolved.clone())));
            let before = library_path;
            let library_path =
                self.library_paths.add(view, &script, (&text.unwrap_or_default(), &variables), before.as_ref());
            for run in &script.runs {
                let arguments: Vec<Vec<String>> =
                    run.arguments.iter().map(|values| values.iter().cloned().collect()).collect();
                for (command, outcome) in source_outcomes(tree, image, run, &arguments) {
                    let (line, guarded) = (run.line, run.guarded);
                    self.uses.push(CommandUse { script: id, line, command, outcome, interpreter: false, guarded });
                }
                for (command, outcome) in outcomes(tree, image, &script, run) {
                    let Some(outcome) = outcome else {
                        // A file of the function's own code: it may define any command.
                        if run.kind == RunKind::Source {
                            self.unread = true;
                            let what = format!("reads {command}");
                            let why = UnresolvedReason::Value;
                            self.unresolved.push((id, Unresolved { line: run.line, what, why }));
                        }
                        continue;
                    };
                    if let CommandOutcome::Tree(program) = outcome {
                        self.run_with.entry(program).or_default().push(script.variables.clone());
                    }
                    // What the bootstrap runs is a separate process; what it sources is part of it.
                    let role = if run.kind == RunKind::Source { role } else { Role::Run };
                    if let CommandOutcome::Tree(next) = outcome
                        && queued.insert((next, role))
                        && (run.kind == RunKind::Source || is_shell_script(tree, next))
                    {
                        let variables = script.variables.clone();
                        let variables = if run.kind == RunKind::Source { variables } else { start(next, variables) };
                        queue.push(Visit { script: next, role, variables, library_path: library_path.clone() });
                    }
                    let (line, guarded) = (run.line, run.guarded);
                    self.uses.push(CommandUse { script: id, line, command, outcome, interpreter: false, guarded });
                }
            }
        }
        functions
    }
}

/// The commands that one place of a script can run, with the results of looking them up; `None` where that is not known.
fn outcomes(tree: &Tree, image: &Image<'_>, script: &Script, run: &Run) -> Vec<(String, Option<CommandOutcome>)> {
    let outcome = |command: &String| match (command.contains('/'), run.kind) {
        (true, RunKind::Command) => command_at(tree, image, command),
        (true, RunKind::Source) => at_path(tree, image, command),
        // A script may prepend directories to PATH: every value that it assigns counts.
        (false, RunKind::Command) => Some(in_path(tree, image, command, script.variables.get("PATH"))),
        // A sourced name without a directory is searched in the function's own directory.
        (false, RunKind::Source) => None,
    };
    let mut outcomes: Vec<_> = run.commands.iter().map(|command| (command.clone(), outcome(command))).collect();
    // If a variable has several values, one that exists is enough: the others are for other machines.
    let fails = |outcome: &Option<CommandOutcome>| outcome.as_ref().is_some_and(CommandOutcome::is_failure);
    if !outcomes.iter().all(|(_, outcome)| fails(outcome)) {
        outcomes.retain(|(_, outcome)| !fails(outcome));
    }
    outcomes
}

/// The sources of a language that one place of a script runs, with the results of looking them up. Where one of several is
/// there, the others are not missed.
fn source_outcomes(
    tree: &Tree,
    image: &Image<'_>,
    run: &Run,
    arguments: &[Vec<String>],
) -> Vec<(String, CommandOutcome)> {
    if run.kind == RunKind::Source {
        return Vec::new();
    }
    let sources = run.commands.iter().flat_map(|command| {
        let sources = ALL.iter().map(|language| language.source_argument(command, arguments));
        sources.flatten().cloned().collect::<Vec<_>>()
    });
    let absolute: BTreeSet<String> = sources.filter(|source| source.starts_with('/')).collect();
    let mut found: Vec<_> =
        absolute.into_iter().filter_map(|path| at_path(tree, image, &path).map(|outcome| (path, outcome))).collect();
    if !found.iter().all(|(_, outcome)| outcome.is_failure()) {
        found.retain(|(_, outcome)| !outcome.is_failure());
    }
    found
}

/// What Lambda starts itself: the bootstrap, and every file in `extensions/`
/// (<https://docs.aws.amazon.com/lambda/latest/dg/runtimes-extensions-api.html>); with where it leads, as it can be a link.
fn started_by_lambda(tree: &Tree) -> Vec<(EntryId, Place)> {
    let in_extensions = |path: &TreePath| path.parent_bytes().is_some_and(|parent| parent == b"extensions");
    let started = |path: &TreePath| path.as_bytes() == b"bootstrap" || in_extensions(path);
    let entries = tree.iter().filter(|(_, entry)| started(&entry.path)).map(|(id, _)| (id, tree.follow(id)));
    let is_directory = |place: &Place| match place {
        Place::Inside(id) => tree.entry(*id).is_directory(),
        place => *place == Place::Root,
    };
    entries.filter(|(id, place)| !(in_extensions(tree.path(*id)) && is_directory(place))).collect()
}

/// Whether it is known that nothing is at this path outside the tree when Lambda starts a function.
fn is_absent(image: &Image<'_>, path: &str) -> bool {
    /// Directories at the root of an image that have something; home directories have nothing.
    const OF_IMAGE: [&str; 15] = [
        "bin", "boot", "dev", "etc", "lib", "lib64", "media", "mnt", "proc", "run", "sbin", "sys", "tmp", "usr", "var",
    ];
    if is_of_function(path) || image.has_command(path) {
        return false;
    }
    let top = path.trim_start_matches('/').split('/').next().unwrap_or_default();
    let is_elsewhere = image.profile().commands.complete && !OF_IMAGE.contains(&top);
    is_elsewhere || image.knows_commands_beside(path)
}

/// Why the kernel would reject what Lambda starts, and the remedy.
fn refusal(view: &LoaderView<'_>, started: EntryId, place: &Place) -> Option<Refused> {
    let (tree, image) = (view.tree, view.image);
    let refused =
        |file: EntryId, why: &str, help: &'static str| Some(Refused { file, why: why.to_owned(), help, certain: true });
    let target = || match &tree.entry(started).kind {
        Kind::Link { target } => printable(target).into_owned(),
        _ => String::new(),
    };
    match place {
        Place::Inside(file) => {
            let relative = script_line(&tree.entry(*file).kind).and_then(relative_interpreter);
            if let Some(interpreter) = relative {
                let in_tree = TreePath::new(interpreter.as_bytes()).is_some_and(|path| tree.find(&path).is_some());
                let working = &image.profile().environment.working_directory;
                let why = format!(
                    "has the interpreter {} without a directory that it begins in: the kernel looks in the working \
                     directory, {working}, which is the function's code",
                    printable(interpreter.as_bytes())
                );
                let help = "write the whole path behind #!, such as /opt/bin/NAME";
                return Some(Refused { file: *file, why, help, certain: in_tree });
            }
            let (why, help) = refusal_of_file(view, *file)?;
            refused(*file, why, help)
        }
        Place::Root => refused(started, "is a directory", "put a program or a script there"),
        Place::Nowhere => {
            let why = format!("is a link to {}, which is not in the tree", target());
            refused(started, &why, "put the program or script itself there, or add the link's target")
        }
        Place::Outside(path) if is_absent(image, &String::from_utf8_lossy(path)) => {
            let why = format!("is a link to {}, which {} does not have", target(), image.profile().name);
            refused(started, &why, "put the program or script itself there")
        }
        // A link in a loop is an error of its own.
        Place::Outside(_) | Place::Loop => None,
    }
}

/// The interpreter of a script if its path is relative: the kernel does not look in PATH.
fn relative_interpreter(line: &[u8]) -> Option<&str> {
    let mut words = line.split(|byte| matches!(byte, b' ' | b'\t')).filter(|word| !word.is_empty());
    let word = std::str::from_utf8(words.next()?).ok()?;
    (!word.starts_with('/')).then_some(word)
}

/// Why the kernel would reject this file, and the remedy.
fn refusal_of_file(view: &LoaderView<'_>, id: EntryId) -> Option<(&'static str, &'static str)> {
    const FIRST_LINE: &str = "make its first line #!/bin/sh, or #! with the interpreter that it needs";
    const LINK: &str = "link it as a program";
    let tree = view.tree;
    let entry = tree.entry(id);
    match &entry.kind {
        Kind::Directory | Kind::Link { .. } => Some(("is a directory", "put a program or a script there")),
        Kind::File { bytes: 0, .. } => Some(("is empty", "recreate it")),
        Kind::File { .. } if !entry.is_executable() => Some(("is not executable", "chmod +x")),
        Kind::File { magic: Magic::Script(line), .. } if line.trim_ascii().is_empty() => {
            Some(("has #! but no interpreter in its first line", FIRST_LINE))
        }
        Kind::File { magic: Magic::Other, .. } => {
            let mut marked = false;
            let read = tree.read_in_chunks(id, &mut |chunk| {
                marked = chunk.starts_with(b"\xef\xbb\xbf#!");
                Ok(ControlFlow::Break(()))
            });
            Some(if read.is_ok() && marked {
                ("begins with a byte order mark, which hides its #!", "save it as UTF-8 without a byte order mark")
            } else {
                ("begins with neither #! nor an ELF header", FIRST_LINE)
            })
        }
        Kind::File { magic: Magic::Elf, .. } => match view.objects.get(&id)?.kind {
            Type::Relocatable => Some(("is an object file, not yet linked", LINK)),
            Type::Core => Some(("is a core dump", LINK)),
            Type::Shared if is_only_a_library(view.objects.get(&id)?) => {
                Some(("is a shared library, which has no place to begin at", LINK))
            }
            Type::Executable | Type::Shared => None,
        },
        Kind::File { .. } => None,
    }
}

/// Whether a shared object cannot be a program: those without an interpreter are `ld -static-pie`'s, which are marked, or the
/// dynamic loader itself. Older linkers give libraries a place to begin at, and they have a name.
fn is_only_a_library(elf: &Elf) -> bool {
    let is_loader = |soname: &String| soname.starts_with("ld-") || soname.starts_with("ld.");
    let is_named = elf.soname.as_ref().is_some_and(|soname| !is_loader(soname));
    elf.interpreter.is_none() && !elf.pie && (elf.entry == 0 || is_named)
}

/// Where an invocation begins: what Lambda starts, and the scripts that start languages.
fn starts(tree: &Tree, image: &Image<'_>, packages: &Packages) -> Vec<(EntryId, Role)> {
    let mut starts: Vec<(EntryId, Role)> =
        started_by_lambda(tree).into_iter().map(|(id, _)| (id, Role::Bootstrap)).collect();
    starts.extend(library_paths::wrapper(tree, image).map(|id| (id, Role::Run)));
    let front_ends = ALL.iter().flat_map(|language| language.front_ends(packages, tree));
    starts.extend(front_ends.map(|id| (id, Role::Run)));
    let real = starts.into_iter().filter_map(|(id, role)| match tree.follow(id) {
        Place::Inside(file) if role == Role::Bootstrap || is_shell_script(tree, file) => Some((file, role)),
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
    script_line(&tree.entry(id).kind).and_then(shebang::parse).is_some_and(|interpreter| interpreter.is_shell())
}

/// Whether no invocation runs a script, according to its language.
fn is_left_alone(packages: &Packages, path: &TreePath) -> bool {
    let left_alone = |installation: &Installation| {
        let below = path.below(&installation.path);
        below.is_some_and(|below| language(installation.language).needs().is_left_alone(below))
    };
    packages.installations.iter().any(left_alone)
}

/// Looks up a command by its path; `None` when it is not known whether it exists.
fn command_at(tree: &Tree, image: &Image<'_>, path: &str) -> Option<CommandOutcome> {
    let outcome = at_path(tree, image, path)?;
    Some(match outcome {
        CommandOutcome::Tree(id) if !tree.entry(id).is_executable() => CommandOutcome::NotExecutable(id),
        other => other,
    })
}

/// Whether a path is in the function's own code, or in what it may write.
fn is_of_function(path: &str) -> bool {
    ["/var/task", "/tmp"].iter().any(|directory| path.strip_prefix(directory).is_some_and(|rest| rest.starts_with('/')))
}

/// Looks up a file by its path; `None` in a directory whose content is not known, such as the function's own code.
fn at_path(tree: &Tree, image: &Image<'_>, path: &str) -> Option<CommandOutcome> {
    let place = match TreePath::from_mounted(path.as_bytes()) {
        Some(_) => tree.locate(path.as_bytes()),
        None if is_of_function(path) => return None,
        None if path.starts_with('/') => Place::Outside(path.as_bytes().to_vec()),
        None => return None,
    };
    match place {
        Place::Inside(id) if tree.entry(id).is_file() => Some(CommandOutcome::Tree(id)),
        Place::Inside(_) | Place::Root => Some(CommandOutcome::Directory),
        Place::Outside(outside) => {
            let outside = String::from_utf8_lossy(&outside).into_owned();
            if image.has_command(&outside) {
                return Some(CommandOutcome::Image(outside));
            }
            if image.has_directory_of_commands(&outside) {
                return Some(CommandOutcome::Directory);
            }
            image.knows_commands_beside(&outside).then_some(CommandOutcome::Missing)
        }
        _ => Some(CommandOutcome::Missing),
    }
}

/// Looks up a command by its name, as the shell does, in these values of PATH and in the image's.
fn in_path(tree: &Tree, image: &Image<'_>, name: &str, paths: Option<&BTreeSet<String>>) -> CommandOutcome {
    let own = paths.into_iter().flatten().flat_map(|path| path.split(':'));
    let directories = own.chain(image.profile().environment.path.iter().map(String::as_str));
    let path =
        directories.filter(|directory| directory.starts_with('/')).map(|directory| format!("{directory}/{name}"));
    let mut found = path.filter_map(|path| command_at(tree, image, &path));
    found.find(|outcome| !outcome.is_failure()).unwrap_or(CommandOutcome::Missing)
}
