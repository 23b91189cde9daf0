//! One WebSocket connection: text frames → operations, outcomes, pushes, events and notices → text frames.

use std::collections::BTreeSet;

use super::{
    message::write_delivered,
    operation::{Reader, invalid, name},
    outcome::{write_event, write_notice, write_outcome, write_refusal},
};
use crate::{
    error::{Error, ErrorCode},
    facade::{Dialect, Incoming},
    service::{Delivered, Operation, Outcome, Outgoing},
    types::{Limits, QueueName, RequestId, Timestamp},
    wire::{
        native::{Frame, Hello, HelloLimits, PROTOCOL, Request, Taken, Text, Writer, read_frames},
        websocket::{Close, Frames, Message},
    },
};

/// A request without an `id`; greater than any that a client may choose.
const NO_ID: RequestId = RequestId(u64::MAX);

/// Pushes for one receiver go into one frame up to about this size.
const PUSH_BYTES: usize = 32 * 1024;

/// Clients come back after a restart within so many milliseconds, not all at once.
const RETRY_SPREAD: u64 = 5000;

/// Who was let in where.
#[derive(Debug, Clone)]
pub struct Welcome {
    /// The room.
    pub room: String,
    /// The session's name.
    pub session: String,
    /// The session's number.
    pub number: u64,
    /// The participant's id.
    pub participant: String,
    /// Its name.
    pub name: String,
    /// Its role.
    pub role: String,
    /// How long the session outlives its connection.
    pub resume_ms: u64,
}

/// See the module.
pub struct NativeDialect {
    welcome: Box<Welcome>,
    limits: HelloLimits,
    items_max: usize,
    out: Writer,
    /// The frame in `out` is open: it has messages for this receiver.
    pushing: Option<(RequestId, QueueName)>,
    /// Their one reply says nothing but that they have ended.
    subscriptions: BTreeSet<RequestId>,
    /// The name used last: a client mostly uses one, and a name is checked and allocated once.
    recent: Option<QueueName>,
    /// Text frames of the client that were read.
    received: u64,
}

impl NativeDialect {
    /// The dialect of a connection that was just accepted.
    #[must_use]
    pub fn new(welcome: Welcome, limits: &Limits) -> Self {
        Self {
            welcome: Box::new(welcome),
            limits: HelloLimits {
                message_bytes: limits.message_bytes as u64,
                requests_in_flight: limits.requests_in_flight as u64,
                items_per_request: limits.items_per_request as u64,
            },
            items_max: limits.items_per_request,
            out: Writer::default(),
            pushing: None,
            subscriptions: BTreeSet::new(),
            recent: None,
            received: 0,
        }
    }

    fn say_hello(&mut self, now: Timestamp, resumed: bool, frames: &mut Frames) {
        let Welcome { room, session, participant, name, role, resume_ms, .. } =
            (*self.welcome).clone();
        self.out.begin(frames);
        self.out.put("{\"hello\":");
        self.out.value(&Hello {
            protocol: PROTOCOL.to_owned(),
            room,
            session,
            participant,
            name,
            role,
            resumed,
            received: self.received,
            resume_ms,
            limits: self.limits,
            time: now.0,
        });
        self.out.put("}");
        self.out.end(frames);
    }

    fn queue(&mut self, text: &Text<'_>) -> Result<QueueName, Error> {
        if let Some(recent) = self.recent.as_ref().filter(|recent| recent.as_str() == text.as_str())
        {
            return Ok(recent.clone());
        }
        let queue: QueueName = name("queue", text.as_str())?;
        self.recent = Some(queue.clone());
        Ok(queue)
    }

    fn understand(&mut self, reader: &Reader<'_>, taken: Taken<'_>, incoming: &mut Vec<Incoming>) {
        let Frame { id, queue, request } = match taken {
            Ok(frame) => frame,
            Err((id, error)) => {
                let id = id.map_or(NO_ID, RequestId);
                return incoming.push(Incoming::Answer(id, Err(error)));
            }
        };
        let id = id.map_or(NO_ID, RequestId);
        if let Request::Ping(_) = request {
            return incoming.push(Incoming::Answer(id, Ok(Outcome::Time(reader.now))));
        }
        match self.operation(reader, id, queue.as_ref(), request) {
            Ok(operation) if id == NO_ID => incoming.push(Incoming::Tell(id, operation)),
            Ok(operation) => incoming.push(Incoming::Ask(id, operation)),
            Err(error) => incoming.push(Incoming::Answer(id, Err(error))),
        }
    }

    fn operation(
        &mut self,
        reader: &Reader<'_>,
        id: RequestId,
        queue: Option<&Text<'_>>,
        request: Request<'_>,
    ) -> Result<Operation, Error> {
        let is_standing = matches!(request, Request::Subscribe(_));
        let needs_id = is_standing
            || matches!(request, Request::Receive(_) | Request::Await(_) | Request::Watch(_));
        if needs_id && id == NO_ID {
            return Err(invalid("missing field `id`: without it there is no reply"));
        }
        let queue = queue.map(|queue| self.queue(queue)).transpose()?;
        let operation = reader.operation(queue, request);
        if is_standing && operation.is_ok() {
            self.subscriptions.insert(id);
        }
        operation
    }

    fn reply(&mut self, id: RequestId, result: &Result<Outcome, Error>, frames: &mut Frames) {
        let was_standing = !self.subscriptions.is_empty() && self.subscriptions.remove(&id);
        if id == NO_ID && result.is_ok() {
            return;
        }
        let out = &mut self.out;
        out.begin(frames);
        out.put("{\"id\":");
        out.number_or_null(Some(id.0).filter(|_| id != NO_ID));
        match result {
            Ok(_) if was_standing => out.put(",\"ok\":{}"),
            Ok(outcome) => {
                out.put(",\"ok\":");
                write_outcome(out, outcome);
            }
            Err(error) => {
                out.put(",\"error\":");
                write_refusal(out, error);
            }
        }
        out.put("}");
        out.end(frames);
    }

    fn push(
        &mut self,
        receiver: RequestId,
        queue: QueueName,
        delivered: &Delivered,
        frames: &mut Frames,
    ) {
        let goes_on =
            self.pushing.as_ref().is_some_and(|(to, from)| *to == receiver && *from == queue);
        if !goes_on {
            self.end_push(frames);
            self.out.begin(frames);
            self.out.put("{\"receiver\":");
            self.out.number(receiver.0);
            self.out.put(",\"queue\":");
            self.out.text(queue.as_str());
            self.out.put(",\"messages\":[");
            self.pushing = Some((receiver, queue));
        }
        self.out.element();
        write_delivered(&mut self.out, delivered);
        if self.out.len() >= PUSH_BYTES {
            self.end_push(frames);
        }
    }

    fn end_push(&mut self, frames: &mut Frames) {
        if self.pushing.take().is_some() {
            self.out.put("]}");
            self.out.end(frames);
        }
    }
}

impl Dialect for NativeDialect {
    fn greet(&mut self, now: Timestamp, frames: &mut Frames) {
        self.say_hello(now, false, frames);
    }

    fn session(&self) -> Option<&str> {
        (self.welcome.resume_ms > 0).then_some(self.welcome.session.as_str())
    }

    fn greet_again(&mut self, now: Timestamp, frames: &mut Frames) {
        self.say_hello(now, true, frames);
    }

    fn read(
        &mut self,
        now: Timestamp,
        message: Message,
        incoming: &mut Vec<Incoming>,
    ) -> Result<(), Close> {
        let Message::Text(text) = message else { return Err(Close::BINARY) };
        self.received += 1;
        let items_max = self.items_max;
        let reader = Reader { now, items_max, is_http: false, buffer: text.as_bytes() };
        read_frames(&text, items_max, &mut |taken| self.understand(&reader, taken, incoming));
        Ok(())
    }

    fn write(&mut self, outgoing: Outgoing, frames: &mut Frames) {
        if let Outgoing::Push(receiver, queue, delivered) = outgoing {
            return self.push(receiver, queue, &delivered, frames);
        }
        self.end_push(frames);
        if let Outgoing::Reply(id, result) = outgoing {
            return self.reply(id, &result, frames);
        }
        let out = &mut self.out;
        out.begin(frames);
        match outgoing {
            Outgoing::Event(watch, queue, event) => write_event(out, watch, &queue, &event),
            Outgoing::Missed(RequestId(watch), count) => {
                out.put("{\"watch\":");
                out.number(watch);
                out.name("missed");
                out.number(count);
                out.put("}");
            }
            Outgoing::Notice(notice) => write_notice(out, &notice),
            // See above.
            Outgoing::Push(..) | Outgoing::Reply(..) => {}
        }
        out.end(frames);
    }

    fn flush(&mut self, frames: &mut Frames) {
        self.end_push(frames);
    }

    fn receipts_stand_for_settling(&self) -> bool {
        false
    }

    fn close_for(&self, code: ErrorCode) -> Close {
        match code {
            ErrorCode::TokenMissing
            | ErrorCode::TokenInvalid
            | ErrorCode::TokenExpired
            | ErrorCode::TokenNotYetValid => Close::new(4401, code.name()),
            _ => Close::new(1008, code.name()),
        }
    }

    /// Each client comes back at a time of its own.
    fn farewell(&self) -> Option<Close> {
        // Neighbouring numbers are far apart: a multiple of the golden ratio, its fraction taken.
        let spread = self.welcome.number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        let retry = spread % (RETRY_SPREAD + 1);
        Some(Close { code: 1012, reason: format!("restart;retry_ms={retry}").into() })
    }
}
