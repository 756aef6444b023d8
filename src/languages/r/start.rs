//! How R is started in a function: the environment and the options with which the bootstrap starts it, through the scripts that it
//! runs and reads into itself, and `bin/R`, the script that runs R itself.

use std::collections::{BTreeMap, BTreeSet};

use super::ldpaths;
use crate::base::path::TreePath;
use crate::formats::shell::{Environment, Files, Run, RunKind, Script};
use crate::languages::Installation;
use crate::tree::{EntryId, Kind, Magic, Place, SourcedFiles, Tree};

/// A longer script is not read.
const MAX_BYTES: u64 = 64 << 10;

/// A longer Rscript is not one: R's has 20 KB.
const MAX_RSCRIPT_BYTES: u64 = 1 << 20;

/// How many scripts are followed at most, each once.
const MAX_SCRIPTS: usize = 32;

/// The variables that name R's home: Rscript reads the first, and R's program the second.
const HOMES: [&str; 2] = ["RHOME", "R_HOME"];

/// The directories of PATH in which a tree can have a command, unless a script sets others.
const PATH: &str = "/opt/bin";

/// How R is started.
#[derive(Debug, Clone, Default)]
pub(super) struct Start {
    /// The variables of the process that is started: `bin/R`, or R's program.
    pub(super) environment: Environment,
    /// The options of R that its command line certainly has.
    options: BTreeSet<String>,
    /// Whether R's program is started without `bin/R`, and so without what that sets.
    pub(super) direct: bool,
    /// The script that starts it, if one is known to.
    pub(super) by: Option<EntryId>,
    /// The file of the tree that is run for it, if that is known: a `bin/R`, an Rscript, or R's program.
    pub(super) program: Option<EntryId>,
}

/// The packages that R_DEFAULT_PACKAGES has R attach when it starts (R's help page "Startup").
pub(super) fn default_packages(tree: &Tree, variables: &BTreeMap<String, String>) -> Vec<String> {
    let start = Start::of(tree, variables, &[]);
    let value = start.environment.get("R_DEFAULT_PACKAGES").unwrap_or_default();
    let names = value.split(',').map(str::trim).filter(|name| !name.is_empty() && *name != "NULL");
    names.map(str::to_owned).collect()
}

impl Start {
    /// How the bootstrap at the tree's root starts R, with these variables. Without one, or if it does not show how, a script called
    /// `Rscript` or `R` is what starts it.
    pub(super) fn of(tree: &Tree, variables: &BTreeMap<String, String>, library_path: &[String]) -> Self {
        let mut environment = initial(variables);
        if !library_path.is_empty() {
            environment.set("LD_LIBRARY_PATH", library_path.join(":"));
        }
        let mut followed = BTreeSet::new();
        if let Some(id) = script(tree, "/opt/bootstrap") {
            environment.set("0", "/opt/bootstrap");
            if let Some(start) = of_interpreter(tree, id, &environment) {
                return start;
            }
            let mut after = environment.clone();
            let starts = follow(tree, id, &mut after, &BTreeSet::new(), &mut followed);
            if let Some(start) = Self::joined(starts) {
                return start;
            }
            environment = after.passed_on();
        }
        let of_wrapper = |id| Self::joined(of_wrapper(tree, id, &environment, &mut followed));
        let wrapped = wrappers(tree).into_iter().find_map(of_wrapper);
        wrapped.unwrap_or(Self { environment, ..Self::default() })
    }

    /// Every way in which a script of the tree starts R: what Lambda starts, its wrapper, and scripts called `Rscript` or `R`.
    pub(super) fn all(tree: &Tree, variables: &BTreeMap<String, String>) -> Vec<Self> {
        let environment = initial(variables);
        let is_extension = |path: &TreePath| path.parent().is_some_and(|parent| parent.as_bytes() == b"extensions");
        let extensions = tree.iter().map(|(_, entry)| &entry.path).filter(|path| is_extension(path));
        let wrapper = variables.get("AWS_LAMBDA_EXEC_WRAPPER").cloned();
        let started = [String::from("/opt/bootstrap")].into_iter();
        let started = started.chain(extensions.map(TreePath::mounted)).chain(wrapper);
        let (mut starts, mut followed) = (Vec::new(), BTreeSet::new());
        for (path, id) in started.filter_map(|path| Some((path.clone(), script(tree, &path)?))) {
            let mut environment = environment.clone();
            environment.set("0", path);
            match of_interpreter(tree, id, &environment) {
                Some(start) => starts.push(start),
                None => starts.extend(follow(tree, id, &mut environment, &BTreeSet::new(), &mut followed)),
            }
        }
        for id in wrappers(tree) {
            starts.extend(of_wrapper(tree, id, &environment, &mut followed));
        }
        starts
    }

    /// Several ways are one with what they have in common, and the variables of the last.
    fn joined(starts: Vec<Self>) -> Option<Self> {
        starts.into_iter().reduce(|one, other| Self {
            options: one.options.intersection(&other.options).cloned().collect(),
            direct: one.direct && other.direct,
            ..other
        })
    }

    /// Whether the site's and the user's environment files are read.
    pub(super) fn reads_environ(&self) -> bool {
        !self.has("--no-environ")
    }

    /// Whether the site's profile is read.
    pub(super) fn reads_site_profile(&self) -> bool {
        !self.has("--no-site-file")
    }

    /// Whether the user's profile is read.
    pub(super) fn reads_user_profile(&self) -> bool {
        !self.has("--no-init-file")
    }

    /// `--vanilla` is all of these options (`R_common_command_line` in R's src/main/CommandLineArgs.c).
    fn has(&self, option: &str) -> bool {
        self.options.contains(option) || self.options.contains("--vanilla")
    }

    /// The variables with which `bin/R` is started without arguments, for packages built for this platform.
    pub(super) fn of_front_end(&self, platform: &str) -> Environment {
        let mut environment = self.environment.clone();
        environment.remove("1");
        if let Some((machine, _)) = platform.split_once('-') {
            environment.set_output("uname -m", machine);
        }
        environment
    }

    /// The directories of LD_LIBRARY_PATH with which R in `home` runs, if `bin/R` has this text and this part of paths for one of
    /// several architectures, and is started with `environment`; and whether these are all that it has. Where its value is not known,
    /// R's own are among them.
    pub(super) fn library_path(
        &self,
        tree: &Tree,
        home: &TreePath,
        (front_end, arch): (Option<&str>, &str),
        mut environment: Environment,
    ) -> (Vec<String>, bool) {
        let mut is_known = ldpaths::keep_known(&mut environment);
        let before = ldpaths::elements(environment.get("LD_LIBRARY_PATH").unwrap_or_default());
        if self.direct {
            return (before, is_known);
        }
        let r_home = home.mounted();
        let ldpaths = tree.content(&format!("{r_home}/etc{arch}/ldpaths"));
        let ldpaths = ldpaths.map(|text| String::from_utf8_lossy(&text).into_owned());
        let files = SourcedFiles::of(tree);
        let mut after = environment.clone();
        if let Some(script) = front_end
            && after.run_among(script.as_bytes(), &files).is_ok()
        {
            let is_all = ldpaths::keep_known(&mut after);
            is_known &= is_all;
            if is_all && files.read().iter().any(|(path, _)| path.ends_with("/ldpaths")) {
                return (ldpaths::elements(after.get("LD_LIBRARY_PATH").unwrap_or_default()), is_known);
            }
            if let Some(value) = after.get("LD_LIBRARY_PATH") {
                environment.set("LD_LIBRARY_PATH", value);
            }
        }
        match ldpaths {
            Some(text) => {
                let (directories, is_all) = ldpaths::directories(&text, &r_home, &environment, tree);
                (directories, is_known && is_all)
            }
            // The script that reads it goes on without the directories. Another one may set them itself.
            None if front_end.is_some_and(|script| script.contains("ldpaths")) => (before, is_known),
            None => ([format!("{r_home}/lib")].into_iter().chain(before).collect(), is_known),
        }
    }
}

/// The variables with which Lambda starts a function for which these are set.
fn initial(variables: &BTreeMap<String, String>) -> Environment {
    let mut environment = Environment::default();
    environment.set("PATH", PATH);
    environment.set("PWD", "/var/task");
    for (name, value) in variables {
        environment.set(name, value.as_str());
    }
    environment.set("LAMBDA_TASK_ROOT", "/var/task");
    environment.set("LAMBDA_RUNTIME_DIR", "/var/runtime");
    environment
}

/// The scripts called `Rscript` or `R` that are not R's own: they start it.
fn wrappers(tree: &Tree) -> Vec<EntryId> {
    let named = tree.iter().filter(|(_, entry)| matches!(entry.path.name(), b"Rscript" | b"R")).map(|(id, _)| id);
    named.filter(|id| is_script(tree, *id) && !is_front_end(tree, *id)).collect()
}

/// The ways in which such a script starts R.
fn of_wrapper(tree: &Tree, id: EntryId, environment: &Environment, followed: &mut BTreeSet<EntryId>) -> Vec<Start> {
    let mut environment = environment.clone();
    environment.set("0", tree.path(id).mounted());
    environment.forget_value("1");
    follow(tree, id, &mut environment, &BTreeSet::new(), followed)
}

/// What a path leads to, if that is a file of the tree.
fn file(tree: &Tree, path: &str) -> Option<EntryId> {
    match tree.locate(path.as_bytes()) {
        Place::Inside(id) if path.starts_with('/') && tree.entry(id).is_file() => Some(id),
        _ => None,
    }
}

fn script(tree: &Tree, path: &str) -> Option<EntryId> {
    file(tree, path).filter(|id| is_script(tree, *id))
}

fn is_script(tree: &Tree, id: EntryId) -> bool {
    matches!(tree.entry(id).kind, Kind::File { magic: Magic::Script(_), .. })
}

fn text(tree: &Tree, id: EntryId) -> Option<String> {
    let text = (tree.entry(id).bytes() <= MAX_BYTES).then(|| tree.read(id).ok()).flatten()?;
    Some(String::from_utf8_lossy(&text).into_owned())
}

/// Whether a script is R's own `bin/R`.
fn is_front_end(tree: &Tree, id: EntryId) -> bool {
    text(tree, id).is_some_and(|text| text.contains("R_HOME_DIR=") || text.contains("/ldpaths"))
}

/// The start of a script whose interpreter is R: `#!/opt/R/bin/Rscript --vanilla`.
fn of_interpreter(tree: &Tree, id: EntryId, environment: &Environment) -> Option<Start> {
    let Kind::File { magic: Magic::Script(line), .. } = &tree.entry(id).kind else { return None };
    let line = String::from_utf8_lossy(line);
    let mut words = line.split_whitespace().skip_while(|word| !matches!(base(word), "Rscript" | "R"));
    let program = found(tree, environment, words.next()?);
    let options = words.map(str::to_owned).collect();
    Some(Start { environment: environment.clone(), options, direct: false, by: Some(id), program })
}

fn base(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// The ways in which a script starts R, in the order of its lines; `environment` is changed as the script changes it. `passed` are
/// the options that it is given, `followed` the scripts that were followed before.
fn follow(
    tree: &Tree,
    id: EntryId,
    environment: &mut Environment,
    passed: &BTreeSet<String>,
    followed: &mut BTreeSet<EntryId>,
) -> Vec<Start> {
    if followed.len() >= MAX_SCRIPTS || !followed.insert(id) {
        return Vec::new();
    }
    let Some(text) = text(tree, id) else { return Vec::new() };
    // What cannot be parsed sets nothing.
    let recorded = environment.run_recorded(text.as_bytes(), tree).unwrap_or_default();
    let known = environment.known().map(|(name, value)| (name.to_owned(), BTreeSet::from([value.to_owned()])));
    let known: BTreeMap<String, BTreeSet<String>> = known.collect();
    let Ok(script) = Script::parse(text.as_bytes(), &known) else { return Vec::new() };
    let passes = text.contains("$@") || text.contains("$*") || text.contains("${@}");
    let mut starts = Vec::new();
    for run in &script.runs {
        let recorded = recorded.of(run);
        let environment = recorded.unwrap_or(environment);
        let mut child = environment.passed_on();
        // In code that was not run, such as that of a function, they may be set by its caller or by a line before.
        let is_assigned = |name: &&str| script.variables.get(*name) != known.get(*name);
        for name in HOMES.into_iter().filter(|name| recorded.is_none() && is_assigned(name)) {
            child.forget_value(name);
        }
        let mut options = options(run);
        if passes {
            options.extend(passed.iter().cloned());
        }
        // Of several values of a variable, one that is there is meant.
        let places: Vec<_> = run.commands.iter().map(|command| (command, found(tree, environment, command))).collect();
        let place = places.iter().find(|(_, file)| file.is_some()).or(places.first());
        let Some((command, file)) = place else { continue };
        let is_in_exec = |path: &str| path.contains("/bin/exec/") && base(path) == "R";
        let start = |direct| Start {
            environment: child.clone(),
            options: options.clone(),
            direct,
            by: Some(id),
            program: *file,
        };
        match *file {
            Some(inner) if run.kind == RunKind::Source => {
                starts.extend(follow(tree, inner, &mut environment.clone(), passed, followed));
            }
            _ if run.kind == RunKind::Source => {}
            Some(inner) if is_script(tree, inner) && !is_front_end(tree, inner) => {
                if let Some(start) = of_interpreter(tree, inner, &child) {
                    starts.push(start);
                    continue;
                }
                let mut environment = child;
                environment.set("0", command.as_str());
                environment.forget_value("1");
                starts.extend(follow(tree, inner, &mut environment, &options, followed));
            }
            Some(inner) => {
                let path = tree.path(inner).mounted();
                if is_in_exec(&path) {
                    starts.push(start(true));
                } else if names_r(command) || rscript_content(tree, inner).is_some() {
                    starts.push(start(false));
                }
            }
            None if is_in_exec(command) => starts.push(start(true)),
            None if names_r(command) => starts.push(start(false)),
            None => {}
        }
    }
    starts
}

/// The content of an Rscript; `None` of any other file.
pub(super) fn rscript_content(tree: &Tree, file: EntryId) -> Option<Vec<u8>> {
    let entry = tree.entry(file);
    if !matches!(entry.kind, Kind::File { magic: Magic::Elf, .. }) || entry.bytes() > MAX_RSCRIPT_BYTES {
        return None;
    }
    let content = tree.read(file).ok()?;
    let runs_r = content.split(|byte| *byte == 0).any(|string| string.ends_with(b"%s/bin/R"));
    runs_r.then_some(content)
}

/// Whether a command is R by its name; a real Rscript behind a script that has its name is called `Rscript.bin`, or the like.
fn names_r(command: &str) -> bool {
    base(command) == "R" || base(command).starts_with("Rscript")
}

/// The file of the tree that a command is, by its path or in PATH.
fn found(tree: &Tree, environment: &Environment, command: &str) -> Option<EntryId> {
    if command.starts_with('/') {
        return file(tree, command);
    }
    if command.contains('/') {
        return file(tree, &format!("{}/{command}", environment.get("PWD")?));
    }
    environment.get("PATH")?.split(':').find_map(|directory| file(tree, &format!("{directory}/{command}")))
}

/// The options of R in a command line: what comes before a file of R code, or before `--args`.
fn options(run: &Run) -> BTreeSet<String> {
    let known = run.arguments.iter().map(|values| values.first().filter(|_| values.len() == 1));
    // What is not known may be anything.
    let words = known.flatten().flat_map(|value| value.split_whitespace());
    let is_rscript = run.commands.iter().any(|command| base(command).starts_with("Rscript"));
    let ends = |word: &&str| *word == "--args" || (is_rscript && !word.starts_with('-'));
    words.take_while(|word| !ends(word)).filter(|word| word.starts_with("--")).map(str::to_owned).collect()
}

/// The directory that R_HOME names where R's program is started without `bin/R`, which sets it; `None` if that is one of these homes.
pub(super) fn wrong_home<'h>(
    tree: &Tree,
    start: &Start,
    mut homes: impl Iterator<Item = &'h Installation>,
) -> Option<String> {
    if !start.direct || start.environment.is_unknown("R_HOME") {
        return None;
    }
    let named = start.environment.get("R_HOME").unwrap_or_default();
    let place = match tree.locate(named.as_bytes()) {
        Place::Inside(id) if named.starts_with('/') => Some(tree.path(id)),
        _ => None,
    };
    (!homes.any(|home| place == Some(&home.path))).then(|| named.to_owned())
}
