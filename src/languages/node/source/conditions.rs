//! What a condition comes to in a function on Lambda: by the system, and by whether the source is loaded or run as a program; and
//! which blocks end by throwing.
//!
//! | condition | holds |
//! | --- | --- |
//! | `false`, `process.platform === "win32"` | never |
//! | `true`, `process.platform === "linux"` | always |
//! | `require.main === module`, `!module.parent` | only in a program |

use tree_sitter::Node;

use crate::languages::grammar::walk;

/// How deep conditions and blocks are read.
const MAX_DEPTH: usize = 16;

/// The longest block that is looked into, in bytes: they can be in each other.
const MAX_BLOCK: usize = 10_000;

/// Functions that end the process.
const EXITS: &[&str] = &["process.exit(", "process.abort("];

/// What is the module that is run as a program.
const MAIN: &[&str] = &["require.main", "process.mainModule"];

/// Whether a condition holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holds {
    /// Wherever the source runs.
    Always,
    /// Nowhere on Lambda.
    Never,
    /// Where the source is loaded, and not run as a program.
    Here,
    /// Only where it is run as a program.
    NotHere,
}

impl Holds {
    fn not(self) -> Self {
        match self {
            Self::Always => Self::Never,
            Self::Never => Self::Always,
            Self::Here => Self::NotHere,
            Self::NotHere => Self::Here,
        }
    }

    fn is(always: bool) -> Self {
        if always { Self::Always } else { Self::Never }
    }
}

/// Reads conditions of one source.
pub(super) struct Conditions<'t> {
    pub(super) text: &'t str,
    /// Whether the source is run as a program.
    pub(super) is_program: bool,
}

impl<'t> Conditions<'t> {
    fn text(&self, node: Node<'_>) -> &'t str {
        self.text.get(node.byte_range()).unwrap_or_default()
    }

    /// The branches of `if`, `?:`, `&&` and `||` that are known to run or not.
    pub(super) fn branches(&self, node: Node<'t>) -> Vec<(Node<'t>, Holds)> {
        let field = |name: &str| node.child_by_field_name(name);
        let (condition, then, otherwise) = match node.kind() {
            "binary_expression" => match field("operator").map(|operator| self.text(operator)) {
                Some("&&") => (field("left"), field("right"), None),
                Some("||") => (field("left"), None, field("right")),
                _ => return Vec::new(),
            },
            _ => (field("condition"), field("consequence"), field("alternative")),
        };
        let Some(holds) = condition.and_then(|condition| self.holds(condition, MAX_DEPTH)) else { return Vec::new() };
        let then = then.map(|branch| (branch, holds));
        then.into_iter().chain(otherwise.map(|branch| (branch, holds.not()))).collect()
    }

    fn holds(&self, node: Node<'t>, depth: usize) -> Option<Holds> {
        let depth = depth.checked_sub(1)?;
        let field = |name: &str| node.child_by_field_name(name);
        let by_start = |holds: Holds| match (self.is_program, holds) {
            (true, Holds::NotHere) => Holds::Always,
            (true, Holds::Here) => Holds::Never,
            (_, holds) => holds,
        };
        match node.kind() {
            "parenthesized_expression" => self.holds(node.named_child(0)?, depth),
            "true" => Some(Holds::Always),
            "false" => Some(Holds::Never),
            // `!0` and `!1` are how minifiers write `true` and `false`.
            "number" => Some(Holds::is(self.text(node) != "0")).filter(|_| matches!(self.text(node), "0" | "1")),
            "unary_expression" if self.text(field("operator")?) == "!" => {
                let argument = field("argument")?;
                if self.text(argument) == "module.parent" {
                    return Some(by_start(Holds::NotHere));
                }
                Some(self.holds(argument, depth)?.not())
            }
            "member_expression" if self.text(node) == "import.meta.main" => Some(by_start(Holds::NotHere)),
            "binary_expression" => {
                let (left, right) = (field("left")?, field("right")?);
                let operator = self.text(field("operator")?);
                if matches!(operator, "&&" | "||") {
                    let (left, right) = (self.holds(left, depth), self.holds(right, depth));
                    // One that decides whatever the other one is; the stronger of two.
                    let deciding =
                        if operator == "&&" { [Holds::Never, Holds::NotHere] } else { [Holds::Always, Holds::Here] };
                    let decided = deciding.into_iter().find(|one| left == Some(*one) || right == Some(*one));
                    return decided.or(left.filter(|_| left == right));
                }
                let holds = compared(self.text(left), self.text(right))?;
                match operator {
                    "===" | "==" => Some(by_start(holds)),
                    "!==" | "!=" => Some(by_start(holds.not())),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    /// Whether running a block throws, or ends the process, whatever its conditions come to.
    pub(super) fn ends(&self, block: Node<'t>) -> bool {
        if block.byte_range().len() > MAX_BLOCK {
            return false;
        }
        let mut leaves = false;
        walk(block, |node, _| {
            leaves |= matches!(node.kind(), "return_statement" | "break_statement" | "continue_statement");
            !leaves && !node.kind().contains("function") && node.kind() != "class_body"
        });
        !leaves && self.ends_at(block, MAX_DEPTH)
    }

    fn ends_at(&self, node: Node<'t>, depth: usize) -> bool {
        let Some(depth) = depth.checked_sub(1) else { return false };
        let inside = |name: &str| node.child_by_field_name(name).is_some_and(|inside| self.ends_at(inside, depth));
        match node.kind() {
            "throw_statement" => true,
            // An arrow function can be a call alone.
            "expression_statement" | "call_expression" => EXITS.iter().any(|exit| self.text(node).starts_with(exit)),
            "statement_block" | "else_clause" => {
                let mut cursor = node.walk();
                node.named_children(&mut cursor).any(|statement| self.ends_at(statement, depth))
            }
            "if_statement" => {
                let holds = node.child_by_field_name("condition").and_then(|it| self.holds(it, depth));
                let (then, otherwise) = (inside("consequence"), inside("alternative"));
                then && (otherwise || holds == Some(Holds::Always))
            }
            "try_statement" => {
                let last = node.child_by_field_name("finalizer").and_then(|last| last.child_by_field_name("body"));
                last.is_some_and(|last| self.ends_at(last, depth))
            }
            _ => false,
        }
    }
}

/// Whether two expressions are equal.
fn compared(left: &str, right: &str) -> Option<Holds> {
    let is_main = |one: &str, other: &str| MAIN.contains(&one) && other == "module";
    if is_main(left, right) || is_main(right, left) {
        return Some(Holds::NotHere);
    }
    // `process.argv[1] === fileURLToPath(import.meta.url)`
    let is_url = |one: &str, other: &str| one.contains("process.argv[1]") && other.contains("import.meta.");
    if is_url(left, right) || is_url(right, left) {
        return Some(Holds::NotHere);
    }
    let literal = if left == "process.platform" {
        right
    } else if right == "process.platform" {
        left
    } else {
        return None;
    };
    let quote = literal.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
    Some(Holds::is(literal.trim_matches(quote) == "linux"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::languages::Source;
    use crate::languages::reading;

    fn with<T>(text: &str, is_program: bool, read: impl for<'a> FnOnce(&Conditions<'a>, Node<'a>) -> T) -> T {
        let tree = reading::tree(&tree_sitter_javascript::LANGUAGE.into(), text, &mut Source::default());
        let tree = tree.expect("a grammar").expect("a tree");
        let first = tree.root_node().named_child(0).expect("a statement");
        read(&Conditions { text, is_program }, first)
    }

    #[test]
    fn conditions_come_to_what_they_do_on_lambda() {
        for (condition, expected) in [
            ("false", Some(Holds::Never)),
            ("!0", Some(Holds::Always)),
            ("require.main === module", Some(Holds::NotHere)),
            ("module != require.main", Some(Holds::Here)),
            ("!module.parent", Some(Holds::NotHere)),
            ("(require.main === module) && x", Some(Holds::NotHere)),
            ("require.main === module && false", Some(Holds::Never)),
            ("require.main === module || x", None),
            ("process.platform === 'win32'", Some(Holds::Never)),
            ("\"linux\" == process.platform", Some(Holds::Always)),
            ("process.platform === x", None),
            ("x", None),
        ] {
            let text = format!("if ({condition}) {{ a }}");
            let found =
                with(&text, false, |conditions, node| conditions.branches(node).first().map(|(_, holds)| *holds));
            assert_eq!(found, expected, "{condition}");
        }
        let found = with("if (require.main === module) { a }", true, |conditions, node| {
            conditions.branches(node).first().map(|(_, holds)| *holds)
        });
        assert_eq!(found, Some(Holds::Always));
    }

    #[test]
    fn a_block_ends_by_throwing_only_if_all_of_it_does() {
        for (block, ends) in [
            ("{ throw e }", true),
            ("{ log(e); process.exit(1) }", true),
            ("{ if (x) throw e; else { throw f } }", true),
            ("{ if (x) throw e }", false),
            ("{ if (x) return; throw e }", false),
            ("{ const f = () => { throw e } }", false),
            ("{ try { a } finally { throw e } }", true),
        ] {
            let goes_on = with(block, false, |conditions, node| !conditions.ends(node));
            assert_eq!(goes_on, !ends, "{block}");
        }
    }
}
