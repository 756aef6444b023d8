//! Python sources: which modules they import, which of them are the function's own, and what of that cannot be determined
//! statically.
//!
//! Code is parsed with tree-sitter's grammar for Python and never run. An import counts wherever it is, as a function can run
//! every line: `import a.b`, `from a import b` (the module `a.b`, or a name of `a`), and with literal names
//! `importlib.import_module()`, `__import__()`, `runpy`. Modules that are files of the function are read as well.
//!
//! | source | concluded |
//! | --- | --- |
//! | `import a` in `try`, where `except ImportError` does not end the program | `a` is optional |
//! | `import a` in that `except` | `a` is optional: it is needed only without the other |
//! | `if TYPE_CHECKING: import a` | nothing: only type checkers run it |
//! | `if sys.version_info < (3, 11): import a` | `a` is optional: it depends on the version |
//! | `with suppress(ImportError): import a` | `a` is optional |
//! | `find_spec("a")` | `a` is optional: it is only looked for |
//! | `import_module(name)` | `name` if that is bound once to a literal, or else reported |
//! | `importlib.metadata.version("a")` | the distribution `a` |
//! | `pickle.load(f)`, `joblib.load(f)` | reported: only what is read tells whose classes are in it |
//! | `open("/opt/python/a/b.json")` | the distribution that has the file |
//!
//! What a function declares beside its code (`manifests.rs`) is used where it is in the tree.

mod at_start;
mod manifests;
mod reader;

pub(super) use at_start::{library_calls, module_level};

use std::path::Path;

use crate::languages::{Followed, Source, reading};

/// The longest source that is read, in bytes: the tree of crafted code needs 600 times its length in memory.
pub(super) const MAX_BYTES: usize = 2 << 20;

/// What is before the name of a distribution, where a source names that and not a module. It is used where it is in the tree, and
/// not missed otherwise. Extras can follow: `dist:a[b,c]`.
pub(super) const DISTRIBUTION: &str = "dist:";

/// Whether a name is that of a Python source, or of a list of what sources require.
pub(super) fn is_listed(name: &str) -> bool {
    is_name(name) || manifests::is_name(name)
}

/// Whether a name is that of a Python source.
pub(super) fn is_name(name: &str) -> bool {
    name.rsplit_once('.').is_some_and(|(_, extension)| extension == "py")
}

/// Whether a file below a named directory is for its development: tests, and what builds it.
pub(super) fn is_beside_code(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let directories = path.parent().into_iter().flat_map(Path::components);
    name.starts_with("test_")
        || name.ends_with("_test.py")
        || matches!(&*name, "conftest.py" | "setup.py" | "noxfile.py")
        || directories.into_iter().any(|above| matches!(above.as_os_str().to_str(), Some("tests" | "test")))
}

/// What a source imports; `None` when the file is not a Python source.
pub(super) fn read(name: &str, bytes: &[u8], followed: Option<Followed>) -> Option<Result<Source, String>> {
    // `-r other.txt` can lead to one of any name.
    if (followed == Some(Followed::ByName) || followed.is_none() && manifests::is_name(name))
        && let Some(source) = manifests::read(name, bytes)
    {
        return Some(source);
    }
    let runs = |program: &str| program == "python" || program.starts_with("python3");
    (is_name(name) || followed != Some(Followed::Code) && reading::is_script(bytes, runs)).then(|| parse(bytes))
}

/// What the code of a source imports.
///
/// # Errors
/// When it is not text.
pub(super) fn parse(bytes: &[u8]) -> Result<Source, String> {
    reading::source(bytes, "Python", MAX_BYTES, reader::read)
}

#[cfg(test)]
mod tests;
