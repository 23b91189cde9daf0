//! Receivers that have found something, and wait a little for more.
//!
//! Such a receiver is in no line. It is served when its max is there, before all who are in line, or when its time is
//! over; if what it had found is gone by then it goes back into its line.

use std::sync::Arc;

use super::{
    effect::Outcome,
    queue::Queue,
    timers::Timer,
    waiters::{Line, Receiver},
};
use crate::types::{SessionId, Timestamp};

#[derive(Debug)]
pub(super) struct Filling {
    pub(super) receiver: Arc<Receiver>,
    ends: Timestamp,
    ticket: u64,
}

impl Queue {
    /// A receiver that would get something, but not its max, is set aside, if the queue wants that.
    pub(super) fn set_aside(&mut self, group: u32, receiver: &Arc<Receiver>) -> bool {
        let wait = self.settings.batch_wait;
        if wait.0 == 0 || receiver.max < 2 || receiver.told || receiver.standing {
            return false;
        }
        let ends = self.now.after(wait);
        let ends = receiver.until.map_or(ends, |until| until.min(ends));
        let found = self.found(group, receiver);
        if ends <= self.moment
            || found == 0
            || found >= receiver.max as usize
            || self.parked() >= self.config.parked_max
        {
            return false;
        }
        let ticket = self.ticket();
        self.timers.set(ends, Timer::Fill { group, ticket });
        let filling = Filling { receiver: Arc::clone(receiver), ends, ticket };
        if let Some(members) = self.group_mut(group) {
            members.filling.push(filling);
            self.filling.insert(group);
        }
        self.arm_rate(group, receiver.max);
        true
    }

    /// How many messages a receiver would get now.
    fn found(&mut self, group: u32, receiver: &Receiver) -> usize {
        let max = (receiver.max as usize).min(self.allowance(group));
        let Some(members) = self.group(group).filter(|_| max > 0) else { return 0 };
        let one = |key| self.by_key.get(key).copied();
        let run = |partition: u32| {
            let lane = members.lanes.get(partition)?;
            lane.run_takeable()?;
            let log = &self.partitions.get(partition)?.log;
            Some(if receiver.newest { 1 } else { lane.run_of(max, log).len() })
        };
        let count = |partitions: &mut dyn Iterator<Item = u32>| {
            partitions.take(receiver.partitions_max as usize).filter_map(run).sum::<usize>()
        };
        let found = match &receiver.line {
            Line::Message => self.takeable(group, None).take(max).count(),
            Line::MessageOf(key) => self.takeable(group, Some(key)).take(max).count(),
            Line::Labelled(partition, labels) => {
                self.labelled(group, partition.as_ref(), labels, max).len()
            }
            Line::Partition => count(&mut members.runs_in_order()),
            Line::PartitionOf(key) => count(&mut one(key).into_iter()),
        };
        found.min(max)
    }

    /// Something has happened: perhaps the max of one is there now. It need not be a message that has come: where the run
    /// that it would have got is taken by another, or gone, the next one may be longer.
    pub(super) fn mark_filling(&mut self) {
        let groups = std::mem::take(&mut self.filling);
        groups.iter().for_each(|group| self.serve(*group, None));
        self.filling = groups;
    }

    /// Serves the first one whose max is there; `false` if there is none.
    pub(super) fn serve_filled(&mut self, group: u32) -> bool {
        let count = self.group(group).map_or(0, |members| members.filling.len());
        // The last one that found too little, and how much: most want the same, and would find the same.
        let mut last: Option<(Arc<Receiver>, usize)> = None;
        for at in 0..count {
            let filling = self.group(group).and_then(|members| members.filling.get(at));
            let Some(receiver) = filling.map(|filling| Arc::clone(&filling.receiver)) else {
                break;
            };
            let found = match &last {
                Some((other, found)) if receiver.finds_what(other) => *found,
                _ => self.found(group, &receiver),
            };
            if found >= receiver.max as usize {
                self.take_filling(group, |filling| filling.receiver.to == receiver.to);
                let delivered = self.grab(group, &receiver);
                self.reply(receiver.to, Ok(Outcome::Delivered(delivered)));
                return true;
            }
            // Perhaps the messages are there, and only the rate is against it.
            self.arm_rate(group, receiver.max);
            last = Some((receiver, found));
        }
        false
    }

    /// Its time is over: it gets what is there.
    pub(super) fn fill_ends(&mut self, group: u32, ticket: u64) {
        let Some(receiver) = self.take_filling(group, |it| it.ticket == ticket) else { return };
        let delivered = self.grab(group, &receiver);
        if !delivered.is_empty() {
            self.reply(receiver.to, Ok(Outcome::Delivered(delivered)));
        } else if receiver.until.is_some_and(|until| until <= self.moment) {
            self.reply(receiver.to, Ok(Outcome::Empty));
        } else {
            self.arm_rate(group, 1);
            self.park(group, receiver);
        }
    }

    /// The first one that is meant waits no more.
    pub(super) fn take_filling(
        &mut self,
        group: u32,
        is_meant: impl Fn(&Filling) -> bool,
    ) -> Option<Arc<Receiver>> {
        let members = self.group_mut(group)?;
        let at = members.filling.iter().position(is_meant)?;
        let Filling { receiver, ends, ticket } = members.filling.remove(at);
        if members.filling.is_empty() {
            self.filling.remove(&group);
        }
        self.timers.clear(ends, Timer::Fill { group, ticket });
        Some(receiver)
    }

    /// A session waits no more; nobody is told.
    pub(super) fn forget_filling(&mut self, group: u32, session: SessionId) {
        while self.take_filling(group, |it| it.receiver.to.session == session).is_some() {}
    }
}
