//! What an invocation came to, in Lambda's words, and as a finding.

use serde::Serialize;

use crate::base::finding::{Code, Finding, Subject};

/// What a function answered, or how it failed.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The invocation's id.
    pub request_id: String,
    /// The response; of a function that failed, the error as JSON.
    pub body: Vec<u8>,
    /// What the function says the response is.
    pub content_type: String,
    /// How it failed, if it did.
    pub failure: Option<Failure>,
    /// The last 4 KB of its log.
    pub log_tail: Vec<u8>,
    /// How long the invocation took, in milliseconds, without what was done before the first event.
    pub duration_ms: f64,
    /// How long the function took to ask for its first event, in milliseconds, when it was started for this invocation.
    pub init_ms: Option<f64>,
    /// The most memory that its processes had since they were started, in bytes.
    pub most_bytes: u64,
}

/// How an invocation failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Which of the checks says so.
    pub code: Code,
    /// The error's type: the function's own, or Lambda's.
    pub kind: String,
    /// What it says.
    pub message: String,
    /// What to do.
    pub help: String,
}

impl Failure {
    /// Lambda's own error about a function, as it would be answered.
    pub(super) fn body(&self) -> Vec<u8> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Body<'a> {
            error_type: &'a str,
            error_message: &'a str,
        }
        // Texts can always be written.
        serde_json::to_vec(&Body { error_type: &self.kind, error_message: &self.message }).unwrap_or_default()
    }

    /// An error that Lambda puts its request id before.
    pub(super) fn of_lambda(code: Code, id: &str, kind: &str, message: &str, help: impl Into<String>) -> Self {
        let message = format!("RequestId: {id} Error: {message}");
        Self { code, kind: kind.to_owned(), message, help: help.into() }
    }

    /// An error that the function sent, as JSON that should have errorMessage; what else it is goes as it is.
    pub(super) fn of_the_function(code: Code, kind: String, body: &[u8], help: impl Into<String>) -> Self {
        let value: Option<serde_json::Value> = serde_json::from_slice(body).ok();
        let message = value.and_then(|value| value.get("errorMessage")?.as_str().map(str::to_owned));
        let message = message.unwrap_or_else(|| String::from_utf8_lossy(body).into_owned());
        Self { code, kind, message, help: help.into() }
    }

    /// The failure as a finding about the function with this handler.
    pub fn finding(&self, handler: &str) -> Finding {
        // The id is another one each time that a function is invoked, and says nothing here.
        let message = self.message.strip_prefix("RequestId: ");
        let message =
            message.and_then(|rest| rest.split_once(" Error: ")).map_or(self.message.as_str(), |(_, rest)| rest);
        let shown: Vec<_> =
            message.lines().map(|line| crate::base::path::printable(line.as_bytes()).into_owned()).collect();
        Finding::error(self.code, Subject::file(handler), format!("{}: {}", self.kind, shown.join(" ")), &self.help)
    }
}

/// How Go, which Lambda is written in, says that a signal ended a process.
pub(super) fn signal_name(signal: i32) -> String {
    let name = match signal {
        1 => "hangup",
        2 => "interrupt",
        4 => "illegal instruction",
        5 => "trace/breakpoint trap",
        6 => "aborted",
        7 => "bus error",
        8 => "floating point exception",
        9 => "killed",
        11 => "segmentation fault",
        13 => "broken pipe",
        14 => "alarm clock",
        15 => "terminated",
        other => return format!("signal: signal {other}"),
    };
    format!("signal: {name}")
}
