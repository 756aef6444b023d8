//! Reads the code of a source: what each import, and each call of a function that loads modules, loads.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use tree_sitter::Node;

use super::{Dialect, package, package_of};
use crate::languages::grammar::{Grammar, walk};
use crate::languages::{Follow, Followed, From, Source, Use};

/// The minimum number of bytes per step of the parser: minified code has 5 or more.
const BYTES_A_STEP: usize = 2;

/// How many loads of one source are followed.
const MAX_LOADS: usize = 20_000;

/// What a path without its ending can be, in the order in which Node.js and compilers try them.
const ENDINGS: &[&str] = &[
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
    "/index.js",
    "/index.mjs",
    "/index.cjs",
    "/index.ts",
    "/index.tsx",
];

/// Functions that load a module: Node.js's, and what bundlers call it.
const REQUIRES: &[&str] = &["require", "__require", "module.require", "require.resolve", "import.meta.resolve"];

/// Reads the code of one file.
///
/// # Errors
/// When the grammar and the parser have incompatible versions.
pub(super) fn read(text: &str, dialect: Dialect, source: &mut Source) -> Result<(), String> {
    let language = match dialect {
        Dialect::JavaScript => tree_sitter_javascript::LANGUAGE,
        Dialect::TypeScript => tree_sitter_typescript::LANGUAGE_TYPESCRIPT,
        Dialect::Tsx => tree_sitter_typescript::LANGUAGE_TSX,
    };
    let Some(tree) = Grammar::new(&language.into(), BYTES_A_STEP)?.parse(text) else {
        source.cannot_tell(1, text, "parsing it is too expensive");
        return Ok(());
    };
    let requires = REQUIRES.iter().map(|name| (*name).to_owned()).collect();
    let mut reader =
        Reader { text, source, optional: Vec::new(), literals: BTreeMap::new(), requires, unread: None, loads: 0 };
    let mut sites = Vec::new();
    walk(tree.root_node(), |node, _| reader.collect(node, &mut sites));
    reader.optional.sort_by_key(|range| range.start);
    let mut ranges = std::mem::take(&mut reader.optional).into_iter().peekable();
    // Ranges lie in each other or apart, and sites come in the order of the text.
    let mut end = 0;
    for site in sites {
        while let Some(range) = ranges.next_if(|range| range.start <= site.start_byte()) {
            end = end.max(range.end);
        }
        reader.site(site, site.start_byte() < end);
    }
    if reader.loads > MAX_LOADS {
        reader.source.cannot_tell(1, "the whole source", "it loads too much to be followed");
    }
    Ok(())
}

struct Reader<'t, 's> {
    text: &'t str,
    source: &'s mut Source,
    /// Code that the source works without.
    optional: Vec<Range<usize>>,
    /// The literal that each name is bound to; `None` when it is bound twice, or also to something else.
    literals: BTreeMap<&'t str, Option<String>>,
    /// The functions that load modules.
    requires: BTreeSet<String>,
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
            "import_statement" | "export_statement" | "import_require_clause" | "call_expression" => sites.push(node),
            "try_statement" => self.tries(node),
            "variable_declarator" => self.binds(node.child_by_field_name("name"), node.child_by_field_name("value")),
            "assignment_expression" => self.binds(node.child_by_field_name("left"), node.child_by_field_name("right")),
            "identifier" | "property_identifier" => {
                self.source.names.insert(self.text(node).to_owned());
            }
            _ => {}
        }
        true
    }

    /// The text from a node to the end of its line, at most as much as a message shows.
    fn around(&self, node: Node<'_>) -> &'t str {
        self.text.get(node.start_byte()..).unwrap_or_default()
    }

    /// Notes what `try` makes optional: its body, if `catch` goes on, and what `catch` loads instead.
    fn tries(&mut self, node: Node<'t>) {
        let Some(handler) = node.child_by_field_name("handler") else { return };
        self.optional.push(handler.byte_range());
        let throws = handler.child_by_field_name("body").is_some_and(|body| {
            let mut cursor = body.walk();
            body.named_children(&mut cursor).any(|statement| {
                statement.kind() == "throw_statement" || self.text(statement).starts_with("process.exit(")
            })
        });
        if let Some(body) = node.child_by_field_name("body").filter(|_| !throws) {
            self.optional.push(body.byte_range());
        }
    }

    /// Notes a name that stands for a literal, or for a function that loads modules.
    fn binds(&mut self, name: Option<Node<'t>>, value: Option<Node<'t>>) {
        let (Some(name), Some(value)) = (name.filter(|name| name.kind() == "identifier"), value) else { return };
        let name = self.text(name);
        let called = value.child_by_field_name("function").filter(|_| value.kind() == "call_expression");
        if called.is_some_and(|called| self.text(called).rsplit('.').next() == Some("createRequire"))
            || self.text(value) == "require"
        {
            self.requires.insert(name.to_owned());
            self.requires.insert(format!("{name}.resolve"));
        }
        let literal = self.string(value).filter(|_| !self.literals.contains_key(name));
        self.literals.insert(name, literal);
    }

    /// The value of a literal without escapes and substitutions.
    fn string(&self, node: Node<'t>) -> Option<String> {
        let inside = match node.kind() {
            "string" | "template_string" => self.text(node).get(1..self.text(node).len().checked_sub(1)?)?,
            _ => return None,
        };
        let is_computed = node.kind() == "template_string" && inside.contains("${");
        let is_plain = !inside.contains('\\') && !is_computed;
        is_plain.then(|| inside.to_owned())
    }

    fn site(&mut self, node: Node<'t>, optional: bool) {
        match node.kind() {
            "call_expression" => self.call(node, optional),
            _ if self.is_of_types(node) => {}
            _ => {
                if let Some(name) = node.child_by_field_name("source").and_then(|source| self.string(source)) {
                    self.loads(node, &name, optional);
                }
            }
        }
    }

    /// Whether an import or export is one of types: `import type A from "a"`.
    fn is_of_types(&self, node: Node<'t>) -> bool {
        let mut cursor = node.walk();
        node.children(&mut cursor).nth(1).is_some_and(|second| matches!(self.text(second), "type" | "typeof"))
            && node.child_by_field_name("source").is_some()
    }

    fn call(&mut self, node: Node<'t>, optional: bool) {
        let Some(function) = node.child_by_field_name("function") else { return };
        if function.kind() != "import" && !self.requires.contains(self.text(function)) {
            return;
        }
        let arguments = node.child_by_field_name("arguments");
        let mut cursor = node.walk();
        let first = arguments.and_then(|list| list.named_children(&mut cursor).find(|child| !child.is_extra()));
        // `require` can be a parameter that a bundler passes, which takes numbers.
        let Some(first) = first.filter(|first| first.kind() != "number") else { return };
        let literal = match first.kind() {
            "identifier" => self.literals.get(self.text(first)).cloned().flatten(),
            _ => self.string(first),
        };
        match literal {
            Some(name) => self.loads(node, &name, optional || self.is_caught(node)),
            None => self.source.cannot_tell(line(node), self.around(node), "the name of the module is computed"),
        }
    }

    /// Whether a promise is followed by `.catch(...)`.
    fn is_caught(&self, node: Node<'t>) -> bool {
        let mut next = node.parent();
        while let Some(at) = next.filter(|at| matches!(at.kind(), "member_expression" | "call_expression")) {
            let property = at.child_by_field_name("property").map(|property| self.text(property));
            if at.kind() == "member_expression" && property == Some("catch") {
                return true;
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
            self.source.follows.push(Follow {
                line,
                paths: spellings(name),
                endings: ENDINGS,
                from: From::Source,
                followed: Followed::ByName,
                optional,
                otherwise: None,
            });
        } else if name.starts_with("/opt/") || name.starts_with("node:") {
            self.source.uses.push(Use { line, package: name.to_owned(), optional, continues: false });
        } else if name.starts_with('#') {
            self.source.cannot_tell(line, name, "package.json decides what it is");
        } else {
            match package_of(name) {
                Some(package_name) => self.source.follows.push(package(line, package_name, optional)),
                None => self.source.cannot_tell(line, name, "this is not the name of a package"),
            }
        }
    }
}

/// A path, and the file of TypeScript that it is compiled from: it is imported as `./a.js`.
fn spellings(path: &str) -> Vec<String> {
    let mut spellings = vec![path.to_owned()];
    for (compiled, written) in [(".js", ".ts"), (".mjs", ".mts"), (".cjs", ".cts"), (".js", ".tsx")] {
        spellings.extend(path.strip_suffix(compiled).map(|stem| format!("{stem}{written}")));
    }
    spellings
}

/// The line of a node, from 1.
fn line(node: Node<'_>) -> usize {
    node.start_position().row + 1
}
