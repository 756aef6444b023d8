//! Directories whose libraries something loads without needing them, from `rules/plugins.toml`.

use std::sync::LazyLock;

use globset::GlobSet;
use serde::Deserialize;

use crate::base::path::TreePath;
use crate::base::toml::{built_in, built_in_globs};

/// Which files are plugins: loaded by name or directory, though no file needs them.
#[derive(Debug)]
pub struct Plugins {
    globs: GlobSet,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PluginFile {
    plugin: Vec<Plugin>,
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
    /// The built-in knowledge.
    pub fn built_in() -> &'static Self {
        static PLUGINS: LazyLock<Plugins> = LazyLock::new(|| {
            let file: PluginFile = built_in("rules/plugins.toml", include_str!("../../rules/plugins.toml"));
            Plugins { globs: built_in_globs(file.plugin.iter().flat_map(|plugin| &plugin.globs)) }
        });
        &PLUGINS
    }

    /// Whether the file at this path is one.
    pub fn holds(&self, path: &TreePath) -> bool {
        self.globs.is_match(path.as_path())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn engines_are_plugins_and_libraries_are_not() {
        let plugins = Plugins::built_in();
        let holds = |path: &str| plugins.holds(&TreePath::new(path).expect("a path"));
        assert!(holds("lib/engines-3/afalg.so") && holds("lib/ossl-modules/legacy.so") && holds("lib/gconv/UTF-16.so"));
        assert!(
            holds("python/pandas/_libs/lib.cpython-311-x86_64-linux-gnu.so") && holds("nodejs/node_modules/x/x.node")
        );
        assert!(!holds("lib/libcrypto.so.3") && !holds("lib/engines-3/README") && !holds("R/lib/R/lib/libR.so"));
    }
}
