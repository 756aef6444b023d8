//! Reads a configuration file, and reports everything that is wrong with it: each problem with its place, and with a
//! suggestion where a name is near.
//!
//! Keys, and values that are names, are compared with the schema of the type; serde reports everything else.

use std::collections::BTreeSet;
use std::ops::Range;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Value;
use toml::de::{DeTable, DeValue, Deserializer};

use super::place;

/// Maximum number of problems reported at once.
const MAX_PROBLEMS: usize = 20;

/// Maximum number of elements of a list: each glob is compiled, and each layer packed for.
const MAX_ELEMENTS: usize = 10_000;

/// Minimum Jaro-Winkler similarity of a suggested name, at most 1.
const MIN_SIMILARITY: f64 = 0.8;

/// Maximum number of names listed in a message.
const MAX_NAMES: usize = 40;

/// Plausible names that are too different from the keys they stand for.
const MEANT: [(&str, &str); 6] = [
    ("limits", "`max-zipped`, `max-unzipped`, `max-layers`, `function-size` or `headroom`, without a table"),
    ("layers", "`max-layers`, or `[[layer]]` for a named layer"),
    ("layer-zipped", "`max-zipped`"),
    ("total-unzipped", "`max-unzipped`"),
    ("output", "`layerfit pack -o`, which has no key"),
    ("architecture", "`arch`"),
];

/// A problem.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Problem {
    /// The byte offset in the text where it begins.
    at: usize,
    what: String,
}

/// Reads the text of `file`.
///
/// # Errors
/// One line for each problem, in the order of the file.
pub(super) fn read<T: DeserializeOwned + JsonSchema>(file: &str, text: &str) -> Result<T, Vec<String>> {
    let (mut document, broken) = DeTable::parse_recoverable(text);
    let problem = |error: &toml::de::Error| Problem {
        at: error.span().map_or(0, |span| span.start),
        what: error.message().to_owned(),
    };
    let schema = schemars::schema_for!(T).to_value();
    let mut keys = Keys { schema: &schema, problems: broken.iter().map(problem).collect() };
    keys.look_at_table(document.get_mut(), &schema, None, 0);
    let Keys { mut problems, .. } = keys;
    while problems.len() < MAX_PROBLEMS {
        match T::deserialize(Deserializer::from(document.clone())) {
            Ok(value) if problems.is_empty() => return Ok(value),
            Ok(_) => break,
            Err(error) => {
                let span = error.span().unwrap_or(0..text.len());
                // A table that lacks a key only because its wrong value was removed has been reported.
                if !lacks_a_key(&document, &schema, span.start) {
                    let what = wrong_at(document.get_ref(), &schema, &span, text, error.message());
                    problems.push(Problem { what: what.unwrap_or_else(|| error.message().to_owned()), at: span.start });
                }
                // The value is removed, and the rest is read again.
                if !remove(document.get_mut(), &span) {
                    break;
                }
            }
        }
    }
    problems.sort();
    problems.dedup();
    problems.truncate(MAX_PROBLEMS);
    Err(problems
        .iter()
        .map(|problem| {
            let (line, column) = place::of(text, problem.at);
            format!("{file}:{line}:{column}: {}", problem.what)
        })
        .collect())
}

/// Compares keys with a schema.
struct Keys<'a> {
    schema: &'a Value,
    problems: Vec<Problem>,
}

impl<'a> Keys<'a> {
    /// Removes unknown keys from a table, which begins at the byte `at`; returns whether it has all required keys.
    fn look_at_table(&mut self, table: &mut DeTable<'_>, node: &'a Value, name: Option<&str>, at: usize) -> bool {
        let Some(properties) = node["properties"].as_object() else { return true };
        let known: Vec<&str> = properties.keys().map(String::as_str).collect();
        let unknown = table.iter().map(|(key, _)| key).filter(|key| !known.contains(&key.get_ref().as_ref()));
        let unknown: Vec<_> = unknown.cloned().collect();
        let mut meant = BTreeSet::new();
        for key in unknown {
            let near = nearest(key.get_ref(), &known);
            meant.extend(near);
            table.remove(&key);
            if self.problems.len() >= MAX_PROBLEMS {
                continue;
            }
            self.problems.push(Problem { at: key.span().start, what: self.unknown(key.get_ref(), name, near, &known) });
        }
        for (key, value) in table.iter_mut() {
            let node = resolved(self.schema, &properties[key.get_ref().as_ref()]);
            self.look_at_value(value, node, &format!("[{}]", key.get_ref()));
        }
        let mut whole = true;
        let required = node["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
        for required in required.filter(|required| !table.iter().any(|(key, _)| key.get_ref() == required)) {
            whole = false;
            // A misspelt key is also missing, which need not be reported.
            if !meant.contains(required) {
                let of = name.map(|name| format!(" in {name}")).unwrap_or_default();
                self.problems.push(Problem { at, what: format!("the key `{required}` is missing{of}") });
            }
        }
        whole
    }

    /// Checks the tables in a value; returns whether they have all required keys. `name` is its key in brackets.
    fn look_at_value(&mut self, value: &mut toml::Spanned<DeValue<'_>>, node: &'a Value, name: &str) -> bool {
        let at = value.span().start;
        match value.get_mut() {
            DeValue::Table(table) => self.look_at_table(table, node, Some(name), at),
            DeValue::Array(array) if array.len() > MAX_ELEMENTS => {
                let key = name.trim_matches(['[', ']']);
                let what = format!("`{key}` has {} elements, and at most {MAX_ELEMENTS} are read", array.len());
                self.problems.push(Problem { at, what });
                true
            }
            DeValue::Array(array) => {
                let items = resolved(self.schema, &node["items"]);
                let mut elements: Vec<_> = array.iter().cloned().collect();
                elements.retain_mut(|element| self.look_at_value(element, items, &format!("[{name}]")));
                *array = elements.into_iter().collect();
                true
            }
            _ => true,
        }
    }

    fn unknown(&self, key: &str, table: Option<&str>, near: Option<&str>, known: &[&str]) -> String {
        let place = table.map(|table| format!(" in {table}")).unwrap_or_default();
        let meant = MEANT.iter().find(|(name, _)| table.is_none() && *name == key);
        let top = self.schema["properties"].as_object().is_some_and(|keys| keys.contains_key(key));
        let advice = match (meant, near, table) {
            (Some((_, meant)), _, _) => format!("did you mean {meant}?"),
            (None, Some(near), _) => format!("did you mean `{near}`?"),
            (None, None, Some(_)) if top => "it is a key of the top level: put it above the first table".to_owned(),
            (None, None, _) => format!("the keys are {}", known.join(", ")),
        };
        format!("unknown key `{key}`{place}; {advice}")
    }
}

/// Whether the table that begins at a byte lacks a required key.
fn lacks_a_key(document: &toml::Spanned<DeTable<'_>>, schema: &Value, at: usize) -> bool {
    let mut keys = Keys { schema, problems: Vec::new() };
    keys.look_at_table(document.clone().get_mut(), schema, None, 0);
    keys.problems.iter().any(|problem| problem.at == at)
}

/// The node that a node of the schema refers to: the definition, or the only alternative to null.
fn resolved<'a>(schema: &'a Value, node: &'a Value) -> &'a Value {
    if let Some(target) = node["$ref"].as_str() {
        return schema.pointer(target.trim_start_matches('#')).map_or(node, |target| resolved(schema, target));
    }
    let alternatives = node["anyOf"].as_array().map_or(&[][..], Vec::as_slice);
    match alternatives {
        [one, null] if null["type"] == "null" => resolved(schema, one),
        _ => node,
    }
}

/// The name that was most likely meant.
fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let name = name.replace('_', "-");
    let alike = known.iter().map(|known| (strsim::jaro_winkler(&name, known), *known));
    alike.filter(|(alike, _)| *alike >= MIN_SIMILARITY).max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, known)| known)
}

/// The message about the value at a span: a name that is not known, or a value of the wrong kind. `None` when it is
/// neither, or when serde's message is from layerfit.
fn wrong_at(document: &DeTable<'_>, schema: &Value, span: &Range<usize>, text: &str, message: &str) -> Option<String> {
    let (key, value, node) = value_at(document, schema, schema, span)?;
    if let DeValue::String(name) = value {
        let names = names(node);
        let near = nearest(name, &names);
        return match near {
            _ if names.is_empty() || names.contains(&name.as_ref()) => {
                wrong_kind(&key, value, node, schema, text, span)
            }
            Some(near) => Some(format!("unknown value `{name}`; did you mean `{near}`?")),
            None if names.len() > MAX_NAMES => Some(format!("unknown code `{name}`; `layerfit rules` lists them")),
            None => Some(format!("unknown value `{name}`; the values are {}", names.join(", "))),
        };
    }
    let of_serde = ["invalid type", "invalid value", "data did not match", "wanted "];
    if !of_serde.iter().any(|words| message.starts_with(words)) {
        return None;
    }
    let names = names(node);
    if !names.is_empty() && names.len() <= MAX_NAMES {
        return Some(format!(
            "the values of `{key}` are {}",
            names.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ")
        ));
    }
    wrong_kind(&key, value, node, schema, text, span)
        .or_else(|| Some(format!("`{key}` cannot be {}", text.get(span.clone())?)))
}

/// The value at a span, with its key and its node in the schema.
fn value_at<'v, 'd>(
    table: &'v DeTable<'d>,
    node: &'v Value,
    schema: &'v Value,
    span: &Range<usize>,
) -> Option<(String, &'v DeValue<'d>, &'v Value)> {
    table.iter().find_map(|(key, value)| {
        // The keys of [env] and of names are the user's.
        let of_key = Some(&node["properties"][key.get_ref().as_ref()]).filter(|node| !node.is_null());
        let node = resolved(schema, of_key.unwrap_or(&node["additionalProperties"]));
        value_in(key.get_ref(), value, node, schema, span)
    })
}

fn value_in<'v, 'd>(
    key: &str,
    value: &'v toml::Spanned<DeValue<'d>>,
    node: &'v Value,
    schema: &'v Value,
    span: &Range<usize>,
) -> Option<(String, &'v DeValue<'d>, &'v Value)> {
    let inside = match value.get_ref() {
        DeValue::Table(table) => value_at(table, node, schema, span),
        DeValue::Array(array) if !node["items"].is_null() => {
            let items = resolved(schema, &node["items"]);
            array.iter().find_map(|element| value_in(key, element, items, schema, span))
        }
        // Where no list is wanted, the whole list is wrong.
        DeValue::Array(array) => {
            let inside = |element: &toml::Spanned<DeValue<'_>>| covers(&element.span(), span);
            array.iter().any(inside).then(|| (key.to_owned(), value.get_ref(), node))
        }
        _ => None,
    };
    inside.or_else(|| (value.span() == *span).then(|| (key.to_owned(), value.get_ref(), node)))
}

/// The message about a value that is not of the kind that its key has.
fn wrong_kind(
    key: &str,
    value: &DeValue<'_>,
    node: &Value,
    schema: &Value,
    text: &str,
    span: &Range<usize>,
) -> Option<String> {
    let wanted = kinds(node, schema);
    let kind = match value {
        DeValue::String(_) => "string",
        DeValue::Integer(_) => "integer",
        DeValue::Boolean(_) => "boolean",
        DeValue::Array(_) => "array",
        DeValue::Table(_) => "object",
        DeValue::Float(_) | DeValue::Datetime(_) => "number",
    };
    if wanted.is_empty() || wanted.contains(kind) {
        return None;
    }
    let written = text.get(span.clone()).unwrap_or_default();
    let of_tables = kinds(resolved(schema, &node["items"]), schema).contains("object");
    let is_plain = !matches!(kind, "array" | "object");
    let is = |kind: &str| wanted.contains(kind);
    Some(if is("array") && of_tables {
        format!("`{key}` is a list of tables: write [[{key}]] above each")
    } else if is("array") && is_plain {
        let quoted = if kind == "string" { written.to_owned() } else { format!("\"{written}\"") };
        format!("`{key}` is a list: {key} = [{quoted}]")
    } else if is("object") {
        format!("`{key}` is a table: write [{key}] above its keys")
    } else if is("boolean") {
        format!("`{key}` is true or false, without quotes")
    } else if is("integer") && is("string") {
        format!("`{key}` is a size such as \"50MiB\", or a number of bytes")
    } else if is("integer") {
        format!("`{key}` is a whole number, without quotes")
    } else if is("string") && is_plain {
        format!("`{key}` is text in quotes: \"{written}\"")
    } else if is("string") {
        format!("`{key}` is one text in quotes")
    } else {
        return None;
    })
}

/// The kinds of values that a node allows, by their names in JSON Schema.
fn kinds<'a>(node: &'a Value, schema: &'a Value) -> BTreeSet<&'a str> {
    let alternatives = ["anyOf", "oneOf"].into_iter().filter_map(|of| node[of].as_array()).flatten();
    let own = match &node["type"] {
        Value::String(kind) => vec![kind.as_str()],
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let mut all: BTreeSet<&str> = own.into_iter().filter(|kind| *kind != "null").collect();
    all.extend(alternatives.flat_map(|one| kinds(resolved(schema, one), schema)));
    all
}

/// The names that a value can be.
fn names(node: &Value) -> Vec<&str> {
    let one_of = node["oneOf"].as_array().into_iter().flatten();
    let nodes = std::iter::once(node).chain(one_of);
    nodes
        .flat_map(|node| node["enum"].as_array().into_iter().flatten().chain(std::iter::once(&node["const"])))
        .filter_map(Value::as_str)
        .collect()
}

/// Removes the smallest value that contains a span, with its key; returns whether there was one. The span of a table with a
/// header does not cover its content, so everything is searched.
fn remove(table: &mut DeTable<'_>, span: &Range<usize>) -> bool {
    if table.iter_mut().any(|(_, value)| remove_inside(value.get_mut(), span)) {
        return true;
    }
    let at = table.iter().find(|(key, value)| covers(&key.span(), span) || covers(&value.span(), span));
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
            let Some(position) = array.iter().position(|element| covers(&element.span(), span)) else { return false };
            let others = array.iter().enumerate().filter(|(other, _)| *other != position);
            *array = others.map(|(_, element)| element.clone()).collect();
            true
        }
        _ => false,
    }
}

fn covers(outer: &Range<usize>, inner: &Range<usize>) -> bool {
    outer.start <= inner.start && inner.end <= outer.end
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use super::*;

    fn problems(text: &str) -> Vec<String> {
        read::<Config>("f", text).err().unwrap_or_default()
    }

    fn assert_problems(text: &str, expected: &[&str]) {
        let found = problems(text);
        assert_eq!(found.len(), expected.len(), "{found:#?}");
        for (found, expected) in found.iter().zip(expected) {
            assert!(found.starts_with(expected), "{found} is not {expected}");
        }
    }

    #[test]
    fn every_problem_is_reported_with_its_place_and_a_suggestion() {
        assert_problems(
            "runtme = \"provided.al2\"\nlevel = \"maximum\"\nmax-layers = 0\nmax-zipped = \"5 apples\"\n\
             [[layer]]\nname = \"r\"\nhold = [\"r\"]\n[[layer]]\nholds = []\n\
             [[finding]]\ncode = \"L999\"\nseverity = \"of\"\n",
            &[
                "f:1:1: unknown key `runtme`; did you mean `runtime`?",
                "f:2:9: unknown value `maximum`; did you mean `max`?",
                "f:3:14: must be at least 1; leave it out for Lambda's limit",
                "f:4:14: \"apples\"",
                "f:7:1: unknown key `hold` in [[layer]]; did you mean `holds`?",
                "f:8:1: the key `name` is missing in [[layer]]",
                "f:11:8: unknown code `L999`",
                "f:12:12: unknown value `of`; did you mean `off`?",
            ],
        );
    }

    #[test]
    fn a_value_of_another_kind_is_told_how_it_is_written() {
        for (text, expected) in [
            ("[budget]\nof = \"total\"\n", "f:1:1: `budget` is a list of tables: write [[budget]] above each"),
            ("budget = 3\n", "f:1:10: `budget` is a list of tables: write [[budget]] above each"),
            ("[layer]\nname = \"x\"\n", "f:1:1: `layer` is a list of tables: write [[layer]] above each"),
            ("[[publish]]\nregion = \"x\"\n", "f:1:1: `publish` is a table: write [publish] above its keys"),
            ("env = \"A=1\"\n", "f:1:7: `env` is a table: write [env] above its keys"),
            ("drop = \"pkg:x\"\n", "f:1:8: `drop` is a list: drop = [\"pkg:x\"]"),
            ("select = true\n", "f:1:10: `select` is a list: select = [\"true\"]"),
            ("[[layer]]\nname = \"x\"\nholds = \"r\"\n", "f:3:9: `holds` is a list: holds = [\"r\"]"),
            ("bundle = \"true\"\n", "f:1:10: `bundle` is true or false, without quotes"),
            ("runtime = 3\n", "f:1:11: `runtime` is text in quotes: \"3\""),
            ("lock = [\"a\"]\n", "f:1:8: `lock` is one text in quotes"),
            ("[env]\nA = 1\n", "f:2:5: `A` is text in quotes: \"1\""),
            ("[publish.names]\nr = true\n", "f:2:5: `r` is text in quotes: \"true\""),
            ("keep = [3]\n", "f:1:9: `keep` is text in quotes: \"3\""),
            ("max-layers = \"3\"\n", "f:1:14: `max-layers` is a whole number, without quotes"),
            ("max-layers = -1\n", "f:1:14: `max-layers` cannot be -1"),
            ("max-zipped = true\n", "f:1:14: `max-zipped` is a size such as \"50MiB\", or a number of bytes"),
            ("max-zipped = 1e6\n", "f:1:14: a number of bytes has digits only: 1000000, or with a unit"),
            ("max-zipped = 12.5\n", "f:1:14: 12.5 has no unit: did you mean \"12.5MiB\"?"),
            ("headroom = -3\n", "f:1:12: -3 is not a size: it is negative"),
            ("max-zipped = 0\n", "f:1:14: no layer is as small as 0 bytes: leave it out for Lambda's limit"),
            ("max-unzipped = \"0MiB\"\n", "f:1:16: no layer is as small as 0 bytes"),
            ("level = 9\n", "f:1:9: the values of `level` are \"fast\", \"default\", \"max\""),
            ("max-growth = 5\n", "f:1:14: `max-growth` is text in quotes: \"5\""),
        ] {
            assert_problems(text, &[expected]);
        }
    }

    #[test]
    fn a_long_list_is_a_problem_and_there_are_never_many_problems() {
        let long = format!("drop = [{}]\n", "\"a\",".repeat(MAX_ELEMENTS + 1));
        assert_problems(&long, &["f:1:8: `drop` has 10001 elements, and at most 10000 are read"]);
        let tables = "[[layer]]\nname = \"a\"\nholds = []\n".repeat(MAX_ELEMENTS + 1);
        assert_problems(&tables, &["f:1:1: `layer` has 10001 elements"]);
        let keys: String = (0..1000).map(|number| format!("k{number} = 1\n")).collect();
        assert_eq!(problems(&keys).len(), MAX_PROBLEMS);
    }

    #[test]
    fn names_that_are_known_from_elsewhere_are_understood() {
        assert_problems(
            "layer-zipped = \"50MB\"\nlayers = 3\nrepack_rdb = true\nquux = 1\n[limits]\nlayers = 3\n\
             [publish]\nrepack-rdb = true\n",
            &[
                "f:1:1: unknown key `layer-zipped`; did you mean `max-zipped`?",
                "f:2:1: unknown key `layers`; did you mean `max-layers`, or `[[layer]]` for a named layer?",
                "f:3:1: unknown key `repack_rdb`; did you mean `repack-rdb`?",
                "f:4:1: unknown key `quux`; the keys are arch, ",
                "f:5:2: unknown key `limits`; did you mean `max-zipped`, `max-unzipped`",
                "f:8:1: unknown key `repack-rdb` in [publish]; it is a key of the top level",
            ],
        );
    }

    #[test]
    fn what_is_not_toml_is_reported_and_what_is_right_is_read() {
        assert!(problems("a = [\n")[0].starts_with("f:"));
        assert_eq!(problems("runtime = \"host\"\nmax-layers = 3\narch = \"amd64\"\n"), Vec::<String>::new());
        assert_eq!(problems("[publish.names]\nanything = \"x\"\n"), Vec::<String>::new());
    }
}
