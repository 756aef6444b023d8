//! Which libraries are glibc's own, from `rules/glibc.toml`.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use serde::Deserialize;

use crate::base::toml::built_in;

/// The names of glibc's libraries.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GlibcNames {
    names: BTreeSet<String>,
    but: BTreeSet<String>,
    functions: BTreeSet<String>,
    /// The source of the list.
    pub source: String,
}

/// What the names of functions end with that are for other types than `double`.
const OF_TYPES: &[&str] = &["f32x", "f64x", "f32", "f64", "f128", "f", "l"];

impl GlibcNames {
    /// The built-in list.
    pub fn built_in() -> &'static Self {
        static NAMES: LazyLock<GlibcNames> =
            LazyLock::new(|| built_in("rules/glibc.toml", include_str!("../../rules/glibc.toml")));
        &NAMES
    }

    /// Whether a library is a part of glibc.
    pub fn has(&self, soname: &str) -> bool {
        self.names.contains(soname) && !self.but.contains(soname)
    }

    /// Whether a symbol is a function of one of its libraries.
    pub fn has_function(&self, symbol: &str) -> bool {
        let of_type = |ending: &&str| symbol.strip_suffix(ending).is_some_and(|name| self.functions.contains(name));
        self.functions.contains(symbol) || OF_TYPES.iter().any(of_type)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn glibc_is_known_by_its_names() {
        let glibc = GlibcNames::built_in();
        assert!(glibc.has("libc.so.6") && glibc.has("libnss_dns.so.2"));
        for function in [
            "sin",
            "sinf",
            "sinl",
            "sinf128",
            "pthread_create",
            "dlopen",
            "lgamma_r",
            "shm_open",
            "res_query",
            "strlen",
        ] {
            assert!(glibc.has_function(function), "{function}");
        }
        assert!(!glibc.has_function("deflate") && !glibc.has_function("gone_symbol"));
        assert!(!glibc.has("libcrypt.so.1") && !glibc.has("libtirpc.so.3") && !glibc.has("libstdc++.so.6"));
    }
}
