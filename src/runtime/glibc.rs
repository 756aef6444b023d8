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
    /// The source of the list.
    pub source: String,
}

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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn glibc_is_known_by_its_names() {
        let glibc = GlibcNames::built_in();
        assert!(glibc.has("libc.so.6") && glibc.has("libnss_dns.so.2"));
        assert!(!glibc.has("libcrypt.so.1") && !glibc.has("libtirpc.so.3") && !glibc.has("libstdc++.so.6"));
    }
}
