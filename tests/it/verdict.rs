//! Whatever the tree, the lock and the configuration: what is called fitting is within the limits, `check` of what `pack` wrote
//! calls it fitting too, and both report the same about the content.

use std::collections::BTreeSet;
use std::fs;

use crate::support::{World, noise};
use serde_json::Value;

/// Pseudo-random numbers that are the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        // Knuth's MMIX.
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }

    fn once_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }
}

/// Directories and packages of up to 40 KB, with a few things that checks report.
fn fill(world: &World, random: &mut Random) {
    for unit in 0..=random.below(7) {
        let bytes = usize::try_from(random.below(40_000)).expect("small");
        let path = if random.once_in(2) { format!("d{unit}/x") } else { format!("library/p{unit}/data/x") };
        world.file(&path, noise(random.below(1 << 30), bytes));
        if random.once_in(3) {
            world.file(format!("{path}2"), vec![b'0'; usize::try_from(random.below(2_000_000)).expect("small")]);
        }
        if path.starts_with("library") {
            world.package(
                "library",
                &format!("p{unit}"),
                "1.0",
                if random.once_in(3) { "Imports: gone\n" } else { "" },
            );
        }
    }
    for odd in
        ["lib/.wh.a", "bin/no-x", "site-packages/a.py", "share/a\\b", "node_modules/x/index.js", "inner.zip", "opt/a"]
    {
        if random.once_in(4) {
            world.file(odd, "#!/bin/sh\n");
        }
    }
    if random.once_in(4) {
        // One library under two names, one of which could be a link.
        world.file("lib/libcopy.so.1", "\x7fELF\x02 is not read").file("lib/libcopy.so.1.2", "\x7fELF\x02 is not read");
    }
    for (link, target) in [("lib/dangling", "gone"), ("lib/out", "/usr/share/x"), ("lib/loop", "loop")] {
        if random.once_in(6) && fs::symlink_metadata(world.root().join(link)).is_err() {
            world.link(link, target);
        }
    }
}

fn limits(random: &mut Random) -> Vec<String> {
    let zipped = format!("{}B", 20_000 + random.below(120_000));
    let mut limits = vec!["--max-zipped".to_owned(), zipped];
    if random.once_in(3) {
        limits.extend(["--max-unzipped".to_owned(), format!("{}KiB", 100 + random.below(4000))]);
    }
    if random.once_in(3) {
        limits.extend(["--max-layers".to_owned(), (1 + random.below(5)).to_string()]);
    }
    limits
}

fn json(world: &World, command: &[&str], limits: &[String]) -> (i32, Value) {
    let arguments: Vec<&str> = command.iter().copied().chain(limits.iter().map(String::as_str)).collect();
    world.json(&arguments)
}

fn assert_within(report: &Value, context: &str) {
    let limit = |name: &str| report["limits"][name].as_u64().expect("a limit");
    let layers = report["layers"].as_array().expect("layers");
    let bytes = |layer: &Value, name: &str| layer[name].as_u64().expect("bytes");
    assert!(layers.len() as u64 <= limit("layers"), "{context}: {} layers", layers.len());
    assert!(layers.iter().all(|layer| bytes(layer, "zipped_bytes") <= limit("layer_zipped")), "{context}: {layers:#?}");
    let unzipped: u64 = layers.iter().map(|layer| bytes(layer, "unzipped_bytes")).sum();
    assert!(unzipped <= limit("total_unzipped") - limit("function_unzipped"), "{context}: {unzipped} bytes");
}

/// A configuration for such a tree: layers, targets, budgets and forms, with a lock. Its targets are in the tree.
fn configuration(world: &World, random: &mut Random) -> String {
    let mut tables = String::new();
    if random.once_in(2) {
        tables +=
            "[[layer]]\nname = \"a\"\nholds = [\"pkg:*\"]\n[[layer]]\nname = \"b\"\nholds = [\"dir:d1\", \"dir:d2\"]\n";
    }
    if random.once_in(3) {
        tables += &format!("[[budget]]\nof = \"total\"\nunzipped = \"{}B\"\n", 20_000 + random.below(2_000_000));
    }
    if random.once_in(3) {
        tables += &format!("[[budget]]\nof = \"layer:*\"\nzipped = \"{}B\"\n", 20_000 + random.below(100_000));
    }
    let mut text = "lock = \"l.lock\"\n".to_owned();
    let present = |path: &str| world.root().join(path).exists();
    let targets: Vec<String> = (0..8)
        .flat_map(|unit| {
            let directory = present(&format!("d{unit}/x")).then(|| format!("dir:d{unit}"));
            directory
                .into_iter()
                .chain(present(&format!("library/p{unit}/DESCRIPTION")).then(|| format!("pkg:p{unit}")))
        })
        .collect();
    // At most one is dropped and another kept, so that something is left and none is both.
    let mut left = targets.iter();
    for key in ["drop", "keep"] {
        if let Some(target) = left.next().filter(|_| targets.len() > 2 && random.once_in(3)) {
            text += &format!("{key} = [{target:?}]\n");
        }
    }
    for (setting, times) in [
        ("strategy = \"kinds\"\n", 4),
        ("select = [\"extra\"]\n", 4),
        ("ignore = [\"safe\"]\n", 4),
        ("repack-rdb = true\n", 4),
        ("level = \"fast\"\n", 4),
        ("headroom = \"50KiB\"\n", 4),
        ("function-size = \"20KiB\"\n", 4),
    ] {
        if random.once_in(times) {
            text += setting;
        }
    }
    text + &tables
}

/// What a report finds about the content: not about pruning, sizes, or how it was packed.
fn of_content(report: &Value) -> BTreeSet<String> {
    let findings = report["findings"].as_array().expect("findings").iter();
    let of_content = |finding: &&Value| {
        let code = finding["code"].as_str().expect("a code");
        // Only of a tree is it asked whether it is one.
        (code.starts_with(['S', 'L', 'C', 'R']) && code != "S113") || matches!(code, "Z113" | "Z115")
    };
    findings.filter(of_content).map(ToString::to_string).collect()
}

#[test]
fn what_is_called_fitting_is_within_the_limits_and_stays_so() {
    let mut random = Random(1);
    let (mut fitting, mut not) = (0, 0);
    for case in 0..40 {
        let world = World::new();
        fill(&world, &mut random);
        let config = configuration(&world, &mut random);
        fs::write(world.beside("layerfit.toml"), &config).expect("written");
        let unlimited = random.once_in(2);
        // The lock is written under other limits, and once by an older tree.
        if unlimited {
            json(&world, &["pack", "ROOT", "-o", "OUT"], &[]);
        }
        if random.once_in(2) {
            fill(&world, &mut random);
        }
        let limits = limits(&mut random);
        let context = format!("case {case}, {limits:?}, {config}");
        let (code, packed) = json(&world, &["pack", "ROOT", "-o", "OUT"], &limits);
        assert!(code < 2, "{context}");
        let (tree_code, tree) = json(&world, &["check", "ROOT"], &limits);
        assert_eq!(tree["fits"], packed["fits"], "{context}");
        if packed["fits"] == false {
            not += 1;
            continue;
        }
        fitting += 1;
        assert_within(&packed, &context);
        let (zips_code, zips) = json(&world, &["check", "OUT"], &limits);
        assert_eq!(zips["fits"], true, "{context}: {:#}", zips["findings"]);
        assert_within(&zips, &context);
        let errors = |report: &Value| {
            report["findings"].as_array().expect("findings").iter().filter(|f| f["severity"] == "error").count()
        };
        // Budgets are compared by `check` alone.
        let budgets = config.contains("[[budget]]");
        if !budgets {
            assert_eq!(errors(&zips), errors(&packed), "{context}: {:#} {:#}", zips["findings"], packed["findings"]);
        }
        assert_eq!(tree_code, zips_code, "{context}: {:#} {:#}", tree["findings"], zips["findings"]);
        assert_eq!(errors(&tree), errors(&zips), "{context}: {:#} {:#}", tree["findings"], zips["findings"]);
        assert_eq!(of_content(&tree), of_content(&zips), "{context}");
        let zipped = |report: &Value| report["totals"]["kept"]["zipped_bytes"].clone();
        assert_eq!(zipped(&packed), zipped(&zips), "{context}");
    }
    assert!(fitting > 8 && not > 4, "{fitting} fit, {not} do not");
}

#[test]
fn findings_that_are_alike_are_counted_from_the_sixth_on() {
    let world = World::new();
    for number in 0..9 {
        world.file(format!("share/{number}"), noise(number, 2000 + 100 * usize::try_from(number).expect("small")));
    }
    let plan = ["plan", "ROOT", "--max-zipped", "1KiB"];
    let run = world.run(&plan);
    assert_eq!((run.code, run.stdout.matches("→ leave it out").count()), (1, 5), "{}", run.stdout);
    assert!(run.stdout.contains("error F104  and 4 more\n"), "{}", run.stdout);
    let verbose = world.run(&[&plan[..], &["-v"]].concat()).stdout;
    assert_eq!((verbose.matches("→ leave it out").count(), verbose.contains(" more;")), (9, false), "{verbose}");
    assert_eq!(crate::support::findings(&world.json(&plan).1, "F104").len(), 9);
    let markdown = world.run(&[&plan[..], &["--format", "markdown"]].concat()).stdout;
    assert!(markdown.contains("- **error F104** and 4 more\n") && markdown.contains("share/8"), "{markdown}");
}

#[test]
fn a_file_that_is_no_zip_does_not_fit_into_anything() {
    let world = World::new();
    fs::write(world.beside("junk.zip"), noise(1, 3000)).expect("written");
    let run = world.run(&["check", "junk.zip"]);
    assert!(run.code == 1 && run.stdout.starts_with("FAIL: cannot be unzipped, 1 error: Z101."), "{}", run.stdout);
}

#[test]
fn a_file_for_another_machine_is_told_and_not_what_it_lacks() {
    let world = World::new();
    world.library("lib/libgone.so", &[], &[]).program("bin/a", &["lib/libgone.so"], &[]);
    fs::remove_file(world.root().join("lib/libgone.so")).expect("removed");
    let codes = |report: &Value| crate::support::findings(report, "L201").len();
    let (_, alone) = world.json(&["check", "ROOT"]);
    assert_eq!((codes(&alone), &alone["architecture"]["assumed"]), (1, &Value::Bool(true)));
    // e_machine: the program is for the other of Lambda's two machines.
    let other = alone["architecture"]["name"].as_str().expect("a name").to_owned();
    let aarch64 = other == "x86_64";
    world.change_byte("bin/a", 18, |_| if aarch64 { 183 } else { 62 });
    let (code, report) = world.json(&["check", "ROOT", "--arch", &other]);
    assert_eq!((code, codes(&report), crate::support::findings(&report, "L301").len()), (1, 0, 1), "{report:#}");
    // Alone, it is what the tree is for.
    let run = world.run(&["check", "ROOT"]);
    let name = if aarch64 { "arm64" } else { "x86_64" };
    assert!(run.stdout.contains(&format!("provided.al2023 ({name}, as its files)")), "{}", run.stdout);
}
