//! Unused libraries: the image's own is found before them, or nothing needs them.

use std::collections::{BTreeMap, BTreeSet};

use super::graph::Node;
use super::loader::{LibraryLookup, LoaderView, Object};
use super::processes::LoadedLibraries;
use super::{Certainty, Resolution};
use crate::formats::elf::Type;
use crate::languages::Packages;
use crate::tree::{EntryId, Kind, Place};

/// Why nothing loads a library.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum WhyUnloaded {
    /// Its dependents load the image's library at this path instead.
    Shadowed(String),
    /// Nothing needs it.
    Unreached,
}

/// A library, or a link to one, that nothing loads.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unloaded {
    /// The library or link.
    pub entry: EntryId,
    /// Why nothing loads it.
    pub why: WhyUnloaded,
}

/// The libraries that are only loaded as a dependency, and the links to them: those named as libraries, except plugins and
/// what languages and packages load.
pub(super) fn libraries(view: &LoaderView<'_>, packages: &Packages, loads: &LoadedLibraries) -> BTreeSet<EntryId> {
    let tree = view.tree;
    let is_library = |id: EntryId| {
        view.objects.get(&id).is_some_and(|elf| elf.kind == Type::Shared)
            && is_library_name(tree.path(id).name())
            && !loads.roots.contains_key(&id)
            && (loads.linked.contains(&id)
                || !loads.dependencies.contains(&id) && packages.of_path(tree.path(id)).is_none())
            && !loads.never.contains(&id)
    };
    let ids = tree.iter().filter(|(id, entry)| match &entry.kind {
        Kind::File { .. } => is_library(*id),
        Kind::Link { .. } => {
            is_library_name(entry.path.name())
                && matches!(tree.follow(*id), Place::Inside(target) if is_library(target))
        }
        Kind::Directory => false,
    });
    ids.map(|(id, _)| id).collect()
}

/// Whether `ldconfig` treats a name as a library's: `libx.so`, `libx.so.1.2`, `libx-2.so`.
pub fn is_library_name(name: &[u8]) -> bool {
    let text = String::from_utf8_lossy(name);
    text.starts_with("lib") && (text.ends_with(".so") || text.contains(".so."))
}

impl Resolution<'_> {
    /// Whether an entry is a library that is only loaded as a dependency, or a link to one.
    pub fn is_library(&self, id: EntryId) -> bool {
        self.libraries.contains(&id)
    }

    /// The libraries that nothing loads, of the entries that satisfy `kept`, sorted by path.
    pub fn unloaded(&self, kept: impl Fn(EntryId) -> bool) -> Vec<Unloaded> {
        let reached = self.graph.reach(self.roots(|id| kept(id) && !self.libraries.contains(&id)));
        let images = self.loaded_from_the_image();
        let unloaded = self.libraries.iter().filter(|id| kept(**id) && !reached.contains_key(&Node::Entry(**id)));
        unloaded.map(|id| Unloaded { entry: *id, why: self.why_unloaded(&images, *id) }).collect()
    }

    /// Each name that resolves to a library of the image, with its path.
    fn loaded_from_the_image(&self) -> BTreeMap<&str, &str> {
        let mut images: BTreeMap<&str, &str> = BTreeMap::new();
        let edges = self.loads.edges.values().flatten().filter(|(_, reach)| **reach > Certainty::Unknown);
        for ((_, edge), _) in edges {
            if let LibraryLookup::Found { object: Object::Image(path), .. } = &edge.outcome {
                let first = images.entry(&edge.soname).or_insert(path);
                *first = (*first).min(path);
            }
        }
        images
    }

    fn why_unloaded(&self, images: &BTreeMap<&str, &str>, id: EntryId) -> WhyUnloaded {
        let target = match self.tree.follow(id) {
            Place::Inside(target) => target,
            _ => id,
        };
        let own = std::str::from_utf8(self.tree.path(id).name()).ok();
        let soname = self.objects.get(&target).and_then(|elf| elf.soname.as_deref());
        let shadowed_by = own.into_iter().chain(soname).filter_map(|name| images.get(name));
        shadowed_by.min().map_or(WhyUnloaded::Unreached, |path| WhyUnloaded::Shadowed((*path).to_owned()))
    }
}
