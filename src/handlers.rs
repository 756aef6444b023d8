//! Handlers: which packages the function's own sources use. They lie beside the tree, in the function's code, and are read
//! and never run; other files that they read as code are read too, when they are there.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use walkdir::WalkDir;

use crate::error::{Error, Result};
use crate::finding::{Code, Finding, Severity};
use crate::formats::r_source::{Follow, Kind, MAX_BYTES, Reads, Source};
use crate::path::printable;
use crate::resolve::RLayout;

/// Directories of a project that hold no code of the function: version control, and libraries that renv and packrat keep.
const NOT_ENTERED: &[&str] = &[".git", ".svn", ".hg", ".Rproj.user", "renv", "packrat", "node_modules"];

/// More sources than this are no function's.
const MOST_FILES: usize = 10_000;

/// How many lines a message lists.
const LINES_SHOWN: usize = 5;

/// Where something is written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The file, as it was named or found below what was named.
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
    /// Where, in order.
    pub places: Vec<Place>,
    /// Whether the sources cope without it everywhere.
    pub optional: bool,
}

/// What the sources of a function say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Handlers {
    /// The sources that were read, in order.
    pub files: Vec<String>,
    /// The packages they use, by name.
    pub packages: BTreeMap<String, Used>,
    /// What decides which packages are used and cannot be read off a source: where, what is written there, and why.
    pub unseen: Vec<(Place, String, String)>,
}

impl Handlers {
    /// Reads handlers: files, and directories with everything below them that is an R source.
    ///
    /// # Errors
    /// When one of them is not there, cannot be read, is no R source, or a directory has none.
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
        handlers.unseen.sort();
        handlers.unseen.dedup();
        for used in handlers.packages.values_mut() {
            used.places.sort();
            used.places.dedup();
        }
        Ok(handlers)
    }
}

impl Handlers {
    /// What there is to say of them, in a tree with these packages: what is used and not there, what could not be followed,
    /// and what kept packages suggest of those that were left out.
    pub(crate) fn findings(&self, r: &RLayout) -> Vec<Finding> {
        let mut findings = Vec::new();
        for (package, used) in self.packages.iter().filter(|(name, _)| r.find_package(name).next().is_none()) {
            let Some(first) = used.places.first() else { continue };
            let more = if used.places.len() > 1 {
                format!(" (and {} more lines)", used.places.len() - 1)
            } else {
                String::new()
            };
            let copes = if used.optional { ", but copes without it" } else { "" };
            findings.push(Finding {
                severity: if used.optional { Severity::Info } else { Severity::Error },
                code: Code::HandlerPackageMissing,
                subject: first.file.clone(),
                message: format!("line {} uses the package {package}{more}, which no library has{copes}", first.line),
                help: format!("install {package} into the tree"),
            });
        }
        let mut by_file: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for (place, what, why) in &self.unseen {
            by_file.entry(&place.file).or_default().push(format!(
                "line {}: {} ({why})",
                place.line,
                printable(what.as_bytes())
            ));
        }
        findings.extend(by_file.into_iter().map(|(file, lines)| {
            let more = if lines.len() > LINES_SHOWN {
                format!("; and {} more", lines.len() - LINES_SHOWN)
            } else {
                String::new()
            };
            Finding::warning(
                Code::HandlerNotFollowed,
                file,
                format!("decides at run time what it uses: {}{more}", lines[..lines.len().min(LINES_SHOWN)].join("; ")),
                "name the packages that these lines use with --keep pkg:NAME",
            )
        }));
        let mut suggested: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for package in &r.packages {
            for suggests in package.description.suggests.iter().filter(|s| r.left_out.packages.contains_key(&s.package))
            {
                suggested.entry(&suggests.package).or_default().push(package.name());
            }
        }
        if !suggested.is_empty() {
            let parts: Vec<String> =
                suggested.iter().map(|(name, by)| format!("{name} (by {})", by.join(", "))).collect();
            findings.push(Finding::info(
                Code::SuggestedAndDropped,
                "packages",
                format!("no handler uses these, and kept packages suggest them: {}", parts.join("; ")),
                "--keep pkg:NAME for one that the function makes them load",
            ));
        }
        findings
    }
}

/// A file to be read, and the directory that the function will work in.
struct ToRead {
    file: PathBuf,
    root: PathBuf,
    kind: Option<Kind>,
    /// Whether somebody named it, so that it must be a source.
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
        if !metadata.is_dir() {
            let root = path.parent().unwrap_or(Path::new("")).to_owned();
            self.push(ToRead { file: path.to_owned(), root, kind: None, named: true });
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
            // A file without an ending can be a script by its first line, which is looked at when it is read.
            if entry.file_type().is_file() && (Kind::of(&name, b"").is_some() || !name.contains('.')) {
                let file = entry.path().to_owned();
                self.push(ToRead { file, root: path.to_owned(), kind: None, named: false });
            }
            if self.queue.len() > MOST_FILES {
                return Err(usage(path, "has more than 10,000 files", "name the directory of one function"));
            }
        }
        if self.queue.len() == before {
            return Err(usage(path, "has no R source in it", "name the function's script, or the directory it is in"));
        }
        Ok(())
    }

    fn push(&mut self, next: ToRead) {
        if self.seen.insert(next.file.clone()) {
            self.queue.push(next);
        }
    }

    fn read(&mut self, next: &ToRead) -> Result<()> {
        let path = &next.file;
        let length = std::fs::metadata(path).map_err(Error::io("read", path))?.len();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let by_name = next.kind.or_else(|| Kind::of(&name, b""));
        // What is no source by its name is not read whole when it is long.
        if by_name.is_none() && length > MAX_BYTES as u64 {
            return if next.named {
                Err(usage(path, "is no R source", "name an .R, .Rmd or .qmd file"))
            } else {
                Ok(())
            };
        }
        let bytes = std::fs::read(path).map_err(Error::io("read", path))?;
        let Some(kind) = by_name.or_else(|| Kind::of(&name, &bytes)) else {
            return if next.named {
                Err(usage(path, "is no R source", "name an .R, .Rmd or .qmd file"))
            } else {
                Ok(())
            };
        };
        let shown = path.display().to_string();
        let source = Source::parse(kind, &bytes).map_err(|why| Error::Data {
            file: shown.clone(),
            message: why,
            help: "correct it, or name the function's other sources one by one".to_owned(),
        })?;
        self.handlers.files.push(shown.clone());
        let place = |line: usize| Place { file: shown.clone(), line };
        for used in source.uses {
            let known =
                self.handlers.packages.entry(used.package).or_insert(Used { places: Vec::new(), optional: true });
            known.places.push(place(used.line));
            known.optional &= used.optional;
        }
        for unseen in source.unseen {
            self.handlers.unseen.push((place(unseen.line), unseen.what, unseen.why.to_owned()));
        }
        for follow in source.follows {
            if !self.follow(&follow, next) && !follow.optional {
                let why = "the file is not beside the handler, so what it uses is not known".to_owned();
                self.handlers.unseen.push((place(follow.line), follow.path, why));
            }
        }
        Ok(())
    }

    /// Adds a file that another one reads; says whether it is there.
    fn follow(&mut self, follow: &Follow, by: &ToRead) -> bool {
        let beside = by.file.parent().unwrap_or(Path::new(""));
        let written = Path::new(&follow.path);
        let bases: Vec<PathBuf> = match written.strip_prefix("/var/task") {
            Ok(inside) => vec![by.root.join(inside)],
            Err(_) if written.is_absolute() => return false,
            Err(_) => vec![by.root.join(written), beside.join(written)],
        };
        let endings: &[&str] = match follow.reads {
            Reads::Module => &[".R", ".r", "/__init__.R", "/__init__.r"],
            Reads::Script | Reads::Document => &[""],
        };
        let kind = match follow.reads {
            Reads::Document => None,
            Reads::Script | Reads::Module => Some(Kind::Script),
        };
        for base in bases {
            for ending in endings {
                let mut path = base.as_os_str().to_owned();
                path.push(ending);
                let file = tidy(Path::new(&path));
                if file.is_file() {
                    self.push(ToRead { file, root: by.root.clone(), kind, named: false });
                    return true;
                }
            }
        }
        false
    }
}

/// The path without `.` and with each `..` taken back: the same file is read once.
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

fn usage(path: &Path, what: &str, help: &str) -> Error {
    Error::Usage { message: format!("--handler {}: {what}", path.display()), help: help.to_owned() }
}
