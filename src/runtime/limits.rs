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
    /// The bytes that the function's own code has unzipped, where it is known and was measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code_unzipped: Option<u64>,
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
        self.total_unzipped.saturating_sub(self.function())
    }

    /// The unzipped bytes that the function's own code takes: what is reserved for it, or what it has, if that is more.
    pub fn function(&self) -> u64 {
        self.code_unzipped.unwrap_or(0).max(self.function_unzipped)
    }

    /// The unzipped bytes of the function's code, if it was measured and counts, as no more is reserved for it.
    pub fn measured_code(&self) -> Option<u64> {
        self.code_unzipped.filter(|code| *code >= self.function_unzipped)
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

    #[test]
    fn the_larger_of_what_is_reserved_and_what_was_measured_counts() {
        let of = |function_unzipped, code_unzipped| {
            let limits = Limits { total_unzipped: 10, function_unzipped, code_unzipped, ..Limits::built_in() };
            (limits.layers_unzipped(), limits.measured_code())
        };
        assert_eq!(of(0, None), (10, None));
        assert_eq!(of(3, None), (7, None));
        assert_eq!(of(3, Some(2)), (7, None));
        assert_eq!(of(3, Some(4)), (6, Some(4)));
        assert_eq!(of(0, Some(11)), (0, Some(11)));
    }
}
