//! Handlers: which packages the function's own sources use. They are outside the tree, in the function's code, and are
//! parsed but never run; other files that they read as code are parsed too, if they exist.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use walkdir::WalkDir;

use super::id::LanguageId;
use super::language::Language;
use super::own_libraries::{self, OwnLibrary};
use super::registry::{ALL, language};
use super::source::{Follow, Followed, From, Use};
use crate::base::error::{Error, Result};
use crate::base::{list, read};

/// Directories of a project without code of the function: version control, installed packages, and what tools for
/// deployment and tests write.
pub(crate) const NOT_ENTERED: &[&str] = &[
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
    pub(super) fn never() -> Self {
        Self { places: Vec::new(), optional: true, fails: None, attached: false }
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.places.extend(other.places.iter().cloned());
        self.optional &= other.optional;
        self.attached |= other.attached;
        // The first of both, if both have one.
        self.fails = self.fails.take().into_iter().chain(other.fails.clone()).min();
    }

    pub(super) fn tidy(&mut self) {
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
    /// The functions of packages that they call for certain, by language, package and name, each with the first place that does. The
    /// package is empty for a function of any package that is attached.
    pub calls: BTreeMap<(LanguageId, String, String), Place>,
    /// The data of packages that they name, by language; `None` where that cannot be determined statically.
    pub data: BTreeMap<LanguageId, Option<BTreeSet<String>>>,
    /// The character sets that they name for conversions by the C library, each with the first place that does.
    pub charsets: BTreeMap<String, Place>,
    /// The bootstraps in the function's own code, and its .Renviron, as texts: they can set where packages are searched.
    pub(super) bootstraps: Vec<String>,
    /// The libraries in the function's own code.
    pub(super) own: Vec<OwnLibrary>,
    /// The packages of these that code finds, which are not missing in the tree.
    pub(super) brought: BTreeSet<(LanguageId, String)>,
}

impl Handlers {
    /// Reads handlers: source files, and directories with all sources below them.
    ///
    /// # Errors
    /// When one of them does not exist, cannot be read or is not a source, or a directory contains no source.
    pub fn read(named: &[PathBuf]) -> Result<Self> {
        let mut reading = Reading {
            handlers: Self::default(),
            queue: Vec::new(),
            seen: BTreeSet::new(),
            own_names: BTreeSet::new(),
            roots: BTreeSet::new(),
            libraries: BTreeSet::new(),
        };
        for path in named {
            reading.add(path)?;
        }
        while let Some(next) = reading.queue.pop() {
            reading.read(&next)?;
        }
        let Reading { mut handlers, own_names, roots, mut libraries, .. } = reading;
        // What code adds is not below the files that were named.
        let added = |path: &String| path.strip_prefix("/var/task/").unwrap_or(path).trim_start_matches("./").to_owned();
        let added = handlers.libraries.iter().map(added).filter(|path| !path.starts_with('/'));
        libraries.extend(added.flat_map(|path| roots.iter().map(move |root| (root.clone(), root.join(&path)))));
        handlers.own = libraries.iter().flat_map(|(root, library)| own_libraries::read(root, library)).collect();
        handlers.uses.retain(|used, _| !own_names.contains(used));
        if let Some(path) = named.first().filter(|_| handlers.languages.is_empty()) {
            return Err(no_source(path));
        }
        handlers.files.sort();
        handlers.files.dedup();
        handlers.dynamic.sort();
        handlers.dynamic.dedup();
        handlers.uses.values_mut().for_each(Used::tidy);
        Ok(handlers)
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

impl ToRead {
    /// Whether the file is read for something else than as code that is loaded, which it can be as well.
    fn is_special(&self) -> bool {
        matches!(self.followed, Some(Followed::Program | Followed::Configuration | Followed::Pickled))
    }
}

struct Reading {
    handlers: Handlers,
    queue: Vec<ToRead>,
    /// The files that were read, each with whether for something special.
    seen: BTreeSet<(PathBuf, bool)>,
    /// The names of packages that the function's own code is.
    own_names: BTreeSet<(LanguageId, String)>,
    /// The working directories of the function.
    roots: BTreeSet<PathBuf>,
    /// The directories with installed packages, each with the working directory.
    libraries: BTreeSet<(PathBuf, PathBuf)>,
}

impl Reading {
    fn add(&mut self, path: &Path) -> Result<()> {
        let metadata = std::fs::metadata(path).map_err(Error::io("read", path))?;
        let directory = if metadata.is_dir() { path } else { path.parent().unwrap_or(Path::new("")) };
        for name in ["bootstrap", ".Renviron"] {
            let script = directory.join(name);
            let is_short =
                std::fs::metadata(&script).is_ok_and(|file| file.is_file() && file.len() <= MAX_UNNAMED_BYTES);
            if let Some(text) = is_short.then(|| read::up_to(&script, MAX_UNNAMED_BYTES).ok()).flatten() {
                self.handlers.bootstraps.push(String::from_utf8_lossy(&text).into_owned());
            }
        }
        self.roots.insert(directory.to_owned());
        if !metadata.is_dir() {
            let root = path.parent().unwrap_or(Path::new("")).to_owned();
            let followed = self.if_started(&path.file_name().unwrap_or_default().to_string_lossy());
            self.push(ToRead { file: path.to_owned(), root, followed, named: true });
            return Ok(());
        }
        let mut libraries = BTreeSet::new();
        let enters = |entry: &walkdir::DirEntry| {
            if entry.depth() == 0 || !entry.file_type().is_dir() {
                return true;
            }
            if own_libraries::is_installed(entry.path()) {
                libraries.extend(entry.path().parent().map(|library| (path.to_owned(), library.to_owned())));
                return false;
            }
            !NOT_ENTERED.iter().any(|name| entry.file_name() == *name)
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
                self.push(ToRead { file, root: path.to_owned(), followed: self.if_started(&name), named: false });
            }
            if self.queue.len() > MAX_FILES {
                return Err(usage(path, "has more than 10,000 files", "name the directory of one function"));
            }
        }
        self.libraries.extend(libraries);
        if self.queue.len() == before {
            return Err(no_source(path));
        }
        Ok(())
    }

    /// How a file of this name is read: as a program, if the function's own bootstrap names it.
    fn if_started(&self, name: &str) -> Option<Followed> {
        let is_code = [".py", ".js", ".mjs", ".cjs"].iter().any(|ending| name.ends_with(ending));
        let is_named = is_code && self.handlers.bootstraps.iter().any(|text| text.contains(name));
        is_named.then_some(Followed::Program)
    }

    fn push(&mut self, next: ToRead) {
        // What is read of one source after another has a bound, too.
        if self.seen.len() < 2 * MAX_FILES && self.seen.insert((next.file.clone(), next.is_special())) {
            self.queue.push(next);
        }
    }

    fn read(&mut self, next: &ToRead) -> Result<()> {
        let path = &next.file;
        let length = std::fs::metadata(path).map_err(Error::io("read", path))?.len();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        // A long file whose name is not a source's is not read.
        let as_code = matches!(next.followed, Some(Followed::Code | Followed::Program | Followed::Configuration));
        let is_data = matches!(next.followed, Some(Followed::Objects | Followed::Pickled));
        if !next.named && next.followed.is_none() && length > read::MAX_TEXT {
            // No source is as long. What code reads of it is found by that.
            return Ok(());
        }
        if is_data && length > read::MAX_TEXT {
            let place = Place { file: path.display().to_string(), line: 1 };
            let why = "it is too long to be read".to_owned();
            self.handlers.dynamic.push(DynamicUse { place, what: "the saved objects".to_owned(), why });
            return Ok(());
        }
        let may_be_source = as_code || is_data || is_source_name(&name) || length <= MAX_UNNAMED_BYTES;
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
        if !source.only_declares {
            self.handlers.languages.insert(id);
        }
        let place = |line: usize| Place { file: shown.clone(), line };
        for used in source.uses {
            let place = place(used.line);
            self.uses(id, used, place);
        }
        self.own_names.extend(source.own_names.into_iter().map(|name| (id, name)));
        self.handlers.libraries.extend(source.libraries);
        if let Some(line) = source.libraries_unknown {
            self.handlers.libraries_unknown.get_or_insert(place(line));
        }
        for (name, line) in source.charsets {
            let first = self.handlers.charsets.entry(name).or_insert_with(|| place(line));
            *first = place(line).min(first.clone());
        }
        for ((package, function), line) in source.calls {
            let first = self.handlers.calls.entry((id, package, function)).or_insert_with(|| place(line));
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

fn no_source(path: &Path) -> Error {
    usage(path, "contains no source", "name the function's script, or the directory that contains it")
}

fn usage(path: &Path, what: &str, help: &str) -> Error {
    Error::Usage { message: format!("--handler {}: {what}", path.display()), help: help.to_owned() }
}
