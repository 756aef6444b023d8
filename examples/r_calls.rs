//! What the code of each installed R package of a tree calls, as JSON: held against R itself by `scripts/r_truth.py`.
//!
//! `cargo run --release --example r_calls -- LIBRARY...`

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use layerfit::languages::r::calls::{Callers, callers};

fn main() {
    let mut packages: BTreeMap<String, Result<Callers, String>> = BTreeMap::new();
    for library in std::env::args().skip(1) {
        for entry in fs::read_dir(&library).expect("a library").map(|entry| entry.expect("readable").path()) {
            let name = entry.file_name().expect("a name").to_string_lossy().into_owned();
            let base = entry.join("R").join(&name);
            let read = |ending: &str| fs::read(Path::new(&format!("{}.{ending}", base.display())));
            if let (Ok(index), Ok(database)) = (read("rdx"), read("rdb")) {
                packages.insert(name, callers(&index, &database));
            }
        }
    }
    let json: BTreeMap<&String, serde_json::Value> = packages
        .iter()
        .map(|(name, result)| {
            (
                name,
                match result {
                    Ok(callers) => serde_json::json!(callers),
                    Err(why) => serde_json::json!({ "error": why }),
                },
            )
        })
        .collect();
    println!("{}", serde_json::to_string_pretty(&json).expect("JSON"));
}
