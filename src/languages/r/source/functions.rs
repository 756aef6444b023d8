//! The known functions that load packages or read code, and R's argument matching.
//!
//! Formal arguments are those of R 4.5 and of the packages' current releases, as far as matching depends on them.

use super::tree::Cursor;
use super::{Reads, UseKind};

/// A known function.
#[derive(Debug)]
pub(super) struct Function {
    pub(super) name: &'static str,
    /// The packages that export it.
    pub(super) homes: &'static [&'static str],
    /// Where it is recognized without `::`.
    pub(super) unqualified: Unqualified,
    pub(super) formals: &'static [&'static str],
    pub(super) effect: Effect,
}

/// Where an unqualified call of a function is recognized.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unqualified {
    /// Everywhere: it is R's own, or its name is unique.
    Everywhere,
    /// Everywhere, but the name is so common that a call that is not understood is not reported.
    Quietly,
    /// Where the source attaches a package that exports it.
    Attached,
}

/// The effect of a call.
#[derive(Debug, Clone, Copy)]
pub(super) enum Effect {
    /// Loads or queries the packages named by an argument; `...` means all arguments that match nothing else.
    Packages { argument: &'static str, kind: UseKind, quoting: Quoting, tests: bool, absent: Absent },
    /// Reads a file.
    File { argument: &'static str, reads: Reads },
    /// Parses code in a file or a string without running it: `parse()`.
    Parse { file: &'static str, text: &'static str },
    /// Calls a function with each value.
    Apply { over: &'static str, function: &'static str },
    /// `do.call()`
    DoCall,
    /// `box::use()`
    Box,
    /// `import::from()` and its like: the argument names a package or a script.
    Import { argument: &'static str },
    /// Reads objects that were saved to a file.
    Objects { argument: &'static str },
    /// Loads a library by path.
    Load { argument: &'static str },
    /// Converts text between character sets, one of which the argument names.
    Charset { argument: &'static str },
}

/// What a call does when the package is not installed, as R 4.2 does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Absent {
    /// It fails.
    Fails,
    /// It fails, unless this argument is TRUE.
    FailsUnless(&'static str),
    /// It returns, at most with a warning.
    Returns,
    /// It returns, unless this argument is TRUE.
    ReturnsUnless(&'static str),
}

/// Whether an argument is quoted (non-standard evaluation: `library(httr)`) or evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Quoting {
    /// Always evaluated.
    Never,
    /// Always quoted.
    Always,
    /// Quoted, unless this argument is TRUE.
    Unless(&'static str),
}

const fn packages(argument: &'static str, kind: UseKind, quoting: Quoting) -> Effect {
    Effect::Packages { argument, kind, quoting, tests: false, absent: Absent::Fails }
}

/// A function that loads or queries packages, and what it does without them.
const fn absent(argument: &'static str, kind: UseKind, quoting: Quoting, absent: Absent) -> Effect {
    Effect::Packages { argument, kind, quoting, tests: false, absent }
}

/// A function whose result tells whether a package is installed.
const fn tests(argument: &'static str, kind: UseKind, quoting: Quoting) -> Effect {
    Effect::Packages { argument, kind, quoting, tests: true, absent: Absent::Returns }
}

/// A function whose result tells whether a package is installed, and what it does if it is not.
const fn tests_or(argument: &'static str, absent: Absent) -> Effect {
    Effect::Packages { argument, kind: UseKind::Queried, quoting: Quoting::Never, tests: true, absent }
}

const fn file(argument: &'static str, reads: Reads) -> Effect {
    Effect::File { argument, reads }
}

const fn apply(over: &'static str, function: &'static str) -> Effect {
    Effect::Apply { over, function }
}

const fn charset(argument: &'static str) -> Effect {
    Effect::Charset { argument }
}

const fn base(name: &'static str, formals: &'static [&'static str], effect: Effect) -> Function {
    Function { name, homes: &["base"], unqualified: Unqualified::Everywhere, formals, effect }
}

const fn utils(name: &'static str, formals: &'static [&'static str], effect: Effect) -> Function {
    Function { name, homes: &["utils"], unqualified: Unqualified::Everywhere, formals, effect }
}

/// A function of a package.
const fn of(
    homes: &'static [&'static str],
    name: &'static str,
    unqualified: Unqualified,
    formals: &'static [&'static str],
    effect: Effect,
) -> Function {
    Function { name, homes, unqualified, formals, effect }
}

const UNLESS_CHARACTER: Quoting = Quoting::Unless("character.only");

const LIBRARY: &[&str] = &[
    "package",
    "help",
    "pos",
    "lib.loc",
    "character.only",
    "logical.return",
    "warn.conflicts",
    "quietly",
    "verbose",
    "mask.ok",
    "exclude",
    "include.only",
    "attach.required",
];
const REQUIRE: &[&str] = &[
    "package",
    "lib.loc",
    "quietly",
    "warn.conflicts",
    "character.only",
    "mask.ok",
    "exclude",
    "include.only",
    "attach.required",
];

/// The function in the call that a chunk's options are turned into: not a plausible name of a real function.
pub(super) const CHUNK: &str = "{chunk}";

/// Every known function, with one row for each effect.
const FUNCTIONS: &[Function] = {
    use Quoting::{Always, Never};
    use Unqualified::{Attached, Everywhere, Quietly};
    &[
        // Loading.
        base(
            "library",
            LIBRARY,
            absent("package", UseKind::Attached, UNLESS_CHARACTER, Absent::FailsUnless("logical.return")),
        ),
        base("library", LIBRARY, packages("help", UseKind::Queried, UNLESS_CHARACTER)),
        base("require", REQUIRE, tests("package", UseKind::Attached, UNLESS_CHARACTER)),
        of(&["base"], "use", Quietly, &["package", "include.only"], packages("package", UseKind::Attached, Never)),
        base("requireNamespace", &["package", "...", "lib.loc", "quietly"], tests("package", UseKind::Loaded, Never)),
        base("loadNamespace", &["package", "lib.loc", "keep.source"], packages("package", UseKind::Loaded, Never)),
        base("attachNamespace", &["ns", "pos", "depends", "exclude"], packages("ns", UseKind::Attached, Never)),
        base("getNamespace", &["name"], packages("name", UseKind::Loaded, Never)),
        base("asNamespace", &["ns", "..."], packages("ns", UseKind::Loaded, Never)),
        base("getExportedValue", &["ns", "name"], packages("ns", UseKind::Loaded, Never)),
        base("getNamespaceExports", &["ns"], packages("ns", UseKind::Loaded, Never)),
        base("getNamespaceImports", &["ns"], packages("ns", UseKind::Loaded, Never)),
        base("getNamespaceInfo", &["ns", "which"], packages("ns", UseKind::Loaded, Never)),
        base("getNamespaceVersion", &["ns"], packages("ns", UseKind::Loaded, Never)),
        base("library.dynam", &["chname", "package", "lib.loc"], packages("package", UseKind::Loaded, Never)),
        base("::", &["pkg", "name"], packages("pkg", UseKind::Qualified, Always)),
        base(":::", &["pkg", "name"], packages("pkg", UseKind::Qualified, Always)),
        base(
            "options",
            &["...", "defaultPackages"],
            absent("defaultPackages", UseKind::Attached, Never, Absent::Returns),
        ),
        utils("getFromNamespace", &["x", "ns", "pos", "envir"], packages("ns", UseKind::Loaded, Never)),
        utils("assignInNamespace", &["x", "value", "ns", "pos"], packages("ns", UseKind::Loaded, Never)),
        utils("fixInNamespace", &["x", "ns", "pos"], packages("ns", UseKind::Loaded, Never)),
        // Querying.
        base(
            "system.file",
            &["...", "package", "lib.loc", "mustWork"],
            tests_or("package", Absent::ReturnsUnless("mustWork")),
        ),
        base(
            "find.package",
            &["package", "lib.loc", "quiet", "verbose"],
            tests_or("package", Absent::FailsUnless("quiet")),
        ),
        base(
            "path.package",
            &["package", "quiet"],
            absent("package", UseKind::Queried, Never, Absent::FailsUnless("quiet")),
        ),
        utils("data", &["...", "list", "package", "lib.loc", "verbose"], packages("package", UseKind::Queried, Never)),
        utils("vignette", &["topic", "package", "lib.loc", "all"], packages("package", UseKind::Queried, Never)),
        utils("browseVignettes", &["package", "lib.loc", "all"], packages("package", UseKind::Queried, Never)),
        utils("demo", &["topic", "package", "lib.loc", "character.only"], packages("package", UseKind::Queried, Never)),
        utils(
            "example",
            &["topic", "package", "lib.loc", "character.only"],
            packages("package", UseKind::Queried, Never),
        ),
        utils("help", &["topic", "package", "lib.loc"], packages("package", UseKind::Queried, Always)),
        utils("citation", &["package", "lib.loc", "auto"], packages("package", UseKind::Queried, Never)),
        utils("news", &["query", "package", "lib.loc"], absent("package", UseKind::Queried, Never, Absent::Returns)),
        utils("maintainer", &["pkg"], absent("pkg", UseKind::Queried, Never, Absent::Returns)),
        utils("packageVersion", &["pkg", "lib.loc"], packages("pkg", UseKind::Queried, Never)),
        utils("packageDate", &["pkg", "lib.loc"], absent("pkg", UseKind::Queried, Never, Absent::Returns)),
        utils(
            "packageDescription",
            &["pkg", "lib.loc", "fields"],
            absent("pkg", UseKind::Queried, Never, Absent::Returns),
        ),
        // Reading code.
        base("source", &["file", "local", "echo", "print.eval", "exprs"], file("file", Reads::Script)),
        base("sys.source", &["file", "envir", "chdir"], file("file", Reads::Script)),
        base("parse", &["file", "n", "text", "prompt"], Effect::Parse { file: "file", text: "text" }),
        base("str2lang", &["s"], Effect::Parse { file: "", text: "s" }),
        base("str2expression", &["text"], Effect::Parse { file: "", text: "text" }),
        base("readRDS", &["file", "refhook"], Effect::Objects { argument: "file" }),
        base("load", &["file", "envir", "verbose"], Effect::Objects { argument: "file" }),
        base("unserialize", &["connection", "refhook"], Effect::Objects { argument: "connection" }),
        of(&["readr"], "read_rds", Everywhere, &["file", "refhook"], Effect::Objects { argument: "file" }),
        of(&["qs", "qs2"], "qread", Everywhere, &["file"], Effect::Objects { argument: "" }),
        of(&["qs2"], "qs_read", Everywhere, &["file"], Effect::Objects { argument: "" }),
        base("dyn.load", &["x", "local", "now"], Effect::Load { argument: "x" }),
        // Converting text; `encoding` of readLines(), scan() and read.table() only marks it.
        base("iconv", &["x", "from", "to", "sub", "mark", "toRaw"], charset("from")),
        base("iconv", &["x", "from", "to", "sub", "mark", "toRaw"], charset("to")),
        base("file", &["description", "open", "blocking", "encoding", "method", "raw"], charset("encoding")),
        base("url", &["description", "open", "blocking", "encoding", "method", "headers"], charset("encoding")),
        base("gzfile", &["description", "open", "encoding", "compression"], charset("encoding")),
        base("bzfile", &["description", "open", "encoding", "compression"], charset("encoding")),
        base("xzfile", &["description", "open", "encoding", "compression"], charset("encoding")),
        base("pipe", &["description", "open", "encoding"], charset("encoding")),
        base("source", &["file", "...", "encoding"], charset("encoding")),
        base("scan", &["file", "...", "fileEncoding"], charset("fileEncoding")),
        utils("read.table", &["file", "...", "fileEncoding"], charset("fileEncoding")),
        utils("read.csv", &["file", "...", "fileEncoding"], charset("fileEncoding")),
        utils("read.csv2", &["file", "...", "fileEncoding"], charset("fileEncoding")),
        utils("read.delim", &["file", "...", "fileEncoding"], charset("fileEncoding")),
        utils("read.delim2", &["file", "...", "fileEncoding"], charset("fileEncoding")),
        utils("read.fwf", &["file", "...", "fileEncoding"], charset("fileEncoding")),
        utils("write.table", &["x", "file", "...", "fileEncoding"], charset("fileEncoding")),
        utils("write.csv", &["x", "file", "...", "fileEncoding"], charset("fileEncoding")),
        utils("write.csv2", &["x", "file", "...", "fileEncoding"], charset("fileEncoding")),
        // These convert with R's iconv(), haven with ReadStat and xml2 with libxml2, which call that of the C library.
        of(&["readr", "vroom"], "locale", Attached, &["...", "encoding"], charset("encoding")),
        of(&["haven"], "read_sas", Everywhere, &["data_file", "...", "encoding"], charset("encoding")),
        of(&["haven"], "read_sav", Everywhere, &["file", "encoding", "..."], charset("encoding")),
        of(&["haven"], "read_dta", Everywhere, &["file", "encoding", "..."], charset("encoding")),
        of(&["xml2"], "read_xml", Everywhere, &["x", "encoding", "..."], charset("encoding")),
        of(&["xml2"], "read_html", Everywhere, &["x", "encoding", "..."], charset("encoding")),
        // Calling.
        base("do.call", &["what", "args", "quote", "envir"], Effect::DoCall),
        base("lapply", &["X", "FUN", "..."], apply("X", "FUN")),
        base("sapply", &["X", "FUN", "...", "simplify"], apply("X", "FUN")),
        base("vapply", &["X", "FUN", "FUN.VALUE", "..."], apply("X", "FUN")),
        base("Map", &["f", "..."], apply("...", "f")),
        base("mapply", &["FUN", "...", "MoreArgs"], apply("...", "FUN")),
        base("Filter", &["f", "x"], apply("x", "f")),
        // Packages of the core distribution and others.
        of(&["parallel"], "parLapply", Everywhere, &["cl", "X", "fun", "..."], apply("X", "fun")),
        of(&["parallel"], "clusterApply", Everywhere, &["cl", "x", "fun", "..."], apply("x", "fun")),
        of(&["parallel"], "clusterCall", Everywhere, &["cl", "fun", "..."], apply("...", "fun")),
        of(&["parallel"], "mclapply", Everywhere, &["X", "FUN", "..."], apply("X", "FUN")),
        of(&["purrr"], "walk", Everywhere, &[".x", ".f", "..."], apply(".x", ".f")),
        of(&["purrr"], "map", Everywhere, &[".x", ".f", "..."], apply(".x", ".f")),
        of(&["purrr"], "map_lgl", Everywhere, &[".x", ".f", "..."], apply(".x", ".f")),
        of(&["foreach"], "foreach", Everywhere, &["...", ".packages"], packages(".packages", UseKind::Attached, Never)),
        of(&["rlang"], "is_installed", Everywhere, &["pkg", "..."], tests("pkg", UseKind::Queried, Never)),
        of(
            &["rlang"],
            "check_installed",
            Everywhere,
            &["pkg", "reason", "..."],
            packages("pkg", UseKind::Queried, Never),
        ),
        of(&["rlang"], "parse_expr", Everywhere, &["x"], Effect::Parse { file: "", text: "x" }),
        of(&["rlang"], "parse_exprs", Everywhere, &["x"], Effect::Parse { file: "", text: "x" }),
        of(&["fs"], "path_package", Everywhere, &["package", "..."], packages("package", UseKind::Queried, Never)),
        of(
            &["withr"],
            "with_package",
            Everywhere,
            &["package", "code", "pos", "lib.loc", "character.only"],
            packages("package", UseKind::Attached, Never),
        ),
        of(
            &["withr"],
            "local_package",
            Everywhere,
            &["package", "pos", "lib.loc", "character.only"],
            packages("package", UseKind::Attached, Never),
        ),
        of(&["withr"], "with_namespace", Everywhere, &["package", "code"], packages("package", UseKind::Loaded, Never)),
        of(&["withr"], "local_namespace", Everywhere, &["package"], packages("package", UseKind::Loaded, Never)),
        of(&["rlang"], "ns_env", Quietly, &["x"], packages("x", UseKind::Loaded, Never)),
        of(&["rlang"], "ns_exports", Quietly, &["ns"], packages("ns", UseKind::Loaded, Never)),
        of(
            &["Rcpp"],
            "cppFunction",
            Everywhere,
            &["code", "depends", "plugins"],
            packages("depends", UseKind::Queried, Never),
        ),
        of(&["Rcpp"], "evalCpp", Everywhere, &["code", "depends"], packages("depends", UseKind::Queried, Never)),
        of(&["xfun"], "loadable", Attached, &["pkg", "..."], tests("pkg", UseKind::Queried, Never)),
        of(&["xfun"], "pkg_attach", Everywhere, &["..."], packages("...", UseKind::Attached, Never)),
        of(&["xfun"], "pkg_attach2", Everywhere, &["..."], packages("...", UseKind::Attached, Never)),
        of(&["xfun"], "pkg_load", Everywhere, &["..."], packages("...", UseKind::Loaded, Never)),
        of(&["xfun"], "pkg_load2", Everywhere, &["..."], packages("...", UseKind::Loaded, Never)),
        of(
            &["pacman"],
            "p_load",
            Everywhere,
            &["...", "char", "install", "update", "character.only"],
            absent("...", UseKind::Attached, UNLESS_CHARACTER, Absent::Returns),
        ),
        of(
            &["pacman"],
            "p_load",
            Everywhere,
            &["...", "char", "install", "update", "character.only"],
            absent("char", UseKind::Attached, Never, Absent::Returns),
        ),
        of(&["easypackages"], "libraries", Attached, &["..."], packages("...", UseKind::Attached, Never)),
        of(
            &["librarian"],
            "shelf",
            Attached,
            &["...", "lib", "update_all"],
            packages("...", UseKind::Attached, Always),
        ),
        of(&["box"], "use", Attached, &["..."], Effect::Box),
        of(&["import"], "from", Attached, &[".from", "...", ".character_only"], Effect::Import { argument: ".from" }),
        of(&["import"], "here", Attached, &[".from", "...", ".character_only"], Effect::Import { argument: ".from" }),
        of(
            &["import"],
            "into",
            Attached,
            &[".into", "...", ".from", ".character_only"],
            Effect::Import { argument: ".from" },
        ),
        of(&["modules"], "import", Attached, &["from", "..."], packages("from", UseKind::Attached, Always)),
        of(&["modules"], "use", Attached, &["module", "..."], file("module", Reads::Script)),
        of(&["rmarkdown"], "render", Attached, &["input", "..."], file("input", Reads::Document)),
        of(&["rmarkdown"], "run", Attached, &["file", "..."], file("file", Reads::Document)),
        of(&["quarto"], "quarto_render", Everywhere, &["input", "..."], file("input", Reads::Document)),
        of(&["knitr"], "knit", Attached, &["input", "..."], file("input", Reads::Document)),
        of(&["knitr"], "knit_child", Everywhere, &["input", "..."], file("input", Reads::Document)),
        of(&["knitr"], "purl", Attached, &["input", "..."], file("input", Reads::Document)),
        of(&["knitr"], "spin", Attached, &["hair", "..."], file("hair", Reads::Script)),
        of(&["knitr"], "read_chunk", Everywhere, &["path", "..."], file("path", Reads::Script)),
        of(&["plumber"], "plumb", Everywhere, &["file", "dir"], file("file", Reads::Script)),
        of(&["plumber"], "pr", Attached, &["file", "..."], file("file", Reads::Script)),
        of(&["callr"], "rscript", Attached, &["script", "..."], file("script", Reads::Script)),
        // The options of a chunk, turned into a call.
        of(&[], CHUNK, Quietly, &["...", "child", "file", "code"], file("child", Reads::Document)),
        of(&[], CHUNK, Quietly, &["...", "child", "file", "code"], file("file", Reads::Script)),
        of(&[], CHUNK, Quietly, &["...", "child", "file", "code"], Effect::Parse { file: "", text: "code" }),
    ]
};

/// The functions of this name.
pub(super) fn named(name: &str) -> impl Iterator<Item = &'static Function> + use<'_> {
    FUNCTIONS.iter().filter(move |function| function.name == name)
}

/// Whether a function of this name takes the name of a package.
pub(in crate::languages::r) fn names_packages(name: &str) -> bool {
    named(name).any(|known| matches!(known.effect, Effect::Packages { .. } | Effect::Box | Effect::Import { .. }))
}

/// Whether the result of a function of this name tells whether a package is installed.
pub(in crate::languages::r) fn tests_for_packages(name: &str) -> bool {
    named(name).any(|known| matches!(known.effect, Effect::Packages { tests: true, .. }))
}

/// Whether a function of this name calls one that is passed on to it.
pub(in crate::languages::r) fn passes_on(name: &str) -> bool {
    named(name).any(|known| matches!(known.effect, Effect::DoCall | Effect::Apply { .. }))
}

/// Whether a function of this name parses text as code.
pub(in crate::languages::r) fn parses(name: &str) -> bool {
    named(name).any(|known| matches!(known.effect, Effect::Parse { .. }))
}

/// An argument of a call.
#[derive(Clone)]
pub(super) struct Argument<'t> {
    pub(super) name: Option<String>,
    /// The value; `None` for an empty argument.
    pub(super) value: Option<Cursor<'t>>,
}

/// The arguments of a call, in source order.
pub(super) fn arguments(call: Cursor<'_>) -> Vec<Argument<'_>> {
    let mut arguments = Vec::new();
    // `f(, a)` has an empty first argument.
    let mut empty = true;
    for child in call.field("arguments").map(Cursor::children).unwrap_or_default() {
        match child.kind() {
            "argument" => {
                let name = child.field("name").and_then(Cursor::name_or_string);
                arguments.push(Argument { name, value: child.field("value") });
                empty = false;
            }
            "comma" => {
                if empty {
                    arguments.push(Argument { name: None, value: None });
                }
                empty = true;
            }
            _ => {}
        }
    }
    arguments
}

/// Arguments matched to a function's formal arguments.
pub(super) struct Matched<'t> {
    formals: &'static [&'static str],
    values: Vec<Option<Cursor<'t>>>,
    /// What matched nothing else.
    pub(super) dots: Vec<Argument<'t>>,
}

impl<'t> Matched<'t> {
    /// Matches as R does (R Language Definition, 4.3.2): exact names, then partial names before `...`, then positions.
    pub(super) fn new(formals: &'static [&'static str], arguments: Vec<Argument<'t>>) -> Self {
        let mut values: Vec<Option<Option<Cursor<'t>>>> = vec![None; formals.len()];
        let before_dots = formals.iter().position(|formal| *formal == "...").unwrap_or(formals.len());
        let mut left = Vec::new();
        for argument in arguments {
            let exact = |name: &String| formals.iter().position(|formal| formal == name && *formal != "...");
            match argument.name.as_ref().and_then(exact).filter(|at| values[*at].is_none()) {
                Some(at) => values[at] = Some(argument.value),
                None => left.push(argument),
            }
        }
        let mut dots = Vec::new();
        let mut unnamed = Vec::new();
        for argument in left {
            let Some(name) = &argument.name else {
                unnamed.push(argument);
                continue;
            };
            let mut partial =
                (0..before_dots).filter(|at| values[*at].is_none() && formals[*at].starts_with(name.as_str()));
            match (partial.next().filter(|_| !name.is_empty()), partial.next()) {
                (Some(at), None) => values[at] = Some(argument.value),
                _ => dots.push(argument),
            }
        }
        let mut open = (0..before_dots).filter(|at| values[*at].is_none()).collect::<Vec<_>>().into_iter();
        for argument in unnamed {
            match open.next() {
                Some(at) => values[at] = Some(argument.value),
                None => dots.push(argument),
            }
        }
        Self { formals, values: values.into_iter().map(Option::flatten).collect(), dots }
    }

    /// The values that a function is applied to: a formal argument or, for `...`, the first unnamed argument.
    pub(super) fn over(&self, formal: &str) -> Option<Cursor<'t>> {
        if formal != "..." {
            return self.get(formal);
        }
        let unnamed = self.dots.iter().find(|argument| argument.name.is_none());
        unnamed.or(self.dots.first()).and_then(|argument| argument.value)
    }

    /// The value of a formal argument.
    pub(super) fn get(&self, formal: &str) -> Option<Cursor<'t>> {
        self.formals.iter().position(|name| *name == formal).and_then(|at| self.values[at])
    }
}
