//! Directories whose libraries something loads without needing them, from `rules/plugins.toml`.

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use serde::Deserialize;

use super::from_toml;
use crate::error::{Error, Result};
use crate::path::TreePath;

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
    ///
    /// # Errors
    /// When the built-in file is damaged, which a test rules out.
    pub fn built_in() -> Result<Self> {
        let file: PluginFile = from_toml("rules/plugins.toml", include_str!("../../rules/plugins.toml"))?;
        let build = || -> std::result::Result<GlobSet, globset::Error> {
            let mut set = GlobSetBuilder::new();
            for glob in file.plugin.iter().flat_map(|plugin| &plugin.globs) {
                set.add(GlobBuilder::new(glob).literal_separator(true).build()?);
            }
            set.build()
        };
        let globs = build().map_err(|error| Error::Data {
            file: "rules/plugins.toml".to_owned(),
            message: error.to_string(),
            help: "correct the glob".to_owned(),
        })?;
        Ok(Self { globs })
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
        let plugins = Plugins::built_in().expect("built in");
        let holds = |path: &str| plugins.holds(&TreePath::new(path).expect("a path"));
        assert!(holds("lib/engines-3/afalg.so") && holds("lib/ossl-modules/legacy.so") && holds("lib/gconv/UTF-16.so"));
        assert!(
            holds("python/pandas/_libs/lib.cpython-311-x86_64-linux-gnu.so") && holds("nodejs/node_modules/x/x.node")
        );
        assert!(!holds("lib/libcrypto.so.3") && !holds("lib/engines-3/README") && !holds("R/lib/R/lib/libR.so"));
    }
}
