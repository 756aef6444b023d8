//! Depth first: the largest piece into each room, the next into each, and so on.
//!
//! Right when few pieces are large and the rest is sand: then a dead end shows as soon as the large ones are placed.

use super::dead_ends::{Sand, Suffixes};
use super::decide::{Answer, Question, spend};
use super::greedy::Rule;
use super::size::{Size, holds, less, more, shares};

/// Looks for a packing, or proves that there is none, with no more than so much work. The rooms together hold at least as
/// much as all pieces.
pub(super) fn by_piece(question: Question, work: &mut u64) -> Answer {
    let Question { sizes, capacity, rooms } = question;
    let suffixes = Suffixes::new(sizes, rooms);
    let mut sand = Sand::new(sizes);
    let mut left = rooms.to_vec();
    let mut place: Vec<usize> = Vec::with_capacity(sizes.len());
    // What is still to be tried: the number of pieces placed before, and the room for the next. Not recursion: there can be
    // as many pieces as files.
    let mut todo: Vec<(usize, usize)> = Vec::new();
    let mut fitting: Vec<(i128, Size, usize)> = Vec::new();
    loop {
        let depth = place.len();
        let Some(size) = sizes.get(depth).copied() else { return Answer::Found(place) };
        if !spend(work, 4 * rooms.len()) {
            return Answer::GaveUp;
        }
        if !suffixes.dead_end(sizes, depth, &left) && !sand.dead_end(depth, &left, &suffixes.sums[depth], work) {
            // Equal pieces are interchangeable: one goes nowhere before the one before it.
            let first = match place.last() {
                Some(room) if sizes[depth - 1] == size => *room,
                _ => 0,
            };
            fitting.clear();
            for (room, left) in left.iter().enumerate().skip(first).filter(|(_, left)| holds(**left, size)) {
                fitting.push((Rule::Fullest.key(shares(less(*left, size), capacity)), *left, room));
            }
            // Rooms with as much left are interchangeable: only the first of them is tried. The fullest is tried first.
            fitting.sort_unstable();
            fitting.dedup_by_key(|(_, left, _)| *left);
            todo.extend(fitting.iter().rev().map(|(_, _, room)| (depth, *room)));
        }
        let Some((depth, room)) = todo.pop() else { return Answer::Impossible };
        while place.len() > depth {
            if let Some(room) = place.pop() {
                left[room] = more(left[room], sizes[place.len()]);
            }
        }
        left[room] = less(left[room], sizes[depth]);
        place.push(room);
    }
}

#[cfg(test)]
mod tests {
    use super::by_piece;
    use crate::pack::bins::samples;

    #[test]
    fn says_what_trying_everything_says() {
        samples::says_what_trying_everything_says(by_piece);
    }

    #[test]
    fn gives_up_when_the_work_is_done() {
        samples::gives_up_when_the_work_is_done(by_piece);
    }
}
