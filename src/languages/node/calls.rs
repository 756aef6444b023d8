//! Which packages the code of one loads without declaring them, in any function or condition.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use regex::bytes::Regex;

use super::needs::ID;
use super::packages::provider;
use super::source;
use crate::languages::{Calls, Package, Packages};
use crate::tree::{EntryId, Tree};

/// What could load a package: a name after `from`, `import` or `require`.
static CANDIDATES: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r#"(?:\bfrom|\bimport|require(?:\.resolve)?)[ \t\n]*\(?[ \t\n]*["'`]([^"'`\n./][^"'`\n]*)"#).ok()
});

/// Reads the code of the packages in a tree.
pub(super) struct Reader<'a> {
    packages: &'a Packages,
    tree: &'a Tree,
    /// The names of all packages.
    names: BTreeSet<&'a str>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(packages: &'a Packages, tree: &'a Tree) -> Self {
        let names = packages.of_language(ID).map(|package| package.name.as_str()).collect();
        Self { packages, tree, names }
    }

    /// What the code of a package loads of others in the tree that it does not declare, each with the files that do.
    pub(super) fn of_package(&self, package: &Package) -> Calls {
        let (packages, tree) = (self.packages, self.tree);
        let is_other = |name: &str| {
            self.names.contains(name)
                && name != package.name
                && !package.requires.iter().any(|required| required.package == name)
                && provider(packages, tree, package, name).is_some()
        };
        let mut calls = Calls::default();
        for id in package.entries(tree).filter(|id| is_code(packages, package, tree, *id)) {
            let Ok(text) = tree.read_text(id) else { continue };
            let names =
                CANDIDATES.iter().flat_map(|pattern| pattern.captures_iter(&text)).filter_map(|found| found.get(1));
            let mut names = names.filter_map(|name| std::str::from_utf8(name.as_bytes()).ok());
            if !names.any(|name| source::package_of(name).is_some_and(is_other)) {
                continue;
            }
            // Texts and comments in code can look like this.
            let name = String::from_utf8_lossy(tree.path(id).name()).into_owned();
            let Some(Ok(read)) = source::read(&name, &text, None) else { continue };
            let below = tree.path(id).below(&package.directory).unwrap_or_default();
            for name in
                read.follows.iter().filter_map(|follow| follow.otherwise.as_deref()).filter(|name| is_other(name))
            {
                let callers = calls.callers.entry(name.to_owned()).or_default();
                callers.insert(String::from_utf8_lossy(below).into_owned());
            }
        }
        calls
    }
}

/// Whether a file is a source of this package that a function can load, rather than a test.
fn is_code(packages: &Packages, package: &Package, tree: &Tree, id: EntryId) -> bool {
    let path = tree.path(id);
    let is_test = |above: &[u8]| matches!(above, b"test" | b"tests" | b"__tests__");
    std::str::from_utf8(path.name()).is_ok_and(|name| source::is_name(name) && !name.ends_with("ts"))
        && !path.ancestors().skip(1).any(|above| is_test(above.name()))
        && packages.of_path(path).is_some_and(|own| packages.get(own).entry == package.entry)
}
