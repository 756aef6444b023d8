//! Bars of text, drawn in eighths of columns.

/// A bar that is `width` columns long if `part` is the `whole`; longer ones are cut.
pub(super) fn bar(part: u64, whole: u64, width: usize) -> String {
    let eighths = (u128::from(part) * width as u128 * 8).checked_div(u128::from(whole)).unwrap_or(0);
    let eighths = usize::try_from(eighths).unwrap_or(usize::MAX).min(width * 8);
    let rest = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"][eighths % 8];
    "█".repeat(eighths / 8) + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_as_long_as_its_share() {
        assert_eq!(bar(1, 1, 16), "█".repeat(16));
        assert_eq!(bar(1, 128, 16), "▏");
        assert_eq!(bar(0, 0, 16), "");
        assert_eq!(bar(3, 1, 10), "█".repeat(10));
    }
}
