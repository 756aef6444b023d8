//! The extension modules of a tree: files that are the same module for several versions, C libraries or machines are one.

use std::collections::BTreeMap;

use super::names::{Minor, Tag, is_searched, minor_of_directory, module};
use crate::base::path::TreePath;
use crate::runtime::RuntimeProfile;
use crate::tree::{EntryId, Kind, Objects, Place, Tree};

/// A module: its name in one directory.
#[derive(Debug)]
pub(super) struct Module {
    /// Its directory.
    pub(super) directory: TreePath,
    /// Its name, as `import` has it.
    pub(super) name: String,
    /// The version of CPython that imports it, when that is known.
    pub(super) minor: Option<Minor>,
    /// Its files for Linux.
    pub(super) files: Vec<(EntryId, Tag)>,
    /// Whether there is Python code of the same name, which is imported where no file of `files` can be.
    pub(super) has_code: bool,
    /// Whether it is where Python searches.
    pub(super) searched: bool,
}

impl Module {
    /// The files that CPython on glibc imports, by their names; that of the machine is not decided here.
    pub(super) fn importable(&self) -> impl Iterator<Item = &(EntryId, Tag)> {
        self.files.iter().filter(|(_, tag)| !tag.is_musl() && tag.fits(self.minor))
    }
}

/// The extension modules of a tree, and the files that are modules of another system.
pub(super) fn modules(tree: &Tree, objects: &Objects, runtime: &RuntimeProfile) -> (Vec<Module>, Vec<EntryId>) {
    let of_runtime = runtime.python_minor();
    let mut modules: BTreeMap<(TreePath, String), Vec<(EntryId, Tag)>> = BTreeMap::new();
    let mut foreign = Vec::new();
    for (id, entry) in tree.iter().filter(|(_, entry)| !entry.is_directory()) {
        let Some((name, tag)) = module(entry.path.name()) else { continue };
        let Some(directory) = entry.path.parent() else { continue };
        if tag.is_for_another_system() {
            foreign.push(id);
        } else if tag.tagged || is_untagged_module(tree, objects, id, name) {
            modules.entry((directory, name.to_owned())).or_default().push((id, tag));
        }
    }
    let modules = modules.into_iter().map(|((directory, name), files)| {
        let path = tree.path(files[0].0);
        let code = directory.join(format!("{name}.py"));
        Module {
            minor: minor_of_directory(path).or(of_runtime),
            has_code: code.is_some_and(|code| tree.find(&code).is_some()),
            searched: is_searched(path) && directory.name() != b"lib-dynload",
            directory,
            name,
            files,
        }
    });
    (modules.collect(), foreign)
}

/// Whether a file named like any library is a module: it is where modules are, and has the function that an import calls.
fn is_untagged_module(tree: &Tree, objects: &Objects, id: EntryId, name: &str) -> bool {
    let path = tree.path(id);
    let in_place = is_searched(path) || path.parent().is_some_and(|parent| parent.name() == b"lib-dynload");
    let file = match (&tree.entry(id).kind, tree.follow(id)) {
        (Kind::Link { .. }, Place::Inside(file)) => file,
        _ => id,
    };
    in_place && objects.get(&file).is_some_and(|elf| elf.symbols.defines(&format!("PyInit_{name}")))
}
