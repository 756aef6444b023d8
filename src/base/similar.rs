//! Similar names: which known name was most likely meant by one that is not known.

/// The minimum Jaro-Winkler similarity, at most 1.
const MIN_SIMILARITY: f64 = 0.8;

/// The name that was most likely meant: one that contains the given name, or is similar to it. Of equally similar names, the
/// first.
pub(crate) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let lower = name.to_lowercase();
    let similarity = |known: &str| {
        let known = known.to_lowercase();
        let contains = !lower.is_empty() && known.contains(&lower);
        if known == lower {
            2.0
        } else if contains {
            1.0
        } else {
            strsim::jaro_winkler(&lower, &known)
        }
    };
    let similar = known.map(|known| (similarity(known), known)).filter(|(similarity, _)| *similarity >= MIN_SIMILARITY);
    similar.reduce(|best, next| if next.0 > best.0 { next } else { best }).map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_that_was_meant_is_found_or_none() {
        let near = |name: &str| nearest(name, ["pkg:ggplot2", "pkg:curl", "lib:libcurl.so.4"].into_iter());
        assert_eq!(near("pkg:ggplto2"), Some("pkg:ggplot2"));
        assert_eq!(near("ggplot2"), Some("pkg:ggplot2"));
        assert_eq!(near("pkg:CURL"), Some("pkg:curl"));
        assert_eq!(near("zzz"), None);
    }
}
