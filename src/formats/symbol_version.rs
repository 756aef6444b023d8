//! Symbol versions: `GLIBC_2.34`, `GLIBCXX_3.4.30`, `CURL_OPENSSL_4`. Usually a family and a number; two versions are
//! compared only within a family.

/// glibc's ABI markers, which have no number, with the release that introduced them (glibc's NEWS, sysdeps/*/Versions).
const ABI_MARKERS: &[(&str, &str)] = &[("GLIBC_ABI_DT_RELR", "2.36"), ("GLIBC_ABI_GNU2_TLS", "2.42")];

/// A symbol version with a number.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SymbolVersion<'a> {
    /// The family: `GLIBC`.
    pub prefix: &'a str,
    /// The numbers of the version.
    pub numbers: Vec<u64>,
}

impl<'a> SymbolVersion<'a> {
    /// Parses `GLIBC_2.34`; `None` for a name without a number, such as `GLIBC_PRIVATE`.
    pub fn parse(text: &'a str) -> Option<Self> {
        let (prefix, number) = text.rsplit_once('_')?;
        Some(Self { prefix, numbers: numbers(number)? })
    }

    /// Whether it is later than the version `max` of its family: `2.34`.
    pub fn is_after(&self, max: &str) -> bool {
        numbers(max).is_some_and(|max| self.numbers > max)
    }
}

/// The release of glibc that introduced an ABI marker: `2.36` for `GLIBC_ABI_DT_RELR`.
pub fn abi_marker(version: &str) -> Option<&'static str> {
    ABI_MARKERS.iter().find(|(name, _)| *name == version).map(|(_, release)| *release)
}

/// Whether a version is private to glibc: its libraries work together only when they are of the same build.
pub fn is_private(version: &str) -> bool {
    version == "GLIBC_PRIVATE"
}

/// A key that sorts versions by family and number, names without a number last.
pub fn key(version: &str) -> (bool, String, Vec<u64>) {
    match SymbolVersion::parse(version) {
        Some(parsed) => (false, parsed.prefix.to_owned(), parsed.numbers),
        None => (true, version.to_owned(), Vec::new()),
    }
}

/// The numbers of `2.34`.
pub fn numbers(text: &str) -> Option<Vec<u64>> {
    text.split('.').map(|part| part.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers_within_their_family() {
        let parse = |text| SymbolVersion::parse(text).expect(text);
        assert!(parse("GLIBC_2.34").is_after("2.5") && !parse("GLIBC_2.34").is_after("2.34"));
        assert!(parse("GLIBC_2.2.5") < parse("GLIBC_2.17"));
        assert_eq!(parse("CXXABI_TM_1").prefix, "CXXABI_TM");
        assert_eq!(parse("CURL_OPENSSL_4").numbers, [4]);
    }

    #[test]
    fn a_name_without_a_number_is_none() {
        for name in ["GLIBC_PRIVATE", "GLIBC_ABI_DT_RELR", "PRIVATE", "libfoo", "X_1.y", "X_"] {
            assert_eq!(SymbolVersion::parse(name), None, "{name}");
        }
        assert_eq!(abi_marker("GLIBC_ABI_DT_RELR"), Some("2.36"));
        assert!(is_private("GLIBC_PRIVATE"));
    }
}
