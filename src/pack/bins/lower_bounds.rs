//! Lower bounds on the number of bins, computed without a search.
//!
//! The largest of these, none of which dominates the others:
//!
//! - in one dimension, L2 (Martello and Toth, "Lower bounds and reduction procedures for the bin packing problem", Discrete
//!   Applied Mathematics 28, 1990) and a cardinality bound (Dell'Amico and Martello, "Optimal scheduling of tasks on
//!   identical parallel processors", ORSA Journal on Computing 7, 1995, where bins are processors);
//! - the same for surrogate relaxations that merge both dimensions into one (Caprara and Toth, "Lower bounds and algorithms
//!   for the 2-dimensional vector packing problem", Discrete Applied Mathematics 111, 2001);
//! - the size of a clique of items of which no two fit into one bin together.
//!
//! The number of surrogates is fixed, and only so many items are considered for the clique, so the cost is bounded by the
//! number of items alone. For thousands of items it is a few milliseconds.

use std::cmp::Reverse;

use super::size::{Norm, ONE, Size, holds, minus, shares};

/// How many equal steps the weight of one dimension against the other is varied in, for the surrogates.
const WEIGHT_STEPS: u64 = 64;

/// How many items are considered for a clique: small ones fit with others, and the number of pairs has to stay small.
const CLIQUE_CANDIDATES: usize = 2000;

/// No packing of these items has fewer bins with something in them than this, when `residuals` are the residual capacities
/// of bins that others have already been put into.
pub(super) fn lower_bound(sizes: &[Size], capacity: Size, residuals: &[Size]) -> usize {
    // What is already in a bin is treated as one item. Only the clique knows that no two of these share a bin.
    let mut all: Vec<Size> = residuals.iter().map(|residual| minus(capacity, *residual)).collect();
    all.extend(sizes);
    if all.is_empty() {
        return 0;
    }
    let mut best = clique(&all, residuals.len(), capacity).max(1);
    for dimension in 0..2 {
        let sizes = all.iter().map(|size| size[dimension]).collect();
        best = best.max(one_dimensional(sizes, capacity[dimension]));
    }
    // Items that fit into a bin in both dimensions also fit in any weighted sum of the two, so a bound for the sum is a
    // bound for the items. It takes account of items that are large in different dimensions.
    let shares: Vec<Size> = all.iter().map(|size| shares(*size, capacity)).collect();
    for weight in 1..WEIGHT_STEPS {
        let surrogate = shares.iter().map(|share| weight * share[0] + (WEIGHT_STEPS - weight) * share[1]).collect();
        best = best.max(one_dimensional(surrogate, WEIGHT_STEPS * ONE));
    }
    best
}

/// The best of the bounds for one dimension.
fn one_dimensional(mut sizes: Vec<u64>, capacity: u64) -> usize {
    sizes.sort_unstable();
    if capacity == 0 {
        return 1;
    }
    martello_toth(&sizes, capacity).max(cardinality(&sizes, capacity))
}

/// The best cardinality bound: of the items from some size on, no bin holds more than the number of the smallest of them
/// that fit into one together. Takes the sizes in ascending order.
fn cardinality(sorted: &[u64], capacity: u64) -> usize {
    let (mut end, mut sum, mut best) = (0, 0_u64, 0);
    for (start, size) in sorted.iter().enumerate() {
        while let Some(longer) = sorted.get(end).and_then(|size| sum.checked_add(*size)).filter(|sum| *sum <= capacity)
        {
            (sum, end) = (longer, end + 1);
        }
        best = best.max((sorted.len() - start).div_ceil((end - start).max(1)));
        sum -= size;
    }
    best
}

/// Martello and Toth's L2: the best bound over all thresholds that separate small items, which it ignores, from larger
/// ones. Takes the sizes in ascending order.
fn martello_toth(sorted: &[u64], capacity: u64) -> usize {
    let half = capacity / 2;
    let mut prefix = vec![0_u128; sorted.len() + 1];
    for (i, size) in sorted.iter().enumerate() {
        prefix[i + 1] = prefix[i] + u128::from(*size);
    }
    let first_over = |limit: u64| sorted.partition_point(|size| *size <= limit);
    let sum = |from: usize, to: usize| prefix[to].saturating_sub(prefix[from]);
    let capacity_wide = u128::from(capacity);
    let over_half = first_over(half);
    let mut thresholds: Vec<u64> = sorted[..over_half].to_vec();
    thresholds.push(0);
    thresholds.dedup();
    let mut best = 0;
    for threshold in thresholds {
        // Of the items that are not small, those over half a bin are in different bins. The ones larger than
        // capacity - threshold leave no space for any other; the rest leave some for those up to half a bin.
        let alone = first_over(capacity - threshold).max(over_half);
        let not_small = sorted.partition_point(|size| *size < threshold).min(over_half);
        let space_left = (alone - over_half) as u128 * capacity_wide - sum(over_half, alone);
        let more = sum(not_small, over_half).saturating_sub(space_left).div_ceil(capacity_wide);
        best = best.max(sorted.len() - over_half + usize::try_from(more).unwrap_or(usize::MAX));
    }
    best
}

/// The size of a clique, found greedily, in the graph that joins two items if they do not fit into one bin together. The
/// first `separate` items are all joined: they are in different bins already.
fn clique(sizes: &[Size], separate: usize, capacity: Size) -> usize {
    let mut best = separate;
    for norm in Norm::ALL {
        let mut sorted: Vec<usize> = (separate..sizes.len()).collect();
        sorted.sort_by_cached_key(|item| Reverse(norm.of(sizes[*item], capacity)));
        sorted.truncate(CLIQUE_CANDIDATES);
        let mut clique: Vec<usize> = (0..separate).collect();
        for item in sorted {
            let conflicts = |other: &usize| !holds(minus(capacity, sizes[*other]), sizes[item]);
            if clique.iter().all(conflicts) {
                clique.push(item);
            }
        }
        best = best.max(clique.len());
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pack::bins::random::Random;
    use crate::pack::bins::samples::Sample;

    #[test]
    fn is_never_more_than_a_packing_needs() {
        let mut random = Random(1);
        let mut tight = 0;
        for _ in 0..3000 {
            let mut sample = Sample::small(&mut random);
            let capacity = sample.capacity;
            sample.sizes.retain(|size| holds(capacity, *size));
            // One bin that already holds something, and as many empty ones as are needed.
            sample.residuals.truncate(1);
            let used = sample.residuals.clone();
            while !sample.is_feasible() {
                sample.residuals.push(capacity);
            }
            let bound = lower_bound(&sample.sizes, capacity, &used);
            assert!(bound <= sample.residuals.len(), "{bound} for {:?}", sample.residuals);
            tight += usize::from(bound == sample.residuals.len());
        }
        assert!(tight > 2700, "tight for {tight} of 3000");
    }

    #[test]
    fn items_over_half_a_bin_are_in_bins_of_their_own() {
        assert_eq!(one_dimensional(vec![51; 9], 100), 9);
        assert_eq!(martello_toth(&[30, 30, 60, 60, 80], 100), 3);
        assert_eq!(martello_toth(&[40, 40, 61, 61], 100), 3);
    }

    #[test]
    fn three_items_of_which_only_two_fit_together_need_two_bins() {
        assert_eq!(martello_toth(&[34; 3], 100), 2);
        assert_eq!(martello_toth(&[34; 10], 100), 4);
        assert_eq!(cardinality(&[34; 10], 100), 5);
    }

    #[test]
    fn a_surrogate_is_better_than_either_dimension() {
        let sizes: Vec<Size> = (0..80).map(|i| if i % 2 == 0 { [400, 250] } else { [250, 400] }).collect();
        let one: Vec<u64> = sizes.iter().map(|size| size[0]).collect();
        assert_eq!(one_dimensional(one, 1000), 26);
        assert_eq!(lower_bound(&sizes, [1000, 1000], &[]), 27);
    }

    #[test]
    fn items_that_conflict_pairwise_need_a_bin_each() {
        let sizes = [[90, 1], [1, 90], [11, 11]];
        assert_eq!(clique(&sizes, 0, [100, 100]), 2, "the first two fit together");
        assert_eq!(clique(&[[90, 11], [11, 90], [11, 11]], 0, [100, 100]), 3);
    }

    #[test]
    fn bins_that_already_hold_something_are_never_merged() {
        assert_eq!(lower_bound(&[], [100, 100], &[[99, 99], [99, 99]]), 2);
        assert_eq!(lower_bound(&[[100, 1]], [100, 100], &[[99, 99], [99, 99]]), 3);
    }
}
