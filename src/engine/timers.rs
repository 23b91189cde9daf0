//! What is to happen when. At the same moment in the order of the list below.

use std::{collections::BTreeSet, sync::Arc};

use super::message::Position;
use crate::types::{RequestId, ScheduleName, SessionId, Timestamp};

/// Something that happens at a time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// The lease of a message ends.
    Lease { group: u32, position: Position },
    /// The lease of a partition ends.
    Run { group: u32, partition: u32 },
    /// A delayed message becomes ready.
    Visible { group: u32, position: Position },
    /// A window closes.
    Window { partition: u32 },
    /// The class of a waiting message changes.
    Age { group: u32, position: Position },
    /// A message is no longer good.
    Expiry { position: Position },
    /// The oldest messages of a partition are too old.
    Oldest { partition: u32 },
    /// A settled message has been kept long enough.
    Settled { position: Position },
    /// A dead letter has been kept long enough.
    Dead { group: u32, position: Position },
    /// An id has been remembered long enough.
    Id { id: Arc<str> },
    /// A key has been remembered long enough.
    Key { partition: u32, key: Arc<str> },
    /// A schedule's message is to be sent.
    Schedule { name: ScheduleName },
    /// The rate allows another delivery.
    Rate,
    /// Somebody has waited for a result long enough.
    Await { session: SessionId, request: RequestId, ticket: u64 },
    /// A receiver has waited long enough.
    Receiver { group: u32, session: SessionId, request: RequestId, ticket: u64 },
}

#[derive(Debug, Default)]
pub(super) struct Timers(BTreeSet<(Timestamp, Timer)>);

impl Timers {
    pub(super) fn set(&mut self, at: Timestamp, timer: Timer) {
        self.0.insert((at, timer));
    }

    pub(super) fn clear(&mut self, at: Timestamp, timer: Timer) {
        self.0.remove(&(at, timer));
    }

    pub(super) fn next(&self) -> Option<Timestamp> {
        self.0.first().map(|(at, _)| *at)
    }

    /// Removes and returns the first one that is due.
    pub(super) fn pop_due(&mut self, now: Timestamp) -> Option<(Timestamp, Timer)> {
        if self.next()? > now {
            return None;
        }
        self.0.pop_first()
    }
}
