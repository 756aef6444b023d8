//! Names of extension modules, and the versions of CPython in them and in directories.

use crate::base::path::TreePath;

/// A minor version of CPython: 12 of 3.12.
pub(super) type Minor = u32;

/// A build of Python that imports extension modules of its own only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Build {
    /// CPython as Lambda has it.
    CPython,
    /// CPython without the global interpreter lock.
    FreeThreaded,
    /// CPython for debugging it.
    Debug,
    /// PyPy.
    PyPy,
}

/// What the name of an extension module says about who can import it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tag {
    /// The build of Python that it is for.
    pub(super) build: Build,
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

    /// Whether CPython of a version, or of any if it is not known, imports it, as far as the name tells.
    pub(super) fn fits(&self, minor: Option<Minor>) -> bool {
        self.build == Build::CPython && (self.minor.is_none() || minor.is_none() || self.minor == minor)
    }

    /// What it is for, in words, if that is not any CPython.
    pub(super) fn built_for(&self) -> Option<String> {
        let version = self.minor.map(|minor| format!(" 3.{minor}"));
        let of = match self.build {
            Build::CPython => return version.map(|version| format!("CPython{version}")),
            Build::FreeThreaded => "free-threaded CPython",
            Build::Debug => "a debug build of CPython",
            Build::PyPy => "PyPy",
        };
        Some(format!("{of}{}", version.unwrap_or_default()))
    }

    /// Whether it is for another system than Linux.
    pub(super) fn is_for_another_system(&self) -> bool {
        self.platform.as_deref().is_some_and(|platform| !platform.contains("linux"))
    }
}

/// The name of the module in a file's name, and its tag: PEP 3149, and `importlib.machinery.EXTENSION_SUFFIXES`. `None` when
/// no Python imports files of this name as extension modules on any system.
pub(super) fn module(file_name: &[u8]) -> Option<(&str, Tag)> {
    let (name, rest) = std::str::from_utf8(file_name).ok()?.split_once('.')?;
    let tag =
        rest.strip_suffix("so").and_then(|tag| tag.strip_suffix('.').or(Some(tag).filter(|tag| tag.is_empty())))?;
    let (build, minor, platform) = if let Some(tag) = tag.strip_prefix("cpython-") {
        let (version, platform) = tag.split_once('-').unwrap_or((tag, ""));
        // The version can have flags of the build after it: 37m, 313t.
        let digits = version.trim_end_matches(|flag: char| flag.is_ascii_lowercase());
        let build = match &version[digits.len()..] {
            flags if flags.contains('t') => Build::FreeThreaded,
            flags if flags.contains('d') => Build::Debug,
            _ => Build::CPython,
        };
        (build, Some(digits.strip_prefix('3')?.parse().ok()?), platform)
    } else if let Some(tag) = tag.strip_prefix("pypy") {
        // Its version, and that of its ABI: pypy310-pp73-x86_64-linux-gnu.
        (Build::PyPy, None, tag.splitn(3, '-').nth(2)?)
    } else if matches!(tag, "" | "abi3") {
        (Build::CPython, None, "")
    } else {
        return None;
    };
    let platform = Some(platform.to_owned()).filter(|platform| !platform.is_empty());
    Some((name, Tag { build, minor, platform, tagged: !tag.is_empty() }))
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
        assert_eq!([tag("liba.so.1"), tag("liba-1.2.so"), tag("a.b.so"), tag("a.xso")], [None, None, None, None]);
        let built = |name: &str| module(name.as_bytes()).and_then(|(_, tag)| tag.built_for());
        assert_eq!(built("a.cpython-37m-x86_64-linux-gnu.so").as_deref(), Some("CPython 3.7"));
        assert_eq!(built("a.cpython-313t-x86_64-linux-gnu.so").as_deref(), Some("free-threaded CPython 3.13"));
        assert_eq!(built("a.cpython-311d-x86_64-linux-gnu.so").as_deref(), Some("a debug build of CPython 3.11"));
        assert_eq!(built("a.pypy310-pp73-x86_64-linux-gnu.so").as_deref(), Some("PyPy"));
        assert_eq!(built("a.abi3.so"), None);
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
