//! Buffers for chunks. They go round: what the socket has taken and nobody keeps is written to again, so that no buffer
//! grows from nothing. A thread holds a few of them, a connection at rest none.

use std::cell::RefCell;

use bytes::{Buf, Bytes};

/// What a buffer holds without growing: a chunk with the frame that makes it full.
pub(super) const CAPACITY: usize = 112 * 1024;

/// One that has grown beyond this is not kept.
const CAPACITY_MAX: usize = 2 * CAPACITY;

/// So many wait on a thread at most.
const SPARE_MAX: usize = 8;

thread_local! {
    static SPARE: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// An empty one.
pub(super) fn take() -> Vec<u8> {
    let spare = SPARE.with_borrow_mut(Vec::pop);
    spare.unwrap_or_else(|| Vec::with_capacity(CAPACITY))
}

/// One that is no longer needed.
pub(super) fn give(mut buffer: Vec<u8>) {
    if !(CAPACITY..=CAPACITY_MAX).contains(&buffer.capacity()) {
        return;
    }
    buffer.clear();
    SPARE.with_borrow_mut(|spare| {
        if spare.len() < SPARE_MAX {
            spare.push(buffer);
        }
    });
}

/// A chunk that is no longer needed here: its buffer, if it is needed nowhere else.
pub(super) fn give_chunk(mut chunk: Bytes) {
    if chunk.is_unique() {
        // None of its bytes are left, so none are copied.
        chunk.advance(chunk.len());
        give(chunk.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_comes_back_when_nobody_has_it_any_more() {
        let mut buffer = take();
        let place = buffer.as_ptr();
        buffer.extend_from_slice(b"some");
        let chunk = Bytes::from(buffer);
        let kept = chunk.slice(1..);
        give_chunk(chunk);
        let other = take();
        assert_ne!(other.as_ptr(), place, "it is kept");
        give_chunk(kept);
        let again = take();
        assert_eq!((again.as_ptr(), again.len()), (place, 0));
        assert!(again.capacity() >= CAPACITY);
    }

    #[test]
    fn what_is_no_buffer_of_a_usual_size_is_let_go() {
        for size in [10, CAPACITY - 1, CAPACITY_MAX + 1] {
            give(Vec::with_capacity(size));
            give_chunk(Bytes::from(vec![0; size]));
        }
        give_chunk(Bytes::from_static(b"static"));
        assert!(SPARE.with_borrow(Vec::is_empty));
        (0..20).for_each(|_| give(Vec::with_capacity(CAPACITY)));
        assert_eq!(SPARE.with_borrow(Vec::len), SPARE_MAX);
    }
}
