//! Plugins: directories whose libraries are loaded without DT_NEEDED, from `rules/plugins.toml`.

use std::sync::LazyLock;

use globset::GlobSet;
use serde::Deserialize;

use crate::base::path::TreePath;
use crate::base::toml::{built_in, built_in_globs};

/// Which files are plugins: loaded by name or directory, although no file needs them.
#[derive(Debug)]
pub struct Plugins {
    globs: GlobSet,
    modules: GlobSet,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PluginFile {
    plugin: Vec<Plugin>,
    module: Vec<Plugin>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "by and source must be there; people read them in the file")]
struct Plugin {
    #[serde(rename = "match")]
    globs: Vec<String>,
    by: String,
    source: String,
}

impl Plugins {
    /// The built-in list.
    pub fn built_in() -> &'static Self {
        static PLUGINS: LazyLock<Plugins> = LazyLock::new(|| {
            let file: PluginFile = built_in("rules/plugins.toml", include_str!("../../rules/plugins.toml"));
            Plugins {
                globs: built_in_globs(file.plugin.iter().flat_map(|plugin| &plugin.globs)),
                modules: built_in_globs(file.module.iter().flat_map(|module| &module.globs)),
            }
        });
        &PLUGINS
    }

    /// Whether the file at this path is a plugin.
    pub fn contains(&self, path: &TreePath) -> bool {
        self.globs.is_match(path.as_path())
    }

    /// Whether the file at this path is a module by its name, which is loaded on Linux and must be an ELF file.
    pub fn is_module(&self, path: &TreePath) -> bool {
        self.modules.is_match(path.as_path())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn engines_are_plugins_and_libraries_are_not() {
        let plugins = Plugins::built_in();
        let contains = |path: &str| plugins.contains(&TreePath::new(path).expect("a path"));
        assert!(
            contains("lib/engines-3/afalg.so")
                && contains("lib/ossl-modules/legacy.so")
                && contains("lib/gconv/UTF-16.so")
        );
        assert!(
            contains("python/pandas/_libs/lib.cpython-311-x86_64-linux-gnu.so")
                && contains("nodejs/node_modules/x/x.node")
        );
        assert!(
            !contains("lib/libcrypto.so.3") && !contains("lib/engines-3/README") && !contains("R/lib/R/lib/libR.so")
        );
    }
}
