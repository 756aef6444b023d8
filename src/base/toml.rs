//! Knowledge kept as data: how a TOML file is read, and how an error in one is reported.

use serde::de::DeserializeOwned;

use super::error::{Error, Result};

/// Parses one TOML file; an error names the line and column.
///
/// # Errors
/// When the text is not TOML, or not of this type.
pub(crate) fn from_toml<T: DeserializeOwned>(file: &str, text: &str) -> Result<T> {
    toml::from_str(text).map_err(|error| Error::Data {
        file: file.to_owned(),
        message: error.to_string().trim_end().to_owned(),
        help: "fix the file; the built-in files in rules/ are examples".to_owned(),
    })
}

/// A file of `rules/` that is embedded in the binary. A test parses each one, so an invalid one is never shipped.
#[expect(clippy::expect_used, reason = "an embedded file cannot be invalid at run time: a test parses each one")]
pub(crate) fn built_in<T: DeserializeOwned>(file: &str, text: &str) -> T {
    from_toml(file, text).expect("the built-in file is valid")
}

/// The globs of a file of `rules/`. A test parses each one, so an invalid one is never shipped.
#[expect(clippy::expect_used, reason = "an embedded file cannot be invalid at run time: a test parses each one")]
pub(crate) fn built_in_globs<'a>(globs: impl IntoIterator<Item = &'a String>) -> globset::GlobSet {
    super::globs::set(globs).expect("the built-in globs are valid")
}

/// One glob of a file of `rules/`. A test parses each one, so an invalid one is never shipped.
#[expect(clippy::expect_used, reason = "an embedded file cannot be invalid at run time: a test parses each one")]
pub(crate) fn built_in_matcher(glob: &str) -> globset::GlobMatcher {
    super::globs::glob(glob).expect("the built-in glob is valid").compile_matcher()
}

/// A pattern of a file of `rules/`. A test compiles each one, so an invalid one is never shipped.
#[expect(clippy::expect_used, reason = "an embedded file cannot be invalid at run time: a test compiles each one")]
pub(crate) fn built_in_pattern(pattern: &str) -> regex::Regex {
    regex::Regex::new(pattern).expect("the built-in pattern is valid")
}

/// The globs of unit names that the code contains. A test builds each set, so an invalid one is never shipped.
#[expect(clippy::expect_used, reason = "globs in the code cannot become invalid at run time: a test builds each set")]
pub(crate) fn built_in_names(globs: &[&str]) -> globset::GlobSet {
    super::globs::set_of_names(globs).expect("the built-in globs are valid")
}
