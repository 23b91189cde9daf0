//! Ready messages in the order of their sequence (I2).
//!
//! New messages are appended to a ring of blocks and leave from its front. A message that comes back from a lease
//! is older than everything in the ring, so it goes to a small sorted map that is emptied first.

use std::collections::{BTreeMap, VecDeque};

use super::{effect::Sequence, record::RecordNumber};
use crate::types::Payload;

/// A live message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) sequence: Sequence,
    /// The record that made it: a delivery rests on it.
    pub(super) sent_in: RecordNumber,
    /// Deliveries so far.
    pub(super) attempts: u32,
    pub(super) body: Payload,
}

/// Messages of one block. A ring in one piece would be moved as a whole whenever it grows, which at some
/// million messages stops everything for a second; and would never give memory back.
const BLOCK: usize = 1024;

#[derive(Debug, Default)]
pub(super) struct Ready {
    returned: BTreeMap<Sequence, Message>,
    /// Only the last block takes more, and only it may be empty.
    fresh: VecDeque<VecDeque<Message>>,
    fresh_len: usize,
}

impl Ready {
    pub(super) fn len(&self) -> usize {
        self.returned.len() + self.fresh_len
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn push(&mut self, message: Message) {
        self.fresh_len += 1;
        match self.fresh.back_mut() {
            Some(block) if block.len() < BLOCK => block.push_back(message),
            _ => self.fresh.push_back(VecDeque::from([message])),
        }
    }

    pub(super) fn put_back(&mut self, message: Message) {
        self.returned.insert(message.sequence, message);
    }

    pub(super) fn pop(&mut self) -> Option<Message> {
        if let Some((_, message)) = self.returned.pop_first() {
            return Some(message);
        }
        let block = self.fresh.front_mut()?;
        let message = block.pop_front()?;
        self.fresh_len -= 1;
        // The last block stays for the next message, unless it was large once.
        let is_last = self.fresh_len == 0;
        if block.is_empty() && (!is_last || block.capacity() > KEEP) {
            self.fresh.pop_front();
        }
        Some(message)
    }

    /// All messages in order; for checks and replay.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Message> {
        self.returned.values().chain(self.fresh.iter().flatten())
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Keeps the messages that `keep` says; replay only.
    pub(super) fn retain(&mut self, keep: impl Fn(Sequence) -> bool) {
        self.returned.retain(|sequence, _| keep(*sequence));
        self.fresh.iter_mut().for_each(|block| block.retain(|message| keep(message.sequence)));
        self.fresh.retain(|block| !block.is_empty());
        self.fresh_len = self.fresh.iter().map(VecDeque::len).sum();
    }

    /// Removes one message wherever it is; replay only.
    pub(super) fn remove(&mut self, sequence: Sequence) -> Option<Message> {
        if let Some(message) = self.returned.remove(&sequence) {
            return Some(message);
        }
        let is_before =
            |block: &VecDeque<Message>| block.back().is_some_and(|last| last.sequence < sequence);
        let at = self.fresh.partition_point(is_before);
        let block = self.fresh.get_mut(at)?;
        let within = block.binary_search_by_key(&sequence, |message| message.sequence).ok()?;
        let message = block.remove(within);
        if block.is_empty() {
            self.fresh.remove(at);
        }
        self.fresh_len -= 1;
        message
    }
}

/// An empty block up to this size is kept for use.
const KEEP: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn message(n: u64) -> Message {
        let body = Payload::from("1");
        Message { sequence: Sequence(n), sent_in: RecordNumber(n), attempts: 0, body }
    }

    fn filled(count: u64) -> Ready {
        let mut ready = Ready::default();
        (1..=count).for_each(|n| ready.push(message(n)));
        ready
    }

    #[test]
    fn order_holds_across_blocks_and_what_came_back_is_first() {
        let count = 3 * BLOCK as u64;
        let mut ready = filled(count);
        let early: Vec<Message> = (0..5).filter_map(|_| ready.pop()).collect();
        early.into_iter().rev().for_each(|message| ready.put_back(message));
        assert_eq!(ready.len() as u64, count);
        let order: Vec<u64> = std::iter::from_fn(|| ready.pop()).map(|m| m.sequence.0).collect();
        assert!(order.iter().copied().eq(1..=count));
        assert!(ready.is_empty() && ready.fresh.is_empty(), "large blocks are given back");
        ready.push(message(count + 1));
        assert_eq!(ready.pop().map(|m| m.sequence.0), Some(count + 1));
        assert_eq!(ready.pop(), None);
    }

    #[test]
    fn single_messages_are_found_in_any_block() {
        let count = 2 * BLOCK as u64 + 1;
        let mut ready = filled(count);
        for n in [1, BLOCK as u64, BLOCK as u64 + 1, count] {
            assert_eq!(ready.remove(Sequence(n)).map(|m| m.sequence.0), Some(n));
            assert_eq!(ready.remove(Sequence(n)), None, "gone");
        }
        assert_eq!(ready.len() as u64, count - 4);
        ready.retain(|sequence| sequence.0 > 2 * BLOCK as u64 - 3);
        let left: Vec<u64> = ready.iter().map(|m| m.sequence.0).collect();
        assert_eq!(left, [2 * BLOCK as u64 - 2, 2 * BLOCK as u64 - 1, 2 * BLOCK as u64]);
        assert_eq!(ready.len(), 3);
    }
}
