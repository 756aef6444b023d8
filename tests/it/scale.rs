//! What nobody asked for takes no time: what is dropped is only compressed to weigh it. Counted are the contents in the cache,
//! which has each that was compressed.

use std::fs::File;

use crate::support::{Run, World};

fn text(seed: usize) -> String {
    (0..4000).map(|line| format!("line {} of {seed}\n", line * 7919 % 1009)).collect()
}

/// How many contents of the tree were compressed so far, and the report.
fn plan(world: &World, more: &[&str]) -> (usize, serde_json::Value) {
    let cache = world.beside("cache");
    let mut command = world.command(&[&["plan", "ROOT", "--format", "json"], more].concat());
    command.env("XDG_CACHE_HOME", &cache);
    let report = serde_json::from_str(&Run::of(command).stdout).expect("JSON");
    let of_versions =
        std::fs::read_dir(cache.join("layerfit")).expect("made").map(|entry| entry.expect("listed").path());
    let parts = of_versions.flat_map(|version| std::fs::read_dir(version).expect("a directory"));
    let parts = parts.map(|entry| entry.expect("listed").path()).filter(|path| path.is_dir());
    (parts.map(|part| std::fs::read_dir(part).expect("a directory").count()).sum(), report)
}

#[test]
fn what_rules_drop_is_compressed_only_to_weigh_it() {
    let world = World::new();
    world.file("share/data/kept", text(1)).file("share/doc/x/dropped.txt", text(2));
    let (compressed, report) = plan(&world, &[]);
    let dropped = |report: &serde_json::Value| {
        let rules = report["pruned"].as_array().expect("rules").iter();
        rules.filter(|rule| rule["files"] == 1).map(|rule| rule["zipped_bytes"].clone()).collect::<Vec<_>>()
    };
    assert_eq!((compressed, dropped(&report)), (1, vec![serde_json::Value::Null]));
    let kept = report["totals"]["kept"].clone();
    let (compressed, report) = plan(&world, &["--weigh-pruned"]);
    let weighed = dropped(&report)[0].as_u64().expect("weighed");
    assert!(compressed == 2 && (76..text(2).len() as u64).contains(&weighed), "{compressed} {weighed}");
    assert_eq!(report["totals"]["kept"], kept);
}

#[test]
fn tables_and_pages_have_zipped_bytes_of_what_is_dropped_only_when_it_was_weighed() {
    let world = World::new();
    world.file("share/data/kept", text(1)).file("share/doc/x/dropped.txt", text(2));
    let table = |more: &[&str]| world.run(&[&["plan", "ROOT"], more].concat()).stdout;
    let rules = |more: &[&str]| {
        let table = table(&[&["-v"], more].concat());
        let header = table.lines().find(|line| line.contains("rule  name")).expect("a table");
        header.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(rules(&[]), ["rule", "name", "files", "unzipped"]);
    assert_eq!(rules(&["--weigh-pruned"]), ["rule", "name", "files", "unzipped", "zipped"]);
    assert!(table(&[]).contains("--weigh-pruned: zipped sizes."), "{}", table(&[]));
    let page = table(&["--format", "html"]);
    assert!(page.contains("--weigh-pruned weighs them"));
    let page = table(&["--format", "html", "--weigh-pruned"]);
    assert!(!page.contains("--weigh-pruned weighs them"));
}

/// What is too long to be compressed for a verdict is not taken for nothing.
#[test]
fn a_diff_has_the_sizes_of_a_tree_that_is_far_too_long() {
    let long = sparse(3, 200 << 20);
    let small = World::new();
    small.file("share/x", "abc");
    let (code, diff) = long.json(&["diff", "ROOT", &small.root().display().to_string()]);
    assert_eq!(code, 0);
    assert_eq!(diff["total"]["now"]["unzipped_bytes"], 3);
    assert!(diff["total"]["before"]["unzipped_bytes"].as_u64() >= Some(600 << 20), "{}", diff["total"]);
    assert_eq!(long.run(&["plan", "ROOT", "--tree"]).stdout, long.run(&["plan", "ROOT"]).stdout);
}

/// A tree of files that are as long as this, and take nothing on the disk.
fn sparse(files: usize, bytes: u64) -> World {
    let world = World::new();
    world.package("library", "p", "1.0", "").file("share/doc/x/dropped.txt", text(1));
    for number in 0..files {
        let path = world.root().join(format!("library/p/data{number}"));
        File::create(path).and_then(|file| file.set_len(bytes)).expect("made");
    }
    world
}

#[test]
fn a_tree_that_is_far_too_long_is_told_without_compressing_it() {
    // Each file alone is within the limits: compressing them all would take hours.
    let world = sparse(12, 10 << 30);
    let limits = ["--max-unzipped", "20GiB"];
    for command in [["pack", "ROOT", "-o", "OUT"].as_slice(), &["plan", "ROOT"], &["check", "ROOT"]] {
        let (code, report) = world.json(&[command, &limits].concat());
        assert_eq!(code, 1, "{command:?}");
        let of_limit = |finding: &&serde_json::Value| finding["code"] == "F102";
        let finding = report["findings"].as_array().expect("findings").iter().find(of_limit).expect("over the limit");
        let message = finding["message"].as_str().expect("text");
        assert!(message.starts_with("120.00 GiB unzipped are 100.00 GiB over"), "{message}");
        let help = finding["help"].as_str().expect("text");
        assert!(help.contains("the largest units: pkg:p (120.00 GiB)") && help.contains("not computed"), "{help}");
        assert!(report["layers"].is_null() && report["totals"]["kept"]["zipped_bytes"].is_null());
        let step = &report["suggestions"].as_array().expect("next steps")[0];
        assert_eq!((step["name"].as_str(), &step["zipped_bytes"]), (Some("drop-p"), &serde_json::Value::Null));
        assert!(step["unzipped_bytes"].as_u64() >= Some(120 << 30), "{step}");
    }
    assert!(!world.beside("out").exists());
    let run = world.run(&[&["plan", "ROOT"], limits.as_slice()].concat());
    assert!(run.stdout.starts_with("FAIL: does not fit, however small its zips would be. layers (F102): 120.00 GiB"));
    assert!(run.stdout.contains("\n step       unzipped  option "), "{}", run.stdout);
    // Nothing is compared with a baseline, and none is written.
    let baseline = world.beside("baseline.json").display().to_string();
    let gate = ["check", "ROOT", "--baseline", &baseline, "--update-baseline"];
    assert_eq!(world.run(&[&gate, limits.as_slice()].concat()).code, 1);
    assert!(!world.beside("baseline.json").exists());
    for format in ["markdown", "sarif", "junit", "html"] {
        let run = world.run(&[&["check", "ROOT", "--format", format], limits.as_slice()].concat());
        assert!(run.code == 1 && run.stdout.contains("F102"), "{format}: {}", run.stderr);
    }
}

#[test]
fn a_tree_that_may_fit_or_is_not_far_from_it_has_all_figures() {
    let world = sparse(3, 100 << 20);
    // Over the limit, and little to compress.
    let (code, report) = world.json(&["plan", "ROOT"]);
    assert!(code == 1 && report["layers"].is_array(), "{report}");
    assert!(report["suggestions"][0]["zipped_bytes"].is_i64());
    // Much to compress, and within a limit that was raised.
    let world = sparse(6, 100 << 20);
    let (code, report) = world.json(&["plan", "ROOT", "--max-unzipped", "1GiB"]);
    assert!(code == 0 && report["layers"].is_array(), "{report}");
}
