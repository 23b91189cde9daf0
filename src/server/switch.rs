//! The end of a connection, reached from outside.
//!
//! An actor whose peer does not read is not polled any more: no handler runs, no timer fires. So what cuts
//! such a connection sits between TCP and HTTP: a [`Socket`] notes since when a write has been blocked, and
//! ends with an error when its [`Switch`] is thrown.
//!
//! A connection that is no WebSocket always has a time by which the next thing must have happened: the request
//! must be there, the answer given, the next request begun. Past it the connection is cut.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
};

use dashmap::DashMap;
use futures_util::{future::poll_fn, task::AtomicWaker};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

use super::{inlet::Inlet, outbox::Outbox, workers::Member};
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

    /// Has the connection polled, if it was polled before with [`Self::listen`].
    pub(super) fn wake(&self) {
        self.waker.wake();
    }

    /// From here on [`Self::wake`] and [`Self::throw`] wake this task.
    pub(super) fn listen(&self, cx: &Context<'_>) {
        self.waker.register(cx.waker());
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
    fn stir(&self, clock: &dyn Clock) {
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

    fn hang_up(&self) {
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

    fn check(&self, cx: &Context<'_>) -> io::Result<()> {
        self.listen(cx);
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

/// A TCP connection with a switch.
pub struct Socket {
    inlet: Rc<Inlet>,
    switch: Arc<Switch>,
    outbox: Rc<Outbox>,
    entry: Entry,
}

/// A connection that is on its way to another thread: its runtime has let go of it.
pub(super) struct Moving {
    stream: std::net::TcpStream,
    switch: Arc<Switch>,
    entry: Entry,
}

/// A switch on its board, until the connection is gone.
struct Entry {
    number: u64,
    board: Arc<Switchboard>,
    clock: Arc<dyn Clock>,
    /// Kept for its end.
    member: Option<Member>,
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.board.switches.remove(&self.number);
    }
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
        let switch = Arc::new(Switch::default());
        switch.expect_answer(clock.elapsed(), REQUEST_MAX);
        board.switches.insert(number, Arc::clone(&switch));
        let entry = Entry { number, board, clock, member: None };
        Some(Self { inlet: Rc::new(Inlet::new(stream)), switch, outbox: Rc::default(), entry })
    }

    /// What the peer has sent so far, once it has sent something. It can still be read.
    pub(super) async fn peek<'a>(&mut self, buffer: &'a mut [u8]) -> io::Result<&'a [u8]> {
        let mut peeked = ReadBuf::new(buffer);
        poll_fn(|cx| {
            self.switch.check(cx)?;
            self.inlet.stream().poll_peek(cx, &mut peeked)
        })
        .await?;
        let length = peeked.filled().len();
        Ok(buffer.get(..length).unwrap_or_default())
    }

    /// It is one of its room's until it is gone.
    pub(super) fn join(&mut self, member: Member) {
        self.entry.member = Some(member);
    }

    /// Leaves this thread's runtime; nobody has asked for the ways past HTTP yet.
    pub(super) fn leave(self) -> io::Result<Moving> {
        let Self { inlet, switch, entry, .. } = self;
        let inlet = Rc::into_inner(inlet).ok_or(io::ErrorKind::ResourceBusy)?;
        Ok(Moving { stream: inlet.into_inner().into_std()?, switch, entry })
    }

    /// The switch.
    #[must_use]
    pub fn switch(&self) -> Arc<Switch> {
        Arc::clone(&self.switch)
    }

    /// From where it is read, unless the HTTP layer is to read it.
    #[must_use]
    pub(super) fn inlet(&self) -> Rc<Inlet> {
        Rc::clone(&self.inlet)
    }

    /// What is put there is written at the next flush.
    #[must_use]
    pub(super) fn outbox(&self) -> Rc<Outbox> {
        Rc::clone(&self.outbox)
    }

    /// The peer's address.
    #[must_use]
    pub fn peer_addr(&self) -> Option<SocketAddr> {
        self.inlet.stream().peer_addr().ok()
    }
}

impl Moving {
    /// Joins this thread's runtime.
    pub(super) fn arrive(self) -> io::Result<Socket> {
        let Self { stream, switch, entry } = self;
        let inlet = Rc::new(Inlet::new(TcpStream::from_std(stream)?));
        Ok(Socket { inlet, switch, outbox: Rc::default(), entry })
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.switch.check(cx)?;
        if self.inlet.is_taken() {
            // Whoever reads it is a part of the task that asks.
            return Poll::Pending;
        }
        let before = buf.filled().len();
        let read = Pin::new(&mut *self.inlet.stream()).poll_read(cx, buf);
        if let Poll::Ready(Ok(())) = &read {
            match buf.filled().len() > before {
                true => self.switch.stir(self.entry.clock.as_ref()),
                false if buf.remaining() > 0 => self.switch.hang_up(),
                false => {}
            }
        }
        read
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.switch.check(cx)?;
        let written = Pin::new(&mut *self.inlet.stream()).poll_write(cx, buf);
        self.switch.note(written.is_pending(), self.entry.clock.as_ref());
        written
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut stream = self.inlet.stream();
        while !self.outbox.is_empty() {
            self.switch.check(cx)?;
            let written =
                self.outbox.write(|slices| Pin::new(&mut *stream).poll_write_vectored(cx, slices));
            self.switch.note(written.is_pending(), self.entry.clock.as_ref());
            if ready!(written)? == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
        }
        if self.outbox.take_more() {
            cx.waker().wake_by_ref();
        }
        Pin::new(&mut *stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.inlet.stream()).poll_shutdown(cx)
    }
}
