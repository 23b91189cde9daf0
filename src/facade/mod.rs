//! One folder per protocol: frame → [`Operation`], [`Outgoing`] → frame. Nothing else.
//!
//! A facade checks no grant, holds no timer, retries nothing and knows no actor. If it seems to need a
//! rule of its own, the engine is missing something.

pub mod meshagent;
pub mod native;
pub mod queen;

use bytes::Bytes;

use crate::{
    error::{Error, ErrorCode},
    service::{Operation, Outcome, Outgoing},
    types::{RequestId, Timestamp},
    wire::websocket::{Close, Frames, Message},
};

/// An answer over HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The HTTP status.
    pub status: u16,
    /// What the body is.
    pub content_type: &'static str,
    /// JSON; with 204 nothing.
    pub body: Bytes,
}

/// What a message from the client turned out to be.
#[derive(Debug)]
pub enum Incoming {
    /// A request that wants a reply.
    Ask(RequestId, Operation),
    /// A request that wants none.
    Tell(RequestId, Operation),
    /// A request that the protocol answers by itself.
    Answer(RequestId, Result<Outcome, Error>),
}

/// How one connection speaks. Chosen when it is accepted.
pub trait Dialect: Send + Sync + 'static {
    /// Says what the server says first.
    fn greet(&mut self, now: Timestamp, frames: &mut Frames);

    /// The name by which a client may come back to its session; none: it cannot.
    fn session(&self) -> Option<&str> {
        None
    }

    /// Says what the server says first to a client that came back.
    fn greet_again(&mut self, now: Timestamp, frames: &mut Frames) {
        self.greet(now, frames);
    }

    /// Reads a message.
    ///
    /// # Errors
    /// How the connection is to be closed, when the peer does not speak this protocol.
    fn read(
        &mut self,
        now: Timestamp,
        message: Message,
        incoming: &mut Vec<Incoming>,
    ) -> Result<(), Close>;

    /// Writes a reply or a notice, or puts it by until [`Self::flush`], to be written with what follows.
    fn write(&mut self, outgoing: Outgoing, frames: &mut Frames);

    /// Nothing follows for now.
    fn flush(&mut self, frames: &mut Frames) {
        let _ = frames;
    }

    /// The protocol has no word for settling: a message is done when the peer has received it.
    fn receipts_stand_for_settling(&self) -> bool;

    /// How a connection ends with an error.
    fn close_for(&self, code: ErrorCode) -> Close {
        match code {
            ErrorCode::TokenExpired => Close::TOKEN_EXPIRED,
            code => code.into(),
        }
    }

    /// How a connection ends when the server restarts; `None`: TCP is dropped.
    fn farewell(&self) -> Option<Close>;
}
