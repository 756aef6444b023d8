//! `--color`: whether each stream has colours. `auto` follows <https://no-color.org> and <https://bixense.com/clicolors>, as
//! anstream implements them: NO_COLOR overrides CLICOLOR_FORCE, which overrides the kind of the stream.

use std::ffi::OsString;

use anstream::AutoStream;
use anstream::stream::RawStream;
use clap::{ColorChoice, ValueEnum};

use crate::report::Colors;

/// The value of `--color`, read before the arguments are parsed, as errors in them are coloured too. An invalid value is
/// ignored here and reported by the parser.
pub(super) fn requested(arguments: &[OsString]) -> ColorChoice {
    let words = arguments.iter().skip(1).map(|argument| argument.to_str().unwrap_or_default());
    let mut words = words.take_while(|word| *word != "--");
    let mut requested = None;
    while let Some(word) = words.next() {
        let value = if word == "--color" { words.next() } else { word.strip_prefix("--color=") };
        requested = value.and_then(|value| ColorChoice::from_str(value, false).ok()).or(requested);
    }
    requested.unwrap_or_default()
}

/// Whether a stream has colours.
pub(super) fn of(choice: ColorChoice, stream: &impl RawStream) -> Colors {
    let ansi = match choice {
        ColorChoice::Always => true,
        ColorChoice::Never => false,
        ColorChoice::Auto => AutoStream::choice(stream) != anstream::ColorChoice::Never,
    };
    if ansi { Colors::Ansi } else { Colors::None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_found_wherever_it_stands() {
        for (line, expected) in [
            ("layerfit plan", ColorChoice::Auto),
            ("layerfit --color always plan", ColorChoice::Always),
            ("layerfit plan /opt --color=never", ColorChoice::Never),
            ("layerfit plan --color", ColorChoice::Auto),
            ("layerfit plan --color blue", ColorChoice::Auto),
            ("layerfit plan -- --color=never", ColorChoice::Auto),
            ("--color=never", ColorChoice::Auto),
        ] {
            let arguments: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            assert_eq!(requested(&arguments), expected, "{line}");
        }
    }
}
