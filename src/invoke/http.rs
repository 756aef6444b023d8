//! What the Runtime API and the invoke endpoint have in common: connections served by hyper, and bodies with a limit.

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

/// How many connections are served at once; others wait. A client of the Runtime API has a few. More would take descriptors and
/// memory of layerfit.
const MAX_CONNECTIONS: usize = 256;

/// The most that is buffered of a connection beside bodies, in bytes: its headers, which are refused if they are longer.
const MAX_BUFFER: usize = 64 << 10;

/// A complete response.
pub(super) type Answer = Response<Full<Bytes>>;

/// Serves connections until it is dropped, each in its own task. With `idle`, one on which no whole head of a request arrives for this time
/// is closed. Header names are capitalized, as Lambda's are: scripts search for them.
pub(super) async fn serve<H, F>(listener: TcpListener, idle: Option<Duration>, handle: H)
where
    H: Fn(Request<Incoming>) -> F + Clone + Send + 'static,
    F: Future<Output = Answer> + Send + 'static,
{
    // Connections end with the server.
    let mut connections = tokio::task::JoinSet::new();
    let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let place = Arc::clone(&room).acquire_owned().await;
        // The connection was closed before it was accepted, or there is no file descriptor for it: try the next one.
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            continue;
        };
        // Responses are sent whole: waiting for more data would only delay them.
        let _ = stream.set_nodelay(true);
        let handle = handle.clone();
        let service = service_fn(move |request| {
            let answer = handle(request);
            async move { Ok::<_, Infallible>(answer.await) }
        });
        connections.spawn(async move {
            let mut server = hyper::server::conn::http1::Builder::new();
            server.title_case_headers(true).max_buf_size(MAX_BUFFER).timer(TokioTimer::new()).header_read_timeout(idle);
            // A client may disconnect at any time.
            let _ = server.serve_connection(TokioIo::new(stream), service).await;
            drop(place);
        });
        while connections.try_join_next().is_some() {}
    }
}

/// Why a body could not be read.
pub(super) enum BodyError {
    /// It is larger than allowed; its length in bytes.
    TooLarge(usize),
    /// The client disconnected before the end.
    Incomplete,
}

/// Reads a body of at most `limit` bytes. A larger one is still read to its end and discarded: many clients read the
/// response only after sending everything.
pub(super) async fn body(mut incoming: Incoming, limit: usize) -> Result<Vec<u8>, BodyError> {
    let mut kept = Vec::new();
    let mut length = 0;
    while let Some(frame) = incoming.frame().await {
        let Ok(data) = frame.map_err(|_| BodyError::Incomplete)?.into_data() else { continue };
        length += data.len();
        if length > limit {
            kept = Vec::new();
        } else {
            kept.extend_from_slice(&data);
        }
    }
    if length > limit { Err(BodyError::TooLarge(length)) } else { Ok(kept) }
}

/// A JSON response.
pub(super) fn json(status: StatusCode, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = status;
    answer
        .headers_mut()
        .insert(hyper::header::CONTENT_TYPE, hyper::header::HeaderValue::from_static("application/json"));
    answer
}

/// Sets a header; a value that a header cannot hold is left out.
pub(super) fn set(answer: &mut Answer, name: &'static str, value: &str) {
    if let Ok(value) = hyper::header::HeaderValue::from_str(value) {
        answer.headers_mut().insert(name, value);
    }
}

/// A header of a request as text.
pub(super) fn header<'a>(request: &'a Request<Incoming>, name: &str) -> Option<&'a str> {
    request.headers().get(name)?.to_str().ok()
}
