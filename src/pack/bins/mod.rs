//! Two-dimensional vector bin packing: the fewest bins that hold all items, by zipped and by unzipped bytes, and the proof
//! that fewer do not.
//!
//! Items cannot be divided, and the sizes in one bin must not add up to more than its capacity in either dimension. (This
//! is vector packing, as in Caprara and Toth, 2001; items are not rectangles to be laid out.) In order of use:
//!
//! | file | algorithm | result |
//! | --- | --- | --- |
//! | `instance` | sorts the items and puts pinned ones into their bins | the instance |
//! | `lower_bounds` | L2, cardinality, surrogate relaxations, clique | lower bound |
//! | `best_fit_decreasing` | twelve variants of best-fit decreasing | upper bound |
//! | `portfolio` | asks, while the bounds differ, whether one bin fewer is feasible | packing or proof |
//! | `branch_and_bound`, `pruning` | exact, branches on items | packing or proof |
//! | `bin_completion`, `maximal_subsets` | exact, branches on bins (Korf) | packing or proof |
//! | `tabu_search` | local search (Glover) | packing |
//!
//! `item`, `size`, `feasibility` (the question and the verdict) and `budget` are what these share. Every search is limited by
//! a budget of steps and not by time, so results are the same on every machine. Whether items fit is decided in whole bytes,
//! so rounding never makes a result wrong.

mod best_fit_decreasing;
mod bin_completion;
mod branch_and_bound;
mod budget;
mod feasibility;
mod instance;
mod item;
mod lower_bounds;
mod maximal_subsets;
mod portfolio;
mod pruning;
pub(in crate::pack) mod random;
mod size;
mod tabu_search;

pub use feasibility::Verdict;
pub use item::{Capacity, Item};

use budget::Budget;
use instance::Instance;
use portfolio::decide;

/// The steps (looks at an item or a bin) that the searches of one call may take: a second at most, roughly.
const STEPS: u64 = 100_000_000;

/// A packing, and how good it is known to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// The items of each bin, by position, ascending. A bin is empty only if a pin names a later one and no item needed it.
    pub bins: Vec<Vec<usize>>,
    /// No packing has fewer bins with something in them.
    pub lower_bound: usize,
    /// Whether this packing is proven to have the fewest bins with something in them.
    pub optimal: bool,
}

/// Packs items into the fewest bins of `capacity`.
///
/// A pinned item is in the bin that its pin names. Bins are counted if they have something in them, so pins to two different
/// numbers make two bins. Bins for items that do not fit beside the pinned ones have the lowest numbers that no pin names.
/// There are at least as many bins in the result as the highest pin requires.
///
/// No item may be larger than a bin, nor may all items pinned to one together. If some are, no packing exists: the result
/// has each such item in a bin of its own, or in the one that its pin names, and is not `optimal`.
pub fn pack_bins(items: &[Item], capacity: Capacity) -> Assignment {
    let instance = Instance::new(items, capacity);
    let budget = Budget::new(STEPS);
    let mut lower_bound = instance.lower_bound();
    let mut best = instance.heuristic_placement(lower_bound);
    let mut proven = true;
    while proven && instance.used_bins(&best) > lower_bound {
        let residuals = instance.residuals(instance.used_bins(&best) - 1);
        match decide(instance.query(&residuals), &budget) {
            Verdict::Feasible(placement) => best = placement,
            Verdict::Infeasible => lower_bound = instance.used_bins(&best),
            Verdict::Unknown => proven = false,
        }
    }
    Assignment {
        bins: instance.packing(&best, items, 0),
        lower_bound: lower_bound + instance.oversized(),
        optimal: proven && instance.is_packable(),
    }
}

/// Decides whether items fit into `bins` bins of `capacity`, numbered from 0, each item in the bin that its pin names.
///
/// This is the decision version of [`pack_bins`]: it tells whether items can stay where they are. A packing has exactly
/// `bins` bins, some of which may be empty. It is infeasible if a pin names a bin that is not among them, if an item is larger
/// than a bin, or if more is pinned to a bin than it holds.
pub fn fits(items: &[Item], bins: usize, capacity: Capacity) -> Verdict<Vec<Vec<usize>>> {
    let instance = Instance::new(items, capacity);
    if !instance.is_packable() || instance.bins_named_by_pins() > bins || instance.lower_bound() > bins {
        return Verdict::Infeasible;
    }
    // More bins than items are of no use.
    let residuals = instance.residuals(bins.min(instance.max_used_bins()));
    let verdict = decide(instance.query(&residuals), &Budget::new(STEPS));
    verdict.map(|placement| instance.packing(&placement, items, bins))
}

#[cfg(test)]
mod samples;

#[cfg(test)]
mod tests {
    use super::random::Random;
    use super::samples::Sample;
    use super::*;

    fn items(sizes: &[[u64; 2]]) -> Vec<Item> {
        sizes.iter().map(|[zipped, unzipped]| Item { zipped: *zipped, unzipped: *unzipped, pin: None }).collect()
    }

    /// Whether each item is in exactly one bin, the one its pin names if it has one, and no bin is overfull.
    fn holds_all(items: &[Item], capacity: Capacity, bins: &[Vec<usize>]) -> bool {
        let mut placed: Vec<usize> = bins.concat();
        placed.sort_unstable();
        let is_overfull = |bin: &Vec<usize>, of: fn(&Item) -> u64, most: u64| {
            bin.iter().map(|item| of(&items[*item])).sum::<u64>() > most
        };
        placed == (0..items.len()).collect::<Vec<_>>()
            && bins.iter().all(|bin| {
                bin.is_sorted()
                    && !is_overfull(bin, |item| item.zipped, capacity.zipped)
                    && !is_overfull(bin, |item| item.unzipped, capacity.unzipped)
            })
            && items.iter().enumerate().all(|(i, item)| item.pin.is_none_or(|pin| bins[pin].contains(&i)))
    }

    fn used(bins: &[Vec<usize>]) -> usize {
        bins.iter().filter(|bin| !bin.is_empty()).count()
    }

    /// Whether items fit into so many bins, by exhaustive search. Pinned items are put into their bins first.
    fn is_feasible(items: &[Item], capacity: Capacity, bins: usize) -> bool {
        let mut residuals = vec![[capacity.zipped, capacity.unzipped]; bins];
        let mut free = Vec::new();
        for item in items {
            let Some(pin) = item.pin else {
                free.push([item.zipped, item.unzipped]);
                continue;
            };
            let Some(residual) = residuals.get_mut(pin) else { return false };
            let [Some(zipped), Some(unzipped)] =
                [residual[0].checked_sub(item.zipped), residual[1].checked_sub(item.unzipped)]
            else {
                return false;
            };
            *residual = [zipped, unzipped];
        }
        Sample::new(free, [capacity.zipped, capacity.unzipped], residuals).is_feasible()
    }

    /// The fewest bins with something in them, by exhaustive search: those that pins name and any others.
    fn fewest(items: &[Item], capacity: Capacity) -> usize {
        let mut pins: Vec<usize> = items.iter().filter_map(|item| item.pin).collect();
        pins.sort_unstable();
        pins.dedup();
        let renumbered: Vec<Item> = items
            .iter()
            .map(|item| Item { pin: item.pin.and_then(|pin| pins.iter().position(|other| *other == pin)), ..*item })
            .collect();
        (pins.len()..=items.len())
            .find(|bins| is_feasible(&renumbered, capacity, *bins))
            .expect("a bin for each item is enough")
    }

    /// Up to eight items, some of them pinned, and all of them fit into the bins they have to go into.
    fn pinned_sample(random: &mut Random) -> (Vec<Item>, Capacity) {
        let capacity = Capacity { zipped: 10 + random.below(20) as u64, unzipped: 10 + random.below(20) as u64 };
        let mut left = [[capacity.zipped, capacity.unzipped]; 5];
        let pins = random.below(3);
        let mut items = Vec::new();
        for _ in 0..random.below(9) {
            let below = |random: &mut Random, most: u64| 1 + random.below(usize::try_from(most).expect("small")) as u64;
            let mut item =
                Item { zipped: below(random, capacity.zipped), unzipped: below(random, capacity.unzipped), pin: None };
            let pin = random.below(5);
            if random.below(3) < pins && size::holds(left[pin], [item.zipped, item.unzipped]) {
                left[pin] = size::minus(left[pin], [item.zipped, item.unzipped]);
                item.pin = Some(pin);
            }
            items.push(item);
        }
        (items, capacity)
    }

    #[test]
    fn small_instances_are_packed_as_well_as_by_exhaustive_search() {
        let mut random = Random(1);
        for _ in 0..3000 {
            let (items, capacity) = pinned_sample(&mut random);
            let packed = pack_bins(&items, capacity);
            assert!(holds_all(&items, capacity, &packed.bins), "{items:?} in {capacity:?}: {packed:?}");
            let fewest = fewest(&items, capacity);
            let result = (used(&packed.bins), packed.lower_bound, packed.optimal);
            assert_eq!(result, (fewest, fewest, true), "{items:?} in {capacity:?}");
        }
    }

    #[test]
    fn fits_agrees_with_exhaustive_search() {
        let mut random = Random(2);
        let mut feasible = 0;
        for _ in 0..3000 {
            let (items, capacity) = pinned_sample(&mut random);
            let bins = random.below(6);
            let expected = is_feasible(&items, capacity, bins);
            match fits(&items, bins, capacity) {
                Verdict::Feasible(packing) => {
                    feasible += 1;
                    assert_eq!(packing.len(), bins);
                    assert!(holds_all(&items, capacity, &packing), "{items:?} in {capacity:?}: {packing:?}");
                }
                Verdict::Infeasible => assert!(!expected, "{items:?} in {bins} of {capacity:?}"),
                Verdict::Unknown => panic!("{items:?} are too few for that"),
            }
        }
        assert!((500..2500).contains(&feasible), "{feasible} of 3000");
    }

    #[test]
    fn fewer_bins_than_plain_best_fit_decreasing_needs_are_found() {
        let items = items(&[[6, 1], [5, 1], [4, 1], [4, 1], [4, 1], [3, 1]]);
        let packed = pack_bins(&items, Capacity { zipped: 13, unzipped: 100 });
        assert_eq!((packed.bins.len(), packed.lower_bound, packed.optimal), (2, 2, true));
    }

    #[test]
    fn an_oversized_item_has_a_bin_of_its_own_and_the_result_is_not_optimal() {
        let mut items = items(&[[5, 5], [11, 1], [5, 5]]);
        let capacity = Capacity { zipped: 10, unzipped: 10 };
        let packed = pack_bins(&items, capacity);
        assert_eq!(packed, Assignment { bins: vec![vec![0, 2], vec![1]], lower_bound: 2, optimal: false });
        assert_eq!(fits(&items, 9, capacity), Verdict::Infeasible);
        items[1].pin = Some(2);
        let packed = pack_bins(&items, capacity);
        assert_eq!(packed, Assignment { bins: vec![vec![0, 2], vec![], vec![1]], lower_bound: 2, optimal: false });
    }

    #[test]
    fn no_items_need_no_bin_and_items_of_no_size_need_one() {
        let capacity = Capacity { zipped: 10, unzipped: 10 };
        assert_eq!(pack_bins(&[], capacity), Assignment { bins: vec![], lower_bound: 0, optimal: true });
        assert_eq!(fits(&[], 2, capacity), Verdict::Feasible(vec![vec![], vec![]]));
        assert_eq!(pack_bins(&items(&[[0, 0], [0, 0]]), capacity).bins, [[0, 1]]);
        assert_eq!(fits(&items(&[[0, 0]]), 0, capacity), Verdict::Infeasible);
    }

    #[test]
    fn a_result_that_is_not_proven_is_not_called_optimal() {
        // Twelve items fill each of eight bins to the byte in both dimensions: the search space is too large.
        let mut random = Random(1);
        let mut sizes = Vec::new();
        for _ in 0..8 {
            let mut left = [1_000_000; 2];
            for _ in 0..11 {
                let size = [0; 2].map(|_: u64| 40_000 + random.below(90_000) as u64 / 2);
                left = size::minus(left, size);
                sizes.push(size);
            }
            sizes.push(left);
        }
        let items = items(&sizes);
        let capacity = Capacity { zipped: 1_000_000, unzipped: 1_000_000 };
        let packed = pack_bins(&items, capacity);
        assert!(holds_all(&items, capacity, &packed.bins));
        assert_eq!((packed.bins.len(), packed.lower_bound, packed.optimal), (9, 8, false));
    }

    #[test]
    fn tens_of_thousands_of_items_are_packed_quickly() {
        let sizes: Vec<[u64; 2]> = (0..20_000).map(|i| [1 + (i * 7919) % 5000, 1 + (i * 104_729) % 9000]).collect();
        let packed = pack_bins(&items(&sizes), Capacity { zipped: 1_000_000, unzipped: 2_000_000 });
        assert!(packed.optimal);
    }

    #[test]
    fn sums_over_64_bits_do_not_overflow() {
        let huge = Capacity { zipped: u64::MAX, unzipped: u64::MAX };
        assert_eq!(pack_bins(&items(&[[1 << 62, 1 << 63]; 7]), huge).bins.len(), 7);
        assert_eq!(pack_bins(&items(&[[u64::MAX, 1], [u64::MAX, 2]]), huge).bins.len(), 2);
    }
}
