//! Reads the code of a source: what each call of a known function and each `pkg::name` uses.

use std::collections::BTreeSet;

use super::bindings::{Bindings, Session, callee, function_name};
use super::document::Piece;
use super::functions;
use super::functions::{Absent, Argument, CHUNK, Effect, Function, Matched, Quoting, Unqualified};
use super::guards::{Guards, named_packages};
use super::tree::{Code, Cursor, grammar};
use super::{Reads, Source, Use, UseKind};

/// The depth up to which code in strings (`eval(parse(text = ))`) is read.
const MAX_DEPTH: usize = 4;

/// Functions that run parsed code.
const EVALS: &[&str] = &["eval", "evalq", "eval.parent", "eval_tidy", "eval_bare"];

/// Functions that look up an object by name.
const GETS: &[&str] = &["get", "get0", "mget", "match.fun"];

/// Functions that create text.
const CREATES_TEXT: &[&str] = &["paste", "paste0", "sprintf", "glue", "str_c"];

/// Functions that read a file's lines.
const READS_LINES: &[&str] = &["readLines", "read_utf8", "read_lines"];

/// Functions whose value is an existing environment, or whose call is itself a use.
const NAMESPACES: &[&str] = &[
    "environment",
    "topenv",
    "parent.frame",
    "parent.env",
    "globalenv",
    "asNamespace",
    "getNamespace",
    "loadNamespace",
    "ns_env",
];

/// Reads the pieces of one file, which share their bindings.
///
/// # Errors
/// When the grammar and the parser have incompatible versions.
pub(super) fn read(pieces: Vec<Piece>, session: &Session<'_>, source: &mut Source) -> Result<(), String> {
    read_at(pieces, session, source, 0)
}

fn read_at(pieces: Vec<Piece>, session: &Session<'_>, source: &mut Source, depth: usize) -> Result<(), String> {
    let codes = parse(pieces, source)?;
    let mut reader = Reader {
        bindings: Bindings::new(codes.last().map_or(0, |last| last.base + last.text.len()), session),
        guards: Guards::default(),
        sites: Vec::new(),
        attached: BTreeSet::new(),
        evaluates: false,
        depth,
        source,
    };
    for code in &codes {
        reader.collect(code);
    }
    reader.guards.conclude(&reader.bindings);
    let sites = std::mem::take(&mut reader.sites);
    for site in &sites {
        reader.attaches(*site);
    }
    for site in sites {
        reader.site(site)?;
    }
    if !reader.bindings.step(1) {
        reader.source.dynamic(1, "the whole source", "resolving its names is too expensive");
    }
    Ok(())
}

/// The trees of the pieces.
fn parse(pieces: Vec<Piece>, source: &mut Source) -> Result<Vec<Code>, String> {
    let mut grammar = grammar()?;
    let mut codes = Vec::new();
    let mut base = 0;
    let mut add = |text: String, line: usize, optional: bool, codes: &mut Vec<Code>| {
        let length = text.len() + 1;
        let rows = text.trim_end().lines().count().max(1);
        match grammar.parse(&text) {
            Some(tree) => codes.push(Code { text, tree, line, rows, base, optional }),
            None => source.dynamic(line + 1, &text, "parsing it is too expensive"),
        }
        base += length;
    };
    for piece in pieces {
        let (mut optional, mut other_engine) = (piece.optional, false);
        if let Some(options) = piece.options.filter(|options| !options.trim().is_empty()) {
            let mut one = Vec::new();
            add(format!("`{CHUNK}`({options})"), piece.line - 1, false, &mut one);
            if let Some(code) = one.first() {
                (optional, other_engine) = chunk_options(code, optional);
            }
            codes.append(&mut one);
        }
        if !other_engine {
            add(piece.text, piece.line, optional, &mut codes);
        }
    }
    Ok(codes)
}

/// Whether a chunk with these options need not run, and whether its engine is not R.
fn chunk_options(code: &Code, optional: bool) -> (bool, bool) {
    let call = Cursor::root(code).children().into_iter().next();
    let options = call.map(functions::arguments).unwrap_or_default();
    let option = |name: &str| options.iter().rfind(|option| option.name.as_deref() == Some(name))?.value;
    let runs = option("eval").is_none_or(|value| matches!(value.text(), "TRUE" | "T"));
    let engine = option("engine").and_then(Cursor::string);
    (optional || !runs, engine.is_some_and(|engine| !engine.eq_ignore_ascii_case("r")))
}

struct Reader<'t, 's> {
    bindings: Bindings<'t>,
    guards: Guards<'t>,
    /// Calls and `pkg::name`, in the order of the text.
    sites: Vec<Cursor<'t>>,
    /// Packages that are attached anywhere.
    attached: BTreeSet<String>,
    /// Whether parsed code is run anywhere.
    evaluates: bool,
    depth: usize,
    source: &'s mut Source,
}

/// How a call uses the packages that an argument names.
#[derive(Clone, Copy)]
struct PackageUse {
    kind: UseKind,
    quoting: Quoting,
    /// Whether the call returns without them.
    returns: bool,
    /// Whether a name that is not understood is not reported.
    quiet: bool,
}

impl<'t> Reader<'t, '_> {
    /// Collects in one walk what has to be known before calls are interpreted.
    fn collect(&mut self, code: &'t Code) {
        let everywhere = 0..usize::MAX;
        let end = code.base + code.text.len();
        // The functions and blocks around a node, each with its depth.
        let mut functions = Vec::new();
        let mut blocks = Vec::new();
        let mut unread = None;
        Cursor::root(code).walk(|at, depth| {
            while functions.last().is_some_and(|(inner, _)| *inner >= depth) {
                functions.pop();
            }
            while blocks.last().is_some_and(|(inner, _)| *inner >= depth) {
                blocks.pop();
            }
            let scope = functions.last().map_or(&everywhere, |(_, scope)| scope);
            self.bindings.collect(at, scope);
            self.guards.collect(at, blocks.last().map_or(end, |(_, end)| *end), &self.bindings);
            match at.kind() {
                "call" => {
                    self.evaluates |= callee(at).is_some_and(|(_, name)| EVALS.contains(&name.as_str()));
                    self.sites.push(at);
                }
                "namespace_operator" => self.sites.push(at),
                "string" => {
                    // A file of a layer, which can be in a package.
                    let path = at.string().filter(|path| path.starts_with("/opt/"));
                    self.source.files.extend(path.map(|path| (at.line(), path)));
                }
                "identifier" => {
                    self.source.names.insert(at.text().trim_matches('`').to_owned());
                }
                "function_definition" => functions.push((depth, at.range())),
                "braced_expression" => blocks.push((depth, at.range().end)),
                _ => {}
            }
            if (at.node.is_error() || at.node.is_missing()) && unread != Some(at.line()) {
                unread = Some(at.line());
                // A missing node may be after the last line.
                let text = code.text.trim_end();
                let before = text.get(..at.node.start_byte()).unwrap_or(text);
                let written = &text[before.rfind('\n').map_or(0, |newline| newline + 1)..];
                let written = written.strip_prefix(&format!("`{CHUNK}`(")).unwrap_or(written);
                self.source.dynamic(at.line(), written, "R cannot parse this");
            }
            true
        });
    }

    /// Records what a call attaches: unqualified calls of these packages' functions are then recognized.
    fn attaches(&mut self, site: Cursor<'t>) {
        let Some((home, name)) = callee(site).filter(|_| site.kind() == "call") else { return };
        for known in self.known(site, home.as_deref(), &name) {
            if let Effect::Packages { argument, kind: UseKind::Attached, quoting, .. } = known.effect {
                let matched = Matched::new(known.formals, self.bindings.arguments(site));
                let values = values_of(&matched, argument);
                let named = values.into_iter().filter_map(|one| named_packages(one, quoting, &matched, &self.bindings));
                self.attached.extend(named.flatten());
            }
        }
    }

    /// The known functions that a call may refer to.
    fn known(&self, call: Cursor<'t>, home: Option<&str>, name: &str) -> Vec<&'static Function> {
        let mut known: Vec<&'static Function> = functions::named(name).collect();
        if let Some(home) = home {
            known.retain(|function| function.homes.contains(&home));
            return known;
        }
        let attached = |function: &&Function| function.homes.iter().any(|home| self.attached.contains(*home));
        // Functions of an attached package mask R's own.
        let masked = known.iter().any(|one| one.unqualified == Unqualified::Attached && attached(one));
        known.retain(|one| if masked { attached(one) } else { one.unqualified != Unqualified::Attached });
        if !known.is_empty() && self.bindings.is_own(name, call.start()) {
            known.clear();
        }
        known
    }

    fn site(&mut self, at: Cursor<'t>) -> Result<(), String> {
        if at.kind() == "namespace_operator" {
            if let Some(package) = at.field("lhs").and_then(Cursor::name_or_string) {
                self.uses(at, &package, UseKind::Qualified, false);
                if let Some(function) = at.field("rhs").and_then(Cursor::name_or_string) {
                    self.calls(at, package, function);
                }
            }
            return Ok(());
        }
        let Some((home, name)) = self.renamed(at).or_else(|| callee(at)) else { return Ok(()) };
        let arguments = self.bindings.arguments(at);
        if home.is_none() && !self.bindings.is_own(&name, at.start()) {
            self.calls(at, String::new(), name.clone());
        }
        if home.as_deref().is_none_or(|home| home == "base") {
            match name.as_str() {
                "call" => self.made_call(at, &arguments)?,
                "system" | "system2" if at.text().contains("Rscript") && at.text().contains("-e") => {
                    self.source.dynamic(at.line(), at.text(), "the code that another R runs is not read");
                }
                _ => {}
            }
        }
        if home.is_none()
            && GETS.contains(&name.as_str())
            && arguments.iter().any(|one| self.creates_qualified_name(one))
        {
            self.source.dynamic(at.line(), at.text(), "the name and its package are computed");
        }
        if home.as_deref().is_none_or(|home| home == "base") {
            self.searches(at, &name, &arguments);
        }
        for known in self.known(at, home.as_deref(), &name) {
            let matched = Matched::new(known.formals, arguments.clone());
            if let Some(library) = matched.get("lib.loc") {
                self.searched(at, library);
            }
            let quiet = known.unqualified == Unqualified::Quietly && home.is_none();
            self.call(at, known, &matched, false, quiet)?;
        }
        Ok(())
    }

    /// The known function that a call refers to by another name: `l <- library; l(glue)`.
    fn renamed(&self, at: Cursor<'t>) -> Option<(Option<String>, String)> {
        let function = at.field("function").filter(|function| function.kind() == "identifier")?;
        if functions::named(&function.name()?).next().is_some() {
            return None;
        }
        let value = self.bindings.value(function)?;
        let is_name = matches!(value.kind(), "identifier" | "namespace_operator");
        let (home, name) = function_name(value).filter(|_| is_name)?;
        functions::named(&name).next().map(|_| (home, name.clone()))
    }

    /// `call("library", "glue")`, which is then evaluated.
    fn made_call(&mut self, at: Cursor<'t>, arguments: &[Argument<'t>]) -> Result<(), String> {
        let Some((first, rest)) = arguments.split_first() else { return Ok(()) };
        let Some(name) = first.value.and_then(Cursor::string) else { return Ok(()) };
        for known in self.known(at, None, &name) {
            let matched = Matched::new(known.formals, rest.to_vec());
            self.call(at, known, &matched, true, true)?;
        }
        Ok(())
    }

    /// Notes the libraries that `.libPaths()` adds, or an assignment of the variable that it reads.
    fn searches(&mut self, at: Cursor<'t>, name: &str, arguments: &[Argument<'t>]) {
        let value = match name {
            ".libPaths" => Matched::new(&["new", "include.site"], arguments.to_vec()).get("new"),
            "assign" => {
                let matched = Matched::new(&["x", "value", "pos", "envir"], arguments.to_vec());
                let is_its = matched.get("x").and_then(Cursor::string).is_some_and(|name| name == ".lib.loc");
                matched.get("value").filter(|_| is_its)
            }
            _ => None,
        };
        if let Some(value) = value {
            self.searched(at, value);
        }
    }

    fn searched(&mut self, at: Cursor<'t>, value: Cursor<'t>) {
        match self.bindings.values(value) {
            Some(paths) => self.source.libraries.paths.extend(paths),
            None => {
                self.source.libraries.unknown.get_or_insert(at.line());
            }
        }
    }

    /// Applies the effect of a call of a known function. `by_value`: its arguments are already evaluated (`do.call()`).
    fn call(
        &mut self,
        at: Cursor<'t>,
        known: &Function,
        matched: &Matched<'t>,
        by_value: bool,
        quiet: bool,
    ) -> Result<(), String> {
        match known.effect {
            Effect::Packages { argument, kind, quoting, absent, .. } => {
                let quoting = if by_value { Quoting::Never } else { quoting };
                let packages = PackageUse { kind, quoting, returns: returns(absent, matched), quiet };
                for value in values_of(matched, argument) {
                    self.packages(at, value, packages, matched);
                }
            }
            Effect::File { argument, reads } => {
                for value in values_of(matched, argument) {
                    self.file(at, value, reads, quiet);
                }
            }
            Effect::Parse { file, text } => self.parsed(at, matched.get(file), matched.get(text))?,
            Effect::Apply { over, function } => {
                if let (Some(function), Some(over)) = (matched.get(function), matched.over(over)) {
                    self.applied(at, function, over);
                }
            }
            Effect::DoCall => self.do_call(at, matched)?,
            Effect::Box => {
                for argument in &matched.dots {
                    self.module(at, argument);
                }
            }
            Effect::Import { argument } => self.import(at, matched.get(argument), matched),
            Effect::Charset { argument } => {
                let values = matched.get(argument).and_then(|value| self.bindings.values(value));
                let (line, optional) = (at.line(), self.is_optional(at));
                for name in values.into_iter().flatten().filter(|_| !optional) {
                    let first = self.source.charsets.entry(name).or_insert(line);
                    *first = line.min(*first);
                }
            }
            Effect::Objects { argument } => self.objects(at, matched.get(argument)),
            Effect::Load { argument } => {
                let value = matched.get(argument).filter(|value| !value.text().contains("system.file("));
                if value.is_some_and(|value| self.bindings.values(value).is_none()) {
                    self.source.dynamic(at.line(), at.text(), "the library's path is computed");
                }
            }
        }
        Ok(())
    }

    /// Whether the program works if this call fails.
    fn is_optional(&self, at: Cursor<'t>) -> bool {
        at.code.optional || self.guards.is_optional("", at.start())
    }

    /// Notes a call of a function, unless the source works without the package.
    fn calls(&mut self, at: Cursor<'t>, package: String, function: String) {
        if !at.code.optional && !self.guards.is_optional(&package, at.start()) {
            self.source.calls.entry((package, function)).or_insert(at.line());
        }
    }

    fn uses(&mut self, at: Cursor<'t>, package: &str, kind: UseKind, returns: bool) {
        let optional = at.code.optional || self.guards.is_optional(package, at.start());
        let continues = returns && !self.guards.is_required(at.start()) || self.guards.is_of_script(at.start());
        self.source.uses(Use { line: at.line(), package: package.to_owned(), kind, optional, continues });
    }

    fn follows(&mut self, at: Cursor<'t>, path: &str, reads: Reads) {
        let optional = at.code.optional || self.guards.tries(at.start());
        self.source.follows(at.line(), path, reads, optional);
    }

    fn packages(&mut self, at: Cursor<'t>, value: Cursor<'t>, how: PackageUse, matched: &Matched<'t>) {
        // librarian's packages on GitHub: user/package.
        let value = if value.operator() == "/" { value.field("rhs").unwrap_or(value) } else { value };
        if how.kind == UseKind::Loaded && self.is_namespace(value) {
            return;
        }
        match named_packages(value, how.quoting, matched, &self.bindings) {
            Some(packages) => packages.iter().for_each(|package| self.uses(at, package, how.kind, how.returns)),
            None if how.quiet => {}
            None => self.source.dynamic(at.line(), at.text(), "the package's name is computed"),
        }
    }

    /// Whether it is a namespace or an environment, not a package's name.
    fn is_namespace(&self, value: Cursor<'t>) -> bool {
        let value = self.bindings.value(value).unwrap_or(value);
        value.kind() == "call" && callee(value).is_some_and(|(_, name)| NAMESPACES.contains(&name.as_str()))
    }

    fn file(&mut self, at: Cursor<'t>, value: Cursor<'t>, reads: Reads, quiet: bool) {
        match self.bindings.values(value) {
            Some(paths) => paths.iter().for_each(|path| self.follows(at, path, reads)),
            None if quiet => {}
            None => self.source.dynamic(at.line(), at.text(), "the file's name is computed"),
        }
    }

    /// A call that reads saved objects: those of an installed package are its own.
    fn objects(&mut self, at: Cursor<'t>, file: Option<Cursor<'t>>) {
        if file.is_some_and(|file| file.text().contains("system.file(")) {
            return;
        }
        let Some(paths) = file.and_then(|file| self.bindings.values(file)) else {
            let why = "the packages of what it reads are known only at run time";
            return self.source.dynamic(at.line(), at.text(), why);
        };
        for path in &paths {
            self.follows(at, path, Reads::Objects);
        }
    }

    /// `parse()` and similar functions: constant text is code of this file; other text matters if it is run.
    fn parsed(&mut self, at: Cursor<'t>, file: Option<Cursor<'t>>, text: Option<Cursor<'t>>) -> Result<(), String> {
        let chunk = callee(at).is_some_and(|(_, name)| name == CHUNK);
        let Some(text) = text else {
            if let Some(file) = file.filter(|_| self.evaluates) {
                self.file(at, file, Reads::Script, false);
            }
            return Ok(());
        };
        if let Some(lines) = self.bindings.values(text) {
            if self.depth >= MAX_DEPTH {
                self.source.dynamic(at.line(), at.text(), "code in strings is not read at this depth");
                return Ok(());
            }
            let mut inside = Source::default();
            read_at(vec![Piece::code(lines.join("\n"), 0)], self.bindings.session, &mut inside, self.depth + 1)?;
            let optional = at.code.optional || self.guards.tries(at.start());
            for one in inside.uses {
                self.source.uses(Use { line: at.line(), optional: optional || one.optional, ..one });
            }
            for one in inside.follows {
                self.source.follows(at.line(), &one.path, one.reads, optional || one.optional);
            }
            for one in inside.dynamic {
                self.source.dynamic(at.line(), &one.what, one.why);
            }
            self.source.libraries.paths.extend(inside.libraries.paths);
            if inside.libraries.unknown.is_some() {
                self.source.libraries.unknown.get_or_insert(at.line());
            }
        } else if let Some(path) = self.lines_of(text) {
            if self.evaluates || chunk {
                self.file(at, path, Reads::Script, false);
            }
        } else if self.evaluates || chunk {
            self.source.dynamic(at.line(), at.text(), "the code is computed");
        }
        Ok(())
    }

    /// The path in `readLines(path)`.
    fn lines_of(&self, text: Cursor<'t>) -> Option<Cursor<'t>> {
        let text = self.bindings.value(text).unwrap_or(text);
        let (_, name) = callee(text).filter(|_| text.kind() == "call")?;
        let reads = READS_LINES.contains(&name.as_str());
        self.bindings.arguments(text).into_iter().next().filter(|_| reads)?.value
    }

    /// `lapply(over, function)`, when the function is known.
    fn applied(&mut self, at: Cursor<'t>, function: Cursor<'t>, over: Cursor<'t>) {
        let Some((home, name)) = function_name(function) else { return };
        if let Some(known) = self.known(at, home.as_deref(), &name).first() {
            self.each(at, known, over);
        }
    }

    /// A known function is called with each of some values as its first argument.
    fn each(&mut self, at: Cursor<'t>, known: &Function, values: Cursor<'t>) {
        match known.effect {
            Effect::Packages { kind, absent, .. } => {
                let matched = Matched::new(known.formals, Vec::new());
                let returns = returns(absent, &matched);
                self.packages(
                    at,
                    values,
                    PackageUse { kind, quoting: Quoting::Never, returns, quiet: false },
                    &matched,
                );
            }
            Effect::File { reads, .. } => self.file(at, values, reads, false),
            _ => {}
        }
    }

    fn do_call(&mut self, at: Cursor<'t>, matched: &Matched<'t>) -> Result<(), String> {
        let Some(what) = matched.get("what") else { return Ok(()) };
        let name = if what.kind() == "call" {
            let name = self.bindings.values(what).filter(|names| names.len() == 1).and_then(|mut names| names.pop());
            if name.is_none() && callee(what).is_some_and(|(_, name)| CREATES_TEXT.contains(&name.as_str())) {
                self.source.dynamic(at.line(), at.text(), "the function's name is computed");
            }
            name.map(|name| (None, name))
        } else {
            function_name(what)
        };
        let Some((home, name)) = name else { return Ok(()) };
        let arguments = matched.get("args");
        let list = arguments.filter(|list| {
            list.kind() == "call" && callee(*list).is_some_and(|(_, name)| matches!(name.as_str(), "list" | "c"))
        });
        let known = self.known(at, home.as_deref(), &name);
        if let Some(list) = list {
            for known in known {
                let matched = Matched::new(known.formals, self.bindings.arguments(list));
                self.call(at, known, &matched, true, false)?;
            }
        } else if let (Some(values), Some(known)) = (arguments, known.first()) {
            self.each(at, known, values);
        }
        Ok(())
    }

    /// An argument of `box::use()`: a package or the path of a module, optionally with names in brackets.
    fn module(&mut self, at: Cursor<'t>, argument: &Argument<'t>) {
        let Some(mut value) = argument.value else { return };
        if value.kind() == "subset"
            && let Some(inside) = value.field("function")
        {
            value = inside;
        }
        let mut parts = Vec::new();
        while value.operator() == "/" {
            // `./a/b[c]` binds the brackets to b.
            let last = value.field("rhs");
            parts.extend(last.and_then(|last| last.field("function").unwrap_or(last).name()));
            match value.field("lhs") {
                Some(left) if self.bindings.step(1) => value = left,
                _ => break,
            }
        }
        match (value.name(), parts.is_empty()) {
            (Some(package), true) if !package.starts_with('.') => self.uses(at, &package, UseKind::Loaded, false),
            (Some(first), false) => {
                parts.push(first);
                parts.reverse();
                self.follows(at, &parts.join("/"), Reads::Module);
            }
            _ => self.source.dynamic(at.line(), at.text(), "box has no module of this form"),
        }
    }

    /// `import::from(package, ...)` or `import::from("script.R", ...)`.
    fn import(&mut self, at: Cursor<'t>, from: Option<Cursor<'t>>, matched: &Matched<'t>) {
        let Some(from) = from else { return };
        let Some(named) = named_packages(from, Quoting::Unless(".character_only"), matched, &self.bindings) else {
            self.source.dynamic(at.line(), at.text(), "the package's name is computed");
            return;
        };
        for name in named {
            if name.to_ascii_lowercase().ends_with(".r") {
                self.follows(at, &name, Reads::Script);
            } else {
                // A version requirement may follow.
                let package = name.split([' ', '(']).next().unwrap_or_default();
                self.uses(at, package, UseKind::Loaded, false);
            }
        }
    }

    /// Whether an argument creates text with `::` in it.
    fn creates_qualified_name(&self, argument: &Argument<'t>) -> bool {
        argument.value.is_some_and(|value| {
            value.kind() == "call"
                && self.bindings.step(1)
                && callee(value).is_some_and(|(_, name)| CREATES_TEXT.contains(&name.as_str()))
                && value.text().contains("::")
        })
    }
}

/// Whether a call returns when the package is not installed.
fn returns(absent: Absent, matched: &Matched<'_>) -> bool {
    let is_true = |argument| matched.get(argument).is_some_and(|value| matches!(value.text(), "TRUE" | "T"));
    match absent {
        Absent::Fails => false,
        Absent::Returns => true,
        Absent::FailsUnless(argument) => is_true(argument),
        Absent::ReturnsUnless(argument) => !is_true(argument),
    }
}

/// The values of a formal argument; all of `...`.
fn values_of<'t>(matched: &Matched<'t>, argument: &str) -> Vec<Cursor<'t>> {
    if argument == "..." {
        matched.dots.iter().filter_map(|one| one.value).collect()
    } else {
        matched.get(argument).into_iter().collect()
    }
}
