//! How Lambda's runtimes for Python run functions.

use crate::languages::ManagedRuntime;

/// Without `site`, so that it is the same for a virtual environment. Debian's `site` adds dist-packages to what it returns here.
const DESCRIBE: &str = r#"
import json, os, site, sys
prefix = os.path.realpath(sys.base_prefix)
version = "%d.%d" % sys.version_info[:2]
library = os.path.join(prefix, sys.platlibdir if hasattr(sys, "platlibdir") else "lib")
parts = {"bin": os.path.join(prefix, "bin"), "lib": os.path.join(prefix, "lib"), os.path.basename(library): library}
hidden = site.getsitepackages([prefix, "/usr", "/usr/local"]) + ["/usr/lib/python3/dist-packages"]
print(json.dumps({"version": version, "prefix": prefix, "program": "bin/python" + version, "hidden": sorted(set(hidden)),
    "parts": {name: path for name, path in parts.items() if os.path.isdir(path)}, "options": ["-u"]}))
"#;

/// What they do.
pub(super) const RUNTIME: ManagedRuntime = ManagedRuntime {
    name: |version| format!("python{version}"),
    place: "python",
    client: ("bootstrap.py", include_str!("../../../bootstrap/runtime.py")),
    programs: |version| vec![format!("python{version}"), "python3".to_owned(), "python".to_owned()],
    describe: &["-I", "-S", "-c", DESCRIBE],
    options_variable: None,
    variables: |_| Vec::new(),
    install: |version| format!("install it, for example with `uv python install {version}`"),
};
