//! The environment variables that R sets itself when it starts: in `etc/Renviron.site` and `etc/Renviron`, and with
//! `Sys.setenv()` in `etc/Rprofile.site` (R's help page "Startup").

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use regex::Regex;

use crate::base::path::TreePath;
use crate::base::toml::built_in_pattern;
use crate::tree::Tree;

/// A longer file is not read.
const MAX_BYTES: u64 = 1 << 20;

/// The values that the R in this directory assigns to variables, as far as they are literals. A default, such as
/// `TZ=${TZ-UTC}`, is not one: Lambda's value takes precedence.
pub(super) fn variables(tree: &Tree, home: &TreePath) -> BTreeMap<String, BTreeSet<String>> {
    static LINE: LazyLock<Regex> = LazyLock::new(|| {
        built_in_pattern(r#"(?m)^[ \t]*([A-Za-z_][A-Za-z0-9_]*)=[ \t]*["']?([^"'$\r\n#]*?)["']?[ \t]*$"#)
    });
    static CALL: LazyLock<Regex> = LazyLock::new(|| {
        built_in_pattern(
            r#"(?m)^[ \t]*Sys\.setenv\(\s*["'`]?([A-Za-z_][A-Za-z0-9_]*)["'`]?\s*=\s*["']([^"']*)["']\s*\)"#,
        )
    });
    let mut variables: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (file, pattern) in [("etc/Renviron", &LINE), ("etc/Renviron.site", &LINE), ("etc/Rprofile.site", &CALL)] {
        let id = home.join(file).and_then(|path| tree.find(&path));
        let id = id.filter(|id| tree.entry(*id).is_file() && tree.entry(*id).bytes() <= MAX_BYTES);
        let Some(text) = id.and_then(|id| tree.read(id).ok()) else { continue };
        for found in pattern.captures_iter(&String::from_utf8_lossy(&text)) {
            // A later file replaces the value.
            variables.insert(found[1].to_owned(), [found[2].to_owned()].into());
        }
    }
    variables
}
