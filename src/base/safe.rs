//! Text that others made, as text that is safe to print: the names in a tree, an ELF file's strings, the messages of other
//! programs.
//!
//! No such text writes to a terminal, changes the order in which a reader sees it, or becomes a command of a CI server that
//! reads the output. [`printable`] makes one line of a name or a message where it enters a sentence; [`Safe`] and [`safe`]
//! are the last step before an output is written.

use std::borrow::Cow;

/// How much of one name or message is shown, in characters.
pub const MAX_SHOWN: usize = 4096;

/// Whether a character does something instead of being shown: control characters, the controls of writing direction
/// (Unicode Standard Annex 9) and the line and paragraph separators.
pub fn is_control(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Bytes as one line of text that is safe to print: bytes that are not UTF-8 as `\xNN`, control characters escaped.
///
/// A file name can contain terminal escape sequences and line ends; they must not reach the terminal.
pub fn printable(bytes: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(bytes)
        && !text.chars().any(is_control)
    {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(bytes.len() + 8);
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            if is_control(c) { out.extend(c.escape_default()) } else { out.push(c) }
        }
        for byte in chunk.invalid() {
            out.push_str(&format!("\\x{byte:02x}"));
        }
    }
    Cow::Owned(out)
}

/// A message or a name as one line that is safe to print and is not longer than [`MAX_SHOWN`] characters.
pub fn one_line(text: &str) -> String {
    cut(&printable(text.as_bytes()), MAX_SHOWN).into_owned()
}

/// A message of several lines, such as another program's, as one line that is safe to print; see [`one_line`].
pub fn joined_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    one_line(&lines.join(" "))
}

/// The beginning of a text, and how much more there is; a short one is unchanged.
pub fn cut(text: &str, most: usize) -> Cow<'_, str> {
    match text.char_indices().nth(most) {
        None => Cow::Borrowed(text),
        Some((end, _)) => Cow::Owned(format!("{}… ({} more bytes)", &text[..end], text.len() - end)),
    }
}

/// The syntax of an output, and so how a character is written in it without its effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// For people: plain text and Markdown, in which `\` escapes too.
    Text,
    /// JSON: as a number in the string that has it.
    Json,
    /// HTML and XML.
    Markup,
}

/// What layerfit itself writes to colour text (ECMA-48, 8.3.117): bold, red, green, yellow, and off.
const STYLES: [&str; 5] = ["\u{1b}[1m", "\u{1b}[31m", "\u{1b}[32m", "\u{1b}[33m", "\u{1b}[0m"];

/// Makes the parts of an output safe: control characters other than line ends and tabs are escaped, and nothing becomes a
/// workflow command, which GitHub Actions takes from any line that begins with `::` after blanks, and from `##[` anywhere
/// (`ActionCommand.cs` of actions/runner). `##vso[` and `##teamcity[` are those of Azure Pipelines and TeamCity.
#[derive(Debug, Clone)]
pub struct Safe {
    form: Form,
    /// Whether the colours of layerfit are kept.
    styled: bool,
    line: Line,
    /// What came last, of the beginning of `##[` and `##word[`.
    hash: Hash,
    /// The beginning of a character whose other bytes are in the next part.
    rest: Vec<u8>,
}

/// What the line has so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line {
    Blank,
    Colon,
    Text,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hash {
    None,
    One,
    Two,
}

impl Safe {
    /// For the parts of an output of this form.
    pub fn new(form: Form, styled: bool) -> Self {
        Self { form, styled, line: Line::Blank, hash: Hash::None, rest: Vec::new() }
    }

    /// The next part of the output. A character at its end that is not complete is kept for the next one.
    pub fn part(&mut self, bytes: &[u8]) -> String {
        let all = if self.rest.is_empty() { Cow::Borrowed(bytes) } else { Cow::Owned([&self.rest, bytes].concat()) };
        self.rest = Vec::new();
        let mut out = String::with_capacity(all.len());
        let mut read = 0;
        for chunk in all.utf8_chunks() {
            self.text(chunk.valid(), &mut out);
            read += chunk.valid().len() + chunk.invalid().len();
            let incomplete = std::str::from_utf8(chunk.invalid()).is_err_and(|error| error.error_len().is_none());
            if incomplete && read == all.len() {
                self.rest = chunk.invalid().to_vec();
            } else {
                for byte in chunk.invalid() {
                    self.escape(&format!("\\x{byte:02x}"), &mut out);
                }
            }
        }
        out
    }

    /// The end of the output: bytes that were kept are those of a character that was never completed.
    pub fn end(&mut self) -> String {
        let mut out = String::new();
        for byte in std::mem::take(&mut self.rest) {
            self.escape(&format!("\\x{byte:02x}"), &mut out);
        }
        out
    }

    fn escape(&mut self, escaped: &str, out: &mut String) {
        out.push_str(escaped);
        (self.line, self.hash) = (Line::Text, Hash::None);
    }

    fn text(&mut self, text: &str, out: &mut String) {
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            if (self.line, self.hash) == (Line::Text, Hash::None) {
                // Most of it: what is shown as it is, in a line that has begun.
                let is_plain = |byte: &u8| matches!(byte, b' '..=b'"' | b'$'..=b'~');
                let plain = rest.bytes().position(|byte| !is_plain(&byte)).unwrap_or(rest.len());
                if plain > 0 {
                    out.push_str(&rest[..plain]);
                    rest = &rest[plain..];
                    continue;
                }
            }
            if c == '\u{1b}'
                && self.styled
                && let Some(style) = STYLES.iter().find(|style| rest.starts_with(**style))
            {
                out.push_str(style);
                rest = &rest[style.len()..];
                continue;
            }
            rest = &rest[c.len_utf8()..];
            if is_control(c) && !matches!(c, '\n' | '\t') {
                let escaped = match self.form {
                    Form::Json => format!("\\u{:04x}", u32::from(c)),
                    Form::Text | Form::Markup => c.escape_default().to_string(),
                };
                self.escape(&escaped, out);
                continue;
            }
            let command = (c == ':' && self.line == Line::Colon) || (c == '[' && self.hash == Hash::Two);
            match (command, self.form) {
                (false, _) => out.push(c),
                (true, Form::Text) => out.extend(['\\', c]),
                (true, Form::Json) => out.push_str(&format!("\\u{:04x}", u32::from(c))),
                (true, Form::Markup) => out.push_str(&format!("&#{};", u32::from(c))),
            }
            self.line = match (c, self.line) {
                ('\n', _) => Line::Blank,
                (c, Line::Blank) if c.is_whitespace() => Line::Blank,
                (':', Line::Blank) => Line::Colon,
                _ => Line::Text,
            };
            self.hash = match (c, self.hash) {
                ('#', Hash::None) => Hash::One,
                ('#', _) | ('a'..='z' | 'A'..='Z', Hash::Two) => Hash::Two,
                _ => Hash::None,
            };
        }
    }
}

/// A whole output made safe; see [`Safe`].
pub fn safe(output: &[u8], form: Form) -> Vec<u8> {
    let mut safe = Safe::new(form, false);
    let mut out = safe.part(output);
    out += &safe.end();
    out.into_bytes()
}

/// A whole output made safe, with layerfit's own colours.
pub fn safe_styled(output: &[u8]) -> Vec<u8> {
    let mut safe = Safe::new(Form::Text, true);
    let mut out = safe.part(output);
    out += &safe.end();
    out.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(output: &str, form: Form) -> String {
        String::from_utf8(safe(output.as_bytes(), form)).expect("UTF-8")
    }

    #[test]
    fn names_cannot_write_to_the_terminal() {
        assert_eq!(printable(b"a\x1b[31m\xff\n"), "a\\u{1b}[31m\\xff\\n");
        assert_eq!(printable("a\u{202e}b\u{2028}\u{85}".as_bytes()), "a\\u{202e}b\\u{2028}\\u{85}");
        assert_eq!(printable("Übung".as_bytes()), "Übung");
    }

    #[test]
    fn a_long_message_is_cut_and_says_how_long_it_was() {
        assert_eq!(cut("äbc", 3), "äbc");
        assert_eq!(cut("äbcde", 2), "äb… (3 more bytes)");
    }

    #[test]
    fn no_line_of_an_output_is_a_command() {
        for (given, form, expected) in [
            ("a\n  ::error::x", Form::Text, "a\n  :\\:error::x"),
            ("::error::x", Form::Markup, ":&#58;error::x"),
            ("\u{3000}::x", Form::Text, "\u{3000}:\\:x"),
            ("stats::sd", Form::Text, "stats::sd"),
            (": :x", Form::Text, ": :x"),
            ("x ##[error]y", Form::Text, "x ##\\[error]y"),
            ("##vso[task]", Form::Text, "##vso\\[task]"),
            ("###[a]", Form::Text, "###\\[a]"),
            ("## [a] #[b]", Form::Text, "## [a] #[b]"),
            ("\"##[error]\"", Form::Json, "\"##\\u005berror]\""),
            ("<a>##[", Form::Markup, "<a>##&#91;"),
            ("a\r::x\u{202e}", Form::Text, "a\\r::x\\u{202e}"),
            ("\"\u{202e}\u{7f}\"", Form::Json, "\"\\u202e\\u007f\""),
        ] {
            let once = text(given, form);
            assert_eq!(once, expected);
            assert_eq!(text(&once, form), once, "what is safe is not changed");
        }
    }

    #[test]
    fn only_the_colours_of_layerfit_are_kept_and_only_where_asked() {
        let output = "\u{1b}[1m\u{1b}[31merror\u{1b}[0m \u{1b}]0;title\u{7}";
        let styled = String::from_utf8(safe_styled(output.as_bytes())).expect("UTF-8");
        assert_eq!(styled, "\u{1b}[1m\u{1b}[31merror\u{1b}[0m \\u{1b}]0;title\\u{7}");
        assert!(!text(output, Form::Text).contains('\u{1b}'));
    }

    #[test]
    fn the_parts_of_an_output_are_as_safe_as_the_whole() {
        let whole = "ä\n ::error::x ##[a] \u{202e}".as_bytes();
        let expected = safe(whole, Form::Text);
        for at in 0..whole.len() {
            let mut safe = Safe::new(Form::Text, false);
            let parts = safe.part(&whole[..at]) + &safe.part(&whole[at..]) + &safe.end();
            assert_eq!(parts.as_bytes(), expected, "{at}");
        }
        let mut safe = Safe::new(Form::Text, false);
        assert_eq!(safe.part(b"a\xc3") + &safe.end(), "a\\xc3");
    }
}
