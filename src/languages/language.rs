//! What a language is to layerfit: where its packages are, which processes it starts, what its sources use, and what must
//! not be dropped. Each language is a folder with the same parts: `packages.rs`, `process.rs`, `checks.rs`, `source/`.

use super::id::LanguageId;
use super::needs::Needs;
use super::packages::{Installation, Package, Packages, Roots};
use super::relocation::Arrangement;
use super::source::{Followed, Source};
use crate::base::error::Result;
use crate::base::finding::{Code, Finding};
use crate::base::path::TreePath;
use crate::tree::{EntryId, Tree};

/// What a language finds in a tree.
#[derive(Debug, Default)]
pub struct Found {
    /// Its installations.
    pub installations: Vec<Installation>,
    /// Its packages.
    pub packages: Vec<Package>,
    /// What the placeholders of its rules stand for.
    pub roots: Roots,
    /// What is wrong with them, whatever is kept.
    pub findings: Vec<Finding>,
}

/// A process of a language: what starts it, and what it loads by `dlopen()`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessSpec {
    /// The program; none where it is not in the tree.
    pub program: Option<EntryId>,
    /// The directories that stand before the image's LD_LIBRARY_PATH.
    pub library_path: Vec<String>,
    /// What it may load, each in a session of its own, as the order is not known. What is not an ELF file is passed over.
    pub loads: Vec<Dlopen>,
}

/// A file that a process may load by `dlopen()`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dlopen {
    /// The file.
    pub entry: EntryId,
    /// Whether many functions never load it.
    pub optional: bool,
}

/// A command that a language executes by itself, by a path compiled into it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnCommand {
    /// The file that executes it.
    pub by: EntryId,
    /// Its path.
    pub path: String,
    /// The check that reports it missing.
    pub code: Code,
    /// What executes it, in the language's terms: `Sys.which()`.
    pub caller: &'static str,
    /// What happens without it.
    pub consequence: &'static str,
    /// What to do about it.
    pub help: &'static str,
}

/// One language.
pub trait Language: Sync {
    /// Its identifier: the name of its folder, and of that in `rules/languages/`.
    fn id(&self) -> LanguageId;

    /// Its name, as people write it.
    fn name(&self) -> &'static str;

    /// The type of its packages in Package URLs (`cran`, `pypi`, `npm`): `pkg:cran/curl` where `pkg:curl` could be two.
    fn purl_type(&self) -> &'static str;

    /// The installations and packages in a tree.
    fn find(&self, tree: &Tree) -> Found;

    /// The directory of the package that a file at this path declares, judged by the path alone.
    fn package_directory(&self, path: &TreePath) -> Option<TreePath>;

    /// The processes that run its code.
    fn processes(&self, packages: &Packages, tree: &Tree) -> Vec<ProcessSpec>;

    /// The scripts that start it.
    fn front_ends(&self, packages: &Packages, tree: &Tree) -> Vec<EntryId>;

    /// The commands that it executes by itself.
    fn commands(&self, packages: &Packages, tree: &Tree) -> Vec<OwnCommand>;

    /// What a source of a function uses; `None` when the file is not a source of this language. Where a source of this
    /// language names the file, `followed` says how.
    ///
    /// # Errors
    /// When it is one, and cannot be read.
    fn source(
        &self,
        name: &str,
        bytes: &[u8],
        followed: Option<Followed>,
    ) -> Option<std::result::Result<Source, String>>;

    /// Whether a file may be a source of this language, judged by its name.
    fn is_source_name(&self, name: &str) -> bool;

    /// What fails when a package cannot be loaded, in the language's own terms: `library(Matrix) fails`.
    fn load_fails(&self, package: &str) -> String;

    /// Whether a version, as written, satisfies a constraint, as written.
    fn satisfies(&self, version: &str, constraint: &str) -> bool;

    /// What is wrong with the layout and the packages for which `kept` holds, beyond what all languages are checked for.
    fn check(&self, packages: &Packages, tree: &Tree, kept: &dyn Fn(EntryId) -> bool) -> Vec<Finding>;

    /// What of a package or a session no rule may drop.
    fn needs(&self) -> &'static Needs;

    /// The files with its prune rules: their names, and what is in them.
    fn rules(&self) -> &'static [(&'static str, &'static str)];

    /// What the placeholders of its rules stand for in the examples of rules.
    fn example_roots(&self) -> Roots;

    /// Moves packages to other libraries, and makes the language search these.
    ///
    /// # Errors
    /// When a package cannot be moved.
    fn arrange(&self, tree: &mut Tree, arrangement: &Arrangement) -> Result<Vec<Finding>>;
}
