//! Where one group stands in one partition: a cursor, and what differs from it.
//!
//! ```text
//! offsets   0 1 2 3 4 5 6 7 8 9
//!           d d L d B f f D f f     d done (nothing is kept of it)   L leased   B blocked   D delayed
//!                     ▲ next        f fresh: ready and never taken (nothing is kept of it either)
//! ```
//!
//! Everything before `next` is done and everything from it on is fresh, but for what `deliveries` says. So a
//! group that consumes in order costs nothing per message.

use std::{collections::BTreeSet, sync::Arc};

use super::{command::State, deliveries::Deliveries, log::Log, message::Sequence, view::Counts};
use crate::types::{RequestId, SessionId, Timestamp};

/// A lease of one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Lease {
    pub(super) generation: u64,
    pub(super) until: Option<Timestamp>,
    /// The session whose end ends it.
    pub(super) bound: Option<SessionId>,
    /// The standing receiver whose credit it uses.
    pub(super) receiver: Option<(SessionId, RequestId)>,
    /// A prepared transaction that keeps it from ending.
    pub(super) pinned: Option<u64>,
    /// Its session ended meanwhile.
    pub(super) orphaned: bool,
}

/// A lease of a partition: some of its messages, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) lease: Lease,
    /// Offsets in the order in which they are to be done.
    pub(super) members: Vec<u64>,
}

/// Where a delivery stands that is neither done nor fresh.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Hold {
    Ready,
    Delayed(Timestamp),
    /// Waits for its window to close.
    Held,
    Blocked,
    Leased(Box<Lease>),
    InRun,
    Dead {
        at: Timestamp,
        reason: Arc<str>,
    },
    /// Done, and not before `next` yet.
    Done,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Delivery {
    /// Deliveries so far.
    pub(super) attempts: u32,
    pub(super) failures: u32,
    pub(super) hold: Hold,
    /// Its place, while it waits or is ready.
    pub(super) class: i64,
    /// When its class changes.
    pub(super) ages_at: Option<Timestamp>,
}

impl Delivery {
    pub(super) const FRESH: Self =
        Self { attempts: 0, failures: 0, hold: Hold::Ready, class: 0, ages_at: None };
}

#[derive(Debug, Default)]
pub(super) struct Lane {
    pub(super) next: u64,
    /// Fresh messages.
    fresh: usize,
    deliveries: Deliveries,
    /// Ready ones that are not fresh, by class and offset.
    ready: BTreeSet<(i64, u64)>,
    /// Those that a partition lease cannot pass: blocked, delayed, held.
    stops: BTreeSet<(i64, u64)>,
    pub(super) held: BTreeSet<u64>,
    blocked: usize,
    /// Messages leased one by one.
    leased: usize,
    dead: usize,
    pub(super) run: Option<Box<Run>>,
    /// Generation of the last partition lease that was settled to its end.
    pub(super) settled_run: Option<u64>,
    /// Failures of the partition under partition leases.
    pub(super) failures: u32,
    /// What the group's indexes say of it.
    pub(super) head: Option<(i64, Sequence)>,
    pub(super) run_head: Option<(i64, Sequence)>,
}

impl Lane {
    /// A lane to which nothing before `next` belongs, and nothing from it on yet.
    pub(super) fn starting_at(next: u64) -> Self {
        Self { next, ..Self::default() }
    }

    /// Begins anew. The group's indexes still say what they said.
    pub(super) fn restart_at(&mut self, next: u64) {
        let (head, run_head) = (self.head, self.run_head);
        *self = Self { head, run_head, ..Self::starting_at(next) };
    }

    pub(super) fn ready_len(&self) -> usize {
        self.fresh + self.ready.len()
    }

    #[cfg(test)]
    pub(super) const fn leased_len(&self) -> usize {
        self.leased
    }

    fn run_len(&self) -> usize {
        self.run.as_ref().map_or(0, |run| run.members.len())
    }

    /// All but `done`, which is what is left of the kept ones.
    pub(super) fn count(&self, kept: usize, counts: &mut Counts) {
        let (ready, leased) = (self.ready_len(), self.leased + self.run_len());
        let open = self.stops.len() + ready + leased + self.dead;
        counts.blocked += self.blocked as u64;
        counts.delayed += (self.stops.len() - self.blocked) as u64;
        counts.ready += ready as u64;
        counts.leased += leased as u64;
        counts.dead += self.dead as u64;
        counts.done += kept.saturating_sub(open) as u64;
    }

    pub(super) fn get(&self, offset: u64) -> Option<&Delivery> {
        self.deliveries.get(offset)
    }

    /// A leased message's lease.
    pub(super) fn lease_mut(&mut self, offset: u64) -> Option<&mut Lease> {
        match &mut self.deliveries.get_mut(offset)?.hold {
            Hold::Leased(lease) => Some(lease),
            _ => None,
        }
    }

    pub(super) fn set_failures(&mut self, offset: u64, failures: u32) {
        if let Some(delivery) = self.deliveries.get_mut(offset) {
            delivery.failures = failures;
        }
    }

    /// Deliveries and failures so far, as far as they are known.
    pub(super) fn counts_of(&self, offset: u64) -> (u32, u32) {
        self.deliveries
            .get(offset)
            .map_or((0, 0), |delivery| (delivery.attempts, delivery.failures))
    }

    pub(super) fn state(&self, offset: u64) -> State {
        match self.deliveries.get(offset) {
            None if offset < self.next => State::Done,
            None => State::Ready,
            Some(delivery) => match delivery.hold {
                Hold::Ready => State::Ready,
                Hold::Delayed(_) | Hold::Held => State::Delayed,
                Hold::Blocked => State::Blocked,
                Hold::Leased(_) | Hold::InRun => State::Leased,
                Hold::Dead { .. } => State::Dead,
                Hold::Done => State::Done,
            },
        }
    }

    pub(super) fn is_ready(&self, offset: u64) -> bool {
        self.state(offset) == State::Ready
    }

    /// Whether it is in the partition lease.
    pub(super) fn is_in_run(&self, offset: u64) -> bool {
        self.get(offset).is_some_and(|delivery| delivery.hold == Hold::InRun)
    }

    /// The message at the end of the log is fresh.
    pub(super) fn push_fresh(&mut self) {
        self.fresh += 1;
    }

    /// Takes a message out of all indexes; `None` if it is done. One of [`Self::place`], [`Self::finish`] or
    /// the removal of the message must follow.
    pub(super) fn lift(&mut self, offset: u64) -> Option<Delivery> {
        let Some(delivery) = self.deliveries.remove(offset) else {
            if offset < self.next {
                return None;
            }
            self.fresh -= 1;
            return Some(Delivery::FRESH);
        };
        let place = (delivery.class, offset);
        match delivery.hold {
            Hold::Ready => drop(self.ready.remove(&place)),
            Hold::Delayed(_) => drop(self.stops.remove(&place)),
            Hold::Held => {
                self.stops.remove(&place);
                self.held.remove(&offset);
            }
            Hold::Blocked => {
                self.stops.remove(&place);
                self.blocked -= 1;
            }
            Hold::Leased(_) => self.leased -= 1,
            Hold::InRun => {
                if let Some(run) = &mut self.run {
                    run.members.retain(|member| *member != offset);
                }
            }
            Hold::Dead { .. } => self.dead -= 1,
            Hold::Done => {
                self.deliveries.insert(offset, delivery);
                return None;
            }
        }
        Some(delivery)
    }

    /// Puts a message that was lifted, or is new, where `delivery` says. A member of a run must be in
    /// [`Self::run`] already.
    pub(super) fn place(&mut self, offset: u64, delivery: Delivery, log: &Log) {
        let place = (delivery.class, offset);
        match delivery.hold {
            Hold::Ready => drop(self.ready.insert(place)),
            Hold::Delayed(_) => drop(self.stops.insert(place)),
            Hold::Held => {
                self.stops.insert(place);
                self.held.insert(offset);
            }
            Hold::Blocked => {
                self.stops.insert(place);
                self.blocked += 1;
            }
            Hold::Leased(_) => self.leased += 1,
            Hold::Dead { .. } => self.dead += 1,
            Hold::InRun | Hold::Done => {}
        }
        self.deliveries.insert(offset, delivery);
        self.is_not_fresh(offset, log);
    }

    /// A message that was lifted is done.
    pub(super) fn finish(&mut self, offset: u64, log: &Log) {
        if offset >= self.next && log.get(offset).is_some() {
            let delivery = Delivery { hold: Hold::Done, ..Delivery::FRESH };
            self.deliveries.insert(offset, delivery);
        }
        self.is_not_fresh(offset, log);
    }

    /// A message is removed from the log: nothing may be left of it.
    pub(super) fn forget(&mut self, offset: u64, log: &Log) {
        self.deliveries.remove(offset);
        self.is_not_fresh(offset, log);
    }

    /// What is at `offset` is not fresh, or not any more.
    #[inline]
    fn is_not_fresh(&mut self, offset: u64, log: &Log) {
        if offset == self.next {
            self.advance(log);
        }
    }

    /// Moves `next` to the first fresh message, or the end.
    pub(super) fn advance(&mut self, log: &Log) {
        let end = log.end();
        while self.next < end {
            if log.get(self.next).is_none() {
                self.next = log.next_at(self.next).unwrap_or(end);
                continue;
            }
            match self.deliveries.get(self.next) {
                None => return,
                Some(Delivery { hold: Hold::Done, .. }) => {
                    self.deliveries.remove(self.next);
                    self.next += 1;
                }
                Some(_) => self.next += 1,
            }
        }
    }

    /// Class and offset of the first ready message.
    pub(super) fn first_ready(&self) -> Option<(i64, u64)> {
        let fresh = (self.fresh > 0).then_some((0, self.next));
        match (self.ready.first().copied(), fresh) {
            (Some(returned), Some(fresh)) => Some(returned.min(fresh)),
            (returned, fresh) => returned.or(fresh),
        }
    }

    /// The first ready message, if single messages can be taken.
    pub(super) fn takeable(&self) -> Option<(i64, u64)> {
        if self.run.is_some() { None } else { self.first_ready() }
    }

    /// The first ready message, if the partition can be taken.
    pub(super) fn run_takeable(&self) -> Option<(i64, u64)> {
        let first = self.takeable().filter(|_| self.leased == 0)?;
        if self.stops.first().is_some_and(|stop| *stop < first) { None } else { Some(first) }
    }

    /// All ready messages in order.
    pub(super) fn iter_ready<'a>(
        &'a self,
        log: &'a Log,
    ) -> impl Iterator<Item = (i64, u64)> + use<'a> {
        let mut returned = self.ready.iter().copied().peekable();
        let fresh_left = if self.fresh > 0 { self.next } else { log.end() };
        let mut fresh = log
            .from(fresh_left)
            .map(|(offset, _)| offset)
            .filter(|offset| !self.deliveries.contains(*offset))
            .take(self.fresh)
            .map(|offset| (0, offset))
            .peekable();
        std::iter::from_fn(move || match (returned.peek(), fresh.peek()) {
            (Some(one), Some(other)) if one < other => returned.next(),
            (Some(_), None) => returned.next(),
            (_, Some(_)) => fresh.next(),
            (None, None) => None,
        })
    }

    /// The ready messages that a partition lease gets, at most `max`.
    pub(super) fn run_of(&self, max: usize, log: &Log) -> Vec<u64> {
        let stop = self.stops.first().copied();
        self.iter_ready(log)
            .take_while(|place| stop.is_none_or(|stop| *place < stop))
            .take(max)
            .map(|(_, offset)| offset)
            .collect()
    }

    /// All that is not done or fresh, by offset.
    pub(super) fn exceptions(&self) -> impl Iterator<Item = (u64, &Delivery)> {
        self.exceptions_from(0)
    }

    pub(super) fn exceptions_from(&self, first: u64) -> impl Iterator<Item = (u64, &Delivery)> {
        self.deliveries.from(first)
    }

    /// When the first of its leases ends.
    pub(super) fn next_lease_end(&self) -> Option<Timestamp> {
        let run = self.run.as_ref().and_then(|run| run.lease.until);
        let single = self.deliveries.values().filter_map(|delivery| match &delivery.hold {
            Hold::Leased(lease) => lease.until,
            _ => None,
        });
        single.chain(run).min()
    }

    /// When the first delayed message is ready.
    pub(super) fn next_visible(&self) -> Option<Timestamp> {
        let delayed = self.deliveries.values().filter_map(|delivery| match delivery.hold {
            Hold::Delayed(until) => Some(until),
            _ => None,
        });
        delayed.min()
    }

    /// # Panics
    /// When an index disagrees with the deliveries (I1).
    #[cfg(test)]
    pub(super) fn check(&self, log: &Log, fifo: bool) {
        let fresh = log.from(self.next).filter(|(at, _)| !self.deliveries.contains(*at)).count();
        assert_eq!(self.fresh, fresh, "I5: fresh");
        assert!(fifo || fresh == 0, "I2: no fresh messages but with fifo");
        let is_fresh = |at| log.get(at).is_some() && !self.deliveries.contains(at);
        assert!(self.next == log.end() || is_fresh(self.next), "I5: next");
        let (mut ready, mut stops, mut held, mut blocked, mut leased, mut dead, mut members) =
            (BTreeSet::new(), BTreeSet::new(), BTreeSet::new(), 0, 0, 0, BTreeSet::new());
        for (offset, delivery) in &self.deliveries.from(0).collect::<Vec<_>>() {
            assert!(log.get(*offset).is_some(), "I1: nothing is left of what is removed");
            let place = (delivery.class, *offset);
            match delivery.hold {
                Hold::Ready => drop(ready.insert(place)),
                Hold::Delayed(_) => drop(stops.insert(place)),
                Hold::Held => {
                    stops.insert(place);
                    held.insert(*offset);
                }
                Hold::Blocked => {
                    stops.insert(place);
                    blocked += 1;
                }
                Hold::Leased(_) => leased += 1,
                Hold::InRun => drop(members.insert(*offset)),
                Hold::Dead { .. } => dead += 1,
                Hold::Done => assert!(*offset > self.next, "I5: a marker that is not needed"),
            }
        }
        assert_eq!((&ready, &stops, &held), (&self.ready, &self.stops, &self.held), "I1");
        assert_eq!((blocked, leased, dead), (self.blocked, self.leased, self.dead), "I5");
        let run: BTreeSet<u64> =
            self.run.iter().flat_map(|run| run.members.iter().copied()).collect();
        assert_eq!(members, run, "I1: run");
        assert!(self.run.is_none() || (self.leased == 0 && !members.is_empty()), "I1: both");
    }
}
