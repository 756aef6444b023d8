//! Packages: an index of the packages of all languages in a tree, by name and path.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::id::LanguageId;
use crate::base::path::TreePath;
use crate::runtime::LanguageVersion;
use crate::tree::{EntryId, Tree};

/// An installation of a language: the program that runs its code, with its standard library.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installation {
    /// The language.
    pub language: LanguageId,
    /// Its directory; for R, the output of `R RHOME`.
    pub path: TreePath,
    /// Its version.
    pub version: String,
    /// The platform that its packages are built for; empty when not known.
    pub platform: String,
    /// The directories of the LD_LIBRARY_PATH with which its start-up scripts run its program, in order; none where no script
    /// starts it.
    pub library_path: Vec<String>,
    /// Whether these are all of its directories: it can have others that are not known.
    pub library_path_is_known: bool,
}

/// An installed package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// The language it is of.
    pub language: LanguageId,
    /// Its name.
    pub name: String,
    /// Its version, as written.
    pub version: String,
    /// The file that declares it; for R, its DESCRIPTION.
    pub entry: EntryId,
    /// Its directory.
    pub directory: TreePath,
    /// The other directories and files that belong to it.
    pub others: Vec<TreePath>,
    /// The directory that the language searches to find it.
    pub library: TreePath,
    /// The packages that it requires: to be loaded, or in some of its functions.
    pub requires: Vec<Requirement>,
    /// The packages that it can use if they are installed.
    pub suggests: Vec<String>,
    /// The versions of the language that it requires.
    pub requires_runtime: Vec<String>,
    /// What it was built for, if it declares that.
    pub built: Option<Built>,
    /// Its priority in the language's distribution; for R, `base` or `recommended`.
    pub priority: Option<String>,
}

impl Package {
    /// The directories and files that belong to it, its own directory first.
    pub fn places(&self) -> impl Iterator<Item = &TreePath> {
        std::iter::once(&self.directory).chain(&self.others)
    }

    /// The entries in a tree that belong to it, except its directories themselves.
    pub fn entries<'a>(&'a self, tree: &'a Tree) -> impl Iterator<Item = EntryId> + 'a {
        let files = self.others.iter().filter_map(|path| tree.find(path).filter(|id| !tree.entry(*id).is_directory()));
        self.places().flat_map(|place| tree.below(place).map(|(id, _)| id)).chain(files)
    }
}

/// A package that is required, and its versions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requirement {
    /// The package's name.
    pub package: String,
    /// The accepted versions, in the language's syntax: `>= 3.0.0`. All versions when there is none.
    pub constraint: Option<String>,
    /// What fails without it.
    pub for_what: RequiredFor,
    /// Whether it is attached when the package is, in a language that attaches packages.
    pub attached: bool,
}

/// What fails without a package that another requires.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RequiredFor {
    /// Loading the package.
    Loading,
    /// What it is declared for, which is not known: loading the package, or some of its functions. Other layers and the
    /// function can have it.
    Declared,
    /// Only functions of the package that call it.
    Calls,
}

/// What a package was built for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Built {
    /// The version of the language.
    pub version: String,
    /// The platform; empty for a package without compiled code.
    pub platform: String,
}

/// What was excluded from a tree on request (`--drop`, `--handler`).
#[derive(Debug, Default)]
pub struct Excluded {
    /// Packages, with their directories; findings about their dependents mention the exclusion.
    pub packages: BTreeMap<(LanguageId, String), TreePath>,
    /// The directories of the languages and their libraries: rules still apply to what is left there.
    pub roots: Roots,
}

/// The directories that the placeholders of rules expand to in a tree: `{r_home}`, `{library}`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Roots(BTreeMap<&'static str, BTreeSet<TreePath>>);

impl Roots {
    /// Adds directories to those that `placeholder` expands to.
    pub fn add(&mut self, placeholder: &'static str, directories: impl IntoIterator<Item = TreePath>) {
        self.0.entry(placeholder).or_default().extend(directories);
    }

    /// The union of both.
    #[must_use]
    pub fn with(mut self, other: &Self) -> Self {
        for (placeholder, directories) in &other.0 {
            self.add(placeholder, directories.iter().cloned());
        }
        self
    }

    /// Every placeholder with its directories, sorted.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &BTreeSet<TreePath>)> {
        self.0.iter().map(|(placeholder, directories)| (*placeholder, directories))
    }
}

/// The installations and packages of all languages in a tree.
#[derive(Debug, Default)]
pub struct Packages {
    /// Installations of languages, sorted by language, then in the order in which they were found.
    pub installations: Vec<Installation>,
    /// Packages, sorted by name, then by language and library.
    pub all: Vec<Package>,
    /// The environment variables that Lambda and the function's configuration set.
    pub variables: BTreeMap<String, String>,
    /// The bootstrap of the function's code and the sources beside it, by their names in `/var/task`.
    pub code: BTreeMap<String, String>,
    /// The language of the image, and what it has of it.
    pub runtime: Option<LanguageVersion>,
    /// What was excluded on request.
    pub excluded: Excluded,
    roots: Roots,
    by_directory: HashMap<TreePath, usize>,
}

impl Packages {
    /// An index of what was found; `roots` are the directories of the placeholders of rules.
    pub fn new(installations: Vec<Installation>, mut packages: Vec<Package>, roots: Roots) -> Self {
        packages.sort_by(|a, b| (&a.name, a.language, &a.library).cmp(&(&b.name, b.language, &b.library)));
        let of =
            |(i, package): (usize, &Package)| package.places().map(move |place| (place.clone(), i)).collect::<Vec<_>>();
        let by_directory = packages.iter().enumerate().flat_map(of).collect();
        Self {
            installations,
            all: packages,
            variables: BTreeMap::new(),
            code: BTreeMap::new(),
            runtime: None,
            excluded: Excluded::default(),
            roots,
            by_directory,
        }
    }

    /// The package at a position of [`Packages::all`].
    pub fn get(&self, position: usize) -> &Package {
        &self.all[position]
    }

    /// The positions of every copy of a package.
    pub fn copies(&self, language: LanguageId, name: &str) -> impl Iterator<Item = usize> {
        self.named(name).filter(move |position| self.all[*position].language == language)
    }

    /// These packages and those that are attached with them, by what declares each.
    pub fn attached_with(&self, positions: impl IntoIterator<Item = usize>) -> BTreeSet<EntryId> {
        let mut attached = BTreeSet::new();
        let mut queue: Vec<usize> = positions.into_iter().collect();
        while let Some(package) = queue.pop().map(|position| self.get(position)) {
            if attached.insert(package.entry) {
                let required = package.requires.iter().filter(|required| required.attached);
                queue.extend(required.flat_map(|required| self.copies(package.language, &required.package)));
            }
        }
        attached
    }

    /// The positions of every package of this name, in any language.
    pub fn named(&self, name: &str) -> impl Iterator<Item = usize> {
        let first = self.all.partition_point(|package| package.name.as_str() < name);
        (first..self.all.len()).take_while(move |i| self.all[*i].name == name)
    }

    /// The package that contains a path: that with the innermost directory.
    pub fn of_path(&self, path: &TreePath) -> Option<usize> {
        path.ancestor_bytes().find_map(|directory| self.by_directory.get(directory).copied())
    }

    /// The package whose directory this is.
    pub fn at(&self, directory: &TreePath) -> Option<usize> {
        self.by_directory.get(directory).copied()
    }

    /// The installation that contains a path.
    pub fn installation_of(&self, path: &TreePath) -> Option<&Installation> {
        self.installations.iter().find(|installation| path.below(&installation.path).is_some())
    }

    /// The languages that are installed, sorted.
    pub fn languages(&self) -> BTreeSet<LanguageId> {
        self.installations.iter().map(|installation| installation.language).collect()
    }

    /// The version of a language that the image has.
    pub fn runtime_version(&self, language: LanguageId) -> Option<&str> {
        let runtime = self.runtime.as_ref().filter(|runtime| runtime.id == language.as_str());
        runtime.map(|runtime| runtime.version.as_str())
    }

    /// The version of a package that the image has too; empty where it is not known.
    pub fn version_in_image(&self, package: &Package) -> Option<&str> {
        let runtime = self.runtime.as_ref().filter(|runtime| runtime.id == package.language.as_str())?;
        let is_it = |listed: &str| listed == package.name || listed.ends_with('/') && package.name.starts_with(listed);
        runtime.packages.iter().find(|(listed, _)| is_it(listed)).map(|(_, version)| version.as_str())
    }

    /// The installations of a language.
    pub fn installations_of(&self, language: LanguageId) -> impl Iterator<Item = &Installation> {
        self.installations.iter().filter(move |installation| installation.language == language)
    }

    /// The packages of a language.
    pub fn of_language(&self, language: LanguageId) -> impl Iterator<Item = &Package> {
        self.all.iter().filter(move |package| package.language == language)
    }

    /// The directories of the placeholders of rules in this tree, including what was excluded from it.
    pub fn roots(&self) -> Roots {
        self.roots.clone().with(&self.excluded.roots)
    }

    /// The name of a package in reports and on the command line: `pkg:Matrix`, with its library when another library has it
    /// too: `pkg:Matrix@local/library`.
    pub fn unit_name(&self, position: usize) -> String {
        let package = self.get(position);
        match self.named(&package.name).count() {
            0 | 1 => format!("pkg:{}", package.name),
            _ => format!("pkg:{}@{}", package.name, package.library),
        }
    }
}
