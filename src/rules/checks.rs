//! The pages of the checks: what each code means, from `rules/checks.toml`.

use serde::Deserialize;

use super::from_toml;
use crate::error::Result;
use crate::finding::{Code, Severity};

/// What a code means and what to do about it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckPage {
    /// The code.
    pub code: Code,
    /// Its short name.
    pub name: String,
    /// How bad it is, as a rule.
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
///
/// # Errors
/// When the built-in file is damaged, which a test rules out.
pub fn check_pages() -> Result<Vec<CheckPage>> {
    let mut pages: Pages = from_toml("rules/checks.toml", include_str!("../../rules/checks.toml"))?;
    pages.check.sort_by_key(|page| page.code);
    Ok(pages.check)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_one_page_and_every_page_a_code() {
        let pages = check_pages().expect("built in");
        let codes: Vec<Code> = pages.iter().map(|page| page.code).collect();
        assert_eq!(codes, Code::ALL);
    }
}
