//! With a lock, a change publishes as few layers anew as it can; the others keep name and sha256.

use std::collections::BTreeMap;
use std::fs;

use crate::support::{World, noise};
use serde_json::Value;

const PACK: [&str; 8] = ["pack", "ROOT", "-o", "OUT", "--lock", "my.lock", "--max-zipped", "100KB"];

/// Packages whose zipped length is about so many KB each.
fn package(world: &World, name: &str, kb: usize) {
    world.package("library", name, "1.0", "");
    world.file(
        format!("library/{name}/data/x"),
        noise(name.len() as u64 * 1000 + u64::from(name.as_bytes()[0]), kb * 1000),
    );
}

fn sha256(report: &Value) -> BTreeMap<String, String> {
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let layers = report["layers"].as_array().expect("layers").iter();
    layers.map(|layer| (text(&layer["name"]), text(&layer["sha256"]))).collect()
}

fn states(report: &Value) -> Vec<String> {
    let changes = report["changes"].as_array().expect("changes").iter();
    changes
        .map(|change| {
            format!("{} {}", change["layer"].as_str().expect("name"), change["state"].as_str().expect("state"))
        })
        .collect()
}

fn locked() -> (World, BTreeMap<String, String>) {
    let world = World::new();
    for (name, kb) in [("a", 60), ("b", 60), ("c", 60), ("d", 20)] {
        package(&world, name, kb);
    }
    let (code, report) = world.json(&PACK);
    assert_eq!((code, report["packing"]["layers"].as_u64()), (0, Some(3)), "{:#}", report["findings"]);
    assert!(fs::read_to_string(world.beside("my.lock")).expect("written").contains("\"pkg:a\" = "));
    let before = sha256(&report);
    (world, before)
}

#[test]
fn nothing_changed_means_no_layer_changed() {
    let (world, before) = locked();
    let lock = fs::read(world.beside("my.lock")).expect("read");
    let (_, report) = world.json(&PACK);
    assert_eq!(sha256(&report), before);
    assert!(states(&report).iter().all(|state| state.ends_with(" unchanged")), "{:?}", states(&report));
    assert_eq!(fs::read(world.beside("my.lock")).expect("read"), lock);
}

#[test]
fn a_new_package_changes_one_layer_and_the_others_are_byte_for_byte_the_same() {
    let (world, before) = locked();
    package(&world, "new", 30);
    let (code, report) = world.json(&PACK);
    assert_eq!((code, report["packing"]["layers"].as_u64()), (0, Some(3)));
    let after = sha256(&report);
    assert_eq!(before.iter().filter(|(name, sha)| after.get(*name) == Some(sha)).count(), 2);
    let changed: Vec<&Value> =
        report["changes"].as_array().expect("changes").iter().filter(|change| change["state"] == "changed").collect();
    assert_eq!(changed.len(), 1);
    assert_eq!(changed[0]["added"], serde_json::json!(["pkg:new"]));
    // The terminal says the same.
    package(&world, "more", 5);
    let run = world.run(&PACK);
    assert!(run.stdout.contains("+pkg:more") && run.stdout.contains("Changed: 1 layer"), "{}", run.stdout);
}

#[test]
fn other_content_changes_the_layer_it_is_in_and_no_other() {
    let (world, before) = locked();
    world.file("library/c/data/x", noise(77, 61_000));
    let (_, report) = world.json(&PACK);
    let after = sha256(&report);
    assert_eq!(before.iter().filter(|(name, sha)| after.get(*name) == Some(sha)).count(), 2);
    let updated: Vec<&Value> = report["changes"].as_array().expect("changes").iter().map(|c| &c["updated"]).collect();
    assert_eq!(updated.iter().filter(|units| **units == &serde_json::json!(["pkg:c"])).count(), 1);
}

#[test]
fn plan_reads_the_lock_and_does_not_write_it_and_neither_does_a_pack_that_does_not_fit() {
    let (world, _) = locked();
    let lock = fs::read(world.beside("my.lock")).expect("read");
    package(&world, "new", 30);
    let (_, report) = world.json(&["plan", "ROOT", "--lock", "my.lock", "--max-zipped", "100KB"]);
    assert_eq!(states(&report).iter().filter(|state| state.ends_with(" changed")).count(), 1);
    assert_eq!(world.json(&[&PACK[..], &["--max-layers", "1"]].concat()).0, 1);
    assert_eq!(fs::read(world.beside("my.lock")).expect("read"), lock);
}

#[test]
fn a_lock_written_under_a_higher_limit_keeps_no_layer_over_the_lower_one() {
    let (world, _) = locked();
    let wide = ["pack", "ROOT", "-o", "OUT", "--lock", "my.lock"];
    assert_eq!(world.json(&wide).1["layers"].as_array().expect("layers").len(), 1);
    let (code, report) = world.json(&PACK);
    assert_eq!((code, report["fits"].as_bool()), (0, Some(true)), "{:#}", report["findings"]);
    let layers = report["layers"].as_array().expect("layers");
    assert!(
        layers.len() == 3 && layers.iter().all(|layer| layer["zipped_bytes"].as_u64() <= Some(100 << 10)),
        "{layers:#?}"
    );
    assert_eq!(world.json(&["check", "out", "--max-zipped", "100KB"]).0, 0);
    // Where no division is possible, nothing fits, whatever the lock.
    let (code, report) = world.json(&["plan", "ROOT", "--lock", "my.lock", "--max-zipped", "50KB"]);
    assert_eq!((code, report["fits"].as_bool()), (1, Some(false)));
}

#[test]
fn a_lock_that_is_none_is_an_error_that_names_it_and_nothing_is_written() {
    let (world, _) = locked();
    fs::write(world.beside("my.lock"), "no lock").expect("written");
    let run = world.run(&PACK);
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("my.lock") && run.stderr.contains("remove it"), "{}", run.stderr);
    assert_eq!(fs::read(world.beside("my.lock")).expect("read"), b"no lock");
}

#[test]
fn a_unit_that_moves_is_shown_as_moved_and_with_the_reason() {
    let world = World::new();
    for (name, kb) in [("a", 60), ("b", 35), ("c", 30), ("f", 31)] {
        package(&world, name, kb);
    }
    assert_eq!(world.json(&PACK).1["packing"]["layers"].as_u64(), Some(2));
    // With what grew, `a` and `b` are too long for one layer.
    world.file("library/a/data/y", noise(5, 12_000));
    let (_, report) = world.json(&PACK);
    let changes = report["changes"].as_array().expect("changes");
    let moved = |key: &str| -> Vec<&Value> {
        changes.iter().flat_map(|change| change[key].as_array().expect("moved")).collect()
    };
    let (out, into) = (moved("moved_out"), moved("moved_in"));
    assert_eq!((out.len(), into.len()), (1, 1), "{changes:#?}");
    assert_eq!((&out[0]["unit"], &into[0]["unit"], &into[0]["full"]), (&"pkg:b".into(), &"pkg:b".into(), &true.into()));
    assert!(changes.iter().all(|change| change["added"] == serde_json::json!([])), "{changes:#?}");
    // In words, compared with the lock of before.
    fs::remove_file(world.root().join("library/a/data/y")).expect("removed");
    fs::remove_file(world.beside("my.lock")).expect("removed");
    assert_eq!(world.json(&PACK).0, 0);
    world.file("library/a/data/y", noise(5, 12_000));
    let shown = world.run(&PACK).stdout;
    let (from, to) = (into[0]["layer"].as_str().expect("a layer"), out[0]["layer"].as_str().expect("a layer"));
    assert!(shown.contains(&format!("pkg:b→{to}")) && shown.contains(&format!("pkg:b←{from}")), "{shown}");
    assert!(shown.contains("there is no room for them in"), "{shown}");
}

#[test]
fn with_room_in_its_layer_a_package_that_grows_changes_no_other() {
    let changed = |slack: &[&str]| -> usize {
        let world = World::new();
        // Four of these fill a layer; divided evenly, two layers have room for a tenth more.
        for (name, kb) in [("a", 25), ("b", 24), ("c", 23), ("d", 22), ("e", 21)] {
            package(&world, name, kb);
        }
        let pack = [&PACK[..], slack].concat();
        let (_, report) = world.json(&pack);
        assert_eq!(report["packing"]["layers"].as_u64(), Some(2), "no more layers than without room");
        let layers = report["layers"].as_array().expect("layers");
        let fullest = layers.iter().max_by_key(|layer| layer["zipped_bytes"].as_u64()).expect("layers");
        let unit = fullest["units"][0].as_str().and_then(|unit| unit.strip_prefix("pkg:")).expect("a package");
        let length = fs::metadata(world.root().join(format!("library/{unit}/data/x"))).expect("there").len();
        world.file(format!("library/{unit}/data/x"), noise(99, usize::try_from(length).expect("short") + 7000));
        let (_, report) = world.json(&pack);
        assert_eq!(report["packing"]["layers"].as_u64(), Some(2));
        states(&report).iter().filter(|state| !state.ends_with(" unchanged")).count()
    };
    assert_eq!(changed(&["--slack", "10%"]), 1);
    assert_eq!(changed(&[]), 2);
}
