//! Lists in prose: the first few names, and how many more there are.

/// Names separated by commas: the first `shown` of them, and how many more there are.
///
/// `a, b and 3 more`
pub fn some<T: AsRef<str>>(names: &[T], shown: usize) -> String {
    joined(names, ", ", " and ", shown)
}

/// Like [`some`], for parts that contain commas: `a; b; and 3 more`.
pub fn some_parts<T: AsRef<str>>(parts: &[T], shown: usize) -> String {
    joined(parts, "; ", "; and ", shown)
}

fn joined<T: AsRef<str>>(names: &[T], separator: &str, before_more: &str, shown: usize) -> String {
    let first: Vec<&str> = names.iter().take(shown).map(AsRef::as_ref).collect();
    let first = first.join(separator);
    match names.len().saturating_sub(shown) {
        0 => first,
        more => format!("{first}{before_more}{more} more"),
    }
}

/// A list with a conjunction before its last name: `a`, `a or b`, `a, b or c`.
pub fn with_last<T: AsRef<str>>(names: &[T], conjunction: &str) -> String {
    match names.split_last() {
        None => String::new(),
        Some((only, [])) => only.as_ref().to_owned(),
        Some((last, others)) => {
            let others: Vec<&str> = others.iter().map(AsRef::as_ref).collect();
            format!("{} {conjunction} {}", others.join(", "), last.as_ref())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_list_says_how_many_more_there_are() {
        assert_eq!(some::<&str>(&[], 3), "");
        assert_eq!(some(&["a", "b", "c"], 3), "a, b, c");
        assert_eq!(some(&["a", "b", "c", "d"], 3), "a, b, c and 1 more");
        assert_eq!(some_parts(&["a, b", "c", "d"], 1), "a, b; and 2 more");
    }

    #[test]
    fn the_last_has_a_conjunction_before_it() {
        assert_eq!(with_last(&["a"], "or"), "a");
        assert_eq!(with_last(&["a", "b", "c"], "and"), "a, b and c");
    }
}
