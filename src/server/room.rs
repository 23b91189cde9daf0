//! A participant's conversation with its room: a [`Session`] that speaks a [`Dialect`].

use std::{sync::Arc, time::Duration};

use super::{
    Context,
    connections::Place,
    inbox::{Inbox, ToInbox},
    resume::{Detached, Sessions},
    switch::Switch,
    ws::{CHUNK_BYTES, Conversation, Ending},
};
use crate::{
    actor::{Session, SessionTimes, Verdict},
    clock::Clock,
    facade::{Dialect, Incoming},
    service::{Link, Seat},
    types::{Millis, Timestamp},
    wire::websocket::{Close, Frames, Message},
};

/// So much that is not confirmed is confirmed by a ping.
const CONFIRM_BYTES: u64 = 64 * 1024;

/// How a client comes in.
pub(super) enum Entry {
    /// To a new session.
    New(Box<Seat>, Box<dyn Dialect>),
    /// Back to its own; it has so many text frames of it.
    Back(Box<Detached>, u64),
}

/// See the module.
pub(super) struct RoomConversation {
    /// Until the connection is open.
    entry: Option<Entry>,
    speaking: Option<Speaking>,
    incoming: Vec<Incoming>,
    /// When the first message of this turn was read.
    now: Option<Timestamp>,
    sessions: Arc<Sessions>,
    times: SessionTimes,
    clock: Arc<dyn Clock>,
    /// Until the connection is gone.
    place: Option<Place>,
}

struct Speaking {
    session: Session,
    dialect: Box<dyn Dialect>,
    inbox: Arc<Inbox>,
}

impl RoomConversation {
    pub(super) fn new(entry: Entry, context: &Context, place: Place) -> Self {
        Self {
            entry: Some(entry),
            speaking: None,
            incoming: Vec::new(),
            now: None,
            sessions: Arc::clone(&context.sessions),
            times: context.times,
            clock: Arc::clone(&context.clock),
            place: Some(place),
        }
    }

    fn begin(
        &self,
        seat: Seat,
        mut dialect: Box<dyn Dialect>,
        switch: Arc<Switch>,
        frames: &mut Frames,
    ) -> Speaking {
        dialect.greet(self.clock.now(), frames);
        let bytes_max = seat.limits().outgoing_bytes;
        if dialect.session().is_some() {
            frames.keep(self.sessions.bytes_max, 0);
        }
        let inbox = Arc::new(Inbox::default());
        inbox.attach(switch);
        let outlet = Box::new(ToInbox(Arc::clone(&inbox)));
        let link = Arc::new(Link::new(seat.session(), outlet, bytes_max));
        let receipts = dialect.receipts_stand_for_settling();
        let session = Session::begin(seat, link, self.times, self.clock.elapsed(), receipts);
        Speaking { session, dialect, inbox }
    }

    fn go_on(
        &self,
        detached: Detached,
        received: u64,
        switch: Arc<Switch>,
        frames: &mut Frames,
    ) -> Speaking {
        let Detached { mut session, mut dialect, inbox, kept, .. } = detached;
        dialect.greet_again(self.clock.now(), frames);
        frames.keep(self.sessions.bytes_max, received);
        kept.after(received).into_iter().flatten().for_each(|frame| frames.text_frame(&frame));
        session.reattached(self.clock.elapsed());
        inbox.attach(switch);
        session.arrived(inbox.take());
        Speaking { session, dialect, inbox }
    }
}

impl Speaking {
    fn ending_for(&self, verdict: Verdict) -> Option<Ending> {
        match verdict {
            Verdict::Stay => None,
            Verdict::Cut => Some(Ending::Cut),
            Verdict::Finish => Some(self.dialect.farewell().map_or(Ending::Cut, Ending::Close)),
            Verdict::Close(code) => Some(Ending::Close(self.dialect.close_for(code))),
        }
    }

    fn confirm(&mut self, now: Millis, frames: &mut Frames) {
        let ping = self.session.ping(now);
        frames.marked_ping(ping);
    }
}

impl Conversation for RoomConversation {
    fn opened(&mut self, switch: &Arc<Switch>, frames: &mut Frames) {
        let switch = Arc::clone(switch);
        let speaking = match self.entry.take() {
            None => return,
            Some(Entry::New(seat, dialect)) => self.begin(*seat, dialect, switch, frames),
            Some(Entry::Back(detached, received)) => {
                self.go_on(*detached, received, switch, frames)
            }
        };
        let link = speaking.session.link();
        if let Some(place) = &self.place {
            place.announce(link);
        }
        if let Some(name) = speaking.dialect.session() {
            self.sessions.attached(name, speaking.session.seat().identity(), link);
        }
        self.speaking = Some(speaking);
    }

    fn received(&mut self, message: Message) -> Result<(), Close> {
        let Some(Speaking { session, dialect, .. }) = &mut self.speaking else { return Ok(()) };
        let now = *self.now.get_or_insert_with(|| self.clock.now());
        dialect.read(now, message, &mut self.incoming)?;
        for incoming in self.incoming.drain(..) {
            match incoming {
                Incoming::Ask(id, operation) => session.request(id, operation),
                Incoming::Tell(id, operation) => session.tell(id, operation),
                Incoming::Answer(id, result) => session.answer(id, result),
            }
        }
        Ok(())
    }

    fn ponged(&mut self, payload: &[u8], frames: &mut Frames) {
        if let (Ok(number), Some(speaking)) = (payload.try_into(), &mut self.speaking) {
            let number = u64::from_be_bytes(number);
            frames.confirm(number);
            speaking.session.pong(number);
        }
    }

    fn arrived(&mut self) {
        if let Some(Speaking { session, inbox, .. }) = &mut self.speaking {
            session.arrived(inbox.take());
        }
    }

    fn is_ready(&self) -> bool {
        self.speaking.as_ref().is_none_or(|speaking| speaking.session.is_ready())
    }

    fn staged(&self) -> usize {
        self.speaking.as_ref().map_or(0, |speaking| speaking.session.staged())
    }

    fn submit(&mut self) {
        self.now = None;
        if let Some(speaking) = &mut self.speaking {
            speaking.session.submit();
        }
    }

    /// One ping covers all messages written before it, and stands before the answer to any later request.
    fn fill(&mut self, frames: &mut Frames) -> usize {
        let Some(speaking) = &mut self.speaking else { return 0 };
        let Speaking { session, dialect, .. } = speaking;
        let mut messages = 0;
        while frames.len() < CHUNK_BYTES {
            let Some(outgoing) = session.next_outgoing() else { break };
            dialect.write(outgoing, frames);
            messages += 1;
        }
        dialect.flush(frames);
        if let Some(ping) = session.ping_due(|| self.clock.elapsed()) {
            frames.ping(&ping.to_be_bytes());
        }
        if frames.unmarked() >= CONFIRM_BYTES {
            speaking.confirm(self.clock.elapsed(), frames);
        }
        messages
    }

    fn tick_interval(&self) -> Duration {
        let times = &self.times;
        let shortest = times.ping_interval.min(times.pong_timeout).min(times.receipt_timeout);
        Duration::from_millis((shortest.0 / 4).clamp(20, 5000))
    }

    fn tick(&mut self, frames: &mut Frames) -> Option<Ending> {
        let speaking = self.speaking.as_mut()?;
        let (ping, verdict) = speaking.session.tick(self.clock.elapsed(), self.clock.now());
        if let Some(ping) = ping {
            frames.marked_ping(ping);
        } else if frames.unmarked() > 0 {
            speaking.confirm(self.clock.elapsed(), frames);
        }
        speaking.ending_for(verdict)
    }

    fn ending(&self) -> Option<Ending> {
        let speaking = self.speaking.as_ref()?;
        speaking.ending_for(speaking.session.verdict())
    }

    /// A session whose connection ended without a word waits for its client to come back.
    fn gone(&mut self, by_word: bool, frames: Frames) {
        let Some(Speaking { mut session, dialect, inbox }) = self.speaking.take() else { return };
        let Some(name) = dialect.session().map(str::to_owned) else { return };
        // Given back before the session can be taken over: it goes under the session's number.
        let is_closing = self.place.take().is_none_or(|place| place.is_closing());
        match frames.into_kept() {
            Some(kept) if !by_word && !is_closing => {
                // What was read counts as received.
                session.submit();
                let detached = Detached { session, dialect, inbox, kept };
                self.sessions.detached(&name, detached, self.clock.elapsed());
            }
            _ => self.sessions.forget(&name),
        }
    }
}

impl Drop for RoomConversation {
    /// A client that came back and was gone before its connection was open may come once more.
    fn drop(&mut self) {
        if let Some(Entry::Back(detached, _)) = self.entry.take()
            && let Some(name) = detached.dialect.session().map(str::to_owned)
        {
            self.sessions.detached(&name, *detached, self.clock.elapsed());
        }
    }
}
