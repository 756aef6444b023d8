//! The JSON Schemas in docs/ are what the types say.

use crate::support::World;

fn is_current(name: &str, generated: layerfit::base::error::Result<Vec<u8>>) {
    let path = format!("{}/docs/{name}", env!("CARGO_MANIFEST_DIR"));
    let generated = String::from_utf8(generated.expect("a schema")).expect("UTF-8");
    if std::env::var_os("LAYERFIT_BLESS").is_some() {
        std::fs::write(&path, &generated).expect("written");
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == generated, "{name} is out of date: LAYERFIT_BLESS=1 cargo test --test it schemas");
}

#[test]
fn the_json_schema_of_the_report_is_generated_from_the_types() {
    is_current("report.schema.json", layerfit::report::schema());
}

#[test]
fn the_json_schema_of_the_configuration_is_generated_from_the_types() {
    is_current("layerfit.schema.json", layerfit::cli::config_schema());
}

#[test]
fn the_reference_of_the_configuration_is_generated_from_the_types() {
    is_current("guide/layerfit.toml.md", layerfit::cli::config_reference().map(String::into_bytes));
}

#[test]
fn every_example_of_the_reference_is_a_file_that_is_read() {
    let schema: serde_json::Value =
        serde_json::from_slice(&layerfit::cli::config_schema().expect("a schema")).expect("JSON");
    let world = World::new();
    // The files that are named have to be what they are named for.
    let rule = "[[rule]]\ncode = \"X1\"\nname = \"libs\"\nwhat = \"w\"\nwhy_safe = \"w\"\nbreaks = \"b\"\nlevel = \"safe\"\n\
                match = [\"lib/**\"]\ndrops = [\"lib/a\"]\nkeeps = [\"bin/a\"]\n";
    std::fs::write(world.beside("our-rules.toml"), rule).expect("written");
    std::fs::write(world.beside("opened.log"), "12 openat(AT_FDCWD, \"/opt/x\", O_RDONLY) = 3\n").expect("written");
    let mut whole = serde_json::Map::new();
    for (key, node) in schema["properties"].as_object().expect("keys") {
        let example = node["examples"].get(0).unwrap_or_else(|| panic!("{key} has no example"));
        whole.insert(key.clone(), example.clone());
    }
    let files = whole.iter().map(|(key, value)| serde_json::Map::from_iter([(key.clone(), value.clone())]));
    for file in files.chain([whole.clone()]) {
        let text = toml::to_string(&file).expect("TOML");
        std::fs::write(world.beside("layerfit.toml"), &text).expect("written");
        let run = world.run(&["config"]);
        assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{text}");
    }
}

#[test]
fn the_json_schema_of_why_is_generated_from_the_types() {
    is_current("why.schema.json", layerfit::report::why::schema());
}

#[test]
fn the_json_schema_of_diff_is_generated_from_the_types() {
    is_current("diff.schema.json", layerfit::report::diff::schema());
}

#[test]
fn the_json_schema_of_published_layers_is_generated_from_the_types() {
    is_current("layers.schema.json", layerfit::publish::schema());
}
