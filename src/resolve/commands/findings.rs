//! Findings about the interpreters of scripts and about the commands that startup scripts run.

use super::{CommandOutcome, CommandUse, Refused, Role};
use std::collections::BTreeMap;

use crate::base::finding::{Code, Finding, Severity};
use crate::base::list;
use crate::base::path::{TreePath, printable};
use crate::formats::shell::{UncheckedAnswer, UnresolvedReason};
use crate::languages::{Executed, OwnCommand};
use crate::resolve::Resolution;
use crate::resolve::findings::{others_in_words, some};
use crate::runtime::RuntimeProfile;
use crate::tree::{EntryId, Kind, Magic, Place};

impl Resolution<'_> {
    /// Findings about the scripts that satisfy `kept`.
    pub(in crate::resolve) fn command_findings(&self, kept: &impl Fn(EntryId) -> bool) -> Vec<Finding> {
        let (tree, commands) = (&self.tree, &self.commands);
        let mut lines: BTreeMap<Failure<'_>, Vec<usize>> = BTreeMap::new();
        for used in commands.uses.iter().filter(|used| used.outcome.is_failure() && kept(used.script)) {
            let CommandUse { script, ref command, ref outcome, interpreter, guarded, line } = *used;
            lines.entry(Failure { script, command, outcome, interpreter, guarded }).or_default().push(line);
        }
        // One finding for each interpreter and package: example scripts of a package have the same.
        let mut alike: BTreeMap<(Severity, &str, &CommandOutcome, Option<usize>), Vec<Failure<'_>>> = BTreeMap::new();
        let mut findings: Vec<Finding> = Vec::new();
        let elsewhere = self.elsewhere(lines.keys().filter(|failure| !failure.interpreter));
        for (failure, lines) in &lines {
            if failure.interpreter {
                let package = self.packages.of_path(tree.path(failure.script));
                let key = (self.severity_of_interpreter(failure.script), failure.command, failure.outcome, package);
                alike.entry(key).or_default().push(*failure);
            } else {
                findings.push(self.missing_command(failure, lines, &elsewhere));
            }
        }
        let of_interpreters =
            alike.iter().filter_map(|((severity, ..), failures)| self.missing_script_interpreter(*severity, failures));
        findings.extend(of_interpreters);
        for Refused { file, why, help, certain } in commands.refused.iter().filter(|refused| kept(refused.file)) {
            let (severity, consequence) = match certain {
                true => (Severity::Error, "Lambda cannot start it"),
                false => (Severity::Warning, "Lambda cannot start it unless that has it"),
            };
            let message = format!("{why}: {consequence}");
            findings.push(Finding::new(severity, Code::DoesNotStart, tree.path(*file), message, *help));
        }
        for (id, UncheckedAnswer { line, command, response }) in commands.unchecked.iter().filter(|(id, _)| kept(*id)) {
            let message = format!(
                "line {line} runs the function's code with {}, and line {response} sends the response even if that failed: \
                 the invocation counts as successful",
                printable(command.as_bytes())
            );
            let help = "test the command's exit status and send an error instead (/invocation/ID/error), or use the bootstrap \
                        of layerfit init --bootstrap DIR";
            findings.push(Finding::warning(Code::FailureAnswered, tree.path(*id), message, help));
        }
        for own in commands.own_missing.iter().filter(|own| kept(own.by)) {
            let OwnCommand { by, path, code, caller, consequence, help, executed } = own;
            let name = &self.image.profile().name;
            let message = format!("{caller} runs {path}, which neither the tree nor {name} has: {consequence}");
            // Without a bootstrap in the tree, the function's own may run it.
            let has_bootstrap = commands.startup_scripts.values().any(|role| *role == Role::Bootstrap);
            let is_run = commands.run_with.contains_key(by) || commands.interprets(*by);
            let certain = match executed {
                Executed::Always | Executed::ByScript => true,
                Executed::IfRun => is_run,
                Executed::Unless { .. } => is_run || !has_bootstrap,
            };
            let severity = if certain { Severity::Error } else { Severity::Warning };
            findings.push(Finding::new(severity, *code, tree.path(*by), message, help.clone()));
        }
        findings.extend(self.not_followed(kept));
        findings
    }

    fn not_followed(&self, kept: &impl Fn(EntryId) -> bool) -> Vec<Finding> {
        let mut parts: BTreeMap<(EntryId, UnresolvedReason), Vec<String>> = BTreeMap::new();
        for (script, part) in self.commands.unresolved.iter().filter(|(script, _)| kept(*script)) {
            let shown = format!("line {}: {}", part.line, printable(part.what.as_bytes()));
            parts.entry((*script, part.why)).or_default().push(shown);
        }
        let finding = |((script, why), parts): ((EntryId, UnresolvedReason), Vec<String>)| {
            let (message, help) = match why {
                UnresolvedReason::Value => (
                    format!("what is run here depends on values known only at run time: {}", some(&parts)),
                    "check these lines by hand",
                ),
                UnresolvedReason::Syntax => (
                    format!("cannot be parsed as shell, so what it runs after that may be missed: {}", some(&parts)),
                    "check it with bash -n, and these lines by hand",
                ),
            };
            if why == UnresolvedReason::Syntax && self.commands.startup_scripts.get(&script) == Some(&Role::Bootstrap) {
                Finding::warning(Code::NotFollowed, self.tree.path(script), message, help)
            } else {
                Finding::info(Code::NotFollowed, self.tree.path(script), message, help)
            }
        };
        parts.into_iter().map(finding).collect()
    }

    /// Why a command cannot be run.
    fn reason(&self, outcome: &CommandOutcome) -> String {
        match outcome {
            CommandOutcome::NotExecutable(id) => format!("is not executable ({})", self.tree.path(*id)),
            CommandOutcome::Directory => "is a directory".to_owned(),
            _ => format!("neither the tree nor {} has", self.image.profile().name),
        }
    }

    /// How serious it is that a script has no interpreter.
    fn severity_of_interpreter(&self, script: EntryId) -> Severity {
        // PATH contains bin/; a script elsewhere is only run by its path.
        let in_bin = self.tree.path(script).parent().is_some_and(|parent| parent.as_bytes() == b"bin");
        match (self.commands.startup_scripts.contains_key(&script), in_bin) {
            (true, _) => Severity::Error,
            (false, true) => Severity::Warning,
            (false, false) => Severity::Info,
        }
    }

    /// A finding about scripts with the same interpreter.
    fn missing_script_interpreter(&self, severity: Severity, failures: &[Failure<'_>]) -> Option<Finding> {
        let Failure { script, command, outcome, .. } = *failures.first()?;
        let tree = &self.tree;
        let scripts: Vec<EntryId> = failures.iter().map(|failure| failure.script).collect();
        let others = others_in_words(tree, script, &scripts);
        let others = others.map(|others| format!(" ({others})")).unwrap_or_default();
        let shown = printable(command.as_bytes());
        let help = match outcome {
            _ if command.ends_with('\r') => {
                "save it with Unix line endings: the carriage return is read as part of the last word".to_owned()
            }
            CommandOutcome::NotExecutable(id) => format!("chmod +x {}", tree.path(*id)),
            CommandOutcome::Directory => "name the program in it".to_owned(),
            _ => {
                let scripts = if scripts.len() == 1 { "script" } else { "scripts" };
                format!("add {shown} to the tree, or drop the {scripts}{}", self.runtimes_with(command))
            }
        };
        let message = format!("needs the interpreter {shown}{others}, which {}", self.reason(outcome));
        let finding = Finding::new(severity, Code::ScriptInterpreterMissing, tree.path(script), message, help);
        Some(finding.caused_by(shown))
    }

    fn missing_command(&self, failure: &Failure<'_>, lines: &[usize], elsewhere: &BTreeMap<&str, String>) -> Finding {
        let Failure { script, command, outcome, guarded, .. } = *failure;
        let tree = &self.tree;
        let may_be_function = self.commands.unread && !command.contains('/');
        let in_bootstrap = self.commands.startup_scripts.get(&script) == Some(&Role::Bootstrap);
        let severity = match (guarded, in_bootstrap && !may_be_function) {
            (true, _) => Severity::Info,
            (false, true) => Severity::Error,
            (false, false) => Severity::Warning,
        };
        let shown = printable(command.as_bytes());
        let lines: Vec<String> = lines.iter().map(ToString::to_string).collect();
        let line = if lines.len() == 1 { "line" } else { "lines" };
        let guard = if guarded { ", but tests for it first or continues without it" } else { "" };
        let dropped = TreePath::from_mounted(command.as_bytes()).and_then(|path| tree.find_even_hidden(&path));
        let help = match outcome {
            CommandOutcome::NotExecutable(id) => format!("chmod +x {}", tree.path(*id)),
            CommandOutcome::Directory => "name the program in it".to_owned(),
            _ if dropped.is_some_and(|id| tree.is_hidden(id)) => {
                format!("it was dropped by --drop: keep it, or drop {} too", tree.path(script))
            }
            _ if command.contains('/') => match elsewhere.get(file_name(command)) {
                Some(path) => format!("run {}, which the tree has, or put it there", printable(path.as_bytes())),
                None => format!("put it there, or change the script to work without it{}", self.runtimes_with(command)),
            },
            _ => format!("put it into bin/, or change the script to work without it{}", self.runtimes_with(command)),
        };
        let message = format!("runs {shown} ({line} {}), which {}{guard}", some(&lines), self.reason(outcome));
        Finding::new(severity, Code::CommandMissing, tree.path(script), message, help).caused_by(shown)
    }

    /// The paths in a function of the programs and scripts of the tree that have the names of commands which are not where they are
    /// run: the shortest of each, if there are several. The tree is walked once for all of them.
    fn elsewhere<'a>(&self, failures: impl Iterator<Item = &'a Failure<'a>>) -> BTreeMap<&'a str, String> {
        let with_path = failures.map(|failure| failure.command).filter(|command| command.contains('/'));
        let names: BTreeMap<&[u8], &str> =
            with_path.map(file_name).filter(|name| !name.is_empty()).map(|name| (name.as_bytes(), name)).collect();
        let mut found: BTreeMap<&str, String> = BTreeMap::new();
        if names.is_empty() {
            return found;
        }
        let runs = |id: EntryId| match self.tree.follow(id) {
            Place::Inside(file) => {
                let entry = self.tree.entry(file);
                entry.is_executable() && matches!(entry.kind, Kind::File { magic: Magic::Elf | Magic::Script(_), .. })
            }
            _ => false,
        };
        for (id, entry) in self.tree.iter() {
            let Some(name) = names.get(entry.path.name()).filter(|_| runs(id)) else { continue };
            let path = entry.path.mounted();
            let is_better = |other: &String| (path.len(), &path) < (other.len(), other);
            if found.get(name).is_none_or(is_better) {
                found.insert(*name, path);
            }
        }
        found
    }

    /// Names the other built-in runtimes that have a command, by its path or name; empty when there is none.
    fn runtimes_with(&self, command: &str) -> String {
        let with = RuntimeProfile::others(&self.image.profile().name, |profile| {
            let commands = &profile.commands;
            if command.contains('/') { commands.has(command) } else { commands.names.contains(command) }
        });
        let has = if with.len() == 1 { "has" } else { "have" };
        if with.is_empty() { String::new() } else { format!(" ({} {has} it)", list::with_last(&with, "and")) }
    }
}

/// What follows the last slash of a command.
fn file_name(command: &str) -> &str {
    command.rsplit('/').next().unwrap_or_default()
}

/// A command that a script cannot run.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Failure<'a> {
    script: EntryId,
    command: &'a str,
    outcome: &'a CommandOutcome,
    interpreter: bool,
    guarded: bool,
}
