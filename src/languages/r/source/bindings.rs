//! What names stand for: the constants of a file, as far as they are certain.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::ops::Range;

use super::functions;
use super::functions::{Argument, Effect, Matched};
use super::tree::Cursor;

/// As many values as a constant may have; a longer one is not followed.
const MAX_VALUES: usize = 1000;

/// UseKind deep constants of constants are followed.
const MAX_DEPTH: usize = 32;

/// Functions whose value is made of all that they are given.
const ALL: &[&str] = &["c", "list", "union", "append"];

/// Functions whose value has nothing that is not in their first argument. Where they leave some of it out, all of it
/// counts.
const FIRST: &[&str] = &[
    "unique",
    "rev",
    "sort",
    "unlist",
    "as.list",
    "as.character",
    "invisible",
    "identity",
    "setdiff",
    "intersect",
    "head",
    "tail",
    "normalizePath",
    "path.expand",
    "file",
    "suppressWarnings",
    "suppressMessages",
    "suppressPackageStartupMessages",
];

/// Functions whose values are their arguments put together, and what they put between them.
const JOINS: &[(&str, &str)] = &[("paste0", ""), ("paste", " "), ("file.path", "/"), ("here", "/"), ("path", "/")];

/// Where LAMBDA_TASK_ROOT points to: the function's own code.
/// Source: AWS Lambda Developer Guide, "Defined runtime environment variables".
const TASK_ROOT: &str = "/var/task";

/// What names are given in a file.
#[derive(Default)]
pub(super) struct Bindings<'t> {
    by_name: BTreeMap<String, Vec<Binding<'t>>>,
    /// What a pipe hands to a call, by the place of the call.
    piped: BTreeMap<(usize, usize), Cursor<'t>>,
    /// What is looped over by the functions (and formulas) that begin at these places.
    looped: BTreeMap<usize, Cursor<'t>>,
    /// Steps that are left: what a file costs to read is bounded.
    steps: Cell<usize>,
}

/// Something that a name is given.
struct Binding<'t> {
    /// Where.
    at: usize,
    /// Where the name has it.
    scope: Range<usize>,
    value: Value<'t>,
}

#[derive(Clone, Copy)]
enum Value<'t> {
    /// This.
    Is(Cursor<'t>),
    /// Each value of this in turn.
    Each(Cursor<'t>),
    /// Something that is not written there.
    Unknown,
}

/// The function that is called: the package it is taken from by `::`, and its name.
pub(super) fn callee(call: Cursor<'_>) -> Option<(Option<String>, String)> {
    function_name(call.field("function")?)
}

/// A function's name where it is called or handed on.
pub(super) fn function_name(function: Cursor<'_>) -> Option<(Option<String>, String)> {
    match function.kind() {
        "namespace_operator" => {
            Some((Some(function.field("lhs")?.name_or_string()?), function.field("rhs")?.name_or_string()?))
        }
        _ => Some((None, function.name_or_string()?)),
    }
}

impl<'t> Bindings<'t> {
    /// Names of a file that has so many bytes of code.
    pub(super) fn new(bytes: usize) -> Self {
        Self { steps: Cell::new(1_000_000 + 8 * bytes), ..Self::default() }
    }

    /// Takes steps; false when there are none left.
    pub(super) fn step(&self, steps: usize) -> bool {
        self.steps.set(self.steps.get().saturating_sub(steps));
        self.steps.get() > 0
    }

    /// Takes what a node gives to names. `scope` is the function around it. Nodes come in the order of the text.
    pub(super) fn collect(&mut self, at: Cursor<'t>, scope: &Range<usize>) {
        match at.kind() {
            "binary_operator" => self.operator(at, scope),
            "for_statement" => {
                if let (Some(variable), Some(values), Some(body)) =
                    (at.field("variable"), at.field("sequence"), at.field("body"))
                {
                    self.bind(variable, at.start(), body.range(), Value::Each(values));
                }
            }
            "function_definition" => {
                let looped = self.looped.get(&at.start()).copied();
                let parameters = at.field("parameters").map(Cursor::children).unwrap_or_default();
                let names = parameters.into_iter().filter_map(|parameter| parameter.field("name"));
                for (n, name) in names.enumerate() {
                    let value = looped.filter(|_| n == 0).map_or(Value::Unknown, Value::Each);
                    self.bind(name, at.start(), at.range(), value);
                }
            }
            "unary_operator" => {
                // purrr's formulas.
                if let Some(values) = self.looped.get(&at.start()).copied() {
                    for name in [".x", "."] {
                        self.bind_name(name.to_owned(), at.start(), at.range(), Value::Each(values));
                    }
                }
            }
            "call" => self.call(at),
            _ => {}
        }
    }

    fn operator(&mut self, at: Cursor<'t>, scope: &Range<usize>) {
        let (Some(left), Some(right)) = (at.field("lhs"), at.field("rhs")) else { return };
        let everywhere = 0..usize::MAX;
        let (target, value, scope) = match at.operator() {
            "<-" | "=" | ":=" => (left, Value::Is(right), scope.clone()),
            "->" => (right, Value::Is(left), scope.clone()),
            "<<-" => (left, Value::Is(right), everywhere),
            "->>" => (right, Value::Is(left), everywhere),
            "%<>%" => (left, Value::Unknown, scope.clone()),
            "|>" | "%>%" | "%T>%" | "%!>%" => {
                let range = right.range();
                self.piped.insert((range.start, range.end), left);
                return;
            }
            _ => return,
        };
        self.bind(target, at.start(), scope, value);
    }

    /// `x <- value`; `x[1] <- value` and `names(x) <- value` change what is there.
    fn bind(&mut self, target: Cursor<'t>, at: usize, scope: Range<usize>, value: Value<'t>) {
        let (mut target, mut value) = (target.unwrapped(), value);
        loop {
            if let Some(name) = target.name_or_string() {
                self.bind_name(name, at, scope, value);
                return;
            }
            let inside = match target.kind() {
                "subset" | "subset2" => target.field("function"),
                "extract_operator" => target.field("lhs"),
                "call" => functions::arguments(target).into_iter().next().and_then(|argument| argument.value),
                _ => None,
            };
            let Some(inside) = inside else { return };
            (target, value) = (inside, Value::Unknown);
        }
    }

    fn bind_name(&mut self, name: String, at: usize, scope: Range<usize>, value: Value<'t>) {
        self.by_name.entry(name).or_default().push(Binding { at, scope, value });
    }

    fn call(&mut self, at: Cursor<'t>) {
        let Some((_, name)) = callee(at) else { return };
        if matches!(name.as_str(), "assign" | "delayedAssign" | "makeActiveBinding") {
            let first = self.arguments(at).into_iter().next().and_then(|argument| argument.value);
            if let Some(name) = first.and_then(Cursor::string) {
                self.bind_name(name, at.start(), 0..usize::MAX, Value::Unknown);
            }
            return;
        }
        for known in functions::named(&name) {
            let Effect::Apply { over, function } = known.effect else { continue };
            let matched = Matched::new(known.formals, self.arguments(at));
            if let (Some(values), Some(function)) = (matched.over(over), matched.get(function)) {
                self.looped.insert(function.start(), values);
            }
        }
    }

    /// The arguments of a call, with what a pipe hands to it.
    pub(super) fn arguments(&self, call: Cursor<'t>) -> Vec<Argument<'t>> {
        let mut arguments = functions::arguments(call);
        let range = call.range();
        if let Some(piped) = self.piped.get(&(range.start, range.end)) {
            let placeholder = |argument: &&mut Argument<'t>| {
                argument.value.is_some_and(|value| value.kind() == "identifier" && matches!(value.text(), "_" | "."))
            };
            match arguments.iter_mut().find(placeholder) {
                Some(argument) => argument.value = Some(*piped),
                None => arguments.insert(0, Argument { name: None, value: Some(*piped) }),
            }
        }
        arguments
    }

    /// What a name certainly has at a place: given once around it, and not changed there.
    fn lookup(&self, name: &str, place: usize) -> Option<Value<'t>> {
        let bindings = self.by_name.get(name)?;
        if !self.step(bindings.len()) {
            return None;
        }
        let around = bindings.iter().filter(|one| one.scope.contains(&place));
        let nearest = around.min_by_key(|one| one.scope.end - one.scope.start)?;
        let inside = |outer: &Range<usize>, inner: &Range<usize>| outer.start <= inner.start && inner.end <= outer.end;
        let reaches = |one: &&Binding<'_>| inside(&one.scope, &nearest.scope) && nearest.scope.contains(&one.at);
        let changes = bindings.iter().filter(reaches).filter(|one| !std::ptr::eq(*one, nearest));
        if changes.count() > 0 { None } else { Some(nearest.value) }
    }

    /// What a name was certainly given, once.
    pub(super) fn value(&self, name: Cursor<'t>) -> Option<Cursor<'t>> {
        match self.lookup(&name.name()?, name.start())? {
            Value::Is(value) => Some(value.unwrapped()),
            _ => None,
        }
    }

    /// Whether a function of this name is the file's own at a place, and does not hand on to R's.
    pub(super) fn is_own(&self, name: &str, place: usize) -> bool {
        let Some(bindings) = self.by_name.get(name) else { return false };
        if !self.step(bindings.len()) {
            return false;
        }
        bindings.iter().filter(|one| one.scope.contains(&place)).any(|one| match one.value {
            Value::Is(value) if value.unwrapped().kind() == "function_definition" => {
                let written = value.text();
                self.step(written.len() / 16)
                    && !(written.contains(&format!("::{name}")) || written.contains("Namespace("))
            }
            _ => false,
        })
    }

    /// The strings that an expression has for its value, or has at least; `None` when that is not certain.
    pub(super) fn values(&self, at: Cursor<'t>) -> Option<Vec<String>> {
        self.values_of(at, 0)
    }

    fn values_of(&self, at: Cursor<'t>, depth: usize) -> Option<Vec<String>> {
        if depth > MAX_DEPTH || !self.step(1) {
            return None;
        }
        let at = at.unwrapped();
        match at.kind() {
            "string" => Some(vec![at.string()?]),
            "null" => Some(Vec::new()),
            "identifier" => match self.lookup(&at.name()?, at.start())? {
                Value::Is(value) | Value::Each(value) => self.values_of(value, depth + 1),
                Value::Unknown => None,
            },
            // One of them, or some.
            "subset" | "subset2" => self.values_of(at.field("function")?, depth + 1),
            "binary_operator" if matches!(at.operator(), "|>" | "%>%") => {
                self.values_of(at.field("rhs").filter(|right| right.kind() == "call")?, depth + 1)
            }
            "call" => self.call_values(at, depth),
            _ => None,
        }
    }

    fn call_values(&self, at: Cursor<'t>, depth: usize) -> Option<Vec<String>> {
        let (_, name) = callee(at)?;
        let arguments = self.arguments(at);
        let of = |argument: &Argument<'t>| self.values_of(argument.value?, depth + 1);
        let name = name.as_str();
        if ALL.contains(&name) {
            let mut all = Vec::new();
            for argument in &arguments {
                all.extend(of(argument)?);
                if all.len() > MAX_VALUES || !self.step(all.len() / 16) {
                    return None;
                }
            }
            return Some(all);
        }
        if FIRST.contains(&name) {
            return of(arguments.first()?);
        }
        if let Some((_, between)) = JOINS.iter().find(|(join, _)| *join == name) {
            return self.joined(&arguments, between, depth);
        }
        match name {
            "character" => Some(Vec::new()),
            "getwd" => Some(vec![".".to_owned()]),
            "Sys.getenv" if of(arguments.first()?)? == ["LAMBDA_TASK_ROOT"] => Some(vec![TASK_ROOT.to_owned()]),
            _ => None,
        }
    }

    /// `paste0()` and its like of constants, of which one may have several values.
    fn joined(&self, arguments: &[Argument<'t>], between: &str, depth: usize) -> Option<Vec<String>> {
        let mut between = between.to_owned();
        let mut parts = Vec::new();
        for argument in arguments {
            let values = self.values_of(argument.value?, depth + 1)?;
            match (argument.name.as_deref(), values.as_slice()) {
                (Some("sep"), [sep]) => between.clone_from(sep),
                (Some("sep" | "collapse" | "fsep" | "recycle0"), _) => return None,
                _ => parts.push(values),
            }
        }
        let mut parts = parts.into_iter();
        let mut joined = parts.next()?;
        for values in parts {
            let bytes = |strings: &[String]| strings.iter().map(String::len).sum::<usize>();
            let made = bytes(&joined) * values.len() + (bytes(&values) + between.len()) * joined.len();
            if (joined.len() > 1 && values.len() > 1) || !self.step(1 + made / 16) {
                return None;
            }
            let pairs = joined.iter().flat_map(|head| values.iter().map(move |tail| (head, tail)));
            joined = pairs.map(|(head, tail)| format!("{head}{between}{tail}")).collect();
        }
        Some(joined)
    }
}
