//! What packages need of each other is held to what R does at library().

use crate::support::{World, assert_finding, assert_no_finding, findings};

const SITE: &str = "local/lib/R/site-library";

#[test]
fn a_package_that_is_missing_is_an_error_and_one_in_another_library_is_not() {
    let world = World::new();
    world
        .r()
        .package(SITE, "httr", "1.4.5", "Imports: curl (>= 3.0.0), mime, methods\n")
        .package(SITE, "mime", "0.12", "");
    let (code, report) = world.json(&["analyze", "ROOT"]);
    assert_eq!(code, 1);
    assert_finding(&report, "R102", "pkg:httr", "needs the package curl, which is not in any library");
    let httr = report["packages"].as_array().expect("packages").iter().find(|p| p["name"] == "httr").expect("httr");
    assert_eq!(httr["needs"], serde_json::json!(["curl", "mime", "methods"]));
    assert_eq!(httr["missing"], serde_json::json!(["curl"]));
}

#[test]
fn linking_to_and_suggests_are_not_needed_to_run() {
    let world = World::new();
    world.r().package(SITE, "a", "1.0", "LinkingTo: cpp11, Rcpp\nSuggests: testthat\nDepends: R (>= 3.5)\n");
    assert_eq!(world.json(&["analyze", "ROOT"]).0, 0);
}

#[test]
fn a_package_that_is_too_old_is_an_error_and_the_exact_version_is_not() {
    let world = World::new();
    world.r().package(SITE, "a", "1.0", "Imports: b (>= 1.10),\n    c (>= 2.0-1)\n");
    world.package(SITE, "b", "1.9", "").package(SITE, "c", "2.0.1", "");
    let (code, report) = world.json(&["analyze", "ROOT"]);
    assert_eq!(code, 1);
    assert_finding(&report, "R103", "pkg:a", "needs b (>= 1.10), but the tree has 1.9");
}

#[test]
fn r_itself_can_be_too_old() {
    let world = World::new();
    world.r().package(SITE, "a", "1.0", "Depends: R (>= 4.3)\n").package(SITE, "b", "1.0", "Depends: R (>= 4.2.2)\n");
    let (_, report) = world.json(&["analyze", "ROOT"]);
    assert_finding(&report, "R103", "pkg:a", "needs R (>= 4.3), but the tree has R 4.2.2");
}

#[test]
fn the_same_package_in_two_libraries_is_a_warning() {
    let world = World::new();
    world.r().package(SITE, "a", "1.0", "").package("other/library", "a", "2.0", "").package(SITE, "b", "1.0", "");
    let (code, report) = world.json(&["plan", "ROOT"]);
    assert_eq!(code, 0);
    assert_finding(&report, "R104", "pkg:a", "local/lib/R/site-library (1.0) and other/library (2.0)");
    let units: Vec<&str> =
        report["units"].as_array().expect("units").iter().filter_map(|u| u["name"].as_str()).collect();
    assert!(units.contains(&"pkg:a@other/library") && units.contains(&"pkg:b"), "{units:?}");
}

#[test]
fn a_package_built_for_another_r_is_said_as_loudly_as_r_says_it() {
    let world = World::new();
    world.r();
    for (name, built) in [
        ("older", "R 4.0.2; ; x; unix"),
        ("newer", "R 4.3.1; ; x; unix"),
        ("ancient", "R 2.15.0; ; x; unix"),
        ("same", "R 4.2.1; ; x; unix"),
        ("foreign", "R 4.2.2; aarch64-unknown-linux-gnu; x; unix"),
    ] {
        let at = format!("{SITE}/{name}/DESCRIPTION");
        world.file(at, format!("Package: {name}\nVersion: 1.0\nBuilt: {built}\n"));
    }
    let base = "R/lib/R/library/methods/DESCRIPTION";
    world.file(base, "Package: methods\nVersion: 4.2.2\nBuilt: R 4.2.2; x86_64-pc-linux-gnu; x; unix\n");
    let (_, report) = world.json(&["analyze", "ROOT"]);
    let mut said: Vec<String> = report["findings"]
        .as_array()
        .expect("findings")
        .iter()
        .filter(|finding| finding["code"] == "R105")
        .map(|finding| format!("{} {}", finding["severity"].as_str().unwrap(), finding["subject"].as_str().unwrap()))
        .collect();
    said.sort();
    assert_eq!(said, ["error pkg:ancient", "error pkg:foreign", "info pkg:older", "warning pkg:newer"]);
}

#[test]
fn libraries_are_searched_as_libpaths_says() {
    let world = World::new();
    world.r().package("R/lib/R/site-library", "own", "1.0", "").package("opt/4.2/lib", "versioned", "1.0", "");
    let not_searched = || {
        let found = findings(&world.json(&["analyze", "ROOT"]).1, "R107");
        found.into_iter().map(|(library, _)| library).collect::<Vec<_>>()
    };
    assert_eq!(not_searched(), ["opt/4.2/lib"]);
    let renviron = "R/lib/R/etc/Renviron";
    for (system, site, bootstrap, missing) in [
        ("R_LIBS_SITE=${R_LIBS_SITE-'%S:/opt/opt/%v/lib'}", "", "", &[][..]),
        // What the site sets replaces the default, and its own default has no effect.
        ("R_LIBS_SITE=${R_LIBS_SITE-'%S'}", "R_LIBS_SITE=/opt/opt/%v/lib", "", &["R/lib/R/site-library"]),
        ("R_LIBS_SITE=${R_LIBS_SITE-'%S'}", "R_LIBS_SITE=${R_LIBS_SITE-/opt/opt/4.2/lib}", "", &["opt/4.2/lib"]),
        ("R_LIBS_USER=${R_LIBS_USER:-'/opt/opt/%v/lib'}", "", "export R_LIBS_USER=NULL", &["opt/4.2/lib"]),
        // R does not get what the shell does not export.
        ("R_LIBS_USER=${R_LIBS_USER:-'/opt/opt/%v/lib'}", "", "R_LIBS_USER=NULL", &[]),
        ("R_LIBS_USER=${R_LIBS_USER-'/opt/opt/%V/lib'}", "", "", &["opt/4.2/lib"]),
        ("R_LIBS_SITE=${R_LIBS_SITE-'%S'}", "", "export R_LIBS_SITE=", &["R/lib/R/site-library", "opt/4.2/lib"]),
        // Only running tells.
        ("R_LIBS_SITE=${X-/opt/opt/4.2/lib}:%S", "", "X=$(cat x)", &[]),
        ("R_LIBS=${X-/opt/opt/4.2/lib}", "", "R_ENVIRON=/opt/none", &[]),
    ] {
        world.file(renviron, format!("{system}\n")).file("R/lib/R/etc/Renviron.site", format!("{site}\n"));
        world.file("bootstrap", format!("#!/bin/sh\n{bootstrap}\n"));
        assert_eq!(not_searched(), missing, "{system} | {site} | {bootstrap}");
    }
}

#[test]
fn a_library_that_r_does_not_search_is_an_error_where_a_handler_needs_it() {
    let world = World::new();
    world.r().package(SITE, "httr", "1.4.5", "").package("R/lib/R/library", "user", "1.0", "Imports: httr\n");
    let severity = |handler: &str| {
        std::fs::write(world.beside("h.R"), handler).expect("written");
        let (code, report) = world.json(&["plan", "ROOT", "--handler", "h.R"]);
        let found = report["findings"].as_array().expect("findings").iter().find(|found| found["code"] == "R107");
        let found = found.map(|found| {
            assert!(found["help"].as_str().expect("text").contains("r-libs-user = [\"local/lib/R/site-library\"]"));
            found["severity"].as_str().expect("text").to_owned()
        });
        (code, found)
    };
    assert_eq!(severity("library(httr)\n"), (1, Some("error".to_owned())));
    assert_eq!(severity("library(user)\n"), (1, Some("error".to_owned())));
    assert_eq!(severity("if (requireNamespace('httr')) httr::GET('x')\n").0, 0);
    assert_eq!(severity("library(stats)\n").0, 0);
    // The function's own bootstrap names it.
    std::fs::write(world.beside("bootstrap"), "#!/bin/sh\nR_LIBS=/opt/local/lib/R/site-library R\n").expect("written");
    assert_eq!(severity("library(httr)\n"), (0, None));
    for other in ["# R_LIBS=/opt/local/lib/R/site-library R\n", "R_LIBS=/opt/local/lib/R/site-library2 R\n"] {
        std::fs::write(world.beside("bootstrap"), format!("#!/bin/sh\n{other}")).expect("written");
        assert_eq!(severity("library(httr)\n"), (1, Some("error".to_owned())), "{other}");
    }
    std::fs::remove_file(world.beside("bootstrap")).expect("removed");
    // The remedy.
    std::fs::write(world.beside("layerfit.toml"), "r-libs-user = [\"local/lib/R/site-library\"]\n").expect("written");
    assert_eq!(severity("library(httr)\n"), (0, None));
}

#[test]
fn libraries_that_r_code_adds_are_searched_and_computed_ones_are_not_known() {
    let world = World::new();
    world.r().package("R/lib/R/added", "own", "1.0", "");
    let finding = |arguments: &[&str]| {
        let (_, report) = world.json(arguments);
        assert_eq!(findings(&report, "R107").len(), usize::from(report.to_string().contains("\"R107\"")));
        let found = report["findings"].as_array().expect("findings").iter().find(|found| found["code"] == "R107");
        found.map(|found| (found["severity"].clone(), found["message"].as_str().expect("text").to_owned()))
    };
    let profile = "R/lib/R/etc/Rprofile.site";
    for code in [
        ".libPaths(file.path(R.home(), 'added'))",
        ".libPaths(c(normalizePath(paste0(R.home(), '/added')), .libPaths()))",
        "local({ own <- R.home('added'); if (dir.exists(own)) .libPaths(c(.libPaths(), own)) })",
        ".libPaths(Sys.getenv('OWN', file.path(Sys.getenv('R_HOME'), 'added')))",
    ] {
        world.file(profile, format!("{code}\n"));
        assert_eq!(finding(&["analyze", "ROOT"]), None, "{code}");
    }
    std::fs::write(world.beside("h.R"), "library(own)\n").expect("written");
    let with_handler = ["plan", "ROOT", "--handler", "h.R"];
    world.file(profile, "options(x = 1)\n.libPaths(readLines('/opt/libs'))\n");
    for arguments in [&["analyze", "ROOT"][..], &with_handler] {
        let (severity, message) = finding(arguments).expect("a finding");
        assert_eq!(severity, "info");
        assert!(message.contains("is not known, because line 2 of the site's profile"), "{message}");
    }
    world.file(profile, ".libPaths('/opt/R/lib/R/other')\n");
    assert_eq!(finding(&with_handler).expect("a finding").0, "error");
    // The source adds it itself.
    std::fs::write(world.beside("h.R"), "library(own, lib.loc = '/opt/R/lib/R/added')\n").expect("written");
    assert_eq!(finding(&with_handler), None);
    std::fs::write(world.beside("h.R"), ".libPaths(Sys.getenv('MINE'))\nlibrary(own)\n").expect("written");
    let (severity, message) = finding(&with_handler).expect("a finding");
    assert!(severity == "info" && message.ends_with("unless h.R:1 adds it: its path is computed there"), "{message}");
}

#[test]
fn packages_with_the_same_difference_are_one_finding_with_their_number() {
    let world = World::new();
    world.r();
    for (name, built) in [("a", "4.1.2"), ("b", "4.1.0"), ("c", "4.1.2"), ("d", "4.0.5")] {
        let description = format!("Package: {name}\nVersion: 1.0\nBuilt: R {built}; ; x; unix\n");
        world.package(SITE, name, "1.0", "").file(format!("{SITE}/{name}/DESCRIPTION"), description);
    }
    let found = findings(&world.json(&["analyze", "ROOT"]).1, "R105");
    let of_many = "3 packages were built under R 4.1.0, 4.1.2, but the tree has R 4.2.2: a, b, c";
    assert_eq!(
        found,
        [
            ("packages".to_owned(), of_many.to_owned()),
            ("pkg:d".to_owned(), "was built under R 4.0.5, but the tree has R 4.2.2".to_owned())
        ]
    );
}

#[test]
fn a_package_that_a_rule_drops_needs_nothing_any_more() {
    let world = World::new();
    world.r().package("R/lib/R/library", "tcltk", "4.2.2", "Imports: nothere\n");
    assert_eq!(findings(&world.json(&["analyze", "ROOT"]).1, "R102").len(), 1);
    assert_no_finding(&world.json(&["plan", "ROOT"]).1, "R102");
}

#[test]
fn a_library_that_r_does_not_look_in_is_a_warning_until_something_names_it() {
    let world = World::new();
    world.r().package(SITE, "httr", "1.4.5", "").package(SITE, "mime", "0.12", "");
    let warns = || world.json(&["analyze", "ROOT"]).1;
    assert_finding(&warns(), "R107", SITE, "not on R's library search path");
    // Commented out, or another place that begins alike, is not it.
    world.file(
        "R/lib/R/etc/Renviron.site",
        "#R_LIBS_SITE=/opt/local/lib/R/site-library\nR_LIBS=/opt/local/lib/R/site-library2\n",
    );
    assert_finding(&warns(), "R107", SITE, "contains httr");
    for (file, text) in [
        ("R/lib/R/etc/Renviron.site", "R_LIBS_SITE=${R_LIBS_SITE-'/opt/local/lib/R/site-library/'}\n"),
        ("R/lib/R/etc/Renviron", "R_LIBS_USER=${R_HOME}/../../../local/lib:/opt/local/lib/R/site-library:x\n"),
        ("R/lib/R/etc/Renviron", "R_LIBS_USER=${R_HOME}/../../../local/lib/R/site-library\n"),
        ("R/lib/R/etc/Renviron", "A=/opt/local\nR_LIBS_USER=${NO-${A}/lib/R}/site-library\n"),
        (
            "R/lib/R/etc/Renviron",
            "R_LIBS_SITE=${R_LIBS_SITE:-'/opt/local/lib/R/site-%%:/opt/local/lib/R/site-library'}\n",
        ),
        ("bootstrap", "#!/bin/sh\n: \"${R_LIBS_USER:=/opt/local/lib/R/site-library}\"\nexport R_LIBS_USER\n"),
        ("bootstrap", "#!/bin/sh\nB=/opt/local\nR_LIBS=$B/lib/R/site-library exec /opt/R/bin/Rscript a.R\n"),
        ("bootstrap", "#!/bin/sh\nexec R -e '.libPaths(\"/opt/local/lib/R/site-library\")'\n"),
        ("R/lib/R/etc/Rprofile.site", ".libPaths(c('/opt/local/lib/R/site-library', .libPaths()))\n"),
        ("bootstrap", "#!/bin/sh\nexport R_LIBS=/opt/local/lib/R/site-library\n"),
    ] {
        world.file("R/lib/R/etc/Renviron.site", "").file(file, text);
        assert_no_finding(&warns(), "R107");
        std::fs::remove_file(world.root().join(file)).expect("removed");
    }
}
