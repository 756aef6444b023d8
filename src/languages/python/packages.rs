//! Python's distributions: `NAME-VERSION.dist-info` with METADATA and RECORD, which lists the files that belong to one.

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;

use super::markers::{Required, requirement};
use super::names::normalized;
use super::needs::ID;
use crate::base::path::TreePath;
use crate::languages::{Found, Package, RequiredFor, Requirement};
use crate::tree::{EntryId, Tree};

/// What is read of a distribution.
struct Distribution {
    name: String,
    version: String,
    metadata: EntryId,
    directory: TreePath,
    library: TreePath,
    requires: Vec<Required>,
    /// The files of its RECORD that are in the tree.
    files: Vec<TreePath>,
}

/// The distributions of a tree.
pub(super) fn find(tree: &Tree) -> Found {
    let metadata: Vec<EntryId> = tree
        .iter()
        .filter(|(_, entry)| entry.is_file() && entry.path.name() == b"METADATA")
        .filter(|(_, entry)| entry.path.parent().is_some_and(|parent| parent.name().ends_with(b".dist-info")))
        .map(|(id, _)| id)
        .collect();
    let mut distributions: Vec<Distribution> = metadata.into_par_iter().filter_map(|id| read(tree, id)).collect();
    // One that is a file of another's is a copy that this vendors.
    let listed: BTreeMap<&TreePath, &TreePath> = distributions
        .iter()
        .flat_map(|distribution| distribution.files.iter().map(|file| (file, &distribution.directory)))
        .collect();
    let is_vendored = |distribution: &Distribution| {
        let by = listed.get(tree.path(distribution.metadata));
        by.is_some_and(|by| **by != distribution.directory)
    };
    let vendored: Vec<bool> = distributions.iter().map(is_vendored).collect();
    let mut vendored = vendored.into_iter();
    distributions.retain(|_| !vendored.next().unwrap_or_default());
    let places = places(&distributions);
    let names: BTreeSet<String> = distributions.iter().map(|distribution| normalized(&distribution.name)).collect();
    let packages = distributions.into_iter().zip(places).map(|(distribution, places)| {
        let directory = main_directory(tree, &distribution, &places);
        Package {
            language: ID,
            name: normalized(&distribution.name),
            version: distribution.version,
            entry: distribution.metadata,
            others: places.into_iter().filter(|place| *place != directory).collect(),
            directory,
            library: distribution.library,
            requires: requirements(&distribution.requires, &names),
            suggests: Vec::new(),
            requires_runtime: Vec::new(),
            built: None,
            priority: None,
        }
    });
    Found { packages: packages.collect(), ..Found::default() }
}

/// What a distribution requires: for certain, or perhaps and there.
fn requirements(required: &[Required], there: &BTreeSet<String>) -> Vec<Requirement> {
    let names: BTreeSet<&String> = required
        .iter()
        .filter(|required| required.certain || there.contains(&required.name))
        .map(|required| &required.name)
        .collect();
    let requirement =
        |name: &String| Requirement { package: name.clone(), constraint: None, for_what: RequiredFor::Declared };
    names.into_iter().map(requirement).collect()
}

fn read(tree: &Tree, metadata: EntryId) -> Option<Distribution> {
    let directory = tree.path(metadata).parent()?;
    let library = directory.parent()?;
    let text = tree.read_text(metadata).ok()?;
    let text = String::from_utf8_lossy(&text);
    // Headers end at the first empty line; the description follows.
    let headers = text.lines().take_while(|line| !line.trim().is_empty());
    let header = |name: &str| {
        let line =
            headers.clone().find(|line| line.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name)));
        line.map(|line| line[name.len()..].trim().to_owned())
    };
    let requires = headers.clone().filter_map(|line| requirement(line.strip_prefix("Requires-Dist:")?)).collect();
    let record = directory.join("RECORD").and_then(|path| tree.read_text(tree.find(&path)?).ok()).unwrap_or_default();
    let files = String::from_utf8_lossy(&record)
        .lines()
        .filter_map(|line| of_record(&library, line))
        .filter(|path| tree.find(path).is_some())
        .collect();
    let (name, version) = (header("name:")?, header("version:")?);
    Some(Distribution { name, version, metadata, directory, library, requires, files })
}

/// The path in a line of a RECORD, which is CSV.
fn of_record(library: &TreePath, line: &str) -> Option<TreePath> {
    let path = match line.strip_prefix('"') {
        Some(quoted) => quoted.split("\",").next()?.trim_end_matches('"').replace("\"\"", "\""),
        None => line.split(',').next()?.to_owned(),
    };
    // `pip install --target` moves scripts, and leaves `../../bin/x` in the RECORD.
    let moved = path.strip_prefix("../../").filter(|script| script.starts_with("bin/"));
    let path = moved.unwrap_or(&path);
    (!path.is_empty() && !path.starts_with('/')).then(|| library.join(path)).flatten()
}

/// For each distribution, the outermost directories of which it has every listed file, and the files in others.
fn places(distributions: &[Distribution]) -> Vec<Vec<TreePath>> {
    // The distribution that has a file or directory; `None` when several do.
    let mut owners: BTreeMap<TreePath, Option<usize>> = BTreeMap::new();
    let mut own = |path: TreePath, distribution: usize| {
        let owner = owners.entry(path).or_insert(Some(distribution));
        *owner = owner.filter(|known| *known == distribution);
    };
    for (position, distribution) in distributions.iter().enumerate() {
        own(distribution.directory.clone(), position);
        for file in &distribution.files {
            // A library itself is nothing that a distribution has.
            let inside = |path: &TreePath| path.below(&distribution.library).is_some_and(|below| !below.is_empty());
            let is_library = |path: &TreePath| *path == distribution.library || path.is_root();
            file.ancestors().take_while(|path| !is_library(path) && inside(path)).for_each(|path| own(path, position));
        }
    }
    let of = |(position, distribution): (usize, &Distribution)| {
        let mut places: BTreeSet<TreePath> = BTreeSet::from([distribution.directory.clone()]);
        for file in &distribution.files {
            let owned = file.ancestors().take_while(|path| owners.get(path) == Some(&Some(position)));
            places.extend(owned.last());
        }
        places.into_iter().collect()
    };
    distributions.iter().enumerate().map(of).collect()
}

/// The directory that people know a distribution by: that of its code with most files, or else its dist-info.
fn main_directory(tree: &Tree, distribution: &Distribution, places: &[TreePath]) -> TreePath {
    let is_code = |place: &&TreePath| {
        let name = place.name();
        **place != distribution.directory
            && !name.ends_with(b".libs")
            && tree.find(place).is_some_and(|id| tree.entry(id).is_directory())
            && !matches!(name, b"bin" | b"__pycache__")
    };
    let files = |place: &TreePath| distribution.files.iter().filter(|file| file.below(place).is_some()).count();
    let most = places.iter().filter(is_code).max_by_key(|place| (files(place), std::cmp::Reverse((*place).clone())));
    most.unwrap_or(&distribution.directory).clone()
}
