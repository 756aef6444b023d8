//! R's environment files: `etc/Renviron`, `etc/Renviron.site`, and the user's (`?Startup`), read as R reads them.
//!
//! Each line is `NAME=VALUE`; `${NAME-DEFAULT}` and `${NAME:-DEFAULT}` are expanded, in each other, and then quotes are removed
//! (`process_Renviron`, `findterm`, `subterm` and `Putenv` in R's src/main/Renviron.c). A line with an empty value has no
//! effect. Compared with R 4.2.2.

use crate::formats::shell::Environment;

/// How deeply defaults may be nested: R's own are two deep.
const MAX_DEPTH: usize = 32;

/// Sets what a file sets.
pub(super) fn apply(text: &str, environment: &mut Environment) {
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let Some((name, value)) = line.split_once('=') else { continue };
        let (name, value) = (name.trim(), expanded(value.trim(), environment, 0));
        match value {
            Some(value) if !name.is_empty() && !value.is_empty() => environment.set(name, unquoted(&value)),
            None if !name.is_empty() => environment.forget_value(name),
            _ => {}
        }
    }
}

/// A value with its `${...}` expanded; `None` when it depends on a variable whose value is not known.
fn expanded(text: &str, environment: &Environment, depth: usize) -> Option<String> {
    if depth > MAX_DEPTH {
        return None;
    }
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        let inside = rest[at..].strip_prefix("${");
        let Some((inside, end)) = inside.and_then(|inside| Some((inside, closing_brace(inside)?))) else { break };
        out += &rest[..at];
        out += &term(inside[..end].trim(), environment, depth)?;
        rest = &inside[end + 1..];
    }
    Some(out + rest)
}

/// `NAME`, `NAME-DEFAULT` or `NAME:-DEFAULT`.
fn term(inside: &str, environment: &Environment, depth: usize) -> Option<String> {
    let (name, default) = match inside.split_once('-') {
        Some((name, default)) => (name, Some(default)),
        None => (inside, None),
    };
    let (name, colon) = name.strip_suffix(':').map_or((name, false), |name| (name, true));
    if environment.is_unknown(name) {
        return None;
    }
    match (environment.get(name), default) {
        (Some(value), _) if !(colon && value.is_empty()) => Some(value.to_owned()),
        (_, Some(default)) => expanded(default, environment, depth + 1),
        (_, None) => Some(String::new()),
    }
}

/// The position of the brace that closes one that is open.
fn closing_brace(text: &str) -> Option<usize> {
    let mut open = 1_usize;
    for (at, c) in text.char_indices() {
        match c {
            '{' => open += 1,
            '}' if open == 1 => return Some(at),
            '}' => open -= 1,
            _ => {}
        }
    }
    None
}

/// A value without its quotes; backslashes stay inside them and before another one.
fn unquoted(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    let mut quote = None;
    let mut chars = value.chars().peekable();
    while let Some(c) = chars.next() {
        match (c, quote) {
            ('"' | '\'', None) => quote = Some(c),
            (c, Some(open)) if c == open => quote = None,
            ('\\', None) if chars.peek() != Some(&'\\') => {}
            ('\\', None) => {
                chars.next();
                out.push('\\');
            }
            (c, _) => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What R 4.2.2 makes of each line, with XX=sys in the environment and NO, ALSO unset.
    #[test]
    fn lines_are_read_as_r_reads_them() {
        for (line, value) in [
            ("A=x", Some("x")),
            (" A = ${NO-${ALSO:-'a b'c}}-${XX}x # t ", Some("a bc-sysx # t")),
            ("A=${XX-site}", Some("sys")),
            ("A=${EMPTY-x}y", Some("y")),
            ("A=${EMPTY:-x}y", Some("xy")),
            ("A=${NO-'x'}${ALSO:-y\"}z", Some("xyz")),
            ("A=a\\\\b'c\\d'", Some("a\\bc\\d")),
            ("A=", None),
            ("#A=x", None),
            ("A", None),
            ("A=$XX", Some("$XX")),
        ] {
            let mut environment = Environment::default();
            environment.set("XX", "sys");
            environment.set("EMPTY", "");
            apply(line, &mut environment);
            assert_eq!(environment.get("A"), value, "{line}");
        }
    }
}
