//! Receivers that wait, and whose turn it is.
//!
//! They wait in lines by what they can take. In a line connections take turns: one that was served goes to
//! the end if it still has receivers there. Within a connection the newest is served first; see the module's
//! front page.

use std::{collections::BTreeMap, sync::Arc};

use super::command::{ReplyTo, Term};
use crate::types::{PartitionKey, RequestId, SessionId, Timestamp};

/// What the receivers of a line can take.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Line {
    /// Any message.
    Message,
    /// Any partition.
    Partition,
    /// Messages of one partition.
    MessageOf(PartitionKey),
    /// One partition.
    PartitionOf(PartitionKey),
    /// Messages with all these labels, perhaps of one partition.
    Labelled(Option<PartitionKey>, Vec<(Arc<str>, Arc<str>)>),
}

/// A receiver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Receiver {
    pub(super) to: ReplyTo,
    pub(super) line: Line,
    pub(super) max: u32,
    pub(super) partitions_max: u32,
    pub(super) term: Term,
    pub(super) until: Option<Timestamp>,
    pub(super) standing: bool,
    /// It is not given anything, only told.
    pub(super) told: bool,
}

/// A receiver that stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct StandingReceiver {
    pub(super) to: ReplyTo,
    pub(super) credit: u32,
    /// Messages leased to it.
    pub(super) outstanding: u32,
    pub(super) receiver: Receiver,
}

/// Names a waiting receiver. Within a session and line the highest ticket is served first.
pub(super) type ReceiverKey = (SessionId, RequestId, u64);

#[derive(Debug, Default)]
pub(super) struct Waiters {
    lines: BTreeMap<Line, Waiting>,
    index: BTreeMap<ReceiverKey, Line>,
    /// Those of them that do not stand.
    once: usize,
    next_turn: u64,
    /// Tickets given, from the middle up,
    given: u64,
    /// and from the middle down.
    given_below: u64,
}

/// Tickets grow from here for those who are to be first, and fall for those who are to be last.
const MIDDLE: u64 = 1 << 63;

#[derive(Debug, Default)]
struct Waiting {
    sessions: BTreeMap<SessionId, Parked>,
    /// Turn → session. A turn is never given twice.
    order: BTreeMap<u64, SessionId>,
}

#[derive(Debug)]
struct Parked {
    turn: u64,
    /// By ticket: the newest last.
    receivers: BTreeMap<u64, Receiver>,
}

impl Waiters {
    pub(super) fn len(&self) -> usize {
        self.index.len()
    }

    /// Receivers that get something once.
    pub(super) const fn once(&self) -> usize {
        self.once
    }

    pub(super) fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// As the first of its session's receivers in its line.
    pub(super) fn park(&mut self, receiver: Receiver) -> ReceiverKey {
        self.given += 1;
        self.park_as(MIDDLE + self.given, receiver)
    }

    /// As the last of them: a standing receiver that was served does not keep the others waiting.
    pub(super) fn park_last(&mut self, receiver: Receiver) -> ReceiverKey {
        self.given_below += 1;
        self.park_as(MIDDLE - self.given_below, receiver)
    }

    fn park_as(&mut self, ticket: u64, receiver: Receiver) -> ReceiverKey {
        let (session, request) = (receiver.to.session, receiver.to.request);
        self.index.insert((session, request, ticket), receiver.line.clone());
        self.once += usize::from(!receiver.standing);
        let waiting = self.lines.entry(receiver.line.clone()).or_default();
        let parked = waiting.sessions.entry(session).or_insert_with(|| {
            let turn = self.next_turn;
            self.next_turn += 1;
            waiting.order.insert(turn, session);
            Parked { turn, receivers: BTreeMap::new() }
        });
        parked.receivers.insert(ticket, receiver);
        (session, request, ticket)
    }

    /// The turn of the first session in a line.
    pub(super) fn turn(&self, line: &Line) -> Option<u64> {
        self.lines.get(line)?.order.first_key_value().map(|(turn, _)| *turn)
    }

    /// Lines for single partitions that have somebody in them.
    pub(super) fn partition_lines(&self) -> impl Iterator<Item = &Line> {
        let is_one = |line: &&Line| matches!(line, Line::MessageOf(_) | Line::PartitionOf(_));
        self.lines.keys().filter(is_one)
    }

    /// Lines for labels that have somebody in them.
    pub(super) fn labelled_lines(&self) -> impl Iterator<Item = &Line> {
        self.lines.keys().filter(|line| matches!(line, Line::Labelled(..)))
    }

    /// The receiver of a line that is to be served next.
    pub(super) fn first(&self, line: &Line) -> Option<ReceiverKey> {
        let waiting = self.lines.get(line)?;
        let (_, session) = waiting.order.first_key_value()?;
        let (ticket, receiver) = waiting.sessions.get(session)?.receivers.last_key_value()?;
        Some((*session, receiver.to.request, *ticket))
    }

    /// Takes out a receiver that is served: its session goes to the end of the line.
    pub(super) fn serve(&mut self, key: ReceiverKey) -> Option<Receiver> {
        let line = self.index.get(&key)?.clone();
        let receiver = self.remove(key)?;
        if let Some(waiting) = self.lines.get_mut(&line)
            && let Some(parked) = waiting.sessions.get_mut(&key.0)
        {
            waiting.order.remove(&parked.turn);
            parked.turn = self.next_turn;
            waiting.order.insert(self.next_turn, key.0);
            self.next_turn += 1;
        }
        Some(receiver)
    }

    /// Takes out a receiver; the others of its session keep their turn.
    pub(super) fn remove(&mut self, key: ReceiverKey) -> Option<Receiver> {
        let line = self.index.remove(&key)?;
        let waiting = self.lines.get_mut(&line)?;
        let parked = waiting.sessions.get_mut(&key.0)?;
        let receiver = parked.receivers.remove(&key.2)?;
        self.once -= usize::from(!receiver.standing);
        if parked.receivers.is_empty() {
            waiting.order.remove(&parked.turn);
            waiting.sessions.remove(&key.0);
            if waiting.sessions.is_empty() {
                self.lines.remove(&line);
            }
        }
        Some(receiver)
    }

    /// The newest receiver that was made by this request.
    pub(super) fn find(&self, session: SessionId, request: RequestId) -> Option<ReceiverKey> {
        let range = (session, request, 0)..=(session, request, u64::MAX);
        self.index.range(range).next_back().map(|(key, _)| *key)
    }

    /// All receivers of a session.
    pub(super) fn of_session(&self, session: SessionId) -> Vec<ReceiverKey> {
        let range = (session, RequestId(0), 0)..=(session, RequestId(u64::MAX), u64::MAX);
        self.index.range(range).map(|(key, _)| *key).collect()
    }

    /// Removes all receivers, line by line, in the order in which they would have been served.
    pub(super) fn take_all(&mut self) -> Vec<(ReceiverKey, Receiver)> {
        let mut all = Vec::with_capacity(self.len());
        while let Some(line) = self.lines.keys().next().cloned() {
            while let Some(key) = self.first(&line) {
                if let Some(receiver) = self.serve(key) {
                    all.push((key, receiver));
                }
            }
        }
        all
    }

    #[cfg(test)]
    pub(super) fn receivers(&self) -> impl Iterator<Item = &Receiver> {
        let sessions = self.lines.values().flat_map(|waiting| waiting.sessions.values());
        sessions.flat_map(|parked| parked.receivers.values())
    }

    /// # Panics
    /// When the lines and the index disagree.
    #[cfg(test)]
    pub(super) fn check(&self) {
        let mut count = 0;
        for (line, waiting) in &self.lines {
            assert_eq!(waiting.order.len(), waiting.sessions.len(), "one turn per session");
            for (turn, session) in &waiting.order {
                assert_eq!(waiting.sessions[session].turn, *turn);
                assert!(!waiting.sessions[session].receivers.is_empty());
            }
            for (session, parked) in &waiting.sessions {
                for (ticket, receiver) in &parked.receivers {
                    count += 1;
                    assert_eq!(receiver.line, *line);
                    let key = (*session, receiver.to.request, *ticket);
                    assert_eq!(self.index.get(&key), Some(line));
                }
            }
        }
        assert_eq!(count, self.index.len());
        assert_eq!(self.once, self.receivers().filter(|receiver| !receiver.standing).count());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Permit;

    fn receiver(session: u64, request: u64) -> Receiver {
        let to = ReplyTo {
            session: SessionId(session),
            request: RequestId(request),
            permit: Permit::Parked,
        };
        Receiver {
            to,
            line: Line::Message,
            max: 1,
            partitions_max: 1,
            term: Term::Session,
            until: None,
            standing: false,
            told: false,
        }
    }

    fn park(waiters: &mut Waiters, receivers: &[(u64, u64)]) {
        for (session, request) in receivers {
            waiters.park(receiver(*session, *request));
            waiters.check();
        }
    }

    #[test]
    fn connections_take_turns_and_within_one_the_newest_is_first() {
        let mut waiters = Waiters::default();
        park(&mut waiters, &[(1, 1), (1, 2), (1, 3), (2, 1), (3, 1), (2, 2)]);
        let order: Vec<_> = waiters
            .take_all()
            .iter()
            .map(|((session, request, _), _)| (session.0, request.0))
            .collect();
        assert_eq!(order, [(1, 3), (2, 2), (3, 1), (1, 2), (2, 1), (1, 1)]);
        waiters.check();
    }

    #[test]
    fn a_removed_receiver_leaves_the_others_their_turn() {
        let mut waiters = Waiters::default();
        park(&mut waiters, &[(1, 1), (2, 1), (1, 2), (3, 1)]);
        waiters.remove(waiters.find(SessionId(1), RequestId(2)).unwrap()).unwrap();
        waiters.check();
        assert_eq!(waiters.first(&Line::Message).unwrap().0, SessionId(1));
        for key in waiters.of_session(SessionId(1)) {
            waiters.remove(key).unwrap();
        }
        waiters.check();
        assert_eq!(waiters.len(), 2);
        assert_eq!(waiters.first(&Line::Message).unwrap().0, SessionId(2));
        assert!(waiters.find(SessionId(1), RequestId(1)).is_none());
    }
}
