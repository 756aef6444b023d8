//! What the tests of the packer share: random questions, and the truth about small ones by trying everything.

use super::decide::{Answer, Question};
use super::exchange::Random;
use super::size::{Size, holds, less, more};

/// Sizes, largest first, and rooms for them.
pub(super) struct Sample {
    pub(super) sizes: Vec<Size>,
    pub(super) capacity: Size,
    pub(super) rooms: Vec<Size>,
}

impl Sample {
    pub(super) fn new(mut sizes: Vec<Size>, capacity: Size, rooms: Vec<Size>) -> Self {
        sizes.sort_by_key(|size| std::cmp::Reverse((size[0].max(size[1]), size[0] + size[1], *size)));
        Sample { sizes, capacity, rooms }
    }

    /// A few pieces, and rooms that hold as much together or a little more, of different sizes.
    pub(super) fn small(random: &mut Random) -> Self {
        let largest = 3 + random.below(12);
        let size = |random: &mut Random| [1 + random.below(largest) as u64, random.below(largest) as u64];
        let sizes: Vec<Size> = (0..=random.below(8)).map(|_| size(random)).collect();
        let count = 1 + random.below(3);
        let sum = sizes.iter().fold([0; 2], |sum, size| more(sum, *size));
        let capacity: Size = sum.map(|sum| sum.div_ceil(count as u64) + random.below(3) as u64);
        let mut rooms = vec![capacity; count];
        // From one room to another: as much together.
        let moved = capacity.map(|whole| random.below(1 + usize::try_from(whole).expect("small") / 3) as u64);
        rooms[0] = less(capacity, moved);
        rooms[count - 1] = more(rooms[count - 1], moved);
        let capacity = rooms[count - 1];
        Sample::new(sizes, capacity, rooms)
    }

    /// Pieces that fill so many rooms to the byte in both dimensions, some rooms larger than others; and where they are.
    pub(super) fn full(random: &mut Random, rooms: usize, pieces: usize) -> (Self, Vec<usize>) {
        let placed: Vec<(Size, usize)> = (0..pieces)
            .map(|piece| ([1 + random.below(1000) as u64, 1 + random.below(1000) as u64], piece % rooms))
            .collect();
        let mut left = vec![[0; 2]; rooms];
        for (size, room) in &placed {
            left[*room] = more(left[*room], *size);
        }
        let capacity = left.iter().fold([0; 2], |most: Size, room| [most[0].max(room[0]), most[1].max(room[1])]);
        let sample = Sample::new(placed.iter().map(|(size, _)| *size).collect(), capacity, left);
        let mut rest = placed;
        let mut room_of = |size: &Size| {
            let position = rest.iter().position(|(other, _)| other == size).expect("it was placed");
            rest.swap_remove(position).1
        };
        let places = sample.sizes.iter().map(&mut room_of).collect();
        (sample, places)
    }

    pub(super) fn question(&self) -> Question<'_> {
        Question { sizes: &self.sizes, capacity: self.capacity, rooms: &self.rooms }
    }

    /// Whether every piece is in a room and no room holds more than it can.
    pub(super) fn is_packed(&self, place: &[usize]) -> bool {
        let mut left = self.rooms.clone();
        place.len() == self.sizes.len()
            && self.sizes.iter().zip(place).all(|(size, room)| {
                let fits = holds(left[*room], *size);
                if fits {
                    left[*room] = less(left[*room], *size);
                }
                fits
            })
    }

    /// Whether there is a packing: every piece is tried in every room.
    pub(super) fn can_be_packed(&self) -> bool {
        fn go(sizes: &[Size], rooms: &mut [Size]) -> bool {
            let Some((size, rest)) = sizes.split_first() else { return true };
            (0..rooms.len()).any(|room| {
                let before = rooms[room];
                holds(before, *size) && {
                    rooms[room] = less(before, *size);
                    let found = go(rest, rooms);
                    rooms[room] = before;
                    found
                }
            })
        }
        go(&self.sizes, &mut self.rooms.clone())
    }
}

/// Holds a way to answer against the truth, on thousands of small questions of which many can be packed and many not.
pub(super) fn says_what_trying_everything_says(answer: impl Fn(Question<'_>, &mut u64) -> Answer) {
    let mut random = Random(1);
    let mut possible = 0;
    for number in 0..5000 {
        let sample = Sample::small(&mut random);
        possible += usize::from(sample.can_be_packed());
        match answer(sample.question(), &mut 1_000_000) {
            Answer::Found(place) => assert!(sample.is_packed(&place), "{number}"),
            Answer::Impossible => assert!(!sample.can_be_packed(), "{number}"),
            Answer::GaveUp => panic!("{number} is small"),
        }
    }
    assert!((1000..4000).contains(&possible), "{possible}: as many of each kind as a test needs");
}

/// Holds a way to answer to its limit: a question that takes longer is given up, with all the work done.
pub(super) fn gives_up_when_the_work_is_done(answer: impl Fn(Question<'_>, &mut u64) -> Answer) {
    let (sample, _) = Sample::full(&mut Random(1), 8, 100);
    let mut work = 10_000;
    assert!(matches!(answer(sample.question(), &mut work), Answer::GaveUp));
    assert_eq!(work, 0);
}
