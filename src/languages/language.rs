//! The interface of a language: where its packages are, which processes it starts, what its sources use, and what must not
//! be dropped. Each language is a folder with the same parts: `packages.rs`, `process.rs`, `checks.rs`, `source/`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::calls::Calls;
use super::id::LanguageId;
use super::managed::ManagedRuntime;
use super::needs::Needs;
use super::packages::{Installation, Package, Packages, Roots};
use super::relocation::Arrangement;
use super::source::{Followed, Source};
use crate::base::error::Result;
use crate::base::finding::{Code, Finding};
use crate::base::path::TreePath;
use crate::runtime::RuntimeProfile;
use crate::tree::{EntryId, Objects, Tree};

/// What a language finds in a tree.
#[derive(Debug, Default)]
pub struct Found {
    /// Its installations.
    pub installations: Vec<Installation>,
    /// Its packages.
    pub packages: Vec<Package>,
    /// The directories that the placeholders of its rules expand to.
    pub roots: Roots,
    /// Findings that do not depend on what is kept.
    pub findings: Vec<Finding>,
}

/// A process of a language: its program, and what it loads with `dlopen()`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProcessSpec {
    /// The program; `None` when it is not in the tree.
    pub program: Option<EntryId>,
    /// The directories of its LD_LIBRARY_PATH, in order, if the scripts that start it set them; else the image's count.
    pub library_path: Option<Vec<String>>,
    /// Whether LD_LIBRARY_PATH also has directories that are not known.
    pub has_other_directories: bool,
    /// Files that may be programs which it starts, with its own environment.
    pub starts: Vec<EntryId>,
    /// What it may load, each in a separate session, as the order is not known, with all symbols bound at once (`RTLD_NOW`).
    /// Other files than libraries are ignored.
    pub loads: Vec<Dlopen>,
    /// Libraries that it only loads when something that it loads needs them. They are not tried by themselves: the search
    /// path that leads to the libraries they need is that of what needs them.
    pub dependencies: Vec<EntryId>,
    /// Those of `dependencies` that no code loads by their paths.
    pub linked: Vec<EntryId>,
    /// ELF files that it never loads, such as modules for another operating system.
    pub never: Vec<EntryId>,
    /// Files that are the same module for several machines; the process loads the one for its own.
    pub variants: Vec<Vec<EntryId>>,
    /// Whether another layer or the function has the program, and may have libraries as well.
    pub elsewhere: bool,
    /// If the program also defines symbols for what it loads, so that undefined ones are not known: how the sonames begin
    /// that it answers to when it is not in the tree.
    pub answered: Option<&'static str>,
    /// How the names of all symbols begin that such a program defines itself, if that is known.
    pub defines: Option<&'static [&'static str]>,
    /// Whether functions of what it loads are bound at their first call (`RTLD_LAZY`), where `defines` is known.
    pub lazy: bool,
}

/// A file that a process may load with `dlopen()`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dlopen {
    /// The file.
    pub entry: EntryId,
    /// Whether many functions never load it.
    pub optional: bool,
    /// Whether the process expects an ELF file by its name.
    pub module: bool,
}

/// A command that a language itself executes, by a path compiled into it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnCommand {
    /// The file that executes it.
    pub by: EntryId,
    /// Its path.
    pub path: String,
    /// The check that reports it missing.
    pub code: Code,
    /// The function that executes it: `Sys.which()`.
    pub caller: &'static str,
    /// What happens without it.
    pub consequence: &'static str,
    /// The remedy.
    pub help: String,
    /// Whether it is executed.
    pub executed: Executed,
}

/// Whether a command that a language executes itself is executed in each function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Executed {
    /// It is, wherever the language is started.
    Always,
    /// A script of the tree that an invocation runs makes the language execute it.
    ByScript,
    /// There are other ways to start the language, so it is for certain only if a script of the tree runs `by`.
    IfRun,
    /// It is in a directory that an environment variable can replace, and is executed for certain only if an invocation runs `by`:
    /// one whose bootstrap is not in the tree may.
    Unless {
        /// The variable.
        variable: &'static str,
        /// The command's path below the directory.
        below: &'static str,
    },
}

/// What a package requires that is installed in the function's own code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnRequirements {
    /// The file of the package that says so, relative to its directory.
    pub file: &'static str,
    /// The packages, each with its line in that file, from 1.
    pub packages: Vec<(String, usize)>,
}

/// What code gets that names something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Gets {
    /// Packages of the tree, by position: all copies, where which of them is found first is not known.
    Packages(BTreeSet<usize>),
    /// Something else that is there: a part of the language or of the image, or code of the tree in no package.
    Other,
    /// Something of a package that is not certain.
    Unknown {
        /// What it is.
        what: String,
        /// Why it is not certain.
        why: &'static str,
    },
    /// Nothing, and no package to install would change that: a module that this version of the language does not have, a path
    /// that is not in the tree.
    Missing {
        /// The name that is not found.
        name: String,
        /// Why, as a message has it: `which Node.js 20 does not have`.
        why: String,
        /// The remedy.
        help: String,
    },
    /// Nothing.
    Nothing {
        /// The name that is not found.
        name: String,
        /// The package to install.
        install: String,
    },
}

/// Reads what the code of an installed package calls; an error when its code cannot be read.
pub type CallsOf<'a> = dyn Fn(&Package) -> std::result::Result<Calls, String> + Sync + 'a;

/// Finds the libraries that code loads by their paths before a file is loaded.
pub type LoadedBefore<'a> = dyn Fn(EntryId) -> Vec<EntryId> + 'a;

/// Whether the processes of a managed runtime find the package or module that a file is a part of; `None` for a file that functions
/// can also use by its path.
pub type Finds<'a> = dyn Fn(EntryId) -> Option<bool> + 'a;

/// One language. What has a default is what most languages do not have.
pub trait Language: Sync {
    /// Its identifier: the name of its folder, and of that in `rules/languages/`.
    fn id(&self) -> LanguageId;

    /// Its display name: `R`.
    fn name(&self) -> &'static str;

    /// The type of its packages in Package URLs (`cran`, `pypi`, `npm`): `pkg:cran/curl` where `pkg:curl` could be two.
    fn purl_type(&self) -> &'static str;

    /// The installations and packages in a tree, for processes in this image.
    fn find(&self, tree: &Tree, runtime: &RuntimeProfile) -> Found;

    /// The directory of the package that a file at this path declares, by the path alone; `None` also where that is only in
    /// a file's content.
    fn package_directory(&self, _path: &TreePath) -> Option<TreePath> {
        None
    }

    /// The processes that run its code.
    fn processes(
        &self,
        packages: &Packages,
        tree: &Tree,
        objects: &Objects,
        runtime: &RuntimeProfile,
    ) -> Vec<ProcessSpec>;

    /// Variables that its scripts set and no function reads: what they name is for building packages, or for documents.
    fn unread_variables(&self) -> &'static [&'static str] {
        &[]
    }

    /// Whether a source is the client of Lambda's runtime API that layerfit writes (`init --bootstrap`): what it runs is the function.
    fn is_runtime_client(&self, _source: &[u8]) -> bool {
        false
    }

    /// What code loads by its path before it loads a library: a function of that, as what several are looked up in is only made once.
    fn loaded_before<'a>(
        &self,
        _packages: &'a Packages,
        _tree: &'a Tree,
        _objects: &'a Objects,
    ) -> Box<LoadedBefore<'a>> {
        Box::new(|_| Vec::new())
    }

    /// The scripts that start it.
    fn front_ends(&self, _packages: &Packages, _tree: &Tree) -> Vec<EntryId> {
        Vec::new()
    }

    /// The commands that it executes itself.
    fn commands(&self, _packages: &Packages, _tree: &Tree) -> Vec<OwnCommand> {
        Vec::new()
    }

    /// The values that the language itself assigns to environment variables when it is started with these, as far as they are
    /// certain; also those of its own options, which the same files set: R's are called `options(NAME)`.
    fn variables(
        &self,
        _packages: &Packages,
        _tree: &Tree,
        _started_with: &BTreeMap<String, BTreeSet<String>>,
    ) -> BTreeMap<String, BTreeSet<String>> {
        BTreeMap::new()
    }

    /// The source that a command line runs, if the command starts this language: the values of its arguments, empty where
    /// they are not known.
    fn source_argument<'a>(&self, _command: &str, _arguments: &'a [Vec<String>]) -> &'a [String] {
        &[]
    }

    /// Whether a tree has a program that runs its code, where that is not an [`Installation`].
    fn is_in_tree(&self, _tree: &Tree) -> bool {
        false
    }

    /// The version that the packages of a tree are built for, if their names tell one.
    fn built_for(&self, _tree: &Tree) -> Option<String> {
        None
    }

    /// How Lambda's managed runtimes run functions in it; `None` if it has none.
    fn managed(&self) -> Option<&'static ManagedRuntime> {
        None
    }

    /// Which files of a tree processes in this image find as packages and modules. Processes of an image for another language find
    /// none.
    fn finds<'a>(&self, _packages: &'a Packages, _tree: &'a Tree, _runtime: &RuntimeProfile) -> Box<Finds<'a>> {
        Box::new(|_| None)
    }

    /// What a source of a function uses; `None` when the file is not a source of this language. If a source of this
    /// language refers to the file, `followed` is how.
    ///
    /// # Errors
    /// When it is a source, but cannot be read.
    fn source(
        &self,
        name: &str,
        bytes: &[u8],
        followed: Option<Followed>,
    ) -> Option<std::result::Result<Source, String>>;

    /// Whether a file may be a source of this language, by its name.
    fn is_source_name(&self, name: &str) -> bool;

    /// Whether a file below a named directory is not code of the function, though a source by its name, such as its tests.
    fn is_beside_code(&self, _path: &Path) -> bool {
        false
    }

    /// Examples of sources, for messages: `an .R, .Rmd or .qmd file`.
    fn example_sources(&self) -> &'static str;

    /// What a name in [`super::Use`] is the name of: `package`.
    fn kind_of_use(&self) -> &'static str {
        "package"
    }

    /// What the sources of a function get by each of these names.
    fn gets(&self, packages: &Packages, _tree: &Tree, names: &BTreeSet<&str>) -> Vec<Gets> {
        let of = |name: &&str| {
            let copies: BTreeSet<usize> = packages.copies(self.id(), name).collect();
            if copies.is_empty() {
                Gets::Nothing { name: (*name).to_owned(), install: (*name).to_owned() }
            } else {
                Gets::Packages(copies)
            }
        };
        names.iter().map(of).collect()
    }

    /// The packages, by position, whose code is loaded with what these names get, or with code of the tree that is in no
    /// package, beyond what packages declare that they require.
    fn loads_undeclared(&self, _packages: &Packages, _tree: &Tree, _names: &BTreeSet<&str>) -> BTreeSet<usize> {
        BTreeSet::new()
    }

    /// Files of packages that a function only needs if it names what they are for, except those for these names.
    fn unnamed_data(&self, _packages: &Packages, _tree: &Tree, _named: &BTreeSet<String>) -> BTreeSet<EntryId> {
        BTreeSet::new()
    }

    /// Whether no process of a function can use a file of this language, although it is where these look for it: compiled code that
    /// is not accepted in a layer.
    fn is_never_used(&self, _packages: &Packages, _tree: &Tree, _id: EntryId) -> bool {
        false
    }

    /// Files that look as if no function needed them, such as tests, or that are in no package, each with the file of the tree that
    /// loads it: code, or what names code.
    fn loaded_files(&self, _packages: &Packages, _tree: &Tree) -> Vec<(EntryId, EntryId)> {
        Vec::new()
    }

    /// The packages, by position, that code of the tree needs which is in no package, each with the file.
    fn loaded_packages(&self, _packages: &Packages, _tree: &Tree) -> Vec<(EntryId, usize)> {
        Vec::new()
    }

    /// What the code of an installed package calls: a function of the package, as what several packages are looked up in is only
    /// made once.
    fn calls<'a>(&self, packages: &'a Packages, tree: &'a Tree) -> Box<CallsOf<'a>>;

    /// The absolute paths that the code of an installed package has as literal strings: those that it was configured with.
    /// Empty where it cannot be read, as checks of the package report that.
    fn paths_in_code(&self, _package: &Package, _tree: &Tree) -> BTreeSet<String> {
        BTreeSet::new()
    }

    /// Whether a package counts as used because the code of a used one calls it, which does not declare that it requires it.
    fn is_used_if_called(&self, _package: &Package, _called: &str) -> bool {
        false
    }

    /// The positions of the packages that a package gets when it requires one by this name: all copies, where which of them
    /// is found first is not known.
    fn provides(&self, packages: &Packages, _tree: &Tree, _from: &Package, name: &str) -> Vec<usize> {
        packages.copies(self.id(), name).collect()
    }

    /// Whether the language of the image can search a library; that of another version is not one that it does.
    fn is_searched(&self, _library: &TreePath, _runtime: &RuntimeProfile) -> bool {
        true
    }

    /// Whether of several copies of a package only one is ever used.
    fn uses_one_copy(&self) -> bool {
        true
    }

    /// A function of a package, as people write it: `xml2::read_xml`.
    fn function(&self, package: &str, function: &str) -> String;

    /// The failure when a package cannot be loaded, in the language's own terms: `library(Matrix) fails`.
    fn load_fails(&self, package: &str) -> String;

    /// What an installed package in a directory of the function's own code requires; `None` if there is none.
    fn installed_in_code(&self, _directory: &Path) -> Option<OwnRequirements> {
        None
    }

    /// The packages, besides those of [`Self::needs`], that the environment of a function has a session load when it starts.
    fn started_packages(&self, _packages: &Packages, _tree: &Tree) -> Vec<String> {
        Vec::new()
    }

    /// Whether the code of the package that a file is in tries to load the file, and does without it.
    fn does_without(&self, _packages: &Packages, _tree: &Tree, _file: EntryId) -> bool {
        false
    }

    /// What a finding says of the packages whose files cannot be loaded: `lxml 6.1.3 cannot be imported`. `None` if it does
    /// not name them.
    fn cannot_be_loaded(&self) -> Option<&'static str> {
        None
    }

    /// The remedy for a library that is missing and comes only with the language's own installation, for these files, which need
    /// it: no other copy would do. `None` if it is not one.
    fn remedy_for_own_library(
        &self,
        _packages: &Packages,
        _tree: &Tree,
        _soname: &str,
        _needed_by: &[&TreePath],
    ) -> Option<String> {
        None
    }

    /// The remedy for a package that was built for musl, where the image has glibc.
    fn help_for_musl(&self) -> &'static str;

    /// Whether a version, as written, satisfies a constraint, as written.
    fn satisfies(&self, version: &str, constraint: &str) -> bool;

    /// Whether a version of the language itself satisfies a constraint; of an image, only its beginning may be known.
    fn runtime_satisfies(&self, version: &str, constraint: &str) -> bool {
        self.satisfies(version, constraint)
    }

    /// Whether a package fails for certain if the language has a version that it does not accept.
    fn enforces_runtime(&self) -> bool {
        true
    }

    /// Findings about the installation and the packages that satisfy `kept`, beyond the checks of all languages.
    fn check(
        &self,
        packages: &Packages,
        tree: &Tree,
        objects: &Objects,
        runtime: &RuntimeProfile,
        kept: &dyn Fn(EntryId) -> bool,
    ) -> Vec<Finding>;

    /// What a session and packages need, which no rule may drop.
    fn needs(&self) -> &'static Needs;

    /// The files with its prune rules: their names and contents.
    fn rules(&self) -> &'static [(&'static str, &'static str)];

    /// The directories that the placeholders expand to in the examples of rules.
    fn example_roots(&self) -> Roots {
        Roots::default()
    }

    /// Moves packages to other libraries, and makes the language search these.
    ///
    /// # Errors
    /// When a package cannot be moved.
    fn arrange(&self, _tree: &mut Tree, _arrangement: &Arrangement) -> Result<Vec<Finding>> {
        Ok(Vec::new())
    }
}
