//! The walk through a script: first the variables, functions and questions in it, then its commands.

use std::collections::BTreeSet;

use tree_sitter::Node;

use super::guards::{asked_for, left_of_or, tested};
use super::syntax::{bytes, is_arithmetic, parse, string};
use super::{Script, Unresolved, UnresolvedReason};

impl Script {
    /// Reads a script that begins on this line of the whole, inside so many others.
    pub(super) fn read(&mut self, text: &[u8], first_line: usize, depth: usize) -> Result<(), String> {
        let tree = parse(text)?;
        // Variables and functions first: a function may use a variable that is set further down.
        let mut nodes = Vec::new();
        let mut cursor = tree.walk();
        let mut guarded = BTreeSet::new();
        // Up to where the script goes on without what it tries to run: `a || b` without a, and `if a` asks.
        let mut tried_until = 0;
        // In the order of the text, without recursion: a script can nest as deep as it likes.
        'walk: loop {
            let node = cursor.node();
            let mut inside = true;
            match node.kind() {
                // The grammar takes `$((1 + 2))` in a here-document for a subshell in a substitution.
                "command_substitution" if is_arithmetic(bytes(node, text)) => inside = false,
                "variable_assignment" => self.assign(node, text),
                "expansion" => self.assign_default(node, text),
                "function_definition" => {
                    self.functions.extend(node.child_by_field_name("name").map(|name| string(name, text)));
                }
                "command" => {
                    guarded.extend(asked_for(node, text));
                    nodes.push((node, node.start_byte() < tried_until));
                }
                "test_command" => guarded.extend(tested(&string(node, text))),
                "list" => tried_until = tried_until.max(left_of_or(node)),
                "if_statement" | "elif_clause" => {
                    let condition = node.child_by_field_name("condition");
                    tried_until = tried_until.max(condition.map_or(0, |condition| condition.end_byte()));
                }
                "ERROR" => self.unresolved(node, text, first_line, UnresolvedReason::Syntax),
                _ if node.is_missing() => self.unresolved(node, text, first_line, UnresolvedReason::Syntax),
                _ => {}
            }
            if inside && cursor.goto_first_child() {
                continue;
            }
            while !cursor.goto_next_sibling() {
                if !cursor.goto_parent() {
                    break 'walk;
                }
            }
        }
        for (node, tried) in nodes {
            let before = self.runs.len();
            self.command(node, text, first_line, depth);
            for run in &mut self.runs[before..] {
                run.guarded |= tried || run.commands.iter().any(|command| guarded.contains(command));
            }
        }
        Ok(())
    }

    /// Notes that what decides here what is run cannot be followed.
    pub(super) fn unresolved(&mut self, node: Node<'_>, text: &[u8], first_line: usize, why: UnresolvedReason) {
        let shown = bytes(node, text).split(|b| *b == b'\n').next().unwrap_or_default();
        let what: String = String::from_utf8_lossy(&shown[..shown.len().min(240)]).chars().take(60).collect();
        self.unresolved.push(Unresolved { line: first_line + node.start_position().row + 1, what, why });
    }
}
