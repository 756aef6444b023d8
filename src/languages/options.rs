//! Options: packages that kept packages can use and that are not kept, because no handler names them, or that are not in the
//! tree. What the handlers' own calls lead to is a finding for each package; the rest is one finding.

use std::collections::{BTreeMap, BTreeSet};

use super::calls::Calls;
use super::code::CodeCalls;
use super::handlers::{Handlers, Used};
use super::packages::{Package, Packages};
use super::registry::language;
use crate::base::finding::{Code, Finding};
use crate::base::list;
use crate::base::subject::Subject;
use crate::tree::EntryId;

/// How many functions a finding lists for each package that they call.
const MAX_FUNCTIONS: usize = 3;

/// How many packages the finding about the rest lists.
const MAX_PACKAGES: usize = 30;

/// How many functions a remedy lists before it is about the whole package.
const MAX_KEPT: usize = 3;

/// Findings about packages that kept ones call or suggest, and that are not kept.
pub(crate) fn findings(
    handlers: &Handlers,
    used: &BTreeMap<usize, Used>,
    packages: &Packages,
    calls: &CodeCalls,
    kept: &dyn Fn(EntryId) -> bool,
) -> Vec<Finding> {
    let options = Options { handlers, used, packages, kept };
    let mut findings = Vec::new();
    let mut others: Vec<String> = Vec::new();
    let mut called: BTreeSet<(&str, &str)> = BTreeSet::new();
    let attached = used.iter().filter(|(_, used)| used.attached).map(|(position, _)| *position);
    let attached = packages.attached_with(attached);
    for package in packages.all.iter().filter(|package| kept(package.entry)) {
        // What R's own packages can use besides is not specific to a function.
        let Some(of_package) = calls.of(package).filter(|_| !is_base(package)) else { continue };
        let not_kept: Vec<(&str, &BTreeSet<String>)> = of_package
            .callers
            .iter()
            .map(|(name, callers)| (name.as_str(), callers))
            .filter(|(name, _)| options.is_option(package, name))
            .collect();
        let at_attach = of_package.at_attach.iter().filter(|_| attached.contains(&package.entry));
        let fails = at_attach.filter(|(name, fails)| **fails && options.is_option(package, name));
        findings.extend(fails.map(|(name, _)| not_attached(package, name)));
        called.extend(not_kept.iter().map(|(name, _)| (package.name.as_str(), *name)));
        let (finding, rest) = options.of_package(package, of_package, &not_kept);
        findings.extend(finding);
        if !rest.is_empty() {
            others.push(format!("{} calls {}", package.name, rest.join(", ")));
        }
    }
    let mut suggested: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for package in &packages.all {
        for name in &package.suggests {
            let key = (package.language, name.clone());
            if packages.excluded.packages.contains_key(&key) && !called.contains(&(package.name.as_str(), name)) {
                suggested.entry(name).or_default().push(&package.name);
            }
        }
    }
    let suggested = suggested.iter().map(|(name, by)| format!("{name} (suggested by {})", by.join(", ")));
    let parts: Vec<String> = others.into_iter().chain(suggested).collect();
    if !parts.is_empty() {
        findings.push(Finding::info(
            Code::SuggestedAndDropped,
            Subject::whole("packages"),
            format!(
                "kept packages can use packages that are not kept: {}",
                list::some_parts(&parts, MAX_PACKAGES)
            ),
            "use --keep pkg:NAME for those that the function needs, --keep suggested:PACKAGE::FUNCTION for all that this function \
             of a kept package calls, or --keep suggested:PACKAGE for all that a package suggests, which includes packages \
             that it loads by a computed name",
        ));
    }
    findings
}

/// A finding about a package that the handlers attach, and that cannot be without another one.
fn not_attached(package: &Package, missing: &str) -> Finding {
    let fails = language(package.language).load_fails(&package.name);
    Finding::error(
        Code::MissingPackage,
        Subject::package(&package.name),
        format!("uses the package {missing} when it is attached, which is not in any library"),
        format!("install {missing} into the tree: {fails} without it"),
    )
    .caused_by(missing)
}

struct Options<'a> {
    handlers: &'a Handlers,
    used: &'a BTreeMap<usize, Used>,
    packages: &'a Packages,
    kept: &'a dyn Fn(EntryId) -> bool,
}

impl Options<'_> {
    /// Whether a package that another one calls is neither kept nor required, so that no other finding is about it.
    fn is_option(&self, package: &Package, called: &str) -> bool {
        let mut copies = self.packages.copies(package.language, called);
        called != package.name
            && !copies.any(|copy| (self.kept)(self.packages.get(copy).entry))
            && !package.requires.iter().any(|required| required.package == called)
    }

    /// The finding about what the handlers' calls of a package lead to, and the rest of what it calls.
    fn of_package(
        &self,
        package: &Package,
        calls: &Calls,
        not_kept: &[(&str, &BTreeSet<String>)],
    ) -> (Option<Finding>, Vec<String>) {
        let is_used = self.used.keys().any(|position| self.packages.get(*position).entry == package.entry);
        let names = self.handlers.names.iter().filter(|(id, _)| *id == package.language && is_used);
        let starts: BTreeMap<&str, BTreeSet<&str>> =
            names.map(|(_, name)| (name.as_str(), calls.reached([name.as_str()]))).collect();
        let mut reached: Vec<(&str, Vec<&str>)> = Vec::new();
        let mut used: BTreeSet<&str> = BTreeSet::new();
        let mut rest = Vec::new();
        for (name, callers) in not_kept {
            let mut by: BTreeSet<&str> = BTreeSet::new();
            for (start, leads_to) in &starts {
                let before = by.len();
                by.extend(callers.iter().map(String::as_str).filter(|caller| leads_to.contains(caller)));
                if by.len() > before {
                    used.insert(start);
                }
            }
            if by.is_empty() {
                let callers: Vec<&str> = callers.iter().map(String::as_str).collect();
                rest.push(format!("{name} ({})", list::some(&callers, MAX_FUNCTIONS)));
            } else {
                reached.push((name, by.into_iter().collect()));
            }
        }
        ((!reached.is_empty()).then(|| self.reached(package, &reached, &used)), rest)
    }

    fn reached(&self, package: &Package, reached: &[(&str, Vec<&str>)], used: &BTreeSet<&str>) -> Finding {
        let of = language(package.language);
        let function = |function: &&str| of.function(&package.name, function);
        let is_in_tree = |name: &str| {
            let is_excluded = self.packages.excluded.packages.contains_key(&(package.language, name.to_owned()));
            is_excluded || self.packages.copies(package.language, name).next().is_some()
        };
        // Packages that the same functions call, and that are not kept for the same reason, are one part.
        let mut by_callers: BTreeMap<(&[&str], bool), Vec<&str>> = BTreeMap::new();
        for (name, by) in reached {
            by_callers.entry((by, is_in_tree(name))).or_default().push(name);
        }
        let part = |((by, in_tree), names): (&(&[&str], bool), &Vec<&str>)| {
            let by: Vec<String> = by.iter().map(function).collect();
            let calls = if by.len() == 1 { "calls" } else { "call" };
            let are = if names.len() == 1 { "is" } else { "are" };
            let place = if *in_tree { "dropped" } else { "not in the tree" };
            let (by, names) = (list::some(&by, MAX_FUNCTIONS), list::with_last(names, "and"));
            format!("{by} {calls} {names}, which {are} {place}")
        };
        let parts: Vec<String> = by_callers.iter().map(part).collect();
        let (dropped, absent): (Vec<&str>, Vec<&str>) =
            reached.iter().map(|(name, _)| *name).partition(|name| is_in_tree(name));
        let mut help = Vec::new();
        if !absent.is_empty() {
            help.push(format!("install {} into the tree", list::with_last(&absent, "and")));
        }
        if !dropped.is_empty() {
            let all = format!("suggested:{}", package.name);
            let of_functions: Vec<String> = used.iter().map(|function| format!("{all}::{function}")).collect();
            let targets = if used.len() > MAX_KEPT { all } else { of_functions.join(",") };
            help.push(format!("keep {} with --keep {targets}", list::with_last(&dropped, "and")));
        }
        let used: Vec<&str> = used.iter().copied().collect();
        Finding::warning(
            Code::OptionNotKept,
            Subject::package(&package.name),
            format!("the handlers use {}: {}", list::some(&used, MAX_FUNCTIONS), parts.join("; ")),
            format!("{}, if the function needs it", help.join(", and ")),
        )
    }
}

fn is_base(package: &Package) -> bool {
    language(package.language).needs().standard.base.contains(&package.name)
}
