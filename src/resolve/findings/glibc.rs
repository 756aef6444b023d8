//! Findings about parts of glibc in the tree: the image has its own, and only parts of one build work together.

use std::collections::BTreeSet;

use crate::base::finding::{Code, Finding};
use crate::formats::elf::Machine;
use crate::resolve::Resolution;
use crate::resolve::loader::{LibraryLookup, Object};
use crate::resolve::processes::Certainty;
use crate::resolve::symbols::SymbolError;
use crate::runtime::{GlibcNames, Libraries, Lookup};
use crate::tree::{EntryId, Place};

impl Resolution<'_> {
    /// Whether a file is a part of glibc, by its soname, of which the image has its own. Images lack some, such as libnsl.so.1.
    pub(super) fn is_of_glibc(&self, id: EntryId) -> bool {
        let Some((elf, soname)) = self.objects.get(&id).and_then(|elf| Some((elf, elf.soname.as_deref()?))) else {
            return false;
        };
        GlibcNames::built_in().has(soname) && self.image_has(soname, elf.machine)
    }

    /// Whether the image has a library, or its loader.
    fn image_has(&self, soname: &str, machine: Machine) -> bool {
        let image = &self.image;
        let is_there = |path: String| matches!(image.lookup(&path, machine), Lookup::Found { .. });
        let mut directories = image.system_directories(Some(machine)).iter();
        Libraries::names(&image.profile().libraries).any(|name| name == soname)
            || image.cached(soname, machine).is_some()
            || directories.any(|directory| is_there(format!("{directory}/{soname}")))
            || image.loader(machine).is_some_and(|loader| loader.interpreter.rsplit('/').next() == Some(soname))
    }

    /// What to do about a part of glibc in the tree.
    pub(super) fn remove_part_of_glibc(&self, id: EntryId) -> String {
        format!("remove {}: the image has its own copy that matches its glibc", self.tree.path(id))
    }

    /// A warning about each part of glibc that has no finding of its own. A tree whose programs run with its own loader has
    /// glibc for them.
    pub(super) fn parts_of_glibc(&self, kept: &impl Fn(EntryId) -> bool) -> Vec<Finding> {
        let parts: Vec<EntryId> =
            self.objects.keys().copied().filter(|id| kept(*id) && self.is_of_glibc(*id)).collect();
        if parts.is_empty() || self.has_own_loader() {
            return Vec::new();
        }
        let loaded = self.loaded_files();
        let reported: BTreeSet<EntryId> =
            self.loads.symbol_errors.keys().filter(|error| self.is_reported(error)).map(SymbolError::file).collect();
        let name = &self.image.profile().name;
        let finding = |id: &EntryId| {
            let message = if loaded.contains(id) {
                format!(
                    "is a part of glibc, and is loaded in place of that of {name}: the loader and the other parts are of another build"
                )
            } else {
                format!("is a part of glibc: {name} has its own, which is loaded instead")
            };
            Finding::warning(Code::PrivateVersion, self.tree.path(*id), message, self.remove_part_of_glibc(*id))
        };
        parts.iter().filter(|id| !reported.contains(id)).map(finding).collect()
    }

    /// Whether an error about versions or symbols is reported: what a part of glibc needs that nothing loads does not matter.
    pub(super) fn is_reported(&self, error: &SymbolError) -> bool {
        let certainty = self.loads.symbol_errors.get(error);
        certainty != Some(&Certainty::Unknown) || !self.is_of_glibc(error.file()) || self.has_own_loader()
    }

    /// Whether a program of the tree runs with a loader of the tree.
    fn has_own_loader(&self) -> bool {
        let is_loader =
            |path: &str| matches!(self.tree.locate(path.as_bytes()), Place::Inside(id) if self.is_of_glibc(id));
        let interpreted = self.objects.values().filter_map(|elf| elf.interpreter.as_deref()).any(is_loader);
        interpreted
            || self.commands.uses.iter().any(|used| used.outcome.in_tree().is_some_and(|id| self.is_of_glibc(id)))
    }

    /// The files of the tree that a process loads.
    fn loaded_files(&self) -> BTreeSet<EntryId> {
        let edges = self.loads.edges.values().flatten().filter(|(_, certainty)| **certainty > Certainty::Unknown);
        let found = edges.filter_map(|((_, edge), _)| match &edge.outcome {
            LibraryLookup::Found { object: Object::Tree(id), .. } => Some(*id),
            _ => None,
        });
        found.collect()
    }
}
