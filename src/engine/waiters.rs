//! Receivers that wait, and whose turn it is.
//!
//! They wait in lines by what they can take. In a line connections take turns: one that was served goes to
//! the end if it still has receivers there. Within a connection the newest is served first; see the module's
//! front page.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

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
    /// Of each partition it wants the newest message alone.
    pub(super) newest: bool,
    pub(super) term: Term,
    pub(super) until: Option<Timestamp>,
    pub(super) standing: bool,
    /// It is not given anything, only told.
    pub(super) told: bool,
}

impl Receiver {
    /// Whether it would find what the other one finds, but for their max.
    pub(super) fn finds_what(&self, other: &Self) -> bool {
        (&self.line, self.partitions_max, self.newest)
            == (&other.line, other.partitions_max, other.newest)
    }
}

/// A receiver that stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct StandingReceiver {
    pub(super) to: ReplyTo,
    pub(super) credit: u32,
    /// Messages leased to it.
    pub(super) outstanding: u32,
    pub(super) receiver: Arc<Receiver>,
}

/// Names a waiting receiver. Within a session and line the highest ticket is served first.
pub(super) type ReceiverKey = (SessionId, RequestId, u64);

#[derive(Debug, Default)]
pub(super) struct Waiters {
    /// The line of most receivers, [`Line::Message`]; it is not made and given up with each of them.
    messages: Waiting,
    /// The other lines that have somebody in them.
    lines: BTreeMap<Line, Waiting>,
    index: BTreeMap<ReceiverKey, Arc<Receiver>>,
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
    /// Turns and their sessions, the earliest first. A turn is never given twice. One that is not its session's turn
    /// any more is left where it is, but never in front.
    order: VecDeque<(u64, SessionId)>,
}

#[derive(Debug)]
struct Parked {
    turn: u64,
    /// By ticket: the newest last.
    receivers: BTreeMap<u64, Arc<Receiver>>,
}

impl Waiting {
    /// What was left in the order is cleared away: in front at once, elsewhere when it is more than the rest.
    fn tidy(&mut self) {
        let Self { sessions, order } = self;
        let is_live = |(turn, session): &(u64, SessionId)| {
            sessions.get(session).is_some_and(|parked| parked.turn == *turn)
        };
        while order.front().is_some_and(|first| !is_live(first)) {
            order.pop_front();
        }
        if order.len() > 2 * sessions.len() + 16 {
            order.retain(is_live);
        }
    }

    /// Its session goes to the end.
    fn move_last(&mut self, session: SessionId, turn: u64) {
        let Self { sessions, order } = self;
        let Some(parked) = sessions.get_mut(&session) else { return };
        let before = std::mem::replace(&mut parked.turn, turn);
        // Mostly it was the first.
        if order.front() == Some(&(before, session)) {
            order.pop_front();
        }
        order.push_back((turn, session));
        if order.len() > 1 {
            self.tidy();
        }
    }
}

impl Waiters {
    fn line(&self, line: &Line) -> Option<&Waiting> {
        match line {
            Line::Message => Some(&self.messages),
            other => self.lines.get(other),
        }
    }

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

    /// Whether some wait for less than any message.
    pub(super) fn are_choosy(&self) -> bool {
        !self.lines.is_empty()
    }

    /// As the first of its session's receivers in its line.
    pub(super) fn park(&mut self, receiver: Arc<Receiver>) -> ReceiverKey {
        self.given += 1;
        let ticket = MIDDLE + self.given;
        let (session, request) = (receiver.to.session, receiver.to.request);
        self.index.insert((session, request, ticket), Arc::clone(&receiver));
        self.once += usize::from(!receiver.standing);
        let waiting = match &receiver.line {
            Line::Message => &mut self.messages,
            other => self.lines.entry(other.clone()).or_default(),
        };
        let parked = waiting.sessions.entry(session).or_insert_with(|| {
            let turn = self.next_turn;
            self.next_turn += 1;
            waiting.order.push_back((turn, session));
            Parked { turn, receivers: BTreeMap::new() }
        });
        parked.receivers.insert(ticket, receiver);
        (session, request, ticket)
    }

    /// The turn of the first session in a line.
    pub(super) fn turn(&self, line: &Line) -> Option<u64> {
        self.line(line)?.order.front().map(|(turn, _)| *turn)
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
        let waiting = self.line(line)?;
        let (_, session) = waiting.order.front()?;
        let (ticket, receiver) = waiting.sessions.get(session)?.receivers.last_key_value()?;
        Some((*session, receiver.to.request, *ticket))
    }

    /// Takes out a receiver that is served: its session goes to the end of the line.
    pub(super) fn serve(&mut self, key: ReceiverKey) -> Option<Arc<Receiver>> {
        let turn = self.next_turn;
        self.next_turn += 1;
        self.take_out(key, |waiting| waiting.move_last(key.0, turn))
    }

    /// Serves a standing receiver that goes on waiting: it is the last of its session then, and the session the last
    /// of the line. It is not taken out and put back, which would cost more than all else about a message.
    pub(super) fn serve_standing(&mut self, key: ReceiverKey, line: &Line) {
        let (session, request, ticket) = key;
        let waiting = match line {
            Line::Message => &mut self.messages,
            other => match self.lines.get_mut(other) {
                Some(waiting) => waiting,
                None => return,
            },
        };
        if let Some(parked) = waiting.sessions.get_mut(&session)
            && parked.receivers.len() > 1
            && let Some(receiver) = parked.receivers.remove(&ticket)
        {
            self.given_below += 1;
            let last = MIDDLE - self.given_below;
            parked.receivers.insert(last, Arc::clone(&receiver));
            self.index.remove(&key);
            self.index.insert((session, request, last), receiver);
        }
        waiting.move_last(session, self.next_turn);
        self.next_turn += 1;
    }

    /// The receiver, if it waits.
    pub(super) fn get(&self, key: ReceiverKey) -> Option<&Arc<Receiver>> {
        self.index.get(&key)
    }

    /// Takes out a receiver; the others of its session keep their turn.
    pub(super) fn remove(&mut self, key: ReceiverKey) -> Option<Arc<Receiver>> {
        self.take_out(key, |_| {})
    }

    /// `if_left`: the session has others in this line.
    fn take_out(
        &mut self,
        key: ReceiverKey,
        if_left: impl FnOnce(&mut Waiting),
    ) -> Option<Arc<Receiver>> {
        let receiver = self.index.remove(&key)?;
        let waiting = match &receiver.line {
            Line::Message => &mut self.messages,
            other => self.lines.get_mut(other)?,
        };
        let parked = waiting.sessions.get_mut(&key.0)?;
        parked.receivers.remove(&key.2)?;
        self.once -= usize::from(!receiver.standing);
        if !parked.receivers.is_empty() {
            if_left(waiting);
            return Some(receiver);
        }
        waiting.sessions.remove(&key.0);
        waiting.tidy();
        if waiting.sessions.is_empty() && receiver.line != Line::Message {
            self.lines.remove(&receiver.line);
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
    pub(super) fn take_all(&mut self) -> Vec<(ReceiverKey, Arc<Receiver>)> {
        let mut all = Vec::with_capacity(self.len());
        let mut next = Some(Line::Message);
        while let Some(line) = next {
            while let Some(key) = self.first(&line) {
                if let Some(receiver) = self.serve(key) {
                    all.push((key, receiver));
                }
            }
            next = self.lines.keys().next().cloned();
        }
        all
    }

    #[cfg(test)]
    pub(super) fn receivers(&self) -> impl Iterator<Item = &Arc<Receiver>> {
        let lines = self.lines.values().chain([&self.messages]);
        let sessions = lines.flat_map(|waiting| waiting.sessions.values());
        sessions.flat_map(|parked| parked.receivers.values())
    }

    /// # Panics
    /// When the lines and the index disagree.
    #[cfg(test)]
    pub(super) fn check(&self) {
        let mut count = 0;
        for (line, waiting) in self.lines.iter().chain([(&Line::Message, &self.messages)]) {
            let is_live = |(turn, session): &&(u64, SessionId)| {
                waiting.sessions.get(session).is_some_and(|parked| parked.turn == *turn)
            };
            let live = waiting.order.iter().filter(is_live).count();
            assert_eq!(live, waiting.sessions.len(), "one turn per session");
            assert!(waiting.order.front().is_none_or(|first| is_live(&first)));
            assert!(waiting.order.iter().is_sorted());
            assert!(waiting.order.len() <= 2 * waiting.sessions.len() + 16);
            for (session, parked) in &waiting.sessions {
                assert!(!parked.receivers.is_empty());
                for (ticket, receiver) in &parked.receivers {
                    count += 1;
                    assert_eq!(receiver.line, *line);
                    let key = (*session, receiver.to.request, *ticket);
                    assert!(Arc::ptr_eq(&self.index[&key], receiver));
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
            newest: false,
            term: Term::Session,
            until: None,
            standing: false,
            told: false,
        }
    }

    fn park(waiters: &mut Waiters, receivers: &[(u64, u64)]) {
        for (session, request) in receivers {
            waiters.park(Arc::new(receiver(*session, *request)));
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
