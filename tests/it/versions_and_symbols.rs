//! A version that a library does not define, a symbol that nobody defines: said before the first invocation, and the same
//! as ld.so says.

use std::fs;

use crate::support::elf::Elf;
use crate::support::{World, assert_finding, assert_fired_and_nearly_missed, assert_no_finding, findings, oracle};
use layerfit::base::finding::Code;
use layerfit::resolve::ProcessEnvironment;
use layerfit::runtime::RuntimeProfile;

/// A library `lib/libv.so` with these versions, each with a function of its own.
fn versioned(world: &World, versions: &[&str]) {
    let functions: Vec<String> = versions.iter().map(|v| format!("f_{}", v.replace(['.', '_'], "x"))).collect();
    let source: String = functions.iter().map(|name| format!("int {name}(void) {{ return 1; }}\n")).collect();
    let nodes = versions.iter().zip(&functions).map(|(version, name)| format!("{version} {{ global: {name}; }};\n"));
    let map = world.beside("versions.map");
    fs::write(&map, nodes.collect::<String>()).expect("written");
    let script = format!("-Wl,--version-script={}", map.display());
    let soname = "-Wl,-soname,libv.so";
    world.c("lib/libv.so", &source, &[], &["-shared", "-fPIC", "-nostdlib", soname, &script]);
}

/// A program that needs `f` of `lib/libv.so`.
fn user(world: &World, function: &str) {
    let source = format!("int {function}(void); int entry(void) {{ return {function}(); }}\n");
    world.c("bin/tool", &source, &["lib/libv.so"], &["-nostdlib", "-fPIC", "-pie", "-Wl,-e,entry"]);
    world.mode("bin/tool", 0o755);
}

/// What ld.so complains of when it starts `bin/tool`; none where this machine allows no mounts.
fn complaints(world: &World, symbols: bool) -> Option<String> {
    let profile = RuntimeProfile::load("host").expect("built in");
    let environment =
        ProcessEnvironment { library_path: profile.environment.ld_library_path, working_directory: "/".to_owned() };
    let command = oracle::command_in(&world.root())?;
    Some(oracle::trace(command, "/opt/bin/tool", true, &environment, symbols).errors)
}

#[test]
fn a_version_that_the_library_in_the_tree_lacks_is_an_error_with_the_symbol_that_needs_it() {
    let world = World::new();
    versioned(&world, &["V_1.2", "V_1.10"]);
    user(&world, "f_Vx1x10");
    assert_no_finding(&world.json(&["analyze", "ROOT", "--runtime", "host"]).1, "L204");
    assert_eq!(complaints(&world, false).unwrap_or_default(), "");

    versioned(&world, &["V_1.2"]);
    let (code, report) = world.json(&["analyze", "ROOT", "--runtime", "host"]);
    assert_eq!(code, 1);
    let words = "needs V_1.10 from libv.so (f_Vx1x10); lib/libv.so, which is loaded, only provides up to V_1.2";
    assert_finding(&report, "L204", "bin/tool", words);
    if let Some(said) = complaints(&world, false) {
        assert!(said.contains("version `V_1.10' not found (required by /opt/bin/tool)"), "{said}");
    }
    assert_fired_and_nearly_missed(Code::VersionTooNew);
}

#[test]
fn a_library_without_versions_is_a_remark_for_the_loader_goes_on() {
    let world = World::new();
    versioned(&world, &["V_1.2"]);
    user(&world, "f_Vx1x2");
    assert_no_finding(&world.json(&["analyze", "ROOT", "--runtime", "host"]).1, "L208");
    world.library("lib/libv.so", &[], &[]);
    let (_, report) = world.json(&["analyze", "ROOT", "--runtime", "host"]);
    assert_no_finding(&report, "L204");
    assert_finding(&report, "L208", "bin/tool", "no version information available");
    if let Some(said) = complaints(&world, false) {
        assert!(said.contains("no version information available"), "{said}");
    }
    assert_fired_and_nearly_missed(Code::NoVersionInformation);
}

#[test]
fn what_the_image_has_is_compared_by_number_and_a_runtime_that_would_do_is_named() {
    // The real glibc of this machine is linked with, and its versions are then compared with those of old images.
    let world = World::new();
    let source = "#include <math.h>\nint main(int c, char **v) { return (int)(log((double)c) + pow(c, 1.5)); }\n";
    world.c("bin/tool", source, &[], &["-lm"]).mode("bin/tool", 0o755);
    let (code, report) = world.json(&["analyze", "ROOT", "--runtime", "provided"]);
    assert_eq!(code, 1);
    let found = findings(&report, "L204");
    let log = found.iter().find(|(_, message)| message.contains("from libm.so.6")).expect("log() is of GLIBC_2.29");
    assert_eq!(log.0, "bin/tool");
    assert!(
        log.1.contains("needs GLIBC_2.29 from libm.so.6 (")
            && log.1.contains("provided only provides up to GLIBC_2.17"),
        "{log:?}"
    );
    let help = report["findings"].as_array().expect("findings").iter().find(|f| f["code"] == "L204").expect("there");
    assert!(help["help"].as_str().expect("help").contains("--runtime provided.al2023"), "{help}");
    // The near miss: al2023 has all of these.
    let (_, report) = world.json(&["analyze", "ROOT", "--runtime", "provided.al2023"]);
    assert!(!findings(&report, "L204").iter().any(|(_, message)| message.contains("from libm.so.6")), "{report:#}");
}

#[test]
fn glibc_private_is_no_number_and_belongs_to_one_build() {
    let world = World::new();
    let source = "extern int __libc_enable_secure_; int entry(void) { return __libc_enable_secure_; }\n";
    // A stand-in for libc.so.6 that defines the private version, to link with only.
    let map = world.beside("private.map");
    fs::write(&map, "GLIBC_PRIVATE { global: __libc_enable_secure_; };\n").expect("written");
    let script = format!("-Wl,--version-script={}", map.display());
    let flags = ["-shared", "-fPIC", "-nostdlib", "-Wl,-soname,libc.so.6", &script];
    world.c("lib/libc.so.6", "int __libc_enable_secure_ = 1;\n", &[], &flags);
    world.c("bin/tool", source, &["lib/libc.so.6"], &["-nostdlib", "-fPIC", "-pie", "-Wl,-e,entry"]);
    world.mode("bin/tool", 0o755);
    fs::remove_file(world.root().join("lib/libc.so.6")).expect("removed");
    let (_, report) = world.json(&["analyze", "ROOT"]);
    assert_no_finding(&report, "L204");
    assert_finding(&report, "L207", "bin/tool", "GLIBC_PRIVATE from libc.so.6");
    world.program("bin/tool", &[], &["-lc"]);
    assert_no_finding(&world.json(&["analyze", "ROOT"]).1, "L207");
    assert_fired_and_nearly_missed(Code::PrivateVersion);
}

#[test]
fn a_symbol_that_nobody_defines_is_a_warning_and_a_weak_one_is_none() {
    let world = World::new();
    world.library("lib/libv.so", &[], &[]);
    let source = "int gone(void); int maybe(void) __attribute__((weak));\n\
                  int f(void) { return gone() + (maybe ? maybe() : 0); }\n";
    let flags = ["-shared", "-fPIC", "-nostdlib", "-Wl,-soname,libuser.so"];
    world.c("lib/libuser.so", source, &["lib/libv.so"], &flags).program("bin/tool", &["lib/libuser.so"], &[]);
    let (code, report) = world.json(&["analyze", "ROOT", "--runtime", "host"]);
    assert_eq!(code, 0, "{:#}", report["findings"]);
    assert_finding(&report, "L205", "lib/libuser.so", "uses gone, which no library");
    assert!(!findings(&report, "L205")[0].1.contains("maybe"));
    if let Some(said) = complaints(&world, true) {
        assert!(said.contains("undefined symbol: gone") && !said.contains("maybe"), "{said}");
    }
    // The near miss: a library that it loads has the symbol.
    world.c(
        "lib/libv.so",
        "int gone(void) { return 1; }\n",
        &[],
        &["-shared", "-fPIC", "-nostdlib", "-Wl,-soname,libv.so"],
    );
    assert_no_finding(&world.json(&["analyze", "ROOT", "--runtime", "host"]).1, "L205");
    assert_fired_and_nearly_missed(Code::UndefinedSymbol);
}

#[test]
fn a_packages_library_sees_the_symbols_of_r_and_not_those_of_another_package() {
    let world = World::new();
    world.r();
    let library = ["-shared", "-fPIC", "-nostdlib"];
    world.c(
        "R/lib/R/lib/libR.so",
        "int Rf_length(void) { return 1; }\n",
        &[],
        &[&library[..], &["-Wl,-soname,libR.so"]].concat(),
    );
    world.program("R/lib/R/bin/exec/R", &["R/lib/R/lib/libR.so"], &[]);
    let uses = |name: &str| format!("int {name}(void); int f(void) {{ return {name}(); }}\n");
    world.package("site", "a", "1.0", "").c("site/a/libs/a.so", &uses("Rf_length"), &[], &library);
    world.package("site", "b", "1.0", "").c(
        "site/b/libs/b.so",
        &(uses("of_c") + "int of_b(void) { return 2; }\n"),
        &[],
        &library,
    );
    world.package("site", "c", "1.0", "").c("site/c/libs/c.so", "int of_c(void) { return 3; }\n", &[], &library);
    let (_, report) = world.json(&["analyze", "ROOT", "--runtime", "host"]);
    assert_finding(&report, "L205", "site/b/libs/b.so", "uses of_c");
}

#[test]
fn where_an_images_library_is_known_by_name_only_no_symbol_is_missed() {
    let world = World::new();
    world.library("lib/libz.so.1", &[], &[]);
    let flags = ["-shared", "-fPIC", "-nostdlib", "-Wl,-soname,libuser.so"];
    let source = "int gone(void); int f(void) { return gone(); }\n";
    world.c("lib/libuser.so", source, &["lib/libz.so.1"], &flags).program("bin/tool", &["lib/libuser.so"], &[]);
    assert_no_finding(&world.json(&["analyze", "ROOT"]).1, "L205");
    assert_finding(&world.json(&["analyze", "ROOT", "--runtime", "host"]).1, "L205", "lib/libuser.so", "uses gone");
}

#[test]
fn beside_a_missing_library_no_symbol_is_missed() {
    let world = World::new();
    world.c("lib/libgone.so", "int gone(void) { return 0; }\n", &[], &["-shared", "-fPIC", "-nostdlib"]);
    let source = "int gone(void); int entry(void) { return gone(); }\n";
    world.c("bin/tool", source, &["lib/libgone.so"], &["-pie", "-fPIE", "-nostdlib", "-Wl,-e,entry"]);
    world.mode("bin/tool", 0o755);
    std::fs::remove_file(world.root().join("lib/libgone.so")).expect("removed");
    let (code, report) = world.json(&["analyze", "ROOT", "--runtime", "host"]);
    assert_eq!(code, 1);
    assert_finding(&report, "L201", "bin/tool", "libgone.so");
    assert_no_finding(&report, "L205");
}

#[test]
fn parts_of_glibc_are_to_be_removed_and_are_not_programs() {
    let libc = Elf::library("libc.so.6")
        .interpreter("/lib64/ld-linux-x86-64.so.2")
        .needs("ld-linux-x86-64.so.2")
        .needs_version("ld-linux-x86-64.so.2", "GLIBC_2.99")
        .needs_version("ld-linux-x86-64.so.2", "GLIBC_PRIVATE");
    let libm = Elf::library("libm.so.6").needs("libc.so.6").needs_version("libc.so.6", "GLIBC_PRIVATE");
    let help = |report: &serde_json::Value, code: &str| -> Vec<String> {
        let found = report["findings"].as_array().expect("findings").iter().filter(|finding| finding["code"] == code);
        found.map(|finding| finding["help"].as_str().expect("text").to_owned()).collect()
    };
    // The image's directories come first: nothing loads them.
    let world = World::new();
    world.elf("bin/tool", &Elf::program().needs("libc.so.6").needs("libm.so.6"));
    let parts = ["lib/ld-linux-x86-64.so.2", "lib/libc.so.6", "lib/libm-2.31.so", "lib/libpthread.so.0"];
    world.elf(parts[0], &Elf::library("ld-linux-x86-64.so.2")).elf(parts[1], &libc).elf(parts[2], &libm);
    world.elf(parts[3], &Elf::library("libpthread.so.0").interpreter("/lib64/ld-linux-x86-64.so.2").needs("libc.so.6"));
    let (code, report) = world.json(&["check", "ROOT"]);
    assert_eq!(code, 0, "{report:#}");
    for other in ["L201", "L204", "L205", "L206"] {
        assert_no_finding(&report, other);
    }
    let found: Vec<String> = findings(&report, "L207").into_iter().map(|(subject, _)| subject).collect();
    assert_eq!(found, parts);
    assert!(help(&report, "L207").iter().zip(parts).all(|(help, part)| help.starts_with(&format!("remove {part}:"))));
    // In a directory that is searched first, they are loaded.
    let (code, report) = world.json(&["check", "ROOT", "--env", "LD_LIBRARY_PATH=/opt/lib"]);
    assert_eq!(code, 1);
    assert_finding(&report, "L204", "lib/libc.so.6", "needs GLIBC_2.99 from ld-linux-x86-64.so.2");
    assert!(help(&report, "L204")[0].starts_with("remove lib/libc.so.6: the image has its own copy"));
    // A program that runs with the tree's own loader has its own glibc.
    world.elf("bin/tool", &Elf::program().interpreter("/opt/lib/ld-linux-x86-64.so.2").needs("libc.so.6"));
    let (_, report) = world.json(&["check", "ROOT", "--env", "LD_LIBRARY_PATH=/opt/lib"]);
    let of_parts = findings(&report, "L207").into_iter().filter(|(_, message)| message.contains("is a part of glibc"));
    assert_eq!(of_parts.count(), 0);
    // Other libraries are not parts of it.
    let world = World::new();
    world.elf("lib/libcrypt.so.1", &Elf::library("libcrypt.so.1"));
    assert_no_finding(&world.json(&["check", "ROOT"]).1, "L207");
}

#[test]
fn a_part_of_glibc_that_the_image_lacks_is_not_to_be_removed() {
    let world = World::new();
    world.elf("bin/tool", &Elf::program().needs("libnsl.so.1")).elf("lib/libnsl.so.1", &Elf::library("libnsl.so.1"));
    let (code, report) = world.json(&["check", "ROOT"]);
    assert_eq!(code, 0, "{report:#}");
    assert_no_finding(&report, "L207");
    // provided.al2 has its own.
    let (_, report) = world.json(&["check", "ROOT", "--runtime", "provided.al2"]);
    assert_finding(&report, "L207", "lib/libnsl.so.1", "is a part of glibc");
}
