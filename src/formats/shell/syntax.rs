//! Parsing with bounds, and the text of nodes.

use std::ops::ControlFlow;

use tree_sitter::{Node, ParseOptions, Parser, Tree};

/// How many times the parser may report progress per byte, and for the shortest script. R's longest script needs a hundredth
/// of that; parsing a script that was crafted to be slow stops there.
const STEPS_A_BYTE: usize = 1;
const STEPS_AT_LEAST: usize = 20_000;

/// Parses as bash, within bounds.
pub(super) fn parse(text: &[u8]) -> Result<Tree, String> {
    let mut parser = Parser::new();
    parser.set_language(&tree_sitter_bash::LANGUAGE.into()).map_err(|error| error.to_string())?;
    let mut left = (text.len() * STEPS_A_BYTE).max(STEPS_AT_LEAST);
    let mut progress = |_: &_| {
        left = left.saturating_sub(1);
        if left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let options = ParseOptions::new().progress_callback(&mut progress);
    let mut read = |at: usize, _| text.get(at..).unwrap_or_default();
    let tree = parser.parse_with_options(&mut read, None, Some(options));
    tree.ok_or_else(|| "it is too expensive to parse".to_owned())
}

/// Whether a substitution is arithmetic: `$((1 + 2))`, but not `$((a) | (b))`.
pub(super) fn is_arithmetic(written: &[u8]) -> bool {
    let Some(inside) = written.strip_prefix(b"$((").and_then(|rest| rest.strip_suffix(b"))")) else { return false };
    let mut open = 0_u32;
    for byte in inside {
        match byte {
            b'(' => open += 1,
            b')' if open == 0 => return false,
            b')' => open -= 1,
            _ => {}
        }
    }
    open == 0
}

/// The text of a node.
pub(super) fn bytes<'t>(node: Node<'_>, text: &'t [u8]) -> &'t [u8] {
    text.get(node.byte_range()).unwrap_or_default()
}

/// The text of a node as a string: bytes that are not UTF-8 are replaced.
pub(super) fn string(node: Node<'_>, text: &[u8]) -> String {
    String::from_utf8_lossy(bytes(node, text)).into_owned()
}
