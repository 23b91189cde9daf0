//! The end of a connection, reached from outside.
//!
//! A connection whose peer does not read cannot end by itself: what it writes last would wait like all else. So a [`Socket`] notes
//! since when a write has been blocked, and ends with an error when its [`Switch`] is thrown.
//!
//! [`Socket`]: super::socket::Socket
//!
//! A connection that is no WebSocket always has a time by which the next thing must have happened: the request
//! must be there, the answer given, the next request begun. Past it the connection is cut.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll},
};

use dashmap::DashMap;
use futures_util::{future::poll_fn, task::AtomicWaker};

use crate::{clock::Clock, types::Millis};

/// A request must be there, and its answer given, within this time, unless its handler says otherwise.
pub const REQUEST_MAX: Millis = Millis::from_secs(15);

/// A connection may wait so long for its next request.
pub const KEEP_ALIVE: Millis = Millis::from_secs(75);

/// With more connections than this share of what there may be, idle ones are cut: in quarters.
const CROWDED: usize = 3;

/// Ends one connection.
#[derive(Default)]
pub struct Switch {
    thrown: AtomicBool,
    waker: AtomicWaker,
    /// When the pending write was first refused, plus one; 0: no write is pending.
    blocked_since: AtomicU64,
    /// When a connection that is no WebSocket is cut.
    cut_at: AtomicU64,
    /// It waits for its next request.
    idle: AtomicBool,
    /// A WebSocket; it may stay for as long as it likes.
    upgraded: AtomicBool,
    /// The peer says no more.
    hung_up: AtomicBool,
    on_hang_up: AtomicWaker,
}

impl Switch {
    /// Ends the connection: TCP is closed without another byte.
    pub fn throw(&self) {
        self.thrown.store(true, Ordering::Release);
        self.waker.wake();
    }

    /// Has the connection polled, if it was polled before with [`Self::check`].
    pub(super) fn wake(&self) {
        self.waker.wake();
    }

    /// The connection has become a WebSocket.
    pub fn upgrade(&self) {
        self.upgraded.store(true, Ordering::Relaxed);
    }

    /// A request has begun, or its handler needs longer: the answer must be given within `time`.
    pub fn expect_answer(&self, now: Millis, time: Millis) {
        self.idle.store(false, Ordering::Relaxed);
        self.cut_at.store(now.0.saturating_add(time.0), Ordering::Relaxed);
    }

    /// The answer is given; the next request may come.
    pub fn rest(&self, now: Millis) {
        self.idle.store(true, Ordering::Relaxed);
        // HTTP itself ends a connection at rest; this is for what it does not see.
        self.cut_at.store(now.0 + KEEP_ALIVE.0 + REQUEST_MAX.0, Ordering::Relaxed);
    }

    /// Bytes came: a request that has begun must soon be there.
    pub(super) fn stir(&self, clock: &dyn Clock) {
        if self.idle.swap(false, Ordering::Relaxed) {
            self.cut_at.store(clock.elapsed().0 + REQUEST_MAX.0, Ordering::Relaxed);
        }
    }

    fn is_plain(&self) -> bool {
        !self.upgraded.load(Ordering::Relaxed)
    }

    fn is_overdue(&self, now: Millis) -> bool {
        self.is_plain() && now.0 >= self.cut_at.load(Ordering::Relaxed)
    }

    /// Waits until the peer has closed its end. A request that waits for something is then given up: HTTP/1
    /// itself would wait on, for a peer might still read.
    pub async fn hung_up(&self) {
        poll_fn(|cx| {
            self.on_hang_up.register(cx.waker());
            match self.hung_up.load(Ordering::Acquire) {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        })
        .await;
    }

    /// The peer says no more.
    pub(super) fn hang_up(&self) {
        self.hung_up.store(true, Ordering::Release);
        self.on_hang_up.wake();
    }

    /// How long the pending write has been waiting for the peer to read.
    #[must_use]
    pub fn blocked_for(&self, now: Millis) -> Millis {
        match self.blocked_since.load(Ordering::Relaxed) {
            0 => Millis(0),
            since => Millis((now.0 + 1).saturating_sub(since)),
        }
    }

    /// Whether the connection may go on; from here on [`Self::wake`] and [`Self::throw`] wake this task.
    pub(super) fn check(&self, cx: &Context<'_>) -> io::Result<()> {
        self.waker.register(cx.waker());
        if self.thrown.load(Ordering::Acquire) {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        Ok(())
    }

    /// A write was tried.
    pub(super) fn note(&self, is_blocked: bool, clock: &dyn Clock) {
        let since = self.blocked_since.load(Ordering::Relaxed);
        if !is_blocked && since != 0 {
            self.blocked_since.store(0, Ordering::Relaxed);
        } else if is_blocked && since == 0 {
            self.blocked_since.store(clock.elapsed().0 + 1, Ordering::Relaxed);
        }
    }
}

/// The switches of all open connections, HTTP ones included.
pub struct Switchboard {
    switches: DashMap<u64, Arc<Switch>>,
    next: AtomicU64,
    connections_max: usize,
}

impl Switchboard {
    /// A board for so many connections.
    #[must_use]
    pub fn new(connections_max: usize) -> Self {
        Self { switches: DashMap::new(), next: AtomicU64::new(0), connections_max }
    }

    /// Cuts every connection whose peer has not read for `limit`.
    pub fn cut_blocked(&self, now: Millis, limit: Millis) -> usize {
        self.cut_if(|switch| switch.blocked_for(now) >= limit)
    }

    /// Cuts every connection that is no WebSocket and does not come on: a request that never ends. When it is
    /// crowded, those that wait for their next request as well.
    pub fn cut_plain(&self, now: Millis) -> usize {
        let crowded = self.switches.len() > self.connections_max / 4 * CROWDED;
        self.cut_if(|switch| {
            let is_idle = switch.is_plain() && switch.idle.load(Ordering::Relaxed);
            switch.is_overdue(now) || (crowded && is_idle)
        })
    }

    /// Cuts every connection.
    pub fn cut_all(&self) {
        self.cut_if(|_| true);
    }

    fn cut_if(&self, is_due: impl Fn(&Switch) -> bool) -> usize {
        self.switches.iter().filter(|switch| is_due(switch)).map(|switch| switch.throw()).count()
    }
}

/// A switch on its board, until the connection is gone.
pub(super) struct Entry {
    number: u64,
    board: Arc<Switchboard>,
    switch: Arc<Switch>,
}

impl Entry {
    /// Enters a new switch; `None` when the board is full.
    pub(super) fn new(board: Arc<Switchboard>, now: Millis) -> Option<Self> {
        if board.switches.len() >= board.connections_max {
            return None;
        }
        let number = board.next.fetch_add(1, Ordering::Relaxed);
        let switch = Arc::new(Switch::default());
        switch.expect_answer(now, REQUEST_MAX);
        board.switches.insert(number, Arc::clone(&switch));
        Some(Self { number, board, switch })
    }

    pub(super) const fn switch(&self) -> &Arc<Switch> {
        &self.switch
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.board.switches.remove(&self.number);
    }
}
