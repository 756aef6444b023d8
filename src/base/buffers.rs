//! Buffers: memory for contents that is used again. The system maps memory for a long content, fills it with zeros page by page and
//! takes it back; done for each file, that takes longer than reading it.

use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How many bytes are kept to be used again, at most, by all threads together.
const KEPT_BYTES: usize = 32 << 20;

/// Memory that is used again.
#[derive(Debug, Default)]
pub(crate) struct Buffers(Mutex<Vec<Vec<u8>>>);

/// A buffer, which is kept to be used again when it is dropped.
#[derive(Debug)]
pub(crate) struct Buffer<'a> {
    bytes: Vec<u8>,
    of: &'a Buffers,
}

impl Buffers {
    fn kept(&self) -> MutexGuard<'_, Vec<Vec<u8>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An empty buffer, if possible one with room for so many bytes: the smallest of these, or else the largest.
    pub(crate) fn take(&self, bytes: usize) -> Buffer<'_> {
        let mut kept = self.kept();
        let fits = |buffer: &Vec<u8>| buffer.capacity() >= bytes;
        let rank = |buffer: &Vec<u8>| {
            let capacity = buffer.capacity();
            if fits(buffer) { (false, capacity) } else { (true, usize::MAX - capacity) }
        };
        let best = kept.iter().enumerate().min_by_key(|(_, buffer)| rank(buffer)).map(|(at, _)| at);
        Buffer { bytes: best.map(|at| kept.swap_remove(at)).unwrap_or_default(), of: self }
    }
}

impl Deref for Buffer<'_> {
    type Target = Vec<u8>;

    fn deref(&self) -> &Vec<u8> {
        &self.bytes
    }
}

impl DerefMut for Buffer<'_> {
    fn deref_mut(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }
}

impl Drop for Buffer<'_> {
    fn drop(&mut self) {
        self.bytes.clear();
        let mut kept = self.of.kept();
        let bytes: usize = kept.iter().map(Vec::capacity).sum();
        if self.bytes.capacity() > 0 && bytes + self.bytes.capacity() <= KEPT_BYTES {
            kept.push(std::mem::take(&mut self.bytes));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_used_again_and_no_more_of_it_is_kept_than_the_bound() {
        let buffers = Buffers::default();
        let with_room = |bytes: usize| {
            let mut buffer = buffers.take(bytes);
            buffer.reserve_exact(bytes);
            assert!(buffer.is_empty());
            buffer.push(1);
            buffer
        };
        let (short, long) = (with_room(1000), with_room(5000));
        let (of_short, of_long) = (short.as_ptr(), long.as_ptr());
        drop((short, long));
        assert_eq!(with_room(900).as_ptr(), of_short);
        assert_eq!(with_room(1001).as_ptr(), of_long);
        // What is too short for all is the largest that there is, made longer.
        drop(with_room(6000));
        assert_eq!(buffers.kept().len(), 2);
        let many: Vec<_> = (0..5).map(|_| with_room(KEPT_BYTES / 3)).collect();
        drop(many);
        let kept: usize = buffers.kept().iter().map(Vec::capacity).sum();
        assert!(kept <= KEPT_BYTES && kept > KEPT_BYTES / 2, "{kept}");
    }
}
