//! The Runtime API, from which a function gets its events and to which it sends its results (AWS Lambda Developer Guide,
//! "Using the Lambda runtime API", version 2018-06-01). Refusals have the words of Lambda's own emulator.
//!
//! An event that was handed out and not answered is handed out again on request, as in Lambda: some handlers fetch the event
//! that their bootstrap had fetched before. The Extensions API is not served.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::{Method, Request, Response, StatusCode};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::{Notify, Semaphore, mpsc};

use super::http;
use super::http::{Answer, BodyError};

/// Maximum size of an event, in bytes (AWS Lambda quotas: 6 MB for synchronous invocations).
pub(super) const MAX_EVENT_BYTES: usize = 6 << 20;

/// Maximum size of a response, in bytes: `MaxPayloadSize` of aws-lambda-runtime-interface-emulator,
/// internal/lambda/interop/model.go, and the number in Lambda's own messages.
pub(super) const MAX_RESPONSE_BYTES: usize = (6 << 20) + 100;

/// How many bodies are in memory at once; others wait. A function sends one at a time.
const BODIES: usize = 4;

const PREFIX: &str = "/2018-06-01/runtime/";

/// One event, and the values of its headers.
#[derive(Debug, Clone)]
pub(super) struct Invocation {
    pub id: String,
    pub event: Bytes,
    /// Milliseconds since 1970.
    pub deadline_ms: u128,
    pub arn: String,
    pub trace: String,
    /// The client context, as JSON.
    pub client_context: Option<String>,
}

/// A call of the function.
#[derive(Debug)]
pub(super) enum RuntimeCall {
    /// It asks for an event: the previous invocation is over.
    Next,
    /// Its response.
    Response { body: Vec<u8>, content_type: String },
    /// Its response is too large; its length in bytes.
    TooLarge(usize),
    /// An error, instead of a response.
    Error { kind: String, body: Vec<u8> },
    /// An error of the init phase.
    InitError { kind: String, body: Vec<u8> },
}

/// The state of the function, as Lambda's emulator has it.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Phase {
    Starting,
    Waiting,
    Invoked(String),
    Answered(String),
}

#[derive(Debug)]
struct State {
    phase: Phase,
    /// The invocation to hand out, or the one that was handed out last.
    invocation: Option<Invocation>,
    calls: mpsc::UnboundedSender<RuntimeCall>,
}

#[derive(Debug, Clone)]
struct Shared {
    state: Arc<Mutex<State>>,
    offered: Arc<Notify>,
    bodies: Arc<Semaphore>,
}

/// The Runtime API of one process; it ends when this is dropped.
#[derive(Debug)]
pub(super) struct RuntimeApi {
    /// The calls of the function, as they arrive.
    pub calls: mpsc::UnboundedReceiver<RuntimeCall>,
    shared: Shared,
    /// One task, which ends with this.
    server: tokio::task::JoinSet<()>,
}

impl RuntimeApi {
    /// One that is not served yet.
    pub(super) fn new() -> Self {
        let (sender, calls) = mpsc::unbounded_channel();
        let state = State { phase: Phase::Starting, invocation: None, calls: sender };
        let shared = Shared {
            state: Arc::new(Mutex::new(state)),
            offered: Arc::new(Notify::new()),
            bodies: Arc::new(Semaphore::new(BODIES)),
        };
        Self { calls, shared, server: tokio::task::JoinSet::new() }
    }

    /// Serves it on a socket that listens.
    ///
    /// # Errors
    /// When the socket cannot be waited for.
    pub(super) fn serve(&mut self, listener: std::net::TcpListener) -> std::io::Result<()> {
        listener.set_nonblocking(true)?;
        let listener = TcpListener::from_std(listener)?;
        let handler = self.shared.clone();
        self.server.spawn(http::serve(listener, None, move |request| handler.clone().answer(request)));
        Ok(())
    }

    /// Hands out an event as soon as the function asks for one.
    pub(super) fn offer(&self, invocation: Invocation) {
        self.shared.state().invocation = Some(invocation);
        self.shared.offered.notify_one();
    }

    /// Whether the function has been given this event.
    pub(super) fn handed_out(&self, id: &str) -> bool {
        matches!(&self.shared.state().phase, Phase::Invoked(current) | Phase::Answered(current) if current == id)
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn answer(self, request: Request<Incoming>) -> Answer {
        let path = request.uri().path().to_owned();
        let parts: Vec<&str> = path.strip_prefix(PREFIX).unwrap_or_default().split('/').collect();
        let post = request.method() == Method::POST;
        match parts.as_slice() {
            ["invocation", "next"] if request.method() == Method::GET => self.next().await,
            ["invocation", id, "response"] if post => self.response(id, request).await,
            ["invocation", id, "error"] if post => self.error(id, request).await,
            ["init", "error"] if post => self.init_error(request).await,
            ["invocation", "next"] | ["invocation", _, "response" | "error"] | ["init", "error"] => {
                refuse(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", "Method not allowed")
            }
            _ => refuse(StatusCode::NOT_FOUND, "NotFound", &format!("No such path: {path}")),
        }
    }

    async fn next(self) -> Answer {
        {
            let mut state = self.state();
            if matches!(state.phase, Phase::Starting | Phase::Answered(_)) {
                if matches!(state.phase, Phase::Answered(_)) {
                    state.invocation = None;
                }
                state.phase = Phase::Waiting;
                let _ = state.calls.send(RuntimeCall::Next);
            }
        }
        loop {
            {
                let mut state = self.state();
                if let Some(invocation) = state.invocation.clone() {
                    state.phase = Phase::Invoked(invocation.id.clone());
                    return handed_out(invocation);
                }
            }
            // When the client disconnects, this is dropped, and no event is lost.
            self.offered.notified().await;
        }
    }

    /// Reads the body of a request. If the request will be refused, nothing of it is kept.
    async fn body(
        &self,
        request: Request<Incoming>,
        is_refused: impl Fn(&State) -> bool,
    ) -> Result<Vec<u8>, BodyError> {
        if is_refused(&self.state()) {
            return http::body(request.into_body(), 0).await;
        }
        let _place = self.bodies.acquire().await;
        http::body(request.into_body(), MAX_RESPONSE_BYTES).await
    }

    async fn response(self, id: &str, request: Request<Incoming>) -> Answer {
        let content_type = http::header(&request, "content-type").unwrap_or("application/octet-stream").to_owned();
        let refusal = |state: &State| state.refusal(id, "InvocationResponse");
        let body = self.body(request, |state| refusal(state).is_some()).await;
        let mut state = self.state();
        if let Some(refused) = refusal(&state) {
            return refused;
        }
        let (call, answer) = match body {
            Ok(body) => (RuntimeCall::Response { body, content_type }, accepted()),
            Err(BodyError::TooLarge(bytes)) => {
                let message = format!("Exceeded maximum allowed payload size ({MAX_RESPONSE_BYTES} bytes).");
                let refused = refuse(StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge", &message);
                (RuntimeCall::TooLarge(bytes), refused)
            }
            Err(BodyError::Incomplete) => return incomplete(),
        };
        state.phase = Phase::Answered(id.to_owned());
        let _ = state.calls.send(call);
        answer
    }

    async fn error(self, id: &str, request: Request<Incoming>) -> Answer {
        let kind = error_type(&request);
        let refusal = |state: &State| state.refusal(id, "InvocationErrorResponse");
        let body = self.body(request, |state| refusal(state).is_some()).await;
        let mut state = self.state();
        if let Some(refused) = refusal(&state) {
            return refused;
        }
        let Ok(body) = body else { return incomplete() };
        state.phase = Phase::Answered(id.to_owned());
        let _ = state.calls.send(RuntimeCall::Error { kind: kind.unwrap_or_else(|| type_in(&body)), body });
        accepted()
    }

    async fn init_error(self, request: Request<Incoming>) -> Answer {
        let kind = error_type(&request);
        let body = self.body(request, |state| state.phase != Phase::Starting).await;
        let state = self.state();
        if state.phase != Phase::Starting {
            return state.refuse_transition("InitError");
        }
        let Ok(body) = body else { return incomplete() };
        let _ = state.calls.send(RuntimeCall::InitError { kind: kind.unwrap_or_else(|| type_in(&body)), body });
        accepted()
    }
}

impl State {
    /// The refusal if the function is not allowed to answer the event `id` now.
    fn refusal(&self, id: &str, to: &str) -> Option<Answer> {
        match &self.phase {
            Phase::Invoked(current) | Phase::Answered(current) if current != id => {
                Some(refuse(StatusCode::BAD_REQUEST, "InvalidRequestID", "Invalid request ID"))
            }
            Phase::Invoked(_) => None,
            _ => Some(self.refuse_transition(to)),
        }
    }

    fn refuse_transition(&self, to: &str) -> Answer {
        let from = match self.phase {
            Phase::Starting => "Started",
            Phase::Waiting => "Ready",
            Phase::Invoked(_) => "Running",
            Phase::Answered(_) => "ResponseSent",
        };
        let message =
            format!("State transition from {from} to {to} failed for runtime. Error: State transition is not allowed");
        refuse(StatusCode::FORBIDDEN, "InvalidStateTransition", &message)
    }
}

fn handed_out(invocation: Invocation) -> Answer {
    let mut answer = http::json(StatusCode::OK, invocation.event);
    http::set(&mut answer, "lambda-runtime-aws-request-id", &invocation.id);
    http::set(&mut answer, "lambda-runtime-deadline-ms", &invocation.deadline_ms.to_string());
    http::set(&mut answer, "lambda-runtime-invoked-function-arn", &invocation.arn);
    http::set(&mut answer, "lambda-runtime-trace-id", &invocation.trace);
    if let Some(context) = &invocation.client_context {
        http::set(&mut answer, "lambda-runtime-client-context", context);
    }
    answer
}

fn accepted() -> Answer {
    http::json(StatusCode::ACCEPTED, "{\"status\":\"OK\"}\n")
}

/// The response to a client that has disconnected, which is never read.
fn incomplete() -> Answer {
    let mut answer = Response::new(Full::default());
    *answer.status_mut() = StatusCode::BAD_REQUEST;
    answer
}

fn refuse(status: StatusCode, kind: &str, message: &str) -> Answer {
    http::json(status, format!("{}\n", json!({ "errorMessage": message, "errorType": kind })))
}

fn error_type(request: &Request<Incoming>) -> Option<String> {
    let kind = http::header(request, "lambda-runtime-function-error-type")?;
    (!kind.is_empty()).then(|| kind.to_owned())
}

/// The type in the body of an error.
pub(super) fn type_in(body: &[u8]) -> String {
    let value: Option<serde_json::Value> = serde_json::from_slice(body).ok();
    let kind = value.and_then(|value| value.get("errorType")?.as_str().map(str::to_owned));
    kind.unwrap_or_else(|| "Runtime.Unknown".to_owned())
}
