//! Runs a function from its layers on this machine, the way Lambda would, without AWS.
//!
//! Responsible for the proof that what was packed answers. `extract.rs` unzips layers and code; `sandbox.rs` starts a
//! sandbox, `inside.rs` and `mounts.rs` are what happens in it; `runtime_api.rs` hands out events and takes the answers;
//! `execution.rs` is Lambda's life of a function (start, invocations, time, memory by `memory.rs`); `log.rs` and
//! `outcome.rs` have Lambda's words for it; `endpoint.rs` lets AWS's own clients call it.
//!
//! What is not as in Lambda: the kernel and the processor are this machine's (Lambda gives a share of a processor by
//! memory), and so is the system around the layers, unless an unpacked image is given; memory is what its processes have
//! resident, looked at a hundred times a second; extensions are not started; there is no role, and so no credentials but
//! those that are given; the network is this machine's.

mod endpoint;
mod execution;
mod extract;
mod function;
mod http;
mod inside;
mod log;
mod memory;
mod mounts;
mod outcome;
mod runtime_api;
mod sandbox;
mod spec;
mod temporary;

use std::io::Write;
use std::net::SocketAddr;

use tokio::net::TcpListener;
use tokio::sync::mpsc;

pub use execution::{Environment, Event};
pub use function::Function;
pub use inside::run as run_inside;
pub use outcome::{Answer, Failure};
pub use sandbox::INSIDE;

use crate::base::error::{Error, Result};
use crate::base::finding::Finding;

/// Whether an event can be sent to a function.
///
/// # Errors
/// When it is no JSON, or larger than Lambda takes.
pub fn check_event(event: &[u8], place: &str) -> Result<()> {
    let wrong =
        |message: String, help: &str| Err(Error::Data { file: place.to_owned(), message, help: help.to_owned() });
    if event.len() > runtime_api::MOST_EVENT_BYTES {
        let message = format!("the event has {} bytes, and Lambda takes 6 MB", event.len());
        return wrong(message, "send less, or put it into S3 and send where it is");
    }
    match endpoint::not_json(event) {
        Some(why) => wrong(format!("the event is not JSON: {why}"), "give one JSON value, or one in each line"),
        None => Ok(()),
    }
}

/// Gives a function these events, one after the other, in one execution environment. Each answer goes to `answered` as it
/// comes; when that says so, no more events are sent. `wrong` gets what is wrong with the zips before anything runs.
///
/// # Errors
/// When layers or code cannot be read, or no sandbox can be made here.
pub fn invoke(
    function: Function,
    events: impl IntoIterator<Item = Event>,
    sink: Box<dyn Write + Send>,
    wrong: impl FnOnce(&[Finding]),
    mut answered: impl FnMut(&Answer) -> Result<()>,
) -> Result<()> {
    let (mut environment, findings) = Environment::new(function, sink)?;
    wrong(&findings);
    let work = async {
        for event in events {
            answered(&environment.invoke(event).await?)?;
        }
        Ok(())
    };
    block_on(work)
}

/// Offers the invoke endpoint at `address` until a signal ends it. `announce` gets where it listens.
///
/// # Errors
/// When layers or code cannot be read, the address cannot be listened on, or no sandbox can be made here.
pub fn listen(
    function: Function,
    address: SocketAddr,
    sink: Box<dyn Write + Send>,
    wrong: impl FnOnce(&[Finding]),
    announce: impl FnOnce(SocketAddr),
) -> Result<()> {
    let (mut environment, findings) = Environment::new(function, sink)?;
    wrong(&findings);
    block_on(async {
        let listener = TcpListener::bind(address).await.map_err(|error| Error::Usage {
            message: format!("cannot listen on {address}: {error}"),
            help: "give another port; 0 takes one that is free".to_owned(),
        })?;
        announce(listener.local_addr().unwrap_or(address));
        let (sender, mut jobs) = mpsc::unbounded_channel::<endpoint::Job>();
        let work = async {
            while let Some(job) = jobs.recv().await {
                let answer = environment.invoke(job.event).await?;
                if let Some(to) = job.answer {
                    // A client that did not wait does not want it.
                    let _ = to.send(answer);
                }
            }
            Ok(())
        };
        tokio::select! {
            done = work => done,
            () = endpoint::serve(listener, sender) => Ok(()),
        }
    })
}

fn block_on<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(Error::io("make", "a reactor"))?.block_on(work)
}
