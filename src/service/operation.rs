//! What can be asked through the door, and what comes back. The same for every protocol.

use std::sync::Arc;

use bytes::Bytes;

pub use crate::engine::{Attributes, LeaseId, Notice, Participant, Permit};
use crate::{
    error::Error,
    types::{Payload, QueueName, RequestId},
};

/// One thing that a participant asks of its room.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields say what they are; the variants say what they mean")]
pub enum Operation {
    /// All queues of the room and their sizes.
    ListQueues,
    /// Makes a queue, or opens a closed one.
    OpenQueue { queue: QueueName },
    /// Closes a queue: its messages stay, sends and receives are refused.
    CloseQueue { queue: QueueName },
    /// Adds a message. Without `create` the queue must exist.
    Send { queue: QueueName, body: Payload, create: bool },
    /// Leases the first message. With `wait`, parks until there is one.
    Receive { queue: QueueName, create: bool, wait: bool },
    /// Removes all ready messages.
    Drain { queue: QueueName },
    /// These messages have arrived: they are gone for good.
    Settle { queue: QueueName, leases: Vec<LeaseId> },
    /// No parked receiver of this session is to be served any more; no reply.
    Unpark,
    /// Takes part in messaging.
    EnableMessaging,
    /// Takes part no longer.
    DisableMessaging,
    /// A message to one participant, not kept.
    SendMessage { to: String, kind: String, message: Payload, attachment: Bytes },
    /// A message to all others.
    Broadcast { kind: String, message: Payload, attachment: Bytes },
    /// Changes the participant's attributes.
    SetAttributes { changed: Attributes },
}

/// A queue in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueSize {
    /// Its name.
    pub queue: QueueName,
    /// Ready messages.
    pub size: usize,
}

/// A positive answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is so.
    Done,
    /// There was nothing to receive.
    Empty,
    /// A message, leased to this session until it is settled or the session ends.
    Delivered {
        /// Where it came from.
        queue: QueueName,
        /// To settle it with.
        lease: LeaseId,
        /// Its body.
        body: Payload,
    },
    /// The queues, by name. Lists that were asked for at the same time share one.
    Queues {
        /// The list.
        queues: Arc<[QueueSize]>,
        /// Bytes booked on the link for it.
        booked: usize,
    },
    /// A JSON value that the protocol itself knows.
    Json(&'static str),
}

/// A request: what is asked, what the client calls it, what it holds until its reply is written.
#[derive(Debug)]
pub struct Request {
    /// The client's name for it.
    pub id: RequestId,
    /// Given back with the reply.
    pub permit: Permit,
    /// What is asked.
    pub operation: Operation,
}

/// The one reply to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// Whose.
    pub id: RequestId,
    /// What the request held.
    pub permit: Permit,
    /// The answer.
    pub result: Result<Outcome, Error>,
}

/// What reaches a session.
#[derive(Debug)]
pub enum ToSession {
    /// A reply to a request of its own.
    Reply(Reply),
    /// News of others.
    Notice(Notice),
    /// The server is closing: take in the last receipts and go.
    Finish,
}

/// What is to be written to the peer of a session.
#[derive(Debug)]
pub enum Outgoing {
    /// A reply to its request of this name.
    Reply(RequestId, Result<Outcome, Error>),
    /// News.
    Notice(Notice),
}
