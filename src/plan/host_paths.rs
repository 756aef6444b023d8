//! Host paths: paths compiled into what is kept that the build host has, and that neither the tree nor the image has. Some are
//! data that will be missing, most are never opened: where nothing more is known, their number is a note.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::bytes::plural;
use crate::base::finding::{Code, Finding, Subject};
use crate::base::list;
use crate::resolve::Resolution;
use crate::runtime::sysroot::Sysroot;
use crate::tree::EntryId;

/// How many paths the finding lists.
const MAX_PATHS: usize = 12;

/// Directories that programs name without a need for what is in them at run time: documentation, headers, programs, and the
/// directories of libraries and configuration as such.
const NOT_DATA: [&str; 12] = [
    "/bin/",
    "/sbin/",
    "/usr/bin/",
    "/usr/sbin/",
    "/usr/local/bin/",
    "/usr/include/",
    "/usr/src/",
    "/usr/share/doc/",
    "/usr/share/man/",
    "/usr/share/info/",
    "/usr/share/locale/",
    "/usr/lib/debug/",
];

/// How many components a directory has at least to be one program's own: `/usr/share/proj`, not `/usr/share`.
const OWN_DIRECTORY: usize = 3;

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

fn may_be_data(path: &str) -> bool {
    let below = format!("{path}/");
    // Debian's directory of libraries has the machine in its name.
    !path.ends_with("-linux-gnu") && !NOT_DATA.iter().chain([&"/opt/"]).any(|directory| below.starts_with(directory))
}

fn is_absent(resolution: &Resolution<'_>, path: &str) -> bool {
    resolution.image.has_data(path) == Some(false) && !resolution.image.has_data_directory(path)
}

fn is_data_of(host: &Sysroot, path: &str) -> bool {
    host.is_file(path) || (path.matches('/').count() >= OWN_DIRECTORY && host.is_directory(path))
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
