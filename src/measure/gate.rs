//! A gate that lets only so many bytes through at once.

use std::sync::{Condvar, Mutex, PoisonError};

/// Bounds the bytes that are in memory between all cores.
pub(super) struct Gate {
    limit: u64,
    inside: Mutex<u64>,
    left: Condvar,
}

/// Bytes that are through the gate until this is dropped.
pub(super) struct Held<'a> {
    gate: &'a Gate,
    bytes: u64,
}

impl Gate {
    pub(super) fn new(limit: u64) -> Self {
        Self { limit, inside: Mutex::new(0), left: Condvar::new() }
    }

    /// Waits until `bytes` fit. More than the limit pass when nothing else is inside.
    pub(super) fn pass(&self, bytes: u64) -> Held<'_> {
        let mut inside = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
        while *inside > 0 && *inside + bytes > self.limit {
            inside = self.left.wait(inside).unwrap_or_else(PoisonError::into_inner);
        }
        *inside += bytes;
        Held { gate: self, bytes }
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        *self.gate.inside.lock().unwrap_or_else(PoisonError::into_inner) -= self.bytes;
        self.gate.left.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_over_the_limit_passes_alone_and_the_others_wait() {
        let gate = Gate::new(10);
        let large = gate.pass(50);
        std::thread::scope(|scope| {
            let small = scope.spawn(|| drop(gate.pass(1)));
            std::thread::sleep(std::time::Duration::from_millis(20));
            assert!(!small.is_finished());
            drop(large);
        });
        assert_eq!(*gate.inside.lock().expect("not poisoned"), 0);
    }
}
