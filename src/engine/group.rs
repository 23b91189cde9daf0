//! A group: its lanes, one per partition, and who waits for them.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    bound::Bound,
    filling::Filling,
    lane::{Hold, Lane},
    log::Log,
    message::{Position, Sequence},
    numbered::Numbered,
    partition::Partition,
    record::RecordNumber,
    view::Counts,
    waiters::{StandingReceiver, Waiters},
};
use crate::types::{GroupName, RequestId, SessionId};

#[derive(Debug)]
pub(super) struct Group {
    /// None: the work group.
    pub(super) name: Option<GroupName>,
    /// The record that made it: what it hands out rests on it.
    pub(super) made_in: RecordNumber,
    /// The first message for it, when it began.
    pub(super) from: Sequence,
    /// By number of the partition.
    pub(super) lanes: Numbered<Lane>,
    /// Partitions with messages that can be taken, by the first of them. Not kept for a single partition.
    heads: BTreeSet<(i64, Sequence, u32)>,
    /// Partitions that can be taken as a whole, likewise.
    pub(super) runs: BTreeSet<(i64, Sequence, u32)>,
    pub(super) waiters: Waiters,
    /// In the order in which they were set aside.
    pub(super) filling: Vec<Filling>,
    pub(super) standing: BTreeMap<(SessionId, RequestId), StandingReceiver>,
    /// Messages in leases.
    pub(super) leased: usize,
    /// What ends with a session.
    pub(super) bound: Bound,
    pub(super) bound_runs: BTreeSet<(SessionId, u32)>,
}

fn is_bound(lanes: &Numbered<Lane>, session: SessionId, position: Position) -> bool {
    let delivery = lanes.get(position.partition).and_then(|lane| lane.get(position.offset));
    let Some(Hold::Leased(lease)) = delivery.map(|delivery| &delivery.hold) else { return false };
    lease.bound == Some(session)
}

impl Group {
    pub(super) fn new(name: Option<GroupName>, lanes: Numbered<Lane>) -> Self {
        Self {
            name,
            made_in: RecordNumber(0),
            from: Sequence(0),
            lanes,
            heads: BTreeSet::new(),
            runs: BTreeSet::new(),
            waiters: Waiters::default(),
            filling: Vec::new(),
            standing: BTreeMap::new(),
            leased: 0,
            bound: Bound::default(),
            bound_runs: BTreeSet::new(),
        }
    }

    pub(super) fn ready(&self) -> usize {
        self.lanes.values().map(Lane::ready_len).sum()
    }

    /// Nobody waits for anything.
    pub(super) fn has_nobody(&self) -> bool {
        self.waiters.is_empty() && self.filling.is_empty()
    }

    /// Once and standing receivers.
    pub(super) fn receivers(&self) -> usize {
        self.waiters.once() + self.standing.len() + self.filling.len()
    }

    /// A message of a standing receiver is no longer leased: it waits again if it did not.
    pub(super) fn credit_back(&mut self, key: (SessionId, RequestId)) {
        let Some(standing) = self.standing.get_mut(&key) else { return };
        let waited = standing.outstanding < standing.credit;
        standing.outstanding -= 1;
        if !waited && standing.outstanding < standing.credit {
            self.waiters.park(Arc::clone(&standing.receiver));
        }
    }

    /// A message is leased to a session, or is not any more.
    pub(super) fn bind(&mut self, session: SessionId, position: Position) {
        self.bound.note(session, position);
    }

    pub(super) fn unbind(&mut self, session: SessionId) {
        let Self { bound, lanes, .. } = self;
        bound.strike(session, |position| is_bound(lanes, session, *position));
    }

    /// Messages whose leases end with a session, in order.
    pub(super) fn bound_to(&self, session: SessionId) -> Vec<Position> {
        self.bound.of(session, |position| is_bound(&self.lanes, session, *position))
    }

    pub(super) fn counts(&self, partitions: &Numbered<Partition>) -> Counts {
        let mut counts = Counts::default();
        for (lane, partition) in self.lanes.values().zip(partitions.values()) {
            lane.count(partition.log.len(), &mut counts);
        }
        counts
    }

    /// Brings the indexes up to date with a lane.
    #[inline]
    pub(super) fn reindex(&mut self, partition: u32, log: &Log) {
        if self.lanes.len() > 1 {
            self.index(partition, log);
        }
    }

    fn index(&mut self, partition: u32, log: &Log) {
        let Some(lane) = self.lanes.get_mut(partition) else { return };
        let key = |place: Option<(i64, u64)>| {
            let (class, offset) = place?;
            Some((class, log.get(offset)?.sequence()))
        };
        let (head, run_head) = (key(lane.takeable()), key(lane.run_takeable()));
        let update = |index: &mut BTreeSet<_>, old: Option<(i64, Sequence)>, new: Option<_>| {
            if old != new {
                if let Some((class, sequence)) = old {
                    index.remove(&(class, sequence, partition));
                }
                if let Some((class, sequence)) = new {
                    index.insert((class, sequence, partition));
                }
            }
        };
        update(&mut self.heads, lane.head, head);
        update(&mut self.runs, lane.run_head, run_head);
        (lane.head, lane.run_head) = (head, run_head);
    }

    /// The first message that can be taken.
    pub(super) fn first(&self) -> Option<Position> {
        let (partition, lane) = match self.lanes.only() {
            Some(only) => only,
            None => {
                let (_, _, partition) = *self.heads.first()?;
                (partition, self.lanes.get(partition)?)
            }
        };
        let (_, offset) = lane.takeable()?;
        Some(Position { partition, offset })
    }

    /// The partition that is to be taken next.
    pub(super) fn first_run(&self) -> Option<u32> {
        match self.lanes.only() {
            Some((partition, lane)) => lane.run_takeable().map(|_| partition),
            None => self.runs.first().map(|(_, _, partition)| *partition),
        }
    }

    /// Partitions that can be taken as a whole, in their order.
    pub(super) fn runs_in_order(&self) -> impl Iterator<Item = u32> {
        let only = self.lanes.only().filter(|(_, lane)| lane.run_takeable().is_some());
        let single = only.map(|(partition, _)| partition);
        single.into_iter().chain(self.runs.iter().map(|(_, _, partition)| *partition))
    }

    /// Partitions with messages that can be taken, by the first of them. Of a single partition there is no
    /// index.
    pub(super) fn heads(&self) -> impl Iterator<Item = (i64, Sequence, u32)> {
        let single = self.lanes.only().map(|(partition, _)| (i64::MIN, Sequence(0), partition));
        single.into_iter().chain(self.heads.iter().copied())
    }

    /// # Panics
    /// When an index disagrees with the lanes (I1).
    #[cfg(test)]
    pub(super) fn check(&self, partitions: &Numbered<Partition>, fifo: bool) {
        assert_eq!(self.lanes.numbers(), partitions.numbers());
        let (mut leased, mut heads, mut runs) = (0, BTreeSet::new(), BTreeSet::new());
        for ((number, lane), partition) in self.lanes.iter().zip(partitions.values()) {
            lane.check(&partition.log, fifo);
            leased += lane.leased_len() + lane.run.as_ref().map_or(0, |run| run.members.len());
            let key = |(class, offset): (i64, u64)| {
                (class, partition.log.get(offset).unwrap().sequence(), number)
            };
            heads.extend(lane.takeable().map(key));
            runs.extend(lane.run_takeable().map(key));
        }
        assert_eq!(leased, self.leased, "I5: leased");
        if self.lanes.len() > 1 {
            assert_eq!((heads, runs), (self.heads.clone(), self.runs.clone()), "I1: indexes");
        }
        self.waiters.check();
        for standing in self.standing.values() {
            let (session, request) = (standing.to.session, standing.to.request);
            let waits = self.waiters.find(session, request).is_some();
            assert_eq!(waits, standing.outstanding < standing.credit, "credit");
        }
    }
}
