//! Permits: a counting semaphore of bytes.

use std::sync::{Condvar, Mutex, PoisonError};

/// Bounds the bytes that are in memory on all cores together.
pub(super) struct Permits {
    limit: u64,
    used: Mutex<u64>,
    released: Condvar,
}

/// A permit for bytes, returned when it is dropped.
pub(super) struct Permit<'a> {
    permits: &'a Permits,
    bytes: u64,
}

impl Permits {
    pub(super) fn new(limit: u64) -> Self {
        Self { limit, used: Mutex::new(0), released: Condvar::new() }
    }

    /// Waits until `bytes` fit within the limit. A request over the limit is granted when no other permit is held.
    pub(super) fn acquire(&self, bytes: u64) -> Permit<'_> {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        while *used > 0 && *used + bytes > self.limit {
            used = self.released.wait(used).unwrap_or_else(PoisonError::into_inner);
        }
        *used += bytes;
        Permit { permits: self, bytes }
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        *self.permits.used.lock().unwrap_or_else(PoisonError::into_inner) -= self.bytes;
        self.permits.released.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_over_the_limit_is_granted_alone_and_others_wait() {
        let permits = Permits::new(10);
        let large = permits.acquire(50);
        std::thread::scope(|scope| {
            let small = scope.spawn(|| drop(permits.acquire(1)));
            std::thread::sleep(std::time::Duration::from_millis(20));
            assert!(!small.is_finished());
            drop(large);
        });
        assert_eq!(*permits.used.lock().expect("not poisoned"), 0);
    }
}
