//! Layers in which the runtime that was named finds nothing do not pass; what a function can use by its path does.

use std::fs;

use serde_json::Value;

use crate::support::{World, assert_no_finding, findings};

fn distribution(world: &World, library: &str) {
    let at = |file: &str| if library.is_empty() { file.to_owned() } else { format!("{library}/{file}") };
    world.file(at("requests/__init__.py"), "x = 1\n").file(at("requests/data.json"), "{}");
    world.file(at("requests-2.0.dist-info/METADATA"), "Name: requests\nVersion: 2.0\n");
    let record =
        "requests/__init__.py,,\nrequests/data.json,,\nrequests-2.0.dist-info/METADATA,,\n../../bin/requests,,\n";
    world.file(at("requests-2.0.dist-info/RECORD"), record);
}

fn npm(world: &World, directory: &str, name: &str, more: &str) {
    world.file(format!("{directory}{name}/package.json"), format!(r#"{{"name": "{name}", "version": "1.0.0"{more}}}"#));
    world.file(format!("{directory}{name}/index.js"), "exports.a = 1\n");
}

fn check(world: &World, runtime: &str, more: &[&str]) -> (i32, Value) {
    world.json(&[&["check", "ROOT", "--runtime", runtime], more].concat())
}

/// Asserts that a tree fails for one reason, as its only error, also as zips, and that nothing but the severity tells that.
fn assert_fails(world: &World, runtime: &str, code: &str, help: &str) {
    let about = |report: &Value| {
        let all = report["findings"].as_array().expect("findings").iter();
        let errors: Vec<Value> = all.filter(|finding| finding["severity"] == "error").cloned().collect();
        assert!(!errors.is_empty(), "{:#}", report["findings"]);
        for error in &errors {
            assert_eq!(error["code"], code, "{error:#}");
            let text = error["message"].as_str().expect("text");
            assert!(text.ends_with(&format!("; {runtime} finds nothing else in the layers")), "{text}");
        }
        errors.iter().map(|error| error["help"].as_str().expect("text").to_owned()).collect::<Vec<_>>()
    };
    let (exit, report) = check(world, runtime, &[]);
    assert_eq!(exit, 1, "{:#}", report["findings"]);
    assert!(about(&report).iter().any(|text| text.contains(help)), "{help}: {:?}", about(&report));
    assert_eq!(world.run(&["pack", "ROOT", "-o", "OUT", "--runtime", runtime]).code, 1);
    let (exit, report) = world.json(&["check", "OUT"]);
    assert_eq!((exit, about(&report).is_empty()), (1, false));
}

#[track_caller]
fn assert_passes(world: &World, runtime: &str, more: &[&str]) {
    let (exit, report) = check(world, runtime, more);
    assert_eq!(exit, 0, "{:#}", report["findings"]);
}

#[test]
fn packages_where_the_runtime_does_not_look_are_an_error_if_there_is_nothing_else() {
    for library in ["", "lib/python3.12/site-packages", "site-packages", "python/site-packages"] {
        let world = World::new();
        distribution(&world, library);
        world.file("README.md", "# x\n").file(".lock", "");
        assert_fails(&world, "python3.12", "S110", "python");
        // Of another runtime, nothing is certain, and neither where none is named.
        for runtime in ["provided.al2023", "host"] {
            assert_passes(&world, runtime, &[]);
        }
    }
    let world = World::new();
    distribution(&world, "Python");
    assert_eq!(check(&world, "python3.12", &[]).0, 1);
    let world = World::new();
    distribution(&world, "python/lib/python3.11/site-packages");
    assert_fails(&world, "python3.12", "R107", "choose --runtime python3.11");
    assert_passes(&world, "python3.11", &[]);

    for (directory, code) in
        [("node_modules/", "S110"), ("lib/node_modules/", "S110"), ("nodejs/node20/node_modules/", "R107")]
    {
        let world = World::new();
        npm(&world, directory, "x", "");
        assert_fails(&world, "nodejs22.x", code, "move it");
        assert_passes(&world, "provided.al2023", &[]);
    }
}

#[test]
fn modules_at_the_root_are_an_error_without_any_metadata() {
    for module in ["utils.py", "_speed.cpython-312-x86_64-linux-gnu.so", "tools/__init__.py"] {
        let world = World::new();
        world.file(module, "x = 1\n");
        if !module.contains(".so") {
            assert_fails(&world, "python3.12", "S110", "python");
        }
        assert_eq!(check(&world, "python3.12", &[]).0, 1, "{module}");
    }
    // A script is run by its path.
    let world = World::new();
    world.file("tool.py", "#!/usr/bin/env python3\n").mode("tool.py", 0o755);
    assert_passes(&world, "python3.12", &[]);
}

#[test]
fn the_content_of_node_modules_at_the_root_is_told_and_an_error_where_it_is_sure() {
    let world = World::new();
    npm(&world, "", "x", "");
    let (exit, report) = check(&world, "nodejs22.x", &[]);
    assert_eq!((exit, findings(&report, "S110").len()), (0, 1), "a function can load it by its path");
    npm(&world, "", "y", r#", "dependencies": {"x": "^1.0.0"}"#);
    assert_fails(&world, "nodejs22.x", "S110", "nodejs/node_modules");
    let world = World::new();
    npm(&world, "@scope/", "x", "");
    world.file("@scope/x/package.json", r#"{"name": "@scope/x", "version": "1.0.0"}"#).file(".package-lock.json", "{}");
    assert_fails(&world, "nodejs22.x", "S110", "nodejs/node_modules");
    // Applications have their own.
    let world = World::new();
    npm(&world, "", "app", "");
    npm(&world, "app/node_modules/", "x", "");
    let report = check(&world, "nodejs22.x", &[]).1;
    assert_no_finding(&report, "S110");
}

#[test]
fn layers_for_another_language_are_an_error_unless_they_bring_it() {
    let world = World::new();
    npm(&world, "nodejs/node_modules/", "x", "");
    assert_fails(&world, "python3.12", "R113", "--runtime nodejs");
    assert_passes(&world, "nodejs22.x", &[]);
    world.program("bin/node", &[], &[]);
    assert_passes(&world, "python3.12", &[]);
    let world = World::new();
    distribution(&world, "python");
    assert_fails(&world, "nodejs22.x", "R113", "--runtime python");
    // For both.
    npm(&world, "nodejs/node_modules/", "x", "");
    assert_passes(&world, "nodejs22.x", &[]);
    assert_passes(&world, "python3.12", &[]);
    let world = World::new();
    world.file("python/utils.py", "x = 1\n");
    assert_fails(&world, "nodejs22.x", "S110", "name the function's runtime");
    let world = World::new();
    world.file("nodejs/utils.js", "exports.a = 1\n");
    assert_fails(&world, "python3.12", "S110", "name the function's runtime");
    assert_passes(&world, "nodejs22.x", &[]);
}

#[test]
fn only_what_packages_are_installed_from_is_an_error() {
    let world = World::new();
    world.file("python/requirements.txt", "requests\n");
    assert_fails(&world, "python3.12", "S110", "pip install --target python");
    assert_passes(&world, "provided.al2023", &[]);
}

#[test]
fn layers_of_data_programs_libraries_and_wrappers_pass() {
    let of = |path: &str, text: &str, mode: u32| {
        let world = World::new();
        world.file(path, text).mode(path, mode);
        assert_passes(&world, "python3.12", &[]);
        // The same beside packages that are not found: these stay a warning.
        distribution(&world, "");
        let (exit, report) = check(&world, "python3.12", &[]);
        assert_eq!((exit, findings(&report, "S110").is_empty()), (0, false), "{path}: {:#}", report["findings"]);
    };
    of("models/m.bin", "x", 0o644);
    of("fonts/a.ttf", "x", 0o644);
    of("config.json", "{}", 0o644);
    of("data/words.txt", "x", 0o644);
    of("bootstrap", "#!/bin/sh\n", 0o755);
    of("bin/tool", "#!/bin/sh\n", 0o755);
    of("wrapper", "#!/bin/sh\nexec \"$@\"\n", 0o755);
    of("extensions/agent", "#!/bin/sh\n", 0o755);
    of("java/lib/a.jar", "x", 0o644);
    let world = World::new();
    world.file("README.md", "# x\n");
    assert_passes(&world, "python3.12", &[]);
    let world = World::new();
    world.library("lib/libx.so.1", &[], &[]);
    assert_passes(&world, "python3.12", &[]);
}

#[test]
fn a_program_of_a_distribution_is_found_by_its_name_and_a_script_in_python_is_not() {
    let world = World::new();
    distribution(&world, "");
    world.file("bin/requests", "#!/var/lang/bin/python3.12\nimport requests\n").mode("bin/requests", 0o755);
    assert_eq!(check(&world, "python3.12", &[]).0, 1, "it fails too");
    world.file("bin/requests", "#!/bin/sh\n").mode("bin/requests", 0o755);
    assert_passes(&world, "python3.12", &[]);
}

#[test]
fn a_virtual_environment_is_no_layer() {
    let world = World::new();
    distribution(&world, ".venv/lib/python3.12/site-packages");
    world.file(".venv/pyvenv.cfg", "home = /usr/bin\n").file(".venv/bin/activate", "x\n");
    world.link(".venv/bin/python3.12", "/usr/bin/python3.12");
    assert_eq!(check(&world, "python3.12", &[]).0, 1);
}

#[test]
fn directories_that_variables_of_the_function_name_are_searched() {
    let world = World::new();
    distribution(&world, "");
    let (exit, report) = check(&world, "python3.12", &["--env", "PYTHONPATH=/opt"]);
    assert_eq!(
        (exit, findings(&report, "S110").len(), findings(&report, "R107").len()),
        (0, 0, 0),
        "{:#}",
        report["findings"]
    );
    fs::write(world.beside("env.toml"), "[env]\nPYTHONPATH = \"/var/task/lib:/opt\"\n").expect("written");
    assert_passes(&world, "python3.12", &["--config", "env.toml"]);
    assert_eq!(check(&world, "python3.12", &["--env", "PYTHONPATH=/opt/other"]).0, 1);
    // Another variable that names the place: the function may read it.
    assert_passes(&world, "python3.12", &["--env", "VENDORED=/opt/requests"]);
    let world = World::new();
    npm(&world, "node_modules/", "x", "");
    assert_passes(&world, "nodejs22.x", &["--env", "NODE_PATH=/opt/node_modules"]);
    assert_eq!(check(&world, "nodejs22.x", &["--env", "NODE_PATH=/opt/other"]).0, 1);
}

#[test]
fn what_the_functions_own_code_names_is_not_certain() {
    let world = World::new();
    distribution(&world, "");
    let handler = |text: &str| {
        fs::write(world.beside("app.py"), text).expect("written");
        check(&world, "python3.12", &["--handler", "app.py"]).0
    };
    assert_eq!(handler("import sys\nsys.path.append('/opt')\nimport requests\n"), 0);
    assert_eq!(handler("import sys\nsys.path.append('/opt/requests')\nimport requests\n"), 0);
    assert_eq!(handler("import requests\nopen('/opt/models/a')\n"), 1);
}

#[test]
fn a_directory_below_one_that_is_searched_can_be_imported_by_its_path() {
    let world = World::new();
    distribution(&world, "python/vendor");
    assert_passes(&world, "python3.12", &[]);
    let world = World::new();
    distribution(&world, "python/site-packages");
    world.file("python/own.py", "x = 1\n");
    assert_passes(&world, "python3.12", &[]);
}

#[test]
fn the_severity_can_be_set_back() {
    let world = World::new();
    distribution(&world, "");
    assert_passes(&world, "python3.12", &["--ignore", "S110"]);
}
