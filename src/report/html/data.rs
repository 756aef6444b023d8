//! The data of the page: the maps and the dependencies, as JSON that is safe inside a `<script>` element.

use std::collections::BTreeMap;

use serde::Serialize;

use super::map;
use super::map::Map;
use crate::base::error::{Error, Result};
use crate::base::safe::is_control;
use crate::report::Report;
use crate::resolve::Need;

/// What the script reads.
#[derive(Serialize)]
struct Data<'a> {
    kept: Map,
    dropped: Map,
    /// The rules that dropped something, by code and name: what they drop, why that is safe, and what it breaks.
    rules: BTreeMap<String, [&'a str; 3]>,
    /// The names of what needs something or is needed.
    things: &'a [String],
    /// Three numbers for each dependency: what needs, how, and what is needed.
    needs: Vec<usize>,
}

/// The data as JSON without any character that has a meaning in HTML.
pub(super) fn json(report: &Report) -> Result<String> {
    let contents = &report.contents;
    let dropped = report.pruned.iter().zip(&contents.rules).filter(|(pruned, _)| pruned.files > 0);
    let data = Data {
        kept: map::kept(report),
        dropped: map::dropped(report),
        rules: dropped
            .map(|(_, rule)| {
                let text = [rule.what.as_str(), rule.why_safe.as_str(), rule.breaks.as_str()];
                (format!("{} {}", rule.code, rule.name), text)
            })
            .collect(),
        things: &contents.things,
        needs: contents.needs.iter().flat_map(|(from, need, to)| [*from, number(*need), *to]).collect(),
    };
    let json = serde_json::to_string(&data).map_err(Error::bug("write the data of the page"))?;
    Ok(without_markup(&json))
}

/// The number of a kind of dependency in the script.
fn number(need: Need) -> usize {
    match need {
        Need::Loads => 0,
        Need::Imports => 1,
        Need::Runs => 2,
        Need::LinksTo => 3,
        Need::Contains => 4,
        Need::Opens => 5,
    }
}

/// Escapes characters that have a meaning in HTML, and those that are controls, among them U+2028 and U+2029, which end lines
/// in older JavaScript. JSON has them only in strings, where they can be written as numbers.
fn without_markup(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        match c {
            '<' | '>' | '&' => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c if is_control(c) => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_can_end_the_script_element_and_all_of_it_comes_back() {
        let text = "</script><!--&\u{2028}\u{2029}\\\"é";
        let json = without_markup(&serde_json::to_string(text).expect("JSON"));
        assert!(!json.contains(['<', '>', '&', '\u{2028}', '\u{2029}']), "{json}");
        assert_eq!(serde_json::from_str::<String>(&json).expect("JSON"), text);
    }
}
