//! A needed library is found where the loader in Lambda would find it, for the process that loads it.

use crate::support::elf::Elf;
use crate::support::{World, assert_finding, assert_no_finding, findings};
use serde_json::Value;

/// How the needed library `soname` of the object at `path` was found: each `found path process`.
fn found(report: &Value, path: &str, soname: &str) -> Vec<String> {
    let objects = report["objects"].as_array().expect("objects");
    let object =
        objects.iter().find(|object| object["path"] == path).unwrap_or_else(|| panic!("{path} in {objects:#?}"));
    let needed = object["needed"].as_array().expect("needed").iter().filter(|needed| needed["soname"] == soname);
    needed
        .map(|n| {
            let text = |key: &str| n[key].as_str().unwrap_or("-").to_owned();
            format!("{} {} {}", text("found"), text("path"), text("process"))
        })
        .collect()
}

#[test]
fn a_library_in_lib_is_found_through_its_link() {
    let world = World::new();
    world.library("lib/libb.so.1", &[], &[]).program("bin/tool", &["lib/libb.so.1"], &[]);
    std::fs::rename(world.root().join("lib/libb.so.1"), world.root().join("lib/libb.so.1.2")).expect("renamed");
    world.link("lib/libb.so.1", "libb.so.1.2");
    let (code, report) = world.json(&["analyze", "ROOT"]);
    assert_eq!(code, 0);
    assert_eq!(found(&report, "bin/tool", "libb.so.1"), ["layer /opt/lib/libb.so.1 other"]);
}

#[test]
fn a_library_that_is_nowhere_is_an_error_that_names_who_needs_it_and_where_was_looked() {
    let world = World::new();
    world.library("lib/libtirpc.so.3", &[], &[]).library("lib/liba.so", &["lib/libtirpc.so.3"], &[]);
    world.program("bin/one", &["lib/liba.so"], &[]).program("bin/two", &["lib/libtirpc.so.3"], &[]);
    std::fs::remove_file(world.root().join("lib/libtirpc.so.3")).expect("removed");
    let (code, report) = world.json(&["analyze", "ROOT"]);
    assert_eq!(code, 1);
    assert_finding(&report, "L201", "bin/two", "needs libtirpc.so.3 (lib/liba.so needs it too)");
    let message = &findings(&report, "L201")[0].1;
    assert!(message.contains("/lib64, /usr/lib64") && message.contains("/opt/lib"), "{message}");
    assert_eq!(found(&report, "lib/liba.so", "libtirpc.so.3"), ["missing - other"]);
}

#[test]
fn a_library_of_the_image_is_there_unless_the_runtime_lacks_it() {
    let world = World::new();
    world.library("lib/libcurl.so.4", &[], &[]).program("bin/tool", &["lib/libcurl.so.4"], &[]);
    std::fs::remove_file(world.root().join("lib/libcurl.so.4")).expect("removed");
    let (code, report) = world.json(&["analyze", "ROOT"]);
    assert_eq!(
        (code, found(&report, "bin/tool", "libcurl.so.4")),
        (0, vec!["runtime /lib64/libcurl.so.4 other".to_owned()])
    );
    let (code, report) = world.json(&["analyze", "ROOT", "--runtime", "provided.al2"]);
    assert_eq!((code, found(&report, "bin/tool", "libcurl.so.4")), (1, vec!["missing - other".to_owned()]));
}

#[test]
fn lambdas_path_has_the_image_before_opt_lib_and_rs_has_opt_lib_first() {
    let world = World::new();
    world.r().library("lib/libz.so.1", &[], &[]).program("bin/tool", &["lib/libz.so.1"], &[]);
    world.library("R/lib/R/lib/libR.so", &["lib/libz.so.1"], &[]);
    world.program("R/lib/R/bin/exec/R", &["R/lib/R/lib/libR.so"], &[]);
    let (_, report) = world.json(&["analyze", "ROOT"]);
    assert_eq!(found(&report, "bin/tool", "libz.so.1"), ["runtime /lib64/libz.so.1 other"]);
    assert_eq!(found(&report, "R/lib/R/bin/exec/R", "libR.so"), ["layer /opt/R/lib/R/lib/libR.so R"]);
    assert_eq!(found(&report, "R/lib/R/lib/libR.so", "libz.so.1"), ["layer /opt/lib/libz.so.1 R"]);
}

#[test]
fn opt_lib64_is_not_searched() {
    let world = World::new();
    world.library("lib64/libown.so.1", &[], &[]).program("bin/tool", &["lib64/libown.so.1"], &[]);
    let (code, report) = world.json(&["analyze", "ROOT"]);
    assert_eq!(code, 1);
    let finding =
        report["findings"].as_array().expect("findings").iter().find(|f| f["code"] == "L201").expect("missing");
    assert!(finding["help"].as_str().expect("help").contains("lib64/libown.so.1 is not in a searched directory"));
}

#[test]
fn runpath_with_origin_finds_what_lies_beside() {
    let world = World::new();
    world.library("app/libown.so", &[], &[]);
    world.program("app/tool", &["app/libown.so"], &["-Wl,--enable-new-dtags", "-Wl,-rpath,$ORIGIN"]);
    let (code, report) = world.json(&["analyze", "ROOT"]);
    assert_eq!((code, found(&report, "app/tool", "libown.so")), (0, vec!["layer /opt/app/libown.so other".to_owned()]));
}

#[test]
fn rpath_is_inherited_and_runpath_is_not() {
    for (dtags, expected) in [("-Wl,--disable-new-dtags", "layer"), ("-Wl,--enable-new-dtags", "missing")] {
        let world = World::new();
        world.library("far/libleaf.so", &[], &[]).library("far/libmiddle.so", &["far/libleaf.so"], &[]);
        world.program("bin/tool", &["far/libmiddle.so"], &[dtags, "-Wl,-rpath,/opt/far"]);
        let (_, report) = world.json(&["analyze", "ROOT"]);
        let answers = found(&report, "far/libmiddle.so", "libleaf.so");
        assert!(answers[0].starts_with(expected), "{dtags}: {answers:?}");
    }
}

#[test]
fn rpath_comes_before_ld_library_path_and_runpath_after() {
    for (dtags, expected) in
        [("-Wl,--disable-new-dtags", "/opt/own/libx.so"), ("-Wl,--enable-new-dtags", "/opt/lib/libx.so")]
    {
        let world = World::new();
        world.library("own/libx.so", &[], &[]).library("lib/libx.so", &[], &[]);
        world.program("bin/tool", &["own/libx.so"], &[dtags, "-Wl,-rpath,/opt/own"]);
        let (_, report) = world.json(&["analyze", "ROOT"]);
        assert_eq!(found(&report, "bin/tool", "libx.so"), [format!("layer {expected} other")]);
    }
}

#[test]
fn what_is_loaded_already_answers_by_its_soname() {
    // libdeep needs libx.so, which only the program's own RUNPATH leads to; it is loaded by then, so libdeep has it.
    let world = World::new();
    world.library("own/libx.so", &[], &[]).library("lib/libdeep.so", &["own/libx.so"], &[]);
    let flags = ["-Wl,--enable-new-dtags", "-Wl,-rpath,/opt/own"];
    world.program("bin/tool", &["own/libx.so", "lib/libdeep.so"], &flags);
    let (code, report) = world.json(&["analyze", "ROOT"]);
    assert_eq!(
        (code, found(&report, "lib/libdeep.so", "libx.so")),
        (0, vec!["layer /opt/own/libx.so other".to_owned()])
    );
}

#[test]
fn a_library_for_another_machine_is_passed_over() {
    let world = World::new();
    world.library("first/libx.so", &[], &[]).library("lib/libx.so", &[], &[]);
    world.program("bin/tool", &["lib/libx.so"], &["-Wl,--disable-new-dtags", "-Wl,-rpath,/opt/first"]);
    let path = world.root().join("first/libx.so");
    let mut bytes = std::fs::read(&path).expect("read");
    bytes[18] = if bytes[18] == 183 { 62 } else { 183 }; // e_machine: aarch64 or x86-64
    std::fs::write(&path, bytes).expect("written");
    let (_, report) = world.json(&["analyze", "ROOT"]);
    assert_eq!(found(&report, "bin/tool", "libx.so"), ["layer /opt/lib/libx.so other"]);
}

#[test]
fn a_file_that_is_no_elf_file_stops_the_loader() {
    let world = World::new();
    world.library("lib/libx.so", &[], &[]).program("bin/tool", &["lib/libx.so"], &[]);
    world.file("lib/libx.so", "INPUT(libx.so.1)");
    let (code, report) = world.json(&["analyze", "ROOT"]);
    assert_eq!(code, 1);
    assert_finding(&report, "L201", "bin/tool", "the loader stops: /opt/lib/libx.so is not an ELF file");
}

#[test]
fn modules_and_package_libraries_are_loaded_by_r_without_being_needed() {
    let world = World::new();
    world.r().library("lib/libgfortran.so.5", &[], &[]).library("R/lib/R/lib/libR.so", &[], &[]);
    world.program("R/lib/R/bin/exec/R", &["R/lib/R/lib/libR.so"], &[]);
    world.library("R/lib/R/modules/lapack.so", &["lib/libgfortran.so.5"], &[]);
    world.library("R/lib/R/library/stats/libs/stats.so", &["R/lib/R/lib/libR.so"], &[]);
    let (code, report) = world.json(&["plan", "ROOT"]);
    assert_eq!(code, 0, "{:#}", report["findings"]);
    assert_eq!(found(&report, "R/lib/R/modules/lapack.so", "libgfortran.so.5"), ["layer /opt/lib/libgfortran.so.5 R"]);
    assert_eq!(found(&report, "R/lib/R/library/stats/libs/stats.so", "libR.so"), ["layer /opt/R/lib/R/lib/libR.so R"]);
}

#[test]
fn a_program_whose_interpreter_the_image_lacks_does_not_start() {
    let world = World::new();
    world.program("bin/fine", &[], &[]);
    world.program("bin/musl", &[], &["-Wl,--dynamic-linker=/lib/ld-musl-x86_64.so.1"]);
    let (code, report) = world.json(&["analyze", "ROOT"]);
    assert_eq!(code, 1);
    assert_finding(&report, "L202", "bin/musl", "/lib/ld-musl-x86_64.so.1");
}

#[test]
fn what_a_program_for_another_c_library_needs_is_not_looked_for_as_glibc_would() {
    let world = World::new();
    world.library("musl/libc.musl-x86_64.so.1", &[], &[]);
    world.program("bin/tool", &["musl/libc.musl-x86_64.so.1"], &["-Wl,--dynamic-linker,/lib/ld-musl-x86_64.so.1"]);
    let (code, report) = world.json(&["analyze", "ROOT"]);
    assert_eq!(code, 1);
    assert_finding(&report, "L202", "bin/tool", "/lib/ld-musl-x86_64.so.1");
    assert_no_finding(&report, "L201");
}

#[test]
fn a_library_that_only_the_image_for_one_machine_has_is_found_by_its_files_only() {
    for (machine, runtime, code) in [(62, "python3.12", 0), (183, "python3.12", 1), (183, "python3.11", 0)] {
        let world = World::new();
        let loader = if machine == 62 { "/lib64/ld-linux-x86-64.so.2" } else { "/lib/ld-linux-aarch64.so.1" };
        let program = Elf::program().machine(machine).interpreter(loader).needs("libcrypt.so.1");
        world.elf("bin/tool", &program);
        let (exit, report) = world.json(&["analyze", "ROOT", "--runtime", runtime]);
        assert_eq!(
            (exit, findings(&report, "L201").len()),
            (code, usize::try_from(code).expect("0 or 1")),
            "{machine} {runtime}"
        );
    }
}

#[test]
fn the_library_path_that_a_startup_script_sets_is_that_of_the_program_it_runs() {
    let missing = |directory: &str, files: &[(&str, &str)]| {
        let world = World::new();
        world.elf("bin/tool", &Elf::program().needs("libours.so.1"));
        world.elf(&format!("{directory}/libours.so.1"), &Elf::library("libours.so.1"));
        for (path, text) in files {
            world.file(*path, format!("#!/bin/sh\n{text}\n")).mode(path, 0o755);
        }
        let (_, report) = world.json(&["analyze", "ROOT"]);
        findings(&report, "L201").len()
    };
    let ours = "app/libs";
    for set in [
        "export LD_LIBRARY_PATH=/opt/app/libs:$LD_LIBRARY_PATH\nexec /opt/bin/tool",
        "LD_LIBRARY_PATH=/opt/app/libs exec /opt/bin/tool",
        "LD_LIBRARY_PATH=\"${LAMBDA_TASK_ROOT}:/opt/app/libs\"\n/opt/bin/tool",
        "if [ -d /opt/app/libs ]; then export LD_LIBRARY_PATH=/opt/app/libs; fi\nexec /opt/bin/tool",
        // What is not known is not an error.
        "export LD_LIBRARY_PATH=$(find-libraries)\nexec /opt/bin/tool",
    ] {
        assert_eq!(missing(ours, &[("bootstrap", set)]), 0, "{set}");
    }
    assert_eq!(missing(ours, &[("bootstrap", "exec /opt/bin/tool")]), 1);
    assert_eq!(
        missing(ours, &[("bootstrap", "export LD_LIBRARY_PATH=/opt/other:$LD_LIBRARY_PATH\nexec /opt/bin/tool")]),
        1
    );
    // A script in between has what was set before it.
    let set = "export LD_LIBRARY_PATH=/opt/app/libs\nexec /opt/libexec/start";
    assert_eq!(missing(ours, &[("bootstrap", set), ("libexec/start", "exec /opt/bin/tool")]), 0);
    // In place of the image's, it hides /opt/lib.
    assert_eq!(missing("lib", &[("bootstrap", "export LD_LIBRARY_PATH=/opt/other\nexec /opt/bin/tool")]), 1);
    assert_eq!(
        missing("lib", &[("bootstrap", "export LD_LIBRARY_PATH=/opt/other:$LD_LIBRARY_PATH\nexec /opt/bin/tool")]),
        0
    );
}

#[test]
fn the_library_path_of_a_script_that_a_function_can_run_counts_relative_to_the_script_too() {
    let missing = |directory: &str, program: &str, link: Option<(&str, &str)>, path: &str, text: &str| {
        let world = World::new();
        world.elf(program, &Elf::program().needs("libours.so.1"));
        world.elf(&format!("{directory}/libours.so.1"), &Elf::library("libours.so.1"));
        world.file(path, format!("#!/bin/sh\n{text}\n")).mode(path, 0o755);
        if let Some((link, target)) = link {
            world.link(link, target);
        }
        let (_, report) = world.json(&["analyze", "ROOT"]);
        findings(&report, "L201").len()
    };
    for text in [
        "export LD_LIBRARY_PATH=/opt/app/libs\nexec /opt/app/x.bin \"$@\"",
        "LD_LIBRARY_PATH=\"$(dirname \"$0\")/libs:$LD_LIBRARY_PATH\" exec \"$(dirname \"$0\")/x.bin\"",
        "HERE=\"$(cd \"$(dirname \"$0\")\" && pwd)\"\nexport LD_LIBRARY_PATH=\"$HERE/libs\"\nexec \"$HERE/x.bin\" \"$@\"",
        "HERE=$(cd \"$(dirname \"$0\")/..\" >/dev/null 2>&1; pwd)\nexport LD_LIBRARY_PATH=$HERE/app/libs\nexec $HERE/app/x.bin",
        "export LD_LIBRARY_PATH=${0%/*}/../app/libs\n${0%/*}/x.bin",
        "D=$(dirname \"$(readlink -f \"$0\")\")\nLD_LIBRARY_PATH=$D/libs $D/x.bin",
        "D=$(dirname $(realpath $0))\nLD_LIBRARY_PATH=$D/libs $D/x.bin",
        "/lib64/ld-linux-x86-64.so.2 --library-path /opt/app/libs /opt/app/x.bin \"$@\"",
        "D=$(dirname \"$0\")\nexec /lib64/ld-linux-x86-64.so.2 --argv0 x --library-path \"$D/libs\" \"$D/x.bin\"",
    ] {
        for path in ["bootstrap", "app/start"] {
            let text =
                if path == "bootstrap" { text.replace("$0", "$S").replace("${0", "${S") } else { text.to_owned() };
            let text = if path == "bootstrap" { format!("S=/opt/app/start\n{text}") } else { text };
            assert_eq!(missing("app/libs", "app/x.bin", None, path, &text), 0, "{path}: {text}");
            assert_eq!(missing("elsewhere", "app/x.bin", None, path, &text), 1, "{path}: {text}");
        }
    }
    // Started by a link, a script that follows it finds its own directory, and one that does not, that of the link.
    let link = Some(("bin/tool", "../app/start"));
    let follows = "D=$(dirname \"$(readlink -f \"$0\")\")\nLD_LIBRARY_PATH=$D/libs $D/x.bin";
    assert_eq!(missing("app/libs", "app/x.bin", link, "app/start", follows), 0);
    let beside = "LD_LIBRARY_PATH=$(dirname \"$0\")/libs exec $(dirname \"$0\")/x.bin";
    assert_eq!(missing("bin/libs", "bin/x.bin", link, "app/start", beside), 0);
    assert_eq!(missing("bin/libs", "bin/x.bin", None, "app/start", beside), 1);
    // Nothing is known to run the script, so the program can be run without it.
    assert_eq!(missing("lib", "app/x.bin", None, "app/start", "LD_LIBRARY_PATH=/opt/other exec /opt/app/x.bin"), 0);
    assert_eq!(missing("lib", "app/x.bin", None, "bootstrap", "LD_LIBRARY_PATH=/opt/other exec /opt/app/x.bin"), 1);
}

#[test]
fn extension_modules_find_libraries_with_what_a_wrapper_of_the_runtime_sets() {
    let missing = |text: &str, variable: &[&str]| {
        let world = World::new();
        world.elf("python/m.cpython-312-x86_64-linux-gnu.so", &Elf::library("m.so").needs("libours.so.1"));
        world.elf("app/libs/libours.so.1", &Elf::library("libours.so.1"));
        world.file("wrapper", format!("#!/bin/bash\n{text}\n")).mode("wrapper", 0o755);
        let (_, report) = world.json(&[&["analyze", "ROOT", "--runtime", "python3.12"], variable].concat());
        findings(&report, "L201").len()
    };
    let wrapper = "export LD_LIBRARY_PATH=/opt/app/libs:$LD_LIBRARY_PATH\nexec \"$@\"";
    assert_eq!(missing(wrapper, &[]), 0);
    assert_eq!(missing(wrapper, &["--env", "AWS_LAMBDA_EXEC_WRAPPER=/opt/wrapper"]), 0);
    assert_eq!(missing(wrapper, &["--env", "AWS_LAMBDA_EXEC_WRAPPER=/opt/other"]), 1);
    assert_eq!(missing("export LD_LIBRARY_PATH=/opt/app/libs\nexec /usr/bin/true", &[]), 1);
    assert_eq!(missing("exec \"$@\"", &[]), 1);
}

/// The remedy of the finding about the library that `bin/tool` lacks, in a tree that `make` makes.
fn remedy(make: impl Fn(&World), options: &[&str]) -> String {
    let world = World::new();
    world.elf("bin/tool", &Elf::program().needs("libours.so.1"));
    make(&world);
    let (code, report) = world.json(&[&["check", "ROOT"], options].concat());
    assert_eq!(code, 1, "{report:#}");
    assert_finding(&report, "L201", "bin/tool", "needs libours.so.1");
    // What is lacking is not something that nothing needs.
    assert_no_finding(&report, "L206");
    let found = report["findings"].as_array().expect("findings").iter().find(|finding| finding["code"] == "L201");
    found.expect("L201")["help"].as_str().expect("text").to_owned()
}

#[test]
fn a_library_with_another_file_name_than_its_soname_is_linked() {
    let ours = Elf::library("libours.so.1");
    for (path, link) in [
        ("lib/libours.so.1.2.3", "lib/libours.so.1 -> libours.so.1.2.3"),
        ("lib/ours.so", "lib/libours.so.1 -> ours.so"),
        ("other/libours-1.2.so", "lib/libours.so.1 -> /opt/other/libours-1.2.so"),
    ] {
        let help = remedy(
            |world| {
                world.elf(path, &ours);
            },
            &[],
        );
        assert_eq!(help, format!("{path} is that library under another name: add the link {link}"));
    }
    // Another library, and one for another machine.
    let help = remedy(
        |world| {
            world.file("lib/x.so", Elf::library("libours.so.2").bytes());
        },
        &["--ignore", "L206"],
    );
    assert!(help.starts_with("--bundle copies libours.so.1"), "{help}");
    // No rule drops it, and with the link, nothing is missing.
    let world = World::new();
    world.elf("bin/tool", &Elf::program().needs("libours.so.1")).elf("lib/libours.so.1.2.3", &ours);
    let kept = |world: &World| {
        let (_, report) = world.json(&["plan", "ROOT", "--select", "unloaded-libraries"]);
        report["totals"]["kept"]["files"].as_u64().expect("a number")
    };
    assert_eq!(kept(&world), 2);
    world.elf("lib/libtheirs.so.1", &Elf::library("libtheirs.so.1"));
    assert_eq!(kept(&world), 2);
    world.link("lib/libours.so.1", "libours.so.1.2.3");
    assert_no_finding(&world.json(&["check", "ROOT"]).1, "L201");
}

#[test]
fn what_is_in_the_way_of_a_library_is_told() {
    let ours = Elf::library("libours.so.1");
    let link = |target: &'static str| {
        move |world: &World| {
            world.link("lib/libours.so.1", target);
        }
    };
    let help = remedy(link("/usr/lib/x86_64-linux-gnu/libours.so.1"), &[]);
    assert!(help.contains("is a link to /usr/lib/x86_64-linux-gnu/libours.so.1, outside of /opt"), "{help}");
    assert!(help.contains("replace the link with the file itself"), "{help}");
    let help = remedy(link("libours.so.1.2"), &[]);
    assert!(help.starts_with("lib/libours.so.1 is a link to libours.so.1.2, which is not there"), "{help}");
    let help = remedy(
        |world| {
            link("libours.so.1.1")(world);
            world.elf("lib/libours.so.1.2", &ours);
        },
        &[],
    );
    assert!(help.ends_with("replace it with a link to /opt/lib/libours.so.1.2"), "{help}");
    let help = remedy(
        |world| {
            world.file("lib/libours.so.1", "INPUT(libours.so.1.2)");
        },
        &[],
    );
    assert!(help.starts_with("lib/libours.so.1 is not an ELF file"), "{help}");
    let help = remedy(
        |world| {
            world.file("lib64/libours.so.1", ours.bytes());
        },
        &[],
    );
    assert!(help.starts_with("lib64/libours.so.1 is not in a searched directory: move it to lib/"), "{help}");
    let help = remedy(
        |world| {
            world.elf("lib/libours.so.1", &ours);
        },
        &["--env", "LD_LIBRARY_PATH=/opt/other:/lib64"],
    );
    assert!(help.contains("LD_LIBRARY_PATH is set without /opt/lib: add /opt/lib where it is set"), "{help}");
}

#[test]
fn a_library_that_is_not_guaranteed_is_a_warning() {
    let world = World::new();
    world.library("lib/libexpat.so.1", &[], &[]).program("bin/tool", &["lib/libexpat.so.1"], &[]);
    std::fs::remove_file(world.root().join("lib/libexpat.so.1")).expect("removed");
    let (code, report) = world.json(&["analyze", "ROOT", "--runtime", "provided.al2"]);
    assert_eq!(code, 0);
    assert_finding(&report, "L203", "bin/tool", "libexpat.so.1, which provided.al2 may not have");
    let (_, report) = world.json(&["analyze", "ROOT", "--runtime", "provided"]);
    assert_no_finding(&report, "L203");
}

#[test]
fn on_the_host_this_machines_own_libraries_are_found() {
    let world = World::new();
    world.program("bin/tool", &[], &["-lc"]);
    let (code, report) = world.json(&["analyze", "ROOT", "--runtime", "host"]);
    assert_eq!(code, 0, "{:#}", report["findings"]);
    assert!(found(&report, "bin/tool", "libc.so.6")[0].starts_with("host /"));
}

#[test]
fn r_that_was_built_for_another_place_is_an_error() {
    let world = World::new();
    world.r();
    assert_no_finding(&world.json(&["analyze", "ROOT"]).1, "R106");
    world.file("R/lib/R/bin/R", "#!/bin/sh\nR_HOME_DIR=/usr/lib/R\n");
    let (code, report) = world.json(&["analyze", "ROOT"]);
    assert_eq!(code, 1);
    assert_finding(&report, "R106", "R/lib/R/bin/R", "to run from /usr/lib/R, but in Lambda it is at /opt/R/lib/R");
}

#[test]
fn the_directory_of_java_in_ldpaths_is_searched() {
    let stock = ": ${JAVA_HOME=${JDK-/opt/java}}\n: ${R_JAVA_LD_LIBRARY_PATH=${JAVA_HOME}/lib/server}\n\
        : ${R_LD_LIBRARY_PATH=${R_HOME}/lib}\nif test -n \"${R_JAVA_LD_LIBRARY_PATH}\"; then\n\
        R_LD_LIBRARY_PATH=\"${R_LD_LIBRARY_PATH}:${R_JAVA_LD_LIBRARY_PATH}\"\nfi\n\
        LD_LIBRARY_PATH=\"${R_LD_LIBRARY_PATH}:${LD_LIBRARY_PATH}\"\nexport LD_LIBRARY_PATH\n";
    for (java, ldpaths, bootstrap, found) in [
        ("java", stock.to_owned(), "", true),
        ("java", stock.replace("${JAVA_HOME=${JDK-/opt/java}}", "${JAVA_HOME=}"), "", false),
        ("jdk", stock.to_owned(), "", false),
        ("jdk", stock.to_owned(), "export JAVA_HOME=/opt/jdk", true),
        ("jdk", stock.to_owned(), "export JDK=/opt/jdk", true),
        (
            "java",
            stock.replace("${R_JAVA_LD_LIBRARY_PATH=${JAVA_HOME}/lib/server}", "${R_JAVA_LD_LIBRARY_PATH=}"),
            "",
            false,
        ),
        ("java", "LD_LIBRARY_PATH=/opt/java/lib/server:$LD_LIBRARY_PATH\n".to_owned(), "", true),
    ] {
        let world = World::new();
        let jvm = format!("{java}/lib/server/libjvm.so");
        world.r().package("site", "rJav", "1.0", "").library(&jvm, &[], &[]);
        world.library("site/rJav/libs/rJav.so", &[&jvm], &[]).file("R/lib/R/etc/ldpaths", &ldpaths);
        world.file("bootstrap", format!("#!/bin/sh\n{bootstrap}\n")).mode("bootstrap", 0o755);
        let (_, report) = world.json(&["analyze", "ROOT"]);
        if found {
            assert_no_finding(&report, "L201");
        } else {
            assert_finding(&report, "L201", "site/rJav/libs/rJav.so", "needs libjvm.so");
        }
    }
}

#[test]
fn r_finds_its_own_library_only_where_ldpaths_says() {
    let stock = ": ${R_LD_LIBRARY_PATH=${R_HOME}/lib}\nLD_LIBRARY_PATH=\"${R_LD_LIBRARY_PATH}:${LD_LIBRARY_PATH}\"\n";
    for (ldpaths, found) in [
        (Some(stock), true),
        (Some("LD_LIBRARY_PATH=$(cat /opt/dirs):$LD_LIBRARY_PATH\n"), true),
        (Some(": ${R_LD_LIBRARY_PATH=${R_HOME}/lib}\n"), false),
        (Some(""), false),
        // bin/R reports that it is not there, and goes on.
        (None, false),
    ] {
        let world = World::new();
        world.r().library("R/lib/R/lib/libR.so", &[], &[]).program("R/lib/R/bin/exec/R", &["R/lib/R/lib/libR.so"], &[]);
        world.file(
            "R/lib/R/bin/R",
            "#!/bin/sh\nR_HOME=/opt/R/lib/R\n. ${R_HOME}/etc/ldpaths\nexec ${R_HOME}/bin/exec/R\n",
        );
        match ldpaths {
            Some(text) => {
                world.file("R/lib/R/etc/ldpaths", text);
            }
            None => std::fs::remove_file(world.root().join("R/lib/R/etc/ldpaths")).expect("removed"),
        }
        let (_, report) = world.json(&["analyze", "ROOT"]);
        if found {
            assert_no_finding(&report, "L201");
        } else {
            assert_finding(&report, "L201", "R/lib/R/bin/exec/R", "needs libR.so");
        }
    }
}

#[test]
fn a_program_of_a_package_has_the_library_path_of_the_r_that_starts_it() {
    let stock = ": ${R_LD_LIBRARY_PATH=${R_HOME}/lib}\nLD_LIBRARY_PATH=\"${R_LD_LIBRARY_PATH}:${LD_LIBRARY_PATH}\"\n";
    let world = World::new();
    world.r().library("R/lib/R/lib/libR.so", &[], &[]).file("R/lib/R/etc/ldpaths", stock);
    world.package("site", "Rserve", "1.8", "");
    // `R CMD Rserve` and system2() pass R's environment on; a shell that runs bin/serve does not.
    for program in ["site/Rserve/libs/Rserve", "site/Rserve/bin/serve", "R/lib/R/bin/tool"] {
        world.program(program, &["R/lib/R/lib/libR.so"], &[]);
    }
    let (code, report) = world.json(&["analyze", "ROOT"]);
    assert_no_finding(&report, "L201");
    assert_eq!(code, 0, "{:#}", report["findings"]);
    world.program("bin/serve", &["R/lib/R/lib/libR.so"], &[]);
    assert_finding(&world.json(&["analyze", "ROOT"]).1, "L201", "bin/serve", "needs libR.so");
    // What R's path does not have is missing whoever starts it.
    std::fs::remove_file(world.root().join("bin/serve")).expect("removed");
    world.library("gone/libgone.so", &[], &[]);
    world.program("site/Rserve/bin/serve", &["gone/libgone.so"], &[]);
    let (code, report) = world.json(&["analyze", "ROOT"]);
    assert_eq!(code, 1);
    assert_finding(&report, "L201", "site/Rserve/bin/serve", "needs libgone.so");
}
