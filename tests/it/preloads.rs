//! Libraries that a package brings and loads before others need them, as RcppParallel its TBB.

use crate::support::{World, assert_finding, assert_no_finding, findings};

const SITE: &str = "local/lib/R/site-library";

/// Package `p` with `lib/libtbbx.so.2`, which `p` and `q` need by soname only; `q` requires what `lines` lists.
fn with_tbb(lines: &str) -> World {
    let world = World::new();
    let tbb = format!("{SITE}/p/lib/libtbbx.so.2");
    world.r().package(SITE, "p", "1.0", "").package(SITE, "between", "1.0", "Depends: p\n");
    world.package(SITE, "q", "1.0", lines);
    world.library(&tbb, &[], &[]);
    for name in ["p", "q"] {
        world.compile(&format!("{SITE}/{name}/libs/{name}.so"), &[&tbb], &["-shared"]);
    }
    world
}

#[test]
fn a_library_that_the_package_or_one_that_it_requires_brings_is_found() {
    for lines in ["Imports: p\n", "Depends: p\n", "Imports: between\n"] {
        let world = with_tbb(lines);
        let (code, report) = world.json(&["analyze", "ROOT"]);
        assert_no_finding(&report, "L201");
        assert_eq!(code, 0, "{lines}: {:#}", report["findings"]);
    }
}

#[test]
fn a_library_of_a_package_that_is_not_required_is_not_found() {
    let world = with_tbb("Suggests: p\n");
    let (code, report) = world.json(&["analyze", "ROOT"]);
    assert_eq!(code, 1);
    assert_finding(&report, "L201", &format!("{SITE}/q/libs/q.so"), "needs libtbbx.so.2");
}

#[test]
fn what_is_loaded_first_may_need_more_of_its_package() {
    let world = with_tbb("Imports: p\n");
    let (inner, tbb) = (format!("{SITE}/p/lib/libinner.so.1"), format!("{SITE}/p/lib/libtbbx.so.2"));
    world.library(&inner, &[], &[]).library(&tbb, &[&inner], &[]);
    assert_eq!(world.json(&["analyze", "ROOT"]).0, 0);
    std::fs::remove_file(world.root().join(&inner)).expect("removed");
    let (code, report) = world.json(&["analyze", "ROOT"]);
    assert_eq!(code, 1);
    assert_finding(&report, "L201", &tbb, "needs libinner.so.1");
}

#[test]
fn a_library_that_a_package_loads_by_itself_names_the_package_when_it_lacks_something() {
    let world = World::new();
    world.r().package(SITE, "torch", "0.11", "").library("libgone.so.12", &[], &[]);
    let lantern = format!("{SITE}/torch/lib/liblantern.so");
    world.library(&lantern, &["libgone.so.12"], &[]);
    std::fs::remove_file(world.root().join("libgone.so.12")).expect("removed");
    let (_, report) = world.json(&["analyze", "ROOT"]);
    assert_finding(&report, "L201", &lantern, "; the package torch loads it by itself");
    let finding = report["findings"].as_array().expect("findings").iter().find(|f| f["code"] == "L201");
    assert_eq!(finding.expect("there")["severity"], "warning");
}

/// Package `q` whose library uses a symbol and needs no library for it, on this machine.
fn with_symbol(world: &World, lines: &str) {
    world.r().package(SITE, "q", "1.0", lines).program("R/lib/R/bin/exec/R", &[], &[]);
    let source = "int tbb(void); int f(void) { return tbb(); }\n";
    world.c(&format!("{SITE}/q/libs/q.so"), source, &[], &["-shared", "-fPIC", "-nostdlib"]);
}

#[test]
fn r_binds_at_once_so_an_undefined_symbol_stops_library() {
    let world = World::new();
    with_symbol(&world, "");
    let (code, report) = world.json(&["analyze", "ROOT", "--runtime", "host"]);
    assert_eq!(code, 1);
    let subject = format!("{SITE}/q/libs/q.so");
    assert_finding(&report, "L205", &subject, "uses tbb, which no library loaded with it defines: library(q) fails");
}

#[test]
fn a_symbol_that_a_required_package_brings_is_defined() {
    let world = World::new();
    with_symbol(&world, "Imports: p\n");
    world.package(SITE, "p", "1.0", "");
    let flags = ["-shared", "-fPIC", "-nostdlib", "-Wl,-soname,libtbbx.so.2"];
    world.c(&format!("{SITE}/p/lib/libtbbx.so.2"), "int tbb(void) { return 1; }\n", &[], &flags);
    let (code, report) = world.json(&["analyze", "ROOT", "--runtime", "host"]);
    assert_eq!(code, 0, "{:#}", report["findings"]);
    assert_eq!(findings(&report, "L205"), []);
}
