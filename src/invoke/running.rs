//! A running function: what happens in its sandbox, one event after the other, with its output passed on to the log and its memory
//! measured meanwhile.

use std::path::Path;
use std::pin::Pin;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf};
use tokio::process::ChildStderr;
use tokio::time::{Instant, Interval, MissedTickBehavior};

use super::log::Log;
use super::runtime_api::{RuntimeApi, RuntimeCall};
use super::sandbox::Sandbox;
use super::spec::{Message, Spec};
use crate::base::error::Result;

/// The interval of memory samples.
const SAMPLE_INTERVAL: Duration = Duration::from_millis(10);

/// How long the samples of an invocation that has ended are waited for. Each takes a fraction of a second, on a machine that is not
/// busy.
const LAST_SAMPLES: Duration = Duration::from_secs(5);

/// A running function.
pub(super) struct Running {
    pub(super) sandbox: Sandbox,
    pub(super) api: RuntimeApi,
    /// Peak memory of its processes so far, in bytes.
    pub(super) peak: u64,
    ticks: Interval,
    /// Output from before process 1 of the sandbox ran: why the sandbox could not be created.
    pub(super) startup_output: Vec<u8>,
    /// Output of the function.
    log: ChildStderr,
    log_ended: bool,
    /// Whether process 1 has ended, or will be made to.
    pub(super) ended: bool,
    /// Memory limit, in bytes.
    pub(super) limit: u64,
}

/// What can happen while the function runs.
#[derive(Debug)]
pub(super) enum SandboxEvent {
    /// The function called the Runtime API.
    Called(RuntimeCall),
    /// The inside of the sandbox sent a message, or has ended.
    Inside(Option<Message>),
    TimedOut,
    OutOfMemory,
}

impl Running {
    /// Starts a sandbox, of whose processes the memory may be `limit` bytes. `trace` is where strace(1) writes, if it is to run.
    ///
    /// # Errors
    /// When the sandbox cannot be started.
    pub(super) fn start(spec: &Spec, trace: Option<&Path>, limit: u64) -> Result<Self> {
        let mut ticks = tokio::time::interval(SAMPLE_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (sandbox, log) = Sandbox::start(spec, trace)?;
        Ok(Self {
            sandbox,
            api: RuntimeApi::new(),
            peak: 0,
            ticks,
            startup_output: Vec::new(),
            log,
            log_ended: false,
            ended: false,
            limit,
        })
    }

    /// Waits for the next event of the sandbox, while passing on the function's log.
    pub(super) async fn next_event(&mut self, deadline: Instant, log: &mut Log) -> SandboxEvent {
        let mut buffer = Vec::with_capacity(1 << 16);
        loop {
            buffer.clear();
            tokio::select! {
                // In this order, so that a function that never stops writing still times out.
                biased;
                () = tokio::time::sleep_until(deadline) => return SandboxEvent::TimedOut,
                _ = self.ticks.tick() => {
                    self.sandbox.request_sample();
                }
                Some(call) = self.api.calls.recv() => return SandboxEvent::Called(call),
                message = self.sandbox.next() => {
                    match message {
                        Some(Message::Memory(peak)) => {
                            self.peak = peak;
                            if peak > self.limit {
                                return SandboxEvent::OutOfMemory;
                            }
                        }
                        message => return SandboxEvent::Inside(message),
                    }
                }
                read = self.log.read_buf(&mut buffer), if !self.log_ended => {
                    self.log_ended = !read.is_ok_and(|length| length > 0);
                    self.pass_on(&buffer, log);
                }
            }
        }
    }

    /// Takes a sample of the memory: a second one if another was on its way, which can be older. Where that takes too long, there
    /// are only the samples so far.
    pub(super) async fn measure(&mut self) {
        let until = Instant::now() + LAST_SAMPLES;
        for _ in 0..2 {
            self.sandbox.request_sample();
            while self.sandbox.is_sampled() && !self.ended {
                match tokio::time::timeout_at(until, self.sandbox.next()).await {
                    Err(_) => return,
                    Ok(Some(Message::Memory(peak))) => self.peak = peak,
                    Ok(Some(Message::Begun(_) | Message::Listening | Message::Started)) => {}
                    // It exited unnoticed; the next event starts it again.
                    Ok(_) => self.ended = true,
                }
            }
        }
    }

    fn pass_on(&mut self, bytes: &[u8], log: &mut Log) {
        if self.sandbox.first.is_none() { self.startup_output.extend_from_slice(bytes) } else { log.write(bytes) }
    }

    /// Passes on what the function has written so far: no more than the pipe holds, as it can go on writing without end.
    pub(super) async fn drain(&mut self, log: &mut Log) {
        let mut buffer = vec![0; 1 << 16];
        let mut left = rustix::pipe::fcntl_getpipe_size(&self.log).unwrap_or(buffer.len());
        let mut quiet = 0;
        // The reactor is polled between tasks, and only then knows whether the pipe has more.
        while quiet < 2 && left > 0 && !self.log_ended {
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
                (true, false) => {
                    left = left.saturating_sub(filled.len());
                    self.pass_on(&filled, log);
                }
                (false, _) => quiet += 1,
            }
        }
    }

    /// Ends every process of the sandbox, and waits for that.
    pub(super) async fn end(self) {
        let Self { mut sandbox, log, .. } = self;
        sandbox.kill();
        // What is written from here on, also by `unshare`, has no reader that it could wait for.
        drop(log);
        sandbox.ended().await;
    }
}
