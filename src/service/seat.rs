//! A participant's place in a room: where its requests go in.

use std::sync::Arc;

use actix::Addr;
use uuid::Uuid;

use super::{Command, Link, Operation, Reply, Request, Shared, States, Transaction};
use crate::{
    actor::{Join, Leave, RoomActor, Submit},
    auth::{Grants, Identity},
    engine::{Attributes, Participant},
    error::Error,
    types::{Limits, QueueName, SessionId},
};

/// A seat in a room. Dropping it leaves the room: what the session was handed and did not settle goes
/// back to its place.
pub struct Seat {
    shared: Arc<Shared>,
    room: Addr<RoomActor>,
    session: SessionId,
    identity: Identity,
    participant_id: String,
}

impl Seat {
    pub(super) fn new(
        shared: Arc<Shared>,
        room: Addr<RoomActor>,
        session: SessionId,
        identity: Identity,
    ) -> Self {
        let participant_id = Uuid::now_v7().to_string();
        Self { shared, room, session, identity, participant_id }
    }

    /// The session's id.
    #[must_use]
    pub const fn session(&self) -> SessionId {
        self.session
    }

    /// Who sits here, and what its token allows.
    #[must_use]
    pub const fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The same participant has shown another token: its grants and its end count from now on.
    pub fn renew(&mut self, identity: Identity) {
        debug_assert_eq!(self.identity.room, identity.room);
        self.identity = identity;
    }

    /// The participant's id, as others see it.
    #[must_use]
    pub fn participant_id(&self) -> &str {
        &self.participant_id
    }

    /// The limits in force.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.shared.limits
    }

    /// Makes the session known to the room, so that it can be answered; nobody else hears of it. This or
    /// [`Self::join`] must come before the first `submit`.
    pub fn visit(&self, link: Arc<Link>) {
        self.tell(Join { link, presence: None });
    }

    /// Makes the participant known to the room and those in it.
    pub fn join(&self, link: Arc<Link>) {
        let participant = Participant {
            id: self.participant_id.clone(),
            name: self.identity.name.clone(),
            role: self.identity.role.clone(),
            attributes: Attributes::new(),
        };
        let may_list = self.identity.grants.ensure_message_list().is_ok();
        self.tell(Join { link, presence: Some((participant, may_list)) });
    }

    /// Sends requests to the room, in order. What the token does not allow comes back at once and
    /// leaves no trace.
    #[must_use]
    pub fn submit(&self, mut requests: Vec<Request>) -> Vec<Reply> {
        let mut refused = Vec::new();
        requests.retain_mut(|request| match self.ensure(&mut request.operation) {
            Ok(()) => true,
            Err(error) => {
                let (id, permit) = (request.id, request.permit);
                refused.push(Reply { id, permit, result: Err(error) });
                false
            }
        });
        if !requests.is_empty() {
            self.tell(Submit { session: self.session, requests });
        }
        refused
    }

    fn ensure(&self, operation: &mut Operation) -> Result<(), Error> {
        let grants = &self.identity.grants;
        let name = |queue: &QueueName| self.shared.ensure_name(queue.as_str());
        match operation {
            Operation::ListQueues | Operation::Watch { queue: None } => grants.ensure_list(),
            Operation::ListParticipants => grants.ensure_message_list(),
            Operation::Queue { queue, command, .. } => {
                name(queue)?;
                ensure_command(grants, queue, command)
            }
            Operation::TakeAny { only, .. } => {
                *only = Some(grants.ensure_receive_any()?.clone());
                Ok(())
            }
            Operation::Transact { parts } => parts.iter().try_for_each(|part| {
                name(&part.queue)?;
                ensure_transaction(grants, &part.queue, &part.transaction)
            }),
            Operation::Note { about, .. } => {
                name(about)?;
                grants.ensure_receive(about)
            }
            Operation::Notes { about: Some(about), .. } => {
                name(about)?;
                grants.ensure_receive(about).or_else(|_| grants.ensure_manage(about))
            }
            Operation::Notes { about: None, .. } => grants.ensure_receive_everywhere(),
            Operation::DefineStream { spec, .. } => spec.sources.iter().try_for_each(|source| {
                name(source)?;
                grants.ensure_manage(source)
            }),
            // Says no more than what the asker must have said itself to use it.
            Operation::FindStream { .. } => grants.ensure_queues(),
            Operation::Stream { spec, .. } | Operation::SeekStream { spec, .. } => {
                spec.sources.iter().try_for_each(|source| grants.ensure_receive(source))
            }
            Operation::Watch { queue: Some(queue) } => {
                name(queue)?;
                grants.ensure_list()
            }
            Operation::EnableMessaging | Operation::DisableMessaging => grants.ensure_messaging(),
            Operation::SendMessage { .. } => grants.ensure_message_send(),
            Operation::Broadcast { .. } => grants.ensure_message_broadcast(),
            // Its own receivers and attributes are its own.
            Operation::Unwatch { .. } | Operation::Unpark | Operation::SetAttributes { .. } => {
                Ok(())
            }
        }
    }

    fn tell<M>(&self, message: M)
    where
        M: actix::Message<Result = ()> + Send + 'static,
        RoomActor: actix::Handler<M>,
    {
        #[expect(
            clippy::disallowed_methods,
            reason = "one batch per poll, each request with a permit; a room lives while a seat is taken"
        )]
        self.room.do_send(message);
    }
}

/// Which grant a command needs.
fn ensure_command(grants: &Grants, queue: &QueueName, command: &Command) -> Result<(), Error> {
    match command {
        Command::Open { settings: None, .. } => grants.ensure_open(queue),
        Command::Close => grants.ensure_close(queue),
        Command::Send { .. } | Command::SendBatch { .. } => grants.ensure_send(queue),
        Command::Take(_)
        | Command::Settle { .. }
        | Command::SettleNamed { .. }
        | Command::Extend { .. }
        | Command::ExtendTake { .. } => grants.ensure_receive(queue),
        Command::Await { .. } => {
            grants.ensure_send(queue).or_else(|_| grants.ensure_receive(queue))
        }
        Command::Transact(transaction) | Command::Prepare { transaction, .. } => {
            ensure_transaction(grants, queue, transaction)
        }
        Command::Purge { group: None, states: States::READY } => grants.ensure_drain(queue),
        Command::Browse { .. } | Command::Find { .. } | Command::Look { .. } => {
            grants.ensure_receive(queue).or_else(|_| grants.ensure_manage(queue))
        }
        Command::Inspect | Command::Survey { .. } | Command::Explain { .. } => grants.ensure_list(),
        // What the session made it may change.
        Command::Credit { .. }
        | Command::Cancel { .. }
        | Command::Unpark
        | Command::Abandon
        | Command::Commit { .. }
        | Command::Abort { .. } => Ok(()),
        Command::Open { settings: Some(_), .. }
        | Command::Configure { .. }
        | Command::Pause
        | Command::Resume
        | Command::Delete
        | Command::Purge { .. }
        | Command::Change { .. }
        | Command::OpenGroup { .. }
        | Command::SetStart { .. }
        | Command::DeleteGroup { .. }
        | Command::Seek { .. }
        | Command::PutSchedule { .. }
        | Command::DeleteSchedule { .. }
        | Command::PauseSchedule { .. }
        | Command::FireSchedule { .. } => grants.ensure_manage(queue),
    }
}

fn ensure_transaction(
    grants: &Grants,
    queue: &QueueName,
    transaction: &Transaction,
) -> Result<(), Error> {
    if !transaction.sends.is_empty() {
        grants.ensure_send(queue)?;
    }
    if !transaction.settles.is_empty() {
        grants.ensure_receive(queue)?;
    }
    Ok(())
}

impl Drop for Seat {
    fn drop(&mut self) {
        // The seat first: the room may retire when it hears that the last session has left.
        self.shared.directory.give_back_seat(&self.identity.room);
        self.tell(Leave { session: self.session });
    }
}
