//! A function's log as Lambda writes it: the function's output between START and END, then REPORT.

use std::io::Write;

use crate::base::safe::one_line;

/// How much of an invocation's log is kept to explain failures, in bytes.
const KEPT: usize = 1 << 16;

/// How much of the log Lambda returns on request, in bytes: "the last 4 KB of the execution log" (API of Invoke, LogType).
const TAIL: usize = 4096;

/// Where the log is written, and its last part.
pub(super) struct Log {
    sink: Box<dyn Write + Send>,
    kept: Vec<u8>,
}

/// The values in the REPORT line of an invocation.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Report<'a> {
    pub id: &'a str,
    pub duration_ms: f64,
    pub init_ms: Option<f64>,
    pub memory_mb: u64,
    pub peak_bytes: u64,
    /// `timeout` or `error`, and the error's type.
    pub status: Option<(&'static str, Option<&'a str>)>,
}

impl Log {
    pub(super) fn new(sink: Box<dyn Write + Send>) -> Self {
        Self { sink, kept: Vec::new() }
    }

    /// Discards the log of the previous invocation.
    pub(super) fn begin(&mut self) {
        self.kept.clear();
    }

    /// Writes output of the function. A log that cannot be written any more (`2>&1 | head`) is not a reason to stop.
    pub(super) fn write(&mut self, bytes: &[u8]) {
        let _ = self.sink.write_all(bytes).and_then(|()| self.sink.flush());
        self.kept.extend_from_slice(bytes);
        if self.kept.len() > 2 * KEPT {
            self.kept.drain(..self.kept.len() - KEPT);
        }
    }

    /// Writes a line of Lambda, after ending an unfinished one of the function.
    pub(super) fn line(&mut self, text: &str) {
        let unfinished = self.kept.last().is_some_and(|last| *last != b'\n');
        self.write(format!("{}{text}\n", if unfinished { "\n" } else { "" }).as_bytes());
    }

    /// Writes REPORT, with tabs as Lambda does.
    pub(super) fn report(&mut self, report: &Report<'_>) {
        let mut text = format!(
            "REPORT RequestId: {}\tDuration: {:.2} ms\tBilled Duration: {} ms\tMemory Size: {} MB\tMax Memory Used: {} MB",
            report.id,
            report.duration_ms,
            billed(report.duration_ms + report.init_ms.unwrap_or(0.0)),
            report.memory_mb,
            // Rounded up: the memory size that the function needs.
            report.peak_bytes.div_ceil(1 << 20),
        );
        if let Some(init) = report.init_ms {
            text += &format!("\tInit Duration: {init:.2} ms");
        }
        if let Some((status, kind)) = report.status {
            text += &format!("\tStatus: {status}");
            if let Some(kind) = kind {
                text += &format!("\tError Type: {}", one_line(kind));
            }
        }
        self.line(&text);
    }

    /// The part of the invocation's log that is kept.
    pub(super) fn kept(&self) -> &[u8] {
        &self.kept
    }

    /// The end of the log, as Lambda returns it.
    pub(super) fn tail(&self) -> &[u8] {
        &self.kept[self.kept.len().saturating_sub(TAIL)..]
    }
}

/// Billed milliseconds: rounded up.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "less than a quarter of an hour")]
fn billed(ms: f64) -> u64 {
    ms.ceil() as u64
}

/// The library that a program or R could not load, from the message of ld.so (dl-load.c): "NAME: cannot open shared object
/// file: No such file or directory".
pub(super) fn missing_library(log: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(log);
    let before = &text[..text.find(": cannot open shared object file")?];
    let name = before.rsplit(|c: char| c.is_whitespace() || matches!(c, ':' | '\'' | '"')).next()?;
    (!name.is_empty()).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_lambdas() {
        let mut log = Log::new(Box::new(std::io::sink()));
        log.write(b"no end of line");
        log.report(&Report {
            id: "x",
            duration_ms: 1.204,
            init_ms: Some(100.5),
            memory_mb: 128,
            peak_bytes: (40 << 20) + 1,
            status: Some(("error", Some("Runtime.ExitError"))),
        });
        assert_eq!(
            String::from_utf8_lossy(log.kept()),
            "no end of line\nREPORT RequestId: x\tDuration: 1.20 ms\tBilled Duration: 102 ms\tMemory Size: 128 MB\t\
             Max Memory Used: 41 MB\tInit Duration: 100.50 ms\tStatus: error\tError Type: Runtime.ExitError\n"
        );
    }

    #[test]
    fn the_library_that_is_missing_is_named() {
        for (log, library) in [
            (
                "R: error while loading shared libraries: libx.so.5: cannot open shared object file: No such",
                "libx.so.5",
            ),
            (
                "unable to load shared object '/opt/a.so':\n  libx.so.5: cannot open shared object file: No such",
                "libx.so.5",
            ),
        ] {
            assert_eq!(missing_library(log.as_bytes()).as_deref(), Some(library));
        }
        assert_eq!(missing_library(b"all is well"), None);
    }
}
