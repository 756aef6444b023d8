//! Best-fit decreasing: items in decreasing order of size, each into the bin that suits it best; none is moved again.
//!
//! "Size" and "suits best" can be defined in several ways in two dimensions (Kou and Markowsky, "Multidimensional bin packing
//! algorithms", IBM Journal of Research and Development 21, 1977). [`variants`] lists the combinations, and callers try one
//! after the other. Each takes as many steps as the number of items times the number of bins. The first of several bins that
//! suit equally well is taken, so the result depends on the query alone.

use std::cmp::Reverse;

use super::feasibility::{Placement, Query};
use super::size::{Norm, Size, holds, minus, shares};

/// Which of the bins that hold an item it goes into, by the residual capacity that they would have left, as shares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FitRule {
    /// Best fit: the bin with the least left, both dimensions added up.
    Best,
    /// The bin in which the two dimensions would be used up most evenly, so that neither is left over.
    Balanced,
    /// Worst fit: the bin with the most left of the scarcer dimension. It spreads the items over a given number of bins.
    Worst,
}

impl FitRule {
    const ALL: [FitRule; 3] = [FitRule::Best, FitRule::Balanced, FitRule::Worst];

    /// The bin with the lowest cost is chosen.
    pub(super) fn cost(self, left: Size) -> i128 {
        let [a, b] = left.map(i128::from);
        match self {
            FitRule::Best => a + b,
            FitRule::Balanced => (a - b).abs(),
            FitRule::Worst => -a.min(b),
        }
    }
}

/// What happens to an item that no bin holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Overflow {
    /// It opens a new bin.
    OpenBin,
    /// The packing fails.
    Fail,
}

/// All combinations of a sort order and a rule, the most promising first.
pub(super) fn variants() -> impl Iterator<Item = (Norm, FitRule)> {
    FitRule::ALL.into_iter().flat_map(|rule| Norm::ALL.into_iter().map(move |norm| (norm, rule)))
}

/// Packs all items; `None` if one fits into no bin and must not open another.
pub(super) fn best_fit_decreasing(query: Query, norm: Norm, rule: FitRule, overflow: Overflow) -> Option<Placement> {
    let Query { sizes, capacity, residuals } = query;
    let mut sorted: Vec<usize> = (0..sizes.len()).collect();
    sorted.sort_by_cached_key(|item| Reverse(norm.of(sizes[*item], capacity)));
    let mut residuals = residuals.to_vec();
    let mut residual_shares: Vec<Size> = residuals.iter().map(|residual| shares(*residual, capacity)).collect();
    let mut placement = vec![0; sizes.len()];
    for item in sorted {
        let (size, share) = (sizes[item], shares(sizes[item], capacity));
        let fitting = (0..residuals.len()).filter(|bin| holds(residuals[*bin], size));
        let bin = match fitting.min_by_key(|bin| rule.cost(minus(residual_shares[*bin], share))) {
            Some(bin) => bin,
            None if overflow == Overflow::OpenBin => {
                residuals.push(capacity);
                residual_shares.push(shares(capacity, capacity));
                residuals.len() - 1
            }
            None => return None,
        };
        residuals[bin] = minus(residuals[bin], size);
        residual_shares[bin] = minus(residual_shares[bin], share);
        placement[item] = bin;
    }
    Some(placement)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(sizes: &[Size], rule: FitRule, overflow: Overflow) -> Option<Placement> {
        let query = Query { sizes, capacity: [10, 10], residuals: &[[10, 10], [5, 8]] };
        best_fit_decreasing(query, Norm::Max, rule, overflow)
    }

    #[test]
    fn the_rule_chooses_the_bin() {
        let sizes = [[4, 4]];
        assert_eq!(packed(&sizes, FitRule::Best, Overflow::Fail), Some(vec![1]));
        assert_eq!(packed(&sizes, FitRule::Balanced, Overflow::Fail), Some(vec![0]));
        assert_eq!(packed(&sizes, FitRule::Worst, Overflow::Fail), Some(vec![0]));
    }

    #[test]
    fn an_item_that_no_bin_holds_opens_one_or_fails() {
        let sizes = [[6, 1], [7, 1]];
        assert_eq!(packed(&sizes, FitRule::Best, Overflow::Fail), None);
        let placement = packed(&sizes, FitRule::Best, Overflow::OpenBin);
        assert_eq!(placement, Some(vec![2, 0]), "the larger item comes first");
    }

    #[test]
    fn the_first_of_several_equally_good_bins_is_taken() {
        let query = Query { sizes: &[[4, 4]], capacity: [10, 10], residuals: &[[3, 3], [9, 9], [9, 9]] };
        for (norm, rule) in variants() {
            assert_eq!(best_fit_decreasing(query, norm, rule, Overflow::Fail), Some(vec![1]), "{norm:?} {rule:?}");
        }
    }
}
