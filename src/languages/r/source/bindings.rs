//! Bindings: the constant values of names in a file, as far as they are certain.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::ops::Range;

use super::functions;
use super::functions::{Argument, Effect, Matched};
use super::tree::Cursor;

/// The maximum number of values of a constant; a longer one is not followed.
const MAX_VALUES: usize = 1000;

/// The depth up to which constants made of constants are followed.
const MAX_DEPTH: usize = 32;

/// Functions whose value contains all of their arguments.
const ALL: &[&str] = &["c", "list", "union", "append"];

/// Functions whose value contains only elements of their first argument. All elements count, even if some are removed.
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

/// Functions whose value concatenates their arguments, and the separator.
const JOINS: &[(&str, &str)] = &[("paste0", ""), ("paste", " "), ("file.path", "/"), ("here", "/"), ("path", "/")];

/// What is known of the R session that runs a source.
pub(in crate::languages::r) struct Session<'a> {
    /// R's home, as `R.home()` returns it, if it is known.
    pub(in crate::languages::r) home: Option<&'a str>,
    /// The value of an environment variable, "" if it is not set; `None` if it is not known.
    pub(in crate::languages::r) variable: &'a dyn Fn(&str) -> Option<String>,
}

/// A function's session, of which only the directory of its own code is known.
/// Source: AWS Lambda Developer Guide, "Defined runtime environment variables".
pub(super) const OF_FUNCTION: Session<'static> =
    Session { home: None, variable: &|name| (name == "LAMBDA_TASK_ROOT").then(|| "/var/task".to_owned()) };

/// The bindings of names in a file.
pub(super) struct Bindings<'t> {
    pub(super) session: &'t Session<'t>,
    by_name: BTreeMap<String, Vec<Binding<'t>>>,
    /// The left side of a pipe, by the range of the call on its right side.
    piped: BTreeMap<(usize, usize), Cursor<'t>>,
    /// The values that functions and formulas are applied to, by the position of the function.
    looped: BTreeMap<usize, Cursor<'t>>,
    /// The remaining steps: the cost of reading a file is bounded.
    steps: Cell<usize>,
}

/// One binding of a name.
struct Binding<'t> {
    /// Its position.
    at: usize,
    /// The range in which the name has this value.
    scope: Range<usize>,
    value: Value<'t>,
}

#[derive(Clone, Copy)]
enum Value<'t> {
    /// The value of this expression.
    Is(Cursor<'t>),
    /// Each element of this expression in turn.
    Each(Cursor<'t>),
    /// A value that is not known.
    Unknown,
}

/// The function of a call: its package, if it is qualified by `::`, and its name.
pub(super) fn callee(call: Cursor<'_>) -> Option<(Option<String>, String)> {
    function_name(call.field("function")?)
}

/// The package and name of a function that is called or passed on.
pub(super) fn function_name(function: Cursor<'_>) -> Option<(Option<String>, String)> {
    match function.kind() {
        "namespace_operator" => {
            Some((Some(function.field("lhs")?.name_or_string()?), function.field("rhs")?.name_or_string()?))
        }
        _ => Some((None, function.name_or_string()?)),
    }
}

impl<'t> Bindings<'t> {
    /// The bindings of a file with so many bytes of code, which this session runs.
    pub(super) fn new(bytes: usize, session: &'t Session<'t>) -> Self {
        Self {
            session,
            by_name: BTreeMap::new(),
            piped: BTreeMap::new(),
            looped: BTreeMap::new(),
            steps: Cell::new(1_000_000 + 8 * bytes),
        }
    }

    /// Uses up steps; returns false when none are left.
    pub(super) fn step(&self, steps: usize) -> bool {
        self.steps.set(self.steps.get().saturating_sub(steps));
        self.steps.get() > 0
    }

    /// Collects the bindings that a node creates. `scope` is the enclosing function. Nodes come in source order.
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

    /// Binds the target of `x <- value`; `x[1] <- value` and `names(x) <- value` make the value of `x` unknown.
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

    /// The arguments of a call, including a piped one.
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

    /// The certain value of a name at a position: it is bound once in the nearest scope, and not changed in it.
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

    /// The expression that a name is certainly bound to.
    pub(super) fn value(&self, name: Cursor<'t>) -> Option<Cursor<'t>> {
        match self.lookup(&name.name()?, name.start())? {
            Value::Is(value) => Some(value.unwrapped()),
            _ => None,
        }
    }

    /// Whether the file defines its own function of this name at this position, which does not call R's.
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

    /// The strings that the value of an expression contains; `None` when they are not certain.
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
            "identifier" => {
                let name = at.name()?;
                match self.lookup(&name, at.start()) {
                    Some(Value::Is(value) | Value::Each(value)) => self.values_of(value, depth + 1),
                    None if name == ".Library" && !self.by_name.contains_key(&name) => {
                        Some(vec![format!("{}/library", self.session.home?)])
                    }
                    _ => None,
                }
            }
            // A subset counts as all elements.
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
            // `.libPaths()` has the libraries that are searched already.
            "character" | ".libPaths" => Some(Vec::new()),
            "getwd" => Some(vec![".".to_owned()]),
            "Sys.getenv" => self.variable(arguments, depth),
            "R.home" => {
                let home = self.session.home?;
                let component = arguments.first().map_or_else(|| Some(vec!["home".to_owned()]), of)?;
                let [component] = component.as_slice() else { return None };
                Some(vec![if component == "home" { home.to_owned() } else { format!("{home}/{component}") }])
            }
            "dirname" => {
                let directory = |path: String| match path.trim_end_matches('/').rsplit_once('/') {
                    Some(("", _)) => "/".to_owned(),
                    Some((directory, _)) => directory.to_owned(),
                    None => ".".to_owned(),
                };
                Some(of(arguments.first()?)?.into_iter().map(directory).collect())
            }
            _ => None,
        }
    }

    /// The value of `Sys.getenv(x, unset)`.
    fn variable(&self, arguments: Vec<Argument<'t>>, depth: usize) -> Option<Vec<String>> {
        let matched = Matched::new(&["x", "unset", "names"], arguments);
        let names = self.values_of(matched.get("x")?, depth + 1)?;
        let [name] = names.as_slice() else { return None };
        let value = (self.session.variable)(name)?;
        match matched.get("unset").filter(|_| value.is_empty()) {
            Some(unset) => self.values_of(unset, depth + 1),
            None => Some(vec![value]),
        }
    }

    /// The values of `paste0()` and similar functions of constants, of which one may have several values.
    fn joined(&self, arguments: &[Argument<'t>], between: &str, depth: usize) -> Option<Vec<String>> {
        let mut between = between.to_owned();
        let mut parts = Vec::new();
        for argument in arguments {
            let values = self.values_of(argument.value?, depth + 1)?;
            match (argument.name.as_deref(), values.as_slice()) {
                (Some("sep"), [sep]) => between.clone_from(sep),
                // The libraries that are searched are not known here, so nor is a path made of one.
                (Some("sep" | "collapse" | "fsep" | "recycle0"), _) | (_, []) => return None,
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
