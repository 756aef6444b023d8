//! R sources: which packages they use, which other files they read, and what of that cannot be determined statically.
//!
//! Code is parsed with tree-sitter's grammar for R and never run. A package counts where R would look it up: `library()` and
//! similar functions, `pkg::name`, `system.file(package =)`, box, import, pacman and the others in `functions.rs`. Computed
//! names are followed as far as they are constants of the same file: literal vectors, loops and `lapply()` over them,
//! `paste0()` and `file.path()` of them. Everything else that decides which package is used is reported with its line. If a
//! constant vector is subset, or reduced by `setdiff()` and the like, every element counts.
//!
//! R Markdown, Quarto and Sweave documents are read chunk by chunk: the code, the chunk's options, inline code, and in the
//! header the output formats and values marked `!r`. The uses in a chunk with `eval = FALSE`, or with a computed `eval`, are
//! optional.
//!
//! Not read: other languages' chunks, `#' @import` (it becomes part of NAMESPACE, and DESCRIPTION lists the package too),
//! and what a document needs only to be rendered (the script that renders it names knitr and rmarkdown).
//!
//! # Worked examples
//!
//! A source is read in two passes: `collect` walks over every node once and gathers bindings, guards
//! and call sites; then each site is interpreted with all of them known.
//!
//! **Quoting** (`functions.rs`). Whether an argument is a name or an expression depends on the function:
//!
//! | source | concluded |
//! | --- | --- |
//! | `library(dplyr)` | uses dplyr: the argument is quoted |
//! | `requireNamespace(dplyr)` | the value of a variable `dplyr`, which is unknown: reported as computed |
//! | `library(p, character.only = TRUE)` | the value of `p` |
//! | `get("f")` | nothing |
//! | `get(paste0("dplyr::", f))` | the name and its package are computed: reported |
//!
//! **Bindings** (`bindings.rs`). A name has a certain value where it is bound once in the nearest scope:
//!
//! | source | concluded |
//! | --- | --- |
//! | `p <- "dplyr"; library(p, character.only = TRUE)` | uses dplyr |
//! | `for (p in c("dplyr", "tidyr")) library(p, character.only = TRUE)` | uses dplyr and tidyr |
//! | `lapply(c("dplyr", "tidyr"), requireNamespace)` | uses dplyr and tidyr |
//! | `p <- "dplyr"; if (x) p <- "tidyr"; library(p, character.only = TRUE)` | bound twice: reported as computed |
//! | `source(file.path(Sys.getenv("LAMBDA_TASK_ROOT"), "a.R"))` | reads /var/task/a.R |
//!
//! **Guards** (`guards.rs`). A use is optional where the program works without the package. Each test for a package yields
//! ranges of code in which uses of that package are optional:
//!
//! | source | uses of xml2 are | because |
//! | --- | --- | --- |
//! | `if (requireNamespace("xml2")) xml2::read_xml(f)` | optional | range: the test and the branch |
//! | `if (isNamespaceLoaded("xml2")) xml2::read_xml(f)` | optional | range: the test and the branch |
//! | `requireNamespace("xml2") && xml2::read_xml(f)` | optional | range: the test and the right side |
//! | `if (!requireNamespace("xml2")) stop("install xml2")` | required | the branch without xml2 ends the program |
//! | `has <- requireNamespace("xml2"); if (has) xml2::read_xml(f)` | optional | `has` is bound to a test |
//! | `tryCatch(xml2::read_xml(f), error = function(e) NULL)` | optional | range: the expression, for every package |
//! | `tryCatch(xml2::read_xml(f), error = function(e) stop(e))` | required | the handler ends the program |
//! | `if (FALSE) library(xml2)`, `if (interactive()) library(xml2)` | optional | range: the branch, for every package |
//! | `if (sys.nframe() == 0L) library(xml2)` | required, but R goes on | only a script of its own runs it, and layerfit's bootstrap reads the source |
//! | `require(xml2)` | required, but R goes on | it only warns: what follows may not find the package's functions |
//!
//! A branch that leaves its block makes the rest of the block a range, up to the end of the function here:
//!
//! ```r
//! f <- function(x) {
//!   if (!requireNamespace("xml2")) return(NULL)
//!   xml2::read_xml(x)                            # optional
//! }
//! ```

mod bindings;
mod document;
mod functions;
mod guards;
mod manifests;
pub(super) mod objects;
mod reader;
mod text;
mod tree;

pub(super) use bindings::Session;
pub(super) use functions::{names_packages, parses, passes_on, tests_for_packages};
pub(super) use tree::grammar;

use std::collections::{BTreeMap, BTreeSet};

use crate::formats::shebang;
use crate::formats::shebang::Interpreter;
use crate::languages::{Dynamic, Followed, From};

/// The maximum length of code in bytes: real code is much shorter, and the tree of crafted code needs 600 times its length
/// in memory.
pub const MAX_BYTES: usize = 256 << 10;

/// The maximum length of a DESCRIPTION or lock file in bytes.
const MAX_MANIFEST_BYTES: usize = 16 << 20;

/// The kind of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// R code: `.R`, `.Rprofile`, or a script that Rscript or littler runs.
    Script,
    /// R Markdown or Quarto: `.Rmd`, `.qmd`.
    Document,
    /// LaTeX with R code: `.Rnw`.
    Sweave,
    /// A DESCRIPTION, of a package or of a project.
    Description,
    /// An `renv.lock`.
    Lock,
}

impl Kind {
    /// The kind of a file, by its name (without directories) or else by its first line.
    pub fn of(name: &str, bytes: &[u8]) -> Option<Self> {
        match name {
            "DESCRIPTION" => return Some(Self::Description),
            "renv.lock" => return Some(Self::Lock),
            ".Rprofile" | "Rprofile.site" => return Some(Self::Script),
            _ => {}
        }
        match name.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase()).as_deref() {
            Some("r") => return Some(Self::Script),
            Some("rmd" | "rmarkdown" | "qmd") => return Some(Self::Document),
            Some("rnw" | "snw") => return Some(Self::Sweave),
            _ => {}
        }
        let line = bytes.strip_prefix(b"#!")?.split(|b| *b == b'\n').next()?;
        let (Interpreter::Path(program) | Interpreter::Command(program)) = shebang::parse(line)?;
        matches!(program.rsplit('/').next(), Some("Rscript" | "r" | "littler")).then_some(Self::Script)
    }
}

/// The packages and files that an R source uses, in the order of its lines, without duplicates.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Source {
    /// The packages that it uses: each once per line and kind of use.
    pub uses: Vec<Use>,
    /// Other files that it reads as R code.
    pub follows: Vec<Follow>,
    /// What decides which packages are used and cannot be determined statically.
    pub dynamic: Vec<Dynamic>,
    /// The files of layers that it names, as absolute paths in Lambda, each with its line.
    pub files: Vec<(usize, String)>,
    /// The libraries that it adds to those that R searches.
    pub libraries: Libraries,
    /// The names in its code.
    pub names: BTreeSet<String>,
    /// The functions that it calls for certain, by package and name, each with the first line that does. The package is empty for one
    /// that is neither qualified nor the source's own.
    pub calls: BTreeMap<(String, String), usize>,
    /// The character sets that it names for conversions, each with the first line that does: `iconv(x, "CP1250", "UTF-8")`.
    /// Code that works without the conversion does not count.
    pub charsets: BTreeMap<String, usize>,
}

/// The libraries that a source adds to those that R searches: `.libPaths(new)`, `lib.loc`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Libraries {
    /// Those whose paths are certain.
    pub paths: BTreeSet<String>,
    /// The first line that adds one whose path is not.
    pub unknown: Option<usize>,
}

/// A package that is used.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Use {
    /// The line, from 1.
    pub line: usize,
    /// The package's name, valid in R (Writing R Extensions, 1.1.1); R's own packages are included.
    pub package: String,
    /// How it is used.
    pub kind: UseKind,
    /// Whether the source works without it: it tests for it, catches the error, or need not run the code.
    pub optional: bool,
    /// Whether R goes on at this line without it, at most with a warning: `require()`.
    pub continues: bool,
}

/// How a package is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum UseKind {
    /// Loaded and attached: `library()`, `require()`.
    Attached,
    /// Loaded: `requireNamespace()`, `loadNamespace()`, `getFromNamespace()`.
    Loaded,
    /// `pkg::name` and `pkg:::name`, which load it.
    Qualified,
    /// Its files or metadata are queried: `system.file()`, `data()`, `packageVersion()`.
    Queried,
    /// Named by a DESCRIPTION or `renv.lock`.
    Named,
}

/// Another file that is read as R code.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Follow {
    /// The line, from 1.
    pub line: usize,
    /// The path as in the source, with `/`. Unless it is absolute (`/var/task` for the value of `LAMBDA_TASK_ROOT`), a
    /// script's is relative to R's working directory, or to the project for `here()`; a document's and a `./` or `../`
    /// module's to the file that refers to it; any other module's to the directories that box searches.
    pub path: String,
    /// How it is read.
    pub reads: Reads,
    /// Whether the source works without it.
    pub optional: bool,
}

/// The kind of file that another one is read as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reads {
    /// A script: `source()`, `sys.source()`, `parse()`.
    Script,
    /// A module of box, named without its extension: `PATH.R`, `PATH.r`, `PATH/__init__.R` or `PATH/__init__.r`.
    Module,
    /// A document: rendered, or the child of another.
    Document,
    /// Saved objects: `readRDS()`, `load()`.
    Objects,
}

impl Source {
    /// Parses a source of a kind. Text that is not UTF-8 is read as Latin-1.
    ///
    /// # Errors
    /// When it cannot be read: binary data, a source longer than [`MAX_BYTES`], an invalid DESCRIPTION or lock file; the
    /// message gives the reason. Code that R would reject is not an error: the code around it is read, and it is reported.
    pub fn parse(kind: Kind, bytes: &[u8]) -> Result<Self, String> {
        Self::parse_in(kind, bytes, &bindings::OF_FUNCTION)
    }

    /// As [`Self::parse`], for a source that this session runs.
    ///
    /// # Errors
    /// Those of [`Self::parse`].
    pub(super) fn parse_in(kind: Kind, bytes: &[u8], session: &Session<'_>) -> Result<Self, String> {
        let longest = match kind {
            Kind::Script | Kind::Document | Kind::Sweave => MAX_BYTES,
            Kind::Description | Kind::Lock => MAX_MANIFEST_BYTES,
        };
        if bytes.len() > longest {
            return Err(format!("it has {} bytes, and sources longer than {longest} bytes are not read", bytes.len()));
        }
        if bytes.contains(&0) {
            return Err("it contains NUL bytes: it is binary or UTF-16, not an R source".to_owned());
        }
        let mut source = Self::default();
        match kind {
            Kind::Script => {
                reader::read(vec![document::Piece::code(text::decode(bytes), 0)], session, &mut source)?;
            }
            Kind::Document => {
                reader::read(document::markdown(&text::decode(bytes), &mut source), session, &mut source)?;
            }
            Kind::Sweave => {
                reader::read(document::sweave(&text::decode(bytes), &mut source), session, &mut source)?;
            }
            Kind::Description => manifests::description(bytes, &mut source)?,
            Kind::Lock => manifests::lock(&text::decode(bytes), &mut source)?,
        }
        source.tidy();
        Ok(source)
    }

    fn tidy(&mut self) {
        self.uses.sort();
        // A use that is both optional and required on a line is required, and one that can fail fails: false sorts first.
        self.uses.dedup_by(|b, a| (a.line, &a.package, a.kind) == (b.line, &b.package, b.kind));
        self.follows.sort();
        self.follows.dedup_by(|b, a| (a.line, &a.path, a.reads) == (b.line, &b.path, b.reads));
        self.dynamic.sort();
        self.dynamic.dedup();
    }

    /// Adds a use of a package, if its name is valid.
    fn uses(&mut self, used: Use) {
        if text::is_package(&used.package) {
            self.uses.push(used);
        } else {
            self.dynamic(used.line, &used.package, "this is not a valid package name");
        }
    }

    fn follows(&mut self, line: usize, path: &str, reads: Reads, optional: bool) {
        if path.contains("://") {
            self.dynamic(line, path, "the code comes from another machine");
        } else if !path.is_empty() {
            self.follows.push(Follow { line, path: path.to_owned(), reads, optional });
        }
    }

    fn dynamic(&mut self, line: usize, written: &str, why: &'static str) {
        let what = written.lines().next().unwrap_or_default().trim().chars().take(60).collect();
        self.dynamic.push(Dynamic { line, what, why });
    }
}

/// What a source uses, in the types shared by all languages; `None` when the file is not an R source. A file that R code
/// reads as code is a script, independent of its name.
pub(super) fn read(
    name: &str,
    bytes: &[u8],
    followed: Option<Followed>,
) -> Option<Result<crate::languages::Source, String>> {
    if followed == Some(Followed::Objects) {
        return Some(Ok(objects::read(bytes)));
    }
    let kind = match followed {
        Some(Followed::Code) => Kind::Script,
        Some(Followed::Configuration | Followed::Pickled) => return None,
        Some(_) | None => Kind::of(name, bytes)?,
    };
    Some(Source::parse(kind, bytes).map(Source::neutral))
}

impl Source {
    fn neutral(self) -> crate::languages::Source {
        let follow = |follow: Follow| crate::languages::Follow {
            line: follow.line,
            paths: vec![follow.path],
            from: From::WorkingDirectory,
            otherwise: None,
            endings: match follow.reads {
                Reads::Module => &[".R", ".r", "/__init__.R", "/__init__.r"],
                Reads::Script | Reads::Document | Reads::Objects => &[""],
            },
            followed: match follow.reads {
                Reads::Document => Followed::ByName,
                Reads::Objects => Followed::Objects,
                Reads::Script | Reads::Module => Followed::Code,
            },
            optional: follow.optional,
        };
        let used = |used: Use| crate::languages::Use {
            line: used.line,
            package: used.package,
            optional: used.optional,
            continues: used.continues,
            attaches: used.kind == UseKind::Attached,
        };
        let file =
            |(line, package)| crate::languages::Use { line, package, optional: true, continues: true, attaches: false };
        crate::languages::Source {
            uses: self.uses.into_iter().map(used).chain(self.files.into_iter().map(file)).collect(),
            follows: self.follows.into_iter().map(follow).collect(),
            dynamic: self.dynamic,
            libraries: self.libraries.paths,
            libraries_unknown: self.libraries.unknown,
            names: self.names,
            calls: self.calls,
            charsets: self.charsets,
            ..crate::languages::Source::default()
        }
    }
}

#[cfg(test)]
mod tests;
