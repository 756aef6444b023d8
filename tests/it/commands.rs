//! What starts scripts, and what the scripts on the way to an invocation run, is in the tree, in the image, or missed.

use std::io::Write;

use crate::support::elf::Elf;
use crate::support::raw_zip::{Part, zip};
use crate::support::{World, assert_finding, assert_fired_and_nearly_missed, assert_no_finding, findings};
use layerfit::base::finding::Code;

fn script(world: &World, path: &str, text: &str) {
    world.file(path, text).mode(path, 0o755);
}

#[test]
fn a_command_of_the_bootstrap_that_the_image_lacks_is_an_error_that_names_a_runtime_with_it() {
    let world = World::new();
    script(&world, "bootstrap", "#!/bin/sh\nset -e\nwhile true; do\n  curl -sS x | grep y\n  tar -xf z\ndone\n");
    let (code, report) = world.json(&["analyze", "ROOT", "--runtime", "provided.al2"]);
    assert_eq!(code, 1);
    let found = findings(&report, "C102");
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].1.contains("runs curl (line 4)") && found[1].1.contains("runs tar (line 5)"), "{found:?}");
    // al2023 has curl, and no tar either.
    let (_, report) = world.json(&["analyze", "ROOT"]);
    assert_finding(&report, "C102", "bootstrap", "runs tar");
    // One that is closed to new functions has it, and is recommended to nobody.
    assert!(!report["findings"][0]["help"].as_str().expect("help").contains("provided"));
    assert_no_finding(&world.json(&["analyze", "ROOT", "--runtime", "provided"]).1, "C102");
}

#[test]
fn a_command_in_the_tree_is_found_and_kept_for_the_script() {
    let world = World::new();
    world.program("bin/curl", &[], &[]);
    script(&world, "bootstrap", "#!/bin/sh\ncurl x\n");
    let (code, report) = world.json(&["plan", "ROOT", "--runtime", "provided.al2", "--select", "network-commands"]);
    assert_eq!(code, 0);
    assert_finding(&report, "P101", "bin/curl", "bootstrap needs it");
    // Where the image has the command first, the one in the tree is not run, and may go.
    let (_, report) = world.json(&["plan", "ROOT", "--select", "network-commands"]);
    assert_no_finding(&report, "P101");
}

#[test]
fn what_the_bootstrap_reads_and_runs_is_followed() {
    let world = World::new();
    script(&world, "bootstrap", "#!/bin/bash\nBASE=/opt/etc\n. \"$BASE/functions\"\nstart\nexec /opt/run.sh\n");
    world.file("etc/functions", "start() { jq . ; }\n");
    script(&world, "run.sh", "#!/bin/sh\nless x\n");
    let (code, report) = world.json(&["analyze", "ROOT"]);
    assert_eq!(code, 1);
    let subjects: Vec<(String, String)> =
        findings(&report, "C102").into_iter().map(|(subject, message)| (subject, message[..9].to_owned())).collect();
    assert_eq!(subjects, [("etc/functions".into(), "runs jq (".into()), ("run.sh".into(), "runs less".into())]);
    // What the bootstrap reads is its own; what it runs may fail without it.
    let severity = |subject: &str| {
        let found = report["findings"].as_array().expect("findings").iter().find(|f| f["subject"] == subject);
        found.expect("there")["severity"].as_str().expect("text").to_owned()
    };
    assert_eq!([severity("etc/functions"), severity("run.sh")], ["error", "warning"]);
}

#[test]
fn a_path_that_the_script_sets_is_searched() {
    let world = World::new();
    world.program("R/bin/Rscript", &[], &[]);
    for path in ["/opt/R/bin:$PATH", "\"${PATH}:/opt/R/bin\"", "/opt/R/bin"] {
        script(&world, "bootstrap", &format!("#!/bin/sh\nexport PATH={path}\nRscript x.R\n"));
        assert_no_finding(&world.json(&["analyze", "ROOT"]).1, "C102");
    }
    script(&world, "bootstrap", "#!/bin/sh\nRscript x.R\n");
    assert_finding(&world.json(&["analyze", "ROOT"]).1, "C102", "bootstrap", "runs Rscript");
}

#[test]
fn the_bootstrap_of_the_recipe_by_hand_is_understood() {
    let world = World::new();
    world.program("R/bin/Rscript", &[], &[]);
    let text = "#!/bin/sh\nexport PYTHONPATH=/opt/python\n\
        SCRIPT=$LAMBDA_TASK_ROOT/$(echo \"$_HANDLER\" | cut -d. -f1).r\nwhile true\ndo\n    HEADERS=\"$(mktemp)\"\n\
        EVENT_DATA=$(curl -sS -LD \"$HEADERS\" -X GET \"http://${AWS_LAMBDA_RUNTIME_API}/next\")\n\
        ID=$(grep -Fi Lambda-Runtime-Aws-Request-Id \"$HEADERS\" | tr -d '[:space:]' | cut -d: -f2)\n\
        /opt/R/bin/Rscript $SCRIPT\n    curl -X POST \"http://x/$ID/response\" -d \"$RESPONSE\"\ndone\n";
    script(&world, "bootstrap", text);
    let (code, report) = world.json(&["analyze", "ROOT"]);
    assert_eq!(code, 0, "{:#}", report["findings"]);
    for code in ["C101", "C102", "C104"] {
        assert_no_finding(&report, code);
    }
    // provided.al2 has no curl, and everything else.
    let (_, report) = world.json(&["analyze", "ROOT", "--runtime", "provided.al2"]);
    assert_finding(&report, "C102", "bootstrap", "runs curl (lines 7, 10)");
}

#[test]
fn a_command_that_is_asked_for_first_is_a_remark() {
    let world = World::new();
    script(&world, "bootstrap", "#!/bin/sh\nif command -v jq >/dev/null; then jq . ; fi\n");
    let (code, report) = world.json(&["analyze", "ROOT"]);
    assert_eq!(code, 0);
    assert_finding(&report, "C102", "bootstrap", "tests for it first");
}

#[test]
fn what_may_be_a_function_of_a_file_that_is_not_read_is_no_error() {
    let world = World::new();
    script(&world, "bootstrap", "#!/bin/sh\n. \"$LAMBDA_TASK_ROOT/handler.sh\"\nhandle_it x\n");
    let (code, report) = world.json(&["analyze", "ROOT"]);
    assert_eq!(code, 0);
    assert_finding(&report, "C102", "bootstrap", "runs handle_it");
    assert_finding(&report, "C104", "bootstrap", "line 2: reads /var/task/handler.sh");
}

#[test]
fn what_cannot_be_followed_is_said_and_scripts_that_no_invocation_runs_are_left_alone() {
    let world = World::new();
    script(&world, "bootstrap", "#!/bin/sh\n$HANDLER_COMMAND x\n");
    script(&world, "bin/bzmore", "#!/bin/sh\nmore x\n");
    let (code, report) = world.json(&["analyze", "ROOT"]);
    assert_eq!(code, 0);
    assert_finding(&report, "C104", "bootstrap", "line 2: $HANDLER_COMMAND x");
    assert_no_finding(&report, "C102");
}

#[test]
fn an_interpreter_that_is_nowhere_is_an_error_on_the_way_and_a_warning_elsewhere() {
    let world = World::new();
    script(&world, "bootstrap", "#!/bin/bash\r\necho x\r\n");
    script(&world, "bin/c_rehash", "#!/usr/bin/env perl\n");
    script(&world, "bin/fine", "#!/usr/bin/env bash\n");
    let (code, report) = world.json(&["analyze", "ROOT"]);
    assert_eq!(code, 1);
    let found = findings(&report, "C101");
    assert_eq!(found.iter().map(|(subject, _)| subject.as_str()).collect::<Vec<_>>(), ["bootstrap", "bin/c_rehash"]);
    assert!(found[0].1.contains("/bin/bash\\r") && found[1].1.contains("needs the interpreter perl"), "{found:?}");
}

#[test]
fn an_interpreter_in_the_tree_is_found() {
    let world = World::new();
    world.program("R/bin/Rscript", &[], &[]);
    script(&world, "bin/job", "#!/opt/R/bin/Rscript\n");
    assert_no_finding(&world.json(&["analyze", "ROOT"]).1, "C101");
}

/// A lazy-load database with this string in it, as R writes one.
fn database(text: &str) -> Vec<u8> {
    let mut record = vec![0, 4, 0, 9];
    record.extend(u32::try_from(text.len()).expect("short").to_be_bytes());
    record.extend(text.as_bytes());
    let mut bytes = u32::try_from(record.len()).expect("short").to_be_bytes().to_vec();
    let mut zlib = flate2::write::ZlibEncoder::new(&mut bytes, flate2::Compression::default());
    zlib.write_all(&record).expect("compressed");
    zlib.finish().expect("compressed");
    bytes
}

#[test]
fn the_which_that_r_has_compiled_in_is_missed() {
    let world = World::new();
    world.r().file("R/lib/R/library/base/R/base.rdb", database("/usr/bin/which"));
    let (code, report) = world.json(&["analyze", "ROOT"]);
    assert_eq!(code, 1);
    assert_finding(&report, "C103", "R/lib/R/library/base/R/base.rdb", "runs /usr/bin/which");
    assert_no_finding(&world.json(&["analyze", "ROOT", "--runtime", "provided"]).1, "C103");
    // A profile that only calls it stops with the same error.
    for code in ["if (nzchar(Sys.which('git'))) f()\n", "x <- Sys.which('git')\n", "stopifnot(Sys.which == g)\n"] {
        world.file("R/lib/R/etc/Rprofile.site", code);
        assert_finding(
            &world.json(&["analyze", "ROOT"]).1,
            "C103",
            "R/lib/R/library/base/R/base.rdb",
            "runs /usr/bin/which",
        );
    }
    for code in [
        "assign(\n  'Sys.which', f, baseenv())\n",
        "base::unlockBinding(\"Sys.which\", e); e$Sys.which <- f\n",
        "e[['Sys.which']] <- f\n",
        "f -> Sys.which\n",
        "utils::assignInNamespace('Sys.which', f, 'base')\n",
    ] {
        world.file("R/lib/R/etc/Rprofile.site", code);
        assert_no_finding(&world.json(&["analyze", "ROOT"]).1, "C103");
    }
    // R does not read it with this option.
    for (option, is_replaced) in [("--vanilla", false), ("--no-site-file", false), ("--no-environ", true)] {
        script(&world, "bootstrap", &format!("#!/bin/sh\nexec /opt/R/bin/Rscript {option} /var/task/a.R\n"));
        let found = severity(&world.json(&["analyze", "ROOT"]).1, "C103");
        assert_eq!(found.is_empty(), is_replaced, "{option}");
    }
    std::fs::remove_file(world.root().join("bootstrap")).expect("removed");
    // Another Sys.which in the site's profile, or a `which` of the tree's own, is the way out.
    world.file("R/lib/R/etc/Rprofile.site", "assign('Sys.which', f, baseenv())\n");
    assert_no_finding(&world.json(&["analyze", "ROOT"]).1, "C103");
    let world = World::new();
    world.r().file("R/lib/R/library/base/R/base.rdb", database("/opt/bin/which")).program("bin/which", &[], &[]);
    assert_no_finding(&world.json(&["analyze", "ROOT"]).1, "C103");
    assert_fired_and_nearly_missed(Code::WhichMissing);
}

/// What makes a tree, and what is said of it.
type Case<'a> = (&'a dyn Fn(&World), &'a str);

#[test]
fn what_lambda_starts_and_the_kernel_refuses_is_an_error_with_the_reason() {
    let refused = |make: &dyn Fn(&World)| {
        let world = World::new();
        make(&world);
        let (code, report) = world.json(&["analyze", "ROOT"]);
        assert_eq!(code, 1);
        findings(&report, "C105")
            .into_iter()
            .map(|(subject, message)| format!("{subject} {message}"))
            .collect::<String>()
    };
    let cases: [Case<'_>; 7] = [
        (&|world| _ = world.file("bootstrap", "#!/bin/sh\n"), "bootstrap is not executable"),
        (&|world| script(world, "bootstrap", "echo x\n"), "bootstrap begins with neither #! nor"),
        (&|world| script(world, "bootstrap", "\u{feff}#!/bin/sh\n"), "bootstrap begins with a byte order mark"),
        (&|world| script(world, "bootstrap", "#!\n"), "bootstrap has #! but no interpreter"),
        (&|world| script(world, "bootstrap", ""), "bootstrap is empty"),
        (&|world| _ = world.directory("bootstrap").file("bootstrap/x", "x"), "bootstrap is a directory"),
        (&|world| _ = world.file("extensions/watch", "#!/bin/sh\n"), "extensions/watch is not executable"),
    ];
    for (make, words) in cases {
        let found = refused(make);
        assert!(found.contains(words), "{words}: {found}");
    }
    let world = World::new();
    script(&world, "bootstrap", "#!/bin/sh\necho x\n");
    world.program("extensions/watch", &[], &[]).directory("extensions/data").file("extensions/data/x", "x");
    assert_no_finding(&world.json(&["analyze", "ROOT"]).1, "C105");
}

#[test]
fn a_bootstrap_or_extension_that_is_a_link_to_nothing_cannot_be_started() {
    let severities = |target: &str, path: &str| {
        let world = World::new();
        world.file("share/x", "x").link(path, target);
        let (_, report) = world.json(&["analyze", "ROOT"]);
        let all = report["findings"].as_array().expect("findings").iter().filter(|f| f["code"] == "C105");
        all.map(|f| f["severity"].as_str().expect("text").to_owned()).collect::<Vec<_>>()
    };
    for target in ["gone", "/opt/gone", "/home/me/build/bootstrap", "/usr/bin/gone", "share"] {
        assert_eq!(severities(target, "bootstrap"), ["error"], "{target}");
    }
    assert_eq!(severities("../gone", "extensions/watch"), ["error"]);
    // The function's own code, what it mounts, a command of the image, and where it is not known what there is.
    for target in ["/var/task/start", "/mnt/efs/start", "/bin/sh", "/usr/share/start"] {
        assert!(severities(target, "bootstrap").is_empty(), "{target}");
    }
    let world = World::new();
    world.link("bootstrap", "bin/start").link("bin/start", "/opt/libexec/start");
    script(&world, "libexec/start", "#!/bin/sh\necho x\n");
    assert_no_finding(&world.json(&["analyze", "ROOT"]).1, "C105");
}

#[test]
fn elf_files_that_are_no_programs_cannot_be_started() {
    let found = |make: &dyn Fn(&World)| {
        let world = World::new();
        make(&world);
        world.mode("bootstrap", 0o755);
        findings(&world.json(&["analyze", "ROOT"]).1, "C105")
            .into_iter()
            .map(|(_, message)| message)
            .collect::<String>()
    };
    assert!(found(&|world| _ = world.compile("bootstrap", &[], &["-c"])).contains("is an object file"));
    assert!(found(&|world| _ = world.library("bootstrap", &[], &[])).contains("is a shared library"));
    let unnamed = |world: &World| _ = world.compile("bootstrap", &[], &["-shared", "-Wl,-e,0"]);
    assert!(found(&unnamed).contains("is a shared library"));
    for flags in [["-static-pie", "-Wl,-e,entry"], ["-static", "-Wl,-e,entry"], ["-pie", "-Wl,-e,entry"]] {
        assert_eq!(found(&|world| _ = world.compile("bootstrap", &[], &flags)), "", "{flags:?}");
    }
    // A library that is also a program, as glibc's are.
    let both = |world: &World| {
        _ = world.elf("bootstrap", &Elf::library("libc.so.6").interpreter("/lib64/ld-linux-x86-64.so.2"));
    };
    assert_eq!(found(&both), "");
}

#[test]
fn an_interpreter_with_a_relative_path_is_looked_for_in_the_function() {
    let found = |interpreter: &str| {
        let world = World::new();
        script(&world, "bin/runner", "#!/bin/sh\nexec /bin/sh \"$@\"\n");
        script(&world, "bootstrap", &format!("#!{interpreter} -e\necho x\n"));
        let (_, report) = world.json(&["analyze", "ROOT"]);
        let all = report["findings"].as_array().expect("findings").iter().filter(|f| f["code"] == "C105");
        all.map(|f| f["severity"].as_str().expect("text").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(found("bin/runner"), ["error"]);
    // The function may have it.
    assert_eq!(found(" bin/other"), ["warning"]);
    assert!(found("/opt/bin/runner").is_empty() && found(" /bin/sh").is_empty());
}

#[test]
fn an_interpreter_that_is_a_directory_is_missed() {
    for directory in ["/bin", "/usr", "/opt/bin", "/opt"] {
        let world = World::new();
        world.file("bin/x", "x");
        script(&world, "bootstrap", &format!("#!{directory}\necho x\n"));
        let (code, report) = world.json(&["analyze", "ROOT"]);
        assert_eq!(code, 1, "{directory}");
        assert_finding(&report, "C101", "bootstrap", "which is a directory");
    }
}

#[test]
fn a_program_interpreter_has_to_be_executable() {
    let world = World::new();
    world.elf("bin/p", &Elf::program().interpreter("/opt/lib/ld.so")).elf("lib/ld.so", &Elf::library("ld.so"));
    let (code, report) = world.json(&["analyze", "ROOT"]);
    assert_eq!(code, 1);
    assert_finding(&report, "L202", "bin/p", "/opt/lib/ld.so, which is not executable");
    world.mode("lib/ld.so", 0o755);
    assert_no_finding(&world.json(&["analyze", "ROOT"]).1, "L202");
}

#[test]
fn extensions_are_started_as_the_bootstrap_is() {
    let world = World::new();
    script(&world, "extensions/watch", "#!/bin/sh\njq .\n");
    let (code, report) = world.json(&["analyze", "ROOT"]);
    assert_eq!(code, 1);
    assert_finding(&report, "C102", "extensions/watch", "runs jq");
}

#[test]
fn what_is_there_and_not_executable_cannot_be_run() {
    let world = World::new();
    world.file("bin/tool", "#!/bin/sh\n").file("run.sh", "#!/bin/sh\n");
    script(&world, "bootstrap", "#!/bin/sh\n/opt/run.sh\nsh /opt/run.sh\ntool\n");
    let (_, report) = world.json(&["analyze", "ROOT"]);
    let found = findings(&report, "C102");
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].1.contains("runs /opt/run.sh (line 2), which is not executable (run.sh)"), "{found:?}");
    assert!(found[1].1.contains("runs tool (line 4), which neither"), "{found:?}");
}

#[test]
fn a_carriage_return_after_an_option_is_seen_too() {
    let world = World::new();
    script(&world, "bootstrap", "#!/bin/sh -e\r\necho x\n");
    let (code, report) = world.json(&["analyze", "ROOT"]);
    assert_eq!(code, 1);
    assert_finding(&report, "C101", "bootstrap", "needs the interpreter /bin/sh -e\\r");
}

#[test]
fn a_line_of_the_bootstrap_that_is_not_shell_is_a_warning() {
    let world = World::new();
    script(&world, "bootstrap", "#!/bin/sh\nif true; then (((\necho x\n");
    let (_, report) = world.json(&["analyze", "ROOT"]);
    assert_finding(&report, "C104", "bootstrap", "cannot be parsed as shell");
    let finding = report["findings"].as_array().expect("findings").iter().find(|f| f["code"] == "C104");
    assert_eq!(finding.expect("there")["severity"], "warning");
}

#[test]
fn a_script_that_nobody_starts_is_a_remark_when_its_interpreter_is_missing() {
    let world = World::new();
    script(&world, "share/doc/example.pl", "#!/usr/bin/perl\n");
    script(&world, "bin/c_rehash", "#!/usr/bin/perl\n");
    let (_, report) = world.json(&["analyze", "ROOT"]);
    let severity = |subject: &str| {
        let found = report["findings"].as_array().expect("findings").iter().find(|f| f["subject"] == subject);
        found.expect("there")["severity"].as_str().expect("text").to_owned()
    };
    assert_eq!([severity("bin/c_rehash"), severity("share/doc/example.pl")], ["warning", "info"]);
}

/// A program with the strings of R's Rscript, for this home.
fn rscript(world: &World, path: &str, home: &str) {
    let source = format!("const char text[] = \"\\0%s/bin/R\\0{home}\\0\"; int entry(void) {{ return text[1]; }}\n");
    world.c(path, &source, &[], &["-nostdlib", "-fPIC", "-pie", "-Wl,-e,entry"]).mode(path, 0o755);
}

fn severity(report: &serde_json::Value, code: &str) -> Vec<String> {
    let found = report["findings"].as_array().expect("findings").iter().filter(|found| found["code"] == code);
    found.map(|found| found["severity"].as_str().expect("text").to_owned()).collect()
}

#[test]
fn an_rscript_that_runs_r_somewhere_else_is_an_error_unless_the_script_that_runs_it_says_where() {
    let world = World::new();
    world.r();
    rscript(&world, "R/bin/Rscript", "/opt/R/lib/R");
    assert_no_finding(&world.json(&["analyze", "ROOT"]).1, "R106");
    rscript(&world, "R/bin/Rscript", "/usr/lib64/R");
    // Without a bootstrap in the tree, the function's own may run it.
    let words = "Rscript runs /usr/lib64/R/bin/R, which neither the tree nor provided.al2023 has";
    assert_finding(&world.json(&["analyze", "ROOT"]).1, "R106", "R/bin/Rscript", words);
    for (start, severities) in [
        ("exec /opt/R/bin/Rscript /var/task/a.R", &["error"][..]),
        ("PATH=/opt/R/bin:$PATH\nRscript /var/task/a.R", &["error"]),
        ("export RHOME=/opt/R/lib/R\nexec /opt/R/bin/Rscript /var/task/a.R", &[]),
        ("RHOME=/opt/R/lib/R exec /opt/R/bin/Rscript a.R", &[]),
        ("export RHOME=/opt/wrong\nexec /opt/R/bin/Rscript a.R", &["error"]),
        ("export RHOME=$(cat x)\nexec /opt/R/bin/Rscript a.R", &[]),
        ("exec /opt/R/lib/R/bin/R --no-echo -f /var/task/a.R", &["warning"]),
    ] {
        script(&world, "bootstrap", &format!("#!/bin/sh\n{start}\n"));
        assert_eq!(severity(&world.json(&["analyze", "ROOT"]).1, "R106"), severities, "{start}");
    }
    script(&world, "bootstrap", "#!/opt/R/bin/Rscript\n1\n");
    assert_eq!(severity(&world.json(&["analyze", "ROOT"]).1, "R106"), ["error"]);
    // A second one, by a link to it and in R's home.
    rscript(&world, "R/lib/R/bin/Rscript", "/usr/lib64/R");
    world.link("bin/Rscript", "../R/lib/R/bin/Rscript");
    assert_eq!(severity(&world.json(&["analyze", "ROOT"]).1, "R106"), ["error", "warning"]);
}

#[test]
fn the_source_that_the_bootstrap_gives_to_r_is_needed() {
    for start in [
        "exec /opt/R/bin/Rscript \"${0%/*}/runtime.R\"",
        "exec /opt/R/bin/Rscript --vanilla /opt/runtime.R",
        "exec /opt/R/bin/Rscript \"$(dirname \"$0\")/runtime.R\"",
        "DIR=$(dirname $0)\n/opt/R/lib/R/bin/R --no-echo -f $DIR/runtime.R",
    ] {
        let world = World::new();
        world.r();
        rscript(&world, "R/bin/Rscript", "/opt/R/lib/R");
        script(&world, "bootstrap", &format!("#!/bin/sh\n{start}\n"));
        world.file("runtime.R", "1\n");
        assert_no_finding(&world.json(&["plan", "ROOT"]).1, "C102");
        let (code, report) = world.json(&["plan", "ROOT", "--drop", "runtime.R"]);
        assert_eq!(code, 1, "{start}");
        assert_finding(&report, "C102", "bootstrap", "runs /opt/runtime.R");
        let help = report["findings"].as_array().expect("findings").iter().find(|f| f["code"] == "C102");
        assert!(help.expect("there")["help"].as_str().expect("text").contains("dropped by --drop"));
        // What is in the function's code is not known.
        script(&world, "bootstrap", "#!/bin/sh\nexec /opt/R/bin/Rscript /var/task/runtime.R\n");
        assert_no_finding(&world.json(&["plan", "ROOT", "--runtime", "host"]).1, "C102");
    }
}

#[test]
fn a_bootstrap_that_replaces_which_needs_none() {
    let with_which = || {
        let world = World::new();
        world.r().file("R/lib/R/library/base/R/base.rdb", database("/usr/bin/which"));
        world
    };
    let world = with_which();
    assert_eq!(severity(&world.json(&["analyze", "ROOT"]).1, "C103"), ["error"]);
    let help = world.json(&["analyze", "ROOT"]).1["findings"].to_string();
    assert!(help.contains("layerfit init --bootstrap"));
    assert_eq!(world.run(&["init", "--bootstrap", "ROOT"]).code, 0);
    assert_no_finding(&world.json(&["analyze", "ROOT"]).1, "C103");
    // It counts in the function's code as well, where that is known: as a directory, and as the zip that is uploaded.
    let other = with_which();
    assert_eq!(other.run(&["pack", "ROOT", "-o", "OUT"]).code, 1);
    assert_eq!(other.run(&["init", "--bootstrap", "fn"]).code, 0);
    let parts = ["bootstrap", "runtime.R"].map(|name| {
        Part::stored(name, std::fs::read_to_string(other.beside("fn").join(name)).expect("read")).mode(0o100_755)
    });
    std::fs::write(other.beside("fn.zip"), zip(&parts)).expect("written");
    let checked = |code: &str| {
        std::fs::write(other.beside("layerfit.toml"), format!("[template]\ncode = {code:?}\n")).expect("written");
        let severities = |arguments: &[&str]| severity(&other.json(arguments).1, "C103");
        assert_eq!(severities(&["check", "OUT"]), severities(&["plan", "ROOT"]));
        severities(&["check", "OUT"])
    };
    assert_eq!(checked("fn"), [""; 0]);
    assert_eq!(checked("fn.zip"), [""; 0]);
    assert_eq!(checked("gone"), ["error"]);
    script(&other, "../fn/bootstrap", "#!/bin/sh\nexec /opt/R/bin/Rscript /var/task/runtime.R\n");
    assert_eq!(checked("fn"), ["error"]);
    std::fs::remove_file(other.beside("fn/bootstrap")).expect("removed");
    assert_eq!(checked("fn"), ["error"]);
    // Another bootstrap starts R with its packages.
    script(&world, "bootstrap", "#!/bin/sh\nexec /opt/R/bin/Rscript /opt/runtime.R\n");
    assert_eq!(severity(&world.json(&["analyze", "ROOT"]).1, "C103"), ["error"]);
    // A profile that is read before them.
    let world = with_which();
    script(&world, "bootstrap", "#!/bin/sh\nexport R_PROFILE=/opt/etc/start.Rprofile\nexec /opt/R/bin/Rscript a.R\n");
    world.file("etc/start.Rprofile", "# not Sys.which\n");
    assert_eq!(severity(&world.json(&["analyze", "ROOT"]).1, "C103"), ["error"]);
    world.file("etc/start.Rprofile", "assign(\"Sys.which\", function(names) names, baseenv())\n");
    assert_no_finding(&world.json(&["analyze", "ROOT"]).1, "C103");
}

#[test]
fn scripts_of_a_package_without_an_interpreter_are_one_finding_and_several_interpreters_one_problem() {
    let world = World::new();
    for (name, number) in [("one", 3), ("two", 2)] {
        world.package("R/lib/R/library", name, "1.0", "");
        for number in 0..number {
            script(&world, &format!("R/lib/R/library/{name}/examples/{number}.r"), "#!/usr/bin/env r\n");
        }
    }
    script(&world, "bin/a", "#!/usr/bin/env perl\n");
    script(&world, "bin/b", "#!/usr/bin/env ruby\n");
    let (_, report) = world.json(&["analyze", "ROOT"]);
    let found = findings(&report, "C101");
    let of = |name: &str| found.iter().find(|(subject, _)| subject.contains(name)).expect("one").1.clone();
    assert_eq!(found.len(), 4, "{found:?}");
    assert!(of("/one/").contains("needs the interpreter r (R/lib/R/library/one/examples/1.r and 1 more need it too)"));
    assert!(of("/two/").contains("examples/1.r needs it too"), "{found:?}");
    let shown = world.run(&["analyze", "ROOT"]).stdout;
    assert!(shown.contains(" warning C101  2 interpreters are missing: perl (a), ruby (b)\n"), "{shown}");
    assert!(shown.contains("→ add each to the tree, or drop the script\n"), "{shown}");
}
