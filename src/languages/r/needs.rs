//! What R itself needs at run time, from `rules/languages/r/needs.toml`.

use std::sync::LazyLock;

use crate::languages::{LanguageId, Needs};

/// R's identifier.
pub(super) const ID: LanguageId = LanguageId("r");

/// The built-in file.
pub(super) static NEEDS: LazyLock<Needs> = LazyLock::new(|| {
    Needs::built_in("rules/languages/r/needs.toml", include_str!("../../../rules/languages/r/needs.toml"))
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_library_reads_is_needed_and_documentation_is_not() {
        let needs = &*NEEDS;
        for path in ["NAMESPACE", "Meta/package.rds", "Meta/features.rds", "R/stats.rdb", "libs/stats.so"] {
            assert!(needs.package_needs(path.as_bytes()), "{path}");
        }
        for path in ["help/stats.rdb", "html/00Index.html", "doc/a/R/x.R", "INDEX"] {
            assert!(!needs.package_needs(path.as_bytes()), "{path}");
        }
        assert!(needs.is_optional(b"modules/R_X11.so") && !needs.is_optional(b"modules/lapack.so"));
        assert!(needs.is_left_alone(b"bin/Rcmd") && !needs.is_left_alone(b"bin/R"));
        assert!(needs.session_needs(b"etc/Renviron") && !needs.session_needs(b"doc/NEWS"));
        assert!(needs.start_packages().any(|name| name == "compiler"));
    }
}
