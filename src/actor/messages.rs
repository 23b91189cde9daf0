//! What the actors say to each other, in the imperative.

use std::sync::Arc;

use actix::Message;

use crate::{
    engine::{Command, Participant, RecordNumber, ReplyTo},
    service::{Link, Request},
    store::StoreError,
    types::SessionId,
};

/// To a room: a participant comes in.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Join {
    pub(crate) link: Arc<Link>,
    pub(crate) participant: Participant,
    pub(crate) may_list: bool,
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
    pub(super) commands: Vec<(ReplyTo, Command)>,
}

/// To a queue: how many messages are ready when everything before this is done?
#[derive(Message)]
#[rtype(result = "usize")]
pub(super) struct Measure;

/// To a queue: its records up to and including this one are durable, or will never be.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Stored {
    pub(super) through: RecordNumber,
    pub(super) result: Result<(), StoreError>,
}
