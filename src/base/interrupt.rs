//! Signals that end a run: half-written directories are removed first, and then the process dies of the signal, so that its
//! parent sees that (130 or 143 in a shell).
//!
//! The half-written directories are global state, because a signal is delivered to the whole process. A run that is killed
//! (SIGKILL) removes nothing; the next one that writes to the same place does.

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;

/// Directories to remove when a signal ends the process.
static HALF_WRITTEN: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

/// How often removing a directory is tried while other threads still write into it.
const TRIES: usize = 1000;

fn half_written() -> MutexGuard<'static, BTreeSet<PathBuf>> {
    HALF_WRITTEN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A directory that is removed when a signal ends the process while this value is alive.
#[derive(Debug)]
pub struct HalfWritten(PathBuf);

impl HalfWritten {
    /// Creates a directory and records it, with no signal handled between the two; `make` returns its path and a value.
    ///
    /// # Errors
    /// When it cannot be created. It is not recorded then.
    pub fn make<T, E>(make: impl FnOnce() -> Result<(PathBuf, T), E>) -> Result<(Self, T), E> {
        let mut half_written = half_written();
        let (directory, made) = make()?;
        half_written.insert(directory.clone());
        Ok((Self(directory), made))
    }

    /// Runs `work` without a signal ending the process: one that arrives meanwhile takes effect afterwards.
    pub fn undisturbed<T>(&self, work: impl FnOnce() -> T) -> T {
        undisturbed(work)
    }
}

/// Runs work without a signal ending the process: one that arrives meanwhile takes effect afterwards.
pub(crate) fn undisturbed<T>(work: impl FnOnce() -> T) -> T {
    let _held = half_written();
    work()
}

impl Drop for HalfWritten {
    fn drop(&mut self) {
        half_written().remove(&self.0);
    }
}

/// Makes SIGINT, SIGTERM and SIGHUP remove what is half-written and call `tidy` before they end the process. Signals that
/// are ignored stay ignored: nohup(1) and a shell that runs a job in the background rely on it.
///
/// # Errors
/// When the handler cannot be installed; signals then end the process at once, as by default.
pub fn handle(tidy: impl Fn() + Send + 'static) -> io::Result<()> {
    let ignored = ignored(&super::read::kernel("/proc/self/status").unwrap_or_default());
    // A write over the limit of a file's length (ulimit -f) is an error then, like any that fails.
    signal_hook::flag::register(SIGXFSZ, Arc::default())?;
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP].iter().filter(|signal| !ignored(**signal)))?;
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        if let Some(signal) = signals.forever().next() {
            // Locked to the end, so that no thread goes on to write, or to report that writing failed.
            let directories = half_written();
            for directory in directories.iter() {
                // A thread that is writing can recreate entries a few times; without the directory it cannot.
                (0..TRIES).find(|_| std::fs::remove_dir_all(directory).is_ok() || !directory.exists());
            }
            tidy();
            let _ = emulate_default_handler(signal);
        }
    })?;
    Ok(())
}

/// Whether a signal is ignored, from the status of a process (proc_pid_status(5)): bit 0 of `SigIgn:` is signal 1.
fn ignored(status: &str) -> impl Fn(i32) -> bool + use<> {
    let mask = status.lines().find_map(|line| u64::from_str_radix(line.strip_prefix("SigIgn:")?.trim(), 16).ok());
    let mask = mask.unwrap_or(0);
    move |signal| mask >> (signal - 1) & 1 == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_ignored_is_read_off_the_mask() {
        let ignored = ignored("Name:\tx\nSigBlk:\t0000000000000002\nSigIgn:\t0000000000001001\n");
        assert_eq!([SIGHUP, SIGINT, SIGTERM, 13].map(ignored), [true, false, false, true]);
    }
}
