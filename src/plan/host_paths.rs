//! Host paths: paths compiled into what is kept that the build host has, and that neither the tree nor the image has. Some are
//! data that will be missing, most are never opened: where nothing more is known, their number is a note. What a run looked for
//! in vain is a warning for each.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::bytes::plural;
use crate::base::finding::{Code, Finding};
use crate::base::list;
use crate::base::subject::Subject;
use crate::formats::strace::Opened;
use crate::resolve::Resolution;
use crate::runtime::looked_for::{self, is_data_of, may_be_data, only_on_host};
use crate::runtime::sysroot::Sysroot;
use crate::tree::EntryId;

/// How many paths the finding lists.
const MAX_PATHS: usize = 12;

/// For each kept file of the tree that is loaded: such paths, in the order of the file.
pub(super) fn find(
    resolution: &Resolution<'_>,
    host: &Sysroot,
    kept: impl Fn(EntryId) -> bool,
) -> BTreeMap<EntryId, Vec<String>> {
    let unloaded: BTreeSet<EntryId> = resolution.unloaded(&kept).into_iter().map(|library| library.entry).collect();
    let mut looked: BTreeMap<String, bool> = BTreeMap::new();
    let mut found = BTreeMap::new();
    for (id, elf) in resolution.objects.iter().filter(|(id, _)| kept(**id) && !unloaded.contains(id)) {
        let mut only_host = |path: &&String| {
            *looked.entry((*path).clone()).or_insert_with(|| {
                may_be_data(path)
                    && !resolution.is_known_place(path)
                    && is_absent(resolution, path)
                    && is_data_of(host, path)
            })
        };
        let paths: Vec<String> = elf.paths.iter().filter(&mut only_host).cloned().collect();
        if !paths.is_empty() {
            found.insert(*id, paths);
        }
    }
    found
}

fn is_absent(resolution: &Resolution<'_>, path: &str) -> bool {
    resolution.image.has_data(path) == Some(false) && !resolution.image.has_data_directory(path)
}

/// A warning for each path that runs looked for in vain, that the build host has, and that is still nowhere: neither at that
/// path nor, under the same name, in what is kept of the tree.
pub(super) fn looked_for(
    resolution: &Resolution<'_>,
    run: &Opened,
    host: &Sysroot,
    kept: impl Fn(EntryId) -> bool,
) -> Vec<Finding> {
    let names: BTreeSet<&[u8]> =
        resolution.tree.iter().filter(|(id, _)| kept(*id)).map(|(_, entry)| entry.path.name()).collect();
    let is_nowhere = |path: &String| {
        let last = path.rsplit('/').next().unwrap_or(path);
        !names.contains(last.as_bytes()) && is_absent(resolution, path)
    };
    let image = &resolution.image.profile().name;
    only_on_host(run, host).into_iter().filter(is_nowhere).map(|path| looked_for::finding(&path, image)).collect()
}

/// A note with their number.
pub(super) fn finding(paths: &BTreeMap<EntryId, Vec<String>>, image: &str) -> Option<Finding> {
    let all: BTreeSet<&String> = paths.values().flatten().collect();
    let all: Vec<&String> = all.into_iter().collect();
    (!all.is_empty()).then(|| {
        Finding::info(
            Code::CompiledPaths,
            Subject::whole("compiled-in paths"),
            format!(
                "{} compiled into {} exist on the build host, and in neither the tree nor {image}: {}",
                plural(all.len(), "path", "paths"),
                plural(paths.len(), "file", "files"),
                list::some(&all, MAX_PATHS)
            ),
            "run the function with `layerfit invoke`, which fails where it opens one; `layerfit why LIBRARY` with --bundle lists those of a library",
        )
    })
}
