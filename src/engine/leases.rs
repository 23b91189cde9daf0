//! Who holds which message.

use std::collections::BTreeMap;

use super::{effect::LeaseId, effect::Sequence, ready::Message};
use crate::types::SessionId;

/// Leases by holder and message, so that a holder's death finds all of its leases in order.
#[derive(Debug, Default)]
pub(super) struct Leases {
    held: BTreeMap<(SessionId, Sequence), Message>,
}

impl Leases {
    pub(super) fn len(&self) -> usize {
        self.held.len()
    }

    /// Leases `message` to `session`; its next attempt begins.
    pub(super) fn grant(&mut self, session: SessionId, mut message: Message) -> LeaseId {
        message.attempts = message.attempts.saturating_add(1);
        let lease = LeaseId { sequence: message.sequence, attempt: message.attempts };
        self.held.insert((session, message.sequence), message);
        lease
    }

    /// Ends a lease, if it is still this session's and this attempt.
    pub(super) fn end(&mut self, session: SessionId, lease: LeaseId) -> Option<Message> {
        let key = (session, lease.sequence);
        if self.held.get(&key)?.attempts != lease.attempt {
            return None;
        }
        self.held.remove(&key)
    }

    /// Ends all leases of a session, oldest message first.
    pub(super) fn end_all(&mut self, session: SessionId) -> Vec<Message> {
        let first = (session, Sequence(0));
        let last = (session, Sequence(u64::MAX));
        let keys: Vec<_> = self.held.range(first..=last).map(|(key, _)| *key).collect();
        keys.into_iter().filter_map(|key| self.held.remove(&key)).collect()
    }

    /// All leased messages, by holder; for checks and the record of a drain.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Message> {
        self.held.values()
    }
}
