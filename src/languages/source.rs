//! Sources of functions: the packages that a source uses, the files that it reads, and what cannot be determined
//! statically. Each language has its own reader.

use std::collections::{BTreeMap, BTreeSet};

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
    /// The names of packages that the function's own code is.
    pub own_names: BTreeSet<String>,
    /// The names in its code, which may be those of functions of packages.
    pub names: BTreeSet<String>,
    /// The functions of packages that it calls for certain, by package and name, each with the first line that does. The package is
    /// empty for a function of any package that is attached.
    pub calls: BTreeMap<(String, String), usize>,
    /// The data of packages that it names, where a package has data for what functions name.
    pub data: BTreeSet<String>,
    /// The character sets that it names for conversions by the C library, each with the first line that does.
    pub charsets: BTreeMap<String, usize>,
    /// Whether it also names data that cannot be determined statically.
    pub names_more_data: bool,
    /// Whether it only declares what code requires, and does not show that the function has code in its language: a package.json
    /// is beside functions in any.
    pub only_declares: bool,
}

impl Source {
    /// Adds something that decides which packages are used and cannot be determined statically; `written` is its text.
    pub fn cannot_tell(&mut self, line: usize, written: &str, why: &'static str) {
        let what = written.lines().next().unwrap_or_default().trim().chars().take(60).collect();
        self.dynamic.push(Dynamic { line, what, why });
    }

    /// Sorts everything, and leaves out duplicates.
    pub fn tidy(&mut self) {
        self.uses.sort();
        // A use that is both optional and required on a line is required: false sorts first.
        self.uses.dedup_by(|b, a| (a.line, &a.package) == (b.line, &b.package));
        self.follows.sort();
        self.follows.dedup();
        self.dynamic.sort();
        self.dynamic.dedup();
    }
}

/// A package that is used.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Use {
    /// The line, from 1.
    pub line: usize,
    /// Its name as the language looks it up: in R, the package's; in Python, that of a module; in Node.js, what `require()`
    /// is called with, up to the package's name.
    pub package: String,
    /// Whether the source works without it: it is tested for, tried, or in code that need not run.
    pub optional: bool,
    /// Whether the line itself does not fail without it.
    pub continues: bool,
    /// Whether it is attached, and not only loaded, in a language that has both.
    pub attaches: bool,
}

/// Other files that are read as code.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Follow {
    /// The line, from 1.
    pub line: usize,
    /// Paths as in the source, with `/`: those that exist are read.
    pub paths: Vec<String>,
    /// The possible suffixes of a path: the first that makes it a file is used.
    pub endings: &'static [&'static str],
    /// What the paths are relative to.
    pub from: From,
    /// How they are read.
    pub followed: Followed,
    /// Whether the source works without them.
    pub optional: bool,
    /// What the source uses if none of the paths exists, as in [`Use::package`].
    pub otherwise: Option<String>,
}

/// What a path in a source is relative to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum From {
    /// The working directory, or else the directory of the source.
    WorkingDirectory,
    /// The directory of the source.
    Source,
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
    /// As code that is run as a program of its own.
    Program,
    /// As a configuration file that names what is loaded.
    Configuration,
    /// As objects that Python pickled.
    Pickled,
    /// As the kind of file that its name denotes.
    ByName,
    /// As the manifest of an installed package, whose code is not followed.
    Manifest,
    /// As objects that were saved, whose classes and functions are those of packages.
    Objects,
}
