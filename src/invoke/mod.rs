//! Runs a function from its layers on this machine, the way Lambda would, without AWS.
//!
//! Responsible for showing that the packed function works. `extract.rs` unzips layers and code; `sandbox.rs` starts a
//! sandbox, and `inside.rs` and `mounts.rs` run in it; `interpreter.rs` is what it starts; `runtime_api.rs` hands out events and receives the responses;
//! `execution.rs` is the lifecycle of a function (start, invocations, timeout, and memory with `memory.rs`); `log.rs` and
//! `outcome.rs` have Lambda's log lines and errors; `endpoint.rs` lets AWS's own clients invoke it.
//!
//! Differences from Lambda: the kernel and the processor are this machine's (Lambda allots processor time by memory), and so
//! is the system around the layers, unless an unpacked image is given; memory is the resident memory of the processes, sampled
//! a hundred times a second; extensions are not started; there is no execution role, and so no credentials except those
//! passed with `--env`; the network is this machine's, or none.

mod endpoint;
mod execution;
mod extract;
mod function;
mod http;
mod inside;
mod interpreter;
mod log;
mod memory;
mod mounts;
mod network;
mod outcome;
mod running;
mod runtime_api;
mod sandbox;
mod spec;
mod system_calls;
mod temporary;

use std::io::Write;
use std::net::SocketAddr;

use tokio::net::TcpListener;
use tokio::sync::mpsc;

pub use execution::{Environment, Event};
pub use function::{Function, MAX_ENVIRONMENT_BYTES, check_variables, is_lambdas_own};
pub use inside::run as run_inside;
pub use outcome::{Answer, Failure};
pub use sandbox::{INSIDE, can_trace};
pub use temporary::{REMOVER, Temporary, run_remover};

use crate::base::error::{Error, Result};
use crate::base::finding::Finding;

/// Checks whether an event can be sent to a function.
///
/// # Errors
/// When it is not JSON, or larger than Lambda accepts.
pub fn check_event(event: &[u8], place: &str) -> Result<()> {
    let wrong =
        |message: String, help: &str| Err(Error::Data { file: place.to_owned(), message, help: help.to_owned() });
    if event.len() > runtime_api::MAX_EVENT_BYTES {
        let message = format!("the event has {} bytes, more than Lambda's limit of 6 MB", event.len());
        return wrong(message, "send less, or put the data into S3 and send its location");
    }
    match endpoint::not_json(event) {
        Some(why) => wrong(format!("the event is not JSON: {why}"), "give one JSON value, or one per line"),
        None => Ok(()),
    }
}

/// Sends these events to a function, one after the other, in one execution environment. Each answer is passed to `answered` as
/// it arrives; an error from that ends the run. `wrong` gets what is wrong with the zips before anything runs.
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
    block_on(async {
        for event in events {
            answered(&environment.invoke(event).await?)?;
        }
        // No process of it outlives the run.
        environment.stop().await;
        Ok(())
    })
}

/// Serves the invoke endpoint at `address` until a signal ends it. `announce` gets the address that it listens on.
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
            help: "use another port; 0 chooses a free one".to_owned(),
        })?;
        announce(listener.local_addr().unwrap_or(address));
        let (sender, mut jobs) = mpsc::unbounded_channel::<endpoint::Job>();
        let work = async {
            while let Some(job) = jobs.recv().await {
                let answer = environment.invoke(job.event).await?;
                if let Some(to) = job.answer {
                    // The client may have disconnected.
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
    runtime.map_err(Error::io("create", "a reactor"))?.block_on(work)
}
