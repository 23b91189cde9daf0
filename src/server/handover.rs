//! How a connection leaves the HTTP layer when it becomes a WebSocket.
//!
//! That layer has two buffers for each connection, copies everything through them, and goes through all its states at each wake-up. So
//! it ends when the answer to the handshake is with the socket: whoever speaks from there on has the socket for himself.

use std::{
    cell::{Cell, RefCell},
    io::{self, IoSlice},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use actix_web::{
    Error,
    web::{Bytes, BytesMut, Payload},
};
use futures_util::Stream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::socket::Socket;

/// Who goes on with a connection.
type Successor = Box<dyn FnOnce(Socket)>;

/// What the answer to a handshake agrees on with the socket beneath; both live in the task of the HTTP layer.
#[derive(Default)]
pub(super) struct Handover {
    is_agreed: Cell<bool>,
    successor: RefCell<Option<Successor>>,
}

impl Handover {
    /// From here on the HTTP layer reads nothing. It has read what `payload` says; `succeed` gets it, and the socket, when the answer
    /// is written. The result is the body of that answer.
    pub(super) fn agree(
        self: Rc<Self>,
        payload: Payload,
        succeed: impl FnOnce(Socket, BytesMut) + Unpin + 'static,
    ) -> impl Stream<Item = Result<Bytes, Error>> + 'static {
        self.is_agreed.set(true);
        let (early, was_asked) = (BytesMut::new(), false);
        Early { payload, early, was_asked, succeed: Some(succeed), handover: self }
    }
}

/// The body of the answer: nothing. While it is asked for, what came right behind the request is gathered.
struct Early<F> {
    payload: Payload,
    early: BytesMut,
    /// The payload was empty; the HTTP layer may have had no place for more, and is asked once again.
    was_asked: bool,
    succeed: Option<F>,
    handover: Rc<Handover>,
}

impl<F: FnOnce(Socket, BytesMut) + Unpin + 'static> Stream for Early<F> {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        while let Poll::Ready(Some(Ok(bytes))) = Pin::new(&mut self.payload).poll_next(cx) {
            self.early.extend_from_slice(&bytes);
            self.was_asked = false;
        }
        if !self.was_asked {
            self.was_asked = true;
            cx.waker().wake_by_ref();
        } else if let Some(succeed) = self.succeed.take() {
            let early = std::mem::take(&mut self.early);
            let successor: Successor = Box::new(|socket| succeed(socket, early));
            *self.handover.successor.borrow_mut() = Some(successor);
        }
        Poll::Pending
    }
}

/// A socket as long as HTTP is spoken on it.
pub(super) struct HttpSocket {
    /// None: it was handed over.
    socket: Option<Socket>,
    handover: Rc<Handover>,
}

impl HttpSocket {
    pub(super) fn new(socket: Socket) -> Self {
        Self { socket: Some(socket), handover: Rc::default() }
    }

    pub(super) const fn socket(&self) -> Option<&Socket> {
        self.socket.as_ref()
    }

    pub(super) fn handover(&self) -> Rc<Handover> {
        Rc::clone(&self.handover)
    }

    /// The socket, unless it is handed over or to be cut.
    fn checked(&mut self, cx: &Context<'_>) -> io::Result<&mut Socket> {
        let socket = self.socket.as_mut().ok_or(io::ErrorKind::NotConnected)?;
        socket.switch().check(cx)?;
        Ok(socket)
    }
}

impl AsyncRead for HttpSocket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let is_agreed = self.handover.is_agreed.get();
        let socket = self.checked(cx)?;
        match is_agreed {
            true => Poll::Pending,
            false => socket.poll_read_request(cx, buffer),
        }
    }
}

impl AsyncWrite for HttpSocket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.checked(cx)?.poll_write(cx, &[IoSlice::new(bytes)])
    }

    /// The HTTP layer flushes when all it had to say is written.
    fn poll_flush(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(succeed) = self.handover.successor.take() else { return Poll::Ready(Ok(())) };
        if let Some(socket) = self.socket.take() {
            succeed(socket);
        }
        // This ends the HTTP layer.
        Poll::Ready(Err(io::ErrorKind::NotConnected.into()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.socket {
            Some(socket) => socket.poll_shutdown(cx),
            None => Poll::Ready(Ok(())),
        }
    }
}
