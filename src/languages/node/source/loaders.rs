//! The functions of a source that load modules: `require`, what `createRequire()` returns, and the other names that code gives
//! to these. Minified code uses a name for different things in different scopes, so names are looked up by their scopes.
//!
//! | source | concluded |
//! | --- | --- |
//! | `const r = createRequire(u); r("a")` | the package `a` |
//! | `var m = (a => typeof require < "u" ? require : ...)(...); m("a")` | the package `a`: how esbuild keeps an external |
//! | `const load = (name) => require(name); load("a")` | the package `a` |
//! | `eval("require")("a")`, `(0, require)("a")`, `module.require("a")` | the package `a` |
//! | `register(require)`, `module.exports = { require }` | reported: what it is called with is not known |

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use tree_sitter::Node;

use crate::languages::grammar::walk;

/// Functions that load a module: Node.js's, and what bundlers call it.
const LOADERS: &[&str] = &["require", "__require", "__non_webpack_require__"];

/// The function of Node.js that makes such a function.
const MAKER: &str = "createRequire";

/// What has `require` as a property: `module`, and what leads to another one.
const MODULES: &[&str] = &["module", "main", "mainModule", "parent"];

/// How deep expressions are followed.
const MAX_DEPTH: usize = 12;

/// How many other names are followed: real code has a few.
const MAX_ALIASES: usize = 200;

/// How often names of names are followed.
const MAX_ROUNDS: usize = 6;

/// How many expressions around a mention are looked at, and how many blocks around a declaration.
const MAX_AROUND: usize = 64;
const MAX_BLOCKS: usize = 1_000;

/// How many mentions are reported.
const MAX_MENTIONS: usize = 100;

/// The longest function that only calls another one with its parameter, in bytes.
const MAX_WRAPPER: usize = 500;

/// Everything: the scope of what is declared at the top.
const EVERYWHERE: Range<usize> = 0..usize::MAX;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// It loads the module that its argument names.
    Loader,
    /// It returns a loader.
    Maker,
}

/// A name that is bound to a value.
struct Binding<'t> {
    name: Node<'t>,
    /// The value; `None` for another name of the function that makes loaders.
    value: Option<Node<'t>>,
}

/// The scopes in which a name is declared.
#[derive(Default)]
struct Scopes {
    /// In order of their starts, each with the position of the one around it.
    ranges: Vec<(Range<usize>, Option<usize>)>,
}

impl Scopes {
    fn new(mut ranges: Vec<Range<usize>>) -> Self {
        ranges.sort_by_key(|range| (range.start, std::cmp::Reverse(range.end)));
        ranges.dedup();
        let mut all: Vec<(Range<usize>, Option<usize>)> = Vec::with_capacity(ranges.len());
        let mut around: Vec<usize> = Vec::new();
        for range in ranges {
            while around.last().is_some_and(|last| all[*last].0.end <= range.start) {
                around.pop();
            }
            all.push((range, around.last().copied()));
            around.push(all.len() - 1);
        }
        Self { ranges: all }
    }

    /// The innermost scope around a position.
    fn around(&self, at: usize) -> Option<Range<usize>> {
        let mut next = self.ranges.partition_point(|(range, _)| range.start <= at).checked_sub(1);
        while let Some((range, around)) = next.and_then(|next| self.ranges.get(next)) {
            if range.contains(&at) {
                return Some(range.clone());
            }
            next = *around;
        }
        None
    }
}

/// The functions of a source that load modules.
pub(super) struct Loaders<'t> {
    text: &'t str,
    /// The other names: where each is bound, in bytes, and what to.
    aliases: BTreeMap<&'t str, Vec<(usize, Kind)>>,
    declared: BTreeMap<&'t str, Scopes>,
    /// The values of the other names.
    understood: Vec<Range<usize>>,
    /// The mentions by which a function gets to where it cannot be followed, in the order of the text.
    pub(super) passed_on: Vec<Node<'t>>,
}

impl<'t> Loaders<'t> {
    pub(super) fn of(root: Node<'t>, text: &'t str) -> Self {
        let mut loaders = Self {
            text,
            aliases: BTreeMap::new(),
            declared: BTreeMap::new(),
            understood: Vec::new(),
            passed_on: Vec::new(),
        };
        if !["require", MAKER, "import("].iter().any(|word| text.contains(word)) {
            return loaders;
        }
        let mut bindings = loaders.bindings(root);
        for _ in 0..MAX_ROUNDS {
            loaders.declared = loaders.declarations(root);
            // All by what is known of the scopes so far.
            let kinds: Vec<Option<Kind>> = bindings.iter().map(|binding| loaders.kind_of(binding)).collect();
            if kinds.iter().all(Option::is_none) {
                break;
            }
            let mut kinds = kinds.into_iter();
            bindings.retain(|binding| match kinds.next().flatten() {
                Some(kind) => !loaders.add(binding, kind),
                None => true,
            });
        }
        loaders.passed_on = loaders.mentions(root);
        loaders
    }

    fn text(&self, node: Node<'_>) -> &'t str {
        self.text.get(node.byte_range()).unwrap_or_default()
    }

    /// Whether a call of this function loads the module that its first argument names.
    pub(super) fn is_loader(&self, function: Node<'t>) -> bool {
        self.kind(function, MAX_DEPTH) == Some(Kind::Loader)
    }

    /// Whether a position is in the definition of another name of a loader, so that the calls of that name decide.
    pub(super) fn is_understood(&self, at: usize) -> bool {
        self.understood.iter().any(|range| range.contains(&at))
    }

    /// All that binds a name to a value.
    fn bindings(&self, root: Node<'t>) -> Vec<Binding<'t>> {
        let mut bindings = Vec::new();
        walk(root, |node, _| {
            let field = |name: &str| node.child_by_field_name(name);
            let is_maker = |name: Option<Node<'t>>| name.is_some_and(|name| self.text(name) == MAKER);
            let (name, value) = match node.kind() {
                "variable_declarator" => (field("name"), field("value")),
                "assignment_expression" | "augmented_assignment_expression" | "assignment_pattern" => {
                    (field("left"), field("right"))
                }
                "function_declaration" => (field("name"), Some(node)),
                "import_specifier" if is_maker(field("name")) => (field("alias"), None),
                "pair_pattern" if is_maker(field("key")) => (field("value"), None),
                "call_expression" => {
                    let function = field("function").map(unwrapped).filter(|function| is_function(*function));
                    let names = function.map(parameters).unwrap_or_default();
                    let passed = names.into_iter().zip(arguments(node));
                    let passed = passed.filter(|(name, _)| name.kind() == "identifier");
                    bindings.extend(passed.map(|(name, value)| Binding { name, value: Some(value) }));
                    return true;
                }
                _ => return true,
            };
            let is_rename = matches!(node.kind(), "import_specifier" | "pair_pattern");
            if let Some(name) = name.filter(|name| name.kind() == "identifier")
                && (value.is_some() || is_rename)
            {
                bindings.push(Binding { name, value });
            }
            true
        });
        bindings
    }

    /// What a name is bound to.
    fn kind_of(&self, binding: &Binding<'t>) -> Option<Kind> {
        let is_full = self.understood.len() >= MAX_ALIASES;
        binding.value.map_or(Some(Kind::Maker), |value| self.kind(value, MAX_DEPTH)).filter(|_| !is_full)
    }

    /// Notes another name of such a function; returns whether there is room for it.
    fn add(&mut self, binding: &Binding<'t>, kind: Kind) -> bool {
        let has_room = self.understood.len() < MAX_ALIASES;
        if has_room {
            self.aliases.entry(self.text(binding.name)).or_default().push((binding.name.start_byte(), kind));
            self.understood.push(binding.value.unwrap_or(binding.name).byte_range());
        }
        has_room
    }

    /// The scopes of the names of such functions.
    fn declarations(&self, root: Node<'t>) -> BTreeMap<&'t str, Scopes> {
        let mut names: BTreeSet<&str> = self.aliases.keys().copied().collect();
        names.extend(LOADERS.iter().chain([&MAKER]));
        let mut declared: BTreeMap<&'t str, Vec<Range<usize>>> = BTreeMap::new();
        walk_below(root, |node, above| {
            if matches!(node.kind(), "identifier" | "shorthand_property_identifier_pattern")
                && names.contains(self.text(node))
                && let Some(scope) = declared_in(node, above)
            {
                declared.entry(self.text(node)).or_default().push(scope);
            }
        });
        declared.into_iter().map(|(name, ranges)| (name, Scopes::new(ranges))).collect()
    }

    /// The scope that a name has at a position.
    fn scope(&self, name: &str, at: usize) -> Range<usize> {
        self.declared.get(name).and_then(|scopes| scopes.around(at)).unwrap_or(EVERYWHERE)
    }

    /// What a name stands for where it is an alias.
    fn alias(&self, name: &str, at: usize) -> Option<Kind> {
        let aliases = self.aliases.get(name)?;
        let scope = self.scope(name, at);
        aliases.iter().find(|(bound, _)| self.scope(name, *bound) == scope).map(|(_, kind)| *kind)
    }

    /// What an expression can be.
    fn kind(&self, node: Node<'t>, depth: usize) -> Option<Kind> {
        let depth = depth.checked_sub(1)?;
        let field = |name: &str| node.child_by_field_name(name);
        let of = |name: &str| self.kind(field(name)?, depth);
        match node.kind() {
            "identifier" => {
                let name = self.text(node);
                let known = match name {
                    MAKER => Some(Kind::Maker),
                    name => LOADERS.contains(&name).then_some(Kind::Loader),
                };
                // A bundler passes its own function as `require`, which packages that are not bundled are loaded with, too.
                self.alias(name, node.start_byte()).or(known)
            }
            "member_expression" => match self.text(field("property")?) {
                MAKER => Some(Kind::Maker),
                "require" => self.is_module(field("object")?).then_some(Kind::Loader),
                "resolve" => {
                    let is_one = of("object") == Some(Kind::Loader) || self.text(field("object")?) == "import.meta";
                    is_one.then_some(Kind::Loader)
                }
                _ => None,
            },
            "subscript_expression" => {
                let is_require = matches!(self.text(field("index")?), "\"require\"" | "'require'");
                (is_require && self.is_module(field("object")?)).then_some(Kind::Loader)
            }
            "parenthesized_expression" | "as_expression" | "satisfies_expression" | "non_null_expression" => {
                self.kind(node.named_child(0)?, depth)
            }
            "sequence_expression" => self.kind(last_child(node)?, depth),
            "ternary_expression" => of("consequence").or_else(|| of("alternative")),
            "assignment_expression" => of("right"),
            "binary_expression" => match self.text(field("operator")?) {
                "||" | "??" => of("left").or_else(|| of("right")),
                "&&" => of("right"),
                _ => None,
            },
            "call_expression" | "new_expression" => self.returned(node, depth),
            "arrow_function" | "function_expression" | "function" | "function_declaration" => {
                self.is_wrapper(node, depth).then_some(Kind::Loader)
            }
            _ => None,
        }
    }

    /// Whether an expression is a module as CommonJS has it.
    fn is_module(&self, node: Node<'_>) -> bool {
        self.text(node).rsplit('.').next().is_some_and(|last| MODULES.contains(&last))
    }

    /// What a call returns.
    fn returned(&self, node: Node<'t>, depth: usize) -> Option<Kind> {
        let called = node.child_by_field_name("function").or_else(|| node.child_by_field_name("constructor"))?;
        let function = unwrapped(called);
        if is_function(function) {
            let body = function.child_by_field_name("body")?;
            if body.kind() != "statement_block" {
                return self.kind(body, depth);
            }
            let mut cursor = body.walk();
            let mut returns = body.named_children(&mut cursor).filter(|it| it.kind() == "return_statement");
            return returns.find_map(|statement| self.kind(statement.named_child(0)?, depth));
        }
        let function = if function.kind() == "sequence_expression" { last_child(function)? } else { function };
        let literal = |at: Option<Node<'t>>| at.filter(|at| at.kind() == "string").map(|at| self.text(at));
        match self.text(function) {
            "eval" => {
                let is_require = |text: &str| matches!(text.trim_matches(['"', '\'']), "require" | "module.require");
                literal(arguments(node).first().copied()).is_some_and(is_require).then_some(Kind::Loader)
            }
            "Function" => {
                let loads = |text: &str| {
                    let code = text.trim_matches(['"', '\'']).trim_start();
                    code.starts_with("return ") && (code.contains("import(") || code.contains("require("))
                };
                literal(arguments(node).last().copied()).is_some_and(loads).then_some(Kind::Loader)
            }
            _ if is_member(function, "bind", self.text) => {
                self.kind(function.child_by_field_name("object")?, depth).filter(|_| arguments(node).len() < 2)
            }
            _ => self.kind(function, depth).filter(|kind| *kind == Kind::Maker).map(|_| Kind::Loader),
        }
    }

    /// Whether a function calls one that loads modules with its own first parameter, and is short.
    fn is_wrapper(&self, function: Node<'t>, depth: usize) -> bool {
        let written = self.text(function);
        let is_short = written.len() <= MAX_WRAPPER && !written.contains("try");
        let names = || parameters(function).first().map(|first| self.text(*first));
        let Some(parameter) = is_short.then(names).flatten() else { return false };
        let Some(body) = function.child_by_field_name("body") else { return false };
        let (mut calls, mut computes) = (false, false);
        walk(body, |node, _| {
            if node.kind() == "call_expression"
                && let Some(called) = node.child_by_field_name("function")
            {
                let is_loader = |node| self.kind(node, depth) == Some(Kind::Loader);
                let passed = arguments(node);
                if called.kind() == "import" || is_loader(called) {
                    let is_parameter = passed.first().is_some_and(|first| self.text(*first) == parameter);
                    calls |= is_parameter;
                    computes |= !is_parameter && passed.first().is_some_and(|first| first.kind() != "string");
                }
                calls |= is_member(called, "apply", self.text)
                    && passed.get(1).is_some_and(|second| self.text(*second) == "arguments")
                    && called.child_by_field_name("object").is_some_and(is_loader);
            }
            true
        });
        calls && !computes
    }

    /// The mentions of such functions by which these get to where they cannot be followed.
    fn mentions(&self, root: Node<'t>) -> Vec<Node<'t>> {
        let mut found = Vec::new();
        walk_below(root, |node, above| {
            let has_room = found.len() < MAX_MENTIONS;
            if has_room
                && self.is_mention(node)
                && !self.is_understood(node.start_byte())
                && !self.is_followed(node, above)
            {
                found.push(node);
            }
        });
        found
    }

    /// Whether an expression is a function that loads modules, rather than part of one or a call of one.
    fn is_mention(&self, node: Node<'t>) -> bool {
        match node.kind() {
            "identifier" | "shorthand_property_identifier" => {
                let (name, at) = (self.text(node), node.start_byte());
                match self.alias(name, at) {
                    Some(kind) => kind == Kind::Loader,
                    // A parameter of this name is another function.
                    None => LOADERS.contains(&name) && self.scope(name, at) == EVERYWHERE,
                }
            }
            "member_expression" => is_member(node, "require", self.text) && self.is_loader(node),
            "call_expression" | "new_expression" => {
                let called = node.child_by_field_name("function").or_else(|| node.child_by_field_name("constructor"));
                let is_one = called.is_some_and(|called| {
                    let name = self.text(called);
                    name.len() < MAX_WRAPPER && !is_function(unwrapped(called))
                });
                is_one && self.is_loader(node)
            }
            _ => false,
        }
    }

    /// Whether a mention does not pass a function on: it is called or tested, or a property of it is used.
    fn is_followed(&self, node: Node<'t>, above: &[Node<'t>]) -> bool {
        if node.kind() == "shorthand_property_identifier" {
            return false;
        }
        if node.kind() == "identifier" && declared_in(node, above).is_some() {
            return true;
        }
        let mut child = node;
        for (at, parent) in above.iter().enumerate().rev().take(MAX_AROUND) {
            let is = |field: &str| parent.child_by_field_name(field).is_some_and(|it| it.id() == child.id());
            match parent.kind() {
                "as_expression" | "satisfies_expression" | "non_null_expression" | "parenthesized_expression" => {}
                "sequence_expression" => {
                    if last_child(*parent).is_none_or(|last| last.id() != child.id()) {
                        return true;
                    }
                }
                "ternary_expression" => {
                    if is("condition") {
                        return true;
                    }
                }
                "binary_expression" => {
                    let operator = parent.child_by_field_name("operator").map(|operator| self.text(operator));
                    if !matches!(operator, Some("||" | "??" | "&&")) || operator == Some("&&") && is("left") {
                        return true;
                    }
                }
                "unary_expression" | "expression_statement" | "type_query" | "if_statement" | "while_statement" => {
                    return true;
                }
                "call_expression" => return is("function"),
                "new_expression" => return is("constructor"),
                "arguments" => return at > 0 && self.is_followed_argument(child, *parent, above[at - 1]),
                "member_expression" | "subscript_expression" => return !is_member(*parent, "bind", self.text),
                "assignment_expression" => {
                    // `globalThis.require = createRequire(...)` makes the name what it is in CommonJS.
                    let left = parent.child_by_field_name("left").map(|left| self.text(left));
                    return is("left")
                        || left.and_then(|left| left.rsplit_once('.')).is_some_and(|(of, name)| {
                            matches!(of, "globalThis" | "global" | "self") && LOADERS.contains(&name)
                        });
                }
                // Another file of the bundle knows it by this name.
                "export_specifier" => {
                    let exported = parent.child_by_field_name("alias").unwrap_or(child);
                    return LOADERS.contains(&self.text(exported));
                }
                "import_specifier" => return true,
                _ => return false,
            }
            child = *parent;
        }
        false
    }

    /// Whether an argument is passed to a function that is known.
    fn is_followed_argument(&self, node: Node<'t>, list: Node<'t>, call: Node<'t>) -> bool {
        if self.mapped(call).is_some_and(|(loader, _)| loader.id() == node.id()) {
            return true;
        }
        // The head of a UMD module: `factory(require, exports)`, and `define(["require", "exports", "a"], factory)`.
        let mut cursor = list.walk();
        let is_umd = list.named_children(&mut cursor).any(|other| matches!(self.text(other), "exports" | "module"));
        is_umd && (self.declared.contains_key("require") || self.text.contains("define(["))
    }

    /// The function and the list in `["a", "b"].map(require)`.
    pub(super) fn mapped(&self, call: Node<'t>) -> Option<(Node<'t>, Node<'t>)> {
        let function = call.child_by_field_name("function").filter(|it| it.kind() == "member_expression")?;
        let list = function.child_by_field_name("object").filter(|object| object.kind() == "array")?;
        let first = arguments(call).first().copied()?;
        let is_each = matches!(self.text(function.child_by_field_name("property")?), "map" | "forEach" | "flatMap");
        let mut cursor = list.walk();
        let is_literal = list.named_children(&mut cursor).all(|item| item.is_extra() || item.kind() == "string");
        (is_each && is_literal && self.is_loader(first)).then_some((first, list))
    }
}

/// Visits the nodes below one, each with those above it.
fn walk_below<'t>(root: Node<'t>, mut visit: impl FnMut(Node<'t>, &[Node<'t>])) {
    let mut above: Vec<Node<'t>> = Vec::new();
    walk(root, |node, depth| {
        above.truncate(depth);
        visit(node, &above);
        above.push(node);
        true
    });
}

/// The range in which a name is known that is declared here; `None` where it is not declared but used.
fn declared_in(name: Node<'_>, above: &[Node<'_>]) -> Option<Range<usize>> {
    let mut child = name;
    for (at, parent) in above.iter().enumerate().rev().take(MAX_AROUND) {
        let is = |field: &str| parent.child_by_field_name(field).is_some_and(|it| it.id() == child.id());
        match parent.kind() {
            "array_pattern" | "object_pattern" | "rest_pattern" => {}
            "pair_pattern" if is("value") => {}
            "assignment_pattern" | "object_assignment_pattern" if is("left") => {}
            "required_parameter" | "optional_parameter" if is("pattern") => {}
            "formal_parameters" => return Some(parent.start_byte()..above.get(at.checked_sub(1)?)?.end_byte()),
            "arrow_function" | "catch_clause" if is("parameter") => return Some(parent.byte_range()),
            "variable_declarator" if is("name") => {
                let is_var = above.get(at.checked_sub(1)?)?.kind() == "variable_declaration";
                return Some(enclosing(&above[..at], is_var));
            }
            "function_declaration" | "generator_function_declaration" | "class_declaration" | "function_signature"
                if is("name") =>
            {
                return Some(enclosing(&above[..at], false));
            }
            "function_expression" | "function" | "generator_function" | "class" if is("name") => {
                return Some(parent.byte_range());
            }
            "for_in_statement" if is("left") && parent.child_by_field_name("kind").is_some() => {
                return Some(parent.byte_range());
            }
            "import_specifier" if is("alias") || parent.child_by_field_name("alias").is_none() => {
                return Some(EVERYWHERE);
            }
            "import_clause" | "namespace_import" => return Some(EVERYWHERE),
            _ => return None,
        }
        child = *parent;
    }
    None
}

/// The block in which a declaration below these nodes holds; one with `var` holds in the whole function.
fn enclosing(above: &[Node<'_>], is_var: bool) -> Range<usize> {
    for (at, node) in above.iter().enumerate().rev().take(MAX_BLOCKS) {
        let of_function = || {
            let around = at.checked_sub(1).and_then(|at| above.get(at));
            around.is_some_and(|it| is_function(*it) || matches!(it.kind(), "method_definition" | "class_static_block"))
        };
        let is_scope = match node.kind() {
            "statement_block" => !is_var || of_function(),
            "for_statement" | "for_in_statement" | "switch_body" => !is_var,
            _ => false,
        };
        if is_scope {
            return node.byte_range();
        }
    }
    EVERYWHERE
}

fn is_function(node: Node<'_>) -> bool {
    matches!(
        node.kind(),
        "arrow_function"
            | "function_expression"
            | "function"
            | "function_declaration"
            | "generator_function"
            | "generator_function_declaration"
    )
}

/// Whether a node is this property of something.
fn is_member(node: Node<'_>, property: &str, text: &str) -> bool {
    let of = node.child_by_field_name("property").filter(|_| node.kind() == "member_expression");
    of.is_some_and(|of| text.get(of.byte_range()) == Some(property))
}

/// An expression without the parentheses around it.
fn unwrapped(mut node: Node<'_>) -> Node<'_> {
    for _ in 0..MAX_DEPTH {
        match node.named_child(0).filter(|_| node.kind() == "parenthesized_expression") {
            Some(inside) => node = inside,
            None => break,
        }
    }
    node
}

fn last_child(node: Node<'_>) -> Option<Node<'_>> {
    node.named_child(u32::try_from(node.named_child_count().checked_sub(1)?).ok()?)
}

/// The names of a function's parameters, or their patterns.
fn parameters(function: Node<'_>) -> Vec<Node<'_>> {
    if let Some(one) = function.child_by_field_name("parameter") {
        return vec![one];
    }
    let Some(list) = function.child_by_field_name("parameters") else { return Vec::new() };
    let mut cursor = list.walk();
    let named = list.named_children(&mut cursor).filter(|child| !child.is_extra());
    named.map(|child| child.child_by_field_name("pattern").unwrap_or(child)).take(MAX_DEPTH).collect()
}

/// The first arguments of a call.
pub(super) fn arguments(call: Node<'_>) -> Vec<Node<'_>> {
    let list = call.child_by_field_name("arguments").filter(|list| list.kind() == "arguments");
    let Some(list) = list else { return Vec::new() };
    let mut cursor = list.walk();
    list.named_children(&mut cursor).filter(|child| !child.is_extra()).take(MAX_DEPTH).collect()
}
