//! The messages of one partition by offset: a ring of blocks.
//!
//! New messages are appended; a message is removed wherever it is. Blocks that are empty are given back.
//! A ring in one piece would be moved as a whole whenever it grows, which at some million messages stops
//! everything for a second.

use std::{collections::VecDeque, sync::Arc};

use super::message::Message;
use crate::types::Timestamp;

/// A kept message.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) message: Arc<Message>,
    /// Groups that have it in a state other than done or dead.
    pub(super) open: u32,
    /// Groups that have it dead.
    pub(super) dead: u32,
    /// All groups are done with it, and it is kept for a while.
    pub(super) settled: Option<Box<Ended>>,
}

/// How a message ended in the work group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ended {
    pub(super) at: Timestamp,
    pub(super) result: Option<crate::types::Payload>,
}

/// Messages of one block.
const BLOCK: usize = 1024;

/// An empty block up to this size is kept for use.
const KEEP: usize = 64;

#[derive(Debug, Default)]
pub(super) struct Log {
    /// Offset of the first slot of the first block.
    base: u64,
    /// All but the last are full.
    blocks: VecDeque<Block>,
    live: usize,
}

#[derive(Debug, Default)]
struct Block {
    /// Empty when nothing in it is live any more, and it is not the last.
    slots: Vec<Option<Slot>>,
    live: usize,
}

impl Log {
    /// Offset of the next message.
    pub(super) fn end(&self) -> u64 {
        match self.blocks.back() {
            None => self.base,
            Some(last) => self.base + ((self.blocks.len() - 1) * BLOCK + last.slots.len()) as u64,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.live
    }

    /// Appends at [`Self::end`].
    pub(super) fn push(&mut self, slot: Slot) {
        self.live += 1;
        match self.blocks.back_mut() {
            Some(block) if block.slots.len() < BLOCK => {
                block.slots.push(Some(slot));
                block.live += 1;
            }
            _ => self.blocks.push_back(Block { slots: vec![Some(slot)], live: 1 }),
        }
    }

    /// Skips offsets up to `end`, for a replay that lacks what was removed long ago.
    pub(super) fn skip_to(&mut self, end: u64) {
        while self.end() < end {
            if self.live == 0 {
                self.blocks.clear();
                self.base = end;
                return;
            }
            let missing = usize::try_from(end - self.end()).unwrap_or(BLOCK);
            match self.blocks.back_mut() {
                Some(block) if block.slots.len() < BLOCK => {
                    let length = (block.slots.len() + missing).min(BLOCK);
                    block.slots.resize_with(length, || None);
                }
                last => {
                    if let Some(full) = last.filter(|full| full.live == 0) {
                        full.slots = Vec::new();
                    }
                    self.blocks.push_back(Block { slots: vec![None], live: 0 });
                }
            }
        }
    }

    fn place(&self, offset: u64) -> Option<(usize, usize)> {
        let at = usize::try_from(offset.checked_sub(self.base)?).ok()?;
        Some((at / BLOCK, at % BLOCK))
    }

    pub(super) fn get(&self, offset: u64) -> Option<&Slot> {
        let (block, at) = self.place(offset)?;
        self.blocks.get(block)?.slots.get(at)?.as_ref()
    }

    pub(super) fn get_mut(&mut self, offset: u64) -> Option<&mut Slot> {
        let (block, at) = self.place(offset)?;
        self.blocks.get_mut(block)?.slots.get_mut(at)?.as_mut()
    }

    pub(super) fn remove(&mut self, offset: u64) -> Option<Slot> {
        let (at_block, at) = self.place(offset)?;
        let is_last = at_block + 1 == self.blocks.len();
        let block = self.blocks.get_mut(at_block)?;
        let slot = block.slots.get_mut(at)?.take()?;
        block.live -= 1;
        self.live -= 1;
        if self.live == 0 {
            self.restart();
        } else if block.live == 0 && !is_last {
            block.slots = Vec::new();
            self.give_back_front();
        }
        Some(slot)
    }

    /// Nothing is live: begins anew at the end, with a small block at hand.
    fn restart(&mut self) {
        self.base = self.end();
        self.blocks.truncate(1);
        match self.blocks.front_mut() {
            Some(block) if block.slots.capacity() <= KEEP => block.slots.clear(),
            _ => self.blocks.clear(),
        }
        if let Some(block) = self.blocks.front_mut() {
            block.live = 0;
        }
    }

    fn give_back_front(&mut self) {
        while self.blocks.len() > 1
            && self.blocks.front().is_some_and(|block| block.slots.is_empty())
        {
            self.blocks.pop_front();
            self.base += BLOCK as u64;
        }
    }

    /// The first kept message at `offset` or later.
    pub(super) fn next_at(&self, offset: u64) -> Option<u64> {
        let (mut block, mut at) = self.place(offset.max(self.base))?;
        while let Some(Block { slots, .. }) = self.blocks.get(block) {
            if let Some(found) = slots.iter().skip(at).position(Option::is_some) {
                return Some(self.base + (block * BLOCK + at + found) as u64);
            }
            (block, at) = (block + 1, 0);
        }
        None
    }

    /// The last kept message.
    pub(super) fn last(&self) -> Option<u64> {
        let last = |block: &Block| block.slots.iter().rposition(Option::is_some);
        let mut blocks = self.blocks.iter().enumerate().rev();
        let (block, at) = blocks.find_map(|(block, slots)| Some((block, last(slots)?)))?;
        Some(self.base + (block * BLOCK + at) as u64)
    }

    /// Kept messages from `offset` on, in order.
    pub(super) fn from(&self, offset: u64) -> impl Iterator<Item = (u64, &Slot)> {
        let mut next = self.next_at(offset);
        std::iter::from_fn(move || {
            let at = next?;
            next = self.next_at(at + 1);
            self.get(at).map(|slot| (at, slot))
        })
    }

    /// The first offset from which on all messages satisfy `is_late`, which must not go back to false.
    pub(super) fn first_where(&self, is_late: impl Fn(&Message) -> bool) -> u64 {
        let found = self.from(self.base).find(|(_, slot)| is_late(&slot.message));
        found.map_or_else(|| self.end(), |(at, _)| at)
    }

    /// Offset of the first message sent at this time or later; [`Self::end`] if there is none. Looks at the blocks
    /// from the back, because the late times are those that are asked for.
    pub(super) fn first_sent(&self, at: Timestamp) -> u64 {
        let is_early = |slot: &Option<Slot>| slot.as_ref().map(|slot| slot.message.sent_at < at);
        let begins_early = |block: &Block| block.slots.iter().find_map(is_early) == Some(true);
        let block = self.blocks.iter().rposition(begins_early).unwrap_or(0);
        let from = self.base + (block * BLOCK) as u64;
        let found = self.from(from).find(|(_, slot)| slot.message.sent_at >= at);
        found.map_or_else(|| self.end(), |(offset, _)| offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        engine::{Position, RecordNumber, Sequence},
        types::Payload,
    };

    fn slot(offset: u64) -> Slot {
        let message = Message {
            sequence: Sequence(offset + 1),
            position: Position { partition: 0, offset },
            sent_at: Timestamp(0),
            sent_in: RecordNumber(0),
            expires_at: None,
            body: Payload::from("1"),
            options: None,
        };
        Slot { message: Arc::new(message), open: 1, dead: 0, settled: None }
    }

    fn filled(count: u64) -> Log {
        let mut log = Log::default();
        for offset in 0..count {
            assert_eq!(log.end(), offset);
            log.push(slot(offset));
        }
        log
    }

    fn offsets(log: &Log) -> Vec<u64> {
        log.from(0).map(|(at, slot)| slot.message.position.offset.min(at)).collect()
    }

    #[test]
    fn messages_are_found_where_they_are_and_blocks_are_given_back() {
        let block = BLOCK as u64;
        let mut log = filled(3 * block + 5);
        for offset in [0, 1, block, 2 * block - 1, 3 * block + 4] {
            assert_eq!(log.get(offset).unwrap().message.position.offset, offset);
        }
        assert!(log.get(3 * block + 5).is_none());
        (block..2 * block).for_each(|offset| drop(log.remove(offset)));
        assert!(log.remove(block).is_none(), "gone");
        assert_eq!(log.next_at(block - 1), Some(block - 1));
        assert_eq!(log.next_at(block), Some(2 * block), "over the hole");
        (0..block).for_each(|offset| drop(log.remove(offset)));
        assert_eq!((log.base, log.blocks.len()), (2 * block, 2), "the hole goes with the front");
        assert_eq!(log.len() as u64, block + 5);
        assert_eq!(offsets(&log), (2 * block..3 * block + 5).collect::<Vec<_>>());
        assert_eq!(log.end(), 3 * block + 5);
    }

    #[test]
    fn the_first_of_a_time_and_the_last_are_found_over_holes() {
        let mut log = Log::default();
        let block = BLOCK as u64;
        for offset in 0..4 * block {
            let mut slot = slot(offset);
            Arc::get_mut(&mut slot.message).unwrap().sent_at = Timestamp(offset / 10);
            log.push(slot);
        }
        assert_eq!(log.last(), Some(4 * block - 1));
        (block..3 * block).for_each(|offset| drop(log.remove(offset)));
        for (at, first) in [
            (0, 0),
            (1, 10),
            (50, 500),
            (103, 3 * block),
            (310, 3100),
            (409, 4090),
            (410, 4 * block),
        ] {
            assert_eq!(log.first_sent(Timestamp(at)), first, "{at}");
        }
        (3 * block..4 * block).for_each(|offset| drop(log.remove(offset)));
        assert_eq!(log.last(), Some(block - 1));
        assert_eq!(Log::default().last(), None);
    }

    #[test]
    fn an_empty_log_goes_on_counting_and_holds_next_to_nothing() {
        let mut log = filled(2 * BLOCK as u64);
        (0..2 * BLOCK as u64).for_each(|offset| drop(log.remove(offset)));
        assert!(log.blocks.is_empty());
        for offset in 2 * BLOCK as u64..5 * BLOCK as u64 {
            assert_eq!(log.end(), offset);
            log.push(slot(offset));
            log.remove(offset).unwrap();
        }
        assert!(log.blocks.len() == 1 && log.blocks[0].slots.capacity() <= KEEP);
        log.skip_to(9000);
        assert_eq!(log.end(), 9000);
        log.push(slot(9000));
        log.skip_to(9010);
        assert_eq!((log.end(), log.len()), (9010, 1));
    }
}
