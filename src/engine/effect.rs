//! What a command causes. Carried out by the shell, in order.

use super::{
    command::ReplyTo,
    record::{Record, RecordNumber},
};
use crate::{error::ErrorCode, types::Payload};

/// A message's place in its queue: 1, 2, 3 … in the order of sending. Never reused.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sequence(pub u64);

/// One delivery of one message. A settle with an earlier attempt is passed over, so an old holder can
/// never finish a message that has moved on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LeaseId {
    /// Which message.
    pub sequence: Sequence,
    /// Which delivery of it; the first is 1.
    pub attempt: u32,
}

/// A positive answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The queue is open.
    Opened,
    /// The queue is closed.
    Closed,
    /// The message is in the queue.
    Sent,
    /// A message, leased to the asking session.
    Delivered {
        /// To settle it with.
        lease: LeaseId,
        /// The body.
        body: Payload,
    },
    /// Nothing is ready, and the take was not to wait.
    Empty,
    /// The leases are settled.
    Settled,
    /// The ready messages are gone.
    Drained,
}

/// One thing for the shell to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Write this record; it gets the next [`RecordNumber`].
    Append(Record),
    /// Answer. Not before the record it rests on is durable, and not before the effects ahead of it.
    Reply {
        /// To whom.
        to: ReplyTo,
        /// What.
        result: Result<Outcome, ErrorCode>,
        /// The newest record that this answer depends on.
        rests_on: RecordNumber,
    },
}
