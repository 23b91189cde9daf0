//! What the actors say to each other, in the imperative.

use std::sync::Arc;

use actix::Message;

use crate::{
    engine::{Command, Participant, RecordNumber, ReplyTo},
    service::{Create, Link, Request},
    store::StoreError,
    types::{RequestId, SessionId},
};

/// Space is made for so many requests at once, at most.
pub(super) const BATCH_MAX: usize = 256;

/// To a room: a participant comes in.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Join {
    pub(crate) link: Arc<Link>,
    /// Who it is, for the others, and whether it may see them; none: a visitor that nobody sees.
    pub(crate) presence: Option<(Participant, bool)>,
}

/// To a room: requests of one session, in order.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Submit {
    pub(crate) session: SessionId,
    pub(crate) requests: Vec<Request>,
}

/// To a room: a session is gone.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Leave {
    pub(crate) session: SessionId,
}

/// To a room or a queue: say when everything asked so far is done and durable.
#[derive(Message)]
#[rtype(result = "Result<(), StoreError>")]
pub(crate) struct Quiesce;

/// To a queue: commands of one session, in order.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Apply {
    pub(super) link: Arc<Link>,
    pub(super) commands: Vec<Asked>,
}

/// One command.
pub(super) struct Asked {
    pub(super) from: ReplyTo,
    /// Whether the queue may be made for it.
    pub(super) create: Create,
    pub(super) command: Command,
}

/// To a queue: tell this session what happens from now on, or no longer.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Watch {
    pub(super) link: Arc<Link>,
    pub(super) watch: RequestId,
    pub(super) on: bool,
}

/// To a queue: how many messages are ready when everything before this is done? None: it is not there.
#[derive(Message)]
#[rtype(result = "Result<Option<usize>, StoreError>")]
pub(super) struct Measure;

/// To a queue: its records up to and including this one are durable, or will never be.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Stored {
    pub(super) through: RecordNumber,
    pub(super) result: Result<(), StoreError>,
}
