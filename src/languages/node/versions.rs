//! Versions of npm's packages and of Node.js, and ranges of them, as npm reads them.

use node_semver::{Range, Version};

/// The longest range that is read, in bytes.
const MAX_RANGE: usize = 1_000;

/// The range of a dependency, as written in a package.json; `None` where any version will do: tags, files, Git repositories.
pub(super) fn range(written: &str) -> Option<String> {
    // `npm:NAME@RANGE` installs another package under a name.
    let range = match written.strip_prefix("npm:") {
        Some(aliased) => aliased.rsplit_once('@').filter(|(name, _)| !name.is_empty())?.1,
        None => written,
    };
    let range = range.trim();
    let is_tag = range.starts_with(|c: char| c.is_ascii_alphabetic() && !matches!(c, 'v' | 'x' | 'X'));
    let accepts_all = range.is_empty() || range == "*";
    (!is_tag && !accepts_all && range.len() <= MAX_RANGE && Range::parse(range).is_ok()).then(|| range.to_owned())
}

/// Whether a version is in a range; what is not written as npm writes it is not compared.
pub(super) fn satisfies(version: &str, range: &str) -> bool {
    match (Version::parse(version), Range::parse(range)) {
        (Ok(version), Ok(range)) => range.satisfies(&version),
        _ => true,
    }
}

/// Whether a version of Node.js is in a range; of `20`, whether any release of it is.
pub(super) fn node_satisfies(version: &str, range: &str) -> bool {
    if version.contains('.') {
        return satisfies(version, range);
    }
    ["0.0", "99.99"].iter().any(|release| satisfies(&format!("{version}.{release}"), range))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_npm_reads_them() {
        for (version, range, is) in [
            ("1.2.3", "^1.0.0", true),
            ("2.0.0", "^1.0.0", false),
            ("0.3.0", "^0.2.1", false),
            ("1.9.0", "1 || >=3", true),
            ("2.9.0", "1 || >=3", false),
            ("1.2.9", "~1.2.3", true),
            ("4.17.21", ">= 4.17 < 5", true),
            ("1.5.0", "1.2 - 1.6", true),
            ("nonsense", "1", true),
        ] {
            assert_eq!(satisfies(version, range), is, "{version} {range}");
        }
        assert!(node_satisfies("20", ">=20.9.0") && node_satisfies("22", "^18.17 || ^20.3 || >=21"));
        assert!(!node_satisfies("18", ">=20.9.0"));
    }

    #[test]
    fn only_ranges_are_compared() {
        assert_eq!(range("npm:other@^2.0.0").as_deref(), Some("^2.0.0"));
        assert_eq!(range("v1.0.0").as_deref(), Some("v1.0.0"));
        for any in ["latest", "*", "", "file:../a", "github:a/b", "workspace:^", "https://a/b.tgz", "git+ssh://a"] {
            assert_eq!(range(any), None, "{any}");
        }
    }
}
