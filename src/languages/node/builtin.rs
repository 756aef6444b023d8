//! What Node.js itself has: its modules, and the versions of its ABI for addons.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use serde::Deserialize;

use crate::base::toml::built_in;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "source is required, for people who read the file")]
struct Modules {
    names: BTreeSet<String>,
    source: String,
    files: BTreeSet<String>,
    files_source: String,
    since: Vec<Since>,
    newest: u32,
    abi: Vec<Abi>,
    abi_source: String,
    symbols: BTreeSet<String>,
    symbols_source: String,
}

/// A module that only some versions of Node.js have.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "source is required, for people who read the file")]
struct Since {
    name: String,
    node: u32,
    source: String,
}

/// The ABI of a version of Node.js.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Abi {
    node: String,
    version: u32,
}

static MODULES: LazyLock<Modules> = LazyLock::new(|| {
    built_in("rules/languages/node/modules.toml", include_str!("../../../rules/languages/node/modules.toml"))
});

/// How the names of all symbols begin that Node.js defines for addons itself, or may define in some version.
pub(super) fn symbols() -> &'static [&'static str] {
    static SYMBOLS: LazyLock<Vec<&'static str>> =
        LazyLock::new(|| MODULES.symbols.iter().map(String::as_str).collect());
    &SYMBOLS
}

/// Whether Node.js has a module of this name; of a module's files, such as `fs/promises`, that has the module's.
pub(super) fn is_builtin(name: &str) -> bool {
    name.starts_with("node:") || MODULES.names.contains(name)
}

/// Why a version of Node.js, such as `20`, has no module of a name that begins with `node:`, as a message has it, and the first version
/// that has one. `None` if it has it, or that is not known.
pub(super) fn lacks(specifier: &str, version: Option<&str>) -> Option<(String, Option<u32>)> {
    let name = specifier.strip_prefix("node:")?;
    let major: u32 = version?.split('.').next()?.parse().ok().filter(|major| *major <= MODULES.newest)?;
    let since = MODULES.since.iter().find(|module| module.name == specifier).map(|module| module.node);
    let has = match since {
        Some(since) => since <= major,
        None => MODULES.names.contains(name) || MODULES.files.contains(name),
    };
    (!has).then(|| (format!("which Node.js {major} does not have"), since))
}

/// The NODE_MODULE_VERSION of a version of Node.js, by its first number.
pub(super) fn module_version(node: &str) -> Option<u32> {
    MODULES.abi.iter().find(|abi| abi.node == node).map(|abi| abi.version)
}

/// The version of Node.js that has a NODE_MODULE_VERSION.
pub(super) fn node_of(module_version: u32) -> Option<&'static str> {
    MODULES.abi.iter().find(|abi| abi.version == module_version).map(|abi| abi.node.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_own_modules_are_known() {
        assert!(is_builtin("fs") && is_builtin("node:sqlite") && !is_builtin("sharp"));
        let since = |name, version| lacks(name, version).map(|(_, since)| since);
        assert_eq!(since("node:sqlite", Some("20")), Some(Some(22)));
        assert_eq!(since("node:nope", Some("22")), Some(None));
        for (name, version) in [
            ("node:sqlite", Some("22")),
            ("node:fs/promises", Some("18")),
            ("node:nope", None),
            ("node:nope", Some("26")),
            ("sqlite", Some("20")),
        ] {
            assert_eq!(since(name, version), None, "{name}");
        }
        assert_eq!((module_version("20"), node_of(127), node_of(1)), (Some(115), Some("22"), None));
    }
}
