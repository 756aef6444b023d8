//! Which packages a package's own code calls, in every function of its `R/PKG.rdb`: `pkg::name` and `pkg:::name`, and all that
//! names a package in the code of a handler (`library()`, `getFromNamespace()`, `do.call("library", list("pkg"))`), as the code of
//! such functions is read as text, with the package's own constants and functions that it mentions.
//!
//! Also the absolute paths that such code has as literal strings: those that a package was configured with.
//!
//! Packages may use R's base packages so without declaring them ("Writing R Extensions", 1.1.3), and what is only suggested
//! is used so too: neither is in a NAMESPACE.

use std::collections::{BTreeMap, BTreeSet};

use super::rdx::{Compression, Index, uncompressed};
use super::serialize::{self, Argument, Value};
use super::source::{self, Source};
use super::{deparse, hooks, rdb};
use crate::base::buffers::Buffer;
use crate::base::bytes::size;
use crate::base::path::TreePath;
use crate::languages::{Calls, Package};
use crate::tree::Tree;

/// How many environments are followed from all variables of a package: real ones need a hundredth of it.
const MAX_STEPS: usize = 5_000_000;

/// A longer index or database is not read: in bytes, several times the longest one of code in a package of CRAN.
const MAX_BYTES: u64 = 64 << 20;

/// A variable with more strings, or longer ones, is data and not a list of packages.
const MAX_STRINGS: usize = 100;

/// A longer string is not the name of a package, in bytes.
const MAX_STRING_BYTES: usize = 100;

/// The stack of the thread that reads a database: expressions lie in each other as deep as R itself allows. Only what is
/// used of it becomes memory.
const STACK_BYTES: usize = 512 << 20;

/// What the code of a package in a tree calls.
///
/// # Errors
/// Says what is wrong with an index or record that R would not read either.
pub(super) fn of_package(package: &Package, tree: &Tree) -> Result<Calls, String> {
    let (index, database) = files(package, tree)?;
    of_database(&index, &database)
}

/// The absolute paths that the code of a package in a tree has as literal strings.
///
/// # Errors
/// Says what is wrong with an index or record that R would not read either.
pub(super) fn paths(package: &Package, tree: &Tree) -> Result<BTreeSet<String>, String> {
    let (index, database) = files(package, tree)?;
    with_stack(|| {
        let database = Database::new(&index, &database)?;
        let index = Database::index(&index)?;
        let mut found = BTreeSet::new();
        for place in ["variables", "references"].iter().filter_map(|part| index.item(part)).flat_map(places) {
            let value = database.value(place)?;
            let mut stack = vec![&value];
            while let Some(value) = stack.pop() {
                if let Value::Strings(strings) = value {
                    found
                        .extend(strings.iter().flatten().filter(|text| text.starts_with('/')).map(ToString::to_string));
                }
                stack.extend(value.children());
            }
        }
        Ok(found)
    })
}

/// The packages without which a package in a tree certainly fails to load, because what it does itself when it is loaded uses
/// them. None where its code cannot be read: checks of the package report that.
pub(super) fn fails_to_load_without(name: &str, directory: &TreePath, tree: &Tree) -> BTreeSet<String> {
    let hook = ".onLoad";
    let read = || {
        let index = read_file(name, directory, "rdx", tree)?;
        with_stack(|| {
            let places = Database::index(&index)?;
            let Some(variables) = places.item("variables").filter(|variables| variables.item(hook).is_some()) else {
                return Ok(BTreeSet::new());
            };
            let bytes = read_file(name, directory, "rdb", tree)?;
            let database = Database::new(&index, &bytes)?;
            let function = |name: &str| database.value(*self::places(variables.item(name)?).first()?).ok();
            Ok(hooks::fails_without(hook, &function))
        })
    };
    let mut found = read().unwrap_or_default();
    found.remove(name);
    found
}

/// The index and the database of a package's code.
fn files<'a>(package: &Package, tree: &'a Tree) -> Result<(Buffer<'a>, Buffer<'a>), String> {
    let read = |ending: &str| read_file(&package.name, &package.directory, ending, tree);
    Ok((read("rdx")?, read("rdb")?))
}

/// The file of a package's code with this ending.
fn read_file<'a>(name: &str, directory: &TreePath, ending: &str, tree: &'a Tree) -> Result<Buffer<'a>, String> {
    let path = directory.join(format!("R/{name}.{ending}"));
    let id = path.and_then(|path| tree.find(&path)).ok_or_else(|| format!("it has no R/{name}.{ending}"))?;
    if tree.entry(id).bytes() > MAX_BYTES {
        return Err(format!("its R/{name}.{ending} is larger than {}, and is not read", size(MAX_BYTES)));
    }
    tree.read_in_buffer(id).map_err(|error| error.to_string())
}

/// What the code of a database calls.
///
/// # Errors
/// Says what is wrong with an index or record that R would not read either.
pub fn of_database(index: &[u8], database: &[u8]) -> Result<Calls, String> {
    with_stack(|| read(index, database))
}

/// Calls a function that reads a database in a thread with the stack that this takes.
fn with_stack<T: Send>(function: impl FnOnce() -> Result<T, String> + Send) -> Result<T, String> {
    std::thread::scope(|scope| {
        let reading = std::thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, function);
        let reading = reading.map_err(|error| format!("cannot start a thread: {error}"))?;
        reading.join().map_err(|_| "its code cannot be read".to_owned())?
    })
}

/// The records of a database.
struct Database<'a> {
    bytes: &'a [u8],
    compression: Compression,
}

impl<'a> Database<'a> {
    fn new(index: &[u8], bytes: &'a [u8]) -> Result<Self, String> {
        Ok(Self { bytes, compression: Index::parse(index)?.compression() })
    }

    /// The index of a database, as R reads it.
    fn index(bytes: &[u8]) -> Result<Value, String> {
        serialize::read(&uncompressed(bytes)?)
    }

    /// The value of the record at this offset, of this length.
    fn value(&self, (offset, length): (usize, usize)) -> Result<Value, String> {
        let record = offset.checked_add(length).and_then(|end| self.bytes.get(offset..end));
        serialize::read(&rdb::content(record.ok_or("a record lies outside of the database")?, self.compression)?)
    }
}

/// The variables of a database by its index, each with its records: their offsets and lengths. None if it cannot be read.
pub(super) fn variables(index: &[u8]) -> Vec<(String, Vec<(u32, u32)>)> {
    let number = |number| u32::try_from(number).unwrap_or(u32::MAX);
    let of_index = |index: Value| {
        let Some(Value::List { items, names }) = index.item("variables") else { return Vec::new() };
        let records = |value| places(value).into_iter().map(|(at, length)| (number(at), number(length))).collect();
        items
            .iter()
            .zip(names)
            .map(|(value, name)| (name.as_deref().unwrap_or_default().to_owned(), records(value)))
            .collect()
    };
    with_stack(|| Database::index(index).map(of_index)).unwrap_or_default()
}

fn read(index: &[u8], database: &[u8]) -> Result<Calls, String> {
    let database = Database::new(index, database)?;
    let index = Database::index(index)?;
    let value = |place| database.value(place);
    let (Some(Value::List { items, names }), references) = (index.item("variables"), index.item("references")) else {
        return Err("its index has no variables".to_owned());
    };
    let variables: BTreeSet<&str> = names.iter().flatten().map(|name| &**name).collect();
    let mut parts: BTreeMap<&str, Part> = BTreeMap::new();
    let mut own: BTreeMap<&str, String> = BTreeMap::new();
    for (place, name) in items.iter().zip(names) {
        let name = name.as_deref().unwrap_or_default();
        let part = parts.entry(function_of(name)).or_default();
        for place in places(place) {
            let value = value(place)?;
            part.read(&value, &variables);
            own.extend(definition(name, &value).map(|text| (name, text)));
        }
    }
    // An environment has a record of its own.
    let mut environments: BTreeMap<&str, Part> = BTreeMap::new();
    if let Some(Value::List { items, names }) = references {
        for (place, name) in items.iter().zip(names) {
            let part = environments.entry(name.as_deref().unwrap_or_default()).or_default();
            for place in places(place) {
                part.read(&value(place)?, &variables);
            }
        }
    }
    for part in parts.values_mut().chain(environments.values_mut()) {
        part.read_code(&own);
    }
    let function = |name: &str| {
        let at = names.iter().position(|other| other.as_deref() == Some(name))?;
        places(items.get(at)?).first().and_then(|place| value(*place).ok())
    };
    let mut left = MAX_STEPS;
    let mut calls = Calls {
        at_load: hooks::packages(".onLoad", &function, &own),
        at_attach: hooks::packages(".onAttach", &function, &own),
        ..Calls::default()
    };
    for (function, part) in &parts {
        for part in part.with_environments(&environments, &mut left)? {
            for called in &part.called {
                calls.callers.entry(called.clone()).or_default().insert((*function).to_owned());
            }
            if !part.mentions.is_empty() {
                let mentions = calls.mentions.entry((*function).to_owned()).or_default();
                mentions.extend(part.mentions.iter().filter(|name| name != function).cloned());
            }
            if part.dispatches {
                // A generic function leads to its methods: `read_xml` to `read_xml.character`.
                let dotted = format!("{function}.");
                let methods = variables.range(dotted.as_str()..).take_while(|name| name.starts_with(&dotted));
                calls
                    .mentions
                    .entry((*function).to_owned())
                    .or_default()
                    .extend(methods.map(|name| (*name).to_owned()));
            }
        }
    }
    Ok(calls)
}

/// The function that a variable is a part of: the methods of the S4 generic `image` are in `.__T__image:graphics`.
fn function_of(variable: &str) -> &str {
    let table = variable.strip_prefix(".__T__").and_then(|table| table.rsplit_once(':'));
    table.map_or(variable, |(generic, _)| generic)
}

/// The offsets and lengths of a variable's or an environment's records: a pair of numbers, or a list of such.
fn places(value: &Value) -> Vec<(usize, usize)> {
    match value {
        Value::Integers(numbers) => {
            let numbers: Vec<usize> = numbers.iter().filter_map(|number| usize::try_from(*number).ok()).collect();
            if let [offset, length] = numbers[..] { vec![(offset, length)] } else { Vec::new() }
        }
        value => value.children().into_iter().flat_map(places).collect(),
    }
}

/// The text of a variable that decides what code that mentions it names: strings, or a function with the name of one of R's.
fn definition(name: &str, value: &Value) -> Option<String> {
    match value {
        Value::Strings(_) | Value::List { .. } => {
            // A vector with names is a list of strings; the columns of a data frame are not names of packages all.
            let is_one = |item: &Value| matches!(item, Value::Strings(strings) if strings.len() == 1);
            let is_vector = match value {
                Value::List { items, .. } => items.len() <= MAX_STRINGS && items.iter().all(is_one),
                _ => true,
            };
            let strings = if is_vector { value.strings() } else { return None };
            let is_short = strings.len() <= MAX_STRINGS && strings.iter().all(|one| one.len() <= MAX_STRING_BYTES);
            is_short.then(|| deparse::constant(name, &strings))
        }
        value => (source::names_packages(name) && is_function(value)).then(|| deparse::own_function(name)),
    }
}

fn is_function(value: &Value) -> bool {
    match value {
        Value::Closure { .. } => true,
        Value::Holder(parts) => matches!(parts.first(), Some(Value::Closure { .. })),
        _ => false,
    }
}

/// What a variable or an environment holds.
#[derive(Default)]
struct Part {
    /// The text of its functions that may name packages otherwise than by `::`.
    code: Vec<String>,
    /// The packages that it calls.
    called: BTreeSet<String>,
    /// The variables of the package that it mentions.
    mentions: BTreeSet<String>,
    /// Whether it calls `UseMethod()`.
    dispatches: bool,
    /// The environments that it refers to.
    references: BTreeSet<String>,
}

impl Part {
    fn read(&mut self, value: &Value, variables: &BTreeSet<&str>) {
        let mut whole = vec![value];
        while let Some(value) = whole.pop() {
            match value {
                Value::Call(_) | Value::Closure { .. } => {
                    if may_name_packages(value) {
                        self.code.push(deparse::text(value));
                    }
                    // A promise has its value in the place of the formals.
                    if let Value::Closure { formals, .. } = value
                        && !matches!(**formals, Value::Pairs(_))
                    {
                        whole.push(formals);
                    }
                }
                value => whole.extend(value.children()),
            }
        }
        let mut stack = vec![value];
        while let Some(value) = stack.pop() {
            match value {
                Value::Reference(environment) => insert(&mut self.references, environment),
                Value::Call(parts) => {
                    if let Some((package, _)) = serialize::qualified(parts) {
                        insert(&mut self.called, package);
                    }
                }
                Value::Symbol(name) if &**name == "UseMethod" => self.dispatches = true,
                Value::Symbol(name) if variables.contains(&**name) => insert(&mut self.mentions, name),
                _ => {}
            }
            stack.extend(value.children());
        }
    }

    /// Reads the text of its functions, with what is the package's own of what they mention.
    fn read_code(&mut self, own: &BTreeMap<&str, String>) {
        let code = std::mem::take(&mut self.code);
        let before: String =
            self.mentions.iter().filter_map(|name| own.get(name.as_str()).map(String::as_str)).collect();
        for text in code {
            // What is too long for that names packages by `::` alone.
            let read = Source::parse(source::Kind::Script, format!("{before}{text}").as_bytes()).unwrap_or_default();
            self.called.extend(read.uses.into_iter().map(|used| used.package));
        }
    }

    /// This and the environments that it refers to, directly or through others.
    fn with_environments<'a>(
        &'a self,
        environments: &'a BTreeMap<&str, Part>,
        left: &mut usize,
    ) -> Result<Vec<&'a Part>, String> {
        let mut seen: BTreeSet<&str> = BTreeSet::new();
        let mut parts = vec![self];
        let mut next = 0;
        while let Some(part) = parts.get(next).copied() {
            next += 1;
            for name in &part.references {
                if let Some(environment) = environments.get(name.as_str()).filter(|_| seen.insert(name)) {
                    *left = left.checked_sub(1).ok_or("its environments refer to each other too often")?;
                    parts.push(environment);
                }
            }
        }
        Ok(parts)
    }
}

fn insert(names: &mut BTreeSet<String>, name: &str) {
    if !names.contains(name) {
        names.insert(name.to_owned());
    }
}

/// Whether code calls a function that takes the name of a package, or passes one on.
fn may_name_packages(code: &Value) -> bool {
    let mut stack = vec![code];
    while let Some(value) = stack.pop() {
        if let Value::Call(parts) = value
            && let Some((head, arguments)) = parts.split_first()
            && let Some(name) = head.value.function_name()
        {
            let is_named = |argument: &Argument| argument.value.function_name().is_some_and(source::names_packages);
            let has_text = || arguments.iter().any(|argument| matches!(argument.value, Value::Strings(_)));
            if !arguments.is_empty() && source::names_packages(name)
                || source::passes_on(name) && arguments.iter().any(is_named)
                || source::parses(name) && has_text()
            {
                return true;
            }
        }
        stack.extend(value.children());
    }
    false
}
