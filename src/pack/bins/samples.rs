//! What the tests of the algorithms share: feasibility questions, random and made by hand, and the truth about small ones by
//! exhaustive search.

use super::budget::Budget;
use super::feasibility::{Placement, Query, Verdict};
use super::random::Random;
use super::size::{Size, holds, minus, plus};

/// A feasibility question that owns its items and bins.
pub(super) struct Sample {
    /// In decreasing order.
    pub(super) sizes: Vec<Size>,
    pub(super) capacity: Size,
    pub(super) residuals: Vec<Size>,
}

impl Sample {
    pub(super) fn new(mut sizes: Vec<Size>, capacity: Size, residuals: Vec<Size>) -> Self {
        sizes.sort_by_key(|size| std::cmp::Reverse((size[0].max(size[1]), size[0] + size[1], *size)));
        Sample { sizes, capacity, residuals }
    }

    /// Up to nine items, and up to three bins of different residual capacities that hold as much together or a little more.
    pub(super) fn small(random: &mut Random) -> Self {
        let largest = 3 + random.below(12);
        let size = |random: &mut Random| [1 + random.below(largest) as u64, random.below(largest) as u64];
        let sizes: Vec<Size> = (0..=random.below(8)).map(|_| size(random)).collect();
        let count = 1 + random.below(3);
        let sum = sizes.iter().fold([0; 2], |sum, size| plus(sum, *size));
        let capacity: Size = sum.map(|sum| sum.div_ceil(count as u64) + random.below(3) as u64);
        let mut residuals = vec![capacity; count];
        // Moved from one bin to another, so that the total stays the same.
        let moved = capacity.map(|whole| random.below(1 + usize::try_from(whole).expect("small") / 3) as u64);
        residuals[0] = minus(capacity, moved);
        residuals[count - 1] = plus(residuals[count - 1], moved);
        let capacity = residuals[count - 1];
        Sample::new(sizes, capacity, residuals)
    }

    /// Items that fill bins of different residual capacities to the byte in both dimensions, and such a placement.
    pub(super) fn perfect(random: &mut Random, bins: usize, items: usize) -> (Self, Placement) {
        let placed: Vec<(Size, usize)> = (0..items)
            .map(|item| ([1 + random.below(1000) as u64, 1 + random.below(1000) as u64], item % bins))
            .collect();
        let mut filled = vec![[0; 2]; bins];
        for (size, bin) in &placed {
            filled[*bin] = plus(filled[*bin], *size);
        }
        let capacity = filled.iter().fold([0; 2], |most: Size, bin| [most[0].max(bin[0]), most[1].max(bin[1])]);
        let sample = Sample::new(placed.iter().map(|(size, _)| *size).collect(), capacity, filled);
        let mut rest = placed;
        let mut bin_of = |size: &Size| {
            let position = rest.iter().position(|(other, _)| other == size).expect("it was placed");
            rest.swap_remove(position).1
        };
        let placement = sample.sizes.iter().map(&mut bin_of).collect();
        (sample, placement)
    }

    pub(super) fn query(&self) -> Query<'_> {
        Query { sizes: &self.sizes, capacity: self.capacity, residuals: &self.residuals }
    }

    /// Whether a placement puts every item into a bin, and no bin holds more than it can.
    pub(super) fn is_packed(&self, placement: &[usize]) -> bool {
        let mut residuals = self.residuals.clone();
        placement.len() == self.sizes.len()
            && self.sizes.iter().zip(placement).all(|(size, bin)| {
                let fits = holds(residuals[*bin], *size);
                if fits {
                    residuals[*bin] = minus(residuals[*bin], *size);
                }
                fits
            })
    }

    /// Whether a packing exists, by exhaustive search: every item is tried in every bin.
    pub(super) fn is_feasible(&self) -> bool {
        fn go(sizes: &[Size], residuals: &mut [Size]) -> bool {
            let Some((size, rest)) = sizes.split_first() else { return true };
            (0..residuals.len()).any(|bin| {
                let before = residuals[bin];
                holds(before, *size) && {
                    residuals[bin] = minus(before, *size);
                    let found = go(rest, residuals);
                    residuals[bin] = before;
                    found
                }
            })
        }
        go(&self.sizes, &mut self.residuals.clone())
    }
}

/// Feasible questions made by hand.
pub(super) fn feasible() -> Vec<Sample> {
    let bins = |capacity: Size, count: usize| (capacity, vec![capacity; count]);
    let sample =
        |sizes: &[Size], (capacity, residuals): (Size, Vec<Size>)| Sample::new(sizes.to_vec(), capacity, residuals);
    vec![
        // One item that fills its bin.
        sample(&[[10, 10]], bins([10, 10], 1)),
        // Two bins full to the byte, where best-fit decreasing by this dimension needs three.
        sample(&[[6, 0], [5, 0], [4, 0], [4, 0], [4, 0], [3, 0]], bins([13, 0], 2)),
        // Each item needs one of the opposite kind in its bin.
        sample(&[[9, 1], [9, 1], [1, 9], [1, 9]], bins([10, 10], 2)),
        // The only bin that holds the larger item is the second.
        sample(&[[5, 5], [4, 4]], ([10, 10], vec![[4, 4], [5, 5]])),
    ]
}

/// Questions made by hand that are infeasible though the bins hold as much as all items together.
pub(super) fn infeasible() -> Vec<Sample> {
    let sample = |sizes: &[Size], residuals: &[Size]| Sample::new(sizes.to_vec(), [10, 10], residuals.to_vec());
    vec![
        // No two fit together.
        sample(&[[6, 1], [6, 1], [6, 1]], &[[10, 10]; 2]),
        // Bins full to the byte in total, but all sizes are even and the residuals odd.
        sample(&[[4, 1], [4, 1], [2, 1], [2, 1], [2, 1]], &[[7, 10]; 2]),
        // They fit in either dimension, but not in both at once.
        sample(&[[6, 4], [6, 4], [4, 7]], &[[10, 10], [10, 5]]),
        // An item larger than any bin.
        sample(&[[5, 5]], &[[4, 9], [9, 4]]),
        // An item that takes no space needs a bin, too.
        sample(&[[0, 0]], &[]),
    ]
}

/// A search finds a packing for each of the feasible questions.
pub(super) fn decides_feasible_instances(search: impl Fn(Query, &Budget) -> Verdict<Placement>) {
    for (number, sample) in feasible().into_iter().enumerate() {
        assert!(sample.is_feasible(), "{number}");
        let Verdict::Feasible(placement) = search(sample.query(), &Budget::new(20_000)) else { panic!("{number}") };
        assert!(sample.is_packed(&placement), "{number}: {placement:?}");
    }
}

/// A search proves each of the infeasible questions to be so.
pub(super) fn proves_infeasible_instances(search: impl Fn(Query, &Budget) -> Verdict<Placement>) {
    for (number, sample) in infeasible().into_iter().enumerate() {
        assert!(!sample.is_feasible(), "{number}");
        assert_eq!(search(sample.query(), &Budget::new(20_000)), Verdict::Infeasible, "{number}");
    }
}

/// An exact search agrees with exhaustive search on thousands of small questions, of which many are feasible and many are
/// not.
pub(super) fn agrees_with_exhaustive_search(search: impl Fn(Query, &Budget) -> Verdict<Placement>) {
    let mut random = Random(1);
    let mut feasible = 0;
    for number in 0..5000 {
        let sample = Sample::small(&mut random);
        feasible += usize::from(sample.is_feasible());
        match search(sample.query(), &Budget::new(1_000_000)) {
            Verdict::Feasible(placement) => assert!(sample.is_packed(&placement), "{number}"),
            Verdict::Infeasible => assert!(!sample.is_feasible(), "{number}"),
            Verdict::Unknown => panic!("{number} is small"),
        }
    }
    assert!((1000..4000).contains(&feasible), "{feasible} of 5000 are feasible");
}

/// A search that its budget is too small for uses all of it and then does not know.
pub(super) fn stops_when_the_budget_is_exhausted(search: impl Fn(Query, &Budget) -> Verdict<Placement>) {
    let (sample, _) = Sample::perfect(&mut Random(1), 8, 100);
    let budget = Budget::new(10_000);
    assert_eq!(search(sample.query(), &budget), Verdict::Unknown);
    assert!(budget.is_exhausted());
}
