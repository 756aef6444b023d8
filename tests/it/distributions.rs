//! Distributions of Python and packages of npm are packages: units with all their files, with what they require.

use crate::support::{World, assert_finding, assert_no_finding, findings};
use serde_json::Value;

/// A distribution with these files and lines of METADATA.
fn distribution(world: &World, name: &str, files: &[&str], metadata: &str) {
    let info = format!("{name}-1.0.dist-info");
    for file in files {
        world.file(format!("python/{file}"), file);
    }
    let record: String = files.iter().map(|file| format!("{file},sha256=x,1\n")).collect();
    world.file(
        format!("python/{info}/METADATA"),
        format!("Name: {name}\nVersion: 1.0\n{metadata}\nRequires-Dist: text\n"),
    );
    world.file(format!("python/{info}/RECORD"), format!("{record}{info}/METADATA,,\n{info}/RECORD,,\n"));
}

fn package(world: &World, path: &str, dependencies: &str) {
    world.file(
        format!("nodejs/node_modules/{path}/package.json"),
        format!("{{\"name\": \"x\", \"version\": \"1.0\", \"dependencies\": {dependencies}}}"),
    );
    world.file(format!("nodejs/node_modules/{path}/index.js"), "//");
}

/// The files and names of the units.
fn units(world: &World) -> Vec<(String, u64)> {
    let (_, report) = world.json(&["plan", "ROOT"]);
    let units = report["units"].as_array().expect("units").iter();
    units
        .map(|unit| (unit["name"].as_str().expect("text").to_owned(), unit["files"].as_u64().expect("files")))
        .collect()
}

#[test]
fn a_distribution_has_the_files_of_its_record_wherever_they_are() {
    let world = World::new();
    distribution(&world, "Big_One", &["big/__init__.py", "big/a/b.py", "big.libs/libx", "big_helper.py"], "");
    distribution(&world, "other", &["shared/other.py", "other/__init__.py"], "");
    distribution(&world, "third", &["shared/third.py"], "");
    world
        .file("python/own.py", "")
        .file("python/big/added.py", "")
        .file("python/big/_vendor/v-1.dist-info/METADATA", "");
    let expected = [("dir:python", 1), ("pkg:big-one", 8), ("pkg:other", 4), ("pkg:third", 3)];
    assert_eq!(units(&world), expected.map(|(name, files)| (name.to_owned(), files)));
    let (_, report) = world.json(&["plan", "ROOT", "--drop", "pkg:big-one"]);
    assert_eq!(report["totals"]["kept"]["files"], 8, "{:#}", report["totals"]);
}

#[test]
fn what_a_distribution_requires_for_certain_is_missed() {
    let world = World::new();
    let metadata = "Requires-Dist: B\nRequires-Dist: gone>=2\nRequires-Dist: boto3\nRequires-Dist: old; python_version < '3'\n\
                    Requires-Dist: win; sys_platform == 'win32'\nRequires-Dist: more; extra == 'all'\n";
    distribution(&world, "a", &["a.py"], metadata);
    distribution(&world, "b", &["b.py"], "");
    let (code, report) = world.json(&["analyze", "ROOT"]);
    assert_eq!(code, 0);
    assert_eq!(findings(&report, "R102").len(), 1, "{:#}", report["findings"]);
    assert_finding(&report, "R102", "pkg:a", "declares that it needs the package gone");
    let (_, report) = world.json(&["plan", "ROOT", "--drop", "pkg:b"]);
    let dropped = "declares that it needs the package b, which is not in the tree; it was dropped by --drop";
    assert!(findings(&report, "R102").iter().any(|(_, message)| message == dropped), "{:#}", report["findings"]);
}

#[test]
fn packages_of_npm_get_what_require_finds_for_them() {
    let world = World::new();
    package(&world, "a", "{\"b\": \"1\", \"@s/c\": \"1\", \"@types/d\": \"1\"}");
    package(&world, "b", "{}");
    package(&world, "@s/c", "{\"b\": \"2\", \"gone\": \"1\"}");
    package(&world, "@s/c/node_modules/b", "{}");
    package(&world, "a/test/node_modules/fixture", "{\"nowhere\": \"1\"}");
    let (code, report) = world.json(&["analyze", "ROOT"]);
    assert_eq!(code, 0);
    assert_no_finding(&report, "R104");
    assert_eq!(findings(&report, "R102").len(), 1, "{:#}", report["findings"]);
    assert_finding(&report, "R102", "pkg:@s/c", "declares that it needs the package gone");
    assert_eq!(units(&world).len(), 4);
    let why = world.run(&["why", "pkg:b@nodejs/node_modules/@s/c/node_modules", "ROOT"]).stdout;
    assert!(why.contains("@s/c") && !why.contains("pkg:a "), "{why}");
    // A name with a scope is dropped as well, with the copy that is in it.
    let (_, report) = world.json(&["plan", "ROOT", "--drop", "pkg:@s/c"]);
    let kept = |report: &Value| report["totals"]["kept"]["files"].as_u64().expect("files");
    let (_, before) = world.json(&["plan", "ROOT"]);
    let (_, by_path) = world.json(&["plan", "ROOT", "--drop", "nodejs/node_modules/@s/c"]);
    assert!(kept(&report) < kept(&before) && kept(&report) == kept(&by_path), "{:#}", report["pruned"]);
    let (_, copy) = world.json(&["plan", "ROOT", "--drop", "pkg:@s/c@nodejs/node_modules"]);
    assert_eq!(kept(&copy), kept(&report));
}
