//! Making, removing and moving groups.

use super::{
    command::{SeekTo, Start, State},
    effect::{Happened, Outcome},
    group::Group,
    lane::{Hold, Lane},
    log::Seen,
    message::{Message, Position, Sequence},
    moves::Ending,
    numbered::Numbered,
    queue::{Queue, WORK},
    record::{Record, Standing},
    settings::MessageOrder,
    timers::Timer,
};
use crate::{
    error::ErrorCode,
    types::{GroupName, PartitionKey},
};

impl Queue {
    pub(super) fn check_new_group(&self) -> Result<(), ErrorCode> {
        let groups = self.by_name.len() + 1;
        let lanes = self.by_key.len().saturating_mul(groups + 1);
        if groups > self.config.groups_max || lanes > self.config.partitions_max.saturating_mul(10)
        {
            return Err(ErrorCode::TooManyGroups);
        }
        Ok(())
    }

    pub(super) fn open_group(
        &mut self,
        name: &GroupName,
        start: Start,
    ) -> Result<Outcome, ErrorCode> {
        if self.by_name.contains_key(name) {
            return Err(ErrorCode::GroupExists);
        }
        self.check_new_group()?;
        self.come_into_being();
        self.make_group(name, start);
        Ok(Outcome::Done)
    }

    pub(super) fn make_group(&mut self, name: &GroupName, start: Start) -> u32 {
        // The first number that is free; 0 is the work group's, be it there or not. What is leased by one that had it
        // before has another generation.
        let free = (1..).zip(self.groups.iter().skip(1)).find(|(_, group)| group.is_none());
        let next = || u32::try_from(self.groups.len()).unwrap_or(u32::MAX);
        let group = free.map_or_else(next, |(number, _)| number);
        let from = self.first_message_for(start);
        self.append(Record::GroupAdded { group, name: name.clone(), from });
        self.add_group(group, name.clone(), from);
        let made_in = self.last_record;
        if let Some(members) = self.group_mut(group) {
            members.made_in = made_in;
        }
        self.notify(Happened::GroupOpened, None, group, 0);
        group
    }

    /// The first message that a group gets which begins so.
    fn first_message_for(&self, start: Start) -> Sequence {
        let next = Sequence(self.last_sequence.0 + 1);
        match start {
            Start::All => Sequence(0),
            Start::New => next,
            Start::From(time) => {
                let first = self.partitions.values().filter_map(|part| {
                    let at = part.log.first_sent(time);
                    part.log.get(at).map(Seen::sequence)
                });
                first.min().unwrap_or(next)
            }
        }
    }

    pub(super) fn set_start(
        &mut self,
        name: &GroupName,
        start: Start,
    ) -> Result<Outcome, ErrorCode> {
        let group = self.by_name.get(name).copied().ok_or(ErrorCode::GroupNotFound)?;
        let from = self.first_message_for(start);
        self.append(Record::GroupBegan { group, from });
        self.group_began(group, from);
        Ok(Outcome::Done)
    }

    /// Also for a replay.
    pub(super) fn group_began(&mut self, group: u32, from: Sequence) {
        if let Some(members) = self.group_mut(group) {
            members.from = from;
        }
    }

    /// Also for a replay.
    pub(super) fn add_group(&mut self, group: u32, name: GroupName, from: Sequence) {
        while self.groups.len() <= group as usize {
            self.groups.push(None);
        }
        let lanes = Numbered::like(&self.partitions, |_| Lane::default());
        let mut members = Group::new(Some(name.clone()), lanes);
        members.from = from;
        if let Some(place) = self.groups.get_mut(group as usize) {
            *place = Some(members);
        }
        self.by_name.insert(name, group);
        for partition in self.partitions.numbers() {
            let Some(part) = self.partitions.get(partition) else { continue };
            let first = part.log.first_where(|message| message.sequence() >= from);
            self.enroll(group, partition, first);
        }
    }

    /// A lane that has nothing begins at `first`: everything kept from there on is ready, delayed or blocked.
    fn enroll(&mut self, group: u32, partition: u32, first: u64) {
        let Some(part) = self.partitions.get(partition) else { return };
        let offsets: Vec<u64> = part.log.from(first).map(|(offset, _)| offset).collect();
        if let Some((members, log)) = self.lane(group, partition)
            && let Some(lane) = members.lanes.get_mut(partition)
        {
            lane.restart_at(first.min(log.end()));
        }
        // Those that are not fresh first: the others are what is left.
        let is_fifo = self.settings.ordering == MessageOrder::Fifo;
        let mut fresh = Vec::new();
        for offset in offsets {
            let position = Position { partition, offset };
            let Some(message) = self.message(position) else { continue };
            let hold = self.hold_for_newcomer(&message);
            let is_over = self.over_at(&message) <= self.now;
            self.reopen(group, position);
            if hold == Hold::Ready && is_fifo && !is_over {
                fresh.push(position);
            } else {
                self.place(group, position, (0, 0), hold);
            }
        }
        fresh.into_iter().for_each(|position| self.place_fresh(group, position));
        if let Some((members, log)) = self.lane(group, partition) {
            if let Some(lane) = members.lanes.get_mut(partition) {
                lane.advance(log);
            }
            members.reindex(partition, log);
        }
    }

    /// Where a message stands in a group that is new to it.
    fn hold_for_newcomer(&self, message: &Message) -> Hold {
        if self.parents.contains_key(&message.position) {
            return Hold::Blocked;
        }
        match self.standing_of(message) {
            Standing::Delayed { until } => Hold::Delayed(until),
            _ => Hold::Ready,
        }
    }

    /// A message that was settled and kept is open again; its result is the work group's.
    fn reopen(&mut self, group: u32, position: Position) {
        let retain = self.settings.retain_settled;
        let Some(part) = self.partitions.get_mut(position.partition) else { return };
        let Some(slot) = part.log.get_mut(position.offset) else { return };
        if let Some(ended) = slot.settled.take() {
            self.timers.clear(ended.at.after(retain), Timer::Settled { position });
            slot.settled = Some(ended).filter(|ended| group != WORK && ended.result.is_some());
        }
    }

    pub(super) fn delete_group(&mut self, name: &GroupName) -> Result<Outcome, ErrorCode> {
        let group = self.by_name.get(name).copied().ok_or(ErrorCode::GroupNotFound)?;
        self.refuse_receivers(group, ErrorCode::GroupNotFound);
        self.append(Record::GroupRemoved { group, at: self.now });
        self.notify(Happened::GroupDeleted, None, group, 0);
        self.remove_group(group);
        Ok(Outcome::Done)
    }

    /// Also for a replay.
    pub(super) fn remove_group(&mut self, group: u32) {
        let open = self.positions(group, |state| state != State::Done);
        for position in &open {
            self.lift(group, *position);
        }
        if let Some(name) = self.name_of(group) {
            self.by_name.remove(&name);
        }
        if let Some(place) = self.groups.get_mut(group as usize) {
            *place = None;
        }
        self.forget_last_numbers();
        for position in open {
            self.settle_slot(position, self.now, None);
        }
    }

    /// No place is kept for numbers after those of the groups that are there.
    pub(super) fn forget_last_numbers(&mut self) {
        let count = self.groups.iter().rposition(Option::is_some).map_or(0, |last| last + 1);
        self.groups.truncate(count.max(1));
    }

    pub(super) fn seek(
        &mut self,
        group: Option<&GroupName>,
        partition: Option<&PartitionKey>,
        to: SeekTo,
    ) -> Result<Outcome, ErrorCode> {
        let group = self.named(group)?;
        let partitions: Vec<u32> = match partition {
            Some(key) => self.by_key.get(key).copied().into_iter().collect(),
            None => self.partitions.numbers().collect(),
        };
        for partition in partitions {
            let Some(part) = self.partitions.get(partition) else { continue };
            let offset = match to {
                SeekTo::Start => 0,
                SeekTo::End => part.log.end(),
                SeekTo::Origin => {
                    let from = self.group(group).map_or(Sequence(0), |group| group.from);
                    part.log.first_where(|message| message.sequence() >= from)
                }
                SeekTo::Time(time) => part.log.first_sent(time),
                SeekTo::Offset(offset) => offset.min(part.log.end()),
            };
            let at = self.now;
            self.append(Record::Sought { group, partition, offset, at });
            let skipped = self.move_lane(group, partition, offset);
            if group == WORK {
                for position in &skipped {
                    self.ended(*position, &Ending::Done(None), 0, 0);
                }
            }
            for position in skipped {
                self.settle_slot(position, at, None);
            }
        }
        self.notify(Happened::Sought, None, group, 0);
        Ok(Outcome::Done)
    }

    /// Moves a lane; returns the messages that it is done with by that. They are still there. Also for a
    /// replay.
    pub(super) fn move_lane(&mut self, group: u32, partition: u32, first: u64) -> Vec<Position> {
        self.end_run(group, partition);
        let Some(part) = self.partitions.get(partition) else { return Vec::new() };
        let offsets: Vec<u64> = part.log.from(0).map(|(offset, _)| offset).collect();
        let mut skipped = Vec::new();
        for offset in offsets {
            let position = Position { partition, offset };
            if self.lift(group, position).is_some() && offset < first {
                skipped.push(position);
            }
        }
        self.enroll(group, partition, first);
        skipped
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        engine::{Command, Effect, NewMessage, Permit, QueueConfig, ReplyTo},
        types::{Payload, RequestId, SessionId, Timestamp},
    };

    #[test]
    fn numbers_of_deleted_groups_are_used_again_and_nothing_is_kept_for_them() {
        let mut queue = Queue::new(QueueConfig::unlimited());
        let from =
            ReplyTo { session: SessionId(1), request: RequestId(1), permit: Permit::InFlight };
        let mut numbers = Vec::new();
        let mut ask = |command| {
            let mut effects = Vec::new();
            queue.apply(Timestamp(1), from, command, &mut effects);
            for effect in effects {
                match effect {
                    Effect::Append(Record::GroupAdded { group, .. }) => numbers.push(group),
                    Effect::Reply { result, .. } => assert!(result.is_ok()),
                    _ => {}
                }
            }
        };
        ask(Command::Send { message: NewMessage::from(Payload::from("{}")) });
        let group = |name: &str| name.parse::<GroupName>().unwrap();
        let open = |name| Command::OpenGroup { group: group(name), start: Start::All };
        let delete = |name| Command::DeleteGroup { group: group(name) };
        for name in ["a", "b", "c"] {
            ask(open(name));
        }
        ask(delete("b"));
        for name in ["d", "e"] {
            ask(open(name));
        }
        for name in ["a", "c", "d"] {
            ask(delete(name));
        }
        ask(open("f"));
        for name in ["e", "f"] {
            ask(delete(name));
        }
        assert_eq!(numbers, [1, 2, 3, 2, 4, 1]);
        assert_eq!(queue.groups.len(), 1, "the work group's");
        queue.check_invariants();
    }
}
