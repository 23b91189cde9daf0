//! A session as rooms and queues see it.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::operation::ToSession;
use crate::{engine::Notice, types::SessionId};

/// Bytes that an event weighs while it waits for its session, roughly.
pub const EVENT_WEIGHT: usize = 512;

/// The transport's end of a link.
pub trait Outlet: Send + Sync {
    /// Hands items to the session, in order. Never blocks. If the session is gone they vanish: no item
    /// may be the only owner of a message.
    fn send(&self, items: Vec<ToSession>);

    /// Ends the connection from outside, even when its actor is not polled because the peer does not read.
    fn cut(&self);
}

/// The way to one session, with a gauge on what waits for it.
///
/// Bodies of leased messages are not counted: the queue holds them anyway.
pub struct Link {
    session: SessionId,
    outlet: Box<dyn Outlet>,
    outgoing: AtomicUsize,
    outgoing_bytes_max: usize,
}

impl Link {
    /// A link to `session` that lets `outgoing_bytes_max` bytes wait.
    #[must_use]
    pub fn new(session: SessionId, outlet: Box<dyn Outlet>, outgoing_bytes_max: usize) -> Self {
        Self { session, outlet, outgoing: AtomicUsize::new(0), outgoing_bytes_max }
    }

    /// Whose link.
    #[must_use]
    pub const fn session(&self) -> SessionId {
        self.session
    }

    /// Hands over replies whose number is limited by the permits of their requests.
    pub fn send(&self, items: Vec<ToSession>) {
        self.outlet.send(items);
    }

    /// Hands over news; a session that lets too much of it wait is cut.
    pub fn notify(&self, notice: Notice) {
        if self.book(notice.weight()) {
            self.outlet.send(vec![ToSession::Notice(notice)]);
        } else {
            self.cut();
        }
    }

    /// Books bytes that wait for the session; `false` when that is too much. Where nothing waits, anything
    /// may: one large item alone is no sign of a peer that does not read.
    #[must_use]
    pub fn book(&self, bytes: usize) -> bool {
        let before = self.outgoing.fetch_add(bytes, Ordering::Relaxed);
        if before > 0 && before.saturating_add(bytes) > self.outgoing_bytes_max {
            self.outgoing.fetch_sub(bytes, Ordering::Relaxed);
            return false;
        }
        true
    }

    /// Booked bytes have been written.
    pub fn written(&self, bytes: usize) {
        self.outgoing.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Ends the connection from outside.
    pub fn cut(&self) {
        self.outlet.cut();
    }
}
