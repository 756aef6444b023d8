//! Merging layers: which entry the function sees at each path, and problems between layers.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::bytes::{plural, size};
use crate::base::finding::{Code, Finding};
use crate::base::path::TreePath;
use crate::base::subject::Subject;
use crate::tree::{Entry, Kind};

/// The entries of the layers merged so far.
#[derive(Default)]
pub(super) struct Merged {
    entries: BTreeMap<TreePath, Layered>,
    /// Entries that replaced an entry of an earlier layer.
    collisions: Vec<Collision>,
}

struct Layered {
    entry: Entry,
    layer: usize,
    crc32: u32,
}

struct Collision {
    path: TreePath,
    lower: usize,
    upper: usize,
    bytes: u64,
    same: bool,
}

impl Merged {
    /// Adds an entry of a layer, replacing one at the same path: the last layer wins.
    pub(super) fn insert(&mut self, entry: Entry, layer: usize, crc32: u32) {
        let path = entry.path.clone();
        let new = Layered { entry, layer, crc32 };
        let Some(old) = self.entries.get(&path) else {
            self.entries.insert(path, new);
            return;
        };
        // A duplicate name in one zip has a finding of its own.
        if old.layer != layer && !(old.entry.is_directory() && new.entry.is_directory()) {
            let same = match (&old.entry.kind, &new.entry.kind) {
                (Kind::File { bytes: a, .. }, Kind::File { bytes: b, .. }) => a == b && old.crc32 == crc32,
                (a, b) => a == b,
            };
            let (lower, upper, bytes) = (old.layer, layer, new.entry.bytes());
            self.collisions.push(Collision { path: path.clone(), lower, upper, bytes, same });
        }
        self.entries.insert(path, new);
    }

    /// Findings about the layers called `names`; removes entries whose parent is not a directory.
    pub(super) fn findings(&mut self, names: &[String], package_directory: PackageDirectory) -> Vec<Finding> {
        let packages: BTreeSet<TreePath> = self.entries.keys().filter_map(package_directory).collect();
        let mut findings = self.replaced(names, &packages);
        findings.extend(self.repeated(names, &packages));
        findings.extend(self.parent_not_directory(names));
        findings.extend(self.unreadable(names));
        findings
    }

    /// The remaining entries.
    pub(super) fn into_entries(self) -> Vec<Entry> {
        self.entries.into_values().map(|layered| layered.entry).collect()
    }

    /// Files that a later layer replaces with different content: one finding per file or package.
    fn replaced(&self, names: &[String], packages: &BTreeSet<TreePath>) -> Vec<Finding> {
        let mut groups: BTreeMap<(TreePath, usize, usize), usize> = BTreeMap::new();
        for collision in self.collisions.iter().filter(|collision| !collision.same) {
            let whole = package_of(&collision.path, packages).unwrap_or_else(|| collision.path.clone());
            *groups.entry((whole, collision.lower, collision.upper)).or_default() += 1;
        }
        let finding = |((path, lower, upper), files): ((TreePath, usize, usize), usize)| {
            let what = match files {
                1 => "the file".to_owned(),
                files => plural(files, "package file", "package files"),
            };
            Finding::warning(
                Code::Overwritten,
                &path,
                format!("{} replaces {what} from {} with different content", names[upper], names[lower]),
                "keep it in one layer only",
            )
        };
        groups.into_iter().map(finding).collect()
    }

    /// Files that are the same in two layers: one finding per pair of layers.
    fn repeated(&self, names: &[String], packages: &BTreeSet<TreePath>) -> Vec<Finding> {
        let mut groups: BTreeMap<(usize, usize), Vec<&Collision>> = BTreeMap::new();
        for collision in self.collisions.iter().filter(|collision| collision.same && collision.bytes > 0) {
            groups.entry((collision.upper, collision.lower)).or_default().push(collision);
        }
        let finding = |((upper, lower), collisions): ((usize, usize), Vec<&Collision>)| {
            let bytes: u64 = collisions.iter().map(|collision| collision.bytes).sum();
            let shared: BTreeSet<TreePath> =
                collisions.iter().filter_map(|collision| package_of(&collision.path, packages)).collect();
            let example = match shared.first() {
                Some(package) => format!("{}, such as {package}", plural(shared.len(), "package", "packages")),
                None => format!("such as {}", collisions[0].path),
            };
            Finding::warning(
                Code::Repeated,
                Subject::layer(&names[upper]),
                format!(
                    "repeats {} ({}) of {} with the same content ({example})",
                    plural(collisions.len(), "file", "files"),
                    size(bytes),
                    names[lower]
                ),
                "keep them in one layer only: both count against the unzipped limit",
            )
        };
        groups.into_iter().map(finding).collect()
    }

    /// Entries below a file or a link, which cannot be extracted, or would be extracted to where the link points.
    fn parent_not_directory(&mut self, names: &[String]) -> Vec<Finding> {
        let mut below: BTreeMap<TreePath, Vec<TreePath>> = BTreeMap::new();
        for path in self.entries.keys() {
            // The topmost one is where extraction fails.
            let above = path
                .ancestors()
                .skip(1)
                .filter(|above| self.entries.get(above).is_some_and(|layered| !layered.entry.is_directory()));
            if let Some(above) = above.last() {
                below.entry(above).or_default().push(path.clone());
            }
        }
        let mut findings = Vec::new();
        for (above, paths) in below {
            let layered = &self.entries[&above];
            let what = if layered.entry.is_file() { "a file" } else { "a link" };
            let first = &self.entries[&paths[0]];
            findings.push(Finding::error(
                Code::ParentNotDirectory,
                &above,
                format!(
                    "is {what} in {}, but {} puts {} below it, such as {}, which cannot be extracted",
                    names[layered.layer],
                    names[first.layer],
                    plural(paths.len(), "file", "files"),
                    paths[0]
                ),
                "recreate the zips from a tree in which it is a directory, or has nothing below it",
            ));
            for path in paths {
                self.entries.remove(&path);
            }
        }
        findings
    }

    /// Files and directories that are not world-readable: one finding per layer.
    fn unreadable(&self, names: &[String]) -> Vec<Finding> {
        let mut of_layer: BTreeMap<usize, (usize, &Entry)> = BTreeMap::new();
        for Layered { entry, layer, .. } in self.entries.values() {
            let needed = match entry.kind {
                Kind::Directory => 0o005,
                Kind::File { .. } => 0o004,
                Kind::Link { .. } => 0,
            };
            if entry.mode & needed != needed {
                of_layer.entry(*layer).or_insert((0, entry)).0 += 1;
            }
        }
        let finding = |(layer, (entries, first)): (usize, (usize, &Entry))| {
            Finding::error(
                Code::ModeUnreadable,
                Subject::layer(&names[layer]),
                format!(
                    "contains {} that Lambda cannot read: {} has mode {:04o}",
                    plural(entries, "file or directory", "files or directories"),
                    first.path,
                    first.mode
                ),
                "chmod -R a+rX before zipping, or let layerfit pack set the modes",
            )
        };
        of_layer.into_iter().map(finding).collect()
    }
}

/// The directory of the package that a file declares, by the file's path; `None` when it does not declare one.
pub type PackageDirectory = fn(&TreePath) -> Option<TreePath>;

/// The directory of the package that contains a path.
fn package_of(path: &TreePath, packages: &BTreeSet<TreePath>) -> Option<TreePath> {
    path.ancestors().skip(1).find(|above| packages.contains(above))
}
