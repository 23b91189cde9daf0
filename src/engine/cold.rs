//! Bodies that are not in memory: what a queue decides never depends on them.
//!
//! A body that is saved may go *away*; whoever is to see it has it fetched from where it was saved. The bodies around
//! the places where groups take their next messages stay: they are the next ones to be asked for.

use bytes::Bytes;

use super::{image::Damaged, log::BLOCK, message::Position, queue::Queue, settings::MessageOrder};

/// So many messages from the next fresh one on keep their bodies at most, however small they are.
const AHEAD_MAX: u64 = 4 * BLOCK;

/// So many bytes of each partition, however many there are: less is not read at a time.
const AHEAD_MIN: usize = 64 << 10;

/// Bodies of messages that follow each other: a partition, the first offset and the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct BodyRange {
    /// Number of the partition.
    pub partition: u32,
    /// Offset of the first one.
    pub first: u64,
    /// Offset of the last one.
    pub last: u64,
}

impl Queue {
    /// Bytes of bodies in memory.
    #[must_use]
    pub const fn bodies_here(&self) -> usize {
        self.bytes - self.away
    }

    /// Sends bodies away until so many bytes have gone, or all that may: of those who come next, about `ahead` bytes stay.
    /// What [`Self::unsaved_blocks`] returned must be saved by now.
    pub fn cool(&mut self, bytes: usize, ahead: usize) -> usize {
        let (mut gone, ahead) = (0, self.ahead(ahead));
        for partition in self.partitions.numbers() {
            let next: Vec<u64> = self.next_offsets(partition).collect();
            let is_near = |offset: u64| next.iter().any(|at| (*at..*at + ahead).contains(&offset));
            let Some(part) = self.partitions.get_mut(partition) else { break };
            let saved_to = part.saved_to;
            for block in part.log.blocks_before(saved_to) {
                if gone >= bytes {
                    break;
                }
                if part.changed.contains(&block) {
                    continue;
                }
                let (first, end) = (block * BLOCK, (block + 1) * BLOCK);
                if next.iter().any(|at| *at <= first && end <= at + ahead) {
                    continue;
                }
                let has_near = next.iter().any(|at| *at < end && at + ahead > first);
                gone += match has_near || saved_to < end {
                    true => part.log.cool_some(block, |it| it < saved_to && !is_near(it)),
                    false => part.log.cool(block),
                };
            }
        }
        self.away += gone;
        gone
    }

    /// The offsets of a partition where the groups have their next fresh messages.
    fn next_offsets(&self, partition: u32) -> impl Iterator<Item = u64> {
        let lanes = self.groups.iter().flatten();
        lanes.filter_map(move |group| group.lanes.get(partition)).map(|lane| lane.next)
    }

    /// How many messages that is for each group in each partition, if all are alike.
    fn ahead(&self, bytes: usize) -> u64 {
        let groups = self.groups.iter().flatten().count().max(1);
        let each = bytes / groups / self.partitions.numbers().len().max(1);
        let average = (self.bytes / self.messages.max(1)).max(1);
        ((each.max(AHEAD_MIN.min(bytes)) / average) as u64).clamp(1, AHEAD_MAX)
    }

    /// Bodies are here again. `is_needed`: somebody is about to take these messages.
    ///
    /// # Errors
    /// [`Damaged`]: they are not the bodies that went away.
    pub fn warm(
        &mut self,
        partition: u32,
        bodies: &[(u64, Bytes)],
        is_needed: bool,
    ) -> Result<(), Damaged> {
        let Some(part) = self.partitions.get_mut(partition) else { return Ok(()) };
        for (offset, bytes) in bodies {
            self.away -= part.log.warm(*offset, bytes, is_needed)?;
        }
        Ok(())
    }

    /// The bodies that are likely to be asked for next, now that somebody has got this message, if of `ahead` bytes of them the
    /// first half is not here.
    #[must_use]
    pub fn wanted_next(
        &self,
        Position { partition, offset }: Position,
        ahead: usize,
    ) -> Option<BodyRange> {
        if self.away == 0 {
            return None; // As nearly always; this is asked for every message.
        }
        let part = self.partitions.get(partition)?;
        let block = offset / BLOCK;
        let is_near = |next: u64| (block..=block + 1).contains(&(next / BLOCK));
        let ahead = self.ahead(ahead);
        if self.settings.ordering != MessageOrder::Fifo
            || !part.log.is_away(offset + 1 + ahead / 2)
            || !self.next_offsets(partition).any(is_near)
        {
            return None;
        }
        let first = part.log.first_away(offset + 1)?;
        let last = offset + ahead;
        (first <= last).then_some(BodyRange { partition, first, last })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        engine::{Command, NewMessage, Permit, QueueConfig, ReplyTo},
        types::{Payload, RequestId, SessionId, Timestamp},
    };

    /// A queue with messages of ten bytes each.
    fn send(queue: &mut Queue, count: usize) {
        let from =
            ReplyTo { session: SessionId(1), request: RequestId(1), permit: Permit::InFlight };
        for _ in 0..count {
            let message = NewMessage::from(Payload::from("1234567890"));
            queue.apply(Timestamp(1), from, Command::Send { message }, &mut Vec::new());
        }
        queue.check_invariants();
    }

    fn saved(count: usize) -> Queue {
        let mut queue = Queue::new(QueueConfig::unlimited());
        send(&mut queue, count);
        queue.unsaved_blocks(usize::MAX, false);
        queue
    }

    /// Offsets of the messages whose bodies are here.
    fn here(queue: &Queue) -> Vec<u64> {
        let messages = (0..10).filter_map(|block| queue.block(0, block));
        let messages = messages.flat_map(|block| block.messages);
        let here = messages.filter(|message| !message.body.is_away());
        here.map(|message| message.position.offset).collect()
    }

    fn offsets(ranges: &[std::ops::Range<u64>]) -> Vec<u64> {
        ranges.iter().cloned().flatten().collect()
    }

    #[test]
    fn the_bodies_of_those_who_come_next_stay_and_so_do_those_that_are_not_saved() {
        // The last of 5 blocks is not full.
        let mut queue = saved(37);
        send(&mut queue, 2);
        assert_eq!(queue.cool(50, 100), 50, "no more than is asked for, the last ones first");
        assert_eq!(here(&queue), offsets(&[0..32, 37..39]));
        assert_eq!(queue.cool(usize::MAX, 100), 220);
        assert_eq!(here(&queue), offsets(&[0..10, 37..39]));
        assert_eq!(queue.bodies_here(), 120);
        assert_eq!(queue.cool(usize::MAX, 45), 60);
        assert_eq!(here(&queue), offsets(&[0..4, 37..39]));
        queue.check_invariants();
        let range = BodyRange { partition: 0, first: 0, last: 36 };
        let all: Vec<_> = (0..37).map(|at| (at, Bytes::from_static(b"1234567890"))).collect();
        queue.warm(range.partition, &all, true).unwrap();
        assert_eq!(here(&queue).len(), 39);
        queue.check_invariants();
    }

    #[test]
    fn the_next_bodies_are_wanted_before_they_are_needed_and_only_those_that_are_away() {
        let mut queue = saved(40);
        queue.cool(usize::MAX, 100);
        let wanted = |queue: &Queue, offset, ahead| {
            let wanted = queue.wanted_next(Position { partition: 0, offset }, ahead);
            wanted.map(|BodyRange { first, last, .. }| (first, last))
        };
        assert_eq!(wanted(&queue, 3, 100), None, "there are 6 more");
        assert_eq!(wanted(&queue, 4, 100), Some((10, 14)));
        assert_eq!(wanted(&queue, 4, 1000), Some((10, 4 + AHEAD_MAX)), "not endlessly many");
        let some: Vec<_> = (10..13).map(|at| (at, Bytes::from_static(b"1234567890"))).collect();
        queue.warm(0, &some, true).unwrap();
        assert_eq!(wanted(&queue, 6, 100), None);
        assert_eq!(wanted(&queue, 7, 100), Some((13, 17)));
        assert_eq!(wanted(&queue, 30, 100), None, "nobody is there");
    }
}
