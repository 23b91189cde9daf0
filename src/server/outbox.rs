//! Chunks that wait for the socket to take them, many at once.

use std::{
    collections::VecDeque,
    io::{self, IoSlice},
    task::Poll,
};

use actix_web::web::{Buf, Bytes};

use crate::wire::websocket::Frames;

/// With so many bytes here nothing more is filled in until the socket has taken them.
const FULL: usize = 32 * 1024;

/// So many chunks are written at once.
const AT_ONCE: usize = 32;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    chunks: VecDeque<Bytes>,
}

impl Outbox {
    pub(super) fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    pub(super) fn is_full(&self) -> bool {
        self.len() >= FULL
    }

    fn len(&self) -> usize {
        self.chunks.iter().map(Bytes::len).sum()
    }

    pub(super) fn push(&mut self, chunk: Bytes) {
        self.chunks.push_back(chunk);
    }

    /// Offers what is here to `write`, which says how much of it is gone.
    pub(super) fn write(
        &mut self,
        write: impl FnOnce(&[IoSlice<'_>]) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        let chunks = &mut self.chunks;
        let mut slices = [IoSlice::new(&[]); AT_ONCE];
        let count = chunks.len().min(AT_ONCE);
        slices.iter_mut().zip(&*chunks).for_each(|(slice, chunk)| *slice = IoSlice::new(chunk));
        let written = write(slices.get(..count).unwrap_or(&[]));
        if let Poll::Ready(Ok(mut left)) = written {
            while let Some(front) = chunks.front_mut() {
                if left < front.len() {
                    front.advance(left);
                    break;
                }
                left -= front.len();
                if let Some(chunk) = chunks.pop_front() {
                    Frames::sent(chunk);
                }
            }
            if chunks.is_empty() {
                // A connection at rest holds nothing.
                *chunks = VecDeque::new();
            }
        }
        written
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_leave_in_order_however_much_is_taken_at_a_time() {
        let all: Vec<u8> = (0..u8::MAX).collect();
        for at_a_time in [1, 2, 7, 64, 1000] {
            let mut outbox = Outbox::default();
            all.chunks(5).for_each(|chunk| outbox.push(Bytes::copy_from_slice(chunk)));
            let mut taken: Vec<u8> = Vec::new();
            while !outbox.is_empty() {
                let left = all.len() - taken.len();
                assert_eq!(outbox.len(), left);
                let written = outbox.write(|slices| {
                    let here = slices.iter().map(|slice| slice.len()).sum::<usize>();
                    assert_eq!(here, left.min(here), "no more than there is");
                    let bytes = slices.iter().flat_map(|slice| slice.iter()).take(at_a_time);
                    let before = taken.len();
                    taken.extend(bytes);
                    Poll::Ready(Ok(taken.len() - before))
                });
                assert!(written.is_ready());
            }
            assert!(taken == all && outbox.is_empty(), "{at_a_time}");
        }
    }

    #[test]
    fn what_is_not_taken_stays() {
        let mut outbox = Outbox::default();
        outbox.push(Bytes::from(vec![1; FULL]));
        assert!(outbox.is_full());
        assert!(outbox.write(|_| Poll::Pending).is_pending());
        let refused = outbox.write(|_| Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())));
        assert!(matches!(refused, Poll::Ready(Err(_))));
        assert!(outbox.is_full());
        assert!(outbox.write(|_| Poll::Ready(Ok(1))).is_ready());
        assert!(!outbox.is_full() && !outbox.is_empty());
    }
}
