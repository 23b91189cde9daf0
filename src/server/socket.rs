//! A TCP connection that can be ended from outside, and can change its thread.

use std::{
    future::Future,
    io::{self, IoSlice},
    net::SocketAddr,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
};

use actix_web::web::{BufMut, BytesMut};
use futures_util::future::poll_fn;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf},
    net::TcpStream,
};

use super::{
    switch::{Entry, Switch, Switchboard},
    workers::Member,
};
use crate::clock::Clock;

/// See the module.
pub(super) struct Socket {
    stream: TcpStream,
    place: Place,
}

/// A connection that is on its way to another thread: its runtime has let go of it.
pub(super) struct Moving {
    stream: std::net::TcpStream,
    place: Place,
}

/// What a connection has until it is gone, on whatever thread.
struct Place {
    entry: Entry,
    clock: Arc<dyn Clock>,
    /// Kept for its end.
    member: Option<Member>,
}

impl Socket {
    /// Enters `stream` on the board; `None` when the board is full.
    pub(super) fn new(
        stream: TcpStream,
        board: Arc<Switchboard>,
        clock: Arc<dyn Clock>,
    ) -> Option<Self> {
        let entry = Entry::new(board, clock.elapsed())?;
        // Answers are written whole; waiting for more to send would only delay them.
        let _ = stream.set_nodelay(true);
        Some(Self { stream, place: Place { entry, clock, member: None } })
    }

    /// What the peer has sent so far, once it has sent something. It can still be read.
    pub(super) async fn peek<'a>(&self, buffer: &'a mut [u8]) -> io::Result<&'a [u8]> {
        let mut peeked = ReadBuf::new(buffer);
        poll_fn(|cx| {
            self.switch().check(cx)?;
            self.stream.poll_peek(cx, &mut peeked)
        })
        .await?;
        let length = peeked.filled().len();
        Ok(buffer.get(..length).unwrap_or_default())
    }

    /// It is one of its room's until it is gone.
    pub(super) fn join(&mut self, member: Member) {
        self.place.member = Some(member);
    }

    /// Whether there is another worker that it came from, and that may have it.
    pub(super) fn can_go_back(&self) -> bool {
        self.place.member.as_ref().is_some_and(Member::can_go_back)
    }

    /// Leaves its room's worker for the one that it came from, and goes on there with `arrived`.
    pub(super) fn go_back(mut self, arrived: impl FnOnce(io::Result<Self>) + Send + 'static) {
        let origin = self.place.member.take().and_then(Member::origin);
        tracing::debug!("a connection goes back to the worker that it came from");
        match (origin, self.leave()) {
            (Some(origin), Ok(moving)) => origin.send(moving, arrived),
            (_, moved) => arrived(moved.and_then(Moving::arrive)),
        }
    }

    /// Leaves this thread's runtime.
    pub(super) fn leave(self) -> io::Result<Moving> {
        let Self { stream, place } = self;
        Ok(Moving { stream: stream.into_std()?, place })
    }

    /// What ends it.
    pub(super) const fn switch(&self) -> &Arc<Switch> {
        self.place.entry.switch()
    }

    /// The peer's address.
    pub(super) fn peer_addr(&self) -> Option<SocketAddr> {
        self.stream.peer_addr().ok()
    }

    /// Reads at most `max` bytes, behind those in `buffer`; 0: the peer says no more.
    pub(super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut BytesMut,
        max: usize,
    ) -> Poll<io::Result<usize>> {
        buffer.reserve(max);
        pin!(self.stream.read_buf(&mut buffer.limit(max))).poll(cx)
    }

    /// The same for the HTTP layer, of which a request must soon be there.
    pub(super) fn poll_read_request(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if let Poll::Ready(Ok(())) = &read {
            match buffer.filled().len() > before {
                true => self.switch().stir(self.place.clock.as_ref()),
                false if buffer.remaining() > 0 => self.switch().hang_up(),
                false => {}
            }
        }
        read
    }

    /// Writes some of `slices`, in order; how much.
    pub(super) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.switch().note(written.is_pending(), self.place.clock.as_ref());
        written
    }

    /// Says that nothing more is written.
    pub(super) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl Moving {
    /// Joins this thread's runtime.
    pub(super) fn arrive(self) -> io::Result<Socket> {
        let Self { stream, place } = self;
        Ok(Socket { stream: TcpStream::from_std(stream)?, place })
    }
}
