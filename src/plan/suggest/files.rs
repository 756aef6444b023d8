//! Steps about files: rules that are off, and files with the same content.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use rayon::prelude::*;

use super::step::{Change, Draft, Setting, Steps, Suggestion};
use crate::base::error::Result;
use crate::pack::measure::entry_overhead;
use crate::prune::{CompiledRule, Condition, Level, PruneRule, prune_with};
use crate::tree::EntryId;

/// In a tree of more entries, rules are not tried one by one: that would take longer than everything else.
const MAX_ENTRIES: usize = 50_000;

/// Duplicates of shorter files are not reported: a link costs about as much.
const MIN_DUPLICATE_BYTES: u64 = 4096;

/// How many names a suggestion lists.
const MAX_NAMES: usize = 3;

impl Steps<'_> {
    /// Each rule that is off, turned on.
    pub(super) fn rules(&self) -> Result<Vec<Suggestion>> {
        let analysis = &self.plan.analysis;
        if analysis.tree().entries().len() > MAX_ENTRIES {
            return Ok(Vec::new());
        }
        let tree = analysis.tree();
        let files: Vec<EntryId> =
            self.now.iter().map(|entry| entry.id).filter(|id| !tree.entry(*id).is_directory()).collect();
        let pinned = |id: &EntryId| self.plan.pruning.is_pinned(*id);
        let (rules, is_on): (Vec<&CompiledRule>, Vec<bool>) =
            analysis.compiled_rules(&self.settings.rules)?.all().unzip();
        let all = self.plan.matches(self.settings)?;
        let matching: BTreeSet<usize> =
            files.iter().filter(|id| !pinned(id)).flat_map(|id| all.of(id.index())).copied().collect();
        let is_offered = |rule: &PruneRule| rule.level == Level::Extra && !self.settings.rules.is_refused(rule);
        let off = (0..rules.len()).filter(|rule| !is_on[*rule] && is_offered(&rules[*rule].rule));
        let off: Vec<usize> = off.filter(|rule| matching.contains(rule)).collect();
        let tried = off.into_par_iter().map(|position| {
            let CompiledRule { rule, .. } = rules[position];
            let on: Vec<usize> = (0..rules.len()).filter(|rule| is_on[*rule] || *rule == position).collect();
            let pinned = self.now.iter().map(|entry| entry.id).filter(pinned).collect();
            let pruning = prune_with(&analysis.resolution, (&rules, &on), all, pinned, &BTreeSet::new());
            let dropped = files.iter().filter(|id| !pruning.keeps(**id));
            let change: Change = dropped.map(|id| (*id, None)).collect();
            let risk = match rule.only {
                Some(Condition::Unloaded) => {
                    "a program that opens one by its path, or calls dlopen() with a computed name"
                }
                _ => rule.breaks.as_str(),
            };
            let draft = Draft {
                name: format!("select-{}", rule.name),
                step: format!("--select {}", rule.name),
                what: format!("{} {}", rule.code, rule.what),
                risk: risk.to_owned(),
                setting: Some(Setting::Add("select", vec![rule.name.clone()])),
            };
            (!change.is_empty()).then(|| self.step(draft, &change))
        });
        Ok(tried.collect::<Vec<_>>().into_iter().flatten().collect())
    }

    /// Files with the same content: all but one can be links to that one.
    pub(super) fn duplicates(&self) -> Result<Option<Suggestion>> {
        let tree = self.plan.analysis.tree();
        // Longer ones have no checksum, and one of them fits into no layer either.
        let lengths = MIN_DUPLICATE_BYTES..=self.settings.limits.longest_file();
        let mut by_checksum: BTreeMap<(u64, u32), Vec<EntryId>> = BTreeMap::new();
        for entry in self.plan.units.iter().flat_map(|unit| &unit.entries) {
            if lengths.contains(&entry.unzipped) && tree.entry(entry.id).is_file() {
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
                    let overhead = entry_overhead(tree.path(*id), false);
                    change.insert(*id, Some((overhead + target, target)));
                    largest.push((self.size(*id).0, format!("{} equals {}", tree.path(*id), tree.path(same[0]))));
                }
            }
        }
        largest.sort_by(|a, b| (b.0, &a.1).cmp(&(a.0, &b.1)));
        let named: Vec<String> = largest.iter().take(MAX_NAMES).map(|(_, pair)| pair.clone()).collect();
        Ok((!change.is_empty()).then(|| {
            let draft = Draft {
                name: "link-duplicates".to_owned(),
                step: "replace duplicate files with symbolic links".to_owned(),
                what: format!("a change to the tree; the largest: {}", named.join("; ")),
                risk: "a library that was loaded twice, under two names, is loaded once".to_owned(),
                setting: None,
            };
            self.step(draft, &change)
        }))
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
