//! The JSON Schemas in docs/ are what the types say.

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
