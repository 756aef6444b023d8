//! Any bytes as a shell script: read, or refused with a reason; what it finds lies on lines that the script has.
#![no_main]

use std::collections::BTreeMap;

use layerfit::formats::shell::{Environment, Files, Script, unchecked};
use libfuzzer_sys::fuzz_target;

/// Files of which those with an even length of their paths exist, and are read into the script.
struct Even;

impl Files for Even {
    fn exists(&self, path: &str) -> Option<bool> {
        Some(path.len().is_multiple_of(2))
    }

    fn content(&self, path: &str) -> Option<Vec<u8>> {
        path.len().is_multiple_of(2).then(|| format!(". {path}\nA=$A{path}\n").into_bytes())
    }
}

fuzz_target!(|bytes: &[u8]| {
    match Script::parse(bytes, &BTreeMap::new()) {
        Ok(script) => {
            // Scripts inside scripts count on from the line that they stand on.
            let lines = 2 * bytes.split(|byte| *byte == b'\n').count();
            assert!(script.runs.iter().all(|run| (1..=lines).contains(&run.line) && !run.commands.is_empty()));
            assert!(script.unresolved.iter().all(|unresolved| unresolved.line >= 1));
        }
        Err(why) => assert!(!why.is_empty()),
    }
    // Neither depends on time: each has its bound.
    let mut environment = Environment::default();
    let _ = environment.run_among(bytes, &Even);
    if let Some(answer) = unchecked(bytes) {
        assert!((1..=answer.response).contains(&answer.line));
    }
});
