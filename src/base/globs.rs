//! The glob syntax: in globs of paths, `*` and `?` do not match a `/`, and `**` does; `{a,b}` matches either, `\` escapes.

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

/// A set of globs of unit names, in which `*` and `?` match a `/` too, as in `lib:*`: these names contain paths.
///
/// # Errors
/// When one of them is not a valid glob.
pub fn set_of_names<T: AsRef<str>>(globs: impl IntoIterator<Item = T>) -> Result<GlobSet, Error> {
    let mut set = GlobSetBuilder::new();
    for text in globs {
        set.add(GlobBuilder::new(text.as_ref()).backslash_escape(true).build()?);
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
        let names = set_of_names(["lib:*"]).expect("globs");
        assert!(names.is_match("lib:lib/a.so") && !names.is_match("pkg:a"));
    }
}
