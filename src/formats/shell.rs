//! Shell scripts: which commands they run, as far as reading can tell.
//!
//! The grammar is tree-sitter's of bash, which holds POSIX sh; it reads on after what it does not understand. Values of
//! variables are followed where they are written out (`SED=/bin/sed … ${SED}`); everything else that decides what is run
//! is said to be unfollowed, with its line.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use tree_sitter::{Node, ParseOptions, Parser, Tree};

/// Commands that a shell has in itself (POSIX 2.14 and 2.15.1, bash(1) "SHELL BUILTIN COMMANDS") and that are also
/// keywords to a script.
const BUILTINS: &[&str] = &[
    ".",
    ":",
    "[",
    "alias",
    "bg",
    "bind",
    "break",
    "builtin",
    "caller",
    "cd",
    "command",
    "compgen",
    "complete",
    "compopt",
    "continue",
    "declare",
    "dirs",
    "disown",
    "echo",
    "enable",
    "eval",
    "exec",
    "exit",
    "export",
    "false",
    "fc",
    "fg",
    "getopts",
    "hash",
    "help",
    "history",
    "jobs",
    "kill",
    "let",
    "local",
    "logout",
    "mapfile",
    "popd",
    "printf",
    "pushd",
    "pwd",
    "read",
    "readarray",
    "readonly",
    "return",
    "set",
    "shift",
    "shopt",
    "source",
    "suspend",
    "test",
    "times",
    "trap",
    "true",
    "type",
    "typeset",
    "ulimit",
    "umask",
    "unalias",
    "unset",
    "wait",
];

/// Words that a shell reads before a command, where they are not part of the grammar: `time a | b`, `coproc a`. Lambda's
/// `sh` is bash, to which both are keywords.
const KEYWORDS: &[&str] = &["time", "coproc"];

/// Commands that run the command in their arguments, each with its one-letter options that take the next word with them.
const RUNNERS: &[(&str, &str)] = &[
    ("exec", "a"),
    ("command", ""),
    ("builtin", ""),
    ("coproc", ""),
    ("env", "uCS"),
    ("nohup", ""),
    ("nice", "n"),
    ("time", "fo"),
    ("timeout", "ks"),
    ("xargs", "EILPadns"),
    ("setsid", ""),
    ("stdbuf", "eio"),
    ("sudo", "CDRTUghpu"),
];

/// The long options of the runners that take the next word with them.
const LONG_WITH_VALUE: &[&str] = &[
    "--adjustment",
    "--arg-file",
    "--chdir",
    "--delimiter",
    "--error",
    "--group",
    "--input",
    "--kill-after",
    "--max-args",
    "--max-procs",
    "--output",
    "--replace",
    "--signal",
    "--unset",
    "--user",
];

/// Shells: `sh FILE` runs a script, `sh -c TEXT` what is written there.
const SHELLS: &[&str] = &["sh", "bash", "dash", "ash", "ksh"];

/// As many values as one word may have; more are not followed.
const MAX_VALUES: usize = 16;

/// How deep scripts inside scripts (`sh -c`) are read.
const MAX_DEPTH: usize = 4;

/// How long a value may get in bytes, as a path may (PATH_MAX): `A=$A$A` doubles it.
const MAX_VALUE_BYTES: usize = 4096;

/// How much of scripts inside a script is read, in bytes: they may hold each other many times over.
const MAX_NESTED_BYTES: usize = 64 << 10;

/// How many times the parser may report progress for each byte, and for the shortest script. R's longest script takes
/// a hundredth of that; what was made to be slow is not read to its end.
const STEPS_A_BYTE: usize = 1;
const STEPS_AT_LEAST: usize = 20_000;

/// What a script runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Script {
    /// Commands by name or path, and files that are read into the script, in the order of their lines.
    pub runs: Vec<Run>,
    /// What could not be followed.
    pub unfollowed: Vec<Unfollowed>,
    /// The values that variables are given, as far as they are written out.
    pub variables: BTreeMap<String, BTreeSet<String>>,
    /// Functions that it defines.
    pub functions: BTreeSet<String>,
    /// Variables that are given more values than are followed.
    unknown: BTreeSet<String>,
    /// How many bytes of scripts inside it were read.
    nested_bytes: usize,
}

/// A command that a script runs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Run {
    /// The line, from 1.
    pub line: usize,
    /// The command's name or path; every one that it can be, sorted, where a variable has one of several values.
    pub commands: Vec<String>,
    /// How it is run.
    pub how: How,
    /// Whether the script asks first if the command is there (`command -v`).
    pub guarded: bool,
}

/// How a script runs something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum How {
    /// As a process: by name in PATH, or by path.
    Command,
    /// As a file that a shell reads: `. FILE`, `sh FILE`.
    Source,
}

/// Something that decides what is run and cannot be read off the script.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unfollowed {
    /// The line, from 1.
    pub line: usize,
    /// What is written there.
    pub what: String,
    /// Why it could not be.
    pub why: Why,
}

/// Why something could not be followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// It depends on values that only a run has.
    Value,
    /// It could not be read as shell: commands in it, and after it, may be missed.
    Syntax,
}

impl Script {
    /// Reads a script; `variables` have these values before it begins.
    ///
    /// # Errors
    /// When the text cannot be read at all.
    pub fn parse(text: &[u8], variables: &BTreeMap<String, BTreeSet<String>>) -> Result<Self, String> {
        let mut script = Self { variables: variables.clone(), ..Self::default() };
        script.read(text, 0, 0)?;
        let functions = script.functions.clone();
        script.runs.retain(|run| !run.commands.iter().any(|command| functions.contains(command)));
        script.runs.sort();
        script.runs.dedup();
        script.unfollowed.sort();
        script.unfollowed.dedup();
        Ok(script)
    }

    fn read(&mut self, text: &[u8], first_line: usize, depth: usize) -> Result<(), String> {
        let tree = parse(text)?;
        // Variables and functions first: a function may use a variable that is set further down.
        let mut nodes = Vec::new();
        let mut cursor = tree.walk();
        let mut guarded = BTreeSet::new();
        // Up to where the script goes on without what it tries to run: `a || b` without a, and `if a` asks.
        let mut tried_until = 0;
        // In the order of the text, without recursion: a script can nest as deep as it likes.
        'walk: loop {
            let node = cursor.node();
            let mut inside = true;
            match node.kind() {
                // The grammar takes `$((1 + 2))` in a here-document for a subshell in a substitution.
                "command_substitution" if is_arithmetic(bytes(node, text)) => inside = false,
                "variable_assignment" => self.assign(node, text),
                "expansion" => self.assign_default(node, text),
                "function_definition" => {
                    self.functions.extend(node.child_by_field_name("name").map(|name| string(name, text)));
                }
                "command" => {
                    guarded.extend(asked_for(node, text));
                    nodes.push((node, node.start_byte() < tried_until));
                }
                "test_command" => guarded.extend(tested(&string(node, text))),
                "list" => tried_until = tried_until.max(left_of_or(node)),
                "if_statement" | "elif_clause" => {
                    let condition = node.child_by_field_name("condition");
                    tried_until = tried_until.max(condition.map_or(0, |condition| condition.end_byte()));
                }
                "ERROR" => self.unfollowed(node, text, first_line, Why::Syntax),
                _ if node.is_missing() => self.unfollowed(node, text, first_line, Why::Syntax),
                _ => {}
            }
            if inside && cursor.goto_first_child() {
                continue;
            }
            while !cursor.goto_next_sibling() {
                if !cursor.goto_parent() {
                    break 'walk;
                }
            }
        }
        for (node, tried) in nodes {
            let before = self.runs.len();
            self.command(node, text, first_line, depth);
            for run in &mut self.runs[before..] {
                run.guarded |= tried || run.commands.iter().any(|command| guarded.contains(command));
            }
        }
        Ok(())
    }

    /// `NAME=VALUE`, when the value is written out.
    fn assign(&mut self, node: Node<'_>, text: &[u8]) {
        let Some(name) = node.child_by_field_name("name").filter(|name| name.kind() == "variable_name") else { return };
        let values = match node.child_by_field_name("value") {
            Some(value) => self.values(value, text),
            None => BTreeSet::from([String::new()]),
        };
        self.give(string(name, text), values);
    }

    /// `${NAME=VALUE}` and `${NAME:-VALUE}`: the value that it has when nothing else gave it one.
    fn assign_default(&mut self, node: Node<'_>, text: &[u8]) {
        let Some((name, operator, value)) = default_value(&string(node, text)) else { return };
        if operator.ends_with('=') && !value.contains(['$', '`', '"', '\'', '\\']) {
            self.give(name, BTreeSet::from([value]));
        }
    }

    fn give(&mut self, name: String, values: BTreeSet<String>) {
        if self.unknown.contains(&name) {
            return;
        }
        let known = self.variables.entry(name.clone()).or_default();
        known.extend(values);
        if known.len() > MAX_VALUES || known.iter().any(|value| value.len() > MAX_VALUE_BYTES) {
            known.clear();
            self.unknown.insert(name);
        }
    }

    fn unfollowed(&mut self, node: Node<'_>, text: &[u8], first_line: usize, why: Why) {
        let shown = bytes(node, text).split(|b| *b == b'\n').next().unwrap_or_default();
        let what: String = String::from_utf8_lossy(&shown[..shown.len().min(240)]).chars().take(60).collect();
        self.unfollowed.push(Unfollowed { line: first_line + node.start_position().row + 1, what, why });
    }

    fn command(&mut self, node: Node<'_>, text: &[u8], first_line: usize, depth: usize) {
        let line = first_line + node.start_position().row + 1;
        let mut cursor = node.walk();
        let name = node.child_by_field_name("name").and_then(|name| name.named_child(0));
        let arguments = node.children_by_field_name("argument", &mut cursor);
        // `exec {fd}>file` gives a number to the variable, and runs nothing of that name.
        let words = name.into_iter().chain(arguments).filter(|word| !is_descriptor(bytes(*word, text)));
        let mut words = words.peekable();
        while let Some(word) = words.next() {
            let (values, more) = self.first_words(word, text);
            if values.is_empty() || more.iter().any(|rest| RUNNERS.iter().any(|(runner, _)| *runner == base(rest))) {
                // A command that is made of what is not known: `${debugger} --version`.
                self.unfollowed(node, text, first_line, Why::Value);
                return;
            }
            let runner = RUNNERS.iter().find(|(name, _)| values.iter().any(|value| base(value) == *name));
            let shell = values.iter().any(|value| SHELLS.contains(&base(value)));
            let own = |value: &&String| {
                !value.is_empty() && ![BUILTINS, KEYWORDS].iter().any(|known| known.contains(&value.as_str()))
            };
            let commands: Vec<String> = values.iter().filter(own).cloned().collect();
            if !commands.is_empty() {
                self.runs.push(Run { line, commands, how: How::Command, guarded: false });
            }
            if values.contains("eval") {
                self.unfollowed(node, text, first_line, Why::Value);
            }
            if let Some((runner, with_value)) = runner {
                // What comes before the command: options, `env`'s variables, `timeout`'s time.
                while let Some(next) = words.peek().map(|word| string(*word, text)) {
                    let variable = *runner == "env" && next.contains('=');
                    if !(next.starts_with('-') || variable) {
                        break;
                    }
                    words.next();
                    // `command -v` asks whether a command is there.
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

    /// The commands that a word can be, and the words that come after where a variable brings several: an expansion that
    /// is not quoted is split (POSIX 2.6.5).
    fn first_words(&self, word: Node<'_>, text: &[u8]) -> (BTreeSet<String>, BTreeSet<String>) {
        let values = self.values(word, text);
        if !matches!(word.kind(), "simple_expansion" | "expansion") {
            return (values, BTreeSet::new());
        }
        let (mut first, mut split) = (BTreeSet::new(), BTreeSet::new());
        for value in values {
            let mut words = value.split_whitespace();
            first.insert(words.next().unwrap_or_default().to_owned());
            if words.next().is_some() {
                split.insert(value.split_whitespace().next().unwrap_or_default().to_owned());
            }
        }
        (first, split)
    }

    /// `alias NAME=TEXT`: a command of its own, and what it stands for.
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
                self.unfollowed(node, text, first_line, Why::Value);
            }
            let commands: Vec<String> = values.into_iter().filter(|value| !value.is_empty()).collect();
            if !commands.is_empty() {
                self.runs.push(Run { line, commands, how: How::Source, guarded: false });
            }
            return;
        }
    }

    /// A script in a word.
    fn nested(&mut self, word: Node<'_>, text: &[u8], line: usize, depth: usize) {
        let values = self.values(word, text);
        if values.is_empty() {
            let what = string(word, text).chars().take(60).collect();
            self.unfollowed.push(Unfollowed { line, what, why: Why::Value });
        }
        for value in values {
            self.inner(&value, line, depth);
        }
    }

    /// A script inside the script, as far as they are read.
    fn inner(&mut self, script: &str, line: usize, depth: usize) {
        self.nested_bytes += script.len();
        let too_much = depth >= MAX_DEPTH || self.nested_bytes > MAX_NESTED_BYTES;
        if too_much || self.read(script.as_bytes(), line - 1, depth + 1).is_err() {
            self.unfollowed.push(Unfollowed { line, what: script.chars().take(60).collect(), why: Why::Syntax });
        }
    }

    /// The values that a word can have, as far as they are written out; none when nothing is known.
    fn values(&self, word: Node<'_>, text: &[u8]) -> BTreeSet<String> {
        let one = |text: String| BTreeSet::from([text]);
        match word.kind() {
            "word" | "variable_name" | "string_content" | "number" | "extglob_pattern" => {
                one(unescaped(&string(word, text)))
            }
            "raw_string" => one(string(word, text).trim_matches('\'').to_owned()),
            "string" | "concatenation" => self.joined(word, text),
            "simple_expansion" | "expansion" => self.expansion(&string(word, text)),
            _ => BTreeSet::new(),
        }
    }

    /// The values of parts one after another. A string's own text is not a node where it is only white space.
    fn joined(&self, word: Node<'_>, text: &[u8]) -> BTreeSet<String> {
        let quote = usize::from(word.kind() == "string");
        let (mut at, end) = (word.start_byte() + quote, word.end_byte().saturating_sub(quote));
        let mut joined = BTreeSet::from([String::new()]);
        let mut cursor = word.walk();
        for part in word.named_children(&mut cursor) {
            let between = String::from_utf8_lossy(text.get(at..part.start_byte()).unwrap_or_default()).into_owned();
            let values = self.values(part, text);
            joined = joined
                .iter()
                .flat_map(|head| values.iter().map(move |tail| (head, tail)))
                .map(|(head, tail)| format!("{head}{between}{tail}"))
                .filter(|value| value.len() <= MAX_VALUE_BYTES)
                .take(MAX_VALUES)
                .collect();
            // Nothing becomes of it any more: a part has no value that is known.
            if joined.is_empty() {
                return joined;
            }
            at = part.end_byte();
        }
        let rest = String::from_utf8_lossy(text.get(at..end.max(at)).unwrap_or_default()).into_owned();
        joined.into_iter().map(|head| head + &rest).collect()
    }

    fn expansion(&self, written: &str) -> BTreeSet<String> {
        let name = written.trim_start_matches('$').trim_start_matches('{').trim_end_matches('}');
        if let Some(values) = self.variables.get(name) {
            return values.clone();
        }
        match default_value(written) {
            Some((name, _, default)) => {
                let mut values = self.variables.get(&name).cloned().unwrap_or_default();
                if !default.contains(['$', '`', '"', '\'', '\\']) {
                    values.insert(default);
                }
                values
            }
            None => BTreeSet::new(),
        }
    }
}

/// The parts of `${NAME:-VALUE}`, `${NAME-VALUE}`, `${NAME:=VALUE}` and `${NAME=VALUE}`.
fn default_value(written: &str) -> Option<(String, String, String)> {
    let inside = written.strip_prefix("${")?.strip_suffix('}')?;
    let end = inside.find(|c: char| !c.is_ascii_alphanumeric() && c != '_')?;
    let (name, rest) = inside.split_at(end);
    let operator = [":-", ":=", "-", "="].into_iter().find(|operator| rest.starts_with(operator))?;
    Some((name.to_owned(), operator.to_owned(), rest[operator.len()..].to_owned()))
}

/// The commands that `command -v X`, `type X`, `hash X` and `which X` ask for.
fn asked_for(node: Node<'_>, text: &[u8]) -> Vec<String> {
    let mut cursor = node.walk();
    let name = node.child_by_field_name("name").map(|name| string(name, text)).unwrap_or_default();
    let arguments = node.children_by_field_name("argument", &mut cursor).map(|word| string(word, text));
    let (options, names): (Vec<String>, Vec<String>) = arguments.partition(|word| word.starts_with('-'));
    let asks = match name.as_str() {
        "command" => options.iter().any(|option| option.to_ascii_lowercase().contains('v')),
        "type" | "hash" | "which" => true,
        "test" => return tested(&string(node, text)),
        _ => false,
    };
    if asks { names } else { Vec::new() }
}

/// The files that `[ -f X ]`, `[[ -x X ]]` and `test -e X` ask for.
fn tested(written: &str) -> Vec<String> {
    let words: Vec<&str> = written.split_whitespace().collect();
    let asks = |word: &str| matches!(word, "-e" | "-f" | "-r" | "-s" | "-x");
    let pairs = words.windows(2).filter(|pair| asks(pair[0]));
    pairs.map(|pair| pair[1].trim_matches(['"', '\'']).to_owned()).collect()
}

/// Where the left side of `||` ends, or 0 when there is none.
fn left_of_or(list: Node<'_>) -> usize {
    let mut cursor = list.walk();
    list.children(&mut cursor).find(|child| child.kind() == "||").map_or(0, |or| or.start_byte())
}

/// Whether a substitution is arithmetic: `$((1 + 2))`, but not `$((a) | (b))`.
fn is_arithmetic(written: &[u8]) -> bool {
    let Some(inside) = written.strip_prefix(b"$((").and_then(|rest| rest.strip_suffix(b"))")) else { return false };
    let mut open = 0_u32;
    for byte in inside {
        match byte {
            b'(' => open += 1,
            b')' if open == 0 => return false,
            b')' => open -= 1,
            _ => {}
        }
    }
    open == 0
}

/// `{name}`, as it stands before a redirection (bash(1), "REDIRECTION").
fn is_descriptor(word: &[u8]) -> bool {
    let inside = word.strip_prefix(b"{").and_then(|rest| rest.strip_suffix(b"}"));
    inside.is_some_and(|name| !name.is_empty() && name.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'_'))
}

/// The name of a command without its directory.
fn base(command: &str) -> &str {
    command.rsplit('/').next().unwrap_or(command)
}

/// Parses as bash, within bounds.
fn parse(text: &[u8]) -> Result<Tree, String> {
    let mut parser = Parser::new();
    parser.set_language(&tree_sitter_bash::LANGUAGE.into()).map_err(|error| error.to_string())?;
    let mut left = (text.len() * STEPS_A_BYTE).max(STEPS_AT_LEAST);
    let mut progress = |_: &_| {
        left = left.saturating_sub(1);
        if left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let options = ParseOptions::new().progress_callback(&mut progress);
    let mut read = |at: usize, _| text.get(at..).unwrap_or_default();
    let tree = parser.parse_with_options(&mut read, None, Some(options));
    tree.ok_or_else(|| "it is too much to read".to_owned())
}

fn unescaped(word: &str) -> String {
    let mut out = String::with_capacity(word.len());
    let mut chars = word.chars();
    while let Some(c) = chars.next() {
        if c == '\\' { out.extend(chars.next()) } else { out.push(c) }
    }
    out
}

fn bytes<'t>(node: Node<'_>, text: &'t [u8]) -> &'t [u8] {
    text.get(node.byte_range()).unwrap_or_default()
}

fn string(node: Node<'_>, text: &[u8]) -> String {
    String::from_utf8_lossy(bytes(node, text)).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(text: &str) -> Vec<(usize, String)> {
        let script = Script::parse(text.as_bytes(), &BTreeMap::new()).expect("read");
        script.runs.into_iter().map(|run| (run.line, run.commands.join("|"))).collect()
    }

    fn names(text: &str) -> Vec<String> {
        runs(text).into_iter().map(|(_, name)| name).collect()
    }

    #[test]
    fn commands_are_found_wherever_they_are_run() {
        assert_eq!(
            runs(
                "#!/bin/sh\nset -e\nif a; then b | c; fi\nx=$(d \"`e`\")\ncase $x in y) f ;; esac\nwhile g; do h & done\n"
            ),
            [(3, "a"), (3, "b"), (3, "c"), (4, "d"), (4, "e"), (5, "f"), (6, "g"), (6, "h")]
                .map(|(line, name)| (line, name.to_owned()))
        );
        assert_eq!(names("cat <<EOF\n$(inside)\nEOF\n"), ["cat", "inside"]);
        assert_eq!(names("( a && b ) || { c; }\n! d\nVAR=1 e\n"), ["a", "b", "c", "d", "e"]);
    }

    #[test]
    fn builtins_and_functions_are_no_commands() {
        assert_eq!(names("f() { g; }\nf\ntest -n x && [ -d / ] && echo y\nexport A=1\n"), ["g"]);
    }

    #[test]
    fn what_runs_another_command_is_seen_through() {
        assert_eq!(
            names("exec curl -sS\nenv -i A=1 jq .\ntimeout 3 nice -n 5 tar x\n"),
            ["curl", "env", "jq", "nice", "tar", "timeout"]
        );
        assert_eq!(names("sh -c 'a | b'\ntrap 'rm -f x' EXIT\n"), ["a", "b", "sh", "rm"]);
    }

    #[test]
    fn variables_are_followed_where_they_are_written_out() {
        assert_eq!(names("SED=/bin/sed\nHOME_=/opt/R\n${SED} x\n\"$HOME_/bin/R\" y\n"), ["/bin/sed", "/opt/R/bin/R"]);
        assert_eq!(names(": ${R_ARCH=}\n. /opt/etc${R_ARCH}/ldpaths\n"), ["/opt/etc/ldpaths"]);
        assert_eq!(names("if x; then T=a; else T=b; fi\n$T\n"), ["x", "a|b"]);
        assert_eq!(names("\"${EDITOR:-vi}\" file\n"), ["vi"]);
    }

    #[test]
    fn keywords_and_what_a_variable_brings_are_seen_through() {
        assert_eq!(names("time curl x | grep y\ncoproc jq .\n"), ["curl", "grep", "jq"]);
        assert_eq!(names("CMD='curl -sS'\n$CMD x\n\"$CMD\" y\n"), ["curl", "curl -sS"]);
        assert_eq!(names("exec {fd}>/tmp/x\nexec 3<&0\nalias g='grep -x'\ng y\n"), ["grep"]);
        assert_eq!(
            names("timeout ${T:-10} a\ntimeout .5 b\ntimeout --signal KILL 10 c\nnice --adjustment 5 d\n"),
            ["a", "timeout", "b", "timeout", "c", "timeout", "d", "nice"]
        );
        assert_eq!(names("cat <<X\n$((1 + 2)) $(( (3) * 4 )) $((e) | (f))\nX\n"), ["cat", "e", "f"]);
    }

    #[test]
    fn what_is_not_shell_is_said_as_that() {
        let script = Script::parse(b"a\nif b; then (((\nc\n", &BTreeMap::new()).expect("read");
        assert!(script.unfollowed.iter().any(|u| u.why == Why::Syntax), "{:?}", script.unfollowed);
        let script = Script::parse(b"a\nif b; then c; fi\n", &BTreeMap::new()).expect("read");
        assert_eq!(script.unfollowed, []);
    }

    #[test]
    fn values_that_double_are_let_go() {
        let text = format!("A=x\n{}$A\n", "A=$A$A\n".repeat(64));
        let script = Script::parse(text.as_bytes(), &BTreeMap::new()).expect("read");
        assert!(script.unfollowed.iter().any(|u| u.what == "$A"), "{script:?}");
    }

    #[test]
    fn what_cannot_be_followed_is_said_with_its_line() {
        let script =
            Script::parse(b"a\n${debugger} --version\neval \"$x\"\n. \"$y\"\n", &BTreeMap::new()).expect("read");
        let lines: Vec<usize> = script.unfollowed.iter().map(|unfollowed| unfollowed.line).collect();
        assert_eq!(lines, [2, 3, 4]);
        assert_eq!(script.unfollowed[0].what, "${debugger} --version");
    }

    #[test]
    fn a_command_that_is_asked_for_first_is_guarded() {
        let text = b"if command -v jq >/dev/null; then jq .; fi\ncurl x\n";
        let script = Script::parse(text, &BTreeMap::new()).expect("read");
        let guarded: Vec<(&str, bool)> =
            script.runs.iter().map(|run| (run.commands[0].as_str(), run.guarded)).collect();
        assert_eq!(guarded, [("jq", true), ("curl", false)]);
    }

    #[test]
    fn what_is_tested_or_may_fail_is_guarded() {
        let text = b"[ -f /etc/p ] && . /etc/p\nif [ -x /usr/bin/py ]; then /usr/bin/py x; fi\ntar x || true\n\
                     test -r /a && /a\nif jq .; then curl; fi\nfalse || less\n";
        let script = Script::parse(text, &BTreeMap::new()).expect("read");
        let certain: Vec<&str> =
            script.runs.iter().filter(|run| !run.guarded).map(|run| run.commands[0].as_str()).collect();
        assert_eq!(certain, ["curl", "less"]);
    }

    #[test]
    fn a_script_may_nest_as_deep_as_it_likes() {
        let deep = format!("{}a{}", "$( ".repeat(20_000), " )".repeat(20_000));
        assert!(Script::parse(deep.as_bytes(), &BTreeMap::new()).is_ok());
        assert!(Script::parse(&[0xff, b'\n', b'(', b'{'], &BTreeMap::new()).is_ok());
    }
}
