//! Decides a feasibility question with a fixed portfolio of algorithms, the cheapest first.
//!
//! Variants of best-fit decreasing come first. Then three searches share the budget: branch and bound and bin completion,
//! which are exact, and tabu search, which only finds packings. None is best everywhere, so each gets a small share of the
//! budget before the exact ones get the rest. Shares are counted in steps, so which algorithm answers, and how, is always the
//! same.

use super::best_fit_decreasing::{Overflow, best_fit_decreasing, variants};
use super::bin_completion::bin_completion;
use super::branch_and_bound::branch_and_bound;
use super::budget::Budget;
use super::feasibility::{Placement, Query, Verdict};
use super::size::total;
use super::tabu_search::tabu_search;

/// The searches are not run if bins hold more bytes than this in total: sums could overflow in them. Layers are never nearly
/// as large.
const MAX_SEARCHED_BYTES: u64 = 1 << 40;

/// One of the variants of best-fit decreasing may take one part in so many of the budget.
const HEURISTIC_PARTS: u64 = 16;

type Search = fn(Query, &Budget) -> Verdict<Placement>;

/// The searches, in order, each with its share of the budget: one part in so many of what is left.
const SEARCHES: [(Search, u64); 5] =
    [(branch_and_bound, 16), (bin_completion, 16), (tabu_search, 6), (bin_completion, 2), (branch_and_bound, 1)];

/// Answers the question within the budget.
pub(super) fn decide(query: Query, budget: &Budget) -> Verdict<Placement> {
    let (items, space) = (total(query.sizes.iter().copied()), total(query.residuals.iter().copied()));
    if items[0] > space[0] || items[1] > space[1] {
        return Verdict::Infeasible;
    }
    let steps = query.sizes.len() * query.residuals.len();
    for (norm, rule) in variants() {
        if steps as u64 > budget.left() / HEURISTIC_PARTS {
            return Verdict::Unknown;
        }
        budget.charge(steps);
        if let Some(placement) = best_fit_decreasing(query, norm, rule, Overflow::Fail) {
            return Verdict::Feasible(placement);
        }
    }
    if space[0].max(space[1]) > u128::from(MAX_SEARCHED_BYTES) {
        return Verdict::Unknown;
    }
    for (search, parts) in SEARCHES {
        let verdict = budget.lend(parts, |part| search(query, part));
        if verdict != Verdict::Unknown {
            return verdict;
        }
    }
    Verdict::Unknown
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pack::bins::random::Random;
    use crate::pack::bins::samples::{self, Sample};

    #[test]
    fn agrees_with_exhaustive_search() {
        samples::agrees_with_exhaustive_search(decide);
    }

    #[test]
    fn decides_instances_made_by_hand() {
        samples::decides_feasible_instances(decide);
        samples::proves_infeasible_instances(decide);
    }

    #[test]
    fn takes_the_same_steps_on_every_machine() {
        let steps = |search: Search, bins: usize, items: usize| {
            let (sample, _) = Sample::perfect(&mut Random(11), bins, items);
            let budget = Budget::new(50_000_000);
            let Verdict::Feasible(placement) = search(sample.query(), &budget) else { panic!("{bins} {items}") };
            assert!(sample.is_packed(&placement));
            50_000_000 - budget.left()
        };
        assert_eq!(steps(branch_and_bound, 2, 60), 125_856);
        assert_eq!(steps(bin_completion, 2, 60), 446_578);
        assert_eq!(steps(tabu_search, 2, 60), 1_970_503);
        // After twelve heuristics, by branch and bound.
        assert_eq!(steps(decide, 2, 60), 12 * 120 + 125_856);
        // After those and a sixteenth of the budget for branch and bound, by bin completion.
        assert_eq!(steps(decide, 4, 24), 3_293_526);
    }

    #[test]
    fn stops_when_a_heuristic_would_exceed_its_part_of_the_budget() {
        let query = Query { sizes: &[[1, 1]; 4], capacity: [2, 2], residuals: &[[2, 2]; 2] };
        let budget = Budget::new(8 * HEURISTIC_PARTS - 1);
        assert_eq!(decide(query, &budget), Verdict::Unknown);
        assert_eq!(decide(query, &Budget::new(8 * HEURISTIC_PARTS)), Verdict::Feasible(vec![0, 0, 1, 1]));
    }

    #[test]
    fn does_not_search_where_sums_could_overflow() {
        // Infeasible, but neither the sums nor a heuristic show it.
        let decide_scaled = |unit: u64| {
            let sizes = [4, 4, 2, 2, 2].map(|size| [size * unit, unit]);
            let residual = [7 * unit, 10 * unit];
            let query = Query { sizes: &sizes, capacity: residual, residuals: &[residual; 2] };
            decide(query, &Budget::new(20_000))
        };
        assert_eq!(decide_scaled(1), Verdict::Infeasible);
        assert_eq!(decide_scaled(1 << 40), Verdict::Unknown);
    }
}
