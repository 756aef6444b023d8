//! What `--bundle` would do for a tree, without doing it: which missing libraries the build host has, and whether they would
//! load in the image.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::bundle::{Bundler, wanted};
use crate::base::path::TreePath;
use crate::formats::elf::{Elf, Machine, NeededVersion};
use crate::resolve::{Resolution, unsatisfied};
use crate::runtime::Lookup;
use crate::runtime::sysroot::Sysroot;
use crate::tree::{EntryId, Place};

/// With more missing libraries than this, what the host has is not looked up: real trees miss a few.
const MAX_WANTED: usize = 100;

/// How many directories that a file lists are searched.
const MAX_LISTED: usize = 20;

/// With more libraries to copy than this, the step is not offered.
const MAX_COPIED: usize = 500;

/// Libraries of the build host that `--bundle` would copy.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct BundleOffer {
    /// The missing libraries that would be there then, sorted.
    pub(super) sonames: Vec<String>,
    /// How many files would be copied, with what these need.
    pub(super) files: usize,
    /// Their lengths together, in bytes.
    pub(super) bytes: u64,
}

/// What `--bundle` would copy from the root file system of a build host; `None` if that is nothing, or if one of the libraries would
/// not load in the image: something that it needs is nowhere, or it was built for a later glibc.
pub(super) fn offer(
    resolution: &Resolution<'_>,
    (host, named): &(Sysroot, PathBuf),
    kept: impl Fn(EntryId) -> bool,
) -> Option<BundleOffer> {
    let wanted = wanted(resolution, kept);
    if !(1..=MAX_WANTED).contains(&wanted.len()) {
        return None;
    }
    let mut bundler = Bundler::new(host.clone(), named).ok()?;
    let mut copied: BTreeMap<String, (u64, Elf)> = BTreeMap::new();
    let mut sonames = BTreeSet::new();
    let mut queue: Vec<(String, Machine)> = Vec::new();
    for wanted in &wanted {
        let mut listed = bundler.listed(resolution.tree.path(wanted.needed_by), wanted);
        listed.truncate(MAX_LISTED);
        // What the host does not have stays missing, with or without the step.
        let Some(found) = bundler.look_up(&wanted.soname, wanted.machine, &listed) else { continue };
        queue.extend(found.1.needed.iter().map(|soname| (soname.clone(), wanted.machine)));
        copied.insert(wanted.soname.clone(), found);
        sonames.insert(wanted.soname.clone());
    }
    while let Some((soname, machine)) = queue.pop() {
        if copied.len() > MAX_COPIED {
            return None;
        }
        if copied.contains_key(&soname)
            || in_lib(resolution, &soname).is_some()
            || in_image(resolution, &soname, machine).is_some()
        {
            continue;
        }
        let found = bundler.look_up(&soname, machine, &[])?;
        queue.extend(found.1.needed.iter().map(|soname| (soname.clone(), machine)));
        copied.insert(soname, found);
    }
    let loads = copied.values().all(|(_, elf)| {
        elf.needed_versions.iter().all(|needed| is_satisfied(resolution, &copied, needed, elf.machine))
    });
    let offer = BundleOffer {
        sonames: sonames.into_iter().collect(),
        files: copied.len(),
        bytes: copied.values().map(|(bytes, _)| bytes).sum(),
    };
    (loads && !offer.sonames.is_empty()).then_some(offer)
}

/// A library of the tree in the directory that every process searches.
fn in_lib(resolution: &Resolution<'_>, soname: &str) -> Option<EntryId> {
    let path = TreePath::new("lib")?.join(soname)?;
    match resolution.tree.locate_inside(&path) {
        Place::Inside(id) if resolution.objects.contains_key(&id) => Some(id),
        _ => None,
    }
}

/// The path of a library of the image, and the symbol versions that it defines if they are known.
pub(crate) fn in_image(
    resolution: &Resolution<'_>,
    soname: &str,
    machine: Machine,
) -> Option<(String, Option<Vec<String>>)> {
    let image = &resolution.image;
    let directories = image.system_directories(Some(machine)).iter().map(|directory| format!("{directory}/{soname}"));
    image.cached(soname, machine).into_iter().chain(directories).find_map(|path| match image.lookup(&path, machine) {
        Lookup::Found { path, elf } => {
            let defines = elf.map(|elf| elf.defined_versions.clone());
            let listed = || image.profile().libraries.defines.get(&path).cloned();
            Some((path.clone(), defines.or_else(listed)))
        }
        Lookup::NotFound | Lookup::Invalid(_) => None,
    })
}

fn is_satisfied(
    resolution: &Resolution<'_>,
    copied: &BTreeMap<String, (u64, Elf)>,
    needed: &NeededVersion,
    machine: Machine,
) -> bool {
    let soname = needed.soname.as_str();
    let defines = match copied.get(soname) {
        Some((_, elf)) => Some(elf.defined_versions.clone()),
        None => match in_lib(resolution, soname).and_then(|id| resolution.objects.get(&id)) {
            Some(elf) => Some(elf.defined_versions.clone()),
            None => in_image(resolution, soname, machine).and_then(|(_, defines)| defines),
        },
    };
    unsatisfied(resolution.image.profile(), needed, defines.as_deref()).is_none()
}
