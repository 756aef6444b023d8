//! `check` reads what pack wrote, or anybody's zips, merged low to high as Lambda does.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::Command;

use crate::support::{World, assert_finding, assert_fired_and_nearly_missed, assert_no_finding, findings};
use layerfit::base::finding::Code;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// A zip with these files, all stored, made by another writer than ours.
fn zip(path: &Path, files: &[(&str, &[u8])]) {
    let mut writer = ZipWriter::new(File::create(path).expect("made"));
    for (name, content) in files {
        let options =
            SimpleFileOptions::default().compression_method(CompressionMethod::Stored).unix_permissions(0o644);
        writer.start_file(*name, options).expect("begun");
        writer.write_all(content).expect("written");
    }
    writer.finish().expect("finished");
}

#[test]
fn what_pack_wrote_passes_and_says_the_same() {
    let world = World::new();
    world.r().library("lib/libx.so", &[], &[]).program("bin/tool", &["lib/libx.so"], &[]).link("bin/link", "tool");
    let (_, packed) = world.json(&["pack", "ROOT", "-o", "OUT"]);
    let (code, checked) = world.json(&["check", "OUT"]);
    assert_eq!(code, 0, "{:#}", checked["findings"]);
    assert_eq!(checked["layers"][0]["zipped_bytes"], packed["layers"][0]["zipped_bytes"]);
    assert_eq!(checked["layers"][0]["sha256"], packed["layers"][0]["sha256"]);
    assert_eq!(checked["objects"], packed["objects"]);
    assert_eq!(checked["totals"]["kept"]["files"], packed["totals"]["kept"]["files"]);
}

#[test]
fn a_name_that_is_not_utf_8_fails_before_packing_and_after() {
    let world = World::new();
    world.file(<std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(b"caf\xe9"), "x").file("caf\u{e9}", "x");
    let (packed, _) = world.json(&["pack", "ROOT", "-o", "OUT"]);
    for checked in [&["check", "OUT"][..], &["check", "out/layer-1.zip"]] {
        let (code, report) = world.json(checked);
        assert_eq!((packed, code, findings(&report, "S106").len()), (1, 1, 1), "{checked:?}");
    }
}

#[test]
fn a_zip_that_is_not_the_manifests_is_an_error() {
    let world = World::new();
    world.file("a", "one");
    world.run(&["pack", "ROOT", "-o", "OUT"]);
    zip(&world.beside("out/layer-1.zip"), &[("a", b"two")]);
    let (code, report) = world.json(&["check", "OUT"]);
    assert_eq!(code, 1);
    assert_finding(&report, "Z105", "layer-1.zip", "is not the zip that the manifest describes");
    fs::remove_file(world.beside("out/layer-1.zip")).expect("removed");
    assert_finding(&world.json(&["check", "OUT"]).1, "Z105", "layer-1.zip", "not in the directory");
}

#[test]
fn the_last_layer_wins_and_other_content_is_a_warning() {
    let world = World::new();
    world.library("lib/libx.so", &[], &[]);
    let library = fs::read(world.root().join("lib/libx.so")).expect("read");
    zip(&world.beside("low.zip"), &[("lib/libx.so", b"not a library"), ("same", b"same")]);
    zip(&world.beside("high.zip"), &[("lib/libx.so", &library), ("same", b"same")]);
    let (code, report) = world.json(&["check", "low.zip", "high.zip"]);
    assert_eq!(code, 0);
    assert_finding(&report, "Z104", "lib/libx.so", "high.zip replaces");
    assert_eq!(report["objects"].as_array().expect("objects").len(), 1);
    assert!(world.json(&["check", "high.zip", "low.zip"]).1["objects"].as_array().expect("objects").is_empty());
}

#[test]
fn limits_are_checked_on_zips_of_others() {
    let world = World::new();
    zip(&world.beside("a.zip"), &[("a", &[7; 5000])]);
    zip(&world.beside("b.zip"), &[("b", &[7; 100])]);
    let (code, report) = world.json(&["check", "a.zip", "b.zip", "--max-zipped", "4KB"]);
    assert_eq!((code, report["fits"].as_bool()), (1, Some(false)));
    assert_finding(&report, "F101", "a.zip", "over the limit of 4.00 KiB for a layer");
    assert_finding(&world.json(&["check", "a.zip", "b.zip", "--max-layers", "1"]).1, "F103", "layers", "2 layers");
    assert_finding(
        &world.json(&["check", "a.zip", "b.zip", "--max-unzipped", "5099B"]).1,
        "F102",
        "layers",
        "1 B over",
    );
    assert_eq!(world.json(&["check", "a.zip", "b.zip", "--max-unzipped", "5100B"]).0, 0);
}

#[test]
fn a_zip_cut_short_or_with_a_wrong_crc_is_damaged() {
    let world = World::new();
    zip(&world.beside("a.zip"), &[("a", b"content that is long enough to hit")]);
    let whole = fs::read(world.beside("a.zip")).expect("read");
    assert_no_finding(&world.json(&["check", "a.zip"]).1, "Z101");
    fs::write(world.beside("cut.zip"), &whole[..whole.len() - 30]).expect("written");
    let (code, report) = world.json(&["check", "cut.zip"]);
    assert_eq!(code, 1);
    assert_eq!(findings(&report, "Z101").len(), 1);
    let mut flipped = whole.clone();
    let at = whole.windows(7).position(|window| window == b"content").expect("stored");
    flipped[at] ^= 1;
    fs::write(world.beside("crc.zip"), flipped).expect("written");
    assert_eq!(findings(&world.json(&["check", "crc.zip"]).1, "Z101").len(), 1);
    fs::write(world.beside("text.zip"), "not a zip at all").expect("written");
    assert_eq!(findings(&world.json(&["check", "text.zip"]).1, "Z101").len(), 1);
}

#[test]
fn entries_that_would_land_elsewhere_are_passed_over_and_said() {
    let world = World::new();
    zip(&world.beside("a.zip"), &[("../evil", b"x"), ("/etc/evil", b"x"), ("fine", b"x"), ("a/..b/c", b"x")]);
    let (code, report) = world.json(&["check", "a.zip"]);
    assert_eq!(code, 1);
    let said: Vec<String> = findings(&report, "Z102").into_iter().map(|(subject, _)| subject).collect();
    assert_eq!(said, ["a.zip: ../evil", "a.zip: /etc/evil"]);
    assert_eq!(report["totals"]["scanned"]["files"], 2);
    assert!(!world.beside("evil").exists());
}

#[test]
fn a_name_that_occurs_twice_is_an_error() {
    let world = World::new();
    zip(&world.beside("a.zip"), &[("aaaa", b"one"), ("bbbb", b"two")]);
    let bytes = fs::read(world.beside("a.zip")).expect("read");
    let twice: Vec<u8> =
        String::from_utf8_lossy(&bytes).contains("bbbb").then(|| replace(&bytes, b"bbbb", b"aaaa")).expect("there");
    fs::write(world.beside("twice.zip"), twice).expect("written");
    assert_no_finding(&world.json(&["check", "a.zip"]).1, "Z103");
    assert_eq!(findings(&world.json(&["check", "twice.zip"]).1, "Z103").len(), 1);
}

fn replace(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut out = bytes.to_vec();
    for at in 0..=out.len() - from.len() {
        if out[at..].starts_with(from) {
            out[at..at + to.len()].copy_from_slice(to);
        }
    }
    out
}

#[test]
fn what_cannot_be_checked_together_is_refused() {
    let world = World::new();
    world.file("a", "x");
    zip(&world.beside("a.zip"), &[("a", b"x")]);
    for arguments in [&["check", "ROOT", "a.zip"][..], &["check", "gone.zip"], &["check"]] {
        let run = world.run(arguments);
        assert_eq!(run.code, 2, "{arguments:?}");
        assert!(!run.stderr.is_empty());
    }
}

/// A zip of a whole directory, made by another writer than ours, with links followed as zip does unless it is told not to.
fn zip_of(world: &World, directory: &str, name: &str, keep_links: bool) {
    let output = Command::new("zip")
        .args(if keep_links { &["-q", "-r", "-y"][..] } else { &["-q", "-r"] })
        .arg(world.beside(name))
        .arg(".")
        .current_dir(world.root().join(directory))
        .output()
        .expect("zip is installed (apt-get install zip)");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn links_that_a_zipper_followed_are_told_and_kept_ones_are_not() {
    let world = World::new();
    world
        .library("a/lib/libx.so.1.2", &[], &[])
        .link("a/lib/libx.so.1", "libx.so.1.2")
        .link("a/lib/libx.so", "libx.so.1");
    // Other names, or another place: no links of one library.
    let library = fs::read(world.root().join("a/lib/libx.so.1.2")).expect("read");
    world.file("a/lib/liby.so", &library).file("b/lib/liby.so", &library).file("b/other/liby.so", &library);
    zip_of(&world, "a", "followed.zip", false);
    zip_of(&world, "a", "kept.zip", true);
    zip_of(&world, "b", "two.zip", true);
    let (code, report) = world.json(&["check", "followed.zip"]);
    assert_eq!(code, 0);
    assert_finding(&report, "Z115", "lib/libx.so", "2 copies (");
    assert_finding(&report, "Z115", "lib/libx.so", "lib/libx.so = lib/libx.so.1 = lib/libx.so.1.2");
    for near in ["kept.zip", "two.zip"] {
        assert_no_finding(&world.json(&["check", near]).1, "Z115");
    }
    assert_fired_and_nearly_missed(Code::FlattenedLinks);
}

#[test]
fn what_two_layers_have_alike_is_told_once_for_each_two() {
    let world = World::new();
    for layer in ["low", "high"] {
        world.package(&format!("{layer}/R/library"), "digest", "0.6", "").package(
            &format!("{layer}/R/library"),
            "sys",
            "3.4",
            "",
        );
    }
    world.file("high/R/library/sys/R/sys.rdb", "another").file("high/R/library/sys/NAMESPACE", "another");
    world.file("high/own", "x").file("low/empty", "").file("high/empty", "");
    zip_of(&world, "low", "low.zip", true);
    zip_of(&world, "high", "high.zip", true);
    let report = world.json(&["check", "low.zip", "high.zip"]).1;
    assert_finding(&report, "Z114", "high.zip", "11 files (");
    assert_finding(
        &report,
        "Z114",
        "high.zip",
        "of low.zip with the same content (2 packages, such as R/library/digest)",
    );
    assert_finding(
        &report,
        "Z104",
        "R/library/sys",
        "high.zip replaces 2 package files from low.zip with different content",
    );
    assert_no_finding(&world.json(&["check", "high.zip"]).1, "Z114");
    assert_fired_and_nearly_missed(Code::Repeated);
}

#[test]
fn modes_that_only_the_owner_can_read_are_told() {
    let world = World::new();
    world.file("a/lib/x", "x").file("a/lib/y", "y").mode("a/lib/x", 0o600).directory("a/bin").mode("a/bin", 0o700);
    zip_of(&world, "a", "a.zip", true);
    let (code, report) = world.json(&["check", "a.zip"]);
    assert_eq!(code, 1);
    assert_finding(&report, "S109", "a.zip", "2 files or directories that Lambda cannot read: bin has mode 0700");
    // Lambda's user reads what is open to all; pack sees to it.
    world.mode("a/lib/x", 0o604).mode("a/bin", 0o705);
    fs::remove_file(world.beside("a.zip")).expect("removed");
    zip_of(&world, "a", "a.zip", true);
    assert_no_finding(&world.json(&["check", "a.zip"]).1, "S109");
    world.mode("a/lib/x", 0o600);
    let (_, packed) = world.json(&["pack", "ROOT", "-o", "OUT"]);
    assert_no_finding(&packed, "S109");
    assert_no_finding(&world.json(&["check", "OUT"]).1, "S109");
}

#[test]
fn a_zip_made_from_outside_of_opt_is_told() {
    let world = World::new();
    world.file("opt/lib/x", "x").file("opt/y", "y");
    zip_of(&world, "", "nested.zip", true);
    assert_finding(&world.json(&["check", "nested.zip"]).1, "Z113", "opt", "the content would be in /opt/opt");
    world.file("lib/z", "z");
    zip_of(&world, "", "other.zip", true);
    assert_no_finding(&world.json(&["check", "other.zip"]).1, "Z113");
}
