//! One queue: `apply(now, from, command)` → effects.

use std::collections::BTreeSet;

use super::{
    command::{Command, ReplyTo},
    effect::{Effect, LeaseId, Outcome, Sequence},
    leases::Leases,
    ready::{Message, Ready},
    record::{Record, RecordNumber},
    waiters::Waiters,
};
use crate::{
    error::ErrorCode,
    types::{Payload, SessionId, Timestamp},
};

/// What a queue may hold and how it answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueConfig {
    /// Live messages, leased ones included.
    pub messages_max: usize,
    /// Bytes of the bodies of live messages.
    pub bytes_max: usize,
    /// Parked receivers.
    pub parked_max: usize,
    /// `Open` of an open queue: `Opened` again, or refused with `QueueExists`.
    pub open_is_idempotent: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Status {
    Absent,
    Open,
    Closed,
}

/// A queue. See the module's front page.
#[derive(Debug)]
pub struct Queue {
    config: QueueConfig,
    status: Status,
    ready: Ready,
    leases: Leases,
    waiters: Waiters,
    /// Bytes of all live bodies (I5).
    bytes: usize,
    last_sequence: Sequence,
    last_record: RecordNumber,
}

impl Queue {
    /// A queue that does not exist yet.
    #[must_use]
    pub fn new(config: QueueConfig) -> Self {
        Self {
            config,
            status: Status::Absent,
            ready: Ready::default(),
            leases: Leases::default(),
            waiters: Waiters::default(),
            bytes: 0,
            last_sequence: Sequence(0),
            last_record: RecordNumber(0),
        }
    }

    /// Does what `from` asks and appends the effects to `effects`.
    pub fn apply(
        &mut self,
        now: Timestamp,
        from: ReplyTo,
        command: Command,
        effects: &mut Vec<Effect>,
    ) {
        match command {
            Command::Open => self.open(from, effects),
            Command::Close => self.close(from, effects),
            Command::Send { body } => self.send(now, from, body, effects),
            Command::Take { park } => self.take(from, park, effects),
            Command::Settle { leases } => self.settle(from, &leases, effects),
            Command::Drain => self.drain(from, effects),
            Command::Unpark => self.waiters.forget(from.session),
            Command::Abandon => self.abandon(from.session, effects),
        }
    }

    /// Ready messages: sent, and handed to nobody.
    #[must_use]
    pub fn size(&self) -> usize {
        self.ready.len()
    }

    /// Parked receivers.
    #[must_use]
    pub fn parked(&self) -> usize {
        self.waiters.len()
    }

    /// The newest record.
    #[must_use]
    pub const fn last_record(&self) -> RecordNumber {
        self.last_record
    }

    fn open(&mut self, from: ReplyTo, effects: &mut Vec<Effect>) {
        let result = match self.status {
            Status::Open if !self.config.open_is_idempotent => Err(ErrorCode::QueueExists),
            Status::Open => Ok(Outcome::Opened),
            Status::Absent | Status::Closed => {
                self.status = Status::Open;
                self.append(Record::Opened, effects);
                Ok(Outcome::Opened)
            }
        };
        self.reply(from, result, effects);
    }

    fn close(&mut self, from: ReplyTo, effects: &mut Vec<Effect>) {
        if self.status != Status::Closed {
            self.status = Status::Closed;
            self.append(Record::Closed, effects);
            for receiver in self.waiters.take_all() {
                self.reply(receiver, Err(ErrorCode::QueueClosed), effects);
            }
        }
        self.reply(from, Ok(Outcome::Closed), effects);
    }

    fn send(&mut self, now: Timestamp, from: ReplyTo, body: Payload, effects: &mut Vec<Effect>) {
        if let Err(code) = self.admit(&body) {
            return self.reply(from, Err(code), effects);
        }
        self.come_into_being(effects);
        let sequence = Sequence(self.last_sequence.0 + 1);
        self.last_sequence = sequence;
        self.bytes += body.len();
        self.append(Record::Sent { sequence, at: now, body: body.clone() }, effects);
        let sent_in = self.last_record;
        self.ready.push(Message { sequence, sent_in, attempts: 0, body });
        self.reply(from, Ok(Outcome::Sent), effects);
        self.hand_out(effects);
    }

    /// May this body come in? What comes back from a lease is never asked.
    fn admit(&self, body: &Payload) -> Result<(), ErrorCode> {
        if self.status == Status::Closed {
            return Err(ErrorCode::QueueClosed);
        }
        if self.ready.len() + self.leases.len() >= self.config.messages_max {
            return Err(ErrorCode::QueueFull);
        }
        if self.bytes.saturating_add(body.len()) > self.config.bytes_max {
            return Err(ErrorCode::QueueBytesFull);
        }
        Ok(())
    }

    fn take(&mut self, from: ReplyTo, park: bool, effects: &mut Vec<Effect>) {
        if self.status == Status::Closed {
            return self.reply(from, Err(ErrorCode::QueueClosed), effects);
        }
        self.come_into_being(effects);
        if let Some(message) = self.ready.pop() {
            return self.deliver(from, message, effects);
        }
        if !park {
            return self.reply(from, Ok(Outcome::Empty), effects);
        }
        if self.waiters.len() >= self.config.parked_max {
            return self.reply(from, Err(ErrorCode::TooManyParkedOnQueue), effects);
        }
        self.waiters.park(from);
    }

    fn settle(&mut self, from: ReplyTo, leases: &[LeaseId], effects: &mut Vec<Effect>) {
        let mut sequences = Vec::with_capacity(leases.len());
        for lease in leases {
            if let Some(message) = self.leases.end(from.session, *lease) {
                self.bytes -= message.body.len();
                sequences.push(message.sequence);
            }
        }
        if !sequences.is_empty() {
            self.append(Record::Settled { sequences }, effects);
        }
        self.reply(from, Ok(Outcome::Settled), effects);
    }

    fn drain(&mut self, from: ReplyTo, effects: &mut Vec<Effect>) {
        if !self.ready.is_empty() {
            let kept = self.leases.iter().map(|message| message.sequence).collect();
            self.ready.clear();
            self.bytes = self.leases.iter().map(|message| message.body.len()).sum();
            self.append(Record::Drained { through: self.last_sequence, kept }, effects);
        }
        self.reply(from, Ok(Outcome::Drained), effects);
    }

    fn abandon(&mut self, session: SessionId, effects: &mut Vec<Effect>) {
        self.waiters.forget(session);
        for message in self.leases.end_all(session) {
            self.ready.put_back(message);
        }
        self.hand_out(effects);
    }

    /// Serves parked receivers while there is something to serve (I3).
    fn hand_out(&mut self, effects: &mut Vec<Effect>) {
        while !self.ready.is_empty() {
            let Some(receiver) = self.waiters.next() else { return };
            let Some(message) = self.ready.pop() else { return };
            self.deliver(receiver, message, effects);
        }
    }

    fn deliver(&mut self, to: ReplyTo, message: Message, effects: &mut Vec<Effect>) {
        let body = message.body.clone();
        let rests_on = message.sent_in;
        let lease = self.leases.grant(to.session, message);
        effects.push(Effect::Reply {
            to,
            result: Ok(Outcome::Delivered { lease, body }),
            rests_on,
        });
    }

    fn come_into_being(&mut self, effects: &mut Vec<Effect>) {
        if self.status == Status::Absent {
            self.status = Status::Open;
            self.append(Record::Opened, effects);
        }
    }

    fn append(&mut self, record: Record, effects: &mut Vec<Effect>) {
        self.last_record = RecordNumber(self.last_record.0 + 1);
        effects.push(Effect::Append(record));
    }

    /// Answers on the strength of everything written so far, which for a refusal includes its reason.
    fn reply(&self, to: ReplyTo, result: Result<Outcome, ErrorCode>, effects: &mut Vec<Effect>) {
        effects.push(Effect::Reply { to, result, rests_on: self.last_record });
    }

    /// Applies a record that was written earlier. Twice does no harm.
    pub fn replay(&mut self, record: Record) {
        self.last_record = RecordNumber(self.last_record.0 + 1);
        match record {
            Record::Opened => self.status = Status::Open,
            Record::Closed => self.status = Status::Closed,
            Record::Sent { sequence, at: _, body } => {
                if sequence > self.last_sequence {
                    self.last_sequence = sequence;
                    self.bytes += body.len();
                    let sent_in = self.last_record;
                    self.ready.push(Message { sequence, sent_in, attempts: 0, body });
                }
            }
            Record::Settled { sequences } => {
                for sequence in sequences {
                    if let Some(message) = self.ready.remove(sequence) {
                        self.bytes -= message.body.len();
                    }
                }
            }
            Record::Drained { through, kept } => {
                let kept: BTreeSet<_> = kept.into_iter().collect();
                self.ready.retain(|sequence| sequence > through || kept.contains(&sequence));
                self.bytes = self.ready.iter().map(|message| message.body.len()).sum();
            }
        }
    }

    /// What a replay must bring back: status, last sequence, and the live messages in order.
    #[cfg(test)]
    pub(super) fn durable_state(&self) -> (String, Sequence, Vec<(Sequence, Payload)>) {
        let mut live: Vec<_> = (self.ready.iter().chain(self.leases.iter()))
            .map(|message| (message.sequence, message.body.clone()))
            .collect();
        live.sort_by_key(|(sequence, _)| *sequence);
        (format!("{:?}", self.status), self.last_sequence, live)
    }

    /// # Panics
    /// When an invariant of the module's front page does not hold.
    #[cfg(test)]
    pub(super) fn check_invariants(&self) {
        let live = || self.ready.iter().chain(self.leases.iter());
        let mut seen = std::collections::BTreeSet::new();
        assert!(live().all(|message| seen.insert(message.sequence)), "I1");
        let order: Vec<_> = self.ready.iter().map(|message| message.sequence).collect();
        assert!(order.is_sorted(), "I2: {order:?}");
        assert_eq!(order.len(), self.ready.len(), "I2: length");
        let open = self.status == Status::Open;
        assert!(!open || self.ready.is_empty() || self.waiters.is_empty(), "I3");
        assert!(open || self.waiters.is_empty(), "I4");
        assert_eq!(self.bytes, live().map(|message| message.body.len()).sum::<usize>(), "I5");
        assert!(live().all(|message| message.sent_in <= self.last_record), "I6");
        assert!(
            self.leases.iter().all(|message| message.attempts >= 1),
            "I6: leased means attempted"
        );
        self.waiters.check();
    }
}
