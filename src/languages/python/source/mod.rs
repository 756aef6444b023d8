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
//! | `if TYPE_CHECKING: import a`, `if os.name == "nt": import a` | nothing: no function runs it (`conditions.rs`) |
//! | `if sys.version_info < (3, 11): import a` | `a` by Python 3.10 and older, and optional |
//! | `if __name__ == "__main__": import a` | `a` is optional, unless the source is run as a program |
//! | `with suppress(ImportError): import a` | `a` is optional |
//! | `find_spec("a")` | `a` is optional: it is only looked for |
//! | `import_module(name)` | `name` if that is bound to literals, also in a loop over some, or else reported (`literals.rs`) |
//! | `subprocess.run([sys.executable, "-m", "a"])` | `a` |
//! | `logging.config.fileConfig("a.ini")` | the modules of the classes that the file names |
//! | `importlib.metadata.version("a")` | the distribution `a` |
//! | `pickle.load(f)`, `joblib.load(f)` | the modules that a file of the function names (`pickled.rs`), or else reported |
//! | `open("/opt/python/a/b.json")` | the distribution that has the file |
//!
//! What a function declares beside its code (`manifests.rs`) is used where it is in the tree.

mod at_start;
mod conditions;
mod functions;
mod guards;
mod literals;
mod manifests;
mod pickled;
mod programs;
mod reader;

pub(super) use at_start::{library_calls, module_level};

use std::path::Path;

use crate::languages::{Followed, Source, Use, reading};

/// The longest source that is read, in bytes: the tree of crafted code needs 600 times its length in memory.
pub(super) const MAX_BYTES: usize = 2 << 20;

/// What is before the name of a distribution, where a source names that and not a module. It is used where it is in the tree, and
/// not missed otherwise. Extras can follow: `dist:a[b,c]`.
pub(super) const DISTRIBUTION: &str = "dist:";

/// What is before the name of a module that only some versions of Python import: these follow, as a number in hexadecimal of which
/// bit 11 is Python 3.11, and a space.
const MINORS: &str = "minors:";

/// The name of a module for some minor versions of Python 3.
fn where_minors(minors: u64, module: &str) -> String {
    format!("{MINORS}{minors:x} {module}")
}

/// The minor versions of Python 3 and the module that such a name is for.
pub(super) fn of_minors(name: &str) -> Option<(u64, &str)> {
    let (minors, module) = name.strip_prefix(MINORS)?.split_once(' ')?;
    Some((u64::from_str_radix(minors, 16).ok()?, module))
}

/// Whether a name is that of a Python source, or of a list of what sources require.
pub(super) fn is_listed(name: &str) -> bool {
    is_name(name) || manifests::is_name(name) || pickled::is_name(name)
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
    match followed {
        Some(Followed::Pickled) => return Some(Ok(pickled::read(bytes, true))),
        Some(Followed::Configuration) => return Some(Ok(configuration(bytes))),
        None if pickled::is_name(name) => return Some(Ok(pickled::read(bytes, false))),
        _ => {}
    }
    // `-r other.txt` can lead to one of any name.
    if (followed == Some(Followed::ByName) || followed.is_none() && manifests::is_name(name))
        && let Some(source) = manifests::read(name, bytes)
    {
        return Some(source);
    }
    let runs = |program: &str| program == "python" || program.starts_with("python3");
    let is_script = !is_name(name) && followed != Some(Followed::Code) && reading::is_script(bytes, runs);
    let is_program = is_script || followed == Some(Followed::Program);
    (is_name(name) || is_script).then(|| parse_as(bytes, is_program))
}

/// The modules of the classes that a configuration file of `logging.config.fileConfig()` names.
fn configuration(bytes: &[u8]) -> Source {
    let mut source = Source { only_declares: true, ..Source::default() };
    let mut is_read = false;
    for (at, written) in String::from_utf8_lossy(bytes).lines().enumerate() {
        if written.starts_with('[') {
            is_read = ["[handler_", "[formatter_"].iter().any(|section| written.starts_with(section));
            continue;
        }
        let value = written.split_once(['=', ':']).filter(|(key, _)| is_read && key.trim() == "class");
        // Without a dot, it is one of logging's own.
        let module = value.and_then(|(_, class)| class.trim().rsplit_once('.'));
        let is_module = |module: &str| module.split('.').all(|part| !part.is_empty()) && !module.contains([' ', '/']);
        if let Some((module, _)) = module.filter(|(module, _)| is_module(module)) {
            let package = module.to_owned();
            source.uses.push(Use { line: at + 1, package, optional: false, continues: false, attaches: false });
        }
    }
    source
}

/// What the code of a source imports.
///
/// # Errors
/// When it is not text.
pub(super) fn parse(bytes: &[u8]) -> Result<Source, String> {
    parse_as(bytes, false)
}

fn parse_as(bytes: &[u8], is_program: bool) -> Result<Source, String> {
    reading::source(bytes, "Python", MAX_BYTES, |text, source| reader::read(text, is_program, source))
}

#[cfg(test)]
mod tests;
