//! What is packed in another form than it has in the tree: smaller, and the same to the loader and to R.

use std::fs;
use std::process::Command;

use crate::support::{World, assert_finding, assert_fired_and_nearly_missed, assert_no_finding, zip_entries};
use layerfit::base::finding::Code;

/// A program with debug data, and where it is packed.
fn with_debug_data() -> World {
    let world = World::new();
    let source = "#include <stdio.h>\nstatic int f(int x) { return x * 2; }\nint main(void) { printf(\"%d\\n\", f(21)); return 0; }\n";
    world.c("bin/tool", source, &[], &["-g"]).mode("bin/tool", 0o755);
    world
}

fn packed(world: &World, more: &[&str]) -> (Vec<u8>, serde_json::Value) {
    let (_, report) = world.json(&[&["pack", "ROOT", "-o", "OUT", "--runtime", "host"], more].concat());
    let entries = zip_entries(&world.beside("out/layer-1.zip"));
    let content = entries.into_iter().find(|(name, ..)| name == "bin/tool").expect("packed").2;
    (content, report)
}

fn sections(world: &World, content: &[u8]) -> String {
    let file = world.beside("extracted");
    fs::write(&file, content).expect("written");
    let output = Command::new("readelf").args(["-S", "-W"]).arg(&file).output().expect("binutils are installed");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "", "readelf has nothing to complain of");
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[test]
fn debug_data_is_stripped_and_the_program_still_runs() {
    let world = with_debug_data();
    let before = fs::read(world.root().join("bin/tool")).expect("read");
    for (mode, debug, symbols) in [("none", true, true), ("debug", false, true), ("all", false, false)] {
        let (content, report) = packed(&world, &["--strip", mode]);
        let sections = sections(&world, &content);
        assert_eq!(
            (sections.contains(".debug_info"), sections.contains(".symtab")),
            (debug, symbols),
            "{mode}: {sections}"
        );
        let file = world.beside("run");
        fs::write(&file, &content).expect("written");
        fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("mode");
        assert_eq!(Command::new(&file).output().expect("runs").stdout, b"42\n");
        fs::remove_file(&file).expect("removed");
        let rewritten = report["rewritten"].as_array().expect("rewritten");
        if mode == "none" {
            assert!(rewritten.is_empty() && content == before);
        } else {
            assert_eq!(rewritten[0]["form"], "stripped");
            assert_eq!(rewritten[0]["bytes_before"], before.len());
            assert_eq!(rewritten[0]["bytes"], content.len());
            assert_eq!(report["totals"]["kept"]["unzipped_bytes"], content.len());
        }
    }
    assert_eq!(fs::read(world.root().join("bin/tool")).expect("read"), before, "the tree is as it was");
}

#[test]
fn the_result_is_no_longer_than_gnu_strips() {
    let world = with_debug_data();
    let theirs = world.beside("theirs");
    assert!(
        Command::new("strip")
            .arg("-o")
            .arg(&theirs)
            .arg(world.root().join("bin/tool"))
            .status()
            .expect("runs")
            .success()
    );
    let theirs = fs::metadata(&theirs).expect("there").len();
    let ours = packed(&world, &["--strip", "all"]).0.len() as u64;
    assert!(ours <= theirs, "{ours} and {theirs}");
}

/// The names of the sections of a file.
fn section_names(world: &World, content: &[u8]) -> Vec<String> {
    let text = sections(world, content);
    let lines = text.lines().filter_map(|line| line.split_once(']'));
    let names = lines.filter(|(number, _)| number.trim_start().starts_with('['));
    let names = names.filter_map(|(_, rest)| rest.split_whitespace().next());
    // A section that is removed leaves an empty header, so that the others keep their numbers.
    names.skip(1).filter(|name| *name != "NULL").map(str::to_owned).collect()
}

#[test]
fn sections_that_programs_read_of_their_own_file_stay_as_with_gnu_strip() {
    // Each name tells GNU strip what a section is; none of these is loaded.
    let extra = [
        "pydata",
        ".rackprog",
        ".upd_info",
        ".comment.own",
        ".note.own",
        ".sha256_sig",
        ".gnu_debuglink",
        ".gnu_debugdata",
        ".gnu.lto_x",
        ".mystrings",
        "debug_info",
        ".debug_own",
        ".zdebug_own",
        ".line",
        ".stab",
        ".stabstr",
        ".gdb_index",
        ".gdb_index2",
        ".gnu.debuglto_.debug_x",
        ".gnu.debuglto_x",
        ".gnu.linkonce.wi.x",
        ".linetable",
        ".symtab_own",
    ];
    let world = World::new();
    world.c("bin/tool", "int main(void) { return 0; }\n", &[], &["-g", "-Wl,--emit-relocs"]).mode("bin/tool", 0o755);
    let tool = world.root().join("bin/tool");
    let payload = world.beside("payload");
    fs::write(&payload, "what the program reads").expect("written");
    let mut objcopy = Command::new("objcopy");
    for name in extra {
        objcopy.arg("--add-section").arg(format!("{name}={}", payload.display()));
    }
    assert!(objcopy.arg(&tool).status().expect("binutils are installed").success());
    let before = section_names(&world, &fs::read(&tool).expect("read"));
    assert!(extra.iter().all(|name| before.iter().any(|there| there == name)), "{before:?}");
    assert!(
        before.iter().any(|name| name == ".rela.text") && before.iter().any(|name| name == ".symtab"),
        "{before:?}"
    );
    for (mode, option) in [("debug", "--strip-debug"), ("all", "--strip-all")] {
        let theirs = world.beside("theirs");
        let run = Command::new("strip").arg(option).arg("-o").arg(&theirs).arg(&tool).status();
        assert!(run.expect("binutils are installed").success());
        let mut theirs = section_names(&world, &fs::read(&theirs).expect("read"));
        let mut ours = section_names(&world, &packed(&world, &["--strip", mode]).0);
        theirs.sort();
        ours.sort();
        assert_eq!(ours, theirs, "--strip {mode}");
        assert!(ours.iter().any(|name| name == "pydata"), "{ours:?}");
    }
}

#[test]
fn a_file_can_be_left_out_and_one_with_an_archive_behind_it_is_left_alone() {
    let world = with_debug_data();
    let before = fs::read(world.root().join("bin/tool")).expect("read");
    assert_eq!(packed(&world, &["--no-strip", "bin/*"]).0, before);
    let run = world.run(&["plan", "ROOT", "--no-strip", "["]);
    assert!(run.code == 2 && run.stderr.contains("--no-strip: error parsing glob '['"), "{}", run.stderr);
    assert_no_finding(&packed(&world, &[]).1, "T101");
    let with_archive = [&before[..], b"PK an archive of the program's own"].concat();
    world.file("bin/tool", &with_archive).mode("bin/tool", 0o755);
    let (content, report) = packed(&world, &[]);
    assert_eq!(content, with_archive);
    assert_finding(&report, "T101", "bin/tool", "34 bytes follow its last section");
    assert_fired_and_nearly_missed(Code::NotStripped);
}

#[test]
fn a_database_that_cannot_be_read_is_packed_as_it_is() {
    let world = World::new();
    world.r();
    let (_, report) = world.json(&["plan", "ROOT"]);
    assert_no_finding(&report, "T102");
    world.file("R/lib/R/library/base/R/base.rdx", "no index");
    let (_, report) = world.json(&["plan", "ROOT", "--repack-rdb"]);
    assert_finding(&report, "T102", "R/lib/R/library/base/R/base.rdb", "not a binary RDS file");
}

#[test]
fn a_level_changes_the_length_and_never_the_content() {
    let world = World::new();
    let text: String = (0..20_000).map(|number| format!("line {} of {}\n", number % 977, number % 31)).collect();
    world.file("share/data.txt", &text);
    let mut lengths = Vec::new();
    for level in ["fast", "default", "max"] {
        assert_eq!(world.json(&["pack", "ROOT", "-o", "OUT", "--level", level]).0, 0);
        let zip = world.beside("out/layer-1.zip");
        assert_eq!(zip_entries(&zip)[0].2, text.as_bytes());
        lengths.push(fs::metadata(zip).expect("there").len());
    }
    assert!(lengths[0] > lengths[1] && lengths[1] > lengths[2], "{lengths:?}");
}

#[test]
fn a_layer_less_is_worth_compressing_harder_and_only_as_hard_as_needed() {
    let world = World::new();
    for name in ["a", "b", "c", "d"] {
        let text: String = (0..40_000_u64).map(|n| format!("{name} {}\n", n.wrapping_mul(7919) % 4099)).collect();
        world.file(format!("share/{name}/data.txt"), &text);
    }
    let plan = |more: &[&str]| world.json(&[&["plan", "ROOT"], more].concat()).1;
    let zipped = |report: &serde_json::Value| report["totals"]["kept"]["zipped_bytes"].as_u64().expect("bytes");
    let (default, max) = (zipped(&plan(&[])), zipped(&plan(&["--level", "max"])));
    assert!(max < default);
    // Between the two: level max fits one layer, the default does not, and somewhere between them is enough.
    let limit = format!("{}B", max + (default - max) / 2);
    let report = plan(&["--max-zipped", &limit]);
    assert_eq!(report["packing"]["layers"], 1, "{:#}", report["packing"]);
    let hardened = &report["recompressed"];
    assert!((1..=3).contains(&hardened["files"].as_u64().expect("files")), "{hardened}");
    // Where no effort would do, none is made.
    let far = format!("{}B", max - max / 20);
    assert!(plan(&["--max-zipped", &far])["recompressed"].is_null());
}
