//! Looking without touching: messages, results, the queue as a whole, and why nothing moves.

use std::sync::Arc;

use super::{
    command::{Filter, Name, ReplyTo, State},
    effect::{Item, Outcome},
    group::Group,
    lane::Hold,
    log::Seen,
    message::Position,
    queue::{Awaiting, Queue, WORK},
    timers::Timer,
    view::{
        Counts, Explanation, GroupView, Inspection, PARTITIONS_SHOWN, PartitionView, ScheduleView,
        Status, Why,
    },
};
use crate::{
    error::ErrorCode,
    types::{GroupName, PartitionKey, Timestamp},
};

/// Messages that one browse looks at.
const BROWSE_MAX: usize = 100_000;

impl Queue {
    /// The position of a message that is kept.
    pub(super) fn find_id(&self, id: &str) -> Option<Position> {
        let position = match id.parse() {
            Ok(position) => position,
            Err(()) => self.known.position(id)?,
        };
        self.seen(position).map(|_| position)
    }

    /// A message as a group sees it. A group that is not there is done with everything.
    pub(super) fn item(&self, group: u32, position: Position) -> Option<Item> {
        let part = self.partitions.get(position.partition)?;
        let slot = part.log.get(position.offset)?;
        let lane = self.lane_of(group, position.partition);
        let delivery = lane.and_then(|lane| lane.get(position.offset));
        let (attempts, failures) = lane.map_or((0, 0), |lane| lane.counts_of(position.offset));
        let state = lane.map_or(State::Done, |lane| lane.state(position.offset));
        let (mut until, mut ended_at, mut reason, mut result) = (None, None, None, None);
        match delivery.map(|delivery| &delivery.hold) {
            Some(Hold::Delayed(at)) => until = Some(*at),
            Some(Hold::Held) => until = part.gathering.map(|open| open.closes_at),
            Some(Hold::Leased(lease)) => until = lease.until,
            Some(Hold::InRun) => {
                until = lane.and_then(|lane| lane.run.as_ref()).and_then(|run| run.lease.until);
            }
            Some(Hold::Dead { at, reason: why }) => {
                (ended_at, reason) = (Some(*at), Some(Arc::clone(why)));
            }
            Some(Hold::Ready | Hold::Blocked | Hold::Done) | None => {}
        }
        if state == State::Done
            && let Some(ended) = slot.settled()
        {
            ended_at = Some(ended.at).filter(|_| slot.open() == 0 && slot.dead() == 0);
            if group == WORK {
                result.clone_from(&ended.result);
            }
        }
        let (message, partition) = (slot.message(), part.key.clone());
        Some(Item {
            message,
            partition,
            state,
            attempts,
            failures,
            until,
            ended_at,
            reason,
            result,
        })
    }

    pub(super) fn browse(
        &self,
        group: Option<&GroupName>,
        filter: &Filter,
        after: Option<Position>,
        limit: u32,
    ) -> Result<Outcome, ErrorCode> {
        let group = self.named(group)?;
        let (mut items, mut last) = (Vec::new(), after);
        for (seen, position) in self.candidates(group, filter, after).enumerate() {
            if seen == BROWSE_MAX {
                return Ok(Outcome::Browsed { items, next: last });
            }
            if self.passes(group, position, filter) {
                if items.len() >= limit as usize {
                    let next = items.last().map(|item: &Item| item.message.position).or(after);
                    return Ok(Outcome::Browsed { items, next });
                }
                items.extend(self.item(group, position));
            }
            last = Some(position);
        }
        Ok(Outcome::Browsed { items, next: None })
    }

    /// Messages that a filter may let through, by position, those after one.
    pub(super) fn candidates<'a>(
        &'a self,
        group: u32,
        filter: &'a Filter,
        after: Option<Position>,
    ) -> impl Iterator<Item = Position> + use<'a> {
        let first = after.map_or((0, 0), |after| (after.partition, after.offset.saturating_add(1)));
        // All but the ready and the done ones are few, and known by name.
        let are_few = !filter.states.contains(State::Ready) && !filter.states.contains(State::Done);
        let is_meant =
            |key: &PartitionKey| filter.partition.as_ref().is_none_or(|meant| meant == key);
        let partitions = self.partitions.iter().filter(move |(number, _)| *number >= first.0);
        let partitions = partitions.filter(move |(_, part)| is_meant(&part.key));
        partitions.flat_map(move |(partition, part)| {
            let from = if partition == first.0 { first.1 } else { 0 };
            let from = filter.sent_from.map_or(from, |at| from.max(part.log.first_sent(at)));
            let few = self.lane_of(group, partition).filter(|_| are_few);
            let few = few.into_iter().flat_map(move |lane| lane.exceptions_from(from));
            let all = (!are_few).then(|| part.log.from(from)).into_iter().flatten();
            let offsets = few.map(|(offset, _)| offset).chain(all.map(|(offset, _)| offset));
            offsets.map(move |offset| Position { partition, offset })
        })
    }

    pub(super) fn find(&self, group: Option<&GroupName>, id: &str) -> Result<Outcome, ErrorCode> {
        let group = self.named(group)?;
        let position = self.find_id(id).ok_or(ErrorCode::MessageNotFound)?;
        let item = self.item(group, position).ok_or(ErrorCode::MessageNotFound)?;
        Ok(Outcome::Found(Box::new(item)))
    }

    /// One message as each group sees it: the last one with the key, else the one at the place.
    pub(super) fn look(&self, partition: &PartitionKey, name: &Name) -> Result<Outcome, ErrorCode> {
        let number = *self.by_key.get(partition).ok_or(ErrorCode::MessageNotFound)?;
        let known = self.known.keys.get(&(number, Arc::clone(&name.key)));
        let known = known.map(|known| known.position).filter(|at| self.message(*at).is_some());
        let by_key = known.or_else(|| {
            let log = &self.partitions.get(number)?.log;
            let has_key = |seen: Seen<'_>| {
                let key = seen.options().and_then(|options| options.key.as_ref());
                key.is_some_and(|key| key.text == name.key)
            };
            let found = log.from(0).filter(|(_, seen)| has_key(*seen)).last();
            found.map(|(offset, _)| Position { partition: number, offset })
        });
        let by_place = name.position.filter(|at| at.partition == number);
        let position = by_key.or(by_place).ok_or(ErrorCode::MessageNotFound)?;
        self.message(position).ok_or(ErrorCode::MessageNotFound)?;
        let groups =
            self.group(WORK).map(|_| WORK).into_iter().chain(self.by_name.values().copied());
        let seen =
            groups.filter_map(|group| Some((self.name_of(group), self.item(group, position)?)));
        Ok(Outcome::Looked(seen.collect()))
    }

    pub(super) fn await_result(
        &mut self,
        from: ReplyTo,
        id: &str,
        until: Option<Timestamp>,
    ) -> Result<Option<Outcome>, ErrorCode> {
        let position = self.find_id(id).ok_or(ErrorCode::MessageNotFound)?;
        let item = self.item(WORK, position).ok_or(ErrorCode::MessageNotFound)?;
        let has_ended = matches!(item.state, State::Done | State::Dead);
        let Some(until) = until.filter(|until| *until > self.now && !has_ended) else {
            return Ok(Some(Outcome::Found(Box::new(item))));
        };
        if self.parked() >= self.config.parked_max {
            return Err(ErrorCode::TooManyParkedOnQueue);
        }
        let ticket = self.ticket();
        self.timers.set(until, Timer::Await { position, ticket });
        self.awaits.entry(position).or_default().push(Awaiting { to: from, ticket, until });
        self.awaiting += 1;
        Ok(None)
    }

    fn counts(&self, group: u32) -> Counts {
        match self.group(group) {
            Some(group) => group.counts(&self.partitions),
            None => Counts { done: self.messages as u64, ..Counts::default() },
        }
    }

    fn view(&self, number: u32) -> GroupView {
        let group = self.group(number);
        let lanes = group.into_iter().flat_map(|group| group.lanes.values());
        let oldest = lanes.zip(self.partitions.values());
        let sent_at = oldest.filter_map(|(lane, part)| {
            let (_, offset) = lane.first_ready()?;
            part.log.get(offset).map(Seen::sent_at)
        });
        GroupView {
            name: self.name_of(number),
            counts: self.counts(number),
            receivers: group.map_or(0, Group::receivers) as u64,
            oldest_ready: sent_at.min(),
        }
    }

    pub(super) fn inspect(&self) -> Outcome {
        let groups = std::iter::once(WORK).chain(self.by_name.values().copied());
        let partitions = self.partitions.iter().take(PARTITIONS_SHOWN).map(|(number, part)| {
            let (key, messages, end) = (part.key.clone(), part.log.len() as u64, part.log.end());
            PartitionView { key, number, messages, end }
        });
        let schedules = self.schedules.iter().map(|(name, schedule)| ScheduleView {
            name: name.clone(),
            spec: (*schedule.spec).clone(),
            next: schedule.next,
        });
        Outcome::Inspected(Box::new(Inspection {
            status: self.status,
            paused: self.paused,
            settings: self.settings.clone(),
            messages: self.messages as u64,
            bytes: self.bytes as u64,
            groups: groups.map(|number| self.view(number)).collect(),
            partitions: partitions.collect(),
            schedules: schedules.collect(),
            totals: self.totals,
        }))
    }

    pub(super) fn explain(&mut self, group: Option<&GroupName>) -> Result<Outcome, ErrorCode> {
        let number = self.named(group)?;
        let counts = self.counts(number);
        let receivers = self.group(number).map_or(0, Group::receivers) as u64;
        let why = self.why(number, counts, receivers);
        Ok(Outcome::Explained(Box::new(Explanation::new(why, counts, receivers, self.now))))
    }

    fn why(&mut self, number: u32, counts: Counts, receivers: u64) -> Why {
        let Counts { blocked, delayed, ready, leased, dead, .. } = counts;
        match self.status {
            Status::Absent => return Why::Absent,
            Status::Closed => return Why::Closed,
            Status::Open if self.paused => return Why::Paused,
            Status::Open => {}
        }
        if ready > 0 {
            return self.why_not_taken(number, ready, leased, receivers);
        }
        let lanes = || self.group(number).into_iter().flat_map(|group| group.lanes.values());
        match () {
            () if leased > 0 => {
                let next_end = lanes().filter_map(|lane| lane.next_lease_end()).min();
                Why::AllLeased { leased, next_end }
            }
            () if delayed > 0 => {
                let held = lanes().zip(self.partitions.values());
                let held = held.filter(|(lane, _)| !lane.held.is_empty());
                let closing = held.filter_map(|(_, part)| Some(part.gathering?.closes_at));
                let next = lanes().filter_map(|lane| lane.next_visible()).chain(closing).min();
                Why::Delayed { delayed, next }
            }
            () if blocked > 0 => Why::Blocked { blocked },
            () if dead > 0 => Why::OnlyDead { dead },
            () => Why::Empty,
        }
    }

    fn why_not_taken(&mut self, number: u32, ready: u64, leased: u64, receivers: u64) -> Why {
        if let Some(cap) = self.settings.concurrency.filter(|cap| leased >= u64::from(*cap)) {
            return Why::ConcurrencyFull { leased, cap };
        }
        if self.rate_left() == 0 {
            let per = self.settings.rate.map(|rate| rate.per);
            let until = self.deliveries.front().zip(per).map(|(at, per)| at.after(per));
            return Why::RateLimited { until };
        }
        if receivers == 0 {
            return Why::NoReceivers { ready };
        }
        let Some(group) = self.group(number) else { return Why::NoReceivers { ready } };
        if group.first().is_none() {
            let next_end = group.lanes.values().filter_map(|lane| lane.next_lease_end()).min();
            return Why::PartitionsLeased { ready, next_end };
        }
        Why::NothingMatches { ready, receivers }
    }
}
