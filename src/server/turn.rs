//! Fair turns among the connections of a worker.
//!
//! A worker's runtime goes on with tasks that are ready, many times over, before it asks the system which
//! other sockets have something. A peer that never stops sending keeps its task ready. So a connection may
//! read so many bytes, and then waits until the runtime has been round to everybody.

use std::{
    future::Future,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

use futures_util::task::AtomicWaker;

/// What is left of one connection's turn.
pub(super) struct Turn {
    bytes_max: usize,
    left: AtomicUsize,
    is_over: AtomicBool,
    waker: AtomicWaker,
}

impl Turn {
    pub(super) const fn new(bytes_max: usize) -> Self {
        let (left, is_over) = (AtomicUsize::new(bytes_max), AtomicBool::new(false));
        Self { bytes_max, left, is_over, waker: AtomicWaker::new() }
    }

    /// Bytes were read.
    pub(super) fn take(&self, bytes: usize) {
        let left = self.left.load(Ordering::Relaxed).saturating_sub(bytes);
        self.left.store(left, Ordering::Relaxed);
    }

    /// Ready while something is left of the turn; then pending until the next one.
    pub(super) fn poll(self: &Arc<Self>, cx: &Context<'_>) -> Poll<()> {
        if self.left.load(Ordering::Relaxed) > 0 {
            return Poll::Ready(());
        }
        self.waker.register(cx.waker());
        if !self.is_over.swap(true, Ordering::Relaxed) {
            // The runtime wakes whoever yields when it has looked at all sockets.
            let next_turn = Waker::from(Arc::clone(self));
            let _ = pin!(tokio::task::yield_now()).poll(&mut Context::from_waker(&next_turn));
        }
        Poll::Pending
    }
}

impl Wake for Turn {
    fn wake(self: Arc<Self>) {
        self.left.store(self.bytes_max, Ordering::Relaxed);
        self.is_over.store(false, Ordering::Relaxed);
        self.waker.wake();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_ends_and_the_next_one_comes() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let turn = Arc::new(Turn::new(10));
            let ask =
                || std::future::poll_fn(|cx| Poll::Ready(turn.poll(cx).is_ready())).into_future();
            turn.take(9);
            assert!(ask().await);
            turn.take(5);
            assert!(!ask().await);
            assert!(!ask().await, "asking again does not bring it sooner");
            std::future::poll_fn(|cx| turn.poll(cx)).await;
            assert!(ask().await, "all of it");
        });
    }
}
