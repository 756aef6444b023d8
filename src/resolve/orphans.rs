//! Orphans: ELF files that no known process loads. Something may still `dlopen()` them by a name that is not written
//! anywhere, so each is loaded in a process of its own, with certainty [`Certainty::Unknown`].
//!
//! The order matters. An orphan that another orphan needs may have no search path of its own and rely on its dependent's,
//! so orphans that nothing needs are loaded first; what they load is then no longer an orphan.

use std::collections::BTreeSet;

use super::loader::{LoaderView, Process};
use super::processes::{AnsweredNames, Certainty, LoadedLibraries, ProcessKind, environment};
use super::symbols::{Binding, symbol_errors};
use crate::tree::EntryId;

/// Loads every ELF file that no process in `loads` has loaded, and records what it needs.
pub(super) fn load_orphans(view: &LoaderView<'_>, loads: &mut LoadedLibraries) {
    let mut loaded = AnsweredNames::of(view, loads);
    for id in roots_first(view, &loaded) {
        if loaded.files.contains(&id) || loads.dependencies.contains(&id) || loads.never.contains(&id) {
            continue;
        }
        let mut process = Process::new(view, environment(view, None));
        let mut edges = process.start(id);
        loaded.answer(&mut edges);
        loaded.add(&edges);
        loaded.files.insert(id);
        loads.record(ProcessKind::Plain, Certainty::Unknown, edges);
        loads.record_errors(Certainty::Unknown, symbol_errors(&process, 0, Binding::Unknown));
    }
}

/// The orphans: first those that no other orphan needs, then the rest.
fn roots_first(view: &LoaderView<'_>, loaded: &AnsweredNames) -> Vec<EntryId> {
    let orphans: Vec<EntryId> = view.objects.keys().copied().filter(|id| !loaded.files.contains(id)).collect();
    let elfs = orphans.iter().filter_map(|id| view.objects.get(id));
    let needed: BTreeSet<&str> = elfs.flat_map(|elf| &elf.needed).map(String::as_str).collect();
    let is_needed = |id: &EntryId| {
        let names = [view.objects[id].soname.as_deref(), std::str::from_utf8(view.tree.path(*id).name()).ok()];
        names.into_iter().flatten().any(|name| needed.contains(name))
    };
    let (dependencies, roots): (Vec<EntryId>, Vec<EntryId>) = orphans.iter().partition(|id| is_needed(id));
    roots.into_iter().chain(dependencies).collect()
}
