//! The same queue, written to be obviously right: a `Vec`, linear scans, no indexes.

use super::{Command, LeaseId, Outcome, QueueConfig, ReplyTo, Sequence};
use crate::{
    error::ErrorCode,
    types::{Payload, SessionId},
};

#[derive(Debug, Clone, PartialEq, Eq)]
struct Message {
    sequence: u64,
    body: Payload,
    attempts: u32,
    holder: Option<SessionId>,
}

#[derive(Debug)]
pub(super) struct Model {
    config: QueueConfig,
    exists: bool,
    closed: bool,
    /// In the order of sending.
    messages: Vec<Message>,
    sent: u64,
    /// The line of sessions, each with its receivers, oldest first.
    line: Vec<(SessionId, Vec<ReplyTo>)>,
}

pub(super) type Replies = Vec<(ReplyTo, Result<Outcome, ErrorCode>)>;

impl Model {
    pub(super) fn new(config: QueueConfig) -> Self {
        let (exists, closed, sent) = (false, false, 0);
        Self { config, exists, closed, messages: Vec::new(), sent, line: Vec::new() }
    }

    pub(super) fn apply(&mut self, from: ReplyTo, command: Command) -> Replies {
        match command {
            Command::Open => {
                let open = self.exists && !self.closed;
                (self.exists, self.closed) = (true, false);
                let refused = open && !self.config.open_is_idempotent;
                vec![(
                    from,
                    if refused { Err(ErrorCode::QueueExists) } else { Ok(Outcome::Opened) },
                )]
            }
            Command::Close => {
                (self.exists, self.closed) = (true, true);
                let mut replies = Vec::new();
                while let Some(receiver) = self.next_receiver() {
                    replies.push((receiver, Err(ErrorCode::QueueClosed)));
                }
                replies.push((from, Ok(Outcome::Closed)));
                replies
            }
            Command::Send { body } => self.send(from, body),
            Command::Take { park } => self.take(from, park),
            Command::Settle { leases } => {
                self.messages.retain(|message| {
                    let lease =
                        LeaseId { sequence: Sequence(message.sequence), attempt: message.attempts };
                    message.holder != Some(from.session) || !leases.contains(&lease)
                });
                vec![(from, Ok(Outcome::Settled))]
            }
            Command::Drain => {
                self.messages.retain(|message| message.holder.is_some());
                vec![(from, Ok(Outcome::Drained))]
            }
            Command::Unpark => {
                self.line.retain(|(session, _)| *session != from.session);
                Vec::new()
            }
            Command::Abandon => {
                self.line.retain(|(session, _)| *session != from.session);
                for message in &mut self.messages {
                    message.holder = message.holder.filter(|holder| *holder != from.session);
                }
                self.hand_out()
            }
        }
    }

    pub(super) fn ready(&self) -> usize {
        self.messages.iter().filter(|message| message.holder.is_none()).count()
    }

    fn parked(&self) -> usize {
        self.line.iter().map(|(_, receivers)| receivers.len()).sum()
    }

    fn send(&mut self, from: ReplyTo, body: Payload) -> Replies {
        let bytes: usize = self.messages.iter().map(|message| message.body.len()).sum();
        if self.closed {
            return vec![(from, Err(ErrorCode::QueueClosed))];
        }
        if self.messages.len() == self.config.messages_max {
            return vec![(from, Err(ErrorCode::QueueFull))];
        }
        if bytes + body.len() > self.config.bytes_max {
            return vec![(from, Err(ErrorCode::QueueBytesFull))];
        }
        self.exists = true;
        self.sent += 1;
        self.messages.push(Message { sequence: self.sent, body, attempts: 0, holder: None });
        let mut replies = vec![(from, Ok(Outcome::Sent))];
        replies.extend(self.hand_out());
        replies
    }

    fn take(&mut self, from: ReplyTo, park: bool) -> Replies {
        if self.closed {
            return vec![(from, Err(ErrorCode::QueueClosed))];
        }
        self.exists = true;
        if self.ready() > 0 {
            return vec![self.deliver(from)];
        }
        if !park {
            return vec![(from, Ok(Outcome::Empty))];
        }
        if self.parked() == self.config.parked_max {
            return vec![(from, Err(ErrorCode::TooManyParkedOnQueue))];
        }
        match self.line.iter_mut().find(|(session, _)| *session == from.session) {
            Some((_, receivers)) => receivers.push(from),
            None => self.line.push((from.session, vec![from])),
        }
        Vec::new()
    }

    fn hand_out(&mut self) -> Replies {
        let mut replies = Vec::new();
        while self.ready() > 0 {
            let Some(receiver) = self.next_receiver() else { break };
            replies.push(self.deliver(receiver));
        }
        replies
    }

    fn deliver(&mut self, to: ReplyTo) -> (ReplyTo, Result<Outcome, ErrorCode>) {
        let message = self.messages.iter_mut().find(|message| message.holder.is_none()).unwrap();
        message.holder = Some(to.session);
        message.attempts += 1;
        let lease = LeaseId { sequence: Sequence(message.sequence), attempt: message.attempts };
        (to, Ok(Outcome::Delivered { lease, body: message.body.clone() }))
    }

    fn next_receiver(&mut self) -> Option<ReplyTo> {
        if self.line.is_empty() {
            return None;
        }
        let (session, mut receivers) = self.line.remove(0);
        let receiver = receivers.pop();
        if !receivers.is_empty() {
            self.line.push((session, receivers));
        }
        receiver
    }
}
