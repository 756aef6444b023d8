//! What a word of a script is after its expansions, and whether a test of words succeeds. What depends on anything but the
//! variables that are known has no value.

use tree_sitter::Node;

use super::super::syntax::string;
use super::{MAX_DEPTH, Run, partly};

/// What stands in a value for a part of it that is not known.
pub(super) const UNKNOWN: char = '\u{1}';

/// The maximum length of a value in bytes.
const MAX_VALUE_BYTES: usize = 1 << 16;

impl Run<'_> {
    /// Whether a command succeeds: `test` of strings, `[`, `true`, `:`; `None` for others.
    pub(super) fn condition(&mut self, node: Node<'_>, text: &[u8], depth: usize) -> Option<bool> {
        match node.kind() {
            "negated_command" if depth < MAX_DEPTH => Some(!self.condition(node.named_child(0)?, text, depth + 1)?),
            "command" | "test_command" => {
                let written = string(node, text);
                let words = words(&written);
                let words: Vec<&str> = words.iter().map(|word| word.trim_end_matches(';')).collect();
                let inner = match words.as_slice() {
                    ["test", inner @ ..] | ["[", inner @ .., "]"] | ["[[", inner @ .., "]]"] => inner,
                    ["true" | ":"] => return Some(true),
                    ["false"] => return Some(false),
                    _ => return None,
                };
                match inner {
                    ["!", inner @ ..] => Some(!self.test(inner)?),
                    inner => self.test(inner),
                }
            }
            _ => None,
        }
    }

    fn test(&mut self, words: &[&str]) -> Option<bool> {
        match words {
            ["-d" | "-e" | "-f" | "-r" | "-x" | "-s" | "-L" | "-h", path] => {
                let path = self.expand(path, 0)?;
                self.files.exists(&path)
            }
            ["-n", word] | [word] => Some(!self.expand(word, 0)?.is_empty()),
            ["-z", word] => Some(self.expand(word, 0)?.is_empty()),
            [left, "=" | "==", right] => Some(self.expand(left, 0)? == self.expand(right, 0)?),
            [left, "!=", right] => Some(self.expand(left, 0)? != self.expand(right, 0)?),
            _ => None,
        }
    }

    /// A word after the expansion of parameters and the removal of quotes (POSIX 2.6.2, 2.6.7); `None` when it depends on
    /// anything else.
    pub(super) fn expand(&mut self, word: &str, depth: usize) -> Option<String> {
        self.expand_partly(word, depth).filter(|value| !value.contains(UNKNOWN))
    }

    /// The same, with [`UNKNOWN`] in place of each part that is not known; `None` when nothing is.
    pub(super) fn expand_partly(&mut self, word: &str, depth: usize) -> Option<String> {
        if depth > MAX_DEPTH {
            return None;
        }
        let mut out = String::new();
        let mut rest = word;
        let mut in_double = false;
        while let Some(c) = rest.chars().next() {
            let after = &rest[c.len_utf8()..];
            match c {
                '\'' if !in_double => {
                    let (inside, left) = after.split_once('\'')?;
                    out += inside;
                    rest = left;
                }
                '"' => {
                    in_double = !in_double;
                    rest = after;
                }
                '\\' => {
                    let escaped = after.chars().next();
                    // An escaped newline continues the line.
                    out.extend(escaped.filter(|c| *c != '\n'));
                    rest = &after[escaped.map_or(0, char::len_utf8)..];
                }
                '`' => {
                    let (inside, left) = after.split_once('`').filter(|(inside, _)| !inside.contains('\\'))?;
                    match self.substitution(inside, depth + 1) {
                        Some(value) => out += &value,
                        None => out.push(UNKNOWN),
                    }
                    rest = left;
                }
                '$' if after.starts_with('(') => {
                    let end = closing(&after[1..], '(', ')')?;
                    match self.substitution(&after[1..=end], depth + 1) {
                        Some(value) => out += &value,
                        None => out.push(UNKNOWN),
                    }
                    rest = &after[end + 2..];
                }
                '$' if after.starts_with('{') => {
                    let end = closing(&after[1..], '{', '}')?;
                    // The side effects of an expansion happen even if another part of the word is not known.
                    match self.parameter(&after[1..=end], depth + 1) {
                        Some(value) => out += &value,
                        None => out += &self.known_parts(&after[1..=end]),
                    }
                    rest = &after[end + 2..];
                }
                '$' => {
                    let end = after.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(after.len());
                    match (end, self.values.get(&after[..end])) {
                        (0, _) => out.extend(after.starts_with(|c: char| "@*#?-$!".contains(c)).then_some(UNKNOWN)),
                        (_, Some(Some(value))) => out += value,
                        (_, Some(None)) => out += &self.known_parts(&after[..end]),
                        (_, None) => {}
                    }
                    rest = &after[end..];
                }
                c => {
                    out.push(c);
                    rest = after;
                }
            }
            if out.len() > MAX_VALUE_BYTES {
                return None;
            }
        }
        Some(out)
    }

    /// What is known of the value of a variable that is not known as a whole.
    fn known_parts(&self, name: &str) -> String {
        self.values.get(&partly(name)).cloned().flatten().unwrap_or_else(|| UNKNOWN.to_string())
    }

    /// What the commands print by which scripts find their own directory: `dirname`, and `cd` with `pwd`.
    fn substitution(&mut self, inside: &str, depth: usize) -> Option<String> {
        let words = words(inside);
        let words: Vec<&str> = words
            .iter()
            .map(String::as_str)
            .map(|word| word.trim_end_matches(';'))
            .filter(|word| !word.contains("/dev/null") && !matches!(*word, "--" | "2>&1" | ""))
            .collect();
        let absolute = |path: String| path.starts_with('/').then(|| path.trim_end_matches('/').to_owned());
        match words.as_slice() {
            ["dirname", path] => Some(directory_of(&self.expand(path, depth)?)),
            ["cd", path, "&&", "pwd"] | ["cd", path, "pwd"] => absolute(self.expand(path, depth)?),
            ["cd", path, "&&", "pwd", "-P"]
            | ["cd", path, "pwd", "-P"]
            | ["readlink", "-f" | "-e", path]
            | ["realpath", path] => {
                let path = absolute(self.expand(path, depth)?)?;
                Some(self.files.real(&path).unwrap_or(path))
            }
            words => self.values.get(&format!("${}", words.join(" "))).cloned().flatten(),
        }
    }

    /// What stands between the braces of `${...}`.
    fn parameter(&mut self, inside: &str, depth: usize) -> Option<String> {
        if inside == "BASH_SOURCE[0]" {
            return self.values.get("0").cloned().flatten();
        }
        let end = inside.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(inside.len());
        let (name, rest) = inside.split_at(end);
        if name.is_empty() {
            return None;
        }
        let value = self.values.get(name).cloned();
        // Unknown values are taken to be neither absent nor empty: a script sets them to something.
        let (colon, rest) = rest.strip_prefix(':').map_or((false, rest), |rest| (true, rest));
        let is_set = match &value {
            None => false,
            Some(Some(value)) => !(colon && value.is_empty()),
            Some(None) => true,
        };
        let operator = rest.chars().next();
        let word = rest.get(1..).unwrap_or_default();
        match operator {
            None if !colon => value.unwrap_or_else(|| Some(String::new())),
            Some('-' | '=') if is_set => value.flatten(),
            Some('-') => self.expand(word, depth),
            Some('=') => {
                let expanded = self.expand(word, depth);
                self.values.insert(name.to_owned(), expanded.clone());
                self.assigned(name, value.is_some());
                expanded
            }
            Some('+') if is_set => self.expand(word, depth),
            Some('+') => Some(String::new()),
            Some('?') => value.flatten(),
            Some('%') if word == "/*" => {
                let value = value.flatten()?;
                Some(value.rsplit_once('/').map_or(value.as_str(), |(directory, _)| directory).to_owned())
            }
            _ => None,
        }
    }
}

/// The directory of a path, as `dirname` prints it.
fn directory_of(path: &str) -> String {
    match path.trim_end_matches('/').rsplit_once('/') {
        Some(("", _)) => "/".to_owned(),
        Some((directory, _)) => directory.to_owned(),
        None if path.starts_with('/') => "/".to_owned(),
        None => ".".to_owned(),
    }
}

/// The position of what closes a `${` or `$(`, behind which `text` begins.
fn closing(text: &str, opens: char, closes: char) -> Option<usize> {
    let (mut open, mut single, mut escaped) = (1_usize, false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '\'' => single = !single,
            _ if single => {}
            c if c == opens => open += 1,
            c if c == closes && open == 1 => return Some(at),
            c if c == closes => open -= 1,
            _ => {}
        }
    }
    None
}

/// The words of a simple command, with their quotes.
pub(super) fn words(command: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let (mut quote, mut braces) = (None, 0_usize);
    for c in command.chars() {
        match (c, quote) {
            ('{' | '(', _) => braces += 1,
            ('}' | ')', _) => braces = braces.saturating_sub(1),
            ('"' | '\'', None) => quote = Some(c),
            (c, Some(open)) if c == open => quote = None,
            (c, None) if c.is_whitespace() && braces == 0 => {
                words.push(String::new());
                continue;
            }
            _ => {}
        }
        if let Some(last) = words.last_mut() {
            last.push(c);
        }
    }
    words.retain(|word| !word.is_empty());
    words
}
