//! R package versions and the constraints that DESCRIPTION files put on them.
//!
//! Follows R: `package_version()` splits at '.' and '-', and compares number by number; where one runs out, the shorter is
//! the smaller (`.encode_numeric_version` in R's src/library/base/R/version.R).

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

/// A package version, `1.5-3` for instance.
#[derive(Debug, Clone)]
pub struct Version {
    text: String,
    numbers: Vec<u64>,
}

impl Version {
    /// The numbers between the separators.
    pub fn numbers(&self) -> &[u64] {
        &self.numbers
    }
}

impl FromStr for Version {
    type Err = String;

    /// Parses numbers separated by single '.' or '-'.
    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let numbers = text
            .split(['.', '-'])
            .map(|part| part.bytes().all(|b| b.is_ascii_digit()).then(|| part.parse::<u64>().ok()).flatten())
            .collect::<Option<Vec<_>>>()
            .ok_or_else(|| format!("{text:?} is not a version: numbers with '.' or '-' between them"))?;
        Ok(Self { text: text.to_owned(), numbers })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.numbers == other.numbers
    }
}

impl Eq for Version {}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        self.numbers.cmp(&other.numbers)
    }
}

/// The operator of a constraint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// `>=`
    AtLeast,
    /// `<=`
    AtMost,
    /// `>`
    Above,
    /// `<`
    Below,
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
}

/// A constraint on a version: `>= 3.0.0`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Constraint {
    /// The operator.
    pub operator: Operator,
    /// The version to compare with.
    pub version: Version,
}

impl Constraint {
    /// Whether `version` satisfies the constraint.
    pub fn allows(&self, version: &Version) -> bool {
        let order = version.cmp(&self.version);
        match self.operator {
            Operator::AtLeast => order.is_ge(),
            Operator::AtMost => order.is_le(),
            Operator::Above => order.is_gt(),
            Operator::Below => order.is_lt(),
            Operator::Equal => order.is_eq(),
            Operator::NotEqual => order.is_ne(),
        }
    }
}

/// Whether a version satisfies a constraint, both as text; an invalid version satisfies nothing.
pub(super) fn satisfies(version: &str, constraint: &str) -> bool {
    let parsed = version.parse::<Version>().ok().zip(constraint.parse::<Constraint>().ok());
    parsed.is_some_and(|(version, constraint)| constraint.allows(&version))
}

impl FromStr for Constraint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let digits = text.find(|c: char| !"<>=!".contains(c)).unwrap_or(text.len());
        let operator = match &text[..digits] {
            ">=" => Operator::AtLeast,
            "<=" => Operator::AtMost,
            ">" => Operator::Above,
            "<" => Operator::Below,
            "==" => Operator::Equal,
            "!=" => Operator::NotEqual,
            other => return Err(format!("{other:?} is not one of >= <= > < == !=")),
        };
        Ok(Self { operator, version: text[digits..].parse()? })
    }
}

impl fmt::Display for Constraint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let operator = match self.operator {
            Operator::AtLeast => ">=",
            Operator::AtMost => "<=",
            Operator::Above => ">",
            Operator::Below => "<",
            Operator::Equal => "==",
            Operator::NotEqual => "!=",
        };
        write!(f, "{operator} {}", self.version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> Version {
        text.parse().expect("a version")
    }

    #[test]
    fn versions_compare_as_r_compares_them() {
        // Each pair was checked with R 4.2.2: package_version(a) < package_version(b) is TRUE.
        for (a, b) in
            [("1.9", "1.10"), ("1.0", "1.0.0"), ("1.5-3", "1.5.4"), ("0.99.9000", "1.0"), ("7.3-58.2", "7.3-58.10")]
        {
            assert!(version(a) < version(b), "{a} < {b}");
        }
        assert_eq!(version("1.5-3"), version("1.5.3"));
        assert_eq!(version("01.2"), version("1.2"));
    }

    #[test]
    fn what_r_refuses_is_refused() {
        for text in ["", "1..2", "1.a", "-1", "1.2-", "1.2.r", "99999999999999999999"] {
            assert!(text.parse::<Version>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn constraints_are_read_with_and_without_spaces() {
        let at_least: Constraint = ">= 3.0.0".parse().expect("a constraint");
        assert!(at_least.allows(&version("3.0.0")) && !at_least.allows(&version("3.0")));
        let below: Constraint = "<2".parse().expect("a constraint");
        assert!(below.allows(&version("1.9")) && !below.allows(&version("2.0")));
        assert!("=> 2".parse::<Constraint>().is_err());
        assert_eq!(at_least.to_string(), ">= 3.0.0");
    }
}
