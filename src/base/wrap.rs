//! Text in lines, broken at spaces only, so that options, names and paths can be copied.

use textwrap::{Options, WordSplitter};

/// The lines of a text, none longer than `columns` unless a word is; those after the first begin with `indent`.
pub fn lines(text: &str, columns: usize, indent: &str) -> Vec<String> {
    let options =
        Options::new(columns).break_words(false).word_splitter(WordSplitter::NoHyphenation).subsequent_indent(indent);
    textwrap::wrap(text, options).into_iter().map(std::borrow::Cow::into_owned).collect()
}

/// Prose that has its own line ends, in lines of at most `columns` unless a word is longer.
pub fn prose(text: &str, columns: usize) -> String {
    lines(&text.split_whitespace().collect::<Vec<_>>().join(" "), columns, "").join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stay_whole_however_long_they_are() {
        assert_eq!(lines("ab cd  efghij k", 5, ""), ["ab cd", "efghij", "k"]);
        assert_eq!(lines("use --strip all", 10, "  "), ["use", "  --strip", "  all"]);
        assert_eq!(lines("", 5, ""), [""]);
        assert_eq!(prose("a\n b  c", 3), "a b\nc");
    }
}
