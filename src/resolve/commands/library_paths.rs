//! The values of LD_LIBRARY_PATH with which scripts run programs: those of startup scripts, and of any other script of the tree that
//! sets it, as a function can run that, or name it as its wrapper.

use std::collections::{BTreeMap, BTreeSet};

use super::{MAX_SCRIPT_BYTES, at_path, is_left_alone, is_shell_script, lambda_variables, outcomes};
use crate::formats::shell::{Environment, Recorded, Run, RunKind, Script};
use crate::languages::Packages;
use crate::resolve::loader::LoaderView;
use crate::runtime::Image;
use crate::tree::{EntryId, Kind, Place, SourcedFiles, Tree};

/// The variable.
const NAME: &str = "LD_LIBRARY_PATH";

/// The option of the loader that takes the place of the variable (ld.so(8)).
const OPTION: &str = "--library-path";

/// The variable that names a script which starts the runtime with its command line
/// (<https://docs.aws.amazon.com/lambda/latest/dg/runtimes-modify.html#runtime-wrapper>).
const WRAPPER: &str = "AWS_LAMBDA_EXEC_WRAPPER";

/// A script is looked at by so many of the links that lead to it at most.
const MAX_NAMES: usize = 8;

/// The values with which scripts run programs.
#[derive(Debug, Default)]
pub(crate) struct LibraryPaths {
    /// By program; `None` is a value that is not known.
    pub(crate) programs: BTreeMap<EntryId, BTreeSet<Option<String>>>,
    /// Those with which a wrapper starts the runtime of a language.
    pub(crate) wrapped: BTreeSet<String>,
}

impl LibraryPaths {
    /// Adds what a script does that has this value when it begins. Returns the value that it has after that, if it is known.
    pub(super) fn add(
        &mut self,
        view: &LoaderView<'_>,
        script: &Script,
        (text, variables): (&[u8], &BTreeMap<String, BTreeSet<String>>),
        before: Option<&String>,
    ) -> Option<String> {
        let (tree, image) = (view.tree, view.image);
        let (after, recorded) = after(view, script, (text, variables), before);
        let run_by_it = script.runs.iter().filter(|run| run.kind == RunKind::Command);
        let programs = run_by_it.clone().flat_map(|run| {
            let outcomes = outcomes(tree, image, script, run).into_iter();
            outcomes
                .filter_map(|(_, outcome)| outcome?.in_tree())
                .map(move |program| (program, run))
                .collect::<Vec<_>>()
        });
        let programs: BTreeSet<(EntryId, &Run)> = programs.collect();
        // Where its place among the assignments is not known, what runs first can run before them.
        let several = programs.iter().map(|(program, _)| program).collect::<BTreeSet<_>>().len() > 1;
        let values = if several { vec![before.cloned(), after.clone()] } else { vec![after.clone()] };
        for (program, run) in programs {
            let own = recorded.as_ref().and_then(|recorded| recorded.of(run)).map(value);
            let values = own.map_or_else(|| values.clone(), |own| vec![own]);
            self.programs.entry(program).or_default().extend(values);
        }
        for (program, values) in run_by_it.filter_map(|run| by_loader(tree, image, run)) {
            self.programs.entry(program).or_default().extend(values);
        }
        self.wrapped.extend(after.clone().filter(|after| Some(after) != before && runs_arguments(text)));
        after
    }

    /// Adds what the other scripts do that set it. Those that nothing is known to run, programs may be run without.
    pub(super) fn add_others(
        &mut self,
        view: &LoaderView<'_>,
        packages: &Packages,
        is_startup: impl Fn(EntryId) -> bool,
    ) {
        let (tree, image) = (view.tree, view.image);
        let before = image.profile().environment.ld_library_path.join(":");
        let is_named = image.profile().environment.variables.contains_key(WRAPPER);
        let wrapper = wrapper(tree, image);
        let mut links: BTreeMap<EntryId, Vec<String>> = BTreeMap::new();
        for (id, entry) in tree.iter().filter(|(_, entry)| matches!(entry.kind, Kind::Link { .. })) {
            if let Place::Inside(file) = tree.follow(id) {
                links.entry(file).or_default().push(entry.path.mounted());
            }
        }
        for (id, entry) in tree.iter() {
            let is_short = entry.is_executable() && entry.bytes() <= MAX_SCRIPT_BYTES;
            if !is_short || is_startup(id) || !is_shell_script(tree, id) || is_left_alone(packages, &entry.path) {
                continue;
            }
            let Some(text) = tree.read(id).ok().filter(|text| mentions(text, NAME) || mentions(text, OPTION)) else {
                continue;
            };
            let names = links.get(&id).into_iter().flatten().take(MAX_NAMES).cloned();
            for name in [entry.path.mounted()].into_iter().chain(names) {
                let mut variables = lambda_variables(image);
                variables.insert("0".to_owned(), BTreeSet::from([name]));
                let Ok(script) = Script::parse(&text, &variables) else { continue };
                let mut of_script = Self::default();
                of_script.add(view, &script, (&text, &variables), Some(&before));
                for (program, values) in of_script.programs {
                    // Where scripts that certainly run are known to run it, they count.
                    let known = self.programs.entry(program).or_default();
                    known.extend(values.into_iter().chain([Some(before.clone())]));
                }
                if !is_named || wrapper == Some(id) {
                    self.wrapped.extend(of_script.wrapped);
                }
            }
        }
    }
}

/// The script of the tree that the function's configuration names as the wrapper of the runtime.
pub(super) fn wrapper(tree: &Tree, image: &Image<'_>) -> Option<EntryId> {
    match tree.locate(image.profile().environment.variables.get(WRAPPER)?.as_bytes()) {
        Place::Inside(id) => Some(id),
        _ => None,
    }
}

fn mentions(text: &[u8], word: &str) -> bool {
    text.windows(word.len()).any(|part| part == word.as_bytes())
}

/// Whether a script runs the command line that it is given: `exec "$@"`.
fn runs_arguments(text: &[u8]) -> bool {
    String::from_utf8_lossy(text).lines().any(|line| {
        let mut words = line.split_whitespace().skip_while(|word| *word == "exec" || word.contains('='));
        matches!(words.next(), Some("\"$@\"" | "$@" | "\"${@}\""))
    })
}

/// The program that the loader is told to run, with the directories that it is told to search.
fn by_loader(tree: &Tree, image: &Image<'_>, run: &Run) -> Option<(EntryId, BTreeSet<Option<String>>)> {
    let is_loader = |command: &String| {
        let name = command.rsplit('/').next().unwrap_or(command);
        (name.starts_with("ld-") || name.starts_with("ld.so") || name.starts_with("ld64.so")) && command.contains('/')
    };
    if !run.commands.iter().any(is_loader) {
        return None;
    }
    let mut values = None;
    let mut arguments = run.arguments.iter();
    while let Some(argument) = arguments.next() {
        match argument.first().map(String::as_str) {
            Some(OPTION) => values = arguments.next(),
            Some(
                "--argv0"
                | "--preload"
                | "--audit"
                | "--inhibit-rpath"
                | "--glibc-hwcaps-prepend"
                | "--glibc-hwcaps-mask",
            ) => {
                arguments.next();
            }
            Some(option) if option.starts_with("--") => {}
            _ => {
                let outcome = argument.iter().find_map(|path| at_path(tree, image, path)?.in_tree())?;
                let values = values.filter(|values| !values.is_empty());
                return Some((
                    outcome,
                    values.map_or_else(|| BTreeSet::from([None]), |values| values.iter().cloned().map(Some).collect()),
                ));
            }
        }
    }
    None
}

/// The value with which a script runs its last program, if that is known, and what each of its commands has, if that is; `before` is
/// the value when the script begins. The variable is in the environment, so that an assignment also exports it.
fn after(
    view: &LoaderView<'_>,
    script: &Script,
    (text, variables): (&[u8], &BTreeMap<String, BTreeSet<String>>),
    before: Option<&String>,
) -> (Option<String>, Option<Recorded>) {
    let (tree, image) = (view.tree, view.image);
    let sourced = script.runs.iter().filter(|run| run.kind == RunKind::Source);
    let sourced =
        sourced.flat_map(|run| outcomes(tree, image, script, run)).filter_map(|(_, outcome)| outcome?.in_tree());
    let sourced: BTreeSet<EntryId> =
        sourced.filter(|file| tree.read_text(*file).is_ok_and(|text| mentions(&text, NAME))).collect();
    if !mentions(text, NAME) && sourced.is_empty() {
        return (before.cloned(), None);
    }
    let mut environment = Environment::default();
    for (name, values) in variables {
        match values.first().filter(|_| values.len() == 1) {
            Some(value) => environment.set(name, value),
            None => environment.forget_value(name),
        }
    }
    match before {
        Some(before) => environment.set(NAME, before),
        None => environment.forget_value(NAME),
    }
    let files = SourcedFiles::of(tree);
    let Ok(recorded) = environment.run_recorded(text, &files) else { return (None, None) };
    let read: BTreeSet<EntryId> = files.read().into_iter().map(|(_, file)| file).collect();
    // Where the path of one of them is not certain, neither is what it sets.
    if !sourced.is_subset(&read) {
        return (None, None);
    }
    (value(&environment), Some(recorded))
}

/// The value of the variable, which is empty where it is not set; `None` if it is not known.
fn value(environment: &Environment) -> Option<String> {
    (!environment.is_unknown(NAME)).then(|| environment.get(NAME).unwrap_or_default().to_owned())
}
