//! Everything that is wrong with a configuration file, each with its place, and with a suggestion where one is near.

use std::ops::Range;

use serde::de::DeserializeOwned;
use toml::de::{DeTable, DeValue, Deserializer};

/// More problems than this are not told at once.
const MOST: usize = 20;

/// How alike two names are to be taken for each other, of 1 (Jaro and Winkler's measure: beginnings count more).
const ALIKE: f64 = 0.8;

/// Reads a file.
///
/// # Errors
/// Every problem in a line of its own, in the order of the file.
pub(super) fn read<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    let (mut document, broken) = DeTable::parse_recoverable(text);
    let mut problems: Vec<(usize, String)> = Vec::new();
    for error in broken {
        problems.push((error.span().map_or(0, |span| span.start), error.message().to_owned()));
    }
    let mut read = None;
    while problems.len() < MOST {
        match T::deserialize(Deserializer::from(document.clone())) {
            Ok(value) => {
                read = Some(value);
                break;
            }
            Err(error) => {
                let span = error.span().unwrap_or(0..text.len());
                problems.push((span.start, worded(error.message())));
                // What is wrong is taken out, and what is left is read again. Where nothing can be, that is all.
                if !remove(document.get_mut(), &span) {
                    break;
                }
            }
        }
    }
    match read {
        Some(value) if problems.is_empty() => Ok(value),
        _ => {
            problems.sort();
            problems.dedup();
            // A key that is misspelt is missing too, which need not be told.
            let meant: Vec<String> = problems
                .iter()
                .filter_map(|(_, what)| Some(what.split_once("did you mean ")?.1.replace('?', "")))
                .collect();
            problems.retain(|(_, what)| {
                what.strip_prefix("missing field ").is_none_or(|name| !meant.iter().any(|meant| meant == name))
            });
            let lines: Vec<String> =
                problems.iter().map(|(at, what)| format!("{}: {what}", place(text, *at))).collect();
            Err(lines.join("\n  "))
        }
    }
}

/// Removes the smallest value that a span lies in, with its key; says whether there was one. The span of a table that is
/// written under a header does not hold what is in it, so everything is looked at.
fn remove(table: &mut DeTable<'_>, span: &Range<usize>) -> bool {
    if table.iter_mut().any(|(_, value)| remove_inside(value.get_mut(), span)) {
        return true;
    }
    let at = table.iter().find(|(key, value)| holds(&key.span(), span) || holds(&value.span(), span));
    let Some(key) = at.map(|(key, _)| key.clone()) else { return false };
    table.remove(&key).is_some()
}

fn remove_inside(value: &mut DeValue<'_>, span: &Range<usize>) -> bool {
    match value {
        DeValue::Table(table) => remove(table, span),
        DeValue::Array(array) => {
            if array.iter_mut().any(|element| remove_inside(element.get_mut(), span)) {
                return true;
            }
            let Some(position) = array.iter().position(|element| holds(&element.span(), span)) else { return false };
            let others = array.iter().enumerate().filter(|(other, _)| *other != position);
            *array = others.map(|(_, element)| element.clone()).collect();
            true
        }
        _ => false,
    }
}

fn holds(outer: &Range<usize>, inner: &Range<usize>) -> bool {
    outer.start <= inner.start && inner.end <= outer.end
}

/// serde's words for an unknown key, with the one that was meant rather than all there are.
fn worded(message: &str) -> String {
    let mut names = message.split('`').skip(1).step_by(2);
    match names.next() {
        Some(unknown) if message.starts_with("unknown ") => {
            let known: Vec<&str> = names.collect();
            let nearest = known.iter().map(|name| (strsim::jaro_winkler(unknown, name), *name));
            let nearest = nearest.filter(|(alike, _)| *alike >= ALIKE).max_by(|a, b| a.0.total_cmp(&b.0));
            match nearest {
                Some((_, name)) => format!("there is no `{unknown}`; did you mean `{name}`?"),
                None => format!("there is no `{unknown}`; there are {}", known.join(", ")),
            }
        }
        _ => message.to_owned(),
    }
}

/// Where a byte of the text is, in words.
fn place(text: &str, at: usize) -> String {
    let before = text.get(..at).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().map_or(0, |line| line.chars().count()) + 1;
    format!("line {line}, column {column}")
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use super::*;

    fn problems(text: &str) -> Vec<String> {
        match read::<Config>(text) {
            Ok(_) => Vec::new(),
            Err(problems) => problems.lines().map(|line| line.trim().to_owned()).collect(),
        }
    }

    #[test]
    fn every_problem_is_told_with_its_place_and_what_was_meant() {
        let text = "runtme = \"provided.al2\"\nlevel = \"maximum\"\n[limits]\nlayers = 0\nlayer-zipped = \"5 apples\"\n\
                    [[layer]]\nname = \"r\"\nhold = [\"r\"]\n[[layer]]\nholds = []\n";
        let found = problems(text);
        let expected = [
            "line 1, column 1: there is no `runtme`; did you mean `runtime`?",
            "line 2, column 9: there is no `maximum`; did you mean `max`?",
            "line 4, column 10: ",
            "line 5, column 16: \"apples\" is no unit",
            "line 8, column 1: there is no `hold`; did you mean `holds`?",
            "line 9, column 1: missing field `name`",
        ];
        assert_eq!(found.len(), expected.len(), "{found:#?}");
        for (found, expected) in found.iter().zip(expected) {
            assert!(found.starts_with(expected), "{found} is not {expected}");
        }
    }

    #[test]
    fn what_is_no_toml_is_told_and_what_is_right_is_read() {
        assert!(problems("a = [\n")[0].starts_with("line "));
        assert_eq!(problems("runtime = \"host\"\n[limits]\nlayers = 3\n"), Vec::<String>::new());
    }
}
