//! The machine that the files are for, and findings about files for another.

use std::collections::{BTreeMap, BTreeSet};

use super::some;
use crate::base::finding::{Code, Finding};
use crate::base::subject::Subject;
use crate::formats::elf::{Elf, Machine, Type};
use crate::resolve::Resolution;
use crate::resolve::processes::Certainty;
use crate::tree::EntryId;

impl Resolution<'_> {
    /// Files for a different machine than `architecture`, or than most files when it is not given: an error where
    /// something would run or load one, a note where nothing does, as with prebuilt addons for several machines.
    pub(super) fn machines(
        &self,
        architecture: Option<&str>,
        kept: &impl Fn(EntryId) -> bool,
    ) -> (Vec<Finding>, BTreeSet<EntryId>) {
        let tree = &self.tree;
        let by_machine = self.by_machine(kept);
        let most = self.machine(kept).map(Machine::name);
        let wrong = |(name, files): &(&String, &Vec<(EntryId, &Elf)>)| match architecture {
            Some(architecture) => !files[0].1.machine.is_lambda(architecture),
            None => Some(*name) != most.as_ref(),
        };
        let of_wrong: BTreeSet<EntryId> =
            by_machine.iter().filter(wrong).flat_map(|(_, files)| files.iter().map(|(id, _)| *id)).collect();
        let expected = architecture.map_or_else(
            || format!("the others are for {}", most.clone().unwrap_or_default()),
            |architecture| format!("--arch is {architecture}"),
        );
        let is_all = by_machine.iter().all(|of| wrong(&of));
        let for_one =
            "drop them, or build the tree for one machine: a function runs on either x86-64 or aarch64 (arm64)";
        let help = match architecture {
            // Without them, nothing would be left that runs.
            Some(architecture) if is_all => {
                let named = most.as_deref().unwrap_or("another machine");
                format!("leave --arch out if the function runs on {named}, or build all of it for {architecture}")
            }
            _ => for_one.to_owned(),
        };
        let findings = by_machine
            .iter()
            .filter(wrong)
            .map(|(name, files)| {
                // Of a module for several machines, and of what nothing loads, the files for other machines do no harm.
                let harmful: Vec<_> = files.iter().filter(|(id, _)| !self.is_replaced(*id, &of_wrong, kept)).collect();
                let is_error = match architecture {
                    Some(_) => !harmful.is_empty(),
                    None => harmful.iter().any(|(id, _)| self.is_of_use(*id)),
                };
                let listed = if is_error { harmful } else { files.iter().collect() };
                let paths: Vec<String> = listed.into_iter().map(|(id, _)| tree.path(*id).to_string()).collect();
                let message = format!("{} for {name}, but {expected}: {}", count(paths.len()), some(&paths));
                if is_error {
                    Finding::error(Code::WrongMachine, Subject::whole(name), message, help.as_str())
                } else {
                    Finding::info(
                        Code::WrongMachine,
                        Subject::whole(name),
                        message + "; nothing loads them",
                        help.as_str(),
                    )
                }
            })
            .collect();
        (findings, of_wrong)
    }

    /// Whether a file for another machine is never loaded: it is for another system as well, or there is one for the right
    /// machine, which is loaded in its place.
    fn is_replaced(&self, file: EntryId, wrong: &BTreeSet<EntryId>, kept: &impl Fn(EntryId) -> bool) -> bool {
        let is_right = |id: &EntryId| self.objects.contains_key(id) && !wrong.contains(id) && kept(*id);
        let mut variants = self.loads.variants.iter().filter(|variants| variants.contains(&file));
        self.loads.never.contains(&file) || variants.any(|variants| variants.iter().any(is_right))
    }

    /// The machine that the files which satisfy `kept` are for: that of most files that are loaded for certain, or else of
    /// most files. `None` without ELF files.
    pub fn machine(&self, kept: impl Fn(EntryId) -> bool) -> Option<Machine> {
        let by_machine = self.by_machine(&kept);
        let most = by_machine.iter().max_by_key(|(name, files)| {
            let used = files.iter().filter(|(id, _)| self.is_of_use(*id)).count();
            let loaded = files.iter().filter(|(id, _)| !self.loads.never.contains(id)).count();
            // A tree can have everything for both machines; x86-64 is Lambda's default.
            let is_default = files[0].1.machine.is_lambda("x86_64");
            (used, loaded, files.len(), is_default, std::cmp::Reverse((*name).clone()))
        });
        most.map(|(_, files)| files[0].1.machine)
    }

    /// The programs and libraries that satisfy `kept`, by the name of their machine.
    fn by_machine(&self, kept: &impl Fn(EntryId) -> bool) -> BTreeMap<String, Vec<(EntryId, &Elf)>> {
        let mut by_machine: BTreeMap<String, Vec<(EntryId, &Elf)>> = BTreeMap::new();
        let runs = |elf: &Elf| matches!(elf.kind, Type::Executable | Type::Shared);
        for (id, elf) in self.objects.iter().filter(|(id, elf)| kept(**id) && runs(elf)) {
            by_machine.entry(elf.machine.name()).or_default().push((*id, elf));
        }
        by_machine
    }

    /// Whether a file is loaded for certain, or is where the loader searches.
    fn is_of_use(&self, id: EntryId) -> bool {
        let directory = self.tree.path(id).parent().map(|parent| parent.mounted());
        let searched = |directory| self.image.profile().environment.ld_library_path.contains(&directory);
        self.loads.roots.get(&id) == Some(&Certainty::Required) || directory.is_some_and(searched)
    }
}

fn count(files: usize) -> String {
    if files == 1 { "1 ELF file is".to_owned() } else { format!("{files} ELF files are") }
}
