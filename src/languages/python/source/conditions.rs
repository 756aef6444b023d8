//! What a condition comes to in a function on Lambda: by the version of Python, the system, and that a function is imported and not
//! run as a program. Minor versions of Python 3 are bits, so that conditions are combined as they are written.
//!
//! | condition | holds |
//! | --- | --- |
//! | `TYPE_CHECKING`, `False`, `0` | never |
//! | `sys.platform == "linux"`, `os.name == "posix"`, `platform.system() == "Linux"` | always |
//! | `sys.version_info >= (3, 11)` | for 3.11 and newer |
//! | `sys.version_info[0] == 2`, `sys.version_info.major < 3` | never |
//! | `__name__ == "__main__"` | not where the source is imported |

use tree_sitter::Node;

/// All minor versions of Python 3.
pub(in crate::languages::python) const ALL: u64 = u64::MAX;

/// How deep conditions are read.
const MAX_DEPTH: usize = 16;

/// For which minor versions of Python 3 a condition holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Holds {
    /// Bit 11 for Python 3.11.
    pub(super) minors: u64,
    /// Whether it depends on how the source is run: imported, or as a program.
    pub(super) by_start: bool,
}

impl Holds {
    /// What always holds.
    pub(super) const ALWAYS: Self = Self { minors: ALL, by_start: false };

    const fn is(always: bool) -> Self {
        Self { minors: if always { ALL } else { 0 }, by_start: false }
    }

    /// Where it does not hold.
    pub(super) fn not(self) -> Self {
        Self { minors: !self.minors, ..self }
    }

    /// Where both hold; what never holds for another reason does not depend on how the source is run.
    pub(super) fn and(self, other: Self) -> Self {
        let never = |one: &Self| one.minors == 0 && !one.by_start;
        Self {
            minors: self.minors & other.minors,
            by_start: (self.by_start || other.by_start) && !never(&self) && !never(&other),
        }
    }
}

/// Reads conditions of one source.
pub(super) struct Conditions<'t> {
    pub(super) text: &'t str,
    /// Whether the source is run as a program.
    pub(super) is_program: bool,
}

/// A value that versions of Python differ in.
#[derive(Clone, Copy)]
enum Compared {
    /// `sys.version_info`, or its first two numbers.
    Version,
    /// Its first number.
    Major,
    /// Its second number.
    Minor,
}

impl<'t> Conditions<'t> {
    fn text(&self, node: Node<'_>) -> &'t str {
        self.text.get(node.byte_range()).unwrap_or_default()
    }

    /// Where a condition holds; `None` if that is not known.
    pub(super) fn holds(&self, condition: Node<'t>) -> Option<Holds> {
        self.holds_at(condition, MAX_DEPTH)
    }

    fn holds_at(&self, node: Node<'t>, depth: usize) -> Option<Holds> {
        let depth = depth.checked_sub(1)?;
        let field = |name: &str| node.child_by_field_name(name);
        match node.kind() {
            "parenthesized_expression" => self.holds_at(node.named_child(0)?, depth),
            "not_operator" => Some(self.holds_at(field("argument")?, depth)?.not()),
            "true" => Some(Holds::is(true)),
            "false" | "none" => Some(Holds::is(false)),
            "integer" => Some(Holds::is(self.text(node).parse::<u64>().ok()? != 0)),
            "identifier" | "attribute" => match self.text(node).rsplit('.').next()? {
                "TYPE_CHECKING" | "PY2" => Some(Holds::is(false)),
                "PY3" => Some(Holds::is(true)),
                "__debug__" if node.kind() == "identifier" => Some(Holds::is(true)),
                _ => None,
            },
            "boolean_operator" => {
                let (left, right) = (self.holds_at(field("left")?, depth), self.holds_at(field("right")?, depth));
                let is_and = self.text(field("operator")?) == "and";
                let decides = |one: &Holds| one.minors == if is_and { 0 } else { ALL };
                match (left, right) {
                    (Some(left), Some(right)) if is_and => Some(left.and(right)),
                    (Some(left), Some(right)) => Some(left.not().and(right.not()).not()),
                    (Some(one), None) | (None, Some(one)) => Some(one).filter(decides),
                    (None, None) => None,
                }
            }
            "comparison_operator" => self.compared(node),
            "call" => {
                // `sys.platform.startswith(("win", "darwin"))`
                let of = self.text(field("function")?).strip_suffix(".startswith")?;
                let own = own_value(of)?;
                let argument = field("arguments")?.named_child(0)?;
                let prefixes = self.literals(argument)?;
                Some(Holds::is(prefixes.iter().any(|prefix| own.starts_with(prefix))))
            }
            _ => None,
        }
    }

    /// Where a comparison of two values holds.
    fn compared(&self, node: Node<'t>) -> Option<Holds> {
        let mut cursor = node.walk();
        let operands: Vec<Node<'t>> = node.named_children(&mut cursor).filter(|child| !child.is_extra()).collect();
        let [left, right] = operands.as_slice() else { return None };
        let between = self.text.get(left.end_byte()..right.start_byte())?.trim();
        let (left, right, operator) = if is_value(self.text(*left)) {
            (*left, *right, between)
        } else {
            let turned = match between {
                "<" => ">",
                ">" => "<",
                "<=" => ">=",
                ">=" => "<=",
                same => same,
            };
            (*right, *left, turned)
        };
        let written: String = self.text(left).split_whitespace().collect();
        if written == "__name__" {
            self.literals(right).filter(|names| names.as_slice() == ["__main__"])?;
            let holds = match operator {
                "==" => self.is_program,
                "!=" => !self.is_program,
                _ => return None,
            };
            return Some(Holds { minors: if holds { ALL } else { 0 }, by_start: !self.is_program });
        }
        if let Some(own) = own_value(&written) {
            let names = self.literals(right)?;
            let is_own = names.contains(&own);
            return match operator {
                "==" | "in" => Some(Holds::is(is_own)),
                "!=" | "not in" => Some(Holds::is(!is_own)),
                _ => None,
            };
        }
        let of = compared(&written)?;
        // The third number is not known, but is one.
        let numbers = self.numbers(right).filter(|numbers| numbers.get(2).is_none_or(|third| *third == 0))?;
        let holds = |minor: u64| {
            let own = match of {
                // With what follows, 3.11 is more than (3, 11).
                Compared::Version => vec![3, minor, 1],
                Compared::Major => vec![3],
                Compared::Minor => vec![minor],
            };
            let own = if written.contains("[:2]") { own[..2].to_vec() } else { own };
            Some(match operator {
                "<" => own < numbers,
                "<=" => own <= numbers,
                ">" => own > numbers,
                ">=" => own >= numbers,
                "==" => own == numbers,
                "!=" => own != numbers,
                _ => return None,
            })
        };
        let mut minors = 0;
        for minor in 0..64 {
            minors |= u64::from(holds(minor)?) << minor;
        }
        Some(Holds { minors, by_start: false })
    }

    /// The literals that a value is, or that it is a tuple or list of.
    fn literals(&self, node: Node<'t>) -> Option<Vec<&'t str>> {
        let literal = |node: Node<'t>| {
            let written = self.text(node);
            let quote = written.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
            let inside = written.strip_prefix(quote)?.strip_suffix(quote)?;
            (node.kind() == "string" && !inside.contains(['\\', quote])).then_some(inside)
        };
        if matches!(node.kind(), "tuple" | "list" | "set") {
            let mut cursor = node.walk();
            return node.named_children(&mut cursor).filter(|child| !child.is_extra()).map(literal).collect();
        }
        Some(vec![literal(node)?])
    }

    /// The numbers that a value is: `(3, 11)`, `3`.
    fn numbers(&self, node: Node<'t>) -> Option<Vec<u64>> {
        let number = |node: Node<'t>| self.text(node).parse().ok();
        match node.kind() {
            "integer" => Some(vec![number(node)?]),
            "tuple" => {
                let mut cursor = node.walk();
                node.named_children(&mut cursor).filter(|child| !child.is_extra()).map(number).collect()
            }
            _ => None,
        }
    }
}

/// Whether an operand is what the other one is compared with.
fn is_value(written: &str) -> bool {
    let written: String = written.split_whitespace().collect();
    written == "__name__" || own_value(&written).is_some() || compared(&written).is_some()
}

/// The value that an expression has on Lambda.
fn own_value(written: &str) -> Option<&'static str> {
    match written {
        "sys.platform" => Some("linux"),
        "os.name" => Some("posix"),
        "platform.system()" => Some("Linux"),
        _ => None,
    }
}

/// What an expression tells of the version of Python.
fn compared(written: &str) -> Option<Compared> {
    match written.strip_prefix("sys.").unwrap_or(written).strip_prefix("version_info")? {
        "" | "[:2]" => Some(Compared::Version),
        "[0]" | ".major" => Some(Compared::Major),
        "[1]" | ".minor" => Some(Compared::Minor),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::languages::Source;
    use crate::languages::reading;

    fn of(condition: &str, is_program: bool) -> Option<Holds> {
        let text = format!("if {condition}:\n    pass\n");
        let tree = reading::tree(&tree_sitter_python::LANGUAGE.into(), &text, &mut Source::default());
        let tree = tree.expect("a grammar").expect("a tree");
        let condition = tree.root_node().named_child(0)?.child_by_field_name("condition")?;
        Conditions { text: &text, is_program }.holds(condition)
    }

    #[test]
    fn conditions_come_to_what_they_do_on_lambda() {
        let since = |minor: u32| ALL << minor;
        for (condition, minors) in [
            ("True", Some(ALL)),
            ("not TYPE_CHECKING", Some(ALL)),
            ("t.TYPE_CHECKING and x", Some(0)),
            ("TYPE_CHECKING or x", None),
            ("x", None),
            ("sys.version_info >= (3, 11)", Some(since(11))),
            ("(3, 11) <= sys.version_info", Some(since(11))),
            ("sys.version_info > (3, 11)", Some(since(11))),
            ("sys.version_info[:2] > (3, 11)", Some(since(12))),
            ("sys.version_info[:2] == (3, 11)", Some(1 << 11)),
            ("sys.version_info < (3, 11) or sys.version_info >= (3, 13)", Some(!since(11) | since(13))),
            ("sys.version_info >= (3,)", Some(ALL)),
            ("sys.version_info < (3, 11, 2)", None),
            ("sys.version_info[0] == 2", Some(0)),
            ("sys.version_info.major >= 3 and sys.version_info.minor < 9", Some(!since(9))),
            ("sys.platform in ('win32', 'cygwin')", Some(0)),
            ("sys.platform.startswith('linux')", Some(ALL)),
            ("os.name != 'nt'", Some(ALL)),
            ("platform.system() == 'Linux'", Some(ALL)),
            ("__name__ == '__main__'", Some(0)),
            ("\"__main__\" != __name__", Some(ALL)),
        ] {
            assert_eq!(of(condition, false).map(|holds| holds.minors), minors, "{condition}");
        }
        let main = of("__name__ == '__main__' and x", false).expect("known");
        assert!(main.minors == 0 && main.by_start);
        assert_eq!(of("__name__ == '__main__' and False", false), Some(Holds::is(false)));
        assert_eq!(of("__name__ == '__main__'", true), Some(Holds::is(true)));
    }
}
