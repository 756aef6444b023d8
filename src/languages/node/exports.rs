//! What `require()` and `import` get of a package, by its package.json: `exports`, or else `main` and index.js.
//!
//! `exports` are resolved as Node.js documents it (Modules: Packages, "Conditional exports"), but for the order of conditions: where
//! several are met at once, each of their targets may be the one.

use serde_json::Value;

use crate::base::path::TreePath;
use crate::languages::Package;
use crate::tree::{EntryId, Tree};

/// The two ways to load a package, with the conditions that each meets besides `default`.
pub(super) const WAYS: [(&str, &[&str]); 2] = [
    ("require()", &["node", "require", "module-sync", "node-addons"]),
    ("import", &["node", "import", "module-sync", "node-addons"]),
];

/// How deep conditions are followed in each other.
const MAX_DEPTH: usize = 16;

/// What `exports` has for the package itself; `None` if its package.json has no `exports`, and null if these do not have it.
pub(super) fn of_package(declared: &Value) -> Option<&Value> {
    let exports = Some(&declared["exports"]).filter(|exports| !exports.is_null())?;
    let has_paths = exports.as_object().is_some_and(|table| table.keys().any(|name| name.starts_with('.')));
    Some(if has_paths { &exports["."] } else { exports })
}

/// The value of a path or name in a table, and what `*` of its key stands for: keys without one come first, and then the longest
/// that matches (PACKAGE_IMPORTS_EXPORTS_RESOLVE and PATTERN_KEY_COMPARE in the documentation of Node.js).
pub(super) fn entry<'v, 'n>(table: &'v Value, name: &'n str) -> Option<(&'v Value, &'n str)> {
    let table = table.as_object()?;
    if let Some(value) = table.get(name).filter(|_| !name.contains('*')) {
        return Some((value, ""));
    }
    let matching = table.iter().filter_map(|(key, value)| {
        let (before, after) = key.split_once('*').filter(|(_, after)| !after.contains('*'))?;
        let star = name.strip_prefix(before)?.strip_suffix(after).filter(|star| !star.is_empty())?;
        Some(((before.len(), key.len()), value, star))
    });
    matching.max_by_key(|(length, ..)| *length).map(|(_, value, star)| (value, star))
}

/// The paths that a value of `exports` can lead to where these conditions are met. Declarations of types are not code.
pub(super) fn targets<'v>(value: &'v Value, conditions: &[&str]) -> Vec<&'v str> {
    let mut found: Vec<&str> = outcomes(value, conditions).into_iter().flatten().collect();
    found.retain(|target| ![".d.ts", ".d.mts", ".d.cts"].iter().any(|ending| target.ends_with(ending)));
    found
}

/// The paths that a value can lead to where these conditions are met; `None` where it excludes what is asked for (null).
pub(super) fn outcomes<'v>(value: &'v Value, conditions: &[&str]) -> Vec<Option<&'v str>> {
    let mut found = Vec::new();
    add_outcomes(value, conditions, MAX_DEPTH, &mut found);
    found
}

fn add_outcomes<'v>(value: &'v Value, conditions: &[&str], depth: usize, found: &mut Vec<Option<&'v str>>) {
    let Some(depth) = depth.checked_sub(1) else { return };
    let before = found.len();
    match value {
        Value::String(path) => found.push(Some(path)),
        Value::Null => found.push(None),
        Value::Array(several) => {
            // The first that is for these conditions is taken, whether or not its file is there.
            for one in several {
                if !found[before..].iter().any(Option::is_some) {
                    found.truncate(before);
                    add_outcomes(one, conditions, depth, found);
                }
            }
        }
        Value::Object(table) => {
            for value in conditions.iter().filter_map(|condition| table.get(*condition)) {
                add_outcomes(value, conditions, depth, found);
            }
            // Conditions after `default` are never tried, so it is the last one.
            if let Some(value) = table.get("default").filter(|_| found.len() == before) {
                add_outcomes(value, conditions, depth, found);
            }
        }
        _ => {}
    }
}

/// The file of a package that a target is.
pub(super) fn file(tree: &Tree, package: &Package, target: &str) -> Option<EntryId> {
    let path: TreePath = package.directory.join(target.strip_prefix("./").unwrap_or(target))?;
    tree.find(&path).filter(|id| !tree.entry(*id).is_directory())
}

#[cfg(test)]
mod tests {
    use super::super::source::json;
    use super::*;

    fn of(declared: &Value, way: usize) -> Vec<&str> {
        targets(of_package(declared).unwrap_or(&Value::Null), WAYS[way].1)
    }

    #[test]
    fn a_path_is_that_of_its_own_key_or_of_the_longest_pattern() {
        let table = r#"{"./a": 1, "./*": 2, "./a/*": 3, "./a/*.js": 4, "./a/b*": 5, "./x/*/y*": 6}"#;
        let table = json(table.as_bytes()).expect("JSON");
        let of = |name| entry(&table, name).map(|(value, star)| (value.as_u64().unwrap_or_default(), star));
        assert_eq!(of("./a"), Some((1, "")));
        assert_eq!(of("./b/c.js"), Some((2, "b/c.js")));
        assert_eq!([of("./a/c"), of("./a/c.js"), of("./a/bc.js")], [Some((3, "c")), Some((4, "c")), Some((5, "c.js"))]);
        assert_eq!([of("./"), of("."), of("./a/")], [None, None, Some((2, "a/"))]);
    }

    #[test]
    fn conditions_are_met_as_node_meets_them() {
        for (exports, required, imported) in [
            (r#""./a.js""#, vec!["./a.js"], vec!["./a.js"]),
            (r#"{".": "./a.js", "./b": "./b.js"}"#, vec!["./a.js"], vec!["./a.js"]),
            (r#"{"./b": "./b.js"}"#, vec![], vec![]),
            (r#"{"import": "./a.mjs", "require": "./a.cjs"}"#, vec!["./a.cjs"], vec!["./a.mjs"]),
            (r#"{"import": "./a.mjs", "default": "./a.js"}"#, vec!["./a.js"], vec!["./a.mjs"]),
            (
                r#"{".": {"types": "./a.d.ts", "browser": "./b.js", "default": "./a.js"}}"#,
                vec!["./a.js"],
                vec!["./a.js"],
            ),
            (r#"{"require": {"types": "./a.d.cts", "default": "./a.cjs"}}"#, vec!["./a.cjs"], vec![]),
            // No condition within is met, so that what follows is tried.
            (r#"{"node": {"import": "./n.mjs"}, "default": "./a.js"}"#, vec!["./a.js"], vec!["./n.mjs"]),
            (r#"[{"import": "./a.mjs"}, "./a.cjs"]"#, vec!["./a.cjs"], vec!["./a.mjs"]),
            (r#"{"node": "./n.js", "import": "./a.mjs"}"#, vec!["./n.js"], vec!["./n.js", "./a.mjs"]),
            ("null", vec![], vec![]),
            (r#"{"require": null, "default": "./a.js"}"#, vec![], vec!["./a.js"]),
            (r#"[null, "./a.js"]"#, vec!["./a.js"], vec!["./a.js"]),
        ] {
            let declared = json(format!("{{\"exports\": {exports}}}").as_bytes()).expect("JSON");
            assert_eq!((of(&declared, 0), of(&declared, 1)), (required, imported), "{exports}");
        }
    }
}
