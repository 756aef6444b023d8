//! `layerfit config`: every setting, with its value and where that comes from.
//!
//! The settings are those of the file's JSON Schema, so that none can be left out; an option of the command line is the one
//! of the same name, but for the limits. A list is what the file says and what the command line adds.

use std::path::Path;

use clap::ArgMatches;
use clap::ValueEnum;
use clap::parser::ValueSource;
use serde::Serialize;
use serde_json::{Value, json};
use toml::de::{DeTable, DeValue};

use super::{Config, NAME};
use crate::base::error::{Error, Result};
use crate::cli::args::{Common, Format, LevelName, StrategyName, StripName};
use crate::cli::settings;
use crate::report::{Section, as_json, table_section, wrapped};
use crate::runtime::Limits;

/// Settings of the file whose options have another name.
const OPTIONS: [(&str, &str); 5] = [
    ("limits.layer-zipped", "max-zipped"),
    ("limits.total-unzipped", "max-unzipped"),
    ("limits.layers", "max-layers"),
    ("limits.function-size", "function-size"),
    ("limits.headroom", "headroom"),
];

/// Settings that only the command line has.
const COMMAND_LINE_ONLY: [&str; 2] = ["no-cache", "jobs"];

/// A setting, by one of the places that say something of it.
#[derive(Debug, Serialize)]
struct Setting {
    /// Its key in layerfit.toml, or its option without `--`.
    #[serde(rename = "setting")]
    key: String,
    /// What it is; null when there is none.
    value: Value,
    /// `command line`, `file` or `default`.
    from: &'static str,
    /// The line in the file, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<usize>,
    /// The option of the command line.
    #[serde(skip_serializing_if = "Option::is_none")]
    option: Option<String>,
}

/// Everything there is to say.
#[derive(Debug, Serialize)]
struct Sources {
    /// The file's path, when there is one.
    file: Option<String>,
    settings: Vec<Setting>,
}

/// What `layerfit config` prints. Settings that no run would take are the error that the run would end in.
///
/// # Errors
/// When the file cannot be read, or it or the command line says what cannot be.
pub(in crate::cli) fn sources(common: &Common, given: Option<&ArgMatches>) -> Result<Vec<u8>> {
    let working_directory = std::env::current_dir().map_err(Error::io("find", "the working directory"))?;
    let (config, file) = Config::find(common.config.as_deref(), &working_directory)?;
    settings::settings(common, &config)?;
    let text = match &file {
        Some(path) => std::fs::read_to_string(path).map_err(Error::io("read", path))?,
        None => String::new(),
    };
    let settings = collect(&text, given)?;
    match common.format {
        Format::Table if common.quiet => Ok(Vec::new()),
        Format::Table => Ok(table(&settings, file.as_deref(), &working_directory)),
        Format::Json => {
            let file = file.map(|path| path.display().to_string());
            as_json(&Sources { file, settings })
        }
        _ => Err(Error::Usage {
            message: "config answers in --format table or json".to_owned(),
            help: "the others are for reports: layerfit plan, pack or check".to_owned(),
        }),
    }
}

fn collect(text: &str, given: Option<&ArgMatches>) -> Result<Vec<Setting>> {
    let values: Value = toml::from_str(text).unwrap_or_default();
    let (spans, _) = DeTable::parse_recoverable(text);
    let mut settings = Vec::new();
    for key in keys() {
        let named = OPTIONS.iter().find(|(name, _)| *name == key).map_or(key.as_str(), |(_, option)| option);
        let mut places = in_file(&key, &values, spans.get_ref(), text);
        let on_command_line = on_command_line(&key, named, given);
        let adds = on_command_line.as_ref().is_some_and(|setting| setting.value.is_array());
        if !adds && on_command_line.is_some() {
            places.clear();
        }
        places.extend(on_command_line);
        if places.is_empty() {
            places.push(Setting { value: default(&key)?, key, from: "default", line: None, option: None });
        }
        settings.extend(places);
    }
    Ok(settings)
}

/// The settings there are, those of a table that is no list each by itself.
fn keys() -> Vec<String> {
    let schema = schemars::schema_for!(Config).to_value();
    let mut keys = Vec::new();
    for (key, property) in schema["properties"].as_object().into_iter().flatten() {
        let table = property["$ref"].as_str().and_then(|at| schema.pointer(at.trim_start_matches('#')));
        match table.and_then(|table| table["properties"].as_object()) {
            Some(inner) => keys.extend(inner.keys().map(|inner| format!("{key}.{inner}"))),
            None => keys.push(key.clone()),
        }
    }
    keys.extend(COMMAND_LINE_ONLY.map(str::to_owned));
    keys
}

/// What the file says of a setting; of a list of tables, each by itself.
fn in_file(key: &str, values: &Value, spans: &DeTable<'_>, text: &str) -> Vec<Setting> {
    let (mut value, mut table, mut at) = (values, Some(spans), None);
    let mut written = None;
    for part in key.split('.') {
        value = &value[part];
        written = table.and_then(|table| table.iter().find(|(name, _)| name.get_ref() == part));
        at = written.map(|(name, _)| name.span().start);
        table = written.and_then(|(_, value)| value.get_ref().as_table());
    }
    let line = |at: usize| Some(text.get(..at).unwrap_or(text).matches('\n').count() + 1);
    let setting = |value: &Value, at: usize| Setting {
        key: key.to_owned(),
        value: value.clone(),
        from: "file",
        line: line(at),
        option: None,
    };
    match (value, written.map(|(_, value)| value.get_ref())) {
        (Value::Null, _) => Vec::new(),
        (Value::Array(elements), Some(DeValue::Array(places))) if elements.iter().all(Value::is_object) => {
            elements.iter().zip(places.iter()).map(|(element, place)| setting(element, place.span().start)).collect()
        }
        (value, _) => vec![setting(value, at.unwrap_or_default())],
    }
}

/// What the command line says of a setting.
fn on_command_line(key: &str, option: &str, given: Option<&ArgMatches>) -> Option<Setting> {
    let (given, id) = (given?, option.replace('-', "_"));
    if !matches!(given.try_contains_id(&id), Ok(true)) || given.value_source(&id) != Some(ValueSource::CommandLine) {
        return None;
    }
    let words: Vec<String> = given.get_raw(&id)?.map(|word| word.to_string_lossy().into_owned()).collect();
    // What can be given many times is a list; an option without a value says true.
    let value = match (words.first().map(String::as_str), is_list(key)) {
        (_, true) => json!(words),
        (None | Some("true"), false) => json!(true),
        (Some("false"), false) => json!(false),
        (Some(word), false) => json!(word),
    };
    let option = Some(format!("--{option}"));
    Some(Setting { key: key.to_owned(), value, from: "command line", line: None, option })
}

/// Whether the file has a list for a setting.
fn is_list(key: &str) -> bool {
    let schema = schemars::schema_for!(Config).to_value();
    schema["properties"][key]["type"] == "array"
}

/// What a setting is when nobody says anything.
fn default(key: &str) -> Result<Value> {
    fn name<T: ValueEnum + Default>() -> Value {
        json!(T::default().to_possible_value().map(|value| value.get_name().to_owned()))
    }
    let limits = Limits::built_in();
    Ok(match key {
        "runtime" => json!(settings::RUNTIME),
        "sysroot" => json!(settings::SYSROOT),
        "bundle" | "repack-rdb" | "no-cache" => json!(false),
        "level" => name::<LevelName>(),
        "strip" => name::<StripName>(),
        "strategy" => name::<StrategyName>(),
        "limits.layer-zipped" => json!(limits.layer_zipped),
        "limits.total-unzipped" => json!(limits.total_unzipped),
        "limits.layers" => json!(limits.layers),
        "limits.function-size" | "limits.headroom" => json!(0),
        _ => Value::Null,
    })
}

fn table(settings: &[Setting], file: Option<&Path>, working_directory: &Path) -> Vec<u8> {
    let which = match file {
        Some(path) => format!("The file is {}.", path.display()),
        None => format!("There is no {NAME} in {} or above.", working_directory.display()),
    };
    let plain = |value: &Value| match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(values) => values
            .iter()
            .map(|v| v.as_str().map_or_else(|| v.to_string(), str::to_owned))
            .collect::<Vec<_>>()
            .join(", "),
        other => other.to_string(),
    };
    let from = |setting: &Setting| match (&setting.option, setting.line) {
        (Some(option), _) => option.clone(),
        (None, Some(line)) => format!("line {line}"),
        (None, None) => "default".to_owned(),
    };
    let section = Section {
        kind: crate::report::SectionKind::Other,
        title: "Settings".to_owned(),
        header: vec!["setting", "value", "from"],
        numbers: Vec::new(),
        rows: settings.iter().map(|s| vec![s.key.clone(), plain(&s.value), from(s)]).collect(),
        note: Some("The command line comes before the file, and adds to its lists.".to_owned()),
    };
    (wrapped(&which) + &table_section(&section)).into_bytes()
}
