//! The messages of one partition by offset: a ring of blocks.
//!
//! New messages are appended; a message is removed wherever it is. Blocks that are empty are given back.
//! A ring in one piece would be moved as a whole whenever it grows, which at some million messages stops
//! everything for a second.

use std::{collections::VecDeque, sync::Arc};

use bytes::Bytes;

use super::{
    image::Damaged,
    message::{Message, Options, Sequence},
    packed::Packed,
};
use crate::types::{Payload, Timestamp};

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

impl Slot {
    /// Whether every group is done with it.
    pub(super) const fn is_settled(&self) -> bool {
        self.open == 0 && self.dead == 0
    }
}

/// How a message ended in the work group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ended {
    pub(super) at: Timestamp,
    pub(super) result: Option<crate::types::Payload>,
}

/// Offsets of one block; a block begins at a multiple of it. Few in tests, which are to see borders.
pub const BLOCK: u64 = if cfg!(test) { 8 } else { 1024 };

/// An empty block up to this size is kept for use.
const KEEP: usize = if cfg!(test) { 4 } else { 64 };

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
    slots: Slots,
    live: usize,
    /// Those whose bodies are away.
    away: usize,
    /// It may be worth while to try and pack it.
    may_pack: bool,
}

#[derive(Debug, Default)]
struct Slots {
    /// Empty when nothing in it is live any more, and it is not the last; or when it is packed.
    whole: Vec<Option<Slot>>,
    packed: Option<Box<Packed>>,
}

/// A kept message as it is seen.
#[derive(Debug, Clone, Copy)]
pub(super) enum Seen<'a> {
    Whole(&'a Slot),
    /// One of a packed block, and which.
    Packed(&'a Packed, usize),
}

impl<'a> Seen<'a> {
    pub(super) fn sequence(self) -> Sequence {
        match self {
            Self::Whole(slot) => slot.message.sequence,
            Self::Packed(block, at) => block.sequence(at),
        }
    }

    pub(super) fn sent_at(self) -> Timestamp {
        match self {
            Self::Whole(slot) => slot.message.sent_at,
            Self::Packed(block, at) => block.sent_at(at),
        }
    }

    pub(super) fn options(self) -> Option<&'a Options> {
        match self {
            Self::Whole(slot) => slot.message.options.as_deref(),
            Self::Packed(block, at) => block.options(at),
        }
    }

    /// Whether it has all these labels.
    pub(super) fn has_labels(self, labels: &[(Arc<str>, Arc<str>)]) -> bool {
        Options::has_labels(self.options(), labels)
    }

    fn is_away(self) -> bool {
        match self {
            Self::Whole(slot) => slot.message.body.is_away(),
            Self::Packed(..) => true,
        }
    }

    /// Bytes of its body.
    pub(super) fn length(self) -> usize {
        match self {
            Self::Whole(slot) => slot.message.body.len(),
            Self::Packed(block, at) => block.length(at),
        }
    }

    pub(super) const fn open(self) -> u32 {
        match self {
            Self::Whole(slot) => slot.open,
            Self::Packed(block, _) => block.open,
        }
    }

    pub(super) const fn dead(self) -> u32 {
        match self {
            Self::Whole(slot) => slot.dead,
            Self::Packed(..) => 0,
        }
    }

    /// Whether every group is done with it.
    pub(super) const fn is_settled(self) -> bool {
        self.open() == 0 && self.dead() == 0
    }

    pub(super) fn settled(self) -> Option<&'a Ended> {
        match self {
            Self::Whole(slot) => slot.settled.as_deref(),
            Self::Packed(..) => None,
        }
    }

    pub(super) fn message(self) -> Arc<Message> {
        match self {
            Self::Whole(slot) => Arc::clone(&slot.message),
            Self::Packed(block, at) => block.message(at),
        }
    }
}

impl Slots {
    const fn of(whole: Vec<Option<Slot>>) -> Self {
        Self { whole, packed: None }
    }

    fn len(&self) -> usize {
        self.packed.as_ref().map_or(self.whole.len(), |block| block.len())
    }

    fn get(&self, at: usize) -> Option<Seen<'_>> {
        match &self.packed {
            None => self.whole.get(at)?.as_ref().map(Seen::Whole),
            Some(block) => block.has(at).then_some(Seen::Packed(block, at)),
        }
    }

    fn next_at(&self, at: usize) -> Option<usize> {
        match &self.packed {
            None => self.whole.iter().skip(at).position(Option::is_some).map(|found| at + found),
            Some(block) => block.next_at(at),
        }
    }

    fn last(&self) -> Option<usize> {
        (0..self.len()).rev().find(|at| self.get(*at).is_some())
    }

    /// One by one, to be changed.
    fn whole(&mut self) -> &mut Vec<Option<Slot>> {
        if let Some(mut block) = self.packed.take() {
            self.whole = block.unpack();
        }
        &mut self.whole
    }
}

impl Log {
    /// Offset of the next message.
    pub(super) fn end(&self) -> u64 {
        match self.blocks.back() {
            None => self.base,
            Some(last) => self.start_of(self.blocks.len() - 1) + last.slots.len() as u64,
        }
    }

    /// Offset of the first slot of a block, by its place in the ring.
    fn start_of(&self, block: usize) -> u64 {
        if block == 0 { self.base } else { (self.base / BLOCK + block as u64) * BLOCK }
    }

    /// Slots that a block has when it is full.
    fn room_of(&self, block: usize) -> usize {
        let start = self.start_of(block);
        (BLOCK - start % BLOCK) as usize
    }

    pub(super) fn len(&self) -> usize {
        self.live
    }

    /// The last block, if it is not full.
    fn open_block(&mut self) -> Option<&mut Block> {
        let last = self.blocks.len().checked_sub(1)?;
        let room = self.room_of(last);
        self.blocks.back_mut().filter(|block| block.slots.len() < room)
    }

    /// Appends at [`Self::end`].
    pub(super) fn push(&mut self, slot: Slot) {
        self.live += 1;
        let away = usize::from(slot.message.body.is_away());
        match self.open_block() {
            Some(block) => {
                block.slots.whole().push(Some(slot));
                block.live += 1;
                block.away += away;
            }
            None => {
                let slots = Slots::of(vec![Some(slot)]);
                self.blocks.push_back(Block { slots, live: 1, away, may_pack: true });
            }
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
            let missing = usize::try_from(end - self.end()).unwrap_or(usize::MAX);
            let last = self.blocks.len().saturating_sub(1);
            let room = self.room_of(last);
            match self.open_block() {
                Some(block) => {
                    let slots = block.slots.whole();
                    let length = slots.len().saturating_add(missing).min(room);
                    slots.resize_with(length, || None);
                }
                None => {
                    if let Some(full) = self.blocks.back_mut().filter(|full| full.live == 0) {
                        full.slots = Slots::default();
                    }
                    let slots = Slots::of(vec![None]);
                    self.blocks.push_back(Block { slots, live: 0, away: 0, may_pack: true });
                }
            }
        }
    }

    /// Place of a block in the ring, and a place in the block.
    fn place(&self, offset: u64) -> Option<(usize, usize)> {
        let beyond = offset.checked_sub(self.base)?;
        let block = usize::try_from(offset / BLOCK - self.base / BLOCK).ok()?;
        Some((block, if block == 0 { beyond as usize } else { (offset % BLOCK) as usize }))
    }

    pub(super) fn get(&self, offset: u64) -> Option<Seen<'_>> {
        let (block, at) = self.place(offset)?;
        self.blocks.get(block)?.slots.get(at)
    }

    /// What is to be changed of a message; the message itself is by [`Self::replace`].
    pub(super) fn get_mut(&mut self, offset: u64) -> Option<&mut Slot> {
        let (block, at) = self.place(offset)?;
        let block = self.blocks.get_mut(block)?;
        block.slots.get(at)?;
        block.may_pack = true;
        block.slots.whole().get_mut(at)?.as_mut()
    }

    /// Puts a message in the place of another. The one that was there.
    pub(super) fn replace(&mut self, offset: u64, message: Arc<Message>) -> Option<Arc<Message>> {
        let is_away = message.body.is_away();
        let old = std::mem::replace(&mut self.get_mut(offset)?.message, message);
        let (block, _) = self.place(offset)?;
        let block = self.blocks.get_mut(block)?;
        block.away = block.away + usize::from(is_away) - usize::from(old.body.is_away());
        Some(old)
    }

    pub(super) fn remove(&mut self, offset: u64) -> Option<Slot> {
        let (at_block, at) = self.place(offset)?;
        let is_last = at_block + 1 == self.blocks.len();
        let block = self.blocks.get_mut(at_block)?;
        block.slots.get(at)?;
        block.may_pack = true;
        let slot = block.slots.whole().get_mut(at)?.take()?;
        block.live -= 1;
        block.away -= usize::from(slot.message.body.is_away());
        self.live -= 1;
        if self.live == 0 {
            self.restart();
        } else if block.live == 0 && !is_last {
            block.slots = Slots::default();
            self.give_back_front();
        }
        Some(slot)
    }

    /// Nothing is live: begins anew at the end, with a small block at hand.
    fn restart(&mut self) {
        self.base = self.end();
        self.blocks.truncate(1);
        match self.blocks.front_mut().map(|block| &mut block.slots) {
            Some(Slots { whole, packed: None }) if whole.capacity() <= KEEP => whole.clear(),
            _ => self.blocks.clear(),
        }
        if let Some(block) = self.blocks.front_mut() {
            block.live = 0;
        }
    }

    fn give_back_front(&mut self) {
        while self.blocks.len() > 1
            && self.blocks.front().is_some_and(|block| block.slots.len() == 0)
        {
            self.base = self.start_of(1);
            self.blocks.pop_front();
        }
    }

    /// The first kept message at `offset` or later.
    pub(super) fn next_at(&self, offset: u64) -> Option<u64> {
        let (mut block, mut at) = self.place(offset.max(self.base))?;
        while let Some(Block { slots, live, .. }) = self.blocks.get(block) {
            if *live > 0
                && let Some(found) = slots.next_at(at)
            {
                return Some(self.start_of(block) + found as u64);
            }
            (block, at) = (block + 1, 0);
        }
        None
    }

    /// The last kept message.
    pub(super) fn last(&self) -> Option<u64> {
        let mut blocks = self.blocks.iter().enumerate().rev();
        let (block, at) = blocks.find_map(|(block, it)| Some((block, it.slots.last()?)))?;
        Some(self.start_of(block) + at as u64)
    }

    /// Kept messages from `offset` on, in order.
    pub(super) fn from(&self, offset: u64) -> impl Iterator<Item = (u64, Seen<'_>)> {
        let mut next = self.next_at(offset);
        std::iter::from_fn(move || {
            let at = next?;
            next = self.next_at(at + 1);
            self.get(at).map(|seen| (at, seen))
        })
    }

    /// The first offset from which on all messages satisfy `is_late`, which must not go back to false.
    pub(super) fn first_where(&self, is_late: impl Fn(Seen<'_>) -> bool) -> u64 {
        let found = self.from(self.base).find(|(_, seen)| is_late(*seen));
        found.map_or_else(|| self.end(), |(at, _)| at)
    }

    /// Offset of the first message sent at this time or later; [`Self::end`] if there is none. Looks at the blocks
    /// from the back, because the late times are those that are asked for.
    pub(super) fn first_sent(&self, at: Timestamp) -> u64 {
        let begins_early = |block: &Block| {
            let first = block.slots.next_at(0).and_then(|first| block.slots.get(first));
            first.is_some_and(|first| first.sent_at() < at)
        };
        let block = self.blocks.iter().rposition(begins_early).unwrap_or(0);
        let found = self.from(self.start_of(block)).find(|(_, seen)| seen.sent_at() >= at);
        found.map_or_else(|| self.end(), |(offset, _)| offset)
    }

    /// Offsets of the kept messages: the first, and how many follow it at once, itself included.
    pub(super) fn ranges(&self) -> Vec<(u64, u64)> {
        let mut ranges: Vec<(u64, u64)> = Vec::new();
        let mut add = |from: u64, count: u64| match ranges.last_mut() {
            Some((first, so_far)) if *first + *so_far == from => *so_far += count,
            _ => ranges.push((from, count)),
        };
        for (number, block) in self.blocks.iter().enumerate() {
            let start = self.start_of(number);
            if block.live == block.slots.len() && block.live > 0 {
                add(start, block.live as u64);
                continue;
            }
            let mut next = block.slots.next_at(0);
            while let Some(at) = next {
                add(start + at as u64, 1);
                next = block.slots.next_at(at + 1);
            }
        }
        ranges
    }

    /// How messages ended that are kept for a while.
    pub(super) fn settled(&self) -> impl Iterator<Item = (u64, &Ended)> {
        self.blocks.iter().enumerate().flat_map(|(number, block)| {
            // Of a packed block there is nothing to tell.
            let ended = (self.start_of(number)..).zip(&block.slots.whole);
            ended.filter_map(|(at, slot)| Some((at, slot.as_ref()?.settled.as_deref()?)))
        })
    }
}

/// Bodies that are away.
impl Log {
    /// Numbers of the blocks with offsets before `end`, the last ones first.
    pub(super) fn blocks_before(&self, end: u64) -> impl Iterator<Item = u64> + use<> {
        let first = self.base / BLOCK;
        (first..end.min(self.end()).div_ceil(BLOCK).max(first)).rev()
    }

    fn block_mut(&mut self, number: u64) -> Option<(u64, &mut Block)> {
        let at = usize::try_from(number.checked_sub(self.base / BLOCK)?).ok()?;
        let start = self.start_of(at);
        self.blocks.get_mut(at).map(|block| (start, block))
    }

    /// Sends the bodies of a full block away, so that little is left of it. Bytes of bodies that went.
    pub(super) fn cool(&mut self, number: u64) -> usize {
        let Some((start, block)) = self.block_mut(number) else { return 0 };
        if !block.may_pack || block.live == 0 {
            return 0;
        }
        if block.slots.packed.is_some() {
            return 0;
        }
        let slots = &mut block.slots.whole;
        block.may_pack = false;
        let mut gone = 0;
        for slot in slots.iter_mut().flatten().filter(|slot| !slot.message.body.is_away()) {
            gone += slot.message.body.len();
            let body = away(&slot.message);
            Arc::make_mut(&mut slot.message).body = body;
        }
        block.away = block.live;
        if let Some(packed) = Packed::new(slots, start) {
            block.slots = Slots { whole: Vec::new(), packed: Some(Box::new(packed)) };
        }
        gone
    }

    /// Sends the bodies at some offsets of a block away. Bytes of bodies that went.
    pub(super) fn cool_some(&mut self, number: u64, may_go: impl Fn(u64) -> bool) -> usize {
        let Some((start, block)) = self.block_mut(number) else { return 0 };
        let mut gone = 0;
        if block.away == block.live {
            return gone;
        }
        for (offset, slot) in (start..).zip(&mut block.slots.whole) {
            if let Some(slot) = slot
                && !slot.message.body.is_away()
                && may_go(offset)
            {
                gone += slot.message.body.len();
                block.away += 1;
                let body = away(&slot.message);
                Arc::make_mut(&mut slot.message).body = body;
            }
        }
        gone
    }

    /// Keeps little of a full block if all its bodies are away already.
    pub(super) fn pack(&mut self, number: u64) {
        if self.block_mut(number).is_some_and(|(_, block)| block.away == block.live) {
            self.cool(number);
        }
    }

    /// Bodies are here again: of a packed block only if it is to be opened. Bytes of those that are.
    pub(super) fn warm(
        &mut self,
        offset: u64,
        bytes: &Bytes,
        is_needed: bool,
    ) -> Result<usize, Damaged> {
        let Some((at, in_block)) = self.place(offset) else { return Ok(0) };
        let Some(block) = self.blocks.get_mut(at) else { return Ok(0) };
        let Some(seen) = block.slots.get(in_block) else { return Ok(0) };
        match seen {
            Seen::Whole(slot) if !slot.message.body.is_away() => return Ok(0),
            Seen::Packed(..) if !is_needed => return Ok(0),
            Seen::Whole(_) | Seen::Packed(..) => {}
        }
        if seen.length() != bytes.len() {
            return Err(Damaged);
        }
        block.may_pack = true;
        block.away -= 1;
        if let Some(Some(slot)) = block.slots.whole().get_mut(in_block) {
            let body = slot.message.body.with(bytes.clone());
            Arc::make_mut(&mut slot.message).body = body;
        }
        Ok(bytes.len())
    }

    /// Whether the body of the first message at `offset` or later, or else of the last one, is away.
    pub(super) fn is_away(&self, offset: u64) -> bool {
        let at = self.next_at(offset).or_else(|| self.last());
        at.and_then(|at| self.get(at)).is_some_and(Seen::is_away)
    }

    /// The first message at `offset` or later whose body is away.
    pub(super) fn first_away(&self, offset: u64) -> Option<u64> {
        let (first, mut at) = self.place(offset.max(self.base))?;
        for (number, block) in self.blocks.iter().enumerate().skip(first) {
            if block.away > 0 {
                let all = at..block.slots.len();
                let is_away = |at: &usize| block.slots.get(*at).is_some_and(Seen::is_away);
                if let Some(found) = all.into_iter().find(is_away) {
                    return Some(self.start_of(number) + found as u64);
                }
            }
            at = 0;
        }
        None
    }
}

/// What is left of a body. Only that of a message with an id of its own is compared with others.
fn away(message: &Message) -> Payload {
    let has_id = message.options.as_ref().is_some_and(|options| options.id.is_some());
    let digest = if has_id { message.body.digest() } else { 0 };
    Payload::away(message.body.len(), digest, message.body.shared_type().cloned())
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
        log.from(0).map(|(at, slot)| slot.message().position.offset.min(at)).collect()
    }

    #[test]
    fn messages_are_found_where_they_are_and_blocks_are_given_back() {
        let block = BLOCK;
        let mut log = filled(3 * block + 5);
        for offset in [0, 1, block, 2 * block - 1, 3 * block + 4] {
            assert_eq!(log.get(offset).unwrap().message().position.offset, offset);
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
        let block = BLOCK;
        for offset in 0..4 * block {
            let mut slot = slot(offset);
            Arc::get_mut(&mut slot.message).unwrap().sent_at = Timestamp(offset / 2);
            log.push(slot);
        }
        assert_eq!(log.last(), Some(4 * block - 1));
        (block..3 * block).for_each(|offset| drop(log.remove(offset)));
        for (at, first) in
            [(0, 0), (1, 2), (3, 6), (4, 3 * block), (12, 24), (13, 26), (15, 30), (16, 4 * block)]
        {
            assert_eq!(log.first_sent(Timestamp(at)), first, "{at}");
        }
        (3 * block..4 * block).for_each(|offset| drop(log.remove(offset)));
        assert_eq!(log.last(), Some(block - 1));
        assert_eq!(Log::default().last(), None);
    }

    #[test]
    fn an_empty_log_goes_on_counting_and_holds_next_to_nothing() {
        let mut log = filled(2 * BLOCK);
        (0..2 * BLOCK).for_each(|offset| drop(log.remove(offset)));
        assert!(log.blocks.is_empty());
        for offset in 2 * BLOCK..5 * BLOCK {
            assert_eq!(log.end(), offset);
            log.push(slot(offset));
            log.remove(offset).unwrap();
        }
        assert!(log.blocks.len() == 1 && log.blocks[0].slots.whole.capacity() <= KEEP);
        log.skip_to(9000);
        assert_eq!(log.end(), 9000);
        log.push(slot(9000));
        log.skip_to(9010);
        assert_eq!((log.end(), log.len()), (9010, 1));
    }
}
