//! The environment variables that R sets itself when it starts: in `etc/Renviron` and `etc/Renviron.site`, and with
//! `Sys.setenv()` in `etc/Rprofile.site` (R's help page "Startup"); and the options that it sets there with `options()`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use regex::Regex;

use super::start::Start;
use super::{homes, renviron};
use crate::base::path::TreePath;
use crate::base::toml::built_in_pattern;
use crate::formats::shell::Environment;
use crate::tree::Tree;

/// A longer file is not read.
const MAX_BYTES: u64 = 1 << 20;

/// The values that the R in this directory assigns to variables when it is started like this and with these, as far as they are certain. A
/// default, such as `TZ=${TZ-UTC}`, is only one of a variable that is not set. The option NAME is `options(NAME)`.
pub(super) fn variables(
    tree: &Tree,
    home: &TreePath,
    start: &Start,
    started_with: &BTreeMap<String, BTreeSet<String>>,
) -> BTreeMap<String, BTreeSet<String>> {
    static CALL: LazyLock<Regex> = LazyLock::new(|| {
        built_in_pattern(
            r#"(?m)^[ \t]*(Sys\.setenv|options)\(\s*["'`]?([A-Za-z_.][A-Za-z0-9_.]*)["'`]?\s*=\s*["']([^"']*)["']\s*\)"#,
        )
    });
    let mut environment = Environment::default();
    for (name, values) in started_with {
        match values.iter().collect::<Vec<_>>().as_slice() {
            [value] => environment.set(name, value.as_str()),
            _ => environment.forget_value(name),
        }
    }
    environment.set("R_HOME", home.mounted());
    let read = |file: &str| {
        let id = homes::inside(tree, home, file);
        let id = id.filter(|id| tree.entry(*id).is_file() && tree.entry(*id).bytes() <= MAX_BYTES);
        let bytes = id.and_then(|id| tree.read(id).ok()).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let mut names = BTreeSet::new();
    let site = start.reads_environ().then_some("etc/Renviron.site");
    for file in ["etc/Renviron"].into_iter().chain(site) {
        let text = read(file);
        names.extend(text.lines().filter_map(|line| Some(line.split_once('=')?.0.trim().to_owned())));
        renviron::apply(&text, &mut environment);
    }
    let profile = if start.reads_site_profile() { read("etc/Rprofile.site") } else { String::new() };
    for found in CALL.captures_iter(&profile) {
        let name = if &found[1] == "options" { format!("options({})", &found[2]) } else { found[2].to_owned() };
        environment.set(&name, &found[3]);
        names.insert(name);
    }
    let value = |name: String| {
        let value = environment.get(&name).filter(|value| !value.is_empty())?.to_owned();
        Some((name, [value].into()))
    };
    names.into_iter().filter_map(value).collect()
}
