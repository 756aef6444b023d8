//! The limits that Lambda puts on layers.

use std::sync::LazyLock;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::base::toml::built_in;

/// What layers must stay within. The defaults and their sources are in `rules/limits.toml`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// The largest zip of one layer, in bytes (direct upload).
    pub layer_zipped: u64,
    /// The largest sum of all files of the function and its layers, in bytes.
    pub total_unzipped: u64,
    /// Maximum number of layers of a function.
    pub layers: usize,
    /// The bytes of the unzipped limit reserved for the function's own code; layers have the rest.
    #[serde(default)]
    pub function_unzipped: u64,
}

impl Limits {
    /// Lambda's limits.
    pub fn built_in() -> Self {
        static LIMITS: LazyLock<Limits> =
            LazyLock::new(|| built_in("rules/limits.toml", include_str!("../../rules/limits.toml")));
        *LIMITS
    }

    /// The unzipped bytes available to all layers together.
    pub fn layers_unzipped(&self) -> u64 {
        self.total_unzipped.saturating_sub(self.function_unzipped)
    }

    /// The length in bytes from which on a file is not read to be packed: it fits into no layer.
    pub fn longest_file(&self) -> u64 {
        self.total_unzipped.max(self.layer_zipped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_limits_are_those_of_get_account_settings() {
        let limits = Limits::built_in();
        assert_eq!((limits.layer_zipped, limits.total_unzipped, limits.layers), (52_428_800, 262_144_000, 5));
    }
}
