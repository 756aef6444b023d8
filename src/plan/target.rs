//! Targets: what a name on the command line stands for (`why`, `--drop`, `--keep`), and similar names when nothing has it.
//!
//! `pkg:Matrix` is a package, in each library that has it (`pkg:Matrix@R/library`: in that one); `lib:…`, `dir:…`, `file:…`
//! and the name of a language (`r`) are units of the report. `suggested:caret` is every package that caret suggests or calls,
//! `suggested:caret::train` those that this function calls. Anything else is a path, in the tree or below `/opt`, the name of a
//! library, or that of a package that nothing else has.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::analysis::Analysis;
use super::used;
use crate::base::error::{Error, Result};
use crate::base::list;
use crate::base::path::TreePath;
use crate::languages::{ALL, LanguageId};
use crate::pack::unit_of;
use crate::resolve::{LibraryLookup, Object};
use crate::tree::{EntryId, Kind, Place};

/// How many similar names a message lists.
const SIMILAR_NAMES: usize = 3;

/// The prefix of the packages that another one can use.
const SUGGESTED: &str = "suggested:";

/// What a name stands for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Target {
    /// A package: its position in [`crate::languages::Packages::all`].
    Package(usize),
    /// A unit of the report.
    Unit(String),
    /// A directory and everything below it.
    Directory(EntryId),
    /// A file or link.
    Entry(EntryId),
    /// A library that is only loaded as a dependency, with the links to it.
    Library(EntryId),
    /// A library that is not in the tree, by its name.
    Elsewhere(String),
}

/// Everything that `text` stands for, sorted; empty when nothing has that name.
pub(crate) fn find(analysis: &Analysis<'_>, text: &str) -> Vec<Target> {
    let (tree, resolution) = (analysis.tree(), &analysis.resolution);
    if let Some(package) = text.strip_prefix("pkg:") {
        return find_package(analysis, package);
    }
    if let Some(of) = text.strip_prefix(SUGGESTED) {
        let (package, function) =
            of.split_once("::").map_or((of, None), |(package, function)| (package, Some(function)));
        let named = find_package(analysis, package).into_iter().filter_map(|target| match target {
            Target::Package(position) => Some(resolution.packages.get(position)),
            _ => None,
        });
        let options: BTreeSet<usize> = named.flat_map(|package| used::options(analysis, package, function)).collect();
        return options.into_iter().map(Target::Package).collect();
    }
    let prefixed = ["lib:", "dir:", "file:"].iter().any(|prefix| text.starts_with(prefix));
    if let Some(id) = path_in_tree(analysis, text).filter(|_| !prefixed) {
        return vec![from_entry(analysis, id)];
    }
    let is_runtime = resolution.packages.languages().iter().any(|language| language.as_str() == text);
    if prefixed || is_runtime {
        let mut entries = tree.iter().filter(|(_, entry)| !entry.is_directory());
        let is_there = entries.any(|(id, _)| unit_of(resolution, id) == text);
        return if is_there { vec![Target::Unit(text.to_owned())] } else { Vec::new() };
    }
    let mut targets: BTreeSet<Target> = BTreeSet::new();
    // A bare name is that of a library, or else of a package.
    let is_name = text.strip_suffix(".so").is_some() || text.contains(".so.");
    for (id, _) in tree.all().filter(|(_, entry)| is_name && entry.path.name() == text.as_bytes()) {
        if leads_to_elf(analysis, id) || tree.is_hidden(id) {
            targets.insert(from_entry(analysis, id));
        }
    }
    let named = analysis.objects().iter().filter(|(_, elf)| elf.soname.as_deref() == Some(text));
    targets.extend(named.map(|(id, _)| from_entry(analysis, *id)));
    if targets.is_empty() && needed_names(analysis).contains_key(text) {
        targets.insert(Target::Elsewhere(text.to_owned()));
    }
    if targets.is_empty() && !is_name {
        return find_bare_package(analysis, text);
    }
    targets.into_iter().collect()
}

/// A package by its name alone, unless another file has that name: `curl` could be a program, and then has to be given as a path
/// or as pkg:curl.
fn find_bare_package(analysis: &Analysis<'_>, text: &str) -> Vec<Target> {
    let targets = find_package(analysis, text);
    if files_named(analysis, text).next().is_some() { Vec::new() } else { targets }
}

/// The files and directories of this name that are not of the packages of this name.
fn files_named<'a>(analysis: &'a Analysis<'_>, text: &'a str) -> impl Iterator<Item = &'a TreePath> {
    let (tree, packages) = (analysis.tree(), &analysis.resolution.packages);
    let of_it = move |path: &TreePath| {
        let is_named = |position: usize| packages.get(position).name == text;
        let excluded = || packages.excluded.packages.iter().filter(|((_, name), _)| name == text);
        packages.of_path(path).is_some_and(is_named)
            || excluded().any(|(_, directory)| path == directory || path.below(directory).is_some())
    };
    let named = tree.all().filter(move |(_, entry)| entry.path.name() == text.as_bytes() && !of_it(&entry.path));
    named.map(|(_, entry)| &entry.path)
}

/// A package: `Matrix`, `Matrix@R/library`, or with the type of its language, as in Package URLs: `cran/Matrix`.
fn find_package(analysis: &Analysis<'_>, text: &str) -> Vec<Target> {
    let packages = &analysis.resolution.packages;
    let (of, text) = match text.split_once('/') {
        Some((purl_type, name)) => match ALL.iter().find(|language| language.purl_type() == purl_type) {
            Some(language) => (Some(language.id()), name),
            None => (None, text),
        },
        None => (None, text),
    };
    // A name of npm's can begin with the same character: `@img/colour`.
    let at = text.char_indices().skip(1).find(|(_, c)| *c == '@').map_or(text.len(), |(at, _)| at);
    let (name, library) = (&text[..at], text.get(at + 1..));
    let is_of = |id: LanguageId| of.is_none_or(|of| of == id);
    let mut excluded =
        packages.excluded.packages.iter().filter(|((id, excluded), _)| is_of(*id) && excluded == name).peekable();
    if excluded.peek().is_some() {
        let directories = excluded.filter_map(|(_, directory)| analysis.tree().find_even_hidden(directory));
        return directories.map(Target::Directory).collect();
    }
    let wanted = |position: &usize| {
        let package = packages.get(*position);
        is_of(package.language) && library.is_none_or(|library| package.library.to_string() == library)
    };
    packages.named(name).filter(wanted).map(Target::Package).collect()
}

/// As [`find`], for an argument of this option or command: when nothing has that name, the error lists similar names.
///
/// # Errors
/// When nothing has that name.
pub(crate) fn resolve_target(analysis: &Analysis<'_>, option: &str, text: &str) -> Result<Vec<Target>> {
    let targets = find(analysis, text);
    if !targets.is_empty() {
        return Ok(targets);
    }
    if let Some(of) = text.strip_prefix(SUGGESTED) {
        return Err(Error::Usage {
            message: format!("{option} {text}: {of} calls no package that is in the tree"),
            help: "give suggested:PACKAGE or suggested:PACKAGE::FUNCTION, or install what it suggests".to_owned(),
        });
    }
    if !find_package(analysis, text).is_empty() {
        let package = format!("pkg:{text}");
        let files: Vec<String> = files_named(analysis, text).map(ToString::to_string).collect();
        let files: Vec<&str> = files.iter().map(String::as_str).take(SIMILAR_NAMES).collect();
        let all: Vec<&str> = [package.as_str()].into_iter().chain(files).collect();
        return Err(Error::Usage {
            message: format!("{option} {text}: stands for more than one thing: {}", list::with_last(&all, "and")),
            help: format!("name one of them, such as {option} {package}"),
        });
    }
    let near = similar_names(analysis, text);
    let cut = name_cut_at_comma(analysis, text).filter(|_| option.starts_with("--"));
    let place = analysis.tree().root().map(|root| format!(" ({})", root.display())).unwrap_or_default();
    Err(Error::Usage {
        message: format!("{option} {text}: not found in the tree{place}"),
        help: if let Some(path) = cut {
            let key = option.trim_start_matches('-');
            format!("a comma separates targets: name a path that has one in layerfit.toml, {key} = [{path:?}]")
        } else if near.is_empty() {
            "give a path in the tree, a library's name such as libgfortran.so.5, or pkg:NAME".to_owned()
        } else {
            format!("did you mean {}?", list::with_last(&near, "or"))
        },
    })
}

/// A path in the tree of which `text` is a part that ends or begins at a comma: an option takes it for two targets.
fn name_cut_at_comma(analysis: &Analysis<'_>, text: &str) -> Option<String> {
    let text = text.strip_prefix("/opt/").unwrap_or(text);
    let (begin, end) = (format!("{text},"), format!(",{text}"));
    let is_cut = |path: &str| path.starts_with(&begin) || path.contains(&format!("/{begin}")) || path.ends_with(&end);
    let paths = analysis.tree().entries().iter().filter_map(|entry| entry.path.as_str());
    paths.filter(|_| !text.is_empty()).find(|path| is_cut(path)).map(str::to_owned)
}

/// The entries that targets consist of, which are dropped or kept with them; empty for what is not in the tree.
pub(crate) fn entries(analysis: &Analysis<'_>, targets: &[Target]) -> BTreeSet<EntryId> {
    let (tree, resolution) = (analysis.tree(), &analysis.resolution);
    let mut all = BTreeSet::new();
    for target in targets {
        match target {
            Target::Package(position) => {
                all.extend(resolution.packages.get(*position).entries(tree));
            }
            Target::Unit(name) => {
                let of_unit = tree.iter().filter(|(id, _)| unit_of(resolution, *id) == *name);
                all.extend(of_unit.map(|(id, _)| id));
            }
            Target::Directory(id) => {
                let directory = tree.path(*id);
                all.extend(tree.all().filter(|(_, entry)| entry.path.below(directory).is_some()).map(|(id, _)| id));
            }
            Target::Entry(id) => {
                all.insert(*id);
            }
            Target::Library(id) => {
                let is_link = |entry: &crate::tree::Entry| matches!(entry.kind, Kind::Link { .. });
                let links = tree.iter().filter(|(link, entry)| {
                    is_link(entry) && resolution.is_library(*link) && tree.follow(*link) == Place::Inside(*id)
                });
                all.extend(links.map(|(link, _)| link).chain([*id]));
            }
            Target::Elsewhere(_) => {}
        }
    }
    all
}

/// The name of a target, as on the command line.
pub(crate) fn name(analysis: &Analysis<'_>, target: &Target) -> String {
    match target {
        Target::Package(position) => analysis.resolution.packages.unit_name(*position),
        Target::Unit(name) | Target::Elsewhere(name) => name.clone(),
        Target::Directory(id) | Target::Entry(id) | Target::Library(id) => analysis.tree().path(*id).to_string(),
    }
}

fn path_in_tree(analysis: &Analysis<'_>, text: &str) -> Option<EntryId> {
    let tree = analysis.tree();
    let below_root = tree.root().and_then(|root| Path::new(text).strip_prefix(root).ok());
    let below_root = below_root.and_then(|path| TreePath::new(path.as_os_str().as_encoded_bytes()));
    let paths = [TreePath::new(text), TreePath::from_mounted(text.as_bytes()), below_root];
    let found = paths.into_iter().flatten().find_map(|path| tree.find_even_hidden(&path));
    found.or_else(|| tree.find_even_hidden(&of_file_system(tree.root()?, text)?))
}

/// A target without what depends on the machine: what is named by a path, by that in the tree.
pub(crate) fn portable(analysis: &Analysis<'_>, text: &str) -> String {
    let path = path_in_tree(analysis, text).map(|id| analysis.tree().path(id));
    path.map_or_else(|| text.to_owned(), ToString::to_string)
}

/// The path in a tree of what is named by its path on this machine: `../opt/lib/x.so`, `./opt/lib/x.so`.
fn of_file_system(root: &Path, text: &str) -> Option<TreePath> {
    let path = Path::new(text);
    // The last name can be that of a link, which is meant itself.
    let directory = path.parent().filter(|_| text.contains('/'))?.canonicalize().ok()?;
    let whole = directory.join(path.file_name()?);
    let below = whole.strip_prefix(root.canonicalize().ok()?).ok()?;
    TreePath::new(below.as_os_str().as_encoded_bytes())
}

fn from_entry(analysis: &Analysis<'_>, id: EntryId) -> Target {
    let tree = analysis.tree();
    match &tree.entry(id).kind {
        Kind::Directory => Target::Directory(id),
        Kind::File { .. } if analysis.resolution.is_library(id) => Target::Library(id),
        Kind::Link { .. } if analysis.resolution.is_library(id) => match tree.follow(id) {
            Place::Inside(file) => Target::Library(file),
            _ => Target::Entry(id),
        },
        Kind::File { .. } | Kind::Link { .. } => Target::Entry(id),
    }
}

fn leads_to_elf(analysis: &Analysis<'_>, id: EntryId) -> bool {
    matches!(analysis.tree().follow(id), Place::Inside(file) if analysis.objects().contains_key(&file))
}

/// The names of libraries that something needs; true for those that are found in the tree.
fn needed_names<'a>(analysis: &'a Analysis<'_>) -> BTreeMap<&'a str, bool> {
    let mut names = BTreeMap::new();
    for (_, edge) in analysis.resolution.loads.edges.values().flat_map(BTreeMap::keys) {
        let in_tree = matches!(&edge.outcome, LibraryLookup::Found { object: Object::Tree(_), .. });
        *names.entry(edge.soname.as_str()).or_insert(false) |= in_tree;
    }
    names
}

/// Names similar to `text`, the most similar first, packages before paths.
fn similar_names(analysis: &Analysis<'_>, text: &str) -> Vec<String> {
    let wanted = text.rsplit(['/', ':']).next().unwrap_or(text).to_lowercase();
    let mut found: BTreeSet<(usize, bool, String)> = BTreeSet::new();
    let mut consider = |last: &str, name: &str| {
        let last = last.to_lowercase();
        let longest = last.chars().count().max(wanted.chars().count());
        let distance = match wanted.len() {
            3.. if last.starts_with(&wanted) => 1,
            _ => strsim::damerau_levenshtein(&last, &wanted),
        };
        if distance * 5 <= longest * 2 {
            found.insert((distance, !name.starts_with("pkg:"), name.to_owned()));
        }
    };
    for package in &analysis.resolution.packages.all {
        consider(&package.name, &format!("pkg:{}", package.name));
    }
    for entry in analysis.tree().entries() {
        consider(&String::from_utf8_lossy(entry.path.name()), &entry.path.to_string());
    }
    for soname in needed_names(analysis).into_iter().filter(|(_, in_tree)| !in_tree).map(|(soname, _)| soname) {
        consider(soname, soname);
    }
    found.into_iter().take(SIMILAR_NAMES).map(|(.., name)| name).collect()
}
