//! The glob syntax used everywhere: `*` and `?` do not match a `/`, `**` does, `{a,b}` matches either, `\` escapes.

use globset::{Error, Glob, GlobBuilder, GlobSet, GlobSetBuilder};

/// One glob.
///
/// # Errors
/// When the text is not a valid glob.
pub fn glob(text: &str) -> Result<Glob, Error> {
    GlobBuilder::new(text).literal_separator(true).backslash_escape(true).build()
}

/// A set of globs that matches whatever any of them matches.
///
/// # Errors
/// When one of them is not a valid glob.
pub fn set<T: AsRef<str>>(globs: impl IntoIterator<Item = T>) -> Result<GlobSet, Error> {
    let mut set = GlobSetBuilder::new();
    for text in globs {
        set.add(glob(text.as_ref())?);
    }
    set.build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stays_in_its_directory() {
        let globs = set(["lib/*.so", "doc/**"]).expect("globs");
        for (path, matches) in [("lib/a.so", true), ("lib/a/b.so", false), ("doc/a/b", true), ("lib/a", false)] {
            assert_eq!(globs.is_match(path), matches, "{path}");
        }
        assert!(set(["["]).is_err());
    }
}
