//! Plugins: directories whose libraries are loaded without DT_NEEDED, from `rules/plugins.toml`.

use std::sync::LazyLock;

use globset::GlobSet;
use serde::Deserialize;

use crate::base::path::TreePath;
use crate::base::toml::{built_in, built_in_globs};
use crate::tree::Tree;

/// Which files are plugins: loaded by name or directory, although no file needs them.
#[derive(Debug)]
pub struct Plugins {
    globs: GlobSet,
    /// Those that are loaded before the other plugins beside them, which may need them by name.
    first: GlobSet,
    beside: Vec<Beside>,
}

/// Plugins that are known by a file near them, in whichever directory that is.
#[derive(Debug)]
struct Beside {
    /// Paths relative to the directory that the globs are relative to; one of them is there.
    files: Vec<String>,
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
    #[serde(default)]
    beside: Vec<String>,
    #[serde(default)]
    first: bool,
    by: String,
    source: String,
}

impl Plugins {
    /// The built-in list.
    pub fn built_in() -> &'static Self {
        static PLUGINS: LazyLock<Plugins> = LazyLock::new(|| {
            let file: PluginFile = built_in("rules/plugins.toml", include_str!("../../rules/plugins.toml"));
            let (anywhere, beside): (Vec<Plugin>, Vec<Plugin>) =
                file.plugin.into_iter().partition(|plugin| plugin.beside.is_empty());
            let first = anywhere.iter().filter(|plugin| plugin.first).flat_map(|plugin| &plugin.globs);
            let first = built_in_globs(first);
            let beside = beside
                .into_iter()
                .map(|plugin| Beside { globs: built_in_globs(&plugin.globs), files: plugin.beside })
                .collect();
            Plugins { globs: built_in_globs(anywhere.iter().flat_map(|plugin| &plugin.globs)), first, beside }
        });
        &PLUGINS
    }

    /// Whether the plugin at this path is loaded before others.
    pub fn is_first(&self, path: &TreePath) -> bool {
        self.first.is_match(path.as_path())
    }

    /// Whether the file at this path of a tree is a plugin.
    pub fn contains(&self, tree: &Tree, path: &TreePath) -> bool {
        self.globs.is_match(path.as_path()) || self.beside.iter().any(|plugin| plugin.contains(tree, path))
    }
}

impl Beside {
    fn contains(&self, tree: &Tree, path: &TreePath) -> bool {
        path.ancestors().skip(1).any(|directory| {
            let below = path.below(&directory).and_then(TreePath::new);
            below.is_some_and(|path| self.globs.is_match(path.as_path())) && self.has_file(tree, &directory)
        })
    }

    fn has_file(&self, tree: &Tree, directory: &TreePath) -> bool {
        let mut paths = self.files.iter().filter_map(|file| directory.join(file));
        paths.any(|path| tree.find(&path).is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn engines_are_plugins_and_libraries_are_not() {
        let plugins = Plugins::built_in();
        let contains = |path: &str| plugins.globs.is_match(TreePath::new(path).expect("a path").as_path());
        assert!(
            contains("lib/engines-3/afalg.so")
                && contains("lib/ossl-modules/legacy.so")
                && contains("lib/gconv/UTF-16.so")
        );
        assert!(
            !contains("lib/libcrypto.so.3") && !contains("lib/engines-3/README") && !contains("R/lib/R/lib/libR.so")
        );
    }
}
