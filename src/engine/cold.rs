//! Bodies that are not in memory: what a queue decides never depends on them.
//!
//! A body that is saved may go *away*; whoever is to see it has it fetched from where it was saved. The bodies around
//! the places where groups take their next messages stay: they are the next ones to be asked for.

use std::collections::BTreeSet;

use bytes::Bytes;

use super::{image::Damaged, log::BLOCK, message::Position, queue::Queue, settings::MessageOrder};

/// So many blocks from the next fresh message on keep their bodies.
const AHEAD: u64 = 4;

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

    /// Sends bodies away until so many bytes have gone, or all that may. What [`Self::unsaved_blocks`] returned must be
    /// saved by now.
    pub fn cool(&mut self, bytes: usize) -> usize {
        let mut gone = 0;
        for partition in self.partitions.numbers() {
            let next = self.next_blocks(partition);
            let Some(part) = self.partitions.get_mut(partition) else { break };
            for block in part.log.full_blocks(part.saved_to) {
                if gone >= bytes {
                    break;
                }
                let is_near = next.iter().any(|near| (*near..*near + AHEAD).contains(&block));
                if !is_near && !part.changed.contains(&block) {
                    gone += part.log.cool(block);
                }
            }
        }
        self.away += gone;
        gone
    }

    /// The blocks of a partition where a group has its next fresh message.
    fn next_blocks(&self, partition: u32) -> BTreeSet<u64> {
        let lanes = self.groups.iter().flatten().filter_map(|group| group.lanes.get(partition));
        lanes.map(|lane| lane.next / BLOCK).collect()
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

    /// The bodies that are likely to be asked for next, now that somebody has got this message.
    #[must_use]
    pub fn wanted_next(&self, Position { partition, offset }: Position) -> Option<BodyRange> {
        if self.away == 0 {
            return None; // As nearly always; this is asked for every message.
        }
        let part = self.partitions.get(partition)?;
        let first = offset / BLOCK;
        let is_near = |next: &u64| (first..=first + 1).contains(next);
        if self.settings.ordering != MessageOrder::Fifo
            || !self.next_blocks(partition).iter().any(is_near)
        {
            return None;
        }
        let away = (first..first + AHEAD).filter(|block| part.log.is_away(*block));
        let (low, high) = away.fold((u64::MAX, 0), |(low, high), at| (low.min(at), high.max(at)));
        (low <= high).then(|| BodyRange {
            partition,
            first: (low * BLOCK).max(offset + 1),
            last: (high + 1) * BLOCK - 1,
        })
    }
}
