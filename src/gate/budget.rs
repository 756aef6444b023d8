//! Budgets: how much the whole, a layer, a package or some files may weigh, and how much they may grow.

use std::fmt;
use std::str::FromStr;

use globset::{GlobBuilder, GlobMatcher};

use super::baseline::Baseline;
use super::snapshot::{Snapshot, Weight, weight};
use crate::bytes::size;
use crate::error::{Error, Result};
use crate::finding::{Code, Finding};

/// How much something may weigh.
#[derive(Debug, Clone)]
pub struct Budget {
    /// What.
    pub of: Of,
    /// At most this many bytes in zips.
    pub zipped: Option<u64>,
    /// At most this many bytes unzipped.
    pub unzipped: Option<u64>,
    /// At most this much more than in the baseline, zipped and unzipped.
    pub growth: Option<Growth>,
}

/// What a budget is for.
#[derive(Debug, Clone)]
pub enum Of {
    /// All layers together.
    Total,
    /// Each layer whose name the glob matches: `layer:*`.
    Layers(GlobMatcher),
    /// Each package whose name the glob matches: `pkg:Matrix`.
    Packages(GlobMatcher),
    /// All files together whose path the glob matches.
    Paths(GlobMatcher),
}

impl Of {
    /// Reads what a budget is for.
    ///
    /// # Errors
    /// When it is no glob.
    pub fn new(text: &str) -> Result<Self> {
        let glob = |glob: &str| match GlobBuilder::new(glob).literal_separator(true).build() {
            Ok(glob) => Ok(glob.compile_matcher()),
            Err(error) => Err(Error::Usage {
                message: format!("budget of {text:?}: {}", error.kind()),
                help: "name total, layer:NAME, pkg:NAME, or a glob of paths such as lib/**".to_owned(),
            }),
        };
        Ok(match (text, text.split_once(':')) {
            ("total", _) => Of::Total,
            (_, Some(("layer", name))) => Of::Layers(glob(name)?),
            (_, Some(("pkg", name))) => Of::Packages(glob(name)?),
            (path, _) => Of::Paths(glob(path)?),
        })
    }

    /// What there is of it, by name, and what that weighs.
    pub(super) fn weigh(&self, snapshot: &Snapshot) -> Vec<(String, Weight)> {
        match self {
            Of::Total => vec![("total".to_owned(), snapshot.total())],
            Of::Layers(glob) => {
                let layers = snapshot.layers.iter().filter(|layer| glob.is_match(&layer.name));
                layers.map(|layer| (format!("layer:{}", layer.name), layer.weight())).collect()
            }
            Of::Packages(glob) => {
                let packages = snapshot.package_weights().into_iter().filter(|(name, _)| glob.is_match(name));
                packages.map(|(name, weight)| (format!("pkg:{name}"), weight)).collect()
            }
            Of::Paths(glob) => {
                let mut entries = snapshot.entries().filter(|(_, entry)| glob.is_match(&entry.path)).peekable();
                if entries.peek().is_none() {
                    return Vec::new();
                }
                let mut sum = Weight::default();
                entries.for_each(|(_, entry)| sum += weight(entry));
                vec![(glob.glob().glob().to_owned(), sum)]
            }
        }
    }
}

impl fmt::Display for Of {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Of::Total => f.write_str("total"),
            Of::Layers(glob) => write!(f, "layer:{}", glob.glob().glob()),
            Of::Packages(glob) => write!(f, "pkg:{}", glob.glob().glob()),
            Of::Paths(glob) => f.write_str(glob.glob().glob()),
        }
    }
}

/// How much something may grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Growth {
    /// By so many bytes.
    Bytes(u64),
    /// By so many hundredths of a percent.
    BasisPoints(u64),
}

impl Growth {
    /// The most that what was `before` may be now.
    pub fn most(self, before: u64) -> u64 {
        match self {
            Growth::Bytes(bytes) => before.saturating_add(bytes),
            Growth::BasisPoints(points) => {
                let more = u128::from(before) * u128::from(points) / 10_000;
                before.saturating_add(u64::try_from(more).unwrap_or(u64::MAX))
            }
        }
    }
}

impl FromStr for Growth {
    type Err = String;

    /// Reads `2%`, `0.5%`, `500KB` or a number of bytes.
    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let Some(percent) = text.trim().strip_suffix('%') else {
            return crate::bytes::parse(text).map(Growth::Bytes);
        };
        let wrong = || format!("{text:?} is no growth, such as 2%, 0.5% or 500KB");
        let (whole, part) = percent.trim().split_once('.').unwrap_or((percent.trim(), ""));
        if part.len() > 2 || !part.bytes().all(|b| b.is_ascii_digit()) {
            return Err(wrong());
        }
        let whole: u64 = whole.parse().map_err(|_| wrong())?;
        let part: u64 = format!("{part:0<2}").parse().map_err(|_| wrong())?;
        whole.checked_mul(100).and_then(|points| points.checked_add(part)).map(Growth::BasisPoints).ok_or_else(wrong)
    }
}

impl fmt::Display for Growth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Growth::Bytes(bytes) => f.write_str(&size(*bytes)),
            Growth::BasisPoints(points) if points % 100 == 0 => write!(f, "{} %", points / 100),
            Growth::BasisPoints(points) => write!(f, "{}.{:02} %", points / 100, points % 100),
        }
    }
}

/// What is over its budget, and budgets of nothing.
pub(super) fn findings(budgets: &[Budget], snapshot: &Snapshot, baseline: Option<&Baseline>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for budget in budgets {
        let weighed = budget.of.weigh(snapshot);
        if weighed.is_empty() {
            findings.push(Finding::warning(
                Code::BudgetOfNothing,
                &budget.of,
                "there is a budget for this, and no such thing in the layers",
                "take it out of layerfit.toml, or correct it: `layerfit plan -v` lists layers and packages",
            ));
        }
        for (name, weight) in weighed {
            for (bytes, most, how) in
                [(weight.zipped_bytes, budget.zipped, "zipped"), (weight.unzipped_bytes, budget.unzipped, "unzipped")]
            {
                if let Some(most) = most.filter(|most| bytes > *most) {
                    findings.push(Finding::error(
                        Code::OverBudget,
                        &name,
                        format!("{} {how} are {} over its budget of {}", size(bytes), size(bytes - most), size(most)),
                        "`layerfit plan --tree` shows what takes the room; or raise the budget in layerfit.toml",
                    ));
                }
            }
            if let (Some(growth), Some(baseline)) = (budget.growth, baseline) {
                findings.extend(baseline.grown(&name, weight, growth, snapshot));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_is_read_in_percent_and_in_bytes_and_never_rounded_up() {
        for (text, growth) in [
            ("2%", Growth::BasisPoints(200)),
            ("0.5 %", Growth::BasisPoints(50)),
            ("0%", Growth::BasisPoints(0)),
            ("12.25%", Growth::BasisPoints(1225)),
            ("500KB", Growth::Bytes(512_000)),
            ("0", Growth::Bytes(0)),
        ] {
            assert_eq!(text.parse(), Ok(growth), "{text}");
        }
        for text in ["%", "x%", "-1%", "1.234%", "2 apples", "", "99999999999999999999%"] {
            assert!(text.parse::<Growth>().is_err(), "{text}");
        }
        assert_eq!(Growth::BasisPoints(200).most(149), 151);
        assert_eq!(Growth::BasisPoints(200).most(u64::MAX), u64::MAX);
        assert_eq!(Growth::Bytes(3).most(4), 7);
    }

    #[test]
    fn growth_is_shown_as_it_was_given() {
        for (growth, shown) in [
            (Growth::BasisPoints(200), "2 %"),
            (Growth::BasisPoints(205), "2.05 %"),
            (Growth::BasisPoints(50), "0.50 %"),
            (Growth::BasisPoints(0), "0 %"),
            (Growth::Bytes(7), "7 B"),
        ] {
            assert_eq!(growth.to_string(), shown);
        }
        for of in ["total", "layer:r*", "pkg:*", "lib/**"] {
            assert_eq!(Of::new(of).expect("a glob").to_string(), of);
        }
    }
}
