//! Bounds that show early that the pieces which are not placed yet cannot go into what is left of the rooms.

use std::cmp::Ordering;

use super::decide::spend;
use super::size::{Size, holds, less, more};

/// What is known of the pieces from each position on, when those before are placed.
pub(super) struct Suffixes {
    /// Their sums.
    pub(super) sums: Vec<Size>,
    /// The smallest bytes of each dimension.
    smallest: Vec<Size>,
    /// The piece that is largest in each dimension.
    largest: Vec<[usize; 2]>,
    /// How much of all rooms together may be lost.
    waste: Size,
}

impl Suffixes {
    pub(super) fn new(sizes: &[Size], rooms: &[Size]) -> Self {
        let n = sizes.len();
        let mut suffixes = Suffixes {
            sums: vec![[0; 2]; n + 1],
            smallest: vec![[u64::MAX; 2]; n + 1],
            largest: vec![[0; 2]; n + 1],
            waste: [0; 2],
        };
        for i in (0..n).rev() {
            suffixes.sums[i] = more(suffixes.sums[i + 1], sizes[i]);
            for (dimension, size) in sizes[i].into_iter().enumerate() {
                suffixes.smallest[i][dimension] = suffixes.smallest[i + 1][dimension].min(size);
                let largest = suffixes.largest[i + 1][dimension];
                let larger = i + 1 == n || size >= sizes[largest][dimension];
                suffixes.largest[i][dimension] = if larger { i } else { largest };
            }
        }
        suffixes.waste = less(rooms.iter().fold([0; 2], |sum, room| more(sum, *room)), suffixes.sums[0]);
        suffixes
    }

    /// Whether the pieces from `depth` on cannot go into what is left: too much is lost in rooms that hold none of them, or
    /// one of the largest fits nowhere.
    pub(super) fn dead_end(&self, sizes: &[Size], depth: usize, left: &[Size]) -> bool {
        let mut lost = [0; 2];
        let largest = self.largest[depth].map(|piece| sizes[piece]);
        let mut fits = [false; 2];
        for room in left {
            if holds(*room, self.smallest[depth]) {
                fits[0] |= holds(*room, largest[0]);
                fits[1] |= holds(*room, largest[1]);
            } else {
                lost = more(lost, *room);
            }
        }
        !holds(self.waste, lost) || fits != [true; 2]
    }
}

/// Bounds for pieces that may be divided at will, as if they were sand, but keep their mix of the two dimensions.
///
/// Rooms with much left of one dimension and little of the other cannot all be filled: of the pieces from a position on,
/// those with the most zipped bytes for an unzipped one go to them first, and still they may not take as much as the other
/// rooms have no space for.
pub(super) struct Sand {
    sizes: Vec<Size>,
    /// The pieces, by zipped bytes for an unzipped one, most first.
    by_mix: Vec<usize>,
    /// The sums of the first in that order that are not placed at each depth, made when they are needed first.
    sums: Vec<Vec<Size>>,
    /// How many sums may still be kept.
    space: usize,
    rooms: Vec<Size>,
}

impl Sand {
    /// With more rooms than this it costs more than it is worth.
    const ROOMS: usize = 24;

    pub(super) fn new(sizes: &[Size]) -> Self {
        let mut by_mix: Vec<usize> = (0..sizes.len()).collect();
        by_mix.sort_by(|a, b| by_mix_of(sizes[*a], sizes[*b]).then(a.cmp(b)));
        Sand { sizes: sizes.to_vec(), by_mix, sums: Vec::new(), space: 1 << 20, rooms: Vec::new() }
    }

    /// Whether what is not placed at `depth`, `rest` together, cannot go into what is left.
    pub(super) fn dead_end(&mut self, depth: usize, left: &[Size], rest: &Size, work: &mut u64) -> bool {
        if left.len() < 2 || left.len() > Self::ROOMS {
            return false;
        }
        while self.sums.len() <= depth {
            let from = self.sums.len();
            if self.space <= self.sizes.len() {
                return false;
            }
            self.space -= self.sizes.len() - from + 1;
            spend(work, self.sizes.len());
            let mut sums = vec![[0; 2]];
            let mut sum = [0; 2];
            for piece in self.by_mix.iter().filter(|piece| **piece >= from) {
                sum = more(sum, self.sizes[*piece]);
                sums.push(sum);
            }
            self.sums.push(sums);
        }
        spend(work, 4 * left.len());
        let sums = &self.sums[depth];
        self.rooms.clear();
        self.rooms.extend(left);
        self.rooms.sort_unstable_by(|a, b| by_mix_of(*a, *b));
        let mut others = self.rooms.iter().fold([0; 2], |sum, room| more(sum, *room));
        let mut these = [0; 2];
        for room in &self.rooms {
            these = more(these, *room);
            others = less(others, *room);
            // These rooms have to take so much zipped, since the others cannot, and have this much for it unzipped.
            let Some(needed) = rest[0].checked_sub(others[0]) else { continue };
            let whole = sums.partition_point(|sum| sum[1] <= these[1]) - 1;
            let mut most = u128::from(sums[whole][0]);
            if let Some(next) = sums.get(whole + 1) {
                let [zipped, unzipped] = less(*next, sums[whole]);
                let space = u128::from(these[1] - sums[whole][1]);
                most += (u128::from(zipped) * space).checked_div(u128::from(unzipped)).unwrap_or(0);
            }
            if most < u128::from(needed) {
                return true;
            }
        }
        false
    }
}

/// Compares sizes by zipped bytes for an unzipped one, most first; those without either are last.
fn by_mix_of(a: Size, b: Size) -> Ordering {
    let cross = |a: Size, b: Size| u128::from(a[0]) * u128::from(b[1]);
    (a == [0; 2]).cmp(&(b == [0; 2])).then_with(|| cross(b, a).cmp(&cross(a, b)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pack::bins::exchange::Random;
    use crate::pack::bins::samples::Sample;

    /// What each bound says of pieces that go into these rooms.
    fn dead_ends(sizes: &[Size], rooms: &[Size]) -> (bool, bool) {
        let suffixes = Suffixes::new(sizes, rooms);
        let sand = Sand::new(sizes).dead_end(0, rooms, &suffixes.sums[0], &mut 1_000_000);
        (suffixes.dead_end(sizes, 0, rooms), sand)
    }

    #[test]
    fn no_way_to_a_packing_is_a_dead_end() {
        let mut random = Random(1);
        for number in 0..500 {
            let (rooms, pieces) = (1 + number % 6, 1 + number % 40);
            let (sample, places) = Sample::full(&mut random, rooms, pieces);
            let (suffixes, mut sand) = (Suffixes::new(&sample.sizes, &sample.rooms), Sand::new(&sample.sizes));
            let mut left = sample.rooms.clone();
            for (depth, room) in places.iter().enumerate() {
                assert!(!suffixes.dead_end(&sample.sizes, depth, &left), "{number}");
                assert!(!sand.dead_end(depth, &left, &suffixes.sums[depth], &mut 1_000_000), "{number}");
                left[*room] = less(left[*room], sample.sizes[depth]);
            }
        }
    }

    #[test]
    fn a_room_that_holds_nothing_more_is_lost() {
        assert_eq!(dead_ends(&[[4, 4], [4, 4], [4, 4]], &[[8, 8], [8, 8]]), (false, false));
        assert_eq!(dead_ends(&[[4, 4], [4, 4], [4, 4]], &[[8, 8], [3, 3], [3, 3]]), (true, false));
    }

    #[test]
    fn the_largest_has_to_fit_somewhere() {
        assert_eq!(dead_ends(&[[5, 1], [1, 1]], &[[4, 4], [4, 4]]), (true, false));
        assert_eq!(dead_ends(&[[5, 1], [1, 1]], &[[4, 4], [5, 1]]), (false, false));
    }

    #[test]
    fn sand_of_another_mix_does_not_fill_a_room() {
        assert_eq!(dead_ends(&[[1, 1]; 100], &[[90, 10], [10, 90]]), (false, true));
        assert_eq!(dead_ends(&[[1, 1]; 20], &[[90, 10], [10, 90]]), (false, false));
    }
}
