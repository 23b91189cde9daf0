//! Ready messages in the order of their sequence (I2).
//!
//! New messages are appended to a ring and leave from its front. A message that comes back from a lease
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

#[derive(Debug, Default)]
pub(super) struct Ready {
    returned: BTreeMap<Sequence, Message>,
    fresh: VecDeque<Message>,
}

impl Ready {
    pub(super) fn len(&self) -> usize {
        self.returned.len() + self.fresh.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.returned.is_empty() && self.fresh.is_empty()
    }

    pub(super) fn push(&mut self, message: Message) {
        debug_assert!(self.fresh.back().is_none_or(|last| last.sequence < message.sequence));
        self.fresh.push_back(message);
    }

    pub(super) fn put_back(&mut self, message: Message) {
        debug_assert!(self.fresh.front().is_none_or(|first| message.sequence < first.sequence));
        self.returned.insert(message.sequence, message);
    }

    pub(super) fn pop(&mut self) -> Option<Message> {
        let next = match self.returned.pop_first() {
            Some((_, message)) => Some(message),
            None => self.fresh.pop_front(),
        };
        // A queue that was deep once gives its memory back when it has run empty.
        if self.fresh.is_empty() && self.fresh.capacity() > KEEP_CAPACITY {
            self.fresh.shrink_to(KEEP_CAPACITY);
        }
        next
    }

    /// All messages in order; for checks and replay.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Message> {
        self.returned.values().chain(&self.fresh)
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Keeps the messages that `keep` says; replay only.
    pub(super) fn retain(&mut self, keep: impl Fn(Sequence) -> bool) {
        self.returned.retain(|sequence, _| keep(*sequence));
        self.fresh.retain(|message| keep(message.sequence));
    }

    /// Removes one message wherever it is; replay only.
    pub(super) fn remove(&mut self, sequence: Sequence) -> Option<Message> {
        if let Some(message) = self.returned.remove(&sequence) {
            return Some(message);
        }
        let at = self.fresh.binary_search_by_key(&sequence, |message| message.sequence).ok()?;
        self.fresh.remove(at)
    }
}

const KEEP_CAPACITY: usize = 1024;
