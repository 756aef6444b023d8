//! Which packages a package's own code calls: `pkg::name`, `pkg:::name`, `requireNamespace()`, `loadNamespace()`, `library()`
//! and `require()` with a literal name, in every function of its `R/PKG.rdb`.
//!
//! Also the absolute paths that such code has as literal strings: those that a package was configured with.
//!
//! Packages may use R's base packages so without declaring them ("Writing R Extensions", 1.1.3), and what is only suggested
//! is used so too: neither is in a NAMESPACE.

use std::collections::{BTreeMap, BTreeSet};

use super::rdb;
use super::rdx::{Compression, Index, uncompressed};
use super::serialize::{self, Argument, Value};
use crate::base::bytes::size;
use crate::languages::{Calls, Package};
use crate::tree::Tree;

/// How many environments are followed from all variables of a package: real ones need a hundredth of it.
const MAX_STEPS: usize = 5_000_000;

/// A longer index or database is not read: in bytes, several times the longest one of code in a package of CRAN.
const MAX_BYTES: u64 = 64 << 20;

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

/// The index and the database of a package's code.
fn files(package: &Package, tree: &Tree) -> Result<(Vec<u8>, Vec<u8>), String> {
    let read = |ending: &str| {
        let path = package.directory.join(format!("R/{}.{ending}", package.name));
        let id =
            path.and_then(|path| tree.find(&path)).ok_or_else(|| format!("it has no R/{}.{ending}", package.name))?;
        if tree.entry(id).bytes() > MAX_BYTES {
            return Err(format!("its R/{}.{ending} is larger than {}, and is not read", package.name, size(MAX_BYTES)));
        }
        tree.read(id).map_err(|error| error.to_string())
    };
    Ok((read("rdx")?, read("rdb")?))
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

fn read(index: &[u8], database: &[u8]) -> Result<Calls, String> {
    let database = Database::new(index, database)?;
    let index = Database::index(index)?;
    let value = |place| database.value(place);
    let (Some(Value::List { items, names }), references) = (index.item("variables"), index.item("references")) else {
        return Err("its index has no variables".to_owned());
    };
    let variables: BTreeSet<&str> = names.iter().flatten().map(|name| &**name).collect();
    let mut parts: BTreeMap<&str, Part> = BTreeMap::new();
    for (place, name) in items.iter().zip(names) {
        let part = parts.entry(function_of(name.as_deref().unwrap_or_default())).or_default();
        for place in places(place) {
            part.read(&value(place)?, &variables);
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
    let mut left = MAX_STEPS;
    let mut calls = Calls::default();
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

/// What a variable or an environment holds.
#[derive(Default)]
struct Part {
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
        let mut stack = vec![value];
        while let Some(value) = stack.pop() {
            match value {
                Value::Reference(environment) => insert(&mut self.references, environment),
                Value::Call(parts) => called(parts).into_iter().for_each(|package| insert(&mut self.called, package)),
                Value::Symbol(name) if &**name == "UseMethod" => self.dispatches = true,
                Value::Symbol(name) if variables.contains(&**name) => insert(&mut self.mentions, name),
                _ => {}
            }
            stack.extend(value.children());
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

/// The packages that a call names, if it is one that names any.
fn called(parts: &[Argument]) -> Vec<&str> {
    let Some((function, arguments)) = parts.split_first() else { return Vec::new() };
    let name = match &function.value {
        Value::Symbol(name) => name,
        // `base::library(x)`
        Value::Call(inner) => match inner.as_slice() {
            [Argument { value: Value::Symbol(colons), .. }, _, Argument { value: Value::Symbol(name), .. }]
                if matches!(&**colons, "::" | ":::") =>
            {
                name
            }
            _ => return Vec::new(),
        },
        _ => return Vec::new(),
    };
    let first = |tag: &str| {
        let tagged = arguments.iter().find(|argument| argument.tag.as_deref() == Some(tag));
        tagged.or_else(|| arguments.iter().find(|argument| argument.tag.is_none()))
    };
    match &**name {
        "::" | ":::" => {
            arguments.first().and_then(literal).or_else(|| symbol(arguments.first()?)).into_iter().collect()
        }
        "requireNamespace" | "loadNamespace" => first("package").and_then(literal).into_iter().collect(),
        "library" | "require" => {
            let by_value = arguments.iter().any(|argument| argument.tag.as_deref() == Some("character.only"));
            let Some(package) = first("package") else { return Vec::new() };
            literal(package).or_else(|| symbol(package).filter(|_| !by_value)).into_iter().collect()
        }
        _ => Vec::new(),
    }
}

fn literal(argument: &Argument) -> Option<&str> {
    match &argument.value {
        Value::Strings(strings) => match strings.as_slice() {
            [Some(one)] => Some(one),
            _ => None,
        },
        _ => None,
    }
}

fn symbol(argument: &Argument) -> Option<&str> {
    match &argument.value {
        Value::Symbol(name) => Some(name),
        _ => None,
    }
}
