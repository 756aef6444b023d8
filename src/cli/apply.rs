//! `layerfit plan --apply`: writes next steps into layerfit.toml. Everything else in the file stays, byte for byte.

use std::path::{Path, PathBuf};

use toml_edit::Value;

use super::config::NAME;
use super::toml_text::{add, document, is_on, set};
use crate::base::atomic::{can_replace, replace_file};
use crate::base::error::{Error, Result};
use crate::base::read;
use crate::base::similar::nearest;
use crate::plan::suggest::{Setting, Suggestion};
use crate::report::Report;

/// Tries whether steps can be written into `file`, before they are worked out, which can take long.
///
/// # Errors
/// When it cannot be replaced.
pub(super) fn can_apply(file: Option<&Path>) -> Result<()> {
    can_replace(&target(file.unwrap_or(Path::new(NAME))))
}

/// The file that is replaced: a link to it stays one.
fn target(file: &Path) -> PathBuf {
    if file.is_symlink() { file.canonicalize().unwrap_or_else(|_| file.to_owned()) } else { file.to_owned() }
}

/// Writes the steps of a report that were `chosen`, each by its name or as NAME=PATH, into `file`, or into a new file in the
/// working directory. Returns what to print, and the path of the file.
///
/// # Errors
/// When there is no step of a name, a step is not a setting, or the file cannot be written; nothing is written then.
pub(super) fn apply(report: &Report, chosen: &[String], file: Option<&Path>) -> Result<(Vec<u8>, PathBuf)> {
    let path = file.unwrap_or(Path::new(NAME));
    let mut text = read::text_if_there(path, read::MAX_TEXT)?.unwrap_or_default();
    document(&text).map_err(|error| Error::Data {
        file: path.display().to_string(),
        message: error.message().to_owned(),
        help: "correct it first".to_owned(),
    })?;
    let current = std::env::current_dir().unwrap_or_default();
    let shown = path.strip_prefix(&current).unwrap_or(path);
    let mut written = String::new();
    for chosen in chosen {
        let (name, value) = chosen.split_once('=').map_or((chosen.as_str(), None), |(name, value)| (name, Some(value)));
        if is_on(&text, name)? {
            return Err(Error::Usage {
                message: format!("--apply {name}: is already on in {}", shown.display()),
                help: "leave it out".to_owned(),
            });
        }
        let step = find(report, name)?;
        let (changed, line) = with(&text, step, value, path)?;
        text = changed;
        written += &format!("{}: {line}\n", shown.display());
    }
    replace_file(&target(path), text.as_bytes())?;
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

/// The text of the file with what a step is; also that as it is printed.
fn with(text: &str, step: &Suggestion, value: Option<&str>, file: &Path) -> Result<(String, String)> {
    let name = &step.name;
    let usage =
        |message: String, help: String| Err(Error::Usage { message: format!("--apply {name}: {message}"), help });
    let replaced = |key: &str, value: &Value| Ok((set(text, key, value)?, format!("{key} = {value}")));
    let added = |key: &str, values: &[String]| {
        let quoted: Vec<String> = values.iter().map(|value| Value::from(value.as_str()).to_string()).collect();
        Ok((add(text, key, values)?, format!("{key} has {}", quoted.join(", "))))
    };
    match (&step.setting, value) {
        (None, _) => usage("is a change to the tree, not a setting".to_owned(), step.what.clone()),
        (Some(Setting::Paths(_)), None | Some("")) => {
            usage("needs a path".to_owned(), format!("give the directory of the function's code: --apply {name}=DIR"))
        }
        (Some(Setting::Paths(key)), Some(path)) => {
            if !Path::new(path).exists() {
                return Err(Error::RootMissing(PathBuf::from(path)));
            }
            added(key, &[from_file(path, file)?])
        }
        (Some(_), Some(_)) => usage("takes no value".to_owned(), format!("give --apply {name}")),
        (Some(Setting::On(key)), None) => replaced(key, &Value::from(true)),
        (Some(Setting::Text(key, text)), None) => replaced(key, &Value::from(text.as_str())),
        (Some(Setting::Add(key, values)), None) => added(key, values),
    }
}

/// A path as the file has it: from its own directory.
fn from_file(path: &str, file: &Path) -> Result<String> {
    let absolute = std::path::absolute(path).map_err(Error::io("find", Path::new(path)))?;
    let file = std::path::absolute(file).map_err(Error::io("find", file))?;
    let directory = file.parent().unwrap_or(Path::new("/"));
    let relative = pathdiff::diff_paths(&absolute, directory).unwrap_or(absolute);
    Ok(relative.to_string_lossy().into_owned())
}
