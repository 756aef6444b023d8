//! Guards: where a source works without a package, because it tests for it, catches the error, or need not run the code.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::bindings::{Bindings, callee, function_name};
use super::functions;
use super::functions::{Effect, Matched, Quoting};
use super::tree::Cursor;

/// Functions that end the program or install packages: a test that leads to them makes the package required.
const STOPS: &[&str] = &[
    "stop",
    "abort",
    "cli_abort",
    "quit",
    "q",
    "install.packages",
    "install",
    "install_github",
    "install_cran",
    "install_version",
    "pkg_install",
    "stopifnot",
];

/// Functions that evaluate an expression and continue when it fails, and whether they need an error handler for that.
const TRIES: &[(&str, bool)] = &[("try", false), ("tryCatch", true), ("try_fetch", true)];

/// Functions that list installed or loaded packages, for `"pkg" %in% rownames(installed.packages())`.
const INSTALLED: &[&str] = &["installed.packages", ".packages", "loadedNamespaces", "search"];

/// The function that tells whether a package is loaded, and does not load it.
const LOADED: &str = "isNamespaceLoaded";

/// Where a source works without packages.
#[derive(Default)]
pub(super) struct Guards<'t> {
    conditionals: Vec<Conditional<'t>>,
    /// Expressions whose value is stored: if they test for a package, only testing is not a requirement.
    stored: Vec<Cursor<'t>>,
    /// Code that may fail or need not run, whichever package it uses.
    always: RangeSet,
    /// Code that only runs where the source is a script of its own, and not read by another one.
    scripts: RangeSet,
    /// Code that does not run, or may fail, without a certain package.
    by_package: BTreeMap<String, RangeSet>,
    /// Positions of tests that end the program if the package is missing.
    required: BTreeSet<usize>,
}

/// `if (condition) then else otherwise`, in any of its forms.
struct Conditional<'t> {
    condition: Cursor<'t>,
    then: Option<Cursor<'t>>,
    otherwise: Option<Cursor<'t>>,
    /// The end of the enclosing block.
    end: usize,
}

/// A set of ranges of positions; sorted and disjoint after `sort`.
#[derive(Default)]
struct RangeSet(Vec<Range<usize>>);

impl RangeSet {
    fn sort(&mut self) {
        self.0.sort_by_key(|range| range.start);
        let mut apart: Vec<Range<usize>> = Vec::new();
        for range in self.0.drain(..) {
            match apart.last_mut() {
                Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
                _ => apart.push(range),
            }
        }
        self.0 = apart;
    }

    fn contains(&self, place: usize) -> bool {
        let after = self.0.partition_point(|range| range.start <= place);
        after > 0 && self.0[after - 1].contains(&place)
    }
}

/// A test for packages in a condition.
struct PresenceTest {
    packages: Vec<String>,
    place: Range<usize>,
    /// Whether the condition is true if they are missing.
    missing: bool,
    /// The code that may fail, if the test is whether it did.
    tried: Option<Range<usize>>,
}

impl<'t> Guards<'t> {
    /// Collects the guards of a node; `end` is the end of the enclosing block.
    pub(super) fn collect(&mut self, at: Cursor<'t>, end: usize, bindings: &Bindings<'t>) {
        match at.kind() {
            "if_statement" => {
                let Some(condition) = at.field("condition") else { return };
                let (then, otherwise) = (at.field("consequence"), at.field("alternative"));
                let branches = |then, otherwise| Conditional { condition, then, otherwise, end };
                match holds(condition, MAX_DEPTH) {
                    Some(Holds::Never) => self.always.0.extend(then.map(Cursor::range)),
                    Some(Holds::Always) => self.always.0.extend(otherwise.map(Cursor::range)),
                    Some(Holds::InScript) => self.scripts.0.extend(then.map(Cursor::range)),
                    Some(Holds::NotInScript) => self.scripts.0.extend(otherwise.map(Cursor::range)),
                    None => self.conditionals.push(branches(then, otherwise)),
                }
            }
            "binary_operator" => {
                let (Some(left), right) = (at.field("lhs"), at.field("rhs")) else { return };
                let conditional =
                    |then, otherwise| Conditional { condition: left, then, otherwise, end: at.range().end };
                match (at.operator(), holds(left, MAX_DEPTH)) {
                    ("&&", Some(Holds::Never)) | ("||", Some(Holds::Always)) => {
                        self.always.0.extend(right.map(Cursor::range));
                        return;
                    }
                    ("&&", Some(Holds::InScript)) | ("||", Some(Holds::NotInScript)) => {
                        self.scripts.0.extend(right.map(Cursor::range));
                        return;
                    }
                    _ => {}
                }
                match at.operator() {
                    "&&" => self.conditionals.push(conditional(right, None)),
                    "||" => self.conditionals.push(conditional(None, right)),
                    "<-" | "=" | "<<-" => self.stored.extend(right),
                    "->" | "->>" => self.stored.push(left),
                    _ => {}
                }
            }
            "function_definition" => self.stored.extend(at.field("body")),
            "call" => self.tried(at, bindings),
            _ => {}
        }
    }

    fn tried(&mut self, call: Cursor<'t>, bindings: &Bindings<'t>) {
        let Some((_, name)) = callee(call) else { return };
        if name == "stopifnot" {
            for condition in bindings.arguments(call).into_iter().filter_map(|argument| argument.value) {
                let end = call.range().end;
                self.conditionals.push(Conditional { condition, then: None, otherwise: Some(call), end });
            }
        }
        let Some((_, needs_handler)) = TRIES.iter().find(|(tries, _)| *tries == name) else { return };
        let matched = Matched::new(&["expr", "..."], bindings.arguments(call));
        let handler = matched.dots.iter().find(|one| matches!(one.name.as_deref(), Some("error" | "condition")));
        let continues = match handler.and_then(|handler| handler.value) {
            Some(handler) => !ends_program(handler, bindings),
            None => !needs_handler,
        };
        if continues {
            self.always.0.extend(matched.get("expr").map(Cursor::range));
        }
    }

    /// Evaluates the collected guards, after every node was collected.
    pub(super) fn conclude(&mut self, bindings: &Bindings<'t>) {
        for conditional in std::mem::take(&mut self.conditionals) {
            self.conclude_conditional(&conditional, bindings);
        }
        for stored in std::mem::take(&mut self.stored) {
            // A stored path is used later, and the stored list from `lapply()` usually is not a test.
            let answers = |at: Cursor<'_>| {
                let name = callee(at).map(|(_, name)| name).unwrap_or_default();
                let applies = functions::named(&name).any(|known| matches!(known.effect, Effect::Apply { .. }));
                !applies && !matches!(name.as_str(), "system.file" | "find.package")
            };
            if let Some((packages, at)) = whole_test(stored, bindings).filter(|(_, at)| answers(*at)) {
                self.allow(&packages, &at.range());
            }
        }
        self.always.sort();
        self.scripts.sort();
        self.by_package.values_mut().for_each(RangeSet::sort);
    }

    /// Where the code of a conditional works without the packages that its condition tests for.
    fn conclude_conditional(&mut self, conditional: &Conditional<'t>, bindings: &Bindings<'t>) {
        let tests = presence_tests(conditional.condition, bindings);
        if tests.is_empty() {
            return;
        }
        let ends = |branch: Option<Cursor<'t>>| branch.is_some_and(|branch| ends_program(branch, bindings));
        let (ends_then, ends_otherwise) = (ends(conditional.then), ends(conditional.otherwise));
        for test in tests {
            let (with, without, ends) = if test.missing {
                (conditional.otherwise, conditional.then, ends_then)
            } else {
                (conditional.then, conditional.otherwise, ends_otherwise)
            };
            if ends {
                self.required.insert(test.place.start);
                if let Some(tried) = test.tried {
                    self.always.0.retain(|range| *range != tried);
                }
                continue;
            }
            self.allow(&test.packages, &test.place);
            // The rest of the condition is usually evaluated only with the package.
            self.allow(&test.packages, &(test.place.start..conditional.condition.range().end));
            if let Some(with) = with {
                self.allow(&test.packages, &with.range());
            }
            if let Some(without) = without.filter(|without| exits_block(*without)) {
                self.allow(&test.packages, &(without.range().end..conditional.end));
            }
        }
    }

    fn allow(&mut self, packages: &[String], place: &Range<usize>) {
        for package in packages {
            self.by_package.entry(package.clone()).or_default().0.push(place.clone());
        }
    }

    /// Whether a use of a package at this position is optional.
    pub(super) fn is_optional(&self, package: &str, place: usize) -> bool {
        self.always.contains(place)
            || (!self.required.contains(&place)
                && self.by_package.get(package).is_some_and(|places| places.contains(place)))
    }

    /// Whether the program ends if the packages that are tested for at this position are missing.
    pub(super) fn is_required(&self, place: usize) -> bool {
        self.required.contains(&place)
    }

    /// Whether the code at this position only runs where the source is a script of its own.
    pub(super) fn is_of_script(&self, place: usize) -> bool {
        self.scripts.contains(place)
    }

    /// Whether the code at this position may fail, or need not run.
    pub(super) fn tries(&self, place: usize) -> bool {
        self.always.contains(place)
    }
}

/// How deep conditions are read.
const MAX_DEPTH: usize = 16;

/// Whether a condition holds in a function.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Holds {
    Always,
    Never,
    /// Where the source is a script of its own: a bootstrap can run one, and layerfit's does not.
    InScript,
    NotInScript,
}

impl Holds {
    fn not(self) -> Self {
        match self {
            Self::Always => Self::Never,
            Self::Never => Self::Always,
            Self::InScript => Self::NotInScript,
            Self::NotInScript => Self::InScript,
        }
    }
}

/// Whether a condition holds that does not depend on packages; `None` if that is not known.
fn holds(condition: Cursor<'_>, depth: usize) -> Option<Holds> {
    let depth = depth.checked_sub(1)?;
    let at = condition.unwrapped();
    match at.text() {
        // A function is never run interactively.
        "FALSE" | "F" | "0" | "0L" | "interactive()" | "base::interactive()" => return Some(Holds::Never),
        "TRUE" | "T" | "1" | "1L" => return Some(Holds::Always),
        "is.null(sys.call())" => return Some(Holds::InScript),
        _ => {}
    }
    match at.kind() {
        "unary_operator" if at.operator() == "!" => Some(holds(at.field("rhs")?, depth)?.not()),
        "call" => {
            let (_, name) = callee(at).filter(|(_, name)| matches!(name.as_str(), "isTRUE" | "isFALSE"))?;
            let found = holds(functions::arguments(at).into_iter().next()?.value?, depth)?;
            Some(if name == "isTRUE" { found } else { found.not() })
        }
        "binary_operator" => {
            let (left, right) = (at.field("lhs")?, at.field("rhs")?);
            match at.operator() {
                operator @ ("&&" | "||" | "&" | "|") => {
                    let (left, right) = (holds(left, depth), holds(right, depth));
                    let deciding = if operator.starts_with('&') {
                        [Holds::Never, Holds::InScript]
                    } else {
                        [Holds::Always, Holds::NotInScript]
                    };
                    let decided = deciding.into_iter().find(|one| left == Some(*one) || right == Some(*one));
                    decided.or(left.filter(|_| left == right))
                }
                operator => {
                    let is_depth =
                        matches!(left.text(), "sys.nframe()" | "length(sys.frames())" | "length(sys.calls())");
                    let is_none = matches!(right.text(), "0" | "0L") && is_depth;
                    match operator {
                        "==" if is_none => Some(Holds::InScript),
                        "!=" | ">" if is_none => Some(Holds::NotInScript),
                        _ => None,
                    }
                }
            }
        }
        _ => None,
    }
}

/// The tests for packages in a condition.
fn presence_tests<'t>(condition: Cursor<'t>, bindings: &Bindings<'t>) -> Vec<PresenceTest> {
    let mut tests = Vec::new();
    let mut nodes = vec![(condition, false)];
    while let Some((at, missing)) = nodes.pop() {
        if !bindings.step(1) {
            break;
        }
        let at = at.unwrapped();
        match at.kind() {
            "identifier" => {
                let tested = bindings.value(at).and_then(|value| whole_test(value, bindings));
                if let Some((packages, at)) = tested {
                    tests.push(PresenceTest { packages, place: at.range(), missing, tried: None });
                }
            }
            "unary_operator" if at.operator() == "!" => {
                nodes.extend(at.field("rhs").map(|operand| (operand, !missing)));
            }
            "binary_operator" if matches!(at.operator(), "==" | "!=") => {
                let compared = at.field("rhs").map(Cursor::text).unwrap_or_default();
                let nothing = matches!(compared, "\"\"" | "''" | "FALSE" | "F" | "0" | "0L");
                let equal = at.operator() == "==";
                nodes.extend(at.field("lhs").map(|left| (left, missing ^ (nothing == equal))));
            }
            "call" | "binary_operator" => {
                if let Some(packages) = tested_packages(at, bindings) {
                    tests.push(PresenceTest { packages, place: at.range(), missing, tried: None });
                } else if let Some((packages, used, tried)) = failed_to_load(at, bindings) {
                    tests.push(PresenceTest {
                        packages,
                        place: used.range(),
                        missing: !missing,
                        tried: Some(tried.range()),
                    });
                } else {
                    let negates = callee(at).is_some_and(|(_, name)| name == "isFALSE");
                    nodes.extend(at.children().into_iter().map(|child| (child, missing ^ negates)));
                }
            }
            _ => nodes.extend(at.children().into_iter().map(|child| (child, missing))),
        }
    }
    tests
}

/// The packages that code tries to load, where that is, and what is tried, if an expression is whether it failed:
/// `inherits(try(loadNamespace("xml2")), "try-error")`.
fn failed_to_load<'t>(at: Cursor<'t>, bindings: &Bindings<'t>) -> Option<(Vec<String>, Cursor<'t>, Cursor<'t>)> {
    callee(at).filter(|(_, name)| at.kind() == "call" && name == "inherits")?;
    let matched = Matched::new(&["x", "what"], bindings.arguments(at));
    matched.get("what").and_then(Cursor::string).filter(|what| what == "try-error")?;
    let mut value = matched.get("x")?;
    let mut tried = None;
    // Looks through a variable, and calls that return their argument.
    for _ in 0..8 {
        value = value.unwrapped();
        value = match value.kind() {
            "identifier" => bindings.value(value)?,
            "braced_expression" => only(value)?,
            "namespace_operator" if tried.is_some() => {
                return Some((vec![value.field("lhs")?.name_or_string()?], value, tried?));
            }
            "call" => {
                let (home, name) = callee(value)?;
                let first = functions::arguments(value).into_iter().next().and_then(|first| first.value);
                if let (Some(tried), Some(known)) = (tried, functions::named(&name).next()) {
                    let Effect::Packages { argument, quoting, .. } = known.effect else { return None };
                    home.is_none_or(|home| known.homes.contains(&home.as_str())).then_some(())?;
                    let matched = Matched::new(known.formals, bindings.arguments(value));
                    return Some((named_packages(matched.get(argument)?, quoting, &matched, bindings)?, value, tried));
                }
                if let (Some(tried), Some(home)) = (tried, home) {
                    return Some((vec![home], value, tried));
                }
                match name.as_str() {
                    "try" if tried.is_none() => {
                        tried = Matched::new(&["expr", "silent"], bindings.arguments(value)).get("expr");
                        tried?
                    }
                    "invisible" => first?,
                    name if name.starts_with("suppress") => first?,
                    _ => return None,
                }
            }
            _ => return None,
        };
    }
    None
}

/// The packages, if an expression is nothing but a test for packages, and the test.
fn whole_test<'t>(at: Cursor<'t>, bindings: &Bindings<'t>) -> Option<(Vec<String>, Cursor<'t>)> {
    let mut at = at.unwrapped();
    // Looks through a function's only statement and calls that return their argument.
    for _ in 0..8 {
        if let Some(packages) = tested_packages(at, bindings) {
            return Some((packages, at));
        }
        let inside = match at.kind() {
            "function_definition" => at.field("body"),
            "braced_expression" => only(at),
            "unary_operator" => at.field("rhs"),
            "call" => {
                let name = callee(at)?.1;
                let same = name.starts_with("suppress") || matches!(name.as_str(), "isTRUE" | "invisible" | "nzchar");
                functions::arguments(at).into_iter().next().and_then(|first| first.value).filter(|_| same)
            }
            _ => None,
        };
        at = inside?.unwrapped();
    }
    None
}

/// The expression in braces, if there is only one.
fn only(braces: Cursor<'_>) -> Option<Cursor<'_>> {
    let mut inside = braces.children().into_iter().filter(|child| child.kind() != "comment");
    inside.next().filter(|_| inside.next().is_none())
}

/// The packages that a call tests for; `None` when it is not such a test.
fn tested_packages<'t>(at: Cursor<'t>, bindings: &Bindings<'t>) -> Option<Vec<String>> {
    if at.kind() == "binary_operator" {
        let installed = |right: Cursor<'_>| INSTALLED.iter().any(|name| right.text().contains(name));
        at.field("rhs").filter(|right| at.operator() == "%in%" && bindings.step(1) && installed(*right))?;
        return bindings.values(at.field("lhs")?);
    }
    let (home, name) = callee(at).filter(|_| at.kind() == "call")?;
    if name == LOADED && home.as_ref().is_none_or(|home| home == "base") {
        return bindings.values(Matched::new(&["name"], bindings.arguments(at)).get("name")?);
    }
    for known in functions::named(&name) {
        if home.as_ref().is_some_and(|home| !known.homes.contains(&home.as_str())) {
            continue;
        }
        let matched = Matched::new(known.formals, bindings.arguments(at));
        match known.effect {
            Effect::Packages { argument, quoting, tests: true, .. } => {
                return named_packages(matched.get(argument)?, quoting, &matched, bindings);
            }
            Effect::Apply { over, function } => {
                let (_, name) = function_name(matched.get(function)?)?;
                let tests = |known: &functions::Function| matches!(known.effect, Effect::Packages { tests: true, .. });
                functions::named(&name).find(|known| tests(known))?;
                return bindings.values(matched.over(over)?);
            }
            _ => {}
        }
    }
    None
}

/// The packages that an argument names, quoted or evaluated.
pub(super) fn named_packages<'t>(
    value: Cursor<'t>,
    quoting: Quoting,
    matched: &Matched<'t>,
    bindings: &Bindings<'t>,
) -> Option<Vec<String>> {
    let by_value = match quoting {
        Quoting::Never => true,
        Quoting::Always => false,
        Quoting::Unless(flag) => match matched.get(flag).map(Cursor::text) {
            None | Some("FALSE" | "F") => false,
            Some("TRUE" | "T") => true,
            // A string literal is the same either way.
            Some(_) => return value.string().map(|name| vec![name]),
        },
    };
    match value.name_or_string().filter(|_| !by_value && value.kind() != "dots") {
        Some(name) => Some(vec![name]),
        None => bindings.values(value),
    }
}

/// Whether code ends the program or installs packages.
fn ends_program<'t>(at: Cursor<'t>, bindings: &Bindings<'t>) -> bool {
    let mut stops = false;
    at.walk(|node, _| {
        stops =
            stops || (node.kind() == "call" && callee(node).is_some_and(|(_, name)| STOPS.contains(&name.as_str())));
        !stops && bindings.step(1)
    });
    stops
}

/// Whether code ends by leaving the enclosing block, so that the rest does not run.
fn exits_block(at: Cursor<'_>) -> bool {
    let mut at = at;
    while at.kind() == "braced_expression" {
        match at.children().into_iter().rfind(|child| child.kind() != "comment") {
            Some(last) => at = last,
            None => return false,
        }
    }
    match at.kind() {
        "next" | "break" => true,
        "call" => callee(at).is_some_and(|(_, name)| name == "return"),
        _ => false,
    }
}
