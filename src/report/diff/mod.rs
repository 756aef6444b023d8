//! Diff: the differences between two sets of layers, by layer, package, rule and file.

use std::cmp::{Ordering, Reverse};
use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Serialize;

mod recorded;
mod show;
mod snapshot;

use crate::base::list;
use crate::base::size::Size;
pub use recorded::{RecordedSizes, Side};
pub use show::{json, markdown, schema, table};
pub(in crate::report) use show::{percent, signed, verdict};
use snapshot::Owners;
pub(crate) use snapshot::size_of;
pub use snapshot::{Snapshot, SnapshotLayer, SnapshotPackage, SnapshotRule};

/// The version of the JSON.
const SCHEMA: u32 = 1;

/// The differences between two sets of layers.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Diff {
    /// The version of this document's format.
    pub schema: u32,
    /// What the old layers were packed or read from.
    pub old: String,
    /// The same for the new ones.
    pub new: String,
    /// All layers together.
    pub total: Change,
    /// The layers whose sizes changed, in their order; removed ones last.
    pub layers: Vec<Change>,
    /// The packages whose sizes or versions changed, the one that grew most first; then, the one that shrank most.
    pub packages: Vec<Change>,
    /// All files of no package together.
    pub others: Change,
    /// The rules that drop more or less than before, by their codes and names.
    pub rules: Vec<Change>,
    /// The files that were added, removed or changed, the one that grew most first; then, the one that shrank most.
    pub files: Vec<FileChange>,
    /// What moved to another layer.
    pub moved: Vec<Moved>,
    /// The baselines among the two: they record the sizes of layers and packages, so that versions, other files, rules, single
    /// files and what moved are not compared.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sizes_only: Vec<String>,
}

impl Diff {
    /// The changed layers as rows of a table; the last of several is of all together.
    pub(in crate::report) fn layer_rows(&self) -> Vec<&Change> {
        let total = (self.layers.len() > 1).then_some(&self.total);
        self.layers.iter().chain(total).collect()
    }

    /// The changed packages as rows of a table, and last what belongs to none, if that changed.
    pub(in crate::report) fn package_rows(&self) -> Vec<&Change> {
        let others = (self.others.before != self.others.now).then_some(&self.others);
        self.packages.iter().chain(others).collect()
    }
}

/// The size of something before and now.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Change {
    /// What it is.
    pub name: String,
    /// Its size before; `None` if it is new.
    pub before: Option<Size>,
    /// Its size now; `None` if it was removed.
    pub now: Option<Size>,
    /// The version of a package, before and now, when they differ.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub versions: Option<(String, String)>,
}

/// A file that was added, removed or changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct FileChange {
    /// Where it is.
    pub path: String,
    /// The package it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub package: Option<String>,
    /// Whether it was added, removed or changed.
    pub which: FileChangeKind,
    /// Its size before; `None` if it is new.
    pub before: Option<Size>,
    /// Its size now; `None` if it was removed.
    pub now: Option<Size>,
}

/// How a file changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum FileChangeKind {
    /// It was added.
    New,
    /// It was removed.
    Removed,
    /// Its content, mode or link target changed.
    Changed,
}

/// Files that moved to another layer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub struct Moved {
    /// The package they belong to, or `other files`.
    pub what: String,
    /// The layer they were in.
    pub from: String,
    /// The layer they are in now.
    pub to: String,
    /// How many there are.
    pub files: usize,
}

impl Change {
    fn new(name: impl Into<String>, before: Option<Size>, now: Option<Size>) -> Self {
        Self { name: name.into(), before, now, versions: None }
    }

    /// By how many bytes it grew in zips.
    pub fn zipped_growth(&self) -> i64 {
        growth(self.before, self.now, |size| size.zipped_bytes)
    }

    /// By how many bytes it grew unzipped.
    pub fn unzipped_growth(&self) -> i64 {
        growth(self.before, self.now, |size| size.unzipped_bytes)
    }

    fn is_none(&self) -> bool {
        self.before == self.now && self.versions.is_none()
    }
}

impl FileChange {
    /// By how many bytes it grew in zips.
    pub fn zipped_growth(&self) -> i64 {
        growth(self.before, self.now, |size| size.zipped_bytes)
    }

    /// By how many bytes it grew unzipped.
    pub fn unzipped_growth(&self) -> i64 {
        growth(self.before, self.now, |size| size.unzipped_bytes)
    }
}

/// By how many bytes a part of a size grew.
pub(in crate::report) fn growth(before: Option<Size>, now: Option<Size>, part: impl Fn(Size) -> u64) -> i64 {
    let bytes = |size: Option<Size>| i64::try_from(size.map_or(0, &part)).unwrap_or(i64::MAX);
    bytes(now) - bytes(before)
}

impl Diff {
    /// The differences between `old` and `new`.
    pub fn new(old: &Side, new: &Side) -> Self {
        match (old, new) {
            (Side::Layers(old), Side::Layers(new)) => Self::of_layers(old, new),
            _ => Self::of_sizes(old, new),
        }
    }

    /// The differences in size between two sides of which one has nothing but sizes.
    fn of_sizes(old: &Side, new: &Side) -> Self {
        let baselines = [old, new].into_iter().filter(|side| matches!(side, Side::Baseline { .. }));
        Self {
            schema: SCHEMA,
            old: old.root().to_owned(),
            new: new.root().to_owned(),
            total: Change::new("all", old.total(), new.total()),
            layers: layers(&old.layers(), &new.layers()),
            packages: packages(&old.packages(), &new.packages(), |_| None),
            others: Change::new("other files", None, None),
            rules: Vec::new(),
            files: Vec::new(),
            moved: Vec::new(),
            sizes_only: baselines.map(|side| side.root().to_owned()).collect(),
        }
    }

    fn of_layers(old: &Snapshot, new: &Snapshot) -> Self {
        let (before, now) = (by_path(old), by_path(new));
        let owners = (Owners::new(old), Owners::new(new));
        let package = |path: &str| owners.1.of(path).or_else(|| owners.0.of(path));

        let mut files = Vec::new();
        let mut moved: BTreeMap<(String, &str, &str), usize> = BTreeMap::new();
        for path in before.keys().chain(now.keys()).copied().collect::<BTreeSet<_>>() {
            let (then, now) = (before.get(path), now.get(path));
            let which = match (then, now) {
                (Some((from, then)), Some((to, now))) => {
                    if from != to {
                        let what = package(path).map_or("other files".to_owned(), |name| format!("pkg:{name}"));
                        *moved.entry((what, *from, *to)).or_default() += 1;
                    }
                    if (then.size, &then.crc32, &then.mode, &then.link) == (now.size, &now.crc32, &now.mode, &now.link)
                    {
                        continue;
                    }
                    FileChangeKind::Changed
                }
                (None, _) => FileChangeKind::New,
                (_, None) => FileChangeKind::Removed,
            };
            files.push(FileChange {
                path: path.to_owned(),
                package: package(path).map(str::to_owned),
                which,
                before: then.map(|(_, entry)| size_of(entry)),
                now: now.map(|(_, entry)| size_of(entry)),
            });
        }
        files.sort_by(|a, b| most_first(a.zipped_growth(), b.zipped_growth()).then_with(|| a.path.cmp(&b.path)));
        let moved = moved.into_iter().map(|((what, from, to), files)| Moved {
            what,
            from: from.to_owned(),
            to: to.to_owned(),
            files,
        });
        let version = |snapshot: &Snapshot, name: &str| {
            let kept = snapshot.packages.iter().filter(|package| package.kept);
            kept.filter(|package| package.name == name).map(|package| package.version.clone()).next()
        };
        let versions = |name: &str| version(old, name).zip(version(new, name)).filter(|(a, b)| a != b);
        let packages = packages(&old.package_sizes(), &new.package_sizes(), versions);
        let of_packages = |snapshot: &Snapshot| {
            let mut rest = Size::default();
            let owners = Owners::new(snapshot);
            snapshot
                .entries()
                .filter(|(_, entry)| owners.of(&entry.path).is_none())
                .for_each(|(_, e)| rest += size_of(e));
            rest
        };
        Self {
            schema: SCHEMA,
            old: old.root.clone(),
            new: new.root.clone(),
            total: Change::new("all", Some(old.total()), Some(new.total())),
            layers: layers(&old.layer_sizes(), &new.layer_sizes()),
            packages,
            others: Change::new("other files", Some(of_packages(old)), Some(of_packages(new))),
            rules: rules(old, new),
            files,
            moved: moved.collect(),
            sizes_only: Vec::new(),
        }
    }

    /// Whether there are no differences.
    pub fn is_empty(&self) -> bool {
        let sizes = self.sizes_only.is_empty() || self.layers.is_empty() && self.packages.is_empty();
        sizes && self.files.is_empty() && self.moved.is_empty() && self.total.is_none()
    }

    /// What is not compared, if one side is a baseline, as a sentence.
    pub(in crate::report) fn limits(&self) -> Option<String> {
        let (a, verb, records) = match self.sizes_only.as_slice() {
            [] => return None,
            [_] => ("a baseline", "is", "records"),
            _ => ("baselines", "are", "record"),
        };
        Some(format!(
            "{} {verb} {a}, which {records} the sizes of layers and packages: versions, files, rules and what moved are not \
             compared. The manifest.json of the layers has them.",
            list::with_last(&self.sizes_only, "and")
        ))
    }
}

/// The order of two changes in bytes: what grew most is first; after that, what shrank most.
pub(in crate::report) fn most_first(a: i64, b: i64) -> Ordering {
    let key = |change: i64| (change <= 0, Reverse(change.unsigned_abs()));
    key(a).cmp(&key(b))
}

fn by_path(snapshot: &Snapshot) -> BTreeMap<&str, (&str, &crate::pack::output::ManifestEntry)> {
    snapshot.entries().map(|(layer, entry)| (entry.path.as_str(), (layer, entry))).collect()
}

fn layers(old: &[(&str, Size)], new: &[(&str, Size)]) -> Vec<Change> {
    let of = |side: &[(&str, Size)], name: &str| side.iter().find(|(has, _)| *has == name).map(|(_, size)| *size);
    let removed = old.iter().filter(|(name, _)| of(new, name).is_none());
    let names = new.iter().chain(removed).map(|(name, _)| *name);
    let changes = names.map(|name| Change::new(name, of(old, name), of(new, name)));
    changes.filter(|change| !change.is_none()).collect()
}

/// The packages that changed; `versions` has those of a package, if they differ.
fn packages(
    before: &BTreeMap<&str, Size>,
    now: &BTreeMap<&str, Size>,
    versions: impl Fn(&str) -> Option<(String, String)>,
) -> Vec<Change> {
    let names: BTreeSet<&str> = before.keys().chain(now.keys()).copied().collect();
    let changes = names.into_iter().map(|name| Change {
        versions: versions(name),
        ..Change::new(name, before.get(name).copied(), now.get(name).copied())
    });
    let mut changes: Vec<Change> = changes.filter(|change| !change.is_none()).collect();
    changes.sort_by(|a, b| most_first(a.zipped_growth(), b.zipped_growth()).then_with(|| a.name.cmp(&b.name)));
    changes
}

fn rules(old: &Snapshot, new: &Snapshot) -> Vec<Change> {
    // Only what was weighed on both sides can be compared in zips.
    let weighed = [old, new].iter().all(|side| side.pruned.iter().all(|rule| rule.zipped_bytes.is_some()));
    let of = |snapshot: &Snapshot| -> BTreeMap<String, Size> {
        let size = |rule: &SnapshotRule| Size {
            zipped_bytes: rule.zipped_bytes.filter(|_| weighed).unwrap_or_default(),
            unzipped_bytes: rule.bytes,
        };
        let dropped = snapshot.pruned.iter().filter(|rule| rule.bytes > 0);
        dropped.map(|rule| (format!("{} {}", rule.rule, rule.name), size(rule))).collect()
    };
    let (before, now) = (of(old), of(new));
    let names: BTreeSet<&String> = before.keys().chain(now.keys()).collect();
    let changes = names.into_iter().map(|name| Change::new(name, before.get(name).copied(), now.get(name).copied()));
    changes.filter(|change| !change.is_none()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_grew_most_is_first_and_then_what_shrank_most() {
        let mut changes = [0, -1, 5, -700, 700, i64::MIN];
        changes.sort_by(|a, b| most_first(*a, *b));
        assert_eq!(changes, [700, 5, i64::MIN, -700, -1, 0]);
    }
}
