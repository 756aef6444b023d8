//! What Python itself needs at run time, from `rules/languages/python/needs.toml`.

use std::sync::LazyLock;

use crate::languages::{LanguageId, Needs};

/// Python's identifier.
pub(super) const ID: LanguageId = LanguageId("python");

/// The built-in file.
pub(super) static NEEDS: LazyLock<Needs> = LazyLock::new(|| {
    Needs::built_in("rules/languages/python/needs.toml", include_str!("../../../rules/languages/python/needs.toml"))
});
