//! The outcome of an invocation, in Lambda's words and as a finding.

use serde::Serialize;

use crate::base::finding::{Code, Finding};
use crate::base::safe::{joined_lines, one_line};
use crate::base::subject::Subject;

/// What a function returned, or how it failed.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The invocation's id.
    pub request_id: String,
    /// The response; if the function failed, the error as JSON.
    pub body: Vec<u8>,
    /// The content type of the response, as the function sent it.
    pub content_type: String,
    /// How it failed, if it did.
    pub failure: Option<Failure>,
    /// The last 4 KB of its log.
    pub log_tail: Vec<u8>,
    /// Duration of the invocation in milliseconds, without the init phase.
    pub duration_ms: f64,
    /// Duration of the init phase in milliseconds, if the function was started for this invocation.
    pub init_ms: Option<f64>,
    /// Peak memory of its processes since they were started, in bytes.
    pub peak_bytes: u64,
}

/// How an invocation failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The check that reports it.
    pub code: Code,
    /// The type of the error: the function's own, or Lambda's.
    pub kind: String,
    /// The message of the error.
    pub message: String,
    /// What to do.
    pub help: String,
}

impl Failure {
    /// The response that Lambda would send for this error.
    pub(super) fn body(&self) -> Vec<u8> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Body<'a> {
            error_type: &'a str,
            error_message: &'a str,
        }
        // Strings can always be serialized.
        serde_json::to_vec(&Body { error_type: &self.kind, error_message: &self.message }).unwrap_or_default()
    }

    /// An error of Lambda, which begins with the request id.
    pub(super) fn of_lambda(code: Code, id: &str, kind: &str, message: &str, help: impl Into<String>) -> Self {
        let message = format!("RequestId: {id} Error: {message}");
        Self { code, kind: kind.to_owned(), message, help: help.into() }
    }

    /// An error that the function sent, as JSON with errorMessage; any other body is used as it is.
    pub(super) fn of_the_function(code: Code, kind: String, body: &[u8], help: impl Into<String>) -> Self {
        let value: Option<serde_json::Value> = serde_json::from_slice(body).ok();
        let message = value.and_then(|value| value.get("errorMessage")?.as_str().map(str::to_owned));
        let message = message.unwrap_or_else(|| String::from_utf8_lossy(body).into_owned());
        Self { code, kind, message, help: help.into() }
    }

    /// The failure as a finding about the function with this handler.
    pub fn finding(&self, handler: &str) -> Finding {
        // The request id is different for each invocation, and of no use in a finding.
        let message = self.message.strip_prefix("RequestId: ");
        let message =
            message.and_then(|rest| rest.split_once(" Error: ")).map_or(self.message.as_str(), |(_, rest)| rest);
        let (kind, message) = (one_line(&self.kind), joined_lines(message));
        Finding::error(self.code, Subject::file(handler), format!("{kind}: {message}"), &self.help)
    }
}

/// How Go, the language that Lambda is written in, names the signal that ended a process.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_is_one_line_of_bounded_length() {
        let failure = Failure {
            code: Code::FunctionFailed,
            kind: "T\n::error file=x::injected\u{1b}[31m".to_owned(),
            message: format!("one\ntwo {}", "ä".repeat(1_000_000)),
            help: String::new(),
        };
        let message = failure.finding("main.handler").message;
        assert!(message.starts_with("T\\n::error file=x::injected\\u{1b}[31m: one two ä"), "{message:.80}");
        assert!(!message.contains('\n') && message.chars().count() < 4200, "{}", message.len());
    }
}
