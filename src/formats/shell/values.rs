//! Values: what variables are assigned and what words expand to, as far as they are literals.

use std::collections::BTreeSet;

use tree_sitter::Node;

use super::Script;
use super::syntax::string;

/// The maximum number of values of one word; more are not followed.
const MAX_VALUES: usize = 16;

/// The maximum length of a value in bytes, that of a path (PATH_MAX): `A=$A$A` doubles it.
const MAX_VALUE_BYTES: usize = 4096;

impl Script {
    /// `NAME=VALUE`, when the value is a literal.
    pub(super) fn assign(&mut self, node: Node<'_>, text: &[u8]) {
        let Some(name) = node.child_by_field_name("name").filter(|name| name.kind() == "variable_name") else { return };
        let values = match node.child_by_field_name("value") {
            Some(value) => self.values(value, text),
            None => BTreeSet::from([String::new()]),
        };
        self.bind(string(name, text), values);
    }

    /// `${NAME=VALUE}` and `${NAME:-VALUE}`: the value that it has when nothing else assigned one.
    pub(super) fn assign_default(&mut self, node: Node<'_>, text: &[u8]) {
        let Some((name, operator, value)) = default_value(&string(node, text)) else { return };
        if operator.ends_with('=') && !value.contains(['$', '`', '"', '\'', '\\']) {
            self.bind(name, BTreeSet::from([value]));
        }
    }

    fn bind(&mut self, name: String, values: BTreeSet<String>) {
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
    /// The commands that a word can expand to, and those that are followed by more words: an unquoted expansion is split
    /// into words (POSIX 2.6.5).
    pub(super) fn first_words(&self, word: Node<'_>, text: &[u8]) -> (BTreeSet<String>, BTreeSet<String>) {
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

    /// The values that a word can have; none when they are not known.
    pub(super) fn values(&self, word: Node<'_>, text: &[u8]) -> BTreeSet<String> {
        let one = |text: String| BTreeSet::from([text]);
        match word.kind() {
            "word" | "variable_name" | "string_content" | "number" | "extglob_pattern" => {
                one(unescaped(&string(word, text)))
            }
            "raw_string" => one(string(word, text).trim_matches('\'').to_owned()),
            "string" | "concatenation" => self.joined(word, text),
            "simple_expansion" | "expansion" => self.expansion(&string(word, text)),
            "command_substitution" => self.directory_name(word, text),
            _ => BTreeSet::new(),
        }
    }

    /// The values of concatenated parts. Text of a string that is only white space is not a node.
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
            // The value of a part is not known, so neither is the whole.
            if joined.is_empty() {
                return joined;
            }
            at = part.end_byte();
        }
        let rest = String::from_utf8_lossy(text.get(at..end.max(at)).unwrap_or_default()).into_owned();
        joined.into_iter().map(|head| head + &rest).collect()
    }

    /// The values of the commands by which scripts find their own directory: `$(dirname WORD)`, `$(cd WORD && pwd)`, and
    /// `$(readlink -f WORD)`, for which links are not followed.
    fn directory_name(&self, word: Node<'_>, text: &[u8]) -> BTreeSet<String> {
        let commands = commands_in(word);
        let parts = |command: &Node<'_>| {
            let name = command.child_by_field_name("name").map(|name| string(name, text)).unwrap_or_default();
            let mut cursor = command.walk();
            let arguments = command.children_by_field_name("argument", &mut cursor);
            let arguments: Vec<String> = arguments.map(|argument| string(argument, text)).collect();
            (name, arguments)
        };
        let of = |command: &Node<'_>| {
            let mut cursor = command.walk();
            let last = command.children_by_field_name("argument", &mut cursor).last();
            last.map(|path| self.values(path, text)).unwrap_or_default()
        };
        let read: Vec<(String, Vec<String>)> = commands.iter().map(parts).collect();
        let called: Vec<(&str, Vec<&str>)> = read
            .iter()
            .map(|(name, arguments)| {
                (name.as_str(), arguments.iter().map(String::as_str).filter(|argument| *argument != "--").collect())
            })
            .collect();
        match (called.as_slice(), commands.as_slice()) {
            ([("dirname", arguments)], [command]) if arguments.len() == 1 => {
                of(command).iter().map(|path| without_last(path).to_owned()).collect()
            }
            ([("readlink", arguments)], [command]) if arguments.len() == 2 && matches!(arguments[0], "-f" | "-e") => {
                of(command)
            }
            ([("realpath", arguments)], [command]) if arguments.len() == 1 => of(command),
            ([("cd", arguments), ("pwd", _)], [command, _]) if arguments.len() == 1 => of(command),
            _ => BTreeSet::new(),
        }
    }

    fn expansion(&self, written: &str) -> BTreeSet<String> {
        // `${0%/*}`: the directory of a path.
        if let Some(name) = written.strip_prefix("${").and_then(|inside| inside.strip_suffix("%/*}")) {
            let values = self.variables.get(name).into_iter().flatten();
            return values.map(|path| path.rsplit_once('/').map_or(path.as_str(), |(to, _)| to).to_owned()).collect();
        }
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

/// The commands of a substitution that run one after the other, if it has nothing else.
fn commands_in(node: Node<'_>) -> Vec<Node<'_>> {
    let mut cursor = node.walk();
    let inside = node.named_children(&mut cursor).filter(|child| child.kind() != "file_redirect");
    let commands = inside.map(|child| match child.kind() {
        "command" => vec![child],
        "list" | "redirected_statement" => commands_in(child),
        // Anything else is not understood: no known sequence has three commands.
        _ => vec![child; 3],
    });
    commands.flatten().take(3).collect()
}

/// The parts of `${NAME:-VALUE}`, `${NAME-VALUE}`, `${NAME:=VALUE}` and `${NAME=VALUE}`.
fn default_value(written: &str) -> Option<(String, String, String)> {
    let inside = written.strip_prefix("${")?.strip_suffix('}')?;
    let end = inside.find(|c: char| !c.is_ascii_alphanumeric() && c != '_')?;
    let (name, rest) = inside.split_at(end);
    let operator = [":-", ":=", "-", "="].into_iter().find(|operator| rest.starts_with(operator))?;
    Some((name.to_owned(), operator.to_owned(), rest[operator.len()..].to_owned()))
}

/// The directory of a path, as `dirname` prints it for a path that does not end with a slash.
fn without_last(path: &str) -> &str {
    match path.rsplit_once('/') {
        Some(("", _)) => "/",
        Some((directory, _)) => directory,
        None => ".",
    }
}

fn unescaped(word: &str) -> String {
    let mut out = String::with_capacity(word.len());
    let mut chars = word.chars();
    while let Some(c) = chars.next() {
        if c == '\\' { out.extend(chars.next()) } else { out.push(c) }
    }
    out
}
