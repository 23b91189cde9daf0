//! A queue from its records: the same moves, without the decisions.

use std::collections::BTreeSet;

use super::{
    command::State,
    known::Fate,
    lane::Delivery,
    message::{Message, ParentFailed, Position, Sequence},
    queue::{Parent, Queue, WORK},
    record::{Record, RecordNumber, Standing},
    send::hold_of,
    view::Status,
};
use crate::types::{Payload, Timestamp};

impl Queue {
    /// Applies a record that was written earlier.
    ///
    /// What time has done since is done by [`Queue::expire`] afterwards.
    pub fn replay(&mut self, record: Record) {
        self.last_record = RecordNumber(self.last_record.0 + 1);
        match record {
            Record::Opened => self.status = Status::Open,
            Record::Closed => self.status = Status::Closed,
            Record::Paused { paused } => self.paused = paused,
            Record::Deleted => self.vanish(),
            Record::Configured { settings } => self.apply_settings(*settings),
            Record::PartitionAdded { partition, key } => {
                if partition == self.partitions.next() {
                    self.add_partition(key);
                }
            }
            Record::GroupAdded { group, name, from } => {
                if self.group(group).is_none() {
                    self.add_group(group, name, from);
                }
            }
            Record::GroupBegan { group, from } => self.group_began(group, from),
            Record::GroupRemoved { group, at } => {
                self.is_now(at);
                self.remove_group(group);
            }
            Record::Sent { message, standing } => self.replay_sent(message, &standing),
            Record::Replaced { message, standing } => {
                let parents = self.parents_of(&message).unwrap_or_default();
                self.put_in_place(message, &standing, Some(&parents));
            }
            Record::Settled { group, at, positions } => {
                self.is_now(at);
                for position in positions {
                    self.replay_done(group, position, at, None);
                }
            }
            Record::Moved { group, position, failures, standing } => {
                self.replay_moved(group, position, failures, standing);
            }
            Record::Removed { at, positions } => {
                self.is_now(at);
                for position in positions {
                    if self.state(WORK, position).is_some_and(|state| state != State::Done) {
                        self.replay_ended(position, Fate::Failed);
                    }
                    self.remove(position);
                }
            }
            Record::Purged { group, at, through, kept } => {
                self.is_now(at);
                self.replay_purged(group, at, through, &kept);
            }
            Record::Sought { group, partition, offset, at } => {
                self.is_now(at);
                let skipped = self.move_lane(group, partition, offset);
                for position in skipped {
                    if group == WORK {
                        self.replay_ended(position, Fate::Done);
                    }
                    self.settle_slot(position, at, None);
                }
            }
            Record::Charged { group, partition, failures } => {
                if let Some(members) = self.group_mut(group)
                    && let Some(lane) = members.lanes.get_mut(partition)
                {
                    lane.failures = failures;
                }
            }
            Record::Scheduled { name, spec, next } => self.set_schedule(name, spec, next),
            Record::Unscheduled { name } => drop(self.remove_schedule(&name)),
        }
        // Nobody waits, and nobody watches.
        self.unserved.clear();
        self.effects.clear();
    }

    /// Time is only needed for what is remembered for a while.
    fn is_now(&mut self, at: Timestamp) {
        self.now = self.now.max(at);
        self.moment = self.now;
    }

    fn replay_sent(&mut self, message: std::sync::Arc<Message>, standing: &Standing) {
        let Position { partition, offset } = message.position;
        self.is_now(message.sent_at);
        let Some(part) = self.partitions.get_mut(partition) else { return };
        if offset < part.log.end() {
            return; // Known already.
        }
        if offset > part.log.end() {
            part.log.skip_to(offset);
            let lanes = self.groups.iter_mut().flatten();
            lanes
                .filter_map(|group| group.lanes.get_mut(partition))
                .for_each(|lane| lane.advance(&part.log));
        }
        let parents = self.parents_of(&message).unwrap_or_default();
        let (position, sent_at) = (message.position, message.sent_at);
        self.insert(message, standing, Some(&parents));
        if self.group(WORK).is_none() {
            self.replay_ended(position, Fate::Done);
        } else if matches!(standing, Standing::Dead { .. } | Standing::Dropped { .. }) {
            self.replay_ended(position, Fate::Failed);
        }
        if self.has_no_group(position) {
            self.settle_slot(position, sent_at, None);
        }
    }

    fn replay_done(
        &mut self,
        group: u32,
        position: Position,
        at: Timestamp,
        result: Option<Payload>,
    ) {
        if self.lift(group, position).is_none() {
            return;
        }
        self.finish(group, position);
        if group == WORK {
            self.replay_ended(position, Fate::Done);
        }
        self.settle_slot(position, at, result.filter(|_| group == WORK));
    }

    fn replay_moved(&mut self, group: u32, position: Position, failures: u32, standing: Standing) {
        // What failed was delivered as often; more is not written.
        let counts = |before: Delivery| (before.attempts.max(failures), failures);
        match standing {
            Standing::Done { at, result } => {
                self.is_now(at);
                self.replay_done(group, position, at, result);
            }
            Standing::Dropped { at } => {
                self.is_now(at);
                let was_dead = self.state(group, position) == Some(State::Dead);
                if self.lift(group, position).is_none() {
                    return;
                }
                self.finish(group, position);
                if group == WORK && !was_dead {
                    self.replay_ended(position, Fate::Failed);
                }
                self.settle_slot(position, at, None);
            }
            Standing::Dead { at, .. } => {
                self.is_now(at);
                if let Some(before) = self.lift(group, position) {
                    self.place(group, position, counts(before), hold_of(&standing));
                    if group == WORK {
                        self.replay_ended(position, Fate::Failed);
                    }
                }
            }
            Standing::Ready | Standing::Blocked | Standing::Delayed { .. } | Standing::Held => {
                if let Some(before) = self.lift(group, position) {
                    self.place(group, position, counts(before), hold_of(&standing));
                }
            }
        }
    }

    fn replay_purged(&mut self, group: u32, at: Timestamp, through: Sequence, kept: &[Position]) {
        let kept: BTreeSet<Position> = kept.iter().copied().collect();
        let open = self.positions(group, |state| state != State::Done);
        for position in open.into_iter().filter(|position| !kept.contains(position)) {
            if self.seen(position).is_some_and(|message| message.sequence() <= through) {
                self.replay_done(group, position, at, None);
            }
        }
    }

    /// What the end of a message means to those who know it or wait for it. What becomes of its children has
    /// records of its own.
    fn replay_ended(&mut self, position: Position, fate: Fate) {
        self.forget_settled_key(position);
        let parent = Parent::Position(position);
        if fate == Fate::Done {
            self.parent_is_done(&parent);
            return;
        }
        for child in self.children.get(&parent).cloned().unwrap_or_default() {
            match self.rule_of(child) {
                ParentFailed::Wait => {}
                ParentFailed::Run => drop(self.forget_parent(&parent, child)),
                ParentFailed::Fail => self.forget_parents(child),
            }
        }
    }
}
