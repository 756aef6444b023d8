//! Bin completion: the largest piece into each room, with every set of others that is worth it; then the next room.
//!
//! After Korf, "An improved algorithm for optimal bin packing", IJCAI 2003. Right when bins have to be nearly full: each
//! may waste no more than all together, and few sets come so close. A set is not worth it when another piece would fit
//! beside it, or in place of a smaller one: if it is in a packing, then so is the other.

use std::cmp::Reverse;

use super::decide::{Answer, Question, spend};
use super::size::{Size, holds, less, more};

/// Looks for a packing, or proves that there is none, with no more than so much work.
pub(super) fn by_bin(question: Question, work: &mut u64) -> Answer {
    let Question { sizes, rooms, .. } = question;
    let mut open = vec![true; rooms.len()];
    let mut levels: Vec<Level> = Vec::new();
    let mut rest: Vec<usize> = (0..sizes.len()).collect();
    loop {
        if rest.is_empty() {
            let mut place = vec![0; sizes.len()];
            for level in &levels {
                for (piece, _) in level.pieces.iter().zip(&level.tried).filter(|(_, choice)| **choice == Choice::In) {
                    place[*piece] = level.room;
                }
            }
            return Answer::Found(place);
        }
        if !spend(work, rest.len() + rooms.len()) {
            return Answer::GaveUp;
        }
        levels.push(Level::new(rest, sizes, rooms, &open));
        loop {
            let Some(level) = levels.last_mut() else { return Answer::Impossible };
            if !level.tried.is_empty() {
                open[level.room] = true;
            }
            if level.next_set(sizes, rooms, work) {
                open[level.room] = false;
                rest = level.rest();
                break;
            }
            if *work == 0 {
                return Answer::GaveUp;
            }
            levels.pop();
        }
    }
}

/// What is decided of a piece for a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Choice {
    /// It goes there.
    In,
    /// It would fit beside those before it, but does not go there.
    Out,
    /// It is equal to the one before it, which does not go there.
    Same,
    /// It does not fit beside those before it.
    Over,
}

/// One room to be filled.
struct Level {
    /// What is not in the rooms filled before, largest first. The first goes here.
    pieces: Vec<usize>,
    /// The sums of the pieces from each on.
    sums: Vec<Size>,
    /// The rooms that the first piece can still be tried in, the next to try at the end.
    rooms: Vec<usize>,
    /// All open rooms together.
    space: Size,
    /// The room that is tried.
    room: usize,
    /// The decisions so far, for as many pieces.
    tried: Vec<Choice>,
    /// Which of them are Out.
    out: Vec<usize>,
    /// What is left of the room.
    left: Size,
    /// What has to be in this room, since the others cannot hold it.
    needed: Size,
}

impl Level {
    fn new(pieces: Vec<usize>, sizes: &[Size], rooms: &[Size], open: &[bool]) -> Self {
        let mut sums = vec![[0; 2]; pieces.len() + 1];
        for (i, piece) in pieces.iter().enumerate().rev() {
            sums[i] = more(sums[i + 1], sizes[*piece]);
        }
        let is_open = || (0..rooms.len()).filter(|room| open[*room]);
        let space = is_open().fold([0; 2], |sum, room| more(sum, rooms[room]));
        let first = sizes[pieces[0]];
        let mut to_try: Vec<usize> = is_open().filter(|room| holds(rooms[*room], first)).collect();
        // Equal rooms are interchangeable. The smallest is tried first.
        to_try.sort_by_key(|room| Reverse((rooms[*room], *room)));
        to_try.dedup_by_key(|room| rooms[*room]);
        Level {
            pieces,
            sums,
            rooms: to_try,
            space,
            room: 0,
            tried: Vec::new(),
            out: Vec::new(),
            left: [0; 2],
            needed: [0; 2],
        }
    }

    fn rest(&self) -> Vec<usize> {
        let pieces = self.pieces.iter().zip(&self.tried);
        pieces.filter(|(_, choice)| **choice != Choice::In).map(|(piece, _)| *piece).collect()
    }

    /// Goes on to the next set worth trying; whether there is one. If not, the work may have run out.
    fn next_set(&mut self, sizes: &[Size], rooms: &[Size], work: &mut u64) -> bool {
        loop {
            if !self.take_out(sizes, work) {
                let Some(room) = self.rooms.pop() else { return false };
                self.room = room;
                self.left = less(rooms[room], sizes[self.pieces[0]]);
                self.tried.clear();
                self.tried.push(Choice::In);
                self.out.clear();
                let others = less(self.space, rooms[room]);
                self.needed = [self.sums[0][0].saturating_sub(others[0]), self.sums[0][1].saturating_sub(others[1])];
            }
            if self.fill(sizes, rooms[self.room], work) {
                return true;
            }
            if *work == 0 {
                return false;
            }
        }
    }

    /// Takes the last piece out that can be, for the sets without it; whether there is one.
    fn take_out(&mut self, sizes: &[Size], work: &mut u64) -> bool {
        while self.tried.len() > 1 {
            let last = self.tried.pop();
            let position = self.tried.len();
            if last == Some(Choice::Out) {
                self.out.pop();
            }
            if last != Some(Choice::In) {
                continue;
            }
            self.left = more(self.left, sizes[self.pieces[position]]);
            self.tried.push(Choice::Out);
            self.out.push(position);
            // One that fits beside all that can still come is in every set worth trying.
            spend(work, self.out.len());
            let always_fits =
                |position: &usize| holds(self.left, more(self.sums[self.tried.len()], sizes[self.pieces[*position]]));
            if !self.out.iter().any(always_fits) {
                return true;
            }
        }
        false
    }

    /// Puts in what fits of the pieces not decided yet; whether that makes a set worth trying.
    fn fill(&mut self, sizes: &[Size], room: Size, work: &mut u64) -> bool {
        spend(work, 1 + self.pieces.len() - self.tried.len());
        loop {
            let position = self.tried.len();
            let reachable = more(room, self.sums[position]);
            if !holds(reachable, more(self.needed, self.left)) {
                return false;
            }
            let Some(piece) = self.pieces.get(position) else { break };
            let size = sizes[*piece];
            let choice = if !holds(self.left, size) {
                Choice::Over
            } else if matches!(self.tried[position - 1], Choice::Out | Choice::Same)
                && sizes[self.pieces[position - 1]] == size
            {
                Choice::Same
            } else {
                self.left = less(self.left, size);
                Choice::In
            };
            self.tried.push(choice);
        }
        let size = |position: usize| sizes[self.pieces[position]];
        if self.out.iter().any(|out| holds(self.left, size(*out))) {
            return false;
        }
        spend(work, self.out.len() * self.pieces.len());
        // Replacing a smaller piece by a larger one that is out must be impossible, too.
        let replaces = |out: usize, within: usize| {
            let (larger, smaller) = (size(out), size(within));
            larger != smaller && holds(larger, smaller) && holds(self.left, less(larger, smaller))
        };
        !self.out.iter().any(|out| {
            (out + 1..self.tried.len()).any(|within| self.tried[within] == Choice::In && replaces(*out, within))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::by_bin;
    use crate::pack::bins::samples;

    #[test]
    fn says_what_trying_everything_says() {
        samples::says_what_trying_everything_says(by_bin);
    }

    #[test]
    fn gives_up_when_the_work_is_done() {
        samples::gives_up_when_the_work_is_done(by_bin);
    }
}
