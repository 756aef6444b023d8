//! Which code of a source runs in a function, and what it works without: by `try`, `if` and `with`.

use std::ops::Range;

use tree_sitter::Node;

use super::conditions::{ALL, Conditions, Holds};
use super::functions::TESTS;
use crate::languages::grammar::walk;
use crate::languages::reading::Guard;

/// Words of conditions that depend on the version of Python or on the system.
const VERSION_WORDS: &[&str] = &["version_info", "hexversion", "sys.platform", "os.name", "platform."];

/// How calls begin that end the program.
const EXITS: &[&str] = &["sys.exit(", "exit(", "quit(", "os._exit(", "os.abort("];

/// The longest handler of an exception that is looked into, in bytes: they can be in each other.
const MAX_HANDLER: usize = 10_000;

/// How deep blocks are followed.
const MAX_BLOCKS: usize = 16;

/// Exceptions that catch a failed import.
const CATCHES: &[&str] = &["ImportError", "ModuleNotFoundError", "Exception", "BaseException"];

/// What decides whether the code of a source runs.
pub(super) struct Guards<'t> {
    text: &'t str,
    conditions: Conditions<'t>,
    /// The code that never runs, or that the source works without.
    pub(super) ranges: Vec<(Range<usize>, Guard)>,
    /// The code that only some versions of Python run.
    branches: Vec<(Range<usize>, u64)>,
}

impl<'t> Guards<'t> {
    pub(super) fn new(text: &'t str, is_program: bool) -> Self {
        Self { text, conditions: Conditions { text, is_program }, ranges: Vec::new(), branches: Vec::new() }
    }

    fn text(&self, node: Node<'_>) -> &'t str {
        self.text.get(node.byte_range()).unwrap_or_default()
    }

    /// Notes what a statement decides.
    pub(super) fn collect(&mut self, node: Node<'t>) {
        match node.kind() {
            "try_statement" => self.tries(node),
            "if_statement" => self.tests(node),
            "with_statement" => self.suppresses(node),
            _ => {}
        }
    }

    /// The code that only some versions of Python run.
    pub(super) fn branches(&mut self) -> Branches {
        Branches::new(std::mem::take(&mut self.branches))
    }

    /// Notes what `try` makes optional: its body, if the first handler that catches a failed import can go on, and what handlers do.
    fn tries(&mut self, node: Node<'t>) {
        let mut cursor = node.walk();
        let handlers =
            node.children(&mut cursor).filter(|child| matches!(child.kind(), "except_clause" | "except_group_clause"));
        let catching: Vec<Node<'t>> = handlers.filter(|handler| self.catches(*handler)).collect();
        for handler in &catching {
            self.ranges.push((handler.byte_range(), Guard::Optional));
        }
        if catching.first().is_some_and(|handler| !self.ends_the_program(*handler))
            && let Some(body) = node.child_by_field_name("body")
        {
            self.ranges.push((body.byte_range(), Guard::Optional));
        }
    }

    /// Whether a handler catches a failed import.
    fn catches(&self, handler: Node<'t>) -> bool {
        let mut cursor = handler.walk();
        let caught = handler.named_children(&mut cursor).find(|child| child.kind() != "block" && !child.is_extra());
        caught.is_none_or(|caught| {
            let words = self.text(caught).split(|c: char| !(c.is_alphanumeric() || c == '_'));
            words.into_iter().any(|word| CATCHES.contains(&word))
        })
    }

    /// Whether a handler raises or exits, whatever its conditions come to.
    fn ends_the_program(&self, handler: Node<'t>) -> bool {
        let mut cursor = handler.walk();
        let block = handler.named_children(&mut cursor).find(|child| child.kind() == "block");
        if handler.byte_range().len() > MAX_HANDLER {
            return false;
        }
        let mut leaves = false;
        walk(handler, |node, _| {
            leaves |= matches!(node.kind(), "return_statement" | "break_statement" | "continue_statement");
            !leaves && !matches!(node.kind(), "function_definition" | "class_definition" | "lambda")
        });
        block.is_some_and(|block| !leaves && self.ends(block, MAX_BLOCKS))
    }

    /// Whether running a block raises or exits.
    fn ends(&self, block: Node<'t>, depth: usize) -> bool {
        let Some(depth) = depth.checked_sub(1) else { return false };
        let mut cursor = block.walk();
        block.named_children(&mut cursor).any(|statement| {
            let written = self.text(statement);
            let inside = |name: &str| statement.child_by_field_name(name).is_some_and(|block| self.ends(block, depth));
            match statement.kind() {
                "raise_statement" => true,
                "expression_statement" => EXITS.iter().any(|exit| written.starts_with(exit)),
                "with_statement" => !written.contains("suppress(") && inside("body"),
                "try_statement" => {
                    let mut cursor = statement.walk();
                    let last = statement.named_children(&mut cursor).find(|child| child.kind() == "finally_clause");
                    let block = last.and_then(|last| last.named_child(0));
                    block.is_some_and(|block| self.ends(block, depth))
                }
                "if_statement" => {
                    let mut rest = Some(Holds::ALWAYS);
                    let all = clauses(statement).into_iter().all(|(condition, block)| {
                        let runs = condition.map_or(Some(Holds::ALWAYS), |condition| self.conditions.holds(condition));
                        let never = |holds: Option<Holds>| holds.is_some_and(|holds| holds.minors == 0);
                        let is_skipped = never(runs) || never(rest);
                        rest = runs.and_then(|runs| Some(rest?.and(runs.not())));
                        rest = if condition.is_none() { Some(Holds::ALWAYS.not()) } else { rest };
                        is_skipped || self.ends(block, depth)
                    });
                    all && rest.is_some_and(|rest| rest.minors == 0)
                }
                _ => false,
            }
        })
    }

    /// Notes what conditions decide: what never runs in a function, what depends on the version, and what only runs in a program.
    fn tests(&mut self, node: Node<'t>) {
        // Where no clause so far was run, if that is known.
        let mut rest = Some(Holds::ALWAYS);
        for (condition, block) in clauses(node) {
            let runs = match condition {
                None => Some(Holds::ALWAYS),
                Some(condition) => {
                    let runs = self.conditions.holds(condition);
                    let written = self.text(condition);
                    if runs.is_none() && VERSION_WORDS.iter().chain(TESTS).any(|word| written.contains(word)) {
                        // What follows also depends on it.
                        self.ranges.push((condition.start_byte()..node.end_byte(), Guard::Optional));
                    }
                    runs
                }
            };
            let here = match (rest, runs) {
                (Some(rest), Some(runs)) => Some(rest.and(runs)),
                (Some(one), None) | (None, Some(one)) => Some(one).filter(|one| one.minors != ALL),
                (None, None) => None,
            };
            match here {
                Some(holds) if holds.minors == 0 && holds.by_start => {
                    self.ranges.push((block.byte_range(), Guard::Optional));
                }
                Some(holds) if holds.minors == 0 => self.ranges.push((block.byte_range(), Guard::Never)),
                Some(holds) if holds.minors != ALL => self.branches.push((block.byte_range(), holds.minors)),
                _ => {}
            }
            rest = match (rest, runs) {
                (Some(rest), Some(runs)) => Some(rest.and(runs.not())),
                // Where a condition is not known, what is left is at most what was.
                (rest, None) => rest,
                (None, Some(runs)) => Some(runs.not()),
            };
        }
    }

    fn suppresses(&mut self, node: Node<'t>) {
        let Some(body) = node.child_by_field_name("body") else { return };
        let head = self.text.get(node.start_byte()..body.start_byte()).unwrap_or_default();
        if head.contains("suppress(") && CATCHES.iter().any(|caught| head.contains(caught)) {
            self.ranges.push((body.byte_range(), Guard::Optional));
        }
    }
}

/// The clauses of `if`, `elif` and `else`, each with its condition.
fn clauses<'t>(node: Node<'t>) -> Vec<(Option<Node<'t>>, Node<'t>)> {
    let first = (node.child_by_field_name("condition"), node.child_by_field_name("consequence"));
    let mut clauses: Vec<(Option<Node<'t>>, Node<'t>)> = first.1.map(|block| (first.0, block)).into_iter().collect();
    let mut cursor = node.walk();
    for clause in node.children_by_field_name("alternative", &mut cursor) {
        let block = clause.child_by_field_name("consequence").or_else(|| clause.child_by_field_name("body"));
        clauses.extend(block.map(|block| (clause.child_by_field_name("condition"), block)));
    }
    clauses
}

/// The code of a source that only some versions of Python run.
pub(super) struct Branches {
    /// In the order of the text.
    ahead: std::vec::IntoIter<(Range<usize>, u64)>,
    next: Option<(Range<usize>, u64)>,
    /// Those around the place that was asked for last, each with the versions that run it.
    around: Vec<(usize, u64)>,
}

impl Branches {
    fn new(mut branches: Vec<(Range<usize>, u64)>) -> Self {
        branches.sort_by_key(|(range, _)| (range.start, std::cmp::Reverse(range.end)));
        let mut ahead = branches.into_iter();
        Self { next: ahead.next(), ahead, around: Vec::new() }
    }

    /// The minor versions that run what is at a place. Places come in the order of the text.
    pub(super) fn minors(&mut self, place: usize) -> u64 {
        while let Some((range, minors)) = self.next.take_if(|(range, _)| range.start <= place) {
            self.around.retain(|(end, _)| *end > range.start);
            let above = self.around.last().map_or(ALL, |(_, minors)| *minors);
            self.around.push((range.end, above & minors));
            self.next = self.ahead.next();
        }
        self.around.retain(|(end, _)| *end > place);
        self.around.last().map_or(ALL, |(_, minors)| *minors)
    }
}
