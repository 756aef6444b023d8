//! A count of files is the same wherever it stands: links are files, directories are not, and what `--bundle` copies is not in
//! the tree.

use std::fs;

use serde_json::Value;

use crate::bundle_and_capture::{host, to_host};
use crate::support::raw_zip::{Part, zip};
use crate::support::{World, noise, zip_entries};

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or(0)
}

/// A tree with three files, of which one is a link and one is dropped, and two empty directories.
fn world() -> World {
    let world = World::new();
    world.file("lib/a.txt", "one").link("lib/b.txt", "a.txt").file("share/doc/x/y", "two");
    for empty in ["empty", "share/only/deeper"] {
        fs::create_dir_all(world.root().join(empty)).expect("made");
    }
    world
}

#[test]
fn empty_directories_are_packed_and_are_not_files() {
    let world = world();
    let (code, report) = world.json(&["pack", "ROOT", "-o", "OUT"]);
    assert_eq!(code, 0);
    let totals = &report["totals"];
    let files = |of: &str| number(&totals[of]["files"]);
    assert_eq!((files("scanned"), files("pruned"), files("kept")), (3, 1, 2), "{totals:#}");
    let layer = &report["layers"][0];
    assert_eq!((number(&layer["files"]), number(&layer["directories"])), (2, 2), "{layer:#}");
    let sum = |list: &str| report[list].as_array().expect("a list").iter().map(|of| number(&of["files"])).sum::<u64>();
    assert_eq!(sum("units"), 2, "{:#}", report["units"]);
    let directory = |path: &str| {
        let directories = report["directories"].as_array().expect("a list");
        directories.iter().find(|of| of["path"] == path).map(|of| number(&of["files"]))
    };
    assert_eq!((directory("lib"), directory("share"), directory("empty")), (Some(2), Some(0), Some(0)));
    assert_eq!(zip_entries(&world.beside("out/layer-1.zip")).len(), 4);
    // The finished zips have as many.
    for of in ["OUT", "out/layer-1.zip"] {
        let (_, checked) = world.json(&["check", of]);
        let layer = &checked["layers"][0];
        assert_eq!((number(&layer["files"]), number(&layer["directories"])), (2, 2), "{of}: {layer:#}");
        assert_eq!(number(&checked["totals"]["kept"]["files"]), 2, "{of}");
    }
    let shown = world.run(&["plan", "ROOT", "-v"]).stdout;
    let flat = shown.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(flat.contains("holds 3 files") && flat.contains("2 are kept"), "{shown}");
    assert!(flat.contains("Files include links; 2 directories have entries, too."), "{shown}");
    let answer = world.json(&["why", "share/only", "ROOT"]).1;
    assert_eq!(number(&answer["things"][0]["own"]["files"]), 0, "{answer:#}");
}

/// Other programs write an entry for every directory.
#[test]
fn directories_of_other_peoples_zips_are_not_files() {
    let world = World::new();
    let parts = [Part::stored("lib/", ""), Part::stored("lib/a.txt", "one"), Part::stored("lib/b.txt", "two")];
    fs::write(world.beside("a.zip"), zip(&parts)).expect("written");
    let (_, report) = world.json(&["check", "a.zip"]);
    let layer = &report["layers"][0];
    assert_eq!((number(&layer["files"]), number(&layer["directories"])), (2, 1), "{layer:#}");
}

#[test]
fn what_is_copied_from_the_build_host_is_counted_apart() {
    let world = World::new();
    world.library("lib/libextra.so.1", &[], &[]).program("bin/tool", &["lib/libextra.so.1"], &[]);
    let host = host(&world);
    to_host(&world, &host, "lib/libextra.so.1");
    let sysroot = host.display().to_string();
    let plan = ["plan", "ROOT", "--bundle", "--sysroot", &sysroot];
    let (code, report) = world.json(&plan);
    assert_eq!(code, 0, "{:#}", report["findings"]);
    let totals = &report["totals"];
    let files = |of: &str| number(&totals[of]["files"]);
    assert_eq!((files("scanned"), files("bundled"), files("kept")), (1, 1, 2), "{totals:#}");
    assert_eq!(number(&totals["bundled"]["bytes"]), number(&report["bundled"][0]["bytes"]));
    let shown = world.run(&plan).stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(shown.contains("holds 1 file (") && shown.contains("; --bundle adds 1 ("), "{shown}");
    assert!(world.json(&["plan", "ROOT"]).1["totals"].get("bundled").is_none());
}

/// A file that no layer can hold is in no sum of the layers, and nothing is left where it would be.
#[test]
fn a_file_in_no_layer_is_counted_beside_the_layers() {
    let world = World::new();
    world
        .file("share/huge", noise(1, 300_000))
        .file("share/small", noise(2, 40_000))
        .file("bin/tool", noise(3, 30_000));
    let plan = ["plan", "ROOT", "--max-zipped", "100KB", "--max-unzipped", "310KB"];
    let (code, report) = world.json(&plan);
    assert_eq!(code, 1);
    let outside = &report["in_no_layer"];
    assert_eq!((number(&outside["files"]), number(&outside["unzipped_bytes"])), (1, 300_000), "{outside}");
    assert!(number(&outside["zipped_bytes"]) > 300_000, "{outside}");
    let shown = world.run(&plan).stdout;
    let flat = shown.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(flat.contains("KiB zipped, and 1 file in no layer. layers (F102): "), "{shown}");
    for words in ["in no layer 293.", "361.33 KiB 117% 3", "Nothing is left for the function's code."] {
        assert!(flat.contains(words), "{words}: {shown}");
    }
    let page = world.run(&[&plan[..], &["--format", "html"]].concat()).stdout;
    assert!(page.contains("In no layer, zipped") && page.contains("no room left for the function"), "{page:.2000}");
    assert!(world.json(&["plan", "ROOT"]).1.get("in_no_layer").is_none());
}
