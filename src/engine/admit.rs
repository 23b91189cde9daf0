//! Limits: whether so much more may come, and what makes room for it.

use std::collections::BTreeMap;

use super::{
    effect::Happened,
    log::Seen,
    message::{Position, Sequence},
    queue::{Queue, WORK},
    record::Record,
    settings::{MessageOrder, Overflow},
};
use crate::error::ErrorCode;

/// Where settled messages make room, at least so many do, if there are as many. Few in tests.
const AT_ONCE: usize = if cfg!(test) { 3 } else { 1000 };

impl Queue {
    /// By how much the queue's own limits would be exceeded.
    pub(super) fn excess(&self, count: usize, bytes: usize) -> (usize, usize) {
        let over = |limit: Option<u64>, now: usize| {
            let limit =
                limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
            now.saturating_sub(limit)
        };
        (
            over(self.settings.messages_max, self.open_messages + self.reserved_messages + count),
            over(self.settings.bytes_max, self.open_bytes + self.reserved_bytes + bytes),
        )
    }

    /// Sees to it that so much more may come, if that is to be done by dropping something.
    ///
    /// # Errors
    /// `QueueFull`, `QueueBytesFull`.
    pub(super) fn make_room(&mut self, count: usize, bytes: usize) -> Result<(), ErrorCode> {
        if count == 0 {
            return Ok(());
        }
        let settled = self.settled_victims(count, bytes)?;
        let victims = match (self.check_own_limits(count, bytes), self.settings.overflow) {
            (Ok(()), _) | (Err(_), Overflow::DeadLetter) => Vec::new(),
            (Err(code), Overflow::Reject) => return Err(code),
            (Err(code), Overflow::DropOldest) => {
                let (messages, surplus) = self.excess(count, bytes);
                self.victims(messages, surplus).ok_or(code)?
            }
        };
        self.drop_settled(&settled);
        if victims.is_empty() {
            return Ok(());
        }
        self.totals.dropped += victims.len() as u64;
        for position in &victims {
            self.notify(Happened::Dropped, Some(*position), WORK, 1);
        }
        self.append(Record::Removed { at: self.now, positions: victims.clone() });
        victims.into_iter().for_each(|position| self.take_away(position, Some("queue_full")));
        Ok(())
    }

    /// Whether so much more may come and nothing need be done for it.
    pub(super) fn check_room(&self, count: usize, bytes: usize) -> Result<(), ErrorCode> {
        self.check_server_limits(count, bytes)?;
        self.check_own_limits(count, bytes)
    }

    /// Sees to it that so much more may come, and nothing is dropped that anybody still waits for.
    ///
    /// # Errors
    /// `QueueFull`, `QueueBytesFull`.
    pub(super) fn admit(&mut self, count: usize, bytes: usize) -> Result<(), ErrorCode> {
        let settled = self.settled_victims(count, bytes)?;
        self.check_own_limits(count, bytes)?;
        self.drop_settled(&settled);
        Ok(())
    }

    /// The oldest settled messages, if the server's limits demand that some go.
    fn settled_victims(&self, count: usize, bytes: usize) -> Result<Vec<Position>, ErrorCode> {
        let Err(code) = self.check_server_limits(count, bytes) else { return Ok(Vec::new()) };
        let held = self.messages + self.reserved_messages + count;
        let surplus = held.saturating_sub(self.config.messages_max);
        let held = self.bytes + self.reserved_bytes + bytes;
        let surplus_bytes = held.saturating_sub(self.config.bytes_max);
        let first = |partition: u32, offset: u64| {
            let (offset, seen) = self.partitions.get(partition)?.next_settled(offset)?;
            Some((seen.sequence(), (Position { partition, offset }, seen.length())))
        };
        let mut next: BTreeMap<Sequence, (Position, usize)> = BTreeMap::new();
        for partition in self.partitions.numbers() {
            next.extend(first(partition, 0));
        }
        let (mut victims, mut freed) = (Vec::new(), 0);
        while victims.len() < surplus.max(AT_ONCE) || freed < surplus_bytes {
            let Some((_, (position, length))) = next.pop_first() else { break };
            freed += length;
            victims.push(position);
            next.extend(first(position.partition, position.offset + 1));
        }
        if victims.len() < surplus || freed < surplus_bytes { Err(code) } else { Ok(victims) }
    }

    fn drop_settled(&mut self, victims: &[Position]) {
        if victims.is_empty() {
            return;
        }
        self.remove_for_good(victims);
        // The next ones are behind them.
        for Position { partition, offset } in victims {
            if let Some(part) = self.partitions.get_mut(*partition) {
                part.settled_from = offset + 1;
            }
        }
    }

    fn check_own_limits(&self, count: usize, bytes: usize) -> Result<(), ErrorCode> {
        match self.excess(count, bytes) {
            (0, 0) => Ok(()),
            (0, _) => Err(ErrorCode::QueueBytesFull),
            _ => Err(ErrorCode::QueueFull),
        }
    }

    fn check_server_limits(&self, count: usize, bytes: usize) -> Result<(), ErrorCode> {
        if self.messages + self.reserved_messages + count > self.config.messages_max {
            return Err(ErrorCode::QueueFull);
        }
        if self.bytes + self.reserved_bytes + bytes > self.config.bytes_max {
            return Err(ErrorCode::QueueBytesFull);
        }
        Ok(())
    }

    /// The oldest ready messages of the work group, so many and so large.
    fn victims(&self, count: usize, bytes: usize) -> Option<Vec<Position>> {
        let mut next: BTreeMap<Sequence, Position> = BTreeMap::new();
        let is_fifo = self.settings.ordering == MessageOrder::Fifo;
        let ready_from = |partition: u32, offset: u64| {
            let log = &self.partitions.get(partition)?.log;
            let lane = self.lane_of(WORK, partition)?;
            // Only in this order the first ready ones are the oldest.
            let first = lane.iter_ready(log).map(|(_, at)| at).find(|at| *at >= offset);
            let search = || log.from(offset).map(|(at, _)| at).find(|at| lane.is_ready(*at));
            let offset = if is_fifo { first? } else { search()? };
            let slot = log.get(offset)?;
            Some((slot.sequence(), Position { partition, offset }))
        };
        for partition in self.partitions.numbers() {
            next.extend(ready_from(partition, 0));
        }
        let (mut victims, mut freed) = (Vec::new(), 0);
        while victims.len() < count || freed < bytes {
            let (_, position) = next.pop_first()?;
            freed += self.seen(position).map_or(0, Seen::length);
            victims.push(position);
            next.extend(ready_from(position.partition, position.offset + 1));
        }
        Some(victims)
    }
}
