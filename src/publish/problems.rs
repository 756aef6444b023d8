//! Errors of the AWS CLI, without credentials and with a remedy.
//!
//! Its messages come from botocore's `exceptions.py`, or from the service, as `An error occurred (CODE) when calling the
//! OPERATION operation: MESSAGE`.

use regex::Regex;

use crate::base::error::{Error, Result};

/// What replaces a credential.
const REDACTED: &str = "[redacted]";

/// Environment variables whose values are never shown.
const SECRETS: &[&str] =
    &["AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN", "AWS_CONTAINER_AUTHORIZATION_TOKEN"];

/// Patterns of credentials, and their replacements: key identifiers (by the prefixes under `IAM identifiers` in the IAM User
/// Guide), signatures, named tokens and keys, and passwords in URLs.
const CREDENTIALS: &[(&str, &str)] = &[
    (r"\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{12,}\b", REDACTED),
    (r"(?i)(signature=)[0-9a-f]{32,}", "${1}[redacted]"),
    (
        r#"(?i)((?:secret_?access_?key|session_?token|security_?token|x-amz-security-token|authorizationtoken)["']?\s*[=:]\s*["']?)[^\s"',&]+"#,
        "${1}[redacted]",
    ),
    (r"(://)[^/@\s:]+:[^/@\s]+@", "${1}[redacted]@"),
    // The whole environment of a function, in messages of Lambda and of the CLI.
    (r"(?s)((?:String measured|JSON received):\s*).*", "${1}[redacted]"),
];

/// Patterns of messages, and remedies; the first match is used. `{action}` is the permission, `{profile}` the option.
const REMEDIES: &[(&str, &str)] = &[
    (
        r"(?i)error loading sso token|sso session .* expired|UnauthorizedSSOToken|token has expired and refresh failed|Token for .* does not exist",
        "log in again: aws sso login{profile}",
    ),
    (r"(?i)session has expired.*aws login|aws login", "log in again: aws login"),
    (
        r"(?i)unable to locate credentials|NoCredentials|partial credentials",
        "set up credentials for the AWS CLI (aws configure, aws sso login, or the AWS_ variables), or name a profile that has them: --profile",
    ),
    (
        r"ExpiredToken|RequestExpired|token included in the request is expired",
        "these credentials have expired: get new ones, for example with aws sso login{profile}, and run this again",
    ),
    (
        r"AccessDenied|is not authorized to perform|UnauthorizedOperation",
        "allow {action} for the identity that `aws sts get-caller-identity{profile}` prints, or use another profile",
    ),
    (
        r"UnrecognizedClient|InvalidClientTokenId|InvalidSignature|SignatureDoesNotMatch|InvalidAccessKeyId|IncompleteSignature|AuthFailure",
        "AWS does not accept these credentials: `aws sts get-caller-identity{profile}` tests them, `aws configure list{profile}` shows where they come from",
    ),
    (
        r"(?i)RequestEntityTooLarge|request must be smaller than|\(413\)",
        "upload it through S3: --s3-bucket BUCKET, a bucket in the same Region",
    ),
    (
        r"(?i)unzipped size must be smaller|layers consume more than|exceeds the maximum allowed size",
        "layers and function are too large unzipped: `layerfit plan --tree` shows what takes up space",
    ),
    (
        r"TooManyRequests|Throttl|Rate exceeded|SlowDown|RequestLimitExceeded",
        "AWS is throttling requests: run this again in a minute; what is published is not published again",
    ),
    (
        r"CodeStorageExceeded",
        "the account's code storage is full: remove old versions with aws lambda delete-layer-version",
    ),
    (
        r"PreconditionFailed|ResourceConflict",
        "the function was changed at the same time: run this again; what is published is not published again",
    ),
    (
        r"(?i)specify a region",
        "set the Region: --region eu-central-1, AWS_REGION or AWS_DEFAULT_REGION, or the profile's",
    ),
    (r"(?i)config profile .* could not be found", "`aws configure list-profiles` lists the profiles"),
    (
        r"(?i)could not connect to the endpoint|connection was closed|connect timeout|read timeout|name or service not known|could not resolve",
        "check --region, --endpoint-url and the network, and run this again; what is published is not published again",
    ),
    (
        r"(?i)NoSuchBucket|PermanentRedirect|\(301\)|IllegalLocation|must be addressed using",
        "name an existing bucket in the same Region: --s3-bucket",
    ),
    (
        r"(?i)ResourceNotFound|function not found",
        "check the name and the Region (--region); layerfit publishes layers, but does not create functions",
    ),
    (
        r"(?i)max attempts exceeded",
        "run `aws lambda get-function --function-name NAME`: LastUpdateStatusReason shows why the update takes so long",
    ),
    (
        r"(?i)unknown options|invalid choice|usage: aws",
        "this AWS CLI is too old (aws --version): install a current one",
    ),
];

/// The text without credentials.
///
/// # Errors
/// When a pattern is wrong, which a test rules out.
pub(super) fn redacted(text: &str, secrets: &[String]) -> Result<String> {
    let mut text = text.to_owned();
    for secret in secrets {
        text = text.replace(secret.as_str(), REDACTED);
    }
    for (pattern, instead) in CREDENTIALS {
        text = compiled(pattern)?.replace_all(&text, *instead).into_owned();
    }
    Ok(text)
}

/// The credentials in the environment, which the CLI inherits. They are only searched for in its messages.
pub(super) fn secrets() -> Vec<String> {
    let values = SECRETS.iter().filter_map(|name| std::env::var(name).ok());
    // A shorter value cannot be a secret, and redacting it would only make messages unreadable.
    values.filter(|value| value.len() >= 8).collect()
}

/// The same, and the values of a function's environment, as they are and as JSON has them.
pub(super) fn secrets_and<'a>(values: impl Iterator<Item = &'a str>) -> Vec<String> {
    // Shorter ones, such as 1 and UTC, are words of messages.
    let long = values.filter(|value| value.chars().count() >= 4);
    let written = long.flat_map(|value| {
        let json = serde_json::Value::from(value).to_string();
        let inside = json.strip_prefix('"').and_then(|json| json.strip_suffix('"'));
        [value.to_owned(), inside.unwrap_or_default().to_owned()]
    });
    let mut all: Vec<String> = secrets().into_iter().chain(written).collect();
    // What contains another is replaced before it.
    all.sort_by(|one, other| other.len().cmp(&one.len()).then_with(|| one.cmp(other)));
    all.dedup();
    all
}

/// The error of a command that failed, from what it wrote to stderr (already without credentials).
///
/// # Errors
/// When a pattern is wrong, which a test rules out.
pub(super) fn problem(words: &[String], message: &str, profile: Option<&str>) -> Result<Error> {
    let command = name(words);
    let profile = profile.map(|profile| format!(" --profile {profile}")).unwrap_or_default();
    let mut help =
        "see the message of the AWS CLI; if you run this again, what is published is not published again".to_owned();
    for (pattern, remedy) in REMEDIES {
        if compiled(pattern)?.is_match(message) {
            let named = compiled(r"not authorized to perform:? ([A-Za-z0-9-]+:[A-Za-z0-9*]+)")?.captures(message);
            let action = named.map_or_else(|| action(words), |named| named[1].to_owned());
            help = remedy.replace("{action}", &action).replace("{profile}", &profile);
            break;
        }
    }
    let message = if message.trim().is_empty() { "it failed without a message" } else { message.trim() };
    Ok(Error::Aws { command, said: message.to_owned(), help })
}

/// The name of a command, without its arguments.
pub(super) fn name(words: &[String]) -> String {
    let name = words.iter().take_while(|word| !word.starts_with('-') && !word.contains('/')).take(3);
    std::iter::once("aws").chain(name.map(String::as_str)).collect::<Vec<_>>().join(" ")
}

/// The permission that a command needs.
fn action(words: &[String]) -> String {
    match words.iter().take(3).map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["s3", "cp", ..] => "s3:PutObject".to_owned(),
        ["lambda", "wait", ..] => "lambda:GetFunctionConfiguration".to_owned(),
        [service, operation, ..] => {
            let words = operation.split('-').filter(|word| !word.is_empty());
            let words: String = words.map(|word| word[..1].to_ascii_uppercase() + &word[1..]).collect();
            format!("{service}:{words}")
        }
        _ => "the action".to_owned(),
    }
}

fn compiled(pattern: &str) -> Result<Regex> {
    Regex::new(pattern).map_err(Error::bug("compile a built-in pattern"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn help(words: &[&str], said: &str) -> String {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        problem(&words, said, Some("dev")).expect("patterns").to_string()
    }

    #[test]
    fn every_pattern_is_one() {
        for (pattern, _) in REMEDIES.iter().chain(CREDENTIALS) {
            compiled(pattern).expect("a pattern");
        }
    }

    #[test]
    fn what_is_denied_is_named_as_aws_names_it_and_else_after_the_command() {
        let publish = ["lambda", "publish-layer-version"];
        let said = "An error occurred (AccessDeniedException) when calling the PublishLayerVersion operation: User: x is not \
                    authorized to perform: lambda:PublishLayerVersion on resource: y";
        assert!(help(&publish, said).contains("allow lambda:PublishLayerVersion for"));
        let said =
            "upload failed: An error occurred (AccessDenied) when calling the PutObject operation: Access Denied";
        assert!(help(&["s3", "cp"], said).contains("allow s3:PutObject for"));
        assert!(help(&["lambda", "list-layer-versions"], "(AccessDenied)").contains("lambda:ListLayerVersions"));
    }

    #[test]
    fn values_of_an_environment_are_taken_out_longest_first() {
        let secrets = secrets_and(["pass", "pass\"word\"", "1"].into_iter());
        let clean = redacted(r#"got pass"word" and {"A1":"pass\"word\""} and pass 1"#, &secrets).expect("patterns");
        assert_eq!(clean, r#"got [redacted] and {"A1":"[redacted]"} and [redacted] 1"#);
    }

    #[test]
    fn credentials_are_taken_out_and_other_text_is_not() {
        let clean = |text: &str| redacted(text, &["verysecretvalue".to_owned()]).expect("patterns");
        for (text, expected) in [
            ("Credential=AKIAIOSFODNN7EXAMPLE/20260101", "Credential=[redacted]/20260101"),
            ("aws_secret_access_key = wJalrXUtnFEMI/K7MDENG", "aws_secret_access_key = [redacted]"),
            ("'SecretAccessKey': 'wJalr+x/y='", "'SecretAccessKey': '[redacted]'"),
            ("X-Amz-Security-Token=IQoJb3JpZ2&x", "X-Amz-Security-Token=[redacted]&x"),
            ("got verysecretvalue.", "got [redacted]."),
            ("http://me:word@host:1/", "http://[redacted]@host:1/"),
            ("4KB limit. String measured: {\"A1\":\"x\"}", "4KB limit. String measured: [redacted]"),
            ("Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7", "Signature=[redacted]"),
        ] {
            assert_eq!(clean(text), expected);
        }
        let plain = "arn:aws:lambda:eu-west-1:123456789012:layer:r:3 at http://127.0.0.1:5000/ is not there";
        assert_eq!(clean(plain), plain);
    }
}
