//! Which packages a package's own code calls: `pkg::name`, `pkg:::name`, `requireNamespace()`, `loadNamespace()`, `library()`
//! and `require()` with a literal name, in every function of its `R/PKG.rdb`.
//!
//! Packages may use R's base packages so without declaring them ("Writing R Extensions", 1.1.3), and what is only suggested
//! is used so too: neither is in a NAMESPACE.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::rdb;
use super::rdx::{Index, uncompressed};
use super::serialize::{self, Argument, Value};
use crate::languages::{Calls, Package};
use crate::tree::Tree;

/// The stack of the thread that reads a database: expressions lie in each other as deep as R itself allows. Only what is
/// used of it becomes memory.
const STACK_BYTES: usize = 512 << 20;

/// What the code of a package in a tree calls.
///
/// # Errors
/// Says what is wrong with an index or record that R would not read either.
pub(super) fn of_package(package: &Package, tree: &Tree) -> Result<Calls, String> {
    let read = |ending: &str| {
        let path = package.directory.join(format!("R/{}.{ending}", package.name));
        let id =
            path.and_then(|path| tree.find(&path)).ok_or_else(|| format!("it has no R/{}.{ending}", package.name))?;
        tree.read(id).map_err(|error| error.to_string())
    };
    of_database(&read("rdx")?, &read("rdb")?)
}

/// What the code of a database calls.
///
/// # Errors
/// Says what is wrong with an index or record that R would not read either.
pub fn of_database(index: &[u8], database: &[u8]) -> Result<Calls, String> {
    std::thread::scope(|scope| {
        let reading = std::thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, || read(index, database));
        let reading = reading.map_err(|error| format!("cannot start a thread: {error}"))?;
        reading.join().map_err(|_| "its code cannot be read".to_owned())?
    })
}

fn read(index: &[u8], database: &[u8]) -> Result<Calls, String> {
    let compression = Index::parse(index)?.compression();
    let index = serialize::read(&uncompressed(index)?)?;
    let value = |(offset, length): (usize, usize)| -> Result<Value, String> {
        let record = offset.checked_add(length).and_then(|end| database.get(offset..end));
        serialize::read(&rdb::content(record.ok_or("a record lies outside of the database")?, compression)?)
    };
    let (Some(Value::List { items, names }), references) = (index.item("variables"), index.item("references")) else {
        return Err("its index has no variables".to_owned());
    };
    let variables: BTreeSet<&str> = names.iter().flatten().map(|name| &**name).collect();
    let mut reading = Reading { variables, ..Reading::default() };
    for (place, name) in items.iter().zip(names) {
        for place in places(place) {
            reading.read(&value(place)?, function_of(name.as_deref().unwrap_or_default()));
        }
    }
    // An environment has a record of its own, and can refer to others: it belongs to the variables that refer to it.
    if let Some(Value::List { items, names }) = references {
        let mut left: BTreeMap<&str, &Value> =
            names.iter().zip(items).filter_map(|(name, place)| Some((name.as_deref()?, place))).collect();
        while let Some(next) = left.keys().find(|name| reading.references.contains_key(**name)).copied() {
            let owners = reading.references[next].clone();
            for place in left.remove(next).into_iter().flat_map(places) {
                let value = value(place)?;
                for owner in &owners {
                    reading.read(&value, owner);
                }
            }
        }
        for place in left.into_values().flat_map(places) {
            reading.read(&value(place)?, "");
        }
    }
    Ok(reading.calls())
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

#[derive(Default)]
struct Reading<'a> {
    /// The names of the package's variables.
    variables: BTreeSet<&'a str>,
    calls: Calls,
    /// The generic functions: those that call `UseMethod()`.
    generics: BTreeSet<String>,
    /// The variables that refer to each environment.
    references: BTreeMap<String, BTreeSet<String>>,
}

impl Reading<'_> {
    fn calls(mut self) -> Calls {
        // A generic function leads to its methods: `read_xml` to `read_xml.character`.
        for generic in &self.generics {
            let dotted = format!("{generic}.");
            let methods = self.variables.range(dotted.as_str()..).take_while(|name| name.starts_with(&dotted));
            let methods: BTreeSet<String> = methods.map(|name| (*name).to_owned()).collect();
            self.calls.mentions.entry(generic.clone()).or_default().extend(methods);
        }
        self.calls
    }

    /// Reads what a variable holds.
    fn read(&mut self, value: &Value, variable: &str) {
        let mut stack = vec![value];
        while let Some(value) = stack.pop() {
            match value {
                Value::Reference(environment) => {
                    let owners = self.references.entry(environment.to_string()).or_default();
                    owners.insert(variable.to_owned());
                }
                Value::Call(parts) => {
                    for package in called(parts) {
                        self.calls.callers.entry(package.to_owned()).or_default().insert(variable.to_owned());
                    }
                }
                Value::Symbol(name) => self.mention(name, variable),
                _ => {}
            }
            stack.extend(value.children());
        }
    }

    fn mention(&mut self, name: &Rc<str>, variable: &str) {
        if &**name == "UseMethod" {
            self.generics.insert(variable.to_owned());
        } else if &**name != variable && self.variables.contains(&**name) {
            let mentioned = self.calls.mentions.entry(variable.to_owned()).or_default();
            if !mentioned.contains(&**name) {
                mentioned.insert(name.to_string());
            }
        }
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
