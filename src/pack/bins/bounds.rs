//! Lower bounds: how many bins no packing does without, found without a search.

use std::cmp::Reverse;

use super::greedy::Order;
use super::size::{ONE, Size, holds, less, shares};

/// How finely the two dimensions are mixed for a bound.
const PARTS: u64 = 64;

/// No packing of these pieces has fewer bins, when `rooms` are what is left of some bins that others have been put into.
pub(super) fn bound(sizes: &[Size], capacity: Size, rooms: &[Size]) -> usize {
    // What is in a bin already is like a piece, but no two of them go together; only the clique knows that.
    let mut all: Vec<Size> = rooms.iter().map(|room| less(capacity, *room)).collect();
    all.extend(sizes);
    if all.is_empty() {
        return 0;
    }
    let mut best = clique(&all, rooms.len(), capacity).max(1);
    for dimension in 0..2 {
        let sizes = all.iter().map(|size| size[dimension]).collect();
        best = best.max(bound_1d(sizes, capacity[dimension]));
    }
    // What fits in both dimensions fits in any mix of them, so a bound for the mix is one for the pieces. It sees those
    // that are large in different dimensions at once. (Caprara and Toth, "Lower bounds and algorithms for the
    // 2-dimensional vector packing problem", Discrete Applied Mathematics 111, 2001, relax the two to one like this.)
    let shares: Vec<Size> = all.iter().map(|size| shares(*size, capacity)).collect();
    for part in 1..PARTS {
        let mix = shares.iter().map(|share| part * share[0] + (PARTS - part) * share[1]).collect();
        best = best.max(bound_1d(mix, PARTS * ONE));
    }
    best
}

/// The best of the bounds for one dimension.
fn bound_1d(mut sizes: Vec<u64>, capacity: u64) -> usize {
    sizes.sort_unstable();
    if capacity == 0 {
        return 1;
    }
    martello_toth(&sizes, capacity).max(most_together(&sizes, capacity))
}

/// The best of the bounds that take a bin to hold as many as it can of the smallest of the larger pieces, for each size at
/// which pieces begin to be larger (Dell'Amico and Martello, "Optimal scheduling of tasks on identical parallel processors",
/// ORSA Journal on Computing 7, 1995, for processors).
fn most_together(sorted: &[u64], capacity: u64) -> usize {
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

/// L2 of ascending sizes, the best of a bound for each size at which pieces begin to be "small" (Martello and Toth, "Lower
/// bounds and reduction procedures for the bin packing problem", Discrete Applied Mathematics 28, 1990).
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
    for small in thresholds {
        // Pieces over capacity - small share a bin with nothing of at least `small`; those over half with none of their kind.
        let alone = first_over(capacity - small).max(over_half);
        let from_small = sorted.partition_point(|size| *size < small).min(over_half);
        let room_left = (alone - over_half) as u128 * capacity_wide - sum(over_half, alone);
        let rest = sum(from_small, over_half).saturating_sub(room_left).div_ceil(capacity_wide);
        best = best.max(sorted.len() - over_half + usize::try_from(rest).unwrap_or(usize::MAX));
    }
    best
}

/// How many pieces there are of which no two fit together, found greedily; the first `apart` never do.
fn clique(sizes: &[Size], apart: usize, capacity: Size) -> usize {
    let mut best = apart;
    for order in Order::ALL {
        let mut sorted: Vec<usize> = (apart..sizes.len()).collect();
        sorted.sort_by_cached_key(|piece| Reverse(order.key(sizes[*piece], capacity)));
        // Small pieces fit with others; this many are looked at so that the pairs stay few.
        sorted.truncate(2000);
        let mut clique: Vec<usize> = (0..apart).collect();
        for piece in sorted {
            let apart = |other: &usize| !holds(less(capacity, sizes[*other]), sizes[piece]);
            if clique.iter().all(apart) {
                clique.push(piece);
            }
        }
        best = best.max(clique.len());
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pack::bins::exchange::Random;
    use crate::pack::bins::samples::Sample;

    #[test]
    fn no_packing_has_fewer_bins() {
        let mut random = Random(1);
        let mut reached = 0;
        for _ in 0..3000 {
            let mut sample = Sample::small(&mut random);
            let capacity = sample.capacity;
            sample.sizes.retain(|size| holds(capacity, *size));
            // One room that something is in already, and as many empty ones as it takes.
            sample.rooms.truncate(1);
            let used = sample.rooms.clone();
            while !sample.can_be_packed() {
                sample.rooms.push(capacity);
            }
            let least = bound(&sample.sizes, capacity, &used);
            assert!(least <= sample.rooms.len(), "{least} of {:?}", sample.rooms);
            reached += usize::from(least == sample.rooms.len());
        }
        assert!(reached > 2700, "{reached} of 3000 are the number itself");
    }

    #[test]
    fn pieces_over_half_are_alone() {
        assert_eq!(bound_1d(vec![51; 9], 100), 9);
        assert_eq!(martello_toth(&[30, 30, 60, 60, 80], 100), 3);
        assert_eq!(martello_toth(&[40, 40, 61, 61], 100), 3);
    }

    #[test]
    fn three_that_do_not_go_together_are_two_bins() {
        assert_eq!(martello_toth(&[34; 3], 100), 2);
        assert_eq!(martello_toth(&[34; 10], 100), 4);
        assert_eq!(most_together(&[34; 10], 100), 5);
    }

    #[test]
    fn a_mix_of_both_dimensions_sees_what_neither_does() {
        let sizes: Vec<Size> = (0..80).map(|i| if i % 2 == 0 { [400, 250] } else { [250, 400] }).collect();
        let one: Vec<u64> = sizes.iter().map(|size| size[0]).collect();
        assert_eq!(bound_1d(one, 1000), 26);
        assert_eq!(bound(&sizes, [1000, 1000], &[]), 27);
    }

    #[test]
    fn pieces_of_which_no_two_fit_together_are_a_bin_each() {
        let sizes = [[90, 1], [1, 90], [11, 11]];
        assert_eq!(clique(&sizes, 0, [100, 100]), 2, "the large ones fit together");
        assert_eq!(clique(&[[90, 11], [11, 90], [11, 11]], 0, [100, 100]), 3);
    }

    #[test]
    fn bins_with_something_in_them_never_become_one() {
        assert_eq!(bound(&[], [100, 100], &[[99, 99], [99, 99]]), 2);
        assert_eq!(bound(&[[100, 1]], [100, 100], &[[99, 99], [99, 99]]), 3);
    }
}
