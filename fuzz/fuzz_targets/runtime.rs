//! Any text as a runtime profile: read, or refused with a reason; what is read can be asked.
#![no_main]

use layerfit::runtime::RuntimeProfile;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(profile) = RuntimeProfile::parse("fuzz.toml", text) {
        for bound in &profile.versions {
            let version = format!("{}_{}", bound.prefix, bound.max);
            let _ = profile.defines_version(&bound.soname, &version);
        }
        let _ = profile.libraries.names().count();
        // What is written reads back.
        let written = profile.to_toml().expect("written");
        RuntimeProfile::parse("written.toml", &written).expect("reads back");
    }
});
