//! The reference of layerfit.toml: each key with its type, its default and an example. All of it comes from the types of the file,
//! by way of its JSON Schema, so no key can be left out. It is written as Markdown, for `docs/guide/layerfit.toml.md`, and as a
//! manual page.

use clap_mangen::roff::{Roff, bold, roman};
use schemars::Schema;
use serde_json::{Map, Value};

use super::config;
use super::sources::default;
use crate::base::error::{Error, Result};
use crate::base::wrap;

/// What the file is for, at the head of both.
const ABOUT: &str = "layerfit.toml has the settings of layerfit for one project. The file is the nearest one in the working \
                     directory and those above it, or the one that --config names. Options of the command line override it, \
                     and `layerfit init` writes one with a remark for each setting. Paths are relative to the directory of the \
                     file.";

/// How sizes are written.
const SIZES: &str = "A size is a text with a unit (B, KiB, MiB or GiB; KB, MB and GB mean the same, as in AWS's quotas), or a \
                     number of bytes with at least six digits. A growth is a size or a percentage.";

/// The width of the text in Markdown.
const COLUMNS: usize = 120;

/// The type of a list of tables.
const TABLES: &str = "tables";

/// One key, with those of its table.
struct Entry {
    key: String,
    /// Its type, in words.
    kind: String,
    /// Its value if it is not set, as TOML.
    default: Option<String>,
    description: String,
    /// A part of a file.
    example: Option<String>,
    below: Vec<Entry>,
}

/// The reference as Markdown.
///
/// # Errors
/// When an example cannot be written as TOML, which does not happen for the values in the schema.
pub fn markdown() -> Result<String> {
    let mut text = format!(
        "# layerfit.toml\n\n<!-- Generated from the types of the file: LAYERFIT_BLESS=1 cargo test --test it schemas -->\n\n{}\n\n{}\n\n\
         For completion and checks in an editor, [layerfit.schema.json](../layerfit.schema.json) is the JSON Schema of the file; \
         `layerfit config --schema` prints it.\n",
        wrap::prose(ABOUT, COLUMNS),
        wrap::prose(SIZES, COLUMNS),
    );
    for entry in entries(default)? {
        text += &format!("\n## `{}`\n\n{}\n\n", entry.key, wrap::prose(&entry.description, COLUMNS));
        text += &format!("Type: {}.", entry.kind);
        text += &entry.default.map_or_else(|| "\n".to_owned(), |default| format!(" Default: `{default}`.\n"));
        for below in &entry.below {
            text += &format!("\n- `{}`, {}: {}", below.key, below.kind, below.description);
        }
        if !entry.below.is_empty() {
            text += "\n";
        }
        if let Some(example) = entry.example {
            text += &format!("\n```toml\n{example}```\n");
        }
    }
    Ok(text)
}

/// The reference as a manual page in section 5, and the name of its file.
///
/// # Errors
/// As for [`markdown`].
pub(super) fn page(source: &str) -> Result<(String, Vec<u8>)> {
    let mut roff = Roff::new();
    roff.control("TH", ["layerfit.toml", "5", " ", source, "layerfit's manual"]);
    roff.control("SH", ["NAME"]);
    roff.text([roman("layerfit.toml - settings of layerfit")]);
    roff.control("SH", ["DESCRIPTION"]);
    roff.text([roman(plain(ABOUT))]);
    roff.control("PP", []);
    roff.text([roman(SIZES)]);
    roff.control("SH", ["KEYS"]);
    for entry in entries(default)? {
        roff.control("TP", []);
        roff.text([bold(entry.key.as_str())]);
        let default = entry.default.map_or_else(String::new, |default| format!(" Default: {default}."));
        roff.text([roman(format!("{} Type: {}.{default}", plain(&entry.description), entry.kind))]);
        for below in entry.below {
            roff.control("RS", []);
            roff.control("TP", []);
            roff.text([bold(below.key)]);
            roff.text([roman(format!("{} Type: {}.", plain(&below.description), below.kind))]);
            roff.control("RE", []);
        }
        if let Some(example) = entry.example {
            roff.control("RS", []);
            code(&mut roff, example.lines());
            roff.control("RE", []);
        }
    }
    roff.control("SH", ["FILES"]);
    roff.control("TP", []);
    roff.text([bold("layerfit.toml")]);
    roff.text([roman("the nearest one in the working directory and those above it")]);
    roff.control("SH", ["SEE ALSO"]);
    roff.text([
        bold("layerfit"),
        roman("(1), "),
        bold("layerfit-config"),
        roman("(1), "),
        bold("layerfit-init"),
        roman("(1)"),
    ]);
    let mut text = Vec::new();
    let name = "layerfit.toml.5";
    roff.to_writer(&mut text).map_err(Error::io("write", name))?;
    Ok((name.to_owned(), text))
}

/// Lines as they are.
pub(super) fn code<'a>(roff: &mut Roff, lines: impl IntoIterator<Item = &'a str>) {
    roff.control("PP", []);
    roff.control("nf", []);
    for line in lines {
        // An empty line of roff is a paragraph.
        if line.is_empty() {
            roff.control("sp", []);
        } else {
            roff.text([roman(line)]);
        }
    }
    roff.control("fi", []);
}

/// Text without the marks of Markdown.
fn plain(text: &str) -> String {
    text.replace('`', "")
}

/// Every key of the file, sorted.
fn entries(default: impl Fn(&str) -> Value) -> Result<Vec<Entry>> {
    let schema = config::json_schema();
    let properties = schema.get("properties").and_then(Value::as_object);
    properties.into_iter().flatten().map(|(key, node)| entry(&schema, key, node, &default(key))).collect()
}

fn entry(schema: &Schema, key: &str, node: &Value, default: &Value) -> Result<Entry> {
    let example = node["examples"].as_array().and_then(|examples| examples.first());
    let example = example.map(|value| toml_of(key, value)).transpose()?;
    // A list of tables, or one table.
    let table = resolved(schema, node.get("items").unwrap_or(node));
    let below = match table.get("properties").and_then(Value::as_object) {
        Some(properties) => {
            let required: Vec<&str> =
                table["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            let one = |(key, node): (&String, &Value)| {
                let mut below = entry(schema, key, node, &Value::Null)?;
                if required.contains(&key.as_str()) {
                    below.kind += ", required";
                }
                Ok(below)
            };
            properties.iter().map(one).collect::<Result<_>>()?
        }
        None => Vec::new(),
    };
    Ok(Entry {
        key: key.to_owned(),
        kind: match kind(schema, node).as_str() {
            TABLES => format!("tables, each headed `[[{key}]]`"),
            kind => kind.to_owned(),
        },
        default: match default {
            Value::Null => None,
            value => Some(value_of(value)),
        },
        description: node["description"].as_str().unwrap_or_default().to_owned(),
        example,
        below,
    })
}

/// A value as the file has it.
fn toml_of(key: &str, value: &Value) -> Result<String> {
    let table = Map::from_iter([(key.to_owned(), value.clone())]);
    toml::to_string(&table).map_err(Error::bug("write an example as TOML"))
}

fn value_of(value: &Value) -> String {
    // A text, a number or a truth value is the same in JSON.
    value.to_string()
}

/// The schema that a reference leads to.
fn resolved<'a>(schema: &'a Schema, node: &'a Value) -> &'a Value {
    let name = node["$ref"].as_str().and_then(|reference| reference.rsplit('/').next());
    let found = name.and_then(|name| schema.get("$defs")?.get(name));
    found.unwrap_or(node)
}

/// A type, in words.
fn kind(schema: &Schema, node: &Value) -> String {
    // What can be left out.
    if let Some(first) = node["anyOf"].as_array().and_then(|kinds| kinds.first()) {
        return kind(schema, first);
    }
    match node["$ref"].as_str().and_then(|reference| reference.rsplit('/').next()) {
        Some("Bytes" | "LimitBytes") => return "a size".to_owned(),
        Some("GrowthText") => return "a growth".to_owned(),
        Some("Code") => return "the code of a check".to_owned(),
        _ => {}
    }
    let node = resolved(schema, node);
    let texts = |values: &Value, of: &dyn Fn(&Value) -> Value| {
        let values =
            values.as_array().into_iter().flatten().map(|value| format!("`\"{}\"`", of(value).as_str().unwrap_or("")));
        crate::base::list::with_last(&values.collect::<Vec<_>>(), "or")
    };
    if node.get("oneOf").is_some() {
        return texts(&node["oneOf"], &|value| value["const"].clone());
    }
    if node.get("enum").is_some() {
        return texts(&node["enum"], &Value::clone);
    }
    let name = match &node["type"] {
        Value::Array(kinds) => kinds.first().and_then(Value::as_str),
        kind => kind.as_str(),
    };
    match name.unwrap_or_default() {
        "array" if resolved(schema, &node["items"]).get("properties").is_some() => TABLES.to_owned(),
        "array" => "a list of texts".to_owned(),
        "object" if node.get("properties").is_some() => "a table".to_owned(),
        "object" => "a table of texts".to_owned(),
        "boolean" => "`true` or `false`".to_owned(),
        "integer" => "a whole number".to_owned(),
        _ => "a text".to_owned(),
    }
}
