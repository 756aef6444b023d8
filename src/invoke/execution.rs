//! An execution environment: starts the function when there is none, gives it one event after the other, watches time and
//! memory, and says what came of it.
//!
//! As in Lambda: up to ten seconds of start are not counted against the timeout, and a start that takes longer begins again
//! at the expense of the first event; an invocation is over when the function asks for the next event; a function that ran
//! out of time or memory, or ended, is started anew for the next event.

use std::io::Write;
use std::pin::Pin;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf};
use tokio::process::ChildStderr;
use tokio::time::{Instant, Interval, MissedTickBehavior};

use super::extract;
use super::extract::Mounted;
use super::function::Function;
use super::inside;
use super::inside::BOOTSTRAPS;
use super::log::{Log, Report, missing_library};
use super::memory::Meter;
use super::outcome::{Answer, Failure, signal_name};
use super::runtime_api::{Invocation, MOST_RESPONSE_BYTES, RuntimeApi, Said};
use super::sandbox;
use super::sandbox::Sandbox;
use super::spec::{Message, Spec};
use super::temporary::Temporary;
use crate::base::error::{Error, Result};
use crate::base::finding::{Code, Finding};

/// How long a function may take until it asks for its first event: "The Init phase is limited to 10 seconds" (AWS Lambda
/// Developer Guide, Lambda execution environment).
const INIT: Duration = Duration::from_secs(10);

/// How often memory is looked at.
const LOOK: Duration = Duration::from_millis(10);

/// An event, and what its sender says beside it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Event {
    /// The event, as JSON.
    pub payload: Vec<u8>,
    /// The client context, as JSON.
    pub client_context: Option<String>,
}

/// A place where a function runs.
pub struct Environment {
    function: Function,
    layers: Mounted,
    code: Mounted,
    /// Where the sandbox's root is put together.
    root: Temporary,
    log: Log,
    running: Option<Running>,
    invocations: u64,
}

/// A function that runs.
struct Running {
    sandbox: Sandbox,
    api: RuntimeApi,
    meter: Option<Meter>,
    ticks: Interval,
    /// What was written before process 1 of the sandbox ran, which is why it does not.
    before: Vec<u8>,
    /// What the function writes.
    log: ChildStderr,
    log_ended: bool,
    /// Whether process 1 has ended.
    ended: bool,
    limit: u64,
}

/// What can happen while something is waited for.
#[derive(Debug)]
enum SandboxEvent {
    Said(Said),
    Inside(Option<Message>),
    TimedOut,
    OutOfMemory,
}

/// An invocation that is over.
struct Done {
    end: End,
    began: Instant,
    init_ms: Option<f64>,
}

/// How the wait for the first event, or an invocation, ended.
enum End {
    /// The function asks for the (next) event.
    Next(Option<Said>),
    /// It has failed.
    Failed(Failure, Option<Vec<u8>>),
    /// There was no time left.
    TimedOut,
    /// It had ended before it was given the event.
    Gone,
}

impl Environment {
    /// Unzips layers and code. Gives what is wrong with the zips, too: that much of them is not there. The log goes to
    /// `sink` as it is written.
    ///
    /// # Errors
    /// When layers or code cannot be read, or there is no room to unzip them.
    pub fn new(function: Function, sink: Box<dyn Write + Send>) -> Result<(Self, Vec<Finding>)> {
        let (layers, mut findings) = extract::layers(&function.layers)?;
        let root = Temporary::new()?;
        let code = if let Some(path) = &function.code {
            let (code, found) = extract::code(path)?;
            findings.extend(found);
            code
        } else {
            Mounted::Own(root.empty("task")?)
        };
        root.empty("root")?;
        if let Some(trace) = &function.trace {
            // Each start of the function appends to it.
            std::fs::write(trace, "").map_err(Error::io("write", trace))?;
        }
        let log = Log::new(sink);
        Ok((Self { function, layers, code, root, log, running: None, invocations: 0 }, findings))
    }

    /// Gives the function an event, and waits until it is done with it.
    ///
    /// # Errors
    /// When no sandbox can be made here. What is wrong with the function is a [`Failure`].
    pub async fn invoke(&mut self, event: Event) -> Result<Answer> {
        self.invocations += 1;
        // Ids are told by their number: the same run has the same log.
        let id = format!("00000000-0000-4000-8000-{:012x}", self.invocations);
        self.log.begin();
        let Done { end, began, init_ms } = self.until_done(&id, &event).await?;
        let timeout = self.function.timeout;
        let duration_ms = match end {
            End::TimedOut => timeout.as_secs_f64() * 1000.0,
            _ => milliseconds(began),
        };
        let mut most_bytes = 0;
        if let Some(running) = &mut self.running {
            running.drain(&mut self.log).await;
            most_bytes = running.meter.as_mut().map_or(0, Meter::look);
        }
        let (body, content_type, failure) = self.settled(end, &id);
        let ended = failure.as_ref().is_some_and(is_end);
        if ended || self.running.as_ref().is_some_and(|running| running.ended) {
            self.stop().await;
        }
        self.log.line(&format!("END RequestId: {id}"));
        // An error that a function tells of is no fault of its process, and REPORT does not speak of it.
        let status = failure.as_ref().filter(|_| ended).map(|failure| match failure.code {
            Code::FunctionTimedOut => ("timeout", None),
            _ => ("error", Some(failure.kind.as_str())),
        });
        let memory_mb = self.function.memory_mb;
        self.log.report(&Report { id: &id, duration_ms, init_ms, memory_mb, most_bytes, status });
        let log_tail = self.log.tail().to_vec();
        Ok(Answer { request_id: id, body, content_type, failure, log_tail, duration_ms, init_ms, most_bytes })
    }

    /// Starts the function where it does not run, and gives it the event.
    async fn until_done(&mut self, id: &str, event: &Event) -> Result<Done> {
        let mut init_ms = None;
        loop {
            let mut began = None;
            if self.running.is_none() {
                let started = Instant::now();
                let mut end = self.start(started + INIT, id).await?;
                if matches!(end, End::TimedOut) {
                    let took = milliseconds(started);
                    self.log.line(&format!("INIT_REPORT Init Duration: {took:.2} ms\tPhase: init\tStatus: timeout"));
                    self.stop().await;
                    let again = Instant::now();
                    began = Some(again);
                    end = self.start(again + self.function.timeout, id).await?;
                } else {
                    init_ms = Some(milliseconds(started));
                }
                if !matches!(end, End::Next(_)) {
                    self.log.line(&format!("START RequestId: {id} Version: $LATEST"));
                    return Ok(Done { end, began: began.unwrap_or_else(Instant::now), init_ms });
                }
            }
            let began = began.unwrap_or_else(Instant::now);
            self.log.line(&format!("START RequestId: {id} Version: $LATEST"));
            let end = self.run(id, event, began).await?;
            if !matches!(end, End::Gone) {
                return Ok(Done { end, began, init_ms });
            }
            // It ended after the last event, when nobody looked.
            self.stop().await;
            self.log.begin();
        }
    }

    /// The answer that an end stands for: its body, what that is, and what failed.
    fn settled(&mut self, end: End, id: &str) -> (Vec<u8>, String, Option<Failure>) {
        let (body, failure) = match end {
            End::Next(Some(Said::Response { body, content_type })) => return (body, content_type, None),
            End::Next(Some(Said::Error { kind, body })) => {
                let help = self.help("the log above says where it failed");
                let failure = Failure::of_the_function(Code::FunctionFailed, kind, &body, help);
                (Some(body), failure)
            }
            End::Next(Some(Said::TooLarge(bytes))) => (None, too_large(bytes)),
            End::Failed(mut failure, body) => {
                failure.help = self.help(&failure.help);
                (body, failure)
            }
            End::TimedOut | End::Next(_) | End::Gone => {
                let message = format!("Task timed out after {:.2} seconds", self.function.timeout.as_secs_f64());
                self.log.line(&format!("{id} {message}\n"));
                let help = "give it more time with --timeout, or see in the log what it waited for";
                (None, Failure::of_lambda(Code::FunctionTimedOut, id, "Sandbox.Timedout", &message, help))
            }
        };
        let body = body.filter(|body| !body.is_empty()).unwrap_or_else(|| failure.body());
        (body, "application/json".to_owned(), Some(failure))
    }

    /// Starts the function and waits until it asks for its first event.
    async fn start(&mut self, deadline: Instant, id: &str) -> Result<End> {
        let api = RuntimeApi::start().await.map_err(Error::io("listen on", "127.0.0.1"))?;
        let spec = Spec {
            root: self.root.path().join("root"),
            layers: self.layers.path().to_owned(),
            code: Some(self.code.path().to_owned()),
            rootfs: self.function.rootfs.clone(),
            environment: self.function.environment(api.address),
        };
        let mut ticks = tokio::time::interval(LOOK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (sandbox, log) = Sandbox::start(&spec, self.function.trace.as_deref())?;
        let limit = self.function.memory_mb << 20;
        let running = Running {
            sandbox,
            api,
            meter: None,
            ticks,
            before: Vec::new(),
            log,
            log_ended: false,
            ended: false,
            limit,
        };
        let running = self.running.insert(running);
        let mut failed: Option<(Failure, Vec<u8>)> = None;
        loop {
            match running.happens(deadline, &mut self.log).await {
                SandboxEvent::Said(Said::Next) => return Ok(End::Next(None)),
                // It is to exit now, and what it says then is not what Lambda answers.
                SandboxEvent::Said(Said::InitError { kind, body }) => {
                    let help = "the log above says where it failed";
                    failed = Some((Failure::of_the_function(Code::FunctionDoesNotStart, kind, &body, help), body));
                }
                SandboxEvent::Said(_) | SandboxEvent::Inside(Some(Message::Begun(_) | Message::Started)) => {}
                SandboxEvent::TimedOut => {
                    let failed = failed.map(|(failure, body)| End::Failed(failure, Some(body)));
                    return Ok(failed.unwrap_or(End::TimedOut));
                }
                SandboxEvent::OutOfMemory => return Ok(End::Failed(out_of_memory(id, limit), None)),
                SandboxEvent::Inside(said) => {
                    if let Some((failure, body)) = failed {
                        return Ok(End::Failed(failure, Some(body)));
                    }
                    running.drain(&mut self.log).await;
                    let why = String::from_utf8_lossy(&running.before).into_owned();
                    return match said {
                        None if running.sandbox.first.is_none() => Err(sandbox::impossible(&why)),
                        Some(Message::NoRoot(why)) => Err(sandbox::impossible(&why)),
                        said => Ok(End::Failed(self.ended(id, said, Code::FunctionDoesNotStart), None)),
                    };
                }
            }
        }
    }

    /// Gives a function that waits an event, and waits until it asks for the next.
    async fn run(&mut self, id: &str, event: &Event, began: Instant) -> Result<End> {
        let Some(running) = &mut self.running else { return Ok(End::Gone) };
        let deadline = began + self.function.timeout;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let left = deadline.saturating_duration_since(Instant::now());
        running.api.offer(Invocation {
            id: id.to_owned(),
            event: event.payload.clone(),
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
            match running.happens(deadline, &mut self.log).await {
                SandboxEvent::Said(Said::Next) if answered.is_some() => return Ok(End::Next(answered)),
                SandboxEvent::Said(said @ (Said::Response { .. } | Said::Error { .. } | Said::TooLarge(_))) => {
                    answered = Some(said);
                }
                SandboxEvent::Said(_) | SandboxEvent::Inside(Some(Message::Begun(_) | Message::Started)) => {}
                SandboxEvent::TimedOut => return Ok(End::TimedOut),
                SandboxEvent::OutOfMemory => return Ok(End::Failed(out_of_memory(id, running.limit), None)),
                SandboxEvent::Inside(said) => {
                    running.ended = true;
                    running.drain(&mut self.log).await;
                    // What it had answered is answered.
                    if answered.is_some() {
                        return Ok(End::Next(answered));
                    }
                    if !running.api.handed_out(id) {
                        return Ok(End::Gone);
                    }
                    return Ok(End::Failed(self.ended(id, said, Code::FunctionFailed), None));
                }
            }
        }
    }

    /// What the end of a bootstrap means.
    fn ended(&self, id: &str, said: Option<Message>, code: Code) -> Failure {
        let exit = |how: &str| Failure::of_lambda(code, id, "Runtime.ExitError", how, "the log above says why");
        let entry = |how: &str, help: String| {
            Failure::of_lambda(Code::FunctionDoesNotStart, id, "Runtime.InvalidEntrypoint", how, help)
        };
        match said {
            Some(Message::Exited(0)) => exit("Runtime exited without providing a reason"),
            Some(Message::Exited(status)) => exit(&format!("Runtime exited with error: exit status {status}")),
            Some(Message::Killed(signal)) => exit(&format!("Runtime exited with error: {}", signal_name(signal))),
            Some(Message::NoBootstrap) => entry(
                &format!("Couldn't find valid bootstrap(s): [{}]", BOOTSTRAPS.join(" ")),
                "for a function in R, `layerfit init --bootstrap DIR` writes one, into the code or the tree".to_owned(),
            ),
            Some(Message::CannotStart { path, why }) => {
                let place = match path.strip_prefix("/opt/") {
                    Some(name) => self.layers.path().join(name),
                    None => self.code.path().join("bootstrap"),
                };
                let behind = inside::root_cause(&place, &why);
                let help = behind.unwrap_or_else(|| "`layerfit check` says what it lacks".to_owned());
                entry(&format!("fork/exec {path}: {why}"), help)
            }
            _ => exit("Runtime exited with error: signal: killed"),
        }
    }

    /// What to do, with what the log shows of a library that is missing.
    fn help(&self, otherwise: &str) -> String {
        match missing_library(self.log.kept()) {
            Some(library) => format!(
                "{library} is in neither the layers nor the system around them: `layerfit pack --bundle` takes it, and \
                 `layerfit check` says who needs it"
            ),
            None => otherwise.to_owned(),
        }
    }

    /// Ends the function, with every process that it started.
    async fn stop(&mut self) {
        if let Some(mut running) = self.running.take() {
            running.sandbox.kill();
            running.drain(&mut self.log).await;
            running.sandbox.ended().await;
        }
    }
}

impl Running {
    /// Waits for what happens next, while the function's log is passed on.
    async fn happens(&mut self, deadline: Instant, log: &mut Log) -> SandboxEvent {
        let mut buffer = Vec::with_capacity(1 << 16);
        loop {
            buffer.clear();
            tokio::select! {
                // In this order: a function that never stops writing is to end all the same.
                biased;
                () = tokio::time::sleep_until(deadline) => return SandboxEvent::TimedOut,
                _ = self.ticks.tick() => {
                    if self.meter.as_mut().is_some_and(|meter| meter.look() > self.limit) {
                        return SandboxEvent::OutOfMemory;
                    }
                }
                Some(said) = self.api.said.recv() => return SandboxEvent::Said(said),
                said = self.sandbox.next() => {
                    if let Some(Message::Begun(_)) = said {
                        self.meter = self.sandbox.first.map(Meter::new);
                    }
                    return SandboxEvent::Inside(said);
                }
                read = self.log.read_buf(&mut buffer), if !self.log_ended => {
                    self.log_ended = !read.is_ok_and(|length| length > 0);
                    self.pass_on(&buffer, log);
                }
            }
        }
    }

    fn pass_on(&mut self, bytes: &[u8], log: &mut Log) {
        if self.sandbox.first.is_none() { self.before.extend_from_slice(bytes) } else { log.write(bytes) }
    }

    /// Passes on what the function has written so far.
    async fn drain(&mut self, log: &mut Log) {
        let mut buffer = vec![0; 1 << 16];
        let mut quiet = 0;
        // What the kernel has of it is known after the reactor was asked, which happens between tasks.
        while quiet < 2 && !self.log_ended {
            tokio::task::yield_now().await;
            let mut read = ReadBuf::new(&mut buffer);
            let ready = std::future::poll_fn(|context| {
                let polled = Pin::new(&mut self.log).poll_read(context, &mut read);
                std::task::Poll::Ready(polled.is_ready())
            })
            .await;
            let filled = read.filled().to_vec();
            match (ready, filled.is_empty()) {
                (true, true) => self.log_ended = true,
                (true, false) => self.pass_on(&filled, log),
                (false, _) => quiet += 1,
            }
        }
    }
}

/// Whether the process of a function cannot go on after this.
fn is_end(failure: &Failure) -> bool {
    failure.code != Code::FunctionFailed || failure.kind == "Runtime.ExitError"
}

fn out_of_memory(id: &str, limit: u64) -> Failure {
    let help = format!("its processes had more than {} MB: give more with --memory", limit >> 20);
    let message = "Runtime exited with error: signal: killed";
    Failure::of_lambda(Code::FunctionOutOfMemory, id, "Runtime.ExitError", message, help)
}

fn too_large(bytes: usize) -> Failure {
    Failure {
        code: Code::FunctionFailed,
        kind: "Function.ResponseSizeTooLarge".to_owned(),
        message: format!(
            "Response payload size ({bytes} bytes) exceeded maximum allowed payload size ({MOST_RESPONSE_BYTES} bytes)."
        ),
        help: "answer with less, or put it into S3 and answer where it is".to_owned(),
    }
}

fn milliseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1000.0
}
