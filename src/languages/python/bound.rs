//! Bound: whether the code of a package may bind a name that it imports from itself. `from . import m` takes what the package already
//! has by the name, and only then looks for a module.

use std::sync::LazyLock;

use regex::bytes::Regex;

/// What binds names that a text does not show: to import a name that nothing else binds can then succeed.
static BINDS_ANY: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r"__getattr__|__dict__|\bimport[ \t]*\([ \t]*\*|\bimport[ \t]+\*|\b(?:globals|locals|vars|setattr|exec|eval)\(|sys\.modules|pyximport",
    )
    .ok()
});

/// Whether the code of a package may bind a name by other means than the statement at `without`, in bytes: anything that looks as if it
/// did counts, also in comments and functions.
pub(super) fn may_bind(text: &[u8], without: Option<usize>, name: &str) -> bool {
    let statement = without.map_or(0..0, |at| {
        let rest = text.get(at..).unwrap_or_default();
        let end_of_line = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        let opened = memchr::memchr(b'(', &rest[..end_of_line]);
        let end = opened.and_then(|_| memchr::memchr(b')', rest)).map_or(end_of_line, |closed| closed.max(end_of_line));
        at..at + end
    });
    let (before, after) = (text.get(..statement.start), text.get(statement.end..));
    let rest = [before.unwrap_or_default(), after.unwrap_or_default()].concat();
    let name = regex::escape(name);
    let bound = format!(
        r"(?m)\b(?:import|as|def|class|for|global|del)[ \t(]+{name}\b|\b{name}\b[ \t]*(?:=[^=]|[:,)\]]|[-+*/|&]=)|,[ \t]*{name}\b|^[ \t]*{name}[ \t]*(?:#.*)?$"
    );
    Regex::new(&bound).map_or(true, |bound| bound.is_match(&rest))
        || BINDS_ANY.as_ref().is_none_or(|any| any.is_match(text))
}

/// Whether code may set a name of a package from another module: `package.name = value`.
pub(super) fn may_set(text: &[u8], package: &str, name: &str) -> bool {
    let set = format!(r"\b{}\.{}[ \t]*(?:=[^=]|:)", regex::escape(package), regex::escape(name));
    memchr::memmem::find(text, name.as_bytes()).is_some() && Regex::new(&set).map_or(true, |set| set.is_match(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_text_binds_besides_the_statement() {
        let bound = |before: &str, statement: &str, after: &str| {
            may_bind(format!("{before}{statement}\n{after}").as_bytes(), Some(before.len()), "m")
        };
        for (before, statement, after) in [
            ("", "from . import m", ""),
            ("import os\n", "from . import a, m", "__all__ = [\"m\", \"a\"]\nm.run()\n"),
            ("", "from . import (\n    a,\n    m,\n)", "print(m.x)\n"),
            ("", "from . import m as n", "from .other import M\nx.m.y()\n"),
        ] {
            assert!(!bound(before, statement, after), "{before}{statement}\n{after}");
        }
        for before in [
            "m = 1\n",
            "m: int = 1\n",
            "a, m = 1, 2\n",
            "def m(): pass\n",
            "class m: pass\n",
            "import m\n",
            "from .a import b, m\n",
            "from .a import *\n",
            "from .a import (\n    m\n)\n",
            "from x import y as m\n",
            "def __getattr__(name): return 1\n",
            "globals()[\"m\"] = 1\n",
            "for m in x: pass\n",
            "with open(x) as m: pass\n",
        ] {
            assert!(bound(before, "from . import m", ""), "{before}");
        }
        assert!(
            may_set(b"import pkg\npkg.m = 1\n", "pkg", "m")
                && !may_set(b"self.m = 1\nif pkg.m == 1: pass\n", "pkg", "m")
        );
    }
}
