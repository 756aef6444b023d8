//! What layers are shaped with holds when a tree is compared with them: `diff`, and `check` with a manifest or a baseline that is
//! one, take the options of the command line of `pack` from the manifest, unless something else is set, and tell what was
//! taken. What layerfit.toml sets is in layerfit.toml, and its changes are differences.

use std::fs;

use serde_json::{Value, json};

use crate::support::{Run, World, findings, noise};

/// A tree whose layers each of the options changes.
fn world() -> World {
    let world = World::new();
    world
        .package("library", "a", "1.0", "Imports: b\n")
        .package("library", "b", "1.0", "")
        .package("library", "c", "1.0", "");
    world.file("library/c/data/x", noise(1, 4000)).file("share/text", "the same words again, ".repeat(3000));
    world.library("lib/liba.so.1", &[], &["-g"]).library("lib/libb.so.1", &[], &["-g"]);
    world
}

const SHAPED: [&str; 15] = [
    "--strip",
    "all",
    "--no-strip",
    "lib/libb.so.1",
    "--level",
    "max",
    "--drop",
    "pkg:b",
    "--ignore",
    "help,L203",
    "--keep",
    "share",
    "--slack",
    "2MiB",
    "--runtime=provided.al2",
];

fn pack(world: &World, options: &[&str]) -> Run {
    world.run(&[&["pack", "ROOT", "-o", "OUT"], options].concat())
}

fn is_empty(diff: &Value) -> bool {
    ["layers", "files", "packages", "moved", "rules"].iter().all(|key| diff[key] == json!([]))
}

/// What a check of the tree with a manifest says of its files, if that is an error.
fn changed(world: &World, manifest: &str) -> Option<String> {
    let (_, report) = world.json(&["check", "ROOT", "--manifest", manifest]);
    let message = findings(&report, "Z105").first().map(|(_, message)| message.clone());
    message.inspect(|message| assert!(message.contains("would be packed to different files"), "{message}"))
}

/// What was said of what a manifest records, line by line.
fn told(run: &Run) -> Vec<&str> {
    run.stderr
        .lines()
        .filter(|line| (line.contains("from ") || line.contains("packed ")) && !line.contains("settings from"))
        .collect()
}

#[test]
fn a_tree_is_compared_with_layers_as_they_were_shaped() {
    let world = world();
    // Nothing imports b for certain, so that it is only a finding that it is gone.
    let run = pack(&world, &SHAPED);
    assert!(run.stdout.contains("Written to"), "{}{}", run.stdout, run.stderr);
    let path = world.beside("out/manifest.json");
    let manifest: Value = serde_json::from_slice(&fs::read(&path).expect("read")).expect("JSON");
    let recorded = json!({
        "level": "max", "strip": "all", "no_strip": ["lib/libb.so.1"], "ignore": ["help"], "drop": ["pkg:b"],
        "keep": ["share"], "slack": "2097152B",
    });
    assert_eq!(manifest["options"], recorded);
    let taken = "--runtime provided.al2 --level max --strip all --no-strip lib/libb.so.1 --ignore help --drop pkg:b --keep share \
                 --slack 2097152B";
    for layers in ["OUT", &path.to_string_lossy()] {
        for sides in [[layers, "ROOT"], ["ROOT", layers]] {
            let (code, diff) = world.json(&[&["diff"], &sides[..]].concat());
            assert!(code == 0 && is_empty(&diff), "{diff:#}");
            let run = world.run(&[&["diff"], &sides[..]].concat());
            assert_eq!(told(&run), [format!("layerfit: from {}: {taken}", path.display())], "{}", run.stderr);
            assert!(told(&world.run(&[&["diff", "-q"], &sides[..]].concat())).is_empty());
        }
    }
    // Nothing of it is for finished layers.
    let run = world.run(&["check", "OUT"]);
    assert!(told(&run).is_empty(), "{}", run.stderr);
    let zip = world.beside("out/layer-1.zip");
    fs::copy(&zip, world.beside("copy.zip")).expect("copied");
    let run = world.run(&["diff", "OUT", &world.beside("copy.zip").to_string_lossy()]);
    assert!(told(&run).is_empty() && run.code == 0, "{}", run.stderr);

    // What is done to the tree shows, and nothing else.
    world.file("share/new", "new");
    let (_, diff) = world.json(&["diff", "OUT", "ROOT"]);
    let files: Vec<&Value> = diff["files"].as_array().expect("files").iter().map(|file| &file["path"]).collect();
    assert_eq!(files, ["share/new"]);
}

#[test]
fn the_gate_is_for_what_its_manifest_is_for() {
    let world = world();
    // A program that the default runtime has everything for, and this one not.
    assert!(pack(&world, &SHAPED).stdout.contains("Written to"));
    let path = world.beside("out/manifest.json");
    let path = path.to_string_lossy();
    for option in ["--manifest", "--baseline"] {
        let (_, report) = world.json(&["check", "ROOT", option, &path]);
        assert_eq!(report["runtime"], "provided.al2", "{option}");
        assert!(findings(&report, "Z105").is_empty() && findings(&report, "B102").is_empty(), "{option}");
        let run = world.run(&["check", "ROOT", option, &path]);
        assert!(
            run.stderr.contains(&format!("layerfit: from {path}: --runtime provided.al2 --level max")),
            "{}",
            run.stderr
        );
        // An option counts, and is told with what it was.
        let other = world.run(&["check", "ROOT", option, &path, "--strip", "none", "--runtime", "provided.al2023"]);
        let remark =
            "packed for provided.al2 and with --strip all, checked for provided.al2023 and with --strip none\n";
        assert!(other.stderr.contains(remark) && !told(&other)[0].contains("--strip"), "{}", other.stderr);
    }
    // The baseline of layerfit.toml, too; and a file of sizes alone has nothing of this.
    fs::write(world.beside("layerfit.toml"), "baseline = \"out/manifest.json\"\n").expect("written");
    assert_eq!(world.json(&["check", "ROOT"]).1["runtime"], "provided.al2");
    fs::write(world.beside("layerfit.toml"), "baseline = \"sizes.json\"\n").expect("written");
    let (_, report) = world.json(&["check", "ROOT", "--update-baseline"]);
    assert_eq!((&report["runtime"], &report["packed_for"]), (&json!("provided.al2023"), &Value::Null));
}

#[test]
fn a_manifest_without_options_shapes_nothing_and_the_check_fails() {
    let world = world();
    assert!(pack(&world, &SHAPED).stdout.contains("Written to"));
    let path = world.beside("out/manifest.json");
    let mut manifest: Value = serde_json::from_slice(&fs::read(&path).expect("read")).expect("JSON");
    // As an earlier layerfit wrote it.
    manifest.as_object_mut().expect("an object").remove("options");
    fs::write(&path, manifest.to_string()).expect("written");
    assert!(changed(&world, &path.to_string_lossy()).is_some());
}

#[test]
fn what_layerfit_toml_sets_counts_and_its_changes_are_differences() {
    let world = world();
    let file = world.beside("layerfit.toml");
    fs::write(&file, "strip = \"debug\"\ndrop = [\"pkg:c\"]\n").expect("written");
    assert!(pack(&world, &["--strip", "all", "--drop", "pkg:b"]).stdout.contains("Written to"));
    // Lists add up, as they do for pack. The file's strip is something else, and is told.
    let run = world.run(&["diff", "OUT", "ROOT"]);
    let manifest = world.beside("out/manifest.json");
    let said = [
        format!("layerfit: from {}: --drop pkg:b", manifest.display()),
        "layerfit: packed with --strip all, compared with --strip debug".to_owned(),
    ];
    assert_eq!(told(&run), said, "{}", run.stderr);
    let files = |diff: &Value| -> Vec<String> {
        let files = diff["files"].as_array().expect("files").iter();
        let mut files: Vec<String> = files.map(|file| file["path"].as_str().expect("a path").to_owned()).collect();
        files.sort();
        files
    };
    assert_eq!(files(&world.json(&["diff", "OUT", "ROOT"]).1), ["lib/liba.so.1", "lib/libb.so.1"]);
    // The package that the file no longer drops is there again.
    fs::write(&file, "").expect("written");
    let (_, diff) = world.json(&["diff", "OUT", "ROOT"]);
    assert!(!files(&diff).is_empty() && files(&diff).iter().all(|path| path.starts_with("library/c/")), "{diff:#}");
    assert!(changed(&world, &manifest.to_string_lossy()).is_some());
}

#[test]
fn a_target_that_the_tree_no_longer_has_is_passed_over() {
    let world = world();
    assert!(pack(&world, &["--drop", "pkg:b", "--keep", "share"]).stdout.contains("Written to"));
    fs::remove_dir_all(world.root().join("library/b")).expect("removed");
    let manifest = world.beside("out/manifest.json");
    let manifest = manifest.to_string_lossy();
    let (code, diff) = world.json(&["diff", "OUT", "ROOT"]);
    assert_eq!((code, &diff["files"], &diff["layers"]), (0, &json!([]), &json!([])), "{diff:#}");
    fs::remove_dir_all(world.root().join("share")).expect("removed");
    let message = changed(&world, &manifest).expect("a finding");
    assert!(message.contains("0 files changed, 0 added, 1 removed"), "{message}");
    // Named again, it has to be there.
    let run = world.run(&["check", "ROOT", "--manifest", &manifest, "--drop", "pkg:b"]);
    assert!(run.code == 2 && run.stderr.contains("--drop pkg:b: not found"), "{}", run.stderr);
}

#[test]
fn of_options_that_name_files_the_name_is_recorded_and_told() {
    let world = world();
    fs::write(world.beside("handler.R"), "library(c)\nhandler <- function(event) 1\n").expect("written");
    assert!(pack(&world, &["--handler", "handler.R", "--lock", "my.lock"]).stdout.contains("Written to"));
    let path = world.beside("out/manifest.json");
    let text = fs::read_to_string(&path).expect("read");
    let manifest: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(manifest["options"], json!({"not_recorded": ["--handler", "--lock"]}));
    let run = world.run(&["diff", "OUT", "ROOT"]);
    let said = format!(
        "layerfit: packed with --handler and --lock, of which {} has the name only: what that changed counts as a difference\n  \
         help: set them in layerfit.toml\n",
        path.display()
    );
    assert!(run.stderr.contains(&said), "{}", run.stderr);
    fs::write(world.beside("layerfit.toml"), "handler = [\"handler.R\"]\nlock = \"my.lock\"\n").expect("written");
    let run = world.run(&["diff", "OUT", "ROOT"]);
    assert!(told(&run).is_empty(), "{}", run.stderr);
    assert!(is_empty(&world.json(&["diff", "OUT", "ROOT"]).1));
    fs::remove_file(world.beside("layerfit.toml")).expect("removed");
    let check = ["check", "ROOT", "--manifest", &path.to_string_lossy()];
    let run = world.run(&check);
    assert!(run.code == 1 && run.stderr.contains("help: give them again"), "{}", run.stderr);
    let run = world.run(&[&check[..], &["--handler", "handler.R", "--lock", "my.lock"]].concat());
    assert!(run.code == 0 && told(&run).is_empty(), "{}{}", run.stdout, run.stderr);
}

#[test]
fn targets_are_recorded_by_their_paths_in_the_tree() {
    let world = world();
    let whole = world.root().join("lib/libb.so.1");
    let targets = format!("{},opt/share,/opt/library/c/data,pkg:b", whole.display());
    assert!(pack(&world, &["--drop", &targets]).stdout.contains("Written to"));
    let text = fs::read_to_string(world.beside("out/manifest.json")).expect("read");
    let manifest: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(manifest["options"]["drop"], json!(["lib/libb.so.1", "share", "library/c/data", "pkg:b"]));
    assert!(is_empty(&world.json(&["diff", "OUT", "ROOT"]).1));
}

#[test]
fn the_same_tree_and_options_have_the_same_manifest_wherever_they_are() {
    let world = world();
    let mut tree = world.root();
    let mut manifest = |name: &str| {
        let place = world.beside(name);
        fs::create_dir(&place).expect("made");
        fs::rename(&tree, place.join("opt")).expect("moved");
        tree = place.join("opt");
        let mut command =
            world.command(&["pack", "opt", "-o", "out", "--strip", "all", "--drop", "pkg:b", "--bundle=false"]);
        command.current_dir(&place);
        let run = Run::of(command);
        assert!(run.stdout.contains("Written to"), "{}", run.stderr);
        fs::read_to_string(place.join("out/manifest.json")).expect("read")
    };
    assert_eq!(manifest("here"), manifest("there"));
}

#[test]
fn rules_and_values_that_this_layerfit_does_not_know_are_passed_over() {
    let world = world();
    assert!(pack(&world, &["--ignore", "help"]).stdout.contains("Written to"));
    let path = world.beside("out/manifest.json");
    let mut manifest: Value = serde_json::from_slice(&fs::read(&path).expect("read")).expect("JSON");
    manifest["options"] = json!({
        "ignore": ["help", "L203", "gone"], "select": ["theirs"], "level": "hardest", "slack": "some", "autoremove": true, "new": 1,
    });
    fs::write(&path, manifest.to_string()).expect("written");
    let (code, diff) = world.json(&["diff", "OUT", "ROOT"]);
    assert!(code == 0 && is_empty(&diff), "{diff:#}");
}
