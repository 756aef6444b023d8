//! Bad input gets a finding or an error that names the path and the remedy: no panic, no silence.

use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::support::{RDS, Run, World, assert_finding, assert_fired_and_nearly_missed, assert_no_finding, findings};
use layerfit::base::finding::Code;

#[test]
fn a_missing_root_is_an_error_that_names_it() {
    let world = World::new();
    let run = world.run(&["analyze", "nowhere"]);
    assert_eq!(run.code, 2);
    assert!(
        run.stderr.contains("nowhere: no such file or directory") && run.stderr.contains("help:"),
        "{}",
        run.stderr
    );
    assert_eq!(run.stdout, "");
}

#[test]
fn a_root_that_is_a_file_is_an_error() {
    let world = World::new();
    world.file("x", "");
    let run = Run::of({
        let mut command = world.command(&["analyze"]);
        command.arg(world.root().join("x"));
        command
    });
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("neither a directory nor an image"), "{}", run.stderr);
}

#[test]
fn an_empty_tree_is_a_finding() {
    let (code, report) = World::new().json(&["plan", "ROOT"]);
    assert_eq!(code, 1);
    assert_eq!(findings(&report, "S108").len(), 1);
}

#[test]
fn a_link_loop_is_a_finding_and_a_link_to_a_file_is_none() {
    let world = World::new();
    world.file("a", "x").link("fine", "a").link("one", "two").link("two", "one");
    let (code, report) = world.json(&["analyze", "ROOT"]);
    assert_eq!(code, 0, "nothing looks for it");
    let subjects: Vec<String> = findings(&report, "S101").into_iter().map(|(subject, _)| subject).collect();
    assert_eq!(subjects, ["one", "two"]);
    assert_no_finding(&report, "S102");
    for name in ["bootstrap", "bin/tool", "lib/libx.so.1", "extensions/agent", "python/x", "python/x/y.py", "R/bin/R"] {
        let world = World::new();
        world.link(name, name.rsplit('/').next().expect("a name"));
        let (code, report) = world.json(&["analyze", "ROOT"]);
        assert_eq!((code, findings(&report, "S101").len()), (1, 1), "{name}: {:#}", report["findings"]);
    }
    // A link that leads to such a name is looked for by its own.
    let world = World::new();
    world.link("share/loop", "loop").link("bin/tool", "../share/loop").link("share/data", "loop");
    let (code, report) = world.json(&["analyze", "ROOT"]);
    let all = report["findings"].as_array().expect("findings").iter();
    let errors: Vec<&str> = all
        .filter(|finding| finding["severity"] == "error")
        .filter_map(|finding| finding["subject"].as_str())
        .collect();
    assert_eq!((code, errors), (1, vec!["bin/tool"]), "{:#}", report["findings"]);
}

#[test]
fn a_link_that_dangles_and_one_that_leaves_the_tree_are_findings() {
    let world = World::new();
    world.file("lib/a.so.1", "x").link("lib/gone", "a.so.2").link("etc", "/etc/R").link("lib/a.so", "/opt/lib/a.so.1");
    world.link("lib/up", "../../usr/lib/x");
    let (code, report) = world.json(&["analyze", "ROOT"]);
    assert_eq!(code, 0, "warnings do not fail");
    assert_finding(&report, "S102", "lib/gone", "a.so.2");
    let leaving: Vec<(String, String)> = findings(&report, "S103");
    assert_eq!(leaving.len(), 2, "an absolute link below /opt stays inside: {leaving:?}");
    assert!(leaving[0].1.contains("/etc/R") && leaving[1].1.contains("/usr/lib/x"), "{leaving:?}");
}

#[test]
fn a_fifo_and_a_socket_are_left_out_and_said() {
    let world = World::new();
    world.file("a", "x");
    assert!(Command::new("mkfifo").arg(world.root().join("pipe")).status().expect("mkfifo").success());
    let _socket = std::os::unix::net::UnixListener::bind(world.root().join("socket")).expect("a socket");
    let (code, report) = world.json(&["pack", "ROOT", "-o", "OUT"]);
    assert_eq!(code, 0);
    let said: Vec<String> = findings(&report, "S104").into_iter().map(|(s, m)| format!("{s} {m}")).collect();
    assert!(said[0].starts_with("pipe is a FIFO") && said[1].starts_with("socket is a socket"), "{said:?}");
    assert_eq!(report["totals"]["kept"]["files"], 1);
}

#[test]
fn an_unreadable_file_and_directory_are_errors_and_the_rest_goes_on() {
    let world = World::new();
    world.file("open", "x").file("shut", "x").mode("shut", 0o000).file("dir/inside", "x").mode("dir", 0o000);
    world.mode("", 0o755);
    let mut command = world.command(&["analyze", "ROOT", "--format", "json"]);
    // Root reads everything: the run gives up root first. 65534 is nobody.
    if rustix::process::geteuid().is_root() {
        command.uid(65534).gid(65534);
    }
    let run = Run::of(command);
    world.mode("dir", 0o755);
    let report = serde_json::from_str(&run.stdout).expect("JSON");
    assert_eq!(run.code, 1, "{}", run.stderr);
    let said: Vec<String> = findings(&report, "S105").into_iter().map(|(subject, _)| subject).collect();
    assert_eq!(said, ["dir", "shut"]);
    assert_eq!(report["totals"]["scanned"]["files"], 1);
    world.mode("shut", 0o444);
    assert_no_finding(&world.json(&["analyze", "ROOT"]).1, "S105");
    assert_fired_and_nearly_missed(Code::Unreadable);
}

#[test]
fn a_name_that_is_not_utf8_is_said_and_printed_safely() {
    let world = World::new();
    world.file(std::ffi::OsStr::from_bytes(b"lib/caf\xe9"), "x").file("lib/café", "y").file("lib/\x1b[31mred", "z");
    let (code, report) = world.json(&["plan", "ROOT"]);
    assert_eq!(code, 1);
    assert_finding(&report, "S106", "lib/caf\\xe9", "not UTF-8");
    let table = world.run(&["plan", "ROOT"]).stdout;
    assert!(!table.contains('\x1b'), "{table:?}");
}

#[test]
fn hard_links_are_told_with_their_bytes() {
    let world = World::new();
    world.file("bin/bzip2", "0123456789").file("bin/other", "0123456789");
    std::fs::hard_link(world.root().join("bin/bzip2"), world.root().join("bin/bzcat")).expect("linked");
    let (_, report) = world.json(&["analyze", "ROOT"]);
    assert_finding(&report, "S107", "bin/bzcat", "2 copies of 10 B");
    // Those of a copy of a whole directory are one finding.
    for number in 0..20 {
        let name = format!("one/{number}");
        world.file(&name, "x".repeat(if number == 7 { 1004 } else { 1 })).directory("two");
        std::fs::hard_link(world.root().join(&name), world.root().join(format!("two/{number}"))).expect("linked");
    }
    let (_, report) = world.json(&["analyze", "ROOT"]);
    assert_finding(&report, "S107", "files", "21 files have several names");
    assert_finding(&report, "S107", "files", "copies of 1.01 KiB that the tree does not, most of one/7, two/7");
}

#[test]
fn a_truncated_elf_file_is_an_error_wherever_it_is_cut() {
    let whole = World::new();
    whole.library("lib/liba.so", &[], &[]);
    let bytes = std::fs::read(whole.root().join("lib/liba.so")).expect("read");
    let (_, report) = whole.json(&["analyze", "ROOT"]);
    assert_no_finding(&report, "L101");
    for length in [4, 20, 63, 64, 100, 700] {
        let world = World::new();
        world.file("lib/liba.so", &bytes[..length]).file("README", "x");
        let (code, report) = world.json(&["analyze", "ROOT"]);
        assert_eq!(code, 1, "cut at {length}");
        assert_finding(&report, "L101", "lib/liba.so", "damaged ELF file");
    }
}

#[test]
fn bit_flips_in_an_elf_file_never_end_the_run() {
    let world = World::new();
    world.library("lib/liba.so", &[], &[]).library("lib/libb.so", &["lib/liba.so"], &["-Wl,-rpath,$ORIGIN"]);
    let bytes = std::fs::read(world.root().join("lib/libb.so")).expect("read");
    for (number, at) in (0..1024).step_by(37).enumerate() {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1 << (number % 8);
        world.file(format!("flipped/{number}.so"), &flipped);
    }
    let (code, report) = world.json(&["plan", "ROOT"]);
    assert!(code == 0 || code == 1);
    assert!(report["objects"].as_array().expect("objects").len() >= 2);
}

#[test]
fn a_description_without_version_is_an_error_and_one_that_is_no_package_is_none() {
    let world = World::new();
    world
        .package("lib/R/library", "good", "1.0", "")
        .file("lib/R/library/bad/DESCRIPTION", "Package: bad\nBuilt: R 4.2.2; ; x; unix\n")
        .file("lib/R/library/good/tests/inner/DESCRIPTION", "Package: inner\n")
        .file("lib/R/library/translations/DESCRIPTION", "Package: translations\nTitle: t\n");
    let (code, report) = world.json(&["analyze", "ROOT"]);
    assert_eq!(code, 1);
    assert_finding(&report, "R101", "lib/R/library/bad/DESCRIPTION", "no Version field");
    assert_eq!(report["packages"].as_array().expect("packages").len(), 1);
}

#[test]
fn a_latin1_description_is_read_with_and_without_its_encoding() {
    let world = World::new();
    world
        .file(
            "l/a/DESCRIPTION",
            b"Package: a\nVersion: 1.0\nEncoding: latin1\nAuthor: M\xfcller\nBuilt: R 4.2.2; ; ; unix\n",
        )
        .file("l/b/DESCRIPTION", b"Package: b\nVersion: 1.0\nAuthor: M\xfcller\nBuilt: R 4.2.2; ; ; unix\n");
    for package in ["l/a", "l/b"] {
        world.file(format!("{package}/NAMESPACE"), "").file(format!("{package}/Meta/package.rds"), RDS);
    }
    let (code, report) = world.json(&["analyze", "ROOT"]);
    assert_eq!(code, 0);
    assert_finding(&report, "R101", "l/b/DESCRIPTION", "declares no Encoding");
    assert_eq!(report["packages"].as_array().expect("packages").len(), 2);
}

#[test]
fn damage_in_a_file_that_a_rule_drops_does_not_matter() {
    let world = World::new();
    world.package("library", "tcltk", "1.0", "").file("library/tcltk/libs/x.so", b"\x7fELF");
    world.package("library", "a", "1.0", "").link("library/tcltk/gone", "nowhere");
    let (code, report) = world.json(&["plan", "ROOT"]);
    assert_eq!(code, 0, "{report:#}");
    assert_eq!(world.json(&["analyze", "ROOT"]).0, 1, "but it is there");
}

#[test]
fn a_full_disk_is_an_error_that_leaves_nothing_behind() {
    let world = World::new();
    world.file("a", (0..200_000_u32).flat_map(u32::to_le_bytes).collect::<Vec<u8>>());
    let run = Run::of({
        let mut limited = Command::new("sh");
        // A limit on file sizes stands in for the full disk: writes fail in the same place (EFBIG instead of ENOSPC).
        limited.args(["-c", "trap '' XFSZ; ulimit -f 64; exec \"$@\"", "sh", env!("CARGO_BIN_EXE_layerfit"), "pack"]);
        limited.arg(world.root()).arg("-o").arg(world.beside("out"));
        limited
    });
    assert_eq!(run.code, 2, "{}{}", run.stdout, run.stderr);
    assert!(run.stderr.contains("cannot write to a temporary file"), "{}", run.stderr);
    assert_eq!(world.names_beside(), ["opt"]);
}

#[test]
fn the_root_of_a_system_is_not_read_as_a_tree() {
    let world = World::new();
    for name in ["dev", "etc", "proc", "sys", "usr", "opt"] {
        world.directory(name);
    }
    world.file("opt/lib/x", "x");
    for arguments in [&["plan", "ROOT"][..], &["pack", "ROOT", "-o", "OUT"], &["check", "ROOT"], &["analyze", "/"]] {
        let run = world.run(arguments);
        assert_eq!(run.code, 2, "{arguments:?}: {}", run.stdout);
        assert!(
            run.stderr.contains("is the root of a whole system") && run.stderr.contains("/opt; "),
            "{}",
            run.stderr
        );
    }
    assert_eq!(world.run(&["plan", world.root().join("opt").to_str().expect("UTF-8")]).code, 0);
}
