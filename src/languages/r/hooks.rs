//! What runs when R loads or attaches a package: its functions `.onLoad` and `.onAttach`, and those of its own that they call
//! (`loadNamespace` and `attachNamespace` in R's src/library/base/R/namespace.R).
//!
//! The code that runs for certain, and that which may run, are made two expressions, in which the calls of the package's own
//! functions are replaced by the bodies of these. Both are read as the code of a handler is, so that a package that the code tests
//! for first is optional here too, also in a function that is only called with it.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::deparse;
use super::serialize::{self, Argument, Value};
use super::source::{self, Source};

/// How many calls are looked at: hooks have some hundreds.
const MAX_STEPS: usize = 20_000;

/// Functions that evaluate all their arguments, or, as `if` and `for`, at least the first.
const EVALUATES_ALL: &[&str] = &[
    "{",
    "(",
    "c",
    "list",
    "paste",
    "paste0",
    "invisible",
    "suppressWarnings",
    "suppressMessages",
    "suppressPackageStartupMessages",
    "packageStartupMessage",
    "message",
    "cat",
    "print",
    "assign",
    "identity",
    "force",
    "local",
    "evalq",
    "registerS3method",
    "options",
    "Sys.setenv",
    "is.null",
    "isTRUE",
    "isFALSE",
    "identical",
    "!",
    "==",
    "!=",
    "<",
    ">",
    "<=",
    ">=",
    "+",
    "-",
    "*",
    "/",
    "<-",
    "<<-",
    "=",
    "$",
    "[[",
    "[",
    "%in%",
    "on.exit",
    "withCallingHandlers",
    "do.call",
    "lapply",
    "sapply",
    "vapply",
    "get",
    "exists",
    "environment",
    "length",
    "nchar",
    "nzchar",
    "as.character",
    "stop",
    "warning",
    "return",
];

/// As [`EVALUATES_ALL`], of their first argument.
const EVALUATES_FIRST: &[&str] = &["if", "while", "switch", "&&", "||"];

/// Functions whose arguments are not evaluated while the package is loaded, if ever: other packages' hooks, and code as data.
const DEFERS: &[&str] = &[
    "setHook",
    "reg.finalizer",
    "delayedAssign",
    "makeActiveBinding",
    "s3_register",
    "on_load",
    "on_package_load",
    "quote",
    "bquote",
    "expression",
    "substitute",
    "expr",
    "quo",
    "~",
    "later",
    "defer",
];

/// Functions that call the functions that they get, beside those that [`source::passes_on`] knows.
const CALLS_AT_ONCE: &[&str] =
    &["tryCatch", "withCallingHandlers", "try", "local", "<-", "<<-", "=", "Reduce", "suppressWarnings"];

/// The functions of a package: their values, by name.
type Functions<'a> = dyn Fn(&str) -> Option<Value> + 'a;

/// The packages that a hook uses when it runs, each with whether it fails for certain without; not those that it works without.
/// `own` has the text of variables that the code mentions.
pub(super) fn packages(hook: &str, functions: &Functions<'_>, own: &BTreeMap<&str, String>) -> BTreeMap<String, bool> {
    let mut found = BTreeMap::new();
    if let Some(possible) = Hook::new(functions).possible_body(hook) {
        let mut names = BTreeSet::new();
        symbols(&possible, &mut names);
        let before: String = names.iter().filter_map(|name| own.get(&**name).map(String::as_str)).collect();
        found.extend(uses(&format!("{before}{}", deparse::text(&possible)), |used| !used.optional, false));
    }
    found.extend(fails_without(hook, functions).into_iter().map(|package| (package, true)));
    found
}

/// The packages without which a hook fails for certain.
pub(super) fn fails_without(hook: &str, functions: &Functions<'_>) -> BTreeSet<String> {
    let mut running = Hook::new(functions);
    running.certain_body(hook);
    let text: String = running.certain.iter().map(|call| format!("{}\n", deparse::text(call))).collect();
    uses(&text, |used| !used.optional && !used.continues, true).into_keys().collect()
}

fn uses(text: &str, which: impl Fn(&source::Use) -> bool, certain: bool) -> BTreeMap<String, bool> {
    let read = Source::parse(source::Kind::Script, text.as_bytes()).unwrap_or_default();
    // `base` is always there.
    let used = read.uses.into_iter().filter(|used| used.package != "base" && which(used));
    used.map(|used| (used.package, certain)).collect()
}

fn symbols(value: &Value, names: &mut BTreeSet<Rc<str>>) {
    if let Value::Symbol(name) = value {
        names.insert(Rc::clone(name));
    }
    value.children().into_iter().for_each(|child| symbols(child, names));
}

/// A hook as it runs.
struct Hook<'a> {
    functions: &'a Functions<'a>,
    known: BTreeMap<String, Option<Rc<Value>>>,
    /// The functions that run now, each called by the one before it.
    running: Vec<String>,
    /// The calls that run for certain.
    certain: Vec<Value>,
    steps: usize,
}

impl<'a> Hook<'a> {
    fn new(functions: &'a Functions<'a>) -> Self {
        Self { functions, known: BTreeMap::new(), running: Vec::new(), certain: Vec::new(), steps: MAX_STEPS }
    }

    /// The body of a function of the package, unless it runs already.
    fn body(&mut self, name: &str) -> Option<Rc<Value>> {
        if self.running.iter().any(|running| running == name) {
            return None;
        }
        let functions = self.functions;
        let read = || functions(name).and_then(|value| body(&value).cloned()).map(Rc::new);
        self.known.entry(name.to_owned()).or_insert_with(read).clone()
    }

    fn step(&mut self) -> bool {
        self.steps = self.steps.saturating_sub(1);
        self.steps > 0
    }

    fn certain_body(&mut self, name: &str) {
        if let Some(body) = self.body(name) {
            self.running.push(name.to_owned());
            self.certainly(&body);
            self.running.pop();
        }
    }

    /// Collects the calls that run for certain when this code runs; whether what follows it does.
    fn certainly(&mut self, value: &Value) -> bool {
        let parts = match value {
            Value::Holder(parts) => return parts.first().is_none_or(|first| self.certainly(first)),
            Value::Call(parts) if self.step() => parts,
            _ => return true,
        };
        let Some((head, arguments)) = parts.split_first() else { return true };
        let name = match &head.value {
            Value::Symbol(name) => &**name,
            Value::Call(inner) => {
                let goes_on = self.certainly(&head.value);
                match serialize::qualified(inner) {
                    Some(("base" | "utils", name)) => name,
                    _ => return goes_on,
                }
            }
            _ => return true,
        };
        match name {
            "::" | ":::" => self.certain.push(value.clone()),
            "for" => return arguments.get(1).is_none_or(|sequence| self.certainly(&sequence.value)) && !leaves(value),
            "return" => {
                for argument in arguments {
                    self.certainly(&argument.value);
                }
                return false;
            }
            name if EVALUATES_FIRST.contains(&name) => {
                return arguments.first().is_none_or(|first| self.certainly(&first.value)) && !leaves(value);
            }
            name if EVALUATES_ALL.contains(&name) => {
                // How often a function that is written there is called is not known.
                let made = arguments.iter().any(|argument| is_function(&argument.value));
                if source::passes_on(name) && !made {
                    self.certain.push(value.clone());
                }
                return arguments.iter().all(|argument| self.certainly(&argument.value));
            }
            name if source::names_packages(name) && self.body(name).is_none() => self.certain.push(value.clone()),
            name => self.certain_body(name),
        }
        true
    }

    fn possible_body(&mut self, name: &str) -> Option<Value> {
        let body = self.body(name)?;
        self.running.push(name.to_owned());
        let possible = self.possibly(&body, false);
        self.running.pop();
        Some(possible)
    }

    /// The code that may run when this code runs: without functions that are only made, unless `called`.
    fn possibly(&mut self, value: &Value, called: bool) -> Value {
        let parts = match value {
            Value::Holder(parts) => return parts.first().map_or(Value::Nothing, |first| self.possibly(first, called)),
            Value::Call(parts) if self.step() => parts,
            Value::Call(_) => return Value::Nothing,
            value => return value.clone(),
        };
        let Some((head, arguments)) = parts.split_first() else { return Value::Nothing };
        let name = head.value.function_name().unwrap_or_default();
        if DEFERS.contains(&name) || name == "function" && !called {
            return Value::Nothing;
        }
        let calls = CALLS_AT_ONCE.contains(&name) || source::passes_on(name);
        let mut all: Vec<Argument> = Vec::new();
        for (number, argument) in parts.iter().enumerate() {
            let is_package = matches!(name, "::" | ":::") && matches!(head.value, Value::Symbol(_));
            let value = if is_package || matches!(argument.value, Value::Pairs(_)) {
                argument.value.clone()
            } else {
                self.possibly(&argument.value, calls || number == 0)
            };
            all.push(Argument { tag: argument.tag.clone(), value });
        }
        let passed = arguments.iter().filter(|_| source::passes_on(name));
        let named = passed.filter_map(|argument| argument.value.function_name()).map(str::to_owned);
        let own: Vec<String> = match &head.value {
            Value::Symbol(name) => named.chain([name.to_string()]).collect(),
            _ => named.collect(),
        };
        let bodies: Vec<Value> = own.iter().filter_map(|name| self.possible_body(name)).collect();
        if bodies.is_empty() {
            return Value::Call(all);
        }
        let is_own = matches!(&head.value, Value::Symbol(name) if self.known.get(&**name).is_some_and(Option::is_some));
        // The arguments of an own function, and what it runs.
        let before = if is_own { all.split_off(1) } else { vec![Argument { tag: None, value: Value::Call(all) }] };
        let block = Argument { tag: None, value: Value::Symbol(Rc::from("{")) };
        let bodies = bodies.into_iter().map(|value| Argument { tag: None, value });
        let before = before.into_iter().map(|argument| Argument { tag: None, ..argument });
        Value::Call([block].into_iter().chain(before).chain(bodies).collect())
    }
}

/// The body of a function.
fn body(value: &Value) -> Option<&Value> {
    match value {
        Value::Closure { body, .. } => Some(body),
        Value::Holder(parts) => body(parts.first()?),
        _ => None,
    }
}

/// Whether code is a function that is written there.
fn is_function(value: &Value) -> bool {
    let Value::Call(parts) = value else { return matches!(value, Value::Closure { .. }) };
    matches!(parts.first(), Some(Argument { value: Value::Symbol(name), .. }) if &**name == "function")
}

/// Whether code may return from the function that it is in.
fn leaves(value: &Value) -> bool {
    match value {
        Value::Call(parts) => match parts.first().map(|head| &head.value) {
            Some(Value::Symbol(name)) if &**name == "return" => true,
            Some(Value::Symbol(name)) if &**name == "function" => false,
            _ => parts.iter().any(|part| leaves(&part.value)),
        },
        Value::Holder(parts) => parts.first().is_some_and(leaves),
        _ => false,
    }
}
