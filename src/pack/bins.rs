//! Bin packing: the fewest bins of one capacity that hold all pieces.
//!
//! Best-fit decreasing gives an upper bound, Martello and Toth's L2 a lower one ("Lower bounds and reduction procedures for
//! the bin packing problem", Discrete Applied Mathematics 28, 1990). Where they differ, a depth-first search decides, within
//! a fixed number of steps, so that the result never depends on how fast the machine is.

/// How many placements the search tries before it gives up the proof.
const MAX_STEPS: u64 = 2_000_000;

/// Which pieces go into which bin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// The pieces of each bin, by position.
    pub bins: Vec<Vec<usize>>,
    /// No packing has fewer bins.
    pub lower_bound: usize,
    /// Whether it is proven that this packing has the fewest.
    pub optimal: bool,
}

/// Packs pieces of these sizes into bins of `capacity`; none may be larger than it.
pub fn pack_bins(sizes: &[u64], capacity: u64) -> Assignment {
    let mut order: Vec<usize> = (0..sizes.len()).collect();
    order.sort_by_key(|piece| (std::cmp::Reverse(sizes[*piece]), *piece));
    let mut best = best_fit(&order, sizes, capacity);
    let mut lower = lower_bound(sizes, capacity);
    let mut steps = MAX_STEPS;
    let mut proven = true;
    while best.len() > lower {
        let mut search = Search { order: &order, sizes, capacity, bins: best.len() - 1, steps, waste: 0 };
        match search.run() {
            Answer::Found(bins) => best = bins,
            // No packing with one bin less: what we have is the best, and the bound says so.
            Answer::Impossible => lower = best.len(),
            Answer::GaveUp => {
                proven = false;
                break;
            }
        }
        steps = search.steps;
    }
    Assignment { bins: best, lower_bound: lower, optimal: proven }
}

/// The fewest bins that any packing needs: L2, the best of a bound for each size at which pieces begin to be "small".
pub fn lower_bound(sizes: &[u64], capacity: u64) -> usize {
    if sizes.is_empty() || capacity == 0 {
        return usize::from(!sizes.is_empty());
    }
    let mut sorted = sizes.to_vec();
    sorted.sort_unstable();
    let half = capacity / 2;
    let mut prefix = vec![0_u128; sorted.len() + 1];
    for (i, size) in sorted.iter().enumerate() {
        prefix[i + 1] = prefix[i] + u128::from(*size);
    }
    let first_over = |limit: u64| sorted.partition_point(|size| *size <= limit);
    let sum = |from: usize, to: usize| prefix[to].saturating_sub(prefix[from]);
    let capacity_wide = u128::from(capacity);
    let all_over_half = sorted.len() - first_over(half);
    let mut thresholds: Vec<u64> = sorted.iter().copied().filter(|size| *size <= half).collect();
    thresholds.push(0);
    thresholds.dedup();
    let mut best = all_over_half;
    for small in thresholds {
        // Pieces over capacity - small share a bin with nothing of at least `small`; those over half with none of their kind.
        let alone = first_over(capacity - small);
        let over_half = first_over(half).min(alone);
        let from_small = sorted.partition_point(|size| *size < small).min(over_half);
        let bins = sorted.len() - over_half;
        let room_left = (alone - over_half) as u128 * capacity_wide - sum(over_half, alone);
        let rest = sum(from_small, over_half).saturating_sub(room_left).div_ceil(capacity_wide);
        best = best.max(bins + usize::try_from(rest).unwrap_or(usize::MAX));
    }
    best.max(1)
}

/// Each piece, largest first, into the fullest bin that still holds it.
fn best_fit(order: &[usize], sizes: &[u64], capacity: u64) -> Vec<Vec<usize>> {
    let mut bins: Vec<(u64, Vec<usize>)> = Vec::new();
    for piece in order {
        let size = sizes[*piece];
        let fullest = bins.iter_mut().filter(|(used, _)| *used + size <= capacity).max_by_key(|(used, _)| *used);
        match fullest {
            Some((used, bin)) => {
                *used += size;
                bin.push(*piece);
            }
            None => bins.push((size, vec![*piece])),
        }
    }
    bins.into_iter().map(|(_, bin)| bin).collect()
}

/// Looks for a packing into a given number of bins.
struct Search<'a> {
    order: &'a [usize],
    sizes: &'a [u64],
    capacity: u64,
    bins: usize,
    steps: u64,
    /// How many bytes may stay empty in all bins together.
    waste: u64,
}

/// What a search ends with.
enum Answer {
    /// A packing.
    Found(Vec<Vec<usize>>),
    /// There is none.
    Impossible,
    /// The steps ran out.
    GaveUp,
}

impl Search<'_> {
    fn run(&mut self) -> Answer {
        let total: u128 = self.sizes.iter().map(|size| u128::from(*size)).sum();
        let room = u128::from(self.capacity) * self.bins as u128;
        let Some(waste) = room.checked_sub(total) else { return Answer::Impossible };
        self.waste = u64::try_from(waste).unwrap_or(u64::MAX);
        let mut used = vec![0; self.bins];
        let mut place: Vec<usize> = Vec::with_capacity(self.order.len());
        let mut from = self.first_bin(&place);
        // Depth first, with the path in `place` rather than on the stack: there can be as many pieces as files.
        while place.len() < self.order.len() {
            let size = self.sizes[self.order[place.len()]];
            if let Some(bin) = self.next_bin(size, from, &used, &place) {
                if self.steps == 0 {
                    return Answer::GaveUp;
                }
                self.steps -= 1;
                used[bin] += size;
                place.push(bin);
                from = self.first_bin(&place);
            } else {
                let Some(bin) = place.pop() else { return Answer::Impossible };
                used[bin] -= self.sizes[self.order[place.len()]];
                from = bin + 1;
            }
        }
        let mut bins = vec![Vec::new(); self.bins];
        for (position, bin) in place.into_iter().enumerate() {
            bins[bin].push(self.order[position]);
        }
        bins.retain(|bin| !bin.is_empty());
        Answer::Found(bins)
    }

    /// The first bin worth trying for the next piece. One as large as the piece before it goes nowhere before that one,
    /// since the two are interchangeable.
    fn first_bin(&self, place: &[usize]) -> usize {
        let size = |position: usize| self.order.get(position).map(|piece| self.sizes[*piece]);
        match place.last() {
            Some(bin) if size(place.len()) == size(place.len() - 1) => *bin,
            _ => 0,
        }
    }

    /// The next bin from `from` on that holds a piece of `size`; none when this is a dead end.
    fn next_bin(&self, size: u64, from: usize, used: &[u64], place: &[usize]) -> Option<usize> {
        // What is too little for the smallest piece is lost; more lost than there is to spare means a dead end.
        let smallest = self.order.last().map_or(0, |last| self.sizes[*last]);
        let lost: u64 = used.iter().map(|used| self.capacity - used).filter(|left| *left < smallest).sum();
        if lost > self.waste {
            return None;
        }
        // Bins filled alike are interchangeable: only the first of them is tried.
        let first = self.first_bin(place);
        (from..used.len()).find(|bin| used[*bin] + size <= self.capacity && !used[first..*bin].contains(&used[*bin]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The fewest bins, by trying everything: only for few pieces.
    fn brute(sizes: &[u64], capacity: u64) -> usize {
        fn go(rest: &[u64], bins: &mut Vec<u64>, capacity: u64, best: &mut usize) {
            if bins.len() >= *best {
                return;
            }
            let Some((size, rest)) = rest.split_first() else {
                *best = bins.len();
                return;
            };
            for bin in 0..bins.len() {
                if bins[bin] + size <= capacity {
                    bins[bin] += size;
                    go(rest, bins, capacity, best);
                    bins[bin] -= size;
                }
            }
            bins.push(*size);
            go(rest, bins, capacity, best);
            bins.pop();
        }
        let mut best = sizes.len() + 1;
        go(sizes, &mut Vec::new(), capacity, &mut best);
        best
    }

    fn check(sizes: &[u64], capacity: u64) -> Assignment {
        let packed = pack_bins(sizes, capacity);
        let mut seen: Vec<usize> = packed.bins.iter().flatten().copied().collect();
        seen.sort_unstable();
        assert_eq!(seen, (0..sizes.len()).collect::<Vec<_>>(), "every piece once: {sizes:?}");
        for bin in &packed.bins {
            assert!(bin.iter().map(|piece| sizes[*piece]).sum::<u64>() <= capacity, "{sizes:?}");
        }
        assert!(packed.lower_bound <= packed.bins.len());
        packed
    }

    #[test]
    fn small_instances_are_packed_into_as_few_bins_as_trying_everything_finds() {
        let mut state = 1_u64;
        let mut random = move |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        };
        for _ in 0..3000 {
            let capacity = 10 + random(40);
            let sizes: Vec<u64> = (0..random(10)).map(|_| 1 + random(capacity)).collect();
            let packed = check(&sizes, capacity);
            assert!(packed.optimal);
            assert_eq!(packed.bins.len(), brute(&sizes, capacity), "{sizes:?} into {capacity}");
            assert!(lower_bound(&sizes, capacity) <= packed.bins.len(), "{sizes:?} into {capacity}");
        }
    }

    #[test]
    fn best_fit_alone_would_need_one_bin_more() {
        let sizes = [6, 5, 4, 4, 4, 3];
        assert_eq!(best_fit(&[0, 1, 2, 3, 4, 5], &sizes, 13).len(), 3);
        let packed = check(&sizes, 13);
        assert_eq!((packed.bins.len(), packed.optimal), (2, true));
    }

    #[test]
    fn nothing_needs_no_bin_and_a_hard_instance_ends() {
        assert_eq!(check(&[], 10).bins.len(), 0);
        let sizes: Vec<u64> = (0..120).map(|i| 251 + (i * 7919) % 250).collect();
        check(&sizes, 1000);
    }

    #[test]
    fn thousands_of_pieces_are_no_burden() {
        let sizes: Vec<u64> = (0..20_000).map(|i| 1 + (i * 7919) % 5000).collect();
        let packed = check(&sizes, 1_000_000);
        assert!(packed.optimal);
    }
}
