//! Matches: the rules that match each entry of a tree. Most entries match none, and the others few different sets of rules, so
//! each set is kept once.

use std::collections::{BTreeSet, HashMap};

use rayon::prelude::*;

/// How many entries are matched before their sets are counted.
const ENTRIES_AT_ONCE: usize = 1 << 16;

/// The rules that match each entry, by its position.
pub struct Matches {
    /// The different sets of rules, each in the order of the rules; the first is empty.
    sets: Vec<Vec<usize>>,
    numbers: HashMap<Vec<usize>, u32>,
    /// The set of each entry.
    of: Vec<u32>,
}

impl Matches {
    /// No rule matches any of so many entries.
    pub(super) fn none(entries: usize) -> Self {
        Self { sets: vec![Vec::new()], numbers: HashMap::from([(Vec::new(), 0)]), of: vec![0; entries] }
    }

    /// `rules_of` is called for each position, on all cores.
    pub(super) fn new(entries: usize, rules_of: impl Fn(usize) -> Vec<usize> + Sync) -> Self {
        let mut matches = Self::none(entries);
        let mut start = 0;
        while start < entries {
            let end = entries.min(start + ENTRIES_AT_ONCE);
            let rules: Vec<Vec<usize>> = (start..end).into_par_iter().with_min_len(256).map(&rules_of).collect();
            for (at, rules) in rules.into_iter().enumerate() {
                if !rules.is_empty() {
                    matches.of[start + at] = matches.number(&rules);
                }
            }
            start = end;
        }
        matches
    }

    /// The rules that match the entry at a position, in the order of the rules.
    pub fn of(&self, at: usize) -> &[usize] {
        &self.sets[self.of[at] as usize]
    }

    /// Every rule that matches anything.
    pub(super) fn rules(&self) -> BTreeSet<usize> {
        let mut used = vec![false; self.sets.len()];
        for set in &self.of {
            used[*set as usize] = true;
        }
        self.sets.iter().zip(used).filter(|(_, used)| *used).flat_map(|(set, _)| set).copied().collect()
    }

    /// The same without these rules, except for the entries that keep them.
    pub(super) fn without(&self, rules: &[usize], keeps_them: impl Fn(usize) -> bool) -> Self {
        let mut others = Self::none(self.of.len());
        let mut set_of = |set: &[usize]| others.number(set);
        let left = |set: &Vec<usize>| set.iter().copied().filter(|rule| !rules.contains(rule)).collect::<Vec<_>>();
        let numbers: Vec<(u32, u32)> = self.sets.iter().map(|set| (set_of(set), set_of(&left(set)))).collect();
        for (at, set) in self.of.iter().enumerate() {
            let (whole, left) = numbers[*set as usize];
            others.of[at] = if whole != left && keeps_them(at) { whole } else { left };
        }
        others
    }

    /// Replaces the rules of the entry at a position.
    pub(super) fn set(&mut self, at: usize, rules: &[usize]) {
        self.of[at] = self.number(rules);
    }

    fn number(&mut self, rules: &[usize]) -> u32 {
        if let Some(number) = self.numbers.get(rules) {
            return *number;
        }
        // There are no more sets than entries, whose ids are as wide.
        let number = u32::try_from(self.sets.len()).unwrap_or_default();
        self.sets.push(rules.to_vec());
        self.numbers.insert(rules.to_vec(), number);
        number
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_set_of_rules_is_kept_once_and_rules_are_taken_out_of_all_but_some() {
        let entries = 3 * ENTRIES_AT_ONCE;
        let rules_of = |at: usize| match at % 4 {
            0 => vec![],
            1 => vec![1],
            2 => vec![1, 5],
            _ => vec![5],
        };
        let matches = Matches::new(entries, rules_of);
        assert_eq!((matches.sets.len(), matches.rules()), (4, BTreeSet::from([1, 5])));
        assert!((0..entries).all(|at| matches.of(at) == rules_of(at)));
        let left = matches.without(&[5], |at| at == 3 || at == 6);
        assert_eq!([2, 3, 6, 7].map(|at| left.of(at).to_vec()), [vec![1], vec![5], vec![1, 5], vec![]]);
        let mut none = left.without(&[1, 5], |_| false);
        assert!(none.rules().is_empty());
        none.set(7, &[4]);
        assert_eq!((none.of(7), none.rules()), (&[4][..], BTreeSet::from([4])));
    }
}
