//! Parsing source code with tree-sitter: bounds on what that costs, and a walk over the nodes of any depth.

use std::cell::Cell;
use std::ops::ControlFlow;

use tree_sitter::{Node, ParseOptions, ParseState, Parser, Tree};

/// The parser receives the text in parts of this length, so that repeated reading can be counted.
const PART: usize = 4096;

/// How often the parser may read the text. It reads real code once or twice; for each unterminated string it reads
/// everything that follows.
const READINGS: usize = 16;

/// A grammar, ready to parse.
pub(in crate::languages) struct Grammar {
    parser: Parser,
    bytes_a_step: usize,
}

impl Grammar {
    /// The grammar of a language. `bytes_a_step` is the minimum number of bytes of a text per step of the parser (a hundred
    /// of its operations): a text that needs more steps is not parsed.
    ///
    /// # Errors
    /// When the grammar and the parser have incompatible versions, which does not depend on the input.
    pub(in crate::languages) fn new(language: &tree_sitter::Language, bytes_a_step: usize) -> Result<Self, String> {
        let mut parser = Parser::new();
        parser.set_language(language).map_err(|error| error.to_string())?;
        Ok(Self { parser, bytes_a_step })
    }

    /// The tree of a text; `None` when parsing it is too expensive. The cost is counted, not timed, so the result is
    /// deterministic.
    pub(in crate::languages) fn parse(&mut self, text: &str) -> Option<Tree> {
        let bytes = text.as_bytes();
        let left = Cell::new(READINGS * bytes.len() + 16 * PART);
        let mut steps = bytes.len() / self.bytes_a_step + 1000;
        let mut read = |at: usize, _| {
            let part = &bytes[at.min(bytes.len())..(at + PART).min(bytes.len())];
            left.set(left.get().saturating_sub(part.len()));
            // At the limit the text ends, which also ends a scan through the rest of it; the next step is the last.
            if left.get() == 0 { &[] } else { part }
        };
        let mut progress = |_: &ParseState| {
            steps = steps.saturating_sub(1);
            if steps == 0 || left.get() == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let options = ParseOptions::new().progress_callback(&mut progress);
        let tree = self.parser.parse_with_options(&mut read, None, Some(options));
        if tree.is_none() {
            self.parser.reset();
        }
        tree.filter(|_| left.get() > 0)
    }
}

/// Visits the nodes below one in source order, itself first, each with its depth; `enter` returns whether to visit a node's
/// children. Not recursive, because the nesting of code is not bounded.
pub(in crate::languages) fn walk<'t>(node: Node<'t>, mut enter: impl FnMut(Node<'t>, usize) -> bool) {
    let mut cursor = node.walk();
    // The tree cursor would recompute its depth each time.
    let mut depth = 0;
    loop {
        let inside = enter(cursor.node(), depth);
        if inside && cursor.goto_first_child() {
            depth += 1;
            continue;
        }
        while !cursor.goto_next_sibling() {
            if !cursor.goto_parent() {
                return;
            }
            depth -= 1;
        }
    }
}
