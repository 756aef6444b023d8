//! Facts: what every ELF file and DESCRIPTION of a tree says of itself, read in parallel and once.

use std::collections::BTreeMap;
use std::sync::Arc;

use rayon::prelude::*;

use crate::finding::{Code, Finding};
use crate::formats::description::Description;
use crate::formats::elf::Elf;
use crate::path::TreePath;
use crate::scan::{EntryId, Kind, Magic, Tree};

/// A larger ELF file is not read: it is over twice what a function and all its layers can have unzipped.
const MAX_ELF_BYTES: u64 = 1 << 29;

/// Files longer than this are read one at a time, so that no machine's memory is full of them.
const LARGE_BYTES: u64 = 1 << 25;

/// What the files of a tree say of themselves.
#[derive(Debug, Default)]
pub struct Facts {
    /// Every ELF file that the loader would take.
    pub elf: BTreeMap<EntryId, Arc<Elf>>,
    /// The DESCRIPTION of every installed package.
    pub descriptions: BTreeMap<EntryId, Description>,
}

enum Fact {
    Elf(EntryId, Arc<Elf>),
    Description(EntryId, Box<Description>),
}

/// Reads every ELF file and every DESCRIPTION of an installed package.
///
/// Gives the facts, and findings about files that are damaged or cannot be read.
pub fn read_facts(tree: &Tree) -> (Facts, Vec<Finding>) {
    let wanted: Vec<EntryId> = tree
        .iter()
        .filter(|(_, entry)| match &entry.kind {
            Kind::File { magic: Magic::Elf, .. } => true,
            Kind::File { .. } => entry.path.name() == b"DESCRIPTION",
            _ => false,
        })
        .map(|(id, _)| id)
        .collect();
    let (large, small): (Vec<EntryId>, Vec<EntryId>) =
        wanted.into_iter().partition(|id| tree.entry(*id).bytes() > LARGE_BYTES);
    let mut read: Vec<(Option<Fact>, Vec<Finding>)> = small.par_iter().map(|id| read_one(tree, *id)).collect();
    read.extend(large.iter().map(|id| read_one(tree, *id)));

    let mut facts = Facts::default();
    let mut findings = Vec::new();
    for (fact, said) in read {
        findings.extend(said);
        match fact {
            Some(Fact::Elf(id, elf)) => {
                facts.elf.insert(id, elf);
            }
            Some(Fact::Description(id, description)) => {
                facts.descriptions.insert(id, *description);
            }
            None => {}
        }
    }
    (facts, findings)
}

fn read_one(tree: &Tree, id: EntryId) -> (Option<Fact>, Vec<Finding>) {
    let entry = tree.entry(id);
    let is_elf = matches!(entry.kind, Kind::File { magic: Magic::Elf, .. });
    if is_elf && entry.bytes() > MAX_ELF_BYTES {
        let message = format!("an ELF file of {} bytes fits no layer and is not read", entry.bytes());
        return (None, vec![Finding::error(Code::DamagedElf, &entry.path, message, "drop it, or strip it")]);
    }
    let bytes = match tree.read(id) {
        Ok(bytes) => bytes,
        Err(error) => {
            let finding = Finding::error(
                Code::Unreadable,
                &entry.path,
                error.to_string().lines().next().unwrap_or_default(),
                "run again when nothing writes to the tree, as a user who may read it",
            );
            return (None, vec![finding]);
        }
    };
    if is_elf {
        // Data, as far as loading goes.
        if Elf::is_debug_companion(&bytes) {
            return (None, Vec::new());
        }
        return match Elf::parse(&bytes) {
            Ok(elf) => (Some(Fact::Elf(id, Arc::new(elf))), Vec::new()),
            Err(why) => {
                let help = "build or copy it again; the loader would refuse it or crash";
                (None, vec![Finding::error(Code::DamagedElf, &entry.path, format!("damaged ELF file: {why}"), help)])
            }
        };
    }
    if !describes_installed_package(tree, &entry.path, &bytes) {
        return (None, Vec::new());
    }
    match Description::parse(&bytes) {
        Ok(description) => {
            let remarks = description.remarks.iter().map(|remark| {
                let help = "declare the encoding in the file: Encoding: latin1";
                Finding::warning(Code::DamagedDescription, &entry.path, remark.clone(), help)
            });
            let remarks = remarks.collect();
            (Some(Fact::Description(id, Box::new(description))), remarks)
        }
        Err(why) => {
            let message = format!("library() would refuse the package: {why}");
            let help = "install the package again with R CMD INSTALL";
            (None, vec![Finding::error(Code::DamagedDescription, &entry.path, message, help)])
        }
    }
}

/// Installed packages have `Meta/package.rds` or a Built field; other DESCRIPTION files (R's translations, packages
/// inside a package's tests) are none.
fn describes_installed_package(tree: &Tree, path: &TreePath, bytes: &[u8]) -> bool {
    let meta = path.parent().and_then(|directory| directory.join("Meta/package.rds"));
    meta.is_some_and(|meta| tree.find(&meta).is_some())
        || bytes.split(|b| *b == b'\n').any(|line| line.starts_with(b"Built:"))
}
