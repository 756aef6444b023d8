//! What layerfit reads of installed R packages, as JSON by directory: what their namespaces import, by Meta/nsInfo.rds and by
//! NAMESPACE, and what their code calls. `scripts/calls_truth.py` compares it with R itself.
//!
//! `cargo run --release --example r_calls -- LIBRARY...`

use std::collections::BTreeMap;
use std::fs;

use layerfit::languages::r::{calls, namespace};
use serde_json::{Value, json};

fn main() {
    let mut packages: BTreeMap<String, Value> = BTreeMap::new();
    for library in std::env::args().skip(1) {
        for entry in fs::read_dir(&library).expect("a library").map(|entry| entry.expect("readable").path()) {
            let name = entry.file_name().expect("a name").to_string_lossy().into_owned();
            let read = |below: String| fs::read(entry.join(below)).ok();
            let imports = read("Meta/nsInfo.rds".to_owned()).map(|info| namespace::of_info(&info));
            let parsed = read("NAMESPACE".to_owned()).map(|text| namespace::of_text(&text));
            let code = read(format!("R/{name}.rdx")).zip(read(format!("R/{name}.rdb")));
            let calls = code.map(|(index, database)| calls::of_database(&index, &database));
            let package = json!({
                "imports": imports.map(|read| read.map_or_else(|why| json!(why), |read| json!(read.imports))),
                "parsed": parsed.map(|read| read.map_or_else(|why| json!(why), |read| json!(read.imports))),
                "calls": calls.map(|read| read.map_or_else(|why| json!(why), |read| json!(read.callers))),
            });
            packages.insert(entry.display().to_string(), package);
        }
    }
    println!("{}", serde_json::to_string(&packages).expect("JSON"));
}
