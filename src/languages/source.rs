//! Sources of functions: the packages that a source uses, the files that it reads, and what cannot be determined
//! statically. Each language has its own reader.

use std::collections::BTreeSet;

/// The packages and files that a source uses, in the order of its lines, without duplicates.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Source {
    /// The packages that it uses.
    pub uses: Vec<Use>,
    /// Other files that it reads as code.
    pub follows: Vec<Follow>,
    /// What decides which packages are used and cannot be determined statically.
    pub dynamic: Vec<Dynamic>,
    /// The directories, as absolute paths in Lambda, that it adds to those where packages are searched.
    pub libraries: BTreeSet<String>,
    /// The first line that adds one whose path is not certain.
    pub libraries_unknown: Option<usize>,
    /// The names in its code, which may be those of functions of packages.
    pub names: BTreeSet<String>,
}

/// A package that is used.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Use {
    /// The line, from 1.
    pub line: usize,
    /// The package's name.
    pub package: String,
    /// Whether the source works without it: it is tested for, tried, or in code that need not run.
    pub optional: bool,
    /// Whether the line itself does not fail without it.
    pub continues: bool,
}

/// Another file that is read as code.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Follow {
    /// The line, from 1.
    pub line: usize,
    /// The path as in the source, with `/`.
    pub path: String,
    /// The possible suffixes of the path: the first that makes it a file is used.
    pub endings: &'static [&'static str],
    /// How it is read.
    pub followed: Followed,
    /// Whether the source works without it.
    pub optional: bool,
}

/// Something that decides which packages are used, and cannot be determined statically.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Dynamic {
    /// The line, from 1.
    pub line: usize,
    /// Its source text: at most 60 characters of its first line, without leading white space.
    pub what: String,
    /// Why it cannot be followed.
    pub why: &'static str,
}

/// How another file that a source refers to is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Followed {
    /// As code, independent of its name.
    Code,
    /// As the kind of file that its name denotes.
    ByName,
}
