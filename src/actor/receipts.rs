//! Receipts for dialects without acknowledgement: a WebSocket ping behind the answers, and its pong.
//!
//! Every client library answers a ping by itself, in order, after it has read what was before it. So the
//! pong says that everything written before the ping has arrived. Until then the messages are leased.

use std::collections::VecDeque;

use crate::{
    service::LeaseId,
    types::{Millis, QueueName},
};

/// What of a session is under way.
#[derive(Debug, Default)]
pub(super) struct Receipts {
    /// Written, and not yet covered by a ping.
    uncovered: usize,
    /// Written and not received, oldest first, each with the ping that covers it.
    open: VecDeque<(u64, QueueName, LeaseId)>,
    /// Pings without a pong, oldest first.
    pings: VecDeque<(u64, Millis)>,
    last_ping: u64,
}

impl Receipts {
    /// A message was written.
    pub(super) fn written(&mut self, queue: QueueName, lease: LeaseId) {
        self.uncovered += 1;
        self.open.push_back((self.last_ping + 1, queue, lease));
    }

    /// Another connection: what was under way on the old one is not any more. Numbers go on.
    pub(super) fn restart(&mut self) {
        *self = Self { last_ping: self.last_ping, ..Self::default() };
    }

    /// Whether a ping must follow what was written.
    pub(super) const fn is_ping_due(&self) -> bool {
        self.uncovered > 0
    }

    /// The number of the next ping, which covers all that was written before it.
    pub(super) fn ping(&mut self, now: Millis) -> u64 {
        self.uncovered = 0;
        self.last_ping += 1;
        self.pings.push_back((self.last_ping, now));
        self.last_ping
    }

    /// Pong number `ping` came: what it covers has arrived. By queue, in order. A number that was never
    /// sent, or was answered already, means nothing.
    pub(super) fn pong(&mut self, ping: u64) -> Vec<(QueueName, Vec<LeaseId>)> {
        let mut arrived: Vec<(QueueName, Vec<LeaseId>)> = Vec::new();
        if ping > self.last_ping {
            return arrived;
        }
        while self.pings.front().is_some_and(|(number, _)| *number <= ping) {
            self.pings.pop_front();
        }
        while self.open.front().is_some_and(|(number, ..)| *number <= ping) {
            let Some((_, queue, lease)) = self.open.pop_front() else { break };
            match arrived.last_mut() {
                Some((last, leases)) if *last == queue => leases.push(lease),
                _ => arrived.push((queue, vec![lease])),
            }
        }
        arrived
    }

    /// Whether every message that was written has arrived.
    pub(super) fn is_settled(&self) -> bool {
        self.open.is_empty()
    }

    /// When the oldest ping that covers a message was sent.
    pub(super) fn waiting_since(&self) -> Option<Millis> {
        let (covering, ..) = self.open.front()?;
        self.pings.iter().find(|(number, _)| number >= covering).map(|(_, at)| *at)
    }

    /// When the oldest ping without a pong was sent.
    pub(super) fn silent_since(&self) -> Option<Millis> {
        self.pings.front().map(|(_, at)| *at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Position;

    fn lease(n: u64) -> LeaseId {
        LeaseId { group: 0, position: Position { partition: 0, offset: n }, generation: 1 }
    }

    #[test]
    fn one_pong_covers_everything_written_before_its_ping() {
        let (a, b): (QueueName, QueueName) = ("a".parse().unwrap(), "b".parse().unwrap());
        let mut receipts = Receipts::default();
        assert!(!receipts.is_ping_due());
        receipts.written(a.clone(), lease(1));
        receipts.written(a.clone(), lease(2));
        receipts.written(b.clone(), lease(1));
        assert!(receipts.is_ping_due());
        assert_eq!(receipts.ping(Millis(5)), 1);
        assert!(!receipts.is_ping_due(), "covered already");
        receipts.written(a.clone(), lease(3));
        assert_eq!(receipts.ping(Millis(7)), 2);
        assert_eq!(receipts.pong(9), [], "never sent");
        assert_eq!(receipts.waiting_since(), Some(Millis(5)));
        assert_eq!(receipts.pong(1), [(a.clone(), vec![lease(1), lease(2)]), (b, vec![lease(1)])]);
        assert_eq!(receipts.pong(1), [], "twice");
        assert!(!receipts.is_settled());
        assert_eq!(receipts.waiting_since(), Some(Millis(7)));
        assert_eq!(receipts.pong(2), [(a, vec![lease(3)])]);
        assert!(receipts.is_settled());
        assert_eq!(receipts.silent_since(), None);
    }
}
