//! Sources of functions: what one uses, which other files it reads, and what reading cannot tell. Each language has a
//! reader of its own.

/// What a source says of packages and files. Everything is in the order of its lines, and nothing is there twice.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Source {
    /// The packages that it uses.
    pub uses: Vec<Use>,
    /// Other files that it reads as code.
    pub follows: Vec<Follow>,
    /// What decides which packages are used and cannot be told by reading.
    pub dynamic: Vec<Dynamic>,
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
}

/// Another file that is read as code.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Follow {
    /// The line, from 1.
    pub line: usize,
    /// The path as it is written, with `/`.
    pub path: String,
    /// What may stand after it: the first that is a file counts.
    pub endings: &'static [&'static str],
    /// How it is read.
    pub followed: Followed,
    /// Whether the source works without it.
    pub optional: bool,
}

/// Something that decides which packages are used, and cannot be told by reading.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Dynamic {
    /// The line, from 1.
    pub line: usize,
    /// What is written there: at most 60 characters of its first line, without the white space before them.
    pub what: String,
    /// Why it cannot be followed.
    pub why: &'static str,
}

/// How a source names another file that is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Followed {
    /// As code, whatever its name is.
    Code,
    /// As what its name says.
    ByName,
}
