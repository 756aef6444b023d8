//! The identifiers of languages.

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;

/// A language, by its identifier: `r`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
pub struct LanguageId(pub(in crate::languages) &'static str);

impl LanguageId {
    /// The identifier: the name of the language's folder, and of that in `rules/languages/`.
    pub fn as_str(self) -> &'static str {
        self.0
    }
}

impl fmt::Display for LanguageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}
