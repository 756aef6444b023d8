//! Reads the code of a source: what each import statement, and each call of a function that imports, imports.

use std::collections::{BTreeMap, BTreeSet};

use tree_sitter::Node;

use super::conditions::ALL;
use super::functions::{
    CLIENTS, IMPORTS, NAMES_DISTRIBUTION, NAMES_MODULE, OPENS_FILES, PASSES_ON, READS_OBJECTS, STARTS, TESTS,
};
use super::guards::Guards;
use super::literals::{Literals, elements};
use super::programs::{self, Run};
use super::{DISTRIBUTION, where_minors};
use crate::languages::grammar::walk;
use crate::languages::reading::{self, guarded, is_in_layers, line};
use crate::languages::{Dynamic, Follow, Followed, From, Source, Use};

/// What a module can be: a file, or a directory with one.
const ENDINGS: &[&str] = &[".py", "/__init__.py"];

/// How many imports of one source are followed.
const MAX_FOLLOWS: usize = 20_000;

/// What Django imports by name.
const IMPORTED_LISTS: &[&str] = &["INSTALLED_APPS", "MIDDLEWARE"];

/// Why what reads objects is reported.
const OBJECTS: &str = "the packages of what it reads are known only at run time";

/// How many arguments of a call are read.
const MAX_ARGUMENTS: usize = 50;

/// How deep code in texts is read.
const MAX_TEXTS: usize = 3;

/// Reads the code of one file, which may be run as a program.
///
/// # Errors
/// When the grammar and the parser have incompatible versions.
pub(super) fn read(text: &str, is_program: bool, source: &mut Source) -> Result<(), String> {
    read_at(text, is_program, source, 0)
}

fn read_at(text: &str, is_program: bool, source: &mut Source, depth: usize) -> Result<(), String> {
    let Some(tree) = reading::tree(&tree_sitter_python::LANGUAGE.into(), text, source)? else { return Ok(()) };
    let mut reader = Reader {
        text,
        source,
        guards: Guards::new(text, is_program),
        minors: ALL,
        literals: Literals::new(text),
        aliases: BTreeMap::new(),
        imported: BTreeMap::new(),
        unread: None,
        has_logging: text.contains("dictConfig"),
        depth,
    };
    let mut sites = Vec::new();
    walk(tree.root_node(), |node, _| reader.collect(node, &mut sites));
    reader.literals.conclude();
    let mut branches = reader.guards.branches();
    for (site, optional) in guarded(sites, std::mem::take(&mut reader.guards.ranges)) {
        reader.minors = branches.minors(site.start_byte());
        if reader.minors != 0 {
            reader.site(site, optional);
        }
    }
    if reader.source.follows.len() >= MAX_FOLLOWS {
        reader.source.cannot_tell(1, "the whole source", "it imports too much to be followed");
    }
    Ok(())
}

struct Reader<'t, 's> {
    text: &'t str,
    source: &'s mut Source,
    guards: Guards<'t>,
    /// The minor versions of Python that run what is read.
    minors: u64,
    /// The literals that names are bound to.
    literals: Literals<'t>,
    /// The other names of functions that import or test for a module: `from importlib import import_module as load`.
    aliases: BTreeMap<&'t str, &'t str>,
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
            "call" | "list" | "tuple" => sites.push(node),
            "try_statement" | "if_statement" | "with_statement" => self.guards.collect(node),
            "assignment" | "named_expression" => {
                self.renames_by_assignment(node);
                self.imported_lists(node);
                self.literals.collect(node);
            }
            "for_statement" | "for_in_clause" | "function_definition" | "lambda" | "augmented_assignment" => {
                self.literals.collect(node);
            }
            "as_pattern" => self.literals.opened_as(node),
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

    /// Notes what Django imports of a list that is assigned.
    fn imported_lists(&mut self, node: Node<'t>) {
        let (left, right) = (node.child_by_field_name("left"), node.child_by_field_name("right"));
        if left.is_some_and(|left| IMPORTED_LISTS.contains(&self.text(left))) {
            let names = right.and_then(|right| self.literals.strings(right)).unwrap_or_default();
            for name in names.iter().filter(|name| name.split('.').all(is_identifier)) {
                self.module(line(node), name, true);
            }
        }
    }

    fn string(&self, node: Node<'t>) -> Option<String> {
        self.literals.string(node)
    }

    fn site(&mut self, node: Node<'t>, optional: bool) {
        match node.kind() {
            "import_statement" => {
                for name in self.names(node) {
                    self.module(line(node), &name, optional);
                }
            }
            "import_from_statement" => self.imports_from(node, optional),
            "list" | "tuple" => self.starts(node, &elements(node), optional),
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
        // What only some versions import is needed for certain by these.
        let of_versions = Some(where_minors(self.minors, &name)).filter(|_| self.minors != ALL && !optional);
        let optional = optional || of_versions.is_some();
        for (name, optional) in [(Some(name), optional), (of_versions, false)] {
            let Some(otherwise) = name else { continue };
            let module = otherwise.rsplit(' ').next().unwrap_or(&otherwise).to_owned();
            self.source.follows.push(Follow {
                line,
                paths: steps("", &module),
                endings: ENDINGS,
                from: From::WorkingDirectory,
                followed: Followed::ByName,
                optional,
                otherwise: Some(otherwise),
            });
        }
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
            self.imports_by_name(node, &all, optional || tests);
        } else if STARTS.contains(&name) {
            self.starts_program(node, &all, optional);
        } else if name == "fileConfig" {
            self.configures(node, first, optional);
        } else if CLIENTS.contains(&name) {
            self.names_service(written, first);
        } else if name == "run_path" {
            match first.and_then(|first| self.string(first)) {
                Some(path) => self.follows_file(line(node), path, Followed::ByName, optional),
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
            let is_followed = OPENS_FILES.contains(&name) && self.reads_file(node, first, optional);
            if !is_safe && !is_followed {
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

    /// A call that reads the objects of a file that is named there; returns whether it is.
    fn reads_file(&mut self, node: Node<'t>, file: Option<Node<'t>>, optional: bool) -> bool {
        let names = file.and_then(|file| self.literals.files(file)).unwrap_or_default();
        let is_own = |path: &String| !path.starts_with('/') || path.starts_with("/var/task/");
        let is_named = !names.is_empty() && names.iter().all(is_own);
        for path in names.into_iter().filter(|_| is_named) {
            self.follows_file(line(node), path, Followed::Pickled, optional);
        }
        is_named
    }

    /// A call that makes a client of AWS for a service, if `function` is one of boto3's.
    fn names_service(&mut self, function: &str, first: Option<Node<'t>>) {
        let value = first.and_then(|first| match first.kind() {
            "keyword_argument" => first.child_by_field_name("value"),
            _ => Some(first),
        });
        let literals = value.and_then(|value| self.literals.values(value));
        if let Some(services) = literals {
            self.source.data.extend(services);
            return;
        }
        let receiver = function.to_ascii_lowercase();
        self.source.names_more_data |= receiver.contains("boto") || receiver.contains("session");
    }

    /// The literals that an argument can be.
    fn literals_of(&self, argument: Option<Node<'t>>) -> Option<BTreeSet<String>> {
        self.literals.values(argument?).filter(|literals| !literals.is_empty())
    }

    /// A call that imports the module that its first argument names, in the package that the second one does.
    fn imports_by_name(&mut self, node: Node<'t>, arguments: &[Node<'t>], optional: bool) {
        let Some(first) = arguments.first().copied() else { return };
        let mut literals = self.literals_of(Some(first));
        if let Some(names) = &literals
            && names.iter().all(|name| name.starts_with('.'))
            && let Some(package) = self.literals_of(arguments.get(1).copied())
        {
            let of = |name: &String| package.iter().filter_map(|package| absolute(package, name)).collect::<Vec<_>>();
            literals = Some(names.iter().flat_map(of).collect());
        }
        // Of `NAMES[key]` or `"a" if x else "b"`, only one is imported: which, only running it tells.
        let is_one_of = literals.as_ref().is_some_and(|names| names.len() > 1) && !self.literals.is_each_in_turn(first);
        let optional = optional || is_one_of;
        if literals.is_none()
            && let Some(package) = self.literals.package_of(first)
        {
            // `f"package.{name}"`: which of its modules is not known.
            self.module(line(node), &package, optional);
        }
        self.imports_all(node, literals, optional);
    }

    /// The arguments of Python as a program: `[sys.executable, "-m", "a"]`.
    fn starts(&mut self, node: Node<'t>, arguments: &[Node<'t>], optional: bool) {
        let Some((program, arguments)) = arguments.split_first() else { return };
        let is_started = self.text(*program) == "sys.executable"
            || self.string(*program).is_some_and(|program| programs::is_python(&program));
        if !is_started {
            return;
        }
        let written: Vec<Option<String>> = arguments.iter().map(|argument| self.string(*argument)).collect();
        match programs::of_arguments(&written) {
            Some(Run::Code(at)) => self.runs_text(node, arguments.get(at).copied(), optional),
            Some(run) => self.runs(line(node), run, optional),
            None => {}
        }
    }

    /// A call that starts a program, by its arguments or by a text for a shell.
    fn starts_program(&mut self, node: Node<'t>, arguments: &[Node<'t>], optional: bool) {
        self.starts(node, arguments, optional);
        for command in self.literals_of(arguments.first().copied()).unwrap_or_default() {
            for run in programs::of_shell(&command) {
                self.runs(line(node), run, optional);
            }
        }
    }

    /// What is run as a program of its own.
    fn runs(&mut self, line: usize, run: Run, optional: bool) {
        match run {
            Run::Module(module) if module.split('.').all(is_identifier) => {
                self.module(line, &format!("{module}.__main__"), optional);
            }
            Run::File(path) => {
                let is_elsewhere = path.starts_with('/') && !path.starts_with("/var/task/");
                self.follows_file(line, path, Followed::Program, optional || is_elsewhere);
            }
            Run::Module(_) | Run::Code(_) => {}
        }
    }

    /// A file of the function that is read in some way.
    fn follows_file(&mut self, line: usize, path: String, followed: Followed, optional: bool) {
        self.source.follows.push(Follow {
            line,
            paths: vec![path],
            endings: &[""],
            from: From::WorkingDirectory,
            followed,
            optional,
            otherwise: None,
        });
    }

    /// A call that reads a configuration of logging, which names classes, from a file.
    fn configures(&mut self, node: Node<'t>, file: Option<Node<'t>>, optional: bool) {
        let names = self.literals_of(file).or_else(|| Some([self.literals.last_part(file?)?].into()));
        let Some(names) = names else {
            self.source.cannot_tell(line(node), self.text(node), "the classes that it names are computed");
            return;
        };
        for path in names {
            self.follows_file(line(node), path, Followed::Configuration, optional);
        }
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
        let listed = self.literals.each(value);
        let literals = listed.filter(|list| !list.is_empty()).or_else(|| self.literals_of(Some(value)));
        self.imports_all(node, literals, optional);
    }

    /// A call that runs code in a text.
    fn runs_text(&mut self, node: Node<'t>, code: Option<Node<'t>>, optional: bool) {
        let text = code.and_then(|code| self.string(code)).filter(|_| self.depth < MAX_TEXTS);
        let mut inside = Source::default();
        let is_read = text.is_some_and(|text| read_at(text.trim_start(), false, &mut inside, self.depth + 1).is_ok());
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

/// The whole name of a module that is named in a package: `.b` of `a` is `a.b`.
fn absolute(package: &str, name: &str) -> Option<String> {
    let module = name.trim_start_matches('.');
    let mut parts: Vec<&str> = package.split('.').collect();
    parts.truncate((parts.len() + 1).checked_sub(name.len() - module.len()).filter(|left| *left > 0)?);
    Some(parts.into_iter().chain(module.split('.').filter(|part| !part.is_empty())).collect::<Vec<_>>().join("."))
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
