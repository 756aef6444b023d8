//! Sizes in two dimensions, zipped and unzipped, and how they compare.

/// Bytes zipped and unzipped.
pub(super) type Size = [u64; 2];

/// A whole bin in the fixed-point shares that make the two dimensions comparable.
pub(super) const ONE: u64 = 1 << 32;

pub(super) fn total(sizes: impl IntoIterator<Item = Size>) -> [u128; 2] {
    sizes.into_iter().fold([0; 2], |sum, size| [sum[0] + u128::from(size[0]), sum[1] + u128::from(size[1])])
}

pub(super) fn holds(room: Size, size: Size) -> bool {
    size[0] <= room[0] && size[1] <= room[1]
}

pub(super) fn less(room: Size, size: Size) -> Size {
    [room[0] - size[0], room[1] - size[1]]
}

pub(super) fn more(room: Size, size: Size) -> Size {
    [room[0] + size[0], room[1] + size[1]]
}

/// A size as shares of `capacity`, in parts of ONE, rounded down: what fits still does.
pub(super) fn shares(size: Size, capacity: Size) -> Size {
    let share = |size: u64, capacity: u64| {
        let share = (u128::from(size) * u128::from(ONE)).checked_div(u128::from(capacity));
        u64::try_from(share.unwrap_or(0)).unwrap_or(u64::MAX)
    };
    [share(size[0], capacity[0]), share(size[1], capacity[1])]
}
