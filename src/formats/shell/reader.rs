//! The walk through a script: first its variables, functions and guards, then its commands.

use std::collections::BTreeSet;

use tree_sitter::Node;

use super::guards::{left_of_or, tested_commands, tested_files};
use super::syntax::{bytes, is_arithmetic, parse, string};
use super::{Script, Unresolved, UnresolvedReason};

impl Script {
    /// Reads a script that begins after `first_line` lines of the file, nested `depth` levels deep.
    pub(super) fn read(&mut self, text: &[u8], first_line: usize, depth: usize) -> Result<(), String> {
        let tree = parse(text)?;
        // Variables and functions first: a function may use a variable that is set further down.
        let mut nodes = Vec::new();
        let mut cursor = tree.walk();
        let mut guarded = BTreeSet::new();
        // The end of the code whose failure the script handles: `a` in `a || b` and in `if a`.
        let mut tried_until = 0;
        // In the order of the text, without recursion: the nesting of a script is not bounded.
        'walk: loop {
            let node = cursor.node();
            let mut inside = true;
            match node.kind() {
                // The grammar parses `$((1 + 2))` in a here-document as a subshell in a substitution.
                "command_substitution" if is_arithmetic(bytes(node, text)) => inside = false,
                "variable_assignment" => self.assign(node, text),
                "expansion" => self.assign_default(node, text),
                "function_definition" => {
                    self.functions.extend(node.child_by_field_name("name").map(|name| string(name, text)));
                }
                "command" => {
                    guarded.extend(tested_commands(node, text));
                    nodes.push((node, node.start_byte() < tried_until));
                }
                "test_command" => guarded.extend(tested_files(&string(node, text))),
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

    /// Records that this node, which decides what is run, cannot be followed.
    pub(super) fn unresolved(&mut self, node: Node<'_>, text: &[u8], first_line: usize, why: UnresolvedReason) {
        let shown = bytes(node, text).split(|b| *b == b'\n').next().unwrap_or_default();
        let what: String = String::from_utf8_lossy(&shown[..shown.len().min(240)]).chars().take(60).collect();
        self.unresolved.push(Unresolved { line: first_line + node.start_position().row + 1, what, why });
    }
}
