//! The pages of the checks: what each code means, from `rules/checks.toml`.

use std::sync::LazyLock;

use serde::Deserialize;

use crate::base::finding::{Code, Severity};
use crate::base::toml::built_in;

/// What a code means and what to do about it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckPage {
    /// The code.
    pub code: Code,
    /// Its short name.
    pub name: String,
    /// What several causes are, after their number, if a report lists them together: "libraries are missing".
    #[serde(default)]
    pub plural: String,
    /// Its default severity.
    pub severity: Severity,
    /// What is wrong.
    pub what: String,
    /// What happens in Lambda.
    pub why: String,
    /// What to do.
    pub help: String,
    /// R code that `help` refers to; empty when there is none.
    #[serde(default)]
    pub r_code: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Pages {
    check: Vec<CheckPage>,
}

/// Every page, in the order of the catalogue.
pub fn check_pages() -> &'static [CheckPage] {
    static PAGES: LazyLock<Vec<CheckPage>> = LazyLock::new(|| {
        let mut pages: Pages = built_in("rules/checks.toml", include_str!("../../rules/checks.toml"));
        pages.check.sort_by_key(|page| page.code);
        pages.check
    });
    &PAGES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_one_page_and_every_page_a_code() {
        let pages = check_pages();
        let codes: Vec<Code> = pages.iter().map(|page| page.code).collect();
        assert_eq!(codes, Code::ALL);
    }
}
