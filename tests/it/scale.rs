//! What nobody asked for takes no time: what is dropped is only compressed to weigh it. Counted are the contents in the cache,
//! which has each that was compressed.

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
    let heads = |table: &str| table.lines().find(|line| line.contains("rule  name")).expect("a table").to_owned();
    assert!(!heads(&table(&[])).contains("zipped "), "{}", table(&[]));
    assert!(heads(&table(&[])).contains("unzipped"));
    assert!(heads(&table(&["--weigh-pruned"])).ends_with("zipped"), "{}", table(&["--weigh-pruned"]));
    let page = table(&["--format", "html"]);
    assert!(page.contains("--weigh-pruned weighs them") && page.contains(r#""measured":false"#));
    let page = table(&["--format", "html", "--weigh-pruned"]);
    assert!(!page.contains("--weigh-pruned weighs them") && !page.contains(r#""measured":false"#));
}
