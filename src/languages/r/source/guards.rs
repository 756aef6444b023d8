//! What a source copes without: packages that it tests for, code that it tries, code that need not run.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::functions;
use super::functions::{Does, Matched, Written};
use super::names::{Names, callee, function_name};
use super::tree::At;

/// Functions that end the program, or get what is missing: a test that leads to them asks for nothing less.
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

/// Functions that take an expression and go on when it fails. A handler of errors must be among their arguments, unless
/// they need none.
const TRIES: &[(&str, bool)] = &[("try", false), ("tryCatch", true), ("try_fetch", true)];

/// Values that say what is installed or loaded, for `"pkg" %in% rownames(installed.packages())`.
const INSTALLED: &[&str] = &["installed.packages", ".packages", "loadedNamespaces", "search"];

/// Where a source copes without packages.
#[derive(Default)]
pub(super) struct Guards<'t> {
    tests: Vec<Test<'t>>,
    /// Expressions whose value, if it is whether a package is there, is kept for later.
    kept: Vec<At<'t>>,
    /// Code that may fail or need not run, whatever it needs.
    any: Places,
    /// Code that does not run, or may fail, without a package.
    of: BTreeMap<String, Places>,
    /// Tests of a package that end the program where it is missing, by their places.
    demands: BTreeSet<usize>,
}

/// `if (condition) then else otherwise`, in any of its forms.
struct Test<'t> {
    condition: At<'t>,
    then: Option<At<'t>>,
    otherwise: Option<At<'t>>,
    /// Where the block around it ends.
    end: usize,
}

/// Ranges of places; sorted and apart once they are all there.
#[derive(Default)]
struct Places(Vec<Range<usize>>);

impl Places {
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

    fn holds(&self, place: usize) -> bool {
        let after = self.0.partition_point(|range| range.start <= place);
        after > 0 && self.0[after - 1].contains(&place)
    }
}

/// A test of packages in a condition.
struct Ask {
    packages: Vec<String>,
    place: Range<usize>,
    /// Whether the condition is true when they are missing.
    missing: bool,
}

impl<'t> Guards<'t> {
    /// Takes what a node says; `end` is where the block around it ends.
    pub(super) fn gather(&mut self, at: At<'t>, end: usize, names: &Names<'t>) {
        match at.kind() {
            "if_statement" => {
                let Some(condition) = at.field("condition") else { return };
                let (then, otherwise) = (at.field("consequence"), at.field("alternative"));
                match condition.bare().written() {
                    "FALSE" | "F" => self.any.0.extend(then.map(At::range)),
                    "TRUE" | "T" => self.any.0.extend(otherwise.map(At::range)),
                    _ => self.tests.push(Test { condition, then, otherwise, end }),
                }
            }
            "binary_operator" => {
                let (Some(left), right) = (at.field("lhs"), at.field("rhs")) else { return };
                let test = |then, otherwise| Test { condition: left, then, otherwise, end: at.range().end };
                match at.operator() {
                    "&&" => self.tests.push(test(right, None)),
                    "||" => self.tests.push(test(None, right)),
                    "<-" | "=" | "<<-" => self.kept.extend(right),
                    "->" | "->>" => self.kept.push(left),
                    _ => {}
                }
            }
            "function_definition" => self.kept.extend(at.field("body")),
            "call" => self.tried(at, names),
            _ => {}
        }
    }

    fn tried(&mut self, call: At<'t>, names: &Names<'t>) {
        let Some((_, name)) = callee(call) else { return };
        let Some((_, needs_handler)) = TRIES.iter().find(|(tries, _)| *tries == name) else { return };
        let matched = Matched::new(&["expr", "..."], names.arguments(call));
        let handler = matched.dots.iter().find(|one| matches!(one.name.as_deref(), Some("error" | "condition")));
        let copes = match handler.and_then(|handler| handler.value) {
            Some(handler) => !stops(handler, names),
            None => !needs_handler,
        };
        if copes {
            self.any.0.extend(matched.get("expr").map(At::range));
        }
    }

    /// Draws the conclusions, when all nodes are there.
    pub(super) fn conclude(&mut self, names: &Names<'t>) {
        for test in std::mem::take(&mut self.tests) {
            self.test(&test, names);
        }
        for kept in std::mem::take(&mut self.kept) {
            // A path is kept to be used, and the list that `lapply()` gives is kept for nothing, as a rule.
            let answers = |at: At<'_>| {
                let name = callee(at).map(|(_, name)| name).unwrap_or_default();
                let applies = functions::named(&name).any(|known| matches!(known.does, Does::Apply { .. }));
                !applies && !matches!(name.as_str(), "system.file" | "find.package")
            };
            if let Some((packages, at)) = direct(kept, names).filter(|(_, at)| answers(*at)) {
                self.allow(&packages, &at.range());
            }
        }
        self.any.sort();
        self.of.values_mut().for_each(Places::sort);
    }

    fn test(&mut self, test: &Test<'t>, names: &Names<'t>) {
        let asks = asks(test.condition, names);
        if asks.is_empty() {
            return;
        }
        let there = |branch: Option<At<'t>>| branch.is_some_and(|branch| stops(branch, names));
        let (stops_then, stops_otherwise) = (there(test.then), there(test.otherwise));
        for ask in asks {
            let (with, without, ends) = if ask.missing {
                (test.otherwise, test.then, stops_then)
            } else {
                (test.then, test.otherwise, stops_otherwise)
            };
            if ends {
                self.demands.insert(ask.place.start);
                continue;
            }
            self.allow(&ask.packages, &ask.place);
            // What comes later in the condition is asked with the package, as a rule.
            self.allow(&ask.packages, &(ask.place.start..test.condition.range().end));
            if let Some(with) = with {
                self.allow(&ask.packages, &with.range());
            }
            if let Some(without) = without.filter(|without| leaves(*without)) {
                self.allow(&ask.packages, &(without.range().end..test.end));
            }
        }
    }

    fn allow(&mut self, packages: &[String], place: &Range<usize>) {
        for package in packages {
            self.of.entry(package.clone()).or_default().0.push(place.clone());
        }
    }

    /// Whether the source copes without a package at a place.
    pub(super) fn copes(&self, package: &str, place: usize) -> bool {
        self.any.holds(place)
            || (!self.demands.contains(&place) && self.of.get(package).is_some_and(|places| places.holds(place)))
    }

    /// Whether the source copes when the code at a place fails, or does not run.
    pub(super) fn tries(&self, place: usize) -> bool {
        self.any.holds(place)
    }
}

/// The packages that a condition asks for.
fn asks<'t>(condition: At<'t>, names: &Names<'t>) -> Vec<Ask> {
    let mut asks = Vec::new();
    let mut nodes = vec![(condition, false)];
    while let Some((at, missing)) = nodes.pop() {
        if !names.step(1) {
            break;
        }
        let at = at.bare();
        match at.kind() {
            "identifier" => {
                let asked = names.value(at).and_then(|value| direct(value, names));
                if let Some((packages, at)) = asked {
                    asks.push(Ask { packages, place: at.range(), missing });
                }
            }
            "unary_operator" if at.operator() == "!" => {
                nodes.extend(at.field("rhs").map(|operand| (operand, !missing)));
            }
            "binary_operator" if matches!(at.operator(), "==" | "!=") => {
                let compared = at.field("rhs").map(At::written).unwrap_or_default();
                let nothing = matches!(compared, "\"\"" | "''" | "FALSE" | "F" | "0" | "0L");
                let equal = at.operator() == "==";
                nodes.extend(at.field("lhs").map(|left| (left, missing ^ (nothing == equal))));
            }
            "call" | "binary_operator" => {
                if let Some(packages) = asked(at, names) {
                    asks.push(Ask { packages, place: at.range(), missing });
                } else {
                    let negates = callee(at).is_some_and(|(_, name)| name == "isFALSE");
                    nodes.extend(at.children().into_iter().map(|child| (child, missing ^ negates)));
                }
            }
            _ => nodes.extend(at.children().into_iter().map(|child| (child, missing))),
        }
    }
    asks
}

/// The packages that an expression tests for, if that is what it does, and where it does so.
fn direct<'t>(at: At<'t>, names: &Names<'t>) -> Option<(Vec<String>, At<'t>)> {
    let mut at = at.bare();
    // A function's only statement, and what says the same as its argument.
    for _ in 0..8 {
        if let Some(packages) = asked(at, names) {
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
        at = inside?.bare();
    }
    None
}

/// The only expression in braces.
fn only(braces: At<'_>) -> Option<At<'_>> {
    let mut inside = braces.children().into_iter().filter(|child| child.kind() != "comment");
    inside.next().filter(|_| inside.next().is_none())
}

/// The packages that a call tests for.
fn asked<'t>(at: At<'t>, names: &Names<'t>) -> Option<Vec<String>> {
    if at.kind() == "binary_operator" {
        let installed = |right: At<'_>| INSTALLED.iter().any(|name| right.written().contains(name));
        at.field("rhs").filter(|right| at.operator() == "%in%" && names.step(1) && installed(*right))?;
        return names.values(at.field("lhs")?);
    }
    let (home, name) = callee(at).filter(|_| at.kind() == "call")?;
    for known in functions::named(&name) {
        if home.as_ref().is_some_and(|home| !known.homes.contains(&home.as_str())) {
            continue;
        }
        let matched = Matched::new(known.formals, names.arguments(at));
        match known.does {
            Does::Packages { argument, written, tests: true, .. } => {
                return named_packages(matched.get(argument)?, written, &matched, names);
            }
            Does::Apply { over, function } => {
                let (_, name) = function_name(matched.get(function)?)?;
                let tests = |known: &functions::Function| matches!(known.does, Does::Packages { tests: true, .. });
                functions::named(&name).find(|known| tests(known))?;
                return names.values(matched.over(over)?);
            }
            _ => {}
        }
    }
    None
}

/// The packages that an argument names: as it is written, or by its value.
pub(super) fn named_packages<'t>(
    value: At<'t>,
    written: Written,
    matched: &Matched<'t>,
    names: &Names<'t>,
) -> Option<Vec<String>> {
    let by_value = match written {
        Written::Never => true,
        Written::Always => false,
        Written::Unless(flag) => match matched.get(flag).map(At::written) {
            None | Some("FALSE" | "F") => false,
            Some("TRUE" | "T") => true,
            // A string is a string either way.
            Some(_) => return value.string().map(|name| vec![name]),
        },
    };
    match value.name_or_string().filter(|_| !by_value && value.kind() != "dots") {
        Some(name) => Some(vec![name]),
        None => names.values(value),
    }
}

/// Whether code ends the program, or gets a package that is missing.
fn stops<'t>(at: At<'t>, names: &Names<'t>) -> bool {
    let mut stops = false;
    at.walk(|node, _| {
        stops =
            stops || (node.kind() == "call" && callee(node).is_some_and(|(_, name)| STOPS.contains(&name.as_str())));
        !stops && names.step(1)
    });
    stops
}

/// Whether code ends by leaving the block around it: the rest does not run.
fn leaves(at: At<'_>) -> bool {
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
