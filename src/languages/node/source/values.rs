//! What expressions in a source stand for, as far as it is certain: literals, names that are bound to one, and paths beside the
//! source.

use std::collections::BTreeMap;

use tree_sitter::Node;

/// How deep expressions are followed.
const MAX_DEPTH: usize = 12;

/// How long a value can be, in bytes: no path or name is longer.
const MAX_VALUE: usize = 4096;

/// Expressions for the directory of the source.
const HERE: &[&str] = &["__dirname", "import.meta.dirname"];

/// What the names in a source are bound to.
pub(super) struct Bound<'t> {
    text: &'t str,
    /// The value of each name; `None` when it is bound twice, or to something that is not certain.
    values: BTreeMap<&'t str, Option<String>>,
}

impl<'t> Bound<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { text, values: BTreeMap::new() }
    }

    fn text(&self, node: Node<'_>) -> &'t str {
        self.text.get(node.byte_range()).unwrap_or_default()
    }

    /// Notes that a name is bound to an expression.
    pub(super) fn binds(&mut self, name: Node<'t>, expression: Node<'t>) {
        let name = self.text(name);
        let value = self.value(expression).filter(|_| !self.values.contains_key(name));
        self.values.insert(name, value);
    }

    /// The value of a literal without escapes and substitutions.
    pub(super) fn string(&self, node: Node<'t>) -> Option<String> {
        let inside = match node.kind() {
            "string" | "template_string" => self.text(node).get(1..self.text(node).len().checked_sub(1)?)?,
            _ => return None,
        };
        let is_computed = node.kind() == "template_string" && inside.contains("${");
        let is_plain = !inside.contains('\\') && !is_computed;
        is_plain.then(|| inside.to_owned())
    }

    /// The value of an expression. The directory of the source is `.`, so that a path in it is a relative one.
    pub(super) fn value(&self, node: Node<'t>) -> Option<String> {
        self.value_at(node, MAX_DEPTH).filter(|value| value.len() <= MAX_VALUE)
    }

    fn value_at(&self, node: Node<'t>, depth: usize) -> Option<String> {
        let depth = depth.checked_sub(1)?;
        let written = self.text(node);
        if HERE.contains(&written) {
            return Some(".".to_owned());
        }
        let field = |name: &str| node.child_by_field_name(name);
        match node.kind() {
            "identifier" => self.values.get(written).cloned().flatten(),
            "parenthesized_expression" => self.value_at(node.named_child(0)?, depth),
            "binary_expression" if self.text(field("operator")?) == "+" => {
                let (left, right) = (field("left")?, field("right")?);
                joined([self.value_at(left, depth)?, self.value_at(right, depth)?], "")
            }
            "template_string" => self.string(node).or_else(|| self.template(node, depth)),
            // The properties of a URL that are its path.
            "member_expression" if matches!(self.text(field("property")?), "href" | "pathname") => {
                self.value_at(field("object")?, depth)
            }
            "new_expression" if self.text(field("constructor")?) == "URL" => {
                let arguments = arguments(node);
                let [path, base] = arguments[..] else { return None };
                self.value_at(path, depth).filter(|_| self.text(base) == "import.meta.url")
            }
            "call_expression" => {
                let arguments = arguments(node);
                match self.text(field("function")?).rsplit('.').next()? {
                    "join" | "resolve" if arguments.len() > 1 => {
                        let parts: Option<Vec<String>> =
                            arguments.iter().map(|argument| self.value_at(*argument, depth)).collect();
                        joined(parts?, "/").filter(|path| path.starts_with('.'))
                    }
                    "resolve" | "fileURLToPath" | "pathToFileURL" => self.value_at(*arguments.first()?, depth),
                    _ => None,
                }
            }
            _ => self.string(node),
        }
    }

    fn template(&self, node: Node<'t>, depth: usize) -> Option<String> {
        let mut cursor = node.walk();
        let parts: Option<Vec<String>> = node
            .named_children(&mut cursor)
            .map(|part| match part.kind() {
                "template_substitution" => self.value_at(part.named_child(0)?, depth),
                "string_fragment" => Some(self.text(part).to_owned()),
                _ => None,
            })
            .collect();
        joined(parts?, "")
    }
}

/// Texts after each other; the directory of the source can only be the first.
fn joined(parts: impl IntoIterator<Item = String>, between: &str) -> Option<String> {
    let parts: Vec<String> = parts.into_iter().collect();
    let is_path = parts.iter().skip(1).all(|part| part != ".");
    is_path.then(|| parts.join(between))
}

/// The arguments of a call.
fn arguments(call: Node<'_>) -> Vec<Node<'_>> {
    let Some(list) = call.child_by_field_name("arguments") else { return Vec::new() };
    let mut cursor = list.walk();
    list.named_children(&mut cursor).filter(|child| !child.is_extra()).take(8).collect()
}
