//! Tabu search: all pieces are put somewhere, and then one is moved or two are exchanged as long as a bin is overfull.
//!
//! The best such step out of the bin that is most overfull is taken even if it makes things worse; what was moved stays for
//! a while, so that the next step is not back. This finds packings of many pieces that are full to a few bytes, which no
//! order of trying one after the other reaches. It proves nothing.

use super::decide::{Answer, Question, spend};

/// So many pieces of one bin, and so many others, are looked at in one step.
const OURS: usize = 128;
const THEIRS: usize = 2048;

/// Looks for a packing with no more than so much work; none when there are no rooms at all.
pub(super) fn exchange(question: Question, work: &mut u64) -> Answer {
    if question.rooms.is_empty() {
        return Answer::Impossible;
    }
    let mut state = State::new(question);
    let mut least = i64::MAX;
    for step in 1.. {
        let now = state.left.iter().map(|left| state.over(*left)).sum();
        if now == 0 {
            return Answer::Found(state.place);
        }
        least = least.min(now);
        if !state.step(step, least - now, work) {
            break;
        }
    }
    Answer::GaveUp
}

/// Where everything is.
struct State {
    sizes: Vec<[i64; 2]>,
    /// What a byte in each dimension counts for, so that a whole bin counts alike in both; small, so that no product
    /// overflows.
    weights: [i64; 2],
    /// The room of each piece.
    place: Vec<usize>,
    /// What is left of each room; less than nothing where it is overfull.
    left: Vec<[i64; 2]>,
    /// The step up to which each piece is not moved again.
    stays_until: Vec<u64>,
    random: Random,
}

impl State {
    /// Each piece, largest first, where it is least overfull, and then where most is left of the scarcer.
    fn new(question: Question) -> Self {
        let capacity = question.capacity;
        let shift = (64 - capacity[0].max(capacity[1]).leading_zeros()).saturating_sub(20);
        let weight = |other: u64| (other >> shift).cast_signed().max(1);
        let mut state = State {
            sizes: question.sizes.iter().map(|size| size.map(u64::cast_signed)).collect(),
            weights: [weight(capacity[1]), weight(capacity[0])],
            place: vec![0; question.sizes.len()],
            left: question.rooms.iter().map(|room| room.map(u64::cast_signed)).collect(),
            stays_until: vec![0; question.sizes.len()],
            random: Random(1),
        };
        for (piece, size) in state.sizes.iter().enumerate() {
            let key = |room: &usize| {
                let left = minus(state.left[*room], *size);
                (state.over(left), -(left[0] * state.weights[0]).min(left[1] * state.weights[1]))
            };
            let room = (0..state.left.len()).min_by_key(key).unwrap_or_default();
            state.left[room] = minus(state.left[room], *size);
            state.place[piece] = room;
        }
        state
    }

    /// How much a room with so much left is overfull.
    fn over(&self, left: [i64; 2]) -> i64 {
        (-left[0]).max(0) * self.weights[0] + (-left[1]).max(0) * self.weights[1]
    }

    /// Takes the best step, one with a piece that stays for now only if it changes things by less than `record`. Whether
    /// there was work left for it.
    fn step(&mut self, step: u64, record: i64, work: &mut u64) -> bool {
        let Some(from) = (0..self.left.len()).max_by_key(|room| self.over(self.left[*room])) else { return false };
        let (mut ours, mut theirs): (Vec<usize>, Vec<usize>) =
            (0..self.place.len()).partition(|piece| self.place[*piece] == from);
        for (pieces, limit) in [(&mut ours, OURS), (&mut theirs, THEIRS)] {
            if pieces.len() > limit {
                let first = self.random.below(pieces.len());
                pieces.rotate_left(first);
                pieces.truncate(limit);
            }
        }
        let looks = 4 * (self.place.len() + self.left.len()) + ours.len() * (theirs.len() + self.left.len());
        if !spend(work, looks) {
            return false;
        }
        let from_over = self.over(self.left[from]);
        // The change, what goes, where to, what comes back.
        let mut best: Option<(i64, usize, usize, Option<usize>)> = None;
        for piece in ours {
            let size = self.sizes[piece];
            let without = plus(self.left[from], size);
            let stays = self.stays_until[piece] > step;
            let mut consider = |to: usize, back: Option<usize>, stays: bool| {
                let returned = back.map_or([0; 2], |other| self.sizes[other]);
                let (here, there) = (minus(without, returned), plus(minus(self.left[to], size), returned));
                let change = self.over(here) + self.over(there) - from_over - self.over(self.left[to]);
                if best.is_none_or(|best| change < best.0) && (!stays || change < record) {
                    best = Some((change, piece, to, back));
                }
            };
            for to in (0..self.left.len()).filter(|room| *room != from) {
                consider(to, None, stays);
            }
            for other in &theirs {
                consider(self.place[*other], Some(*other), stays || self.stays_until[*other] > step);
            }
        }
        // If everything stays for now, the next steps may move again.
        if let Some((_, piece, to, back)) = best {
            self.put(piece, to, step);
            if let Some(other) = back {
                self.put(other, from, step);
            }
        }
        true
    }

    fn put(&mut self, piece: usize, to: usize, step: u64) {
        let (from, size) = (self.place[piece], self.sizes[piece]);
        self.left[from] = plus(self.left[from], size);
        self.left[to] = minus(self.left[to], size);
        self.place[piece] = to;
        self.stays_until[piece] = step + 4 + self.random.below(8) as u64;
    }
}

/// Numbers that look random and are the same in every run (a linear congruential generator, with Knuth's constants).
pub(super) struct Random(pub(super) u64);

impl Random {
    /// The next one, below `limit`.
    pub(super) fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit.max(1)
    }
}

fn minus(left: [i64; 2], size: [i64; 2]) -> [i64; 2] {
    [left[0] - size[0], left[1] - size[1]]
}

fn plus(left: [i64; 2], size: [i64; 2]) -> [i64; 2] {
    [left[0] + size[0], left[1] + size[1]]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pack::bins::samples::Sample;

    #[test]
    fn finds_tight_packings_and_claims_nothing_else() {
        let mut random = Random(1);
        for _ in 0..2000 {
            let sample = Sample::small(&mut random);
            match exchange(sample.question(), &mut 20_000) {
                Answer::Found(place) => assert!(sample.is_packed(&place)),
                Answer::Impossible => panic!("it cannot know"),
                Answer::GaveUp => {}
            }
        }
        for number in 0..20 {
            let (mut sample, _) = Sample::full(&mut random, 5, 150);
            for room in &mut sample.rooms {
                // A thousandth of a room.
                *room = [room[0] + 15, room[1] + 15];
            }
            let Answer::Found(place) = exchange(sample.question(), &mut 20_000_000) else { panic!("{number}") };
            assert!(sample.is_packed(&place), "{number}");
        }
    }

    #[test]
    fn takes_the_same_steps_every_time() {
        let (sample, _) = Sample::full(&mut Random(7), 3, 400);
        let ends = || {
            let mut work = 3_000_000;
            let answer = exchange(sample.question(), &mut work);
            (matches!(answer, Answer::Found(_)), work)
        };
        assert_eq!(ends(), ends());
    }
}
