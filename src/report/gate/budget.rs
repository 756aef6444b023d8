//! Budgets: limits for the size and growth of all layers together, a layer, a package or some files.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use globset::GlobMatcher;

use crate::base::bytes::size;
use crate::base::error::{Error, Result};
use crate::base::finding::{Code, Finding};
use crate::base::globs::{self, MAX_GLOB_SHOWN};
use crate::base::list;
use crate::base::safe::cut;
use crate::base::size::Size;
use crate::base::subject::Subject;
use crate::report::diff::{Snapshot, size_of};

/// How many similar names a finding lists.
const SIMILAR_NAMES: usize = 3;

/// A limit for the size or growth of something.
#[derive(Debug, Clone)]
pub struct Budget {
    /// What it limits.
    pub of: BudgetScope,
    /// The maximum in zips, in bytes.
    pub zipped: Option<u64>,
    /// The maximum unzipped, in bytes.
    pub unzipped: Option<u64>,
    /// The maximum growth since the baseline, both zipped and unzipped.
    pub growth: Option<Growth>,
}

/// What a budget limits.
#[derive(Debug, Clone)]
pub enum BudgetScope {
    /// All layers together.
    Total,
    /// Each layer whose name the glob matches: `layer:*`.
    Layers(GlobMatcher),
    /// Each package whose name the glob matches: `pkg:Matrix`.
    Packages(GlobMatcher),
    /// All files whose path the glob matches, together; the package of that name if there is none.
    Paths(GlobMatcher),
}

impl BudgetScope {
    /// Reads what a budget limits.
    ///
    /// # Errors
    /// When it contains a glob that is not valid.
    pub fn new(text: &str) -> Result<Self> {
        let glob = |glob: &str| match globs::glob(glob) {
            Ok(glob) => Ok(glob.compile_matcher()),
            Err(error) => Err(Error::Usage {
                message: format!("budget of {:?}: {}", cut(text, MAX_GLOB_SHOWN), error.reason()),
                help: "give total, layer:NAME, pkg:NAME, or a glob of paths such as lib/**".to_owned(),
            }),
        };
        Ok(match (text, text.split_once(':')) {
            ("total", _) => BudgetScope::Total,
            (_, Some(("layer", name))) => BudgetScope::Layers(glob(name)?),
            (_, Some(("pkg", name))) => BudgetScope::Packages(glob(name)?),
            (path, _) => BudgetScope::Paths(glob(path)?),
        })
    }

    /// Everything in the layers that the budget limits, with its size.
    pub(super) fn sizes(&self, snapshot: &Snapshot) -> Vec<(Subject, Size)> {
        match self {
            BudgetScope::Total => vec![(Subject::whole("total"), snapshot.total())],
            BudgetScope::Layers(glob) => {
                let layers = snapshot.layers.iter().filter(|layer| glob.is_match(&layer.name));
                layers.map(|layer| (Subject::layer(format_args!("layer:{}", layer.name)), layer.size())).collect()
            }
            BudgetScope::Packages(glob) => {
                let packages = snapshot.package_sizes().into_iter().filter(|(name, _)| glob.is_match(name));
                packages.map(|(name, size)| (Subject::package(name), size)).collect()
            }
            BudgetScope::Paths(glob) => {
                let mut entries = snapshot.entries().filter(|(_, entry)| glob.is_match(&entry.path)).peekable();
                if entries.peek().is_none() {
                    // A name that no file has is that of a package, as in --drop, but if a layer has it too.
                    let name = glob.glob().glob();
                    let of_layer = snapshot.layers.iter().any(|layer| layer.name == name);
                    let package = snapshot.package_sizes().remove_entry(name).filter(|_| !of_layer);
                    return package.map(|(name, size)| (Subject::package(name), size)).into_iter().collect();
                }
                let mut sum = Size::default();
                entries.for_each(|(_, entry)| sum += size_of(entry));
                vec![(Subject::setting(glob.glob().glob()), sum)]
            }
        }
    }
}

impl BudgetScope {
    /// A finding that the budget matches nothing in the layers. It is an error where one thing is named, and a warning for a
    /// pattern, which can be for what comes later.
    pub(super) fn unmatched(&self, snapshot: &Snapshot) -> Finding {
        let text = self.to_string();
        let near = self.similar(snapshot);
        let help = if near.is_empty() {
            "correct it in layerfit.toml, or remove it; `layerfit plan -v` lists layers and packages".to_owned()
        } else {
            format!("did you mean {}? Otherwise, remove it from layerfit.toml", list::with_last(&near, "or"))
        };
        // Paths in layers are relative: nothing that comes later can match an absolute one.
        let is_pattern = text.contains(['*', '?', '[', '{']) && !text.starts_with('/');
        let subject = Subject::setting(self);
        let message = "this budget matches nothing in the layers";
        if is_pattern {
            Finding::warning(Code::UnmatchedBudget, subject, message, help)
        } else {
            Finding::error(Code::UnmatchedBudget, subject, format!("{message}, so it can never be exceeded"), help)
        }
    }

    /// What a budget that matches nothing may have been meant for, the most similar first.
    fn similar(&self, snapshot: &Snapshot) -> Vec<String> {
        let (wanted, is_path) = match self {
            BudgetScope::Total => return Vec::new(),
            BudgetScope::Layers(glob) | BudgetScope::Packages(glob) => (glob.glob().glob(), false),
            BudgetScope::Paths(glob) => (glob.glob().glob(), true),
        };
        if is_path {
            let below = wanted.trim_start_matches("/opt/").trim_matches('/');
            let directory = format!("{below}/");
            if snapshot.entries().any(|(_, entry)| entry.path == below) {
                return vec![below.to_owned()];
            } else if snapshot.entries().any(|(_, entry)| entry.path.starts_with(&directory)) {
                return vec![format!("{directory}**")];
            } else if let Ok(glob) = globs::glob(below)
                && below != wanted
                && snapshot.entries().any(|(_, entry)| glob.compile_matcher().is_match(&entry.path))
            {
                return vec![below.to_owned()];
            }
        }
        let layers = snapshot.layers.iter().map(|layer| (layer.name.as_str(), format!("layer:{}", layer.name)));
        let packages = snapshot.package_sizes().into_keys().map(|name| (name, format!("pkg:{name}")));
        // Of a Package URL, the name: pkg:cran/mgcv.
        let wanted = wanted.rsplit('/').next().unwrap_or(wanted).to_lowercase();
        let near = packages.chain(layers).filter_map(|(name, shown)| {
            let name = name.to_lowercase();
            let longest = name.chars().count().max(wanted.chars().count());
            let distance = strsim::damerau_levenshtein(&name, &wanted);
            (distance * 5 <= longest * 2).then_some((distance, shown))
        });
        let near: BTreeSet<(usize, String)> = near.collect();
        // What has exactly this name is meant, or else it is similar to what is.
        let exact = near.iter().filter(|(distance, _)| *distance == 0).count();
        near.into_iter().take(if exact > 0 { exact } else { SIMILAR_NAMES }).map(|(_, shown)| shown).collect()
    }
}

impl fmt::Display for BudgetScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BudgetScope::Total => f.write_str("total"),
            BudgetScope::Layers(glob) => write!(f, "layer:{}", glob.glob().glob()),
            BudgetScope::Packages(glob) => write!(f, "pkg:{}", glob.glob().glob()),
            BudgetScope::Paths(glob) => f.write_str(glob.glob().glob()),
        }
    }
}

/// A limit for growth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Growth {
    /// In bytes.
    Bytes(u64),
    /// In hundredths of a percent.
    BasisPoints(u64),
}

impl Growth {
    /// The maximum size of what had `before` bytes.
    pub fn limit(self, before: u64) -> u64 {
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

    /// Reads `2%`, `0.5%`, `500KiB` or a number of bytes.
    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let Some(percent) = text.trim().strip_suffix('%') else {
            return crate::base::bytes::parse(text).map(Growth::Bytes).map_err(|why| {
                let number = text.trim();
                match number.parse::<f64>() {
                    Ok(_) => format!("{number} has no unit: did you mean {number}%, or {number}MiB?"),
                    Err(_) => why,
                }
            });
        };
        if text.trim().starts_with('-') && !text.trim().starts_with("--") {
            return Err(format!(
                "{} is negative: give the growth that is allowed, such as 0, 2% or 500KiB",
                text.trim()
            ));
        }
        let wrong = || format!("{text:?} is not a growth such as 2%, 0.5% or 500KiB");
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
            Growth::BasisPoints(points) if points % 100 == 0 => write!(f, "{}%", points / 100),
            Growth::BasisPoints(points) => write!(f, "{}.{:02}%", points / 100, points % 100),
        }
    }
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
        assert!("-1%".parse::<Growth>().expect_err("negative").contains("is negative"));
        for text in ["%", "x%", "-1%", "1.234%", "2 apples", "", "99999999999999999999%"] {
            assert!(text.parse::<Growth>().is_err(), "{text}");
        }
        assert_eq!(Growth::BasisPoints(200).limit(149), 151);
        assert_eq!(Growth::BasisPoints(200).limit(u64::MAX), u64::MAX);
        assert_eq!(Growth::Bytes(3).limit(4), 7);
    }

    #[test]
    fn growth_is_shown_as_it_was_given() {
        for (growth, shown) in [
            (Growth::BasisPoints(200), "2%"),
            (Growth::BasisPoints(205), "2.05%"),
            (Growth::BasisPoints(50), "0.50%"),
            (Growth::BasisPoints(0), "0%"),
            (Growth::Bytes(7), "7 B"),
        ] {
            assert_eq!(growth.to_string(), shown);
        }
        for of in ["total", "layer:r*", "pkg:*", "lib/**"] {
            assert_eq!(BudgetScope::new(of).expect("a glob").to_string(), of);
        }
    }
}
