//! The glob syntax: in globs of paths, `*` and `?` do not match a `/`, and `**` does; `{a,b}` matches either, `\` escapes.
//!
//! globset compiles a glob to a regular expression and panics where that is too large, so a glob has bounds.

use globset::{Glob, GlobBuilder, GlobSet, GlobSetBuilder};
use thiserror::Error;

/// The longest glob, in bytes: as long as a path can be (`PATH_MAX`).
const MAX_BYTES: usize = 4096;

/// How much of a glob that is wrong is shown, in characters.
pub const MAX_GLOB_SHOWN: usize = 200;

/// How many `{` a glob can have open at once.
const MAX_NESTED: usize = 8;

/// Why a text is not a glob.
#[derive(Debug, Error)]
pub enum GlobError {
    /// It is longer than a path can be.
    #[error(
        "the glob has {0} bytes, more than a path can have ({MAX_BYTES}): use several globs, or a shorter one with **"
    )]
    TooLong(usize),
    /// It has too many alternatives in each other.
    #[error("more than {MAX_NESTED} {{…}} are in each other: use several globs")]
    TooDeep,
    /// Its syntax is wrong.
    #[error("{0}")]
    Syntax(globset::Error),
    /// Globs that are too many, or too large together.
    #[error("these globs are too large together: use fewer, or shorter ones with **")]
    TooMany,
}

impl GlobError {
    /// The reason, for a message that has the glob already.
    pub fn reason(&self) -> String {
        match self {
            Self::Syntax(error) => error.kind().to_string(),
            other => other.to_string(),
        }
    }
}

/// One glob.
///
/// # Errors
/// When the text is not a valid glob.
pub fn glob(text: &str) -> Result<Glob, GlobError> {
    bounded(text)?;
    GlobBuilder::new(text).literal_separator(true).backslash_escape(true).build().map_err(GlobError::Syntax)
}

/// A set of globs that matches whatever any of them matches.
///
/// # Errors
/// When one of them is not a valid glob, or they are too large together.
pub fn set<T: AsRef<str>>(globs: impl IntoIterator<Item = T>) -> Result<GlobSet, GlobError> {
    let mut set = GlobSetBuilder::new();
    for text in globs {
        set.add(glob(text.as_ref())?);
    }
    set.build().map_err(|_| GlobError::TooMany)
}

/// A set of globs of unit names, in which `*` and `?` match a `/` too, as in `lib:*`: these names contain paths.
///
/// # Errors
/// When one of them is not a valid glob, or they are too large together.
pub fn set_of_names<T: AsRef<str>>(globs: impl IntoIterator<Item = T>) -> Result<GlobSet, GlobError> {
    let mut set = GlobSetBuilder::new();
    for text in globs {
        let text = text.as_ref();
        bounded(text)?;
        set.add(GlobBuilder::new(text).backslash_escape(true).build().map_err(GlobError::Syntax)?);
    }
    set.build().map_err(|_| GlobError::TooMany)
}

/// Refuses a glob that globset could not compile.
fn bounded(text: &str) -> Result<(), GlobError> {
    if text.len() > MAX_BYTES {
        return Err(GlobError::TooLong(text.len()));
    }
    let mut open = 0_usize;
    for byte in text.bytes() {
        match byte {
            // One that is escaped or in brackets counts too: a path with so many has no need of a glob.
            b'{' => open += 1,
            b'}' => open = open.saturating_sub(1),
            _ => {}
        }
        if open > MAX_NESTED {
            return Err(GlobError::TooDeep);
        }
    }
    Ok(())
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

    #[test]
    fn a_glob_of_any_size_is_compiled_or_refused() {
        let nested = |depth: usize| "{a,".repeat(depth) + &"}".repeat(depth);
        assert!(matches!(glob(&nested(MAX_NESTED + 1)), Err(GlobError::TooDeep)));
        assert!(matches!(glob(&"?".repeat(MAX_BYTES + 1)), Err(GlobError::TooLong(_))));
        // What is just within the bounds compiles: compile_matcher() panics where it does not.
        let flat = |unit: &str| unit.repeat(MAX_BYTES / unit.len());
        let classes = "[!\u{80}-\u{10ffff}]";
        for text in
            [nested(MAX_NESTED), flat("?"), flat("*/"), flat("**/"), flat("{?,*}"), flat(classes), flat("[a-z]")]
        {
            if let Ok(glob) = glob(&text) {
                glob.compile_matcher();
            }
            let _ = set([&text]);
            let _ = set_of_names([&text]);
        }
    }
}
