//! Suggestions: further ways to save bytes, each on its own with exactly what it saves, what it risks, and how many layers
//! fewer there would be. Every number is measured or added up; nothing is estimated.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use rayon::prelude::*;
use schemars::JsonSchema;
use serde::Serialize;

use super::{Plan, Settings};
use crate::base::bytes::size;
use crate::base::error::Result;
use crate::base::finding::Severity;
use crate::base::path::TreePath;
use crate::base::progress::Progress;
use crate::languages;
use crate::pack;
use crate::pack::measure::OtherForms;
use crate::pack::rewrite::strip::StripMode;
use crate::pack::{PackedEntries, Unit};
use crate::prune::{CompiledRule, Condition, Level, Protected, prune};
use crate::resolve::Node;
use crate::tree::{EntryId, Kind, Magic};

/// In a tree of more entries, rules are not tried one by one: that would take longer than everything else.
const MAX_ENTRIES: usize = 50_000;

/// Databases of this many bytes are always tried in another form. That takes some five times as long as to compress them.
const MIN_TRIED_BYTES: u64 = 32 << 20;

/// Of more, so many as are this part of what is packed.
const TRIED_OF_PACKED: u64 = 20;

/// Duplicates of shorter files are not reported: a link costs about as much.
const MIN_DUPLICATE_BYTES: u64 = 4096;

/// How many names a suggestion lists.
const MAX_NAMES: usize = 3;

/// A further step that would save bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Suggestion {
    /// What to do: an option of the command line, or a change to the tree.
    pub step: String,
    /// What it does.
    pub what: String,
    /// What could stop working.
    pub risk: String,
    /// How many files it drops or changes.
    pub files: usize,
    /// How many bytes it saves unzipped; negative when it adds some.
    pub unzipped_bytes: i64,
    /// How many bytes it saves in zips.
    pub zipped_bytes: i64,
    /// How many layers it saves.
    pub layers: usize,
}

/// The zipped and unzipped bytes that entries would have; `None` when they would be dropped.
type Change = BTreeMap<EntryId, Option<(u64, u64)>>;

/// The steps that save zipped bytes, those that save a layer first, then by the bytes that they save. With `measuring`, files
/// are also compressed in other forms to find what those would save, which takes longer than to pack.
///
/// # Errors
/// When a file cannot be read, or a rule cannot be compiled for this tree.
pub(crate) fn suggestions(
    plan: &Plan<'_>,
    settings: &Settings,
    measuring: bool,
    progress: &dyn Progress,
) -> Result<Vec<Suggestion>> {
    let steps = Steps { plan, settings, now: PackedEntries::new(&plan.units, plan.analysis.tree().entries().len()) };
    let mut found = steps.rules()?;
    found.extend(steps.not_opened());
    found.extend(steps.duplicates()?);
    if measuring {
        found.extend(steps.other_forms(progress)?);
    }
    found.retain(|step| step.zipped_bytes > 0);
    found.sort_by(|a, b| (b.layers, b.zipped_bytes, &a.step).cmp(&(a.layers, a.zipped_bytes, &b.step)));
    Ok(found)
}

/// The databases that are tried in another form.
struct Databases {
    /// They and their indexes.
    tried: BTreeSet<EntryId>,
    /// How many they are.
    number: usize,
    /// How many more there are.
    left: usize,
}

struct Steps<'a> {
    plan: &'a Plan<'a>,
    settings: &'a Settings,
    now: PackedEntries<'a>,
}

impl Steps<'_> {
    fn step(&self, step: String, what: String, risk: &str, change: &Change) -> Suggestion {
        let signed = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
        let (mut zipped, mut unzipped) = (0, 0);
        for (id, then) in change {
            let (before, after) = (self.size(*id), then.unwrap_or((0, 0)));
            zipped += signed(before.0) - signed(after.0);
            unzipped += signed(before.1) - signed(after.1);
        }
        let risk = risk.to_owned();
        let layers = self.layers_saved(change);
        Suggestion { step, what, risk, files: change.len(), unzipped_bytes: unzipped, zipped_bytes: zipped, layers }
    }

    /// The bytes of a packed entry: zipped with headers, and unzipped.
    fn size(&self, id: EntryId) -> (u64, u64) {
        self.now.get(id).map_or((0, 0), |entry| (entry.zipped, entry.unzipped))
    }

    /// How many layers a change saves.
    fn layers_saved(&self, change: &Change) -> usize {
        let now = self.plan.layout.layers.len();
        if now < 2 || change.is_empty() {
            return 0;
        }
        let units = self.plan.units.iter().filter_map(|unit| {
            let entries = unit.entries.iter().filter_map(|entry| match change.get(&entry.id) {
                None => Some(entry.clone()),
                Some(None) => None,
                Some(Some((zipped, unzipped))) => {
                    Some(pack::UnitEntry { zipped: *zipped, unzipped: *unzipped, ..entry.clone() })
                }
            });
            let entries: Vec<_> = entries.collect();
            (!entries.is_empty()).then(|| Unit { name: unit.name.clone(), entries })
        });
        let units: Vec<Unit> = units.collect();
        let then = pack::lay_out(&units, &self.settings.limits, &self.settings.layer_policy, None).0;
        now.saturating_sub(then.layers.len())
    }

    /// Each rule that is off, turned on.
    fn rules(&self) -> Result<Vec<Suggestion>> {
        let analysis = &self.plan.analysis;
        if analysis.tree().entries().len() > MAX_ENTRIES {
            return Ok(Vec::new());
        }
        let tree = analysis.tree();
        let files: Vec<EntryId> =
            self.now.iter().map(|entry| entry.id).filter(|id| !tree.entry(*id).is_directory()).collect();
        let pinned = |id: &EntryId| self.plan.pruning.is_pinned(*id);
        let drops_any =
            |rule: &CompiledRule| files.iter().any(|id| !pinned(id) && rule.could_drop(&tree.entry(*id).path));
        let rules = analysis.compiled_rules(&self.settings.rules)?;
        let off: Vec<_> = rules.off().filter(|(_, off)| off.rule.level == Level::Extra).collect();
        let tried =
            off.into_par_iter().filter(|(_, off)| drops_any(off)).map(|(position, CompiledRule { rule, .. })| {
                let pinned = self.now.iter().map(|entry| entry.id).filter(pinned).collect();
                let protected = Protected { pinned, opened: BTreeSet::new() };
                let (pruning, _) = prune(&analysis.resolution, &rules.with(position), protected);
                let dropped = files.iter().filter(|id| !pruning.keeps(**id));
                let change: Change = dropped.map(|id| (*id, None)).collect();
                let risk = match rule.only {
                    Some(Condition::Unloaded) => {
                        "a program that opens one by its path, or calls dlopen() with a computed name"
                    }
                    _ => rule.breaks.as_str(),
                };
                let step = format!("--select {}", rule.name);
                (!change.is_empty()).then(|| self.step(step, format!("{} {}", rule.code, rule.what), risk, &change))
            });
        Ok(tried.collect::<Vec<_>>().into_iter().flatten().collect())
    }

    /// Packages of which no run opened a file, except those that are needed without the others.
    fn not_opened(&self) -> Option<Suggestion> {
        if self.settings.opened.is_empty() {
            return None;
        }
        let is_idle = |unit: &&Unit| {
            let opened = unit.entries.iter().any(|entry| self.plan.pruning.is_pinned(entry.id));
            unit.name.starts_with("pkg:") && !opened
        };
        let mut idle: Vec<&Unit> = self.plan.units.iter().filter(is_idle).collect();
        // A package that stays has needs of its own, so this is repeated until nothing changes.
        loop {
            let needed = self.needed_without(&idle);
            let before = idle.len();
            idle.retain(|unit| !unit.entries.iter().any(|entry| needed.contains(&entry.id)));
            if idle.len() == before {
                break;
            }
        }
        let change: Change = idle.iter().flat_map(|unit| &unit.entries).map(|entry| (entry.id, None)).collect();
        let names: Vec<&str> = idle.iter().map(|unit| unit.name.as_str()).collect();
        (!names.is_empty()).then(|| {
            self.step(
                format!("--drop {}", names.join(",")),
                format!("packages of which the run opened no file: {}", names.len()),
                "code of the function that the run did not reach",
                &change,
            )
        })
    }

    /// What is needed of these units if they are dropped: by what is kept or a session, as in the guard, or because a check
    /// would report an error that names the package.
    fn needed_without(&self, dropped: &[&Unit]) -> BTreeSet<EntryId> {
        let resolution = &self.plan.analysis.resolution;
        let (tree, packages) = (&resolution.tree, &resolution.packages);
        let gone: BTreeSet<EntryId> = dropped.iter().flat_map(|unit| &unit.entries).map(|entry| entry.id).collect();
        let directories: BTreeSet<&str> = dropped.iter().map(|unit| unit.name.as_str()).collect();
        let is_dropped = |position: usize| directories.contains(packages.unit_name(position).as_str());
        let stays = |id: EntryId| {
            let of_dropped = packages.of_path(tree.path(id)).is_some_and(is_dropped);
            self.plan.pruning.keeps(id) && !gone.contains(&id) && !of_dropped
        };
        let reached = resolution.graph.reach(resolution.roots(|id| stays(id) && !tree.entry(id).is_directory()));
        let findings = languages::check(packages, tree, resolution.image.profile(), &stays);
        let errors = findings.iter().filter(|finding| finding.severity == Severity::Error);
        let missing: BTreeSet<&str> = errors.filter_map(|finding| finding.cause.as_deref()).collect();
        let is_needed = |position: &usize| {
            reached.contains_key(&Node::Package(*position)) || missing.contains(packages.get(*position).name.as_str())
        };
        let by_packages = (0..packages.all.len()).filter(is_needed).map(|position| packages.unit_name(position));
        let needed: BTreeSet<String> = by_packages.collect();
        let of_needed = dropped.iter().filter(|unit| needed.contains(&unit.name)).flat_map(|unit| &unit.entries);
        let by_kept = reached.keys().filter_map(|node| match node {
            Node::Entry(id) => Some(*id),
            _ => None,
        });
        by_kept.chain(of_needed.map(|entry| entry.id)).filter(|id| gone.contains(id)).collect()
    }

    /// Files with the same content: all but one can be links to that one.
    fn duplicates(&self) -> Result<Option<Suggestion>> {
        let tree = self.plan.analysis.tree();
        let mut by_checksum: BTreeMap<(u64, u32), Vec<EntryId>> = BTreeMap::new();
        for entry in self.plan.units.iter().flat_map(|unit| &unit.entries) {
            if entry.unzipped >= MIN_DUPLICATE_BYTES && tree.entry(entry.id).is_file() {
                by_checksum.entry((entry.unzipped, entry.crc32)).or_default().push(entry.id);
            }
        }
        let mut change = Change::new();
        let mut largest: Vec<(u64, String)> = Vec::new();
        for ids in by_checksum.into_values().filter(|ids| ids.len() > 1) {
            let mut by_content: BTreeMap<[u8; 32], Vec<EntryId>> = BTreeMap::new();
            for id in ids {
                let mut hash = blake3::Hasher::new();
                tree.read_in_chunks(id, &mut |chunk| {
                    hash.update(chunk);
                    Ok(ControlFlow::Continue(()))
                })?;
                by_content.entry(*hash.finalize().as_bytes()).or_default().push(id);
            }
            for same in by_content.into_values().filter(|same| same.len() > 1) {
                for id in &same[1..] {
                    let target = relative_length(tree.path(same[0]).as_bytes(), tree.path(*id).as_bytes());
                    let overhead = crate::pack::measure::entry_overhead(tree.path(*id), false);
                    change.insert(*id, Some((overhead + target, target)));
                    largest.push((self.size(*id).0, format!("{} equals {}", tree.path(*id), tree.path(same[0]))));
                }
            }
        }
        largest.sort_by(|a, b| (b.0, &a.1).cmp(&(a.0, &b.1)));
        let named: Vec<String> = largest.iter().take(MAX_NAMES).map(|(_, pair)| pair.clone()).collect();
        Ok((!change.is_empty()).then(|| {
            self.step(
                "replace duplicate files with symbolic links".to_owned(),
                format!("the largest: {}", named.join("; ")),
                "a library that was loaded twice, under two names, is loaded once",
                &change,
            )
        }))
    }

    /// What is packed unchanged, in the forms that an option would give it.
    fn other_forms(&self, progress: &dyn Progress) -> Result<Vec<Suggestion>> {
        let tree = self.plan.analysis.tree();
        let is_elf = |id: EntryId| matches!(tree.entry(id).kind, Kind::File { magic: Magic::Elf, .. });
        let mut found = Vec::new();
        if self.settings.transforms.strip != StripMode::All {
            let mut transforms = self.settings.transforms.clone();
            transforms.strip = StripMode::All;
            let change = self.measured(&transforms, &is_elf, false, progress)?;
            found.push(self.step(
                "--strip all".to_owned(),
                "removes symbol tables and debug data from ELF files; what is loaded is unchanged".to_owned(),
                "backtraces of native code lack names",
                &change,
            ));
        }
        if !self.settings.transforms.repack {
            let mut transforms = self.settings.transforms.clone();
            transforms.repack = true;
            let databases = self.databases();
            let is_tried = |id: EntryId| databases.tried.contains(&id);
            let change = self.measured(&transforms, &is_tried, databases.left == 0, progress)?;
            let of_how_many = match databases.left {
                0 => String::new(),
                left => format!(
                    "; at least, as only the {} largest of {} were tried",
                    databases.number,
                    databases.number + left
                ),
            };
            let step = self.step(
                "--repack-rdb".to_owned(),
                format!("stores R's databases uncompressed, so that the zip compresses each as a whole{of_how_many}"),
                "none known: R reads the same values",
                &change,
            );
            let unzipped: u64 = self.now.iter().map(|entry| entry.unzipped).sum();
            let left = self.settings.limits.layers_unzipped().saturating_sub(unzipped);
            let risk = match step.unzipped_bytes {
                ..0 => format!(
                    "uses {} of the {} that are left unzipped; R reads the same values",
                    size(step.unzipped_bytes.unsigned_abs()),
                    size(left)
                ),
                _ => step.risk.clone(),
            };
            found.push(Suggestion { risk, ..step });
        }
        Ok(found)
    }

    /// The databases that are tried in another form: the largest, as many as take not much longer than what is compressed anyway.
    fn databases(&self) -> Databases {
        let tree = self.plan.analysis.tree();
        let of = |id: EntryId| {
            let stem = tree.path(id).as_bytes().strip_suffix(b".rdb").filter(|_| tree.entry(id).is_file())?;
            let index = TreePath::new([stem, b".rdx"].concat()).and_then(|path| tree.find(&path))?;
            Some((std::cmp::Reverse(tree.entry(id).bytes()), id, index))
        };
        let mut all: Vec<_> = self.now.iter().filter_map(|entry| of(entry.id)).collect();
        all.sort_unstable();
        let packed: u64 = self.now.iter().map(|entry| entry.unzipped).sum();
        let most = MIN_TRIED_BYTES.max(packed / TRIED_OF_PACKED);
        let (mut tried, mut bytes, mut number) = (BTreeSet::new(), 0, 0);
        for (std::cmp::Reverse(length), database, index) in &all {
            bytes += length;
            if bytes > most {
                break;
            }
            tried.extend([*database, *index]);
            number += 1;
        }
        Databases { tried, number, left: all.len() - number }
    }

    /// What these transforms would change, of the packed files that satisfy `considered`.
    fn measured(
        &self,
        transforms: &crate::pack::rewrite::Transforms,
        considered: &(dyn Fn(EntryId) -> bool + Sync),
        xz: bool,
        progress: &dyn Progress,
    ) -> Result<Change> {
        let tree = self.plan.analysis.tree();
        let wanted = |id: EntryId| self.now.get(id).is_some() && considered(id);
        let others: u64 = self.now.iter().filter(|entry| !wanted(entry.id)).map(|entry| entry.unzipped).sum();
        let other = OtherForms {
            files: &wanted,
            unzipped: self.settings.limits.layers_unzipped().saturating_sub(others),
            level: self.settings.level,
            transforms,
            xz,
        };
        let mut change = Change::new();
        for (id, measured) in self.plan.measurements.in_other_forms(tree, &other, progress)? {
            let then = (measured.zipped(tree.path(id)), measured.bytes);
            if then != self.size(id) {
                change.insert(id, Some(then));
            }
        }
        Ok(change)
    }
}

/// The length in bytes of the relative target of a link at `from` to `to`.
fn relative_length(to: &[u8], from: &[u8]) -> u64 {
    let parts = |path: &[u8]| path.split(|byte| *byte == b'/').map(<[u8]>::to_vec).collect::<Vec<_>>();
    let (to, from) = (parts(to), parts(from));
    let common = to.iter().zip(&from).take_while(|(a, b)| a == b).count().min(to.len() - 1).min(from.len() - 1);
    let up = from.len() - 1 - common;
    let down = to[common..].join(&b'/').len();
    (3 * up + down) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_as_long_as_the_relative_path_of_its_target() {
        for (to, from, target) in
            [("lib/a.so.1", "lib/a.so", "a.so.1"), ("a/b/c", "a/d/e", "../b/c"), ("x", "a/b/c", "../../x")]
        {
            assert_eq!(relative_length(to.as_bytes(), from.as_bytes()), target.len() as u64, "{to} {from}");
        }
    }
}
