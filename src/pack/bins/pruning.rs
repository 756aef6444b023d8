//! Pruning rules of the branch and bound: they show that the items still to be packed cannot fit into the residual
//! capacities, long before the search would find out.
//!
//! Both relax the subproblem below a node, so they never cut off a packing. [`SuffixBounds`] counts the space that is wasted
//! in bins too full for any remaining item. [`FractionalBound`] applies Dantzig's bound for the knapsack problem
//! ("Discrete-variable extremum problems", Operations Research 5, 1957) to the two dimensions. The latter is charged to the
//! budget, and what it stores is bounded, too.

use std::cmp::Ordering;

use super::budget::Budget;
use super::size::{Size, holds, minus, plus};

/// Facts about the suffixes of the sorted items: those from each position on, which are left when all before are packed.
pub(super) struct SuffixBounds {
    /// The sum of each suffix.
    pub(super) sums: Vec<Size>,
    /// The least bytes of any item in each dimension.
    smallest: Vec<Size>,
    /// The item that is largest in each dimension.
    largest: Vec<[usize; 2]>,
    /// How much of all bins together may be wasted.
    slack: Size,
}

impl SuffixBounds {
    pub(super) fn new(sizes: &[Size], residuals: &[Size]) -> Self {
        let n = sizes.len();
        let mut bounds = SuffixBounds {
            sums: vec![[0; 2]; n + 1],
            smallest: vec![[u64::MAX; 2]; n + 1],
            largest: vec![[0; 2]; n + 1],
            slack: [0; 2],
        };
        for i in (0..n).rev() {
            bounds.sums[i] = plus(bounds.sums[i + 1], sizes[i]);
            for (dimension, size) in sizes[i].into_iter().enumerate() {
                bounds.smallest[i][dimension] = bounds.smallest[i + 1][dimension].min(size);
                let largest = bounds.largest[i + 1][dimension];
                let larger = i + 1 == n || size >= sizes[largest][dimension];
                bounds.largest[i][dimension] = if larger { i } else { largest };
            }
        }
        bounds.slack = minus(residuals.iter().fold([0; 2], |sum, residual| plus(sum, *residual)), bounds.sums[0]);
        bounds
    }

    /// Whether the items from `depth` on cannot fit: the bins that hold none of them waste more than the slack, or an item
    /// that is the largest in one dimension fits nowhere.
    pub(super) fn is_infeasible(&self, sizes: &[Size], depth: usize, residuals: &[Size]) -> bool {
        let mut wasted = [0; 2];
        let largest = self.largest[depth].map(|item| sizes[item]);
        let mut fits = [false; 2];
        for residual in residuals {
            if holds(*residual, self.smallest[depth]) {
                fits[0] |= holds(*residual, largest[0]);
                fits[1] |= holds(*residual, largest[1]);
            } else {
                wasted = plus(wasted, *residual);
            }
        }
        !holds(self.slack, wasted) || fits != [true; 2]
    }
}

/// A bound for items that may be divided at will, but keep their ratio of zipped to unzipped bytes.
///
/// Bins with much left of one dimension and little of the other cannot all be filled. Take the bins with the most zipped
/// bytes left per unzipped byte: the other bins have only so much space for zipped bytes, so these have to hold the
/// remainder, within the unzipped bytes that they have left. How many zipped bytes fit into those at most is a fractional
/// knapsack problem, which filling up in order of the items' ratios solves exactly.
pub(super) struct FractionalBound {
    sizes: Vec<Size>,
    /// The items in decreasing order of zipped bytes per unzipped byte.
    by_ratio: Vec<usize>,
    /// For each depth, the prefix sums in that order of the items not packed there. Computed when first needed.
    prefix_sums: Vec<Vec<Size>>,
    /// How many prefix sums may still be stored.
    storage_left: usize,
    /// The bins in order of their ratios: kept to be allocated only once.
    sorted_residuals: Vec<Size>,
}

impl FractionalBound {
    /// With more bins than this the bound costs more than it saves.
    const MAX_BINS: usize = 24;

    /// Maximum number of prefix sums stored for all depths together (16 bytes each).
    const MAX_STORED: usize = 1 << 20;

    pub(super) fn new(sizes: &[Size]) -> Self {
        let mut by_ratio: Vec<usize> = (0..sizes.len()).collect();
        by_ratio.sort_by(|a, b| by_decreasing_ratio(sizes[*a], sizes[*b]).then(a.cmp(b)));
        FractionalBound {
            sizes: sizes.to_vec(),
            by_ratio,
            prefix_sums: Vec::new(),
            storage_left: Self::MAX_STORED,
            sorted_residuals: Vec::new(),
        }
    }

    /// Whether the items from `depth` on, whose sizes add up to `sum`, cannot fit. When the bound does not apply, or cannot
    /// be stored, they are assumed to fit.
    pub(super) fn is_infeasible(&mut self, depth: usize, residuals: &[Size], sum: Size, budget: &Budget) -> bool {
        if residuals.len() < 2 || residuals.len() > Self::MAX_BINS || !self.prepare(depth, budget) {
            return false;
        }
        budget.charge(4 * residuals.len());
        let prefix_sums = &self.prefix_sums[depth];
        self.sorted_residuals.clear();
        self.sorted_residuals.extend(residuals);
        self.sorted_residuals.sort_unstable_by(|a, b| by_decreasing_ratio(*a, *b));
        let mut others = self.sorted_residuals.iter().fold([0; 2], |sum, residual| plus(sum, *residual));
        let mut these = [0; 2];
        for residual in &self.sorted_residuals {
            these = plus(these, *residual);
            others = minus(others, *residual);
            let Some(required) = sum[0].checked_sub(others[0]) else { continue };
            if max_zipped(prefix_sums, these[1]) < u128::from(required) {
                return true;
            }
        }
        false
    }

    /// Computes the prefix sums for all depths up to `depth`; false if there is no storage left for them.
    fn prepare(&mut self, depth: usize, budget: &Budget) -> bool {
        while self.prefix_sums.len() <= depth {
            let first = self.prefix_sums.len();
            if self.storage_left <= self.sizes.len() {
                return false;
            }
            self.storage_left -= self.sizes.len() - first + 1;
            budget.charge(self.sizes.len());
            let mut sums = vec![[0; 2]];
            let mut sum = [0; 2];
            for item in self.by_ratio.iter().filter(|item| **item >= first) {
                sum = plus(sum, self.sizes[*item]);
                sums.push(sum);
            }
            self.prefix_sums.push(sums);
        }
        true
    }
}

/// Dantzig's bound: the most zipped bytes of the items with these prefix sums that fit into so many unzipped bytes. Whole
/// items in order of their ratios, and a fraction of the next.
fn max_zipped(prefix_sums: &[Size], unzipped: u64) -> u128 {
    let whole = prefix_sums.partition_point(|sum| sum[1] <= unzipped) - 1;
    let mut zipped = u128::from(prefix_sums[whole][0]);
    if let Some(next) = prefix_sums.get(whole + 1) {
        let critical = minus(*next, prefix_sums[whole]);
        let space = u128::from(unzipped - prefix_sums[whole][1]);
        zipped += (u128::from(critical[0]) * space).checked_div(u128::from(critical[1])).unwrap_or(0);
    }
    zipped
}

/// Compares sizes by zipped bytes per unzipped byte, the highest ratio first; those that are zero in both come last.
fn by_decreasing_ratio(a: Size, b: Size) -> Ordering {
    let cross = |a: Size, b: Size| u128::from(a[0]) * u128::from(b[1]);
    (a == [0; 2]).cmp(&(b == [0; 2])).then_with(|| cross(b, a).cmp(&cross(a, b)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pack::bins::random::Random;
    use crate::pack::bins::samples::Sample;

    /// Whether each of the two bounds shows that these items cannot be packed.
    fn infeasible(sizes: &[Size], residuals: &[Size]) -> (bool, bool) {
        let suffixes = SuffixBounds::new(sizes, residuals);
        let budget = Budget::new(1_000_000);
        let fractional = FractionalBound::new(sizes).is_infeasible(0, residuals, suffixes.sums[0], &budget);
        (suffixes.is_infeasible(sizes, 0, residuals), fractional)
    }

    #[test]
    fn no_path_to_a_packing_is_pruned() {
        let mut random = Random(1);
        let budget = Budget::new(u64::MAX);
        for number in 0..500 {
            let (bins, items) = (1 + number % 6, 1 + number % 40);
            let (sample, placement) = Sample::perfect(&mut random, bins, items);
            let suffixes = SuffixBounds::new(&sample.sizes, &sample.residuals);
            let mut fractional = FractionalBound::new(&sample.sizes);
            let mut residuals = sample.residuals.clone();
            for (depth, bin) in placement.iter().enumerate() {
                assert!(!suffixes.is_infeasible(&sample.sizes, depth, &residuals), "{number}");
                assert!(!fractional.is_infeasible(depth, &residuals, suffixes.sums[depth], &budget), "{number}");
                residuals[*bin] = minus(residuals[*bin], sample.sizes[depth]);
            }
        }
    }

    #[test]
    fn a_bin_that_holds_no_item_is_wasted() {
        assert_eq!(infeasible(&[[4, 4], [4, 4], [4, 4]], &[[8, 8], [8, 8]]), (false, false));
        assert_eq!(infeasible(&[[4, 4], [4, 4], [4, 4]], &[[8, 8], [3, 3], [3, 3]]), (true, false));
    }

    #[test]
    fn the_largest_item_has_to_fit_somewhere() {
        assert_eq!(infeasible(&[[5, 1], [1, 1]], &[[4, 4], [4, 4]]), (true, false));
        assert_eq!(infeasible(&[[5, 1], [1, 1]], &[[4, 4], [5, 1]]), (false, false));
    }

    #[test]
    fn items_of_another_ratio_do_not_fill_a_bin() {
        assert_eq!(infeasible(&[[1, 1]; 100], &[[90, 10], [10, 90]]), (false, true));
        assert_eq!(infeasible(&[[1, 1]; 20], &[[90, 10], [10, 90]]), (false, false));
    }

    #[test]
    fn a_fraction_of_the_critical_item_counts() {
        let prefix_sums = [[0, 0], [9, 3], [13, 7]];
        assert_eq!([0, 3, 5, 7, 100].map(|unzipped| max_zipped(&prefix_sums, unzipped)), [0, 9, 11, 13, 13]);
    }
}
