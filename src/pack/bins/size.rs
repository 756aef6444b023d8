//! Two-dimensional sizes, zipped and unzipped, and their arithmetic.
//!
//! Whether something fits is always decided in whole bytes, so rounding never makes an answer wrong. Fixed-point shares of
//! the capacity are only used to compare the two dimensions: in sort keys, and in bounds that stay valid when shares are
//! rounded down.

/// Bytes zipped and unzipped: the size of an item, the capacity of a bin, or the residual capacity left in one.
pub(super) type Size = [u64; 2];

/// The share that a whole bin is: the scale of the fixed-point numbers.
pub(super) const ONE: u64 = 1 << 32;

/// The sum of any number of sizes, too wide to overflow.
pub(super) fn total(sizes: impl IntoIterator<Item = Size>) -> [u128; 2] {
    sizes.into_iter().fold([0; 2], |sum, size| [sum[0] + u128::from(size[0]), sum[1] + u128::from(size[1])])
}

/// Whether `size` fits into `residual` in both dimensions.
pub(super) fn holds(residual: Size, size: Size) -> bool {
    size[0] <= residual[0] && size[1] <= residual[1]
}

/// `a - b` in each dimension; `b` must not exceed `a`.
pub(super) fn minus(a: Size, b: Size) -> Size {
    [a[0] - b[0], a[1] - b[1]]
}

/// `a + b` in each dimension.
pub(super) fn plus(a: Size, b: Size) -> Size {
    [a[0] + b[0], a[1] + b[1]]
}

/// A size as shares of `capacity`, in units of `1 / ONE`, rounded down: what fits in bytes also fits in shares.
pub(super) fn shares(size: Size, capacity: Size) -> Size {
    let share = |size: u64, capacity: u64| {
        let share = (u128::from(size) * u128::from(ONE)).checked_div(u128::from(capacity));
        u64::try_from(share.unwrap_or(0)).unwrap_or(u64::MAX)
    };
    [share(size[0], capacity[0]), share(size[1], capacity[1])]
}

/// A measure of two-dimensional sizes by a single number, to sort them: one of the norms of their shares of the capacity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Norm {
    /// The larger of the two shares (the maximum norm).
    Max,
    /// Their sum.
    Sum,
    /// The share in one dimension, ignoring the other.
    Dimension(usize),
}

impl Norm {
    pub(super) const ALL: [Norm; 4] = [Norm::Max, Norm::Sum, Norm::Dimension(0), Norm::Dimension(1)];

    /// The norm of a size, in units of `1 / ONE`.
    pub(super) fn of(self, size: Size, capacity: Size) -> u64 {
        let [a, b] = shares(size, capacity);
        match self {
            Norm::Max => a.max(b),
            Norm::Sum => a.saturating_add(b),
            Norm::Dimension(dimension) => [a, b][dimension],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_fits_only_if_it_fits_in_both_dimensions() {
        assert!(holds([5, 5], [5, 5]));
        assert!(!holds([5, 5], [6, 1]));
        assert!(!holds([5, 5], [1, 6]));
    }

    #[test]
    fn shares_are_rounded_down_and_defined_for_a_capacity_of_zero() {
        assert_eq!(shares([5, 1], [10, 3]), [ONE / 2, ONE / 3]);
        assert_eq!(shares([0, 0], [0, 0]), [0, 0]);
    }

    #[test]
    fn norms_compare_shares_and_not_bytes() {
        let norms = Norm::ALL.map(|norm| norm.of([5, 25], [10, 100]));
        assert_eq!(norms, [ONE / 2, ONE / 2 + ONE / 4, ONE / 2, ONE / 4]);
    }
}
