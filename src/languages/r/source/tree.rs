//! Parsed code: tree-sitter's trees, with bounds on the cost of parsing, and cursors in them.

use std::cell::Cell;
use std::ops::{ControlFlow, Range};

use tree_sitter::{Node, ParseOptions, ParseState, Parser, Tree};

use super::text::unescaped;

/// The parser receives the text in parts of this length, so that repeated reading can be counted.
const PART: usize = 4096;

/// How often the parser may read the text. It reads real code once or twice; for each unterminated string it reads
/// everything that follows.
const READINGS: usize = 16;

/// The minimum number of bytes per step of the parser (a hundred of its operations). Real code has more than 40, a vector
/// of single digits 14.
const BYTES_A_STEP: usize = 8;

/// The grammar, ready to parse.
pub(in crate::languages::r) struct Grammar(Parser);

impl Grammar {
    /// # Errors
    /// When the grammar and the parser have incompatible versions, which does not depend on the input.
    pub(in crate::languages::r) fn new() -> Result<Self, String> {
        let mut parser = Parser::new();
        parser.set_language(&tree_sitter_r::LANGUAGE.into()).map_err(|error| error.to_string())?;
        Ok(Self(parser))
    }

    /// The tree of a text; `None` when parsing it is too expensive. The cost is counted, not timed, so the result is
    /// deterministic.
    pub(in crate::languages::r) fn parse(&mut self, text: &str) -> Option<Tree> {
        let bytes = text.as_bytes();
        let left = Cell::new(READINGS * bytes.len() + 16 * PART);
        let mut steps = bytes.len() / BYTES_A_STEP + 1000;
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
        let tree = self.0.parse_with_options(&mut read, None, Some(options));
        if tree.is_none() {
            self.0.reset();
        }
        tree.filter(|_| left.get() > 0)
    }
}

/// Parsed code.
pub(super) struct Code {
    pub(super) text: String,
    pub(super) tree: Tree,
    /// The number of lines of the file before it.
    pub(super) line: usize,
    /// The number of its lines.
    pub(super) rows: usize,
    /// The bytes of code before it: positions are unique in all code of a file.
    pub(super) base: usize,
    /// Whether it need not run.
    pub(super) optional: bool,
}

/// A node of parsed code.
#[derive(Clone, Copy)]
pub(super) struct Cursor<'t> {
    pub(super) code: &'t Code,
    pub(super) node: Node<'t>,
}

impl<'t> Cursor<'t> {
    pub(super) fn root(code: &'t Code) -> Self {
        Self { code, node: code.tree.root_node() }
    }

    pub(super) fn kind(self) -> &'static str {
        self.node.kind()
    }

    pub(super) fn text(self) -> &'t str {
        self.code.text.get(self.node.byte_range()).unwrap_or_default()
    }

    /// The line in the file, from 1.
    pub(super) fn line(self) -> usize {
        // A missing node can be after the last line.
        self.code.line + self.node.start_position().row.min(self.code.rows - 1) + 1
    }

    /// Its range in all code of the file.
    pub(super) fn range(self) -> Range<usize> {
        let range = self.node.byte_range();
        self.code.base + range.start..self.code.base + range.end
    }

    pub(super) fn start(self) -> usize {
        self.code.base + self.node.start_byte()
    }

    pub(super) fn field(self, name: &str) -> Option<Self> {
        Some(Self { node: self.node.child_by_field_name(name)?, ..self })
    }

    pub(super) fn children(self) -> Vec<Self> {
        let mut cursor = self.node.walk();
        self.node.named_children(&mut cursor).map(|node| Self { node, ..self }).collect()
    }

    /// The operator of a unary or binary expression.
    pub(super) fn operator(self) -> &'t str {
        self.field("operator").map(Self::text).unwrap_or_default()
    }

    /// The expression without enclosing parentheses.
    pub(super) fn unwrapped(mut self) -> Self {
        while self.kind() == "parenthesized_expression"
            && let Some(inside) = self.field("body")
        {
            self = inside;
        }
        self
    }

    /// The name of an identifier, without backquotes.
    pub(super) fn name(self) -> Option<String> {
        let written = self.text();
        match self.kind() {
            "identifier" => Some(match written.strip_prefix('`').and_then(|rest| rest.strip_suffix('`')) {
                Some(inside) => unescaped(inside),
                None => written.to_owned(),
            }),
            "dots" | "dot_dot_i" => Some(written.to_owned()),
            _ => None,
        }
    }

    /// The value of a string literal.
    pub(super) fn string(self) -> Option<String> {
        if self.kind() != "string" {
            return None;
        }
        let inside = self.field("content").map(Self::text).unwrap_or_default();
        let raw = self.text().starts_with(['r', 'R']);
        Some(if raw { inside.to_owned() } else { unescaped(inside) })
    }

    /// A name, or a string used as one.
    pub(super) fn name_or_string(self) -> Option<String> {
        self.name().or_else(|| self.string())
    }

    /// Visits the nodes below this one in source order, itself first, each with its depth; `enter` returns whether to visit
    /// a node's children. Not recursive, because the nesting of code is not bounded.
    pub(super) fn walk(self, mut enter: impl FnMut(Self, usize) -> bool) {
        let mut cursor = self.node.walk();
        // The tree cursor would recompute its depth each time.
        let mut depth = 0;
        loop {
            let inside = enter(Self { node: cursor.node(), ..self }, depth);
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
}
