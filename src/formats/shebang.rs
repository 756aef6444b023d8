//! Shebang lines: which interpreter the kernel would start for a script (execve(2)).

/// The interpreter of a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Interpreter {
    /// An absolute path.
    Path(String),
    /// A command that `env` would look for in PATH.
    Command(String),
}

impl Interpreter {
    /// Whether it is a shell. With a carriage return it does not start, but its commands can be read all the same.
    pub fn is_shell(&self) -> bool {
        let (Self::Path(name) | Self::Command(name)) = self;
        let name = name.rsplit('/').next().unwrap_or(name);
        matches!(name.trim_end_matches('\r'), "sh" | "bash" | "dash" | "ash" | "ksh")
    }
}

/// Parses what follows `#!`; `None` when that is not an interpreter.
///
/// A carriage return stays part of the name, as the kernel keeps it: such a script does not start.
pub fn parse(line: &[u8]) -> Option<Interpreter> {
    let line = std::str::from_utf8(line).ok()?.trim_matches([' ', '\t']);
    let mut words = line.split([' ', '\t']).filter(|word| !word.is_empty());
    let program = words.next()?;
    if program.ends_with("/env") {
        // env accepts `env -S prog args` and `env VAR=value prog` too.
        let command = words.find(|word| !word.starts_with('-') && !word.contains('='));
        if let Some(command) = command {
            return Some(Interpreter::Command(command.to_owned()));
        }
    }
    Some(Interpreter::Path(program.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interpreters_are_read_as_the_kernel_and_env_read_them() {
        let path = |text: &str| Some(Interpreter::Path(text.to_owned()));
        let command = |text: &str| Some(Interpreter::Command(text.to_owned()));
        assert_eq!(parse(b" /bin/sh -e"), path("/bin/sh"));
        assert_eq!(parse(b"/usr/bin/env perl"), command("perl"));
        assert_eq!(parse(b"/usr/bin/env -S Rscript --vanilla"), command("Rscript"));
        assert_eq!(parse(b"/bin/sh\r"), path("/bin/sh\r"));
        assert_eq!(parse(b"  "), None);
        assert!(
            parse(b"/bin/sh\r").is_some_and(|it| it.is_shell()) && parse(b"env bash").is_some_and(|it| !it.is_shell())
        );
        assert!(parse(b"/usr/bin/env bash").is_some_and(|it| it.is_shell()));
    }
}
