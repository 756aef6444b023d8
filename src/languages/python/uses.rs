//! What the imports of a function get: distributions of the tree, or what is there anyway; and which other distributions are
//! loaded with these, beyond those that they declare.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use regex::bytes::Regex;

use super::imports::Modules;
use super::markers::{Declared, Environments, Holds};
use super::names::Minor;
use super::needs::ID;
use super::source;
use super::standard::{distribution_of, is_in_image, is_standard, part_to_install};
use crate::base::path::TreePath;
use crate::languages::reading::is_in_layers;
use crate::languages::{Gets, Packages};
use crate::tree::{EntryId, Tree};

/// How many extras of distributions are followed from one that a function declares.
const MAX_EXTRAS: usize = 100;

/// How many modules are followed: all that a process loads is a hundredth of it.
const MAX_MODULES: usize = 200_000;

/// What each of these imports gets.
pub(super) fn gets(packages: &Packages, tree: &Tree, names: &BTreeSet<&str>) -> Vec<Gets> {
    let modules = Modules::new(packages, tree);
    let minor = minor(packages);
    let has_interpreter = has_interpreter(tree);
    let of = |name: &&str| {
        let of_versions = source::of_minors(name);
        if of_versions.is_some_and(|(minors, _)| !minor.is_some_and(|minor| minor < 64 && (minors >> minor) & 1 == 1)) {
            return Gets::Other;
        }
        let name = &of_versions.map_or(*name, |(_, name)| name);
        if is_in_layers(name) {
            // A file of the layer, which can be in a distribution.
            let path = TreePath::from_mounted(name.as_bytes());
            let package = path.as_ref().and_then(|path| packages.of_path(path));
            return package.map_or(Gets::Other, |package| Gets::Packages([package].into()));
        }
        if let Some(name) = name.strip_prefix(source::DISTRIBUTION) {
            let found = with_extras(packages, tree, name);
            return if found.is_empty() { Gets::Other } else { Gets::Packages(found) };
        }
        let top = name.split('.').next().unwrap_or(name);
        match modules.find(name) {
            Some(found) => {
                let parts = name.split('.').count();
                let positions = positions(packages, tree, &found.files);
                if !positions.is_empty() {
                    return Gets::Packages(positions);
                }
                if !found.files.is_empty() {
                    return Gets::Other;
                }
                if found.depth < parts {
                    // Distributions share a package without code of its own, such as `google.cloud`, and this one is not there.
                    let name = name.split('.').take(found.depth + 1).collect::<Vec<_>>().join(".");
                    return Gets::Nothing { install: distribution_of(&name), name };
                }
                let below = |position: &usize| {
                    let mut places = packages.get(*position).places();
                    places.any(|place| found.portions.iter().any(|portion| place.below(portion).is_some()))
                };
                let positions: BTreeSet<usize> = (0..packages.all.len()).filter(below).collect();
                if positions.is_empty() { Gets::Other } else { Gets::Packages(positions) }
            }
            None if is_standard(top, minor) || is_in_image(packages, has_interpreter, top) => Gets::Other,
            None => {
                let name = part_to_install(name);
                Gets::Nothing { name: name.to_owned(), install: distribution_of(name) }
            }
        }
    };
    names.iter().map(of).collect()
}

/// A distribution by its name, with what its extras require that are named with it: `a[b,c]`.
fn with_extras(packages: &Packages, tree: &Tree, name: &str) -> BTreeSet<usize> {
    let environments = Environments::new(minor(packages));
    let mut found = BTreeSet::new();
    let mut queue: Vec<Declared> = Declared::parse(name).into_iter().collect();
    let mut seen = BTreeSet::new();
    while let Some(declared) = queue.pop() {
        let positions: Vec<usize> = packages.copies(ID, &declared.name).collect();
        found.extend(positions.iter().copied());
        let extras = declared.extras();
        if extras.is_empty() || !seen.insert((declared.name.clone(), extras.to_vec())) || seen.len() > MAX_EXTRAS {
            continue;
        }
        for position in positions {
            let Ok(text) = tree.read_text(packages.get(position).entry) else { continue };
            let text = String::from_utf8_lossy(&text);
            let lines = text.lines().filter_map(|line| line.strip_prefix("Requires-Dist:"));
            let required = lines.filter_map(Declared::parse);
            queue.extend(required.filter(|required| {
                required.holds(&environments, &[]) == Holds::Never
                    && required.holds(&environments, extras) != Holds::Never
            }));
        }
    }
    found
}

/// The version of Python that imports the modules of a tree, if it is known.
pub(super) fn minor(packages: &Packages) -> Option<Minor> {
    packages.runtime_version(ID)?.strip_prefix("3.")?.parse().ok()
}

/// Whether a tree has an interpreter of its own.
pub(super) fn has_interpreter(tree: &Tree) -> bool {
    let is_one = |name: &[u8]| name == b"python3" || name.starts_with(b"python3.");
    tree.iter().any(|(_, entry)| {
        is_one(entry.path.name()) && entry.path.parent().is_some_and(|parent| parent.name() == b"bin")
    })
}

/// The distributions that have these files.
fn positions(packages: &Packages, tree: &Tree, files: &[EntryId]) -> BTreeSet<usize> {
    files.iter().filter_map(|file| packages.of_path(tree.path(*file))).collect()
}

/// The distributions whose modules are loaded when these names are imported, or by code of the tree that is in no
/// distribution: what a module imports outside of functions and conditions is followed from file to file.
pub(super) fn loads(packages: &Packages, tree: &Tree, names: &BTreeSet<&str>) -> BTreeSet<usize> {
    let modules = Modules::new(packages, tree);
    let own = modules.sources().filter(|file| packages.of_path(tree.path(*file)).is_none());
    let mut queue: Vec<EntryId> = own.collect();
    for name in names {
        queue.extend(modules.find(name).into_iter().flat_map(|found| found.files));
        // What is only declared is imported somehow.
        let declared = name.strip_prefix(source::DISTRIBUTION).map(|name| with_extras(packages, tree, name));
        let directories = declared.into_iter().flatten().map(|position| &packages.get(position).directory);
        queue.extend(directories.filter_map(|directory| tree.find(&directory.join("__init__.py")?)));
    }
    let mut seen: BTreeSet<EntryId> = BTreeSet::new();
    while let Some(file) = queue.pop() {
        if !seen.insert(file) || !tree.path(file).name().ends_with(b".py") {
            continue;
        }
        if seen.len() > MAX_MODULES {
            break;
        }
        let Ok(text) = tree.read_text(file) else { continue };
        let package = modules.name(file).unwrap_or_default();
        let is_init = tree.path(file).name() == b"__init__.py";
        for name in imported(&text, &package, is_init) {
            queue.extend(modules.find(&name).into_iter().flat_map(|found| found.files));
        }
    }
    let loaded: Vec<EntryId> = seen.into_iter().collect();
    positions(packages, tree, &loaded)
}

/// Import statements that are not in a function or condition, as they begin their lines. A text in the code can have such
/// lines, too; then a package counts as loaded that is not.
static STATEMENTS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"(?m)^(?:from[ \t]+(\.*)([\w.]*)[ \t]+import[ \t]*(\([^)]*\)|[^\n;]*)|import[ \t]+([^\n;]*))").ok()
});

/// The modules that a source imports when it is loaded itself; `name` is its own.
pub(super) fn imported(text: &[u8], name: &str, is_package: bool) -> BTreeSet<String> {
    statements(text, name, is_package).into_iter().flat_map(|(_, names)| names).collect()
}

/// The same for each statement, with where it begins in the text, in bytes.
pub(super) fn statements(text: &[u8], name: &str, is_package: bool) -> Vec<(usize, BTreeSet<String>)> {
    let imported = |(start, statement)| match statement {
        Parsed::Import(names) => Some((start, names.into_iter().collect())),
        Parsed::From { dots, module, names } => {
            let base = absolute(name, is_package, dots, &module)?;
            let of_base = |name: String| if base.is_empty() { name } else { format!("{base}.{name}") };
            let names = names.into_iter().map(of_base).chain((!base.is_empty()).then(|| base.clone()));
            Some((start, names.collect()))
        }
    };
    parsed(text).into_iter().filter_map(imported).collect()
}

/// An import statement as it is written.
pub(super) enum Parsed {
    /// `import a, b.c`.
    Import(Vec<String>),
    /// `from ..a import b, c`.
    From {
        /// How many dots are before the name.
        dots: usize,
        /// The name of the module.
        module: String,
        /// What is imported from it.
        names: Vec<String>,
    },
}

/// The import statements of a source that are not in a block, each with where it begins in the text, in bytes.
pub(super) fn parsed(text: &[u8]) -> Vec<(usize, Parsed)> {
    let statements = STATEMENTS.iter().flat_map(|statements| statements.captures_iter(text));
    let parse = |statement: regex::bytes::Captures<'_>| {
        let group = |at| statement.get(at).map(|group| String::from_utf8_lossy(group.as_bytes()).into_owned());
        let all = |list: &str| words(list).map(str::to_owned).collect();
        let parsed = match group(4) {
            Some(list) => Parsed::Import(all(&list)),
            None => Parsed::From {
                dots: group(1).unwrap_or_default().len(),
                module: group(2).unwrap_or_default(),
                names: all(&group(3).unwrap_or_default()),
            },
        };
        Some((statement.get(0)?.start(), parsed))
    };
    statements.filter_map(parse).collect()
}

/// The names in a list of imports, without their other names and comments.
fn words(list: &str) -> impl Iterator<Item = &str> {
    let lines = list.trim_matches(['(', ')']).lines().map(|line| line.split('#').next().unwrap_or(line));
    let names = lines.flat_map(|line| line.split(',')).filter_map(|name| name.split_whitespace().next());
    names.filter(|name| name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '.')))
}

/// The code of a source that runs when it is loaded, without its indentation: what is in functions, or only for type checkers
/// and for running it as a script, is left out.
pub(super) fn when_loaded(text: &[u8]) -> Vec<u8> {
    without_blocks(text, |code| is_apart(code) || name_of_function(code).is_some())
}

/// The code of a source that runs when it is loaded or when its functions are called, without its indentation. What runs tests,
/// by the name of the function, is left out.
pub(super) fn when_called(text: &[u8]) -> Vec<u8> {
    let runs_tests = |code: &[u8]| {
        name_of_function(code).is_some_and(|name| name.windows(4).any(|part| part.eq_ignore_ascii_case(b"test")))
    };
    without_blocks(text, |code| is_apart(code) || runs_tests(code))
}

/// Whether a block only runs for type checkers, or where the source is a script.
fn is_apart(code: &[u8]) -> bool {
    [&b"if TYPE_CHECKING"[..], b"if typing.TYPE_CHECKING", b"if __name__"].iter().any(|start| code.starts_with(start))
}

/// The name of the function whose definition begins on a line.
fn name_of_function(code: &[u8]) -> Option<&[u8]> {
    let name = code.strip_prefix(b"async ").unwrap_or(code).strip_prefix(b"def ")?;
    name.split(|byte| *byte == b'(').next()
}

/// The lines of a source without their indentation, and without the blocks whose first lines are `apart`.
fn without_blocks(text: &[u8], apart: impl Fn(&[u8]) -> bool) -> Vec<u8> {
    let mut kept = Vec::with_capacity(text.len());
    let mut left_out: Option<usize> = None;
    for line in text.split(|byte| *byte == b'\n') {
        let code = line.trim_ascii_start();
        if code.is_empty() {
            continue;
        }
        let indentation = line.len() - code.len();
        if left_out.is_some_and(|above| indentation > above) {
            continue;
        }
        left_out = apart(code).then_some(indentation);
        kept.extend_from_slice(code);
        kept.push(b'\n');
    }
    kept
}

/// The module that a relative import names.
pub(super) fn absolute(name: &str, is_package: bool, dots: usize, module: &str) -> Option<String> {
    if dots == 0 {
        return Some(module.to_owned());
    }
    let mut parts: Vec<&str> = name.split('.').filter(|part| !part.is_empty()).collect();
    let up = if is_package { dots - 1 } else { dots };
    parts.truncate(parts.len().checked_sub(up)?);
    parts.extend(module.split('.').filter(|part| !part.is_empty()));
    Some(parts.join("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_imports_when_it_is_loaded_what_is_not_indented() {
        let text =
            b"import a, b.c as d  # e\nfrom . import f, g\nfrom ..h import (i as j,  # k\n  l)\ntry:\n    import m\n\
                     from n import *\nimport o; x = 1\n";
        let found = imported(text, "p.q.r", false);
        let found: Vec<&str> = found.iter().map(String::as_str).collect();
        assert_eq!(found, ["a", "b.c", "n", "o", "p.h", "p.h.i", "p.h.l", "p.q", "p.q.f", "p.q.g"]);
        assert!(imported(b"from .a import b", "p", true).contains("p.a.b"));
    }

    #[test]
    fn what_is_in_functions_and_for_type_checkers_does_not_run_when_a_module_is_loaded() {
        let text = b"if x:\n    import a\n    def f():\n        import b\n\n        import c\n    import d\n\
                     if TYPE_CHECKING:\n    import e\nclass C:\n  import f\n";
        let found = imported(&when_loaded(text), "p", false);
        assert_eq!(found.iter().map(String::as_str).collect::<Vec<_>>(), ["a", "d", "f"]);
    }
}
