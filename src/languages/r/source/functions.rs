//! The functions that load packages or read code, and how R matches what they are called with.
//!
//! Formal arguments are those of R 4.5 and of the packages' current releases, as far as they decide which argument is
//! which.

use super::tree::Cursor;
use super::{Reads, UseKind};

/// A function that is known.
#[derive(Debug)]
pub(super) struct Function {
    pub(super) name: &'static str,
    /// The packages that it can be taken from by `::`.
    pub(super) homes: &'static [&'static str],
    /// Where it also counts without `::`.
    pub(super) unqualified: Unqualified,
    pub(super) formals: &'static [&'static str],
    pub(super) effect: Effect,
}

/// Where a function counts when it is called by its name alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unqualified {
    /// Everywhere: it is R's own, or nothing else has the name.
    Everywhere,
    /// Everywhere, but the name is so common that what is unclear about a call is not said.
    Quietly,
    /// Where the source attaches a package that has it.
    Attached,
}

/// What a function does with an argument.
#[derive(Debug, Clone, Copy)]
pub(super) enum Effect {
    /// Loads or asks for the packages named by an argument; `...` stands for all arguments that match nothing else.
    Packages { argument: &'static str, kind: UseKind, quoting: Quoting, tests: bool },
    /// Reads a file.
    File { argument: &'static str, reads: Reads },
    /// Reads a file of code, or code that is written in a string, without running it: `parse()`.
    Parse { file: &'static str, text: &'static str },
    /// Calls a function for each value.
    Apply { over: &'static str, function: &'static str },
    /// `do.call()`
    DoCall,
    /// `box::use()`
    Box,
    /// `import::from()` and its like: the argument names a package or a script.
    Import { argument: &'static str },
    /// Loads a library by path.
    Load { argument: &'static str },
}

/// Whether an argument is taken as it is written (`library(httr)`) or for its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Quoting {
    /// For its value.
    Never,
    /// As it is written.
    Always,
    /// As it is written, unless this argument is TRUE.
    Unless(&'static str),
}

const fn packages(argument: &'static str, kind: UseKind, quoting: Quoting) -> Effect {
    Effect::Packages { argument, kind, quoting, tests: false }
}

/// A function whose result says whether a package is there.
const fn tests(argument: &'static str, kind: UseKind, quoting: Quoting) -> Effect {
    Effect::Packages { argument, kind, quoting, tests: true }
}

const fn file(argument: &'static str, reads: Reads) -> Effect {
    Effect::File { argument, reads }
}

const fn apply(over: &'static str, function: &'static str) -> Effect {
    Effect::Apply { over, function }
}

const fn base(name: &'static str, formals: &'static [&'static str], effect: Effect) -> Function {
    Function { name, homes: &["base"], unqualified: Unqualified::Everywhere, formals, effect }
}

const fn utils(name: &'static str, formals: &'static [&'static str], effect: Effect) -> Function {
    Function { name, homes: &["utils"], unqualified: Unqualified::Everywhere, formals, effect }
}

/// A function of a package, which counts bare as said.
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

/// The name that the options of a chunk are made a call of: no name that a function can easily have.
pub(super) const CHUNK: &str = "{chunk}";

/// Every function that is known; a function has a row for each thing that it does.
const FUNCTIONS: &[Function] = {
    use Quoting::{Always, Never};
    use Unqualified::{Attached, Everywhere, Quietly};
    &[
        // Loading.
        base("library", LIBRARY, packages("package", UseKind::Attached, UNLESS_CHARACTER)),
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
        base("options", &["...", "defaultPackages"], packages("defaultPackages", UseKind::Attached, Never)),
        utils("getFromNamespace", &["x", "ns", "pos", "envir"], packages("ns", UseKind::Loaded, Never)),
        utils("assignInNamespace", &["x", "value", "ns", "pos"], packages("ns", UseKind::Loaded, Never)),
        utils("fixInNamespace", &["x", "ns", "pos"], packages("ns", UseKind::Loaded, Never)),
        // Asking.
        base("system.file", &["...", "package", "lib.loc", "mustWork"], tests("package", UseKind::Queried, Never)),
        base("find.package", &["package", "lib.loc", "quiet", "verbose"], tests("package", UseKind::Queried, Never)),
        base("path.package", &["package", "quiet"], packages("package", UseKind::Queried, Never)),
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
        utils("news", &["query", "package", "lib.loc"], packages("package", UseKind::Queried, Never)),
        utils("maintainer", &["pkg"], packages("pkg", UseKind::Queried, Never)),
        utils("packageVersion", &["pkg", "lib.loc"], packages("pkg", UseKind::Queried, Never)),
        utils("packageDate", &["pkg", "lib.loc"], packages("pkg", UseKind::Queried, Never)),
        utils("packageDescription", &["pkg", "lib.loc", "fields"], packages("pkg", UseKind::Queried, Never)),
        // Code that is read.
        base("source", &["file", "local", "echo", "print.eval", "exprs"], file("file", Reads::Script)),
        base("sys.source", &["file", "envir", "chdir"], file("file", Reads::Script)),
        base("parse", &["file", "n", "text", "prompt"], Effect::Parse { file: "file", text: "text" }),
        base("str2lang", &["s"], Effect::Parse { file: "", text: "s" }),
        base("str2expression", &["text"], Effect::Parse { file: "", text: "text" }),
        base("dyn.load", &["x", "local", "now"], Effect::Load { argument: "x" }),
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
            packages("...", UseKind::Attached, UNLESS_CHARACTER),
        ),
        of(
            &["pacman"],
            "p_load",
            Everywhere,
            &["...", "char", "install", "update", "character.only"],
            packages("char", UseKind::Attached, Never),
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
        // The options of a chunk, which are made a call.
        of(&[], CHUNK, Quietly, &["...", "child", "file", "code"], file("child", Reads::Document)),
        of(&[], CHUNK, Quietly, &["...", "child", "file", "code"], file("file", Reads::Script)),
        of(&[], CHUNK, Quietly, &["...", "child", "file", "code"], Effect::Parse { file: "", text: "code" }),
    ]
};

/// The functions of this name.
pub(super) fn named(name: &str) -> impl Iterator<Item = &'static Function> + use<'_> {
    FUNCTIONS.iter().filter(move |function| function.name == name)
}

/// An argument of a call.
#[derive(Clone)]
pub(super) struct Argument<'t> {
    pub(super) name: Option<String>,
    /// What is handed over; nothing where it is left empty.
    pub(super) value: Option<Cursor<'t>>,
}

/// The arguments of a call as they are written.
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

/// Arguments that were matched to a function's formal ones.
pub(super) struct Matched<'t> {
    formals: &'static [&'static str],
    values: Vec<Option<Cursor<'t>>>,
    /// What matched nothing else.
    pub(super) dots: Vec<Argument<'t>>,
}

impl<'t> Matched<'t> {
    /// Matches as R does (R Language Definition, 4.3.2): whole names, then beginnings of names before `...`, then order.
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
            let mut begun =
                (0..before_dots).filter(|at| values[*at].is_none() && formals[*at].starts_with(name.as_str()));
            match (begun.next().filter(|_| !name.is_empty()), begun.next()) {
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

    /// What a function is called with each of: a formal argument or, for `...`, the first that has no name.
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
