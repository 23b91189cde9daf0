//! A participant's place in a room: where its requests go in.

use std::sync::Arc;

use actix::Addr;
use uuid::Uuid;

use super::{Link, Operation, Reply, Request, Shared};
use crate::{
    actor::{Join, Leave, RoomActor, Submit},
    auth::Identity,
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

    /// Makes the participant known to the room. Must come before the first `submit`.
    pub fn join(&self, link: Arc<Link>) {
        let participant = Participant {
            id: self.participant_id.clone(),
            name: self.identity.name.clone(),
            role: self.identity.role.clone(),
            attributes: Attributes::new(),
        };
        let may_list = self.identity.grants.ensure_message_list().is_ok();
        self.tell(Join { link, participant, may_list });
    }

    /// Sends requests to the room, in order. What the token does not allow comes back at once and
    /// leaves no trace.
    #[must_use]
    pub fn submit(&self, mut requests: Vec<Request>) -> Vec<Reply> {
        let mut refused = Vec::new();
        requests.retain(|request| match self.ensure(&request.operation) {
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

    fn ensure(&self, operation: &Operation) -> Result<(), Error> {
        let grants = &self.identity.grants;
        let name = |queue: &QueueName| self.shared.ensure_name(queue.as_str());
        match operation {
            Operation::ListQueues => grants.ensure_list(),
            Operation::OpenQueue { queue } => name(queue).and_then(|()| grants.ensure_open(queue)),
            Operation::CloseQueue { queue } => {
                name(queue).and_then(|()| grants.ensure_close(queue))
            }
            Operation::Send { queue, .. } => name(queue).and_then(|()| grants.ensure_send(queue)),
            Operation::Receive { queue, .. } => {
                name(queue).and_then(|()| grants.ensure_receive(queue))
            }
            Operation::Drain { queue } => name(queue).and_then(|()| grants.ensure_drain(queue)),
            Operation::EnableMessaging | Operation::DisableMessaging => grants.ensure_messaging(),
            Operation::SendMessage { .. } => grants.ensure_message_send(),
            Operation::Broadcast { .. } => grants.ensure_message_broadcast(),
            // What the session was given it may settle; its own attributes are its own.
            Operation::Settle { .. } | Operation::Unpark | Operation::SetAttributes { .. } => {
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

impl Drop for Seat {
    fn drop(&mut self) {
        // The seat first: the room may retire when it hears that the last session has left.
        self.shared.directory.give_back_seat(&self.identity.room);
        self.tell(Leave { session: self.session });
    }
}
