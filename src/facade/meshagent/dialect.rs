//! One MeshAgent connection: packets → operations, outcomes and notices → packets.

use std::collections::BTreeMap;

use base64::Engine;
use bytes::Bytes;
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use super::client_code;
use crate::{
    error::{Error, ErrorCode},
    facade::{Dialect, Incoming},
    service::{
        Attributes, Command, NewMessage, Notice, Operation, Outcome, Outgoing, Park, Participant,
        QueueOutcome, States, Take,
    },
    types::{Payload, QueueName, RequestId, Timestamp},
    wire::{
        meshagent::{
            self, Joined, Layout, MessagingCall, Packets, Presence, QueueCall, QueueTool, Request,
            RequestKind,
        },
        websocket::{Close, Frames, Message},
    },
};

/// JavaScript looks for this very text.
const PARTICIPANT_NOT_FOUND: &str = "the participant was not found";

/// See the module.
pub struct MeshagentDialect {
    packets: Packets,
    layout: Layout,
    room: String,
    room_url: String,
    session: String,
    participant_id: String,
    name: String,
    last_push: u64,
    /// The name used last: a client mostly uses one, and a name is checked and allocated once.
    recent: Option<QueueName>,
}

impl MeshagentDialect {
    /// The dialect of a connection that was just accepted.
    #[must_use]
    pub fn new(
        layout: Layout,
        message_bytes_max: usize,
        [room, room_url, session, participant_id, name]: [String; 5],
    ) -> Self {
        let packets = Packets::new(message_bytes_max);
        let (last_push, recent) = (0, None);
        Self { packets, layout, room, room_url, session, participant_id, name, last_push, recent }
    }

    const fn next_push(&mut self) -> u64 {
        self.last_push += 1;
        self.last_push
    }

    fn queue(&mut self, name: &str) -> Result<QueueName, Error> {
        if let Some(recent) = self.recent.as_ref().filter(|recent| recent.as_str() == name) {
            return Ok(recent.clone());
        }
        let queue: QueueName = name.parse().map_err(|error: crate::types::NameError| {
            Error::new(ErrorCode::InvalidName, error.to_string())
        })?;
        self.recent = Some(queue.clone());
        Ok(queue)
    }

    fn understand(&mut self, id: u64, kind: &RequestKind, data: &Bytes) -> Incoming {
        let id = RequestId(id);
        let request = match meshagent::read_request(kind, data) {
            Ok(request) => request,
            Err(error) => return Incoming::Answer(id, Err(error)),
        };
        match request {
            Request::Queues(call) => match self.queue_operation(&call, data) {
                Ok(operation) => Incoming::Ask(id, operation),
                Err(error) => Incoming::Answer(id, Err(error)),
            },
            Request::Messaging(call) => Incoming::Ask(id, messaging_operation(call)),
            Request::SetAttributes(changed) => {
                let changed = changed.into_iter().collect();
                Incoming::Tell(id, Operation::SetAttributes { changed })
            }
            Request::ListToolkits => Incoming::Answer(id, Ok(Outcome::Json(r#"{"tools":{}}"#))),
            Request::ToolCallChunk => Incoming::Answer(id, Ok(Outcome::Done)),
        }
    }

    fn queue_operation(&mut self, call: &QueueCall<'_>, data: &Bytes) -> Result<Operation, Error> {
        let &QueueCall { tool, ref name, create, wait, message } = call;
        if tool == QueueTool::List {
            return Ok(Operation::ListQueues);
        }
        let queue = self.queue(name)?;
        let (create, command) = match tool {
            QueueTool::List => return Ok(Operation::ListQueues),
            QueueTool::Open => (true, Command::Open { settings: None, idempotent: false }),
            QueueTool::Send => {
                let message = NewMessage::from(Payload::from_slice_of(data, message));
                (create, Command::Send { message })
            }
            QueueTool::Receive => {
                let park = if wait { Park::Until(None) } else { Park::No };
                (create, Command::Take(Box::new(Take::one(park))))
            }
            QueueTool::Drain => (false, Command::Purge { group: None, states: States::READY }),
            QueueTool::Close => (false, Command::Close),
        };
        Ok(Operation::Queue { queue, create: create.into(), command })
    }

    fn reply(id: u64, result: Result<Outcome, Error>, frames: &mut Frames) {
        match result {
            Ok(Outcome::Queue { outcome: QueueOutcome::Delivered(messages), .. }) => {
                // It asked for one.
                match messages.first() {
                    Some(delivered) => {
                        let body = &delivered.message.body;
                        match body.content_type() {
                            None => meshagent::answer_json(frames, id, body.bytes()),
                            Some(kind) => meshagent::answer_json(frames, id, &as_json(kind, body)),
                        }
                    }
                    None => meshagent::empty(frames, id),
                }
            }
            Ok(
                Outcome::Done
                | Outcome::Queue { .. }
                | Outcome::Transacted { .. }
                | Outcome::Participants { .. }
                | Outcome::Stream { .. }
                | Outcome::Time(_),
            ) => meshagent::empty(frames, id),
            Ok(Outcome::Json(json)) => {
                meshagent::answer_json(frames, id, &Bytes::from_static(json.as_bytes()));
            }
            Ok(Outcome::Queues { queues, .. }) => {
                let items = queues.iter().map(|queue| (queue.queue.as_str(), queue.size));
                meshagent::answer_queues(frames, id, items);
            }
            Err(error) => {
                let text = match error.code {
                    ErrorCode::ParticipantNotFound => PARTICIPANT_NOT_FOUND,
                    _ => error.message.as_ref(),
                };
                meshagent::answer_error(frames, id, text, client_code(error.code));
            }
        }
    }

    fn notice(&mut self, notice: Notice, frames: &mut Frames) {
        let id = self.next_push();
        let (from, kind, message) = match notice {
            Notice::Message { from, kind, message, attachment } => {
                return meshagent::notice(frames, id, &from, &kind, message.bytes(), &attachment);
            }
            Notice::MessagingEnabled { participants } => {
                let participants: Vec<_> = participants.iter().map(presence).collect();
                let message = to_json(&BTreeMap::from([("participants", participants)]));
                (self.participant_id.clone(), "messaging.enabled", message)
            }
            Notice::ParticipantEnabled { participant } => {
                let message = to_json(&presence(&participant));
                (participant.id, "participant.enabled", message)
            }
            Notice::ParticipantDisabled { id } => {
                let message = to_json(&BTreeMap::from([("id", &id)]));
                (id, "participant.disabled", message)
            }
            Notice::AttributesChanged { id, changed } => {
                let message = to_json(&BTreeMap::from([("attributes", attributes(&changed))]));
                (id, "participant.attributes", message)
            }
        };
        meshagent::notice(frames, id, &from, kind, &message, &Bytes::new());
    }
}

impl Dialect for MeshagentDialect {
    fn greet(&mut self, _: Timestamp, frames: &mut Frames) {
        let (ready, connected) = (self.next_push(), self.next_push());
        let (layout, room, url) = (self.layout, &self.room, &self.room_url);
        meshagent::room_ready(frames, ready, layout, room, url, &self.session);
        meshagent::connected(frames, connected, layout, &self.participant_id, &self.name);
    }

    fn read(
        &mut self,
        _: Timestamp,
        message: Message,
        incoming: &mut Vec<Incoming>,
    ) -> Result<(), Close> {
        let Message::Binary(frame) = message else { return Err(Close::TEXT) };
        let mut joined = None;
        let mut given_up = None;
        let read = self.packets.next(frame, &mut |event| match event {
            Joined::Message { id, kind, data } => joined = Some((id, kind, data)),
            Joined::TooLarge { id } => given_up = Some((id, ErrorCode::MessageTooLarge)),
            Joined::OutOfOrder { id } => given_up = Some((id, ErrorCode::InvalidRequest)),
        });
        read.map_err(|_| Close::new(1002, "the frame is too short to be a packet"))?;
        if let Some((id, code)) = given_up {
            incoming.push(Incoming::Answer(RequestId(id), Err(code.into())));
        }
        if let Some((id, kind, data)) = joined {
            incoming.push(self.understand(id, &RequestKind::read(&kind), &data));
        }
        Ok(())
    }

    fn write(&mut self, outgoing: Outgoing, frames: &mut Frames) {
        match outgoing {
            Outgoing::Reply(RequestId(id), result) => Self::reply(id, result, frames),
            Outgoing::Notice(notice) => self.notice(notice, frames),
            // Nothing in this protocol asks for them.
            Outgoing::Push(..) | Outgoing::Event(..) | Outgoing::Missed(..) => {}
        }
    }

    fn receipts_stand_for_settling(&self) -> bool {
        true
    }

    /// The clients reconnect by themselves only when TCP ends without a close frame.
    fn farewell(&self) -> Option<Close> {
        None
    }
}

fn messaging_operation(call: MessagingCall) -> Operation {
    match call {
        MessagingCall::Enable => Operation::EnableMessaging,
        MessagingCall::Disable => Operation::DisableMessaging,
        MessagingCall::Send { to, kind, message, attachment } => {
            Operation::SendMessage { to, kind, message, attachment }
        }
        MessagingCall::Broadcast { kind, message, attachment } => {
            Operation::Broadcast { kind, message, attachment }
        }
    }
}

/// A body that is not JSON, for clients that know nothing else.
fn as_json(content_type: &str, body: &Payload) -> Bytes {
    let base64 = base64::engine::general_purpose::STANDARD.encode(body.bytes());
    to_json(&BTreeMap::from([("content_type", content_type), ("base64", &base64)]))
}

fn presence(participant: &Participant) -> Presence<'_> {
    let mut attributes = attributes(&participant.attributes);
    // Look-ups by name use this attribute.
    if let Ok(name) = to_raw_value(participant.name.as_str()) {
        attributes.insert("name", name);
    }
    Presence { id: &participant.id, role: &participant.role, attributes }
}

fn attributes(attributes: &Attributes) -> BTreeMap<&str, Box<RawValue>> {
    let raw = |value: &Payload| {
        serde_json::from_slice::<&RawValue>(value.bytes()).ok().map(ToOwned::to_owned)
    };
    attributes.iter().filter_map(|(name, value)| Some((name.as_str(), raw(value)?))).collect()
}

fn to_json(value: &impl Serialize) -> Bytes {
    serde_json::to_vec(value).unwrap_or_default().into()
}
