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

/// The paths that a value of `exports` can lead to where these conditions are met. Declarations of types are not code.
pub(super) fn targets<'v>(value: &'v Value, conditions: &[&str]) -> Vec<&'v str> {
    let mut found = Vec::new();
    add_targets(value, conditions, MAX_DEPTH, &mut found);
    found.retain(|target| ![".d.ts", ".d.mts", ".d.cts"].iter().any(|ending| target.ends_with(ending)));
    found
}

fn add_targets<'v>(value: &'v Value, conditions: &[&str], depth: usize, found: &mut Vec<&'v str>) {
    let Some(depth) = depth.checked_sub(1) else { return };
    match value {
        Value::String(path) => found.push(path),
        Value::Array(several) => {
            // The first that is for these conditions is taken, whether or not its file is there.
            let before = found.len();
            for one in several {
                if found.len() == before {
                    add_targets(one, conditions, depth, found);
                }
            }
        }
        Value::Object(table) => {
            let before = found.len();
            for value in conditions.iter().filter_map(|condition| table.get(*condition)) {
                add_targets(value, conditions, depth, found);
            }
            // Conditions after `default` are never tried, so it is the last one.
            if let Some(value) = table.get("default").filter(|_| found.len() == before) {
                add_targets(value, conditions, depth, found);
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
        ] {
            let declared = json(format!("{{\"exports\": {exports}}}").as_bytes()).expect("JSON");
            assert_eq!((of(&declared, 0), of(&declared, 1)), (required, imported), "{exports}");
        }
    }
}
