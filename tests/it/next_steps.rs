//! The report ends with what could be done next; each step, done, saves exactly the bytes and layers that it names.

use crate::support::{RDS, World, noise};
use serde_json::Value;

fn zipped(report: &Value) -> (i64, i64, i64) {
    let kept = &report["totals"]["kept"];
    let layers = report["layers"].as_array().expect("layers").len();
    // The end of each zip is no file's.
    let zipped = kept["zipped_bytes"].as_i64().expect("a number") - 22 * i64::try_from(layers).expect("few");
    (zipped, kept["unzipped_bytes"].as_i64().expect("a number"), i64::try_from(layers).expect("few"))
}

/// A tree with something for every kind of step.
fn world() -> World {
    let world = World::new();
    world.r().library("lib/libidle.so.1", &[], &["-g"]).program("bin/curl", &[], &["-g"]);
    world.file("lib/libidle.so.1.data", noise(1, 60_000)).file("share/same", noise(2, 50_000));
    world.file("share/deep/same", noise(2, 50_000)).file("share/near", noise(3, 50_000));
    world.package("local/library", "data", "1.0", "").file("local/library/data/data/Rdata.rdb", noise(4, 30_000));
    world.file("local/library/data/data/Rdata.rdx", RDS).file("local/library/data/data/Rdata.rds", RDS);
    world
}

#[test]
fn each_step_that_is_an_option_saves_what_it_says() {
    let world = world();
    let plan = ["plan", "ROOT", "--max-zipped", "120KB"];
    let (_, report) = world.json(&plan);
    let before = zipped(&report);
    let steps = report["suggestions"].as_array().expect("suggestions");
    let options: Vec<&Value> = steps.iter().filter(|s| s["step"].as_str().expect("text").starts_with("--")).collect();
    assert!(options.len() >= 4, "{steps:#?}");
    for step in options {
        let text = step["step"].as_str().expect("text");
        let arguments: Vec<&str> = text.split(' ').collect();
        let after = zipped(&world.json(&[&plan[..], &arguments].concat()).1);
        let saved = (before.0 - after.0, before.1 - after.1, before.2 - after.2);
        let said = |key: &str| step[key].as_i64().expect("a number");
        assert_eq!(saved, (said("zipped_bytes"), said("unzipped_bytes"), said("layers")), "{text}");
    }
}

/// What an image has itself is a step, unless something else in the tree requires it.
#[test]
fn packages_that_the_image_has_can_be_dropped() {
    let world = World::new();
    let distribution = |name: &str, metadata: &str, seed: u64| {
        world.file(format!("python/{name}/__init__.py"), noise(seed, 20_000));
        let info = format!("python/{name}-2.0.dist-info");
        world.file(format!("{info}/METADATA"), format!("Name: {name}\nVersion: 2.0\n{metadata}\n"));
        world.file(format!("{info}/RECORD"), format!("{name}/__init__.py,,\n"));
    };
    distribution("boto3", "Requires-Dist: botocore\nRequires-Dist: jmespath", 1);
    distribution("botocore", "Requires-Dist: jmespath\nRequires-Dist: urllib3", 2);
    distribution("jmespath", "", 3);
    distribution("urllib3", "", 4);
    distribution("requests", "Requires-Dist: urllib3", 5);
    for name in ["client-s3", "client-sqs", "core", "types"] {
        let manifest = "{\"version\": \"3.1.0\"}";
        world.file(format!("nodejs/node_modules/@aws-sdk/{name}/package.json"), manifest);
        world.file(format!("nodejs/node_modules/@aws-sdk/{name}/index.js"), noise(6, 9_000));
    }
    for (runtime, step, what) in [
        ("python3.12", "--drop pkg:boto3,pkg:botocore,pkg:jmespath", "pkg:boto3 1.42.97 (here 2.0)"),
        ("nodejs22.x", "--drop nodejs/node_modules/@aws-sdk", "pkg:@aws-sdk/client-s3 (here 3.1.0)"),
    ] {
        let plan = ["plan", "ROOT", "--runtime", runtime];
        let (_, report) = world.json(&plan);
        let steps = report["suggestions"].as_array().expect("suggestions");
        let found = steps.iter().find(|one| one["step"] == step).unwrap_or_else(|| panic!("{steps:#?}"));
        assert!(found["what"].as_str().expect("text").contains(what), "{found:#}");
        let (code, then) = world.json(&[&plan[..], &step.split(' ').collect::<Vec<_>>()].concat());
        assert_eq!(code, 0, "{:#}", then["findings"]);
        assert_eq!(found["zipped_bytes"].as_i64(), Some(zipped(&report).0 - zipped(&then).0), "{step}");
    }
    let (_, report) = world.json(&["plan", "ROOT"]);
    assert!(!report["suggestions"].to_string().contains("boto3"), "this image has none");
}

#[test]
fn the_same_content_twice_is_told_with_what_links_would_save() {
    let world = world();
    let (_, report) = world.json(&["plan", "ROOT"]);
    let before = zipped(&report);
    let step = report["suggestions"]
        .as_array()
        .expect("suggestions")
        .iter()
        .find(|s| s["step"] == "replace duplicate files with symbolic links");
    let step = step.expect("the two that are the same");
    assert!(step["what"].as_str().expect("text").contains("share/same equals share/deep/same"), "{step:#}");
    std::fs::remove_file(world.root().join("share/same")).expect("removed");
    world.link("share/same", "deep/same");
    let after = zipped(&world.json(&["plan", "ROOT"]).1);
    assert_eq!(step["zipped_bytes"].as_i64(), Some(before.0 - after.0));
    assert_eq!(step["unzipped_bytes"].as_i64(), Some(before.1 - after.1));
}

#[test]
fn what_a_run_opened_nothing_of_is_offered_for_dropping() {
    let world = world();
    std::fs::write(world.beside("run.log"), "1 open(\"/opt/R/lib/R/library/base/R/base.rdb\", O_RDONLY) = 3\n")
        .expect("written");
    let (_, report) = world.json(&["plan", "ROOT", "--trace", "run.log"]);
    let steps =
        report["suggestions"].as_array().expect("suggestions").iter().map(|s| s["step"].as_str().expect("text"));
    let drop = steps.into_iter().find(|step| step.starts_with("--drop ")).expect("offered").to_owned();
    assert!(drop.contains("pkg:data") && !drop.contains("pkg:base"), "{drop}");
}

#[test]
fn the_step_that_saves_a_layer_comes_first_and_then_the_one_that_saves_most() {
    let world = world();
    let (_, report) = world.json(&["plan", "ROOT", "--max-zipped", "120KB"]);
    let steps = report["suggestions"].as_array().expect("suggestions");
    let saved =
        |step: &Value| (step["layers"].as_i64().expect("layers"), step["zipped_bytes"].as_i64().expect("bytes"));
    let saved: Vec<(i64, i64)> = steps.iter().map(saved).collect();
    assert!(saved.first() != saved.last(), "{saved:?}");
    assert!(saved.is_sorted_by(|a, b| a >= b), "{saved:?}");
}

#[test]
fn only_rules_that_are_off_until_somebody_turns_them_on_are_offered() {
    let world = world();
    let steps = |more: &[&str]| -> Vec<String> {
        let (_, report) = world.json(&[&["plan", "ROOT"], more].concat());
        let steps = report["suggestions"].as_array().expect("suggestions").iter();
        steps.map(|step| step["step"].as_str().expect("text").to_owned()).collect()
    };
    let select = "--select package-data".to_owned();
    assert!(steps(&[]).contains(&select));
    // One that was turned off was turned off for a reason, and one that is on saves nothing more.
    let off = steps(&["--ignore", "D101"]);
    assert!(off.contains(&select) && !off.iter().any(|step| step == "--select help"), "{off:?}");
    assert!(!steps(&["--select", "package-data"]).contains(&select));
    let strip = "--strip all".to_owned();
    assert!(steps(&[]).contains(&strip) && steps(&["--strip", "none"]).contains(&strip));
    assert!(!steps(&["--strip", "all"]).contains(&strip));
    // Nor is one for what is to be kept.
    assert!(!steps(&["--keep", "pkg:data"]).contains(&select));
}

/// What a run did not open and is needed all the same: packages that an opened one imports, also through another.
#[test]
fn a_step_that_the_checks_would_call_an_error_is_not_offered() {
    let world = world();
    world.package("local/library", "used", "1.0", "Imports: middle\n");
    world.package("local/library", "middle", "1.0", "Imports: last\n").package("local/library", "last", "1.0", "");
    world.package("local/library", "idle", "1.0", "Imports: below\n").package("local/library", "below", "1.0", "");
    let log = "1 open(\"/opt/R/lib/R/library/base/R/base.rdb\", O_RDONLY) = 3\n\
               1 open(\"/opt/local/library/used/R/used.rdb\", O_RDONLY) = 3\n";
    std::fs::write(world.beside("run.log"), log).expect("written");
    let arguments = ["plan", "ROOT", "--trace", "run.log"];
    let (_, report) = world.json(&arguments);
    let steps =
        report["suggestions"].as_array().expect("suggestions").iter().map(|s| s["step"].as_str().expect("text"));
    let step = steps.into_iter().find(|step| step.starts_with("--drop ")).expect("offered").to_owned();
    let named: Vec<&str> = step["--drop ".len()..].split(',').collect();
    assert!(["pkg:idle", "pkg:below", "pkg:data"].iter().all(|name| named.contains(name)), "{step}");
    assert!(!["pkg:used", "pkg:middle", "pkg:last"].iter().any(|name| named.contains(name)), "{step}");
    let errors = |report: &Value| -> Vec<String> {
        let findings = report["findings"].as_array().expect("findings").iter();
        findings.filter(|finding| finding["severity"] == "error").map(|finding| format!("{finding:#}")).collect()
    };
    let drop: Vec<&str> = step.split(' ').collect();
    assert_eq!(errors(&world.json(&[&arguments[..], &drop].concat()).1), errors(&report));
}
