//! Changes to the text of a TOML file that leave the rest as it is, byte for byte: line ends, a byte order mark, comments, and
//! whether the last line ends. A value is replaced where it stands, and what is new gets a line, or a place in a list, of its
//! own.

use std::ops::Range;

use toml_edit::{Document, Item, Table, TomlError, Value};

use crate::base::error::{Error, Result};

/// The byte order mark that some editors put first.
const MARK: char = '\u{feff}';

/// How far elements of a list are indented that had no line of their own.
const INDENT: &str = "  ";

/// The text as TOML, with the places of everything in it after the byte order mark.
pub(super) fn document(text: &str) -> std::result::Result<Document<&str>, TomlError> {
    Document::parse(body(text))
}

/// The text without its byte order mark.
fn body(text: &str) -> &str {
    text.strip_prefix(MARK).unwrap_or(text)
}

/// The same, of a text that was TOML before it was changed here.
fn parsed(text: &str) -> Result<Document<&str>> {
    document(text).map_err(Error::bug("change a TOML file"))
}

/// Whether a key before the first table is `true`.
///
/// # Errors
/// When the text is not TOML.
pub(super) fn is_on(text: &str, key: &str) -> Result<bool> {
    Ok(parsed(text)?.as_table().get(key).and_then(Item::as_bool) == Some(true))
}

/// The text with this value for a key before the first table.
///
/// # Errors
/// When the text is not TOML, also when changed.
pub(super) fn set(text: &str, key: &str, value: &Value) -> Result<String> {
    let document = parsed(text)?;
    let old = document.as_table().get(key).and_then(Item::span);
    let changed = match old {
        Some(place) => spliced(body(text), &[(place, value.to_string())]),
        None => with_line(body(text), document.as_table(), &format!("{key} = {value}")),
    };
    finished(text, changed)
}

/// The text with these values in the list of a key before the first table; those that it has are not added.
///
/// # Errors
/// When the text is not TOML, also when changed.
pub(super) fn add(text: &str, key: &str, values: &[String]) -> Result<String> {
    let document = parsed(text)?;
    let list = document.as_table().get(key).and_then(Item::as_array);
    let has = |value: &String| list.is_some_and(|list| list.iter().any(|has| has.as_str() == Some(value)));
    let mut new: Vec<String> = Vec::new();
    for value in values.iter().filter(|value| !has(value)).map(|value| Value::from(value.as_str()).to_string()) {
        if !new.contains(&value) {
            new.push(value);
        }
    }
    let body = body(text);
    let place = list.and_then(|list| Some((list.span()?, list.iter().last().map(Value::span))));
    let changed = match place {
        _ if new.is_empty() => return Ok(text.to_owned()),
        None => with_line(body, document.as_table(), &format!("{key} = [{}]", new.join(", "))),
        Some((list, Some(Some(last)))) => after_last(body, &list, &last, &new),
        Some((list, _)) => into_empty(body, &list, &new),
    };
    finished(text, changed)
}

/// The changed text with the byte order mark of the old one.
fn finished(old: &str, changed: String) -> Result<String> {
    parsed(&changed)?;
    Ok(if old.starts_with(MARK) { format!("{MARK}{changed}") } else { changed })
}

/// The text with each of these places replaced.
fn spliced(text: &str, changes: &[(Range<usize>, String)]) -> String {
    let (mut new, mut from) = (String::new(), 0);
    for (place, with) in changes {
        new += &text[from..place.start];
        new += with;
        from = place.end;
    }
    new + &text[from..]
}

/// The text with a line for a new key: behind the last one before the first table, or else before that table and what is
/// written above it.
fn with_line(text: &str, root: &Table, line: &str) -> String {
    let at = match last_value(root) {
        Some(end) => {
            let end = line_end(text, end);
            end + text[end..].find('\n').map_or(0, |newline| newline + 1)
        }
        None => before_first_table(text),
    };
    let is_line_start = at == 0 || text[..at].ends_with('\n');
    let end = end_of_lines(text, at);
    let line = if is_line_start { format!("{line}{end}") } else { format!("{end}{line}") };
    spliced(text, &[(at..at, line)])
}

/// Where the last value before the first table ends.
fn last_value(table: &Table) -> Option<usize> {
    let ends = table.iter().filter_map(|(_, item)| match item {
        Item::Value(value) => value.span().map(|span| span.end),
        Item::Table(below) if below.is_dotted() => last_value(below),
        _ => None,
    });
    ends.max()
}

/// Where the first table begins in a text without anything else but comments, with the comments right above it.
fn before_first_table(text: &str) -> usize {
    let (mut at, mut block) = (0, None);
    for line in text.split_inclusive('\n') {
        match line.trim_start().chars().next() {
            Some('[') => return block.unwrap_or(at),
            Some('#') => block = block.or(Some(at)),
            _ => block = None,
        }
        at += line.len();
    }
    at
}

/// The text with more elements behind the last one of a list: on lines of their own where that one ends its line, whose comment
/// stays with it.
fn after_last(text: &str, list: &Range<usize>, last: &Range<usize>, new: &[String]) -> String {
    let comma = comma(&text[last.end..list.end - 1]).map(|at| last.end + at);
    let after = comma.map_or(last.end, |comma| comma + 1);
    let end = line_end(text, after);
    let rest = text[after..end].trim_start();
    let start = text[..last.start].rfind('\n').map_or(0, |newline| newline + 1);
    let line = &text[start..last.start];
    let is_alone = line.trim_start().is_empty() && start > list.start;
    let mut indent = line[..line.len() - line.trim_start().len()].to_owned();
    if start <= list.start {
        indent += INDENT;
    }
    let between = format!("{}{indent}", end_of_lines(text, end));
    if rest.is_empty() || rest.starts_with('#') {
        let mut added: String = new.iter().map(|value| format!("{between}{value},")).collect();
        if comma.is_some() {
            return spliced(text, &[(end..end, added)]);
        }
        added.pop();
        return spliced(text, &[(last.end..last.end, ",".to_owned()), (end..end, added)]);
    }
    let between = if is_alone { between.as_str() } else { " " };
    let added: String = new.iter().map(|value| format!(",{between}{value}")).collect();
    spliced(text, &[(last.end..last.end, added)])
}

/// The text with elements in a list that has none.
fn into_empty(text: &str, list: &Range<usize>, new: &[String]) -> String {
    let (inside, close) = (list.start + 1, list.end - 1);
    let Some(newline) = text[inside..close].rfind('\n') else {
        return spliced(text, &[(inside..inside, new.join(", "))]);
    };
    // Behind its comments.
    let at = inside + newline + 1;
    let indent = &text[at..close];
    let end = end_of_lines(text, inside);
    let added: String = new.iter().map(|value| format!("{indent}{INDENT}{value},{end}")).collect();
    spliced(text, &[(at..at, added)])
}

/// Where the comma is in what follows an element, outside of comments.
fn comma(text: &str) -> Option<usize> {
    let mut in_comment = false;
    text.char_indices().find_map(|(at, c)| {
        match c {
            '#' => in_comment = true,
            '\n' => in_comment = false,
            ',' if !in_comment => return Some(at),
            _ => {}
        }
        None
    })
}

/// Where the line ends that has this place, before the characters that end it.
fn line_end(text: &str, at: usize) -> usize {
    let line = text[at..].split('\n').next().unwrap_or_default();
    at + line.strip_suffix('\r').unwrap_or(line).len()
}

/// What ends the line that has this place; if it is the last one and does not end, what ends others.
fn end_of_lines(text: &str, at: usize) -> &'static str {
    let newline = text[at..].find('\n').map(|newline| at + newline).or_else(|| text.find('\n'));
    if newline.is_some_and(|newline| text[..newline].ends_with('\r')) { "\r\n" } else { "\n" }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "# How it is packed.\nruntime = \"provided.al2023\" # the default\nstrip = \"debug\" # small\n\
                        drop = [\n  \"pkg:a\", # large\n  \"pkg:b\", # as well\n  # \"pkg:x\",\n]\n# select = [\"x\"]\n\n\
                        [env]\nTZ = \"UTC\" # here\n";

    fn added(text: &str, key: &str, values: &[&str]) -> String {
        let values: Vec<String> = values.iter().map(|value| (*value).to_owned()).collect();
        add(text, key, &values).expect("TOML")
    }

    #[test]
    fn what_is_written_leaves_the_rest_of_the_file_as_it_is() {
        let change = |text: &str| {
            let text = set(text, "strip", &Value::from("all")).expect("TOML");
            let text = set(&text, "bundle", &Value::from(true)).expect("TOML");
            let text = added(&text, "drop", &["pkg:b", "pkg:c", "pkg:c"]);
            added(&text, "select", &["help"])
        };
        let expected = FILE
            .replace("\"debug\" # small", "\"all\" # small")
            .replace("# as well\n", "# as well\n  \"pkg:c\",\n")
            .replace("]\n# select", "]\nbundle = true\nselect = [\"help\"]\n# select");
        assert_eq!(change(FILE), expected);
        let crlf = |text: &str| text.replace('\n', "\r\n");
        assert_eq!(change(&crlf(FILE)), crlf(&expected));
        let mark = |text: &str| format!("\u{feff}{text}");
        assert_eq!(change(&mark(&crlf(FILE))), mark(&crlf(&expected)));
    }

    #[test]
    fn an_element_is_added_in_the_form_of_the_last_one_and_comments_stay_where_they_are() {
        for (list, with) in [
            ("[]", "[\"c\"]"),
            ("[ ]", "[\"c\" ]"),
            ("[\n]", "[\n  \"c\",\n]"),
            ("[\n  # \"x\",\n]", "[\n  # \"x\",\n  \"c\",\n]"),
            ("[\"a\"]", "[\"a\", \"c\"]"),
            ("[\"a\", 'b',]", "[\"a\", 'b', \"c\",]"),
            ("[\"a,#]\"]", "[\"a,#]\", \"c\"]"),
            ("[\n\t\"a\"\n]", "[\n\t\"a\",\n\t\"c\"\n]"),
            ("[\n  \"a\" # one, two ]\n]", "[\n  \"a\", # one, two ]\n  \"c\"\n]"),
            ("[\n  \"a\", # one\n  # two\n]", "[\n  \"a\", # one\n  \"c\",\n  # two\n]"),
            ("[\"a\", # one\n  \"b\"]", "[\"a\", # one\n  \"b\",\n  \"c\"]"),
            ("[\"a\" # one\n]", "[\"a\", # one\n  \"c\"\n]"),
            ("[\n  \"a\", \"b\",\n]", "[\n  \"a\", \"b\",\n  \"c\",\n]"),
            ("[\n  \"a\"\n  , \"b\"\n  ]", "[\n  \"a\"\n  , \"b\",\n  \"c\"\n  ]"),
            ("[\n  \"a\" # one\n  ,\n]", "[\n  \"a\" # one\n  ,\n  \"c\",\n]"),
        ] {
            for end in ["", "\n", " # behind\nb = 1\n"] {
                let text = format!("x.y = {{ z = 1 }}\ndrop = {list}{end}");
                let expected = format!("x.y = {{ z = 1 }}\ndrop = {with}{end}");
                assert_eq!(added(&text, "drop", &["c"]), expected);
                let crlf = |text: &str| text.replace('\n', "\r\n");
                assert_eq!(added(&crlf(&text), "drop", &["c"]), crlf(&expected));
            }
        }
    }

    #[test]
    fn a_new_key_is_behind_those_before_the_first_table() {
        for (text, with) in [
            ("", "new = true\n"),
            ("# about\n", "# about\nnew = true\n"),
            ("# about", "# about\nnew = true"),
            ("a = 1", "a = 1\nnew = true"),
            ("a = 1 # one", "a = 1 # one\nnew = true"),
            ("a = 1\r\nb = 2", "a = 1\r\nb = 2\r\nnew = true"),
            (
                "env.TZ = \"UTC\" # one\n\n[publish]\nprefix = \"r\"",
                "env.TZ = \"UTC\" # one\nnew = true\n\n[publish]\nprefix = \"r\"",
            ),
            ("a = \"\"\"\n[x]\n\"\"\"\n[b]\n", "a = \"\"\"\n[x]\n\"\"\"\nnew = true\n[b]\n"),
            (
                "# about\n\n# the budget\n[[budget]]\nof = \"total\"\n",
                "# about\n\nnew = true\n# the budget\n[[budget]]\nof = \"total\"\n",
            ),
            ("[env]\nTZ = \"UTC\"\n", "new = true\n[env]\nTZ = \"UTC\"\n"),
        ] {
            assert_eq!(set(text, "new", &Value::from(true)).expect("TOML"), with, "{text}");
        }
        let inline = "env = { TZ = \"UTC\", new = 1 } # here\nnew = false # off\n";
        let on = inline.replace("new = false", "new = true");
        assert_eq!(set(inline, "new", &Value::from(true)).expect("TOML"), on);
        assert!(is_on(&on, "new").expect("TOML") && !is_on(inline, "new").expect("TOML"));
        let quoted = "\"drop\" = ['a']\n";
        assert_eq!(added(quoted, "drop", &["c"]), "\"drop\" = ['a', \"c\"]\n");
    }
}
