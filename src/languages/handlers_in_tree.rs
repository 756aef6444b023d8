//! What the handlers use, in a tree: the packages that they need of it, and findings about those that it does not have.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::code::CodeCalls;
use super::handlers::{DynamicUse, Handlers, Place, Used};
use super::id::LanguageId;
use super::language::Gets;
use super::own_libraries::OwnLibrary;
use super::packages::{Packages, RequiredFor, Requirement};
use super::registry::language;
use crate::base::bytes::plural;
use crate::base::finding::{Code, Finding, Severity};
use crate::base::list;
use crate::base::path::printable;
use crate::base::subject::Subject;
use crate::tree::Tree;

/// How many lines a message lists.
const MAX_LINES: usize = 5;

impl Handlers {
    /// The same, with what the packages require that the function brings in libraries of its own: those that its code, or its
    /// environment with these variables, adds to what is searched.
    pub(crate) fn with_own_libraries(mut self, variables: &BTreeMap<String, String>) -> Self {
        let own = std::mem::take(&mut self.own);
        let searched: Vec<&OwnLibrary> = own
            .iter()
            .filter(|library| {
                self.libraries_unknown.is_some() || library.is_searched(&self.libraries, variables, &self.bootstraps)
            })
            .collect();
        let mut queue: Vec<(LanguageId, String)> = self.uses.keys().cloned().collect();
        while let Some(key) = queue.pop() {
            let mut of = searched.iter().filter(|library| library.language == key.0);
            let Some(required) = of.find_map(|library| library.packages.get(&key.1)) else { continue };
            let Some(used) = self.uses.get(&key).cloned().filter(|_| self.brought.insert(key.clone())) else {
                continue;
            };
            for (name, file, line) in required {
                let place = Place { file: file.clone(), line: *line };
                let fails = used.fails.is_some().then(|| place.clone());
                let needed = Used { places: vec![place], optional: used.optional, fails, attached: false };
                let key = (key.0, name.clone());
                self.uses.entry(key.clone()).or_insert_with(Used::never).add(&needed);
                queue.push(key);
            }
        }
        self.uses.values_mut().for_each(Used::tidy);
        self
    }

    /// Findings about the handlers in a tree with these packages: used packages that are not installed, and uses that cannot
    /// be determined.
    pub(crate) fn findings(&self, packages: &Packages, tree: &Tree) -> Vec<Finding> {
        let mut findings = self.not_installed(packages, tree);
        findings.extend(self.not_followed(packages, tree));
        findings
    }

    /// The packages of a tree that the sources use, by position; those that are only loaded with others have no places.
    pub(crate) fn used_packages(&self, packages: &Packages, tree: &Tree) -> BTreeMap<usize, Used> {
        let mut by_position: BTreeMap<usize, Used> = BTreeMap::new();
        for (_, used, gets) in self.gets(packages, tree) {
            if let Gets::Packages(positions) = gets {
                for position in positions {
                    by_position.entry(position).or_insert_with(Used::never).add(used);
                }
            }
        }
        for id in &self.languages {
            for position in language(*id).loads_undeclared(packages, tree, &self.names_of(*id)) {
                by_position.entry(position).or_insert_with(Used::never);
            }
        }
        by_position.values_mut().for_each(Used::tidy);
        by_position
    }

    /// The names that the sources of a language use.
    fn names_of(&self, id: LanguageId) -> BTreeSet<&str> {
        self.uses.keys().filter(|(of, _)| *of == id).map(|(_, name)| name.as_str()).collect()
    }

    /// Each use, with what it gets in a tree.
    fn gets<'a>(&'a self, packages: &Packages, tree: &Tree) -> Vec<(LanguageId, &'a Used, Gets)> {
        let of_language = |id: &LanguageId| {
            let names = self.names_of(*id);
            let gets = language(*id).gets(packages, tree, &names);
            let uses = names.into_iter().filter_map(|name| self.uses.get(&(*id, name.to_owned()))).zip(gets);
            uses.map(|(used, gets)| (*id, used, gets)).collect::<Vec<_>>()
        };
        self.languages.iter().flat_map(of_language).collect()
    }

    /// Makes warnings that functions of a package fail without another one errors where the sources call such a function themselves:
    /// not where only another function of the package may lead to it. `used` are the packages that they use.
    pub(crate) fn raise_called(
        &self,
        used: &BTreeMap<usize, Used>,
        packages: &Packages,
        calls: &CodeCalls,
        findings: &mut [Finding],
    ) {
        for (position, used) in used {
            let package = packages.get(*position);
            let Some(of_package) = calls.of(package) else { continue };
            let subject = Subject::package(&package.name);
            let place = |function: &String, attached: bool| {
                let home = if attached { String::new() } else { package.name.clone() };
                self.calls.get(&(package.language, home, function.clone()))
            };
            for finding in findings.iter_mut() {
                let lacking = finding.cause.as_ref().filter(|_| {
                    finding.code == Code::MissingPackage
                        && finding.severity == Severity::Warning
                        && finding.subject == subject
                });
                let is_of_calls = |required: &Requirement, lacking: &String| {
                    required.for_what == RequiredFor::Calls && required.package == *lacking
                };
                let lacking = lacking.filter(|lacking| package.requires.iter().any(|one| is_of_calls(one, lacking)));
                let callers = lacking.and_then(|lacking| of_package.callers.get(lacking));
                let called = callers.into_iter().flatten().find_map(|function| {
                    let place = place(function, false).or_else(|| place(function, true).filter(|_| used.attached))?;
                    Some((function, place))
                });
                if let Some((function, place)) = called {
                    let function = language(package.language).function(&package.name, function);
                    finding.severity = Severity::Error;
                    finding.message =
                        format!("{}, and {place} calls {function}, which is one of them", finding.message);
                }
            }
        }
    }

    /// Whether the function's own bootstrap names a library of the tree, other than in a comment.
    fn bootstrap_names(&self, library: &str) -> bool {
        let path = format!("/opt/{library}");
        let is_end = |rest: &str| {
            !rest.trim_start_matches('/').starts_with(|c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '-'))
        };
        let names = |line: &str| line.match_indices(&path).any(|(at, _)| is_end(&line[at + path.len()..]));
        let lines = self.bootstraps.iter().flat_map(|text| text.lines());
        lines.filter(|line| !line.trim_start().starts_with('#')).any(names)
    }

    /// Makes findings about libraries that are not searched errors where a handler uses a package, or one that it requires,
    /// that is in no other library. There is no finding where a handler adds the library itself, or the function's own bootstrap
    /// names it, which Lambda runs instead of the tree's, and only a remark where what
    /// it adds is not certain.
    pub(crate) fn raise_not_searched(&self, packages: &Packages, findings: &mut Vec<Finding>) {
        let is_not_searched =
            |finding: &&Finding| finding.code == Code::LibraryNotSearched && finding.severity != Severity::Info;
        let added = |finding: &Finding| {
            let library = finding.subject.path().map(|library| format!("/opt/{library}"));
            library.is_some_and(|library| self.libraries.iter().any(|added| added.trim_end_matches('/') == library))
        };
        let named = |finding: &Finding| finding.subject.path().is_some_and(|library| self.bootstrap_names(library));
        findings.retain(|finding| !(finding.code == Code::LibraryNotSearched && (added(finding) || named(finding))));
        if let Some(place) = &self.libraries_unknown {
            for finding in findings.iter_mut().filter(|finding| is_not_searched(&&**finding)) {
                finding.severity = Severity::Info;
                finding.message = format!("{}, unless {place} adds it: its path is computed there", finding.message);
            }
            return;
        }
        let libraries = findings.iter().filter(is_not_searched).filter_map(|finding| finding.subject.path());
        let not_searched: BTreeSet<String> = libraries.map(str::to_owned).collect();
        // The libraries that no session finds a used package in, each with the first use.
        let mut needed: BTreeMap<String, (&Place, &str)> = BTreeMap::new();
        for ((id, name), used) in &self.uses {
            let Some(place) = &used.fails else { continue };
            let (mut seen, mut queue) = (BTreeSet::from([name.as_str()]), vec![name.as_str()]);
            while let Some(name) = queue.pop() {
                let copies: Vec<_> = packages.copies(*id, name).map(|position| packages.get(position)).collect();
                if copies.iter().all(|copy| not_searched.contains(&copy.library.to_string())) {
                    for copy in &copies {
                        needed.entry(copy.library.to_string()).or_insert((place, name));
                    }
                }
                let required = copies.iter().flat_map(|copy| &copy.requires).map(|required| required.package.as_str());
                queue.extend(required.filter(|name| seen.insert(name)));
            }
        }
        for finding in findings.iter_mut().filter(|finding| is_not_searched(&&**finding)) {
            let Some((place, name)) = finding.subject.path().and_then(|library| needed.get(library)) else { continue };
            finding.severity = Severity::Error;
            finding.message = format!("{}; {place} needs {name} from it", finding.message);
        }
    }

    fn not_installed(&self, packages: &Packages, tree: &Tree) -> Vec<Finding> {
        // By name, with why it is not there, and the remedy if that is not to install it.
        type Absent = (LanguageId, String, String, String);
        let mut absent: BTreeMap<Absent, Used> = BTreeMap::new();
        for (id, used, gets) in self.gets(packages, tree) {
            let key = match gets {
                Gets::Nothing { name, .. } if self.brought.contains(&(id, name.clone())) => continue,
                Gets::Nothing { name, install } => {
                    (id, name, "which is not in the tree".to_owned(), format!("install {install} into the tree"))
                }
                Gets::Missing { name, why, help } => (id, name, why, help),
                _ => continue,
            };
            absent.entry(key).or_insert_with(Used::never).add(used);
        }
        let finding = |((id, name, why, help), mut used): (Absent, Used)| {
            used.tidy();
            let first = used.fails.as_ref().or(used.places.first())?;
            let more = match used.places.len() - 1 {
                0 => String::new(),
                more => format!(" (and {})", plural(more, "more line", "more lines")),
            };
            let own = self.own_source(&name, &used);
            let (severity, without) = match (&used.fails, used.optional) {
                (Some(_), _) if own.is_some() => (Severity::Warning, ""),
                (Some(_), _) => (Severity::Error, ""),
                (None, false) => (Severity::Warning, "; the line does not fail without it, but what it is for does"),
                (None, true) => (Severity::Info, ", but works without it"),
            };
            let of = language(id);
            let help = match own {
                Some(file) => {
                    format!("if the line means {file}, which the function has, hide this finding; else {help}")
                }
                None => help,
            };
            Some(Finding::new(
                severity,
                Code::HandlerPackageMissing,
                Subject::file(&first.file),
                format!("line {} uses the {} {} {name}{more}, {why}{without}", first.line, of.name(), of.kind_of_use()),
                help,
            ))
        };
        absent.into_iter().filter_map(finding).collect()
    }

    /// The function's own source that may be the module of this name: code can add its directory to those that are searched.
    fn own_source(&self, module: &str, used: &Used) -> Option<&str> {
        let path = PathBuf::from(module.replace('.', "/"));
        let is_called = |file: &Path| {
            file.with_extension("").ends_with(&path) || file.parent().is_some_and(|parent| parent.ends_with(&path))
        };
        let others = self.files.iter().filter(|file| used.places.iter().all(|place| place.file != **file));
        others.map(String::as_str).find(|file| is_called(Path::new(file)))
    }

    fn not_followed(&self, packages: &Packages, tree: &Tree) -> Vec<Finding> {
        let uncertain = self.gets(packages, tree).into_iter().filter_map(|(_, used, gets)| match gets {
            Gets::Unknown { what, why } => {
                Some(DynamicUse { place: used.places.first()?.clone(), what, why: why.to_owned() })
            }
            _ => None,
        });
        let uncertain: Vec<DynamicUse> = uncertain.collect();
        let mut by_file: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for DynamicUse { place, what, why } in self.dynamic.iter().chain(&uncertain) {
            let line = format!("line {}: {} ({why})", place.line, printable(what.as_bytes()));
            by_file.entry(&place.file).or_default().push(line);
        }
        let finding = |(file, lines): (&str, Vec<String>)| {
            Finding::warning(
                Code::HandlerNotFollowed,
                Subject::file(file),
                format!(
                    "some packages that it uses are known only at run time: {}",
                    list::some_parts(&lines, MAX_LINES)
                ),
                "keep the packages that these lines use with --keep pkg:NAME",
            )
        };
        by_file.into_iter().map(finding).collect()
    }
}
