//! The task as the searches see it: pieces in order, and what the pins leave of bins.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::bounds::bound;
use super::decide::Question;
use super::greedy;
use super::greedy::Order;
use super::size::{Size, holds, total};
use super::{Capacity, Piece};

/// How many looks at a bin the greedy orders may take; with thousands of bins one of them has to do.
const LOOKS: usize = 20_000_000;

/// Pieces sorted for the search, and what the pins leave of bins.
///
/// Bins are rooms here: first those that pins name, by their numbers, then all others.
pub(super) struct Task {
    /// Of a bin; no more than all pieces need, so that sums stay small.
    capacity: Size,
    /// The positions of the pieces without a pin, largest first, and their sizes. Equal ones are neighbours.
    free: Vec<usize>,
    sizes: Vec<Size>,
    /// What the pinned pieces leave of each bin that pins name.
    pinned: BTreeMap<usize, Size>,
    /// Pieces that no bin holds.
    too_large: Vec<usize>,
    /// Nothing is larger than the bin it has to go to.
    sound: bool,
}

impl Task {
    pub(super) fn new(pieces: &[Piece], capacity: Capacity) -> Self {
        let size = |piece: &Piece| [piece.zipped, piece.unzipped];
        let total = total(pieces.iter().map(size));
        let least = |bytes: u64, total: u128| u64::try_from(total).map_or(bytes, |total| bytes.min(total));
        let capacity = [least(capacity.zipped, total[0]), least(capacity.unzipped, total[1])];
        let (mut free, mut too_large, mut pinned, mut sound) = (Vec::new(), Vec::new(), BTreeMap::new(), true);
        for (position, piece) in pieces.iter().enumerate() {
            let size = size(piece);
            if let Some(number) = piece.pin {
                let left: &mut Size = pinned.entry(number).or_insert(capacity);
                sound &= holds(*left, size);
                *left = [left[0].saturating_sub(size[0]), left[1].saturating_sub(size[1])];
            } else if holds(capacity, size) {
                free.push(position);
            } else {
                too_large.push(position);
            }
        }
        sound &= too_large.is_empty();
        free.sort_by_cached_key(|position| {
            let size = size(&pieces[*position]);
            Reverse((Order::Larger.key(size, capacity), Order::Both.key(size, capacity), size))
        });
        let sizes = free.iter().map(|position| size(&pieces[*position])).collect();
        Task { capacity, free, sizes, pinned, too_large, sound }
    }

    /// Whether nothing is larger than the bin it has to go to; else there is no packing.
    pub(super) fn is_sound(&self) -> bool {
        self.sound
    }

    /// How many bins the pins demand: the highest number, and one.
    pub(super) fn least_bins(&self) -> usize {
        self.pinned.last_key_value().map_or(0, |(number, _)| number + 1)
    }

    /// How many bins have something in them at most.
    pub(super) fn most_used(&self) -> usize {
        self.pinned.len() + self.sizes.len()
    }

    /// What is left of so many bins before the pieces without a pin are placed.
    pub(super) fn rooms(&self, bins: usize) -> Vec<Size> {
        let mut rooms: Vec<Size> = self.pinned.values().copied().collect();
        rooms.resize(bins.max(rooms.len()), self.capacity);
        rooms
    }

    /// Whether the pieces without a pin that some bin holds go into these rooms.
    pub(super) fn question<'a>(&'a self, rooms: &'a [Size]) -> Question<'a> {
        Question { sizes: &self.sizes, capacity: self.capacity, rooms }
    }

    /// How many bins have something in them when the pieces without a pin are in these rooms.
    pub(super) fn used(&self, place: &[usize]) -> usize {
        let others: BTreeSet<&usize> = place.iter().filter(|room| **room >= self.pinned.len()).collect();
        self.pinned.len() + others.len()
    }

    /// No packing uses fewer bins, the pieces left out that no bin holds.
    pub(super) fn lower_bound(&self) -> usize {
        bound(&self.sizes, self.capacity, &self.rooms(0)).max(self.pinned.len())
    }

    /// How many bins the pieces take that no bin holds.
    pub(super) fn too_large(&self) -> usize {
        self.too_large.len()
    }

    /// The best that greedy orders find, as a room for each free piece; looks for none better than `enough` bins.
    pub(super) fn greedy(&self, enough: usize) -> Vec<usize> {
        let rooms = self.rooms(0);
        let mut best: Option<Vec<usize>> = None;
        let mut looks = 0;
        for (order, rule) in greedy::ways() {
            let bins = best.as_ref().map(|best| self.used(best));
            if bins.is_some_and(|bins| bins <= enough) || looks > LOOKS {
                break;
            }
            looks += self.sizes.len() * bins.unwrap_or(1);
            if let Some(found) = greedy::pack(self.question(&rooms), order, rule, true)
                && bins.is_none_or(|bins| self.used(&found) < bins)
            {
                best = Some(found);
            }
        }
        best.unwrap_or_default()
    }

    /// The bins, by their numbers, with all pieces, when those without a pin are in these rooms; `least` bins or more.
    pub(super) fn bins(&self, place: &[usize], pieces: &[Piece], least: usize) -> Vec<Vec<usize>> {
        let mut unpinned = (0..).filter(|number| !self.pinned.contains_key(number));
        let mut numbers: BTreeMap<usize, usize> = self.pinned.keys().copied().enumerate().collect();
        let mut placed: Vec<(usize, usize)> = Vec::with_capacity(pieces.len());
        placed.extend(pieces.iter().enumerate().filter_map(|(position, piece)| Some((piece.pin?, position))));
        for (room, position) in place.iter().zip(&self.free) {
            let number = numbers.entry(*room).or_insert_with(|| unpinned.next().unwrap_or_default());
            placed.push((*number, *position));
        }
        placed.extend(unpinned.zip(self.too_large.iter().copied()));
        let most = placed.iter().map(|(number, _)| number + 1).max();
        let mut bins = vec![Vec::new(); most.unwrap_or(0).max(least)];
        placed.sort_unstable();
        for (number, position) in placed {
            bins[number].push(position);
        }
        bins
    }
}
