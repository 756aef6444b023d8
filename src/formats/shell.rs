//! Shell scripts: which commands they run, as far as reading can tell.
//!
//! The grammar is tree-sitter's of bash, which holds POSIX sh; it reads on after what it does not understand. Values of
//! variables are followed where they are written out (`SED=/bin/sed … ${SED}`); everything else that decides what is run
//! is said to be unfollowed, with its line.

use std::collections::{BTreeMap, BTreeSet};

use tree_sitter::{Node, Parser};

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

/// Commands that run the command in their arguments, each with its one-letter options that take the next word with them.
const RUNNERS: &[(&str, &str)] = &[
    ("exec", "a"),
    ("command", ""),
    ("builtin", ""),
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

/// Shells: `sh FILE` runs a script, `sh -c TEXT` what is written there.
const SHELLS: &[&str] = &["sh", "bash", "dash", "ash", "ksh"];

/// As many values as one word may have; more are not followed.
const MAX_VALUES: usize = 16;

/// How deep scripts inside scripts (`sh -c`) are read.
const MAX_DEPTH: usize = 4;

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
        let mut parser = Parser::new();
        parser.set_language(&tree_sitter_bash::LANGUAGE.into()).map_err(|error| error.to_string())?;
        let tree = parser.parse(text, None).ok_or("the script cannot be read")?;
        // Variables and functions first: a function may use a variable that is set further down.
        let mut nodes = Vec::new();
        let mut cursor = tree.walk();
        let mut guarded = BTreeSet::new();
        let mut attempts = Vec::new();
        // In the order of the text, without recursion: a script can nest as deep as it likes.
        loop {
            let node = cursor.node();
            match node.kind() {
                "variable_assignment" => self.assign(node, text),
                "expansion" => self.assign_default(node, text),
                "function_definition" => {
                    self.functions.extend(node.child_by_field_name("name").map(|name| string(name, text)));
                }
                "command" => {
                    guarded.extend(asked_for(node, text));
                    nodes.push(node);
                }
                "test_command" => guarded.extend(tested(&string(node, text))),
                // `a || b` goes on without a, and `if a` asks.
                "list" => attempts.extend(left_of_or(node, text)),
                "if_statement" | "elif_clause" => {
                    attempts.extend(node.child_by_field_name("condition").map(|condition| condition.byte_range()));
                }
                "ERROR" => self.unfollowed(node, text, first_line),
                _ => {}
            }
            if cursor.goto_first_child() {
                continue;
            }
            while !cursor.goto_next_sibling() {
                if !cursor.goto_parent() {
                    for node in nodes {
                        let before = self.runs.len();
                        self.command(node, text, first_line, depth);
                        let attempt = attempts.iter().any(|range| range.contains(&node.start_byte()));
                        for run in &mut self.runs[before..] {
                            run.guarded |= attempt || run.commands.iter().any(|command| guarded.contains(command));
                        }
                    }
                    return Ok(());
                }
            }
        }
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
        if known.len() > MAX_VALUES {
            known.clear();
            self.unknown.insert(name);
        }
    }

    fn unfollowed(&mut self, node: Node<'_>, text: &[u8], first_line: usize) {
        let shown: String = string(node, text).lines().next().unwrap_or_default().chars().take(60).collect();
        self.unfollowed.push(Unfollowed { line: first_line + node.start_position().row + 1, what: shown });
    }

    fn command(&mut self, node: Node<'_>, text: &[u8], first_line: usize, depth: usize) {
        let line = first_line + node.start_position().row + 1;
        let mut cursor = node.walk();
        let name = node.child_by_field_name("name").and_then(|name| name.named_child(0));
        let arguments = node.children_by_field_name("argument", &mut cursor);
        let mut words = name.into_iter().chain(arguments).peekable();
        while let Some(word) = words.next() {
            let values = self.values(word, text);
            if values.is_empty() {
                // A command that is made of what is not known: `${debugger} --version`.
                self.unfollowed(node, text, first_line);
                return;
            }
            let base = |value: &String| value.rsplit('/').next().unwrap_or(value).to_owned();
            let runner = RUNNERS.iter().find(|(name, _)| values.iter().any(|value| base(value) == *name));
            let shell = values.iter().any(|value| SHELLS.contains(&base(value).as_str()));
            let own = |value: &&String| !value.is_empty() && !BUILTINS.contains(&value.as_str());
            let commands: Vec<String> = values.iter().filter(own).cloned().collect();
            if !commands.is_empty() {
                self.runs.push(Run { line, commands, how: How::Command, guarded: false });
            }
            if values.contains("eval") {
                self.unfollowed(node, text, first_line);
            }
            if let Some((runner, with_value)) = runner {
                // What comes before the command: options, `env`'s variables, `timeout`'s time.
                while let Some(next) = words.peek().map(|word| string(*word, text)) {
                    let number = *runner == "timeout" && next.starts_with(|c: char| c.is_ascii_digit());
                    let variable = *runner == "env" && next.contains('=');
                    if !(next.starts_with('-') || variable || number) {
                        break;
                    }
                    words.next();
                    // `command -v` asks whether a command is there.
                    if *runner == "command" && next.to_ascii_lowercase().contains('v') {
                        return;
                    }
                    let letter = next.strip_prefix('-').filter(|letter| letter.len() == 1);
                    if letter.is_some_and(|letter| with_value.contains(letter)) {
                        words.next();
                    }
                }
                continue;
            }
            if values.contains(".") || values.contains("source") || shell {
                self.shell_reads(words.collect(), shell, text, (line, depth), node, first_line);
            } else if values.contains("trap")
                && let Some(action) = words.next()
            {
                self.nested(action, text, line, depth);
            }
            return;
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
                self.unfollowed(node, text, first_line);
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
        if values.is_empty() || depth >= MAX_DEPTH {
            self.unfollowed.push(Unfollowed { line, what: string(word, text).chars().take(60).collect() });
            return;
        }
        for value in values {
            // Its language was taken by the outer parser already, so this cannot fail.
            let _ = self.read(value.as_bytes(), line - 1, depth + 1);
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
                .take(MAX_VALUES)
                .collect();
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

/// Where the left side of `||` stands.
fn left_of_or(list: Node<'_>, text: &[u8]) -> Option<std::ops::Range<usize>> {
    let mut cursor = list.walk();
    let or = list.children(&mut cursor).find(|child| string(*child, text) == "||")?;
    Some(list.start_byte()..or.start_byte())
}

fn unescaped(word: &str) -> String {
    let mut out = String::with_capacity(word.len());
    let mut chars = word.chars();
    while let Some(c) = chars.next() {
        if c == '\\' { out.extend(chars.next()) } else { out.push(c) }
    }
    out
}

fn string(node: Node<'_>, text: &[u8]) -> String {
    String::from_utf8_lossy(text.get(node.byte_range()).unwrap_or_default()).into_owned()
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
