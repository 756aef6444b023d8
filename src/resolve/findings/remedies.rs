//! What to do about a library that a process does not find although the tree has it: under another name, behind a link that
//! leads nowhere, for another machine, or where the process does not search.

use std::collections::{BTreeMap, BTreeSet};

use super::some;
use crate::base::path::{TreePath, printable};
use crate::formats::elf::{Machine, Type};
use crate::resolve::Resolution;
use crate::tree::{EntryId, Kind, Place};

/// What the tree has of libraries by their names.
pub(super) struct InTree<'a> {
    /// The files and links with each name.
    named: BTreeMap<&'a [u8], Vec<EntryId>>,
    /// The libraries with each soname that have another name.
    with_soname: BTreeMap<&'a str, Vec<EntryId>>,
}

/// A library that a process does not find.
pub(super) struct Missing<'a> {
    pub(super) soname: &'a str,
    /// The machine of the file that needs it.
    pub(super) machine: Option<Machine>,
    /// The directories that were searched: absolute paths.
    pub(super) searched: &'a [String],
    /// Why the loader stopped before the end of the search: a text that begins with the path of what it cannot load.
    pub(super) stopped: Option<&'a str>,
}

impl Resolution<'_> {
    /// What the tree has of the libraries whose names are `wanted`.
    pub(super) fn in_tree(&self, wanted: impl Fn(&str) -> bool) -> InTree<'_> {
        let mut in_tree = InTree { named: BTreeMap::new(), with_soname: BTreeMap::new() };
        for (id, entry) in self.tree.iter().filter(|(_, entry)| !entry.is_directory()) {
            let name = entry.path.name();
            if std::str::from_utf8(name).is_ok_and(&wanted) {
                in_tree.named.entry(name).or_default().push(id);
            }
            let soname =
                self.objects.get(&id).filter(|elf| elf.kind == Type::Shared).and_then(|elf| elf.soname.as_deref());
            if let Some(soname) = soname.filter(|soname| soname.as_bytes() != name && wanted(soname)) {
                in_tree.with_soname.entry(soname).or_default().push(id);
            }
        }
        in_tree
    }

    /// What to do about a missing library that the tree has; `None` if it has none.
    pub(super) fn remedy_in_tree(&self, in_tree: &InTree<'_>, missing: &Missing<'_>) -> Option<String> {
        let named = in_tree.named.get(missing.soname.as_bytes()).map(Vec::as_slice).unwrap_or_default();
        let directory = |id: EntryId| self.directory(self.tree.path(id).parent().unwrap_or_default());
        let searched: BTreeSet<Option<TreePath>> =
            missing.searched.iter().filter_map(|path| self.mounted_directory(path)).map(Some).collect();
        let is_usable = |id: EntryId| self.why_not(id, missing.machine).is_none();
        let stopped_at = |id: EntryId| {
            let stopped = missing.stopped.unwrap_or_default();
            stopped.starts_with(&format!("{} ", self.tree.path(id).mounted()))
        };
        let is_reached = |id: EntryId| searched.contains(&directory(id)) || stopped_at(id);
        let in_the_way = named.iter().find(|id| is_reached(**id) && !is_usable(**id));
        let usable: Vec<EntryId> = named.iter().copied().filter(|id| is_usable(*id)).collect();
        let with_soname = in_tree.with_soname.get(missing.soname).into_iter().flatten().copied();
        let with_soname = with_soname.filter(|id| is_usable(*id));
        // One in a searched directory needs only a link beside it.
        let with_soname = with_soname.min_by_key(|id| (!searched.contains(&directory(*id)), *id));
        if let Some(id) = in_the_way.copied() {
            let (path, why) = (self.tree.path(id), self.why_not(id, missing.machine)?);
            return Some(match usable.first().copied().or(with_soname) {
                Some(good) => format!("{path} {why}: replace it with a link to {}", self.tree.path(good).mounted()),
                None if matches!(self.tree.entry(id).kind, Kind::Link { .. }) => {
                    format!(
                        "{path} {why}: replace the link with the file itself (cp -L on the machine that the tree is from)"
                    )
                }
                None => format!("{path} {why}: replace it with the library for this machine"),
            });
        }
        let in_lib = |id: &EntryId| directory(*id).is_some() && directory(*id) == self.mounted_directory("/opt/lib");
        if let Some(id) = usable.iter().find(|id| in_lib(id)) {
            return Some(format!(
                "{} is not searched, because LD_LIBRARY_PATH is set without /opt/lib: add /opt/lib where it is set",
                self.tree.path(*id)
            ));
        }
        if !usable.is_empty() {
            let paths: Vec<String> = usable.iter().map(|id| self.tree.path(*id).to_string()).collect();
            return Some(format!(
                "{} is not in a searched directory: move it to lib/, or add a link there",
                some(&paths)
            ));
        }
        let id = with_soname?;
        let (path, soname) = (self.tree.path(id), missing.soname);
        let beside = directory(id).filter(|directory| searched.contains(&Some(directory.clone())));
        let (link, target) = match beside {
            Some(directory) => (directory.join(soname)?.to_string(), printable(path.name()).into_owned()),
            None => (format!("lib/{soname}"), path.mounted()),
        };
        Some(format!("{path} is that library under another name: add the link {link} -> {target}"))
    }

    /// The directory that a path of the tree leads to.
    fn directory(&self, path: TreePath) -> Option<TreePath> {
        if path.is_root() {
            return Some(path);
        }
        match self.tree.locate_inside(&path) {
            Place::Inside(id) if self.tree.entry(id).is_directory() => Some(self.tree.path(id).clone()),
            _ => None,
        }
    }

    /// The directory of the tree that an absolute path leads to.
    fn mounted_directory(&self, path: &str) -> Option<TreePath> {
        self.directory(TreePath::from_mounted(path.as_bytes())?)
    }

    /// Why a process for this machine cannot load an entry as a library, in words; `None` if it can.
    fn why_not(&self, id: EntryId, machine: Option<Machine>) -> Option<String> {
        let name = &self.image.profile().name;
        let file = match self.tree.follow(id) {
            Place::Inside(file) if self.tree.entry(file).is_file() => file,
            Place::Outside(end) => {
                return Some(format!("is a link to {}, outside of /opt, which {name} does not have", printable(&end)));
            }
            Place::Loop => return Some("is a link that leads to itself".to_owned()),
            _ => {
                let Kind::Link { target } = &self.tree.entry(id).kind else { return Some("is a directory".to_owned()) };
                return Some(format!("is a link to {}, which is not there", printable(target)));
            }
        };
        let Some(elf) = self.objects.get(&file) else { return Some("is not an ELF file".to_owned()) };
        if elf.kind != Type::Shared {
            return Some("is not a shared library".to_owned());
        }
        machine.filter(|machine| *machine != elf.machine).map(|_| format!("is for {}", elf.machine.name()))
    }
}
