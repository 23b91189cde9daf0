//! Parked receivers and whose turn it is.
//!
//! Connections take turns: one that was served goes to the end of the line if it still has parked
//! receivers. Within a connection the newest is served first; see the module's front page for why.

use std::collections::BTreeMap;

use super::command::ReplyTo;
use crate::types::SessionId;

#[derive(Debug, Default)]
pub(super) struct Waiters {
    sessions: BTreeMap<SessionId, Parked>,
    /// The line: turn → session. A turn is never given twice.
    line: BTreeMap<u64, SessionId>,
    next_turn: u64,
    count: usize,
}

#[derive(Debug)]
struct Parked {
    turn: u64,
    /// Oldest first.
    receivers: Vec<ReplyTo>,
}

impl Waiters {
    pub(super) fn len(&self) -> usize {
        self.count
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub(super) fn park(&mut self, receiver: ReplyTo) {
        self.count += 1;
        if let Some(parked) = self.sessions.get_mut(&receiver.session) {
            parked.receivers.push(receiver);
            return;
        }
        let turn = self.take_turn(receiver.session);
        self.sessions.insert(receiver.session, Parked { turn, receivers: vec![receiver] });
    }

    /// Removes and returns the receiver that is to be served next.
    pub(super) fn next(&mut self) -> Option<ReplyTo> {
        let (_, session) = self.line.pop_first()?;
        let parked = self.sessions.get_mut(&session)?;
        let receiver = parked.receivers.pop()?;
        self.count -= 1;
        if parked.receivers.is_empty() {
            self.sessions.remove(&session);
        } else {
            parked.turn = self.next_turn;
            self.line.insert(self.next_turn, session);
            self.next_turn += 1;
        }
        Some(receiver)
    }

    /// Forgets all receivers of a session.
    pub(super) fn forget(&mut self, session: SessionId) {
        if let Some(parked) = self.sessions.remove(&session) {
            self.line.remove(&parked.turn);
            self.count -= parked.receivers.len();
        }
    }

    /// Removes all receivers, in the order in which they would have been served.
    pub(super) fn take_all(&mut self) -> Vec<ReplyTo> {
        std::iter::from_fn(|| self.next()).collect()
    }

    fn take_turn(&mut self, session: SessionId) -> u64 {
        let turn = self.next_turn;
        self.line.insert(turn, session);
        self.next_turn += 1;
        turn
    }

    /// # Panics
    /// When the line and the sessions disagree.
    #[cfg(test)]
    pub(super) fn check(&self) {
        assert_eq!(self.line.len(), self.sessions.len(), "one place in the line per session");
        for (turn, session) in &self.line {
            assert_eq!(self.sessions[session].turn, *turn);
            assert!(!self.sessions[session].receivers.is_empty());
        }
        let receivers: usize = self.sessions.values().map(|parked| parked.receivers.len()).sum();
        assert_eq!(receivers, self.count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{engine::Permit, types::RequestId};

    fn receiver(session: u64, request: u64) -> ReplyTo {
        ReplyTo { session: SessionId(session), request: RequestId(request), permit: Permit::Parked }
    }

    #[test]
    fn connections_take_turns_and_within_one_the_newest_is_first() {
        let mut waiters = Waiters::default();
        for (session, request) in [(1, 1), (1, 2), (1, 3), (2, 1), (3, 1), (2, 2)] {
            waiters.park(receiver(session, request));
            waiters.check();
        }
        let order: Vec<_> = waiters.take_all().iter().map(|r| (r.session.0, r.request.0)).collect();
        assert_eq!(order, [(1, 3), (2, 2), (3, 1), (1, 2), (2, 1), (1, 1)]);
        waiters.check();
    }

    #[test]
    fn a_forgotten_session_leaves_the_line() {
        let mut waiters = Waiters::default();
        for (session, request) in [(1, 1), (2, 1), (1, 2), (3, 1)] {
            waiters.park(receiver(session, request));
        }
        waiters.forget(SessionId(1));
        waiters.forget(SessionId(9));
        waiters.check();
        assert_eq!(waiters.len(), 2);
        assert_eq!(waiters.next(), Some(receiver(2, 1)));
    }
}
