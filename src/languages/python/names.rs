//! Names of extension modules, and the versions of CPython in them and in directories.

use crate::base::path::TreePath;

/// A minor version of CPython: 12 of 3.12.
pub(super) type Minor = u32;

/// What the name of an extension module says about who can import it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tag {
    /// The version of CPython that it is for; `None` for every version.
    pub(super) minor: Option<Minor>,
    /// The platform: `x86_64-linux-gnu`; `None` when the name has none.
    pub(super) platform: Option<String>,
    /// Whether the name has a tag, as only extension modules do.
    pub(super) tagged: bool,
}

impl Tag {
    /// Whether it is for a Linux with musl.
    pub(super) fn is_musl(&self) -> bool {
        self.platform.as_deref().is_some_and(|platform| platform.contains("musl"))
    }

    /// Whether it is for another system than Linux.
    pub(super) fn is_for_another_system(&self) -> bool {
        self.platform.as_deref().is_some_and(|platform| !platform.contains("linux"))
    }
}

/// The name of the module in a file's name, and its tag: PEP 3149, and `importlib.machinery.EXTENSION_SUFFIXES`. `None` when
/// CPython does not import files of this name as extension modules on any system.
pub(super) fn module(file_name: &[u8]) -> Option<(&str, Tag)> {
    let (name, rest) = std::str::from_utf8(file_name).ok()?.split_once('.')?;
    let untagged = |tagged| Some((name, Tag { minor: None, platform: None, tagged }));
    match rest {
        "so" => untagged(false),
        "abi3.so" => untagged(true),
        _ => {
            let tag = rest.strip_suffix(".so")?.strip_prefix("cpython-")?;
            let (version, platform) = tag.split_once('-').unwrap_or((tag, ""));
            // The version can have flags of the build after it: 37m, 313t. Free-threaded builds have other names.
            let digits = version.trim_end_matches(|flag: char| flag.is_ascii_lowercase());
            let minor = digits.strip_prefix('3')?.parse().ok()?;
            let platform = Some(platform.to_owned()).filter(|platform| !platform.is_empty());
            Some((name, Tag { minor: Some(minor), platform, tagged: true }))
        }
    }
}

/// The version in the name of a directory on the way to a path that only that version searches: `lib/python3.12`.
pub(super) fn minor_of_directory(path: &TreePath) -> Option<Minor> {
    path.ancestors().skip(1).find_map(|directory| {
        let version = std::str::from_utf8(directory.name()).ok()?.strip_prefix("python3.")?;
        let below_lib = directory.parent().is_some_and(|parent| parent.name() == b"lib");
        version.parse().ok().filter(|_| below_lib)
    })
}

/// Whether Python searches the directories on the way to a path when it is a function's: `/opt/python`, or a `site-packages`.
pub(super) fn is_searched(path: &TreePath) -> bool {
    path.as_bytes().starts_with(b"python/")
        || path.ancestors().skip(1).any(|above| matches!(above.name(), b"site-packages" | b"dist-packages"))
}

/// The name of a distribution in the form in which names are compared: <https://packaging.python.org/en/latest/specifications/name-normalization/>.
pub(super) fn normalized(name: &str) -> String {
    let mut normalized = String::with_capacity(name.len());
    for character in name.trim().chars() {
        match character {
            '-' | '_' | '.' if normalized.ends_with('-') => {}
            '-' | '_' | '.' => normalized.push('-'),
            other => normalized.extend(other.to_lowercase()),
        }
    }
    normalized
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_extension_modules_have_tags() {
        let tag =
            |name: &str| module(name.as_bytes()).map(|(module, tag)| (module.to_owned(), tag.minor, tag.platform));
        let linux = Some("x86_64-linux-gnu".to_owned());
        assert_eq!(tag("_a.cpython-312-x86_64-linux-gnu.so"), Some(("_a".to_owned(), Some(12), linux)));
        assert_eq!(tag("a.cpython-37m-darwin.so"), Some(("a".to_owned(), Some(7), Some("darwin".to_owned()))));
        assert_eq!(tag("a.abi3.so"), Some(("a".to_owned(), None, None)));
        assert_eq!(tag("a.so"), Some(("a".to_owned(), None, None)));
        assert_eq!(
            [tag("liba.so.1"), tag("liba-1.2.so"), tag("a.pypy310-pp73-x86_64-linux-gnu.so")],
            [None, None, None]
        );
    }

    #[test]
    fn directories_of_one_version_and_searched_ones() {
        let path = |text: &str| TreePath::new(text).expect("a path");
        assert_eq!(minor_of_directory(&path("python/lib/python3.8/site-packages/a/b.so")), Some(8));
        assert_eq!(minor_of_directory(&path("python/a/b.so")), None);
        assert!(is_searched(&path("python/a.so")) && is_searched(&path("x/site-packages/a.so")));
        assert!(!is_searched(&path("app/a.so")));
    }

    #[test]
    fn names_of_distributions_are_compared_without_case_and_separators() {
        assert_eq!(normalized("Ruamel_.Yaml"), "ruamel-yaml");
    }
}
