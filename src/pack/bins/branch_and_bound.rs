//! Branch and bound on items: the largest item into each bin that holds it, then the next item, depth first.
//!
//! The item-oriented search of Martello and Toth's MTP ("Knapsack problems", 1990, chapter 8) for a given number of bins. A
//! node is pruned by [`super::pruning`], and of equal items or equal bins only one order is tried. It is strong when a few
//! items are large and the rest are small: most of the tree is pruned once the large ones are placed.
//!
//! It ends with a packing, with the proof that none exists, or when the budget is exhausted: each node costs a number of
//! steps that depends on the query alone.

use super::best_fit_decreasing::FitRule;
use super::budget::Budget;
use super::feasibility::{Placement, Query, Verdict};
use super::pruning::{FractionalBound, SuffixBounds};
use super::size::{Size, holds, minus, plus, shares};

/// Looks for a packing, or proves that there is none. The bins together must hold at least the sum of all items.
pub(super) fn branch_and_bound(query: Query, budget: &Budget) -> Verdict<Placement> {
    let Query { sizes, capacity, residuals } = query;
    let suffixes = SuffixBounds::new(sizes, residuals);
    let mut fractional = FractionalBound::new(sizes);
    let mut residuals = residuals.to_vec();
    // The current node: the bins of the items placed so far, which are the first ones.
    let mut placement: Placement = Vec::with_capacity(sizes.len());
    // The open nodes: the depth of the parent, and the bin for the next item. A stack and not recursion, because there can
    // be as many items as files.
    let mut open: Vec<(usize, usize)> = Vec::new();
    let mut children: Vec<(i128, Size, usize)> = Vec::new();
    loop {
        let depth = placement.len();
        let Some(size) = sizes.get(depth).copied() else { return Verdict::Feasible(placement) };
        if !budget.charge(4 * residuals.len()) {
            return Verdict::Unknown;
        }
        if !suffixes.is_infeasible(sizes, depth, &residuals)
            && !fractional.is_infeasible(depth, &residuals, suffixes.sums[depth], budget)
        {
            // Equal items are interchangeable: each goes into the bin of the one before it, or into a later bin.
            let first = match placement.last() {
                Some(bin) if sizes[depth - 1] == size => *bin,
                _ => 0,
            };
            children.clear();
            for (bin, residual) in residuals.iter().enumerate().skip(first).filter(|(_, left)| holds(**left, size)) {
                children.push((FitRule::Best.cost(shares(minus(*residual, size), capacity)), *residual, bin));
            }
            // The best fit is tried first. Bins with the same residual are interchangeable: only the first is tried.
            children.sort_unstable();
            children.dedup_by_key(|(_, residual, _)| *residual);
            open.extend(children.iter().rev().map(|(_, _, bin)| (depth, *bin)));
        }
        let Some((depth, bin)) = open.pop() else { return Verdict::Infeasible };
        while placement.len() > depth {
            if let Some(bin) = placement.pop() {
                residuals[bin] = plus(residuals[bin], sizes[placement.len()]);
            }
        }
        residuals[bin] = minus(residuals[bin], sizes[depth]);
        placement.push(bin);
    }
}

#[cfg(test)]
mod tests {
    use super::branch_and_bound;
    use crate::pack::bins::samples;

    #[test]
    fn agrees_with_exhaustive_search() {
        samples::agrees_with_exhaustive_search(branch_and_bound);
    }

    #[test]
    fn decides_instances_made_by_hand() {
        samples::decides_feasible_instances(branch_and_bound);
        samples::proves_infeasible_instances(branch_and_bound);
    }

    #[test]
    fn stops_when_the_budget_is_exhausted() {
        samples::stops_when_the_budget_is_exhausted(branch_and_bound);
    }
}
