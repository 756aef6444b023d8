//! Reads the code of a source: what each import, and each call of a function that loads modules, loads.

use std::collections::BTreeSet;
use std::ops::Range;

use tree_sitter::Node;

use super::conditions::{Conditions, Holds};
use super::loaders::{Loaders, arguments};
use super::values::Bound;
use super::{Dialect, IF_INSTALLED, LOADED_FILE, package, package_of};
use crate::languages::grammar::walk;
use crate::languages::reading::{self, Guard, guarded, is_in_layers, line};
use crate::languages::{Follow, Followed, From, Source, Use};

/// How many loads of one source are followed.
const MAX_LOADS: usize = 20_000;

/// What a path without its ending can be, in the order in which Node.js and compilers try them.
pub(super) const ENDINGS: &[&str] = &[
    "",
    ".js",
    ".mjs",
    ".cjs",
    ".json",
    ".node",
    ".ts",
    ".tsx",
    ".mts",
    ".cts",
    ".jsx",
    "/package.json",
    "/index.js",
    "/index.mjs",
    "/index.cjs",
    "/index.ts",
    "/index.tsx",
];

/// Reads the code of one file, which may be run as a program.
///
/// # Errors
/// When the grammar and the parser have incompatible versions.
pub(super) fn read(text: &str, dialect: Dialect, is_program: bool, source: &mut Source) -> Result<(), String> {
    let language = match dialect {
        Dialect::JavaScript => tree_sitter_javascript::LANGUAGE,
        Dialect::TypeScript => tree_sitter_typescript::LANGUAGE_TYPESCRIPT,
        Dialect::Tsx => tree_sitter_typescript::LANGUAGE_TSX,
    };
    let Some(tree) = reading::tree(&language.into(), text, source)? else { return Ok(()) };
    let mut loaders = Loaders::of(tree.root_node(), text);
    let passed_on = std::mem::take(&mut loaders.passed_on);
    let mut reader = Reader {
        text,
        source,
        has_types: dialect != Dialect::JavaScript,
        guards: Vec::new(),
        conditions: Conditions { text, is_program },
        bound: Bound::new(text),
        loaders,
        values: BTreeSet::new(),
        unread: None,
        loads: 0,
    };
    if dialect == Dialect::Tsx {
        // What JSX is compiled to.
        reader.values.insert("React");
    }
    let mut sites = Vec::new();
    walk(tree.root_node(), |node, _| reader.collect(node, &mut sites));
    for (site, optional) in guarded(sites, std::mem::take(&mut reader.guards)) {
        reader.site(site, optional);
    }
    for mention in passed_on {
        let why = "what loads modules is passed on here";
        reader.source.cannot_tell(line(mention), reader.around(mention), why);
    }
    if reader.loads > MAX_LOADS {
        reader.source.cannot_tell(1, "the whole source", "it loads too much to be followed");
    }
    Ok(())
}

struct Reader<'t, 's> {
    text: &'t str,
    source: &'s mut Source,
    /// Whether a compiler removes imports of what is only used as a type.
    has_types: bool,
    guards: Vec<(Range<usize>, Guard)>,
    conditions: Conditions<'t>,
    bound: Bound<'t>,
    /// The functions that load modules.
    loaders: Loaders<'t>,
    /// The names that are used as values, not only as types.
    values: BTreeSet<&'t str>,
    unread: Option<usize>,
    loads: usize,
}

impl<'t> Reader<'t, '_> {
    fn text(&self, node: Node<'_>) -> &'t str {
        self.text.get(node.byte_range()).unwrap_or_default()
    }

    /// Collects in one walk what has to be known before loads are interpreted; returns whether to look inside.
    fn collect(&mut self, node: Node<'t>, sites: &mut Vec<Node<'t>>) -> bool {
        let line = line(node);
        if (node.is_error() || node.is_missing()) && self.unread != Some(line) {
            self.unread = Some(line);
            self.source.cannot_tell(line, self.around(node), "it cannot be parsed");
        }
        match node.kind() {
            "import_statement" => {
                sites.push(node);
                self.imports(node);
                return node.has_error();
            }
            "export_statement" | "call_expression" | "new_expression" => sites.push(node),
            "nested_type_identifier" => {
                self.source.names.extend(self.text(node).split('.').map(|name| name.trim().to_owned()));
                return false;
            }
            // With `emitDecoratorMetadata`, types are values.
            "decorator" => self.has_types = false,
            "try_statement" => self.tries(node),
            "if_statement" | "ternary_expression" | "binary_expression" => self.tests(node),
            "string" => self.names_file(node),
            "pair" => self.names_target(node),
            "variable_declarator" => self.binds(node.child_by_field_name("name"), node.child_by_field_name("value")),
            "assignment_expression" => self.binds(node.child_by_field_name("left"), node.child_by_field_name("right")),
            "identifier" | "property_identifier" | "shorthand_property_identifier" => {
                let name = self.text(node);
                self.source.names.insert(name.to_owned());
                if node.kind() != "property_identifier" {
                    self.values.insert(name);
                }
            }
            _ => {}
        }
        true
    }

    /// Notes the names of an import.
    fn imports(&mut self, node: Node<'t>) {
        walk(node, |child, _| {
            if child.kind() == "identifier" {
                self.source.names.insert(self.text(child).to_owned());
            }
            true
        });
    }

    /// Notes a file of a layer that a literal names: it can be in a package.
    fn names_file(&mut self, node: Node<'t>) {
        if let Some(path) = self.bound.string(node).filter(|path| is_in_layers(path)) {
            self.uses(line(node), path);
        }
    }

    /// Notes what pino is told to load into a thread: `{ target: "pino-pretty" }`.
    fn names_target(&mut self, node: Node<'t>) {
        let key = node.child_by_field_name("key").map(|key| self.text(key));
        if key == Some("target") && self.text.contains("pino") {
            let value = node.child_by_field_name("value").and_then(|value| self.bound.string(value));
            if let Some(name) = value.as_deref().and_then(package_of) {
                self.uses(line(node), format!("{IF_INSTALLED}{name}"));
            }
        }
    }

    /// Adds something that is used where it is in the tree, and not missed otherwise.
    fn uses(&mut self, line: usize, package: String) {
        self.source.uses.push(Use { line, package, optional: true, continues: true, attaches: false });
    }

    /// The text from a node to the end of its line, at most as much as a message shows.
    fn around(&self, node: Node<'_>) -> &'t str {
        self.text.get(node.start_byte()..).unwrap_or_default()
    }

    /// Notes what `try` makes optional: its body, if `catch` goes on, and what `catch` loads instead.
    fn tries(&mut self, node: Node<'t>) {
        let Some(handler) = node.child_by_field_name("handler") else { return };
        self.guards.push((handler.byte_range(), Guard::Optional));
        let throws = handler.child_by_field_name("body").is_some_and(|body| self.conditions.ends(body));
        if let Some(body) = node.child_by_field_name("body").filter(|_| !throws) {
            self.guards.push((body.byte_range(), Guard::Optional));
        }
    }

    /// Notes the branches that no function runs, or only a program.
    fn tests(&mut self, node: Node<'t>) {
        for (branch, holds) in self.conditions.branches(node) {
            match holds {
                Holds::Never => self.guards.push((branch.byte_range(), Guard::Never)),
                Holds::NotHere => self.guards.push((branch.byte_range(), Guard::Optional)),
                Holds::Always | Holds::Here => {}
            }
        }
    }

    /// Notes a name that stands for a value.
    fn binds(&mut self, name: Option<Node<'t>>, value: Option<Node<'t>>) {
        if let (Some(name), Some(value)) = (name.filter(|name| name.kind() == "identifier"), value) {
            self.bound.binds(name, value);
        }
    }

    fn site(&mut self, node: Node<'t>, optional: bool) {
        match node.kind() {
            "call_expression" => self.call(node, optional),
            "new_expression" => self.new_object(node),
            _ if self.is_of_types(node) => {}
            _ => {
                let mut cursor = node.walk();
                let clause = node.named_children(&mut cursor).find(|child| child.kind() == "import_require_clause");
                let source = clause.unwrap_or(node).child_by_field_name("source");
                if let Some(name) = source.and_then(|source| self.bound.string(source)) {
                    self.loads(node, &name, optional);
                }
            }
        }
    }

    /// Whether an import or export is one of types: `import type A from "a"`, or one of what is only used as a type, which a
    /// compiler removes.
    fn is_of_types(&self, node: Node<'t>) -> bool {
        let mut cursor = node.walk();
        let is_declared =
            node.children(&mut cursor).nth(1).is_some_and(is_of_type) && node.child_by_field_name("source").is_some();
        is_declared || self.has_types && node.kind() == "import_statement" && self.is_removed(node)
    }

    /// Whether an import has names, none of which is used as a value.
    fn is_removed(&self, node: Node<'t>) -> bool {
        let (mut has_names, mut is_used) = (false, false);
        walk(node, |child, _| {
            match child.kind() {
                "import_specifier" => {
                    has_names = true;
                    let is_type = child.child(0).is_some_and(is_of_type);
                    let name = child.child_by_field_name("alias").or_else(|| child.child_by_field_name("name"));
                    is_used |= !is_type && name.is_some_and(|name| self.values.contains(self.text(name)));
                    return false;
                }
                "identifier" => {
                    has_names = true;
                    is_used |= self.values.contains(self.text(child));
                }
                _ => {}
            }
            true
        });
        has_names && !is_used
    }

    fn call(&mut self, node: Node<'t>, optional: bool) {
        let Some(function) = node.child_by_field_name("function") else { return };
        let written = self.text(function);
        let arguments = arguments(node);
        let first = arguments.first().copied();
        if written.rsplit('.').next() == Some("fork") {
            return self.runs(node, first);
        }
        if let Some((_, list)) = self.loaders.mapped(node) {
            let mut cursor = list.walk();
            let names: Vec<String> =
                list.named_children(&mut cursor).filter_map(|item| self.bound.string(item)).collect();
            for name in names {
                self.loads(node, &name, optional);
            }
            return;
        }
        if written == "define" {
            return self.defines(node, &arguments);
        }
        if written == "eval" {
            let code = first.filter(|first| first.kind() != "identifier").map(|first| self.text(first));
            if code.is_some_and(|code| code.contains("require(") || code.contains("import(")) {
                self.source.cannot_tell(line(node), self.around(node), "code in a text is not read");
            }
            return;
        }
        let name = if function.kind() == "import" || self.loaders.is_loader(function) {
            first
        } else {
            // `require.call(this, "a")`, `require.apply(this, ["a"])`
            let field = |name| function.child_by_field_name(name).filter(|_| function.kind() == "member_expression");
            let (Some(of), Some(method)) = (field("object"), field("property")) else { return };
            let method = self.text(method);
            if !matches!(method, "call" | "apply") || !self.loaders.is_loader(of) {
                return;
            }
            let second = arguments.get(1).copied();
            let list = second.filter(|list| method == "apply" && list.kind() == "array");
            list.and_then(|list| list.named_child(0)).or(second)
        };
        // `require` can be a parameter that a bundler passes, which takes numbers.
        let Some(name) = name.filter(|name| name.kind() != "number") else { return };
        // Browserify's own code asks Node.js for what it does not have itself.
        let is_browserify = || arguments.get(1).is_some_and(|second| matches!(self.text(*second), "!0" | "true"));
        match self.bound.value(name) {
            Some(name) => self.loads(node, &name, optional || self.is_caught(node)),
            None if self.loaders.is_understood(node.start_byte()) || is_browserify() => {}
            None => self.source.cannot_tell(line(node), self.around(node), "the name of the module is computed"),
        }
    }

    /// What a UMD module requires: `define(["require", "exports", "a"], factory)`, which is what its other branch calls
    /// `require` with.
    fn defines(&mut self, node: Node<'t>, arguments: &[Node<'t>]) {
        let Some(list) = arguments.iter().find(|argument| argument.kind() == "array") else { return };
        let mut cursor = list.walk();
        let names: Vec<String> = list.named_children(&mut cursor).filter_map(|item| self.bound.string(item)).collect();
        if names.iter().any(|name| name == "require") {
            let others = names.iter().filter_map(|name| package_of(name));
            for name in others.filter(|name| !matches!(*name, "require" | "exports" | "module")) {
                self.uses(line(node), format!("{IF_INSTALLED}{name}"));
            }
        }
    }

    /// A thread that runs a file of the function.
    fn new_object(&mut self, node: Node<'t>) {
        let of = node.child_by_field_name("constructor").map(|of| self.text(of));
        if of.and_then(|of| of.rsplit('.').next()) == Some("Worker") {
            self.runs(node, first_argument(node));
        }
    }

    /// A file of the function that runs in a thread or process of its own.
    fn runs(&mut self, node: Node<'t>, file: Option<Node<'t>>) {
        if let Some(path) = file.and_then(|file| self.bound.value(file)).filter(|path| path.starts_with('.')) {
            self.follows(node, &path, From::WorkingDirectory, true);
            // A process of its own runs it as a program.
            if let Some(last) = self.source.follows.last_mut().filter(|_| node.kind() == "call_expression") {
                last.followed = Followed::Program;
            }
        }
    }

    /// Whether a promise is followed by `.catch(...)`.
    fn is_caught(&self, node: Node<'t>) -> bool {
        let mut next = node.parent();
        while let Some(at) = next.filter(|at| matches!(at.kind(), "member_expression" | "call_expression")) {
            let property = at.child_by_field_name("property").map(|property| self.text(property));
            if at.kind() == "member_expression" && property == Some("catch") {
                let handler = at.parent().and_then(first_argument);
                let body = handler.and_then(|handler| handler.child_by_field_name("body"));
                return !body.is_some_and(|body| self.conditions.ends(body));
            }
            next = at.parent();
        }
        false
    }

    /// Adds what a name loads.
    fn loads(&mut self, node: Node<'t>, name: &str, optional: bool) {
        self.loads += 1;
        let line = line(node);
        if self.loads > MAX_LOADS || name.is_empty() || name.starts_with("data:") {
            return;
        }
        // `file:///opt/nodejs/a.mjs` is how `import()` takes an absolute path.
        let name = name.strip_prefix("file://").unwrap_or(name);
        let is_relative = matches!(name, "." | "..") || name.starts_with("./") || name.starts_with("../");
        if is_relative || name.starts_with("/var/task/") {
            self.follows(node, name, From::Source, optional);
        } else if name.starts_with("/opt/") || name.starts_with("node:") {
            let package = if name.starts_with('/') { format!("{LOADED_FILE}{name}") } else { name.to_owned() };
            self.source.uses.push(Use { line, package, optional, continues: false, attaches: false });
        } else if name.starts_with('#') {
            // What the function's package.json has under `imports`.
            self.source.follows.push(Follow {
                line,
                paths: vec!["package.json".to_owned()],
                endings: &[""],
                from: From::WorkingDirectory,
                followed: Followed::Code,
                optional,
                otherwise: None,
            });
        } else {
            match package_of(name) {
                Some(package_name) => self.source.follows.push(package(line, package_name, optional)),
                None => self.source.cannot_tell(line, name, "this is not the name of a package"),
            }
        }
    }

    /// Adds a file of the function.
    fn follows(&mut self, node: Node<'t>, path: &str, from: From, optional: bool) {
        self.source.follows.push(Follow {
            line: line(node),
            paths: spellings(path),
            endings: ENDINGS,
            from,
            followed: Followed::ByName,
            optional,
            otherwise: None,
        });
    }
}

/// Whether a word marks what follows it as a type.
fn is_of_type(word: Node<'_>) -> bool {
    matches!(word.kind(), "type" | "typeof")
}

/// The first argument of a call.
fn first_argument(call: Node<'_>) -> Option<Node<'_>> {
    let arguments = call.child_by_field_name("arguments")?;
    let mut cursor = arguments.walk();
    arguments.named_children(&mut cursor).find(|child| !child.is_extra())
}

/// A path, and the file of TypeScript that it is compiled from: it is imported as `./a.js`.
fn spellings(path: &str) -> Vec<String> {
    let mut spellings = vec![path.to_owned()];
    for (compiled, written) in [(".js", ".ts"), (".mjs", ".mts"), (".cjs", ".cts"), (".js", ".tsx")] {
        spellings.extend(path.strip_suffix(compiled).map(|stem| format!("{stem}{written}")));
    }
    spellings
}
