//! Tabu search: starts from a placement in which bins may be overfull, and moves or swaps items until none is.
//!
//! After Glover, "Tabu search, part I", ORSA Journal on Computing 1, 1989. Each iteration applies the best move out of the
//! most overfull bin, even if it makes things worse: one item goes to another bin, possibly in exchange for one from there.
//! Items that were moved are tabu for some iterations, unless the move leads to the least overfull placement so far (the
//! aspiration criterion). This finds packings of many items that leave only a few bytes, which the exact searches do not reach.
//! It never proves that there is none.
//!
//! The number of moves in an iteration is bounded, and that of iterations by the budget. Random numbers, for the tabu tenure
//! and for which items are candidates, come from a fixed seed.

use super::budget::Budget;
use super::feasibility::{Placement, Query, Verdict};
use super::random::Random;

/// How many items of the overfull bin are candidates in one iteration.
const OUTGOING_CANDIDATES: usize = 128;

/// How many items of other bins are candidates in one iteration.
const INCOMING_CANDIDATES: usize = 2048;

/// A moved item is tabu for at least so many iterations after the current one.
const MIN_TENURE: u64 = 4;

/// The number of different tenures, from the least on.
const TENURES: usize = 8;

/// Looks for a packing of at least one item; infeasible only if there are no bins.
pub(super) fn tabu_search(query: Query, budget: &Budget) -> Verdict<Placement> {
    if query.residuals.is_empty() {
        return Verdict::Infeasible;
    }
    let mut state = State::new(query);
    let mut least = i64::MAX;
    for iteration in 1.. {
        let excess = state.residuals.iter().map(|residual| state.excess(*residual)).sum();
        if excess == 0 {
            return Verdict::Feasible(state.placement);
        }
        least = least.min(excess);
        if !state.iterate(iteration, least - excess, budget) {
            break;
        }
    }
    Verdict::Unknown
}

/// A move out of the most overfull bin.
struct Move {
    /// The item that leaves it.
    item: usize,
    /// The bin that the item goes to.
    to: usize,
    /// The item that comes from there in exchange.
    back: Option<usize>,
    /// By how much the excess of the two bins changes.
    change: i64,
}

/// The current placement, in which bins may be overfull.
struct State {
    sizes: Vec<[i64; 2]>,
    /// The weight of a byte in each dimension, so that a whole bin weighs the same in both. Small enough for products not
    /// to overflow.
    weights: [i64; 2],
    placement: Placement,
    /// The residual capacity of each bin, negative if it is overfull.
    residuals: Vec<[i64; 2]>,
    /// The iteration from which on each item may be moved again.
    tabu_until: Vec<u64>,
    random: Random,
}

impl State {
    /// Each item, largest first, goes where it causes the least excess; of several such bins, to the one with the most left
    /// of the scarcer dimension.
    fn new(query: Query) -> Self {
        let capacity = query.capacity;
        let shift = (64 - capacity[0].max(capacity[1]).leading_zeros()).saturating_sub(20);
        let weight = |other: u64| (other >> shift).cast_signed().max(1);
        let mut state = State {
            sizes: query.sizes.iter().map(|size| size.map(u64::cast_signed)).collect(),
            weights: [weight(capacity[1]), weight(capacity[0])],
            placement: vec![0; query.sizes.len()],
            residuals: query.residuals.iter().map(|residual| residual.map(u64::cast_signed)).collect(),
            tabu_until: vec![0; query.sizes.len()],
            random: Random(1),
        };
        for (item, size) in state.sizes.iter().enumerate() {
            let cost = |bin: &usize| {
                let left = minus(state.residuals[*bin], *size);
                (state.excess(left), -(left[0] * state.weights[0]).min(left[1] * state.weights[1]))
            };
            let bin = (0..state.residuals.len()).min_by_key(cost).unwrap_or_default();
            state.residuals[bin] = minus(state.residuals[bin], *size);
            state.placement[item] = bin;
        }
        state
    }

    /// By how much a bin with this residual capacity is overfull, weighted.
    fn excess(&self, residual: [i64; 2]) -> i64 {
        (-residual[0]).max(0) * self.weights[0] + (-residual[1]).max(0) * self.weights[1]
    }

    /// Applies the best move; a tabu one only if it changes the excess by less than `aspiration` (a negative number, or 0).
    /// Returns whether the budget allowed for it.
    fn iterate(&mut self, iteration: u64, aspiration: i64, budget: &Budget) -> bool {
        let bins = 0..self.residuals.len();
        let Some(from) = bins.max_by_key(|bin| self.excess(self.residuals[*bin])) else { return false };
        let (mut outgoing, mut incoming): (Vec<usize>, Vec<usize>) =
            (0..self.placement.len()).partition(|item| self.placement[*item] == from);
        for (candidates, limit) in [(&mut outgoing, OUTGOING_CANDIDATES), (&mut incoming, INCOMING_CANDIDATES)] {
            if candidates.len() > limit {
                let first = self.random.below(candidates.len());
                candidates.rotate_left(first);
                candidates.truncate(limit);
            }
        }
        let steps = 4 * (self.placement.len() + self.residuals.len())
            + outgoing.len() * (incoming.len() + self.residuals.len());
        if !budget.charge(steps) {
            return false;
        }
        // If all moves are tabu, none is made, and some will not be tabu in a later iteration.
        if let Some(best) = self.best_move(iteration, aspiration, from, &outgoing, &incoming) {
            self.put(best.item, best.to, iteration);
            if let Some(other) = best.back {
                self.put(other, from, iteration);
            }
        }
        true
    }

    /// The move out of the bin `from` that reduces the excess most, or increases it least: the first of several.
    fn best_move(
        &self,
        iteration: u64,
        aspiration: i64,
        from: usize,
        outgoing: &[usize],
        incoming: &[usize],
    ) -> Option<Move> {
        let from_excess = self.excess(self.residuals[from]);
        let is_tabu = |item: usize| self.tabu_until[item] > iteration;
        let mut best: Option<Move> = None;
        for item in outgoing.iter().copied() {
            let size = self.sizes[item];
            let without = plus(self.residuals[from], size);
            let item_is_tabu = is_tabu(item);
            let mut consider = |to: usize, back: Option<usize>, tabu: bool| {
                let returned = back.map_or([0; 2], |other| self.sizes[other]);
                let (here, there) = (minus(without, returned), plus(minus(self.residuals[to], size), returned));
                let change = self.excess(here) + self.excess(there) - from_excess - self.excess(self.residuals[to]);
                if best.as_ref().is_none_or(|best| change < best.change) && (!tabu || change < aspiration) {
                    best = Some(Move { item, to, back, change });
                }
            };
            for to in (0..self.residuals.len()).filter(|bin| *bin != from) {
                consider(to, None, item_is_tabu);
            }
            for other in incoming {
                consider(self.placement[*other], Some(*other), item_is_tabu || is_tabu(*other));
            }
        }
        best
    }

    fn put(&mut self, item: usize, to: usize, iteration: u64) {
        let (from, size) = (self.placement[item], self.sizes[item]);
        self.residuals[from] = plus(self.residuals[from], size);
        self.residuals[to] = minus(self.residuals[to], size);
        self.placement[item] = to;
        self.tabu_until[item] = iteration + MIN_TENURE + self.random.below(TENURES) as u64;
    }
}

fn minus(residual: [i64; 2], size: [i64; 2]) -> [i64; 2] {
    [residual[0] - size[0], residual[1] - size[1]]
}

fn plus(residual: [i64; 2], size: [i64; 2]) -> [i64; 2] {
    [residual[0] + size[0], residual[1] + size[1]]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pack::bins::samples::{self, Sample};

    #[test]
    fn finds_tight_packings_and_proves_nothing() {
        let mut random = Random(1);
        for _ in 0..2000 {
            let sample = Sample::small(&mut random);
            match tabu_search(sample.query(), &Budget::new(20_000)) {
                Verdict::Feasible(placement) => assert!(sample.is_packed(&placement)),
                Verdict::Infeasible => panic!("it cannot know"),
                Verdict::Unknown => {}
            }
        }
        for number in 0..20 {
            let (mut sample, _) = Sample::perfect(&mut random, 5, 150);
            for residual in &mut sample.residuals {
                // A thousandth of a bin.
                *residual = [residual[0] + 15, residual[1] + 15];
            }
            let verdict = tabu_search(sample.query(), &Budget::new(20_000_000));
            let Verdict::Feasible(placement) = verdict else { panic!("{number}") };
            assert!(sample.is_packed(&placement), "{number}");
        }
    }

    #[test]
    fn decides_feasible_instances_made_by_hand() {
        samples::decides_feasible_instances(tabu_search);
    }

    #[test]
    fn does_not_decide_infeasible_ones_unless_there_are_no_bins() {
        for sample in samples::infeasible() {
            let expected = if sample.residuals.is_empty() { Verdict::Infeasible } else { Verdict::Unknown };
            assert_eq!(tabu_search(sample.query(), &Budget::new(20_000)), expected);
        }
    }

    #[test]
    fn stops_when_the_budget_is_exhausted() {
        samples::stops_when_the_budget_is_exhausted(tabu_search);
    }

    #[test]
    fn takes_the_same_steps_every_time() {
        let (sample, _) = Sample::perfect(&mut Random(7), 3, 400);
        let run = || {
            let budget = Budget::new(3_000_000);
            let verdict = tabu_search(sample.query(), &budget);
            (verdict, budget.left())
        };
        assert_eq!(run(), run());
    }
}
