//! What is there without being in a tree: Python's standard library, and the distributions of an image; and the names of
//! distributions whose modules have others.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use serde::Deserialize;

use super::names::{Minor, normalized};
use super::needs::{ID, NEEDS};
use crate::base::toml::built_in;
use crate::languages::Packages;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StandardLibrary {
    first: First,
    change: Vec<Change>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "version and source are required, for people who read the file")]
struct First {
    version: String,
    names: BTreeSet<String>,
    source: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "source is required, for people who read the file")]
struct Change {
    version: String,
    added: Vec<String>,
    removed: Vec<String>,
    source: String,
}

static LIBRARY: LazyLock<StandardLibrary> = LazyLock::new(|| {
    built_in(
        "rules/languages/python/standard-library.toml",
        include_str!("../../../rules/languages/python/standard-library.toml"),
    )
});

/// Whether the standard library has a module of this name: that of a version, or of any if it is not known.
pub(super) fn is_standard(module: &str, minor: Option<Minor>) -> bool {
    let of = |change: &Change| change.version.strip_prefix("3.").and_then(|minor| minor.parse::<Minor>().ok());
    let until = |change: &&Change| minor.is_none_or(|minor| of(change).is_some_and(|changed| changed <= minor));
    let mut is_there = LIBRARY.first.names.contains(module);
    for change in LIBRARY.change.iter().filter(until) {
        let has = |names: &[String]| names.iter().any(|name| name == module);
        is_there |= has(&change.added);
        is_there &= minor.is_none() || !has(&change.removed);
    }
    is_there
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "source is required, for people who read the file")]
struct Distributions {
    source: String,
    namespaces: BTreeSet<String>,
    modules: BTreeMap<String, String>,
}

static DISTRIBUTIONS: LazyLock<Distributions> = LazyLock::new(|| {
    built_in(
        "rules/languages/python/distributions.toml",
        include_str!("../../../rules/languages/python/distributions.toml"),
    )
});

/// The distribution to install for a module.
pub(super) fn distribution_of(module: &str) -> String {
    DISTRIBUTIONS.modules.get(module).cloned().unwrap_or_else(|| module.replace(['_', '.'], "-"))
}

/// The part of a module's name that a distribution has: `google.cloud.storage` of `google.cloud.storage.Client`.
pub(super) fn part_to_install(name: &str) -> &str {
    let ends = name.match_indices('.').map(|(end, _)| end).chain([name.len()]);
    let mut parts = ends.map(|end| &name[..end]);
    parts.find(|part| !DISTRIBUTIONS.namespaces.contains(*part)).unwrap_or(name)
}

/// Whether the image has a module of this name besides the standard library. An image that only starts a bootstrap has none;
/// but where the tree has no Python either, the function is for a managed runtime.
pub(super) fn is_in_image(packages: &Packages, has_interpreter: bool, module: &str) -> bool {
    let name = normalized(&distribution_of(module));
    match &packages.runtime {
        Some(runtime) if runtime.id == ID.as_str() => {
            runtime.packages.contains_key(&name) || runtime.packages.contains_key(module)
        }
        Some(_) => false,
        None => !has_interpreter && NEEDS.standard.base.contains(&name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_standard_library_depends_on_the_version() {
        for (module, minor, is) in [
            ("os", Some(9), true),
            ("distutils", Some(11), true),
            ("distutils", Some(12), false),
            ("distutils", None, true),
            ("tomllib", Some(10), false),
            ("tomllib", Some(11), true),
            ("cgi", Some(13), false),
            ("annotationlib", Some(14), true),
            ("annotationlib", Some(13), false),
            ("numpy", None, false),
        ] {
            assert_eq!(is_standard(module, minor), is, "{module} {minor:?}");
        }
    }

    #[test]
    fn distributions_can_have_other_names_than_their_modules() {
        assert_eq!(distribution_of("PIL"), "pillow");
        assert_eq!(distribution_of("charset_normalizer"), "charset-normalizer");
        assert_eq!(part_to_install("google.cloud.storage.Client"), "google.cloud.storage");
        assert_eq!([part_to_install("a.b"), part_to_install("google")], ["a", "google"]);
    }
}
