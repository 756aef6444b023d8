//! The environment of a function, of which AWS can only replace the whole: what it has now, with our variables merged over it.
//! The values of its other variables can be secrets, so no message and no command line has them. It does no input or output.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::json;

use crate::base::error::{Error, Result};
use crate::base::list;
use crate::invoke::{MAX_ENVIRONMENT_BYTES, is_lambdas_own};

/// The credentials and the Region, which Lambda sets in AWS as well, and `invoke` takes from the user: "Defined runtime
/// environment variables" in <https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html>.
const OF_THE_ROLE: &[&str] = &[
    "AWS_ACCESS_KEY",
    "AWS_ACCESS_KEY_ID",
    "AWS_DEFAULT_REGION",
    "AWS_REGION",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
];

/// The verbs of what was done.
pub(super) const PAST: (&str, &str) = ("set", "replaced");

/// Variables by name. Debug output shows the names alone.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Variables(pub BTreeMap<String, String>);

impl fmt::Debug for Variables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// What becomes of a function's environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Names of the variables that it did not have.
    pub added: Vec<String>,
    /// Names of the variables that had another value.
    pub replaced: Vec<String>,
    /// The whole environment afterwards.
    merged: Variables,
    /// The part of it that changes.
    ours: BTreeMap<String, String>,
    /// Whether the function had variables.
    had: bool,
}

impl Change {
    /// The environment afterwards, as the AWS CLI's `--environment` reads it.
    pub fn input(&self) -> String {
        json!({ "Variables": self.merged.0 }).to_string()
    }

    /// The same as an expression for the AWS CLI's `--query` of `get-function-configuration`: it has only our values, and what
    /// the function has is merged when it runs. If the variables that are there now cannot be read then, it fails.
    pub fn query(&self) -> String {
        // A literal of JMESPath ends at a backtick, and is JSON in which that can be written differently.
        let ours = json!(self.ours).to_string().replace('`', "\\u0060");
        let present = if self.had { "Environment.Variables" } else { "Environment.Variables || `{}`" };
        format!("{{Variables: merge({present}, `{ours}`)}}")
    }

    /// The values of all variables afterwards, which a message of AWS can have.
    pub(super) fn values(&self) -> impl Iterator<Item = &str> {
        self.merged.0.values().map(String::as_str)
    }

    /// What changes, for people: names alone.
    pub fn summary(&self) -> String {
        summary(&self.added, &self.replaced, ("sets", "replaces"))
    }
}

/// The same of names, with the verbs for those that were missing and those that had other values.
pub(super) fn summary(added: &[String], replaced: &[String], (sets, replaces): (&str, &str)) -> String {
    let parts = [(sets, added), (replaces, replaced)];
    let parts = parts.iter().filter(|(_, names)| !names.is_empty());
    parts.map(|(verb, names)| format!("{verb} {}", list::with_last(names, "and"))).collect::<Vec<_>>().join(" and ")
}

/// Checks that a function in AWS can have these variables.
///
/// # Errors
/// When Lambda sets one itself, or does not accept its name.
pub fn check(variables: &BTreeMap<String, String>) -> Result<()> {
    for name in variables.keys() {
        if OF_THE_ROLE.contains(&name.as_str()) || is_lambdas_own(name) {
            return Err(Error::Usage {
                message: format!("[env] {name}: Lambda sets this variable itself, and no function can"),
                help: "remove it from [env] of layerfit.toml; `invoke` takes it with --env".to_owned(),
            });
        }
        // The pattern of names in the API's reference: [a-zA-Z]([a-zA-Z0-9_])+
        if name.len() < 2 || !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
            return Err(Error::Usage {
                message: format!("[env] {name}: AWS does not accept this name"),
                help: "use at least two characters, the first of them a letter".to_owned(),
            });
        }
    }
    Ok(())
}

/// What becomes of the environment of `function`, which has the variables `present`, or the reason why they cannot be read;
/// nothing if it has all of `wanted`.
///
/// # Errors
/// When its variables cannot be read, have other values and `replace` is not set, or would be too large together.
pub fn change(
    function: &str,
    present: &std::result::Result<Variables, String>,
    wanted: &BTreeMap<String, String>,
    replace: bool,
) -> Result<Option<Change>> {
    if wanted.is_empty() {
        return Ok(None);
    }
    let present = present.as_ref().map_err(|reason| Error::Usage {
        message: format!(
            "{function}: its environment variables cannot be read, and setting others would remove them: {reason}; nothing was \
             published"
        ),
        help: "allow kms:Decrypt with the function's key, or remove [env] and set the variables yourself".to_owned(),
    })?;
    let differs = |name: &&String| present.0.get(*name) != wanted.get(*name);
    let changed: Vec<&String> = wanted.keys().filter(differs).collect();
    let (replaced, added): (Vec<&String>, Vec<&String>) =
        changed.iter().copied().partition(|name| present.0.contains_key(*name));
    if !replaced.is_empty() && !replace {
        return Err(Error::Usage {
            message: format!(
                "{function} has {} in its environment, with other values than [env] of layerfit.toml; nothing was published",
                list::with_last(&replaced, "and")
            ),
            help: "--replace-env sets the values of layerfit.toml; or remove these variables from [env]".to_owned(),
        });
    }
    if changed.is_empty() {
        return Ok(None);
    }
    let owned = |names: &[&String]| names.iter().map(|name| (*name).clone()).collect::<Vec<String>>();
    let ours = changed.iter().filter_map(|name| Some(((*name).clone(), wanted.get(*name)?.clone()))).collect();
    let mut merged = present.clone();
    merged.0.extend(wanted.clone());
    let bytes: usize = merged.0.iter().map(|(name, value)| name.len() + value.len()).sum();
    if bytes > MAX_ENVIRONMENT_BYTES {
        return Err(Error::Usage {
            message: format!(
                "{function} would have {bytes} bytes of environment variables, more than Lambda's limit of 4 KB; nothing was \
                 published"
            ),
            help: "remove variables from the function or from [env] of layerfit.toml".to_owned(),
        });
    }
    Ok(Some(Change { added: owned(&added), replaced: owned(&replaced), merged, ours, had: !present.0.is_empty() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn present(pairs: &[(&str, &str)]) -> Variables {
        Variables(variables(pairs))
    }

    #[test]
    fn only_our_names_change_and_what_has_another_value_is_asked_for() {
        let there = Ok(present(&[("TOKEN", "secret-1"), ("TZ", ":UTC")]));
        let wanted = variables(&[("TZ", "UTC"), ("PROJ_DATA", "/opt/share/proj")]);
        let refused = change("f", &there, &wanted, false).expect_err("another value").to_string();
        assert!(refused.contains("f has TZ in its environment") && refused.contains("--replace-env"), "{refused}");
        assert!(!refused.contains(":UTC") && !refused.contains("secret-1"), "{refused}");
        let change = change("f", &there, &wanted, true).expect("replaced").expect("a change");
        assert_eq!(change.summary(), "sets PROJ_DATA and replaces TZ");
        let input: serde_json::Value = serde_json::from_str(&change.input()).expect("JSON");
        assert_eq!(input["Variables"], json!({"TOKEN": "secret-1", "TZ": "UTC", "PROJ_DATA": "/opt/share/proj"}));
        for shown in [change.query(), change.summary(), format!("{change:?}")] {
            assert!(!shown.contains("secret-1"), "{shown}");
        }
    }

    #[test]
    fn what_is_there_is_not_set_again_and_only_what_changes_is_in_the_query() {
        let there = Ok(present(&[("TZ", "UTC")]));
        assert_eq!(change("f", &there, &variables(&[("TZ", "UTC")]), false).expect("no conflict"), None);
        assert_eq!(change("f", &there, &BTreeMap::new(), false).expect("no conflict"), None);
        let more = change("f", &there, &variables(&[("TZ", "UTC"), ("A1", "it's `x`")]), false).expect("no conflict");
        assert_eq!(
            more.expect("a change").query(),
            r#"{Variables: merge(Environment.Variables, `{"A1":"it's \u0060x\u0060"}`)}"#
        );
        let first = change("f", &Ok(present(&[])), &variables(&[("A1", "x")]), false).expect("no conflict");
        assert!(first.expect("a change").query().contains("Environment.Variables || `{}`"));
    }

    #[test]
    fn variables_that_cannot_be_read_are_not_removed() {
        let unread = Err("KMS access was denied".to_owned());
        let refused = change("f", &unread, &variables(&[("TZ", "UTC")]), true).expect_err("unread").to_string();
        assert!(refused.contains("KMS access was denied") && refused.contains("kms:Decrypt"), "{refused}");
        assert_eq!(change("f", &unread, &BTreeMap::new(), true).expect("nothing to set"), None);
    }

    #[test]
    fn more_than_lambda_allows_together_is_refused() {
        let there = Ok(present(&[("A1", &"x".repeat(4000))]));
        let refused = change("f", &there, &variables(&[("B1", &"y".repeat(93))]), false).expect_err("too large");
        assert!(refused.to_string().contains("4097 bytes"), "{refused}");
        assert!(change("f", &there, &variables(&[("B1", &"y".repeat(92))]), false).is_ok());
    }

    #[test]
    fn names_that_lambda_sets_or_does_not_accept_are_refused() {
        for name in ["AWS_REGION", "AWS_LAMBDA_RUNTIME_API", "LAMBDA_TASK_ROOT", "AWS_SESSION_TOKEN", "X", "_PATH"] {
            assert!(check(&variables(&[(name, "x")])).expect_err(name).to_string().contains(name));
        }
        for name in ["TZ", "LD_LIBRARY_PATH", "PATH", "LANG", "AWS_LAMBDA_EXEC_WRAPPER", "LAMBDA_MINE"] {
            check(&variables(&[(name, "x")])).expect(name);
        }
    }
}
