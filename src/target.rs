//! Targets: what a name on the command line stands for (`why`, `--drop`, `--keep`), and names like it when there is none.
//!
//! `pkg:Matrix` is a package, in each library that has it (`pkg:Matrix@R/library`: in that one); `lib:…`, `dir:…`, `file:…`
//! and `r` are units of the report. Anything else is a path, in the tree or below `/opt`, or the name of a library.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::{Error, Result};
use crate::pack::unit_of;
use crate::path::TreePath;
use crate::pipeline::Analyzed;
use crate::resolve::{Object, Outcome};
use crate::scan::{EntryId, Kind, Place};

/// How many like names a message has.
const NAMES_LIKE: usize = 3;

/// What a name stands for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Thing {
    /// A package: its position in [`crate::resolve::RLayout::packages`].
    Package(usize),
    /// A unit of the report.
    Unit(String),
    /// A directory and everything below it.
    Directory(EntryId),
    /// A file or link.
    Entry(EntryId),
    /// A library that is there to be needed, with the links to it.
    Library(EntryId),
    /// A library that is not in the tree, by its name.
    Elsewhere(String),
}

/// Everything that `text` stands for, sorted; nothing when there is nothing of that name.
pub(crate) fn find(analyzed: &Analyzed<'_>, text: &str) -> Vec<Thing> {
    let (tree, resolution) = (&analyzed.tree, &analyzed.resolution);
    if let Some(package) = text.strip_prefix("pkg:") {
        let (name, library) = package.split_once('@').map_or((package, None), |(name, library)| (name, Some(library)));
        if let Some(directory) = resolution.r.left_out.packages.get(name) {
            return tree.find_even_hidden(directory).map(Thing::Directory).into_iter().collect();
        }
        let copies = resolution.r.find_package(name);
        let in_library = |copy: &usize| library.is_none_or(|l| resolution.r.packages[*copy].library.to_string() == l);
        return copies.filter(in_library).map(Thing::Package).collect();
    }
    let prefixed = ["lib:", "dir:", "file:"].iter().any(|prefix| text.starts_with(prefix));
    if let Some(id) = path_in_tree(analyzed, text).filter(|_| !prefixed) {
        return vec![of_entry(analyzed, id)];
    }
    if prefixed || text == "r" {
        let mut entries = tree.iter().filter(|(_, entry)| !entry.is_directory());
        let is_there = entries.any(|(id, _)| unit_of(tree, &resolution.r, id) == text);
        return if is_there { vec![Thing::Unit(text.to_owned())] } else { Vec::new() };
    }
    let mut things: BTreeSet<Thing> = BTreeSet::new();
    // A name alone is one of a library: `curl` may be a program or a package, and must say which.
    let is_name = text.strip_suffix(".so").is_some() || text.contains(".so.");
    for (id, _) in tree.all().filter(|(_, entry)| is_name && entry.path.name() == text.as_bytes()) {
        if leads_to_elf(analyzed, id) || tree.is_hidden(id) {
            things.insert(of_entry(analyzed, id));
        }
    }
    let named = analyzed.facts.elf.iter().filter(|(_, elf)| elf.soname.as_deref() == Some(text));
    things.extend(named.map(|(id, _)| of_entry(analyzed, *id)));
    if things.is_empty() && needed_names(analyzed).contains_key(text) {
        things.insert(Thing::Elsewhere(text.to_owned()));
    }
    things.into_iter().collect()
}

/// As [`find`], of an argument of this option or command: nothing is an error that names what is like it.
///
/// # Errors
/// When there is nothing of that name.
pub(crate) fn find_or_say(analyzed: &Analyzed<'_>, option: &str, text: &str) -> Result<Vec<Thing>> {
    let things = find(analyzed, text);
    if !things.is_empty() {
        return Ok(things);
    }
    let near = near(analyzed, text);
    Err(Error::Usage {
        message: format!("{option} {text}: there is nothing of that name"),
        help: match near.split_last() {
            None => "give a path in the tree, a library's name such as libgfortran.so.5, or pkg:NAME".to_owned(),
            Some((only, [])) => format!("did you mean {only}?"),
            Some((last, others)) => format!("did you mean {} or {last}?", others.join(", ")),
        },
    })
}

/// The entries that things are made of: what is dropped or kept with them. Nothing, when all of it is elsewhere.
pub(crate) fn entries(analyzed: &Analyzed<'_>, things: &[Thing]) -> BTreeSet<EntryId> {
    let (tree, resolution) = (&analyzed.tree, &analyzed.resolution);
    let mut all = BTreeSet::new();
    for thing in things {
        match thing {
            Thing::Package(position) => {
                all.extend(tree.below(&resolution.r.packages[*position].directory).map(|(id, _)| id));
            }
            Thing::Unit(name) => {
                let of_unit = tree.iter().filter(|(id, _)| unit_of(tree, &resolution.r, *id) == *name);
                all.extend(of_unit.map(|(id, _)| id));
            }
            Thing::Directory(id) => {
                let directory = tree.path(*id);
                all.extend(tree.all().filter(|(_, entry)| entry.path.below(directory).is_some()).map(|(id, _)| id));
            }
            Thing::Entry(id) => {
                all.insert(*id);
            }
            Thing::Library(id) => {
                let is_link = |entry: &crate::scan::Entry| matches!(entry.kind, Kind::Link { .. });
                let links = tree.iter().filter(|(link, entry)| {
                    is_link(entry) && resolution.is_library(*link) && tree.follow(*link) == Place::Inside(*id)
                });
                all.extend(links.map(|(link, _)| link).chain([*id]));
            }
            Thing::Elsewhere(_) => {}
        }
    }
    all
}

/// How a thing is called: as on the command line.
pub(crate) fn name(analyzed: &Analyzed<'_>, thing: &Thing) -> String {
    match thing {
        Thing::Package(position) => package_name(analyzed, *position),
        Thing::Unit(name) | Thing::Elsewhere(name) => name.clone(),
        Thing::Directory(id) | Thing::Entry(id) | Thing::Library(id) => analyzed.tree.path(*id).to_string(),
    }
}

/// `pkg:Matrix`, with its library when another has it too.
pub(crate) fn package_name(analyzed: &Analyzed<'_>, position: usize) -> String {
    let package = &analyzed.resolution.r.packages[position];
    match analyzed.resolution.r.find_package(package.name()).count() {
        0 | 1 => format!("pkg:{}", package.name()),
        _ => format!("pkg:{}@{}", package.name(), package.library),
    }
}

fn path_in_tree(analyzed: &Analyzed<'_>, text: &str) -> Option<EntryId> {
    let tree = &analyzed.tree;
    let below_root = tree.root().and_then(|root| std::path::Path::new(text).strip_prefix(root).ok());
    let below_root = below_root.and_then(|path| TreePath::new(path.as_os_str().as_encoded_bytes()));
    let paths = [TreePath::new(text), TreePath::from_mounted(text.as_bytes()), below_root];
    paths.into_iter().flatten().find_map(|path| tree.find_even_hidden(&path))
}

fn of_entry(analyzed: &Analyzed<'_>, id: EntryId) -> Thing {
    let tree = &analyzed.tree;
    match &tree.entry(id).kind {
        Kind::Directory => Thing::Directory(id),
        Kind::File { .. } if analyzed.resolution.is_library(id) => Thing::Library(id),
        Kind::Link { .. } if analyzed.resolution.is_library(id) => match tree.follow(id) {
            Place::Inside(file) => Thing::Library(file),
            _ => Thing::Entry(id),
        },
        Kind::File { .. } | Kind::Link { .. } => Thing::Entry(id),
    }
}

fn leads_to_elf(analyzed: &Analyzed<'_>, id: EntryId) -> bool {
    matches!(analyzed.tree.follow(id), Place::Inside(file) if analyzed.facts.elf.contains_key(&file))
}

/// The names of libraries that something needs, true for those that are found in the tree.
fn needed_names<'a>(analyzed: &'a Analyzed<'_>) -> BTreeMap<&'a str, bool> {
    let mut names = BTreeMap::new();
    for (_, edge) in analyzed.resolution.loads.edges.values().flat_map(BTreeMap::keys) {
        let in_tree = matches!(&edge.outcome, Outcome::Found { object: Object::Tree(_), .. });
        *names.entry(edge.soname.as_str()).or_insert(false) |= in_tree;
    }
    names
}

/// Names that are written much like `text`, the most alike first, packages before paths.
fn near(analyzed: &Analyzed<'_>, text: &str) -> Vec<String> {
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
    for package in &analyzed.resolution.r.packages {
        consider(package.name(), &format!("pkg:{}", package.name()));
    }
    for entry in analyzed.tree.entries() {
        consider(&String::from_utf8_lossy(entry.path.name()), &entry.path.to_string());
    }
    for soname in needed_names(analyzed).into_iter().filter(|(_, in_tree)| !in_tree).map(|(soname, _)| soname) {
        consider(soname, soname);
    }
    found.into_iter().take(NAMES_LIKE).map(|(.., name)| name).collect()
}
