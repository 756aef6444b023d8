//! What expressions of a source can be, as far as that is written in it: literals, and names that are bound to literals, to lists and
//! dictionaries of them, and in loops and comprehensions to each of such a list.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use tree_sitter::Node;

use crate::languages::grammar::walk;

/// How deep expressions are followed.
const MAX_DEPTH: usize = 8;

/// How many values a name can have.
const MAX_VALUES: usize = 1_000;

/// The values that names are bound to; `None` when also to something else.
type Values<'t> = BTreeMap<&'t str, Option<BTreeSet<String>>>;

/// The literals of a source.
pub(super) struct Literals<'t> {
    text: &'t str,
    /// The literals that each name is bound to.
    single: Values<'t>,
    /// The lists of literals, and the values of dictionaries.
    lists: Values<'t>,
    /// The loops over what is not written in them: the name, and what it is each of.
    loops: Vec<(&'t str, Node<'t>)>,
    /// The names that loops bind to one value after the other.
    in_turn: BTreeSet<&'t str>,
    /// The files that names are opened from.
    opened: Values<'t>,
    /// Where names are parameters.
    parameters: BTreeMap<&'t str, Vec<Range<usize>>>,
}

impl<'t> Literals<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self {
            text,
            single: BTreeMap::new(),
            lists: BTreeMap::new(),
            loops: Vec::new(),
            in_turn: BTreeSet::new(),
            opened: BTreeMap::new(),
            parameters: BTreeMap::new(),
        }
    }

    fn text(&self, node: Node<'_>) -> &'t str {
        self.text.get(node.byte_range()).unwrap_or_default()
    }

    /// Notes what an assignment, a loop or a function binds names to.
    pub(super) fn collect(&mut self, node: Node<'t>) {
        let field = |name: &str| node.child_by_field_name(name);
        match node.kind() {
            "assignment" => self.binds(field("left"), field("right")),
            "named_expression" => self.binds(field("name"), field("value")),
            "augmented_assignment" => self.binds(field("left"), None),
            "for_statement" | "for_in_clause" => self.binds_each(field("left"), field("right")),
            _ => {
                let Some(list) = field("parameters") else { return };
                let mut cursor = list.walk();
                let named: Vec<Node<'t>> = list.named_children(&mut cursor).collect();
                for parameter in named {
                    let name = parameter.child_by_field_name("name").unwrap_or(parameter);
                    let name = if name.kind() == "identifier" { Some(name) } else { name.named_child(0) };
                    if let Some(name) = name.filter(|name| name.kind() == "identifier") {
                        self.parameters.entry(self.text(name)).or_default().push(node.byte_range());
                    }
                }
            }
        }
    }

    fn binds(&mut self, left: Option<Node<'t>>, right: Option<Node<'t>>) {
        let Some(left) = left else { return };
        if let Some(names) = names_of(left) {
            for (at, name) in names.iter().enumerate() {
                let value = right.map(elements).and_then(|values| values.get(at).copied());
                self.bind(*name, value);
            }
            return;
        }
        self.bind(left, right);
    }

    fn bind(&mut self, name: Node<'t>, value: Option<Node<'t>>) {
        if name.kind() != "identifier" {
            return;
        }
        let written = self.text(name);
        let single = value.and_then(|value| self.values_at(value, MAX_DEPTH));
        let list = value.and_then(|value| self.strings(value).or_else(|| self.dictionary(value)));
        let opened = value.and_then(|value| self.opens(value));
        add(&mut self.single, written, single);
        add(&mut self.lists, written, list);
        add(&mut self.opened, written, opened);
    }

    /// Binds names to each of what a loop is over.
    fn binds_each(&mut self, left: Option<Node<'t>>, right: Option<Node<'t>>) {
        let (Some(left), Some(right)) = (left, right) else { return };
        walk(left, |node, _| {
            self.in_turn
                .extend((node.kind() == "identifier").then(|| self.text.get(node.byte_range()).unwrap_or_default()));
            true
        });
        let Some(names) = names_of(left) else {
            if left.kind() == "identifier" {
                let name = self.text(left);
                match self.strings(right) {
                    Some(values) => add(&mut self.single, name, Some(values)),
                    None => self.loops.push((name, right)),
                }
            }
            return;
        };
        for (at, name) in names.iter().enumerate().filter(|(_, name)| name.kind() == "identifier") {
            // `for a, b in (("x", 1), ("y", 2))`
            let of_each: Option<BTreeSet<String>> = elements(right)
                .into_iter()
                .map(|each| self.string(elements(each).get(at).copied()?))
                .collect::<Option<_>>()
                .filter(|values: &BTreeSet<String>| !values.is_empty());
            let name = self.text(*name);
            match of_each {
                Some(values) => add(&mut self.single, name, Some(values)),
                // `for key, value in names.items()`
                None if at == 1 && self.text(right).ends_with(".items()") => self.loops.push((name, right)),
                None => add(&mut self.single, name, None),
            }
        }
    }

    /// Resolves the loops over names, when all names are known.
    pub(super) fn conclude(&mut self) {
        for (name, right) in std::mem::take(&mut self.loops) {
            let values = self.each(right);
            add(&mut self.single, name, values);
        }
    }

    /// The elements of a list of literals, or the values of a dictionary of them: written there, or bound to a name.
    pub(super) fn each(&self, node: Node<'t>) -> Option<BTreeSet<String>> {
        let field = |name: &str| node.child_by_field_name(name);
        match node.kind() {
            "identifier" => self.bound(&self.lists, node),
            "call" => {
                let function = field("function")?;
                let (of, method) = (function.child_by_field_name("object"), function.child_by_field_name("attribute"));
                match (of, method.map(|method| self.text(method))) {
                    (Some(of), Some("values" | "items")) => self.each(of),
                    (None, _) if matches!(self.text(function), "sorted" | "list" | "tuple" | "set" | "reversed") => {
                        self.each(field("arguments")?.named_child(0)?)
                    }
                    _ => None,
                }
            }
            _ => self.strings(node).or_else(|| self.dictionary(node)),
        }
    }

    /// Whether an expression is each of its values in turn, as a loop binds its name to them, and not only one of them.
    pub(super) fn is_each_in_turn(&self, node: Node<'t>) -> bool {
        let mut found = false;
        walk(node, |node, _| {
            found |= node.kind() == "identifier" && self.in_turn.contains(self.text(node));
            !found
        });
        found
    }

    /// What an expression can be.
    pub(super) fn values(&self, node: Node<'t>) -> Option<BTreeSet<String>> {
        self.values_at(node, MAX_DEPTH)
    }

    fn values_at(&self, node: Node<'t>, depth: usize) -> Option<BTreeSet<String>> {
        let depth = depth.checked_sub(1)?;
        let field = |name: &str| node.child_by_field_name(name);
        match node.kind() {
            "identifier" => self.bound(&self.single, node),
            "keyword_argument" | "named_expression" => self.values_at(field("value")?, depth),
            "parenthesized_expression" => self.values_at(node.named_child(0)?, depth),
            "concatenated_string" => {
                let mut cursor = node.walk();
                let parts: Option<String> = node.named_children(&mut cursor).map(|part| self.string(part)).collect();
                Some([parts?].into())
            }
            "conditional_expression" => {
                let mut both = self.values_at(node.named_child(0)?, depth)?;
                both.extend(self.values_at(node.named_child(2)?, depth)?);
                Some(both)
            }
            "binary_operator" if self.text(field("operator")?) == "+" => {
                let (left, right) = (self.values_at(field("left")?, depth)?, self.values_at(field("right")?, depth)?);
                let all = left.iter().flat_map(|left| right.iter().map(move |right| format!("{left}{right}")));
                Some(all.take(MAX_VALUES).collect())
            }
            // `NAMES[key]`
            "subscript" => self.each(field("value")?),
            // `NAMES.get(key)`
            "call" => {
                let function = field("function").filter(|function| function.kind() == "attribute")?;
                let is_get = self.text(function.child_by_field_name("attribute")?) == "get";
                let mut found = self.each(function.child_by_field_name("object").filter(|_| is_get)?)?;
                if let Some(otherwise) = field("arguments").and_then(|arguments| arguments.named_child(1)) {
                    found.extend(self.values_at(otherwise, depth)?);
                }
                Some(found)
            }
            _ => self.string(node).map(|literal| [literal].into()),
        }
    }

    /// The package whose module an expression names, where only the rest of the name is computed: `f"a.b.{name}"`, `"a.b." + name`.
    pub(super) fn package_of(&self, node: Node<'t>) -> Option<String> {
        let begins = match node.kind() {
            "binary_operator" => self.string(node.child_by_field_name("left")?)?,
            "string" => {
                let mut cursor = node.walk();
                let mut parts = node.named_children(&mut cursor).filter(|part| part.kind() != "string_start");
                let first = parts.next().filter(|first| first.kind() == "string_content")?;
                self.text(first).to_owned()
            }
            _ => return None,
        };
        let (package, _) = begins.rsplit_once('.')?;
        let is_name = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_alphanumeric() || c == '_');
        package.split('.').all(is_name).then(|| package.to_owned())
    }

    /// The files that an expression is, or is opened from: `"a"`, `open("a", "rb")`, and a name that is bound to one.
    pub(super) fn files(&self, node: Node<'t>) -> Option<BTreeSet<String>> {
        let opened = match node.kind() {
            "identifier" => self.bound(&self.opened, node),
            "call" => self.opens(node),
            _ => None,
        };
        opened.or_else(|| self.values(node)).or_else(|| Some([self.last_part(node)?].into()))
    }

    /// The files that a call opens.
    fn opens(&self, node: Node<'t>) -> Option<BTreeSet<String>> {
        let function = node.child_by_field_name("function").filter(|_| node.kind() == "call")?;
        let opens = matches!(self.text(function), "open" | "gzip.open" | "bz2.open" | "lzma.open" | "io.open");
        let first = node.child_by_field_name("arguments").filter(|_| opens)?.named_child(0)?;
        self.values(first).or_else(|| Some([self.last_part(first)?].into()))
    }

    /// Notes the file that `with open(...) as name` opens.
    pub(super) fn opened_as(&mut self, node: Node<'t>) {
        let (value, alias) = (node.named_child(0), node.child_by_field_name("alias"));
        let name = alias.map(|alias| alias.named_child(0).unwrap_or(alias));
        if let (Some(value), Some(name)) = (value, name.filter(|name| name.kind() == "identifier")) {
            let (opened, name) = (self.opens(value), self.text(name));
            add(&mut self.opened, name, opened);
            add(&mut self.single, name, None);
        }
    }

    /// The path of a file from the directory of the source, by the literals that it is joined of: `Path(__file__).parent / "a.ini"`,
    /// `os.path.join(os.path.dirname(__file__), "a", "b.ini")`.
    pub(super) fn last_part(&self, node: Node<'t>) -> Option<String> {
        let written = self.text(node);
        let beside = ["__file__", "LAMBDA_TASK_ROOT"].iter().any(|place| written.contains(place));
        let mut found: Vec<String> = Vec::new();
        let mut is_joined = true;
        walk(node, |node, _| {
            found.extend(self.string(node).filter(|literal| literal != "LAMBDA_TASK_ROOT" && literal != "/var/task"));
            // What is not written there is another part.
            is_joined &= !matches!(node.kind(), "string" | "interpolation") || self.string(node).is_some();
            found.len() <= MAX_DEPTH
        });
        (beside && is_joined && !found.is_empty()).then(|| found.join("/"))
    }

    /// What a name is bound to where it stands.
    fn bound(&self, values: &Values<'t>, name: Node<'t>) -> Option<BTreeSet<String>> {
        let written = self.text(name);
        let parameters = self.parameters.get(written).map(Vec::as_slice).unwrap_or_default();
        if parameters.iter().any(|range| range.contains(&name.start_byte())) {
            return None;
        }
        values.get(written).cloned().flatten()
    }

    /// The literals of a tuple, list or set of them.
    pub(super) fn strings(&self, node: Node<'t>) -> Option<BTreeSet<String>> {
        let items: Option<BTreeSet<String>> = elements(node).into_iter().map(|item| self.string(item)).collect();
        items.filter(|items| !items.is_empty())
    }

    /// The values of a dictionary of literals.
    fn dictionary(&self, node: Node<'t>) -> Option<BTreeSet<String>> {
        if node.kind() != "dictionary" {
            return None;
        }
        let mut cursor = node.walk();
        let pairs = node.named_children(&mut cursor).filter(|pair| !pair.is_extra());
        let values: Option<BTreeSet<String>> =
            pairs.map(|pair| self.string(pair.child_by_field_name("value")?)).collect();
        values.filter(|values| !values.is_empty())
    }

    /// The value of a string literal without escapes and interpolations.
    pub(super) fn string(&self, node: Node<'t>) -> Option<String> {
        if node.kind() != "string" {
            return None;
        }
        let mut cursor = node.walk();
        let mut value = String::new();
        for part in node.named_children(&mut cursor) {
            match part.kind() {
                "string_start" | "string_end" => {}
                "string_content" if part.named_child_count() == 0 => value.push_str(self.text(part)),
                _ => return None,
            }
        }
        Some(value)
    }
}

/// The elements of a tuple, list or set.
pub(super) fn elements(node: Node<'_>) -> Vec<Node<'_>> {
    if !matches!(node.kind(), "tuple" | "list" | "set" | "expression_list") {
        return Vec::new();
    }
    let mut cursor = node.walk();
    node.named_children(&mut cursor).filter(|item| !item.is_extra()).collect()
}

/// The names that a target of several is made of.
fn names_of(target: Node<'_>) -> Option<Vec<Node<'_>>> {
    matches!(target.kind(), "pattern_list" | "tuple_pattern" | "list_pattern").then(|| {
        let mut cursor = target.walk();
        target.named_children(&mut cursor).filter(|item| !item.is_extra()).collect()
    })
}

fn add<'t>(all: &mut Values<'t>, name: &'t str, values: Option<BTreeSet<String>>) {
    let known = all.entry(name).or_insert_with(|| Some(BTreeSet::new()));
    *known = match (known.take(), values) {
        (Some(known), Some(values)) => Some(known.into_iter().chain(values).collect()),
        _ => None,
    };
}
