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
    abi: Vec<Abi>,
    abi_source: String,
    symbols: BTreeSet<String>,
    symbols_source: String,
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
        assert_eq!((module_version("20"), node_of(127), node_of(1)), (Some(115), Some("22"), None));
    }
}
