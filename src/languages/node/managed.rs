//! How Lambda's runtimes for Node.js run functions.

use crate::languages::ManagedRuntime;

/// Lambda turns two features off that Node.js has on by default (AWS Lambda Developer Guide, "Building Lambda functions with
/// Node.js"). An older release of the same version does not have them.
const DESCRIBE: &str = r#"
const path = require("path"), program = process.execPath, version = process.versions.node.split(".")[0];
const off = { 20: ["require-module"], 22: ["require-module", "detect-module"] }[version] ?? [];
console.log(JSON.stringify({
  version, prefix: path.dirname(path.dirname(program)), program: "bin/node", parts: { "bin/node": program }, hidden: [],
  options: off.map((name) => "experimental-" + name)
    .filter((name) => process.allowedNodeEnvironmentFlags.has("--" + name)).map((name) => "--no-" + name),
}));
"#;

/// What they do.
pub(super) const RUNTIME: ManagedRuntime = ManagedRuntime {
    name: |version| format!("nodejs{version}.x"),
    place: "nodejs/node_modules",
    client: ("index.mjs", include_str!("../../../bootstrap/runtime.mjs")),
    programs: |_| vec!["node".to_owned(), "nodejs".to_owned()],
    describe: &["-e", DESCRIBE],
    options_variable: Some("NODE_OPTIONS"),
    variables: |version| {
        let places = format!(
            "/opt/nodejs/node{version}/node_modules:/opt/nodejs/node_modules:/var/runtime/node_modules:/var/runtime:/var/task"
        );
        vec![("NODE_PATH", places)]
    },
    install: |version| format!("install it, for example with `nvm install {version}`"),
};
