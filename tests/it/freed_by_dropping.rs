//! What the report says that dropping a thing alone would free is what the zips lose, to the byte, when it is really dropped:
//! by --drop, and by removing it from the disk.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::support::{World, noise};
use serde_json::Value;

const LIBRARY: &str = "R/lib/R/library";

/// All rules, D901 among them, which drops what nothing loads. A run tries what each rule that is off would save, which is
/// most of its time.
const EVERY_RULE: [&str; 2] = ["--select", "extra"];

/// All the rules but that.
const UNLOADED_STAYS: [&str; 4] = ["--select", "extra", "--ignore", "D901"];

/// R and packages with libraries that need libraries: some for several, some in a circle, some through links and linked
/// directories; one that nothing loads, with one that only that needs; and files that rules are held back from.
fn world() -> World {
    let world = World::new();
    world.r().library("lib/libshared.so", &[], &[]).library("lib/libbottom.so", &[], &[]);
    world.library("R/lib/R/lib/libR.so", &["lib/libshared.so"], &[]);
    world.program("R/lib/R/bin/exec/R", &["R/lib/R/lib/libR.so"], &[]);
    // A circle: each needs the other, and the first something below.
    world.library("lib/libb.so", &[], &[]).library("lib/liba.so", &["lib/libb.so", "lib/libbottom.so"], &[]);
    world.library("lib/libb.so", &["lib/liba.so"], &[]);
    world.package(LIBRARY, "circle", "1.0", "").file(format!("{LIBRARY}/circle/data/x"), noise(1, 5000));
    world.library("R/lib/R/library/circle/libs/circle.so", &["lib/liba.so", "lib/libshared.so"], &[]);
    // A library by links, which two packages need.
    world.library("lib/libv.so.1.2", &[], &["-Wl,-soname,libv.so.1"]).link("lib/libv.so.1", "libv.so.1.2");
    world.link("lib/libv.so", "libv.so.1").link("share/v", "../lib/libv.so");
    for name in ["one", "two"] {
        world.package(LIBRARY, name, "1.0", "Imports: circle\n");
        world.library(&format!("{LIBRARY}/{name}/libs/{name}.so"), &["lib/libv.so.1.2"], &[]);
    }
    // A package alone in a library, which alone needs a library; and a program with one.
    world.link("lib/libw.so", "libw.so.3");
    world.library("lib/libw.so.3", &["lib/libbottom.so"], &[]).package("site", "w", "1.0", "Imports: one\n");
    world.library("site/w/libs/w.so", &["lib/libw.so.3"], &[]).directory("site/w/empty");
    world.library("lib/sub/libp.so", &[], &[]).link("lib/libp.so", "sub/libp.so");
    world.program("bin/p", &["lib/sub/libp.so"], &[]).link("bin/q", "p").link("tools", "bin");
    // Nothing loads these.
    world.library("lib/libonly.so", &[], &[]).library("lib/libalone.so", &["lib/libonly.so"], &[]);
    // Rules would drop these, but for what needs them.
    world.package(LIBRARY, "tcltk", "4.2.2", "").package(LIBRARY, "gui", "1.0", "Imports: tcltk\n");
    world.file("share/man/man1/p.1", [b".PP\n", &noise(2, 896)[..]].concat()).link("bin/page", "../share/man/man1/p.1");
    world
}

/// Bytes in zips, and unzipped, of everything in the layers.
fn total(plan: &Value) -> (i64, i64) {
    let units = plan["units"].as_array().expect("units");
    let sum = |field: &str| units.iter().map(|unit| unit[field].as_i64().expect("bytes")).sum();
    (sum("zipped_bytes"), sum("unzipped_bytes"))
}

/// Everything that a plan says the costs of: its name, and what dropping it frees.
fn things(plan: &Value) -> Vec<(String, (i64, i64))> {
    let mut things = Vec::new();
    for (list, name) in [("units", "name"), ("directories", "path"), ("libraries", "path"), ("packages", "name")] {
        for thing in plan[list].as_array().expect(list) {
            let freed = ["retained_zipped_bytes", "retained_unzipped_bytes"].map(|f| thing[f].as_i64().expect("bytes"));
            let prefix = if list == "packages" { "pkg:" } else { "" };
            things.push((format!("{prefix}{}", thing[name].as_str().expect("a name")), (freed[0], freed[1])));
        }
    }
    things
}

/// R's own packages, and directories in packages, that differ from others in nothing that counts here: to try all of them
/// only costs time.
fn is_like_others(name: &str) -> bool {
    let of_r = |package: &str| ["compiler", "methods", "utils", "graphics", "grDevices"].contains(&package);
    match name.strip_prefix("R/lib/R/library/").map(|path| path.split_once('/').ok_or(path)) {
        Some(Ok((package, _))) => !["circle", "tcltk"].contains(&package),
        Some(Err(package)) => of_r(package),
        None => name.strip_prefix("pkg:").is_some_and(of_r),
    }
}

fn plan(world: &World, more: &[&str]) -> Value {
    let (code, plan) = world.json(&[&["plan", "ROOT", "--level", "fast"], more].concat());
    assert!(code < 2);
    plan
}

/// What is in the layers.
fn total_of(world: &World, more: &[&str]) -> (i64, i64) {
    total(&plan(world, more))
}

/// Drops each thing for which `wanted` holds with these options, and compares what the zips lose with what was said.
fn drop_each(world: &World, more: &[&str], wanted: impl Fn(&str) -> bool) -> usize {
    let before = plan(world, more);
    let (zipped, unzipped) = total(&before);
    let mut dropped = BTreeMap::new();
    for (name, said) in things(&before).into_iter().filter(|(name, _)| wanted(name)) {
        // A package is a unit too, of the same name.
        let after =
            *dropped.entry(name.clone()).or_insert_with(|| total_of(world, &[more, &["--drop", &name]].concat()));
        assert_eq!((zipped - after.0, unzipped - after.1), said, "{name} {more:?}");
    }
    dropped.len()
}

#[test]
fn every_unit_directory_library_and_package_frees_what_was_said_when_it_is_dropped() {
    let world = world();
    let dropped = drop_each(&world, &UNLOADED_STAYS, |name| !is_like_others(name));
    assert!(dropped > 30, "{dropped}");
}

#[test]
fn with_the_rule_that_drops_what_nothing_loads_it_is_the_same() {
    let world = world();
    // Without R's program or its base package nothing loads its libraries; what packages need stays all the same.
    let wanted = |name: &str| {
        !is_like_others(name) && (!name.contains('/') || name.starts_with("lib/") || name.starts_with("R/lib/R/bin"))
    };
    let dropped = drop_each(&world, &EVERY_RULE, wanted);
    assert!(dropped > 20, "{dropped}");
}

#[test]
fn what_goes_with_a_thing_is_what_only_that_needed() {
    let world = world();
    for (name, with_it) in [
        ("pkg:circle", vec!["lib/liba.so", "lib/libb.so"]),
        ("liba.so", vec!["lib/libb.so"]),
        ("pkg:w", vec!["lib/libw.so", "lib/libw.so.3"]),
        ("libbottom.so", vec![]),
        ("pkg:one", vec![]),
        ("libv.so.1", vec![]),
        ("bin", vec!["lib/libp.so", "lib/sub/libp.so", "share/man/man1/p.1", "tools"]),
        ("libalone.so", vec![]),
        (
            "pkg:gui",
            ["DESCRIPTION", "Meta/features.rds", "Meta/package.rds", "NAMESPACE", "R/tcltk", "R/tcltk.rdb"].to_vec(),
        ),
    ] {
        let (_, answer) = world.json(&["why", name, "ROOT"]);
        let goes = answer["things"][0]["goes_with"].as_array().expect("names").clone();
        let tcltk = |path: &str| if name == "pkg:gui" { format!("{LIBRARY}/tcltk/{path}") } else { path.to_owned() };
        let with_it: Vec<Value> = with_it.into_iter().map(|path| Value::from(tcltk(path))).collect();
        assert_eq!(goes, with_it, "{name}");
    }
}

#[test]
fn several_together_free_what_they_hold_together() {
    let world = world();
    let before = total_of(&world, &[]);
    for (names, layers, with_it) in [
        ("pkg:one,pkg:two", 1, vec!["lib/libv.so", "lib/libv.so.1", "lib/libv.so.1.2"]),
        ("pkg:circle,pkg:w", 1, vec!["lib/liba.so", "lib/libb.so", "lib/libbottom.so", "lib/libw.so", "lib/libw.so.3"]),
        ("lib,R,site", 1, vec![]),
    ] {
        let (code, answer) = world.json(&["why", "--if-dropped", names, "ROOT", "--level", "fast"]);
        assert_eq!(code, 0);
        let said = &answer["if_dropped"];
        let after = total_of(&world, &["--drop", names]);
        let freed = (said["freed"]["zipped_bytes"].as_i64(), said["freed"]["unzipped_bytes"].as_i64());
        assert_eq!(freed, (Some(before.0 - after.0), Some(before.1 - after.1)), "{names}");
        assert_eq!(said["layers_then"], layers);
        let goes = said["goes_with"].as_array().expect("files").iter();
        // A link that leads out of lib holds what it leads to, so the library it names stays as long as the link does.
        let goes: Vec<&str> = goes.map(|file| file["path"].as_str().expect("a path")).collect();
        if names == "pkg:one,pkg:two" {
            assert!(goes.is_empty(), "{goes:?}");
            fs::remove_file(world.root().join("share/v")).expect("removed");
            let (_, answer) = world.json(&["why", "--if-dropped", names, "ROOT"]);
            let goes = answer["if_dropped"]["goes_with"].as_array().expect("files").clone();
            let goes: Vec<&str> = goes.iter().map(|file| file["path"].as_str().expect("a path")).collect();
            assert_eq!(goes, with_it);
            world.link("share/v", "../lib/libv.so");
        } else {
            assert_eq!(goes, with_it, "{names}");
        }
    }
}

#[test]
fn removing_a_thing_from_the_disk_frees_the_same() {
    // With the rule that drops what nothing loads, a plan of the smaller tree finds by itself what goes with the thing.
    let world = world();
    let before = plan(&world, &EVERY_RULE);
    let (zipped, unzipped) = total(&before);
    let mut removed = BTreeMap::new();
    for list in ["directories", "libraries", "packages"] {
        for thing in before[list].as_array().expect(list) {
            // Without its program or its base package R is not found, and a plan of what is left finds that nothing loads its
            // libraries; by --drop, what packages need stays as long as they do.
            let path = thing["path"].as_str().expect("a path");
            let of_r = ["R/lib/R/bin", "R/lib/R/bin/exec", "R/lib/R/library", "R/lib/R/library/base"];
            if of_r.contains(&path) || is_like_others(path) {
                continue;
            }
            let mut paths = vec![path];
            paths.extend(thing["links"].as_array().into_iter().flatten().filter_map(Value::as_str));
            // A package is a directory too.
            let after = *removed.entry(paths.clone()).or_insert_with(|| {
                let mut aside = Aside::new(&world);
                for path in &paths {
                    aside.take(&world.root().join(path));
                }
                while aside.take_what_leads_to_nothing(&world.root()) {}
                let after = total_of(&world, &EVERY_RULE);
                aside.put_back();
                after
            });
            let said = ["retained_zipped_bytes", "retained_unzipped_bytes"].map(|f| thing[f].as_i64().expect("bytes"));
            assert_eq!([zipped - after.0, unzipped - after.1], said, "{list}: {}", thing["path"]);
        }
    }
    assert_eq!(plan(&world, &EVERY_RULE), before, "all of it is there again");
    assert!(removed.len() > 20, "{}", removed.len());
}

/// What was taken out of a tree, in a directory beside it.
struct Aside {
    directory: PathBuf,
    taken: Vec<PathBuf>,
}

impl Aside {
    fn new(world: &World) -> Self {
        let directory = world.beside("aside");
        fs::create_dir_all(&directory).expect("made");
        Self { directory, taken: Vec::new() }
    }

    fn take(&mut self, path: &Path) {
        fs::rename(path, self.directory.join(self.taken.len().to_string())).expect("moved");
        self.taken.push(path.to_owned());
    }

    /// Takes links to nothing and the directories that are empty now; returns whether there were any.
    fn take_what_leads_to_nothing(&mut self, directory: &Path) -> bool {
        let before = self.taken.len();
        for entry in fs::read_dir(directory).expect("listed") {
            let path = entry.expect("listed").path();
            if path.is_symlink() {
                let empty = fs::read_dir(&path).is_ok_and(|mut inside| inside.next().is_none());
                if !path.exists() || empty {
                    self.take(&path);
                }
            } else if path.is_dir() {
                self.take_what_leads_to_nothing(&path);
                let made_empty = path.file_name().is_some_and(|name| name != "empty");
                if made_empty && fs::read_dir(&path).expect("listed").count() == 0 {
                    self.take(&path);
                }
            }
        }
        self.taken.len() > before
    }

    fn put_back(self) {
        for (number, path) in self.taken.iter().enumerate().rev() {
            fs::rename(self.directory.join(number.to_string()), path).expect("moved");
        }
    }
}

#[test]
fn a_layer_fewer_is_foretold() {
    let world = World::new();
    for (number, name) in ["a", "b", "c"].into_iter().enumerate() {
        world
            .package("library", name, "1.0", "")
            .file(format!("library/{name}/data/x"), noise(number as u64 + 1, 40_000));
    }
    let limit = ["--max-zipped", "90000B"];
    assert_eq!(plan(&world, &limit)["layers"].as_array().expect("layers").len(), 2);
    let (_, answer) = world.json(&[&["why", "--if-dropped", "pkg:b", "ROOT"][..], &limit].concat());
    let said = &answer["if_dropped"];
    assert_eq!(
        (said["layers"].as_u64(), said["layers_then"].as_u64(), said["fits_then"].as_bool()),
        (Some(2), Some(1), Some(true))
    );
    let text = world.run(&[&["why", "--if-dropped", "pkg:b", "ROOT"][..], &limit].concat()).stdout.replace('\n', " ");
    assert!(text.contains("There would be 1 layer instead of 2."), "{text}");
}

#[test]
fn what_would_break_is_foretold() {
    let world = world();
    let (_, answer) = world.json(&["why", "--if-dropped", "pkg:circle,pkg:stats,libshared.so", "ROOT"]);
    let said = &answer["if_dropped"];
    let broken: Vec<(&str, bool)> = said["breaks"]
        .as_array()
        .expect("packages")
        .iter()
        .map(|broken| (broken["name"].as_str().expect("a name"), broken["directly"].as_bool().expect("a bool")))
        .collect();
    assert_eq!(broken, [("pkg:one", true), ("pkg:two", true), ("pkg:w", false)]);
    assert_eq!(said["starts_with"][0]["name"], "pkg:stats");
    // As the checks say when it is really dropped, and nothing that they say anyway.
    let codes: Vec<&str> =
        said["findings"].as_array().expect("findings").iter().filter_map(|f| f["code"].as_str()).collect();
    assert!(["R102", "P104", "L201"].iter().all(|code| codes.contains(code)), "{codes:?}");
    let dropped = plan(&world, &["--drop", "pkg:circle,pkg:stats,libshared.so"]);
    for finding in said["findings"].as_array().expect("findings") {
        assert!(dropped["findings"].as_array().expect("findings").contains(finding), "{finding}");
    }
    assert!(!codes.contains(&"R107"), "the plan says that anyway: {codes:?}");
}

#[test]
fn the_tree_view_fits_80_columns_and_shows_every_unit_and_its_costs() {
    let world = world();
    let report = plan(&world, &[]);
    let view = world.run(&["plan", "ROOT", "--tree", "-v", "--level", "fast"]).stdout;
    for line in view.lines() {
        assert!(line.chars().count() <= 80 && line == line.trim_end(), "{line:?}");
    }
    for unit in report["units"].as_array().expect("units") {
        let name = unit["name"].as_str().expect("a name");
        let shown = name.strip_prefix("lib:").unwrap_or(if name == "r" { "├ r" } else { name });
        let size = |field: &str| layerfit::base::bytes::size(unit[field].as_u64().expect("bytes"));
        let named = |line: &&str| line.trim_start().split("  ").next().is_some_and(|begin| begin.ends_with(shown));
        let line = view.lines().find(named);
        let line = line.unwrap_or_else(|| panic!("{shown} in {view}"));
        assert!(line.contains(&size("zipped_bytes")) && line.contains(&size("retained_zipped_bytes")), "{line}");
    }
    // As on the page, those that are a part of R are listed with it.
    let packages = report["packages"].as_array().expect("packages").iter();
    let packages = format!("R packages ({})", packages.filter(|package| package["priority"] != "base").count());
    assert!(view.starts_with(' ') && view.contains("\nlayer-1 ") && view.contains(&packages), "{view}");
    assert!(world.run(&["plan", "ROOT", "--tree"]).stdout.contains("others (-v)"));
}
