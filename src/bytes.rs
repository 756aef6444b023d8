//! Bytes, and numbers of things, as people read them.

/// A number of bytes with its unit. A KB is 1024 bytes, a MB 1024 KB and a GB 1024 MB, as in Lambda's quotas.
pub fn size(bytes: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "two decimals of a number that is printed")]
    let (value, unit) = match bytes {
        0..=1023 => return format!("{bytes} B"),
        1024..=1_048_575 => (bytes as f64 / 1024.0, "KB"),
        1_048_576..=1_073_741_823 => (bytes as f64 / 1_048_576.0, "MB"),
        _ => (bytes as f64 / 1_073_741_824.0, "GB"),
    };
    format!("{value:.2} {unit}")
}

/// A number of things: `1 file`, `3 files`.
pub(crate) fn plural(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_counted_as_aws_counts() {
        assert_eq!(size(52_428_800), "50.00 MB");
        assert_eq!(size(1023), "1023 B");
        assert_eq!(size(1536), "1.50 KB");
        assert_eq!(size(100 << 30), "100.00 GB");
    }
}
