//! SARIF, JUnit XML and GitHub's workflow commands are what those who read them expect, whatever names a tree has.

use std::collections::BTreeSet;
use std::fs;

use crate::support::{Run, World};
use serde_json::Value;

/// A tree with an error, a warning and a remark, and names that mean something to XML, URIs and GitHub.
fn world() -> World {
    let world = World::new();
    world.library("lib/libgone.so", &[], &[]).program("bin/<a> & \"b\",::x%", &["lib/libgone.so"], &[]);
    fs::remove_file(world.root().join("lib/libgone.so")).expect("removed");
    world.link("bin/nowhere", "gone").file("share/x", "x");
    world
}

fn array(value: &Value) -> &[Value] {
    value.as_array().expect("an array")
}

#[test]
fn sarif_reads_back_with_a_rule_a_place_and_a_fingerprint_for_each_result() {
    let world = world();
    let run = world.run(&["analyze", "ROOT", "--format", "sarif"]);
    assert_eq!(run.code, 1);
    let sarif: Value = serde_json::from_str(&run.stdout).expect("JSON");
    // What SARIF 2.1.0 requires (3.13.2, 3.13.4, 3.14.6, 3.18.2, 3.19.2, 3.49.3) and what its readers look results up by.
    // `scripts/outputs_work.py` validates by the standard's own schema.
    assert_eq!(sarif["version"], "2.1.0");
    let [run] = array(&sarif["runs"]) else { panic!("one run") };
    assert_eq!(run["tool"]["driver"]["name"], "layerfit");
    let rules = array(&run["tool"]["driver"]["rules"]);
    let ids: BTreeSet<&str> = rules.iter().map(|rule| rule["id"].as_str().expect("an id")).collect();
    assert_eq!(
        (rules.len(), ids.len()),
        (layerfit::base::finding::Code::ALL.len(), rules.len()),
        "an id is of one rule"
    );
    let results = array(&run["results"]);
    for result in results {
        let index = usize::try_from(result["ruleIndex"].as_u64().expect("an index")).expect("small");
        assert_eq!(rules[index]["id"], result["ruleId"]);
        assert!(["error", "warning", "note"].contains(&result["level"].as_str().expect("a level")), "{result}");
        assert!(result["message"]["text"].as_str().is_some_and(|text| !text.is_empty()), "{result}");
        let fingerprints = result["partialFingerprints"].as_object().expect("fingerprints");
        assert!(!fingerprints.is_empty() && fingerprints.values().all(Value::is_string), "{result}");
    }
    let missing = results.iter().find(|result| result["ruleId"] == "L201").expect("the missing library");
    assert_eq!(missing["level"], "error");
    let uri = &missing["locations"][0]["physicalLocation"]["artifactLocation"]["uri"];
    assert_eq!(uri, "bin/%3Ca%3E%20%26%20%22b%22,%3A%3Ax%25");
}

/// What is not a file is shown where it is set: in the file that was named.
#[test]
fn a_finding_about_a_setting_is_at_the_configuration_file() {
    let world = world();
    let text = "[[budget]]\nof = \"pkg:nothing\"\nzipped = \"1MB\"\n";
    for (file, options) in
        [("layerfit.toml", &[][..]), ("b.toml", &["--config", "b.toml"]), ("layerfit.toml", &["--config", "/dev/null"])]
    {
        fs::write(world.beside(file), text).expect("written");
        let run = world.run(&[&["check", "ROOT", "--format", "sarif", "--max-layers", "1"], options].concat());
        let sarif: Value = serde_json::from_str(&run.stdout).expect("JSON");
        let results = array(&sarif["runs"][0]["results"]);
        let uri = |result: &Value| result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"].clone();
        // B103 is about a budget, and P102 about all rules that match nothing.
        let found: Vec<Value> =
            results.iter().filter(|of| of["ruleId"] == "B103" || of["ruleId"] == "P102").map(uri).collect();
        assert!(!found.is_empty() && found.iter().all(|uri| uri == file), "{file}: {found:?}");
        let mut command = world.command(&[&["check", "ROOT", "-q"], options].concat());
        command.env("GITHUB_ACTIONS", "true");
        let annotations = Run::of(command).stderr;
        assert_eq!(
            annotations.contains(&format!("::error file={file},title=B103")),
            options != ["--config", "/dev/null"]
        );
    }
}

#[test]
fn junit_has_a_case_for_each_check_that_speaks_and_fails_for_errors_alone() {
    let run = world().run(&["analyze", "ROOT", "--format", "junit"]);
    assert_eq!(run.code, 1);
    let read = quick_junit::Report::deserialize_from_str(&run.stdout).expect("JUnit XML");
    let [suite] = read.test_suites.as_slice() else { panic!("one suite") };
    let failed = |case: &&quick_junit::TestCase| !matches!(case.status, quick_junit::TestCaseStatus::Success { .. });
    let names = |cases: Vec<&quick_junit::TestCase>| -> Vec<String> {
        cases.iter().map(|case| case.name.as_str().to_owned()).collect()
    };
    assert_eq!(names(suite.test_cases.iter().filter(failed).collect()), ["L201 missing-library"]);
    assert!(names(suite.test_cases.iter().collect()).contains(&"S102 dangling-link".to_owned()));
    assert!(run.stdout.contains("&lt;a> &amp;") || run.stdout.contains("&lt;a&gt; &amp;"), "{}", run.stdout);
    // What has nothing to say has one case, which passes.
    let world = World::new();
    world.file("share/x", "x");
    let run = world.run(&["analyze", "ROOT", "--format", "junit"]);
    let read = quick_junit::Report::deserialize_from_str(&run.stdout).expect("JUnit XML");
    assert_eq!((run.code, read.failures), (0, 0));
}

#[test]
fn on_github_findings_are_annotations_and_the_report_is_the_steps_summary() {
    let world = world();
    let summary = world.beside("summary.md");
    fs::write(&summary, "# before\n").expect("written");
    let mut command = world.command(&["analyze", "ROOT"]);
    command.env("GITHUB_ACTIONS", "true").env("GITHUB_STEP_SUMMARY", &summary);
    let run = Run::of(command);
    let commands: Vec<&str> = run.stderr.lines().filter(|line| line.starts_with("::")).collect();
    assert_eq!(commands.len(), 2, "{}", run.stderr);
    assert!(commands[0].starts_with("::error file=opt/bin/<a> & \"b\"%2C%3A%3Ax%25,title=L201 "), "{}", commands[0]);
    assert!(commands[1].starts_with("::warning file=opt/bin/nowhere,title=S102 "), "{}", commands[1]);
    let text = fs::read_to_string(&summary).expect("read");
    assert!(text.starts_with("# before\n# ") && text.contains("L201"), "{text}");
    // Elsewhere nothing of the kind is said.
    assert!(!world.run(&["analyze", "ROOT"]).stderr.contains("::"));
}

#[test]
fn on_github_there_are_ten_annotations_of_a_kind_the_errors_first_and_no_more() {
    let world = World::new();
    for number in 10..22 {
        world.link(&format!("links/{number}"), "gone").file(format!("lib/lib{number}.so"), b"\x7fELF");
    }
    let mut command = world.command(&["analyze", "ROOT"]);
    command.env("GITHUB_ACTIONS", "true").env_remove("GITHUB_STEP_SUMMARY");
    let run = crate::support::Run::of(command);
    let of = |kind: &str| -> Vec<String> {
        let lines = run.stderr.lines().filter(|line| line.starts_with(&format!("::{kind} file=opt/")));
        lines.map(|line| line.split([',', '=']).nth(1).expect("a file").to_owned()).collect()
    };
    let named = |start: &str, end: &str| (10..20).map(|n| format!("opt/{start}{n}{end}")).collect::<Vec<_>>();
    assert_eq!(of("error"), named("lib/lib", ".so"), "{}", run.stderr);
    assert_eq!(of("warning"), named("links/", ""), "{}", run.stderr);
    assert!(run.stderr.find("::error") < run.stderr.find("::warning"), "{}", run.stderr);
}
