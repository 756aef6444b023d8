//! Commands: which commands a line runs, including through commands that run another (`env`, `timeout`, `sh -c`).

use tree_sitter::Node;

use super::syntax::{bytes, string};
use super::words::{BUILTINS, KEYWORDS, LONG_WITH_VALUE, RUNNERS, SHELLS};
use super::{Run, RunKind, Script, Unresolved, UnresolvedReason};

/// The nesting depth up to which scripts inside scripts (`sh -c`) are read.
const MAX_DEPTH: usize = 4;

/// The bytes of scripts inside a script that are read at most: they may contain each other many times.
const MAX_NESTED_BYTES: usize = 64 << 10;

/// How many arguments of a command are kept: a source comes after a few options.
const MAX_ARGUMENTS: usize = 16;

impl Script {
    /// What a command runs.
    pub(super) fn command(&mut self, node: Node<'_>, text: &[u8], first_line: usize, depth: usize) {
        let line = first_line + node.start_position().row + 1;
        let mut cursor = node.walk();
        let name = node.child_by_field_name("name").and_then(|name| name.named_child(0));
        let arguments = node.children_by_field_name("argument", &mut cursor);
        // `exec {fd}>file` assigns a number to the variable, and does not run a command of that name.
        let words = name.into_iter().chain(arguments).filter(|word| !is_descriptor(bytes(*word, text)));
        let mut words = words.collect::<Vec<_>>().into_iter().peekable();
        while let Some(word) = words.next() {
            let (values, more) = self.first_words(word, text);
            if values.is_empty() || more.iter().any(|rest| RUNNERS.iter().any(|(runner, _)| *runner == base(rest))) {
                // A command whose name is not known: `${debugger} --version`.
                self.unresolved(node, text, first_line, UnresolvedReason::Value);
                return;
            }
            let runner = RUNNERS.iter().find(|(name, _)| values.iter().any(|value| base(value) == *name));
            let shell = values.iter().any(|value| SHELLS.contains(&base(value)));
            let own = |value: &&String| {
                !value.is_empty() && ![BUILTINS, KEYWORDS].iter().any(|known| known.contains(&value.as_str()))
            };
            let commands: Vec<String> = values.iter().filter(own).cloned().collect();
            if !commands.is_empty() {
                let arguments = words.clone().take(MAX_ARGUMENTS).map(|word| self.values(word, text)).collect();
                self.runs.push(Run { line, commands, kind: RunKind::Command, guarded: false, arguments });
            }
            if values.contains("eval") {
                self.unresolved(node, text, first_line, UnresolvedReason::Value);
            }
            if let Some((runner, with_value)) = runner {
                // What comes before the command: options, `env`'s variables, `timeout`'s time.
                while let Some(next) = words.peek().map(|word| string(*word, text)) {
                    let variable = *runner == "env" && next.contains('=');
                    if !(next.starts_with('-') || variable) {
                        break;
                    }
                    words.next();
                    // `command -v` tests whether a command exists.
                    if *runner == "command" && next.to_ascii_lowercase().contains('v') {
                        return;
                    }
                    let letter = next.strip_prefix('-').filter(|letter| letter.len() == 1);
                    let takes_next = letter.is_some_and(|letter| with_value.contains(letter))
                        || LONG_WITH_VALUE.contains(&next.as_str());
                    if takes_next {
                        words.next();
                    }
                }
                if *runner == "timeout" {
                    words.next();
                }
                continue;
            }
            if values.contains(".") || values.contains("source") || shell {
                self.shell_reads(words.collect(), shell, text, (line, depth), node, first_line);
            } else if values.contains("trap")
                && let Some(action) = words.next()
            {
                self.nested(action, text, line, depth);
            } else if values.contains("alias") {
                self.aliases(words, text, line, depth);
            }
            return;
        }
    }

    /// `alias NAME=TEXT`: defines a command, and runs what it stands for.
    fn aliases<'t>(&mut self, words: impl Iterator<Item = Node<'t>>, text: &[u8], line: usize, depth: usize) {
        for word in words {
            for value in self.values(word, text) {
                if let Some((name, stands_for)) = value.split_once('=') {
                    self.functions.insert(name.to_owned());
                    self.inner(stands_for, line, depth);
                }
            }
        }
    }

    /// `. FILE`, `sh FILE`, `sh -c TEXT`.
    fn shell_reads(
        &mut self,
        words: Vec<Node<'_>>,
        shell: bool,
        text: &[u8],
        (line, depth): (usize, usize),
        node: Node<'_>,
        first_line: usize,
    ) {
        let mut words = words.into_iter();
        while let Some(word) = words.next() {
            let written = string(word, text);
            if shell && written.starts_with('-') {
                if !written.starts_with("--") && written.contains('c') {
                    if let Some(inline) = words.next() {
                        self.nested(inline, text, line, depth);
                    }
                    return;
                }
                continue;
            }
            let values = self.values(word, text);
            if values.is_empty() {
                self.unresolved(node, text, first_line, UnresolvedReason::Value);
            }
            let commands: Vec<String> = values.into_iter().filter(|value| !value.is_empty()).collect();
            if !commands.is_empty() {
                self.runs.push(Run { line, commands, kind: RunKind::Source, guarded: false, arguments: Vec::new() });
            }
            return;
        }
    }

    /// A script in a word.
    fn nested(&mut self, word: Node<'_>, text: &[u8], line: usize, depth: usize) {
        let values = self.values(word, text);
        if values.is_empty() {
            let what = string(word, text).chars().take(60).collect();
            self.unresolved.push(Unresolved { line, what, why: UnresolvedReason::Value });
        }
        for value in values {
            self.inner(&value, line, depth);
        }
    }

    /// A script inside the script, within the limits.
    fn inner(&mut self, script: &str, line: usize, depth: usize) {
        self.nested_bytes += script.len();
        let too_much = depth >= MAX_DEPTH || self.nested_bytes > MAX_NESTED_BYTES;
        if too_much || self.read(script.as_bytes(), line - 1, depth + 1).is_err() {
            self.unresolved.push(Unresolved {
                line,
                what: script.chars().take(60).collect(),
                why: UnresolvedReason::Syntax,
            });
        }
    }
}

/// Whether a word is `{name}`, as before a redirection (bash(1), "REDIRECTION").
fn is_descriptor(word: &[u8]) -> bool {
    let inside = word.strip_prefix(b"{").and_then(|rest| rest.strip_suffix(b"}"));
    inside.is_some_and(|name| !name.is_empty() && name.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'_'))
}

/// The name of a command without its directory.
fn base(command: &str) -> &str {
    command.rsplit('/').next().unwrap_or(command)
}
