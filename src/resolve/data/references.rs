//! Configuration files that name other files, and whether those are there.

use std::collections::BTreeSet;
use std::ops::Range;

use globset::Candidate;
use rayon::prelude::*;

use super::catalogue::{Catalogue, CompiledReference, Kind};
use super::opened::{Files, Mounted, Presence};
use crate::base::path::TreePath;
use crate::formats::elf::Machine;
use crate::tree::{EntryId, Objects, Tree};

/// A longer configuration file is not read.
const MAX_BYTES: u64 = 1 << 20;

/// How many names of one file are looked up.
const MAX_NAMES: usize = 1000;

/// A name in a configuration file.
pub(super) struct NamedFile {
    /// The configuration file.
    pub(super) by: EntryId,
    pub(super) reference: &'static CompiledReference,
    /// The name as it is written, without what is around it.
    pub(super) name: String,
    /// Whether what it stands for is there.
    pub(super) presence: Presence,
    /// The files of the tree that it leads to, links included.
    pub(super) entries: BTreeSet<EntryId>,
    /// Files of the tree with the same name, when it leads nowhere.
    pub(super) similar: Vec<EntryId>,
}

/// The text of a configuration file; `None` when it is too long, or not text.
pub(super) fn text(tree: &Tree, id: EntryId) -> Option<String> {
    let entry = tree.entry(id);
    let bytes = (entry.is_file() && entry.bytes() <= MAX_BYTES).then(|| tree.read(id).ok()).flatten()?;
    (!bytes.contains(&0)).then(|| String::from_utf8_lossy(&bytes).into_owned())
}

/// Every name in every configuration file.
pub(super) fn named_files(mounted: &Mounted<'_>, objects: &Objects) -> Vec<NamedFile> {
    let tree = mounted.tree;
    let mut named = Vec::new();
    for (reference, by) in configurations(tree) {
        let reference = &Catalogue::built_in().references[reference];
        let Some(text) = text(tree, by) else { continue };
        let names = reference.names.captures_iter(&text).filter_map(|found| found.get(1)).take(MAX_NAMES);
        let names: BTreeSet<&str> = names.map(|name| name.as_str().trim()).collect();
        named.extend(names.into_iter().filter_map(|name| look_up(mounted, objects, reference, by, name)));
    }
    named
}

/// Every configuration file, by the position of its reference in the catalogue.
fn configurations(tree: &Tree) -> Vec<(usize, EntryId)> {
    let references = &Catalogue::built_in().references;
    let entries = tree.entries().par_iter().enumerate().with_min_len(1024);
    let files = entries.filter(|(at, entry)| entry.is_file() && !tree.is_hidden(tree.id_at(*at)));
    let mut found: Vec<(usize, EntryId)> = files
        .flat_map_iter(|(at, entry)| {
            let path = Candidate::new(entry.path.as_path());
            let of = (0..references.len()).filter(move |of| references[*of].globs.is_match_candidate(&path));
            of.map(move |of| (of, tree.id_at(at)))
        })
        .collect();
    found.sort_unstable();
    found
}

/// The absolute paths of files that a configuration at this path names, and where each is in its text.
pub(super) fn absolute_names(path: &TreePath, text: &str) -> Vec<(Range<usize>, String)> {
    let of_file = |one: &&CompiledReference| {
        one.globs.is_match(path.as_path()) && !matches!(one.reference.kind, Kind::Directory | Kind::Section)
    };
    let references = Catalogue::built_in().references.iter().filter(of_file);
    let found = references.flat_map(|one| one.names.captures_iter(text).filter_map(|found| found.get(1)));
    let mut names: Vec<(Range<usize>, String)> =
        found.take(MAX_NAMES).map(|name| (name.range(), name.as_str().to_owned())).collect();
    names.retain(|(_, name)| name.starts_with('/') && !name.ends_with(char::is_whitespace));
    names.sort_by_key(|(range, _)| range.start);
    names
}

fn look_up(
    mounted: &Mounted<'_>,
    objects: &Objects,
    reference: &'static CompiledReference,
    by: EntryId,
    name: &str,
) -> Option<NamedFile> {
    let tree = mounted.tree;
    // The name of a library is another reference.
    if reference.reference.kind == Kind::Section && name.contains(".so") {
        return None;
    }
    if reference.reference.kind == Kind::Section {
        return section(tree, reference, by, name);
    }
    let suffix = reference.reference.suffix.as_str();
    let full = if name.ends_with(suffix) { name.to_owned() } else { format!("{name}{suffix}") };
    let directory = tree.path(by).parent().unwrap_or_default().mounted();
    let paths: Vec<String> = match (full.starts_with('/'), reference.reference.relative) {
        (true, _) => vec![full.clone()],
        (false, true) => vec![format!("{directory}/{full}")],
        (false, false) if reference.reference.kind == Kind::Library && !full.contains('/') => {
            searched(mounted, objects).into_iter().map(|directory| format!("{directory}/{full}")).collect()
        }
        (false, false) => return None,
    };
    let presence = |path: &String| match reference.reference.kind {
        Kind::Directory => match mounted.presence(path) {
            Presence::Absent => mounted.has_directory(path),
            other => other,
        },
        Kind::File | Kind::Library | Kind::Section => mounted.presence(path),
    };
    let found: Vec<(Presence, &String)> = paths.iter().map(|path| (presence(path), path)).collect();
    let best = [Presence::There, Presence::Unknown, Presence::Absent]
        .into_iter()
        .find(|wanted| found.iter().any(|(p, _)| p == wanted))?;
    let there = found.iter().filter(|(presence, _)| *presence == Presence::There).take(1);
    let entries = there.flat_map(|(_, path)| mounted.entries(path)).collect();
    let similar = match best {
        Presence::Absent => {
            let last = full.rsplit('/').next().unwrap_or(&full).as_bytes();
            tree.iter().filter(|(_, entry)| entry.path.name() == last).map(|(id, _)| id).collect()
        }
        _ => Vec::new(),
    };
    Some(NamedFile { by, reference, name: name.to_owned(), presence: best, entries, similar })
}

/// A name of a section of the file beside the configuration.
fn section(tree: &Tree, reference: &'static CompiledReference, by: EntryId, name: &str) -> Option<NamedFile> {
    let directory = tree.path(by).parent().unwrap_or_default();
    let other = tree.find(&directory.join(&reference.reference.sections)?)?;
    let text = text(tree, other)?;
    // Case does not matter (SQLGetPrivateProfileString in unixODBC).
    let is_named = |line: &str| {
        let inside = line.trim().strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        inside.is_some_and(|section| section.trim().eq_ignore_ascii_case(name))
    };
    let presence = if text.lines().any(is_named) { Presence::There } else { Presence::Absent };
    let entries = BTreeSet::from([other]);
    Some(NamedFile { by, reference, name: name.to_owned(), presence, entries, similar: Vec::new() })
}

/// The directories that the loader searches for a name without a slash, in a process that is not a language's.
fn searched(mounted: &Mounted<'_>, objects: &Objects) -> Vec<String> {
    let profile = mounted.image.profile();
    let machine: Option<Machine> = objects.values().next().map(|elf| elf.machine);
    let system = mounted.image.system_directories(machine).iter();
    let all = profile.environment.ld_library_path.iter().chain(system).cloned();
    all.filter(|directory| !directory.is_empty() && TreePath::new(directory).is_some()).collect()
}
