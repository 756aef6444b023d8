//! What distributions require: the lines `Requires-Dist` of their METADATA (PEP 508), with markers evaluated as far as Lambda's
//! platform decides them.

use super::names::normalized;

/// The longest marker that is evaluated, in bytes; longer ones count as not known.
const MAX_MARKER: usize = 2_000;

/// A required distribution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Required {
    /// Its normalized name.
    pub(super) name: String,
    /// Whether it is required for certain: the marker does not depend on the version of Python or the machine.
    pub(super) certain: bool,
}

/// What a line requires; `None` for what is only required for an extra or on another platform.
pub(super) fn requirement(line: &str) -> Option<Required> {
    let (requirement, marker) = line.split_once(';').map_or((line, None), |(before, marker)| (before, Some(marker)));
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let requirement = requirement.trim();
    let name = &requirement[..requirement.find(|c| !is_name(c)).unwrap_or(requirement.len())];
    let holds = marker.map_or(Some(true), evaluate);
    (!name.is_empty() && holds != Some(false))
        .then(|| Required { name: normalized(name), certain: holds == Some(true) })
}

/// Whether a marker holds for CPython on Lambda's Linux; `None` when that is not known.
fn evaluate(marker: &str) -> Option<bool> {
    if marker.len() > MAX_MARKER {
        return None;
    }
    let mut parser = Parser { tokens: tokens(marker)?, next: 0 };
    let holds = parser.any()?;
    if parser.next == parser.tokens.len() { holds } else { None }
}

/// A value that is known, is not known, or (as a whole) is not a marker.
type Parsed = Option<Option<bool>>;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Word(String),
    Text(String),
    Sign(String),
}

/// The tokens of a marker; `None` where a string does not end.
fn tokens(marker: &str) -> Option<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut rest = marker.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '"' | '\'' => {
                let text = &rest[1..];
                let end = text.find(first)?;
                tokens.push(Token::Text(text[..end].to_owned()));
                end + 2
            }
            '(' | ')' => {
                tokens.push(Token::Sign(first.to_string()));
                1
            }
            _ if "<>=!~".contains(first) => {
                let end = rest.find(|c| !"<>=!~".contains(c)).unwrap_or(rest.len());
                tokens.push(Token::Sign(rest[..end].to_owned()));
                end
            }
            _ => {
                let end = rest.find(|c: char| c.is_whitespace() || "()<>=!~\"'".contains(c)).unwrap_or(rest.len());
                tokens.push(Token::Word(rest[..end].to_owned()));
                end
            }
        };
        rest = rest[length..].trim_start();
    }
    Some(tokens)
}

struct Parser {
    tokens: Vec<Token>,
    next: usize,
}

impl Parser {
    fn is_next(&mut self, token: &Token) -> bool {
        let is_next = self.tokens.get(self.next) == Some(token);
        self.next += usize::from(is_next);
        is_next
    }

    fn take(&mut self) -> Option<Token> {
        self.next += 1;
        self.tokens.get(self.next - 1).cloned()
    }

    fn any(&mut self) -> Parsed {
        let mut holds = self.all()?;
        while self.is_next(&Token::Word("or".to_owned())) {
            holds = match (holds, self.all()?) {
                (Some(true), _) | (_, Some(true)) => Some(true),
                (Some(false), Some(false)) => Some(false),
                _ => None,
            };
        }
        Some(holds)
    }

    fn all(&mut self) -> Parsed {
        let mut holds = self.one()?;
        while self.is_next(&Token::Word("and".to_owned())) {
            holds = match (holds, self.one()?) {
                (Some(false), _) | (_, Some(false)) => Some(false),
                (Some(true), Some(true)) => Some(true),
                _ => None,
            };
        }
        Some(holds)
    }

    fn one(&mut self) -> Parsed {
        if self.is_next(&Token::Sign("(".to_owned())) {
            let holds = self.any()?;
            return self.is_next(&Token::Sign(")".to_owned())).then_some(holds);
        }
        let left = self.take()?;
        let operator = match self.take()? {
            Token::Sign(sign) => sign,
            Token::Word(word) if word == "in" => word,
            Token::Word(word) if word == "not" && self.is_next(&Token::Word("in".to_owned())) => "not in".to_owned(),
            _ => return None,
        };
        let right = self.take()?;
        let (Some(left), Some(right)) = (value(&left), value(&right)) else { return Some(None) };
        Some(match operator.as_str() {
            "==" | "===" => Some(left == right),
            "!=" => Some(left != right),
            "in" => Some(right.contains(&left)),
            "not in" => Some(!right.contains(&left)),
            _ => None,
        })
    }
}

/// The value of a variable in Lambda, or a text; `None` for what is not known.
fn value(token: &Token) -> Option<String> {
    match token {
        Token::Text(text) => Some(text.clone()),
        Token::Sign(_) => None,
        Token::Word(name) => match name.as_str() {
            "sys_platform" => Some("linux".to_owned()),
            "platform_system" => Some("Linux".to_owned()),
            "os_name" => Some("posix".to_owned()),
            "implementation_name" => Some("cpython".to_owned()),
            "platform_python_implementation" => Some("CPython".to_owned()),
            // An extra may be installed or not: what only it requires is not missing.
            "extra" => Some(String::new()),
            _ => None,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_requires_a_distribution_unless_its_marker_fails() {
        let of = |line: &str| requirement(line).map(|required| (required.name, required.certain));
        let certain = |name: &str| Some((name.to_owned(), true));
        assert_eq!(of("numpy>=1.26.0"), certain("numpy"));
        assert_eq!(of("Foo_Bar[a,b] (>=1) ; os_name == 'posix'"), certain("foo-bar"));
        assert_eq!(of("x @ https://a/b.whl"), certain("x"));
        assert_eq!(of("colorama; sys_platform == \"win32\""), None);
        assert_eq!(of("pytest; extra == 'test'"), None);
        assert_eq!(of("pytest; python_version < '3.9' and extra == 'test'"), None);
        assert_eq!(of("a; (sys_platform == 'linux' or python_version < '3') and os_name != 'nt'"), certain("a"));
        assert_eq!(of("a; 'linux' in sys_platform"), certain("a"));
        for unknown in ["a; python_version < '3.9'", "a; platform_machine == 'x86_64'", "a; nonsense", "a; ((("] {
            assert_eq!(of(unknown), Some(("a".to_owned(), false)), "{unknown}");
        }
    }
}
