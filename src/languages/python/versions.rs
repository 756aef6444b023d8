//! Versions of distributions and of Python, and constraints on them: PEP 440.

use std::str::FromStr;

use pep440_rs::{Version, VersionSpecifiers};

/// Whether a version satisfies a constraint, as written; what is not written as PEP 440 has it is not compared.
pub(super) fn satisfies(version: &str, constraint: &str) -> bool {
    match (Version::from_str(version), VersionSpecifiers::from_str(constraint)) {
        (Ok(version), Ok(constraint)) => constraint.contains(&version),
        _ => true,
    }
}

/// Whether a version of Python satisfies a constraint; of `3.12`, whether any release of it does.
pub(super) fn python_satisfies(version: &str, constraint: &str) -> bool {
    match version.matches('.').count() {
        1 => [0, 99].iter().any(|release| satisfies(&format!("{version}.{release}"), constraint)),
        _ => satisfies(version, constraint),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_pip_compares_them() {
        for (version, constraint, is) in [
            ("1.26.4", ">=1.21,<2", true),
            ("2.0", ">=1.21, <2", false),
            ("2.0.0+cu118", "==2.0.0", true),
            ("1.4.5", "~=1.4.2", true),
            ("1.5", "~=1.4.2", false),
            ("3.1", "==3.*", true),
            ("2024b", ">=1", true),
            ("1.0", "nonsense", true),
        ] {
            assert_eq!(satisfies(version, constraint), is, "{version} {constraint}");
        }
        assert!(python_satisfies("3.12", ">=3.12.4") && python_satisfies("3.9", ">=3.8,!=3.9.7"));
        assert!(!python_satisfies("3.12", ">=3.13") && !python_satisfies("3.12.1", ">=3.12.4"));
    }
}
