//! Bin packing in two dimensions: the fewest bins that hold all pieces, zipped and unzipped, and the proof that fewer do
//! not.
//!
//! A handful of greedy orders gives an upper bound, [`lower_bound`] a lower one. Where they differ, `decide` asks whether
//! one bin less would do: by exchanging pieces, which finds a tight packing where there are many, and by two exhaustive
//! searches, which are the proof where there is none. All are given a number of operations and not a time, so that the
//! result never depends on how fast the machine is; and all count in whole bytes, so that none is wrong by rounding.

/// How many operations (one look at a piece or a bin) the searches of one call may take: at most about a second.
const WORK: u64 = 100_000_000;

/// One in the fixed-point numbers that make the two dimensions comparable.
const ONE: u64 = 1 << 32;

/// How finely the two dimensions are mixed for a bound.
const PARTS: u64 = 64;

/// From so many bytes in all on there is no search: the sums below could overflow, and no such layers exist.
const SEARCHABLE: u128 = 1 << 40;

/// Bytes zipped and unzipped.
type Size = [u64; 2];

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
    pack_within(pieces, capacity, WORK)
}

fn pack_within(pieces: &[Piece], capacity: Capacity, mut work: u64) -> Assignment {
    let task = Task::new(pieces, capacity);
    let pinned = task.pinned.len();
    let mut lower = task.lower_bound();
    let mut best = task.greedy(lower);
    let mut proven = true;
    while count(&best, pinned) > lower {
        let rooms = task.rooms(count(&best, pinned) - 1);
        match decide(&task.sizes, task.capacity, &rooms, &mut work) {
            Answer::Found(rooms) => best = rooms,
            // No packing with one bin less: what we have is the best, and the bound says so.
            Answer::Impossible => lower = count(&best, pinned),
            Answer::GaveUp => {
                proven = false;
                break;
            }
        }
    }
    let bins = task.bins(&best, pieces, None);
    Assignment { bins, lower_bound: lower + task.too_large.len(), optimal: proven && task.sound }
}

/// Says whether pieces, each where its pin demands it, can be put into `bins` bins of `capacity`, numbered from 0.
///
/// A pin to a bin that is not among them, a piece larger than a bin, or more pinned to one than it holds is impossible.
/// This is `pack_bins` for a number of bins that is given: for asking whether some pieces can stay where they are.
pub fn fits(pieces: &[Piece], bins: usize, capacity: Capacity) -> Fit {
    let task = Task::new(pieces, capacity);
    let pinned = task.pinned.len();
    if !task.sound || task.pinned.last().is_some_and(|(number, _)| *number >= bins) {
        return Fit::Impossible;
    }
    if task.lower_bound() > bins {
        return Fit::Impossible;
    }
    let mut work = WORK;
    // More bins than pieces are of no use.
    let rooms = task.rooms(bins.min(pinned + task.sizes.len()));
    match decide(&task.sizes, task.capacity, &rooms, &mut work) {
        Answer::Found(rooms) => Fit::Found(task.bins(&rooms, pieces, Some(bins))),
        Answer::Impossible => Fit::Impossible,
        Answer::GaveUp => Fit::GaveUp,
    }
}

/// The fewest bins of `capacity`, counted as `pack_bins` counts them, that any packing of the pieces needs, found without
/// a search.
pub fn lower_bound(pieces: &[Piece], capacity: Capacity) -> usize {
    let task = Task::new(pieces, capacity);
    task.lower_bound() + task.too_large.len()
}

/// Pieces sorted for the search, and what the pins leave of bins.
struct Task {
    /// Of a bin; no more than all pieces need, so that sums stay small.
    capacity: Size,
    /// The positions of the pieces without a pin, largest first, and their sizes. Equal ones are neighbours.
    free: Vec<usize>,
    sizes: Vec<Size>,
    /// The numbers of bins that pins name, ascending, and what the pinned pieces leave of each.
    pinned: Vec<(usize, Size)>,
    /// Pieces that no bin holds.
    too_large: Vec<usize>,
    /// Nothing is larger than the bin it has to go to.
    sound: bool,
}

impl Task {
    fn new(pieces: &[Piece], capacity: Capacity) -> Self {
        let size = |piece: &Piece| [piece.zipped, piece.unzipped];
        let total = total(pieces.iter().map(size));
        let least = |bytes: u64, total: u128| u64::try_from(total).map_or(bytes, |total| bytes.min(total));
        let capacity = [least(capacity.zipped, total[0]), least(capacity.unzipped, total[1])];
        let mut task = Task { capacity, free: vec![], sizes: vec![], pinned: vec![], too_large: vec![], sound: true };
        let mut pinned = std::collections::BTreeMap::new();
        for (position, piece) in pieces.iter().enumerate() {
            let holds = if let Some(number) = piece.pin {
                let left: &mut Size = pinned.entry(number).or_insert(capacity);
                let holds = holds(*left, size(piece));
                *left = [left[0].saturating_sub(piece.zipped), left[1].saturating_sub(piece.unzipped)];
                holds
            } else {
                let holds = holds(capacity, size(piece));
                if holds { &mut task.free } else { &mut task.too_large }.push(position);
                holds
            };
            task.sound &= holds;
        }
        task.pinned = pinned.into_iter().collect();
        task.free.sort_by_cached_key(|position| {
            let size = size(&pieces[*position]);
            std::cmp::Reverse((Order::Larger.key(size, capacity), Order::Both.key(size, capacity), size))
        });
        task.sizes = task.free.iter().map(|position| size(&pieces[*position])).collect();
        task
    }

    /// What is left of so many bins: first those with pins, then empty ones.
    fn rooms(&self, bins: usize) -> Vec<Size> {
        let mut rooms: Vec<Size> = self.pinned.iter().map(|(_, left)| *left).collect();
        rooms.resize(bins.max(rooms.len()), self.capacity);
        rooms
    }

    fn lower_bound(&self) -> usize {
        bound(&self.sizes, self.capacity, &self.rooms(0)).max(self.pinned.len())
    }

    /// The best that greedy orders find, as a room for each free piece; looks for none better than `enough` bins.
    fn greedy(&self, enough: usize) -> Vec<usize> {
        let mut best: Option<Vec<usize>> = None;
        let mut looks = 0_usize;
        for (order, rule) in greedy_ways() {
            let bins = best.as_ref().map(|best| count(best, self.pinned.len()));
            // With thousands of bins one order has to do.
            if bins.is_some_and(|bins| bins <= enough) || looks > 20_000_000 {
                break;
            }
            looks += self.sizes.len() * bins.unwrap_or(1);
            let found = greedy(&self.sizes, self.capacity, self.rooms(0), *order, *rule, true);
            if let Some(found) = found
                && bins.is_none_or(|bins| count(&found, self.pinned.len()) < bins)
            {
                best = Some(found);
            }
        }
        best.unwrap_or_default()
    }

    /// The bins, by their numbers, with all pieces: `rooms` names one for each free piece. As many as are used, or
    /// `exactly` so many.
    fn bins(&self, rooms: &[usize], pieces: &[Piece], exactly: Option<usize>) -> Vec<Vec<usize>> {
        let mut bins = vec![Vec::new(); exactly.or(self.pinned.last().map(|(number, _)| number + 1)).unwrap_or(0)];
        for (position, piece) in pieces.iter().enumerate() {
            if let Some(number) = piece.pin {
                bins[number].push(position);
            }
        }
        let is_pinned = |number: &usize| self.pinned.binary_search_by_key(number, |(pinned, _)| *pinned).is_ok();
        let mut unpinned = (0..).filter(|number| !is_pinned(number));
        let mut numbers: Vec<Option<usize>> = self.pinned.iter().map(|(number, _)| Some(*number)).collect();
        let mut placed: Vec<(usize, usize)> = Vec::with_capacity(pieces.len());
        for (room, position) in rooms.iter().zip(&self.free) {
            if *room >= numbers.len() {
                numbers.resize(room + 1, None);
            }
            let number = *numbers[*room].get_or_insert_with(|| unpinned.next().unwrap_or_default());
            placed.push((number, *position));
        }
        placed.extend(unpinned.zip(self.too_large.iter().copied()));
        for (number, position) in placed {
            if number >= bins.len() {
                bins.resize(number + 1, Vec::new());
            }
            bins[number].push(position);
        }
        for bin in &mut bins {
            bin.sort_unstable();
        }
        bins
    }
}

/// How many bins have something in them, when the first `pinned` rooms do.
fn count(rooms: &[usize], pinned: usize) -> usize {
    let mut others: Vec<usize> = rooms.iter().copied().filter(|room| *room >= pinned).collect();
    others.sort_unstable();
    others.dedup();
    pinned + others.len()
}

fn total(sizes: impl IntoIterator<Item = Size>) -> [u128; 2] {
    sizes.into_iter().fold([0; 2], |sum, size| [sum[0] + u128::from(size[0]), sum[1] + u128::from(size[1])])
}

fn holds(room: Size, size: Size) -> bool {
    size[0] <= room[0] && size[1] <= room[1]
}

fn less(room: Size, size: Size) -> Size {
    [room[0] - size[0], room[1] - size[1]]
}

fn more(room: Size, size: Size) -> Size {
    [room[0] + size[0], room[1] + size[1]]
}

/// A size as shares of `capacity`, in parts of ONE, rounded down: what fits still does.
fn shares(size: Size, capacity: Size) -> Size {
    let share = |size: u64, capacity: u64| {
        let share = (u128::from(size) * u128::from(ONE)).checked_div(u128::from(capacity));
        u64::try_from(share.unwrap_or(0)).unwrap_or(u64::MAX)
    };
    [share(size[0], capacity[0]), share(size[1], capacity[1])]
}

// --- lower bounds -----------------------------------------------------------------------------------------------------

/// No packing of these pieces has fewer bins, when `rooms` are what is left of some bins that others have been put into.
fn bound(sizes: &[Size], capacity: Size, rooms: &[Size]) -> usize {
    // What is in a bin already is like a piece, but no two of them go together; only the clique knows that.
    let mut all: Vec<Size> = rooms.iter().map(|room| less(capacity, *room)).collect();
    all.extend(sizes);
    if all.is_empty() {
        return 0;
    }
    let mut best = clique(&all, rooms.len(), capacity).max(1);
    for dimension in 0..2 {
        let sizes = all.iter().map(|size| size[dimension]).collect();
        best = best.max(bound_1d(sizes, capacity[dimension]));
    }
    // What fits in both dimensions fits in any mix of them, so a bound for the mix is one for the pieces. It sees those
    // that are large in different dimensions at once. (Caprara and Toth, "Lower bounds and algorithms for the
    // 2-dimensional vector packing problem", Discrete Applied Mathematics 111, 2001, relax the two to one like this.)
    let shares: Vec<Size> = all.iter().map(|size| shares(*size, capacity)).collect();
    for part in 1..PARTS {
        let mix = shares.iter().map(|share| part * share[0] + (PARTS - part) * share[1]).collect();
        best = best.max(bound_1d(mix, PARTS * ONE));
    }
    best
}

/// The best of the bounds for one dimension.
fn bound_1d(mut sizes: Vec<u64>, capacity: u64) -> usize {
    sizes.sort_unstable();
    if capacity == 0 {
        return 1;
    }
    martello_toth(&sizes, capacity).max(most_together(&sizes, capacity))
}

/// The best of the bounds that take a bin to hold as many as it can of the smallest of the larger pieces, for each size at
/// which pieces begin to be larger (Dell'Amico and Martello, "Optimal scheduling of tasks on identical parallel processors",
/// ORSA Journal on Computing 7, 1995, for processors).
fn most_together(sorted: &[u64], capacity: u64) -> usize {
    let (mut end, mut sum, mut best) = (0, 0_u64, 0);
    for (start, size) in sorted.iter().enumerate() {
        while let Some(longer) = sorted.get(end).and_then(|size| sum.checked_add(*size)).filter(|sum| *sum <= capacity)
        {
            (sum, end) = (longer, end + 1);
        }
        best = best.max((sorted.len() - start).div_ceil((end - start).max(1)));
        sum -= size;
    }
    best
}

/// L2 of ascending sizes, the best of a bound for each size at which pieces begin to be "small" (Martello and Toth, "Lower
/// bounds and reduction procedures for the bin packing problem", Discrete Applied Mathematics 28, 1990).
fn martello_toth(sorted: &[u64], capacity: u64) -> usize {
    let half = capacity / 2;
    let mut prefix = vec![0_u128; sorted.len() + 1];
    for (i, size) in sorted.iter().enumerate() {
        prefix[i + 1] = prefix[i] + u128::from(*size);
    }
    let first_over = |limit: u64| sorted.partition_point(|size| *size <= limit);
    let sum = |from: usize, to: usize| prefix[to].saturating_sub(prefix[from]);
    let capacity_wide = u128::from(capacity);
    let over_half = first_over(half);
    let mut thresholds: Vec<u64> = sorted[..over_half].to_vec();
    thresholds.push(0);
    thresholds.dedup();
    let mut best = 0;
    for small in thresholds {
        // Pieces over capacity - small share a bin with nothing of at least `small`; those over half with none of their kind.
        let alone = first_over(capacity - small).max(over_half);
        let from_small = sorted.partition_point(|size| *size < small).min(over_half);
        let room_left = (alone - over_half) as u128 * capacity_wide - sum(over_half, alone);
        let rest = sum(from_small, over_half).saturating_sub(room_left).div_ceil(capacity_wide);
        best = best.max(sorted.len() - over_half + usize::try_from(rest).unwrap_or(usize::MAX));
    }
    best
}

/// How many pieces there are of which no two fit together, found greedily; the first `apart` never do.
fn clique(sizes: &[Size], apart: usize, capacity: Size) -> usize {
    let mut best = apart;
    for order in Order::ALL {
        let mut sorted: Vec<usize> = (apart..sizes.len()).collect();
        sorted.sort_by_cached_key(|piece| std::cmp::Reverse(order.key(sizes[*piece], capacity)));
        // Small pieces fit with others; this many are looked at so that the pairs stay few.
        sorted.truncate(2000);
        let mut clique: Vec<usize> = (0..apart).collect();
        for piece in sorted {
            let apart = |other: &usize| !holds(less(capacity, sizes[*other]), sizes[piece]);
            if clique.iter().all(apart) {
                clique.push(piece);
            }
        }
        best = best.max(clique.len());
    }
    best
}

// --- greedy packings --------------------------------------------------------------------------------------------------

/// By what pieces are sorted, as shares of the capacity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    /// The larger of the two dimensions.
    Larger,
    /// Their sum.
    Both,
    /// One of them.
    Only(usize),
}

impl Order {
    const ALL: [Order; 4] = [Order::Larger, Order::Both, Order::Only(0), Order::Only(1)];

    fn key(self, size: Size, capacity: Size) -> u64 {
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
enum Rule {
    /// Where least is left of both together.
    Fullest,
    /// Where the two are left most alike, so that neither is lost.
    Even,
    /// Where most is left of the scarcer: for a given number of bins.
    Emptiest,
}

impl Rule {
    fn key(self, left: Size) -> i128 {
        let [a, b] = left.map(i128::from);
        match self {
            Rule::Fullest => a + b,
            Rule::Even => (a - b).abs(),
            Rule::Emptiest => -a.min(b),
        }
    }
}

fn greedy_ways() -> impl Iterator<Item = (&'static Order, &'static Rule)> {
    let rules = &[Rule::Fullest, Rule::Even, Rule::Emptiest];
    rules.iter().flat_map(|rule| Order::ALL.iter().map(move |order| (order, rule)))
}

/// Each piece, in order, into a room that holds it. What no room holds goes into a new one if `open`; else there is none.
fn greedy(
    sizes: &[Size],
    capacity: Size,
    mut rooms: Vec<Size>,
    order: Order,
    rule: Rule,
    open: bool,
) -> Option<Vec<usize>> {
    let mut sorted: Vec<usize> = (0..sizes.len()).collect();
    sorted.sort_by_cached_key(|piece| std::cmp::Reverse(order.key(sizes[*piece], capacity)));
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

// --- the decision -----------------------------------------------------------------------------------------------------

/// What a search ends with.
enum Answer {
    /// A room for each piece.
    Found(Vec<usize>),
    /// There is no packing.
    Impossible,
    /// The work ran out.
    GaveUp,
}

/// Whether pieces (largest first) go into rooms, which are bins of `capacity` or what is left of some.
fn decide(sizes: &[Size], capacity: Size, rooms: &[Size], work: &mut u64) -> Answer {
    let (pieces, room) = (total(sizes.iter().copied()), total(rooms.iter().copied()));
    if pieces[0] > room[0] || pieces[1] > room[1] {
        return Answer::Impossible;
    }
    let looks = sizes.len() as u64 * rooms.len() as u64;
    for (order, rule) in greedy_ways() {
        if looks > *work / 16 {
            return Answer::GaveUp;
        }
        *work -= looks;
        if let Some(place) = greedy(sizes, capacity, rooms.to_vec(), *order, *rule, false) {
            return Answer::Found(place);
        }
    }
    if room[0].max(room[1]) > SEARCHABLE {
        return Answer::GaveUp;
    }
    let searches: [(SearchFn, u64); 5] = [(by_piece, 16), (by_bin, 16), (exchange, 6), (by_bin, 2), (by_piece, 1)];
    for (search, share) in searches {
        let mut part = *work / share;
        let given = part;
        let answer = search(sizes, capacity, rooms, &mut part);
        *work -= given - part;
        if !matches!(answer, Answer::GaveUp) {
            return answer;
        }
    }
    Answer::GaveUp
}

/// A search: pieces, the capacity of a bin, the room in each, and the work it may do.
type SearchFn = fn(&[Size], Size, &[Size], &mut u64) -> Answer;

/// Takes so much off the work that is left; whether there was as much.
fn spend(work: &mut u64, looks: usize) -> bool {
    let enough = *work > looks as u64;
    *work = work.saturating_sub(looks as u64);
    enough
}

// --- exchanging pieces ------------------------------------------------------------------------------------------------

/// Tabu search: all pieces are put somewhere, and then one is moved or two are exchanged as long as a bin is overfull.
///
/// The best such step out of the bin that is most overfull is taken even if it makes things worse; what was moved stays for
/// a while, so that the next step is not back. This finds packings of many pieces that are full to a few bytes, which no
/// order of trying one after the other reaches. It proves nothing.
fn exchange(sizes: &[Size], capacity: Size, rooms: &[Size], work: &mut u64) -> Answer {
    /// So many pieces of one bin, and so many others, are looked at in one step.
    const OURS: usize = 128;
    const THEIRS: usize = 2048;
    let weights = weights(capacity);
    let over = |left: [i64; 2]| (-left[0]).max(0) * weights[0] + (-left[1]).max(0) * weights[1];
    let sizes: Vec<[i64; 2]> = sizes.iter().map(|size| size.map(u64::cast_signed)).collect();
    let mut left: Vec<[i64; 2]> = rooms.iter().map(|room| room.map(u64::cast_signed)).collect();
    let minus = |left: [i64; 2], size: [i64; 2]| [left[0] - size[0], left[1] - size[1]];
    let plus = |left: [i64; 2], size: [i64; 2]| [left[0] + size[0], left[1] + size[1]];
    let mut place: Vec<usize> = Vec::with_capacity(sizes.len());
    for size in &sizes {
        // Where it is least overfull, and then where most is left of the scarcer.
        let key = |room: &usize| {
            let left = minus(left[*room], *size);
            (over(left), -(left[0] * weights[0]).min(left[1] * weights[1]))
        };
        let Some(room) = (0..rooms.len()).min_by_key(key) else { return Answer::Impossible };
        left[room] = minus(left[room], *size);
        place.push(room);
    }
    let mut stays_until = vec![0_u64; sizes.len()];
    let mut least: i64 = left.iter().map(|left| over(*left)).sum();
    let mut random = 1_u64;
    let mut below = move |limit: usize| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) as usize % limit.max(1)
    };
    for step in 1.. {
        let now: i64 = left.iter().map(|left| over(*left)).sum();
        if now == 0 {
            return Answer::Found(place);
        }
        least = least.min(now);
        let Some(from) = (0..rooms.len()).max_by_key(|room| over(left[*room])) else { break };
        let mut ours: Vec<usize> = (0..sizes.len()).filter(|piece| place[*piece] == from).collect();
        let mut theirs: Vec<usize> = (0..sizes.len()).filter(|piece| place[*piece] != from).collect();
        for (pieces, limit) in [(&mut ours, OURS), (&mut theirs, THEIRS)] {
            if pieces.len() > limit {
                let first = below(pieces.len());
                pieces.rotate_left(first);
                pieces.truncate(limit);
            }
        }
        if !spend(work, 4 * (sizes.len() + rooms.len()) + ours.len() * (theirs.len() + rooms.len())) {
            break;
        }
        let from_over = over(left[from]);
        // The change, what goes, where to, what comes back.
        let mut best: Option<(i64, usize, usize, Option<usize>)> = None;
        for piece in ours {
            let size = sizes[piece];
            let without = plus(left[from], size);
            let stays = stays_until[piece] > step;
            let mut consider = |to: usize, back: Option<usize>, stays: bool| {
                let (here, there) = match back {
                    Some(other) => (minus(without, sizes[other]), plus(minus(left[to], size), sizes[other])),
                    None => (without, minus(left[to], size)),
                };
                let change = over(here) + over(there) - from_over - over(left[to]);
                if best.is_none_or(|best| change < best.0) && (!stays || now + change < least) {
                    best = Some((change, piece, to, back));
                }
            };
            for to in (0..rooms.len()).filter(|room| *room != from) {
                consider(to, None, stays);
            }
            for other in &theirs {
                consider(place[*other], Some(*other), stays || stays_until[*other] > step);
            }
        }
        // Everything stays for now: the next steps may move again.
        let Some((_, piece, to, back)) = best else { continue };
        left[from] = plus(left[from], sizes[piece]);
        left[to] = minus(left[to], sizes[piece]);
        place[piece] = to;
        stays_until[piece] = step + 4 + below(8) as u64;
        if let Some(other) = back {
            left[from] = minus(left[from], sizes[other]);
            left[to] = plus(left[to], sizes[other]);
            place[other] = from;
            stays_until[other] = step + 4 + below(8) as u64;
        }
    }
    Answer::GaveUp
}

/// What a byte in each dimension counts for, so that a whole bin counts alike in both; small, so that no product overflows.
fn weights(capacity: Size) -> [i64; 2] {
    let shift = (64 - capacity[0].max(capacity[1]).leading_zeros()).saturating_sub(20);
    [(capacity[1] >> shift).cast_signed().max(1), (capacity[0] >> shift).cast_signed().max(1)]
}

// --- trying everything, piece by piece --------------------------------------------------------------------------------

/// Depth first: the largest piece into each room, the next into each, and so on.
///
/// Right when few pieces are large and the rest is sand: then a dead end shows as soon as the large ones are placed.
fn by_piece(sizes: &[Size], capacity: Size, rooms: &[Size], work: &mut u64) -> Answer {
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

/// What is known of the pieces from each position on, when those before are placed.
struct Suffixes {
    sums: Vec<Size>,
    /// The smallest bytes of each dimension.
    smallest: Vec<Size>,
    /// The piece that is largest in each dimension.
    largest: Vec<[usize; 2]>,
    /// How much of all rooms together may be lost.
    waste: Size,
}

impl Suffixes {
    fn new(sizes: &[Size], rooms: &[Size]) -> Self {
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
    fn dead_end(&self, sizes: &[Size], depth: usize, left: &[Size]) -> bool {
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
struct Sand {
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

    fn new(sizes: &[Size]) -> Self {
        let mut by_mix: Vec<usize> = (0..sizes.len()).collect();
        by_mix.sort_by(|a, b| by_mix_of(sizes[*a], sizes[*b]).then(a.cmp(b)));
        Sand { sizes: sizes.to_vec(), by_mix, sums: Vec::new(), space: 1 << 20, rooms: Vec::new() }
    }

    /// Whether what is not placed at `depth`, `rest` together, cannot go into what is left.
    fn dead_end(&mut self, depth: usize, left: &[Size], rest: &Size, work: &mut u64) -> bool {
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
fn by_mix_of(a: Size, b: Size) -> std::cmp::Ordering {
    let cross = |a: Size, b: Size| u128::from(a[0]) * u128::from(b[1]);
    (a == [0; 2]).cmp(&(b == [0; 2])).then_with(|| cross(b, a).cmp(&cross(a, b)))
}

// --- trying everything, bin by bin ------------------------------------------------------------------------------------

/// Bin completion: the largest piece into each room, with every set of others that is worth it; then the next room.
///
/// After Korf, "An improved algorithm for optimal bin packing", IJCAI 2003. Right when bins have to be nearly full: each
/// may waste no more than all together, and few sets come so close. A set is not worth it when another piece would fit
/// beside it, or in place of a smaller one: if it is in a packing, then so is the other.
fn by_bin(sizes: &[Size], _: Size, rooms: &[Size], work: &mut u64) -> Answer {
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
        to_try.sort_by_key(|room| std::cmp::Reverse((rooms[*room], *room)));
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
