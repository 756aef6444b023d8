//! A bin packing instance as the algorithms see it: items in decreasing order, with those that are pinned to a bin already
//! put into it.
//!
//! The algorithms number bins differently from callers: first the bins that pins name, in the order of their numbers, then
//! all others. [`Instance::packing`] translates back.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::best_fit_decreasing::{Overflow, best_fit_decreasing, variants};
use super::feasibility::{Placement, Query};
use super::item::{Capacity, Item};
use super::lower_bounds;
use super::size::{Norm, Size, holds, total};

/// After so many steps (looks at a bin) no other variant of best-fit decreasing is tried; with thousands of bins, the first
/// has to do.
const HEURISTIC_STEPS: usize = 20_000_000;

/// Items to be packed into as few bins of one capacity as possible.
pub(super) struct Instance {
    /// The capacity of a bin, but no more than all items together need, so that sums stay small.
    capacity: Size,
    /// The positions of the items without a pin in decreasing order of size. Equal ones are next to one another.
    free: Vec<usize>,
    /// The sizes of the items in `free`.
    sizes: Vec<Size>,
    /// The residual capacity of each bin that pins name.
    pinned: BTreeMap<usize, Size>,
    /// The positions of items without a pin that are larger than a bin.
    oversized: Vec<usize>,
    /// Whether a packing exists.
    packable: bool,
}

impl Instance {
    pub(super) fn new(items: &[Item], capacity: Capacity) -> Self {
        let size = |item: &Item| [item.zipped, item.unzipped];
        let total = total(items.iter().map(size));
        let least = |bytes: u64, total: u128| u64::try_from(total).map_or(bytes, |total| bytes.min(total));
        let capacity = [least(capacity.zipped, total[0]), least(capacity.unzipped, total[1])];
        let (mut free, mut oversized, mut pinned, mut packable) = (Vec::new(), Vec::new(), BTreeMap::new(), true);
        for (position, item) in items.iter().enumerate() {
            let size = size(item);
            if let Some(number) = item.pin {
                let residual: &mut Size = pinned.entry(number).or_insert(capacity);
                packable &= holds(*residual, size);
                *residual = [residual[0].saturating_sub(size[0]), residual[1].saturating_sub(size[1])];
            } else if holds(capacity, size) {
                free.push(position);
            } else {
                oversized.push(position);
            }
        }
        packable &= oversized.is_empty();
        free.sort_by_cached_key(|position| {
            let size = size(&items[*position]);
            Reverse((Norm::Max.of(size, capacity), Norm::Sum.of(size, capacity), size))
        });
        let sizes = free.iter().map(|position| size(&items[*position])).collect();
        Instance { capacity, free, sizes, pinned, oversized, packable }
    }

    /// Whether a packing exists, with however many bins: no item is larger than a bin, and no bin has more pinned to it than
    /// it holds.
    pub(super) fn is_packable(&self) -> bool {
        self.packable
    }

    /// How many bins there have to be for the pins: one more than the highest number.
    pub(super) fn bins_named_by_pins(&self) -> usize {
        self.pinned.last_key_value().map_or(0, |(number, _)| number + 1)
    }

    /// An upper bound on the number of bins with something in them.
    pub(super) fn max_used_bins(&self) -> usize {
        self.pinned.len() + self.sizes.len()
    }

    /// The residual capacities of `bins` bins, or of those that pins name if these are more, before the items without a pin
    /// are packed.
    pub(super) fn residuals(&self, bins: usize) -> Vec<Size> {
        let mut residuals: Vec<Size> = self.pinned.values().copied().collect();
        residuals.resize(bins.max(residuals.len()), self.capacity);
        residuals
    }

    /// The question whether the items that have no pin and are not oversized fit into these bins.
    pub(super) fn query<'a>(&'a self, residuals: &'a [Size]) -> Query<'a> {
        Query { sizes: &self.sizes, capacity: self.capacity, residuals }
    }

    /// How many bins have something in them with this placement.
    pub(super) fn used_bins(&self, placement: &[usize]) -> usize {
        let others: BTreeSet<&usize> = placement.iter().filter(|bin| **bin >= self.pinned.len()).collect();
        self.pinned.len() + others.len()
    }

    /// A lower bound on the number of bins with something in them, without those of the oversized items.
    pub(super) fn lower_bound(&self) -> usize {
        lower_bounds::lower_bound(&self.sizes, self.capacity, &self.residuals(0)).max(self.pinned.len())
    }

    /// How many items are larger than a bin. Each has one of its own.
    pub(super) fn oversized(&self) -> usize {
        self.oversized.len()
    }

    /// The best placement that variants of best-fit decreasing find: an upper bound. Stops at the first with no more than
    /// `lower_bound` bins.
    pub(super) fn heuristic_placement(&self, lower_bound: usize) -> Placement {
        let residuals = self.residuals(0);
        let mut best: Option<Placement> = None;
        let mut steps = 0;
        for (norm, rule) in variants() {
            let bins = best.as_ref().map(|best| self.used_bins(best));
            if bins.is_some_and(|bins| bins <= lower_bound) || steps > HEURISTIC_STEPS {
                break;
            }
            steps += self.sizes.len() * bins.unwrap_or(1);
            if let Some(found) = best_fit_decreasing(self.query(&residuals), norm, rule, Overflow::OpenBin)
                && bins.is_none_or(|bins| self.used_bins(&found) < bins)
            {
                best = Some(found);
            }
        }
        best.unwrap_or_default()
    }

    /// The packing that a placement stands for: the items of each bin, pinned and oversized ones included, with the bins in
    /// the caller's numbering. There are at least `min_bins`.
    pub(super) fn packing(&self, placement: &[usize], items: &[Item], min_bins: usize) -> Vec<Vec<usize>> {
        let mut unpinned = (0..).filter(|number| !self.pinned.contains_key(number));
        let mut numbers: BTreeMap<usize, usize> = self.pinned.keys().copied().enumerate().collect();
        let mut placed: Vec<(usize, usize)> = Vec::with_capacity(items.len());
        placed.extend(items.iter().enumerate().filter_map(|(position, item)| Some((item.pin?, position))));
        for (bin, position) in placement.iter().zip(&self.free) {
            let number = numbers.entry(*bin).or_insert_with(|| unpinned.next().unwrap_or_default());
            placed.push((*number, *position));
        }
        placed.extend(unpinned.zip(self.oversized.iter().copied()));
        let bins = placed.iter().map(|(number, _)| number + 1).max();
        let mut packing = vec![Vec::new(); bins.unwrap_or(0).max(min_bins)];
        placed.sort_unstable();
        for (number, position) in placed {
            packing[number].push(position);
        }
        packing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAPACITY: Capacity = Capacity { zipped: 10, unzipped: 20 };

    fn item(zipped: u64, unzipped: u64, pin: Option<usize>) -> Item {
        Item { zipped, unzipped, pin }
    }

    #[test]
    fn items_are_sorted_and_pinned_ones_are_in_their_bins() {
        let items = [item(1, 2, None), item(4, 9, Some(3)), item(6, 1, None), item(6, 1, None), item(2, 20, None)];
        let instance = Instance::new(&items, CAPACITY);
        assert!(instance.is_packable());
        assert_eq!(instance.sizes, [[2, 20], [6, 1], [6, 1], [1, 2]], "by shares of the capacity");
        assert_eq!(instance.residuals(2), [[6, 11], [10, 20]]);
        assert_eq!((instance.bins_named_by_pins(), instance.max_used_bins()), (4, 5));
    }

    #[test]
    fn bins_are_numbered_as_the_caller_does() {
        let items = [item(1, 1, None), item(4, 4, Some(1)), item(7, 7, None)];
        let instance = Instance::new(&items, CAPACITY);
        // The first bin is the one that is pinned to; the second is the first that is not.
        assert_eq!(instance.packing(&[1, 0], &items, 0), [vec![2], vec![0, 1]]);
        assert_eq!(instance.packing(&[0, 0], &items, 3), [vec![], vec![0, 1, 2], vec![]]);
        assert_eq!((instance.used_bins(&[1, 0]), instance.used_bins(&[0, 0])), (2, 1));
    }

    #[test]
    fn an_oversized_item_or_an_overfull_pin_cannot_be_packed() {
        let oversized = Instance::new(&[item(11, 1, None), item(1, 1, None)], CAPACITY);
        assert_eq!((oversized.is_packable(), oversized.oversized()), (false, 1));
        let overfull = Instance::new(&[item(6, 1, Some(0)), item(5, 1, Some(0))], CAPACITY);
        assert_eq!((overfull.is_packable(), overfull.oversized()), (false, 0));
    }
}
