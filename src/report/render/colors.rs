//! What text is printed to: colours, which it only has if that is a terminal, and a number of columns.

use anstyle::{AnsiColor, Style};

use crate::base::finding::Severity;

/// Whether text is coloured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Colors {
    /// Plain text.
    #[default]
    None,
    /// With ANSI escape sequences (ECMA-48, 8.3.117).
    Ansi,
}

/// What text is printed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Screen {
    /// Whether it is coloured.
    pub colors: Colors,
    /// How many columns it has.
    pub columns: u16,
    /// How many lines a short report may have on it.
    pub lines: usize,
}

impl Colors {
    /// A word in the colour of a verdict: green if it passes, red if it does not.
    pub fn verdict(self, passed: bool, word: &str) -> String {
        if passed { self.painted(AnsiColor::Green, word) } else { self.severity(Severity::Error, word) }
    }

    /// A heading, in bold.
    pub fn heading(self, text: &str) -> String {
        let style = Style::new().bold();
        if self == Colors::None { text.to_owned() } else { format!("{style}{text}{style:#}") }
    }

    fn painted(self, color: AnsiColor, word: &str) -> String {
        let style: Style = color.on_default().bold();
        if self == Colors::None { word.to_owned() } else { format!("{style}{word}{style:#}") }
    }

    /// A word in the colour of a severity: red for errors, yellow for warnings.
    pub fn severity(self, severity: Severity, word: &str) -> String {
        match severity {
            Severity::Info => word.to_owned(),
            Severity::Error => self.painted(AnsiColor::Red, word),
            Severity::Warning => self.painted(AnsiColor::Yellow, word),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::safe::safe_styled;

    #[test]
    fn only_what_is_wrong_is_coloured_and_only_when_asked() {
        assert_eq!(Colors::Ansi.severity(Severity::Error, "error"), "\u{1b}[1m\u{1b}[31merror\u{1b}[0m");
        assert_eq!(Colors::Ansi.severity(Severity::Warning, "warning"), "\u{1b}[1m\u{1b}[33mwarning\u{1b}[0m");
        assert_eq!(Colors::Ansi.severity(Severity::Info, "info"), "info");
        assert_eq!(Colors::None.severity(Severity::Error, "error"), "error");
    }

    #[test]
    fn every_colour_reaches_the_terminal() {
        let words =
            [Colors::Ansi.verdict(true, "PASS"), Colors::Ansi.verdict(false, "FAIL"), Colors::Ansi.heading("h")];
        let severities =
            [Severity::Info, Severity::Warning, Severity::Error].map(|one| Colors::Ansi.severity(one, "x"));
        for text in words.into_iter().chain(severities) {
            assert_eq!(safe_styled(text.as_bytes()), text.as_bytes(), "{text:?}");
        }
    }
}
