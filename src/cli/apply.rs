//! `layerfit plan --apply`: writes next steps into layerfit.toml. Everything else in the file stays, comments included.

use std::path::{Path, PathBuf};

use toml_edit::{Array, DocumentMut, Item, Value};

use super::config::NAME;
use crate::base::atomic::replace_file;
use crate::base::error::{Error, Result};
use crate::base::read;
use crate::base::similar::nearest;
use crate::plan::suggest::{Setting, Suggestion};
use crate::report::Report;

/// Writes the steps of a report that were `chosen`, each by its name or as NAME=PATH, into `file`, or into a new file in the
/// working directory. Returns what to print, and the path of the file.
///
/// # Errors
/// When there is no step of a name, a step is not a setting, or the file cannot be written; nothing is written then.
pub(super) fn apply(report: &Report, chosen: &[String], file: Option<&Path>) -> Result<(Vec<u8>, PathBuf)> {
    let path = file.unwrap_or(Path::new(NAME));
    let text = read::text_if_there(path, read::MAX_TEXT)?.unwrap_or_default();
    let mut document: DocumentMut = text.parse().map_err(|error: toml_edit::TomlError| Error::Data {
        file: path.display().to_string(),
        message: error.message().to_owned(),
        help: "correct it first".to_owned(),
    })?;
    let current = std::env::current_dir().unwrap_or_default();
    let shown = path.strip_prefix(&current).unwrap_or(path);
    let mut written = String::new();
    for chosen in chosen {
        let (name, value) = chosen.split_once('=').map_or((chosen.as_str(), None), |(name, value)| (name, Some(value)));
        if document.get(name).and_then(Item::as_bool) == Some(true) {
            return Err(Error::Usage {
                message: format!("--apply {name}: is already on in {}", shown.display()),
                help: "leave it out".to_owned(),
            });
        }
        let step = find(report, name)?;
        let line = set(&mut document, step, value, path)?;
        written += &format!("{}: {line}\n", shown.display());
    }
    replace_file(path, document.to_string().as_bytes())?;
    Ok((written.into_bytes(), path.to_owned()))
}

/// The step of a name.
fn find<'a>(report: &'a Report, name: &str) -> Result<&'a Suggestion> {
    let names = || report.suggestions.iter().map(|step| step.name.as_str());
    report.suggestions.iter().find(|step| step.name == name).ok_or_else(|| Error::Usage {
        message: format!("--apply {name}: no next step has that name"),
        help: match (nearest(name, names()), report.suggestions.is_empty()) {
            (_, true) => "there are none for this tree with these settings".to_owned(),
            (Some(near), _) => format!("did you mean {near}? `layerfit plan -v` lists all"),
            (None, _) => format!("the names are {}", names().collect::<Vec<_>>().join(", ")),
        },
    })
}

/// Sets what a step is in the file; returns that as it is printed.
fn set(document: &mut DocumentMut, step: &Suggestion, value: Option<&str>, file: &Path) -> Result<String> {
    let name = &step.name;
    let usage =
        |message: String, help: String| Err(Error::Usage { message: format!("--apply {name}: {message}"), help });
    match (&step.setting, value) {
        (None, _) => usage("is a change to the tree, not a setting".to_owned(), step.what.clone()),
        (Some(Setting::Paths(_)), None | Some("")) => {
            usage("needs a path".to_owned(), format!("give the directory of the function's code: --apply {name}=DIR"))
        }
        (Some(Setting::Paths(key)), Some(path)) => {
            if !Path::new(path).exists() {
                return Err(Error::RootMissing(PathBuf::from(path)));
            }
            Ok(add(document, key, &[from_file(path, file)?]))
        }
        (Some(_), Some(_)) => usage("takes no value".to_owned(), format!("give --apply {name}")),
        (Some(Setting::On(key)), None) => Ok(replace(document, key, Value::from(true))),
        (Some(Setting::Text(key, text)), None) => Ok(replace(document, key, Value::from(text.as_str()))),
        (Some(Setting::Add(key, values)), None) => Ok(add(document, key, values)),
    }
}

/// Sets a key; a comment behind its old value stays.
fn replace(document: &mut DocumentMut, key: &str, mut value: Value) -> String {
    let shown = format!("{key} = {}", value.to_string().trim());
    if let Some(old) = document.get(key).and_then(Item::as_value) {
        *value.decor_mut() = old.decor().clone();
    }
    document[key] = Item::Value(value);
    shown
}

/// Adds to a list what it does not have, in the form of its last element.
fn add(document: &mut DocumentMut, key: &str, values: &[String]) -> String {
    let quoted: Vec<String> =
        values.iter().map(|value| Value::from(value.as_str()).to_string().trim().to_owned()).collect();
    let item = document.entry(key).or_insert_with(|| Item::Value(Value::Array(Array::new())));
    if let Some(array) = item.as_array_mut() {
        // In a list of one element for each line, new ones have lines of their own.
        let prefix = array.iter().last().and_then(|last| last.decor().prefix()?.as_str()?.rsplit_once('\n'));
        let prefix = prefix.map(|(_, indent)| format!("\n{indent}"));
        for value in values {
            if array.iter().any(|has| has.as_str() == Some(value)) {
                continue;
            }
            array.push(value.as_str());
            let last = array.len() - 1;
            if let (Some(prefix), Some(new)) = (&prefix, array.get_mut(last)) {
                new.decor_mut().set_prefix(prefix.as_str());
            }
        }
    }
    format!("{key} has {}", quoted.join(", "))
}

/// A path as the file has it: from its own directory.
fn from_file(path: &str, file: &Path) -> Result<String> {
    let absolute = std::path::absolute(path).map_err(Error::io("find", Path::new(path)))?;
    let file = std::path::absolute(file).map_err(Error::io("find", file))?;
    let directory = file.parent().unwrap_or(Path::new("/"));
    let relative = pathdiff::diff_paths(&absolute, directory).unwrap_or(absolute);
    Ok(relative.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "# How it is packed.\nruntime = \"provided.al2023\" # the default\nstrip = \"debug\" # small\n\
                        drop = [\n  \"pkg:a\", # large\n  \"pkg:b\",\n]\n# select = [\"x\"]\n\n[env]\nTZ = \"UTC\" # here\n";

    #[test]
    fn what_is_written_leaves_the_rest_of_the_file_as_it_is() {
        let mut document: DocumentMut = FILE.parse().expect("TOML");
        assert_eq!(replace(&mut document, "strip", Value::from("all")), "strip = \"all\"");
        assert_eq!(replace(&mut document, "bundle", Value::from(true)), "bundle = true");
        let two = ["pkg:b".to_owned(), "pkg:c".to_owned()];
        assert_eq!(add(&mut document, "drop", &two), "drop has \"pkg:b\", \"pkg:c\"");
        assert_eq!(add(&mut document, "select", &["help".to_owned()]), "select has \"help\"");
        let text = document.to_string();
        let expected = FILE
            .replace("\"debug\" # small", "\"all\" # small")
            .replace("  \"pkg:b\",\n]\n", "  \"pkg:b\",\n  \"pkg:c\",\n]\nbundle = true\nselect = [\"help\"]\n");
        assert_eq!(text, expected);
    }
}
