//! The invoke endpoint: what `aws lambda invoke --endpoint-url` talks to (AWS Lambda API, Invoke). It accepts any function
//! name. Events are queued: there is one execution environment.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::body::{Bytes, Incoming};
use hyper::{Method, Request, StatusCode};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use super::execution::Event;
use super::http;
use super::http::BodyError;
use super::outcome;
use super::runtime_api::MAX_EVENT_BYTES;

/// Maximum size of the event of an asynchronous invocation, in bytes (AWS Lambda quotas: 1 MB).
const MAX_ASYNCHRONOUS_BYTES: usize = 1 << 20;

/// How many events and answers are in memory at once; the requests of others wait to be read.
const BODIES: usize = 16;

/// How many events of asynchronous invocations are queued.
const QUEUED: usize = 128;

/// How long a client can take for the head of a request, and again for its body; and how long it can keep a connection without
/// one.
const IDLE: Duration = Duration::from_secs(60);

/// An event that was received, and where to send its answer; `None` for an asynchronous invocation.
pub(super) struct Job {
    pub event: Event,
    pub answer: Option<oneshot::Sender<outcome::Answer>>,
    /// Its place among those [`QUEUED`], if no request waits for an answer.
    _place: Option<OwnedSemaphorePermit>,
}

/// A body that has a place among the [`BODIES`] until it is sent.
struct Sent {
    body: Vec<u8>,
    _place: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Sent {
    fn as_ref(&self) -> &[u8] {
        &self.body
    }
}

/// Serves the endpoint; every event is sent to `jobs`.
pub(super) async fn serve(listener: TcpListener, jobs: mpsc::UnboundedSender<Job>) {
    let (bodies, queue) = (Arc::new(Semaphore::new(BODIES)), Arc::new(Semaphore::new(QUEUED)));
    http::serve(listener, Some(IDLE), move |request| {
        answer(request, jobs.clone(), (Arc::clone(&bodies), Arc::clone(&queue)))
    })
    .await;
}

async fn answer(
    request: Request<Incoming>,
    jobs: mpsc::UnboundedSender<Job>,
    (bodies, queue): (Arc<Semaphore>, Arc<Semaphore>),
) -> http::Answer {
    let named = request.headers().get_all("host");
    // A request for a whole URL has the host in that too (RFC 9112, 3.2.2).
    let of_url = request.uri().authority().map(|authority| authority.as_str().as_bytes());
    let hosts = named.iter().map(hyper::header::HeaderValue::as_bytes).chain(of_url);
    if named.iter().count() != 1 {
        let message = "A request has one Host (RFC 9112, 3.2)";
        return refuse(StatusCode::BAD_REQUEST, "InvalidRequestContentException", message);
    }
    if let Some(why) = of_a_web_page(hosts, request.headers().contains_key("origin")) {
        return refuse(StatusCode::FORBIDDEN, "AccessDeniedException", why);
    }
    let path = request.uri().path();
    let name = path.strip_prefix("/2015-03-31/functions/").and_then(|rest| rest.strip_suffix("/invocations"));
    if name.is_none_or(|name| name.is_empty() || name.contains('/')) {
        let message = format!("No such path: {path}; only /2015-03-31/functions/NAME/invocations is served");
        return refuse(StatusCode::NOT_FOUND, "ResourceNotFoundException", &message);
    }
    if request.method() != Method::POST {
        return refuse(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowedException", "Only POST is allowed");
    }
    let header = |name| http::header(&request, name).map(str::to_owned);
    let kind = header("x-amz-invocation-type").unwrap_or_else(|| "RequestResponse".to_owned());
    let tail = header("x-amz-log-type").is_some_and(|kind| kind == "Tail");
    let (limit, room) = match kind.as_str() {
        "RequestResponse" | "DryRun" => (MAX_EVENT_BYTES, bodies),
        "Event" => (MAX_ASYNCHRONOUS_BYTES, queue),
        other => {
            let message = format!("{other} is not an invocation type: use RequestResponse, Event or DryRun");
            return refuse(StatusCode::BAD_REQUEST, "InvalidParameterValueException", &message);
        }
    };
    let context = match header("x-amz-client-context").map(|text| STANDARD.decode(text).map(String::from_utf8)) {
        None => None,
        Some(Ok(Ok(context))) => Some(context),
        Some(_) => {
            let message = "Client context must be a valid Base64-encoded JSON object.";
            return refuse(StatusCode::BAD_REQUEST, "InvalidRequestContentException", message);
        }
    };
    let Ok(place) = room.acquire_owned().await else { return stopped() };
    let incomplete =
        || refuse(StatusCode::BAD_REQUEST, "InvalidRequestContentException", "The request body is incomplete");
    let payload = match tokio::time::timeout(IDLE, http::body(request.into_body(), limit)).await {
        Ok(Ok(payload)) => payload,
        Ok(Err(BodyError::TooLarge(bytes))) => {
            let message =
                format!("{bytes} byte payload is too large for the {kind} invocation type (limit {limit} bytes)");
            return refuse(StatusCode::PAYLOAD_TOO_LARGE, "RequestTooLargeException", &message);
        }
        Ok(Err(BodyError::Incomplete)) | Err(_) => return incomplete(),
    };
    if let Some(why) = not_json(&payload) {
        let message = format!("Could not parse request body into json: {why}");
        return refuse(StatusCode::BAD_REQUEST, "InvalidRequestContentException", &message);
    }
    // An empty body is an empty object, as in Lambda.
    let payload = if payload.is_empty() { b"{}".to_vec() } else { payload };
    let event = Event { payload, client_context: context };
    match kind.as_str() {
        "DryRun" => http::json(StatusCode::NO_CONTENT, ""),
        "Event" => match jobs.send(Job { event, answer: None, _place: Some(place) }) {
            Ok(()) => http::json(StatusCode::ACCEPTED, ""),
            Err(_) => stopped(),
        },
        _ => {
            let (sender, receiver) = oneshot::channel();
            if jobs.send(Job { event, answer: Some(sender), _place: None }).is_err() {
                return stopped();
            }
            receiver.await.map_or_else(|_| stopped(), |answer| answered(answer, tail, place))
        }
    }
}

/// Why a request may come from a web page in a browser on this machine, which could otherwise run the function: a page's request
/// to another site has an Origin (Fetch Standard, "HTTP `Origin` header"), and a page whose own name was made to stand for this
/// machine has that name as Host. No name of the web is without a dot; in a network of containers, names are. AWS's clients send
/// no Origin, and as Host what --endpoint-url names.
fn of_a_web_page<'a>(mut hosts: impl Iterator<Item = &'a [u8]>, has_origin: bool) -> Option<&'static str> {
    if has_origin {
        return Some("Requests of web pages, which have an Origin, are not accepted");
    }
    let other = "The Host is neither localhost nor an IP address: use the address that layerfit printed";
    (!hosts.all(|host| std::str::from_utf8(host).is_ok_and(is_direct))).then_some(other)
}

/// Whether a host, perhaps with a port, is an address, or a name that nothing on the web has.
fn is_direct(host: &str) -> bool {
    let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
    if let Some(rest) = host.strip_prefix('[') {
        return rest.split_once(']').is_some_and(|(address, rest)| {
            let port = if rest.is_empty() { Some("") } else { rest.strip_prefix(':') };
            address.parse::<std::net::Ipv6Addr>().is_ok() && port.is_some_and(is_port)
        });
    }
    let (name, port) = host.split_once(':').unwrap_or((host, ""));
    let name = name.to_ascii_lowercase();
    let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    let is_local = !name.contains('.') || name.ends_with(".localhost") || name.parse::<std::net::Ipv4Addr>().is_ok();
    is_name && is_port(port) && is_local
}

fn answered(answer: outcome::Answer, tail: bool, place: OwnedSemaphorePermit) -> http::Answer {
    let body = Bytes::from_owner(Sent { body: answer.body, _place: place });
    let mut response = http::json(StatusCode::OK, body);
    http::set(&mut response, "content-type", &answer.content_type);
    http::set(&mut response, "x-amzn-requestid", &answer.request_id);
    http::set(&mut response, "x-amz-executed-version", "$LATEST");
    if answer.failure.is_some() {
        http::set(&mut response, "x-amz-function-error", "Unhandled");
    }
    if tail {
        http::set(&mut response, "x-amz-log-result", &STANDARD.encode(&answer.log_tail));
    }
    response
}

/// Why an event is not JSON; an empty one is accepted.
pub(super) fn not_json(payload: &[u8]) -> Option<String> {
    if payload.is_empty() {
        return None;
    }
    // A value that is skipped is not decoded, so that is done before.
    match std::str::from_utf8(payload) {
        Ok(text) => serde_json::from_str::<serde::de::IgnoredAny>(text).err().map(|error| error.to_string()),
        Err(error) => Some(format!("invalid UTF-8 at byte {}", error.valid_up_to() + 1)),
    }
}

fn stopped() -> http::Answer {
    refuse(StatusCode::SERVICE_UNAVAILABLE, "ServiceException", "layerfit invoke has ended; the function cannot be run")
}

fn refuse(status: StatusCode, kind: &'static str, message: &str) -> http::Answer {
    let mut answer = http::json(status, json!({ "Type": "User", "message": message }).to_string());
    http::set(&mut answer, "x-amzn-errortype", kind);
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_web_page_cannot_invoke_the_function() {
        for host in [
            "127.0.0.1:9001",
            "localhost:9001",
            "LOCALHOST",
            "[::1]:9001",
            "192.168.1.4:80",
            "lambda.localhost:1",
            "lambda",
        ] {
            assert_eq!(of_a_web_page([host.as_bytes()].into_iter(), false), None, "{host}");
            assert!(of_a_web_page([host.as_bytes()].into_iter(), true).is_some(), "{host}");
        }
        for host in [
            "evil.example",
            "evil.example:9001",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
            "a.b c",
            "evil.example.",
            "",
            "127.0.0.1@evil",
            "evil@127.0.0.1",
            "[::1]evil",
            "[::1].evil.example:80",
            "[evil.example]",
            "localhost:80.evil.example",
        ] {
            assert!(of_a_web_page([host.as_bytes()].into_iter(), false).is_some(), "{host}");
            assert!(of_a_web_page([b"localhost", host.as_bytes()].into_iter(), false).is_some(), "{host}");
        }
    }

    #[test]
    fn an_event_is_json_in_utf_8() {
        assert_eq!(not_json("{\"a\": \"é\"}".as_bytes()), None);
        assert_eq!(not_json(b""), None);
        assert_eq!(not_json(b"{\"a\": \"\xff\"}").as_deref(), Some("invalid UTF-8 at byte 8"));
        assert!(not_json(b"{").is_some());
    }
}
