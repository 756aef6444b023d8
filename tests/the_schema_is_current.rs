//! docs/report.schema.json is what the types say.

#[test]
fn the_json_schema_in_the_docs_is_generated_from_the_types() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/report.schema.json");
    let generated = String::from_utf8(layerfit::report::schema().expect("a schema")).expect("UTF-8");
    if std::env::var_os("LAYERFIT_BLESS").is_some() {
        std::fs::write(path, &generated).expect("written");
    }
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    assert!(committed == generated, "out of date: LAYERFIT_BLESS=1 cargo test --test the_schema_is_current");
}
