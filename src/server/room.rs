//! A participant's conversation with its room: a [`Session`] that speaks a [`Dialect`].

use std::{sync::Arc, time::Duration};

use super::{
    connections::Place,
    ws::{CHUNK_BYTES, Conversation, Ending},
};
use crate::{
    actor::{Session, SessionTimes, Verdict},
    clock::Clock,
    facade::{Dialect, Incoming},
    service::{Link, Outlet, Seat, ToSession},
    wire::websocket::{Close, Frames, Message},
};

/// See the module.
pub(super) struct RoomConversation {
    /// Until the connection is open.
    seat: Option<Seat>,
    session: Option<Session>,
    dialect: Box<dyn Dialect>,
    incoming: Vec<Incoming>,
    times: SessionTimes,
    clock: Arc<dyn Clock>,
    place: Place,
}

impl RoomConversation {
    pub(super) fn new(
        seat: Seat,
        dialect: Box<dyn Dialect>,
        times: SessionTimes,
        clock: Arc<dyn Clock>,
        place: Place,
    ) -> Self {
        let (seat, session, incoming) = (Some(seat), None, Vec::new());
        Self { seat, session, dialect, incoming, times, clock, place }
    }

    fn ending_for(&self, verdict: Verdict) -> Option<Ending> {
        match verdict {
            Verdict::Stay => None,
            Verdict::Cut => Some(Ending::Cut),
            Verdict::Finish => Some(self.dialect.farewell().map_or(Ending::Cut, Ending::Close)),
            Verdict::Close(code) => Some(Ending::Close(self.dialect.close_for(code))),
        }
    }
}

impl Conversation for RoomConversation {
    fn opened(&mut self, outlet: Box<dyn Outlet>, frames: &mut Frames) {
        let Some(seat) = self.seat.take() else { return };
        self.dialect.greet(self.clock.now(), frames);
        let link = Arc::new(Link::new(seat.session(), outlet, seat.limits().outgoing_bytes));
        self.place.announce(&link);
        let (now, receipts) = (self.clock.elapsed(), self.dialect.receipts_stand_for_settling());
        self.session = Some(Session::begin(seat, link, self.times, now, receipts));
    }

    fn received(&mut self, message: Message) -> Result<(), Close> {
        let Some(session) = &mut self.session else { return Ok(()) };
        self.dialect.read(self.clock.now(), message, &mut self.incoming)?;
        for incoming in self.incoming.drain(..) {
            match incoming {
                Incoming::Ask(id, operation) => session.request(id, operation),
                Incoming::Tell(id, operation) => session.tell(id, operation),
                Incoming::Answer(id, result) => session.answer(id, result),
            }
        }
        Ok(())
    }

    fn ponged(&mut self, payload: &[u8]) {
        if let (Ok(number), Some(session)) = (payload.try_into(), &mut self.session) {
            session.pong(u64::from_be_bytes(number));
        }
    }

    fn arrived(&mut self, items: Vec<ToSession>) {
        if let Some(session) = &mut self.session {
            session.arrived(items);
        }
    }

    fn is_ready(&self) -> bool {
        self.session.as_ref().is_none_or(Session::is_ready)
    }

    fn staged(&self) -> usize {
        self.session.as_ref().map_or(0, Session::staged)
    }

    fn submit(&mut self) {
        if let Some(session) = &mut self.session {
            session.submit();
        }
    }

    /// One ping covers all messages written before it, and stands before the answer to any later request.
    fn fill(&mut self, frames: &mut Frames) {
        let Some(session) = &mut self.session else { return };
        while frames.len() < CHUNK_BYTES {
            let Some(outgoing) = session.next_outgoing() else { break };
            self.dialect.write(outgoing, frames);
        }
        self.dialect.flush(frames);
        if let Some(ping) = session.ping_due(|| self.clock.elapsed()) {
            frames.ping(&ping.to_be_bytes());
        }
    }

    fn tick_interval(&self) -> Duration {
        let times = &self.times;
        let shortest = times.ping_interval.min(times.pong_timeout).min(times.receipt_timeout);
        Duration::from_millis((shortest.0 / 4).clamp(20, 5000))
    }

    fn tick(&mut self, frames: &mut Frames) -> Option<Ending> {
        let session = self.session.as_mut()?;
        let (ping, verdict) = session.tick(self.clock.elapsed(), self.clock.now());
        if let Some(ping) = ping {
            frames.ping(&ping.to_be_bytes());
        }
        self.ending_for(verdict)
    }

    fn ending(&self) -> Option<Ending> {
        self.ending_for(self.session.as_ref()?.verdict())
    }
}
