//! `layerfit config`: every setting, with its value and where that comes from.
//!
//! The settings are those of the file's JSON Schema, so none can be left out; each corresponds to the option of the same name.
//! A list has the elements of the file, followed by those of the command line.

use std::path::Path;

use clap::ArgMatches;
use clap::ValueEnum;
use clap::parser::ValueSource;
use serde::Serialize;
use serde_json::{Value, json};
use toml::de::{DeTable, DeValue};

use super::args::{ConfigArgs, LevelName, SettingsFormat, StrategyName, StripName};
use super::config;
use super::config::{Config, NAME};
use super::exit::Exit;
use super::work::working_directory;
use super::{output, settings};
use crate::base::bytes::size;
use crate::base::error::Result;
use crate::report::{Section, SectionKind, as_json, table_section, wrapped};
use crate::runtime::Limits;

/// Settings that are sizes in bytes.
const SIZES: [&str; 4] = ["max-zipped", "max-unzipped", "function-size", "headroom"];

/// Settings that only the command line has.
const COMMAND_LINE_ONLY: [&str; 2] = ["no-cache", "weigh-pruned"];

pub(super) fn run(arguments: &ConfigArgs, matches: &ArgMatches) -> Result<Exit> {
    if arguments.schema {
        return output::done(&config::schema()?);
    }
    output::done(&sources(arguments, matches.subcommand().map(|(_, given)| given))?)
}

/// A setting, from one of the places that set it.
#[derive(Debug, Serialize)]
struct Setting {
    /// Its key in layerfit.toml, or its option without `--`.
    #[serde(rename = "setting")]
    key: String,
    /// Its value; null when it has none.
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

/// All settings, and the file that they were read from.
#[derive(Debug, Serialize)]
struct Sources {
    /// The file's path, when there is one.
    file: Option<String>,
    settings: Vec<Setting>,
}

/// Every setting, as text. Settings that a run would refuse are the same errors here.
///
/// # Errors
/// When the file cannot be read, or it or the command line is wrong.
fn sources(arguments: &ConfigArgs, given: Option<&ArgMatches>) -> Result<Vec<u8>> {
    let working_directory = working_directory()?;
    let (config, file) = Config::find(arguments.options.input.config.as_deref(), &working_directory)?;
    settings::settings(&arguments.options, &config, None)?;
    let settings = collect(config.text(), given);
    match arguments.format {
        SettingsFormat::Table => Ok(table(&settings, file.as_deref(), &working_directory, output::columns())),
        SettingsFormat::Json => {
            let file = file.map(|path| path.display().to_string());
            as_json(&Sources { file, settings })
        }
    }
}

fn collect(text: &str, given: Option<&ArgMatches>) -> Vec<Setting> {
    let values: Value = toml::from_str(text).unwrap_or_default();
    let (spans, _) = DeTable::parse_recoverable(text);
    let mut settings = Vec::new();
    for key in keys() {
        let mut places = in_file(&key, &values, spans.get_ref(), text);
        let on_command_line = on_command_line(&key, given);
        let adds = on_command_line.as_ref().is_some_and(|setting| setting.value.is_array());
        if !adds && on_command_line.is_some() {
            places.clear();
        }
        places.extend(on_command_line);
        if places.is_empty() {
            places.push(Setting { value: default(&key), key, from: "default", line: None, option: None });
        }
        settings.extend(places);
    }
    settings
}

/// The keys of all settings; tables, except those in lists, are split into their keys.
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

/// The values of a setting in the file; a list of tables is split into its elements.
fn in_file(key: &str, values: &Value, spans: &DeTable<'_>, text: &str) -> Vec<Setting> {
    let (mut value, mut table, mut at) = (values, Some(spans), None);
    let mut written = None;
    for part in key.split('.') {
        value = &value[part];
        written = table.and_then(|table| table.iter().find(|(name, _)| name.get_ref() == part));
        at = written.map(|(name, _)| name.span().start);
        table = written.and_then(|(_, value)| value.get_ref().as_table());
    }
    let line = |at: usize| Some(config::place_of(text, at).0);
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

/// The value of a setting on the command line.
fn on_command_line(key: &str, given: Option<&ArgMatches>) -> Option<Setting> {
    let (given, id) = (given?, key.replace('-', "_"));
    if !matches!(given.try_contains_id(&id), Ok(true)) || given.value_source(&id) != Some(ValueSource::CommandLine) {
        return None;
    }
    let words: Vec<String> = given.get_raw(&id)?.map(|word| word.to_string_lossy().into_owned()).collect();
    // An option that can be repeated is a list; one without a value means true.
    let value = match (words.first().map(String::as_str), is_list(key)) {
        (_, true) => json!(words),
        (None | Some("true"), false) => json!(true),
        (Some("false"), false) => json!(false),
        (Some(word), false) => json!(word),
    };
    let option = Some(format!("--{key}"));
    Some(Setting { key: key.to_owned(), value, from: "command line", line: None, option })
}

/// Whether the file has a list for a setting.
fn is_list(key: &str) -> bool {
    let schema = schemars::schema_for!(Config).to_value();
    schema["properties"][key]["type"] == "array"
}

/// The default of a setting.
pub(super) fn default(key: &str) -> Value {
    fn name<T: ValueEnum + Default>() -> Value {
        json!(T::default().to_possible_value().map(|value| value.get_name().to_owned()))
    }
    let limits = Limits::built_in();
    match key {
        "runtime" => json!(config::RUNTIME),
        "sysroot" => json!(settings::SYSROOT),
        "autoremove" | "bundle" | "repack-rdb" | "no-cache" | "weigh-pruned" => json!(false),
        "level" => name::<LevelName>(),
        "strip" => name::<StripName>(),
        "strategy" => name::<StrategyName>(),
        "max-zipped" => json!(limits.layer_zipped),
        "max-unzipped" => json!(limits.total_unzipped),
        "max-layers" => json!(limits.layers),
        "template.trigger" => json!("none"),
        "function-size" | "headroom" | "slack" => json!(0),
        _ => Value::Null,
    }
}

fn table(settings: &[Setting], file: Option<&Path>, working_directory: &Path, columns: u16) -> Vec<u8> {
    let which = match file {
        Some(path) => format!("Configuration file: {}", path.display()),
        None => format!("No {NAME} was found in {} or above.", working_directory.display()),
    };
    let from = |setting: &Setting| match (&setting.option, setting.line) {
        (Some(option), _) => option.clone(),
        (None, Some(line)) => format!("line {line}"),
        (None, None) => "default".to_owned(),
    };
    let section = Section {
        kind: SectionKind::Other,
        shares: Vec::new(),
        title: "Settings".to_owned(),
        header: vec!["setting", "value", "from"],
        numbers: Vec::new(),
        rows: settings.iter().map(|s| vec![s.key.clone(), plain(&s.key, &s.value), from(s)]).collect(),
        note: Some("Command-line options override the file; lists are appended.".to_owned()),
    };
    (wrapped(&which, columns) + &table_section(&section, columns)).into_bytes()
}

/// A value for people: sizes with their unit, tables as in TOML.
fn plain(key: &str, value: &Value) -> String {
    let inner = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Object(table) => {
            let entries = table.iter().map(|(key, value)| format!("{key} = {value}"));
            entries.collect::<Vec<_>>().join(", ")
        }
        other => other.to_string(),
    };
    match value {
        Value::Null => "-".to_owned(),
        Value::Array(values) => values.iter().map(inner).collect::<Vec<_>>().join(", "),
        // A size that was given with a unit is shown as given.
        value if SIZES.contains(&key) => match (value.as_u64(), value.as_str()) {
            (Some(bytes), _) => size(bytes),
            (None, Some(text)) => text.parse().map_or_else(|_| text.to_owned(), size),
            (None, None) => value.to_string(),
        },
        value => inner(value),
    }
}
