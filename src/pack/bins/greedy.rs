//! Greedy packings: pieces in some order, each into the room that a rule names, and none is moved again.

use std::cmp::Reverse;

use super::decide::Question;
use super::size::{Size, holds, less, shares};

/// By what pieces are sorted, as shares of the capacity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// The larger of the two dimensions.
    Larger,
    /// Their sum.
    Both,
    /// One of them.
    Only(usize),
}

impl Order {
    pub(super) const ALL: [Order; 4] = [Order::Larger, Order::Both, Order::Only(0), Order::Only(1)];

    pub(super) fn key(self, size: Size, capacity: Size) -> u64 {
        let [a, b] = shares(size, capacity);
        match self {
            Order::Larger => a.max(b),
            Order::Both => a.saturating_add(b),
            Order::Only(dimension) => [a, b][dimension],
        }
    }
}

/// Which of the bins that hold a piece it goes to, by what they have left after it, as shares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rule {
    /// Where least is left of both together.
    Fullest,
    /// Where the two are left most alike, so that neither is lost.
    Even,
    /// Where most is left of the scarcer: for a given number of bins.
    Emptiest,
}

impl Rule {
    const ALL: [Rule; 3] = [Rule::Fullest, Rule::Even, Rule::Emptiest];

    /// The least is the best.
    pub(super) fn key(self, left: Size) -> i128 {
        let [a, b] = left.map(i128::from);
        match self {
            Rule::Fullest => a + b,
            Rule::Even => (a - b).abs(),
            Rule::Emptiest => -a.min(b),
        }
    }
}

/// All ways to pack greedily, the most promising first.
pub(super) fn ways() -> impl Iterator<Item = (Order, Rule)> {
    Rule::ALL.into_iter().flat_map(|rule| Order::ALL.into_iter().map(move |order| (order, rule)))
}

/// A room for each piece. What no room holds goes into a new one if `open`; else there is no such packing.
pub(super) fn pack(question: Question, order: Order, rule: Rule, open: bool) -> Option<Vec<usize>> {
    let Question { sizes, capacity, rooms } = question;
    let mut sorted: Vec<usize> = (0..sizes.len()).collect();
    sorted.sort_by_cached_key(|piece| Reverse(order.key(sizes[*piece], capacity)));
    let mut rooms = rooms.to_vec();
    let mut left: Vec<Size> = rooms.iter().map(|room| shares(*room, capacity)).collect();
    let mut place = vec![0; sizes.len()];
    for piece in sorted {
        let (size, share) = (sizes[piece], shares(sizes[piece], capacity));
        let fitting = (0..rooms.len()).filter(|room| holds(rooms[*room], size));
        let room = match fitting.min_by_key(|room| rule.key(less(left[*room], share))) {
            Some(room) => room,
            None if open => {
                rooms.push(capacity);
                left.push(shares(capacity, capacity));
                rooms.len() - 1
            }
            None => return None,
        };
        rooms[room] = less(rooms[room], size);
        left[room] = less(left[room], share);
        place[piece] = room;
    }
    Some(place)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(sizes: &[Size], rule: Rule, open: bool) -> Option<Vec<usize>> {
        let question = Question { sizes, capacity: [10, 10], rooms: &[[10, 10], [5, 8]] };
        pack(question, Order::Larger, rule, open)
    }

    #[test]
    fn a_rule_says_which_room_it_is() {
        let sizes = [[4, 4]];
        assert_eq!(packed(&sizes, Rule::Fullest, false), Some(vec![1]));
        assert_eq!(packed(&sizes, Rule::Even, false), Some(vec![0]));
        assert_eq!(packed(&sizes, Rule::Emptiest, false), Some(vec![0]));
    }

    #[test]
    fn what_no_room_holds_opens_one_or_there_is_no_packing() {
        let sizes = [[6, 1], [7, 1]];
        assert_eq!(packed(&sizes, Rule::Fullest, false), None);
        assert_eq!(packed(&sizes, Rule::Fullest, true), Some(vec![2, 0]), "the larger comes first");
    }
}
