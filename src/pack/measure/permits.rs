//! Permits: a counting semaphore of bytes.

use std::sync::{Condvar, Mutex, PoisonError};

/// Bounds the bytes that are in memory between all cores.
pub(super) struct Permits {
    limit: u64,
    inside: Mutex<u64>,
    left: Condvar,
}

/// Bytes that are permitted until this is dropped.
pub(super) struct Permit<'a> {
    permits: &'a Permits,
    bytes: u64,
}

impl Permits {
    pub(super) fn new(limit: u64) -> Self {
        Self { limit, inside: Mutex::new(0), left: Condvar::new() }
    }

    /// Waits until `bytes` fit. More than the limit pass when nothing else is inside.
    pub(super) fn acquire(&self, bytes: u64) -> Permit<'_> {
        let mut inside = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
        while *inside > 0 && *inside + bytes > self.limit {
            inside = self.left.wait(inside).unwrap_or_else(PoisonError::into_inner);
        }
        *inside += bytes;
        Permit { permits: self, bytes }
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        *self.permits.inside.lock().unwrap_or_else(PoisonError::into_inner) -= self.bytes;
        self.permits.left.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_over_the_limit_passes_alone_and_the_others_wait() {
        let permits = Permits::new(10);
        let large = permits.acquire(50);
        std::thread::scope(|scope| {
            let small = scope.spawn(|| drop(permits.acquire(1)));
            std::thread::sleep(std::time::Duration::from_millis(20));
            assert!(!small.is_finished());
            drop(large);
        });
        assert_eq!(*permits.inside.lock().expect("not poisoned"), 0);
    }
}
