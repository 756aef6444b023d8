//! Checks of whether the code and data of distributions are there as they were installed: what their RECORD lists and their code
//! imports or opens is in the tree, and is code.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::imports::Modules;
use super::names::{is_searched, module};
use super::uses::imported;
use crate::base::bytes::size;
use crate::base::finding::{Code, Finding};
use crate::base::list;
use crate::base::subject::Subject;
use crate::languages::{Package, Packages, conflicts};
use crate::tree::{EntryId, Tree};

/// The lengths that a pointer of Git LFS can have, in bytes: most have some 130.
const POINTER: Range<u64> = 50..300;

/// What a pointer of Git LFS is.
const IS_POINTER: &str = "is a pointer of Git LFS in place of the file";

/// How many names a message lists.
const MAX_NAMES: usize = 6;

/// Directories of what code opens only in its own tests and examples, or as sample data.
const SAMPLES: &[&str] =
    &["tests", "test", "testing", "datasets", "sample_data", "sampledata", "vega_datasets", "examples", "docs", "doc"];

/// Endings of what a compiler, type checker or nothing reads.
const NOT_OPENED: &[&str] =
    &["py", "pyc", "pyo", "pyi", "typed", "so", "pyx", "pxd", "pxi", "h", "hpp", "c", "cc", "cpp", "in"];

/// Findings about distributions, and which of them, by their METADATA, cannot be imported; and about modules of no distribution.
pub(super) fn check(
    packages: &Packages,
    tree: &Tree,
    there: &[&Package],
    kept: &dyn Fn(EntryId) -> bool,
) -> (BTreeSet<EntryId>, Vec<Finding>) {
    let modules = OnceCell::new();
    let modules = || modules.get_or_init(|| Modules::new(packages, tree));
    let (mut broken, mut findings) = (BTreeSet::new(), Vec::new());
    for package in there {
        if let Some(finding) = breaks_when_imported(tree, package, &modules) {
            broken.insert(package.entry);
            findings.push(finding);
        } else {
            findings.extend(incomplete(tree, package).or_else(|| without_data(tree, package)));
        }
    }
    findings.extend(own_modules(packages, tree, kept));
    (broken, findings)
}

/// A file in the dist-info of a package, as text; empty when there is none.
pub(super) fn declared(tree: &Tree, package: &Package, name: &str) -> String {
    let path = tree.path(package.entry).parent().and_then(|directory| directory.join(name));
    let text = path.and_then(|path| tree.read_text(tree.find(&path)?).ok()).unwrap_or_default();
    String::from_utf8_lossy(&text).into_owned()
}

/// A distribution that lacks modules of its RECORD without which it cannot be imported, or only in part: extension modules,
/// and the `__init__.py` of its packages. What slims distributions leaves these, but patterns such as `*.so` take them.
fn incomplete(tree: &Tree, package: &Package) -> Option<Finding> {
    let is_module = |path: &str| {
        let mut parts = path.split('/');
        let name = parts.next_back().unwrap_or_default();
        let is_extension = module(name.as_bytes()).is_some_and(|(_, tag)| tag.tagged && tag.fits(None));
        let is_test = parts.clone().any(|above| matches!(above, "tests" | "test" | "testing" | ".."));
        !is_test && (is_extension || name == "__init__.py" && parts.count() == 1)
    };
    let record = declared(tree, package, "RECORD");
    let listed = record.lines().filter_map(|line| line.split(',').next()).filter(|path| is_module(path));
    let missing: Vec<&str> =
        listed.filter(|path| package.library.join(path).is_some_and(|path| tree.find(&path).is_none())).collect();
    (!missing.is_empty()).then(|| {
        Finding::warning(
            Code::DamagedPackage,
            Subject::package(&package.name),
            format!(
                "{} {} is not complete: its RECORD lists {}, which {} not in the tree",
                package.name,
                package.version,
                list::some(&missing, MAX_NAMES),
                if missing.len() == 1 { "is" } else { "are" }
            ),
            format!("install it again: {}", install_again(package)),
        )
    })
}

/// The command that installs a distribution again, with everything in its wheel.
pub(super) fn install_again(package: &Package) -> String {
    format!("pip install --only-binary=:all: --target python {}", package.name)
}

/// What is wrong with a module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bad {
    /// It is not in the tree.
    Missing,
    /// It is a pointer of Git LFS in place of the file.
    Pointer,
    /// It has no content, and so many bytes in the RECORD.
    Empty(u64),
    /// It has a conflict of a merge that begins on this line.
    Conflict(usize),
}

/// A distribution that cannot be imported, as what its packages import when they are loaded is in its RECORD and not in the tree,
/// or is not the code that the RECORD has.
fn breaks_when_imported<'a>(tree: &Tree, package: &Package, modules: &dyn Fn() -> &'a Modules<'a>) -> Option<Finding> {
    let record = declared(tree, package, "RECORD");
    // Each with its length, if it has one: only the names of modules are of interest, which have no comma.
    let listed = record.lines().filter_map(|line| {
        let (path, rest) = line.split_once(',')?;
        Some((path, rest.rsplit(',').next().and_then(|bytes| bytes.trim().parse::<u64>().ok()).unwrap_or_default()))
    });
    let listed: Vec<(&str, u64)> = listed.filter(|(path, _)| !path.starts_with(['.', '/'])).collect();
    let found = |path: &str| package.library.join(path).and_then(|path| tree.find(&path));
    let name_of = |path: &str| {
        let (directory, name) = path.rsplit_once('/').unwrap_or(("", path));
        let name = module(name.as_bytes()).map(|(name, _)| name).or_else(|| name.strip_suffix(".py"))?;
        let parts = directory.split('/').chain([name]).filter(|part| !part.is_empty() && *part != "__init__");
        Some(parts.collect::<Vec<_>>().join("."))
    };
    let mut bad: BTreeMap<String, (&str, Bad)> = BTreeMap::new();
    for (path, bytes) in &listed {
        let why = match found(path) {
            None => Bad::Missing,
            Some(id) if !path.as_bytes().ends_with(b".py") || !tree.entry(id).is_file() => continue,
            // A line break alone is no more than nothing.
            Some(id) if tree.entry(id).bytes() == 0 && *bytes > 1 => Bad::Empty(*bytes),
            Some(id) if is_pointer(tree, id) => Bad::Pointer,
            Some(_) => continue,
        };
        bad.extend(name_of(path).map(|name| (name, (*path, why))));
    }
    let is_first = |path: &str| match path.split_once('/') {
        Some((_, rest)) => rest == "__init__.py",
        None => path.as_bytes().ends_with(b".py"),
    };
    let first: Vec<&str> = listed.iter().map(|(path, _)| *path).filter(|path| is_first(path)).collect();
    for path in &first {
        let line = found(path).and_then(|id| conflict(&tree.read_text(id).ok()?));
        if let (Some(line), Some(name)) = (line, name_of(path)) {
            bad.insert(name, (path, Bad::Conflict(line)));
        }
    }
    // The same module can be there in another form.
    if bad.is_empty() {
        return None;
    }
    let modules = modules();
    bad.retain(|name, (_, why)| {
        *why != Bad::Missing || modules.find(name).is_none_or(|found| found.depth < name.split('.').count())
    });
    let mut missing = first.iter().filter_map(|path| bad.get(&name_of(path)?));
    let mut missing = missing.find(|(_, why)| *why != Bad::Missing).map(|(path, why)| ((*path, *why), None));
    let mut queue: Vec<EntryId> = first.iter().filter_map(|path| found(path)).collect();
    let mut seen: BTreeSet<EntryId> = queue.iter().copied().collect();
    while let Some(id) = queue.pop().filter(|_| missing.is_none() && !bad.is_empty()) {
        let Ok(text) = tree.read_text(id) else { continue };
        let name = modules.name(id).unwrap_or_default();
        let names = imported(&text, &name, tree.path(id).name() == b"__init__.py");
        missing = names.iter().find_map(|name| bad.get(name)).map(|bad| (*bad, Some(id)));
        let files = names.iter().filter_map(|name| modules.find(name)).flat_map(|found| found.files);
        let is_own = |id: &EntryId| {
            tree.path(*id).name().ends_with(b".py")
                && package.places().any(|place| tree.path(*id).below(place).is_some() || tree.path(*id) == place)
        };
        queue.extend(files.filter(is_own).filter(|id| seen.insert(*id)));
    }
    let ((path, why), by) = missing?;
    let by = by.map(|id| format!("{} imports ", tree.path(id))).unwrap_or_default();
    let what = match why {
        Bad::Missing => format!("{by}{path}, which its RECORD lists and which is not in the tree"),
        Bad::Pointer => format!("{path} {IS_POINTER}"),
        Bad::Empty(bytes) => format!("{path} is empty, and has {} in its RECORD", size(bytes)),
        Bad::Conflict(line) => format!("{path} {}", conflicts::describe(line)),
    };
    Some(Finding::error(
        Code::DamagedPackage,
        Subject::package(&package.name),
        format!("{} {} cannot be imported: {what}", package.name, package.version),
        format!("install it again: {}", install_again(package)),
    ))
}

/// A distribution without data of its RECORD that its code names: opening it fails. What a rule drops is in the tree.
fn without_data(tree: &Tree, package: &Package) -> Option<Finding> {
    let record = declared(tree, package, "RECORD");
    let is_data = |path: &&str| {
        let mut parts = path.split('/');
        let name = parts.next_back().unwrap_or_default();
        let ending = name.rsplit_once('.').filter(|(stem, _)| !stem.is_empty()).map(|(_, ending)| ending);
        let is_beside =
            parts.clone().next().is_none_or(|top| top.ends_with(".dist-info") || matches!(top, "." | ".." | ""));
        !is_beside
            && ending.is_some_and(|ending| !NOT_OPENED.contains(&ending))
            && !parts.any(|above| SAMPLES.contains(&above))
    };
    let is_gone = |path: &&str| package.library.join(path).is_some_and(|path| tree.find_even_hidden(&path).is_none());
    let gone: Vec<&str> =
        record.lines().filter_map(|line| line.split(',').next()).filter(is_data).filter(is_gone).collect();
    if gone.is_empty() {
        return None;
    }
    let code: Vec<EntryId> = package.entries(tree).filter(|id| is_own_code(tree, *id)).collect();
    let found = code.iter().find_map(|id| {
        let text = tree.read_text(*id).ok()?;
        gone.iter().find(|path| names(&text, path.rsplit('/').next().unwrap_or(path))).map(|path| (*id, *path))
    });
    let (by, path) = found?;
    Some(Finding::warning(
        Code::DamagedPackage,
        Subject::package(&package.name),
        format!(
            "{} {} is not complete: {} names {path}, which its RECORD lists and which is not in the tree",
            package.name,
            package.version,
            tree.path(by)
        ),
        format!("install it again: {}", install_again(package)),
    ))
}

/// Whether a source has the name of a file as a literal string, or at the end of one.
fn names(text: &[u8], name: &str) -> bool {
    memchr::memmem::find_iter(text, name.as_bytes()).any(|at| {
        let before = at.checked_sub(1).and_then(|before| text.get(before));
        let after = text.get(at + name.len());
        matches!(before, Some(b'"' | b'\'' | b'/')) && matches!(after, Some(b'"' | b'\''))
    })
}

fn is_own_code(tree: &Tree, id: EntryId) -> bool {
    let path = tree.path(id);
    path.name().ends_with(b".py")
        && !path.ancestors().skip(1).any(|above| SAMPLES.iter().any(|sample| above.name() == sample.as_bytes()))
}

/// Modules of no distribution that are not code.
fn own_modules(packages: &Packages, tree: &Tree, kept: &dyn Fn(EntryId) -> bool) -> Vec<Finding> {
    let own = tree.iter().filter(|(id, entry)| {
        entry.path.name().ends_with(b".py")
            && entry.is_file()
            && is_searched(&entry.path)
            && packages.of_path(&entry.path).is_none()
            && kept(*id)
    });
    let finding = |(id, _): (EntryId, _)| {
        let why = if is_pointer(tree, id) {
            IS_POINTER.to_owned()
        } else {
            conflicts::describe(conflict(&tree.read_text(id).ok()?)?)
        };
        Some(Finding::error(
            Code::DamagedPackage,
            Subject::from(tree.path(id)),
            format!("cannot be imported: it {why}"),
            "put the file there as it was committed, and pack again",
        ))
    };
    own.filter_map(finding).collect()
}

/// Whether a module is a pointer of Git LFS.
fn is_pointer(tree: &Tree, id: EntryId) -> bool {
    let start = b"version https://git-lfs.github.com/spec/";
    POINTER.contains(&tree.entry(id).bytes()) && tree.read_text(id).is_ok_and(|text| text.starts_with(start))
}

/// The line of a conflict of a merge in a module, outside of texts over several lines.
fn conflict(text: &[u8]) -> Option<usize> {
    let count = |before: &[u8], quotes: &[u8]| memchr::memmem::find_iter(before, quotes).count();
    conflicts::line_of_marker(text, |before| count(before, b"\"\"\"") % 2 == 1 || count(before, b"'''") % 2 == 1)
}
