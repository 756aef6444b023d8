//! Text of R sources: encoding, string escapes, and valid package names.

use std::borrow::Cow;

/// The text in UTF-8 without a byte order mark, its lines ended by `\n` alone, as R's `readLines()` reads them. Text that
/// is not UTF-8 is read as Windows-1252: every byte is a character there, and R's own syntax is ASCII.
pub(super) fn decode(bytes: &[u8]) -> String {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => encoding_rs::WINDOWS_1252.decode_without_bom_handling(bytes).0,
    };
    if text.contains('\r') { text.replace("\r\n", "\n").replace('\r', "\n") } else { text.into_owned() }
}

/// Whether this is a valid package name: at least two ASCII letters, digits and dots, beginning with a letter and not ending
/// with a dot (Writing R Extensions, 1.1.1; `.standard_regexps()$valid_package_name`).
pub(super) fn is_package(name: &str) -> bool {
    let bytes = name.as_bytes();
    bytes.len() >= 2
        && bytes[0].is_ascii_alphabetic()
        && bytes[bytes.len() - 1] != b'.'
        && bytes.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'.')
}

/// The value of the text inside a quoted string or a backquoted name (`?Quotes`).
pub(super) fn unescaped(written: &str) -> String {
    if !written.contains('\\') {
        return written.to_owned();
    }
    let mut out = String::with_capacity(written.len());
    let mut rest = written;
    while let Some(at) = rest.find('\\') {
        out += &rest[..at];
        rest = &rest[at + 1..];
        let Some(escape) = rest.chars().next() else { break };
        let digits = |from: usize, most: usize, base: u32| {
            rest[from..].chars().take(most).take_while(|c| c.is_digit(base)).count()
        };
        let (from, length, base) = match escape {
            'x' => (1, digits(1, 2, 16), 16),
            'u' | 'U' if rest[1..].starts_with('{') => (2, digits(2, 8, 16), 16),
            'u' => (1, digits(1, 4, 16), 16),
            'U' => (1, digits(1, 8, 16), 16),
            '0'..='7' => (0, digits(0, 3, 8), 8),
            _ => (0, 0, 0),
        };
        if length > 0 {
            let code = u32::from_str_radix(&rest[from..from + length], base).ok();
            out.push(code.and_then(char::from_u32).unwrap_or(char::REPLACEMENT_CHARACTER));
            rest = &rest[from + length..];
            rest = if from == 2 { rest.strip_prefix('}').unwrap_or(rest) } else { rest };
            continue;
        }
        out.push(match escape {
            'n' => '\n',
            't' => '\t',
            'r' => '\r',
            'a' => '\u{7}',
            'b' => '\u{8}',
            'f' => '\u{c}',
            'v' => '\u{b}',
            other => other,
        });
        rest = &rest[escape.len_utf8()..];
    }
    out + rest
}
