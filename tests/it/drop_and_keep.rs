//! `--drop` and `--keep` do what they name, whatever the rules say; the report shows what went, and the checks what breaks.

use std::fs;

use crate::support::{World, assert_finding, assert_no_finding, findings, zip_entries};
use serde_json::Value;

const LIBRARY: &str = "R/lib/R/library";

fn world() -> World {
    let world = World::new();
    world.r().library("lib/libx.so.1.0", &[], &["-Wl,-soname,libx.so.1"]).link("lib/libx.so.1", "libx.so.1.0");
    world.library("R/lib/R/lib/libR.so", &[], &[]).program("R/lib/R/bin/exec/R", &["R/lib/R/lib/libR.so"], &[]);
    world.package(LIBRARY, "a", "1.0", "").package(LIBRARY, "b", "1.0", "Imports: a\n");
    world.library("R/lib/R/library/a/libs/a.so", &["lib/libx.so.1.0"], &[]);
    world
}

fn pruned(report: &Value, rule: &str) -> Option<(u64, u64)> {
    let rows = report["pruned"].as_array().expect("pruned");
    assert!(rows.is_sorted_by_key(|row| row["rule"].as_str().expect("a code").to_owned()));
    let row = rows.iter().find(|row| row["rule"] == rule)?;
    Some((row["files"].as_u64().expect("files"), row["bytes"].as_u64().expect("bytes")))
}

/// The names in the zips after a pack with these options, and its report.
fn packed(world: &World, more: &[&str]) -> (Vec<String>, i32, Value) {
    let (code, report) = world.json(&[&["pack", "ROOT", "-o", "OUT"], more].concat());
    let layers = report["layers"].as_array().expect("layers");
    let zips = layers.iter().map(|layer| world.beside("out").join(layer["zip"].as_str().expect("a name")));
    let mut names: Vec<String> = zips.flat_map(|zip| zip_entries(&zip)).map(|(name, ..)| name).collect();
    names.sort();
    (names, code, report)
}

#[test]
fn a_dropped_package_goes_with_the_library_that_only_it_needed_and_the_report_says_so() {
    let world = world();
    let (before, code, report) = packed(&world, &[]);
    assert_eq!((code, pruned(&report, "D001"), pruned(&report, "D002")), (0, None, None));
    let (after, code, report) = packed(&world, &["--drop", "pkg:a"]);
    let gone = |name: &String| name.starts_with("R/lib/R/library/a/") || name.starts_with("lib/libx.so.1");
    assert_eq!(after, before.iter().filter(|name| !gone(name)).cloned().collect::<Vec<_>>());
    let files = before.iter().filter(|name| name.starts_with("R/lib/R/library/a/")).count() as u64;
    assert_eq!(pruned(&report, "D001").expect("a row").0, files);
    assert_eq!(pruned(&report, "D002").expect("a row").0, 2, "the library and its link");
    // What the rules drop of the package is theirs, and nothing of it comes back.
    assert_eq!(pruned(&report, "D101"), pruned(&packed(&world, &[]).2, "D101"));
    assert_eq!(code, 1);
    assert_finding(
        &report,
        "R102",
        "pkg:b",
        "needs the package a, which is not in any library; it was dropped by --drop",
    );
    assert_no_finding(&report, "P104");
    let rows = report["pruned"].as_array().expect("pruned").iter();
    let totals = rows.map(|row| row["files"].as_u64().expect("files")).sum::<u64>();
    assert_eq!(report["totals"]["pruned"]["files"].as_u64(), Some(totals));
    for (code, name) in [("D001", "dropped-by-you"), ("D002", "needed-by-nothing-else")] {
        assert!(world.run(&["rules", code]).stdout.starts_with(&format!("{code} {name}")));
    }
}

#[test]
fn dropping_what_the_rest_does_not_need_is_no_error() {
    let world = world();
    let (names, code, report) = packed(&world, &["--drop", "pkg:b,pkg:a"]);
    assert_eq!(code, 0, "{:#}", report["findings"]);
    assert!(!names.iter().any(|name| name.starts_with("lib/")), "{names:?}");
    // Packed without them, it is what a tree without them gives.
    for path in ["R/lib/R/library/a", "R/lib/R/library/b", "lib"] {
        std::fs::remove_dir_all(world.root().join(path)).expect("removed");
    }
    let digest = |report: &Value| report["layers"][0]["sha256"].clone();
    assert_eq!(digest(&packed(&world, &[]).2), digest(&report));
}

#[test]
fn a_dropped_library_is_missing_where_it_is_needed() {
    let world = world();
    for name in ["libx.so.1", "lib/libx.so.1.0", "lib:lib/libx.so.1.0"] {
        let (names, code, report) = packed(&world, &["--drop", name]);
        assert_eq!(code, 1);
        assert!(!names.iter().any(|name| name.starts_with("lib/libx")), "{name}: {names:?}");
        assert_finding(&report, "L201", "R/lib/R/library/a/libs/a.so", "needs libx.so.1, which neither the tree nor");
        let help = &report["findings"].as_array().expect("findings").iter().find(|f| f["code"] == "L201").expect("one")
            ["help"];
        assert!(help.as_str().expect("text").contains("dropped by --drop"), "{help}");
    }
}

#[test]
fn what_is_found_elsewhere_without_a_dropped_library_is_no_error() {
    let world = World::new();
    world.library("first/libx.so", &[], &[]).library("lib/libx.so", &[], &[]);
    world.program("bin/tool", &["first/libx.so"], &["-Wl,-rpath,/opt/first"]);
    // Also when a rule dropped the other one as long as nothing loaded it.
    for more in [&[][..], &["--select", "D901"]] {
        let (code, report) = world.json(&[&["plan", "ROOT", "--drop", "first"], more].concat());
        assert_eq!(code, 0, "{more:?}: {:#}", report["findings"]);
        let objects = report["objects"].as_array().expect("objects");
        let tool = objects.iter().find(|object| object["path"] == "bin/tool").expect("there");
        assert_eq!(tool["needed"][0]["path"], "/opt/lib/libx.so", "{more:?}");
    }
    assert_eq!(pruned(&world.json(&["plan", "ROOT", "--select", "D901"]).1, "D901").expect("a row").0, 1);
}

#[test]
fn r_and_packages_say_what_they_lack_of_what_is_dropped() {
    let world = world();
    let (code, report) =
        world.json(&["plan", "ROOT", "--drop", "R/lib/R/etc/Renviron,pkg:grDevices,R/lib/R/library/a/NAMESPACE"]);
    assert_eq!(code, 1);
    let said = findings(&report, "P104");
    let of = |subject: &str| said.iter().find(|(who, _)| who == subject).map(|(_, message)| message.as_str());
    assert_eq!(of("R"), Some("needs files that --drop removes: R/lib/R/etc/Renviron"));
    assert_eq!(of("pkg:a"), Some("needs files that --drop removes: R/lib/R/library/a/NAMESPACE"));
    assert!(of("pkg:grDevices").expect("said").contains("R loads it at startup"), "{said:?}");
    // All of R dropped is nobody's loss.
    let (code, report) = world.json(&["plan", "ROOT", "--drop", "R"]);
    assert_eq!((code, report["totals"]["kept"]["files"].as_u64()), (0, Some(0)), "{:#}", report["findings"]);
}

#[test]
fn links_to_what_is_dropped_go_too() {
    let world = World::new();
    world.file("share/x/data", "data").link("data", "share/x/data").link("x", "share/x").link("y", "data");
    world.file("share/z", "z");
    let (names, code, _) = packed(&world, &["--drop", "share/x"]);
    assert_eq!((names, code), (vec!["share/z".to_owned()], 0));
    let (_, report) = world.json(&["plan", "ROOT", "--drop", "share/x/data", "--keep", "data"]);
    assert_finding(&report, "P104", "data", "needs files that --drop removes: share/x/data");
}

#[test]
fn what_a_dropped_package_held_against_a_rule_goes_by_that_rule() {
    let world = world();
    world.package(LIBRARY, "tcltk", "4.2.2", "").package(LIBRARY, "gui", "1.0", "Imports: tcltk\n");
    assert_finding(&world.json(&["plan", "ROOT"]).1, "P101", "pkg:tcltk", "pkg:gui needs it");
    let (names, _, report) = packed(&world, &["--drop", "pkg:gui"]);
    assert!(!names.iter().any(|name| name.contains("tcltk")), "{names:?}");
    assert_no_finding(&report, "P101");
    assert!(pruned(&report, "D301").expect("a row").0 > 0);
}

#[test]
fn the_last_package_of_a_library_takes_nothing_back_from_the_rules() {
    let world = world();
    world.package("site", "only", "1.0", "").file("site/only/help/AnIndex", "index");
    let (names, _, _) = packed(&world, &["--drop", "pkg:only"]);
    assert!(!names.iter().any(|name| name.starts_with("site")), "{names:?}");
    let (names, _, _) = packed(&world, &["--drop", "site/only/DESCRIPTION"]);
    assert!(
        names.contains(&"site/only/NAMESPACE".to_owned()) && !names.iter().any(|n| n.contains("help")),
        "{names:?}"
    );
}

#[test]
fn what_is_to_be_kept_is_dropped_by_no_rule_and_goes_with_nothing() {
    let world = world();
    let help = "R/lib/R/library/b/help/b.rdb";
    let (names, _, report) = packed(&world, &["--keep", &format!("{help},pkg:stats")]);
    assert!(names.contains(&help.to_owned()) && names.contains(&"R/lib/R/library/stats/help/stats.rdb".to_owned()));
    assert!(!names.contains(&"R/lib/R/library/a/help/a.rdb".to_owned()));
    assert_no_finding(&report, "P101");
    // Not with what is dropped, nor because nothing loads it.
    let (names, _, report) = packed(&world, &["--drop", "pkg:a", "--keep", "libx.so.1", "--select", "D901"]);
    assert!(names.contains(&"lib/libx.so.1.0".to_owned()) && names.contains(&"lib/libx.so.1".to_owned()), "{names:?}");
    assert_eq!(pruned(&report, "D002").expect("a row").0, 0);
    // A part of what is dropped.
    let (names, _, _) = packed(&world, &["--drop", "R/lib/R/library/b", "--keep", "R/lib/R/library/b/R"]);
    let of_b: Vec<&String> = names.iter().filter(|name| name.starts_with("R/lib/R/library/b/")).collect();
    assert_eq!(of_b, ["R/lib/R/library/b/R/b", "R/lib/R/library/b/R/b.rdb"]);
}

#[test]
fn analyze_and_check_look_at_what_is_left_too() {
    let world = world();
    let (code, report) = world.json(&["analyze", "ROOT", "--drop", "pkg:a"]);
    assert_eq!(code, 1);
    assert_finding(&report, "R102", "pkg:b", "it was dropped by --drop");
    let (_, of_r) = world.json(&["analyze", "ROOT", "--drop", "pkg:stats"]);
    assert_finding(&of_r, "P104", "pkg:stats", "R loads it at startup");
    assert!(report["packages"].as_array().expect("packages").iter().all(|package| package["name"] != "a"));
    assert!(report["objects"].as_array().expect("objects").iter().all(|object| object["path"] != "lib/libx.so.1.0"));
    assert_eq!(world.json(&["check", "ROOT", "--drop", "pkg:a"]).0, 1);
    assert_eq!(world.json(&["check", "ROOT", "--drop", "pkg:a,pkg:b"]).0, 0);
}

#[test]
fn a_dropped_thing_can_still_be_asked_about() {
    let world = world();
    for (name, rule) in [("pkg:a", "D001"), ("R/lib/R/library/a/NAMESPACE", "D001"), ("libx.so.1.0", "D002")] {
        let (code, answer) = world.json(&["why", name, "ROOT", "--drop", "pkg:a"]);
        assert_eq!((code, answer["things"][0]["state"].as_str()), (0, Some("dropped")), "{name}");
        let rules = answer["things"][0]["dropped_by"].as_array().expect("rules");
        assert!(rules.iter().any(|by| by["rule"] == rule), "{name}: {rules:?}");
    }
}

#[test]
fn names_that_make_no_sense_are_exit_code_2() {
    let world = world();
    world.file("bin/b", "#!/bin/sh\n");
    assert_eq!(world.run(&["pack", "ROOT", "-o", "OUT"]).code, 0);
    let zip = world.beside("out/layer-1.zip");
    let zip = zip.to_str().expect("UTF-8");
    for (arguments, says) in [
        (&["plan", "ROOT", "--drop", "pkg:A"][..], "did you mean pkg:a"),
        (&["plan", "ROOT", "--keep", "libx.so.2"], "did you mean lib/libx.so.1"),
        (&["analyze", "ROOT", "--drop", "qqqqqqqqqqqqqqqq"], "not found in the tree"),
        (&["plan", "ROOT", "--drop", "libc.so.6"], "not found in the tree"),
        (&["plan", "ROOT", "--drop", "pkg:a", "--keep", "pkg:a"], "all of it is kept by --keep"),
        (&["check", zip, "--drop", "pkg:a"], "--drop applies to a tree, not to zips"),
        (&["why", "--if-dropped", "pkg:zz", "ROOT"], "not found in the tree"),
        (&["plan", "ROOT", "--drop", "b"], "--drop b: stands for more than one thing: pkg:b and bin/b"),
        (&["why", "b", "ROOT"], "name one of them, such as why pkg:b"),
        (&["why", "pkg:a", "ROOT", "--if-dropped", "pkg:b"], "--if-dropped"),
    ] {
        let run = world.run(arguments);
        assert_eq!(run.code, 2, "{arguments:?}: {}", run.stdout);
        assert!(run.stderr.contains(says), "{arguments:?}: {}", run.stderr);
    }
}

#[test]
fn what_layerfit_toml_sets_for_trees_is_passed_over_for_zips() {
    let world = world();
    fs::write(world.beside("h.R"), "library(a)\n").expect("written");
    for setting in [
        "bundle = true",
        "drop = [\"pkg:a\"]",
        "keep = [\"pkg:a\"]",
        "handler = [\"h.R\"]",
        "select = [\"extra\"]",
        "ignore = [\"D101\"]",
        "lock = \"l.lock\"",
        "strip = \"all\"",
    ] {
        fs::write(world.beside("layerfit.toml"), format!("{setting}\n")).expect("written");
        assert!(world.run(&["pack", "ROOT", "-o", "OUT", "-q"]).code < 2, "{setting}");
        for arguments in [&["check", "out"][..], &["check", "out/layer-1.zip"], &["diff", "out", "out"]] {
            let run = world.run(arguments);
            assert!(run.code < 2, "{setting}: {arguments:?}: {}", run.stderr);
        }
    }
    // An option that was typed is meant, and cannot be heeded.
    for option in [&["--bundle"][..], &["--select", "extra"], &["--keep", "pkg:a"], &["--handler", "h.R"]] {
        let run = world.run(&[&["check", "out"], option].concat());
        assert!(run.code == 2 && run.stderr.contains(&format!("{} applies to a tree", option[0])), "{}", run.stderr);
    }
}

#[test]
fn a_link_to_a_directory_that_rules_empty_goes_with_it_unless_it_is_to_be_kept() {
    let world = World::new();
    world.file("share/man/man1/x.1", ".PP\n").file("share/y", "y").link("manual", "share/man").link("both", "share");
    let (names, code, report) = packed(&world, &[]);
    assert_eq!((names, code), (vec!["both".to_owned(), "share/y".to_owned()], 0));
    // It went by the rule that dropped what it led to.
    assert_eq!(report["pruned"].as_array().expect("rules").iter().filter(|rule| rule["files"] == 2).count(), 1);
    let (names, _, report) = packed(&world, &["--keep", "manual"]);
    assert_eq!(names, ["both", "manual", "share/y"]);
    assert_eq!(report["totals"]["pruned"]["files"], 1);
    // A link that a rule drops itself is that rule's.
    world.link("share/doc/manual.html", "../man");
    let (_, _, report) = packed(&world, &[]);
    assert_eq!((pruned(&report, "D401").expect("a row").0, pruned(&report, "D404").expect("a row").0), (2, 1));
}

#[test]
fn r_lacks_what_is_dropped_as_long_as_anything_of_it_or_a_package_stays() {
    let world = world();
    world.package("site", "own", "1.0", "");
    // A package alone, outside of R's home.
    let (code, report) = world.json(&["plan", "ROOT", "--drop", "R"]);
    let of_r = |report: &Value| findings(report, "P104").into_iter().filter(|(who, _)| who == "R").count();
    assert_eq!((code, of_r(&report)), (1, 1), "{:#}", report["findings"]);
    // R's home without a package.
    let (code, report) = world.json(&["plan", "ROOT", "--drop", "R/lib/R/library,site"]);
    let started: Vec<String> = findings(&report, "P104").into_iter().map(|(who, _)| who).collect();
    assert_eq!(code, 1);
    assert!(started.contains(&"pkg:stats".to_owned()), "{started:?}");
    // Nothing of either.
    let (code, report) = world.json(&["plan", "ROOT", "--drop", "R,site"]);
    assert_eq!((code, of_r(&report)), (0, 0), "{:#}", report["findings"]);
}

#[test]
fn a_library_is_named_with_the_links_to_it_and_with_no_others() {
    let world = World::new();
    for name in ["libone.so", "libtwo.so"] {
        world.library(&format!("lib/{name}.1.0"), &[], &[&format!("-Wl,-soname,{name}.1")]);
        world.link(&format!("lib/{name}.1"), &format!("{name}.1.0")).link(&format!("lib/{name}"), &format!("{name}.1"));
    }
    world.link("other", "lib/libone.so").file("lib/libtext.so", "INPUT(libone.so.1)\n");
    let (names, _, _) = packed(&world, &["--drop", "libone.so.1"]);
    assert_eq!(names, ["lib/libtext.so", "lib/libtwo.so", "lib/libtwo.so.1", "lib/libtwo.so.1.0"]);
    let (names, _, _) = packed(&world, &["--drop", "lib", "--keep", "libtwo.so"]);
    assert_eq!(names, ["lib/libtwo.so", "lib/libtwo.so.1", "lib/libtwo.so.1.0"]);
    // A name alone is that of a library; what only has such a name is named by its path.
    let run = world.run(&["plan", "ROOT", "--drop", "libtext.so"]);
    assert!(run.code == 2 && run.stderr.contains("lib/libtext.so"), "{}", run.stderr);
    assert_eq!(packed(&world, &["--drop", "lib/libtext.so"]).0.len(), 7);
}

#[test]
fn what_is_to_be_dropped_and_kept_is_an_error_when_nothing_of_it_would_go() {
    let world = world();
    world.directory("var/empty").file("share/x", "x").file("share/y", "y");
    for both in ["share/x", "share", "pkg:a", "libx.so.1", "R/lib/R/library/a/NAMESPACE"] {
        let run = world.run(&["plan", "ROOT", "--drop", both, "--keep", both]);
        assert!(run.code == 2 && run.stderr.contains("all of it is kept by --keep"), "{both}: {}", run.stderr);
    }
    // A part of it is enough, and so is a directory without a file, of which there is nothing to keep.
    let kept = |more: &[&str]| {
        let (names, code, _) = packed(&world, more);
        assert_eq!(code, 0);
        names.into_iter().filter(|name| name.starts_with("share/") || name.starts_with("var/")).collect::<Vec<_>>()
    };
    assert_eq!(kept(&["--drop", "share", "--keep", "share/x"]), ["share/x", "var/empty/"]);
    assert_eq!(kept(&["--drop", "var", "--keep", "share"]), ["share/x", "share/y"]);
}

#[test]
fn a_unit_is_named_as_the_report_names_it_and_one_that_is_not_there_is_an_error() {
    let world = World::new();
    world.file("share/x", "x").file("note", "x").library("lib/libx.so", &[], &[]).directory("empty");
    for unit in ["r", "lib:lib/liby.so", "dir:shar", "dir:empty", "file:share/x", "file:nothing", "lib:libx.so"] {
        let run = world.run(&["plan", "ROOT", "--drop", unit]);
        assert!(run.code == 2 && run.stderr.contains("not found in the tree"), "{unit}: {}", run.stdout);
    }
    for (unit, left) in [
        ("dir:share", ["lib/libx.so", "note"]),
        ("file:note", ["lib/libx.so", "share/x"]),
        ("lib:lib/libx.so", ["note", "share/x"]),
    ] {
        let (names, code, _) = packed(&world, &["--drop", unit]);
        let names: Vec<&String> = names.iter().filter(|name| *name != "empty/").collect();
        assert_eq!((names, code), (left.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>().iter().collect(), 0));
    }
}

#[test]
fn a_link_that_a_rule_drops_does_not_come_back_when_its_target_is_dropped() {
    let world = World::new();
    world.library("sub/libidle.so.1", &[], &[]).link("lib/libidle.so.1", "../sub/libidle.so.1").file("share/x", "x");
    let rule = ["--select", "D901"];
    assert_eq!(packed(&world, &rule).0, ["share/x"]);
    let (names, code, report) = packed(&world, &[&rule[..], &["--drop", "sub"]].concat());
    assert_eq!((names, code), (vec!["share/x".to_owned()], 0), "{:#}", report["findings"]);
    assert_no_finding(&report, "S102");
}

#[test]
fn autoremove_drops_the_packages_that_only_dropped_ones_need() {
    let world = world();
    // top needs middle, which needs below and a; b needs a as well, and nothing needs idle.
    world.package(LIBRARY, "top", "1.0", "Imports: middle, stats\n");
    world.package(LIBRARY, "middle", "1.0", "Imports: below, a\n").package(LIBRARY, "below", "1.0", "");
    world.package(LIBRARY, "idle", "1.0", "");
    let left = |more: &[&str]| -> Vec<String> {
        let (_, report) = world.json(&[&["plan", "ROOT"], more].concat());
        let packages = report["packages"].as_array().expect("packages").iter();
        let names = packages.filter(|package| package["priority"] != "base");
        names.map(|package| package["name"].as_str().expect("a name").to_owned()).collect()
    };
    assert_eq!(left(&["--drop", "top"]), ["a", "b", "below", "idle", "middle"]);
    assert_eq!(left(&["--drop", "top", "--autoremove"]), ["a", "b", "idle"]);
    assert_eq!(left(&["--drop", "top,b", "--autoremove"]), ["idle"]);
    // What is to be kept stays, with what it needs.
    assert_eq!(left(&["--drop", "top", "--autoremove", "--keep", "middle"]), ["a", "b", "below", "idle", "middle"]);
    fs::write(world.beside("layerfit.toml"), "drop = [\"top\"]\nautoremove = true\n").expect("written");
    assert_eq!(left(&[]), ["a", "b", "idle"]);
    assert_eq!(left(&["--autoremove=false"]), ["a", "b", "below", "idle", "middle"]);
    fs::remove_file(world.beside("layerfit.toml")).expect("removed");
    let run = world.run(&["plan", "ROOT", "--autoremove"]);
    assert!(run.code == 2 && run.stderr.contains("--autoremove has no effect without --drop"), "{}", run.stderr);
    // A preview is what then happens.
    let (_, alone) = world.json(&["why", "--if-dropped", "top", "ROOT"]);
    let (_, all) = world.json(&["why", "--if-dropped", "top", "--autoremove", "ROOT"]);
    let (_, named) = world.json(&["why", "--if-dropped", "top,middle,below", "ROOT"]);
    assert_eq!(all["if_dropped"]["freed"], named["if_dropped"]["freed"]);
    assert_ne!(all["if_dropped"]["freed"], alone["if_dropped"]["freed"]);
}
