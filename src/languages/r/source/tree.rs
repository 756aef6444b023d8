//! Parsed code: tree-sitter's trees, and cursors in them.

use std::ops::Range;

use tree_sitter::{Node, Tree};

use super::text::unescaped;
use crate::languages::grammar::{self, Grammar};

/// The minimum number of bytes per step of the parser. Real code has more than 40, a vector of single digits 14.
const BYTES_A_STEP: usize = 8;

/// The grammar of R, ready to parse.
///
/// # Errors
/// When the grammar and the parser have incompatible versions, which does not depend on the input.
pub(in crate::languages::r) fn grammar() -> Result<Grammar, String> {
    Grammar::new(&tree_sitter_r::LANGUAGE.into(), BYTES_A_STEP)
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
        grammar::walk(self.node, |node, depth| enter(Self { node, ..self }, depth));
    }
}
