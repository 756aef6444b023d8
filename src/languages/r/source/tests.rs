//! Small sources, each with what is found in it and what must not be.

use std::collections::{BTreeMap, BTreeSet};

use super::*;

#[test]
fn functions_have_other_names_and_calls_are_made() {
    let read = |text: &str| Source::parse(Kind::Script, text.as_bytes()).expect("read");
    for text in ["l <- library; l(glue)", "f <- loadNamespace\nf('glue')", "eval(call('library', 'glue'))"] {
        let source = read(text);
        assert_eq!(source.uses.iter().map(|used| used.package.as_str()).collect::<Vec<_>>(), ["glue"], "{text}");
        assert_eq!(source.dynamic, [], "{text}");
    }
    let files = read("x <- readLines('/opt/local/lib64/R/library/glue/DESCRIPTION')").files;
    assert_eq!(files, [(1, "/opt/local/lib64/R/library/glue/DESCRIPTION".to_owned())]);
    assert_eq!(read("system('Rscript -e \"library(glue)\"')").dynamic.len(), 1);
}

#[test]
fn what_reads_saved_objects_is_followed_or_reported() {
    let read = |text: &str| Source::parse(Kind::Script, text.as_bytes()).expect("read");
    for text in ["m <- readRDS('m.rds')", "load('m.rds')", "readr::read_rds('m.rds')", "p <- 'm.rds'; readRDS(p)"] {
        let source = read(text);
        let follows: Vec<_> = source.follows.iter().map(|it| (it.path.as_str(), it.reads)).collect();
        assert_eq!(follows, [("m.rds", Reads::Objects)], "{text}");
        assert_eq!(source.dynamic, [], "{text}");
    }
    for text in
        ["readRDS(path)", "load(file)", "unserialize(x)", "readRDS(url('https://a/m.rds'))", "qs::qread('m.qs')"]
    {
        assert_eq!(read(text).dynamic.len(), 1, "{text}");
    }
    assert_eq!(read("readRDS(system.file('a.rds', package = 'glue'))").dynamic, []);
    assert_eq!(read("load <- function(x) x; load(y)").dynamic, []);
}

fn read(kind: Kind, text: &str) -> Source {
    Source::parse(kind, text.as_bytes()).expect("a source")
}

/// `line:package` of a script, with `?` after optional ones.
fn uses(text: &str) -> Vec<String> {
    shown(&read(Kind::Script, text))
}

fn shown(source: &Source) -> Vec<String> {
    let show = |one: &Use| format!("{}:{}{}", one.line, one.package, if one.optional { "?" } else { "" });
    source.uses.iter().map(show).collect()
}

/// The package names of a script without anything dynamic.
fn names(text: &str) -> Vec<String> {
    let source = read(Kind::Script, text);
    assert_eq!(source.dynamic, [], "{text}");
    source.uses.into_iter().map(|one| one.package).collect()
}

/// Package names of a script with their kind of use.
fn hows(text: &str) -> Vec<(String, UseKind)> {
    read(Kind::Script, text).uses.into_iter().map(|one| (one.package, one.kind)).collect()
}

/// The lines of what is dynamic in a script.
fn dynamic(text: &str) -> Vec<usize> {
    read(Kind::Script, text).dynamic.into_iter().map(|one| one.line).collect()
}

fn follows(text: &str) -> Vec<String> {
    read(Kind::Script, text).follows.into_iter().map(|one| one.path).collect()
}

/// Each script uses the packages aa, bb, cc … in this order of names, and nothing of it is dynamic.
fn each_uses(scripts: &[(&str, &str)]) {
    for (script, expected) in scripts {
        let expected: Vec<&str> = expected.split_whitespace().collect();
        assert_eq!(names(script), expected, "{script}");
    }
}

/// None of the scripts uses a package, and nothing of them is dynamic.
fn none_uses(scripts: &[&str]) {
    for script in scripts {
        let found = Source { names: BTreeSet::new(), calls: BTreeMap::new(), ..read(Kind::Script, script) };
        assert_eq!(found, Source::default(), "{script}");
    }
}

#[test]
fn packages_are_found_by_name_and_by_string() {
    each_uses(&[
        ("library(aa)", "aa"),
        ("library('aa')", "aa"),
        ("library(`aa`)", "aa"),
        ("library(r\"(aa)\")", "aa"),
        ("library(\"a\\x61\")", "aa"),
        ("library(package = aa)", "aa"),
        ("library(pack = aa)", "aa"),
        ("library(quietly = TRUE, aa)", "aa"),
        ("library(aa, lib.loc = \"/x\", warn = FALSE)", "aa"),
        ("library(help = aa)", "aa"),
        ("base::library(aa)", "aa base"),
        ("require(aa); require(\"bb\")", "aa bb"),
        ("suppressPackageStartupMessages(library(aa))", "aa"),
        ("f <- function() { library(aa) }", "aa"),
        ("library(aa, character.only = FALSE)", "aa"),
        ("library(\"aa\", character.only = TRUE)", "aa"),
        ("\"aa\" |> library(character.only = TRUE)", "aa"),
        ("\"library\"(aa)", "aa"),
        ("library(data.table); library(R6)", "R6 data.table"),
        ("local({ x = 5; library(aa) -> y })", "aa"),
        ("\\(x) library(aa)", "aa"),
        ("attachNamespace('aa')", "aa"),
        ("use('aa', c('f', 'g'))", "aa"),
        ("options(stringsAsFactors = FALSE, defaultPackages = c('aa', 'bb'))", "aa bb"),
        ("foreach(i = 1:3, .packages = c('aa', 'bb')) %dopar% i", "aa bb"),
    ]);
}

#[test]
fn every_way_to_use_a_package_is_told_apart() {
    let named = |name: &str, kind| vec![(name.to_owned(), kind)];
    for (script, kind) in [
        ("library(aa)", UseKind::Attached),
        ("requireNamespace('aa')", UseKind::Loaded),
        ("loadNamespace('aa')", UseKind::Loaded),
        ("getNamespace('aa')", UseKind::Loaded),
        ("asNamespace('aa')", UseKind::Loaded),
        ("getFromNamespace('f', 'aa')", UseKind::Loaded),
        ("aa::f", UseKind::Qualified),
        ("aa:::f(1)", UseKind::Qualified),
        ("'aa'::f", UseKind::Qualified),
        ("`aa`::`f g`()", UseKind::Qualified),
        ("x |> aa::f()", UseKind::Qualified),
        ("`::`(aa, f)", UseKind::Qualified),
        ("aa::x$y[[1]]@z", UseKind::Qualified),
        ("system.file('x', package = 'aa')", UseKind::Queried),
        ("data(x, package = 'aa')", UseKind::Queried),
        ("vignette('x', package = 'aa')", UseKind::Queried),
        ("help(package = aa)", UseKind::Queried),
        ("help(f, aa)", UseKind::Queried),
        ("packageVersion('aa')", UseKind::Queried),
        ("citation('aa')", UseKind::Queried),
    ] {
        assert_eq!(hows(script), named("aa", kind), "{script}");
    }
    assert_eq!(
        hows("utils::getFromNamespace('f', ns = 'aa')"),
        [("aa".to_owned(), UseKind::Loaded), ("utils".to_owned(), UseKind::Qualified)]
    );
}

#[test]
fn what_only_looks_like_a_use_is_none() {
    none_uses(&[
        "# library(aa)",
        "'library(aa)'",
        "x <- \"aa::f\"",
        "r\"(library(aa))\"",
        "#' @import aa\n#' @importFrom bb f",
        "x$library(aa)",
        "x@library(aa)",
        "x$aa$f",
        "y ~ aa",
        "a:b",
        "library",
        "library()",
        "data(aa)",
        "data()",
        "system.file('aa')",
        "lib.rary(aa); mylibrary(aa)",
        "`library aa`",
        "f(library = aa)",
        "file.path(library, 'aa')",
        "list(library = function(x) x)",
        "library <- function(x) x\nlibrary(aa)",
        "source <- function(f) f\nsource(x)",
        "use(aa)\nuse(x, y)",
        "get(x); get('f', envir = e); match.fun(f); do.call(f, x); do.call('rbind', x)",
        "parse(text = x)",
        "eval(quote(x)); eval(x)",
        "lapply(x, f); sapply(x, function(y) y); map(x, ~ .x)",
        "filter(d, source == 'x', require)",
        "isNamespaceLoaded('aa'); 'package:aa' %in% search()",
        "detach('package:aa')",
        "if (x) 1 else 2",
        "render(x); knit(x); pr(x); loadable(x)",
        "",
        "#!/usr/bin/env Rscript\n",
    ]);
    // Another package's function of the name.
    assert_eq!(names("foo::library(aa)"), ["foo"]);
    // One's own that hands on to R's is R's.
    assert_eq!(uses("library <- function(...) base::library(...)\nlibrary(aa)\n"), ["1:base", "2:aa"]);
}

#[test]
fn lines_are_counted_from_one_and_uses_are_in_their_order() {
    assert_eq!(
        uses("# x\nlibrary(zz); bb::f(aa::g)\n\nlibrary(\n  cc\n)\nbb::f; bb::f\n"),
        ["2:aa", "2:bb", "2:zz", "4:cc", "7:bb"]
    );
    assert_eq!(uses("library(aa)\r\nlibrary(bb)\rlibrary(cc)"), ["1:aa", "2:bb", "3:cc"]);
}

#[test]
fn constants_are_followed() {
    each_uses(&[
        ("p <- 'aa'; library(p, character.only = TRUE)", "aa"),
        ("'aa' -> p; requireNamespace(p)", "aa"),
        ("p = c('aa', 'bb'); for (q in p) library(q, character.only = TRUE)", "aa bb"),
        ("for (p in c('aa', 'bb')) library(p, char = T)", "aa bb"),
        ("for (p in c('aa', 'bb')) { if (x) next; require(p, character.only = TRUE) }", "aa bb"),
        ("lapply(c('aa', 'bb'), library, character.only = TRUE)", "aa bb"),
        ("ps <- c(a = 'aa', b = 'bb')\nsapply(ps, require, character.only = TRUE)", "aa bb"),
        ("invisible(lapply(FUN = library, X = list('aa', 'bb'), character.only = TRUE))", "aa bb"),
        ("lapply(c('aa', 'bb'), function(p) library(p, character.only = TRUE))", "aa bb"),
        ("c('aa', 'bb') |> lapply(\\(p) requireNamespace(p))", "aa bb"),
        ("c('aa', 'bb') %>% purrr::walk(~ library(.x, character.only = TRUE))", "aa bb purrr"),
        ("walk(c('aa'), base::library, character.only = TRUE)", "aa base"),
        ("ps <- c('aa', 'bb')\nfor (i in seq_along(ps)) library(ps[i], character.only = TRUE)", "aa bb"),
        ("ps <- c('aa', 'bb')\nlapply(ps[!x], loadNamespace)", "aa bb"),
        ("a <- 'aa'; b <- c(a, 'bb'); vapply(unique(b), requireNamespace, logical(1))", "aa bb"),
        ("f <- function(p) p\np <- 'aa'\nlibrary(p, character.only = TRUE)", "aa"),
        ("p <- 'aa'\nf <- function() library(p, character.only = TRUE)", "aa"),
        ("library(paste0('a', 'a'), character.only = TRUE)", "aa"),
        ("library(paste('data', 'table', sep = '.'), character.only = TRUE)", "data.table"),
        ("mapply(library, c('aa', 'bb'), character.only = TRUE)", "aa bb"),
        ("do.call('library', list('aa')); do.call(require, list(package = 'bb'))", "aa bb"),
        ("do.call(library, list(\"aa\", character.only = TRUE))", "aa"),
        ("do.call('::', list('aa', 'f'))", "aa"),
        ("do.call('p_load', as.list(c('aa', 'bb')))", "aa bb"),
        ("clusterCall(cl, library, 'aa', character.only = TRUE)", "aa"),
        ("(function() library(aa))()", "aa"),
        ("p <- NULL", ""),
        ("requireNamespace(NULL)", ""),
    ]);
}

#[test]
fn what_is_no_constant_is_unseen_with_its_line() {
    for script in [
        "\nlibrary(p, character.only = TRUE)",
        "p <- 'aa'; p <- 'bb'\nlibrary(p, character.only = TRUE)",
        "p <- c('aa'); p[2] <- 'bb'\nlapply(p, library, character.only = TRUE)",
        "p <- 'aa'; assign('p', x)\nlibrary(p, character.only = TRUE)",
        "p <- 'aa'\nf <- function(p) library(p, character.only = TRUE)",
        "for (p in c('aa', 'bb')) { p <- f(p)\nlibrary(p, character.only = TRUE) }",
        "f <- function() p <- 'aa'\nlibrary(p, character.only = TRUE)",
        "p <- p\nlibrary(p, character.only = TRUE)",
        "a <- b; b <- a\nrequireNamespace(a)",
        "p <- readLines(f)\nfor (q in p) require(q, character.only = TRUE)",
        "\nlibrary(aa, character.only = x)",
        "\nrequireNamespace(p)",
        "\nloadNamespace(p)",
        "\ngetFromNamespace('f', p)",
        "\nsystem.file('x', package = p)",
        "\ndo.call('library', p)",
        "\ndo.call(paste0('a', x), list())",
        "\neval(parse(text = x))",
        "eval(x)\nx <- parse(text = y)",
        "\neval(str2lang(x))",
        "\neval(str2expression(paste0('a', b)))",
        "\neval(parse(file = x))",
        "\nget(paste0(p, '::', f))",
        "\nmatch.fun(sprintf('%s::%s', p, f))",
        "\nsource(x)",
        "\nsource(file.path(d, 'x.R'))",
        "\nlapply(list.files('R'), source)",
        "\nfor (f in list.files('R')) source(f)",
        "\nsource('https://example.com/x.R')",
        "\ndyn.load(x)",
        "\nlibrary(`a b`)",
        "\nlibrary(x)",
        "\nlibrary(aa.)",
        "\nlibrary(paste0(a, b))",
        "\nbase::use(p)",
        "\nimport::from(p, f, .character_only = TRUE)",
        "\nbox::use(f(x))",
        "\nx <- )",
        "\nlibrary(aa",
        "\n'not closed",
    ] {
        let lines = dynamic(script);
        let of_box = script.contains("box") || script.contains("import");
        let found = read(Kind::Script, script);
        let expected =
            if script.starts_with("p <- readLines") || !lines.is_empty() { vec![2; lines.len()] } else { vec![2] };
        assert_eq!(lines, expected, "{script}: {found:?}");
        assert!(!lines.is_empty(), "{script}");
        let uses = usize::from(of_box || script.contains("base::") || script.ends_with("library(aa"));
        assert_eq!(found.uses.len(), uses, "{script}: {found:?}");
    }
    let source =
        read(Kind::Script, "x\nlibrary(paste0(a, b), character.only = TRUE) # and so on and on and on and on and on\n");
    assert_eq!(source.dynamic[0].what, "library(paste0(a, b), character.only = TRUE)");
    assert_eq!(source.dynamic[0].why, "the package's name is computed");
}

#[test]
fn code_in_constant_strings_is_read() {
    each_uses(&[
        ("eval(parse(text = 'aa::f(1)'))", "aa"),
        ("eval(parse(text = c('library(aa)', \"requireNamespace('bb')\")))", "aa bb"),
        ("eval(str2lang('aa::f'))", "aa"),
        ("t <- 'aa::f'\neval(str2expression(t))", "aa"),
        ("eval(rlang::parse_expr('aa::f()'))", "aa rlang"),
        ("eval(parse(text = 'eval(parse(text = \"aa::f\"))'))", "aa"),
    ]);
    assert_eq!(uses("x\neval(parse(text = 'a\nlibrary(aa)'))"), ["2:aa"]);
    let mut deep = "aa::f".to_owned();
    for _ in 0..5 {
        deep = format!("eval(parse(text = {deep:?}))");
    }
    assert_eq!(dynamic(&deep), [1]);
}

#[test]
fn functions_of_other_packages_are_known() {
    each_uses(&[
        ("box::use(aa)", "aa box"),
        ("box::use(aa[f, g], x = bb, y = cc[...])", "aa bb box cc"),
        ("box::use(\n  aa,\n)", "aa box"),
        ("import::from(aa, f)", "aa import"),
        ("import::from('aa (>= 1.0)', f); import::into('env', f, .from = bb)", "aa bb import"),
        ("pacman::p_load(aa, 'bb')", "aa bb pacman"),
        ("p_load(aa, char = c('bb', 'cc'), install = FALSE)", "aa bb cc"),
        ("p_load(p, character.only = TRUE); p <- c('aa', 'bb')", "aa bb"),
        ("xfun::pkg_attach('aa', c('bb', 'cc'))", "aa bb cc xfun"),
        ("librarian::shelf(aa, user/bb)", "aa bb librarian"),
        ("modules::import('aa'); modules::import(bb, f)", "aa bb modules"),
        ("rlang::check_installed('aa')", "aa rlang"),
        // By their names alone where the package is attached.
        ("library(librarian); shelf(aa)", "aa librarian"),
        ("library(modules); use('x.R')", "modules"),
        ("library(easypackages); libraries('aa', 'bb')", "aa bb easypackages"),
    ]);
    assert_eq!(
        follows("box::use(./one, ../two/three[f], a = four/five, ./six[g, h = i])"),
        ["../two/three", "./one", "./six", "four/five"]
    );
    assert!(read(Kind::Script, "box::use(./one)").follows.iter().all(|one| one.reads == Reads::Module));
    assert_eq!(follows("import::from('lib/x.R', f)"), ["lib/x.R"]);
    assert_eq!(follows("library(modules); use('x.R')"), ["x.R"]);
}

#[test]
fn files_are_followed() {
    for (script, path) in [
        ("source('x.R')", "x.R"),
        ("source(file = \"R/x.R\", local = TRUE)", "R/x.R"),
        ("sys.source('x.R', envir = e)", "x.R"),
        ("base::source('x.R')", "x.R"),
        ("source(file.path('R', 'x.R'))", "R/x.R"),
        ("source(here::here('R', 'x.R'))", "R/x.R"),
        ("source(here('R/x.R'))", "R/x.R"),
        ("source(paste0('R/', 'x', '.R'))", "R/x.R"),
        ("d <- 'R'\nsource(file.path(d, 'x.R'), chdir = TRUE)", "R/x.R"),
        ("source(file.path(Sys.getenv('LAMBDA_TASK_ROOT'), 'x.R'))", "/var/task/x.R"),
        ("source(file.path(getwd(), 'x.R'))", "./x.R"),
        ("source(file('x.R', encoding = 'UTF-8'))", "x.R"),
        ("eval(parse('x.R'))", "x.R"),
        ("eval(parse(text = readLines('x.R')))", "x.R"),
        ("rmarkdown::render('x.Rmd')", "x.Rmd"),
        ("library(rmarkdown); render('x.Rmd', quiet = TRUE)", "x.Rmd"),
        ("plumber::plumb('api.R')", "api.R"),
        ("callr::rscript('x.R')", "x.R"),
        ("knitr::read_chunk('x.R')", "x.R"),
    ] {
        assert_eq!(follows(script), [path], "{script}");
        assert_eq!(dynamic(script), [0; 0], "{script}");
    }
    assert_eq!(follows("for (f in c('a.R', 'b.R')) source(f)\nlapply(c('c.R'), source)"), ["a.R", "b.R", "c.R"]);
    let source = read(Kind::Script, "if (file.exists('x')) try(source('a.R'))\nsource('b.R')");
    let optional: Vec<bool> = source.follows.iter().map(|one| one.optional).collect();
    assert_eq!(optional, [true, false]);
}

#[test]
fn what_is_tested_for_is_optional() {
    for script in [
        "if (requireNamespace('aa', quietly = TRUE)) aa::f()",
        "if (suppressWarnings(require(aa))) { x; aa::f() } else { y }",
        "if (!requireNamespace('aa')) { x } else aa::f()",
        "if (!require(aa)) message('no aa')",
        "if (x && requireNamespace('aa') && aa::f()) y",
        "requireNamespace('aa') && aa::f()",
        "!requireNamespace('aa') || aa::f()",
        "ok <- requireNamespace('aa', quietly = TRUE)\nif (ok) aa::f()",
        "has <- function() requireNamespace('aa', quietly = TRUE)\nif (has()) aa::f()",
        "f <- function() { if (!requireNamespace('aa')) return(NULL)\naa::f() }",
        "for (i in x) { if (!requireNamespace('aa')) { message('no'); next }\naa::f() }",
        "if (nzchar(system.file(package = 'aa'))) library(aa)",
        "if (system.file(package = 'aa') != '') library(aa)",
        "if (isFALSE(requireNamespace('aa'))) x else aa::f()",
        "if (requireNamespace('aa') == FALSE) x else aa::f()",
        "if ('aa' %in% rownames(installed.packages())) library(aa)",
        "if (rlang::is_installed('aa')) aa::f()",
        "if (all(sapply(c('aa'), requireNamespace, quietly = TRUE))) aa::f()",
        "try(library(aa))",
        "try(library(aa), silent = TRUE)",
        "tryCatch(library(aa), error = function(e) NULL)",
        "tryCatch({ aa::f(aa::g()) }, finally = x, condition = identity)",
        "if (FALSE) library(aa)",
        "if (interactive()) library(aa)",
        "if (!interactive()) x else library(aa)",
    ] {
        let found = read(Kind::Script, script);
        let certain: Vec<&Use> = found.uses.iter().filter(|one| !one.optional && one.package == "aa").collect();
        assert!(certain.is_empty(), "{script}: {certain:?}");
        assert!(found.uses.iter().any(|one| one.package == "aa"), "{script}");
    }
}

#[test]
fn what_ends_the_program_or_is_not_tested_for_is_needed() {
    for script in [
        "library(aa)",
        "require(aa)",
        "suppressWarnings(require(aa))",
        "requireNamespace('aa')",
        "if (x) library(aa)",
        "if (requireNamespace('bb')) aa::f()",
        "if (requireNamespace('aa')) x else aa::f()",
        "if (requireNamespace('aa')) x\naa::f()",
        "if (!requireNamespace('aa')) stop('install aa')",
        "if (!requireNamespace('aa')) { rlang::abort('no') }",
        "if (!require(aa)) install.packages('aa')",
        "if (requireNamespace('aa')) x else stop('no')",
        "requireNamespace('aa') || stop('no')",
        "stopifnot(requireNamespace('aa'))",
        "ok <- requireNamespace('aa')\nif (!ok) stop('no')",
        "for (p in c('aa')) if (!require(p, character.only = TRUE)) { install.packages(p); library(p, character.only = TRUE) }",
        "if (!requireNamespace('aa')) message('no')\naa::f()",
        "if (!requireNamespace('bb')) return(1)\naa::f()",
        "x <- system.file('x', package = 'aa')",
        "x <- lapply(c('aa'), require, character.only = TRUE)",
        "tryCatch(library(aa), error = function(e) stop(e))",
        "tryCatch(library(aa), warning = function(w) NULL)",
        "tryCatch(x, error = function(e) library(aa))",
        "withCallingHandlers(library(aa), error = function(e) NULL)",
        "if (TRUE) library(aa)",
    ] {
        let found = read(Kind::Script, script);
        assert!(found.uses.iter().any(|one| one.package == "aa" && !one.optional), "{script}: {found:?}");
    }
}

#[test]
fn r_goes_on_after_calls_that_only_warn_and_at_names_in_lists() {
    let continues = |kind, text: &str| {
        let found = read(kind, text);
        let mut of: Vec<&Use> = found.uses.iter().filter(|one| one.package == "aa" && !one.optional).collect();
        assert_eq!(of.len(), 1, "{text}: {found:?}");
        of.remove(0).continues
    };
    for script in [
        "require(aa)",
        "suppressWarnings(require(aa))",
        "requireNamespace('aa')",
        "x <- lapply(c('aa'), require, character.only = TRUE)",
        "do.call(require, list('aa'))",
        "library(aa, logical.return = TRUE)",
        "x <- system.file('x', package = 'aa')",
        "x <- find.package('aa', quiet = TRUE)",
        "packageDescription('aa')",
        "if (requireNamespace('bb')) require(aa)",
        "p_load(aa)",
    ] {
        assert!(continues(Kind::Script, script), "{script}");
    }
    for script in [
        "library(aa)",
        "library(help = aa)",
        "aa::f()",
        "loadNamespace('aa')",
        "x <- system.file('x', package = 'aa', mustWork = TRUE)",
        "x <- find.package('aa')",
        "packageVersion('aa')",
        "data(x, package = 'aa')",
        "stopifnot(requireNamespace('aa'))",
        "stopifnot('no aa' = require(aa))",
        "if (!require(aa)) stop('no aa')",
        "ok <- requireNamespace('aa')\nif (!ok) stop('no')",
        "lapply(c('aa'), library, character.only = TRUE)",
        "eval(parse(text = 'library(aa)'))",
        "require(aa); library(aa)",
        "if (!interactive()) library(aa)",
    ] {
        assert!(!continues(Kind::Script, script), "{script}");
    }
    assert!(continues(Kind::Description, "Package: x\nVersion: 1\nImports: aa\n"));
    assert!(continues(Kind::Lock, "{\"Packages\": {\"aa\": {\"Package\": \"aa\"}}}"));
}

#[test]
fn libraries_that_are_added_are_evaluated_where_they_are_certain() {
    let session = Session {
        home: Some("/opt/R"),
        variable: &|name| match name {
            "LIBS" => Some("/opt/libs".to_owned()),
            "SECRET" => None,
            _ => Some(String::new()),
        },
    };
    let read = |text: &str| Source::parse_in(Kind::Script, text.as_bytes(), &session).expect("a source").libraries;
    for (text, expected) in [
        (".libPaths('/opt/x')", "/opt/x"),
        (".libPaths(new = c('/opt/x', .libPaths()))", "/opt/x"),
        ("base::.libPaths(c(.libPaths(), file.path(R.home(), 'x')))", "/opt/R/x"),
        (".libPaths(R.home('site-library'))", "/opt/R/site-library"),
        (".libPaths(normalizePath(paste0('/opt/', 'x'), mustWork = FALSE))", "/opt/x"),
        (".libPaths(Sys.getenv('LIBS'))", "/opt/libs"),
        (".libPaths(Sys.getenv('NO', '/opt/x'))", "/opt/x"),
        (".libPaths(Sys.getenv('NO', unset = file.path(dirname(R.home()), 'x')))", "/opt/x"),
        ("local({ d <- '/opt/x'; if (dir.exists(d)) .libPaths(d) })", "/opt/x"),
        ("for (d in c('/opt/x', '/opt/y')) .libPaths(c(d, .libPaths()))", "/opt/x /opt/y"),
        ("assign('.lib.loc', c('/opt/x', .Library), envir = environment(.libPaths))", "/opt/R/library /opt/x"),
        ("library(aa, lib.loc = '/opt/x')", "/opt/x"),
        ("eval(parse(text = \".libPaths('/opt/x')\"))", "/opt/x"),
        (".libPaths()", ""),
        (".libPaths(.libPaths()[-1])", ""),
        ("x <- .libPaths()[1]", ""),
        ("f('/opt/x')", ""),
    ] {
        let paths: Vec<&str> = expected.split_whitespace().collect();
        let expected = Libraries { paths: paths.into_iter().map(str::to_owned).collect(), unknown: None };
        assert_eq!(read(text), expected, "{text}");
    }
    for text in [
        "\n.libPaths(x)",
        "\n.libPaths(c('/opt/x', commandArgs(TRUE)[1]))",
        "\n.libPaths(Sys.getenv('SECRET'))",
        "\n.libPaths(file.path(.libPaths()[1], 'x'))",
        "\n.libPaths(Sys.glob('/opt/*'))",
        "\nlibrary(aa, lib.loc = d)",
    ] {
        assert_eq!(read(text), Libraries { paths: BTreeSet::new(), unknown: Some(2) }, "{text}");
    }
}

#[test]
fn a_document_is_read_chunk_by_chunk() {
    let text = "---\ntitle: x\noutput:\n  bookdown::html_document2:\n    toc: true\n  prettydoc::html_pretty: default\nparams:\n  \
                day: !r lubridate::today()\n---\n\nText `r scales::comma(1)` and library(no).\n\n```{r setup, include=FALSE}\n\
                library(aa)\np <- 'bb'\n```\n\n```r\nlibrary(no)\n```\n\n```{python}\nimport no\n```\n> ```{r my-label, \
                eval=FALSE}\n> library(cc)\n> ```\n\n````{R, fig.cap=dd::f(\"a\")}\nx <- '\n```\n'\nlibrary(p, character.only = \
                TRUE)\n<<setup>>\n````\nlibrary(no)\n```{r, child='child.Rmd'}\n```\n";
    let source = read(Kind::Document, text);
    assert_eq!(
        shown(&source),
        ["4:bookdown", "6:prettydoc?", "8:lubridate", "11:scales", "14:aa", "26:cc?", "29:dd", "33:bb"]
    );
    assert_eq!(source.follows.len(), 1);
    assert_eq!((source.follows[0].line, source.follows[0].path.as_str()), (37, "child.Rmd"));
    assert_eq!(source.dynamic, []);
}

#[test]
fn a_quarto_document_has_its_options_in_the_chunk() {
    let text = "---\nformat: html\nruntime: shiny\n---\n```{r}\n#| label: x\n#| eval: false\n#| fig-cap: !expr bb::f()\nlibrary(aa)\n\
                ```\n\n```{r}\n#| echo=FALSE, eval=requireNamespace('cc')\nlibrary(dd)\n```\nInline `{r} ee::f()`.\n\
                ```{{r}}\nlibrary(no)\n```\n```{r}\n#| file: x.R\n```\n";
    let source = read(Kind::Document, text);
    assert_eq!(shown(&source), ["3:shiny", "8:bb", "9:aa?", "12:cc", "14:dd?", "16:ee"]);
    assert_eq!(source.follows[0].path, "x.R");
    assert_eq!(source.dynamic, []);
}

#[test]
fn one_chunk_that_is_no_code_spoils_no_other() {
    let text = "```{r}\nf <- function( {\n```\n\n```{r}\nlibrary(aa)\n```\n";
    let source = read(Kind::Document, text);
    assert_eq!(shown(&source), ["6:aa"]);
    assert_eq!(source.dynamic.iter().map(|one| one.line).collect::<Vec<_>>(), [2]);
    let source = read(Kind::Document, "```{r}\nf(\n\n\n```\n```{r, x=(}\ny");
    let dynamic: Vec<(usize, &str)> = source.dynamic.iter().map(|one| (one.line, one.what.as_str())).collect();
    assert_eq!(dynamic, [(2, "f("), (6, "x=()")]);
    let source = read(Kind::Document, "---\na: [\n---\n`r bb::f`\n");
    assert_eq!(shown(&source), ["4:bb"]);
    assert!(!source.dynamic.is_empty() && source.dynamic[0].why.contains("header"), "{source:?}");
}

#[test]
fn a_sweave_document_is_read() {
    let text = "\\documentclass{article}\nlibrary(no)\n<<setup, echo=FALSE>>=\nlibrary(aa)\n<<other>>\n@ % end\n\\Sexpr{bb::f()} \
                \\SweaveInput{part.Rnw}\n<<eval=FALSE>>=\nlibrary(cc)\n<<f(x, y = 1), fig=TRUE>>=\nlibrary(dd)\n@\n";
    let source = read(Kind::Sweave, text);
    assert_eq!(shown(&source), ["4:aa", "7:bb", "9:cc?", "11:dd"]);
    assert_eq!(source.follows[0].path, "part.Rnw");
    assert_eq!(source.dynamic, []);
}

#[test]
fn descriptions_and_lock_files_name_packages() {
    let text = "Package: x1\nVersion: 1.0\nDepends: R (>= 4.1), methods\nImports:\n    httr (>= 1.4),\n    curl\nSuggests: testthat\n\
                LinkingTo: cpp11\n";
    let source = read(Kind::Description, text);
    assert_eq!(shown(&source), ["3:methods", "5:httr", "6:curl", "7:testthat?", "8:cpp11?"]);
    assert!(source.uses.iter().all(|one| one.kind == UseKind::Named));
    assert!(Source::parse(Kind::Description, b"nothing at all").is_err());

    let text = "{\n  \"R\": {\"Version\": \"4.2.2\"},\n  \"Packages\": {\n    \"httr\": {\n      \"Package\": \"httr\"\n    },\n    \
                \"R6\": {\"Package\": \"R6\"}\n  }\n}\n";
    let source = read(Kind::Lock, text);
    assert_eq!(shown(&source), ["4:httr", "7:R6"]);
    for wrong in ["", "[]", "{}", "{\"Packages\": 3}", "{\"Packages\": {"] {
        let error = Source::parse(Kind::Lock, wrong.as_bytes()).expect_err(wrong);
        assert!(error.contains("renv.lock"), "{error}");
    }
}

#[test]
fn the_kind_is_known_by_name_or_first_line() {
    for (name, kind) in [
        ("a.R", Some(Kind::Script)),
        ("a.r", Some(Kind::Script)),
        (".Rprofile", Some(Kind::Script)),
        ("a.b.Rmd", Some(Kind::Document)),
        ("a.qmd", Some(Kind::Document)),
        ("a.Rnw", Some(Kind::Sweave)),
        ("DESCRIPTION", Some(Kind::Description)),
        ("renv.lock", Some(Kind::Lock)),
        ("a.Rda", None),
        ("R", None),
        ("a.sh", None),
    ] {
        assert_eq!(Kind::of(name, b"x"), kind, "{name}");
    }
    assert_eq!(Kind::of("bootstrap", b"#!/usr/bin/env Rscript\n"), Some(Kind::Script));
    assert_eq!(Kind::of("bootstrap", b"#!/opt/R/bin/Rscript --vanilla\n"), Some(Kind::Script));
    assert_eq!(Kind::of("bootstrap", b"#!/bin/sh\nRscript x\n"), None);
}

#[test]
fn every_encoding_is_read() {
    let parse = |bytes: &[u8]| Source::parse(Kind::Script, bytes).map(|source| shown(&source));
    assert_eq!(parse(b"# M\xfcller\nx <- 'na\xefve'; library(aa)\n"), Ok(vec!["2:aa".to_owned()]));
    assert_eq!(parse(b"\xef\xbb\xbflibrary(aa)\r\n"), Ok(vec!["1:aa".to_owned()]));
    assert_eq!(parse("größe <- 1; library(aa) # 語\n".as_bytes()), Ok(vec!["1:aa".to_owned()]));
    assert!(parse(b"library(aa)\0").expect_err("binary").contains("NUL"));
    assert!(parse(b"l\0i\0b\0").is_err());
    assert!(parse(&vec![b' '; MAX_BYTES + 1]).expect_err("long").contains("bytes"));
}

#[test]
fn what_is_made_to_be_costly_is_bounded() {
    let n = 5_000;
    for text in [
        "(".repeat(n),
        "{".repeat(n),
        "function(x)".repeat(n),
        "if (requireNamespace('aa')) ".repeat(n),
        "r\"(".repeat(n),
        "r\"(a) ".repeat(n),
        "'".repeat(2 * n + 1),
        "a::".repeat(n),
        "f(a)(b".repeat(n),
        "-".repeat(n),
        "a+".repeat(n),
        "tryCatch(".repeat(500),
        "p <- 'aa'\nlibrary(p, character.only = TRUE)\n".repeat(3000),
        (0..200).map(|n| format!("x{} <- c(x{n}, x{n})\n", n + 1)).collect::<String>()
            + "library(x200, character.only = TRUE)",
        (0..200).map(|n| format!("x{} <- paste0(x{n}, x{n})\n", n + 1)).collect::<String>()
            + "x0 <- 'a'\nlibrary(x30, character.only = TRUE)",
        "lapply(ps, library)\n".repeat(n) + &format!("ps <- c({}'aa')", "'aa',".repeat(900)),
        "if (!a) return()\n".repeat(n),
    ] {
        let source = Source::parse(Kind::Script, text.as_bytes()).expect("read");
        assert!(!source.dynamic.is_empty() || !source.uses.is_empty() || text.starts_with("if (!a)"));
    }
    for text in
        ["`r ".repeat(n), "```{r}\n".repeat(n), "---\n".to_owned() + &"- ".repeat(n) + "\n---\n", "> ".repeat(n)]
    {
        Source::parse(Kind::Document, text.as_bytes()).expect("read");
    }
}

#[test]
fn the_worked_examples_of_the_module_are_right() {
    let computed = |text: &str| assert_eq!((uses(text).len(), dynamic(text)), (0, vec![1]), "{text}");
    assert_eq!(names("library(dplyr)"), ["dplyr"]);
    computed("requireNamespace(dplyr)");
    computed("library(p, character.only = TRUE)");
    none_uses(&["get('f')"]);
    computed("get(paste0('dplyr::', f))");

    assert_eq!(names("p <- 'dplyr'; library(p, character.only = TRUE)"), ["dplyr"]);
    assert_eq!(names("for (p in c('dplyr', 'tidyr')) library(p, character.only = TRUE)"), ["dplyr", "tidyr"]);
    assert_eq!(names("lapply(c('dplyr', 'tidyr'), requireNamespace)"), ["dplyr", "tidyr"]);
    computed("p <- 'dplyr'; if (x) p <- 'tidyr'; library(p, character.only = TRUE)");
    assert_eq!(follows("source(file.path(Sys.getenv('LAMBDA_TASK_ROOT'), 'a.R'))"), ["/var/task/a.R"]);

    for (text, optional) in [
        ("if (requireNamespace('xml2')) xml2::read_xml(f)", true),
        ("requireNamespace('xml2') && xml2::read_xml(f)", true),
        ("if (!requireNamespace('xml2')) stop('install xml2')", false),
        ("has <- requireNamespace('xml2'); if (has) xml2::read_xml(f)", true),
        ("tryCatch(xml2::read_xml(f), error = function(e) NULL)", true),
        ("tryCatch(xml2::read_xml(f), error = function(e) stop(e))", false),
        ("if (FALSE) library(xml2)", true),
        ("f <- function(x) {\n  if (!requireNamespace('xml2')) return(NULL)\n  xml2::read_xml(x)\n}", true),
    ] {
        let source = read(Kind::Script, text);
        assert!(!source.uses.is_empty() && source.dynamic.is_empty(), "{text}: {source:?}");
        assert!(source.uses.iter().all(|one| one.package == "xml2" && one.optional == optional), "{text}: {source:?}");
    }
}

#[test]
fn character_sets_of_conversions_are_found_and_marks_are_not() {
    let found = |text: &str| {
        let source = read(Kind::Script, text);
        source.charsets.into_iter().map(|(name, line)| format!("{line}:{name}")).collect::<Vec<_>>().join(" ")
    };
    for (script, expected) in [
        ("x <- iconv(x, 'CP1250', 'UTF-8')", "1:CP1250 1:UTF-8"),
        ("iconv(x, to = 'ASCII//TRANSLIT')", "1:ASCII//TRANSLIT"),
        ("cs <- 'SJIS'\nreadLines(file(f, encoding = cs))\niconv(x, cs)", "2:SJIS"),
        ("read.csv(f, fileEncoding = \"CP1250\")", "1:CP1250"),
        ("read.csv(f, encoding = 'CP1250'); readLines(f, encoding = 'latin1'); scan(f, encoding = 'UTF-8')", ""),
        ("write.csv(d, f, fileEncoding = 'CP1250')", "1:CP1250"),
        ("library(readr)\nread_csv(f, locale = locale(encoding = 'GB18030'))", "2:GB18030"),
        ("readr::read_csv(f, locale = readr::locale(encoding = 'GB18030'))", "1:GB18030"),
        ("locale(encoding = 'GB18030')", ""),
        ("xml2::read_html(u, encoding = 'EUC-JP')", "1:EUC-JP"),
        ("iconv(x, from, 'UTF-8')", "1:UTF-8"),
        ("tryCatch(iconv(x, 'CP1250'), error = function(e) x)", ""),
        ("if (FALSE) iconv(x, 'CP1250')", ""),
    ] {
        assert_eq!(found(script), expected, "{script}");
    }
}
