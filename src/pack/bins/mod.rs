//! Bin packing in two dimensions: the fewest bins that hold all pieces, zipped and unzipped, and the proof that fewer do
//! not.
//!
//! `task` sorts the pieces and takes the pins out. `greedy` orders give an upper bound, `bounds` a lower one. Where they
//! differ, `decide` asks whether one bin less would do: by exchanging pieces (`exchange`), which finds a tight packing where
//! there are many, and by two exhaustive searches (`by_piece`, helped by `dead_ends`, and `by_bin`), which are the proof
//! where there is none. All are given a number of operations and not a time, so that the result never depends on how fast
//! the machine is; and all count in whole bytes, so that none is wrong by rounding (`size`).

mod bounds;
mod by_bin;
mod by_piece;
mod dead_ends;
mod decide;
mod exchange;
mod greedy;
mod size;
mod task;

use decide::{Answer, decide};
use task::Task;

/// How many operations (one look at a piece or a bin) the searches of one call may take: at most about a second.
const WORK: u64 = 100_000_000;

/// Something that cannot be divided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece {
    /// The bytes it adds to a zip.
    pub zipped: u64,
    /// The bytes it takes when it is unzipped.
    pub unzipped: u64,
    /// The number of the bin that it must go to, from 0; none when any will do.
    pub pin: Option<usize>,
}

/// What one bin holds at most, in bytes. The pieces in it may be as large as this together, in each of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capacity {
    /// Bytes of a zip.
    pub zipped: u64,
    /// Bytes unzipped.
    pub unzipped: u64,
}

/// Which pieces go into which bin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// The pieces of each bin, by position, ascending. A bin is empty only when a pin names one after it and no piece
    /// needed it.
    pub bins: Vec<Vec<usize>>,
    /// No packing has fewer bins with something in them.
    pub lower_bound: usize,
    /// Whether it is proven that no packing has fewer bins with something in them than this one.
    pub optimal: bool,
}

/// Whether pieces can be put into a given number of bins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fit {
    /// They can: the pieces of each bin, by position, ascending. There are as many bins as asked for; some may be empty.
    Found(Vec<Vec<usize>>),
    /// They cannot: that is proven.
    Impossible,
    /// Neither is known; the search took too long.
    GaveUp,
}

/// Packs pieces into the fewest bins of `capacity`.
///
/// A pinned piece is in the bin that its pin names; what is counted is the bins with something in them, so pins to two
/// numbers are two bins. The bins for pieces that the pinned ones have no room for take the lowest numbers without a pin.
/// The result has as many bins as the highest pin demands, or more.
///
/// No piece may be larger than a bin, nor may the pieces pinned to one. If some are, no packing exists, and what comes out
/// has such a piece in a bin of its own, or where its pin says, and says `optimal: false`.
pub fn pack_bins(pieces: &[Piece], capacity: Capacity) -> Assignment {
    let task = Task::new(pieces, capacity);
    let mut work = WORK;
    let mut lower = task.lower_bound();
    let mut best = task.greedy(lower);
    let mut proven = true;
    while proven && task.used(&best) > lower {
        let rooms = task.rooms(task.used(&best) - 1);
        match decide(task.question(&rooms), &mut work) {
            Answer::Found(place) => best = place,
            // No packing with one bin less: what we have is the best, and the bound says so.
            Answer::Impossible => lower = task.used(&best),
            Answer::GaveUp => proven = false,
        }
    }
    Assignment {
        bins: task.bins(&best, pieces, 0),
        lower_bound: lower + task.too_large(),
        optimal: proven && task.is_sound(),
    }
}

/// Says whether pieces, each where its pin demands it, can be put into `bins` bins of `capacity`, numbered from 0.
///
/// A pin to a bin that is not among them, a piece larger than a bin, or more pinned to one than it holds is impossible.
/// This is `pack_bins` for a number of bins that is given: for asking whether some pieces can stay where they are.
pub fn fits(pieces: &[Piece], bins: usize, capacity: Capacity) -> Fit {
    let task = Task::new(pieces, capacity);
    if !task.is_sound() || task.least_bins() > bins || task.lower_bound() > bins {
        return Fit::Impossible;
    }
    // More bins than pieces are of no use.
    let rooms = task.rooms(bins.min(task.most_used()));
    let mut work = WORK;
    match decide(task.question(&rooms), &mut work) {
        Answer::Found(place) => Fit::Found(task.bins(&place, pieces, bins)),
        Answer::Impossible => Fit::Impossible,
        Answer::GaveUp => Fit::GaveUp,
    }
}

#[cfg(test)]
mod samples;

#[cfg(test)]
mod tests {
    use super::exchange::Random;
    use super::samples::Sample;
    use super::*;

    fn pieces(sizes: &[[u64; 2]]) -> Vec<Piece> {
        sizes.iter().map(|[zipped, unzipped]| Piece { zipped: *zipped, unzipped: *unzipped, pin: None }).collect()
    }

    /// Whether each piece is in one bin, where its pin says, and no bin holds more than it can.
    fn holds_all(pieces: &[Piece], capacity: Capacity, bins: &[Vec<usize>]) -> bool {
        let mut placed: Vec<usize> = bins.concat();
        placed.sort_unstable();
        let is_full = |bin: &Vec<usize>, of: fn(&Piece) -> u64, most: u64| {
            bin.iter().map(|piece| of(&pieces[*piece])).sum::<u64>() > most
        };
        placed == (0..pieces.len()).collect::<Vec<_>>()
            && bins.iter().all(|bin| {
                bin.is_sorted()
                    && !is_full(bin, |piece| piece.zipped, capacity.zipped)
                    && !is_full(bin, |piece| piece.unzipped, capacity.unzipped)
            })
            && pieces.iter().enumerate().all(|(i, piece)| piece.pin.is_none_or(|pin| bins[pin].contains(&i)))
    }

    fn used(bins: &[Vec<usize>]) -> usize {
        bins.iter().filter(|bin| !bin.is_empty()).count()
    }

    /// Whether pieces can be put into so many bins: each is tried in each, but for its pin.
    fn can_be_put(pieces: &[Piece], capacity: Capacity, bins: usize) -> bool {
        let mut rooms = vec![[capacity.zipped, capacity.unzipped]; bins];
        let mut free = Vec::new();
        for piece in pieces {
            let Some(pin) = piece.pin else {
                free.push([piece.zipped, piece.unzipped]);
                continue;
            };
            let Some(room) = rooms.get_mut(pin) else { return false };
            let [Some(zipped), Some(unzipped)] =
                [room[0].checked_sub(piece.zipped), room[1].checked_sub(piece.unzipped)]
            else {
                return false;
            };
            *room = [zipped, unzipped];
        }
        Sample::new(free, [capacity.zipped, capacity.unzipped], rooms).can_be_packed()
    }

    /// The fewest bins with something in them, for pins up to `most`: those that pins name and any others.
    fn fewest(pieces: &[Piece], capacity: Capacity) -> usize {
        let mut pins: Vec<usize> = pieces.iter().filter_map(|piece| piece.pin).collect();
        pins.sort_unstable();
        pins.dedup();
        let closed_up: Vec<Piece> = pieces
            .iter()
            .map(|piece| Piece { pin: piece.pin.and_then(|pin| pins.iter().position(|other| *other == pin)), ..*piece })
            .collect();
        (pins.len()..=pieces.len())
            .find(|bins| can_be_put(&closed_up, capacity, *bins))
            .expect("a bin for each is enough")
    }

    /// Up to eight pieces, some of them pinned, that all fit where they have to go.
    fn pinned_sample(random: &mut Random) -> (Vec<Piece>, Capacity) {
        let capacity = Capacity { zipped: 10 + random.below(20) as u64, unzipped: 10 + random.below(20) as u64 };
        let mut left = [[capacity.zipped, capacity.unzipped]; 5];
        let pins = random.below(3);
        let mut pieces = Vec::new();
        for _ in 0..random.below(9) {
            let below = |random: &mut Random, most: u64| 1 + random.below(usize::try_from(most).expect("small")) as u64;
            let mut piece =
                Piece { zipped: below(random, capacity.zipped), unzipped: below(random, capacity.unzipped), pin: None };
            let pin = random.below(5);
            if random.below(3) < pins && size::holds(left[pin], [piece.zipped, piece.unzipped]) {
                left[pin] = size::less(left[pin], [piece.zipped, piece.unzipped]);
                piece.pin = Some(pin);
            }
            pieces.push(piece);
        }
        (pieces, capacity)
    }

    #[test]
    fn few_pieces_are_in_as_few_bins_as_trying_everything_finds() {
        let mut random = Random(1);
        for _ in 0..3000 {
            let (pieces, capacity) = pinned_sample(&mut random);
            let packed = pack_bins(&pieces, capacity);
            assert!(holds_all(&pieces, capacity, &packed.bins), "{pieces:?} in {capacity:?}: {packed:?}");
            let fewest = fewest(&pieces, capacity);
            let said = (used(&packed.bins), packed.lower_bound, packed.optimal);
            assert_eq!(said, (fewest, fewest, true), "{pieces:?} in {capacity:?}");
        }
    }

    #[test]
    fn pieces_fit_when_trying_everything_says_so() {
        let mut random = Random(2);
        let mut found = 0;
        for _ in 0..3000 {
            let (pieces, capacity) = pinned_sample(&mut random);
            let bins = random.below(6);
            let possible = can_be_put(&pieces, capacity, bins);
            match fits(&pieces, bins, capacity) {
                Fit::Found(packing) => {
                    found += 1;
                    assert_eq!(packing.len(), bins);
                    assert!(holds_all(&pieces, capacity, &packing), "{pieces:?} in {capacity:?}: {packing:?}");
                }
                Fit::Impossible => assert!(!possible, "{pieces:?} in {bins} of {capacity:?}"),
                Fit::GaveUp => panic!("{pieces:?} are few"),
            }
        }
        assert!((500..2500).contains(&found), "{found} of 3000");
    }

    #[test]
    fn largest_first_alone_would_need_one_bin_more() {
        let pieces = pieces(&[[6, 1], [5, 1], [4, 1], [4, 1], [4, 1], [3, 1]]);
        let packed = pack_bins(&pieces, Capacity { zipped: 13, unzipped: 100 });
        assert_eq!((packed.bins.len(), packed.lower_bound, packed.optimal), (2, 2, true));
    }

    #[test]
    fn a_piece_that_no_bin_holds_has_one_of_its_own_and_nothing_is_called_optimal() {
        let mut pieces = pieces(&[[5, 5], [11, 1], [5, 5]]);
        let capacity = Capacity { zipped: 10, unzipped: 10 };
        let packed = pack_bins(&pieces, capacity);
        assert_eq!(packed, Assignment { bins: vec![vec![0, 2], vec![1]], lower_bound: 2, optimal: false });
        assert_eq!(fits(&pieces, 9, capacity), Fit::Impossible);
        pieces[1].pin = Some(2);
        let packed = pack_bins(&pieces, capacity);
        assert_eq!(packed, Assignment { bins: vec![vec![0, 2], vec![], vec![1]], lower_bound: 2, optimal: false });
    }

    #[test]
    fn nothing_needs_no_bin_and_empty_pieces_need_one() {
        let capacity = Capacity { zipped: 10, unzipped: 10 };
        assert_eq!(pack_bins(&[], capacity), Assignment { bins: vec![], lower_bound: 0, optimal: true });
        assert_eq!(fits(&[], 2, capacity), Fit::Found(vec![vec![], vec![]]));
        assert_eq!(pack_bins(&pieces(&[[0, 0], [0, 0]]), capacity).bins, [[0, 1]]);
        assert_eq!(fits(&pieces(&[[0, 0]]), 0, capacity), Fit::Impossible);
    }

    #[test]
    fn what_is_not_proven_is_said_to_be_unproven() {
        // Eight bins, each full to the byte in both dimensions with twelve pieces: there are too many ways to try.
        let mut random = Random(1);
        let mut sizes = Vec::new();
        for _ in 0..8 {
            let mut left = [1_000_000; 2];
            for _ in 0..11 {
                let size = [0; 2].map(|_: u64| 40_000 + random.below(90_000) as u64 / 2);
                left = size::less(left, size);
                sizes.push(size);
            }
            sizes.push(left);
        }
        let pieces = pieces(&sizes);
        let capacity = Capacity { zipped: 1_000_000, unzipped: 1_000_000 };
        let packed = pack_bins(&pieces, capacity);
        assert!(holds_all(&pieces, capacity, &packed.bins));
        assert_eq!((packed.bins.len(), packed.lower_bound, packed.optimal), (9, 8, false));
    }

    #[test]
    fn tens_of_thousands_of_pieces_are_no_burden() {
        let sizes: Vec<[u64; 2]> = (0..20_000).map(|i| [1 + (i * 7919) % 5000, 1 + (i * 104_729) % 9000]).collect();
        let packed = pack_bins(&pieces(&sizes), Capacity { zipped: 1_000_000, unzipped: 2_000_000 });
        assert!(packed.optimal);
    }

    #[test]
    fn sums_that_no_number_holds_do_no_harm() {
        let huge = Capacity { zipped: u64::MAX, unzipped: u64::MAX };
        assert_eq!(pack_bins(&pieces(&[[1 << 62, 1 << 63]; 7]), huge).bins.len(), 7);
        assert_eq!(pack_bins(&pieces(&[[u64::MAX, 1], [u64::MAX, 2]]), huge).bins.len(), 2);
    }
}
