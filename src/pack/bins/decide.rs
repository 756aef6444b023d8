//! The decision whether pieces go into a given number of bins: greedily, then by a search that suits them.

use super::by_bin::by_bin;
use super::by_piece::by_piece;
use super::exchange::exchange;
use super::greedy;
use super::size::{Size, total};

/// From so many bytes in all on there is no search: the sums in it could overflow, and no such layers exist.
const SEARCHABLE: u128 = 1 << 40;

/// Whether these pieces go into these rooms.
#[derive(Clone, Copy)]
pub(super) struct Question<'a> {
    /// The pieces, largest first; equal ones are neighbours.
    pub(super) sizes: &'a [Size],
    /// What a whole bin holds.
    pub(super) capacity: Size,
    /// What is left of each bin.
    pub(super) rooms: &'a [Size],
}

/// What a search ends with.
pub(super) enum Answer {
    /// A room for each piece.
    Found(Vec<usize>),
    /// There is no packing.
    Impossible,
    /// The work ran out.
    GaveUp,
}

/// A search: what is asked, and the work it may do.
type Search = fn(Question, &mut u64) -> Answer;

/// Searches, each with the share that it gets of the work that is left: first a little of those that prove, for what is
/// easy, then of the one that finds packings where there are many, then all the rest of those that prove.
const SEARCHES: [(Search, u64); 5] = [(by_piece, 16), (by_bin, 16), (exchange, 6), (by_bin, 2), (by_piece, 1)];

/// Answers the question, with no more than so much work.
pub(super) fn decide(question: Question, work: &mut u64) -> Answer {
    let (pieces, room) = (total(question.sizes.iter().copied()), total(question.rooms.iter().copied()));
    if pieces[0] > room[0] || pieces[1] > room[1] {
        return Answer::Impossible;
    }
    let looks = question.sizes.len() as u64 * question.rooms.len() as u64;
    for (order, rule) in greedy::ways() {
        if looks > *work / 16 {
            return Answer::GaveUp;
        }
        *work -= looks;
        if let Some(place) = greedy::pack(question, order, rule, false) {
            return Answer::Found(place);
        }
    }
    if room[0].max(room[1]) > SEARCHABLE {
        return Answer::GaveUp;
    }
    for (search, share) in SEARCHES {
        let mut part = *work / share;
        *work -= part;
        let answer = search(question, &mut part);
        *work += part;
        if !matches!(answer, Answer::GaveUp) {
            return answer;
        }
    }
    Answer::GaveUp
}

/// Takes so much off the work that is left; whether there was as much.
pub(super) fn spend(work: &mut u64, looks: usize) -> bool {
    let enough = *work > looks as u64;
    *work = work.saturating_sub(looks as u64);
    enough
}
