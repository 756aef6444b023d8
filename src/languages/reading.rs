//! What readers of sources share that walk a syntax tree once and then interpret its sites: what they accept as text, and the
//! code that a source works without.

use std::ops::Range;

use tree_sitter::{Language, Node, Tree};

use super::grammar::Grammar;
use super::source::Source;
use crate::formats::shebang::{self, Interpreter};

/// The minimum number of bytes per step of the parser: minified code has 5 or more.
const BYTES_A_STEP: usize = 2;

/// What the code of a source of at most `most` bytes loads, as `read` tells.
///
/// # Errors
/// When it is not text, or `read` fails.
pub(super) fn source(
    bytes: &[u8],
    language: &str,
    most: usize,
    read: impl FnOnce(&str, &mut Source) -> Result<(), String>,
) -> Result<Source, String> {
    if bytes.contains(&0) {
        return Err(format!("it contains NUL bytes: it is binary or UTF-16, not a {language} source"));
    }
    let mut source = Source::default();
    if bytes.len() > most {
        source.cannot_tell(1, "the whole source", "it is too long to be read");
    } else {
        read(&String::from_utf8_lossy(bytes), &mut source)?;
    }
    source.tidy();
    Ok(source)
}

/// The syntax tree of a source; `None` when parsing it is too expensive, which is noted.
///
/// # Errors
/// When the grammar and the parser have incompatible versions.
pub(super) fn tree(language: &Language, text: &str, source: &mut Source) -> Result<Option<Tree>, String> {
    let tree = Grammar::new(language, BYTES_A_STEP)?.parse(text);
    if tree.is_none() {
        source.cannot_tell(1, text, "parsing it is too expensive");
    }
    Ok(tree)
}

/// Whether a path is in the layers of a function, or all of them.
pub(super) fn is_in_layers(path: &str) -> bool {
    path.strip_prefix("/opt").is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Whether a file begins as a script that such a program runs.
pub(super) fn is_script(bytes: &[u8], is_program: impl FnOnce(&str) -> bool) -> bool {
    let line = bytes.strip_prefix(b"#!").and_then(|line| line.split(|byte| *byte == b'\n').next());
    let Some(Interpreter::Path(program) | Interpreter::Command(program)) = line.and_then(shebang::parse) else {
        return false;
    };
    program.rsplit('/').next().is_some_and(is_program)
}

/// What holds for the sites in a range of code.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Guard {
    /// They never run in a function.
    Never,
    /// The source works without them.
    Optional,
}

/// The sites that run, each with whether the source works without it. Sites come in the order of the text.
pub(super) fn guarded(
    sites: Vec<Node<'_>>,
    mut guards: Vec<(Range<usize>, Guard)>,
) -> impl Iterator<Item = (Node<'_>, bool)> {
    guards.sort_by_key(|(range, _)| range.start);
    let mut guards = guards.into_iter().peekable();
    // Ranges lie in each other or apart: a site is in a range of a kind if the last end of those that began before it is
    // after it.
    let (mut never, mut optional) = (0, 0);
    sites.into_iter().filter_map(move |site| {
        while let Some((range, guard)) = guards.next_if(|(range, _)| range.start <= site.start_byte()) {
            let end = if guard == Guard::Never { &mut never } else { &mut optional };
            *end = range.end.max(*end);
        }
        (site.start_byte() >= never).then_some((site, site.start_byte() < optional))
    })
}

/// The line of a node, from 1.
pub(super) fn line(node: Node<'_>) -> usize {
    node.start_position().row + 1
}
