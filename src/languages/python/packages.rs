//! Python's distributions: `NAME-VERSION.dist-info` with METADATA and RECORD, which lists the files that belong to one, or the
//! older `.egg-info`.

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;

use pep508_rs::ExtraName;

use super::markers::{Declared, Environments, Holds};
use super::names::normalized;
use super::needs::ID;
use crate::base::path::TreePath;
use crate::languages::{Found, Package, RequiredFor, Requirement};
use crate::runtime::RuntimeProfile;
use crate::tree::{EntryId, Tree};

/// How many lines of a kind are read in a METADATA: a real one has a few hundred.
const MAX_LINES: usize = 2_000;

/// What is read of a distribution.
struct Distribution {
    name: String,
    version: String,
    metadata: EntryId,
    directory: TreePath,
    library: TreePath,
    declared: Vec<Declared>,
    /// The extras that it can be installed with.
    extras: Vec<ExtraName>,
    /// The versions of Python that it accepts.
    requires_python: Option<String>,
    /// The files of its RECORD that are in the tree, below the library.
    files: Vec<TreePath>,
    /// Those that are not, such as scripts.
    beside: Vec<TreePath>,
}

/// The distributions of a tree.
pub(super) fn find(tree: &Tree, runtime: &RuntimeProfile) -> Found {
    let metadata: Vec<EntryId> =
        tree.iter().filter(|(_, entry)| entry.is_file() && is_metadata(&entry.path)).map(|(id, _)| id).collect();
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
    let required = Requirements::new(&distributions, Environments::new(runtime.python_minor()));
    let required: Vec<_> = distributions.iter().map(|distribution| required.of(distribution)).collect();
    let mut required = required.into_iter();
    let packages = distributions.into_iter().zip(places).map(|(distribution, places)| {
        let directory = main_directory(tree, &distribution, &places);
        let (requires, suggests) = required.next().unwrap_or_default();
        Package {
            language: ID,
            name: normalized(&distribution.name),
            version: distribution.version,
            entry: distribution.metadata,
            others: places.into_iter().filter(|place| *place != directory).collect(),
            directory,
            library: distribution.library,
            requires,
            suggests,
            requires_runtime: distribution.requires_python.into_iter().collect(),
            built: None,
            priority: None,
        }
    });
    Found { packages: packages.collect(), ..Found::default() }
}

/// What distributions require of each other.
struct Requirements<'a> {
    by_name: BTreeMap<String, &'a Distribution>,
    environments: Environments,
}

impl<'a> Requirements<'a> {
    fn new(distributions: &'a [Distribution], environments: Environments) -> Self {
        let by_name = distributions.iter().map(|distribution| (normalized(&distribution.name), distribution)).collect();
        Self { by_name, environments }
    }

    /// What a distribution requires: for certain, or perhaps and there; and what it can use.
    fn of(&self, distribution: &Distribution) -> (Vec<Requirement>, Vec<String>) {
        let own = normalized(&distribution.name);
        let mut required: BTreeMap<String, Vec<String>> = BTreeMap::new();
        // What it requires with extras of others, and perhaps of itself, is required as well.
        let mut seen: BTreeSet<(String, Option<ExtraName>)> = BTreeSet::new();
        let mut queue: Vec<(String, Option<ExtraName>)> = vec![(own.clone(), None)];
        while let Some((name, extra)) = queue.pop() {
            let of = if name == own { Some(distribution) } else { self.by_name.get(&name).copied() };
            let Some(of) = of.filter(|_| seen.insert((name, extra.clone()))) else { continue };
            for declared in &of.declared {
                let always = declared.holds(&self.environments, &[]);
                let holds = match &extra {
                    None => always,
                    Some(extra) if always == Holds::Never => {
                        declared.holds(&self.environments, std::slice::from_ref(extra))
                    }
                    Some(_) => Holds::Never,
                };
                let is_there = self.by_name.contains_key(&declared.name);
                if !(holds == Holds::Always || holds == Holds::Perhaps && is_there) {
                    continue;
                }
                queue.extend(declared.extras().iter().map(|extra| (declared.name.clone(), Some(extra.clone()))));
                if declared.name != own {
                    let constraints = required.entry(declared.name.clone()).or_default();
                    constraints.extend(declared.constraint().filter(|_| holds == Holds::Always));
                }
            }
        }
        let with_extras = |declared: &&Declared| {
            let mut extras = distribution.extras.iter();
            extras.any(|extra| declared.holds(&self.environments, std::slice::from_ref(extra)) != Holds::Never)
        };
        let extras = distribution.declared.iter().filter(with_extras).map(|declared| declared.name.clone());
        let suggests: BTreeSet<String> = extras.filter(|name| *name != own && !required.contains_key(name)).collect();
        let requirement = |(package, mut constraints): (String, Vec<String>)| {
            constraints.sort();
            constraints.dedup();
            let constraint = (!constraints.is_empty()).then(|| constraints.join(", "));
            Requirement { package, constraint, for_what: RequiredFor::Declared, attached: false }
        };
        (required.into_iter().map(requirement).collect(), suggests.into_iter().collect())
    }
}

/// Whether a file describes a distribution: `x.dist-info/METADATA`, or what setuptools and Debian write, `x.egg-info/PKG-INFO`
/// or `x.egg-info` as a file.
fn is_metadata(path: &TreePath) -> bool {
    let is_in = |ending: &[u8]| path.parent().is_some_and(|parent| parent.name().ends_with(ending));
    match path.name() {
        b"METADATA" => is_in(b".dist-info"),
        b"PKG-INFO" => is_in(b".egg-info"),
        name => name.ends_with(EGG_INFO) && name.len() > EGG_INFO.len(),
    }
}

const EGG_INFO: &[u8] = b".egg-info";

/// Headers, each in one line: one that begins with a blank continues the header before it, as in e-mails.
fn unfolded<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut headers: Vec<String> = Vec::new();
    for line in lines {
        match headers.last_mut().filter(|_| line.starts_with([' ', '\t'])) {
            Some(last) => last.push_str(line),
            None => headers.push(line.to_owned()),
        }
    }
    headers
}

fn read(tree: &Tree, metadata: EntryId) -> Option<Distribution> {
    let path = tree.path(metadata);
    let directory = if path.name().ends_with(EGG_INFO) { path.clone() } else { path.parent()? };
    let library = directory.parent()?;
    let text = tree.read_text(metadata).ok()?;
    let text = String::from_utf8_lossy(&text);
    // Headers end at the first empty line; the description follows. A line of blanks continues a header, such as a license.
    let headers = unfolded(text.lines().take_while(|line| !line.is_empty()));
    let headers = headers.iter().map(String::as_str);
    let header = |name: &str| {
        let line =
            headers.clone().find(|line| line.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name)));
        line.map(|line| line[name.len()..].trim().to_owned())
    };
    let all = |name: &'static str| {
        let is_name = move |start: &str| start.eq_ignore_ascii_case(name);
        headers.clone().filter(move |line| line.get(..name.len()).is_some_and(is_name)).map(|line| &line[name.len()..])
    };
    let mut declared: Vec<Declared> = all("Requires-Dist:").take(MAX_LINES).filter_map(Declared::parse).collect();
    let extras = all("Provides-Extra:").take(MAX_LINES).filter_map(|name| name.trim().parse().ok()).collect();
    let text_of = |name: &str| {
        let text = directory.join(name).and_then(|path| tree.read_text(tree.find(&path)?).ok()).unwrap_or_default();
        String::from_utf8_lossy(&text).into_owned()
    };
    let mut beside = Vec::new();
    let files = if directory.name().ends_with(EGG_INFO) {
        // What follows a header in brackets depends on an extra or on the environment.
        let required = text_of("requires.txt");
        let certain = required.lines().take_while(|line| !line.starts_with('[')).filter(|line| !line.trim().is_empty());
        declared.extend(certain.take(MAX_LINES).filter_map(Declared::parse));
        files_of_egg(tree, &library, &text_of("top_level.txt"), &header("name:")?)
    } else {
        let mut files = Vec::new();
        for (path, is_below) in text_of("RECORD").lines().filter_map(|line| of_record(tree, &library, line)) {
            if is_below { files.push(path) } else { beside.push(path) }
        }
        files
    };
    let (name, version) = (header("name:")?, header("version:")?);
    let requires_python = header("requires-python:");
    Some(Distribution { name, version, metadata, directory, library, declared, extras, requires_python, files, beside })
}

/// The files of the modules that a distribution without a RECORD has: what its top_level.txt lists, or else that of its name.
fn files_of_egg(tree: &Tree, library: &TreePath, top_level: &str, name: &str) -> Vec<TreePath> {
    // Each once, and nothing but names of modules: every line could list all files.
    let is_module = |name: &&str| !name.is_empty() && !name.contains('/') && !matches!(*name, "." | "..");
    let listed: BTreeSet<&str> = top_level.lines().map(str::trim).filter(is_module).take(MAX_LINES).collect();
    let own = name.replace(['-', '.'], "_");
    let modules = if listed.is_empty() { BTreeSet::from([own.as_str()]) } else { listed };
    let mut files = Vec::new();
    for module in modules {
        let Some(directory) = library.join(module) else { continue };
        files.extend(tree.below(&directory).map(|(_, entry)| entry.path.clone()));
        files.extend(library.join(format!("{module}.py")).filter(|path| tree.find(path).is_some()));
    }
    files
}

/// The file of the tree in a line of a RECORD, which is CSV, and whether the line has it below the library.
fn of_record(tree: &Tree, library: &TreePath, line: &str) -> Option<(TreePath, bool)> {
    let path = match line.strip_prefix('"') {
        Some(quoted) => quoted.split("\",").next()?.trim_end_matches('"').replace("\"\"", "\""),
        None => line.split(',').next()?.to_owned(),
    };
    if path.is_empty() || path.starts_with('/') {
        return None;
    }
    let is_there = |path: &TreePath| tree.find(path).is_some();
    // Scripts and data are beside `lib`: `../../../bin/x`, `../../../share/x`. `pip install --target` moves them into the target,
    // and leaves `../../bin/x` in the RECORD.
    let below = path.trim_start_matches("../");
    let up = (path.len() - below.len()) / "../".len();
    let moved = || library.join(below).filter(|_| up > 0).filter(is_there);
    let written = library.ancestors().nth(up).and_then(|base| base.join(below)).filter(is_there);
    Some((moved().or(written)?, up == 0))
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
        // Others that have files in the directories of these need not be distributions.
        places.extend(distribution.beside.iter().cloned());
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
