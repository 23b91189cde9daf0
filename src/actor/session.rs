//! A connection without its transport: permits, outbox, receipts, ping clock.
//!
//! ```text
//!   request ──► permit ──► staged ──► submit (one batch a turn) ──► room
//!   room ──► arrived ──► outbox ──► next_outgoing ──► permit back ──► written by the transport
//! ```
//!
//! A permit is given back when the reply is *written*, not when it arrives: a peer that does not read its
//! replies runs out of permits and is not read either, so nothing here grows without bound.

use std::{collections::VecDeque, sync::Arc};

use super::{messages::BATCH_MAX, receipts::Receipts};
use crate::{
    auth::Identity,
    engine::{self, Command},
    error::{Error, ErrorCode},
    service::{
        Create, EVENT_WEIGHT, Link, Operation, Outcome, Outgoing, Permit, QueueOutcome, Reply,
        Request, Seat, ToSession,
    },
    types::{Millis, RequestId, Timestamp},
};

/// How long a session waits for what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionTimes {
    /// Between pings of a quiet connection.
    pub ping_interval: Millis,
    /// For the pong of any ping.
    pub pong_timeout: Millis,
    /// For the pong that is the receipt of a message.
    pub receipt_timeout: Millis,
}

/// What a session wants of its transport.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Go on.
    Stay,
    /// End, saying why.
    Close(ErrorCode),
    /// End as a restart does.
    Finish,
    /// End at once: the peer is gone or does not answer.
    Cut,
}

/// See the module.
pub struct Session {
    seat: Seat,
    link: Arc<Link>,
    times: SessionTimes,
    staged: Vec<Request>,
    outbox: VecDeque<ToSession>,
    receipts: Receipts,
    in_flight: usize,
    parked: usize,
    last_ping_at: Millis,
    /// So many were staged in the last batch: there will be about as many in the next.
    last_batch: u16,
    finishing: bool,
    /// The dialect has no word for settling: a message that has arrived is done.
    receipts_stand_for_settling: bool,
}

impl Session {
    /// Takes the seat and makes the participant known in its room.
    #[must_use]
    pub fn begin(
        seat: Seat,
        link: Arc<Link>,
        times: SessionTimes,
        now: Millis,
        receipts_stand_for_settling: bool,
    ) -> Self {
        seat.join(Arc::clone(&link));
        Self {
            seat,
            link,
            times,
            staged: Vec::new(),
            outbox: VecDeque::new(),
            receipts: Receipts::default(),
            in_flight: 0,
            parked: 0,
            last_ping_at: now,
            last_batch: 0,
            finishing: false,
            receipts_stand_for_settling,
        }
    }

    /// Whether another request may be read.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.in_flight < self.seat.limits().requests_in_flight
    }

    /// The client asks for something.
    pub fn request(&mut self, id: RequestId, operation: Operation) {
        if operation.parks() {
            if self.parked >= self.seat.limits().parked_per_connection {
                return self.answer(id, Err(ErrorCode::TooManyParkedOnConnection.into()));
            }
            self.stage(id, Permit::Parked, operation);
        } else {
            self.stage(id, Permit::InFlight, operation);
        }
    }

    /// The client wants no answer, and gets none unless it is a refusal.
    pub fn tell(&mut self, id: RequestId, operation: Operation) {
        self.stage(id, Permit::Silent, operation);
    }

    fn stage(&mut self, id: RequestId, permit: Permit, operation: Operation) {
        if self.finishing && permit != Permit::None {
            return; // The end of the connection is the answer.
        }
        self.take(permit);
        if self.staged.is_empty() {
            self.staged.reserve_exact(usize::from(self.last_batch).clamp(2, BATCH_MAX));
        }
        self.staged.push(Request { id, permit, operation });
    }

    /// The protocol answers by itself.
    pub fn answer(&mut self, id: RequestId, result: Result<Outcome, Error>) {
        let permit = Permit::InFlight;
        self.take(permit);
        self.outbox.push_back(ToSession::Reply(Reply { id, permit, result }));
    }

    /// Something came from the room.
    pub fn arrived(&mut self, mut items: Vec<ToSession>) {
        let whole = items.len();
        items.retain(|item| !matches!(item, ToSession::Finish));
        if items.len() < whole {
            self.finish();
        }
        match self.outbox.is_empty() {
            // Nothing is moved, and what there was of memory is given back.
            true if !items.is_empty() => self.outbox = items.into(),
            _ => self.outbox.extend(items),
        }
    }

    /// Sends what is staged to the room, in one batch.
    pub fn submit(&mut self) {
        if self.staged.is_empty() {
            return;
        }
        self.last_batch = u16::try_from(self.staged.len()).unwrap_or(u16::MAX);
        let refused = self.seat.submit(std::mem::take(&mut self.staged));
        self.outbox.extend(refused.into_iter().map(ToSession::Reply));
    }

    /// Requests that wait for [`Self::submit`].
    #[must_use]
    pub fn staged(&self) -> usize {
        self.staged.len()
    }

    /// The next thing to write.
    pub fn next_outgoing(&mut self) -> Option<Outgoing> {
        loop {
            let Some(item) = self.outbox.pop_front() else {
                // A session at rest holds no memory for what may come.
                self.outbox = VecDeque::new();
                return None;
            };
            match item {
                ToSession::Finish => {}
                ToSession::Notice(notice) => {
                    self.link.written(notice.weight());
                    return Some(Outgoing::Notice(notice));
                }
                ToSession::Push { receiver, queue, delivered } => {
                    return Some(Outgoing::Push(receiver, queue, delivered));
                }
                ToSession::Event { watch, queue, event } => {
                    self.link.written(EVENT_WEIGHT);
                    return Some(Outgoing::Event(watch, queue, event));
                }
                ToSession::Missed { watch, count } => return Some(Outgoing::Missed(watch, count)),
                ToSession::Reply(Reply { id, permit, result }) => {
                    self.give_back(permit);
                    match &result {
                        Ok(Outcome::Queue {
                            queue,
                            outcome: QueueOutcome::Delivered(messages),
                        }) if self.receipts_stand_for_settling => {
                            for lease in messages.iter().filter_map(|message| message.lease) {
                                self.receipts.written(queue.clone(), lease);
                            }
                        }
                        Ok(Outcome::Queues { booked, .. }) => self.link.written(*booked),
                        Ok(_) if permit == Permit::Silent => continue,
                        // The session asked for this, not the client.
                        _ if permit == Permit::None => continue,
                        _ => {}
                    }
                    return Some(Outgoing::Reply(id, result));
                }
            }
        }
    }

    /// The ping that must follow what was just written: its pong is the receipt.
    pub fn ping_due(&mut self, now: impl Fn() -> Millis) -> Option<u64> {
        if !self.receipts.is_ping_due() {
            return None;
        }
        self.last_ping_at = now();
        Some(self.receipts.ping(self.last_ping_at))
    }

    /// A pong came.
    pub fn pong(&mut self, ping: u64) {
        for (queue, leases) in self.receipts.pong(ping) {
            let done = |lease| (lease, engine::Verdict::Done { result: None });
            let command = Command::Settle { items: leases.into_iter().map(done).collect() };
            let settle = Operation::Queue { queue, create: Create::No, command };
            self.stage(RequestId(0), Permit::None, settle);
        }
    }

    /// Time has passed. A ping to send, if the connection is quiet, and what is to become of it.
    pub fn tick(&mut self, now: Millis, wall: Timestamp) -> (Option<u64>, Verdict) {
        let late = |since: Option<Millis>, limit: Millis| {
            since.is_some_and(|since| now.0.saturating_sub(since.0) >= limit.0)
        };
        if late(self.receipts.waiting_since(), self.times.receipt_timeout)
            || late(self.receipts.silent_since(), self.times.pong_timeout)
        {
            return (None, Verdict::Cut);
        }
        if self.seat.identity().ensure_not_expired(wall).is_err() {
            return (None, Verdict::Close(ErrorCode::TokenExpired));
        }
        let quiet = late(Some(self.last_ping_at), self.times.ping_interval);
        let ping = quiet.then(|| {
            self.last_ping_at = now;
            self.receipts.ping(now)
        });
        (ping, Verdict::Stay)
    }

    /// The same participant has shown another token: from now on that one counts.
    pub fn renew(&mut self, identity: Identity) {
        self.seat.renew(identity);
    }

    /// The session goes on with another connection: nothing is under way on it.
    pub fn reattached(&mut self, now: Millis) {
        self.receipts.restart();
        self.last_ping_at = now;
    }

    /// A ping on the connection's own account.
    pub fn ping(&mut self, now: Millis) -> u64 {
        self.last_ping_at = now;
        self.receipts.ping(now)
    }

    /// The way from its room.
    #[must_use]
    pub const fn link(&self) -> &Arc<Link> {
        &self.link
    }

    /// What is to become of the connection at the end of a turn.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let idle = self.in_flight == 0 && self.outbox.is_empty() && self.receipts.is_settled();
        if self.finishing && idle && self.staged.is_empty() {
            Verdict::Finish
        } else {
            Verdict::Stay
        }
    }

    /// The participant's seat.
    #[must_use]
    pub const fn seat(&self) -> &Seat {
        &self.seat
    }

    /// The server is closing: nothing more is read or handed out; receipts under way are still taken in.
    fn finish(&mut self) {
        self.finishing = true;
        self.stage(RequestId(0), Permit::None, Operation::Unpark);
    }

    const fn take(&mut self, permit: Permit) {
        match permit {
            Permit::InFlight | Permit::Silent => self.in_flight += 1,
            Permit::Parked => self.parked += 1,
            Permit::None => {}
        }
    }

    const fn give_back(&mut self, permit: Permit) {
        match permit {
            Permit::InFlight | Permit::Silent => {
                self.in_flight = self.in_flight.saturating_sub(1);
            }
            Permit::Parked => self.parked = self.parked.saturating_sub(1),
            Permit::None => {}
        }
    }
}
