//! With --handler, packages that the function's own sources do not use are dropped, with the libraries only they needed;
//! with --trace, what a run opened stays.

use std::fs;

use crate::support::{World, assert_finding, assert_fired_and_nearly_missed, assert_no_finding, findings};
use layerfit::base::finding::Code;
use serde_json::Value;

/// R, and packages that need each other: a → b, and c by itself, with a library that only c's code loads.
fn world() -> World {
    let world = World::new();
    world.r().program("R/lib/R/bin/exec/R", &[], &[]);
    world.file("R/lib/R/etc/Renviron", "R_LIBS_USER=/opt/local/library\n");
    world.package("local/library", "aa", "1.0", "Imports: bb\nSuggests: cc\n");
    world.package("local/library", "bb", "1.0", "");
    world.package("local/library", "cc", "1.0", "").library("lib/libonly.so.1", &[], &[]);
    world.library("local/library/cc/libs/cc.so", &["lib/libonly.so.1"], &[]);
    world.package("R/lib/R/library", "splines", "4.2.2", "Priority: base\n");
    fs::create_dir(world.beside("code")).expect("a directory");
    world
}

fn code(world: &World, name: &str, text: &str) {
    fs::write(world.beside("code").join(name), text).expect("written");
}

fn plan(world: &World, more: &[&str]) -> (i32, Value) {
    world.json(&[&["plan", "ROOT"], more].concat())
}

fn kept_packages(report: &Value) -> Vec<String> {
    let packages = report["packages"].as_array().expect("packages").iter();
    packages.map(|package| package["name"].as_str().expect("a name").to_owned()).collect()
}

#[test]
fn what_no_source_uses_goes_with_its_libraries_and_what_is_used_keeps_what_it_needs() {
    let world = world();
    code(&world, "test.R", "library(aa)\nhandler <- function() aa::f()\n");
    let (status, report) = plan(&world, &["--handler", "code"]);
    assert_eq!(status, 0, "{:#}", report["findings"]);
    let kept = kept_packages(&report);
    assert!(kept.contains(&"aa".to_owned()) && kept.contains(&"bb".to_owned()) && kept.contains(&"stats".to_owned()));
    assert!(!kept.contains(&"cc".to_owned()) && !kept.contains(&"splines".to_owned()), "{kept:?}");
    let rule =
        |code: &str| report["pruned"].as_array().expect("rules").iter().find(|rule| rule["rule"] == code).cloned();
    assert_eq!(rule("D003").expect("shown")["name"], "unused-by-handlers");
    assert_eq!(rule("D002").expect("shown")["files"], 1, "libonly goes with cc");
    assert_finding(&report, "R110", "packages", "cc (suggested by aa)");
    // What is asked for stays, with what it needs.
    let (_, report) = plan(&world, &["--handler", "code", "--keep", "pkg:cc"]);
    assert!(kept_packages(&report).contains(&"cc".to_owned()));
    assert_no_finding(&report, "R110");
    assert_fired_and_nearly_missed(Code::SuggestedAndDropped);
}

#[test]
fn other_files_that_a_handler_reads_are_read_too() {
    let world = world();
    code(&world, "test.R", "source('more.R')\nsource(file.path(Sys.getenv('LAMBDA_TASK_ROOT'), 'gone.R'))\n");
    code(&world, "more.R", "cc::f()\n");
    let (_, report) = plan(&world, &["--handler", "code/test.R"]);
    assert!(kept_packages(&report).contains(&"cc".to_owned()));
    assert_finding(&report, "R109", "code/test.R", "line 2: /var/task/gone.R (the file was not found");
}

#[test]
fn what_is_used_and_not_there_is_an_error_and_what_is_tested_for_a_remark() {
    let world = world();
    code(
        &world,
        "test.R",
        "x <- 1\nlibrary(missing1)\nif (requireNamespace('missing2', quietly = TRUE)) missing2::f()\n\
         require(missing3)\nrequire(missing4)\nmissing4::f()\n",
    );
    let (status, report) = plan(&world, &["--handler", "code"]);
    assert_eq!(status, 1);
    let found = findings(&report, "R108");
    let expected = [
        ("error", "line 2 uses the R package missing1,", "in the tree"),
        ("error", "line 6 uses the R package missing4 (and 1 more line)", "in the tree"),
        ("warning", "line 4 uses the R package missing3,", "but what it is for does"),
        ("info", "line 3 uses the R package missing2", "works without it"),
    ];
    assert_eq!(found.len(), expected.len(), "{found:?}");
    let severity = |message: &str| {
        let of = report["findings"].as_array().expect("findings").iter().find(|finding| finding["message"] == message);
        of.expect("a finding")["severity"].clone()
    };
    for ((_, message), (expected, begins, ends)) in found.iter().zip(expected) {
        assert!(message.starts_with(begins) && message.ends_with(ends), "{message}");
        assert_eq!(severity(message), expected, "{message}");
    }
}

#[test]
fn what_reading_cannot_tell_is_said_with_its_line() {
    let world = world();
    code(&world, "test.R", "p <- Sys.getenv('P')\nlibrary(p, character.only = TRUE)\n");
    let (status, report) = plan(&world, &["--handler", "code"]);
    assert_eq!(status, 0);
    assert_finding(&report, "R109", "code/test.R", "line 2: library(p, character.only = TRUE)");
}

#[test]
fn why_begins_with_the_line_of_the_handler() {
    let world = world();
    code(&world, "test.R", "x <- 1\naa::f()\n");
    let run = world.run(&["why", "pkg:bb", "ROOT", "--handler", "code"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert!(run.stdout.contains("code/test.R:2 → pkg:aa → pkg:bb"), "{}", run.stdout);
}

#[test]
fn a_handler_that_is_not_there_or_none_is_an_error() {
    let world = world();
    for (path, words) in [("gone.R", "gone.R"), ("code", "contains no source"), ("layerfit.txt", "is not a source")] {
        fs::write(world.beside("layerfit.txt"), "text").expect("written");
        let run = world.run(&["plan", "ROOT", "--handler", path]);
        assert_eq!(run.code, 2, "{path}");
        assert!(run.stderr.contains(words), "{words}: {}", run.stderr);
    }
}

#[test]
fn what_a_run_opened_stays_whatever_a_rule_takes_it_for() {
    let world = world();
    world.file("share/doc/used", "x").file("share/doc/idle", "x").link("share/doc/link", "used");
    fs::write(
        world.beside("run.log"),
        "12 openat(AT_FDCWD, \"/opt/share/doc/link\", O_RDONLY) = 3\n12 open(\"/opt/local/library/cc/R/cc\", O_RDONLY) = 3\n",
    )
    .expect("written");
    let dropped = |report: &Value| report["totals"]["pruned"]["files"].as_u64().expect("a number");
    let (_, without) = plan(&world, &[]);
    let (_, with) = plan(&world, &["--trace", "run.log"]);
    assert_eq!(dropped(&without) - dropped(&with), 2, "the file and the link to it");
    assert_no_finding(&without, "P105");
    let found = findings(&with, "P105");
    assert!(found[0].1.contains("which are kept: share/doc/link, share/doc/used"), "{found:?}");
    // A package of which something was opened is used.
    code(&world, "test.R", "1\n");
    let (_, report) = plan(&world, &["--handler", "code", "--trace", "run.log"]);
    assert!(kept_packages(&report).contains(&"cc".to_owned()));
    fs::write(world.beside("no.log"), "hello\n").expect("written");
    let run = world.run(&["plan", "ROOT", "--trace", "no.log"]);
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("no.log: it contains no call in strace's format"), "{}", run.stderr);
    assert_fired_and_nearly_missed(Code::OpenedInRun);
}

/// A rule that only matches a package that no handler uses has matched something.
#[test]
fn rules_that_match_what_no_handler_uses_are_not_reported_as_idle() {
    let world = World::new();
    world.r().package("R/lib/R/library", "MASS", "7.3", "").file("R/lib/R/library/MASS/scripts/ch01.R", "x");
    std::fs::write(world.beside("h.R"), "library(stats)\n").expect("written");
    for more in [&[][..], &["--handler", "h.R"], &["--drop", "pkg:MASS"]] {
        let (_, report) = world.json(&[&["plan", "ROOT"], more].concat());
        let idle = findings(&report, "P102").remove(0).1;
        assert!(!idle.contains("D113") && idle.contains("D503"), "{more:?}: {idle}");
        let in_table = report["pruned"].as_array().expect("rules").iter().find(|rule| rule["rule"] == "D113");
        assert_eq!(in_table.expect("on")["files"], 1, "{more:?}");
    }
}
