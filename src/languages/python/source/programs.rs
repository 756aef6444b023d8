//! What a command line of Python runs: `python3 -m a`, `[sys.executable, "a.py"]`.

use std::path::Path;

/// Modules that functions run and do without: pip is in the image, and fails where it cannot write.
const DONE_WITHOUT: &[&str] = &["pip"];

/// What Python is started for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Run {
    /// A module, by its name.
    Module(String),
    /// The code in the argument of this position.
    Code(usize),
    /// A source, by its path.
    File(String),
}

/// Whether a program is Python, by its name or path.
pub(super) fn is_python(program: &str) -> bool {
    let version = program.rsplit('/').next().unwrap_or(program).strip_prefix("python");
    version.is_some_and(|version| version.chars().all(|c| c.is_ascii_digit() || c == '.'))
}

/// What the arguments after the program run; `None` for those that are not known.
pub(super) fn of_arguments(arguments: &[Option<String>]) -> Option<Run> {
    let mut at = 0;
    while let Some(argument) = arguments.get(at) {
        let argument = argument.as_deref()?;
        at += 1;
        match argument {
            "-m" => {
                let module = arguments.get(at)?.clone()?;
                return (!DONE_WITHOUT.contains(&module.as_str())).then_some(Run::Module(module));
            }
            "-c" => return Some(Run::Code(at)),
            // Options with a value.
            "-W" | "-X" => at += 1,
            option if option.starts_with('-') => {}
            path => {
                let is_source = Path::new(path).extension().is_some_and(|extension| extension == "py");
                return is_source.then(|| Run::File(path.to_owned()));
            }
        }
    }
    None
}

/// What the commands in a text for a shell run. Code in it is not read.
pub(super) fn of_shell(text: &str) -> Vec<Run> {
    let commands = text.split([';', '&', '|', '\n', '(', ')']);
    let run = |command: &str| {
        let mut words = command.split_whitespace().skip_while(|word| !is_python(word));
        words.next()?;
        let quotes = ['"', '\''];
        let arguments: Vec<Option<String>> = words.map(|word| Some(word.trim_matches(quotes).to_owned())).collect();
        of_arguments(&arguments).filter(|run| !matches!(run, Run::Code(_)))
    };
    commands.filter_map(run).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_command_line_of_python_runs_is_a_module_code_or_a_file() {
        let of = |text: &str| {
            let words: Vec<Option<String>> =
                text.split(' ').map(|word| (word != "?").then(|| word.to_owned())).collect();
            of_arguments(&words)
        };
        let module = |name: &str| Some(Run::Module(name.to_owned()));
        assert_eq!(of("-u -X dev -m a.b --flag"), module("a.b"));
        assert_eq!(
            [of("-W error -c code"), of("-m pip"), of("? -m a"), of("a.txt")],
            [Some(Run::Code(3)), None, None, None]
        );
        assert_eq!(of("a.py -m b"), Some(Run::File("a.py".to_owned())));
        assert_eq!(of_shell("cd x && /usr/bin/python3.11 -m a; python 'b.py'").len(), 2);
        assert!(of_shell("echo pythonic -m a; python3 -c 'x'").is_empty());
    }
}
