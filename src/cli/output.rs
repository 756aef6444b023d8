//! The only place that prints: results to stdout, messages to stderr. Whatever is printed is made safe first: it can contain
//! what others wrote.

use std::fmt::Display;
use std::io::{IsTerminal, Write};

use clap::ColorChoice;

use super::args::{AnswerFormat, AnswerOutput, Output, ReportFormat, ReportOutput};
use super::color;
use super::exit::Exit;
use crate::base::append::append;
use crate::base::error::{Error, Result};
use crate::base::finding::{Finding, Severity};
use crate::base::safe::{Form, MAX_SHOWN, Safe, cut, safe};
use crate::report;
use crate::report::{Colors, Detail, Report, Screen};

/// Prints a text, Markdown or JSON to stdout, without colours.
///
/// # Errors
/// As for [`write`].
pub(super) fn print(text: &[u8]) -> Result<()> {
    write(&safe(text, Form::Text))
}

/// Prints what the function returned. It is data for another program, byte for byte, unless a person or GitHub Actions reads
/// it.
///
/// # Errors
/// As for [`write`].
pub(super) fn response(body: &[u8]) -> Result<()> {
    let line = [body, b"\n"].concat();
    if std::io::stdout().is_terminal() || in_github() {
        let form = if serde_json::from_slice::<serde::de::IgnoredAny>(body).is_ok() { Form::Json } else { Form::Text };
        return write(&safe(&line, form));
    }
    write(&line)
}

/// Writes to stdout.
///
/// # Errors
/// When it cannot be written to. A reader that has gone away has read enough (`layerfit analyze | head`).
pub(super) fn write(bytes: &[u8]) -> Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        result => result.map_err(Error::Print),
    }
}

/// Prints the result of a command that has no verdict.
pub(super) fn done(result: &[u8]) -> Result<Exit> {
    print(result)?;
    Ok(Exit::Done)
}

/// Prints a message that names the program. If stderr is closed, nothing can be printed.
pub(super) fn message(text: impl Display) {
    let _ = writeln!(std::io::stderr(), "{}", shown(&format!("layerfit: {text}")));
}

/// Prints why layerfit could not do its work.
pub(super) fn error(error: &Error, choice: ColorChoice) {
    let mut out = std::io::stderr();
    let name = color::of(choice, &out).severity(Severity::Error, "layerfit:");
    let _ = writeln!(out, "{name} {}", shown(&error.to_string()));
}

/// A message, safe and with no line longer than [`MAX_SHOWN`]: it can repeat what others wrote.
fn shown(message: &str) -> String {
    let lines: Vec<_> = message.split('\n').map(|line| cut(line, MAX_SHOWN)).collect();
    String::from_utf8_lossy(&safe(lines.join("\n").as_bytes(), Form::Text)).into_owned()
}

/// Prints a finding as a message.
pub(super) fn finding(finding: &Finding, severity: Option<Severity>) {
    let Finding { code, subject, message: what, help, .. } = finding;
    let severity = severity.map(|severity| format!("{severity} ")).unwrap_or_default();
    message(format_args!("{severity}{code} {subject}: {what}\n  help: {help}"));
}

/// Where the log of a function goes.
pub(super) fn log() -> Box<dyn Write + Send> {
    Box::new(SafeLog { safe: Safe::new(Form::Text, false) })
}

/// stderr for text that others write in parts.
struct SafeLog {
    safe: Safe,
}

impl Write for SafeLog {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        std::io::stderr().write_all(self.safe.part(bytes).as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        std::io::stderr().flush()
    }
}

impl Drop for SafeLog {
    fn drop(&mut self) {
        let _ = std::io::stderr().write_all(self.safe.end().as_bytes());
    }
}

/// Prints what clap says about the arguments: help to stdout, errors to stderr. These can repeat arguments.
///
/// # Errors
/// As for [`write`]. If stderr is closed, nothing can be printed.
pub(super) fn arguments(error: &clap::Error, choice: ColorChoice) -> Result<()> {
    let text = error.render();
    let colors =
        if error.use_stderr() { color::of(choice, &std::io::stderr()) } else { color::of(choice, &std::io::stdout()) };
    // The help has no word of others, and an error only what was typed: the colours are clap's, unless one was typed.
    let typed = std::env::args_os().any(|argument| argument.as_encoded_bytes().contains(&0x1b));
    let text = match colors {
        Colors::Ansi if !typed => text.ansi().to_string(),
        Colors::Ansi | Colors::None => {
            String::from_utf8_lossy(&safe(text.to_string().as_bytes(), Form::Text)).into_owned()
        }
    };
    if error.use_stderr() {
        let _ = std::io::stderr().write_all(text.as_bytes());
        return Ok(());
    }
    write(text.as_bytes())
}

/// Whether this is a step of GitHub Actions.
fn in_github() -> bool {
    std::env::var_os("GITHUB_ACTIONS").is_some_and(|value| value == "true")
}

/// The number of columns for what is printed to stdout: what COLUMNS is set to, or those of the terminal. Lines that are longer
/// than the maximum are hard to read, and tables need the minimum.
pub(super) fn columns() -> u16 {
    const BOUNDS: (u16, u16) = (80, 160);
    let set = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok()).filter(|columns| *columns > 0);
    let of_terminal = || terminal_size::terminal_size_of(std::io::stdout()).map(|(width, _)| width.0);
    set.or_else(of_terminal).unwrap_or(BOUNDS.0).clamp(BOUNDS.0, BOUNDS.1)
}

/// How much of a table is printed.
pub(super) fn detail(output: &Output) -> Detail {
    if output.verbose { Detail::Full } else { Detail::Short }
}

/// The exit code that a report means.
pub(super) fn verdict(report: &Report) -> Exit {
    if report.passed() { Exit::Done } else { Exit::CheckFailed }
}

/// Prints a report; as a table, with what comes after it, which the lines of a short one leave room for.
pub(super) fn report(report: &Report, choice: ColorChoice, options: &ReportOutput, after: &[u8]) -> Result<Exit> {
    let output = &options.output;
    write(&match options.format {
        ReportFormat::Table if output.quiet => Vec::new(),
        ReportFormat::Table => {
            let after = safe(after, Form::Text);
            let lines = report::LINES.saturating_sub(String::from_utf8_lossy(&after).lines().count());
            let screen = Screen { colors: color::of(choice, &std::io::stdout()), columns: columns(), lines };
            [report::table(report, (detail(output), options.rows()), screen), after].concat()
        }
        ReportFormat::Csv => report::csv(report, options.rows())?,
        ReportFormat::Json => report::json(report)?,
        ReportFormat::Markdown => report::markdown(report),
        ReportFormat::Sarif => report::sarif(report)?,
        ReportFormat::Junit => report::junit(report)?,
        ReportFormat::Html => report::html(report)?,
    })?;
    on_github(report)?;
    Ok(verdict(report))
}

/// Prints an answer in the format of the options.
pub(super) fn answer(
    options: &AnswerOutput,
    table: impl FnOnce(Detail, u16) -> Vec<u8>,
    json: impl FnOnce() -> Result<Vec<u8>>,
    markdown: impl FnOnce() -> Vec<u8>,
) -> Result<Exit> {
    done(&match options.format {
        AnswerFormat::Table if options.output.quiet => Vec::new(),
        AnswerFormat::Table => table(detail(&options.output), columns()),
        AnswerFormat::Json => json()?,
        AnswerFormat::Markdown => markdown(),
    })
}

/// In a step of GitHub Actions, findings become annotations, and the report is added to the job summary. Annotations go to
/// stderr, which the runner reads too, as stdout has the report.
fn on_github(report: &Report) -> Result<()> {
    if !in_github() {
        return Ok(());
    }
    let _ = std::io::stderr().write_all(&report::annotations(report));
    let Some(summary) = std::env::var_os("GITHUB_STEP_SUMMARY").filter(|path| !path.is_empty()) else { return Ok(()) };
    let path = std::path::Path::new(&summary);
    append(path, &report::markdown(report))
}
