//! Commands of the AWS CLI as values: the same command can be run, or printed for a shell.

/// A word of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Word {
    /// Literal text.
    Text(String),
    /// The ARN that publishing the layer with this index will return.
    Arn(usize),
}

/// A command, without the program and the options that all commands share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// Its words: service, operation, arguments.
    pub words: Vec<Word>,
}

impl Command {
    /// A command of these words.
    pub fn new(words: &[&str]) -> Self {
        Self { words: words.iter().map(|word| Word::Text((*word).to_owned())).collect() }
    }

    /// The command with more words.
    #[must_use]
    pub fn with(mut self, words: &[&str]) -> Self {
        self.words.extend(words.iter().map(|word| Word::Text((*word).to_owned())));
        self
    }

    /// The command's words, with the ARNs known so far.
    pub fn resolved(&self, arns: &[Option<String>]) -> Vec<String> {
        let word = |word: &Word| match word {
            Word::Text(text) => text.clone(),
            Word::Arn(layer) => arns.get(*layer).cloned().flatten().unwrap_or_default(),
        };
        self.words.iter().map(word).collect()
    }

    /// The command for a shell, ready to paste, between the words that all commands share. An ARN that is not known is the
    /// variable that [`variable`] names.
    pub fn shell(&self, before: &[String], after: &[String]) -> String {
        let words = self.words.iter().map(|word| match word {
            Word::Text(text) => quoted(text),
            Word::Arn(layer) => format!("\"${}\"", variable(*layer)),
        });
        let options = after.iter().map(|word| quoted(word));
        before.iter().map(|word| quoted(word)).chain(words).chain(options).collect::<Vec<_>>().join(" ")
    }
}

/// The shell variable with the ARN of the layer that has this index.
pub fn variable(layer: usize) -> String {
    format!("layer{}", layer + 1)
}

/// A word, quoted for a shell.
pub(super) fn quoted(word: &str) -> String {
    // Only a NUL cannot be quoted, and no argument contains one.
    shlex::try_quote(word).map_or_else(|_| String::new(), Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_is_read_by_a_shell_as_what_is_run() {
        let words = ["a b", "$HOME", "it's", "{\"x\":1}", "", "~", "a\nb", "-x", "!!"];
        let command = Command::new(&["printf", "%s\\0"]).with(&words);
        let shell = command.shell(&[], &[]);
        let output = std::process::Command::new("sh").args(["-c", &shell]).output().expect("a shell");
        assert_eq!(String::from_utf8(output.stdout).expect("UTF-8"), words.map(|word| format!("{word}\0")).concat());
        assert_eq!(command.resolved(&[])[2..], words);
    }

    #[test]
    fn an_arn_that_is_not_known_is_a_variable() {
        let mut command = Command::new(&["lambda"]);
        command.words.push(Word::Arn(1));
        assert_eq!(command.shell(&["aws".to_owned()], &[]), "aws lambda \"$layer2\"");
        assert_eq!(command.resolved(&[None, Some("arn".to_owned())]), ["lambda", "arn"]);
    }
}
