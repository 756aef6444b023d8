//! Each of several zips has to be a layer by itself: what nothing looks for in one is told with its name, whatever the others have.
//! What another zip uses, or has a part of, is not.

use std::fs;

use crate::support::raw_zip::{Part, zip};
use crate::support::{World, findings};
use serde_json::Value;

const RUN: u32 = 0o100_755;

fn program(name: &str) -> Part {
    Part::stored(name, "#!/bin/sh\n").mode(RUN)
}

fn script(name: &str, line: &str) -> Part {
    Part::stored(name, format!("#!/bin/sh\n{line}\n")).mode(RUN)
}

fn file(name: &str) -> Part {
    Part::stored(name, if name.ends_with("/package.json") { "{}" } else { "x" })
}

/// What `check` answers for zips of these parts, lowest layer first.
fn checked(zips: &[(&str, &[Part])]) -> (i32, Value) {
    let world = World::new();
    for (name, parts) in zips {
        fs::write(world.beside(name), zip(parts)).expect("written");
    }
    let names = zips.iter().map(|(name, _)| *name);
    world.json(&["check"].into_iter().chain(names).collect::<Vec<_>>())
}

/// The findings about where things are, without remarks.
fn told(report: &Value) -> Vec<(String, String)> {
    ["Z113", "S108", "S110", "S112"]
        .iter()
        .flat_map(|code| findings(report, code).into_iter().map(|(subject, _)| ((*code).to_owned(), subject)))
        .collect()
}

fn assert_told_beside(good: &[Part], bad: &[Part], code: &str, subject: &str, exit: i32) {
    for zips in [[("good.zip", good), ("bad.zip", bad)], [("bad.zip", bad), ("good.zip", good)]] {
        let (status, report) = checked(&zips);
        assert_eq!(told(&report), [(code.to_owned(), subject.to_owned())], "{:#}", report["findings"]);
        assert_eq!(status, exit, "{subject}");
    }
}

fn assert_nothing_told(one: &[Part], other: &[Part]) {
    for zips in [[("a.zip", one), ("b.zip", other)], [("b.zip", other), ("a.zip", one)]] {
        let report = checked(&zips).1;
        assert_eq!(told(&report), [], "{:#}", report["findings"]);
    }
}

#[test]
fn a_zip_of_no_layer_beside_a_good_one_is_told_with_its_name() {
    let good: &[&[Part]] = &[
        &[program("bin/x"), file("python/y.py")],
        &[program("bin/x")],
        &[file("python/y/__init__.py")],
        &[file("share/data.csv")],
        &[program("extensions/agent"), file("lib/a.txt")],
    ];
    for good in good {
        let nested = vec![program("my-layer-1.0/bootstrap"), program("my-layer-1.0/bin/x")];
        for (bad, code, subject, exit) in [
            (nested, "Z113", "bad.zip: my-layer-1.0", 1),
            (vec![program("opt/bootstrap"), file("README.md")], "Z113", "bad.zip: opt", 1),
            (vec![file("layer/opt/python/requests/__init__.py")], "Z113", "bad.zip: layer/opt", 1),
            (vec![program("tool/bin/x"), file("tool/lib/a")], "Z113", "bad.zip: tool", 0),
            (vec![file("site-packages/requests/__init__.py")], "S110", "bad.zip: site-packages", 0),
            (vec![file("node_modules/x/package.json")], "S110", "bad.zip: node_modules", 0),
            (vec![file("Python/requests/__init__.py")], "S110", "bad.zip: Python", 0),
            (vec![file("inner.zip")], "S112", "bad.zip: inner.zip", 0),
            (vec![file("__MACOSX/._a")], "S108", "bad.zip", 0),
            (Vec::new(), "S108", "bad.zip", 1),
        ] {
            assert_told_beside(good, &bad, code, subject, exit);
        }
    }
}

#[test]
fn each_of_two_zips_of_no_layer_is_told() {
    let bad: &[Part] = &[program("my-layer/bootstrap")];
    let (status, report) = checked(&[("a.zip", bad), ("b.zip", &[file("my-layer/python/x.py")])]);
    assert_eq!((status, findings(&report, "Z113").len()), (1, 2), "{:#}", report["findings"]);
    let good: &[Part] = &[program("bin/x")];
    let (status, report) = checked(&[("a.zip", bad), ("good.zip", good), ("c.zip", &[file("x.tar.gz")])]);
    assert_eq!(status, 1);
    let subjects = [("Z113", "a.zip: my-layer"), ("S112", "c.zip: x.tar.gz")];
    assert_eq!(told(&report), subjects.map(|(code, subject)| (code.to_owned(), subject.to_owned())));
}

#[test]
fn layers_that_have_only_a_part_of_what_a_function_needs_are_left_alone() {
    let runtime = [program("bootstrap"), program("R/bin/R"), file("R/library/base/x")];
    for part in [
        vec![file("R/library/jsonlite/x")],
        vec![file("local/lib/R/site-library/a/x")],
        vec![file("lib/a.txt"), file("lib/b/c.txt")],
        vec![file("models/m.bin")],
        vec![file("certs/ca.pem"), file("README.md")],
        vec![file("data.csv"), file("more.zip")],
        // A runtime of one's own can look anywhere.
        vec![file("site-packages/requests/__init__.py")],
        vec![file("node_modules/x/package.json")],
    ] {
        assert_nothing_told(&runtime, &part);
    }
    // The interpreter is in the other.
    let python = [program("bin/python3.12"), file("lib/python3.12/os.py")];
    assert_nothing_told(&python, &[file("lib/python3.12/site-packages/requests/__init__.py")]);
    // Packages are where they are looked for together.
    assert_nothing_told(&[file("nodejs/node_modules/x/index.js")], &[file("nodejs/util/package.json")]);
    let store = [file("nodejs/node_modules/.pnpm/x@1.0.0/node_modules/x/index.js")];
    let link = Part::link("nodejs/node_modules/x", ".pnpm/x@1.0.0/node_modules/x");
    assert_nothing_told(&store, &[link]);
}

#[test]
fn a_directory_that_another_zip_uses_or_continues_is_left_alone() {
    let tool = [program("tool/bin/x"), file("tool/python/a/__init__.py")];
    for user in [
        vec![script("bootstrap", "exec /opt/tool/bin/x")],
        vec![script("bin/run", "exec \"$root/tool/bin/x\"")],
        vec![script("extensions/a", "cd /opt; tool/bin/x")],
        vec![Part::stored("python/a.pth", "/opt/tool/python\n")],
        vec![Part::link("bin/x", "../tool/bin/x")],
        vec![program("bootstrap"), file("tool/share/a")],
        vec![file("bin/run"), file("tool/share/a")],
    ] {
        assert_nothing_told(&user, &tool);
    }
    assert_nothing_told(&[script("bootstrap", "unzip -d /tmp /opt/inner.zip")], &[file("inner.zip")]);
    // Another path that ends or begins alike is no use of it.
    for line in ["exec /tool/bin/x", "exec /opt/tool2/bin/x", "exec /opt/mytool/x", "# a tool"] {
        let (status, report) = checked(&[("a.zip", &[script("bin/run", line)]), ("b.zip", &tool)]);
        assert_eq!((status, findings(&report, "Z113").len()), (1, 1), "{line}: {:#}", report["findings"]);
    }
}

#[test]
fn zips_that_were_packed_of_one_tree_are_parts_of_it() {
    let world = World::new();
    world.file("bin/tool", "#!/bin/sh\n").mode("bin/tool", 0o755).file("site-packages/requests/__init__.py", "x = 1\n");
    let layer = "strategy = \"kinds\"\n[[layer]]\nname = \"packages\"\nholds = [\"site-packages\"]\n";
    fs::write(world.beside("layerfit.toml"), layer).expect("written");
    assert_eq!(world.run(&["pack", "ROOT", "-o", "OUT"]).code, 0);
    fs::remove_file(world.beside("layerfit.toml")).expect("removed");
    let zips = ["out/packages.zip", "out/layer-1.zip"];
    for arguments in [&["check", "OUT"][..], &[&["check"], &zips[..]].concat()] {
        let (status, report) = world.json(arguments);
        assert_eq!((status, told(&report)), (0, Vec::new()), "{:#}", report["findings"]);
    }
    // Without the manifest, nothing tells that they belong together.
    fs::remove_file(world.beside("out/manifest.json")).expect("removed");
    let (status, report) = world.json(&[&["check"], &zips[..]].concat());
    let subject = "out/packages.zip: site-packages".to_owned();
    assert_eq!((status, told(&report)), (0, vec![("S110".to_owned(), subject)]), "{:#}", report["findings"]);
}
