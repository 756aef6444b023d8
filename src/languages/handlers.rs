//! Handlers: which packages the function's own sources use. They are outside the tree, in the function's code, and are
//! parsed but never run; other files that they read as code are parsed too, if they exist.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use walkdir::WalkDir;

use super::id::LanguageId;
use super::language::{Gets, Language};
use super::packages::Packages;
use super::registry::{ALL, language};
use super::source::{Follow, Followed, From, Use};
use crate::base::bytes::plural;
use crate::base::error::{Error, Result};
use crate::base::finding::{Code, Finding, Severity, Subject};
use crate::base::list;
use crate::base::path::printable;
use crate::base::read;
use crate::tree::Tree;

/// Directories of a project without code of the function: version control, installed packages, and what tools for
/// deployment and tests write.
const NOT_ENTERED: &[&str] = &[
    ".git",
    ".svn",
    ".hg",
    ".Rproj.user",
    "renv",
    "packrat",
    "node_modules",
    ".venv",
    "venv",
    "site-packages",
    "__pycache__",
    ".tox",
    ".nox",
    ".aws-sam",
    ".serverless",
    "cdk.out",
    ".terraform",
];

/// The maximum number of sources: no function has as many.
const MAX_FILES: usize = 10_000;

/// How many lines a message lists.
const MAX_LINES: usize = 5;

/// A file whose name is not a source's is only checked for a shebang when it is at most this long, in bytes.
const MAX_UNNAMED_BYTES: u64 = 256 << 10;

/// A position in a source.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The file, as named or as found below a named directory.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// A package that the sources use.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Used {
    /// Where it is used, in order.
    pub places: Vec<Place>,
    /// Whether every use works without it.
    pub optional: bool,
    /// The first place that fails without it.
    pub fails: Option<Place>,
    /// Whether a use attaches it.
    pub attached: bool,
}

impl Used {
    /// What is not used yet.
    fn never() -> Self {
        Self { places: Vec::new(), optional: true, fails: None, attached: false }
    }

    fn add(&mut self, other: &Self) {
        self.places.extend(other.places.iter().cloned());
        self.optional &= other.optional;
        self.attached |= other.attached;
        // The first of both, if both have one.
        self.fails = self.fails.take().into_iter().chain(other.fails.clone()).min();
    }

    fn tidy(&mut self) {
        self.places.sort();
        self.places.dedup();
    }
}

/// Something in a source that decides which packages are used, and cannot be determined statically.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct DynamicUse {
    /// Where it is.
    pub place: Place,
    /// Its source text.
    pub what: String,
    /// Why it cannot be followed.
    pub why: String,
}

/// What the sources of a function use.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Handlers {
    /// The sources that were read, in order.
    pub files: Vec<String>,
    /// The languages they are written in.
    pub languages: BTreeSet<LanguageId>,
    /// What they use, by language and name as in [`super::Use::package`].
    pub uses: BTreeMap<(LanguageId, String), Used>,
    /// What decides which packages are used and cannot be determined statically.
    pub dynamic: Vec<DynamicUse>,
    /// The directories, as absolute paths in Lambda, that they add to those where packages are searched.
    pub libraries: BTreeSet<String>,
    /// Where one of them adds a directory whose path is not certain.
    pub libraries_unknown: Option<Place>,
    /// The names in their code, by language: those of the functions that they call are among them.
    pub names: BTreeSet<(LanguageId, String)>,
    /// The data of packages that they name, by language; `None` where that cannot be determined statically.
    pub data: BTreeMap<LanguageId, Option<BTreeSet<String>>>,
    /// The character sets that they name for conversions by the C library, each with the first place that does.
    pub charsets: BTreeMap<String, Place>,
    /// The bootstraps in the function's own code, as texts: they can set where packages are searched.
    bootstraps: Vec<String>,
}

impl Handlers {
    /// Reads handlers: source files, and directories with all sources below them.
    ///
    /// # Errors
    /// When one of them does not exist, cannot be read or is not a source, or a directory contains no source.
    pub fn read(named: &[PathBuf]) -> Result<Self> {
        let mut reading = Reading { handlers: Self::default(), queue: Vec::new(), seen: BTreeSet::new() };
        for path in named {
            reading.add(path)?;
        }
        while let Some(next) = reading.queue.pop() {
            reading.read(&next)?;
        }
        let Reading { mut handlers, .. } = reading;
        handlers.files.sort();
        handlers.dynamic.sort();
        handlers.dynamic.dedup();
        handlers.uses.values_mut().for_each(Used::tidy);
        Ok(handlers)
    }
}

impl Handlers {
    /// Findings about the handlers in a tree with these packages: used packages that are not installed, and uses that cannot
    /// be determined.
    pub(crate) fn findings(&self, packages: &Packages, tree: &Tree) -> Vec<Finding> {
        let mut findings = self.not_installed(packages, tree);
        findings.extend(self.not_followed());
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
        let mut absent: BTreeMap<(LanguageId, String, String), Used> = BTreeMap::new();
        for (id, used, gets) in self.gets(packages, tree) {
            if let Gets::Nothing { name, install } = gets {
                absent.entry((id, name, install)).or_insert_with(Used::never).add(used);
            }
        }
        let finding = |((id, name, install), mut used): ((LanguageId, String, String), Used)| {
            used.tidy();
            let first = used.fails.as_ref().or(used.places.first())?;
            let more = match used.places.len() - 1 {
                0 => String::new(),
                more => format!(" (and {})", plural(more, "more line", "more lines")),
            };
            let (severity, without) = match (&used.fails, used.optional) {
                (Some(_), _) => (Severity::Error, ""),
                (None, false) => (Severity::Warning, "; the line does not fail without it, but what it is for does"),
                (None, true) => (Severity::Info, ", but works without it"),
            };
            let of = language(id);
            Some(Finding::new(
                severity,
                Code::HandlerPackageMissing,
                Subject::file(&first.file),
                format!(
                    "line {} uses the {} {} {name}{more}, which is not in the tree{without}",
                    first.line,
                    of.name(),
                    of.kind_of_use()
                ),
                format!("install {install} into the tree"),
            ))
        };
        absent.into_iter().filter_map(finding).collect()
    }

    fn not_followed(&self) -> Vec<Finding> {
        let mut by_file: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for DynamicUse { place, what, why } in &self.dynamic {
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

/// A file to be read, and the function's working directory.
struct ToRead {
    file: PathBuf,
    root: PathBuf,
    followed: Option<Followed>,
    /// Whether it was named on the command line, so that it must be a source.
    named: bool,
}

struct Reading {
    handlers: Handlers,
    queue: Vec<ToRead>,
    seen: BTreeSet<PathBuf>,
}

impl Reading {
    fn add(&mut self, path: &Path) -> Result<()> {
        let metadata = std::fs::metadata(path).map_err(Error::io("read", path))?;
        let directory = if metadata.is_dir() { path } else { path.parent().unwrap_or(Path::new("")) };
        let bootstrap = directory.join("bootstrap");
        let is_short =
            std::fs::metadata(&bootstrap).is_ok_and(|file| file.is_file() && file.len() <= MAX_UNNAMED_BYTES);
        if let Some(text) = is_short.then(|| read::up_to(&bootstrap, MAX_UNNAMED_BYTES).ok()).flatten() {
            self.handlers.bootstraps.push(String::from_utf8_lossy(&text).into_owned());
        }
        if !metadata.is_dir() {
            let root = path.parent().unwrap_or(Path::new("")).to_owned();
            self.push(ToRead { file: path.to_owned(), root, followed: None, named: true });
            return Ok(());
        }
        let enters = |entry: &walkdir::DirEntry| {
            let is_left_out = NOT_ENTERED.iter().any(|name| entry.file_name() == *name);
            entry.depth() == 0 || !(entry.file_type().is_dir() && is_left_out)
        };
        let before = self.queue.len();
        for entry in WalkDir::new(path).sort_by_file_name().into_iter().filter_entry(enters) {
            let entry = entry.map_err(|error| {
                let at = error.path().unwrap_or(path).to_owned();
                Error::io("read", at)(error.into())
            })?;
            let name = entry.file_name().to_string_lossy();
            // A file without an extension can be a script by its first line, which is checked when it is read.
            let below = entry.path().strip_prefix(path).unwrap_or(entry.path());
            if entry.file_type().is_file() && (is_source(below, &name) || !name.contains('.')) {
                let file = entry.path().to_owned();
                self.push(ToRead { file, root: path.to_owned(), followed: None, named: false });
            }
            if self.queue.len() > MAX_FILES {
                return Err(usage(path, "has more than 10,000 files", "name the directory of one function"));
            }
        }
        if self.queue.len() == before {
            return Err(usage(
                path,
                "contains no source",
                "name the function's script, or the directory that contains it",
            ));
        }
        Ok(())
    }

    fn push(&mut self, next: ToRead) {
        // What is read of one source after another has a bound, too.
        if self.seen.len() < 2 * MAX_FILES && self.seen.insert(next.file.clone()) {
            self.queue.push(next);
        }
    }

    fn read(&mut self, next: &ToRead) -> Result<()> {
        let path = &next.file;
        let length = std::fs::metadata(path).map_err(Error::io("read", path))?.len();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        // A long file whose name is not a source's is not read.
        let as_code = next.followed == Some(Followed::Code);
        let may_be_source = as_code || is_source_name(&name) || length <= MAX_UNNAMED_BYTES;
        let bytes = if may_be_source { read::bytes(path, read::MAX_TEXT)? } else { Vec::new() };
        let read =
            |language: &&'static dyn Language| Some((language.id(), language.source(&name, &bytes, next.followed)?));
        let Some((id, source)) = ALL.iter().find_map(read).filter(|_| may_be_source) else {
            return if next.named {
                let examples: Vec<&str> = ALL.iter().rev().map(|language| language.example_sources()).collect();
                let help = format!("name {}", list::with_last(&examples, "or"));
                Err(usage(path, "is not a source that layerfit can read", &help))
            } else {
                Ok(())
            };
        };
        let shown = path.display().to_string();
        let source = source.map_err(|why| Error::Data {
            file: shown.clone(),
            message: why,
            help: "fix it, or name the function's other sources individually".to_owned(),
        })?;
        self.handlers.files.push(shown.clone());
        self.handlers.languages.insert(id);
        let place = |line: usize| Place { file: shown.clone(), line };
        for used in source.uses {
            let place = place(used.line);
            self.uses(id, used, place);
        }
        self.handlers.libraries.extend(source.libraries);
        if let Some(line) = source.libraries_unknown {
            self.handlers.libraries_unknown.get_or_insert(place(line));
        }
        for (name, line) in source.charsets {
            let first = self.handlers.charsets.entry(name).or_insert_with(|| place(line));
            *first = place(line).min(first.clone());
        }
        let data = self.handlers.data.entry(id).or_insert_with(|| Some(BTreeSet::new()));
        *data =
            data.take().filter(|_| !source.names_more_data).map(|data| data.into_iter().chain(source.data).collect());
        self.handlers.names.extend(source.names.into_iter().map(|name| (id, name)));
        // What a runtime client runs is read by itself.
        let own = language(id).is_runtime_client(&bytes);
        for dynamic in source.dynamic.into_iter().filter(|_| !own) {
            let (place, why) = (place(dynamic.line), dynamic.why.to_owned());
            self.handlers.dynamic.push(DynamicUse { place, what: dynamic.what, why });
        }
        for follow in source.follows {
            let exist = follow.paths.iter().filter(|path| self.follow(path, &follow, next)).count();
            match (exist, follow.otherwise) {
                (0, Some(package)) => {
                    let (line, optional) = (follow.line, follow.optional);
                    self.uses(id, Use { line, package, optional, continues: false, attaches: false }, place(line));
                }
                (0, None) if !follow.optional => {
                    let why = "the file was not found, so the packages that it uses are not known".to_owned();
                    let what = follow.paths.into_iter().next().unwrap_or_default();
                    self.handlers.dynamic.push(DynamicUse { place: place(follow.line), what, why });
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn uses(&mut self, id: LanguageId, used: Use, place: Place) {
        let Use { package, optional, continues, attaches, .. } = used;
        let fails = (!optional && !continues).then(|| place.clone());
        let used = Used { places: vec![place], optional, fails, attached: attaches && !optional };
        self.handlers.uses.entry((id, package)).or_insert_with(Used::never).add(&used);
    }

    /// Adds a file that another one reads; returns whether it exists.
    fn follow(&mut self, path: &str, follow: &Follow, by: &ToRead) -> bool {
        let beside = by.file.parent().unwrap_or(Path::new(""));
        let written = Path::new(path);
        let bases: Vec<PathBuf> = match (written.strip_prefix("/var/task"), follow.from) {
            (Ok(inside), _) => vec![by.root.join(inside)],
            (Err(_), _) if written.is_absolute() => return false,
            (Err(_), From::WorkingDirectory) => {
                // A module of the package that the named file is in: `app.util` beside `app/main.py`, `src.lib` of
                // `src/handlers/app.py`.
                let is_named = |above: &&Path| above.file_name().is_some_and(|name| written.starts_with(name));
                let package = by.root.ancestors().find(is_named).filter(|_| follow.otherwise.is_some());
                let above = package.and_then(Path::parent);
                [Some(by.root.as_path()), Some(beside), above]
                    .into_iter()
                    .flatten()
                    .map(|base| base.join(written))
                    .collect()
            }
            (Err(_), From::Source) => vec![beside.join(written)],
        };
        for base in bases {
            for ending in follow.endings {
                let mut path = base.as_os_str().to_owned();
                path.push(ending);
                let file = tidy(Path::new(&path));
                if file.is_file() {
                    let (root, followed) = (by.root.clone(), Some(follow.followed));
                    self.push(ToRead { file, root, followed, named: false });
                    return true;
                }
            }
        }
        false
    }
}

/// The path without `.` and `..`, so that each file is read once.
fn tidy(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if matches!(out.components().next_back(), Some(Component::Normal(_))) => {
                out.pop();
            }
            part => out.push(part),
        }
    }
    out
}

/// Whether a file below a named directory may be code of the function, judged by its path.
fn is_source(below: &Path, name: &str) -> bool {
    ALL.iter().any(|language| language.is_source_name(name) && !language.is_beside_code(below))
}

/// Whether a file may be a source of some language, judged by its name.
fn is_source_name(name: &str) -> bool {
    ALL.iter().any(|language| language.is_source_name(name))
}

fn usage(path: &Path, what: &str, help: &str) -> Error {
    Error::Usage { message: format!("--handler {}: {what}", path.display()), help: help.to_owned() }
}
