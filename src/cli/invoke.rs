//! `layerfit invoke` and `layerfit check --run`: turn arguments into a function and its events; responses go to stdout, the
//! log and errors to stderr.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::args::{FunctionOptions, InvokeArgs, LimitOptions, Network, RemoverArgs};
use super::exit::Exit;
use super::work::configuration;
use super::{env, output, settings};
use crate::base::error::{Error, Result};
use crate::base::finding::{Code, Finding, Severity};
use crate::base::read;
use crate::invoke;
use crate::invoke::{Event, Function, Temporary};
use crate::pack::output::{Now, PackedFor};
use crate::runtime::looked_for::{self, only_on_host};
use crate::runtime::sysroot::Sysroot;
use crate::runtime::{Limits, RuntimeProfile};

pub(super) fn run(arguments: &InvokeArgs) -> Result<Exit> {
    let InvokeArgs { paths, runtime, config, handler, variables, function: options, repeat, listen, trace } = arguments;
    let config = configuration(config.as_ref(), true)?;
    let packed = PackedFor::of(paths)?;
    let runtime = settings::runtime(runtime.as_deref(), &config, packed.as_ref())?;
    let now = Now { runtime: &runtime.name, architecture: None, limits: None, options: &[] };
    if let Some(remark) = packed.as_ref().and_then(|packed| packed.remark("run", now)) {
        output::message(remark);
    }
    let mut limits = settings::limits(&LimitOptions::default(), &config, packed.as_ref())?;
    limits.code_unzipped = settings::code_size(options.code.as_deref(), &config);
    let mut run = function(paths, handler, options, env::variables(variables, &config)?, (runtime, limits))?;
    run.function.trace.clone_from(trace);
    let image = run.function.runtime.name.clone();
    if let Some(address) = listen {
        return run.listen(*address);
    }
    let exit = run.invoke(repeat.get())?;
    if let Some(trace) = trace {
        let host = Sysroot::new("/");
        for path in only_on_host(&settings::log(trace)?, &host) {
            output::finding(&looked_for::finding(&path, &image), None);
        }
    }
    Ok(exit)
}

/// Runs the inside of a sandbox.
#[expect(clippy::unnecessary_wraps, reason = "every command returns a result")]
pub(super) fn inside() -> Result<Exit> {
    invoke::run_inside();
    Ok(Exit::Done)
}

/// Removes a directory when the run that made it has ended.
#[expect(clippy::unnecessary_wraps, reason = "every command returns a result")]
pub(super) fn remover(arguments: &RemoverArgs) -> Result<Exit> {
    invoke::run_remover(&arguments.directory);
    Ok(Exit::Done)
}

/// A function, and the events to send to it.
pub(super) struct Run {
    function: Function,
    events: Vec<Event>,
}

/// The function that the arguments describe.
pub(super) fn function(
    paths: &[PathBuf],
    handler: &str,
    options: &FunctionOptions,
    variables: BTreeMap<String, String>,
    (runtime, limits): (RuntimeProfile, Limits),
) -> Result<Run> {
    let mut function = Function {
        layers: paths.to_owned(),
        code: options.code.clone(),
        handler: handler.to_owned(),
        timeout: Duration::from_secs(options.timeout.unwrap_or(3)),
        memory_mb: options.memory.unwrap_or(128),
        variables,
        rootfs: options.rootfs.clone(),
        no_network: options.network == Some(Network::None),
        trace: None,
        runtime,
        limits,
    };
    function.validate()?;
    let events = match &options.event {
        None => vec![b"{}".to_vec()],
        Some(path) => events(path)?,
    };
    let event = |payload| Event { payload, client_context: None };
    Ok(Run { function, events: events.into_iter().map(event).collect() })
}

/// Refuses the options of a function when none is run.
pub(super) fn refuse_without_run(run: Option<&str>, options: &FunctionOptions) -> Result<()> {
    if run.is_some() || *options == FunctionOptions::default() {
        return Ok(());
    }
    Err(Error::Usage {
        message: "--code, --event, --timeout, --memory, --rootfs and --network have no effect without --run".to_owned(),
        help: "name the function to run: --run HANDLER".to_owned(),
    })
}

/// A bound in bytes for all events of a run: a dozen of the largest that Lambda accepts.
const MAX_EVENTS: u64 = 64 << 20;

/// The events in a file: one JSON value, or one per line.
fn events(path: &Path) -> Result<Vec<Vec<u8>>> {
    let content = if path == Path::new("-") {
        read::rest(std::io::stdin(), Path::new("standard input"), MAX_EVENTS)?
    } else {
        if let Some(text) = path.to_str().filter(|text| !path.exists() && is_event(text)) {
            return Err(Error::Usage {
                message: format!("--event {text}: this is an event, and --event takes the file that has it"),
                help: "write it to a file; or name - and send it to standard input: echo 'EVENT' | layerfit …"
                    .to_owned(),
            });
        }
        read::bytes(path, MAX_EVENTS)?
    };
    let place = if path == Path::new("-") { "standard input".to_owned() } else { path.display().to_string() };
    let whole = invoke::check_event(content.trim_ascii(), &place);
    let lines: Vec<(usize, &[u8])> = content
        .split(|byte| *byte == b'\n')
        .enumerate()
        .map(|(number, line)| (number + 1, line.trim_ascii()))
        .filter(|(_, line)| !line.is_empty())
        .collect();
    if lines.is_empty() {
        return Err(Error::Data {
            file: place,
            message: "contains no event".to_owned(),
            help: "an event is JSON, such as {}".to_owned(),
        });
    }
    // A value over several lines is one event; if the first line is a complete value, each line is an event.
    let several = lines.len() > 1 && invoke::check_event(lines[0].1, "").is_ok();
    match whole {
        Ok(()) => return Ok(vec![content.trim_ascii().to_vec()]),
        Err(error) if !several => return Err(error),
        Err(_) => {}
    }
    for (number, line) in &lines {
        invoke::check_event(line, &format!("{place}, line {number}"))?;
    }
    Ok(lines.into_iter().map(|(_, line)| line.to_vec()).collect())
}

/// Whether a text is an event as it is, and no name of a file that people use: JSON in brackets, braces or quotes.
fn is_event(text: &str) -> bool {
    text.trim_start().starts_with(['{', '[', '"']) && invoke::check_event(text.trim().as_bytes(), "").is_ok()
}

impl Run {
    /// Sends the events `repeat` times, and prints the responses.
    pub(super) fn invoke(self, repeat: usize) -> Result<Exit> {
        let mut exit = Exit::Done;
        let handler = self.function.handler.clone();
        let events = std::iter::repeat_n(self.events, repeat).flatten();
        let refused = Cell::new(false);
        let wrong = |findings: &[Finding]| {
            say(findings);
            // Lambda does not create such a function, however well it runs here.
            refused.set(findings.iter().any(|finding| finding.code.is_limit()));
        };
        invoke::invoke(self.function, events, output::log(), wrong, |answer| {
            output::response(&answer.body)?;
            if let Some(failure) = &answer.failure {
                exit = Exit::CheckFailed;
                say(&[failure.finding(&handler)]);
            }
            Ok(())
        })?;
        Ok(if refused.get() { Exit::CheckFailed } else { exit })
    }

    /// Serves the invoke endpoint.
    pub(super) fn listen(self, address: SocketAddr) -> Result<Exit> {
        invoke::listen(self.function, address, output::log(), say, |address| {
            output::message(format_args!(
                "listening; aws lambda invoke --endpoint-url http://{address} --function-name {} …",
                Function::NAME
            ));
        })?;
        Ok(Exit::Done)
    }

    /// Sends the events, and returns what is wrong with the function: its failures and, if strace is installed, what it looked
    /// for in vain and only the build host has.
    pub(super) fn findings(mut self, host: &Sysroot) -> Result<Vec<Finding>> {
        if !invoke::can_trace() {
            return self.failures();
        }
        let directory = Temporary::new()?;
        let log = directory.path().join("opened.log");
        let image = self.function.runtime.name.clone();
        let traced = Self {
            function: Function { trace: Some(log.clone()), ..self.function.clone() },
            events: std::mem::take(&mut self.events),
        };
        let events = traced.events.clone();
        let mut findings = traced.failures()?;
        if findings.iter().any(|finding| finding.code == Code::FunctionTimedOut) {
            // strace takes time of its own: only a run without it shows that the function takes too long.
            output::message(
                "the run above, under strace, timed out, and does not count: strace takes time of its own. The function now runs \
                 without it, and gets each event a second time",
            );
            findings = Self { events, ..self }.failures()?;
        }
        // A function that could not be started has opened nothing.
        if let Ok(run) = settings::log(&log) {
            findings.extend(only_on_host(&run, host).iter().map(|path| looked_for::finding(path, &image)));
        }
        Ok(findings)
    }

    /// Sends the events, and returns how the function failed.
    fn failures(self) -> Result<Vec<Finding>> {
        let handler = self.function.handler.clone();
        let mut findings = Vec::new();
        // What is wrong with the zips is in the report already.
        invoke::invoke(
            self.function,
            self.events,
            output::log(),
            |_| {},
            |answer| {
                findings.extend(answer.failure.as_ref().map(|failure| failure.finding(&handler)));
                Ok(())
            },
        )?;
        Ok(findings)
    }
}

/// Prints the errors among the findings.
fn say(findings: &[Finding]) {
    for finding in findings.iter().filter(|finding| finding.severity == Severity::Error) {
        output::finding(finding, Some(Severity::Error));
    }
}
