//! R's homes: which directories are one, whatever links lead there, and that R finds its own packages in its own library only.

use std::fs;

use crate::support::{World, assert_finding, assert_no_finding, findings};

const SITE: &str = "local/lib/R/site-library";

/// What R's configure writes at the head of bin/R, for a home in `lib` or `lib64` of /opt/R.
const SCRIPT: &str = r#"#!/bin/bash
R_HOME_DIR=/opt/R/lib/R
if test "${R_HOME_DIR}" = "/opt/R/lib/R"; then
   case "linux-gnu" in
   linux*)
     run_arch=`uname -m`
     case "$run_arch" in
        x86_64|mips64|ppc64|powerpc64|sparc64|s390x)
          libnn=lib64
          libnn_fallback=lib
        ;;
        *)
          libnn=lib
          libnn_fallback=lib64
        ;;
     esac
     if [ -x "/opt/R/${libnn}/R/bin/exec/R" ]; then
        R_HOME_DIR="/opt/R/${libnn}/R"
     elif [ -x "/opt/R/${libnn_fallback}/R/bin/exec/R" ]; then
        R_HOME_DIR="/opt/R/${libnn_fallback}/R"
     fi
     ;;
  esac
fi
if test -n "${R_HOME}" && \
   test "${R_HOME}" != "${R_HOME_DIR}"; then
  echo "WARNING: ignoring environment value of R_HOME"
fi
R_HOME="${R_HOME_DIR}"
export R_HOME
"#;

/// An R with its program and libR.so, which only its own library path leads to.
fn r() -> World {
    let world = World::new();
    world.r().library("R/lib/R/lib/libR.so", &[], &[]).program("R/lib/R/bin/exec/R", &["R/lib/R/lib/libR.so"], &[]);
    world
}

fn rename(world: &World, from: &str, to: &str) {
    let to = world.root().join(to);
    fs::create_dir_all(to.parent().expect("inside")).expect("directories");
    fs::rename(world.root().join(from), to).expect("renamed");
}

fn copy(world: &World, from: &str, to: &str) {
    let (from, to) = (world.root().join(from), world.root().join(to));
    fs::create_dir_all(to.parent().expect("inside")).expect("directories");
    let status = std::process::Command::new("cp").arg("-a").args([from, to]).status().expect("cp runs");
    assert!(status.success());
}

fn helps(report: &serde_json::Value, code: &str) -> Vec<String> {
    let of_code = report["findings"].as_array().expect("findings").iter().filter(|finding| finding["code"] == code);
    of_code.map(|finding| finding["help"].as_str().expect("text").to_owned()).collect()
}

/// Asserts that the tree has the R of [`r`], which starts.
#[track_caller]
fn assert_works(world: &World) {
    let (code, report) = world.json(&["check", "ROOT"]);
    for check in ["R101", "R102", "R104", "R106", "R107", "L201"] {
        assert_no_finding(&report, check);
    }
    assert_eq!(code, 0, "{:#}", report["findings"]);
}

#[test]
fn base_packages_are_found_in_rs_own_library_only() {
    let world = r();
    assert_works(&world);
    // A package of the site's is found there.
    world.package(SITE, "jsonlite", "1.8.4", "").file("R/lib/R/etc/Renviron", format!("R_LIBS_SITE=/opt/{SITE}\n"));
    assert_works(&world);
    rename(&world, "R/lib/R/library/compiler", &format!("{SITE}/compiler"));
    let (code, report) = world.json(&["check", "ROOT"]);
    assert_eq!(code, 1);
    assert_finding(&report, "R102", "R/lib/R", "its own library does not have the package compiler");
    assert_eq!(helps(&report, "R102"), [format!("copy {SITE}/compiler to library/ in R's home")]);
    // By a link, it is there.
    world.link("R/lib/R/library/compiler", &format!("/opt/{SITE}/compiler"));
    assert_works(&world);
    rename(&world, "R/lib/R/library/stats", &format!("{SITE}/stats"));
    world.package(SITE, "grid", "4.2.2", "Priority: base\n");
    let (code, report) = world.json(&["check", "ROOT"]);
    assert_eq!(code, 1);
    assert_finding(
        &report,
        "R102",
        SITE,
        "grid and stats are here, but R finds its base packages only in its own library",
    );
}

#[test]
fn a_home_is_found_through_links() {
    for (moved, to, target) in [
        ("R", "R-4.2.2", "R-4.2.2"),
        ("R/lib/R", "rhome", "/opt/rhome"),
        ("R/lib/R/library", "baselib", "/opt/baselib"),
        ("R/lib/R/library", "base/library", "../../../base/library"),
        ("R/lib/R/library/base", "b/base", "/opt/b/base"),
        ("R/lib/R/bin", "rbin", "/opt/rbin"),
        ("R/lib/R/lib", "rlib", "/opt/rlib"),
    ] {
        let world = r();
        rename(&world, moved, to);
        world.link(moved, target);
        assert_works(&world);
        let (_, report) = world.json(&["analyze", "ROOT"]);
        assert_eq!(report["runtimes"].as_array().map_or(1, Vec::len), 1, "{moved}: {report:#}");
        // What R's own packages need is looked for as before.
        let package =
            if moved.ends_with("library") { format!("{to}/stats") } else { "R/lib/R/library/stats".to_owned() };
        let package = if matches!(moved, "R" | "R/lib/R") { package.replacen(moved, to, 1) } else { package };
        world.library("gone/libgone.so.1", &[], &[]);
        world.library(&format!("{package}/libs/stats.so"), &["gone/libgone.so.1"], &[]);
        fs::remove_dir_all(world.root().join("gone")).expect("removed");
        let (code, report) = world.json(&["check", "ROOT"]);
        assert_finding(&report, "L201", &format!("{package}/libs/stats.so"), "needs libgone.so.1");
        assert_eq!(code, 1);
    }
}

#[test]
fn r_is_missed_where_no_link_leads_to_its_home() {
    let world = r();
    rename(&world, "R", "R-4.2.2");
    let (code, report) = world.json(&["check", "ROOT"]);
    assert_eq!(code, 1);
    let words = "to run from /opt/R/lib/R, but in Lambda it is at /opt/R-4.2.2/lib/R";
    assert_finding(&report, "R106", "R-4.2.2/lib/R/bin/R", words);
    assert_eq!(
        helps(&report, "R106"),
        ["link R to /opt/R-4.2.2, or configure R for /opt/R-4.2.2/lib/R (--prefix, --libdir)"]
    );
    world.link("R", "/opt/elsewhere");
    assert_finding(&world.json(&["check", "ROOT"]).1, "R106", "R-4.2.2/lib/R/bin/R", words);
}

#[test]
fn a_copy_of_rs_library_is_not_a_second_r() {
    let world = r();
    world.program("R/lib/R/library/stats/libs/stats.so", &["R/lib/R/lib/libR.so"], &["-shared"]);
    assert_works(&world);
    copy(&world, "R/lib/R/library", "library");
    let (_, report) = world.json(&["check", "ROOT"]);
    for check in ["L201", "R106", "R102"] {
        assert_no_finding(&report, check);
    }
    assert!(findings(&report, "R104").iter().any(|(package, _)| package == "pkg:stats"), "{report:#}");
    // R's library alone, as in a layer of its own, belongs to an R in another one.
    let world = World::new();
    world.r();
    for file in ["bin", "etc"] {
        fs::remove_dir_all(world.root().join("R/lib/R").join(file)).expect("removed");
    }
    assert_works(&world);
}

#[test]
fn the_script_that_starts_r_is_run_to_find_its_home() {
    let machine = |text: &str| text.replace("`uname -m`", std::env::consts::ARCH);
    for (home, script, works) in [
        ("lib", machine(SCRIPT), true),
        ("lib64", machine(SCRIPT), true),
        ("lib64", SCRIPT.to_owned(), true),
        // Only that of the default falls back.
        ("lib64", SCRIPT.replace("R_HOME_DIR=/opt/R/lib/R", "R_HOME_DIR=/opt/r/lib/R"), false),
        ("lib32", machine(SCRIPT), false),
        ("lib", SCRIPT.replace("R_HOME_DIR=/opt/R/lib/R", "R_HOME_DIR=/usr/lib/R\nR_HOME_DIR=/opt/R/lib/R"), true),
        ("lib", "#!/bin/sh\nR_HOME_DIR=/opt/R/lib/R\nR_HOME_DIR=/usr/lib/R\n".to_owned(), false),
        ("lib", "#!/bin/sh\nR_HOME_DIR=/usr/lib/R\nR_HOME=/opt/R/lib/R\n".to_owned(), true),
        ("lib", "#!/bin/sh\nprefix=/opt/R\nR_HOME_DIR=${prefix}/lib/R\n".to_owned(), true),
        ("lib", "#!/bin/sh\nprefix=/usr\nR_HOME_DIR=${prefix}/lib/R\n".to_owned(), false),
        // What is not known is trusted.
        ("lib", "#!/bin/sh\nR_HOME_DIR=${R_HOME:-/usr/lib/R}\n".to_owned(), true),
        ("lib", "#!/bin/sh\nR_HOME_DIR=$(cat /opt/home)\n".to_owned(), true),
    ] {
        let world = r();
        if home != "lib" {
            rename(&world, "R/lib", &format!("R/{home}"));
        }
        world.file(format!("R/{home}/R/bin/R"), &script).mode(&format!("R/{home}/R/bin/R"), 0o755);
        let (_, report) = world.json(&["check", "ROOT"]);
        let found = findings(&report, "R106");
        assert_eq!(found.is_empty(), works, "{home}: {script}\n{found:?}");
    }
}

#[test]
fn packages_without_r_need_the_base_packages_of_the_layer_that_has_it() {
    let world = World::new();
    world.package(SITE, "httr", "1.4.5", "Imports: methods, utils, curl\n").package(SITE, "curl", "5.0", "");
    assert_no_finding(&world.json(&["check", "ROOT"]).1, "R102");
    // What does not come with R is missed.
    fs::remove_dir_all(world.root().join(SITE).join("curl")).expect("removed");
    assert_finding(&world.json(&["check", "ROOT"]).1, "R102", "pkg:httr", "needs the package curl");
    // With R, its own packages are missed as well.
    world.package(SITE, "curl", "5.0", "");
    world.r();
    fs::remove_dir_all(world.root().join("R/lib/R/library/utils")).expect("removed");
    assert_finding(&world.json(&["check", "ROOT"]).1, "R102", "pkg:httr", "needs the package utils");
}

#[test]
fn two_installations_of_r_each_have_their_own_packages() {
    let world = r();
    copy(&world, "R", "R-4.3");
    let script = "#!/bin/sh\nR_HOME_DIR=/opt/R-4.3/lib/R\n";
    world.file("R-4.3/lib/R/bin/R", script).mode("R-4.3/lib/R/bin/R", 0o755);
    let (_, report) = world.json(&["check", "ROOT"]);
    assert_finding(
        &report,
        "R104",
        "R",
        "2 installations of R, each with packages of its own: R-4.3/lib/R (4.2.2) and",
    );
    // A second copy beside an R's own is one, and so is one for both.
    world.package(SITE, "stats", "4.2.2", "Priority: base\n");
    let (_, report) = world.json(&["check", "ROOT"]);
    let found = findings(&report, "R104");
    assert!(found.iter().any(|(subject, text)| subject == "pkg:stats" && text.contains(SITE)), "{found:?}");
    assert_eq!(found.len(), 2, "{found:?}");
}

#[test]
fn the_directory_in_which_r_was_built_is_one_finding() {
    let world = r();
    copy(&world, "R/lib/R", "build/R-4.2.2");
    let script = "#!/bin/sh\nR_HOME_DIR=/build/R-4.2.2\n";
    world.file("build/R-4.2.2/bin/R", script).mode("build/R-4.2.2/bin/R", 0o755);
    world.file("build/R-4.2.2/Makefile", "all:\n").file("build/R-4.2.2/config.status", "#!/bin/sh\n");
    world.program("build/R-4.2.2/src/main/R.bin", &["R/lib/R/lib/libR.so"], &[]);
    let (code, report) = world.json(&["check", "ROOT"]);
    assert_eq!(code, 0, "{:#}", report["findings"]);
    assert_finding(&report, "R104", "build/R-4.2.2", "R was built in this directory");
    assert_eq!(helps(&report, "R104"), ["drop it: --drop build/R-4.2.2"]);
    assert_no_finding(&report, "R106");
    assert_no_finding(&report, "L201");
    // Another copy that leads elsewhere is an R that does not start.
    fs::remove_file(world.root().join("build/R-4.2.2/config.status")).expect("removed");
    let (code, report) = world.json(&["check", "ROOT"]);
    assert_finding(&report, "R106", "build/R-4.2.2/bin/R", "to run from /build/R-4.2.2");
    assert_eq!(code, 1);
}

#[test]
fn an_r_for_one_of_several_architectures_is_started_by_its_program() {
    let world = r();
    for (from, to) in
        [("bin/exec/R", "bin/exec/x64/R"), ("lib/libR.so", "lib/x64/libR.so"), ("etc/ldpaths", "etc/x64/ldpaths")]
    {
        rename(&world, &format!("R/lib/R/{from}"), &format!("R/lib/R/{to}"));
    }
    let ldpaths = "LD_LIBRARY_PATH=${R_HOME}/lib/x64:${LD_LIBRARY_PATH}\nexport LD_LIBRARY_PATH\n";
    let script = "#!/bin/sh\nR_HOME_DIR=/opt/R/lib/R\nR_HOME=\"${R_HOME_DIR}\"\n: ${R_ARCH=/x64}\n\
                  while test -n \"${1}\"; do\n  case \"${1}\" in\n  --arch) R_ARCH=\"/${2}\" ;;\n  esac\n  shift\ndone\n\
                  . \"${R_HOME}/etc${R_ARCH}/ldpaths\"\nexec ${R_HOME}/bin/exec${R_ARCH}/R\n";
    world.file("R/lib/R/etc/x64/ldpaths", ldpaths).file("R/lib/R/bin/R", script).mode("R/lib/R/bin/R", 0o755);
    assert_works(&world);
    world.file("R/lib/R/etc/x64/ldpaths", "");
    assert_finding(&world.json(&["check", "ROOT"]).1, "L201", "R/lib/R/bin/exec/x64/R", "needs libR.so");
}

#[test]
fn a_tree_that_begins_too_deep_or_too_high_is_named_in_the_remedy() {
    let world = r();
    let script = "#!/bin/sh\nR_HOME_DIR=/opt/above/R/lib/R\n";
    world.file("R/lib/R/bin/R", script).mode("R/lib/R/bin/R", 0o755);
    let (_, report) = world.json(&["check", "ROOT"]);
    assert_eq!(
        helps(&report, "R106"),
        [
            "name the directory above as the tree, if this one is /opt/above: what is packed will be in /opt itself; or move it to \
          above/ of the tree"
        ]
    );
    let world = World::new();
    let other = r();
    fs::rename(other.root(), world.root().join("opt")).expect("renamed");
    // Content beside it, so that it is not a tree around the one that was meant.
    world.program("bin/tool", &[], &[]);
    let (_, report) = world.json(&["check", "ROOT"]);
    assert_finding(&report, "R106", "opt/R/lib/R/bin/R", "it is at /opt/opt/R/lib/R");
    assert_eq!(helps(&report, "R106"), ["name opt/ in this tree as the tree: what is packed will be in /opt itself"]);
}

#[test]
fn a_script_beside_rs_home_that_leads_elsewhere_is_an_error_where_it_is_run() {
    let severities = |world: &World| -> Vec<String> {
        let report = world.json(&["check", "ROOT"]).1;
        let found = report["findings"].as_array().expect("findings").iter().filter(|found| found["code"] == "R106");
        found.map(|found| format!("{} {}", found["severity"], found["subject"]).replace('"', "")).collect()
    };
    for (home, start, expected) in [
        ("/opt/R/lib/R", "exec /opt/R/bin/R -f a.R", &[][..]),
        ("/usr/lib/R", "exec /opt/R/bin/R -f a.R", &["error R/bin/R"]),
        ("/usr/lib/R", "PATH=/opt/R/bin:$PATH\nR -f a.R", &["error R/bin/R"]),
        ("/usr/lib/R", "exec /opt/R/lib/R/bin/R -f a.R", &["warning R/bin/R"]),
        ("${R_HOME:-/usr/lib/R}", "exec /opt/R/bin/R -f a.R", &[]),
    ] {
        let world = r();
        let script = format!("#!/bin/sh\nR_HOME_DIR={home}\nexec \"${{R_HOME_DIR}}/bin/exec/R\"\n");
        world.file("R/bin/R", script).mode("R/bin/R", 0o755);
        let without: &[&str] = if home == "/usr/lib/R" { &["warning R/bin/R"] } else { &[] };
        assert_eq!(severities(&world), without, "{home}");
        world.file("bootstrap", format!("#!/bin/sh\n{start}\n")).mode("bootstrap", 0o755);
        assert_eq!(severities(&world), expected, "{home}: {start}");
    }
    // A link to the script of the home is that script, and another script called R is not R's.
    let world = r();
    world
        .link("R/bin/R", "../lib/R/bin/R")
        .file("bin/R", "#!/bin/sh\nexec /opt/R/lib/R/bin/R \"$@\"\n")
        .mode("bin/R", 0o755);
    assert_eq!(severities(&world), [""; 0]);
}

#[test]
fn rs_own_packages_are_not_counted_and_not_denied() {
    let world = r();
    let counted = |words: &str| {
        let text = world.run(&["analyze", "ROOT"]).stdout;
        assert!(text.split_whitespace().collect::<Vec<_>>().join(" ").contains(words), "{text}");
    };
    counted("no packages besides R's own and 2 ELF files");
    world.package(SITE, "jsonlite", "1.8.4", "");
    counted("1 R package and 2 ELF files");
}

#[test]
fn rs_own_libraries_come_from_the_r_of_the_tree_only() {
    let help = |world: &World| -> (i32, String) {
        let (code, report) = world.json(&["check", "ROOT"]);
        let found = report["findings"].as_array().expect("findings").iter().find(|finding| finding["code"] == "L201");
        (code, found.map(|found| found["help"].as_str().expect("text").to_owned()).unwrap_or_default())
    };
    // A package that was built with a shared R, in an R without.
    for (soname, again) in [("libR.so", true), ("libRblas.so", true), ("libRlapack.so", true), ("libother.so", false)] {
        let world = World::new();
        world.r().program("R/lib/R/bin/exec/R", &[], &[]).package(SITE, "pkg", "1.0", "");
        world.library("gone/lib.so", &[], &[&format!("-Wl,-soname,{soname}")]);
        world.library(&format!("{SITE}/pkg/libs/pkg.so"), &["gone/lib.so"], &[]);
        fs::remove_dir_all(world.root().join("gone")).expect("removed");
        let (code, help) = help(&world);
        assert_eq!(code, 1);
        let expected = format!("install pkg again with the R of the tree, which has no {soname}");
        assert_eq!(help.starts_with(&expected), again, "{help}");
        let steps = world.run(&["plan", "ROOT", "-v"]).stdout;
        assert!(!(again && steps.contains("--bundle copies")), "{steps}");
    }
    // R itself was linked with it.
    let world = r();
    fs::remove_file(world.root().join("R/lib/R/lib/libR.so")).expect("removed");
    let (_, text) = help(&world);
    assert_eq!(text, "it is a part of R: copy it to R/lib/R/lib/ from the R that the tree was taken from");
    // It is there, and not searched.
    let world = r();
    fs::remove_file(world.root().join("R/lib/R/etc/ldpaths")).expect("removed");
    world.file("R/lib/R/bin/R", "#!/bin/sh\nR_HOME=/opt/R/lib/R\n. ${R_HOME}/etc/ldpaths\nexec ${R_HOME}/bin/exec/R\n");
    let (_, text) = help(&world);
    assert!(
        text.starts_with("R/lib/R/lib/libR.so is in no searched directory: start R with /opt/R/lib/R/bin/R"),
        "{text}"
    );
    assert_eq!(help(&r()), (0, String::new()));
}

#[test]
fn a_tree_of_the_wrong_level_is_one_finding() {
    let world = World::new();
    let base = world.root();
    let root = base.join("R");
    world.r().program("R/bin/Rscript", &[], &[]).library("gone/libgone.so", &[], &[]);
    world.program("R/lib/R/bin/exec/R", &["gone/libgone.so"], &[]);
    fs::remove_dir_all(base.join("gone")).expect("removed");
    world.file("R/lib/R/etc/Renviron.site", "R_LIBS_SITE=/opt/nowhere\n");
    let reported = |path: &std::path::Path| -> Vec<(String, String)> {
        let (code, report) = world.json(&["check", path.to_str().expect("text")]);
        assert_eq!(code, 1);
        let found = report["findings"].as_array().expect("findings").iter().filter(|found| found["severity"] != "info");
        let text = |value: &serde_json::Value| value.as_str().expect("text").to_owned();
        found.map(|found| (text(&found["code"]), text(&found["help"]))).collect()
    };
    let found = reported(&root);
    assert_eq!(found, [("R106".to_owned(), format!("name {} as the tree: its content will be /opt", base.display()))]);
    // Around it, with what is missing for certain once it is the right one.
    let around = world.beside("stage");
    fs::create_dir(&around).expect("made");
    fs::rename(&base, around.join("opt")).expect("renamed");
    let found = reported(&around);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].0 == "Z113" && found[0].1.starts_with(&format!("name {}/opt as the tree", around.display())));
    let found = reported(&around.join("opt"));
    assert!(found.iter().any(|(code, _)| code == "L201") && !found.iter().any(|(code, _)| code == "R106"), "{found:?}");
}

#[test]
fn packages_that_are_links_are_named_by_the_library_of_the_links() {
    for (code, severity) in [(".libPaths(Sys.readlink('/var/task/x'))\n", "info"), ("", "warning")] {
        let world = World::new();
        world.r().file("R/lib/R/etc/Rprofile.site", code);
        for name in ["a", "b"] {
            let directory = format!("renv/cache/v5/R-4.2/{name}/1.0/0123abcd");
            world.package(&directory, name, "1.0", "");
            world.link(&format!("app/renv/library/R-4.2/{name}"), &format!("/opt/{directory}/{name}"));
        }
        let (_, report) = world.json(&["check", "ROOT"]);
        assert_finding(&report, "R107", "app/renv/library/R-4.2", "contains a and 1 more package");
        let found = report["findings"].as_array().expect("findings").iter().find(|found| found["code"] == "R107");
        assert_eq!(found.expect("R107")["severity"], severity);
    }
}
