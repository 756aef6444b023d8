//! What R loads with a package: what its NAMESPACE imports, which is needed, and what its code calls by name, which is kept
//! if it is a part of R, and reported if it is an option.

use std::fs;

use crate::support::r_code::{Code as RCode, call, database, namespace_between, namespace_info, qualified};
use crate::support::{World, assert_finding, assert_fired_and_nearly_missed, assert_no_finding, findings};
use layerfit::base::finding::Code;
use layerfit::languages::r::calls::of_database;
use serde_json::Value;

const SITE: &str = "local/library";
const OWN: &str = "R/lib/R/library";

fn world() -> World {
    let world = World::new();
    world.r().program("R/lib/R/bin/exec/R", &[], &[]).file("R/lib/R/etc/Renviron", "R_LIBS_SITE=/opt/local/library\n");
    for base in ["splines", "parallel", "tcltk"] {
        world.package(OWN, base, "4.2.2", "Priority: base\n");
    }
    world
}

fn functions(world: &World, package: &str, functions: &[(&str, RCode<'_>)]) {
    let (index, records) = database(functions, &[]);
    world.file(format!("{SITE}/{package}/R/{package}.rdx"), index);
    world.file(format!("{SITE}/{package}/R/{package}.rdb"), records);
}

/// The plan for a function with this source.
fn handled(world: &World, source: &str, more: &[&str]) -> Value {
    fs::write(world.beside("h.R"), source).expect("written");
    let (code, report) = world.json(&[&["plan", "ROOT", "--handler", "h.R"], more].concat());
    assert!(code < 2, "{report:#}");
    report
}

fn kept(report: &Value) -> Vec<&str> {
    let packages = report["packages"].as_array().expect("packages").iter();
    packages.filter(|package| package["kept"] == true).filter_map(|package| package["name"].as_str()).collect()
}

fn severity(report: &Value, code: &str) -> String {
    let found = report["findings"].as_array().expect("findings").iter().find(|finding| finding["code"] == code);
    found.expect("found")["severity"].as_str().expect("text").to_owned()
}

fn help(report: &Value, code: &str) -> String {
    let found = report["findings"].as_array().expect("findings").iter().find(|finding| finding["code"] == code);
    found.expect("found")["help"].as_str().expect("text").to_owned()
}

#[test]
fn what_a_namespace_imports_is_kept_and_its_absence_is_an_error() {
    let world = world();
    world.package(SITE, "apl", "1.0", "").file(
        format!("{SITE}/apl/NAMESPACE"),
        "if (.Platform$OS.type == \"windows\") import(win) else importFrom(splines, bs)\nS3method(knitr::knit_print, apl)\n",
    );
    let report = handled(&world, "library(apl)\n", &[]);
    assert!(kept(&report).contains(&"splines") && !kept(&report).contains(&"parallel"), "{:?}", kept(&report));
    assert_no_finding(&report, "R102");
    // What R wrote when it installed the package comes before NAMESPACE.
    world.file(format!("{SITE}/apl/Meta/nsInfo.rds"), namespace_info(&["parallel", "gone"], "apl"));
    let report = handled(&world, "library(apl)\n", &[]);
    assert!(kept(&report).contains(&"parallel") && !kept(&report).contains(&"splines"), "{:?}", kept(&report));
    assert_finding(&report, "R102", "pkg:apl", "needs the package gone");
    assert_eq!(
        (severity(&report, "R102").as_str(), help(&report, "R102").contains("library(apl) fails")),
        ("error", true)
    );
}

/// The messages of R103 about apl in a tree where it imports these names, and classes, from dep, which exports these.
fn lacking(imports: &[(&str, &[&str])], classes: &[(&str, &[&str])], exports: [&[&str]; 4]) -> Vec<String> {
    let world = world();
    for (package, info) in [
        ("apl", namespace_between(imports, classes, [&[], &[], &[], &[]])),
        ("dep", namespace_between(&[], &[], exports)),
    ] {
        world.package(SITE, package, "1.0", "");
        world.file(format!("{SITE}/{package}/Meta/nsInfo.rds"), info);
    }
    let (code, report) = world.json(&["check", "ROOT"]);
    let found = findings(&report, "R103");
    assert_eq!(code, i32::from(!found.is_empty()), "{report:#}");
    found.into_iter().filter(|(subject, _)| subject == "pkg:apl").map(|(_, text)| text).collect()
}

/// Packages, and what is imported from each.
type Imports = &'static [(&'static str, &'static [&'static str])];

#[test]
fn a_name_that_a_namespace_imports_and_the_installed_package_does_not_export_is_an_error() {
    let lacks = |names: &str, them: &str| {
        vec![format!("library(apl) fails: it imports {names} from dep, but dep 1.0 does not export {them}")]
    };
    let none: Vec<String> = Vec::new();
    let (h, k): (Imports, Imports) = (&[("dep", &["h"])], &[("dep", &["K"])]);
    assert_eq!(lacking(h, &[], [&["g"], &[], &[], &[]]), lacks("h", "it"));
    assert_eq!(lacking(&[("dep", &["g", "h", "i"])], &[], [&["g"], &[], &[], &[]]), lacks("h, i", "them"));
    assert_eq!(lacking(&[], k, [&["K"], &[], &[], &[]]), lacks("K", "it"));
    // It exports the name, a generic function by its methods, the class, or what a pattern matches.
    assert_eq!(lacking(h, &[], [&["g", "h"], &[], &[], &[]]), none);
    assert_eq!(lacking(h, &[], [&["g"], &["h"], &[], &[]]), none);
    assert_eq!(lacking(&[], k, [&["g"], &[], &["K"], &[]]), none);
    assert_eq!(lacking(h, &[], [&["g"], &[], &[], &["^[^.]"]]), none);
    // What other packages have is not known here.
    assert_eq!(lacking(&[("methods", &["h"])], &[], [&["g"], &[], &[], &[]]), none);
    // R reads NAMESPACE only where it has nothing else, and any copy may be found.
    let world = world();
    let importing = namespace_between(&[("dep", &["h"])], &[], [&[], &[], &[], &[]]);
    world.package(SITE, "apl", "1.0", "").file(format!("{SITE}/apl/Meta/nsInfo.rds"), importing);
    world.package(SITE, "dep", "1.0", "");
    assert_no_finding(&world.json(&["check", "ROOT"]).1, "R103");
    for (library, exports) in [(SITE, &["g"][..]), (OWN, &["g", "h"])] {
        let info = namespace_between(&[], &[], [exports, &[], &[], &[]]);
        world.package(library, "dep", "1.0", "").file(format!("{library}/dep/Meta/nsInfo.rds"), info);
    }
    assert_no_finding(&world.json(&["check", "ROOT"]).1, "R103");
}

#[test]
fn no_rule_drops_what_code_of_the_tree_uses_that_is_in_no_package() {
    for (path, code, is_kept) in [
        ("run.R", "library(tcltk)\nx <- tclVar(1)\n", true),
        ("run.R", "source('lib/util.txt')\n", true),
        ("run.R", "source('/opt/lib/util.txt')\n", true),
        ("R/lib/R/etc/Rprofile.site", "library(tcltk)\n", true),
        // It works without.
        ("run.R", "if (requireNamespace('tcltk')) library(tcltk)\n", false),
        ("run.R", "# library(tcltk)\n", false),
        // What packages have beside their code is not run.
        ("R/lib/R/library/stats/demo/run.R", "library(tcltk)\n", false),
        ("run.txt", "library(tcltk)\n", false),
    ] {
        let world = world();
        world.program("R/bin/Rscript", &[], &[]).file("lib/util.txt", "tcltk::tclVar(1)\n").file(path, code);
        let bootstrap = "#!/bin/sh\nexec /opt/R/bin/Rscript /opt/run.R\n";
        world.file("bootstrap", bootstrap).mode("bootstrap", 0o755);
        let (_, report) = world.json(&["plan", "ROOT"]);
        assert_eq!(kept(&report).contains(&"tcltk"), is_kept, "{path}: {code}");
    }
}

#[test]
fn packages_that_the_bootstraps_own_code_uses_are_kept_beside_those_of_handlers() {
    let world = world();
    for package in ["client", "used", "other"] {
        world.package(SITE, package, "1.0", "");
    }
    world.program("R/bin/Rscript", &[], &[]).file("run.R", "source('/opt/lib/util.R')\n");
    world.file("lib/util.R", "client::serve()\n").file("examples/a.R", "library(other)\n");
    let bootstrap = "#!/bin/sh\nexec /opt/R/bin/Rscript /opt/run.R\n";
    world.file("bootstrap", bootstrap).mode("bootstrap", 0o755);
    let report = handled(&world, "library(used)\n", &[]);
    let kept = kept(&report);
    assert!(kept.contains(&"client") && kept.contains(&"used") && !kept.contains(&"other"), "{kept:?}");
}

#[test]
fn no_rule_drops_what_a_namespace_imports() {
    let world = world();
    world.package(SITE, "apl", "1.0", "").file(format!("{SITE}/apl/NAMESPACE"), "import(tcltk)\n");
    let (code, report) = world.json(&["plan", "ROOT"]);
    assert_eq!(code, 0, "{:#}", report["findings"]);
    assert!(kept(&report).contains(&"tcltk"), "{:?}", kept(&report));
    assert_finding(&report, "P101", "pkg:tcltk", "pkg:apl needs it");
    world.file(format!("{SITE}/apl/NAMESPACE"), "export(f)\n");
    let (_, report) = world.json(&["plan", "ROOT"]);
    assert!(!kept(&report).contains(&"tcltk"), "{:?}", kept(&report));
}

#[test]
fn what_only_description_imports_is_kept_and_its_absence_is_a_warning_about_functions() {
    let world = world();
    world.package(SITE, "apl", "1.0", "Imports: gone, parallel\n").file(format!("{SITE}/apl/NAMESPACE"), "export(f)\n");
    let report = handled(&world, "library(apl)\n", &[]);
    assert!(kept(&report).contains(&"parallel"), "{:?}", kept(&report));
    assert_finding(&report, "R102", "pkg:apl", "loads, but some of its functions need the package gone");
    assert_eq!(severity(&report, "R102"), "warning");
    assert!(help(&report, "R102").contains("functions of apl that call gone fail"), "{}", help(&report, "R102"));
    functions(&world, "apl", &[("f", qualified("gone", "g")), ("h", call("stop", RCode::Text("gone")))]);
    let report = handled(&world, "library(apl)\n", &[]);
    assert!(help(&report, "R102").contains("apl::f fails without it"), "{}", help(&report, "R102"));
}

#[test]
fn a_function_that_fails_without_a_package_is_an_error_where_the_handler_calls_it() {
    let world = world();
    world.package(SITE, "apl", "1.0", "Imports: gone\n").file(format!("{SITE}/apl/NAMESPACE"), "export(f, h, by)\n");
    let code =
        [("f", qualified("gone", "g")), ("h", call("stop", RCode::Text("x"))), ("by", call("f", RCode::Text("x")))];
    functions(&world, "apl", &code);
    for source in ["apl::f()\n", "library(apl)\nhandler <- function(e) f()\n", "lapply(1:2, apl::f)\n"] {
        let report = handled(&world, source, &[]);
        assert_finding(&report, "R102", "pkg:apl", "calls apl::f, which is one of them");
        assert_eq!(severity(&report, "R102"), "error", "{source}");
    }
    for source in [
        "apl::h()\n",
        "apl::by()\n",
        "library(apl)\nf <- function() 1\nf()\n",
        "library(apl)\nf <- 1\nh(f)\n",
        "apl::h()\nf()\n",
        "if (requireNamespace(\"apl\")) apl::f()\n",
        "try(apl::f())\n",
    ] {
        let report = handled(&world, source, &[]);
        assert_eq!(severity(&report, "R102"), "warning", "{source}");
    }
}

#[test]
fn what_code_calls_of_r_itself_is_kept_for_handlers_and_named_by_why() {
    let world = world();
    world.package(SITE, "apl", "1.0", "Suggests: parallel\n");
    functions(
        &world,
        "apl",
        &[("threads", qualified("parallel", "detectCores")), ("g", call("requireNamespace", RCode::Text("splines")))],
    );
    let report = handled(&world, "library(apl)\n", &[]);
    assert!(kept(&report).contains(&"parallel") && kept(&report).contains(&"splines"), "{:?}", kept(&report));
    assert_no_finding(&report, "R110");
    let (_, why) = world.json(&["why", "pkg:parallel", "ROOT", "--handler", "h.R"]);
    let about = &why["things"][0];
    assert_eq!(about["called_by"], serde_json::json!(["apl::threads"]));
    assert_eq!(about["paths"][0]["root"], "h.R:1");
    assert_eq!(about["paths"][0]["steps"][1]["how"], "calls");
    // It is no need: what is dropped by name breaks nothing that loads.
    let report = handled(&world, "library(apl)\n", &["--drop", "pkg:parallel"]);
    assert_no_finding(&report, "R102");
    assert!(!kept(&report).contains(&"parallel"));
}

/// The packages that code calls, of a package that has it as a function and these variables.
fn called_by(code: &str, own: &[(&str, RCode<'_>)]) -> Vec<String> {
    let functions: Vec<(&str, RCode<'_>)> =
        [("f", RCode::Written(code))].into_iter().chain(own.iter().cloned()).collect();
    let (index, records) = database(&functions, &[]);
    of_database(&index, &records).expect("read").callers.into_keys().collect()
}

#[test]
fn code_of_packages_names_packages_as_a_handler_does() {
    let names = [
        "utils::getFromNamespace(\"f\", \"T1\")()",
        "get(\"f\", envir = asNamespace(\"T1\"))()",
        "getExportedValue(\"T1\", \"f\")()",
        "attachNamespace(\"T1\")",
        "base::attachNamespace(ns = \"T1\")",
        "loadNamespace(lib.loc = NULL, \"T1\")$f(1, x = -2.5)[[1L]]",
        "library(T1)",
        "require(\"T1\", quietly = TRUE)",
        "library(package = \"T1\", character.only = TRUE)",
        "do.call(\"library\", list(\"T1\"))",
        "do.call(base::library, list(package = \"T1\"))",
        "system.file(\"extdata\", \"x.csv\", package = \"T1\")",
        "for (p in c(\"T1\")) library(p, character.only = TRUE)",
        "{ p <- \"T1\"; if (!requireNamespace(p, quietly = TRUE)) stop(\"no \", p) else NULL }",
        "vapply(c(\"T1\"), requireNamespace, NA, quietly = TRUE)",
        "lapply(\"T1\", function(p) { library(p, character.only = TRUE) })",
        "withr::with_namespace(\"T1\", f(1))",
        "utils::data(list = \"d\", package = \"T1\")",
        "methods::getClass(\"K\", where = asNamespace(\"T1\"))",
        "function(x = getNamespace(\"T1\")) tryCatch(x$f %in% (1 + 2) * 3, error = function(e) NULL)",
        "`my f`(`T1`::f, \"a\\\"b\")",
        "eval(parse(text = \"T1::f()\"))",
        "packageVersion(\"T1\") < \"1.0\"",
        "lapply(NEEDED, requireNamespace, quietly = TRUE)",
    ];
    for code in names {
        assert!(called_by(code, &[("NEEDED", RCode::Texts(&["T1"]))]).contains(&"T1".to_owned()), "{code}");
    }
    let nothing = [
        "requireNamespace(T1)",
        "system.file(\"T1\")",
        "get(\"T1\")",
        "library(p, character.only = TRUE)",
        "for (T1 in c(1, 2)) print(T1)",
        "do.call(\"paste\", list(\"T1\"))",
        "lapply(c(\"T1\"), nchar)",
        "lapply(NEEDED, requireNamespace)",
    ];
    for code in nothing {
        assert_eq!(called_by(code, &[]).iter().filter(|name| *name == "T1").count(), 0, "{code}");
    }
    // A function of the package itself is not R's.
    assert_eq!(called_by("data(package = \"T1\")", &[("data", RCode::Written("NULL"))]), [""; 0]);
}

/// Hooks that stop without T1.
const STOPS: &[&str] = &[
    "if (!requireNamespace(\"T1\")) stop(\"no\")",
    "if (!requireNamespace(\"T1\", quietly = TRUE)) { x <- 1; stop(\"no\") }",
    "if (suppressWarnings(!require(T1))) base::stop(\"no\")",
    "if (isFALSE(suppressWarnings(require(\"T1\", quietly = TRUE)))) stop(\"no\")",
    "if (requireNamespace(\"T1\")) print(1) else stop(\"no\")",
    "requireNamespace(\"T1\", quietly = TRUE) || stop(\"no\")",
    "stopifnot(requireNamespace(\"T1\"))",
    "if (x || !requireNamespace(\"T1\")) stop(\"no\")",
    "if (!requireNamespace(\"T1\")) halt()",
    "{ ok <- requireNamespace(\"T1\", quietly = TRUE); if (!ok) stop(\"no\") }",
    "if (inherits(try(loadNamespace(\"T1\"), silent = TRUE), \"try-error\")) stop(\"no\")",
    "{ tried <- try(T1::f(), silent = TRUE); if (inherits(tried, \"try-error\")) stop(\"no\") }",
    "tryCatch(loadNamespace(\"T1\"), error = function(e) stop(\"no\"))",
    "tryCatch(T1::f(), warning = function(w) NULL)",
];

#[test]
fn what_a_package_uses_when_it_is_loaded_is_a_need_unless_it_works_without() {
    let fails = [
        "T1::f()",
        "{ x <- T1::f; invisible(x) }",
        "registerS3method(\"print\", \"k\", T1::f)",
        "setup()",
        "{ if (isTRUE(getOption(\"x\"))) print(1); suppressMessages(loadNamespace(\"T1\")) }",
        "if (T1::has()) 1",
        "utils::getFromNamespace(\"f\", \"T1\")()",
        "for (p in c(\"T1\")) T1::f(p)",
    ];
    // With what is written here a package loads without T1, though it may be used then.
    let maybe = [
        "if (isTRUE(getOption(\"x\"))) T1::f()",
        "{ if (x) return(NULL); T1::f() }",
        "lapply(1, function(i) T1::f())",
        "if (x && !requireNamespace(\"T1\")) stop(\"no\")",
        "if (!requireNamespace(\"T1\")) { if (x) stop(\"no\") }",
        "stopifnot(x || requireNamespace(\"T1\"))",
        "if (x) { if (!requireNamespace(\"T1\")) stop(\"no\") }",
        "{ if (x) return(NULL); if (!requireNamespace(\"T1\")) stop(\"no\") }",
        "if (!requireNamespace(\"T1\")) { return(NULL); stop(\"no\") }",
        "tryCatch(T1::f(), packageNotFoundError = function(e) NULL)",
    ];
    let works = [
        "if (!requireNamespace(\"T1\")) packageStartupMessage(\"no\")",
        "if (inherits(try(loadNamespace(\"T1\")), \"try-error\")) message(\"no\")",
        "if (requireNamespace(\"T1\", quietly = TRUE)) T1::f()",
        "if (requireNamespace(\"T1\", quietly = TRUE)) setup()",
        "if (x && isNamespaceLoaded(\"T1\")) setup()",
        "tryCatch(T1::f(), error = function(e) NULL)",
        "try(setup(), silent = TRUE)",
        "setHook(packageEvent(\"T1\", \"onLoad\"), function(...) setup())",
        "assign(\"f\", function() T1::f(), envir = topenv())",
        "delayedAssign(\"f\", T1::f())",
        "quote(T1::f())",
    ];
    for hook in [".onLoad", ".onAttach"] {
        let (world, on_load) = (world(), hook == ".onLoad");
        let [certain, others] = [&fails[..7], &fails[7..]];
        let groups = [
            (certain, true, true),
            (STOPS, true, true),
            (others, true, false),
            (&maybe[..], true, false),
            (&works[..], false, false),
        ];
        let all = groups.iter().flat_map(|(codes, uses, needs)| codes.iter().map(move |code| (*code, *uses, *needs)));
        let all: Vec<(&str, bool, bool)> = all.collect();
        let (mut attach, mut load, mut drop) = (String::new(), String::new(), String::new());
        for (n, (code, ..)) in (10..).zip(&all) {
            let named = |text: &str| text.replace("T1", &format!("T{n}"));
            world.package(SITE, &named("T1"), "1.0", "").package(
                SITE,
                &named("aplT1"),
                "1.0",
                &named("Suggests: T1\n"),
            );
            world.package(SITE, &named("bplT1"), "1.0", &named("Depends: aplT1\n"));
            world.package(SITE, &named("cplT1"), "1.0", &named("Imports: aplT1\n"));
            let (code, setup) = (named(code), named("{ T1::f(); setup() }"));
            functions(
                &world,
                &named("aplT1"),
                &[
                    (hook, RCode::Written(&code)),
                    ("setup", RCode::Written(&setup)),
                    ("halt", RCode::Written("stop(\"no\")")),
                ],
            );
            attach += &named("library(bplT1)\n");
            load += &named("library(cplT1)\naplT1::f()\n");
            drop += &named(if n == 10 { "pkg:T1" } else { ",pkg:T1" });
        }
        let attached = [handled(&world, &attach, &[]), handled(&world, &attach, &["--drop", &drop])];
        let loaded = [handled(&world, &load, &[]), handled(&world, &load, &["--drop", &drop])];
        for (n, (code, uses, needs)) in (10..).zip(&all) {
            let is_kept = |report: &Value| kept(report).contains(&format!("T{n}").as_str());
            let is_missed = |report: &Value| {
                let missing =
                    report["findings"].as_array().expect("findings").iter().filter(|one| one["code"] == "R102");
                let of = |one: &Value| one["severity"] == "error" && one["subject"] == format!("pkg:aplT{n}");
                missing.filter(|one| of(one)).count() == 1
            };
            assert_eq!(is_kept(&attached[0]), *uses, "{hook}: {code}");
            assert_eq!(is_kept(&loaded[0]), *uses && on_load, "{hook}: {code}");
            let fails = |attached: bool| *needs && (on_load || attached);
            assert_eq!(is_missed(&attached[1]), fails(true), "{hook}: {code}");
            assert_eq!(is_missed(&loaded[1]), fails(false), "{hook}: {code}");
        }
    }
}

#[test]
fn no_package_needs_base() {
    let world = world();
    world.package(SITE, "apl", "1.0", "Imports: parallel\n");
    functions(&world, "apl", &[(".onLoad", RCode::Written("{ base::f(); splines::f() }"))]);
    let report = handled(&world, "library(apl)\n", &[]);
    let packages = report["packages"].as_array().expect("packages");
    let apl = packages.iter().find(|package| package["name"] == "apl").expect("apl");
    assert_eq!(apl["needs"], serde_json::json!(["parallel", "splines"]));
}

#[test]
fn options_that_the_handlers_calls_lead_to_are_findings_and_can_be_kept() {
    let world = world();
    for option in ["net", "plot"] {
        world.package(SITE, option, "1.0", "");
    }
    world.package(SITE, "apl", "1.0", "Suggests: net, plot, absent\n");
    functions(
        &world,
        "apl",
        &[
            ("read", call("UseMethod", RCode::Text("read"))),
            ("read.character", call("open", RCode::Name("x"))),
            ("open", RCode::Call(vec![RCode::Name("{"), qualified("net", "get"), qualified("absent", "get")])),
            ("draw", qualified("plot", "draw")),
        ],
    );
    let report = handled(&world, "library(apl)\nread('x')\n", &[]);
    assert!(!kept(&report).contains(&"net"));
    let words = "the handlers use read: apl::open calls absent, which is not in the tree; apl::open calls net, which is dropped";
    assert_finding(&report, "R111", "pkg:apl", words);
    assert_eq!(
        help(&report, "R111"),
        "install absent into the tree, and keep net with --keep suggested:apl::read, if the function needs it"
    );
    assert_finding(&report, "R110", "packages", "apl calls plot (draw)");
    // A handler that does not get there has them in the list of the rest.
    let elsewhere = handled(&world, "library(apl)\ndraws <- 1\n", &[]);
    assert_no_finding(&elsewhere, "R111");
    assert_finding(&elsewhere, "R110", "packages", "apl calls absent (open), net (open), plot (draw)");
    let report = handled(&world, "library(apl)\nread('x')\n", &["--keep", "suggested:apl::read"]);
    assert!(kept(&report).contains(&"net") && !kept(&report).contains(&"plot"), "{:?}", kept(&report));
    let report = handled(&world, "library(apl)\nread('x')\n", &["--keep", "suggested:apl"]);
    assert!(kept(&report).contains(&"net") && kept(&report).contains(&"plot"), "{:?}", kept(&report));
    let run = world.run(&["plan", "ROOT", "--handler", "h.R", "--keep", "suggested:apl::nothing"]);
    assert!(
        run.code == 2 && run.stderr.contains("apl::nothing calls no package that is in the tree"),
        "{}",
        run.stderr
    );
    assert_fired_and_nearly_missed(Code::OptionNotKept);
}

#[test]
fn environments_belong_to_every_function_that_leads_to_them_and_damage_is_an_error() {
    let call = |environment| call("f", RCode::Environment(environment));
    let functions = [("first", call("env::1")), ("second", call("env::2")), (".__T__show:methods", call("env::3"))];
    let environments = [
        ("env::1", RCode::Call(vec![RCode::Environment("env::2"), qualified("net", "get")])),
        ("env::2", RCode::Call(vec![RCode::Environment("env::1"), qualified("plot", "draw")])),
        ("env::3", qualified("tools", "md5sum")),
    ];
    let (index, records) = database(&functions, &environments);
    let calls = of_database(&index, &records).expect("read");
    let callers: Vec<(&str, Vec<&str>)> = calls
        .callers
        .iter()
        .map(|(called, callers)| (called.as_str(), callers.iter().map(String::as_str).collect()))
        .collect();
    assert_eq!(callers, [("net", vec!["first", "second"]), ("plot", vec!["first", "second"]), ("tools", vec!["show"])]);
    for length in 0..index.len() {
        assert!(of_database(&index[..length], &records).is_err(), "an index cut at {length}");
    }
    for length in 0..records.len() {
        assert!(of_database(&index, &records[..length]).is_err(), "records cut at {length}");
    }
    for at in 0..records.len() {
        for bit in 0..8 {
            let mut records = records.clone();
            records[at] ^= 1 << bit;
            // It may still be code.
            let _ = of_database(&index, &records);
        }
    }
}

#[test]
fn what_only_a_dropped_package_needed_goes_with_it_when_handlers_are_read() {
    let world = world();
    world.package(SITE, "apl", "1.0", "Imports: sign, both\n").package(SITE, "sign", "1.0", "Imports: base64\n");
    world.package(SITE, "base64", "1.0", "").package(SITE, "both", "1.0", "").package(
        SITE,
        "bpl",
        "1.0",
        "Imports: both\n",
    );
    let report = handled(&world, "library(apl)\nlibrary(bpl)\n", &["--drop", "pkg:apl"]);
    let kept = kept(&report);
    assert!(kept.contains(&"bpl") && kept.contains(&"both"), "{kept:?}");
    assert!(!["apl", "sign", "base64"].iter().any(|name| kept.contains(name)), "{kept:?}");
    assert_eq!(findings(&report, "R102"), []);
}

#[test]
fn why_if_dropped_names_functions_that_would_fail_and_nothing_that_was_so_before() {
    let world = world();
    world.package(SITE, "net", "1.0", "").package(SITE, "other", "1.0", "");
    world.package(SITE, "apl", "1.0", "Imports: net\n").file(format!("{SITE}/apl/NAMESPACE"), "export(f)\n");
    functions(&world, "apl", &[("f", qualified("net", "get"))]);
    // Packages of a library that R does not search: their number is less without one, which is nothing new.
    world.package("elsewhere/library", "lost", "1.0", "").package("elsewhere/library", "lost2", "1.0", "");
    let why = |of: &str| {
        let run = world.run(&["why", "ROOT", "--if-dropped", of]);
        assert_eq!(run.code, 0, "{}", run.stderr);
        run.stdout.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let text = why("net");
    assert!(text.contains("warning R102 pkg:apl: loads, but some of its functions need the package net"), "{text}");
    assert!(why("other").contains("There would be no new finding."), "{}", why("other"));
    assert!(!why("lost").contains("R107"), "{}", why("lost"));
    // What is turned off stays off.
    let off = "[[finding]]\ncode = \"R102\"\nseverity = \"off\"\nreason = \"r\"\n";
    std::fs::write(world.beside("layerfit.toml"), off).expect("written");
    assert!(!why("net").contains("R102"), "{}", why("net"));
}
