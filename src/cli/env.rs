//! The function's own environment: `[env]` in layerfit.toml, and --env, which overrides it. Every command that heeds it reads it
//! here, so that what is checked is what is run.

use std::collections::BTreeMap;

use super::args::Variables;
use super::config::Config;
use crate::base::error::{Error, Result};
use crate::invoke;

/// The variables by name.
///
/// # Errors
/// When a name or a value cannot be that of a variable, or only Lambda can set it.
pub(super) fn variables(options: &Variables, config: &Config) -> Result<BTreeMap<String, String>> {
    let mut variables = BTreeMap::new();
    for (name, value) in &config.env {
        check(&format!("{}: env.{name}", config.place_in("env", name)), name, value)?;
        variables.insert(name.clone(), value.clone());
    }
    for text in &options.env {
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name, value.to_owned()),
            None => (
                text.as_str(),
                std::env::var(text).map_err(|error| Error::Usage {
                    message: format!("--env {text}: {error}"),
                    help: format!("give its value: --env {text}=VALUE"),
                })?,
            ),
        };
        let shown = if name.is_empty() { text } else { name };
        check(&format!("--env {shown}"), name, &value)?;
        variables.insert(name.to_owned(), value);
    }
    invoke::check_variables(&variables)?;
    Ok(variables)
}

fn check(place: &str, name: &str, value: &str) -> Result<()> {
    let letter = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.is_empty() {
        return Err(Error::Usage {
            message: format!("{place}: a variable without a name"),
            help: "write NAME=VALUE".to_owned(),
        });
    }
    if !name.chars().all(letter) || name.starts_with(|c: char| c.is_ascii_digit()) {
        return Err(Error::Usage {
            message: format!("{place}: not the name of a variable"),
            help: "use letters, digits and '_', not starting with a digit".to_owned(),
        });
    }
    if value.contains('\0') {
        return Err(Error::Usage {
            message: format!("{place}: its value has a NUL byte, which no variable can have"),
            help: "encode it, for example in base64".to_owned(),
        });
    }
    Ok(())
}
