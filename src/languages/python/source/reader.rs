//! Reads the code of a source: what each import statement, and each call of a function that imports, imports.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use tree_sitter::Node;

use super::DISTRIBUTION;
use crate::languages::grammar::walk;
use crate::languages::reading::{self, Guard, guarded, is_in_layers, line};
use crate::languages::{Dynamic, Follow, Followed, From, Source, Use};

/// What a module can be: a file, or a directory with one.
const ENDINGS: &[&str] = &[".py", "/__init__.py"];

/// How many imports of one source are followed.
const MAX_FOLLOWS: usize = 20_000;

/// Functions that import the module that their first argument names, as written and by the last part of what is written.
const IMPORTS: &[&str] = &["import_module", "__import__", "import_optional_dependency", "run_module", "load_module"];

/// Functions that only test for the module that their first argument names, or that do without it.
const TESTS: &[&str] = &["find_spec", "find_loader", "importorskip"];

/// Functions that take the name of a module whose files they read, or that they replace a part of, by the last two parts of their
/// names.
const NAMES_MODULE: &[&str] = &[
    "resources.files",
    "resources.path",
    "resources.contents",
    "resources.is_resource",
    "resources.open_text",
    "resources.open_binary",
    "resources.read_text",
    "resources.read_binary",
    "importlib_resources.files",
    "pkgutil.get_data",
    "pkgutil.resolve_name",
    "pkg_resources.resource_filename",
    "pkg_resources.resource_string",
    "pkg_resources.resource_stream",
    "pkg_resources.resource_exists",
    "pkg_resources.resource_listdir",
    "mock.patch",
];

/// Functions that read the metadata of the distribution that their first argument names, as [`NAMES_MODULE`].
const NAMES_DISTRIBUTION: &[&str] = &[
    "metadata.version",
    "metadata.distribution",
    "metadata.metadata",
    "metadata.requires",
    "metadata.files",
    "importlib_metadata.version",
    "importlib_metadata.distribution",
    "importlib_metadata.metadata",
    "importlib_metadata.requires",
    "importlib_metadata.files",
    "pkg_resources.get_distribution",
    "pkg_resources.require",
];

/// Functions that read objects whose modules they import, as [`NAMES_MODULE`].
const READS_OBJECTS: &[&str] = &[
    "pickle.load",
    "pickle.loads",
    "pickle.Unpickler",
    "cPickle.load",
    "cPickle.loads",
    "pickle5.load",
    "pickle5.loads",
    "dill.load",
    "dill.loads",
    "cloudpickle.load",
    "cloudpickle.loads",
    "joblib.load",
    "torch.load",
    "shelve.open",
    "pandas.read_pickle",
    "jsonpickle.decode",
    "io.load_model",
    "pyfunc.load_model",
    "sklearn.load_model",
];

/// Functions that call their first argument with what follows it, or with each of it.
const PASSES_ON: &[&str] = &["partial", "map", "submit", "starmap", "filter", "to_thread"];

/// What Django imports by name.
const IMPORTED_LISTS: &[&str] = &["INSTALLED_APPS", "MIDDLEWARE"];

/// Why what reads objects is reported.
const OBJECTS: &str = "the packages of what it reads are known only at run time";

/// How many arguments of a call are read.
const MAX_ARGUMENTS: usize = 50;

/// How deep code in texts is read.
const MAX_TEXTS: usize = 3;

/// Functions of boto3 and botocore that make a client for the service that their first argument names.
const CLIENTS: &[&str] = &["client", "resource", "create_client"];

/// Words of conditions that depend on the version of Python or on the system.
const VERSION_WORDS: &[&str] = &["version_info", "hexversion", "sys.platform", "os.name", "platform."];

/// Exceptions that catch a failed import.
const CATCHES: &[&str] = &["ImportError", "ModuleNotFoundError", "Exception", "BaseException"];

/// Reads the code of one file.
///
/// # Errors
/// When the grammar and the parser have incompatible versions.
pub(super) fn read(text: &str, source: &mut Source) -> Result<(), String> {
    read_at(text, source, 0)
}

fn read_at(text: &str, source: &mut Source, depth: usize) -> Result<(), String> {
    let Some(tree) = reading::tree(&tree_sitter_python::LANGUAGE.into(), text, source)? else { return Ok(()) };
    let mut reader = Reader {
        text,
        source,
        guards: Vec::new(),
        literals: BTreeMap::new(),
        lists: BTreeMap::new(),
        aliases: BTreeMap::new(),
        imported: BTreeMap::new(),
        unread: None,
        has_logging: text.contains("dictConfig"),
        depth,
    };
    let mut sites = Vec::new();
    walk(tree.root_node(), |node, _| reader.collect(node, &mut sites));
    for (site, optional) in guarded(sites, std::mem::take(&mut reader.guards)) {
        reader.site(site, optional);
    }
    if reader.source.follows.len() >= MAX_FOLLOWS {
        reader.source.cannot_tell(1, "the whole source", "it imports too much to be followed");
    }
    Ok(())
}

struct Reader<'t, 's> {
    text: &'t str,
    source: &'s mut Source,
    guards: Vec<(Range<usize>, Guard)>,
    /// The literals that each name is bound to; `None` when it is also bound to something else.
    literals: BTreeMap<&'t str, Option<BTreeSet<String>>>,
    /// The other names of functions that import or test for a module: `from importlib import import_module as load`.
    aliases: BTreeMap<&'t str, &'t str>,
    /// The lists of literals that each name is bound to, as `literals`.
    lists: BTreeMap<&'t str, Option<BTreeSet<String>>>,
    /// What the names that are imported stand for: `importlib.metadata.version` for `version`.
    imported: BTreeMap<&'t str, String>,
    unread: Option<usize>,
    /// Whether it configures logging by a dictionary, which names classes.
    has_logging: bool,
    /// How many texts with code this one is in.
    depth: usize,
}

impl<'t> Reader<'t, '_> {
    fn text(&self, node: Node<'_>) -> &'t str {
        self.text.get(node.byte_range()).unwrap_or_default()
    }

    /// Collects in one walk what has to be known before imports are interpreted; returns whether to look inside.
    fn collect(&mut self, node: Node<'t>, sites: &mut Vec<Node<'t>>) -> bool {
        let line = line(node);
        if (node.is_error() || node.is_missing()) && self.unread != Some(line) {
            self.unread = Some(line);
            let written = self.text.lines().nth(line - 1).unwrap_or_default();
            self.source.cannot_tell(line, written, "Python cannot parse this");
        }
        match node.kind() {
            "import_statement" | "import_from_statement" => {
                self.renames(node);
                sites.push(node);
                return false;
            }
            "call" => sites.push(node),
            "try_statement" => self.tries(node),
            "if_statement" => self.tests(node),
            "with_statement" => self.suppresses(node),
            "assignment" => {
                self.renames_by_assignment(node);
                self.binds(node.child_by_field_name("left"), node.child_by_field_name("right"), false);
            }
            "for_statement" => self.binds(node.child_by_field_name("left"), node.child_by_field_name("right"), true),
            "string" => self.names_file(node),
            "pair" if self.has_logging => self.names_class(node),
            "identifier" => {
                self.source.names.insert(self.text(node).to_owned());
            }
            _ => {}
        }
        true
    }

    /// Notes a file of a layer that a literal names: it can be in a distribution.
    fn names_file(&mut self, node: Node<'t>) {
        if let Some(path) = self.string(node).filter(|path| is_in_layers(path)) {
            self.uses_if_installed(line(node), path);
        }
    }

    /// Notes a class that `logging.config.dictConfig()` imports by name: `"class": "a.B"`, `"()": "ext://a.B"`.
    fn names_class(&mut self, node: Node<'t>) {
        let field = |name: &str| self.string(node.child_by_field_name(name)?);
        let (Some(key), Some(value)) = (field("key"), field("value")) else { return };
        let value = value.strip_prefix("ext://").unwrap_or(&value).to_owned();
        let is_name = value.split('.').all(is_identifier) && value.contains('.');
        if matches!(key.as_str(), "class" | "()" | "factory") && is_name {
            self.module(line(node), &value, true);
        }
    }

    /// Adds something that is used where it is in the tree, and not missed otherwise.
    fn uses_if_installed(&mut self, line: usize, package: String) {
        self.source.uses.push(Use { line, package, optional: true, continues: true, attaches: false });
    }

    /// Notes what the names that an import binds stand for.
    fn notes_imported(&mut self, node: Node<'t>) {
        let module = node.child_by_field_name("module_name").map(|module| self.text(module));
        let mut cursor = node.walk();
        let names: Vec<Node<'t>> = node.children_by_field_name("name", &mut cursor).collect();
        for name in names {
            let alias = name.child_by_field_name("alias").map(|alias| self.text(alias));
            let of = name.child_by_field_name("name").filter(|_| alias.is_some()).unwrap_or(name);
            let of = self.text(of);
            match (module, alias) {
                (Some(module), alias) => {
                    self.imported.insert(alias.unwrap_or(of), format!("{module}.{of}"));
                }
                (None, Some(alias)) => {
                    self.imported.insert(alias, of.to_owned());
                }
                // `import a.b` binds `a`.
                (None, None) => {}
            }
        }
    }

    /// The last two parts of the full name of a function as it is written: `metadata.version` of `version` that is imported from
    /// `importlib.metadata`.
    fn full_name(&self, written: &str) -> String {
        let written: String = written.split_whitespace().collect();
        let (first, rest) = written.split_once('.').map_or((written.as_str(), None), |(a, b)| (a, Some(b)));
        let first = self.imported.get(first).map_or(first, String::as_str);
        let full = rest.map_or_else(|| first.to_owned(), |rest| format!("{first}.{rest}"));
        let mut parts: Vec<&str> = full.rsplit('.').take(2).collect();
        parts.reverse();
        parts.join(".")
    }

    /// Notes other names that an import gives to functions that import.
    fn renames(&mut self, node: Node<'t>) {
        self.notes_imported(node);
        let mut cursor = node.walk();
        let names: Vec<Node<'t>> = node.children_by_field_name("name", &mut cursor).collect();
        for name in names.into_iter().filter(|name| name.kind() == "aliased_import") {
            if let (Some(of), Some(alias)) = (name.child_by_field_name("name"), name.child_by_field_name("alias")) {
                self.rename(self.text(alias), self.text(of));
            }
        }
    }

    /// Notes other names that an assignment gives to functions that import: `load = importlib.import_module`.
    fn renames_by_assignment(&mut self, node: Node<'t>) {
        let (Some(left), Some(right)) = (node.child_by_field_name("left"), node.child_by_field_name("right")) else {
            return;
        };
        if left.kind() == "identifier" && matches!(right.kind(), "identifier" | "attribute") {
            self.rename(self.text(left), self.text(right));
        }
    }

    fn rename(&mut self, alias: &'t str, of: &'t str) {
        let name = of.rsplit('.').next().unwrap_or(of).trim();
        let name = self.aliases.get(name).copied().unwrap_or(name);
        if IMPORTS.contains(&name) || TESTS.contains(&name) {
            self.aliases.insert(alias, name);
        }
    }

    /// Notes what `try` makes optional: its body, if a handler catches a failed import and goes on, and that handler.
    fn tries(&mut self, node: Node<'t>) {
        let mut cursor = node.walk();
        let handlers = node.children(&mut cursor).filter(|child| child.kind() == "except_clause");
        let catching: Vec<Node<'t>> = handlers.filter(|handler| self.catches(*handler)).collect();
        for handler in &catching {
            self.guards.push((handler.byte_range(), Guard::Optional));
        }
        if catching.iter().any(|handler| !self.ends_the_program(*handler))
            && let Some(body) = node.child_by_field_name("body")
        {
            self.guards.push((body.byte_range(), Guard::Optional));
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

    /// Whether a block raises or exits in its own statements.
    fn ends_the_program(&self, handler: Node<'t>) -> bool {
        let mut cursor = handler.walk();
        let Some(block) = handler.named_children(&mut cursor).find(|child| child.kind() == "block") else {
            return false;
        };
        let mut cursor = block.walk();
        block.named_children(&mut cursor).any(|statement| {
            let written = self.text(statement);
            statement.kind() == "raise_statement"
                || ["sys.exit(", "exit(", "os._exit("].iter().any(|exit| written.starts_with(exit))
        })
    }

    /// Notes what a condition decides: what only type checkers run, and what depends on the version or the system.
    fn tests(&mut self, node: Node<'t>) {
        let Some(condition) = node.child_by_field_name("condition") else { return };
        let written = self.text(condition);
        if matches!(written, "TYPE_CHECKING" | "typing.TYPE_CHECKING" | "t.TYPE_CHECKING" | "False" | "0") {
            if let Some(consequence) = node.child_by_field_name("consequence") {
                self.guards.push((consequence.byte_range(), Guard::Never));
            }
        } else if VERSION_WORDS.iter().chain(TESTS).any(|word| written.contains(word)) {
            self.guards.push((node.byte_range(), Guard::Optional));
        }
    }

    fn suppresses(&mut self, node: Node<'t>) {
        let Some(body) = node.child_by_field_name("body") else { return };
        let head = self.text.get(node.start_byte()..body.start_byte()).unwrap_or_default();
        if head.contains("suppress(") && CATCHES.iter().any(|caught| head.contains(caught)) {
            self.guards.push((body.byte_range(), Guard::Optional));
        }
    }

    /// Notes the literals that a name stands for: one, or in a loop each of a literal tuple or list.
    fn binds(&mut self, left: Option<Node<'t>>, right: Option<Node<'t>>, each: bool) {
        let Some(left) = left.filter(|left| left.kind() == "identifier") else { return };
        let list = right.filter(|_| !each).and_then(|right| self.strings(right));
        if IMPORTED_LISTS.contains(&self.text(left)) {
            for name in list.iter().flatten().filter(|name| name.split('.').all(is_identifier)) {
                self.module(line(left), name, true);
            }
        }
        let known = self.lists.entry(self.text(left)).or_insert_with(|| Some(BTreeSet::new()));
        *known = match (known.take(), list) {
            (Some(known), Some(list)) => Some(known.into_iter().chain(list).collect()),
            _ => None,
        };
        let values =
            right.and_then(|right| if each { self.strings(right) } else { Some([self.string(right)?].into()) });
        let known = self.literals.entry(self.text(left)).or_insert_with(|| Some(BTreeSet::new()));
        *known = match (known.take(), values) {
            (Some(known), Some(values)) => Some(known.into_iter().chain(values).collect()),
            _ => None,
        };
    }

    fn strings(&self, node: Node<'t>) -> Option<BTreeSet<String>> {
        let is_list = matches!(node.kind(), "tuple" | "list" | "set");
        let mut cursor = node.walk();
        let items: Option<BTreeSet<String>> =
            node.named_children(&mut cursor).filter(|item| !item.is_extra()).map(|item| self.string(item)).collect();
        items.filter(|items| is_list && !items.is_empty())
    }

    /// The value of a string literal without escapes and interpolations.
    fn string(&self, node: Node<'t>) -> Option<String> {
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

    fn site(&mut self, node: Node<'t>, optional: bool) {
        match node.kind() {
            "import_statement" => {
                for name in self.names(node) {
                    self.module(line(node), &name, optional);
                }
            }
            "import_from_statement" => self.imports_from(node, optional),
            _ => self.call(node, optional),
        }
    }

    /// The names that a statement imports.
    fn names(&self, node: Node<'t>) -> Vec<String> {
        let mut cursor = node.walk();
        let names = node.children_by_field_name("name", &mut cursor);
        let name = |node: Node<'t>| {
            let name = if node.kind() == "aliased_import" { node.child_by_field_name("name")? } else { node };
            Some(self.text(name).split_whitespace().collect::<String>()).filter(|name| !name.is_empty())
        };
        names.filter_map(name).collect()
    }

    fn imports_from(&mut self, node: Node<'t>, optional: bool) {
        let Some(module) = node.child_by_field_name("module_name") else { return };
        let of: String = self.text(module).split_whitespace().collect();
        let names = self.names(node);
        if module.kind() == "relative_import" {
            self.relative(line(node), &of, &names, optional);
        } else if names.is_empty() {
            self.module(line(node), &of, optional);
        } else {
            for name in names {
                self.module(line(node), &format!("{of}.{name}"), optional);
            }
        }
    }

    /// A module by its dotted name: a file of the function, or else something that is installed.
    fn module(&mut self, line: usize, name: &str, optional: bool) {
        let is_name = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_alphanumeric() || c == '_');
        if !name.split('.').all(is_name) {
            self.source.cannot_tell(line, name, "this is not the name of a module");
            return;
        }
        if self.source.follows.len() >= MAX_FOLLOWS {
            return;
        }
        let name = name.to_owned();
        self.source.names.insert(name.clone());
        self.source.follows.push(Follow {
            line,
            paths: steps("", &name),
            endings: ENDINGS,
            from: From::WorkingDirectory,
            followed: Followed::ByName,
            optional,
            otherwise: Some(name),
        });
    }

    /// Modules relative to the package of the source: `.a`, `..a.b`.
    fn relative(&mut self, line: usize, written: &str, names: &[String], optional: bool) {
        let module = written.trim_start_matches('.');
        let up = written.len() - module.len();
        let base = if up == 1 { "./".to_owned() } else { "../".repeat(up - 1) };
        let mut paths = vec![format!("{base}__init__")];
        paths.extend(steps(&base, module));
        let below = if module.is_empty() { base } else { format!("{base}{}/", module.replace('.', "/")) };
        paths.extend(names.iter().map(|name| format!("{below}{name}")));
        // The file that is named most exactly is the one to report.
        paths.reverse();
        self.source.follows.push(Follow {
            line,
            paths,
            endings: ENDINGS,
            from: From::Source,
            followed: Followed::ByName,
            optional,
            otherwise: None,
        });
    }

    fn call(&mut self, node: Node<'t>, optional: bool) {
        let Some(function) = node.child_by_field_name("function") else { return };
        let written = self.text(function);
        let name = written.rsplit('.').next().unwrap_or(written).trim();
        let name = self.aliases.get(written).copied().unwrap_or(name);
        let arguments = node.child_by_field_name("arguments");
        let mut cursor = node.walk();
        let all: Vec<Node<'t>> = arguments
            .into_iter()
            .flat_map(|list| list.named_children(&mut cursor).collect::<Vec<_>>())
            .filter(|child| !child.is_extra())
            .take(MAX_ARGUMENTS)
            .collect();
        let first = all.first().copied();
        let full = self.full_name(written);
        self.passes_on(node, name, &all, optional);
        let tests = TESTS.contains(&name);
        if tests || IMPORTS.contains(&name) {
            self.imports_by_name(node, first, optional || tests);
        } else if CLIENTS.contains(&name) {
            self.names_service(written, first);
        } else if name == "run_path" {
            match first.and_then(|first| self.string(first)) {
                Some(path) => self.source.follows.push(Follow {
                    line: line(node),
                    paths: vec![path],
                    endings: &[""],
                    from: From::WorkingDirectory,
                    followed: Followed::ByName,
                    optional,
                    otherwise: None,
                }),
                None => self.source.cannot_tell(line(node), self.text(node), "the path is computed"),
            }
        } else if matches!(written, "exec" | "eval") {
            self.runs_text(node, first, optional);
        } else if NAMES_MODULE.contains(&full.as_str()) {
            // `pkgutil.resolve_name("a.b:C")`
            for name in self.literals_of(first).into_iter().flatten() {
                self.module(line(node), name.split(':').next().unwrap_or_default(), optional);
            }
        } else if NAMES_DISTRIBUTION.contains(&full.as_str()) {
            let own = first.is_some_and(|first| matches!(self.text(first), "__name__" | "__package__"));
            match self.literals_of(first) {
                Some(names) => {
                    for name in &names {
                        self.uses_if_installed(line(node), format!("{DISTRIBUTION}{name}"));
                    }
                }
                None if own || first.is_none() => {}
                None => {
                    self.source.cannot_tell(line(node), self.text(node), "the name of the distribution is computed");
                }
            }
        } else if READS_OBJECTS.contains(&full.as_str()) || name == "read_pickle" {
            let is_safe = all.iter().any(|argument| self.text(*argument) == "weights_only=True");
            if !is_safe {
                self.source.cannot_tell(line(node), self.text(node), OBJECTS);
            }
        } else if full == "numpy.load" && all.iter().any(|argument| self.text(*argument) == "allow_pickle=True") {
            self.source.cannot_tell(line(node), self.text(node), OBJECTS);
        } else if name == "dictConfig" && first.is_some_and(|first| first.kind() == "call") {
            self.source.cannot_tell(line(node), self.text(node), "the classes that it names are computed");
        } else if name == "entry_points" {
            self.source.cannot_tell(line(node), self.text(node), "it finds whatever is installed");
        }
    }

    /// A call that makes a client of AWS for a service, if `function` is one of boto3's.
    fn names_service(&mut self, function: &str, first: Option<Node<'t>>) {
        let value = first.and_then(|first| match first.kind() {
            "keyword_argument" => first.child_by_field_name("value"),
            _ => Some(first),
        });
        let literals = value.and_then(|value| match value.kind() {
            "identifier" => self.literals.get(self.text(value)).cloned().flatten(),
            _ => self.string(value).map(|service| [service].into()),
        });
        if let Some(services) = literals {
            self.source.data.extend(services);
            return;
        }
        let receiver = function.to_ascii_lowercase();
        self.source.names_more_data |= receiver.contains("boto") || receiver.contains("session");
    }

    /// The literals that an argument is, or is bound to.
    fn literals_of(&self, argument: Option<Node<'t>>) -> Option<BTreeSet<String>> {
        let argument = argument?;
        let literals = match argument.kind() {
            "identifier" => self.literals.get(self.text(argument)).cloned().flatten(),
            "keyword_argument" => {
                argument.child_by_field_name("value").and_then(|value| Some([self.string(value)?].into()))
            }
            _ => self.string(argument).map(|literal| [literal].into()),
        };
        literals.filter(|literals: &BTreeSet<String>| !literals.is_empty())
    }

    /// A call that imports the module that its first argument names.
    fn imports_by_name(&mut self, node: Node<'t>, first: Option<Node<'t>>, optional: bool) {
        let Some(first) = first else { return };
        let literals = self.literals_of(Some(first));
        self.imports_all(node, literals, optional);
    }

    /// A call that imports the modules of these names.
    fn imports_all(&mut self, node: Node<'t>, literals: Option<BTreeSet<String>>, optional: bool) {
        let Some(literals) = literals else {
            self.source.cannot_tell(line(node), self.text(node), "the name of the module is computed");
            return;
        };
        for name in literals {
            if name.starts_with('.') {
                self.relative(line(node), &name, &[], optional);
            } else {
                self.module(line(node), &name, optional);
            }
        }
    }

    /// A call that a function that imports is passed to: `partial(import_module, "a")`, `map(import_module, ["a", "b"])`.
    fn passes_on(&mut self, node: Node<'t>, name: &str, arguments: &[Node<'t>], optional: bool) {
        let imports = |argument: &Node<'t>| {
            let written = self.text(*argument);
            let last = written.rsplit('.').next().unwrap_or(written);
            let last = self.aliases.get(written).copied().unwrap_or(last);
            matches!(argument.kind(), "identifier" | "attribute") && IMPORTS.contains(&last)
        };
        let Some(at) = arguments.iter().position(imports) else { return };
        let value = arguments.get(at + 1).copied().filter(|_| at == 0 && PASSES_ON.contains(&name));
        let Some(value) = value else {
            self.source.cannot_tell(line(node), self.text(node), "what imports modules is passed on here");
            return;
        };
        let listed = match value.kind() {
            "identifier" => self.lists.get(self.text(value)).cloned().flatten(),
            _ => self.strings(value),
        };
        let literals = listed.filter(|list| !list.is_empty()).or_else(|| self.literals_of(Some(value)));
        self.imports_all(node, literals, optional);
    }

    /// A call that runs code in a text.
    fn runs_text(&mut self, node: Node<'t>, code: Option<Node<'t>>, optional: bool) {
        let text = code.and_then(|code| self.string(code)).filter(|_| self.depth < MAX_TEXTS);
        let mut inside = Source::default();
        let is_read = text.is_some_and(|text| read_at(text.trim_start(), &mut inside, self.depth + 1).is_ok());
        if !is_read {
            self.source.cannot_tell(line(node), self.text(node), "the code that it runs is computed");
            return;
        }
        let at = line(node);
        let follows = inside.follows.into_iter();
        self.source.follows.extend(follows.map(|it| Follow { line: at, optional: optional || it.optional, ..it }));
        self.source.uses.extend(inside.uses.into_iter().map(|it| Use { line: at, ..it }));
        self.source.dynamic.extend(inside.dynamic.into_iter().map(|it| Dynamic { line: at, ..it }));
        self.source.names.extend(inside.names);
    }
}

/// Whether a text can be a part of a module's name.
fn is_identifier(part: &str) -> bool {
    !part.is_empty()
        && !part.starts_with(|c: char| c.is_ascii_digit())
        && part.chars().all(|c| c.is_alphanumeric() || c == '_')
}

/// The paths of a module and of the packages that it is in: importing it runs all of them.
fn steps(base: &str, module: &str) -> Vec<String> {
    let parts: Vec<&str> = module.split('.').filter(|part| !part.is_empty()).collect();
    (1..=parts.len()).map(|count| format!("{base}{}", parts[..count].join("/"))).collect()
}
