//! The short way from a socket to a WebSocket connection.
//!
//! The HTTP layer that lies between them reads little at a time, into a buffer of its own, and copies it once more. When a
//! connection has become a WebSocket it reads by itself, and the HTTP layer gets nothing any more.

use std::{
    cell::{Cell, RefCell, RefMut},
    future::Future,
    io,
    pin::pin,
    task::{Context, Poll},
};

use actix_web::web::{BufMut, BytesMut};
use tokio::{io::AsyncReadExt, net::TcpStream};

/// See the module. Connection and socket live in the same task.
#[derive(Debug)]
pub(super) struct Inlet {
    stream: RefCell<TcpStream>,
    is_taken: Cell<bool>,
}

impl Inlet {
    pub(super) const fn new(stream: TcpStream) -> Self {
        Self { stream: RefCell::new(stream), is_taken: Cell::new(false) }
    }

    pub(super) fn into_inner(self) -> TcpStream {
        self.stream.into_inner()
    }

    pub(super) fn stream(&self) -> RefMut<'_, TcpStream> {
        self.stream.borrow_mut()
    }

    /// From here on only the connection reads.
    pub(super) fn take(&self) {
        self.is_taken.set(true);
    }

    /// The connection is over.
    pub(super) fn give_back(&self) {
        self.is_taken.set(false);
    }

    pub(super) fn is_taken(&self) -> bool {
        self.is_taken.get()
    }

    /// Reads at most `max` bytes, behind those in `buffer`; 0: the peer says no more.
    pub(super) fn poll_read(
        &self,
        cx: &mut Context<'_>,
        buffer: &mut BytesMut,
        max: usize,
    ) -> Poll<io::Result<usize>> {
        buffer.reserve(max);
        let mut stream = self.stream();
        pin!(stream.read_buf(&mut buffer.limit(max))).poll(cx)
    }
}
