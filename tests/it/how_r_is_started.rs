//! How R is started: what the bootstrap, the scripts that it runs and reads into itself, `bin/R` and `etc/ldpaths` make of
//! LD_LIBRARY_PATH, of the libraries that R searches and of the files that it reads.

use std::fs;

use crate::support::{World, assert_finding, assert_no_finding};

/// `bin/R` and `etc/ldpaths`, shortened from those that R 4.2.2 installs.
const FRONT_END: &str = "#!/bin/bash\nR_HOME_DIR=/opt/R/lib/R\nR_HOME=\"${R_HOME_DIR}\"\nexport R_HOME\n: ${R_ARCH=}\n\
    error () {\n  echo \"ERROR: $*\" >&2\n  exit 1\n}\nargs=\nwhile test -n \"${1}\"; do\n  case ${1} in\n    --arch)\n      \
    R_ARCH=\"/${2}\"\n      shift ;;\n    *)\n      args=\"${args} ${1}\" ;;\n  esac\n  shift\ndone\n\
    . \"${R_HOME}/etc${R_ARCH}/ldpaths\"\nR_binary=\"${R_HOME}/bin/exec${R_ARCH}/R\"\nexec \"${R_binary}\" ${args} \"${@}\"\n";
const LDPATHS: &str = ": ${R_LD_LIBRARY_PATH=${R_HOME}/lib}\nif test -z \"${LD_LIBRARY_PATH}\"; then\n  \
    LD_LIBRARY_PATH=\"${R_LD_LIBRARY_PATH}\"\nelse\n  \
    LD_LIBRARY_PATH=\"${R_LD_LIBRARY_PATH}:${LD_LIBRARY_PATH}\"\nfi\nexport LD_LIBRARY_PATH\n";
const EXEC: &str = "exec /opt/R/bin/Rscript /var/task/a.R";

fn script(world: &World, path: &str, text: &str) {
    let _ = fs::remove_file(world.root().join(path));
    world.file(path, text).mode(path, 0o755);
}

/// R with a program that needs libR.so of R's own directory and libnative.so, which is in `libraries`.
fn world(libraries: &str) -> World {
    let world = World::new();
    let native = format!("{libraries}/libnative.so");
    world.r().library("R/lib/R/lib/libR.so", &[], &[]).library(&native, &[], &[]);
    world.program("R/lib/R/bin/exec/R", &["R/lib/R/lib/libR.so", &native], &[]);
    world.program("R/bin/Rscript", &[], &[]);
    script(&world, "R/lib/R/bin/R", FRONT_END);
    world.file("R/lib/R/etc/ldpaths", LDPATHS);
    world
}

/// The libraries of R's program that are missing.
fn missing(world: &World) -> Vec<String> {
    let (_, report) = world.json(&["check", "ROOT"]);
    let findings = report["findings"].as_array().expect("findings").iter();
    let messages = findings.filter(|finding| finding["code"] == "L201").map(|finding| finding["message"].to_string());
    let messages: Vec<String> = messages.collect();
    let names = ["libR.so", "libnative.so"];
    names.into_iter().filter(|name| messages.iter().any(|text| text.contains(name))).map(str::to_owned).collect()
}

#[test]
fn r_has_the_library_path_that_the_bootstrap_exports() {
    for (libraries, start, expected) in [
        ("natlibs", EXEC.to_owned(), &["libnative.so"][..]),
        ("natlibs", format!("export LD_LIBRARY_PATH=/opt/natlibs:$LD_LIBRARY_PATH\n{EXEC}"), &[]),
        ("natlibs", format!("LD_LIBRARY_PATH=/opt/natlibs {EXEC}"), &[]),
        ("natlibs", format!("exec env LD_LIBRARY_PATH=/opt/natlibs {}", EXEC.trim_start_matches("exec ")), &[]),
        ("natlibs", format!("export R_LD_LIBRARY_PATH=/opt/R/lib/R/lib:/opt/natlibs\n{EXEC}"), &[]),
        // The image's value has /opt/lib.
        ("lib", EXEC.to_owned(), &[]),
        ("lib", format!("export LD_LIBRARY_PATH=/opt/other:$LD_LIBRARY_PATH\n{EXEC}"), &[]),
        ("lib", format!("export LD_LIBRARY_PATH=/opt/other:/lib64\n{EXEC}"), &["libnative.so"]),
        ("lib", format!("unset LD_LIBRARY_PATH\n{EXEC}"), &["libnative.so"]),
        // What is assigned for one command is not in the environment of the next.
        ("natlibs", format!("LD_LIBRARY_PATH=/opt/natlibs /opt/bin/tool\n{EXEC}"), &["libnative.so"]),
        ("natlibs", format!("env LD_LIBRARY_PATH=/opt/natlibs /opt/bin/tool; {EXEC}"), &["libnative.so"]),
        ("lib", format!("LD_LIBRARY_PATH=/opt/other /opt/bin/tool && {EXEC}"), &[]),
        ("natlibs", "LD_LIBRARY_PATH=/opt/natlibs /opt/R/bin/Rscript a.R\n/opt/bin/tool".to_owned(), &[]),
        (
            "natlibs",
            "if test -d /opt; then LD_LIBRARY_PATH=/opt/natlibs /opt/R/bin/Rscript a.R; fi\ntrue".to_owned(),
            &[],
        ),
        ("natlibs", "LD_LIBRARY_PATH=/opt/natlibs /opt/R/bin/Rscript a.R | cat".to_owned(), &[]),
        ("natlibs", format!("{EXEC}; export LD_LIBRARY_PATH=/opt/natlibs"), &["libnative.so"]),
    ] {
        let world = world(libraries);
        script(&world, "bootstrap", &format!("#!/bin/sh\n{start}\n"));
        assert_eq!(missing(&world), expected, "{start}");
    }
}

#[test]
fn what_a_library_path_has_that_is_not_known_may_be_any_directory_of_the_tree() {
    let unknown = "X=$(cat /var/task/dirs)\nexport LD_LIBRARY_PATH=";
    for (libraries, value, expected) in [
        // R's own directory is searched, and what is known is; the library may be where the rest leads.
        ("natlibs", "$X:/opt/other", &[][..]),
        ("natlibs", "$X:/opt/natlibs", &[]),
        ("natlibs", "${X}:$LD_LIBRARY_PATH", &[]),
        // Nowhere.
        ("gone", "$X:/opt/natlibs", &["libnative.so"]),
    ] {
        for file in ["bootstrap", "R/lib/R/bin/R", "R/lib/R/etc/ldpaths"] {
            let world = world(libraries);
            if libraries == "gone" {
                fs::remove_dir_all(world.root().join("gone")).expect("removed");
            }
            let text = match file {
                "bootstrap" => format!("#!/bin/sh\n{unknown}{value}\n{EXEC}\n"),
                "R/lib/R/bin/R" => FRONT_END.replace("R_HOME_DIR=", &format!("{unknown}{value}\nR_HOME_DIR=")),
                _ => format!("{LDPATHS}{unknown}{value}\n"),
            };
            script(&world, file, &text);
            assert_eq!(missing(&world), expected, "{file}: {value}");
            // Nor is it one that nothing loads.
            let (_, report) = world.json(&["check", "ROOT"]);
            assert_no_finding(&report, "L206");
        }
    }
}

#[test]
fn what_ldpaths_and_the_front_end_add_counts_wherever_they_add_it() {
    for (file, text, expected) in [
        (
            "R/lib/R/etc/ldpaths",
            format!("{LDPATHS}export LD_LIBRARY_PATH=\"$LD_LIBRARY_PATH:/opt/natlibs\"\n"),
            &[][..],
        ),
        ("R/lib/R/etc/ldpaths", format!("{LDPATHS}export LD_LIBRARY_PATH=/opt/natlibs\n"), &["libR.so"]),
        (
            "R/lib/R/bin/R",
            FRONT_END.replace("R_HOME_DIR=", "export LD_LIBRARY_PATH=/opt/natlibs:$LD_LIBRARY_PATH\nR_HOME_DIR="),
            &[],
        ),
        (
            "R/lib/R/bin/R",
            FRONT_END.replace("R_binary=", "export LD_LIBRARY_PATH=$LD_LIBRARY_PATH:/opt/natlibs\nR_binary="),
            &[],
        ),
        ("R/lib/R/bin/R", FRONT_END.to_owned(), &["libnative.so"]),
    ] {
        let world = world("natlibs");
        script(&world, file, &text);
        assert_eq!(missing(&world), expected, "{text}");
    }
}

#[test]
fn scripts_between_the_bootstrap_and_r_are_followed() {
    // A script called Rscript that runs the real one, with and without a bootstrap.
    for bootstrap in [None, Some(EXEC), Some("/opt/start.sh")] {
        for (directory, expected) in [("natlibs", &[][..]), ("no", &["libnative.so"])] {
            let world = world("natlibs");
            fs::rename(world.root().join("R/bin/Rscript"), world.root().join("R/bin/Rscript.bin")).expect("renamed");
            script(
                &world,
                "R/bin/Rscript",
                &format!(
                    "#!/bin/sh\nexport LD_LIBRARY_PATH=/opt/{directory}:$LD_LIBRARY_PATH\nexec /opt/R/bin/Rscript.bin \"$@\"\n"
                ),
            );
            script(&world, "start.sh", &format!("#!/bin/sh\n{EXEC}\n"));
            if let Some(start) = bootstrap {
                script(&world, "bootstrap", &format!("#!/bin/sh\n{start}\n"));
            }
            assert_eq!(missing(&world), expected, "{bootstrap:?} {directory}");
        }
    }
    // A file that the bootstrap reads into itself.
    for (read, expected) in [(". /opt/env.sh", &[][..]), ("source \"${0%/*}/env.sh\"", &[]), ("", &["libnative.so"])] {
        let world = world("natlibs");
        world.package("site", "a", "1.0", "");
        world.file("env.sh", "export LD_LIBRARY_PATH=/opt/natlibs:$LD_LIBRARY_PATH\nexport R_LIBS=/opt/site\n");
        script(&world, "bootstrap", &format!("#!/bin/sh\n{read}\n{EXEC}\n"));
        assert_eq!(missing(&world), expected, "{read}");
        let (_, report) = world.json(&["check", "ROOT"]);
        if expected.is_empty() {
            assert_no_finding(&report, "R107");
        } else {
            assert_finding(&report, "R107", "site", "not on R's library search path");
        }
    }
}

#[test]
fn a_program_has_the_library_path_of_a_file_that_its_script_reads() {
    for (directory, is_found) in [("natlibs", true), ("no", false)] {
        let world = World::new();
        world.library("natlibs/libnative.so", &[], &[]).program("bin/tool", &["natlibs/libnative.so"], &[]);
        world.file("env.sh", format!("export LD_LIBRARY_PATH=/opt/{directory}\n"));
        script(&world, "bootstrap", "#!/bin/sh\n. /opt/env.sh\nexec /opt/bin/tool\n");
        let (_, report) = world.json(&["check", "ROOT"]);
        if is_found {
            assert_no_finding(&report, "L201");
        } else {
            assert_finding(&report, "L201", "bin/tool", "needs libnative.so");
        }
    }
}

#[test]
fn rs_program_without_its_script_has_only_what_the_bootstrap_sets() {
    let exec = "exec $R_HOME/bin/exec/R --no-echo -f /var/task/a.R";
    let path = "export LD_LIBRARY_PATH=/opt/R/lib/R/lib:$LD_LIBRARY_PATH";
    for (start, libraries, problem) in [
        (format!("export R_HOME=/opt/R/lib/R\n{path}\n{exec}"), &[][..], None),
        (format!("export R_HOME=/opt/R/lib/R\n{exec}"), &["libR.so"], None),
        (format!("{path}\nexec /opt/R/lib/R/bin/exec/R -f a.R"), &[], Some("R home directory is not defined")),
        (format!("export R_HOME=/opt/no\n{path}\nexec /opt/R/lib/R/bin/exec/R"), &[], Some("with R_HOME=/opt/no")),
        (format!("R_HOME=/opt/R/lib/R\n{path}\n{exec}"), &[], Some("R home directory is not defined")),
        (format!("{path}\nexec /opt/R/lib/R/bin/R -f a.R"), &[], None),
    ] {
        let world = world("lib");
        script(&world, "bootstrap", &format!("#!/bin/sh\n{start}\n"));
        assert_eq!(missing(&world), libraries, "{start}");
        let (_, report) = world.json(&["check", "ROOT"]);
        match problem {
            Some(words) => assert_finding(&report, "R106", "bootstrap", words),
            None => assert_no_finding(&report, "R106"),
        }
    }
    // A script of another prefix matters only if it is run.
    for (start, severity) in [
        (format!("export R_HOME=/opt/R/lib/R\n{path}\n{exec}"), "warning"),
        ("exec /opt/R/lib/R/bin/R -f a.R".to_owned(), "error"),
    ] {
        let world = world("lib");
        script(&world, "R/lib/R/bin/R", &FRONT_END.replace("=/opt/R/lib/R\n", "=/build/lib/R\n"));
        script(&world, "bootstrap", &format!("#!/bin/sh\n{start}\n"));
        let (_, report) = world.json(&["check", "ROOT"]);
        let found = report["findings"].as_array().expect("findings").iter().find(|found| found["code"] == "R106");
        assert_eq!(found.expect("R106")["severity"], severity, "{start}");
    }
}

#[test]
fn files_that_options_of_r_leave_out_do_not_count() {
    let site = "R_LIBS_SITE=/opt/site\n";
    let profile = ".libPaths('/opt/site')\n";
    for (options, environ, code, is_searched) in [
        ("", site, "", true),
        ("--vanilla", site, "", false),
        ("--no-echo --no-environ", site, "", false),
        ("--no-site-file", site, "", true),
        ("", "", profile, true),
        ("--vanilla", "", profile, false),
        ("--no-site-file", "", profile, false),
        ("--no-environ", "", profile, true),
        // Arguments of the script are not R's.
        ("a.R", site, "", true),
    ] {
        for start in
            ["#!/bin/sh\nexec /opt/R/bin/Rscript OPTIONS /var/task/a.R --vanilla\n", "#!/opt/R/bin/Rscript OPTIONS\n"]
        {
            let world = World::new();
            world.r().package("site", "a", "1.0", "");
            world.file("R/lib/R/etc/Renviron.site", environ).file("R/lib/R/etc/Rprofile.site", code);
            script(&world, "bootstrap", &start.replace("OPTIONS", options));
            let (_, report) = world.json(&["check", "ROOT"]);
            if is_searched {
                assert_no_finding(&report, "R107");
            } else {
                assert_finding(&report, "R107", "site", "not on R's library search path");
            }
        }
    }
    // R's own front end, and a script that passes its arguments on.
    let world = World::new();
    world.r().package("site", "a", "1.0", "").file("R/lib/R/etc/Renviron.site", site);
    script(&world, "run.sh", "#!/bin/sh\nexec /opt/R/lib/R/bin/R \"$@\"\n");
    script(&world, "bootstrap", "#!/bin/sh\nexec /opt/run.sh -f a.R --vanilla\n");
    assert_finding(&world.json(&["check", "ROOT"]).1, "R107", "site", "not on R's library search path");
    script(&world, "bootstrap", "#!/bin/sh\nexec /opt/run.sh -f a.R --args --vanilla\n");
    assert_no_finding(&world.json(&["check", "ROOT"]).1, "R107");
}

#[test]
fn a_variable_that_a_profile_sets_after_r_has_read_it_adds_no_library() {
    for (code, is_searched) in [
        ("Sys.setenv(R_LIBS_SITE=\"/opt/site\")\n", false),
        ("Sys.setenv(R_LIBS = paste(c('/opt/site', '/opt/x'), collapse = ':'))\n", false),
        ("Sys.setenv(R_LIBS_SITE='/opt/site'); .libPaths('/opt/site')\n", true),
    ] {
        let world = World::new();
        world.r().package("site", "a", "1.0", "").file("R/lib/R/etc/Rprofile.site", code);
        let (_, report) = world.json(&["check", "ROOT"]);
        if is_searched {
            assert_no_finding(&report, "R107");
        } else {
            assert_finding(&report, "R107", "site", "contains a");
        }
    }
}

#[test]
fn a_command_that_is_elsewhere_in_the_tree_is_named_and_the_bootstrap_runs_r_where_it_is() {
    let world = World::new();
    world.program("R/4.2.2/bin/Rscript", &[], &[]);
    script(&world, "bootstrap", &format!("#!/bin/sh\n{EXEC}\n"));
    let help = |world: &World| {
        let (_, report) = world.json(&["check", "ROOT"]);
        let found = report["findings"].as_array().expect("findings").iter().find(|found| found["code"] == "C102");
        found.map(|found| found["help"].as_str().expect("text").to_owned())
    };
    assert!(help(&world).expect("C102").starts_with("run /opt/R/4.2.2/bin/Rscript, which the tree has"));
    fs::remove_file(world.root().join("bootstrap")).expect("removed");
    let run = world.run(&["init", "--bootstrap", "ROOT"]);
    assert_eq!(run.code, 0);
    assert!(run.stdout.contains("it runs /opt/R/4.2.2/bin/Rscript"), "{}", run.stdout);
    assert_eq!(help(&world), None);
    assert!(world.run(&["init", "--bootstrap", "ROOT"]).stdout.contains("already has this bootstrap"));
    // Where the tree has R at its usual place, or none, the bootstrap is as it is.
    for path in ["R/bin/Rscript", "bin/tool"] {
        let world = World::new();
        world.program(path, &[], &[]);
        assert_eq!(world.run(&["init", "--bootstrap", "ROOT"]).code, 0);
        let text = fs::read_to_string(world.root().join("bootstrap")).expect("read");
        assert!(text.contains("exec /opt/R/bin/Rscript "), "{path}");
    }
}

#[test]
fn the_bootstrap_names_the_libraries_that_the_tree_has() {
    for (libraries, expected) in [
        (&[][..], "/opt/local/lib/R/site-library"),
        (&["local/lib/R/site-library", "other"], "/opt/local/lib/R/site-library"),
        (&["r-libs"], "/opt/r-libs"),
        (&["app/library", "r-libs"], "/opt/app/library:/opt/r-libs"),
        // R searches them itself.
        (&["R/lib/R/library", "R/lib/R/site-library"], "/opt/local/lib/R/site-library"),
        (&["a b/library"], "/opt/local/lib/R/site-library"),
    ] {
        let world = World::new();
        world.r();
        for library in libraries {
            world.package(library, "pkg", "1.0", "");
        }
        assert_eq!(world.run(&["init", "--bootstrap", "ROOT"]).code, 0);
        let text = fs::read_to_string(world.root().join("bootstrap")).expect("read");
        assert!(text.contains(&format!(": \"${{R_LIBS:={expected}}}\"")), "{libraries:?}: {text}");
        if !libraries.contains(&"a b/library") && !libraries.contains(&"other") {
            assert_no_finding(&world.json(&["check", "ROOT"]).1, "R107");
        }
    }
}

#[test]
fn what_layerfits_own_runtime_client_runs_is_not_missed_in_a_handler() {
    let world = World::new();
    world.r();
    let function = world.beside("fn");
    fs::create_dir(&function).expect("made");
    fs::write(function.join("app.R"), "handler <- function(event) event\n").expect("written");
    assert_eq!(world.run(&["init", "--bootstrap", "fn"]).code, 0);
    let (_, report) = world.json(&["plan", "ROOT", "--handler", "fn"]);
    assert_no_finding(&report, "R109");
    // Code of the function's own that does the same is told.
    fs::write(function.join("app.R"), "handler <- function(event) library(event$name, character.only = TRUE)\n")
        .expect("written");
    let (_, report) = world.json(&["plan", "ROOT", "--handler", "fn"]);
    assert_finding(&report, "R109", "fn/app.R", "line 1");
}
