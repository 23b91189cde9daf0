//! The end of a connection, reached from outside.
//!
//! An actor whose peer does not read is not polled any more: no handler runs, no timer fires. So what cuts
//! such a connection sits between TCP and HTTP: a [`Socket`] notes since when a write has been blocked, and
//! ends with an error when its [`Switch`] is thrown.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
};

use dashmap::DashMap;
use futures_util::task::AtomicWaker;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

use crate::{clock::Clock, types::Millis};

/// Ends one connection.
#[derive(Default)]
pub struct Switch {
    thrown: AtomicBool,
    waker: AtomicWaker,
    /// When the pending write was first refused, plus one; 0: no write is pending.
    blocked_since: AtomicU64,
    opened_at: Millis,
    /// A WebSocket; it may stay for as long as it likes.
    upgraded: AtomicBool,
}

impl Switch {
    /// Ends the connection: TCP is closed without another byte.
    pub fn throw(&self) {
        self.thrown.store(true, Ordering::Release);
        self.waker.wake();
    }

    /// The connection has become a WebSocket.
    pub fn upgrade(&self) {
        self.upgraded.store(true, Ordering::Relaxed);
    }

    /// How long this has been a connection that is no WebSocket.
    #[must_use]
    pub fn plain_for(&self, now: Millis) -> Millis {
        match self.upgraded.load(Ordering::Relaxed) {
            true => Millis(0),
            false => Millis(now.0.saturating_sub(self.opened_at.0)),
        }
    }

    /// How long the pending write has been waiting for the peer to read.
    #[must_use]
    pub fn blocked_for(&self, now: Millis) -> Millis {
        match self.blocked_since.load(Ordering::Relaxed) {
            0 => Millis(0),
            since => Millis((now.0 + 1).saturating_sub(since)),
        }
    }

    fn check(&self, cx: &Context<'_>) -> io::Result<()> {
        self.waker.register(cx.waker());
        if self.thrown.load(Ordering::Acquire) {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        Ok(())
    }

    fn note(&self, is_blocked: bool, clock: &dyn Clock) {
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

    /// Cuts every connection that has been no WebSocket for `limit`: a request that never ends.
    pub fn cut_plain(&self, now: Millis, limit: Millis) -> usize {
        self.cut_if(|switch| switch.plain_for(now) >= limit)
    }

    /// Cuts every connection.
    pub fn cut_all(&self) {
        self.cut_if(|_| true);
    }

    fn cut_if(&self, is_due: impl Fn(&Switch) -> bool) -> usize {
        self.switches.iter().filter(|switch| is_due(switch)).map(|switch| switch.throw()).count()
    }
}

/// A TCP connection with a switch.
pub struct Socket {
    stream: TcpStream,
    switch: Arc<Switch>,
    number: u64,
    board: Arc<Switchboard>,
    clock: Arc<dyn Clock>,
}

impl Socket {
    /// Puts a switch on `stream` and enters it on the board; `None` when the board is full.
    #[must_use]
    pub fn new(stream: TcpStream, board: Arc<Switchboard>, clock: Arc<dyn Clock>) -> Option<Self> {
        if board.switches.len() >= board.connections_max {
            return None;
        }
        // Answers are written whole; waiting for more to send would only delay them.
        let _ = stream.set_nodelay(true);
        let number = board.next.fetch_add(1, Ordering::Relaxed);
        let switch = Arc::new(Switch { opened_at: clock.elapsed(), ..Switch::default() });
        board.switches.insert(number, Arc::clone(&switch));
        Some(Self { stream, switch, number, board, clock })
    }

    /// The switch.
    #[must_use]
    pub fn switch(&self) -> Arc<Switch> {
        Arc::clone(&self.switch)
    }

    /// The peer's address.
    #[must_use]
    pub fn peer_addr(&self) -> Option<SocketAddr> {
        self.stream.peer_addr().ok()
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.board.switches.remove(&self.number);
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.switch.check(cx)?;
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.switch.check(cx)?;
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.switch.note(written.is_pending(), self.clock.as_ref());
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
        Poll::Ready(Ok(()))
    }
}
