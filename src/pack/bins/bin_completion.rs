//! Bin completion: branches on whole bins. Every set of items that is worth packing into a bin together with the largest
//! remaining item is tried; then the next bin is completed with what remains.
//!
//! After Korf, "A new algorithm for optimal bin packing", AAAI 2002, and "An improved algorithm for optimal bin packing",
//! IJCAI 2003; Fukunaga and Korf, "Bin completion algorithms for multicontainer packing, knapsack, and covering problems",
//! Journal of Artificial Intelligence Research 28, 2007, compare variants. It is strong when bins have to be nearly full: no
//! bin may waste more than all of them together, and few sets come so close.
//!
//! It ends with a packing, with the proof that none exists, or when the budget is exhausted, to which the generation of the
//! sets is charged. Its course depends on the query alone.

use super::budget::Budget;
use super::feasibility::{Placement, Query, Verdict};
use super::maximal_subsets::{Completion, MaximalSubsets};

/// A bin on the path from the root of the search tree to the current node.
struct Level<'a> {
    /// What it is completed with now; nothing before the first set.
    current: Option<Completion>,
    /// How else it, or another bin in its place, can be completed.
    alternatives: MaximalSubsets<'a>,
}

/// Looks for a packing, or proves that there is none.
pub(super) fn bin_completion(query: Query, budget: &Budget) -> Verdict<Placement> {
    let Query { sizes, residuals, .. } = query;
    let mut open = vec![true; residuals.len()];
    // A stack and not recursion, because there can be as many bins as files.
    let mut path: Vec<Level> = Vec::new();
    let mut rest: Vec<usize> = (0..sizes.len()).collect();
    loop {
        if rest.is_empty() {
            return Verdict::Feasible(placement(sizes.len(), &path));
        }
        if !budget.charge(rest.len() + residuals.len()) {
            return Verdict::Unknown;
        }
        path.push(Level { current: None, alternatives: MaximalSubsets::new(query, rest, &open, budget) });
        // The next completion of this bin, or of the last one before it that has another.
        rest = loop {
            let Some(level) = path.last_mut() else { return Verdict::Infeasible };
            if let Some(completion) = level.current.take() {
                open[completion.bin] = true;
            }
            if let Some(mut completion) = level.alternatives.next() {
                open[completion.bin] = false;
                let rest = std::mem::take(&mut completion.rest);
                level.current = Some(completion);
                break rest;
            }
            if budget.is_exhausted() {
                return Verdict::Unknown;
            }
            path.pop();
        };
    }
}

/// The bin of each of so many items.
fn placement(items: usize, path: &[Level]) -> Placement {
    let mut placement = vec![0; items];
    for completion in path.iter().filter_map(|level| level.current.as_ref()) {
        for item in &completion.items {
            placement[*item] = completion.bin;
        }
    }
    placement
}

#[cfg(test)]
mod tests {
    use super::bin_completion;
    use crate::pack::bins::samples;

    #[test]
    fn agrees_with_exhaustive_search() {
        samples::agrees_with_exhaustive_search(bin_completion);
    }

    #[test]
    fn decides_instances_made_by_hand() {
        samples::decides_feasible_instances(bin_completion);
        samples::proves_infeasible_instances(bin_completion);
    }

    #[test]
    fn stops_when_the_budget_is_exhausted() {
        samples::stops_when_the_budget_is_exhausted(bin_completion);
    }
}
