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

/// Functions that end the hook with an error, or R.
const STOPS: &[&str] = &["stop", "abort", "cli_abort", "quit", "q"];

/// The arguments of `tryCatch()` that do not catch errors.
const NOT_FOR_ERRORS: &[&str] = &["expr", "finally", "warning", "message", "interrupt"];

/// Functions that return their first argument, or whether it is true.
const SAME: &[&str] =
    &["(", "invisible", "isTRUE", "suppressWarnings", "suppressMessages", "suppressPackageStartupMessages", "nzchar"];

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
                self.required(name, arguments);
                return arguments.first().is_none_or(|first| self.certainly(&first.value)) && !leaves(value);
            }
            "stopifnot" => {
                for argument in arguments {
                    self.stops_when(&argument.value, false);
                }
                return arguments.iter().all(|argument| self.certainly(&argument.value));
            }
            "tryCatch" | "try_fetch" => {
                // Handlers can be for the classes of errors, too.
                let is_caught = arguments.iter().any(|argument| {
                    argument.tag.as_deref().is_some_and(|tag| !NOT_FOR_ERRORS.contains(&tag))
                        && !self.handler_stops(&argument.value)
                });
                let tried = arguments.iter().find(|argument| matches!(argument.tag.as_deref(), None | Some("expr")));
                if let Some(tried) = tried.filter(|_| !is_caught) {
                    // What is tried can be returned from without leaving the hook.
                    self.certainly(&tried.value);
                }
                return true;
            }
            name if EVALUATES_ALL.contains(&name) => {
                // A result that is tested later.
                if matches!(name, "<-" | "=") && arguments.get(1).is_some_and(|value| tests_or_tries(&value.value)) {
                    self.certain.push(value.clone());
                    return true;
                }
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

    /// Collects what stops a hook where a package is missing: `if (!requireNamespace("x")) stop()`, `requireNamespace("x") || stop()`.
    fn required(&mut self, name: &str, arguments: &[Argument]) {
        let branch = |at: usize| arguments.get(at).map(|argument| &argument.value);
        let (then, otherwise) = match name {
            "if" => (branch(1), branch(2)),
            "&&" => (branch(1), None),
            "||" => (None, branch(1)),
            _ => return,
        };
        let Some(condition) = branch(0) else { return };
        for (branch, when) in [(then, true), (otherwise, false)] {
            if branch.is_some_and(|branch| self.stops(branch)) {
                self.stops_when(condition, when);
            }
        }
    }

    /// Collects the packages without which a condition certainly has this value, which stops the hook.
    fn stops_when(&mut self, condition: &Value, when: bool) {
        let Value::Call(parts) = condition else {
            if let Value::Symbol(_) = condition {
                self.stop_if(condition, when);
            }
            return;
        };
        let Some((head, arguments)) = parts.split_first() else { return };
        let name = match &head.value {
            Value::Symbol(name) => &**name,
            Value::Call(inner) => serialize::qualified(inner).map(|(_, name)| name).unwrap_or_default(),
            _ => return,
        };
        let first = arguments.first().map(|argument| &argument.value);
        match name {
            "!" | "isFALSE" => first.into_iter().for_each(|first| self.stops_when(first, !when)),
            name if SAME.contains(&name) => first.into_iter().for_each(|first| self.stops_when(first, when)),
            // One of them decides.
            "||" if when => arguments.iter().for_each(|one| self.stops_when(&one.value, when)),
            "&&" if !when => arguments.iter().for_each(|one| self.stops_when(&one.value, when)),
            "inherits" | "==" | "!=" | "%in%" => self.stop_if(condition, when),
            name if source::tests_for_packages(name) && self.body(name).is_none() => self.stop_if(condition, when),
            _ => {}
        }
    }

    /// Collects code that stops when a condition has this value.
    fn stop_if(&mut self, condition: &Value, when: bool) {
        let symbol = |name: &str| Argument { tag: None, value: Value::Symbol(Rc::from(name)) };
        let stop = Argument { tag: None, value: Value::Call(vec![symbol("stop")]) };
        let condition = Argument { tag: None, value: condition.clone() };
        let condition =
            if when { condition } else { Argument { tag: None, value: Value::Call(vec![symbol("!"), condition]) } };
        self.certain.push(Value::Call(vec![symbol("if"), condition, stop]));
    }

    /// Whether code certainly stops the hook when it runs.
    fn stops(&mut self, value: &Value) -> bool {
        let parts = match value {
            Value::Holder(parts) => return parts.first().is_some_and(|first| self.stops(first)),
            Value::Call(parts) if self.step() => parts,
            _ => return false,
        };
        let Some((head, arguments)) = parts.split_first() else { return false };
        let (name, own) = match &head.value {
            Value::Symbol(name) => (&**name, true),
            Value::Call(inner) => (serialize::qualified(inner).map(|(_, name)| name).unwrap_or_default(), false),
            _ => return false,
        };
        match name {
            "{" => {
                for argument in arguments {
                    if self.stops(&argument.value) {
                        return true;
                    }
                    if leaves(&argument.value) {
                        return false;
                    }
                }
                false
            }
            "if" => {
                let [_, branches @ ..] = arguments else { return false };
                branches.len() == 2 && branches.iter().all(|branch| self.stops(&branch.value))
            }
            "return" => arguments.first().is_some_and(|first| self.stops(&first.value)),
            name if SAME.contains(&name) => arguments.first().is_some_and(|first| self.stops(&first.value)),
            name if own && self.body(name).is_some() => {
                let Some(body) = self.body(name) else { return false };
                self.running.push(name.to_owned());
                let stops = self.stops(&body);
                self.running.pop();
                stops
            }
            name => STOPS.contains(&name),
        }
    }

    /// Whether a handler of conditions is a function that certainly stops the hook.
    fn handler_stops(&mut self, handler: &Value) -> bool {
        match handler {
            Value::Call(parts) if is_function(handler) => parts.get(2).is_some_and(|body| self.stops(&body.value)),
            Value::Symbol(name) if &**name == "stop" => true,
            _ => false,
        }
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

/// Whether the value of code tells whether a package is there: a test, or `try()`.
fn tests_or_tries(value: &Value) -> bool {
    let Value::Call(parts) = value else { return false };
    let Some((head, arguments)) = parts.split_first() else { return false };
    let name = match &head.value {
        Value::Symbol(name) => &**name,
        Value::Call(inner) => serialize::qualified(inner).map(|(_, name)| name).unwrap_or_default(),
        _ => return false,
    };
    let is_same = name == "!" || SAME.contains(&name);
    name == "try"
        || source::tests_for_packages(name)
        || is_same && arguments.first().is_some_and(|first| tests_or_tries(&first.value))
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
