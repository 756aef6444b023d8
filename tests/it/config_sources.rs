//! `layerfit config`: what holds, and who said so.

use std::fs;

use crate::support::World;
use serde_json::{Value, json};

const FILE: &str = "runtime = \"provided.al2\"\nselect = [\"datasets\"]\n\n# Limits\nmax-layers = 3\nfunction-size = \"3MB\"\n\n\
                    [[layer]]\nname = \"runtime\"\nholds = [\"r\"]\n\n[[layer]]\nname = \"rest\"\nholds = [\"*\"]\n";

fn world() -> World {
    let world = World::new();
    fs::write(world.beside("layerfit.toml"), FILE).expect("written");
    world
}

/// What is said of a setting: each value with the line or option that it comes from, or "default".
fn said(settings: &Value, name: &str) -> Vec<(Value, Value)> {
    let of_name = settings["settings"].as_array().expect("settings").iter().filter(|s| s["setting"] == name);
    let from = |setting: &Value| match setting["from"].as_str() {
        Some("file") => setting["line"].clone(),
        Some("command line") => setting["option"].clone(),
        _ => setting["from"].clone(),
    };
    of_name.map(|setting| (setting["value"].clone(), from(setting))).collect()
}

#[test]
fn the_command_line_comes_before_the_file_and_that_before_the_default() {
    let world = world();
    let arguments = ["config", "--runtime", "provided.al2023", "--select", "help-figures,r-news", "--no-cache"];
    let (code, settings) = world.json(&[&arguments[..], &["--bundle=false", "--max-zipped", "1MB"]].concat());
    assert_eq!(code, 0);
    assert_eq!(settings["file"], json!(world.beside("layerfit.toml")));
    for (name, expected) in [
        ("runtime", vec![(json!("provided.al2023"), json!("--runtime"))]),
        ("select", vec![(json!(["datasets"]), json!(2)), (json!(["help-figures", "r-news"]), json!("--select"))]),
        ("max-layers", vec![(json!(3), json!(5))]),
        ("function-size", vec![(json!("3MB"), json!(6))]),
        ("max-zipped", vec![(json!("1MB"), json!("--max-zipped"))]),
        ("max-unzipped", vec![(json!(262_144_000), json!("default"))]),
        ("bundle", vec![(json!(false), json!("--bundle"))]),
        ("repack-rdb", vec![(json!(false), json!("default"))]),
        ("strip", vec![(json!("debug"), json!("default"))]),
        ("no-cache", vec![(json!(true), json!("--no-cache"))]),
        ("lock", vec![(json!(null), json!("default"))]),
        (
            "layer",
            vec![
                (json!({"name": "runtime", "holds": ["r"]}), json!(8)),
                (json!({"name": "rest", "holds": ["*"]}), json!(12)),
            ],
        ),
    ] {
        assert_eq!(said(&settings, name), expected, "{name}");
    }
}

#[test]
fn every_option_that_is_a_setting_is_there() {
    let world = World::new();
    let help = world.run(&["plan", "--help"]).stdout;
    let options = help
        .lines()
        .filter(|line| line.trim().starts_with('-'))
        .filter_map(|line| line.trim().split(' ').find_map(|word| word.strip_prefix("--")));
    let (_, settings) = world.json(&["config"]);
    assert_eq!(settings["file"], Value::Null);
    let mut seen = 0;
    for option in options {
        let option = option.split(['[', '=']).next().unwrap_or(option);
        let key = match option {
            // How to print, and not what.
            "tree" | "apply" | "sort" | "top" | "config" | "format" | "verbose" | "quiet" | "jobs" | "color"
            | "help" => continue,
            same => same,
        };
        if help.contains(&format!("--{option}")) && !said(&settings, key).is_empty() {
            seen += 1;
        } else {
            panic!("--{option} is no setting that is shown");
        }
    }
    assert!(seen > 15, "{seen}");
}

#[test]
fn the_table_names_the_file_and_the_line_in_80_columns() {
    let world = world();
    let run = world.run(&["config", "--strategy", "kinds"]);
    let shown = run.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(shown.contains("layerfit.toml"), "{}", run.stdout);
    for row in [
        "max-layers 3 line 5",
        "max-zipped 50.00 M",
        "function-size 3MB line 6",
        "strategy kinds --strategy",
        "level default default",
        "lock - default",
    ] {
        assert!(shown.contains(row), "{row}: {}", run.stdout);
    }
    assert!(run.stdout.lines().all(|line| line.chars().count() <= 80), "{}", run.stdout);
}

#[test]
fn what_no_run_would_take_is_the_error_it_would_end_in() {
    let world = world();
    for arguments in
        [&["config", "--select", "nonsense"][..], &["config", "--runtime", "nonsense"], &["config", "--sysroot", "/"]]
    {
        let run = world.run(arguments);
        assert!(run.code == 2 && run.stderr.contains("help:"), "{arguments:?}: {}", run.stderr);
    }
    fs::write(world.beside("layerfit.toml"), "runtme = \"host\"\n").expect("written");
    let run = world.run(&["config"]);
    assert!(
        run.code == 2 && run.stderr.contains("layerfit.toml:1:1:") && run.stderr.contains("`runtime`"),
        "{}",
        run.stderr
    );
}

#[test]
fn the_schema_is_printed_for_editors_and_knows_what_init_writes() {
    let world = World::new();
    let schema: Value = serde_json::from_str(&world.run(&["config", "--schema"]).stdout).expect("JSON");
    world.r();
    assert_eq!(world.run(&["init", "ROOT"]).code, 0);
    let written: toml::Table = fs::read_to_string(world.beside("layerfit.toml")).expect("read").parse().expect("TOML");
    assert!(written.len() > 1);
    for key in written.keys() {
        assert!(schema["properties"][key].is_object(), "{key}");
    }
    assert_eq!(schema["additionalProperties"], false);
}
