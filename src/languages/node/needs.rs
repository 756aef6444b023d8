//! What Node.js itself needs at run time, from `rules/languages/node/needs.toml`.

use std::sync::LazyLock;

use crate::languages::{LanguageId, Needs};

/// Node.js's identifier.
pub(super) const ID: LanguageId = LanguageId("node");

/// The built-in file.
pub(super) static NEEDS: LazyLock<Needs> = LazyLock::new(|| {
    Needs::built_in("rules/languages/node/needs.toml", include_str!("../../../rules/languages/node/needs.toml"))
});
