//! Colours, which text only has if the caller prints it to a terminal.

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

impl Colors {
    /// A word in the colour of a severity: red for errors, yellow for warnings.
    pub fn severity(self, severity: Severity, word: &str) -> String {
        let color = match (self, severity) {
            (Colors::None, _) | (_, Severity::Info) => return word.to_owned(),
            (Colors::Ansi, Severity::Error) => AnsiColor::Red,
            (Colors::Ansi, Severity::Warning) => AnsiColor::Yellow,
        };
        let style: Style = color.on_default().bold();
        format!("{style}{word}{style:#}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_wrong_is_coloured_and_only_when_asked() {
        assert_eq!(Colors::Ansi.severity(Severity::Error, "error"), "\u{1b}[1m\u{1b}[31merror\u{1b}[0m");
        assert_eq!(Colors::Ansi.severity(Severity::Warning, "warning"), "\u{1b}[1m\u{1b}[33mwarning\u{1b}[0m");
        assert_eq!(Colors::Ansi.severity(Severity::Info, "info"), "info");
        assert_eq!(Colors::None.severity(Severity::Error, "error"), "error");
    }
}
