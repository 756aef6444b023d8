//! Byte counts and counts of things, formatted for people.

/// A byte count with its unit: B, KiB, MiB or GiB, with two decimals.
pub fn size(bytes: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "two decimals of a number that is printed")]
    let (value, unit) = match bytes {
        0..=1023 => return format!("{bytes} B"),
        1024..=1_048_575 => (bytes as f64 / 1024.0, "KiB"),
        1_048_576..=1_073_741_823 => (bytes as f64 / 1_048_576.0, "MiB"),
        _ => (bytes as f64 / 1_073_741_824.0, "GiB"),
    };
    format!("{value:.2} {unit}")
}

/// Two byte counts that are compared: as [`size`], or in bytes where both would be written the same and are not.
pub(crate) fn sizes_apart(first: u64, second: u64) -> (String, String) {
    if first != second && size(first) == size(second) {
        return (format!("{} B", grouped(first)), format!("{} B", grouped(second)));
    }
    (size(first), size(second))
}

/// A number with commas between its thousands.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A byte count that is an estimate: as [`size`], with no more digits than it can have.
pub(crate) fn rough_size(bytes: u64) -> String {
    let exact = size(bytes);
    let Some((number, unit)) = exact.split_once(' ') else { return exact };
    let digits = number.len() - number.find('.').map_or(0, |point| number.len() - point);
    // Two digits, or those before the point.
    match (number.get(..digits), number.get(..digits + 2)) {
        (Some(_), Some(first)) if digits == 1 => format!("{first} {unit}"),
        (Some(whole), _) => format!("{whole} {unit}"),
        _ => exact,
    }
}

/// Bytes in lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A count with its noun: `1 file`, `3 files`.
pub(crate) fn plural(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// Below this many bytes, a number needs a unit: `--max-zipped 12` means MiB to most people, and nobody counts so few bytes.
const LEAST_WITHOUT_UNIT: u64 = 100_000;

/// Checks a number of bytes without a unit: 0, or at least six digits.
///
/// # Errors
/// When it is so small that it is probably a number of MiB.
pub(crate) fn without_unit(bytes: u64) -> std::result::Result<u64, String> {
    match bytes {
        1..1000 => Err(format!("{bytes} has no unit: did you mean {bytes}MiB? ({bytes}KiB, or {bytes}B for bytes)")),
        1000..LEAST_WITHOUT_UNIT => Err(format!("{bytes} has no unit: did you mean {bytes}KiB? ({bytes}B for bytes)")),
        bytes => Ok(bytes),
    }
}

/// The message about a number of bytes that is written with a fraction or an exponent: `12.5`, `1e6`.
pub(crate) fn fraction(number: f64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "compared with a number that has far fewer digits")]
    let whole = number.fract() == 0.0 && number >= LEAST_WITHOUT_UNIT as f64;
    if whole {
        format!("a number of bytes has digits only: {number:.0}, or with a unit such as \"50MiB\"")
    } else {
        format!("{number} has no unit: did you mean \"{number}MiB\"?")
    }
}

/// Fewer bytes than the zip of one empty file has: 22 for the end, 76 and twice its name for an entry.
const LEAST_OF_LIMIT: u64 = 100;

/// Checks a size that layers must stay within.
///
/// # Errors
/// When no layer could.
pub(crate) fn limit(bytes: u64) -> std::result::Result<u64, String> {
    if bytes >= LEAST_OF_LIMIT {
        return Ok(bytes);
    }
    Err(format!("no layer is as small as {bytes} bytes: leave it out for Lambda's limit, or give a size such as 50MiB"))
}

/// Parses a size that layers must stay within: a byte count that is possible for one.
pub(crate) fn parse_limit(text: &str) -> std::result::Result<u64, String> {
    parse(text).and_then(limit)
}

/// Parses a byte count: `52428800`, `50MiB`. MB means MiB here, as in Lambda's quotas: AWS's "50 MB" is 52,428,800 bytes.
/// A small number needs a unit.
pub(crate) fn parse(text: &str) -> std::result::Result<u64, String> {
    let text = text.trim();
    if text.starts_with("--") {
        return Err(format!("a size is needed here, and {text} is an option"));
    }
    if text.starts_with('-') {
        return Err(format!("{text} is not a size: it is negative"));
    }
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let unit = unit.trim();
    let factor: u64 = match unit.to_ascii_uppercase().as_str() {
        "" | "B" => 1,
        "K" | "KB" | "KIB" => 1 << 10,
        "M" | "MB" | "MIB" => 1 << 20,
        "G" | "GB" | "GIB" => 1 << 30,
        _ => return Err(format!("{unit:?} is not a unit: B, KiB, MiB or GiB (KB, MB and GB mean the same)")),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let whole: u64 =
        whole.parse().map_err(|_| format!("{text:?} is not a number of bytes, such as 52428800 or 50MiB"))?;
    let part = match fraction {
        "" => 0,
        digits => {
            let value: u64 =
                digits.get(..digits.len().min(9)).and_then(|d| d.parse().ok()).ok_or("not a number of bytes")?;
            let scale = 10_u64.pow(u32::try_from(digits.len().min(9)).unwrap_or(9));
            u64::try_from(u128::from(value) * u128::from(factor) / u128::from(scale)).unwrap_or(u64::MAX)
        }
    };
    if unit.is_empty() {
        // Bytes have no fractions, so 12.5 cannot be a number of them.
        return if number.contains('.') {
            Err(format!("{text} has no unit: did you mean {text}MiB?"))
        } else {
            without_unit(whole)
        };
    }
    whole.checked_mul(factor).and_then(|bytes| bytes.checked_add(part)).ok_or_else(|| format!("{text} is too large"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_counted_as_aws_counts() {
        assert_eq!(size(52_428_800), "50.00 MiB");
        assert_eq!(size(1023), "1023 B");
        assert_eq!(rough_size(1023), "1023 B");
        assert_eq!(rough_size(1_900_000), "1.8 MiB");
        assert_eq!(rough_size(100_300_000), "95 MiB");
        assert_eq!(size(1536), "1.50 KiB");
        assert_eq!(size(100 << 30), "100.00 GiB");
    }

    #[test]
    fn sizes_that_would_be_written_the_same_are_in_bytes() {
        let of = |(first, second): (String, String)| format!("{first}, {second}");
        assert_eq!(of(sizes_apart(52_428_801, 52_428_800)), "52,428,801 B, 52,428,800 B");
        assert_eq!(of(sizes_apart(53_428_801, 52_428_800)), "50.95 MiB, 50.00 MiB");
        assert_eq!(of(sizes_apart(1_073_741_825, 1_073_741_824)), "1,073,741,825 B, 1,073,741,824 B");
        assert_eq!(of(sizes_apart(1025, 1024)), "1,025 B, 1,024 B");
        assert_eq!(of(sizes_apart(1 << 20, 1 << 20)), "1.00 MiB, 1.00 MiB");
        assert_eq!(of(sizes_apart(12, 7)), "12 B, 7 B");
    }

    #[test]
    fn a_limit_leaves_room_for_a_layer() {
        for text in ["0", "0MiB", "0.00001KB", "99B"] {
            let error = parse_limit(text).expect_err(text);
            assert!(error.contains("leave it out") && error.contains("such as 50MiB"), "{error}");
        }
        assert_eq!(parse_limit("100B"), Ok(100));
        assert!(parse_limit("12").expect_err("no unit").contains("did you mean 12MiB?"));
    }

    #[test]
    fn a_negative_size_and_a_missing_one_are_told_as_such() {
        for text in ["-1", "-3MiB", " -0.5 GiB", "-x"] {
            assert!(parse(text).expect_err(text).contains("negative"), "{text}");
        }
        assert!(parse("--json").expect_err("an option").contains("a size is needed here"));
    }

    #[test]
    fn sizes_are_read_as_aws_writes_them() {
        for (text, value) in [
            ("52428800", 52_428_800),
            ("50MB", 52_428_800),
            ("50 mb", 52_428_800),
            ("1.5KB", 1536),
            ("0", 0),
            ("2GiB", 2 << 30),
            ("100000", 100_000),
            ("12B", 12),
        ] {
            assert_eq!(parse(text), Ok(value), "{text}");
        }
        for text in ["", "MB", "-1", "5 apples", "1.x", "99999999999999999999", "99999999999G"] {
            assert!(parse(text).is_err(), "{text}");
        }
        for (text, meant) in [("12", "12MiB"), ("1", "1MiB"), ("99999", "99999KiB"), ("12.5", "12.5MiB")] {
            let error = parse(text).expect_err(text);
            assert!(error.contains("has no unit") && error.contains(&format!("did you mean {meant}?")), "{error}");
        }
    }
}
