//! The feasibility question that the searches answer, and their verdict.

use super::size::Size;

/// The feasibility question: can these items be packed into these bins?
#[derive(Clone, Copy)]
pub(super) struct Query<'a> {
    /// The sizes of the items in decreasing order; equal ones are next to one another.
    pub(super) sizes: &'a [Size],
    /// The capacity of an empty bin.
    pub(super) capacity: Size,
    /// The residual capacity of each bin.
    pub(super) residuals: &'a [Size],
}

/// The bin of each item of a query.
pub(super) type Placement = Vec<usize>;

/// Whether a packing exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict<P> {
    /// One does: this one.
    Feasible(P),
    /// None does; this is proven.
    Infeasible,
    /// Neither is known: the budget is exhausted.
    Unknown,
}

impl<P> Verdict<P> {
    /// The same verdict with the packing in another form.
    pub(super) fn map<Q>(self, convert: impl FnOnce(P) -> Q) -> Verdict<Q> {
        match self {
            Verdict::Feasible(packing) => Verdict::Feasible(convert(packing)),
            Verdict::Infeasible => Verdict::Infeasible,
            Verdict::Unknown => Verdict::Unknown,
        }
    }
}
