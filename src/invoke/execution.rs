//! An execution environment: starts the function if it is not running, sends it one event after the other, and returns the
//! outcome.
//!
//! As in Lambda: up to ten seconds of the init phase do not count against the timeout, and an init phase that takes longer is
//! repeated within the timeout of the first event; an invocation is over when the function asks for the next event; a
//! function that ran out of time or memory, or exited, is restarted for the next event.

use std::io::Write;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

use super::extract;
use super::extract::Mounted;
use super::function::{Function, WRAPPER};
use super::inside;
use super::inside::BOOTSTRAPS;
use super::interpreter::{self, Program};
use super::log::{Log, Report, missing_library};
use super::outcome::{Answer, Failure, signal_name};
use super::running::{Running, SandboxEvent};
use super::runtime_api::{Invocation, MAX_RESPONSE_BYTES, RuntimeCall};
use super::sandbox;
use super::spec::{Message, Spec};
use crate::base::atomic::replace_file;
use crate::base::error::{Error, Result};
use crate::base::finding::{Code, Finding};
use crate::pack::verdict::unzipped_too_large;

/// Time limit until the function asks for its first event: "The Init phase is limited to 10 seconds" (AWS Lambda Developer
/// Guide, Lambda execution environment).
const INIT: Duration = Duration::from_secs(10);

/// An event, and the client context sent with it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Event {
    /// The event, as JSON.
    pub payload: Vec<u8>,
    /// The client context, as JSON.
    pub client_context: Option<String>,
}

/// An execution environment of a function.
pub struct Environment {
    function: Function,
    layers: Mounted,
    code: Option<Mounted>,
    /// The system around the layers, if there is one of its own.
    rootfs: Option<Mounted>,
    program: Program,
    log: Log,
    running: Option<Running>,
    invocations: u64,
}

/// A finished invocation.
struct Finished {
    end: PhaseEnd,
    began: Instant,
    init_ms: Option<f64>,
}

/// How an init or invoke phase ended.
enum PhaseEnd {
    /// The function asks for the next event; after an invoke phase, with its response or error.
    Next(Option<RuntimeCall>),
    /// It failed; with the error that it sent, if any.
    Failed(Failure, Option<Vec<u8>>),
    /// It timed out.
    TimedOut,
    /// It had exited before it got the event.
    NotRunning,
}

impl Environment {
    /// Unzips layers and code; also returns what is wrong with the zips, which is left out. The log goes to `sink` as it is
    /// written.
    ///
    /// # Errors
    /// When layers or code cannot be read or unzipped.
    pub fn new(mut function: Function, sink: Box<dyn Write + Send>) -> Result<(Self, Vec<Finding>)> {
        // A descriptor that layerfit inherited can be anything, such as a directory of this machine: no process that layerfit
        // starts from here on gets one.
        close_fds::set_fds_cloexec(3, &[]);
        let (layers, mut findings, unzipped) = extract::layers(&function.layers)?;
        findings.extend(unzipped_too_large(unzipped, &function.limits, ""));
        let code = match &function.code {
            Some(path) => {
                let (code, found) = extract::code(path)?;
                findings.extend(found);
                Some(code)
            }
            None => None,
        };
        let rootfs = function.rootfs.as_deref().map(extract::rootfs).transpose()?;
        // Where the locales are looked for.
        function.rootfs = rootfs.as_ref().map(|rootfs| rootfs.path().to_owned());
        let program = Program::find(&function.runtime, function.rootfs.as_deref(), &function.variables)?;
        if let Some(trace) = &function.trace {
            // It is emptied here, as each start of the function appends to it.
            replace_file(trace, b"")?;
        }
        let log = Log::new(sink);
        Ok((Self { function, layers, code, rootfs, program, log, running: None, invocations: 0 }, findings))
    }

    /// Sends the function an event, and waits until it has finished.
    ///
    /// # Errors
    /// When a sandbox cannot be created. What is wrong with the function is a [`Failure`].
    pub async fn invoke(&mut self, event: Event) -> Result<Answer> {
        self.invocations += 1;
        // Ids are numbered, so the same run has the same log.
        let id = format!("00000000-0000-4000-8000-{:012x}", self.invocations);
        self.log.begin();
        let Finished { end, began, init_ms } = self.init_and_invoke(&id, &event).await?;
        let timeout = self.function.timeout;
        let duration_ms = match end {
            PhaseEnd::TimedOut => timeout.as_secs_f64() * 1000.0,
            _ => milliseconds(began),
        };
        let mut peak_bytes = 0;
        if let Some(running) = &mut self.running {
            running.drain(&mut self.log).await;
            running.measure().await;
            peak_bytes = running.peak;
        }
        let (body, content_type, failure) = self.response(end, &id);
        let ended = failure.as_ref().is_some_and(ends_process);
        if ended || self.running.as_ref().is_some_and(|running| running.ended) {
            self.stop().await;
        }
        self.log.line(&format!("END RequestId: {id}"));
        // REPORT does not mention an error that the function itself sent: its process is fine.
        let status = failure.as_ref().filter(|_| ended).map(|failure| match failure.code {
            Code::FunctionTimedOut => ("timeout", None),
            _ => ("error", Some(failure.kind.as_str())),
        });
        let memory_mb = self.function.memory_mb;
        self.log.report(&Report { id: &id, duration_ms, init_ms, memory_mb, peak_bytes, status });
        let log_tail = self.log.tail().to_vec();
        Ok(Answer { request_id: id, body, content_type, failure, log_tail, duration_ms, init_ms, peak_bytes })
    }

    /// Starts the function if it is not running, and sends it the event.
    async fn init_and_invoke(&mut self, id: &str, event: &Event) -> Result<Finished> {
        let mut init_ms = None;
        loop {
            let mut began = None;
            if self.running.is_none() {
                let started = Instant::now();
                let mut end = self.start(started + INIT, id).await?;
                if matches!(end, PhaseEnd::TimedOut) {
                    let took = milliseconds(started);
                    self.log.line(&format!("INIT_REPORT Init Duration: {took:.2} ms\tPhase: init\tStatus: timeout"));
                    self.stop().await;
                    let restarted = Instant::now();
                    began = Some(restarted);
                    end = self.start(restarted + self.function.timeout, id).await?;
                } else {
                    init_ms = Some(milliseconds(started));
                }
                if !matches!(end, PhaseEnd::Next(_)) {
                    self.log.line(&format!("START RequestId: {id} Version: $LATEST"));
                    return Ok(Finished { end, began: began.unwrap_or_else(Instant::now), init_ms });
                }
            }
            let began = began.unwrap_or_else(Instant::now);
            self.log.line(&format!("START RequestId: {id} Version: $LATEST"));
            let end = self.run(id, event, began).await?;
            if !matches!(end, PhaseEnd::NotRunning) {
                return Ok(Finished { end, began, init_ms });
            }
            // It exited unnoticed after the last event.
            self.stop().await;
            self.log.begin();
        }
    }

    /// The response for a phase that ended: its body, its content type, and what failed.
    fn response(&mut self, end: PhaseEnd, id: &str) -> (Vec<u8>, String, Option<Failure>) {
        let (body, failure) = match end {
            PhaseEnd::Next(Some(RuntimeCall::Response { body, content_type })) => return (body, content_type, None),
            PhaseEnd::Next(Some(RuntimeCall::Error { kind, body })) => {
                let help = self.help(self.where_it_failed());
                let failure = Failure::of_the_function(Code::FunctionFailed, kind, &body, help);
                (Some(body), failure)
            }
            PhaseEnd::Next(Some(RuntimeCall::TooLarge(bytes))) => (None, too_large(bytes)),
            PhaseEnd::Failed(mut failure, body) => {
                failure.help = self.help(&failure.help);
                (body, failure)
            }
            PhaseEnd::TimedOut | PhaseEnd::Next(_) | PhaseEnd::NotRunning => {
                let message = timed_out(self.function.timeout);
                self.log.line(&format!("{id} {message}\n"));
                let help = "raise --timeout, or see in the log what it was waiting for";
                (None, Failure::of_lambda(Code::FunctionTimedOut, id, "Sandbox.Timedout", &message, help))
            }
        };
        let body = body.filter(|body| !body.is_empty()).unwrap_or_else(|| failure.body());
        (body, "application/json".to_owned(), Some(failure))
    }

    /// Starts the function and waits until it asks for its first event.
    async fn start(&mut self, deadline: Instant, id: &str) -> Result<PhaseEnd> {
        let spec = Spec {
            layers: self.layers.path().to_owned(),
            code: self.code.as_ref().map(|code| code.path().to_owned()),
            rootfs: self.rootfs.as_ref().map(|rootfs| rootfs.path().to_owned()),
            no_network: self.function.no_network,
            command: self.command(),
            mounts: self.program.mounts.clone(),
            hidden: self.program.hidden.clone(),
            file: self.program.client.clone(),
            environment: self.function.environment(&self.program.variables),
        };
        let limit = self.function.memory_mb << 20;
        let running = Running::start(&spec, self.function.trace.as_deref(), limit)?;
        let where_it_failed = self.where_it_failed();
        let running = self.running.insert(running);
        let mut failed: Option<(Failure, Vec<u8>)> = None;
        loop {
            match running.next_event(deadline, &mut self.log).await {
                SandboxEvent::Called(RuntimeCall::Next) => return Ok(PhaseEnd::Next(None)),
                // It should exit now; Lambda responds with this error whatever the exit status is.
                SandboxEvent::Called(RuntimeCall::InitError { kind, body }) => {
                    let help = where_it_failed;
                    failed = Some((Failure::of_the_function(Code::FunctionDoesNotStart, kind, &body, help), body));
                }
                SandboxEvent::Inside(Some(Message::Listening)) => {
                    let listener = running.sandbox.listener.take();
                    let listener =
                        listener.ok_or_else(|| sandbox::impossible("there is no socket for the Runtime API"))?;
                    running.api.serve(listener).map_err(Error::io("listen on", "127.0.0.1"))?;
                }
                SandboxEvent::Called(_) | SandboxEvent::Inside(Some(Message::Begun(_) | Message::Started)) => {}
                SandboxEvent::TimedOut => {
                    let failed = failed.map(|(failure, body)| PhaseEnd::Failed(failure, Some(body)));
                    return Ok(failed.unwrap_or(PhaseEnd::TimedOut));
                }
                SandboxEvent::OutOfMemory => return Ok(PhaseEnd::Failed(out_of_memory(id, limit), None)),
                SandboxEvent::Inside(message) => {
                    if let Some((failure, body)) = failed {
                        return Ok(PhaseEnd::Failed(failure, Some(body)));
                    }
                    running.drain(&mut self.log).await;
                    let why = String::from_utf8_lossy(&running.startup_output).into_owned();
                    return match message {
                        None if running.sandbox.first.is_none() => Err(sandbox::impossible(&why)),
                        Some(Message::NoRoot(why)) => Err(sandbox::impossible(&why)),
                        message => {
                            Ok(PhaseEnd::Failed(self.exit_failure(id, message, Code::FunctionDoesNotStart), None))
                        }
                    };
                }
            }
        }
    }

    /// Sends a waiting function an event, and waits until it asks for the next.
    async fn run(&mut self, id: &str, event: &Event, began: Instant) -> Result<PhaseEnd> {
        let Some(running) = &mut self.running else { return Ok(PhaseEnd::NotRunning) };
        let deadline = began + self.function.timeout;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let left = deadline.saturating_duration_since(Instant::now());
        running.api.offer(Invocation {
            id: id.to_owned(),
            event: event.payload.clone().into(),
            deadline_ms: (now + left).as_millis(),
            arn: self.function.arn(),
            trace: format!(
                "Root=1-{:08x}-{:024x};Parent={:016x};Sampled=0",
                now.as_secs(),
                self.invocations,
                self.invocations
            ),
            client_context: event.client_context.clone(),
        });
        let mut answered = None;
        loop {
            match running.next_event(deadline, &mut self.log).await {
                SandboxEvent::Called(RuntimeCall::Next) if answered.is_some() => return Ok(PhaseEnd::Next(answered)),
                SandboxEvent::Called(
                    call @ (RuntimeCall::Response { .. } | RuntimeCall::Error { .. } | RuntimeCall::TooLarge(_)),
                ) => {
                    answered = Some(call);
                }
                SandboxEvent::Called(_) | SandboxEvent::Inside(Some(Message::Begun(_) | Message::Started)) => {}
                // Lambda has passed a response on, whatever becomes of the process afterwards.
                SandboxEvent::TimedOut if answered.is_some() => {
                    running.ended = true;
                    let message = timed_out(self.function.timeout);
                    self.log.line(&format!("{id} {message}\n"));
                    return Ok(PhaseEnd::Next(answered));
                }
                SandboxEvent::TimedOut => return Ok(PhaseEnd::TimedOut),
                SandboxEvent::OutOfMemory => return Ok(PhaseEnd::Failed(out_of_memory(id, running.limit), None)),
                SandboxEvent::Inside(message) => {
                    running.ended = true;
                    running.drain(&mut self.log).await;
                    // A response that it sent before it exited counts.
                    if answered.is_some() {
                        return Ok(PhaseEnd::Next(answered));
                    }
                    if !running.api.handed_out(id) {
                        return Ok(PhaseEnd::NotRunning);
                    }
                    return Ok(PhaseEnd::Failed(self.exit_failure(id, message, Code::FunctionFailed), None));
                }
            }
        }
    }

    /// The failure of a bootstrap that exited or did not start.
    fn exit_failure(&self, id: &str, message: Option<Message>, code: Code) -> Failure {
        let exit = |error: &str| Failure::of_lambda(code, id, "Runtime.ExitError", error, "see the log above");
        let entry = |error: &str, help: String| {
            Failure::of_lambda(Code::FunctionDoesNotStart, id, "Runtime.InvalidEntrypoint", error, help)
        };
        match message {
            Some(Message::Exited(0)) => exit("Runtime exited without providing a reason"),
            Some(Message::Exited(status)) => exit(&format!("Runtime exited with error: exit status {status}")),
            Some(Message::Killed(signal)) => exit(&format!("Runtime exited with error: {}", signal_name(signal))),
            Some(Message::NoBootstrap) => entry(
                &format!("Couldn't find valid bootstrap(s): [{}]", BOOTSTRAPS.join(" ")),
                self.help_without_bootstrap(),
            ),
            Some(Message::CannotStart { path, why }) => {
                let mounted = if path.starts_with("/opt/") { Some(&self.layers) } else { self.code.as_ref() };
                let mounted = mounted.filter(|_| self.program.command.is_empty());
                let cause = mounted.and_then(|mounted| inside::root_cause(&mounted.path().join("bootstrap"), &why));
                let help = cause.unwrap_or_else(|| "`layerfit check` reports what is missing".to_owned());
                entry(&format!("fork/exec {path}: {why}"), help)
            }
            _ => exit("Runtime exited with error: signal: killed"),
        }
    }

    /// What is started: a wrapper of the interpreter, if the function names one (AWS Lambda Developer Guide, "Modifying the
    /// runtime environment"). Lambda's own clients start it themselves.
    fn command(&self) -> Vec<String> {
        let wrapper = self.function.variables.get(WRAPPER).filter(|_| self.program.client.is_some());
        wrapper.into_iter().chain(&self.program.command).cloned().collect()
    }

    fn help_without_bootstrap(&self) -> String {
        let code = self.code.as_ref().map(Mounted::path);
        let runtimes = code.map(|code| interpreter::runtimes_for(code, &self.function.handler)).unwrap_or_default();
        if runtimes.is_empty() {
            "for a function in R, write one into the code or the tree with `layerfit init --bootstrap DIR`".to_owned()
        } else {
            format!("to run it in a managed runtime, name that with --runtime: {}", runtimes.join(", "))
        }
    }

    /// What to do about a function that reports an error.
    fn where_it_failed(&self) -> &'static str {
        match &self.code {
            Some(_) => "the log above shows where it failed",
            None => "no code was given, so /var/task is empty: --code DIR; or the log above shows where it failed",
        }
    }

    /// What to do: about a library that the log reports as missing, or else this.
    fn help(&self, otherwise: &str) -> String {
        match missing_library(self.log.kept()) {
            Some(library) => format!(
                "{library} is in neither the layers nor the system around them: `layerfit check` reports what needs it, and \
                 `layerfit pack --bundle` copies it from the build host"
            ),
            None => interpreter::only_in_the_image(&self.function.runtime, &self.program, self.log.kept())
                .unwrap_or_else(|| otherwise.to_owned()),
        }
    }

    /// Ends the function, with every process that it started.
    pub(super) async fn stop(&mut self) {
        if let Some(mut running) = self.running.take() {
            running.drain(&mut self.log).await;
            running.end().await;
        }
    }
}

/// Whether the function's process cannot be used again after this failure.
fn ends_process(failure: &Failure) -> bool {
    failure.code != Code::FunctionFailed || failure.kind == "Runtime.ExitError"
}

fn out_of_memory(id: &str, limit: u64) -> Failure {
    let help = format!("its processes used more than {} MB: raise --memory", limit >> 20);
    let message = "Runtime exited with error: signal: killed";
    Failure::of_lambda(Code::FunctionOutOfMemory, id, "Runtime.ExitError", message, help)
}

fn timed_out(timeout: Duration) -> String {
    format!("Task timed out after {:.2} seconds", timeout.as_secs_f64())
}

fn too_large(bytes: usize) -> Failure {
    Failure {
        code: Code::FunctionFailed,
        kind: "Function.ResponseSizeTooLarge".to_owned(),
        message: format!(
            "Response payload size ({bytes} bytes) exceeded maximum allowed payload size ({MAX_RESPONSE_BYTES} bytes)."
        ),
        help: "return less, or put the data into S3 and return its location".to_owned(),
    }
}

fn milliseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1000.0
}
