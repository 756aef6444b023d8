//! A layer's zip is, to the byte, what the plan said, and holds exactly what is kept.

use std::fs;
use std::process::Child;

use crate::support::{World, names, noise, zip_entries};

fn small_world() -> World {
    let world = World::new();
    world
        .file("bin/tool", "#!/bin/sh\necho hi\n")
        .mode("bin/tool", 0o700)
        .file("lib/libx.so.1.2", "library ".repeat(500))
        .mode("lib/libx.so.1.2", 0o600)
        .link("lib/libx.so.1", "libx.so.1.2")
        .link("bin/absolute", "/opt/bin/tool")
        .file("share/données.txt", "é")
        .file("share/empty", "")
        .file("share/random", noise(1, 2000))
        .directory("var/cache")
        .file("include/x.h", "dropped by a rule");
    world
}

#[test]
fn entries_are_sorted_with_links_as_links_and_modes_that_lambda_needs() {
    let world = small_world();
    let (code, report) = world.json(&["pack", "ROOT", "-o", "OUT"]);
    assert_eq!(code, 0, "{report:#}");
    assert_eq!(names(&world.beside("out")), ["layer-1.zip", "manifest.json", "report.html", "report.md"]);
    let entries = zip_entries(&world.beside("out/layer-1.zip"));
    let listed: Vec<(&str, u32)> = entries.iter().map(|(name, mode, _)| (name.as_str(), *mode)).collect();
    assert_eq!(
        listed,
        [
            ("bin/absolute", 0o120_777),
            ("bin/tool", 0o100_755),
            ("lib/libx.so.1", 0o120_777),
            ("lib/libx.so.1.2", 0o100_644),
            ("share/données.txt", 0o100_644),
            ("share/empty", 0o100_644),
            ("share/random", 0o100_644),
            ("var/cache/", 0o040_755),
        ]
    );
    for (name, mode, content) in &entries {
        let path = world.root().join(name);
        match mode & 0o170_000 {
            0o120_000 => assert_eq!(content, fs::read_link(&path).expect("a link").as_os_str().as_encoded_bytes()),
            0o100_000 => assert_eq!(content, &fs::read(&path).expect("a file"), "{name}"),
            _ => assert!(path.is_dir() && content.is_empty()),
        }
    }
}

#[test]
fn the_plan_gives_the_length_of_the_zip_to_the_byte() {
    let world = small_world();
    let (_, plan) = world.json(&["plan", "ROOT"]);
    world.run(&["pack", "ROOT", "-o", "OUT"]);
    let written = fs::metadata(world.beside("out/layer-1.zip")).expect("written").len();
    assert_eq!(plan["layers"][0]["zipped_bytes"], written);
    let unzipped: usize =
        zip_entries(&world.beside("out/layer-1.zip")).iter().map(|(_, _, content)| content.len()).sum();
    assert_eq!(plan["layers"][0]["unzipped_bytes"], unzipped);
    assert!(plan["layers"][0].get("sha256").is_none(), "a plan has written nothing");
    assert_eq!(plan["totals"]["pruned"]["files"], 1);
}

#[test]
fn the_manifest_lists_every_entry_and_the_zips_sum() {
    use sha2::{Digest, Sha256};
    let world = small_world();
    let (_, printed) = world.json(&["pack", "ROOT", "-o", "OUT"]);
    let manifest: serde_json::Value =
        serde_json::from_slice(&fs::read(world.beside("out/manifest.json")).expect("read")).expect("JSON");
    let layer = &manifest["layers"][0];
    let bytes = fs::read(world.beside("out/layer-1.zip")).expect("read");
    let sum: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(layer["sha256"], sum);
    assert_eq!(printed["layers"][0]["sha256"], sum);
    let entries = layer["entries"].as_array().expect("entries");
    assert_eq!(entries.len(), 8);
    assert_eq!(entries[2]["link"], "libx.so.1.2");
    assert_eq!(entries[3]["size"], 4000);
    assert!(entries[3]["compressed"].as_u64() < Some(100));
}

#[test]
fn the_same_input_gives_the_same_bytes_whatever_the_jobs_the_time_or_the_place() {
    let (one, two) = (small_world(), small_world());
    fs::File::open(two.root().join("bin/tool"))
        .and_then(|file| file.set_modified(std::time::SystemTime::UNIX_EPOCH))
        .expect("another time");
    one.run(&["pack", "ROOT", "-o", "OUT", "--jobs", "1"]);
    two.run(&["pack", "ROOT", "-o", "OUT", "--jobs", "7"]);
    let read = |world: &World| fs::read(world.beside("out/layer-1.zip")).expect("read");
    assert_eq!(read(&one), read(&two));
}

#[test]
fn nothing_in_the_source_tree_is_changed() {
    let world = small_world();
    let before: Vec<_> = fs::read_dir(world.root()).expect("listed").map(|e| e.expect("entry").path()).collect();
    let modified = fs::metadata(world.root().join("bin/tool")).and_then(|m| m.modified()).expect("a time");
    world.run(&["pack", "ROOT", "-o", "OUT"]);
    let after: Vec<_> = fs::read_dir(world.root()).expect("listed").map(|e| e.expect("entry").path()).collect();
    assert_eq!(before, after);
    assert_eq!(fs::metadata(world.root().join("bin/tool")).and_then(|m| m.modified()).expect("a time"), modified);
}

#[test]
fn a_name_that_is_not_utf8_is_packed_with_the_bytes_it_has() {
    use std::os::unix::ffi::OsStrExt;
    let world = World::new();
    world.file(std::ffi::OsStr::from_bytes(b"caf\xe9"), "x");
    assert_eq!(world.run(&["pack", "ROOT", "-o", "OUT"]).code, 1, "it is an error, and the content fits");
    let bytes = fs::read(world.beside("out/layer-1.zip")).expect("read");
    assert_eq!(bytes.windows(4).filter(|window| *window == b"caf\xe9").count(), 2, "local and central header");
}

#[test]
fn an_empty_directory_stays_and_one_that_rules_emptied_goes() {
    let world = World::new();
    world.directory("share/man/man9").file("share/man/man1/x.1", ".PP x\n").file("share/x", "x");
    assert_eq!(world.json(&["pack", "ROOT", "-o", "OUT"]).0, 0);
    let names: Vec<String> = zip_entries(&world.beside("out/layer-1.zip")).into_iter().map(|(name, ..)| name).collect();
    assert_eq!(names, ["share/man/man9/", "share/x"]);
}

/// The most memory that a run took, in bytes, and its exit code.
fn peak(mut child: Child) -> (u64, Option<i32>) {
    let (mut peak, status) = (0, format!("/proc/{}/status", child.id()));
    loop {
        let text = fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        peak = peak.max(kib.unwrap_or(0) * 1024);
        if let Some(status) = child.try_wait().expect("asked") {
            return (peak, status.code());
        }
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
}

#[test]
fn files_of_any_length_are_packed_in_little_memory() {
    let world = World::new();
    // Deflate sees no repetition that is a MiB away.
    let long = noise(1, 1 << 20).repeat(150);
    world.file("noise", &long).file("noise-again", &long);
    world.file("zeros", "");
    let zeros = fs::File::options().write(true).open(world.root().join("zeros")).expect("opened");
    zeros.set_len(300 << 20).expect("no block is taken");
    let limits = ["--max-unzipped", "1GB", "--max-zipped", "1GB", "--no-cache", "-q"];
    let mut command = world.command(&[&["pack", "ROOT", "-o", "OUT"], &limits[..]].concat());
    let (peak, code) = peak(command.spawn().expect("runs"));
    assert_eq!(code, Some(0));
    assert!(peak < 100 << 20, "{peak}");
    let mut zip =
        zip::ZipArchive::new(fs::File::open(world.beside("out/layer-1.zip")).expect("opened")).expect("a zip");
    assert_eq!(zip.by_index(0).expect("noise").compression(), zip::CompressionMethod::Stored);
    assert!(zip.by_index(2).expect("zeros").compressed_size() < 1 << 20);
}
