//! The step budget that bounds every search.
//!
//! A step is roughly one look at an item or a bin. Searches are limited by steps rather than by time, so that the result
//! is the same on every machine and in every run.

use std::cell::Cell;

/// The steps that are left.
///
/// Shared by reference: a search and the iterators it is made of charge the same budget.
#[derive(Debug)]
pub(super) struct Budget(Cell<u64>);

impl Budget {
    pub(super) fn new(steps: u64) -> Self {
        Self(Cell::new(steps))
    }

    /// The steps that are left.
    pub(super) fn left(&self) -> u64 {
        self.0.get()
    }

    pub(super) fn is_exhausted(&self) -> bool {
        self.left() == 0
    }

    /// Deducts `steps`, as far as there are that many; returns whether any are left afterwards.
    pub(super) fn charge(&self, steps: usize) -> bool {
        let left = self.left().saturating_sub(steps as u64);
        self.0.set(left);
        left > 0
    }

    /// Runs a search on one part in `parts` of what is left, and takes back what it does not use.
    pub(super) fn lend<T>(&self, parts: u64, search: impl FnOnce(&Budget) -> T) -> T {
        let lent = self.left() / parts;
        let budget = Budget::new(lent);
        let result = search(&budget);
        self.0.set(self.left() - lent + budget.left());
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_exhausted_once_the_last_step_is_charged() {
        let budget = Budget::new(10);
        assert!(budget.charge(9));
        assert!(!budget.charge(1) && budget.is_exhausted());
        let budget = Budget::new(10);
        assert!(!budget.charge(11), "more than there is");
        assert_eq!(budget.left(), 0);
    }

    #[test]
    fn lends_a_part_and_takes_back_the_rest() {
        let budget = Budget::new(100);
        assert_eq!(budget.lend(4, |part| (part.left(), part.charge(10))), (25, true));
        assert_eq!(budget.left(), 90);
        budget.lend(2, |part| part.charge(1000));
        assert_eq!(budget.left(), 45, "no more than was lent");
    }
}
