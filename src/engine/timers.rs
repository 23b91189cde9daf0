//! What is to happen when. At the same moment in the order of the list below.

use std::{collections::BTreeSet, sync::Arc};

use super::{ascending::Ascending, message::Position};
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
    /// A receiver that has found something has waited for more long enough.
    Fill { group: u32, ticket: u64 },
    /// Somebody has waited for a result long enough.
    Await { position: Position, ticket: u64 },
    /// A receiver has waited long enough.
    Receiver { group: u32, session: SessionId, request: RequestId, ticket: u64 },
}

const END: Timestamp = Timestamp(u64::MAX);

#[derive(Debug, Default)]
pub(super) struct Timers {
    timers: BTreeSet<(Timestamp, Timer)>,
    /// Of [`Timer::Lease`], which most timers are.
    leases: Ascending<(Timestamp, u32, Position)>,
    /// When the class of a message that waits in a group changes. That comes first, whatever else is due.
    ageing: BTreeSet<(Timestamp, u32, Position)>,
    /// Before this moment nothing is due.
    quiet_until: Timestamp,
}

impl Timers {
    #[inline]
    pub(super) fn set(&mut self, at: Timestamp, timer: Timer) {
        // The end of time does not come: what is kept for ever costs no timer.
        if at >= END {
            return;
        }
        self.quiet_until = self.quiet_until.min(at);
        match timer {
            Timer::Lease { group, position } => self.leases.insert((at, group, position)),
            other => drop(self.timers.insert((at, other))),
        }
    }

    #[inline]
    pub(super) fn clear(&mut self, at: Timestamp, timer: Timer) {
        match timer {
            Timer::Lease { group, position } => self.leases.remove((at, group, position)),
            other => drop(self.timers.remove(&(at, other))),
        }
    }

    pub(super) fn set_ageing(&mut self, at: Timestamp, group: u32, position: Position) {
        self.quiet_until = self.quiet_until.min(at);
        self.ageing.insert((at, group, position));
    }

    pub(super) fn clear_ageing(&mut self, at: Timestamp, group: u32, position: Position) {
        self.ageing.remove(&(at, group, position));
    }

    /// Whether nothing is due by `now`.
    #[inline]
    pub(super) fn are_quiet(&mut self, now: Timestamp) -> bool {
        if now >= self.quiet_until {
            self.quiet_until = self.next().unwrap_or(END);
        }
        now < self.quiet_until
    }

    /// When the next one is due, and which it is if it is not the end of a message's lease. Those come first.
    pub(super) fn first(&self) -> Option<(Timestamp, Option<&Timer>)> {
        let lease = self.leases.first().map(|(at, _, _)| at);
        match self.timers.first() {
            Some((at, timer)) if lease.is_none_or(|lease| *at < lease) => Some((*at, Some(timer))),
            _ => lease.map(|at| (at, None)),
        }
    }

    pub(super) fn next(&self) -> Option<Timestamp> {
        let ageing = self.ageing.first().map(|(at, _, _)| *at);
        self.first().map(|(at, _)| at).into_iter().chain(ageing).min()
    }

    /// Removes and returns the first message that is to age.
    pub(super) fn pop_ageing(&mut self, now: Timestamp) -> Option<(u32, Position)> {
        self.ageing.first().filter(|(at, _, _)| *at <= now)?;
        self.ageing.pop_first().map(|(_, group, position)| (group, position))
    }

    /// Removes and returns the first one that is due.
    pub(super) fn pop_due(&mut self, now: Timestamp) -> Option<(Timestamp, Timer)> {
        match self.first().filter(|(at, _)| *at <= now)? {
            (_, Some(_)) => self.timers.pop_first(),
            (_, None) => self
                .leases
                .pop_first()
                .map(|(at, group, position)| (at, Timer::Lease { group, position })),
        }
    }
}
