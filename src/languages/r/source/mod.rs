//! R sources: which packages they use, which other files they read, and what of that cannot be read off them.
//!
//! Code is read with tree-sitter's grammar of R and never run. A package counts where R would look for it: `library()`
//! and its like, `pkg::name`, `system.file(package =)`, box, import, pacman and the others of `functions.rs`. Names that
//! are computed are followed as far as they are constants of the same file: vectors written out, loops and `lapply()`
//! over them, `paste0()` and `file.path()` of them. Everything else that decides which package is used is said, with its
//! line. Of a constant vector that is subset, or taken apart by `setdiff()` and the like, every element counts.
//!
//! R Markdown, Quarto and Sweave documents are read chunk by chunk: the code, the chunk's options, code in the text, and
//! in the header the output formats and what is marked `!r`. A chunk with `eval = FALSE`, or one that decides when it
//! runs, counts, as code that copes without its packages does: its uses are optional.
//!
//! Left alone: other languages' chunks, `#' @import` (the NAMESPACE's matter, which DESCRIPTION names too), what a
//! document needs only because it is one (knitr and rmarkdown are named by the script that renders it).

mod bindings;
mod document;
mod functions;
mod guards;
mod manifests;
mod reader;
mod text;
mod tree;

use crate::formats::shebang;
use crate::formats::shebang::Interpreter;
use crate::languages::{Dynamic, Followed};

/// Code longer than this in bytes is not read: what people write does not come near, and the tree of one made to be costly
/// takes 600 times its length in memory.
pub const MAX_BYTES: usize = 256 << 10;

/// A DESCRIPTION or lock file longer than this in bytes is not read.
const MAX_MANIFEST_BYTES: usize = 16 << 20;

/// What kind of source it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// R code: `.R`, `.Rprofile`, what Rscript or littler runs.
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
    /// The kind of a file, by its name (without directories) and, where that says nothing, by its first line.
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

/// What an R source says of packages and files. Everything is in the order of its lines, and nothing is there twice.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Source {
    /// The packages that it uses: each once a line and way of using it.
    pub uses: Vec<Use>,
    /// Other files that it reads as R code.
    pub follows: Vec<Follow>,
    /// What decides which packages are used and cannot be read off the source.
    pub dynamic: Vec<Dynamic>,
}

/// A package that is used.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Use {
    /// The line, from 1.
    pub line: usize,
    /// The package's name, valid as R has it (Writing R Extensions, 1.1.1); R's own packages are named as any other.
    pub package: String,
    /// UseKind it is used.
    pub kind: UseKind,
    /// Whether the source copes without it: it is tested for, tried, or in code that need not run.
    pub optional: bool,
}

/// UseKind a package is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum UseKind {
    /// Loaded and attached: `library()`, `require()`.
    Attached,
    /// Loaded: `requireNamespace()`, `loadNamespace()`, `getFromNamespace()`.
    Loaded,
    /// `pkg::name` and `pkg:::name`, which load it.
    Qualified,
    /// Its files or what is known of it are asked for: `system.file()`, `data()`, `packageVersion()`.
    Queried,
    /// Named by a DESCRIPTION or `renv.lock`.
    Named,
}

/// Another file that is read as R code.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Follow {
    /// The line, from 1.
    pub line: usize,
    /// The path as it is written, with `/`. Unless it is absolute (`/var/task` where `LAMBDA_TASK_ROOT` is asked for), a
    /// script's is relative to the directory that R works in, or to the project's where `here()` makes it; a document's
    /// and a `./` or `../` module's to the file that names it; any other module's to the directories box searches.
    pub path: String,
    /// What is read there.
    pub reads: Reads,
    /// Whether the source copes without it.
    pub optional: bool,
}

/// What kind of file another one is read as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reads {
    /// A script: `source()`, `sys.source()`, `parse()`.
    Script,
    /// A module of box, named without its ending: `PATH.R`, `PATH.r`, `PATH/__init__.R` or `PATH/__init__.r`.
    Module,
    /// A document: rendered, or the child of another.
    Document,
}

impl Source {
    /// Reads a source of a kind. Text that is not UTF-8 is taken for Latin-1.
    ///
    /// # Errors
    /// Says why when there is nothing to read: binary data, a source longer than [`MAX_BYTES`], a DESCRIPTION or a lock
    /// file that has no such form. Code that R would refuse is not an error: what surrounds it is read, and it is said.
    pub fn parse(kind: Kind, bytes: &[u8]) -> Result<Self, String> {
        let longest = match kind {
            Kind::Script | Kind::Document | Kind::Sweave => MAX_BYTES,
            Kind::Description | Kind::Lock => MAX_MANIFEST_BYTES,
        };
        if bytes.len() > longest {
            return Err(format!("it has {} bytes, and sources of more than {longest} are not read", bytes.len()));
        }
        if bytes.contains(&0) {
            return Err("it holds NUL bytes: it is binary or UTF-16, and no R source".to_owned());
        }
        let mut source = Self::default();
        match kind {
            Kind::Script => reader::read(vec![document::Piece::code(text::decode(bytes), 0)], &mut source)?,
            Kind::Document => reader::read(document::markdown(&text::decode(bytes), &mut source), &mut source)?,
            Kind::Sweave => reader::read(document::sweave(&text::decode(bytes), &mut source), &mut source)?,
            Kind::Description => manifests::description(bytes, &mut source)?,
            Kind::Lock => manifests::lock(&text::decode(bytes), &mut source)?,
        }
        source.tidy();
        Ok(source)
    }

    fn tidy(&mut self) {
        self.uses.sort();
        // What is both optional and not on a line is not: false sorts first.
        self.uses.dedup_by(|b, a| (a.line, &a.package, a.kind) == (b.line, &b.package, b.kind));
        self.follows.sort();
        self.follows.dedup_by(|b, a| (a.line, &a.path, a.reads) == (b.line, &b.path, b.reads));
        self.dynamic.sort();
        self.dynamic.dedup();
    }

    /// A package is used, if it can be one.
    fn uses(&mut self, line: usize, package: &str, kind: UseKind, optional: bool) {
        if text::is_package(package) {
            self.uses.push(Use { line, package: package.to_owned(), kind, optional });
        } else {
            self.dynamic(line, package, "no package can have this name");
        }
    }

    fn follows(&mut self, line: usize, path: &str, reads: Reads, optional: bool) {
        if path.contains("://") {
            self.dynamic(line, path, "code is read from another machine");
        } else if !path.is_empty() {
            self.follows.push(Follow { line, path: path.to_owned(), reads, optional });
        }
    }

    fn dynamic(&mut self, line: usize, written: &str, why: &'static str) {
        let what = written.lines().next().unwrap_or_default().trim().chars().take(60).collect();
        self.dynamic.push(Dynamic { line, what, why });
    }
}

/// What a source uses, in the terms of all languages; `None` when the file is not an R source. One that R code reads as
/// code is a script, whatever its name is.
pub(super) fn read(
    name: &str,
    bytes: &[u8],
    followed: Option<Followed>,
) -> Option<Result<crate::languages::Source, String>> {
    let kind = match followed {
        Some(Followed::Code) => Kind::Script,
        Some(Followed::ByName) | None => Kind::of(name, bytes)?,
    };
    Some(Source::parse(kind, bytes).map(Source::neutral))
}

impl Source {
    fn neutral(self) -> crate::languages::Source {
        let follow = |follow: Follow| crate::languages::Follow {
            line: follow.line,
            path: follow.path,
            endings: match follow.reads {
                Reads::Module => &[".R", ".r", "/__init__.R", "/__init__.r"],
                Reads::Script | Reads::Document => &[""],
            },
            followed: match follow.reads {
                Reads::Document => Followed::ByName,
                Reads::Script | Reads::Module => Followed::Code,
            },
            optional: follow.optional,
        };
        let used =
            |used: Use| crate::languages::Use { line: used.line, package: used.package, optional: used.optional };
        crate::languages::Source {
            uses: self.uses.into_iter().map(used).collect(),
            follows: self.follows.into_iter().map(follow).collect(),
            dynamic: self.dynamic,
        }
    }
}

#[cfg(test)]
mod tests;
